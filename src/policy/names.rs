//! Names that are unique in a whole rulebook, and by which one body could find out what another has.
//!
//! A new rule or system bears its own body's name, so that it is never refused for one that
//! stands in a file which its author does not see.

use super::change::owner_of;
use super::known::own_rules;
use super::rulebook::Rulebook;
use super::source::{FLOOR_PATH, read_file};
use crate::agency::drafts;
use crate::agency::officer::BOARD;
use crate::message::bundle::{Bundle, Fault};
use crate::message::id::AgencyId;
use crate::message::nearest;

/// Faults of new names in `text` that read as another body's.
pub(super) fn borrowed(base: &Rulebook, text: &Bundle) -> Vec<Fault> {
    let agencies = text.folders("agencies");
    let mut faults = Vec::new();
    for path in base.bundle().differences(text) {
        let Some(content) = text
            .text(path)
            .ok()
            .filter(|_| path.strip_suffix(".cedar").is_some())
        else {
            continue;
        };
        let owner = owner_of(path, |agency| agencies.contains(&agency));
        let owner = owner.agency().map(AgencyId::as_str);
        if owner.is_none() && path != FLOOR_PATH {
            let says = "is a file of no agency, and the board's rules stand in the floor";
            let files: Vec<String> = agencies.iter().map(|it| own_rules(it)).collect();
            let files: Vec<&str> = files.iter().map(String::as_str).collect();
            let cure = match nearest(path, &files) {
                Some(meant) => format!("did you mean {meant}?"),
                None => "name it policies/<agency>.cedar".to_owned(),
            };
            faults.push(Fault::new(path, says, cure));
            continue;
        }
        for rule in read_file(path, content).rules {
            let is_there = base.rule(&rule.id).is_some_and(|it| it.path() == path);
            if !is_there && namesake(rule.id.as_str(), &agencies) != owner {
                let says = format!(
                    "{} is no id for a rule of {}",
                    rule.id,
                    owner.unwrap_or(BOARD)
                );
                faults.push(Fault::new(rule.place, says, cure(owner)));
            }
        }
    }
    faults.extend(borrowed_by_systems(base, text, &agencies));
    faults
}

fn borrowed_by_systems(base: &Rulebook, text: &Bundle, agencies: &[&str]) -> Vec<Fault> {
    let mut faults = Vec::new();
    let (drafts, _) = drafts(text);
    for draft in drafts {
        let id = draft.agency.id.as_str();
        let before = base.registry().body_of(&draft.agency.id);
        for (system, place) in &draft.systems {
            let is_there = before.is_some_and(|it| it.systems.contains_key(system));
            let named = format!("{id}-{system}");
            if !is_there && namesake(&named, agencies) != Some(id) {
                let says =
                    format!("system {system} would be {named}, which reads as another agency's");
                faults.push(Fault::new(place, says, "name it otherwise"));
            }
        }
    }
    faults
}

/// The agency by whose id a name begins, the longest of several.
fn namesake<'a>(name: &str, agencies: &[&'a str]) -> Option<&'a str> {
    let begins = |agency: &&&str| {
        let rest = name.strip_prefix(**agency);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    };
    agencies
        .iter()
        .filter(begins)
        .max_by_key(|it| it.len())
        .copied()
}

fn cure(owner: Option<&str>) -> String {
    match owner {
        Some(agency) => {
            format!("let it begin with {agency}-, and with no longer name of an agency")
        }
        None => "let it begin with floor-, not with the name of an agency".to_owned(),
    }
}
