//! A message type's `schema.json`: what is accepted, and which data category each element has.
//!
//! One file says both, so they cannot differ. [`Schema::compile`] reads it into a validator (JSON
//! Schema 2020-12, all `format`s asserted, no reference outside the document) and the plan: the
//! tree of all elements that a message can have, each a [`Node`] with its category, along which a
//! message is classified. What the plan does not know, the validator refuses: objects are closed.

mod assertion;
mod category;
mod compile;
mod keyword;
mod plan;
mod reason;
mod representation;

use std::collections::{BTreeMap, BTreeSet};

use jsonschema::{Draft, PatternOptions, Validator};
use serde_json::Value;

use super::bundle::Fault;
use super::identifier::FORMATS;
use super::json::{Document, pointer};
use super::valid::Invalid;
use compile::Compiler;
pub use plan::{By, Node, Rule};
pub use representation::{Scanned, ScannedNode};

/// Code lists of a type by name: `codes/<name>.txt` is `code:<name>` in its schema.
pub type Codes = BTreeMap<String, BTreeSet<String>>;

/// A compiled schema.
#[derive(Debug)]
pub struct Schema {
    validator: Validator<Scanned>,
    plan: Node,
}

impl Schema {
    /// Compiles `text`, the file at `place`. All faults, not only the first.
    pub fn compile(place: &str, text: &[u8], codes: &Codes) -> Result<Self, Vec<Fault>> {
        let cure = "mend the JSON";
        let scanned = Document::scan(text).map_err(|fault| {
            let way = pointer(fault.path.iter().rev());
            let says = format!("{} (byte {})", fault.says, fault.at);
            vec![Fault::new(format!("{place}#{way}"), says, cure)]
        });
        scanned?;
        let schema: Value = serde_json::from_slice(text)
            .map_err(|error| vec![Fault::new(place, error.to_string(), cure)])?;
        let mut compiler = Compiler::new(place, &schema, codes);
        let plan = compiler.plan();
        // What is told here already, the library need not tell in its own words.
        let unknown = compiler.unknown_lists;
        let mut faults = compiler.faults;
        match validator(&schema, codes, &unknown) {
            Ok(validator) if faults.is_empty() => return Ok(Self { validator, plan }),
            Ok(_) => {}
            Err((at, says)) => faults.push(Fault::new(
                format!("{place}#{at}"),
                says,
                "write it as JSON Schema 2020-12, with formats that messages/README.md lists",
            )),
        }
        faults.sort();
        faults.dedup();
        Err(faults)
    }

    /// Holds `document` to the schema; the first fault refuses it.
    pub fn admit(&self, document: &Document<'_>) -> Result<(), Invalid> {
        let node = ScannedNode::Element(document.root());
        self.validator
            .validate(node)
            .map_err(|error| reason::invalid(&error, document))
    }

    /// The tree of all elements.
    pub fn plan(&self) -> &Node {
        &self.plan
    }

    /// The tree, to mark what facts and keys read.
    pub(in crate::message) fn plan_mut(&mut self) -> &mut Node {
        &mut self.plan
    }
}

/// The validator, or the place and the reason why there is none.
fn validator(
    schema: &Value,
    codes: &Codes,
    unknown: &[&str],
) -> Result<Validator<Scanned>, (String, String)> {
    // The plain engine runs in linear time whatever the pattern; it has no look-around.
    let mut options = jsonschema::options_for::<Scanned>()
        .with_draft(Draft::Draft202012)
        .with_pattern_options(PatternOptions::regex())
        .should_validate_formats(true)
        .should_ignore_unknown_formats(false)
        .offline();
    for format in FORMATS {
        options = options.with_format(format.name, format.shape);
    }
    for (name, list) in codes {
        let list = list.clone();
        options = options.with_format(format!("code:{name}"), move |text: &str| {
            list.contains(text)
        });
    }
    for name in unknown {
        options = options.with_format(*name, |_: &str| true);
    }
    options
        .build(schema)
        .map_err(|error| (error.instance_path().to_string(), error.to_string()))
}
