//! Topic patterns: words joined by dots, `*` for exactly one, `#` for any number, empty words count.

mod index;
mod key;

pub use index::{INDEXED_WORDS, Index};
pub use key::Key;
