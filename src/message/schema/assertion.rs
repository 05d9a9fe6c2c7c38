//! What schemas say by further schemas (`allOf`, `if`, ...): it may narrow, never add an element.

use serde_json::{Map, Value};

use super::compile::{Compiler, Names};
use super::keyword::{APPLIED_BY_NAME, APPLIED_LIST, APPLIED_ONE, is_known, is_ours};

impl<'s> Compiler<'s> {
    /// Looks through the assertions of `schema`, which describes an element with these members.
    pub(super) fn assertions(
        &mut self,
        schema: &'s Map<String, Value>,
        at: &str,
        names: &Names<'s>,
    ) {
        for word in APPLIED_ONE {
            if let Some(inner) = schema.get(word) {
                // `contains` is about items, whose members are not these.
                let names = if word == "contains" {
                    None
                } else {
                    Some(names)
                };
                self.assertion(inner, &format!("{at}/{word}"), names);
            }
        }
        for word in APPLIED_LIST {
            for (index, inner) in schema
                .get(word)
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .enumerate()
            {
                self.assertion(inner, &format!("{at}/{word}/{index}"), Some(names));
            }
        }
        for (name, inner) in schema
            .get(APPLIED_BY_NAME)
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
        {
            self.known(name, &format!("{at}/{APPLIED_BY_NAME}"), names);
            self.assertion(
                inner,
                &format!("{at}/{APPLIED_BY_NAME}/{name}"),
                Some(names),
            );
        }
        for name in schema
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            self.known(
                name.as_str().unwrap_or_default(),
                &format!("{at}/required"),
                names,
            );
        }
        for (name, list) in schema
            .get("dependentRequired")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
        {
            let at = format!("{at}/dependentRequired");
            let list = list
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str);
            for name in list.chain([name.as_str()]) {
                self.known(name, &at, names);
            }
        }
    }

    /// A schema that only asserts. Where `names` is none, the element's members are not followed.
    fn assertion(&mut self, schema: &'s Value, at: &str, names: Option<&Names<'s>>) {
        let Some(schema) = schema.as_object() else {
            return;
        };
        for word in schema.keys() {
            if is_ours(word) {
                self.fault(
                    at,
                    format!("has {word} where no element is described"),
                    "name it at the element in `properties`",
                );
            } else if !is_known(word) {
                self.fault(
                    at,
                    format!("has the unknown keyword {word}"),
                    "mend its name or leave it out",
                );
            }
        }
        self.local_reference(schema, at);
        let Some(names) = names else { return };
        self.assertions(schema, at, names);
        for (name, inner) in schema
            .get("properties")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
        {
            self.known(name, &format!("{at}/properties"), names);
            self.assertion(inner, &format!("{at}/properties/{name}"), None);
        }
    }

    fn known(&mut self, name: &str, at: &str, names: &Names<'s>) {
        if !names.contains(name) {
            let says = format!("speaks of {name}, which is no member here");
            self.fault(at, says, "describe it in `properties` or mend its name");
        }
    }
}
