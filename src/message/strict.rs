//! Strict reading of TOML: all faults of a file at once, each with its line; a key that its reader
//! does not ask for is a fault, and names the key that was likely meant.
//!
//! serde's derived readers stop at the first fault and know no lines, hence this one: [`read`] hands
//! out the outermost [`Table`], which remembers the keys that were asked for.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt::Display;
use std::ops::Range;
use std::str::FromStr;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::bundle::Fault;
use super::spelling::nearest;

/// What is wrong with a text, and the cure.
#[derive(Debug)]
pub(crate) struct Wrong(pub String, pub String);

impl Wrong {
    /// A wrong text in words, with its cure.
    pub(crate) fn new(says: impl Display, cure: impl Into<String>) -> Self {
        Self(says.to_string(), cure.into())
    }
}

/// The line, from 1, of an octet of a text.
pub(crate) fn line_of(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|b| *b == b'\n').count()
}

/// What `of` makes of the outermost table of the file at `path`, or all faults of the file. `of`
/// makes nothing only where it has told a fault.
pub(crate) fn read<T>(
    path: &str,
    text: &str,
    of: impl FnOnce(&Table<'_>) -> Option<T>,
) -> Result<T, Vec<Fault>> {
    read_root(path, text, |root| root.whole(of))
}

/// What `of` makes of its part of a file that has other readers too: they ask for the other keys, and
/// one of them tells the keys that nothing reads.
pub(crate) fn read_part<T>(
    path: &str,
    text: &str,
    of: impl FnOnce(&Table<'_>) -> Option<T>,
) -> Result<T, Vec<Fault>> {
    read_root(path, text, of)
}

fn read_root<T>(
    path: &str,
    text: &str,
    of: impl FnOnce(&Table<'_>) -> Option<T>,
) -> Result<T, Vec<Fault>> {
    let file = File {
        path,
        text,
        faults: RefCell::default(),
    };
    let (document, broken) = DeTable::parse_recoverable(text);
    for error in &broken {
        let spot = file.spot(error.span().unwrap_or_default());
        spot.fault(format!("is not TOML: {}", error.message()), "correct it");
    }
    let made = broken
        .is_empty()
        .then(|| of(&file.table(0..0, "the file".to_owned(), document.get_ref())));
    let faults = file.faults.take();
    made.flatten().filter(|_| faults.is_empty()).ok_or(faults)
}

/// A file that is being read, and its faults so far.
#[derive(Debug)]
struct File<'t> {
    path: &'t str,
    text: &'t str,
    faults: RefCell<Vec<Fault>>,
}

impl<'t> File<'t> {
    fn spot(&'t self, span: Range<usize>) -> Spot<'t> {
        Spot { file: self, span }
    }

    fn table(&'t self, span: Range<usize>, name: String, table: &'t DeTable<'t>) -> Table<'t> {
        Table {
            spot: self.spot(span),
            name,
            keys: table,
            asked: RefCell::default(),
        }
    }
}

/// A place in the file, for what is wrong there.
#[derive(Debug, Clone)]
pub(crate) struct Spot<'t> {
    file: &'t File<'t>,
    span: Range<usize>,
}

impl Spot<'_> {
    /// File and line, such as `policies/board.toml:3`.
    pub(crate) fn place(&self) -> String {
        let line = line_of(self.file.text, self.span.start);
        format!("{}:{line}", self.file.path)
    }

    /// The octet of the file at which it begins: sorts entries as their author wrote them.
    pub(crate) fn offset(&self) -> usize {
        self.span.start
    }

    /// Tells a fault, and how to mend it.
    pub(crate) fn fault(&self, says: impl Into<String>, cure: impl Into<String>) {
        let fault = Fault::new(self.place(), says, cure);
        self.file.faults.borrow_mut().push(fault);
    }
}

/// A table of the file.
#[derive(Debug)]
pub(crate) struct Table<'t> {
    /// Its beginning.
    pub spot: Spot<'t>,
    name: String,
    keys: &'t DeTable<'t>,
    asked: RefCell<Vec<&'t str>>,
}

impl<'t> Table<'t> {
    /// The value of a key, which may be absent.
    pub(crate) fn at(&self, key: &'static str) -> Value<'t> {
        self.asked.borrow_mut().push(key);
        let value = self.keys.get(key);
        let spot = value.map(|value| self.spot.file.spot(value.span()));
        Value {
            spot: spot.unwrap_or_else(|| self.spot.clone()),
            key,
            found: value.map(Spanned::get_ref),
        }
    }

    /// Takes keys for known that another reader of the file reads.
    pub(crate) fn leave(&self, keys: &[&'static str]) {
        self.asked.borrow_mut().extend(keys);
    }

    /// The value of a key, which must be there.
    pub(crate) fn need(&self, key: &'static str) -> Value<'t> {
        let value = self.at(key);
        if !value.is_there() {
            let says = format!("{} has no {key}", self.name);
            self.spot.fault(says, "add it");
        }
        value
    }

    /// The values of all keys, which are the author's own.
    pub(crate) fn entries(&self) -> impl Iterator<Item = Value<'t>> {
        let entries = self.keys.iter().map(|(key, value)| Value {
            spot: self.spot.file.spot(value.span()),
            key: key.get_ref().as_ref(),
            found: Some(value.get_ref()),
        });
        entries.inspect(|entry| self.asked.borrow_mut().push(entry.key))
    }

    /// What `of` makes of the table; a fault for each key that it did not ask for.
    fn whole<T>(&self, of: impl FnOnce(&Self) -> Option<T>) -> Option<T> {
        let made = of(self);
        let asked = self.asked.take();
        for key in self.keys.keys() {
            let name: &str = key.get_ref().as_ref();
            if asked.contains(&name) {
                continue;
            }
            let cure = match nearest(name, &asked) {
                Some(near) => format!("write {near}, or remove it"),
                None => format!("remove it; known here: {}", asked.join(", ")),
            };
            let says = format!("{name:?} is no key of {}", self.name);
            self.spot.file.spot(key.span()).fault(says, cure);
        }
        made
    }
}

/// The value of a key, or an item of a list. A method that makes something of it makes nothing of
/// an absent value, and nothing but a fault of one of a wrong kind.
#[derive(Debug)]
pub(crate) struct Value<'t> {
    /// Its place; that of its table, where it is absent.
    pub spot: Spot<'t>,
    /// Its key; the list's, where it is an item.
    pub key: &'t str,
    found: Option<&'t DeValue<'t>>,
}

impl<'t> Value<'t> {
    /// Whether there is one.
    pub(crate) fn is_there(&self) -> bool {
        self.found.is_some()
    }

    /// A value of the kind that `of` takes.
    fn kind<T>(&self, wanted: &str, of: impl FnOnce(&'t DeValue<'t>) -> Option<T>) -> Option<T> {
        let value = self.found?;
        let taken = of(value);
        if taken.is_none() {
            let says = format!("{} holds a wrong {}", self.key, value.type_str());
            self.spot.fault(says, format!("write {wanted}"));
        }
        taken
    }

    /// A text.
    pub(crate) fn text(&self) -> Option<&'t str> {
        self.kind("a text", DeValue::as_str)
    }

    /// True or false.
    pub(crate) fn flag(&self) -> Option<bool> {
        self.kind("true or false", DeValue::as_bool)
    }

    /// A whole number from 1 upwards.
    pub(crate) fn count(&self) -> Option<u32> {
        self.kind("a whole number from 1 to 4294967295", |value| {
            let integer = value.as_integer()?;
            let count = u32::from_str_radix(integer.as_str(), integer.radix());
            count.ok().filter(|count| *count > 0)
        })
    }

    /// What `how` makes of a text.
    pub(crate) fn read<T>(&self, how: impl FnOnce(&'t str) -> Result<T, Wrong>) -> Option<T> {
        let read = how(self.text()?);
        read.map_err(|Wrong(says, cure)| self.spot.fault(says, cure))
            .ok()
    }

    /// A text as a `T`; a fault is in the words of `T`.
    pub(crate) fn parse<T: FromStr<Err: Display>>(&self) -> Option<T> {
        self.read(|text| {
            let parsed = text.parse();
            parsed.map_err(|error| Wrong::new(error, "correct it"))
        })
    }

    /// What one word of a closed vocabulary stands for.
    pub(crate) fn word<T: Copy>(&self, known: &[(&str, T)]) -> Option<T> {
        self.read(|text| {
            let found = known.iter().find(|(word, _)| *word == text);
            found.map(|(_, meant)| *meant).ok_or_else(|| {
                let words: Vec<&str> = known.iter().map(|(word, _)| *word).collect();
                let cure = match nearest(text, &words) {
                    Some(near) => format!("write {near}"),
                    None => format!("write one of: {}", words.join(", ")),
                };
                Wrong(format!("{} has no {text:?}", self.key), cure)
            })
        })
    }

    /// The items of a list; none of an absent one.
    pub(crate) fn items(&self) -> Vec<Self> {
        let items = self.kind("a list of texts", DeValue::as_array);
        let item = |item: &'t Spanned<DeValue<'t>>| Self {
            spot: self.spot.file.spot(item.span()),
            key: self.key,
            found: Some(item.get_ref()),
        };
        items.into_iter().flatten().map(item).collect()
    }

    /// A list of texts, each as a `T`.
    pub(crate) fn list<T: FromStr<Err: Display>>(&self) -> Vec<T> {
        let items = self.items();
        items.iter().filter_map(Self::parse).collect()
    }

    /// The texts of a list, or the one text that stands there without a list.
    pub(crate) fn one_or_several(&self) -> Vec<String> {
        match self.found.and_then(DeValue::as_str) {
            Some(text) => vec![text.to_owned()],
            None => self.list(),
        }
    }

    /// A list of words of a closed vocabulary.
    pub(crate) fn words(&self, known: &[&'static str]) -> BTreeSet<String> {
        let known: Vec<_> = known.iter().map(|word| (*word, *word)).collect();
        let items = self.items();
        let words = items.iter().filter_map(|item| item.word(&known));
        words.map(str::to_owned).collect()
    }

    /// What `of` makes of a table.
    pub(crate) fn table<T>(&self, of: impl FnOnce(&Table<'t>) -> Option<T>) -> Option<T> {
        let table = self.kind("a table", DeValue::as_table)?;
        let Spot { file, span } = self.spot.clone();
        file.table(span, format!("[{}]", self.key), table).whole(of)
    }

    /// What `of` makes of each table of a list, or of the one table that stands there without a list.
    pub(crate) fn table_or_tables<T>(&self, of: impl FnMut(&Table<'t>) -> Option<T>) -> Vec<T> {
        if self.found.is_some_and(DeValue::is_table) {
            self.table(of).into_iter().collect()
        } else {
            self.tables(of)
        }
    }

    /// What `of` makes of each table of a list, `[[key]]`.
    pub(crate) fn tables<T>(&self, mut of: impl FnMut(&Table<'t>) -> Option<T>) -> Vec<T> {
        let items = self.kind("a list of tables", |value| {
            let items = value.as_array()?;
            let is_table = |item: &Spanned<DeValue<'_>>| item.get_ref().is_table();
            items.iter().all(is_table).then_some(items)
        });
        let tables = items.into_iter().flatten().filter_map(|item| {
            let name = format!("[[{}]]", self.key);
            let table = item.get_ref().as_table()?;
            self.spot
                .file
                .table(item.span(), name, table)
                .whole(&mut of)
        });
        tables.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_wrong_value_and_every_unknown_key_is_reported_with_its_line() {
        let text = "name = 1\nlist = [\"a\", 2]\nflag = 3\ncount = 0\nlsit = 1\n[table]\nx = 1\n";
        let found = read("f.toml", text, |root| {
            assert_eq!(root.need("name").text(), None);
            assert_eq!(root.need("absent").text(), None);
            assert_eq!(root.at("list").list::<String>(), ["a"]);
            assert_eq!(root.at("flag").flag(), None);
            assert_eq!(root.at("count").count(), None);
            assert!(root.at("table").tables(|_| Some(())).is_empty());
            Some(())
        });
        let found: Vec<String> = found.unwrap_err().iter().map(ToString::to_string).collect();
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

    #[test]
    fn a_word_out_of_a_vocabulary_names_the_one_that_was_meant() {
        let text = "[[of]]\nway = \"lfet\"\nways = [\"right\", \"up\"]\n";
        let ways = [("left", 1), ("right", 2)];
        let found = read("f.toml", text, |root| {
            root.at("of").tables(|table| {
                assert_eq!(table.at("way").word(&ways), None);
                assert_eq!(table.at("ways").words(&["left", "right"]).len(), 1);
                Some(())
            });
            Some(())
        });
        let found: Vec<String> = found.unwrap_err().iter().map(ToString::to_string).collect();
        assert_eq!(
            found,
            [
                "f.toml:2: way has no \"lfet\"; write left",
                "f.toml:3: ways has no \"up\"; write one of: left, right",
            ]
        );
    }
}
