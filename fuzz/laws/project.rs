//! What a unit sees of a body: what one would leave of its values by the schema's categories, and
//! nothing of what its mask withholds.

use std::sync::LazyLock;

use carnet::message::bundle::Bundle;
use carnet::message::catalogue::Catalogue;
use carnet::message::fields::read;
use carnet::message::id::{Category, Mask};
use carnet::message::project::project;
use carnet::message::spans::Spans;
use serde_json::{Map, Value, json};

/// A type with every way to name a category: fixed, inherited, by a member, and a token.
const SCHEMA: &str = r#"{
  "type": "object", "additionalProperties": false, "x-carnet-category": "postal",
  "properties": {
    "Note": {"type": "string", "x-carnet-category": "narrative"},
    "Ref": {"type": "string", "x-carnet-category": "reference", "x-carnet-token": true},
    "Plain": {"type": "string"},
    "Goods": {"type": "array", "x-carnet-category": "goods", "items": {
      "type": "object", "additionalProperties": false,
      "properties": {
        "Weight": {"type": "number"},
        "Value": {"type": "number", "x-carnet-category": "commercial"},
        "Codes": {"type": "array", "items": {"type": "string", "x-carnet-category": "control"}}
      }}},
    "Party": {
      "type": "object", "additionalProperties": false,
      "properties": {
        "Kind": {"enum": ["legal", "natural"]},
        "Name": {"type": "string",
          "x-carnet-category": {"by": "Kind", "legal": "party", "else": "identity"}},
        "Secret": {"type": "boolean", "x-carnet-category": "investigation"}
      }}
  }
}"#;

struct Type {
    catalogue: Catalogue,
    schema: Value,
}

static TYPE: LazyLock<Type> = LazyLock::new(|| {
    let manifest = include_str!("../../src/message/fixture/message.toml");
    let manifest = manifest.split("[[key]]").next().unwrap_or_default();
    let mut bundle = Bundle::default();
    bundle.insert("messages/postal.item/message.toml", manifest);
    bundle.insert("messages/postal.item/schema.json", SCHEMA);
    let catalogue = Catalogue::load(&bundle);
    Type {
        catalogue: catalogue.unwrap_or_else(|faults| panic!("{faults:?}")),
        schema: serde_json::from_str(SCHEMA).expect("the schema is JSON"),
    }
});

/// Whether the octets behind the first two, which are the mask, are a body of the type.
pub(crate) fn holds(octets: &[u8]) -> bool {
    let Some((bits, body)) = octets.split_first_chunk() else {
        return false;
    };
    let entry = TYPE.catalogue.get("postal.item").expect("it is there");
    let Ok(content) = read(entry, body, &|_| None) else {
        return false;
    };
    let (spans, value) = (content.spans, serde_json::from_slice::<Value>(body));
    let value = value.expect("another reader takes what is valid");
    assert_eq!(seen(body, &spans, Mask::ALL).as_deref(), Some(body));
    assert_eq!(seen(body, &spans, Mask::NONE), None);

    let mask = mask(u16::from_be_bytes(*bits));
    let seen = seen(body, &spans, mask);
    let shown = seen.map(|seen| serde_json::from_slice::<Value>(&seen).expect("it stays JSON"));
    let expected = Plain { mask }.left(&value, &TYPE.schema, &Outer::default());
    // As text: the order of members counts too.
    let text = |value: Option<Value>| value.map(|value| value.to_string());
    assert_eq!(text(shown), text(expected), "{mask:?}");

    // Spans of another body give something or nothing, and never a panic.
    let (half, _) = body.split_at(body.len() / 2);
    project(half, &spans, mask, &mut |_| String::new());
    true
}

fn mask(bits: u16) -> Mask {
    let has = |category: &Category| bits & (1 << category.bit()) != 0;
    let mask: Mask = Category::ALL.into_iter().filter(has).collect();
    if bits & (1 << 15) == 0 {
        mask
    } else {
        mask.union(Mask::REFERENCE_TOKEN)
    }
}

fn seen(body: &[u8], spans: &Spans, mask: Mask) -> Option<Vec<u8>> {
    project(body, spans, mask, &mut |element| {
        format!("token of {}", element.clear)
    })
}

/// What the containers around a value say of it.
#[derive(Clone, Default)]
struct Outer<'a> {
    category: Option<Category>,
    kind: Option<&'a str>,
}

/// The projection as one would write it without a thought for speed.
struct Plain {
    mask: Mask,
}

impl Plain {
    fn left<'a>(&self, value: &'a Value, schema: &Value, outer: &Outer<'a>) -> Option<Value> {
        let own = schema.pointer("/properties/Kind").is_some();
        let inner = Outer {
            kind: if own {
                value.get("Kind").and_then(Value::as_str)
            } else {
                outer.kind
            },
            category: outer.category,
        };
        let inner = Outer {
            category: named(schema, inner.kind).or(inner.category),
            ..inner
        };
        let property = |name: &str| schema.get("properties").and_then(|all| all.get(name));
        match value {
            Value::Object(members) if !members.is_empty() => {
                let left = members.iter().filter_map(|(name, member)| {
                    Some((name.clone(), self.left(member, property(name)?, &inner)?))
                });
                let left: Map<String, Value> = left.collect();
                (!left.is_empty()).then_some(Value::Object(left))
            }
            Value::Array(items) if !items.is_empty() => {
                let of = schema.get("items")?;
                let left = items.iter().filter_map(|item| self.left(item, of, &inner));
                let left: Vec<Value> = left.collect();
                (!left.is_empty()).then_some(Value::Array(left))
            }
            _ => self.leaf(value, schema, inner.category?),
        }
    }

    fn leaf(&self, value: &Value, schema: &Value, category: Category) -> Option<Value> {
        if self.mask.has(category) {
            return Some(value.clone());
        }
        let as_token = category == Category::Reference && self.mask.has_reference_token();
        match value
            .as_str()
            .filter(|_| schema.get("x-carnet-token").is_some())
        {
            Some(text) if as_token => Some(json!(format!("token of {text}"))),
            _ => as_token.then(|| value.clone()),
        }
    }
}

/// The category that a schema names for what is of this kind.
fn named(schema: &Value, kind: Option<&str>) -> Option<Category> {
    let rule = schema.get("x-carnet-category")?;
    let by_kind = || {
        rule.get(kind.unwrap_or("else"))
            .or_else(|| rule.get("else"))
    };
    let name = rule.as_str().or_else(|| by_kind()?.as_str());
    name?.parse().ok()
}
