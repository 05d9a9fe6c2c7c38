//! Certificates made here: for development, and one at a time for agencies without a PKI.
//!
//! rcgen draws the randomness of each key pair itself: a key that is an argument would only be a key
//! that can be got wrong. Dates are arguments. Nothing is written to disk: this module returns the
//! text of files.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PublicKeyData, SanType,
    SubjectPublicKeyInfo,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, CertificateSigningRequestDer};
use time::OffsetDateTime;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::FromDer;

use crate::agency::certificate::CertificateSummary;
use crate::agency::public_key::{Kind, is_signed_by};
use crate::agency::registry::{Agency, Officer, System};
use crate::message::id::Digest;
use crate::message::time::Timestamp;

/// How far a certificate is dated back, for clients whose clock is behind.
const DATED_BACK: Duration = Duration::from_mins(5);
/// How long an issuer of ours is good for.
pub const ISSUER_LIFETIME: Duration = Duration::from_hours(24 * 3650);
/// How long a server's or system's certificate of ours is good for.
pub const LEAF_LIFETIME: Duration = Duration::from_hours(24 * 90);

/// Why a certificate could not be issued.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// The issuer's certificate or key cannot be read, or they do not belong together.
    #[error("the issuer's {0} cannot be used: give its certificate and its key, both as PEM")]
    Issuer(&'static str),
    /// The request cannot be used.
    #[error("the request {0}")]
    Request(String),
    /// A name has letters that certificates do not take.
    #[error("{0:?} cannot stand in a certificate: write it in ASCII")]
    Name(String),
    /// The key or certificate could not be made.
    #[error("the certificate could not be made: {0}")]
    Made(rcgen::Error),
}

/// From when until when a certificate is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// First instant.
    pub from: Timestamp,
    /// Last instant; certificates count whole seconds.
    pub until: Timestamp,
}

impl Validity {
    /// From five minutes before `now` for `lifetime`.
    pub fn starting(now: Timestamp, lifetime: Duration) -> Self {
        let back = i64::try_from(DATED_BACK.as_millis()).unwrap_or(0);
        let from = Timestamp::from_millis(now.as_millis().saturating_sub(back));
        Self {
            from,
            until: now.plus(lifetime),
        }
    }
}

/// What a certificate stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Usage {
    /// An issuer of certificates.
    Issuer {
        /// How many issuers may stand below it.
        path_length: u8,
    },
    /// A TLS client, by these URIs.
    Client {
        /// URIs of the subject alternative name.
        uris: Vec<String>,
    },
    /// The TLS server, by these names.
    Server {
        /// DNS names.
        names: Vec<String>,
        /// Addresses.
        addresses: Vec<IpAddr>,
    },
}

/// What to write into a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// The subject's common name.
    pub common_name: String,
    /// What it stands for.
    pub usage: Usage,
    /// From when until when.
    pub validity: Validity,
}

impl Profile {
    /// A system's: the name that its entry gives, and `<agency>-<system>` as common name.
    pub fn system(agency: &Agency, system: &System, now: Timestamp) -> Self {
        let (common_name, uris) = match system.certificate.strip_prefix("CN=") {
            Some(common_name) => (common_name.to_owned(), Vec::new()),
            None => (
                format!("{}-{}", agency.id, system.name),
                vec![system.certificate.clone()],
            ),
        };
        Self {
            common_name,
            usage: Usage::Client { uris },
            validity: Validity::starting(now, LEAF_LIFETIME),
        }
    }

    /// An officer's, `<agency>.<number>` by common name; none where a token alone says who he is.
    pub fn officer(agency: &Agency, officer: &Officer, now: Timestamp) -> Option<Self> {
        let uris = vec![officer.certificate.clone()?];
        Some(Self {
            common_name: format!("{}.{}", agency.id, officer.id),
            usage: Usage::Client { uris },
            validity: Validity::starting(now, LEAF_LIFETIME),
        })
    }

    /// An issuer's, below which no other stands.
    pub fn issuer(common_name: impl Into<String>, now: Timestamp) -> Self {
        Self {
            common_name: common_name.into(),
            usage: Usage::Issuer { path_length: 0 },
            validity: Validity::starting(now, ISSUER_LIFETIME),
        }
    }

    /// The server's on this machine: `localhost`, `127.0.0.1`, `::1`.
    pub fn local_server(now: Timestamp) -> Self {
        Self {
            common_name: "carnet".to_owned(),
            usage: Usage::Server {
                names: vec!["localhost".to_owned()],
                addresses: vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()],
            },
            validity: Validity::starting(now, LEAF_LIFETIME),
        }
    }

    fn params(&self) -> Result<CertificateParams, IssueError> {
        let mut params = CertificateParams::default();
        params.not_before = date(self.validity.from)?;
        params.not_after = date(self.validity.until)?;
        params.distinguished_name = DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::CommonName, self.common_name.as_str());
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        match &self.usage {
            Usage::Issuer { path_length } => {
                params.is_ca = IsCa::Ca(BasicConstraints::Constrained(*path_length));
                params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
            }
            Usage::Client { uris } => {
                params.is_ca = IsCa::ExplicitNoCa;
                params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
                let uris = uris.iter().map(|uri| ascii(uri).map(SanType::URI));
                params.subject_alt_names = uris.collect::<Result<_, _>>()?;
            }
            Usage::Server { names, addresses } => {
                params.is_ca = IsCa::ExplicitNoCa;
                params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
                let names = names.iter().map(|name| ascii(name).map(SanType::DnsName));
                params.subject_alt_names = names.collect::<Result<_, _>>()?;
                let addresses = addresses.iter().map(|address| SanType::IpAddress(*address));
                params.subject_alt_names.extend(addresses);
            }
        }
        Ok(params)
    }
}

fn ascii(text: &str) -> Result<Ia5String, IssueError> {
    Ia5String::try_from(text).map_err(|_| IssueError::Name(text.to_owned()))
}

fn date(at: Timestamp) -> Result<OffsetDateTime, IssueError> {
    OffsetDateTime::from_unix_timestamp(at.as_millis().div_euclid(1000))
        .map_err(|_| IssueError::Made(rcgen::Error::Time))
}

/// A certificate with its private key, both as PEM.
#[derive(Clone, PartialEq, Eq)]
pub struct Issued {
    /// The certificate.
    pub certificate: String,
    /// Its private key, PKCS #8.
    pub key: String,
}

/// Shows no key.
impl fmt::Debug for Issued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issued")
            .field("certificate", &self.certificate)
            .finish_non_exhaustive()
    }
}

/// An issuer's certificate and key.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: String,
}

impl Authority {
    /// A new root: the issuer of an agency, signed by its own key.
    ///
    /// # Errors
    /// [`IssueError`] where the profile's name or dates cannot be written.
    pub fn create(profile: &Profile) -> Result<Self, IssueError> {
        let params = profile.params()?;
        let key = new_key()?;
        let certificate = params.self_signed(&key).map_err(IssueError::Made)?.pem();
        let issuer = Issuer::new(params, key);
        Ok(Self {
            issuer,
            certificate,
        })
    }

    /// One that exists, from the PEM of its certificate and its key.
    ///
    /// # Errors
    /// [`IssueError::Issuer`] where one cannot be read, is no issuer's, or is not the other's.
    pub fn load(certificate: &str, key: &str) -> Result<Self, IssueError> {
        let key = KeyPair::from_pem(key).map_err(|_| IssueError::Issuer("key"))?;
        let der = CertificateDer::from_pem_slice(certificate.as_bytes()).ok();
        let summary = der.and_then(|der| CertificateSummary::read(&der));
        let summary = summary.filter(|summary| summary.is_issuer);
        let summary = summary.ok_or(IssueError::Issuer("certificate"))?;
        if summary.public_key != Digest::of(&key.subject_public_key_info()) {
            return Err(IssueError::Issuer("key"));
        }
        let issuer = Issuer::from_ca_cert_pem(certificate, key)
            .map_err(|_| IssueError::Issuer("certificate"))?;
        Ok(Self {
            issuer,
            certificate: certificate.to_owned(),
        })
    }

    /// Issues a certificate with a new P-256 key.
    ///
    /// # Errors
    /// [`IssueError`] where the profile's name or dates cannot be written.
    pub fn issue(&self, profile: &Profile) -> Result<Issued, IssueError> {
        let key = new_key()?;
        let certificate = profile.params()?.signed_by(&key, &self.issuer);
        Ok(Issued {
            certificate: certificate.map_err(IssueError::Made)?.pem(),
            key: key.serialize_pem(),
        })
    }

    /// Issues a certificate for the key of a request, PEM: nothing else of it is taken over.
    ///
    /// # Errors
    /// [`IssueError::Request`] where it is none, its key is not taken, or it is not signed with it.
    pub fn certify(&self, profile: &Profile, request: &str) -> Result<String, IssueError> {
        let none =
            || IssueError::Request("cannot be read: give one of PKCS #10, as PEM".to_owned());
        let der = CertificateSigningRequestDer::from_pem_slice(request.as_bytes());
        let der = der.map_err(|_| none())?;
        let (rest, parsed) = X509CertificationRequest::from_der(&der).map_err(|_| none())?;
        if !rest.is_empty() {
            return Err(none());
        }
        let key = &parsed.certification_request_info.subject_pki;
        let kind = Kind::of_key(key);
        if !kind.is_taken() {
            let says = format!(
                "has a key that is not taken, {}: certs/README.md",
                kind.name
            );
            return Err(IssueError::Request(says));
        }
        let info = parsed.certification_request_info.raw;
        if !is_signed_by(key, &der, info, &parsed.signature_value.data) {
            let says = "is not signed with the key in it: make it again with that key".to_owned();
            return Err(IssueError::Request(says));
        }
        let key = SubjectPublicKeyInfo::from_der(key.raw).map_err(IssueError::Made)?;
        let certificate = profile.params()?.signed_by(&key, &self.issuer);
        Ok(certificate.map_err(IssueError::Made)?.pem())
    }

    /// The certificate with its key, as PEM.
    pub fn to_issued(&self) -> Issued {
        Issued {
            certificate: self.certificate.clone(),
            key: self.issuer.key().serialize_pem(),
        }
    }
}

/// Shows no key.
impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority")
            .field("issuer", &self.issuer)
            .finish_non_exhaustive()
    }
}

fn new_key() -> Result<KeyPair, IssueError> {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(IssueError::Made)
}
