//! A throw-away PKI for all agencies of a bundle, and the bundle that trusts it.
//!
//! For development, tests and the demo: whoever holds these files is every agency at once. The
//! real issuers of a bundle are replaced, not joined, so a development broker lets no real
//! certificate in and a real one lets no development certificate in.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use super::certificate::CertificateSummary;
use super::expiry::{Lifetime, expiring};
use super::issue::{Authority, IssueError, Issued, Profile};
use super::parse::drafts;
use super::registry::Agency;
use crate::message::bundle::{Bundle, Fault};
use crate::message::time::Timestamp;

/// What a development authority is called, behind the name that it is for.
const AUTHORITY: &str = "development CA";

/// Certificates and keys by the names of their files.
///
/// `ca.pem` (trusted by clients), `server.pem`, `server.key`; for each agency `<agency>-ca.pem` and
/// `.key`; for each system `<agency>-<system>.pem` and `.key`. The key behind `ca.pem` is kept
/// nowhere: another server certificate comes with another `ca.pem`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct DevelopmentPki {
    files: BTreeMap<String, Vec<u8>>,
}

/// What [`DevelopmentPki::complete`] has changed: names of files.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Completed {
    /// Files that there were none of.
    pub made: Vec<String>,
    /// Files that took the place of others.
    pub renewed: Vec<String>,
}

/// How a certificate with its key stands.
enum State {
    /// It is there, and good today.
    Good,
    /// There is none.
    Missing,
    /// It has ended, and was made here.
    Ended,
}

impl DevelopmentPki {
    /// Makes everything anew for the agencies of `bundle`, whose issuers' files may be absent.
    ///
    /// # Errors
    /// The faults of the agencies' files.
    pub fn create(bundle: &Bundle, now: Timestamp) -> Result<Self, Vec<Fault>> {
        let mut pki = Self::default();
        pki.complete(bundle, now)?;
        Ok(pki)
    }

    /// Adds what the agencies of `bundle` lack, and renews what has ended. Whatever else there is
    /// stays; a certificate that another authority issued is never replaced.
    ///
    /// # Errors
    /// The faults of the agencies' files; files that are there and of no use.
    pub fn complete(&mut self, bundle: &Bundle, now: Timestamp) -> Result<Completed, Vec<Fault>> {
        let (drafts, faults) = drafts(bundle);
        if !faults.is_empty() {
            return Err(faults);
        }
        let mut new = Self::default();
        let made = self.add_server(&mut new, now).and_then(|()| {
            drafts
                .iter()
                .try_for_each(|draft| self.add_agency(&draft.agency, &mut new, now))
        });
        made.map_err(|fault| vec![fault])?;
        let mut completed = Completed::default();
        let were_there: BTreeSet<String> = self.files.keys().map(|name| stem(name)).collect();
        for (name, content) in new.files {
            let before = self.files.insert(name.clone(), content);
            // A key that was there alone stays: its certificate was made for it.
            if before.is_some() && before.as_deref() == self.get(&name) {
                continue;
            }
            let list = if were_there.contains(&stem(&name)) {
                &mut completed.renewed
            } else {
                &mut completed.made
            };
            list.push(name);
        }
        Ok(completed)
    }

    /// The server's certificate and the authority behind it, which stand and fall together.
    fn add_server(&self, new: &mut Self, now: Timestamp) -> Result<(), Fault> {
        let states = [
            self.state(&["ca.pem"], now)?,
            self.state(&["server.pem", "server.key"], now)?,
        ];
        match states {
            [State::Good, State::Good] => return Ok(()),
            // A crash has left one of ours without the other.
            [State::Missing, State::Good] if !self.is_of_development("server.pem") => {
                return Err(half("server.pem", "ca.pem"));
            }
            [State::Good, State::Missing] if !self.is_of_development("ca.pem") => {
                return Err(half("ca.pem", "server.pem"));
            }
            _ => {}
        }
        let authority = Authority::create(&Profile::issuer(format!("carnet {AUTHORITY}"), now));
        let authority = authority.map_err(|error| unmade(&error))?;
        new.files.insert(
            "ca.pem".to_owned(),
            authority.to_issued().certificate.into_bytes(),
        );
        let issued = self.issue(&authority, &Profile::local_server(now), "server")?;
        new.add("server", issued);
        Ok(())
    }

    /// An agency's issuer, and its systems under it: all of them anew where the issuer is.
    fn add_agency(&self, agency: &Agency, new: &mut Self, now: Timestamp) -> Result<(), Fault> {
        let stem = format!("{}-ca", agency.id);
        let (certificate, key) = (format!("{stem}.pem"), format!("{stem}.key"));
        let standing = match self.state(&[&certificate], now)? {
            State::Good => true,
            State::Missing | State::Ended => false,
        };
        let mut issuer = None;
        if !standing {
            let profile = Profile::issuer(format!("{} {AUTHORITY}", agency.id), now);
            let made = Authority::create(&profile).map_err(|error| unmade(&error))?;
            new.add(&stem, made.to_issued());
            issuer = Some(made);
        }
        for system in agency.systems.values() {
            let stem = format!("{}-{}", agency.id, system.name);
            let (own, own_key) = (format!("{stem}.pem"), format!("{stem}.key"));
            // One that was made here is worth nothing under another issuer.
            let stays = standing || !self.is_of_development(&own);
            if stays && matches!(self.state(&[&own, &own_key], now)?, State::Good) {
                continue;
            }
            let issuer = match &mut issuer {
                Some(issuer) => issuer,
                none => none.insert(self.authority(&certificate, &key)?),
            };
            let made = self.issue(issuer, &Profile::system(agency, system, now), &stem)?;
            new.add(&stem, made);
        }
        Ok(())
    }

    /// A certificate: for the key that is there alone, as a crash leaves it or somebody has put it,
    /// else for a new one.
    fn issue(&self, issuer: &Authority, profile: &Profile, stem: &str) -> Result<Issued, Fault> {
        let name = format!("{stem}.key");
        let is_alone = !self.files.contains_key(&format!("{stem}.pem"));
        let alone = self.get(&name).filter(|key| is_alone && !key.is_empty());
        let Some(key) = alone else {
            return issuer.issue(profile).map_err(|error| unmade(&error));
        };
        let made = issuer.issue_for(profile, &String::from_utf8_lossy(key));
        made.map(|made| Issued {
            key: String::from_utf8_lossy(key).into_owned(),
            ..made
        })
        .map_err(|error| match error {
            IssueError::Key => Fault::new(
                name,
                format!("has no certificate, and {error}"),
                "take it away: then both are made",
            ),
            other => unmade(&other),
        })
    }

    /// An agency's issuer as it is there.
    fn authority(&self, certificate: &str, key: &str) -> Result<Authority, Fault> {
        let text = |name: &str| {
            let content = self.get(name).unwrap_or_default();
            String::from_utf8_lossy(content).into_owned()
        };
        Authority::load(&text(certificate), &text(key)).map_err(|_| {
            let says = format!("is needed, and {key} is not its key or is missing");
            Fault::new(
                certificate,
                says,
                "put its key there, or make all anew: carnet certs dev DIR --force",
            )
        })
    }

    /// Whether a certificate is there and was made here.
    fn is_of_development(&self, name: &str) -> bool {
        let der = self.get(name).map(CertificateDer::from_pem_slice);
        let summary = der.and_then(|der| CertificateSummary::read(&der.ok()?));
        summary.is_some_and(|it| is_of_development(&it.issuer))
    }

    /// How a certificate (and its key, where one is named) stands. What a crash may have left of a
    /// pair of ours is none: a key alone, a certificate that was made here alone.
    fn state(&self, names: &[&str], now: Timestamp) -> Result<State, Fault> {
        let is_foreign =
            |name: &str| name.strip_suffix(".pem").is_some() && !self.is_of_development(name);
        let there: Vec<&str> = names
            .iter()
            .copied()
            .filter(|name| self.files.contains_key(*name))
            .collect();
        let (Some(first), true) = (there.first(), there.len() == names.len()) else {
            let absent = names.iter().find(|name| !there.contains(name));
            return match (there.first(), absent) {
                (Some(there), Some(absent)) if is_foreign(there) => Err(half(there, absent)),
                _ => Ok(State::Missing),
            };
        };
        let found = expiring(first, self.get(first).unwrap_or_default(), now)?;
        let ended = found
            .iter()
            .find(|found| found.lifetime == Lifetime::Expired);
        match ended {
            None => Ok(State::Good),
            Some(ended) if is_of_development(&ended.issuer) => Ok(State::Ended),
            Some(ended) => {
                let says = format!("ended at {}, and {} issued it", ended.at, ended.issuer);
                Err(Fault::new(
                    *first,
                    says,
                    "renew it there, or make all anew: carnet certs dev DIR --force",
                ))
            }
        }
    }

    fn add(&mut self, stem: &str, issued: Issued) {
        self.files
            .insert(format!("{stem}.pem"), issued.certificate.into_bytes());
        self.files
            .insert(format!("{stem}.key"), issued.key.into_bytes());
    }

    /// A file's content.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.files.get(name).map(Vec::as_slice)
    }

    /// All files by name. Those that end in `.key` are for their owner's eyes alone (0400).
    pub fn files(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.files
            .iter()
            .map(|(name, content)| (name.as_str(), content.as_slice()))
    }
}

/// Whether a certificate's issuer is an authority that was made here.
pub fn is_of_development(issuer: &str) -> bool {
    issuer.ends_with(AUTHORITY)
}

/// The name that a certificate and its key share.
fn stem(name: &str) -> String {
    let stem = name.strip_suffix(".pem").or(name.strip_suffix(".key"));
    stem.unwrap_or(name).to_owned()
}

fn half(there: &str, absent: &str) -> Fault {
    let says = format!("is there without {absent}");
    let cure = "put that there too, take this away, or make all anew: carnet certs dev DIR --force";
    Fault::new(there, says, cure)
}

fn unmade(error: &IssueError) -> Fault {
    let cure = "correct the entry it was made for";
    Fault::new("certificates", error.to_string(), cure)
}

/// Files as they were written before, read back from their folder.
impl FromIterator<(String, Vec<u8>)> for DevelopmentPki {
    fn from_iter<I: IntoIterator<Item = (String, Vec<u8>)>>(files: I) -> Self {
        Self {
            files: files.into_iter().collect(),
        }
    }
}

/// Shows names, no content.
impl fmt::Debug for DevelopmentPki {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.files.keys()).finish()
    }
}

/// The bundle with each agency's development issuer at every path where it lists issuers.
///
/// # Errors
/// The faults of the agencies' files; an agency for which `pki` has no issuer.
pub fn development_bundle(bundle: &Bundle, pki: &DevelopmentPki) -> Result<Bundle, Vec<Fault>> {
    let (drafts, mut faults) = drafts(bundle);
    let mut development = bundle.clone();
    for draft in &drafts {
        let agency = &draft.agency.id;
        let Some(issuer) = pki.get(&format!("{agency}-ca.pem")) else {
            let says = format!("has no {agency}-ca.pem");
            faults.push(Fault::new(
                "certificates",
                says,
                "make them anew: carnet certs dev DIR",
            ));
            continue;
        };
        for (file, _) in &draft.issuers {
            development.insert(format!("agencies/{agency}/{file}"), issuer);
        }
    }
    if faults.is_empty() {
        Ok(development)
    } else {
        Err(faults)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::time::Duration;

    use super::*;
    use crate::agency::issue::{LEAF_LIFETIME, Validity};

    fn now() -> Timestamp {
        Timestamp::from_rfc3339("2026-03-17T12:00:00Z").unwrap()
    }

    fn later(days: u32) -> Timestamp {
        now().plus(Duration::from_hours(24) * days)
    }

    /// Agencies of this name, each with a system `one`.
    pub(crate) fn bundle(agencies: &[&str]) -> Bundle {
        let mut bundle = Bundle::default();
        for id in agencies {
            let text = format!(
                r#"id = "{id}"
kind = "customs"
country = "XM"
name = {{ en = "{id}" }}
contact = {{ desk = "Desk", email = "desk@{id}.example" }}
[trust]
issuers = ["ca.pem"]
[retention]
default = "30d"
[[unit]]
id = "main"
purpose = "customs-control"
receives = ["*"]
[[system]]
id = "one"
unit = "main"
certificate = "urn:carnet:{id}:system:one"
sends = []
reads = ["inbox"]
"#
            );
            bundle.insert(format!("agencies/{id}/agency.toml"), text);
        }
        bundle
    }

    #[test]
    fn what_is_there_and_good_stays_and_a_new_agency_gets_its_own() {
        let mut pki = DevelopmentPki::create(&bundle(&["customs"]), now()).unwrap();
        let before = pki.clone();
        let completed = pki.complete(&bundle(&["customs"]), now()).unwrap();
        assert_eq!((completed, &pki), (Completed::default(), &before));
        let completed = pki.complete(&bundle(&["coast", "customs"]), now()).unwrap();
        let made = [
            "coast-ca.key",
            "coast-ca.pem",
            "coast-one.key",
            "coast-one.pem",
        ];
        assert_eq!(completed.made, made);
        assert!(completed.renewed.is_empty());
        assert!(
            before
                .files()
                .all(|(name, content)| pki.get(name) == Some(content))
        );
    }

    #[test]
    fn what_has_ended_is_renewed_under_the_issuer_that_is_there() {
        let mut pki = DevelopmentPki::create(&bundle(&["customs"]), now()).unwrap();
        let before = pki.clone();
        let completed = pki.complete(&bundle(&["customs"]), later(91)).unwrap();
        assert!(completed.made.is_empty());
        let renewed = [
            "ca.pem",
            "customs-one.key",
            "customs-one.pem",
            "server.key",
            "server.pem",
        ];
        assert_eq!(completed.renewed, renewed);
        for kept in ["customs-ca.pem", "customs-ca.key"] {
            assert_eq!(pki.get(kept), before.get(kept));
        }
        let nothing = pki.complete(&bundle(&["customs"]), later(91)).unwrap();
        assert_eq!(nothing, Completed::default());
    }

    #[test]
    fn an_issuer_that_is_gone_takes_its_systems_with_it_and_only_them() {
        let both = bundle(&["customs", "post"]);
        let mut pki = DevelopmentPki::create(&both, now()).unwrap();
        pki.files.retain(|name, _| !name.starts_with("post-ca"));
        let completed = pki.complete(&both, now()).unwrap();
        assert_eq!(completed.made, ["post-ca.key", "post-ca.pem"]);
        assert_eq!(completed.renewed, ["post-one.key", "post-one.pem"]);
    }

    #[test]
    fn what_others_issued_and_half_a_pair_are_told_and_left() {
        let agencies = bundle(&["customs"]);
        let whole = DevelopmentPki::create(&agencies, now()).unwrap();
        let complete = |pki: &DevelopmentPki, at| {
            let mut completed = pki.clone();
            let fault = completed.complete(&agencies, at).unwrap_err().remove(0);
            assert_eq!(
                &completed, pki,
                "a refused completion has changed something"
            );
            fault.to_string()
        };
        let other = Authority::create(&Profile::issuer("Customs issuing CA", now())).unwrap();
        let mut foreign = whole.clone();
        let issued = other.issue(&Profile {
            common_name: "customs-one".to_owned(),
            usage: crate::agency::issue::Usage::Client { uris: Vec::new() },
            validity: Validity::starting(now(), LEAF_LIFETIME),
        });
        foreign.add("customs-one", issued.unwrap());
        // The server's and its authority's are of the day, so that nothing else is to be renewed.
        let of_the_day = DevelopmentPki::create(&agencies, later(91)).unwrap();
        for name in ["ca.pem", "server.pem", "server.key"] {
            let content = of_the_day.get(name).unwrap().to_vec();
            foreign.files.insert(name.to_owned(), content);
        }
        let says = complete(&foreign, later(91));
        assert!(says.contains("customs-one.pem: ended at"), "{says}");
        assert!(says.contains("CN=Customs issuing CA issued it"), "{says}");
        let mut half = foreign.clone();
        half.files.remove("customs-one.key");
        assert!(
            complete(&half, later(91))
                .contains("customs-one.pem: is there without customs-one.key")
        );
        let mut unreadable = whole.clone();
        unreadable.files.remove("customs-one.pem");
        let cut = whole.get("customs-one.key").unwrap().get(..40).unwrap();
        unreadable
            .files
            .insert("customs-one.key".to_owned(), cut.to_vec());
        let says = complete(&unreadable, now());
        assert!(
            says.contains("customs-one.key: has no certificate"),
            "{says}"
        );
        assert!(says.contains("take it away"), "{says}");
    }

    #[test]
    fn half_a_pair_of_ours_is_completed_and_a_key_that_is_there_stays() {
        let agencies = bundle(&["customs"]);
        let whole = DevelopmentPki::create(&agencies, now()).unwrap();
        for (absent, renewed) in [
            ("customs-one.pem", &["customs-one.pem"][..]),
            ("customs-one.key", &["customs-one.key", "customs-one.pem"]),
            ("server.pem", &["ca.pem", "server.pem"]),
            ("server.key", &["ca.pem", "server.key", "server.pem"]),
            ("ca.pem", &["server.key", "server.pem"]),
        ] {
            let mut pki = whole.clone();
            pki.files.remove(absent);
            let completed = pki.complete(&agencies, now()).unwrap();
            assert_eq!(completed.renewed, renewed, "without {absent}");
            let nothing = pki.complete(&agencies, now()).unwrap();
            assert_eq!(nothing, Completed::default(), "without {absent}");
        }
    }
}
