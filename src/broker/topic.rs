//! Topic patterns: words joined by dots, `*` for exactly one, `#` for any number, empty words count.

mod index;
mod key;

pub(crate) use index::Index;
pub(crate) use key::Key;
