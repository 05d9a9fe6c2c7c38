//! A scanned document and its elements, as everything above reads them.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use super::text::unescape;

/// A scanned body.
pub struct Document<'a> {
    pub(super) text: &'a str,
    pub(super) items: Vec<Item>,
    /// Texts that stand in for what was sent, by item, ascending: the clear values of tokens.
    pub(super) clear: Vec<(usize, String)>,
}

impl fmt::Debug for Document<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Document({} elements)", self.items.len())
    }
}

impl Document<'_> {
    /// The outermost element.
    pub fn root(&self) -> Element<'_> {
        Element {
            document: self,
            index: 0,
        }
    }

    /// How many elements there are.
    pub fn count(&self) -> usize {
        self.items.len()
    }

    /// Lets `text` stand in for the string `element` of this document from here on: a token's
    /// clear value, which every rule then applies to. Elements are replaced in their order.
    pub fn replace(&mut self, element: usize, text: String) {
        self.clear.push((element, text));
    }
}

/// What an element is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "they are JSON's own")]
pub enum Kind {
    Object,
    Array,
    String,
    Number,
    True,
    False,
    Null,
}

/// An element's positions in the body.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) kind: Kind,
    pub(super) start: usize,
    pub(super) end: usize,
    /// Between the quotes of its name; empty for items of arrays.
    pub(super) key: (usize, usize),
    pub(super) segment_start: usize,
    pub(super) segment_end: usize,
    /// The item behind it and all that stands in it.
    pub(super) next: usize,
}

/// An element of a [`Document`]. Cheap to copy. Its `Debug` shows no content.
#[derive(Debug, Clone, Copy)]
pub struct Element<'a> {
    pub(super) document: &'a Document<'a>,
    pub(super) index: usize,
}

impl<'a> Element<'a> {
    // INVARIANT: `index` is that of an item: elements come from `root` and `children` alone.
    fn item(self) -> Option<&'a Item> {
        self.document.items.get(self.index)
    }

    /// Its place among all elements of the document, in their order.
    pub fn index(self) -> usize {
        self.index
    }

    /// What tells this document from others that are alive: the place of its value in memory.
    pub fn document_address(self) -> usize {
        std::ptr::from_ref(self.document).addr()
    }

    /// What it is.
    pub fn kind(self) -> Kind {
        self.item().map_or(Kind::Null, |item| item.kind)
    }

    /// The value's own bytes.
    pub fn range(self) -> Range<usize> {
        self.item().map_or(0..0, |item| item.start..item.end)
    }

    /// All between the separators around it: blanks, name and colon included.
    pub fn segment(self) -> Range<usize> {
        self.item()
            .map_or(0..0, |item| item.segment_start..item.segment_end)
    }

    /// The value as it was spelled.
    pub fn raw(self) -> &'a str {
        self.document.text.get(self.range()).unwrap_or_default()
    }

    /// Its name in the object it stands in; empty for items of arrays.
    pub fn name(self) -> Cow<'a, str> {
        let (start, end) = self.item().map_or((0, 0), |item| item.key);
        unescape(self.document.text.get(start..end).unwrap_or_default())
    }

    /// The text of a string: what it spells, or the clear value of the token it was sent as.
    pub fn text(self) -> Option<Cow<'a, str>> {
        if self.kind() != Kind::String {
            return None;
        }
        if let Some(clear) = self.clear() {
            return Some(Cow::Borrowed(clear));
        }
        Some(unescape(self.raw().strip_prefix('"')?.strip_suffix('"')?))
    }

    /// The clear value, where the element was sent as a token.
    pub fn clear(self) -> Option<&'a str> {
        let clear = &self.document.clear;
        let found = clear
            .binary_search_by_key(&self.index, |(index, _)| *index)
            .ok()?;
        clear.get(found).map(|(_, text)| text.as_str())
    }

    /// What stands in it, in the order of the body.
    pub fn children(self) -> Children<'a> {
        let end = self.item().map_or(0, |item| item.next);
        Children {
            document: self.document,
            index: self.index + 1,
            end,
        }
    }

    /// A member of an object by its name.
    pub fn member(self, name: &str) -> Option<Self> {
        if self.kind() != Kind::Object {
            return None;
        }
        self.children().find(|child| child.name() == name)
    }
}

/// The elements that stand directly in another.
#[derive(Debug)]
pub struct Children<'a> {
    document: &'a Document<'a>,
    index: usize,
    end: usize,
}

impl<'a> Iterator for Children<'a> {
    type Item = Element<'a>;

    fn next(&mut self) -> Option<Element<'a>> {
        if self.index >= self.end {
            return None;
        }
        let element = Element {
            document: self.document,
            index: self.index,
        };
        self.index = element.item()?.next;
        Some(element)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_and_separators_tile_the_inside_of_a_container() {
        let body = br#" { "a" : [ 1 , 2 ] ,"b":{}, "c":"x\ty" } "#;
        let document = Document::scan(body).unwrap();
        let root = document.root();
        assert_eq!(root.segment(), 0..body.len());
        let mut at = root.range().start + 1;
        for child in root.children() {
            assert_eq!(child.segment().start, at);
            at = child.segment().end + 1;
        }
        assert_eq!(at, root.range().end);
        assert_eq!(root.member("c").unwrap().text().unwrap(), "x\ty");
        assert_eq!(root.member("a").unwrap().children().count(), 2);
        assert_eq!(root.member("b").unwrap().children().count(), 0);
        assert!(root.member("d").is_none());
    }

    #[test]
    fn a_replaced_text_is_what_every_rule_reads() {
        let mut document = Document::scan(br#"{"a":"token"}"#).unwrap();
        let index = document.root().member("a").unwrap().index();
        document.replace(index, "clear".into());
        let element = document.root().member("a").unwrap();
        assert_eq!(element.text().unwrap(), "clear");
        assert_eq!(element.raw(), "\"token\"");
    }
}
