//! Entries of queues, in a page's file and in a snapshot.
//!
//! ```text
//! page   count u32 | entries
//! entry  address of the record u64 | deadline i64, milliseconds since 1970, i64::MAX for none |
//!        times that it came back u32 | flags u32: 1 settled, 2 sent before, 4 private, 8 marked, and
//!        16 times the octets of its message
//! ```

use super::form::{Form, form, put_list, whole};
use super::take::Malformed;
use crate::broker::queue::Entry;
use crate::journal::Lsn;

form!(Entry {
    lsn: Lsn,
    deadline_ms: i64,
    returns: u32,
    flags: u32,
});

impl Entry {
    /// The octets of a page's file.
    pub fn to_page(entries: &[Self]) -> Vec<u8> {
        let mut out = Vec::with_capacity(4 + entries.len() * Self::LEAST);
        put_list(entries.iter(), &mut out);
        out
    }

    /// The entries of a page's file.
    ///
    /// # Errors
    /// Where the octets are no page's.
    pub fn of_page(octets: &[u8]) -> Result<Vec<Self>, Malformed> {
        whole(octets)
    }
}
