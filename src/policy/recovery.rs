//! What the board changes of an agency that takes part, without its files: officers that it adds where the
//! agency's own are gone, and the agency's end.
//!
//! The board does not read an agency's file, and does not write it: it gives the entries of officers, which
//! are added to whatever stands there.

use std::collections::BTreeMap;

use super::change::{Changes, agency_file, owner_of};
use super::rulebook::Rulebook;
use crate::agency::officer::Holder;
use crate::agency::officers_alone;
use crate::message::bundle::Bundle;
use crate::message::bundle::Fault;
use crate::message::id::AgencyId;

/// What a proposal of the board comes to for an agency, beside what the agency asks for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// It gets officers.
    Recovery,
    /// Officers whom it got are taken out again.
    RecoveryBack,
    /// It takes part no more.
    End,
    /// It takes part again, with all that it had.
    EndBack,
}

impl Turn {
    /// It in words, of this agency.
    pub fn of(self, agency: &AgencyId) -> String {
        match self {
            Self::Recovery => format!("recovery of {agency}"),
            Self::RecoveryBack => format!("recovery of {agency} taken back"),
            Self::End => format!("end of {agency}"),
            Self::EndBack => format!("end of {agency} taken back"),
        }
    }
}

/// What a proposal comes to for agencies, by what its record says: whose it is, the body of its proposer,
/// its files, and whether it takes an activation back. An agency that joins brings its issuers' certificates
/// with its file, and one that gets officers nothing beside it.
pub fn turns(
    owner: &Holder,
    by: &Holder,
    changes: &Changes,
    returns: bool,
) -> BTreeMap<AgencyId, Turn> {
    let mut turns = BTreeMap::new();
    for (path, content) in changes.files().filter(|_| *owner == Holder::Board) {
        let agency = path.strip_prefix("agencies/");
        let agency = agency.and_then(|rest| rest.strip_suffix("/agency.toml"));
        let Some(agency) = agency.and_then(|agency| agency.parse::<AgencyId>().ok()) else {
            continue;
        };
        let asks = content.is_some() && by.agency() == Some(&agency);
        let folder = format!("agencies/{agency}/");
        let is_beside = |other: &str| other != path && other.starts_with(&folder);
        let turn = match (content, returns, changes.paths().any(is_beside)) {
            (None, ..) => Turn::End,
            (Some(_), true, true) => Turn::EndBack,
            (Some(_), true, false) => Turn::RecoveryBack,
            (Some(_), false, false) => Turn::Recovery,
            // It joins.
            (Some(_), false, true) => continue,
        };
        if !asks {
            turns.insert(agency, turn);
        }
    }
    turns
}

/// A text for each agency.
pub fn in_words(turns: &BTreeMap<AgencyId, Turn>) -> Vec<String> {
    turns.iter().map(|(agency, turn)| turn.of(agency)).collect()
}

/// What was given for changes that were [`made`] of it in `base`: of an agency that gets officers their
/// entries alone.
#[must_use]
pub fn given(base: &Bundle, changes: &Changes, turns: &BTreeMap<AgencyId, Turn>) -> Changes {
    let mut given = changes.clone();
    let recoveries = turns.iter().filter(|(_, turn)| **turn == Turn::Recovery);
    for path in recoveries.map(|(agency, _)| agency_file(agency)) {
        let before = base.text(&path).unwrap_or_default().trim_end().as_bytes();
        let file = changes.files().find(|file| file.0 == path);
        let added = file.and_then(|file| file.1?.strip_prefix(before)?.strip_prefix(b"\n\n"));
        given.insert(path, added.map(<[u8]>::to_vec));
    }
    given
}

/// Changes that an officer of `holder` wants, as they are made in `base`: what is given for the file of
/// another agency is entries of officers, and an agency whose file goes has all of its files go.
///
/// # Errors
/// Faults of such entries, by their lines in what was given.
pub fn made(base: &Rulebook, changes: &Changes, holder: &Holder) -> Result<Changes, Vec<Fault>> {
    let owner = |path: &str| owner_of(path, |agency| base.registry().agency(agency).is_some());
    let mut made = Changes::default();
    for (path, content) in changes.files() {
        let body = owner(path);
        let other = body.agency().filter(|_| body != *holder);
        match (other, content) {
            (Some(agency), Some(entries)) => {
                let text = with_officers(base, agency, entries)?;
                made.insert(path, Some(text));
            }
            (Some(_), None) => {
                let files = base.bundle().files();
                let own = files.filter(|(path, _)| owner(path) == body);
                own.for_each(|(path, _)| made.insert(path, None));
            }
            (None, content) => made.insert(path, content.map(<[u8]>::to_vec)),
        }
    }
    Ok(made)
}

/// The file of an agency with these entries behind all others.
fn with_officers(
    base: &Rulebook,
    agency: &AgencyId,
    entries: &[u8],
) -> Result<Vec<u8>, Vec<Fault>> {
    let path = agency_file(agency);
    let entries = std::str::from_utf8(entries).map_err(|_| {
        let fault = Fault::new(&path, "is not UTF-8 text", "save it as UTF-8");
        vec![fault]
    })?;
    officers_alone(&path, agency, entries)?;
    let before = base.bundle().text(&path).map_err(|fault| vec![fault])?;
    Ok(format!("{}\n\n{entries}", before.trim_end()).into_bytes())
}
