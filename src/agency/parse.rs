//! The registry out of a bundle: `agencies/<id>/agency.toml` and the officers of
//! `policies/board.toml`, with the issuers' certificates beside.
//!
//! Pure: the same bundle gives the same registry. Dates are not judged here but by
//! [`super::expiry`], so that a rulebook of last year still parses.

use std::collections::BTreeMap;

use super::board;
use super::file::{self, Draft};
use super::issuers::{self, holds_private_key, private_key_fault};
use super::registry::Registry;
use crate::message::bundle::{Bundle, Fault};
use crate::message::id::AgencyId;

impl Registry {
    /// Reads all agencies of the bundle, and the board's own officers and grants.
    ///
    /// # Errors
    /// All faults of all files, each with its place and cure.
    pub fn parse(bundle: &Bundle) -> Result<Self, Vec<Fault>> {
        let (mut drafts, mut faults) = drafts(bundle);
        let mut owners: BTreeMap<[u8; 32], (AgencyId, String)> = BTreeMap::new();
        for draft in &mut drafts {
            for (file, place) in &draft.issuers {
                let path = format!("{}/{file}", draft.agency.folder());
                match issuers::read(place, &path, bundle.get(&path)) {
                    Ok(read) => {
                        for (der, summary) in read {
                            // One key is one authority, however many certificates it has.
                            let owner = (draft.agency.id.clone(), path.clone());
                            let first = owners.entry(summary.public_key.0).or_insert(owner);
                            if first.0 != draft.agency.id {
                                let says = format!("holds the same issuer as {}", first.1);
                                let cure = "give each agency an issuer of its own: whoever shares \
                                            one can take the other's name";
                                faults.push(Fault::new(&path, says, cure));
                            }
                            draft.agency.issuers.push((file.clone(), der));
                        }
                    }
                    Err(fault) => faults.push(fault),
                }
            }
            faults.extend(read_ca(draft, bundle).err());
        }
        let registry: Self = drafts.into_iter().map(|draft| draft.agency).collect();
        let named = registry.agencies().map(|agency| agency.id.clone());
        match board::grants(bundle, &named.collect()) {
            Ok(grants) if faults.is_empty() => Ok(registry.granting(grants)),
            // Of a file that is no TOML each of its readers says the same.
            Ok(_) => Err(faults),
            Err(found) => {
                faults.extend(found);
                faults.sort();
                faults.dedup();
                Err(faults)
            }
        }
    }
}

/// Reads the authorities of an agency's identity provider, where it names them.
fn read_ca(draft: &mut Draft, bundle: &Bundle) -> Result<(), Fault> {
    let folder = draft.agency.folder();
    let provider = draft.agency.identity_provider.as_mut();
    if let Some(ca) = provider.and_then(|provider| provider.ca.as_mut()) {
        let path = format!("{folder}/{}", ca.file);
        let read = issuers::read(&draft.ca_place, &path, bundle.get(&path))?;
        ca.certificates = read.into_iter().map(|(der, _)| der).collect();
    }
    Ok(())
}

/// All agencies and the board's own, without their issuers, and all faults but the issuers' own.
pub(crate) fn drafts(bundle: &Bundle) -> (Vec<Draft>, Vec<Fault>) {
    let (mut drafts, mut faults) = (Vec::new(), Vec::new());
    let folders = bundle.folders("agencies");
    if folders.is_empty() {
        let cure = "add a folder with an agency.toml for each agency";
        faults.push(Fault::new("agencies", "no agency takes part", cure));
    }
    for folder in folders {
        let path = format!("agencies/{folder}/agency.toml");
        let read = bundle.text(&path).map_err(|fault| vec![fault]);
        match read.and_then(|text| file::read(folder, &path, text)) {
            Ok(draft) => drafts.push(draft),
            Err(mut found) => faults.append(&mut found),
        }
    }
    match board::draft(bundle) {
        Ok(board) => drafts.extend(board),
        Err(mut found) => faults.append(&mut found),
    }
    for (path, _) in bundle
        .files()
        .filter(|(path, file)| path.starts_with("agencies/") && holds_private_key(file))
    {
        let mut listed = drafts.iter().flat_map(|draft| {
            let issuers = draft.issuers.iter();
            issuers.map(|(file, _)| format!("{}/{file}", draft.agency.folder()))
        });
        // A listed issuer's file is judged with its entry.
        if listed.all(|file| file != path) {
            faults.push(private_key_fault(path));
        }
    }
    faults.append(&mut shared_certificates(&drafts));
    faults.append(&mut shared_system_names(&drafts));
    (drafts, faults)
}

/// Two entries of an agency with one certificate: a connection could be either. What others name is told
/// apart by who issued it, and none finds out by it what another names.
fn shared_certificates(drafts: &[Draft]) -> Vec<Fault> {
    let of_one = drafts.iter().flat_map(|draft| {
        twice(draft.certificates.iter().cloned(), |name, first| {
            (
                format!("certificate {name:?} is also named at {first}"),
                "name another: a certificate stands for one system or officer",
            )
        })
    });
    of_one.collect()
}

/// `<agency>-<system>` names the system in `user_id` and its files among certificates, so it must
/// not be read in two ways; `<agency>-ca` is the agency's development issuer.
fn shared_system_names(drafts: &[Draft]) -> Vec<Fault> {
    let names = drafts.iter().flat_map(|draft| {
        let issuer = (format!("{}-ca", draft.agency.id), draft.agency.folder());
        let systems = draft
            .systems
            .iter()
            .map(|(system, place)| (format!("{}-{system}", draft.agency.id), place.clone()));
        std::iter::once(issuer).chain(systems)
    });
    twice(names, |name, first| {
        (
            format!("{name} is also the name that {first} gives"),
            "rename the system",
        )
    })
}

/// A fault at each but the first place of a name.
fn twice(
    entries: impl Iterator<Item = (String, String)>,
    words: impl Fn(&str, &str) -> (String, &'static str),
) -> Vec<Fault> {
    let mut first: BTreeMap<String, String> = BTreeMap::new();
    let mut faults = Vec::new();
    for (name, place) in entries {
        if let Some(other) = first.get(&name) {
            let (says, cure) = words(&name, other);
            faults.push(Fault::new(place, says, cure));
        } else {
            first.insert(name, place);
        }
    }
    faults
}

#[cfg(test)]
mod tests;
