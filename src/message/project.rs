//! Projection: the body as one unit may see it.
//!
//! A copy of byte ranges along the spans of admission. Nothing is parsed, so no spelling can lead
//! it astray, and key order, blanks and numbers stay as they were sent. A member goes with its name
//! and its separator; a container that lost all its members goes too, so that nothing shows where
//! something was.

use super::id::{AgencyId, Category, Mask};
use super::json::{escape_into, unescape};
use super::spans::{Part, Quoted, Spans};

/// A reference that a unit gets as a token.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenElement<'a> {
    /// What kind of identifier it is: its format, such as `s10`, or `text`.
    pub kind: &'a str,
    /// The agency whose data it is, where the sender itself knew it as a token; none where it is the
    /// sender's own.
    pub originator: Option<&'a AgencyId>,
    /// The value in the clear.
    pub clear: &'a str,
}

impl std::fmt::Debug for TokenElement<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TokenElement({})", self.kind)
    }
}

/// The body as a unit with `mask` sees it; `token` makes that unit's token of a reference. None
/// where nothing is left (or `spans` are not those of `body`: then nothing may leave either).
pub fn project(
    body: &[u8],
    spans: &Spans,
    mask: Mask,
    token: &mut dyn FnMut(&TokenElement<'_>) -> String,
) -> Option<Vec<u8>> {
    let out = Vec::with_capacity(body.len());
    let mut projection = Projection {
        body,
        parts: &spans.parts,
        mask,
        token,
        out,
    };
    projection
        .parts(spans.parts.len())?
        .then_some(projection.out)
}

struct Projection<'a> {
    body: &'a [u8],
    /// What is still to be done, in the order of the body.
    parts: &'a [Part],
    mask: Mask,
    token: &'a mut dyn FnMut(&TokenElement<'_>) -> String,
    out: Vec<u8>,
}

impl Projection<'_> {
    /// Takes the next `count` parts, which stand in one container; whether any of them was written.
    fn parts(&mut self, count: usize) -> Option<bool> {
        let rest = self.parts.get(count..)?.len();
        let mut is_written = false;
        while self.parts.len() > rest {
            let before = self.out.len();
            if is_written {
                self.out.push(b',');
            }
            if self.part()? {
                is_written = true;
            } else {
                self.out.truncate(before);
            }
        }
        Some(is_written)
    }

    fn part(&mut self) -> Option<bool> {
        let (part, rest) = self.parts.split_first()?;
        self.parts = rest;
        match part {
            Part::Run {
                start,
                end,
                category,
            } => {
                let shown = self.mask.has(*category)
                    || (*category == Category::Reference && self.mask.has_reference_token());
                if shown {
                    self.copy(*start, *end)?;
                }
                Some(shown)
            }
            Part::Within {
                start,
                inner,
                close,
                end,
                parts,
            } => {
                self.copy(*start, *inner)?;
                let is_written = self.parts(*parts)?;
                self.copy(*close, *end)?;
                Some(is_written)
            }
            Part::Token {
                start,
                value,
                after,
                end,
                kind,
                quoted,
            } => {
                let shown = self.mask.has(Category::Reference) || self.mask.has_reference_token();
                if shown {
                    self.copy(*start, *value)?;
                    self.reference(*value, *after, kind, quoted.as_ref())?;
                    self.copy(*after, *end)?;
                }
                Some(shown)
            }
        }
    }

    fn reference(
        &mut self,
        value: usize,
        after: usize,
        kind: &str,
        quoted: Option<&Quoted>,
    ) -> Option<()> {
        if self.mask.has(Category::Reference) {
            match quoted {
                Some(quoted) => escape_into(&mut self.out, &quoted.clear),
                None => self.copy(value, after)?,
            }
            return Some(());
        }
        let sent = self.body.get(value + 1..after.checked_sub(1)?)?;
        let sent = unescape(std::str::from_utf8(sent).ok()?);
        let clear = quoted.map_or(sent.as_ref(), |quoted| quoted.clear.as_str());
        let originator = quoted.map(|quoted| &quoted.originator);
        let token = (self.token)(&TokenElement {
            kind,
            originator,
            clear,
        });
        escape_into(&mut self.out, &token);
        Some(())
    }

    fn copy(&mut self, start: usize, end: usize) -> Option<()> {
        self.out.extend_from_slice(self.body.get(start..end)?);
        Some(())
    }
}
