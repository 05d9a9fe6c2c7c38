//! A throw-away PKI for all agencies of a bundle, and the bundle that trusts it.
//!
//! For development, tests and the demo: whoever holds these files is every agency at once. The
//! real issuers of a bundle are replaced, not joined, so a development broker lets no real
//! certificate in and a real one lets no development certificate in.

use std::collections::BTreeMap;
use std::fmt;

use super::issue::{Authority, IssueError, Issued, Profile};
use super::parse::drafts;
use super::registry::Agency;
use crate::message::bundle::{Bundle, Fault};
use crate::message::time::Timestamp;

/// Certificates and keys by the names of their files.
///
/// `ca.pem` (trusted by clients), `server.pem`, `server.key`; for each agency `<agency>-ca.pem` and
/// `.key`; for each system `<agency>-<system>.pem` and `.key`. The key behind `ca.pem` is kept
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
        let (drafts, faults) = drafts(bundle);
        if !faults.is_empty() {
            return Err(faults);
        }
        let mut pki = Self::default();
        let made = pki.add_server(now).and_then(|()| {
            drafts
                .iter()
                .try_for_each(|draft| pki.add_agency(&draft.agency, now))
        });
        let fault = |error: IssueError| {
            let cure = "correct the entry it was made for";
            vec![Fault::new("certificates", error.to_string(), cure)]
        };
        made.map_err(fault)?;
        Ok(pki)
    }

    fn add_server(&mut self, now: Timestamp) -> Result<(), IssueError> {
        let authority = Authority::create(&Profile::issuer("carnet development CA", now))?;
        self.files.insert(
            "ca.pem".to_owned(),
            authority.to_issued().certificate.into_bytes(),
        );
        self.add("server", authority.issue(&Profile::local_server(now))?);
        Ok(())
    }

    fn add_agency(&mut self, agency: &Agency, now: Timestamp) -> Result<(), IssueError> {
        let name = format!("{} development CA", agency.id);
        let authority = Authority::create(&Profile::issuer(name, now))?;
        self.add(&format!("{}-ca", agency.id), authority.to_issued());
        for system in agency.systems.values() {
            let issued = authority.issue(&Profile::system(agency, system, now))?;
            self.add(&format!("{}-{}", agency.id, system.name), issued);
        }
        Ok(())
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
