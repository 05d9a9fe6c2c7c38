//! From `schema.json` to the plan: every element with a category in reach, every object closed.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::keyword::is_known;
use super::plan::{Node, Rule};
use crate::message::bundle::Fault;
use crate::message::id::Mask;
use crate::message::identifier::Format;
use crate::message::json::DEPTH_MAX;

/// Code lists of a type by name: `codes/<name>.txt` is `code:<name>` in its schema.
pub type Codes = BTreeMap<String, BTreeSet<String>>;

/// How many elements a type may have once every `$ref` is written out. The largest declaration has
/// some 700.
const ELEMENTS_MAX: usize = 20_000;

/// Reads one schema and collects every fault of it.
pub(super) struct Compiler<'s> {
    place: &'s str,
    root: &'s Value,
    codes: &'s Codes,
    elements: usize,
    /// Formats of code lists that there are none of.
    pub(super) unknown_lists: Vec<&'s str>,
    pub(super) faults: Vec<Fault>,
}

/// What an element's schema says, its `$ref` followed: the schema itself, then what it refers to.
pub(super) type Layers<'s> = Vec<&'s Map<String, Value>>;

/// The members that the element has to which an assertion applies.
pub(super) type Names<'s> = BTreeSet<&'s str>;

/// Where in the tree of elements the compiler is.
#[derive(Clone)]
pub(super) struct Scope<'s> {
    /// The schema's place, as a JSON pointer.
    pub(super) at: String,
    /// References that are being followed.
    open: Vec<&'s str>,
    /// The objects around, with what they are made of, outermost first.
    pub(super) objects: Vec<Layers<'s>>,
    /// The categories that the element can have; none where none is in reach.
    pub(super) in_reach: Mask,
    depth: usize,
}

impl<'s> Compiler<'s> {
    pub(super) fn new(place: &'s str, root: &'s Value, codes: &'s Codes) -> Self {
        Self {
            place,
            root,
            codes,
            elements: 0,
            unknown_lists: Vec::new(),
            faults: Vec::new(),
        }
    }

    pub(super) fn plan(&mut self) -> Node {
        let scope = Scope {
            at: String::new(),
            open: Vec::new(),
            objects: Vec::new(),
            in_reach: Mask::NONE,
            depth: 0,
        };
        let mut node = self.element(self.root, scope);
        node.settle();
        node
    }

    pub(super) fn fault(&mut self, at: &str, says: impl Into<String>, cure: &str) {
        self.faults
            .push(Fault::new(format!("{}#{at}", self.place), says, cure));
    }

    /// One element and all below it.
    fn element(&mut self, schema: &'s Value, mut scope: Scope<'s>) -> Node {
        self.elements += 1;
        if self.elements > ELEMENTS_MAX || scope.depth >= DEPTH_MAX {
            if self.elements <= ELEMENTS_MAX + 1 {
                self.fault(
                    &scope.at,
                    "describes too many elements",
                    "break the cycle of $ref, or make it flatter",
                );
            }
            return Node::new(Rule::Inherit);
        }
        let layers = self.layers(schema, &mut scope);
        let mut node = Node::new(Rule::Inherit);
        node.types = self.types(&layers, &scope.at);
        let bound = |word: &str| find(&layers, word).and_then(Value::as_i64);
        node.range = (
            bound("minimum").unwrap_or(i64::MIN),
            bound("maximum").unwrap_or(i64::MAX),
        );
        let is_object = node.types.iter().any(|name| name == "object");
        if is_object {
            scope.objects.push(layers.clone());
        }
        if let Some(rule) = self.rule(&layers, &scope) {
            scope.in_reach = rule.categories();
            node.rule = rule;
        }
        let is_container = is_object || node.types.iter().any(|name| name == "array");
        if scope.in_reach.is_empty() && (!is_container || can_be_empty(&layers, is_object)) {
            let cure =
                "name x-carnet-category here or around it (or require that something stands in it)";
            self.fault(&scope.at, "has no data category in reach", cure);
        }
        self.format(&layers, &scope.at, &mut node);
        self.token(&layers, &scope, &mut node);
        self.inside(&layers, &scope, &mut node);
        node
    }

    /// Members and items.
    fn inside(&mut self, layers: &Layers<'s>, scope: &Scope<'s>, node: &mut Node) {
        let members = find(layers, "properties").and_then(Value::as_object);
        let is_object = node.types.iter().any(|name| name == "object");
        if is_object != members.is_some() {
            self.fault(
                &scope.at,
                "is an object without `properties`, or has them and is none",
                "say both \"type\": \"object\" and its properties",
            );
        }
        if is_object && find(layers, "additionalProperties") != Some(&Value::Bool(false)) {
            self.fault(
                &scope.at,
                "is an open object",
                "say \"additionalProperties\": false: what is not described reaches nobody",
            );
        }
        let names: Names<'s> = members
            .iter()
            .flat_map(|m| m.keys().map(String::as_str))
            .collect();
        for layer in layers {
            self.assertions(layer, &scope.at, &names);
        }
        for (name, schema) in members.into_iter().flatten() {
            let step = name.replace('~', "~0").replace('/', "~1");
            let member = self.element(schema, scope.inner(&format!("properties/{step}")));
            node.insert(name, member);
        }
        let is_array = node.types.iter().any(|name| name == "array");
        match find(layers, "items") {
            Some(items) if is_array => {
                node.items = Some(Box::new(self.element(items, scope.inner("items"))));
            }
            None if !is_array => {}
            _ => self.fault(
                &scope.at,
                "is an array without `items`, or has them and is none",
                "say both \"type\": \"array\" and its items",
            ),
        }
    }

    /// The schema and what its `$ref`s lead to.
    pub(super) fn layers(&mut self, schema: &'s Value, scope: &mut Scope<'s>) -> Layers<'s> {
        let mut layers = Vec::new();
        let mut next = Some(schema);
        while let Some(schema) = next {
            let Some(schema) = schema.as_object() else {
                self.fault(&scope.at, "is not an object", "describe the element");
                break;
            };
            for word in schema.keys().filter(|word| !is_known(word)) {
                let says = format!("has the unknown keyword {word}");
                self.fault(&scope.at, says, "mend its name or leave it out");
            }
            layers.push(schema);
            next = self
                .local_reference(schema, &scope.at)
                .and_then(|(reference, target)| {
                    if scope.open.contains(&reference) {
                        self.fault(
                            &scope.at,
                            format!("refers to itself by {reference}"),
                            "messages have a bounded depth: write the levels out",
                        );
                        return None;
                    }
                    scope.open.push(reference);
                    Some(target)
                });
        }
        layers
    }

    /// The `$ref` of a schema and where it leads within the document.
    pub(super) fn local_reference(
        &mut self,
        schema: &'s Map<String, Value>,
        at: &str,
    ) -> Option<(&'s str, &'s Value)> {
        if !at.is_empty() && schema.contains_key("$id") {
            self.fault(
                at,
                "has a $id of its own",
                "leave it out: a type is one document",
            );
        }
        let reference = schema.get("$ref")?.as_str().unwrap_or_default();
        let target = reference
            .strip_prefix('#')
            .and_then(|pointer| self.root.pointer(pointer));
        if target.is_none() {
            let says = format!("refers to {reference}, which is not in this document");
            self.fault(at, says, "define it in $defs and refer to #/$defs/NAME");
        }
        target.map(|target| (reference, target))
    }

    /// The types the element's value may have.
    fn types(&mut self, layers: &Layers<'s>, at: &str) -> Vec<String> {
        let named: Vec<String> = match find(layers, "type") {
            Some(Value::String(name)) => vec![name.clone()],
            Some(Value::Array(names)) => names
                .iter()
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect(),
            _ => {
                let constant = find(layers, "const").into_iter();
                let listed = find(layers, "enum")
                    .and_then(Value::as_array)
                    .into_iter()
                    .flatten();
                let mut types: Vec<String> = constant.chain(listed).map(type_of).collect();
                types.sort();
                types.dedup();
                types
            }
        };
        let containers = named
            .iter()
            .filter(|n| matches!(n.as_str(), "object" | "array"))
            .count();
        if named.is_empty() {
            self.fault(
                at,
                "says neither type nor enum nor const",
                "say what the element is",
            );
        } else if containers > 0 && named.len() > 1 {
            self.fault(
                at,
                "may be a container and something else",
                "give it one type",
            );
        }
        named
    }

    fn format(&mut self, layers: &Layers<'s>, at: &str, node: &mut Node) {
        let Some(name) = find(layers, "format").and_then(Value::as_str) else {
            return;
        };
        node.format = Format::named(name);
        if let Some(list) = name
            .strip_prefix("code:")
            .filter(|l| !self.codes.contains_key(*l))
        {
            let says = format!("names the code list {list}, which does not exist");
            let cure = format!("add codes/{list}.txt, or mend the name");
            self.fault(at, says, &cure);
            self.unknown_lists.push(name);
        }
    }
}

impl Scope<'_> {
    pub(super) fn inner(&self, step: &str) -> Self {
        let mut inner = self.clone();
        inner.at = format!("{}/{step}", self.at);
        inner.depth += 1;
        inner
    }
}

/// A keyword's value, from the element's own schema before what it refers to.
pub(super) fn find<'s>(layers: &Layers<'s>, word: &str) -> Option<&'s Value> {
    layers.iter().find_map(|layer| layer.get(word))
}

fn type_of(value: &Value) -> String {
    let name = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    name.to_owned()
}

/// Whether the container may stand there with nothing in it.
fn can_be_empty(layers: &Layers<'_>, is_object: bool) -> bool {
    let least = if is_object {
        "minProperties"
    } else {
        "minItems"
    };
    let requires = |schema: &Value| {
        schema
            .get("required")
            .and_then(Value::as_array)
            .is_some_and(|list| !list.is_empty())
    };
    !layers.iter().any(|layer| {
        let any_of = ["anyOf", "oneOf"]
            .iter()
            .filter_map(|word| layer.get(*word)?.as_array());
        layer
            .get(least)
            .and_then(Value::as_u64)
            .is_some_and(|least| least > 0)
            || layer
                .get("required")
                .and_then(Value::as_array)
                .is_some_and(|list| !list.is_empty())
            || any_of.into_iter().any(|list| list.iter().all(requires))
    })
}
