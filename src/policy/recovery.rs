//! What the board changes of an agency that takes part, without its files: officers that it adds where the
//! agency's own are gone, and the agency's end.
//!
//! The board does not read an agency's file, and does not write it: it gives the entries of officers, which
//! are added to whatever stands there.

use super::change::{Changes, agency_file, owner_of};
use super::rulebook::Rulebook;
use crate::agency::officer::Holder;
use crate::agency::officers_alone;
use crate::message::bundle::Fault;
use crate::message::id::AgencyId;

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
