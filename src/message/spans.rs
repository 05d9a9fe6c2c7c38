//! Which bytes of a body are of which data category: decided once, at admission.
//!
//! ```text
//!  {"ID":"CP6...XA","PostedDate":"2026-03-16","Consignor":{"Name":"K","Contact":{...}}}
//!   Token           Run postal                Within       Run party  Run identity
//! ```
//! A [`Spans`] is the list of these parts in the order of the body. It tiles the body: every byte
//! that is not a bracket or a separator of a `Within` belongs to exactly one `Run` or `Token`.
//! Neighbours of one category are one run, and a container of one category is no `Within`.

use std::fmt;

use super::id::{AgencyId, Category, Mask};

/// One part of a body, in octets of it.
#[derive(Clone, PartialEq, Eq)]
pub enum Part {
    /// Elements of one category, with the separators between them.
    Run {
        /// The first octet.
        start: usize,
        /// The octet behind the last.
        end: usize,
        /// The category of all of it.
        category: Category,
    },
    /// A container whose members differ. The next `parts` parts are what stands in it.
    Within {
        /// The first octet, of the member's name where it has one.
        start: usize,
        /// The octet behind the opening bracket.
        inner: usize,
        /// The closing bracket.
        close: usize,
        /// The octet behind the last.
        end: usize,
        /// How many of the parts that follow stand in it.
        parts: usize,
    },
    /// A reference that is shown as a token to those who may not see it in the clear.
    Token {
        /// The first octet, of the member's name where it has one.
        start: usize,
        /// The first octet of the string, its quote.
        value: usize,
        /// The octet behind the string's closing quote.
        after: usize,
        /// The octet behind the last.
        end: usize,
        /// The identifier's kind, such as `s10`.
        kind: String,
        /// Where it was sent as a token: what that stands for.
        quoted: Option<Quoted>,
    },
}

/// How an identifier in a message is shown to who is given its category or less.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// In the clear.
    Clear,
    /// As a token to those who may not see references in the clear.
    Token,
    /// So too, and its sender quoted it by a token: he knows it by that alone.
    Quoted,
}

/// What a token that a sender quoted stands for.
#[derive(Clone, PartialEq, Eq)]
pub struct Quoted {
    /// The agency whose data the value is.
    pub originator: AgencyId,
    /// The value.
    pub clear: String,
}

impl fmt::Debug for Quoted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Quoted(of {})", self.originator)
    }
}

/// The parts of a body with their categories. Its `Debug` shows no content.
#[derive(Clone, PartialEq, Eq)]
pub struct Spans {
    pub(super) parts: Vec<Part>,
}

impl Spans {
    /// The parts, in the order of the body.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// The spans of these parts, as [`Spans::parts`] gave them.
    pub fn of_parts(parts: Vec<Part>) -> Self {
        Self { parts }
    }

    /// Every category that stands in the body.
    pub fn present(&self) -> Mask {
        let category = |part: &Part| match part {
            Part::Run { category, .. } => Some(*category),
            Part::Token { .. } => Some(Category::Reference),
            Part::Within { .. } => None,
        };
        self.parts.iter().filter_map(category).collect()
    }
}

impl fmt::Debug for Spans {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Spans({} parts: {})", self.parts.len(), self.present())
    }
}

/// Writes the parts in the order of the body, joining what is of one category.
#[derive(Default)]
pub(super) struct Builder {
    parts: Vec<Part>,
    /// Containers that are open: the place of each in `parts`.
    open: Vec<usize>,
}

impl Builder {
    /// Elements of one category, as a segment of their container.
    pub(super) fn run(&mut self, segment: std::ops::Range<usize>, category: Category) {
        if let Some(Part::Run {
            end,
            category: before,
            ..
        }) = self.parts.last_mut()
        {
            // One separator between the two: neighbours in one container. Behind a container
            // just closed there is its bracket too; behind one just opened no run is last.
            if *before == category && *end + 1 == segment.start {
                *end = segment.end;
                return;
            }
        }
        self.parts.push(Part::Run {
            start: segment.start,
            end: segment.end,
            category,
        });
    }

    /// A token element; `value` is its string.
    pub(super) fn token(
        &mut self,
        segment: std::ops::Range<usize>,
        value: std::ops::Range<usize>,
        kind: String,
        quoted: Option<Quoted>,
    ) {
        let (start, end) = (segment.start, segment.end);
        self.parts.push(Part::Token {
            start,
            value: value.start,
            after: value.end,
            end,
            kind,
            quoted,
        });
    }

    /// Opens a container that is not empty; `value` is the container from bracket to bracket.
    pub(super) fn open(&mut self, segment: std::ops::Range<usize>, value: std::ops::Range<usize>) {
        self.open.push(self.parts.len());
        let (inner, close) = (value.start + 1, value.end.saturating_sub(1));
        let (start, end) = (segment.start, segment.end);
        self.parts.push(Part::Within {
            start,
            inner,
            close,
            end,
            parts: 0,
        });
    }

    /// Closes the innermost container. One run that fills it takes it in.
    pub(super) fn close(&mut self) {
        let Some(at) = self.open.pop() else { return };
        let count = self.parts.len().saturating_sub(at + 1);
        let only = match self.parts.get(at + 1) {
            Some(Part::Run { category, .. }) if count == 1 => Some(*category),
            _ => None,
        };
        let Some(Part::Within {
            start, end, parts, ..
        }) = self.parts.get_mut(at)
        else {
            return;
        };
        *parts = count;
        let segment = *start..*end;
        if let Some(category) = only {
            self.parts.truncate(at);
            self.run(segment, category);
        }
    }

    /// All parts.
    pub(super) fn finish(self) -> Spans {
        Spans { parts: self.parts }
    }
}
