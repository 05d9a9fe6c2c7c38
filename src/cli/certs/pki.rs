//! A throw-away PKI for all agencies of a bundle, and the bundle that trusts it.
//!
//! For development, tests and the demo: the holder of these files is every agency at once. The
//! real issuers of a bundle are replaced, not joined, so a development broker lets no real
//! certificate in and a real one lets no development certificate in.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use super::issue::{Authority, IssueError, Issued, Profile};
use crate::agency::certificate::CertificateSummary;
use crate::agency::drafts;
use crate::agency::expiry::{Lifetime, expiring};
use crate::agency::registry::Agency;
use crate::message::bundle::{Bundle, Fault};
use crate::message::time::Timestamp;

/// What a development authority is called, behind the name that it is for.
const AUTHORITY: &str = "development CA";

/// Certificates and keys by the names of their files.
///
/// `ca.pem` (trusted by clients), `server.pem`, `server.key`; for each agency `<agency>-ca.pem` and
/// `.key`; for each system `<agency>-<system>.pem` and `.key`; for each officer with a certificate
/// `<agency>.<number>.pem` and `.key`. The key behind `ca.pem` is kept
/// nowhere: another server certificate comes with another `ca.pem`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct DevelopmentPki {
    files: BTreeMap<String, Vec<u8>>,
}

impl DevelopmentPki {
    /// Makes everything anew for the agencies of `bundle`, whose issuers' files may be absent.
    ///
    /// # Errors
    /// The faults of the agencies' files.
    pub fn create(bundle: &Bundle, now: Timestamp) -> Result<Self, Vec<Fault>> {
        Self::default().completed(bundle, now)
    }

    /// These files with what the agencies of `bundle` lack, and with what has ended made anew. All
    /// others stay; a certificate that another authority issued is never replaced.
    ///
    /// # Errors
    /// The faults of the agencies' files; files that are there and of no use.
    pub fn completed(&self, bundle: &Bundle, now: Timestamp) -> Result<Self, Vec<Fault>> {
        let (drafts, faults) = drafts(bundle);
        if !faults.is_empty() {
            return Err(faults);
        }
        let mut whole = self.clone();
        let mut agencies = drafts.iter().map(|draft| &draft.agency);
        let completed = whole
            .complete_server(now)
            .and_then(|()| agencies.try_for_each(|agency| whole.complete_agency(agency, now)));
        completed.map_err(|fault| vec![fault])?;
        Ok(whole)
    }

    /// The server's certificate and the authority above it, which stand and fall together.
    fn complete_server(&mut self, now: Timestamp) -> Result<(), Fault> {
        if self.stands(&["ca.pem", "server.pem", "server.key"], now)? {
            return Ok(());
        }
        let authority = new_authority("carnet", now)?;
        let certificate = authority.to_issued().certificate;
        self.files
            .insert("ca.pem".to_owned(), certificate.into_bytes());
        self.issue(&authority, &Profile::local_server(now), "server")
    }

    /// An agency's issuer, and its systems under it: all of them anew where the issuer is.
    fn complete_agency(&mut self, agency: &Agency, now: Timestamp) -> Result<(), Fault> {
        let stem = format!("{}-ca", agency.id);
        let stands = self.stands(&[&format!("{stem}.pem")], now)?;
        let mut issuer = None;
        if !stands {
            let made = new_authority(agency.id.as_str(), now)?;
            self.add(&stem, made.to_issued());
            issuer = Some(made);
        }
        let systems = agency.systems.values().map(|system| {
            let name = format!("{}-{}", agency.id, system.name);
            (name, Profile::system(agency, system, now))
        });
        let officers = agency.officers.values().filter_map(|officer| {
            let name = format!("{}.{}", agency.id, officer.id);
            Some((name, Profile::officer(agency, officer, now)?))
        });
        for (name, profile) in systems.chain(officers) {
            let pair = [&*format!("{name}.pem"), &*format!("{name}.key")];
            // One that was made here is worth nothing under another issuer.
            let stays = stands || !self.is_of_development(pair[0]);
            if stays && self.stands(&pair, now)? {
                continue;
            }
            let issuer = match &mut issuer {
                Some(issuer) => issuer,
                none => none.insert(self.authority(&stem)?),
            };
            self.issue(issuer, &profile, &name)?;
        }
        Ok(())
    }

    fn issue(&mut self, issuer: &Authority, profile: &Profile, stem: &str) -> Result<(), Fault> {
        let made = issuer.issue(profile).map_err(|error| unmade(&error))?;
        self.add(stem, made);
        Ok(())
    }

    /// An agency's issuer as it is there.
    fn authority(&self, stem: &str) -> Result<Authority, Fault> {
        let (certificate, key) = (format!("{stem}.pem"), format!("{stem}.key"));
        let text = |name: &str| String::from_utf8_lossy(self.get(name).unwrap_or_default());
        Authority::load(&text(&certificate), &text(&key)).map_err(|_| {
            let says = format!("is needed, and {key} is not its key or is missing");
            let cure = "put its key there, or make all anew: carnet certs dev DIR --force";
            Fault::new(certificate, says, cure)
        })
    }

    /// Whether a certificate is there and was made here.
    fn is_of_development(&self, name: &str) -> bool {
        let der = self.get(name).map(CertificateDer::from_pem_slice);
        let summary = der.and_then(|der| CertificateSummary::read(&der.ok()?));
        summary.is_some_and(|it| is_of_development(&it.issuer))
    }

    /// Whether all of these files are there and no certificate among them has ended; certificates
    /// that were made here are none without the others. A fault, where others are there and not
    /// all, or where one has ended that was not made here.
    fn stands(&self, names: &[&str], now: Timestamp) -> Result<bool, Fault> {
        let (there, absent): (Vec<&str>, Vec<&str>) = names
            .iter()
            .partition(|name| self.files.contains_key(**name));
        if let Some(absent) = absent.first() {
            let mut kept = there.iter().filter(|name| !self.is_of_development(name));
            return kept
                .next()
                .map_or(Ok(false), |kept| Err(half(kept, absent)));
        }
        for name in there.into_iter().filter(|name| is_pem(name)) {
            let found = expiring(name, self.get(name).unwrap_or_default(), now)?;
            let mut ended = found.iter().filter(|it| it.lifetime == Lifetime::Expired);
            match ended.next() {
                None => {}
                Some(ended) if is_of_development(&ended.issuer) => return Ok(false),
                Some(ended) => {
                    let says = format!("ended at {}, and {} issued it", ended.at, ended.issuer);
                    let cure = "renew it there, or make all anew: carnet certs dev DIR --force";
                    return Err(Fault::new(name, says, cure));
                }
            }
        }
        Ok(true)
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

/// The names of files that came into a PKI by its completion.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Completed {
    /// Files of pairs that there was nothing of.
    pub made: Vec<String>,
    /// Files of pairs of which there was something.
    pub renewed: Vec<String>,
}

impl Completed {
    /// What `after` has that `before` had not, or had otherwise.
    pub fn between(before: &DevelopmentPki, after: &DevelopmentPki) -> Self {
        let changed = after.files.iter();
        let changed = changed.filter(|(name, content)| before.files.get(*name) != Some(content));
        let names = changed.map(|(name, _)| name.clone());
        let (renewed, made) = names.partition(|name| {
            let stem = Path::new(name).with_extension("");
            let mut pairs = before
                .files
                .keys()
                .map(|name| Path::new(name).with_extension(""));
            pairs.any(|there| there == stem)
        });
        Self { made, renewed }
    }

    /// All of them.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.made.iter().chain(&self.renewed).map(String::as_str)
    }
}

pub(in crate::cli) fn is_pem(path: &str) -> bool {
    Path::new(path)
        .extension()
        .is_some_and(|extension| extension == "pem")
}

/// Whether a certificate's issuer is an authority that was made here.
pub fn is_of_development(issuer: &str) -> bool {
    issuer.ends_with(AUTHORITY)
}

fn half(there: &str, absent: &str) -> Fault {
    let says = format!("is there without {absent}");
    let cure = "put that there too, take this away, or make all anew: carnet certs dev DIR --force";
    Fault::new(there, says, cure)
}

fn new_authority(of: &str, now: Timestamp) -> Result<Authority, Fault> {
    let profile = Profile::issuer(format!("{of} {AUTHORITY}"), now);
    Authority::create(&profile).map_err(|error| unmade(&error))
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
            development.insert(format!("{}/{file}", draft.agency.folder()), issuer);
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

    use super::super::issue::{LEAF_LIFETIME, Usage, Validity};
    use super::*;

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
        let before = DevelopmentPki::create(&bundle(&["customs"]), now()).unwrap();
        let pki = before.completed(&bundle(&["customs"]), now()).unwrap();
        assert_eq!(pki, before);
        let pki = pki
            .completed(&bundle(&["coast", "customs"]), now())
            .unwrap();
        let completed = Completed::between(&before, &pki);
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
        let before = DevelopmentPki::create(&bundle(&["customs"]), now()).unwrap();
        let pki = before.completed(&bundle(&["customs"]), later(91)).unwrap();
        let completed = Completed::between(&before, &pki);
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
        assert_eq!(
            pki.completed(&bundle(&["customs"]), later(91)).unwrap(),
            pki
        );
    }

    #[test]
    fn an_issuer_that_is_gone_takes_its_systems_with_it_and_only_them() {
        let both = bundle(&["customs", "post"]);
        let mut before = DevelopmentPki::create(&both, now()).unwrap();
        before.files.retain(|name, _| !name.starts_with("post-ca"));
        let completed = Completed::between(&before, &before.completed(&both, now()).unwrap());
        assert_eq!(completed.made, ["post-ca.key", "post-ca.pem"]);
        assert_eq!(completed.renewed, ["post-one.key", "post-one.pem"]);
    }

    #[test]
    fn what_others_issued_and_half_a_pair_are_told_and_left() {
        let agencies = bundle(&["customs"]);
        let whole = DevelopmentPki::create(&agencies, now()).unwrap();
        let complete = |pki: &DevelopmentPki, at| {
            let fault = pki.completed(&agencies, at).unwrap_err().remove(0);
            fault.to_string()
        };
        let other = Authority::create(&Profile::issuer("Customs issuing CA", now())).unwrap();
        let mut foreign = whole.clone();
        let issued = other.issue(&Profile {
            common_name: "customs-one".to_owned(),
            usage: Usage::Client { uris: Vec::new() },
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
        for (absent, there) in [
            ("customs-one.pem", "customs-one.key"),
            ("server.pem", "server.key"),
            ("ca.pem", "server.key"),
        ] {
            let mut half = whole.clone();
            half.files.remove(absent);
            let says = complete(&half, now());
            assert!(
                says.starts_with(&format!("{there}: is there without {absent}")),
                "{says}"
            );
        }
    }
}
