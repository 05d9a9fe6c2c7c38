//! Why a message fails its schema, in words for its sender.

use jsonschema::ValidationError;
use jsonschema::error::{TypeKind, ValidationErrorKind as Kind};
use serde_json::Value;

use super::plan::Node;
use crate::message::faults::{Found, Invalid};
use crate::message::identifier::Format;
use crate::message::json::{self, Document, Element};
use crate::message::rule::{self, Rule};
use crate::message::spelling::near;

/// How many of a list's values a text names.
const NAMED_MAX: usize = 12;
/// How many near names a text has.
const NEAR_MAX: usize = 3;
/// Characters of an unknown name that is repeated to its sender.
const NAME_MAX: usize = 64;

/// What is said of an empty text.
const EMPTY: &str = "is empty; fill it in, or leave it out";

/// The faults of one document.
pub(super) struct Told<'d> {
    pub(super) document: &'d Document<'d>,
    pub(super) plan: &'d Node,
}

impl Told<'_> {
    /// The place as the document has it, the rule, and what is wrong.
    pub(super) fn add(&self, error: &ValidationError<'_>, found: &mut Found) {
        let place = error.instance_path().to_string();
        match error.kind() {
            Kind::Format { format } => found.add(self.format(place, format)),
            Kind::AdditionalProperties { unexpected } => {
                for name in unexpected {
                    let says = self.unknown(&place, name);
                    let rule = &rule::ADDITIONAL_PROPERTIES;
                    found.add(Invalid::content(place.clone(), rule, says));
                }
            }
            kind => {
                let rule = Rule::named(kind.keyword()).unwrap_or(rule::SCHEMA);
                let says = self.says(&place, kind);
                found.add(Invalid::content(place, &rule, says));
            }
        }
    }

    fn format(&self, place: String, format: &str) -> Invalid {
        let text = at(self.document.root(), &place).and_then(Element::text);
        let text = text.unwrap_or_default();
        match (Format::named(format), format.strip_prefix("code:")) {
            // The same fault as of a length that schemas ask besides.
            (Some(_), _) if text.is_empty() => Invalid::content(place, &rule::MIN_LENGTH, EMPTY),
            (Some(format), _) => Invalid::content(place, &Rule::of(format), format.says(&text)),
            (None, Some(list)) => {
                let says = format!("is not in the code list {list}");
                Invalid::code(place, format, says)
            }
            (None, None) => Invalid::code(place, format, format!("is not of format {format}")),
        }
    }

    /// A member that the type does not know: by its name where that is a word, for a name may be a
    /// person's; by its place where it is none.
    fn unknown(&self, place: &str, name: &str) -> String {
        let mut members = at(self.document.root(), place)
            .into_iter()
            .flat_map(Element::children);
        let position = members
            .position(|member| member.name() == name)
            .map_or(0, |at| at + 1);
        let is_word = !name.is_empty()
            && name.chars().count() <= NAME_MAX
            && name.bytes().all(|b| b.is_ascii_graphic());
        let member = if is_word {
            format!("{name} (member {position})")
        } else {
            format!("member {position}")
        };
        let known: Vec<&str> =
            planned(self.plan, place).map_or_else(Vec::new, |node| node.names().collect());
        let nearest = near(name, &known);
        let (lead, mut names) = match nearest.as_slice() {
            [] if known.len() <= NAMED_MAX => ("has", known),
            [] => return format!("{member} is not an element of it"),
            _ => ("nearest", nearest.into_iter().take(NEAR_MAX).collect()),
        };
        if lead == "has" {
            names.sort_unstable();
        }
        format!("{member} is not an element; {lead} {}", names.join(", "))
    }

    fn says(&self, place: &str, kind: &Kind) -> String {
        match kind {
            Kind::Required { property } => {
                format!("lacks {}", property.as_str().unwrap_or("a member"))
            }
            Kind::Enum { options } => format!("is none of {}", list(options)),
            Kind::Constant { expected_value } => format!("is not {expected_value}"),
            Kind::Type {
                kind: TypeKind::Single(expected),
            } => {
                let is = at(self.document.root(), place).map_or("something else", kind_name);
                format!("must be of type {expected}, and is {is}")
            }
            Kind::MaxLength { limit } => format!("is longer than {limit} characters"),
            Kind::MinLength { limit: 1 } => EMPTY.to_owned(),
            Kind::MinLength { limit } => format!("is shorter than {limit} characters"),
            Kind::MaxItems { limit } => format!("has more than {limit} items"),
            Kind::MinItems { limit } => format!("has fewer than {limit} items"),
            Kind::MaxProperties { limit } => format!("has more than {limit} members"),
            Kind::MinProperties { limit } => format!("has fewer than {limit} members"),
            Kind::Pattern { pattern } => format!("does not match {pattern}"),
            Kind::Maximum { limit } => format!("is more than {limit}"),
            Kind::Minimum { limit } => format!("is less than {limit}"),
            Kind::ExclusiveMaximum { limit } => format!("is not less than {limit}"),
            Kind::ExclusiveMinimum { limit } => format!("is not more than {limit}"),
            Kind::UniqueItems => "has one item twice".to_owned(),
            Kind::AnyOf { context } => match lacking(context) {
                Some(names) => format!("lacks one of {names}"),
                None => "fits none of the forms that its type allows".to_owned(),
            },
            Kind::OneOfNotValid { context } => match lacking(context) {
                Some(names) => format!("lacks one of {names}"),
                None => "fits none of the forms of which its type wants one".to_owned(),
            },
            Kind::OneOfMultipleValid { .. } => {
                "fits several forms of which its type wants one".to_owned()
            }
            other => format!("breaks the rule {}", other.keyword()),
        }
    }
}

/// What is missing, where each of several forms fails for that alone.
fn lacking(forms: &[Vec<ValidationError<'static>>]) -> Option<String> {
    let lacks = |form: &Vec<ValidationError<'static>>| {
        let names = form.iter().map(|error| match error.kind() {
            Kind::Required { property } => property.as_str().map(str::to_owned),
            _ => None,
        });
        Some(names.collect::<Option<Vec<String>>>()?.join(" with "))
    };
    let forms = forms.iter().map(lacks).collect::<Option<Vec<String>>>()?;
    Some(forms.join(", "))
}

/// The element at a JSON pointer.
fn at<'d>(root: Element<'d>, pointer: &str) -> Option<Element<'d>> {
    pointer.split('/').skip(1).try_fold(root, |element, step| {
        let name = step.replace("~1", "/").replace("~0", "~");
        let by_index = step
            .parse()
            .ok()
            .and_then(|index| element.children().nth(index));
        element.member(&name).or(by_index)
    })
}

/// What the plan has at a JSON pointer.
fn planned<'p>(root: &'p Node, pointer: &str) -> Option<&'p Node> {
    pointer.split('/').skip(1).try_fold(root, |node, step| {
        let name = step.replace("~1", "/").replace("~0", "~");
        node.member(&name).or(node.items.as_deref())
    })
}

fn kind_name(element: Element<'_>) -> &'static str {
    match element.kind() {
        json::Kind::Object => "an object",
        json::Kind::Array => "an array",
        json::Kind::String => "a string",
        json::Kind::Number => "a number",
        json::Kind::True | json::Kind::False => "a boolean",
        json::Kind::Null => "null",
    }
}

fn list(options: &Value) -> String {
    let all = options.as_array().map(Vec::as_slice).unwrap_or_default();
    let named: Vec<String> = all.iter().take(NAMED_MAX).map(Value::to_string).collect();
    let more = if all.len() > NAMED_MAX { ", ..." } else { "" };
    format!("{}{more}", named.join(", "))
}
