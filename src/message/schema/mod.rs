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
mod texts;

use jsonschema::{Draft, PatternOptions, Validator};
use serde_json::Value;

use super::bundle::Fault;
use super::faults::Found;
use super::identifier::FORMATS;
use super::json::{Document, pointer};
pub use compile::Codes;
use compile::Compiler;
pub use plan::{By, Node, Rule};
use reason::Told;
pub use representation::{Scanned, ScannedNode};

/// Elements that a document may have whose faults are told all at once. The library makes a list of
/// them, each some hundred bytes, before any can be read; of a larger document the first is told.
const ELEMENTS_OF_ALL_FAULTS: usize = 50_000;

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

    /// Holds `document` to the schema, and finds what of it does not keep that.
    pub(super) fn admit(&self, document: &Document<'_>, found: &mut Found) {
        let node = || ScannedNode::Element(document.root());
        let Err(first) = self.validator.validate(node()) else {
            return;
        };
        let told = Told {
            document,
            plan: &self.plan,
        };
        told.add(&first, found);
        if document.count() <= ELEMENTS_OF_ALL_FAULTS {
            for error in self.validator.iter_errors(node()) {
                told.add(&error, found);
            }
        }
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
        options = options.with_format(format.name, move |text: &str| format.fits(text));
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
        .build(&texts::shown(schema))
        .map_err(|error| (error.instance_path().to_string(), error.to_string()))
}
