//! The words of a schema that are Carnet's: an element's data category and the mark of tokens.

use serde_json::{Map, Value};

use super::compile::{Compiler, Layers, Scope, find};
use super::keyword::{CATEGORY, TOKEN};
use super::plan::{By, Node, Rule};
use crate::message::id::Category;

impl<'s> Compiler<'s> {
    /// The mark of a reference that some recipients get as a token.
    pub(super) fn token(&mut self, layers: &Layers<'s>, scope: &Scope<'s>, node: &mut Node) {
        let Some(mark) = find(layers, TOKEN) else {
            return;
        };
        node.is_token = mark == &Value::Bool(true);
        if !node.is_token || node.types != ["string"] {
            let says = format!("has {TOKEN} on what is no text");
            self.fault(&scope.at, says, "mark elements of type string, with true");
        }
        if !scope.in_reach.has(Category::Reference) {
            let says = format!("has {TOKEN} and is no reference");
            self.fault(
                &scope.at,
                says,
                "name the category reference, or leave the mark out",
            );
        }
    }

    /// The category that the element itself names.
    pub(super) fn rule(&mut self, layers: &Layers<'s>, scope: &Scope<'s>) -> Option<Rule> {
        let mut named = layers.iter().filter_map(|layer| layer.get(CATEGORY));
        let rule = named.next()?;
        if named.any(|other| other != rule) {
            self.fault(
                &scope.at,
                "has one category here and another behind its $ref",
                "name it in one place",
            );
        }
        match rule {
            Value::String(name) => self.category(name, &scope.at).map(Rule::Fixed),
            Value::Object(by) => self.by(by, scope).map(Rule::By),
            _ => {
                self.fault(
                    &scope.at,
                    format!("has {CATEGORY} of another form"),
                    "give a category's name, or {\"by\": KEY, TEXT: CATEGORY, \"else\": CATEGORY}",
                );
                None
            }
        }
    }

    fn category(&mut self, name: &str, at: &str) -> Option<Category> {
        let category = name.parse().ok();
        if category.is_none() {
            self.fault(
                at,
                format!("names the unknown data category {name}"),
                "use one that docs/policies.md lists",
            );
        }
        category
    }

    fn by(&mut self, rule: &'s Map<String, Value>, scope: &Scope<'s>) -> Option<By> {
        let text = |word: &str| rule.get(word).and_then(Value::as_str);
        let Some((key, otherwise)) = text("by").zip(text("else")) else {
            self.fault(
                &scope.at,
                format!("has {CATEGORY} without `by` or `else`"),
                "name the deciding key and the category where it is absent",
            );
            return None;
        };
        let key_schema = |layers: &Layers<'s>| find(layers, "properties").and_then(|p| p.get(key));
        let mut outwards = scope.objects.iter().rev().enumerate();
        let found = outwards.find_map(|(out, layers)| Some((out, key_schema(layers)?)));
        let Some((out, deciding)) = found else {
            let says = format!("is decided by {key}, which no object in reach has");
            self.fault(
                &scope.at,
                says,
                "name a member of this object or of one around it",
            );
            return None;
        };
        let deciding = self.layers(deciding, &mut scope.inner("by"));
        let texts = find(&deciding, "enum")
            .and_then(Value::as_array)
            .map(Vec::as_slice);
        let mut cases = Vec::new();
        for (value, category) in rule
            .iter()
            .filter(|(word, _)| !matches!(word.as_str(), "by" | "else"))
        {
            if !texts.is_some_and(|texts| texts.iter().any(|text| text == value)) {
                let says = format!("decides for {value}, which is not in the enum of {key}");
                self.fault(
                    &scope.at,
                    says,
                    "use the texts that the deciding key lists in its enum",
                );
            }
            let category = category.as_str().unwrap_or_default();
            cases.push((value.clone(), self.category(category, &scope.at)?));
        }
        let otherwise = self.category(otherwise, &scope.at)?;
        Some(By {
            out,
            key: key.to_owned(),
            cases,
            otherwise,
        })
    }
}
