//! A message's body as it was sent: read once, strictly, and kept as positions in its own bytes.
//!
//! [`Document::scan`] is the only reader of JSON here. What validates, classifies and projects sees
//! the same [`Element`]s, so that no two parsers can disagree about one message. It refuses what
//! readers elsewhere are known to read differently: a key twice (in any spelling), numbers that do
//! not survive a double, half surrogate pairs, a byte order mark, bytes behind the end.
//!
//! ```text
//!  { "a" : 1 , "b":[ ] }          segment: all between two separators, blanks and key included
//!   |- - - -|                     key, start..end: the key's text and the value alone
//! ```
//! The segments of a container and its separators tile its inside: that is what makes a projection
//! a copy of ranges.

mod element;
mod number;
mod scan;
mod text;

pub use element::{Children, Document, Element, Kind};
pub use scan::{DEPTH_MAX, ScanFault, Step, pointer};
pub use text::{escape_into, unescape};
