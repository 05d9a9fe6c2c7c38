//! Texts that a schema leaves free are names all the same: whatever a type's author forgets, no empty,
//! blank or control character passes for a name.

use serde_json::{Map, Value};

/// Keywords whose values are no schemas.
const VALUES: [&str; 4] = ["const", "enum", "default", "examples"];

/// The schema with the format `name` wherever it takes any text and says no format.
pub(super) fn shown(schema: &Value) -> Value {
    match schema {
        Value::Object(words) => {
            let inner = words.iter().map(|(word, value)| {
                let is_value = VALUES.contains(&word.as_str());
                let value = if is_value {
                    value.clone()
                } else {
                    shown(value)
                };
                (word.clone(), value)
            });
            let mut words: Map<String, Value> = inner.collect();
            if is_free_text(&words) {
                words.insert("format".to_owned(), Value::from("name"));
            }
            Value::Object(words)
        }
        Value::Array(items) => Value::Array(items.iter().map(shown).collect()),
        other => other.clone(),
    }
}

fn is_free_text(words: &Map<String, Value>) -> bool {
    let is_text = match words.get("type") {
        Some(Value::String(name)) => name == "string",
        Some(Value::Array(names)) => names.iter().any(|name| name == "string"),
        _ => false,
    };
    let says = |word: &&str| words.contains_key(*word);
    is_text && !["format", "enum", "const"].iter().any(says)
}
