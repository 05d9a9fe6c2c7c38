//! Why a message fails its schema, in words that hold no value of it.

use jsonschema::ValidationError;
use jsonschema::error::{TypeKind, ValidationErrorKind as Kind};
use serde_json::Value;

use crate::message::identifier::Format;
use crate::message::json::{Document, Element};
use crate::message::valid::Invalid;

/// How many of a list's values a text names.
const NAMED_MAX: usize = 12;

/// The refusal: the place as the document has it, and the rule. A name that the schema does not
/// know may itself be personal data and is not repeated; its place in the object is.
pub(super) fn invalid(error: &ValidationError<'_>, document: &Document<'_>) -> Invalid {
    let place = error.instance_path().to_string();
    let (rule, says) = match error.kind() {
        Kind::Format { format } => (format.clone(), format_says(format)),
        Kind::AdditionalProperties { unexpected } => {
            let at = at(document.root(), &place);
            let position = unexpected
                .first()
                .and_then(|name| at?.children().position(|child| child.name() == *name));
            let says = match position {
                Some(position) => format!("member {} is not an element of this type", position + 1),
                None => "has a member that is not an element of this type".to_owned(),
            };
            ("additionalProperties".to_owned(), says)
        }
        kind => (kind.keyword().to_owned(), kind_says(kind)),
    };
    Invalid::content(place, rule, says)
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

fn format_says(format: &str) -> String {
    match (Format::named(format), format.strip_prefix("code:")) {
        (Some(format), _) => format!("is not {}", format.expects),
        (None, Some(list)) => format!("is not in the code list {list}"),
        (None, None) => format!("is not of format {format}"),
    }
}

fn kind_says(kind: &Kind) -> String {
    match kind {
        Kind::Required { property } => format!("lacks {}", property.as_str().unwrap_or("a member")),
        Kind::Enum { options } => format!("is none of {}", list(options)),
        Kind::Constant { expected_value } => format!("is not {expected_value}"),
        Kind::Type {
            kind: TypeKind::Single(expected),
        } => format!("is not of type {expected}"),
        Kind::MaxLength { limit } => format!("is longer than {limit} characters"),
        Kind::MinLength { limit } => format!("is shorter than {limit} characters"),
        Kind::MaxItems { limit } => format!("has more than {limit} items"),
        Kind::MinItems { limit } => format!("has less than {limit} items"),
        Kind::MaxProperties { limit } => format!("has more than {limit} members"),
        Kind::MinProperties { limit } => format!("has less than {limit} members"),
        Kind::Pattern { pattern } => format!("does not match {pattern}"),
        Kind::Maximum { limit } => format!("is more than {limit}"),
        Kind::Minimum { limit } => format!("is less than {limit}"),
        Kind::ExclusiveMaximum { limit } => format!("is not less than {limit}"),
        Kind::ExclusiveMinimum { limit } => format!("is not more than {limit}"),
        Kind::UniqueItems => "has one item twice".to_owned(),
        Kind::AnyOf { .. } => "fits none of the forms that its type allows".to_owned(),
        Kind::OneOfNotValid { .. } => {
            "fits none of the forms of which its type wants one".to_owned()
        }
        Kind::OneOfMultipleValid { .. } => {
            "fits several forms of which its type wants one".to_owned()
        }
        other => format!("breaks the rule {}", other.keyword()),
    }
}

fn list(options: &Value) -> String {
    let all = options.as_array().map(Vec::as_slice).unwrap_or_default();
    let named: Vec<String> = all.iter().take(NAMED_MAX).map(Value::to_string).collect();
    let more = if all.len() > NAMED_MAX { ", ..." } else { "" };
    format!("{}{more}", named.join(", "))
}
