//! What Carnet writes to disk, apart from what its code works with.
//!
//! Each shape has its layout in one file here, field by field, and every word of a vocabulary has
//! its number in one table, [`words`]. So a field or a word that moves in the code moves nothing on
//! disk, and one that is new does not compile before it has a place. `tests/format/` holds octets
//! of each shape as they were written under its schema number: each release reads them.
//!
//! Read [`form`] first: how numbers, texts and lists stand on disk.

mod confidential;
mod evidence;
mod exchange;
mod form;
mod governance;
mod leaf;
mod ledger;
mod measures;
mod names;
mod page;
mod payload;
mod queues;
mod records;
mod register;
mod take;
mod trust;
mod words;

pub use leaf::{Evidence, Said};
pub use ledger::PageName;
pub use payload::{OpenPayload, OpenPrivate};
pub use records::RecordError;
pub use take::Malformed;

pub(in crate::broker) use form::octets;
