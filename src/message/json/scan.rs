//! The one scan over a body: strict, of bounded depth, without a copy.

use std::fmt::Write;

use super::element::{Document, Item, Kind};
use super::number;
use super::text::{unescape, unit};
use crate::message::rule::{self, Rule};

/// How deep containers may stand in each other. The deepest type of the catalogue needs 9; every
/// walk over a document may therefore be recursive.
pub const DEPTH_MAX: usize = 64;

/// A step of a JSON pointer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A member's name.
    Name(String),
    /// An item's place in its array.
    Index(usize),
}

/// Why a body is not the JSON that Carnet takes. Holds no value of it but the names on the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScanFault {
    /// The rule that it breaks.
    pub rule: &'static Rule,
    /// What is wrong.
    pub says: &'static str,
    /// The byte at which it was seen.
    pub at: usize,
    /// The way to it, innermost step first. The names are the sender's and may be anything.
    pub path: Vec<Step>,
}

impl ScanFault {
    fn new(rule: &'static Rule, says: &'static str, at: usize) -> Self {
        Self {
            rule,
            says,
            at,
            path: Vec::new(),
        }
    }

    fn under(mut self, step: Step) -> Self {
        self.path.push(step);
        self
    }
}

/// The JSON pointer of `steps`, outermost first.
pub fn pointer<'s>(steps: impl IntoIterator<Item = &'s Step>) -> String {
    let mut pointer = String::new();
    for step in steps {
        pointer.push('/');
        match step {
            Step::Name(name) => pointer.push_str(&name.replace('~', "~0").replace('/', "~1")),
            // Writing to a String cannot fail.
            Step::Index(index) => write!(pointer, "{index}").unwrap_or_default(),
        }
    }
    pointer
}

impl<'a> Document<'a> {
    /// Scans `body`. The only constructor.
    pub fn scan(body: &'a [u8]) -> Result<Self, ScanFault> {
        if body.starts_with(b"\xEF\xBB\xBF") {
            return Err(ScanFault::new(
                &rule::BOM,
                "starts with a byte order mark; send it without",
                0,
            ));
        }
        let text = std::str::from_utf8(body)
            .map_err(|e| ScanFault::new(&rule::UTF_8, "is not UTF-8", e.valid_up_to()))?;
        let mut scanner = Scanner {
            text,
            at: 0,
            items: Vec::new(),
            keys: Vec::new(),
        };
        scanner.blanks();
        scanner.value(0, Place::default())?;
        scanner.blanks();
        if scanner.at < text.len() {
            return Err(scanner.fault(&rule::TRAILING, "has something behind its end"));
        }
        if let Some(root) = scanner.items.first_mut() {
            root.segment_end = text.len();
        }
        Ok(Self {
            text,
            items: scanner.items,
            clear: Vec::new(),
        })
    }
}

/// Where a value stands in its container.
#[derive(Clone, Copy, Default)]
struct Place {
    segment_start: usize,
    key: (usize, usize),
}

struct Scanner<'a> {
    text: &'a str,
    at: usize,
    items: Vec<Item>,
    /// Keys of the objects that are open, as ranges between their quotes.
    keys: Vec<(usize, usize)>,
}

impl Scanner<'_> {
    fn fault(&self, rule: &'static Rule, says: &'static str) -> ScanFault {
        ScanFault::new(rule, says, self.at)
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    fn value(&mut self, depth: usize, place: Place) -> Result<(), ScanFault> {
        let index = self.items.len();
        let start = self.at;
        let kind = match self.peek() {
            Some(b'{') => Kind::Object,
            Some(b'[') => Kind::Array,
            Some(b'"') => Kind::String,
            Some(b't') => Kind::True,
            Some(b'f') => Kind::False,
            Some(b'n') => Kind::Null,
            Some(b'-' | b'0'..=b'9') => Kind::Number,
            Some(_) => {
                return Err(
                    self.fault(&rule::SYNTAX, "has something else where a value must stand")
                );
            }
            None => return Err(self.fault(&rule::SYNTAX, "ends where a value must stand")),
        };
        let Place { segment_start, key } = place;
        self.items.push(Item {
            kind,
            start,
            end: start,
            key,
            segment_start,
            segment_end: 0,
            next: 0,
        });
        match kind {
            Kind::Object => self.object(depth + 1)?,
            Kind::Array => self.array(depth + 1)?,
            Kind::String => self.string()?,
            Kind::Number => self.number()?,
            Kind::True => self.word("true")?,
            Kind::False => self.word("false")?,
            Kind::Null => self.word("null")?,
        }
        let (end, next) = (self.at, self.items.len());
        if let Some(item) = self.items.get_mut(index) {
            (item.end, item.next) = (end, next);
        }
        Ok(())
    }

    fn word(&mut self, word: &str) -> Result<(), ScanFault> {
        let found = self
            .text
            .get(self.at..)
            .is_some_and(|rest| rest.starts_with(word));
        if !found {
            return Err(self.fault(&rule::SYNTAX, "has something else where a value must stand"));
        }
        self.at += word.len();
        Ok(())
    }

    fn number(&mut self) -> Result<(), ScanFault> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let Some(length) = number::length(rest.as_bytes()) else {
            return Err(self.fault(&rule::SYNTAX, "has a number that JSON does not know"));
        };
        if !rest.get(..length).is_some_and(number::is_exact) {
            let says = "has a number that loses precision in readers; send it as a string";
            return Err(self.fault(&rule::NUMBER, says));
        }
        self.at += length;
        Ok(())
    }

    fn string(&mut self) -> Result<(), ScanFault> {
        self.at += 1;
        loop {
            let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
            let stop = rest
                .iter()
                .position(|b| matches!(b, b'"' | b'\\' | 0..0x20));
            self.at += stop.unwrap_or(rest.len());
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => self.escape()?,
                Some(_) => {
                    return Err(self.fault(&rule::SYNTAX, "has a control character in a string"));
                }
                None => return Err(self.fault(&rule::SYNTAX, "ends within a string")),
            }
        }
        self.at += 1;
        Ok(())
    }

    fn escape(&mut self) -> Result<(), ScanFault> {
        let rest = self.text.get(self.at + 1..).unwrap_or_default();
        match rest.bytes().next() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 2,
            Some(b'u') => {
                let Some((first, behind)) = rest.get(1..).and_then(unit) else {
                    return Err(self.fault(&rule::SYNTAX, "has an escape that JSON does not know"));
                };
                self.at += 6;
                if matches!(first, 0xD800..=0xDFFF) {
                    let second = behind
                        .strip_prefix("\\u")
                        .and_then(unit)
                        .map(|(code, _)| code);
                    if first >= 0xDC00 || !matches!(second, Some(0xDC00..=0xDFFF)) {
                        return Err(
                            self.fault(&rule::SURROGATE, "has half a surrogate pair in a string")
                        );
                    }
                    self.at += 6;
                }
            }
            _ => return Err(self.fault(&rule::SYNTAX, "has an escape that JSON does not know")),
        }
        Ok(())
    }

    fn array(&mut self, depth: usize) -> Result<(), ScanFault> {
        if depth > DEPTH_MAX {
            return Err(self.fault(&rule::DEPTH, "is nested more than 64 deep"));
        }
        self.at += 1;
        let mut place = Place {
            segment_start: self.at,
            key: (0, 0),
        };
        self.blanks();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(());
        }
        for count in 0.. {
            self.blanks();
            let item = self.items.len();
            self.value(depth, place)
                .map_err(|fault| fault.under(Step::Index(count)))?;
            if !self.goes_on(item, b']')? {
                break;
            }
            place.segment_start = self.at;
        }
        Ok(())
    }

    fn object(&mut self, depth: usize) -> Result<(), ScanFault> {
        if depth > DEPTH_MAX {
            return Err(self.fault(&rule::DEPTH, "is nested more than 64 deep"));
        }
        let outer_keys = self.keys.len();
        self.at += 1;
        let mut place = Place {
            segment_start: self.at,
            key: (0, 0),
        };
        self.blanks();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.blanks();
            place.key = self.key()?;
            let item = self.items.len();
            self.value(depth, place).map_err(|fault| {
                let name = self.text.get(place.key.0..place.key.1).unwrap_or_default();
                fault.under(Step::Name(unescape(name).into_owned()))
            })?;
            self.keys.push(place.key);
            if !self.goes_on(item, b'}')? {
                break;
            }
            place.segment_start = self.at;
        }
        self.distinct(outer_keys)?;
        self.keys.truncate(outer_keys);
        Ok(())
    }

    /// A key and its colon, up to where the value begins.
    fn key(&mut self) -> Result<(usize, usize), ScanFault> {
        if self.peek() != Some(b'"') {
            return Err(self.fault(&rule::SYNTAX, "has something else where a name must stand"));
        }
        let start = self.at + 1;
        self.string()?;
        let key = (start, self.at - 1);
        self.blanks();
        if self.peek() != Some(b':') {
            return Err(self.fault(&rule::SYNTAX, "lacks a colon behind a name"));
        }
        self.at += 1;
        self.blanks();
        Ok(key)
    }

    /// Ends the segment of `item`; whether another follows.
    fn goes_on(&mut self, item: usize, close: u8) -> Result<bool, ScanFault> {
        self.blanks();
        let found = self.peek().filter(|b| *b == b',' || *b == close);
        let Some(separator) = found else {
            return Err(self.fault(&rule::SYNTAX, "lacks a comma or a closing bracket"));
        };
        if let Some(item) = self.items.get_mut(item) {
            item.segment_end = self.at;
        }
        self.at += 1;
        Ok(separator == b',')
    }

    /// Every key from `first` on is another, however it is spelled.
    fn distinct(&self, first: usize) -> Result<(), ScanFault> {
        let keys = self.keys.get(first..).unwrap_or_default();
        let mut names: Vec<_> = keys
            .iter()
            .map(|(start, end)| unescape(self.text.get(*start..*end).unwrap_or_default()))
            .collect();
        names.sort_unstable();
        if names.windows(2).any(|pair| pair.first() == pair.last()) {
            return Err(self.fault(&rule::DUPLICATE_KEY, "has an object with one name twice"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rule(body: impl AsRef<[u8]>) -> &'static str {
        Document::scan(body.as_ref()).map_or_else(|fault| fault.rule.name, |_| "accepted")
    }

    #[test]
    fn what_readers_read_differently_is_refused_by_its_own_rule() {
        assert_eq!(rule(r#"{"a":1,"b":{"a":2}}"#), "accepted");
        assert_eq!(rule(r#"{"a":1,"\u0061":2}"#), "duplicate-key");
        assert_eq!(rule(r#"{"a":1,"b":2,"a":3}"#), "duplicate-key");
        assert_eq!(rule(b"\xEF\xBB\xBF{}"), "bom");
        assert_eq!(rule(b"{\"a\":\"\xFF\"}"), "utf-8");
        assert_eq!(rule("{} x"), "trailing");
        assert_eq!(rule(r#"{"a":1e400}"#), "number");
        assert_eq!(rule(r#"["\ud800"]"#), "surrogate");
        assert_eq!(rule(r#"["\ud800\u0061"]"#), "surrogate");
        assert_eq!(rule(r#"["\udc00"]"#), "surrogate");
        assert_eq!(rule(r#"["\ud83d\ude00"]"#), "accepted");
        for broken in [
            "", "{", "[1,]", "{,}", "{\"a\"}", "{'a':1}", "[\"\t\"]", "nul", "[1 2]", "\"\\x\"",
            "//", "[1",
        ] {
            assert_eq!(rule(broken), "syntax", "{broken}");
        }
    }

    #[test]
    fn depth_is_bounded_at_64() {
        let nested = |depth| "[".repeat(depth) + &"]".repeat(depth);
        assert_eq!(rule(nested(64)), "accepted");
        assert_eq!(rule(nested(65)), "depth");
        assert_eq!(rule("{\"a\":".repeat(100_000)), "depth");
    }

    #[test]
    fn a_fault_names_the_way_to_it() {
        let fault = Document::scan(br#"{"a":[0,{"b/c":1e999}]}"#).unwrap_err();
        assert_eq!(pointer(fault.path.iter().rev()), "/a/1/b~1c");
        assert_eq!(fault.at, 15);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
            let scanned = Document::scan(&body);
            prop_assert!(scanned.is_err() || serde_json::from_slice::<serde_json::Value>(&body).is_ok());
        }

        #[test]
        fn near_json_is_judged_as_serde_json_judges_it(body in "[\\[\\]{}:,\"a0. \\\\u-]{0,24}") {
            let theirs = serde_json::from_str::<serde_json::Value>(&body).is_ok();
            let ours = match Document::scan(body.as_bytes()) {
                Ok(_) => true,
                // Ours is the stricter one in these alone.
                Err(fault) => matches!(fault.rule.name, "duplicate-key" | "number"),
            };
            prop_assert_eq!(ours, theirs);
        }
    }
}
