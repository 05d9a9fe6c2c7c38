//! What a rulebook is made of: agencies, message types, rules, agreements and the board, as read.

use std::sync::Arc;

use cedar_policy::{PolicySet, Schema};

use crate::agency::registry::Registry;
use crate::message::bundle::{Bundle, Fault};
use crate::message::catalogue::Catalogue;

use super::agreement::{Agreement, Board, agreements, board};
use super::schema::{SCHEMA_PATH, schema_text};
use super::source::{Rule, read_file};
use super::vocabulary::Vocabulary;

/// What a rulebook is made of, as it was read.
pub(super) struct Parts {
    pub(super) registry: Registry,
    pub(super) catalogue: Catalogue,
    pub(super) rules: Vec<Arc<Rule>>,
    pub(super) policies: PolicySet,
    pub(super) agreements: Vec<Agreement>,
    pub(super) board: Board,
    pub(super) vocabulary: Vocabulary,
    pub(super) schema: Schema,
    /// The schema's text, as catalogue and vocabulary give it.
    pub(super) schema_text: String,
}

impl Parts {
    /// Reads all of a bundle, with what is wrong in single files; faults alone where agencies or
    /// messages cannot be read, for then nothing can be said of the rest. All is read by the agencies
    /// as `seen` leaves them.
    pub(super) fn read(
        bundle: &Bundle,
        catalogue: Result<Catalogue, Vec<Fault>>,
        seen: &dyn Fn(Registry) -> Registry,
    ) -> Result<(Self, Vec<Fault>), Vec<Fault>> {
        let (registry, catalogue) = match (Registry::parse(bundle), catalogue) {
            (Ok(registry), Ok(catalogue)) => (seen(registry), catalogue),
            (registry, catalogue) => {
                let mut faults = registry.err().unwrap_or_default();
                faults.extend(catalogue.err().unwrap_or_default());
                faults.sort();
                return Err(faults);
            }
        };
        let mut faults = Vec::new();
        let (rules, policies) = read_policies(bundle, &mut faults);
        let vocabulary = accept(Vocabulary::read(bundle), &mut faults);
        let schema_text = accept(schema_text(&catalogue, &vocabulary), &mut faults);
        let agreements = agreements(bundle, &registry, &vocabulary);
        let agreements = accept(agreements, &mut faults);
        let board = accept(board(bundle, &registry), &mut faults);
        match Schema::from_cedarschema_str(&schema_text) {
            Ok((schema, _)) => {
                let parts = Self {
                    registry,
                    catalogue,
                    rules,
                    policies,
                    agreements,
                    board,
                    vocabulary,
                    schema,
                    schema_text,
                };
                Ok((parts, faults))
            }
            Err(error) => {
                let cure = "this is a fault of Carnet: report it with messages/";
                faults.push(Fault::new(SCHEMA_PATH, error.to_string(), cure));
                faults.sort();
                Err(faults)
            }
        }
    }
}

/// What was read, or nothing and the faults: so that all faults are told at once.
fn accept<T: Default>(read: Result<T, Vec<Fault>>, faults: &mut Vec<Fault>) -> T {
    read.unwrap_or_else(|found| {
        faults.extend(found);
        T::default()
    })
}

/// Every `.cedar` file of `policies/`, as one set.
fn read_policies(bundle: &Bundle, faults: &mut Vec<Fault>) -> (Vec<Arc<Rule>>, PolicySet) {
    let mut rules: Vec<Arc<Rule>> = Vec::new();
    let mut set = PolicySet::new();
    for (name, _) in bundle.below("policies") {
        let Some(name) = name.strip_suffix(".cedar") else {
            continue;
        };
        let path = format!("policies/{name}.cedar");
        let text = match bundle.text(&path) {
            Ok(text) => text,
            Err(fault) => {
                faults.push(fault);
                continue;
            }
        };
        let file = read_file(&path, text);
        faults.extend(file.faults);
        for rule in file.rules {
            if let Some(other) = rules.iter().find(|other| other.id == rule.id) {
                let says = format!(
                    "{} is the id of the rule at {} already",
                    rule.id, other.place
                );
                faults.push(Fault::new(
                    &rule.place,
                    says,
                    "give each rule an id of its own",
                ));
            }
            rules.push(Arc::new(rule));
        }
        for policy in file.policies {
            // Only a second policy with one id is refused, and that is a fault already.
            _ = set.add(policy);
        }
    }
    (rules, set)
}
