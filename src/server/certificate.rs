//! The server's own certificate and key, looked at before clients connect.
//!
//! What clients would refuse is a fault, and nothing is served with it; what will become one is a
//! warning. A client sees no more than a handshake that fails: this is where the reason is told.

use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use crate::agency::certificate::{CertificateSummary, ServerUse};
use crate::agency::expiry::expiring;
use crate::message::bundle::Fault;
use crate::message::time::Timestamp;

/// A PEM file: its place, for faults and warnings to name, and its content.
#[derive(Debug, Clone, Copy)]
pub(crate) struct File<'f> {
    place: &'f str,
    pem: &'f [u8],
}

impl<'f> File<'f> {
    /// The file at `place` with this content.
    pub(crate) fn new(place: &'f str, pem: &'f [u8]) -> Self {
        Self { place, pem }
    }
}

const PROFILE: &str = "issue it by the profile `server` of certs/README.md";

/// Faults and warnings of the server's certificate and key.
#[derive(Debug, Default)]
pub(crate) struct Looked {
    /// What clients refuse, or a server cannot serve with.
    pub faults: Vec<Fault>,
    /// What will become a fault, or should be put in order.
    pub warnings: Vec<Fault>,
}

impl Looked {
    /// Looks at the certificate, with those between it and its issuer behind it, and at its key.
    pub(crate) fn at(certificate: File<'_>, key: File<'_>, now: Timestamp) -> Self {
        let mut looked = Self::default();
        looked.lifetimes(certificate, now);
        let File { place, pem } = certificate;
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
        let chain = chain.unwrap_or_default();
        if let Some(summary) = chain.first().and_then(|own| CertificateSummary::read(own)) {
            looked.profile(place, &summary);
            looked.pair(place, chain, key);
        }
        looked
    }

    fn lifetimes(&mut self, file: File<'_>, now: Timestamp) {
        match expiring(file.place, file.pem, now) {
            Ok(found) => {
                let (warnings, faults): (Vec<_>, Vec<_>) =
                    found.iter().partition(|found| found.is_warning());
                self.faults
                    .extend(faults.iter().map(|found| found.to_fault()));
                self.warnings
                    .extend(warnings.iter().map(|found| found.to_fault()));
            }
            Err(fault) => self.faults.push(fault),
        }
    }

    fn profile(&mut self, place: &str, certificate: &CertificateSummary) {
        let subject = &certificate.subject;
        let fault = |says: &str| Fault::new(place, format!("{subject} {says}"), PROFILE);
        match certificate.server {
            ServerUse::Excluded => self.faults.push(fault(
                "may not stand for a server: its extended key usage lacks serverAuth",
            )),
            ServerUse::Unsaid => self.warnings.push(fault(
                "has no extended key usage: clients that ask for serverAuth refuse it",
            )),
            ServerUse::Named => {}
        }
        if certificate.hosts.is_empty() {
            self.faults.push(fault(
                "names no host: its subject alternative name has neither DNS name nor address",
            ));
        }
        if certificate.is_issuer {
            self.warnings.push(fault(
                "is an issuer's own certificate: many clients refuse it as a server's",
            ));
        }
    }

    fn pair(&mut self, place: &str, chain: Vec<CertificateDer<'static>>, key: File<'_>) {
        let (key, pem) = (key.place, key.pem);
        let Ok(der) = PrivateKeyDer::from_pem_slice(pem) else {
            let cure = "export the key again, as PEM without a passphrase";
            self.faults.push(Fault::new(key, "is no private key", cure));
            return;
        };
        let Ok(signing) = any_supported_type(&der) else {
            let cure = "use P-256, P-384, or RSA from 2048 bits: certs/README.md";
            let says = "is a private key of a kind that TLS does not take";
            self.faults.push(Fault::new(key, says, cure));
            return;
        };
        if CertifiedKey::new(chain, signing).keys_match().is_err() {
            let says = format!("is not the key of {place}");
            let cure = "put the key there that the certificate was requested with";
            self.faults.push(Fault::new(key, says, cure));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::cli::certs::issue::{Authority, Profile, Usage, Validity};

    fn now() -> Timestamp {
        Timestamp::from_rfc3339("2026-03-17T12:00:00Z").unwrap()
    }

    fn authority() -> Authority {
        Authority::create(&Profile::issuer("authority", now())).unwrap()
    }

    /// Faults and warnings of a certificate with its own key.
    fn look(profile: &Profile, at: Timestamp) -> Looked {
        let issued = authority().issue(profile).unwrap();
        let (certificate, key) = (issued.certificate.as_bytes(), issued.key.as_bytes());
        Looked::at(
            File::new("server.pem", certificate),
            File::new("server.key", key),
            at,
        )
    }

    #[track_caller]
    fn assert_only(found: &[Fault], place: &str, says: &str) {
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].place, place);
        assert!(found[0].says.contains(says), "{}", found[0]);
    }

    #[test]
    fn a_servers_certificate_has_no_fault_and_a_month_before_its_end_a_warning() {
        let profile = Profile::local_server(now());
        let day = Duration::from_hours(24);
        let looked = look(&profile, now());
        assert!(
            looked.faults.is_empty() && looked.warnings.is_empty(),
            "{looked:?}"
        );
        let looked = look(&profile, now().plus(61 * day));
        assert!(looked.faults.is_empty(), "{looked:?}");
        assert_only(&looked.warnings, "server.pem", "ends at");
        let looked = look(&profile, now().plus(91 * day));
        assert_only(&looked.faults, "server.pem", "ended at");
    }

    #[test]
    fn a_clients_certificate_and_one_that_names_nobody_are_no_servers() {
        let local = Profile::local_server(now());
        let client = Profile {
            usage: Usage::Client {
                uris: vec!["urn:carnet:post:system:items".to_owned()],
            },
            ..local.clone()
        };
        let says: Vec<String> = look(&client, now())
            .faults
            .iter()
            .map(ToString::to_string)
            .collect();
        assert!(
            says[0].contains("lacks serverAuth") && says[1].contains("names no host"),
            "{says:?}"
        );
        let nobody = Profile {
            usage: Usage::Server {
                names: Vec::new(),
                addresses: Vec::new(),
            },
            ..local
        };
        assert_only(&look(&nobody, now()).faults, "server.pem", "names no host");
    }

    #[test]
    fn anothers_key_and_what_is_no_key_are_told_at_the_key() {
        let (authority, profile) = (authority(), Profile::local_server(now()));
        let (own, other) = (
            authority.issue(&profile).unwrap(),
            authority.issue(&profile).unwrap(),
        );
        let look = |key: &str| {
            let certificate = File::new("server.pem", own.certificate.as_bytes());
            Looked::at(certificate, File::new("server.key", key.as_bytes()), now()).faults
        };
        assert_only(
            &look(&other.key),
            "server.key",
            "is not the key of server.pem",
        );
        assert_only(&look("nothing"), "server.key", "is no private key");
        assert_only(&look(&own.certificate), "server.key", "is no private key");
    }

    #[test]
    fn an_issuers_own_certificate_is_warned_of() {
        let issuer = Authority::create(&Profile {
            validity: Validity::starting(now(), Duration::from_hours(24 * 90)),
            ..Profile::issuer("issuer", now())
        });
        let own = issuer.unwrap().to_issued();
        let (certificate, key) = (own.certificate.as_bytes(), own.key.as_bytes());
        let looked = Looked::at(
            File::new("server.pem", certificate),
            File::new("server.key", key),
            now(),
        );
        assert_only(&looked.faults, "server.pem", "names no host");
        let warnings: Vec<String> = looked.warnings.iter().map(ToString::to_string).collect();
        assert!(
            warnings.iter().any(|says| says.contains("issuer's own")),
            "{warnings:?}"
        );
    }
}
