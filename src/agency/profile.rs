//! The profile of `certs/README.md`, as advice: where a certificate departs from it and is taken all
//! the same. What is held whatever the profile says is `chain`'s.

use std::time::Duration;

use super::certificate::CertificateSummary;
use super::public_key::Standing;
use super::refusal::quoted;
use super::registry::{Peer, Registry};
use crate::message::bundle::Fault;

const DAY: Duration = Duration::from_hours(24);
/// What a system's certificate may last: a year, and a day for who counts generously.
const LEAF_DAYS_MAX: u64 = 367;
/// What an issuer's may: ten years, with their leap days.
const ISSUER_DAYS_MAX: u64 = 3_654;

/// Where a system's chain departs from the profile, in sentences.
pub(super) fn departures(
    peer: &Peer,
    own: &CertificateSummary,
    above: &[CertificateSummary],
) -> Vec<String> {
    let mut found = of_any(own, LEAF_DAYS_MAX);
    if own.says_authority.is_none() {
        found.push("it has no basic constraints; the profile has CA:FALSE".to_owned());
    }
    match own.key_usage {
        None => found.push("it has no key usage; the profile has digitalSignature".to_owned()),
        Some(usage) if usage.more || usage.issues => {
            let says = "its key usage has more than the profile's digitalSignature";
            found.push(says.to_owned());
        }
        Some(_) => {}
    }
    if own.uris.len() > 1 {
        let count = own.uris.len();
        found.push(format!("it has {count} URIs; the profile has one"));
    }
    let name = peer.user_id();
    if !peer.system.certificate.starts_with("CN=") && !own.common_names.contains(&name) {
        found.push(format!("its CN is not {name}, as the profile has it"));
    }
    for authority in above {
        let subject = quoted(&authority.subject);
        let its = of_issuer(authority);
        found.extend(
            its.into_iter()
                .map(|says| format!("{subject} above it: {says}")),
        );
    }
    found
}

fn of_any(certificate: &CertificateSummary, days_max: u64) -> Vec<String> {
    let mut found = Vec::new();
    let (key, signature) = (&certificate.key, &certificate.signature);
    if key.standing != Standing::Advised {
        let name = &key.name;
        found.push(format!(
            "its key is {name}; the profile has P-256, P-384, RSA from 3072 bits"
        ));
    }
    if signature.standing != Standing::Advised {
        found.push(format!("it is signed with {}", signature.name));
    }
    let lasts = certificate.not_after.since(certificate.not_before);
    let days = lasts.as_secs() / DAY.as_secs();
    if days > days_max {
        let years = if days_max > 400 {
            "ten years"
        } else {
            "a year"
        };
        found.push(format!(
            "it is good for {days} days; the profile has {years} at most"
        ));
    }
    found
}

fn of_issuer(issuer: &CertificateSummary) -> Vec<String> {
    let mut found = of_any(issuer, ISSUER_DAYS_MAX);
    if issuer.key_usage.is_none() {
        found.push("it has no key usage; the profile has keyCertSign, cRLSign".to_owned());
    }
    let unknown = issuer.unknown_critical.iter();
    found.extend(unknown.map(|name| format!("its critical {name} means nothing here")));
    found
}

/// Faults and warnings of the issuers that agencies list.
#[derive(Debug, Default)]
pub struct Listed {
    /// Authorities under which no certificate can be accepted.
    pub faults: Vec<Fault>,
    /// Authorities that depart from the profile.
    pub departures: Vec<Fault>,
}

impl Registry {
    /// How listed issuers stand to the profile. Beside the parsing of a registry: what was listed
    /// once is read by every release.
    pub fn issuers_by_profile(&self) -> Listed {
        let mut listed = Listed::default();
        for agency in self.bodies() {
            for (file, der) in &agency.issuers {
                let Some(issuer) = CertificateSummary::read(der) else {
                    continue;
                };
                let place = format!("{}/{file}", agency.folder());
                let subject = &issuer.subject;
                if !issuer.key.is_taken() {
                    let says = format!("{subject}: nobody gets in by its key, {}", issuer.key.name);
                    let cure = "list an issuer with a key by the profile of certs/README.md";
                    listed.faults.push(Fault::new(place, says, cure));
                    continue;
                }
                let cure = "renew the issuer by the profile of certs/README.md";
                let says = of_issuer(&issuer).into_iter();
                let says = says.map(|says| Fault::new(&place, format!("{subject}: {says}"), cure));
                listed.departures.extend(says);
            }
        }
        listed
    }
}
