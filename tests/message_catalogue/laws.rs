//! Laws of classification and projection, over random types and random documents of them.
//!
//! A `Shape` is drawn, written out as a schema, and a document of it is drawn with blanks and
//! escapes anywhere. Beside the text the draw keeps what is plainly true of it: a tree of values
//! with the category of each, against which spans and projection are held.

use std::fmt::Write;

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use carnet::message::bundle::Bundle;
use carnet::message::catalogue::Catalogue;
use carnet::message::fields::read;
use carnet::message::id::{Category, Mask};
use carnet::message::json::unescape;
use carnet::message::project::project;
use carnet::message::spans::{Part, Spans};

/// The manifest of a type with one key.
const MANIFEST: &str = include_str!("../../src/message/fixture/message.toml");

/// A source of choices that follows from its seed alone.
struct Dice(u64);

impl Dice {
    fn throw(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % sides
    }

    fn category(&mut self) -> Category {
        let at = usize::try_from(self.throw(15)).unwrap();
        Category::ALL[at]
    }
}

#[derive(Debug, Clone)]
enum Rule {
    Inherit,
    Fixed(Category),
    /// By the member `Kind` of the nearest object that has one.
    Kind {
        legal: Category,
        otherwise: Category,
    },
}

#[derive(Debug, Clone)]
enum Inside {
    Text,
    Token,
    Number,
    Object(Vec<(String, Shape)>),
    Array(Box<Shape>),
}

#[derive(Debug, Clone)]
struct Shape {
    rule: Rule,
    inside: Inside,
}

impl Shape {
    fn draw(dice: &mut Dice, depth: u64, has_kind: bool) -> Self {
        let kind = if depth == 0 {
            3
        } else {
            dice.throw(3 + depth * 2)
        };
        let inside = match kind {
            2 => Inside::Token,
            3.. if depth > 0 && kind % 2 == 1 => {
                let mut members = Vec::new();
                if !has_kind || dice.throw(2) == 0 {
                    let kind = Self {
                        rule: Rule::Inherit,
                        inside: Inside::Text,
                    };
                    members.push(("Kind".to_owned(), kind));
                }
                for name in ["A", "b/c", "~d", "\"e\\"]
                    .into_iter()
                    .take(usize::try_from(dice.throw(5)).unwrap())
                {
                    members.push((name.to_owned(), Self::draw(dice, depth - 1, true)));
                }
                Inside::Object(members)
            }
            3.. if depth > 0 => Inside::Array(Box::new(Self::draw(dice, depth - 1, has_kind))),
            1 => Inside::Number,
            _ => Inside::Text,
        };
        let has_kind = has_kind || matches!(inside, Inside::Object(_));
        let rule = match dice.throw(4) {
            _ if matches!(inside, Inside::Token) => Rule::Fixed(Category::Reference),
            0 if has_kind => Rule::Kind {
                legal: dice.category(),
                otherwise: dice.category(),
            },
            0 | 1 => Rule::Fixed(dice.category()),
            _ => Rule::Inherit,
        };
        Self { rule, inside }
    }

    fn schema(&self) -> Value {
        let mut schema = match &self.inside {
            Inside::Text => json!({"type": "string"}),
            Inside::Token => json!({"type": "string", "x-carnet-token": true}),
            Inside::Number => json!({"type": "number"}),
            Inside::Array(items) => json!({"type": "array", "items": items.schema()}),
            Inside::Object(members) => {
                let named = |(name, shape): &(String, Self)| (name.clone(), shape.schema());
                let mut properties: Map<String, Value> = members.iter().map(named).collect();
                if let Some(kind) = properties.get_mut("Kind") {
                    *kind = json!({"enum": ["legal", "natural"]});
                }
                json!({"type": "object", "additionalProperties": false, "properties": properties})
            }
        };
        let category = match &self.rule {
            Rule::Inherit => return schema,
            Rule::Fixed(category) => json!(category.name()),
            Rule::Kind { legal, otherwise } => {
                json!({"by": "Kind", "legal": legal.name(), "else": otherwise.name()})
            }
        };
        schema
            .as_object_mut()
            .unwrap()
            .insert("x-carnet-category".to_owned(), category);
        schema
    }
}

/// What is plainly true of a document.
#[derive(Debug, Clone)]
enum Truth {
    Leaf {
        value: Value,
        category: Category,
        is_token: bool,
    },
    Empty {
        value: Value,
        category: Category,
    },
    Object(Vec<(String, Truth)>),
    Array(Vec<Truth>),
}

/// A document in the making.
struct Draw {
    dice: Dice,
    text: String,
    leaves: u64,
}

impl Draw {
    fn blank(&mut self) {
        let blanks = ["", "", "", " ", "\n\t ", "  "];
        let at = usize::try_from(self.dice.throw(6)).unwrap();
        self.text.push_str(blanks[at]);
    }

    /// `plain` as a JSON string, some of its characters escaped.
    fn string(&mut self, plain: &str) {
        self.text.push('"');
        for character in plain.chars() {
            match character {
                '"' => self.text.push_str("\\\""),
                '\\' => self.text.push_str("\\\\"),
                '/' if self.dice.throw(2) == 0 => self.text.push_str("\\/"),
                c if self.dice.throw(6) == 0 => {
                    write!(self.text, "\\u{:04X}", u32::from(c)).unwrap();
                }
                c => self.text.push(c),
            }
        }
        self.text.push('"');
    }

    fn value(&mut self, shape: &Shape, outer: Category, kind: Option<&str>) -> Truth {
        let category = |kind: Option<&str>| match shape.rule {
            Rule::Inherit => outer,
            Rule::Fixed(category) => category,
            Rule::Kind { legal, .. } if kind == Some("legal") => legal,
            Rule::Kind { otherwise, .. } => otherwise,
        };
        self.leaves += 1;
        match &shape.inside {
            Inside::Text | Inside::Token => {
                let plain = format!("marker{}/", self.leaves);
                self.string(&plain);
                let is_token = matches!(shape.inside, Inside::Token);
                Truth::Leaf {
                    value: json!(plain),
                    category: category(kind),
                    is_token,
                }
            }
            Inside::Number => {
                let number = 1_000_000 + self.leaves;
                self.text.push_str(&number.to_string());
                Truth::Leaf {
                    value: json!(number),
                    category: category(kind),
                    is_token: false,
                }
            }
            Inside::Array(items) => self.array(items, category(kind), kind),
            Inside::Object(members) => {
                let kinds = [None, Some("legal"), Some("natural")];
                let drawn = kinds[usize::try_from(self.dice.throw(3)).unwrap()];
                let has_kind = members.iter().any(|(name, _)| name == "Kind");
                let own = if has_kind { drawn } else { kind };
                self.object(members, category(own), own)
            }
        }
    }

    fn array(&mut self, items: &Shape, category: Category, kind: Option<&str>) -> Truth {
        self.text.push('[');
        let mut truths = Vec::new();
        for index in 0..self.dice.throw(4) {
            if index > 0 {
                self.text.push(',');
            }
            self.blank();
            truths.push(self.value(items, category, kind));
            self.blank();
        }
        self.text.push(']');
        if truths.is_empty() {
            Truth::Empty {
                value: json!([]),
                category,
            }
        } else {
            Truth::Array(truths)
        }
    }

    fn object(
        &mut self,
        members: &[(String, Shape)],
        category: Category,
        kind: Option<&str>,
    ) -> Truth {
        let mut sent: Vec<&(String, Shape)> = members.iter().collect();
        sent.retain(|(name, _)| {
            if name == "Kind" {
                kind.is_some()
            } else {
                self.dice.throw(4) > 0
            }
        });
        let turn = usize::try_from(self.dice.throw(5)).unwrap();
        let length = sent.len().max(1);
        sent.rotate_left(turn % length);
        self.text.push('{');
        let mut truths = Vec::new();
        for (index, (name, shape)) in sent.into_iter().enumerate() {
            if index > 0 {
                self.text.push(',');
            }
            self.blank();
            self.string(name);
            self.blank();
            self.text.push(':');
            self.blank();
            let truth = match kind {
                Some(kind) if name == "Kind" => {
                    self.string(kind);
                    Truth::Leaf {
                        value: json!(kind),
                        category,
                        is_token: false,
                    }
                }
                _ => self.value(shape, category, kind),
            };
            self.blank();
            truths.push((name.clone(), truth));
        }
        self.text.push('}');
        if truths.is_empty() {
            Truth::Empty {
                value: json!({}),
                category,
            }
        } else {
            Truth::Object(truths)
        }
    }
}

/// The projection as one would write it without a thought for speed.
fn plainly(truth: &Truth, mask: Mask) -> Option<Value> {
    let shown = |category| {
        mask.has(category) || (category == Category::Reference && mask.has_reference_token())
    };
    match truth {
        Truth::Leaf {
            value,
            category,
            is_token,
        } if shown(*category) => {
            let is_hidden = *is_token && !mask.has(Category::Reference);
            Some(if is_hidden {
                json!(format!("token of {}", value.as_str()?))
            } else {
                value.clone()
            })
        }
        Truth::Empty { value, category } if shown(*category) => Some(value.clone()),
        Truth::Leaf { .. } | Truth::Empty { .. } => None,
        Truth::Object(members) => {
            let kept = members
                .iter()
                .filter_map(|(n, t)| Some((n.clone(), plainly(t, mask)?)));
            Some(kept.collect::<Map<_, _>>())
                .filter(|kept| !kept.is_empty())
                .map(Value::Object)
        }
        Truth::Array(items) => {
            let kept: Vec<Value> = items.iter().filter_map(|t| plainly(t, mask)).collect();
            Some(kept).filter(|kept| !kept.is_empty()).map(Value::Array)
        }
    }
}

/// The markers of everything that `mask` withholds.
fn withheld(truth: &Truth, mask: Mask, out: &mut Vec<String>) {
    match truth {
        Truth::Leaf {
            value,
            category,
            is_token,
        } => {
            let shown = mask.has(*category)
                || (*category == Category::Reference && mask.has_reference_token() && !is_token);
            let text = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            if !shown && text != "legal" && text != "natural" {
                out.push(text);
            }
        }
        Truth::Empty { .. } => {}
        Truth::Object(members) => members.iter().for_each(|(_, t)| withheld(t, mask, out)),
        Truth::Array(items) => items.iter().for_each(|t| withheld(t, mask, out)),
    }
}

/// Reads the parts of one container from `inner` to `close`; what is left of the list.
fn tiled(mut parts: &[Part], inner: usize, close: usize) -> &[Part] {
    let mut at = inner;
    while at <= close && !parts.is_empty() {
        let (part, rest) = parts.split_first().unwrap();
        parts = rest;
        let (start, end) = match part {
            Part::Run { start, end, .. } => (*start, *end),
            Part::Token {
                start,
                value,
                after,
                end,
                ..
            } => {
                assert!(start <= value && value < after && after <= end);
                (*start, *end)
            }
            Part::Within {
                start,
                inner,
                close,
                end,
                parts: count,
            } => {
                assert!(start < inner && inner <= close && close < end);
                let (below, beside) = parts.split_at(*count);
                assert!(tiled(below, *inner, *close).is_empty());
                parts = beside;
                (*start, *end)
            }
        };
        assert_eq!(start, at, "a gap or an overlap");
        at = end + 1;
    }
    assert_eq!(at, close + 1, "the end is not reached");
    parts
}

/// A random type, a random body of it, and what is plainly true of that.
fn drawn(seed: u64) -> (Catalogue, String, Truth) {
    let mut dice = Dice(seed | 1);
    for _ in 0..8 {
        dice.throw(2);
    }
    let mut shape = Shape::draw(&mut dice, 4, false);
    while !matches!(shape.inside, Inside::Object(_)) {
        shape = Shape::draw(&mut dice, 4, false);
    }
    shape.rule = Rule::Fixed(dice.category());
    let mut bundle = Bundle::default();
    let manifest = MANIFEST.split("[[key]]").next().unwrap();
    bundle.insert("messages/postal.item/message.toml", manifest);
    bundle.insert(
        "messages/postal.item/schema.json",
        shape.schema().to_string(),
    );
    let mut draw = Draw {
        dice,
        text: String::new(),
        leaves: 0,
    };
    draw.blank();
    let truth = draw.value(&shape, Category::Narrative, None);
    draw.blank();
    bundle.insert(
        "messages/postal.item/examples/valid/drawn.json",
        draw.text.clone(),
    );
    let catalogue = Catalogue::parse(&bundle).unwrap_or_else(|faults| {
        panic!("{faults:?}\n{}\n{}", shape.schema(), draw.text);
    });
    (catalogue, draw.text, truth)
}

fn projected(body: &str, spans: &Spans, mask: Mask) -> Option<String> {
    let out = project(body.as_bytes(), spans, mask, &mut |element| {
        format!("token of {}", element.clear)
    });
    out.map(|out| String::from_utf8(out).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn projection_is_what_one_would_write_plainly_and_leaks_no_withheld_value(
        seed in any::<u64>(),
        bits in prop::collection::vec(0..(1_u32 << 16), 6),
    ) {
        let (catalogue, body, truth) = drawn(seed);
        let entry = catalogue.get("postal.item").unwrap();
        let spans = read(entry, body.as_bytes(), &|_| None).unwrap().spans;
        for bits in bits {
            let mut mask: Mask = Category::ALL.into_iter().filter(|c| bits & (1 << c.bit()) != 0).collect();
            if bits & (1 << 15) != 0 {
                mask = mask.union(Mask::REFERENCE_TOKEN);
            }
            let seen = projected(&body, &spans, mask);
            let value = seen.as_deref().map(|seen| serde_json::from_str::<Value>(seen).unwrap());
            let expected = plainly(&truth, mask);
            // As text: the order of members counts too.
            prop_assert_eq!(value.map(|v| v.to_string()), expected.map(|v| v.to_string()), "{:?} {}", mask, body);
            let seen = seen.unwrap_or_default().replace("token of ", "token-of-");
            let spelled = unescape(&seen).replace("token of ", "token-of-");
            let mut hidden = Vec::new();
            withheld(&truth, mask, &mut hidden);
            for text in hidden {
                let token = format!("token-of-{text}");
                for seen in [&seen, &spelled] {
                    prop_assert!(!seen.replace(&token, "").contains(&text), "{text} in {seen}");
                }
            }
        }
    }

    #[test]
    fn spans_tile_the_body_and_the_whole_of_it_is_the_body(seed in any::<u64>()) {
        let (catalogue, body, _) = drawn(seed);
        let entry = catalogue.get("postal.item").unwrap();
        let spans = read(entry, body.as_bytes(), &|_| None).unwrap().spans;
        prop_assert!(tiled(spans.parts(), 0, body.len()).is_empty());
        prop_assert!(spans.present().without(entry.holds).is_empty());
        prop_assert_eq!(projected(&body, &spans, Mask::ALL), Some(body.clone()));
        prop_assert_eq!(projected(&body, &spans, Mask::NONE), None);
        // Spans of another body give nothing, and never a panic.
        let (half, _) = body.as_bytes().split_at(body.len() / 2);
        project(half, &spans, Mask::ALL, &mut |_| String::new());
    }

    #[test]
    fn bytes_that_are_changed_anywhere_never_panic(seed in any::<u64>(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let (catalogue, body, _) = drawn(seed);
        let mut body = body.into_bytes();
        let at = at.index(body.len());
        body[at] = byte;
        let read = read(catalogue.get("postal.item").unwrap(), &body, &|_| None);
        prop_assert!(read.is_err() || serde_json::from_slice::<Value>(&body).is_ok());
    }
}
