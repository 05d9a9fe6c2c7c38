//! What is told of a record, with what it can be found by.

use serde_json::Value;

use crate::broker::record::{Confidential, Record};

/// What is told of a record, and what it can be found by.
pub(crate) struct Item {
    /// Its kind, as it is told.
    pub(crate) kind: &'static str,
    /// The id under which its sender published it, where the reader may find it by that.
    pub(crate) message_id: Option<String>,
    /// What is told.
    pub(crate) told: Value,
}

/// The id under which a message was published, where the record is of one and says so.
pub(super) fn message_id(record: &Record) -> Option<String> {
    let sealed = match record {
        Record::Exchange(exchange) => &exchange.sealed,
        Record::Rejected(rejected) => &rejected.sealed,
        _ => return None,
    };
    Confidential::open(sealed).map(|it| it.message_id.to_owned())
}
