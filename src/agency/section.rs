//! Strict reading of TOML: every fault with its line, not the first alone; a key that nobody asked
//! for is a fault and names the key that was likely meant.
//!
//! serde's derived readers stop at the first fault and know no lines, hence this one. A
//! [`Section`] remembers which keys were asked for; [`Section::close`] reports the others.

use std::ops::Range;
use std::str::FromStr;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::message::bundle::Fault;
use crate::message::nearest;

/// The faults of one file, with what it takes to name their lines.
pub(super) struct Faults<'t> {
    path: &'t str,
    text: &'t str,
    found: Vec<Fault>,
}

impl<'t> Faults<'t> {
    pub(super) fn new(path: &'t str, text: &'t str) -> Self {
        Self {
            path,
            text,
            found: Vec::new(),
        }
    }

    /// `path:line` of a byte of the file.
    pub(super) fn place(&self, offset: usize) -> String {
        let before = self.text.bytes().take(offset);
        format!(
            "{}:{}",
            self.path,
            1 + before.filter(|b| *b == b'\n').count()
        )
    }

    pub(super) fn add(&mut self, span: &Range<usize>, says: impl Into<String>, cure: &str) {
        self.found
            .push(Fault::new(self.place(span.start), says, cure));
    }

    pub(super) fn into_found(self) -> Vec<Fault> {
        self.found
    }
}

/// A text of the file and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Text<'t> {
    pub(super) value: &'t str,
    pub(super) span: Range<usize>,
}

impl Text<'_> {
    /// The text as a `T`; a fault with `T`'s own words where it is none.
    pub(super) fn parse<T: FromStr<Err: std::fmt::Display>>(
        &self,
        faults: &mut Faults<'_>,
    ) -> Option<T> {
        let parsed = self.value.parse();
        parsed
            .map_err(|error: T::Err| faults.add(&self.span, error.to_string(), "correct it"))
            .ok()
    }
}

/// A table of the file.
pub(super) struct Section<'t> {
    name: String,
    table: &'t DeTable<'t>,
    span: Range<usize>,
    known: Vec<&'static str>,
}

impl<'t> Section<'t> {
    /// The whole file.
    pub(super) fn root(document: &'t Spanned<DeTable<'t>>) -> Self {
        Self::new("the file".to_owned(), document.get_ref(), 0..0)
    }

    fn new(name: String, table: &'t DeTable<'t>, span: Range<usize>) -> Self {
        Self {
            name,
            table,
            span,
            known: Vec::new(),
        }
    }

    /// Where the section begins.
    pub(super) fn span(&self) -> &Range<usize> {
        &self.span
    }

    fn value(&mut self, key: &'static str) -> Option<&'t Spanned<DeValue<'t>>> {
        self.known.push(key);
        self.table.get(key)
    }

    /// A text that must be there.
    pub(super) fn required(
        &mut self,
        key: &'static str,
        faults: &mut Faults<'_>,
    ) -> Option<Text<'t>> {
        if !self.table.contains_key(key) {
            self.known.push(key);
            faults.add(&self.span, format!("{} has no {key}", self.name), "add it");
            return None;
        }
        self.text(key, faults)
    }

    /// A text; `None` where the key is absent, or is no text, which is a fault.
    pub(super) fn text(&mut self, key: &'static str, faults: &mut Faults<'_>) -> Option<Text<'t>> {
        let value = self.value(key)?;
        as_text(key, value, faults)
    }

    /// A list of texts; empty where the key is absent.
    pub(super) fn texts(&mut self, key: &'static str, faults: &mut Faults<'_>) -> Vec<Text<'t>> {
        let Some(value) = self.value(key) else {
            return Vec::new();
        };
        let Some(items) = value.get_ref().as_array() else {
            wrong_kind(key, value, "a list of texts", faults);
            return Vec::new();
        };
        items
            .iter()
            .filter_map(|item| as_text(key, item, faults))
            .collect()
    }

    /// True or false.
    pub(super) fn flag(&mut self, key: &'static str, faults: &mut Faults<'_>) -> Option<bool> {
        let value = self.value(key)?;
        let flag = value.get_ref().as_bool();
        if flag.is_none() {
            wrong_kind(key, value, "true or false", faults);
        }
        flag
    }

    /// A whole number from 1 upwards.
    pub(super) fn count(&mut self, key: &'static str, faults: &mut Faults<'_>) -> Option<u32> {
        let value = self.value(key)?;
        let integer = value.get_ref().as_integer();
        let count = integer.and_then(|i| u32::from_str_radix(i.as_str(), i.radix()).ok());
        if count.is_none_or(|count| count == 0) {
            wrong_kind(key, value, "a whole number from 1 to 4294967295", faults);
            return None;
        }
        count
    }

    /// A table below this one.
    pub(super) fn section(
        &mut self,
        key: &'static str,
        faults: &mut Faults<'_>,
    ) -> Option<Section<'t>> {
        let value = self.value(key)?;
        let Some(table) = value.get_ref().as_table() else {
            wrong_kind(key, value, "a table", faults);
            return None;
        };
        Some(Self::new(format!("[{key}]"), table, value.span()))
    }

    /// A table below this one that must be there.
    pub(super) fn required_section(
        &mut self,
        key: &'static str,
        faults: &mut Faults<'_>,
    ) -> Option<Section<'t>> {
        if !self.table.contains_key(key) {
            self.known.push(key);
            faults.add(&self.span, format!("{} has no {key}", self.name), "add it");
            return None;
        }
        self.section(key, faults)
    }

    /// The tables of a list, `[[key]]`.
    pub(super) fn sections(
        &mut self,
        key: &'static str,
        faults: &mut Faults<'_>,
    ) -> Vec<Section<'t>> {
        let Some(value) = self.value(key) else {
            return Vec::new();
        };
        let items = value.get_ref().as_array().map(|items| items.iter());
        let tables: Option<Vec<_>> = items.and_then(|mut items| {
            items.try_fold(Vec::new(), |mut tables, item| {
                let table = item.get_ref().as_table()?;
                tables.push(Self::new(format!("[[{key}]]"), table, item.span()));
                Some(tables)
            })
        });
        tables.unwrap_or_else(|| {
            wrong_kind(key, value, "a list of tables", faults);
            Vec::new()
        })
    }

    /// All entries as texts, where the keys are the author's own. Nothing is left for `close`.
    pub(super) fn entries(self, faults: &mut Faults<'_>) -> Vec<(Text<'t>, Text<'t>)> {
        let read = self.table.iter().filter_map(|(key, value)| {
            let text = as_text(key.get_ref(), value, faults)?;
            Some((
                Text {
                    value: key.get_ref().as_ref(),
                    span: key.span(),
                },
                text,
            ))
        });
        read.collect()
    }

    /// Reports every key that was not asked for.
    pub(super) fn close(self, faults: &mut Faults<'_>) {
        for key in self.table.keys() {
            let name: &str = key.get_ref().as_ref();
            if self.known.contains(&name) {
                continue;
            }
            let cure = match nearest(name, &self.known) {
                Some(near) => format!("write {near}, or remove it"),
                None => format!("remove it; known here: {}", self.known.join(", ")),
            };
            faults.add(
                &key.span(),
                format!("{name:?} is no key of {}", self.name),
                &cure,
            );
        }
    }
}

fn as_text<'t>(
    key: &str,
    value: &'t Spanned<DeValue<'t>>,
    faults: &mut Faults<'_>,
) -> Option<Text<'t>> {
    let text = value.get_ref().as_str();
    if text.is_none() {
        wrong_kind(key, value, "a text", faults);
    }
    text.map(|text| Text {
        value: text,
        span: value.span(),
    })
}

fn wrong_kind(key: &str, value: &Spanned<DeValue<'_>>, wanted: &str, faults: &mut Faults<'_>) {
    let kind = value.get_ref().type_str();
    faults.add(
        &value.span(),
        format!("{key} holds a wrong {kind}"),
        &format!("write {wanted}"),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_wrong_value_and_every_unknown_key_is_reported_with_its_line() {
        let text = "name = 1\nlist = [\"a\", 2]\nflag = 3\ncount = 0\nlsit = 1\n[table]\nx = 1\n";
        let document = DeTable::parse(text).unwrap();
        let mut faults = Faults::new("f.toml", text);
        let mut root = Section::root(&document);
        assert!(root.required("name", &mut faults).is_none());
        assert!(root.required("absent", &mut faults).is_none());
        assert_eq!(root.texts("list", &mut faults).len(), 1);
        assert!(root.flag("flag", &mut faults).is_none());
        assert!(root.count("count", &mut faults).is_none());
        assert!(root.sections("table", &mut faults).is_empty());
        root.close(&mut faults);
        let found: Vec<String> = faults
            .into_found()
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            found,
            [
                "f.toml:1: name holds a wrong integer; write a text",
                "f.toml:1: the file has no absent; add it",
                "f.toml:2: list holds a wrong integer; write a text",
                "f.toml:3: flag holds a wrong integer; write true or false",
                "f.toml:4: count holds a wrong integer; write a whole number from 1 to 4294967295",
                "f.toml:6: table holds a wrong table; write a list of tables",
                "f.toml:5: \"lsit\" is no key of the file; write list, or remove it",
            ]
        );
    }
}
