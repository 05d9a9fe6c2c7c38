//! Scanned documents as a representation that `jsonschema` reads: no second parse, no copy.

use std::borrow::Cow;

use jsonschema::JsonType;
use jsonschema::json::{Array, Json, Node, NodeIdentity, Object};
use serde_json::Value;

use crate::message::json::{Children, Element, Kind};

/// The representation's name for `jsonschema`.
#[derive(Debug)]
pub struct Scanned;

/// A node: an element, or a text that stands alone (`jsonschema` looks at names as texts).
#[derive(Clone)]
pub enum ScannedNode<'a> {
    /// An element of the document.
    Element(Element<'a>),
    /// A text.
    Text(&'a str),
}

impl Json for Scanned {
    type Node<'a> = ScannedNode<'a>;
    type PreparedKey = String;
    // A lookup goes along the members; one pass over them is cheaper than several lookups.
    const KEYS_PER_LOOKUP: usize = 4;
    const ACYCLIC: bool = true;
    type StringBuffer = String;

    fn prepare_key(key: &str) -> String {
        key.to_owned()
    }

    fn with_string_node<T>(
        buffer: &mut String,
        string: &str,
        f: impl FnOnce(ScannedNode<'_>) -> T,
    ) -> T {
        string.clone_into(buffer);
        f(ScannedNode::Text(buffer))
    }
}

impl<'a> ScannedNode<'a> {
    fn element(&self, kind: Kind) -> Option<Element<'a>> {
        match self {
            Self::Element(element) if element.kind() == kind => Some(*element),
            _ => None,
        }
    }
}

impl<'a> Node<'a, Scanned> for ScannedNode<'a> {
    type Object = Members<'a>;
    type Array = Items<'a>;
    type Number = serde_json::Number;

    fn as_object(&self) -> Option<Members<'a>> {
        self.element(Kind::Object).map(Members)
    }

    fn as_array(&self) -> Option<Items<'a>> {
        self.element(Kind::Array).map(Items)
    }

    fn as_string(&self) -> Option<Cow<'a, str>> {
        match self {
            Self::Element(element) => element.text(),
            Self::Text(text) => Some(Cow::Borrowed(text)),
        }
    }

    fn as_number(&self) -> Option<serde_json::Number> {
        self.element(Kind::Number)?.raw().parse().ok()
    }

    fn as_boolean(&self) -> Option<bool> {
        match self.json_type() {
            JsonType::Boolean => Some(self.element(Kind::True).is_some()),
            _ => None,
        }
    }

    fn is_null(&self) -> bool {
        self.element(Kind::Null).is_some()
    }

    fn json_type(&self) -> JsonType {
        let Self::Element(element) = self else {
            return JsonType::String;
        };
        match element.kind() {
            Kind::Object => JsonType::Object,
            Kind::Array => JsonType::Array,
            Kind::String => JsonType::String,
            Kind::Number => JsonType::Number,
            Kind::True | Kind::False => JsonType::Boolean,
            Kind::Null => JsonType::Null,
        }
    }

    fn equals_value(&self, expected: &Value) -> bool {
        match (expected, self) {
            (Value::String(expected), _) => self.as_string().is_some_and(|text| text == *expected),
            (Value::Bool(expected), _) => self.as_boolean() == Some(*expected),
            (Value::Null, _) => self.is_null(),
            _ => jsonschema::json::cmp::equal(&self.to_value(), expected),
        }
    }

    fn to_value(&self) -> Cow<'a, Value> {
        Cow::Owned(match self {
            Self::Element(element) => value(*element),
            Self::Text(text) => Value::String((*text).to_owned()),
        })
    }

    fn identity(&self) -> Option<NodeIdentity> {
        match self {
            Self::Element(element) => {
                let index = u32::try_from(element.index()).ok()?;
                Some(NodeIdentity::tagged(element.document_address(), index))
            }
            Self::Text(_) => None,
        }
    }
}

fn value(element: Element<'_>) -> Value {
    match element.kind() {
        Kind::Object => Value::Object(
            element
                .children()
                .map(|c| (c.name().into_owned(), value(c)))
                .collect(),
        ),
        Kind::Array => Value::Array(element.children().map(value).collect()),
        Kind::String => Value::String(element.text().unwrap_or_default().into_owned()),
        Kind::Number => element.raw().parse().map_or(Value::Null, Value::Number),
        Kind::True => Value::Bool(true),
        Kind::False => Value::Bool(false),
        Kind::Null => Value::Null,
    }
}

/// An object's members.
pub struct Members<'a>(Element<'a>);

impl<'a> Object<'a, Scanned> for Members<'a> {
    type Node = ScannedNode<'a>;
    type MemberName = Cow<'a, str>;
    type MembersIter = MembersIter<'a>;

    fn len(&self) -> usize {
        self.0.children().count()
    }

    fn get(&self, key: &String) -> Option<ScannedNode<'a>> {
        self.0.member(key).map(ScannedNode::Element)
    }

    fn members(&self) -> MembersIter<'a> {
        MembersIter(self.0.children())
    }
}

/// Members one by one.
pub struct MembersIter<'a>(Children<'a>);

impl<'a> Iterator for MembersIter<'a> {
    type Item = (Cow<'a, str>, ScannedNode<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        self.0
            .next()
            .map(|child| (child.name(), ScannedNode::Element(child)))
    }
}

/// An array's items.
pub struct Items<'a>(Element<'a>);

impl<'a> Array<'a, Scanned> for Items<'a> {
    type Node = ScannedNode<'a>;
    type ElementsIter = std::iter::Map<Children<'a>, fn(Element<'a>) -> ScannedNode<'a>>;

    fn len(&self) -> usize {
        self.0.children().count()
    }

    fn elements(&self) -> Self::ElementsIter {
        self.0.children().map(ScannedNode::Element)
    }
}
