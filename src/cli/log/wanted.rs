//! The records that a command of the log is to show, as they are named on the command line.

use std::path::Path;

use super::audit::{Numbered, Sought};
use super::place::Place;
use crate::cli::failed::Failed;
use crate::http::log::{Entry, Query};
use crate::message::id::ExchangeId;

/// Which records to show.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub(in crate::cli) struct Wanted {
    /// Number of a piece of evidence, or @ and the address of any record
    #[arg(value_name = "N|@LSN")]
    pub(super) record: Option<Place>,
    /// Every exchange and rejection that a sender published under this id, whichever sender
    #[arg(long, value_name = "ID")]
    pub(super) message_id: Option<String>,
    /// The exchange of this id, as the records show it
    #[arg(long, value_name = "ID")]
    exchange: Option<ExchangeId>,
    /// What a unit sent under this number of its own, as its receipts have it
    #[arg(long, value_name = "UNIT/N")]
    sent: Option<Numbered>,
    /// What a unit was given under this number of its own, as x-carnet-sequence has it
    #[arg(long, value_name = "UNIT/N")]
    received: Option<Numbered>,
}

impl Wanted {
    pub(super) fn is(&self, entry: &Entry, query: &Query) -> bool {
        match self.record {
            Some(Place::Number(number)) => entry.number == Some(number),
            Some(Place::At(lsn)) => entry.lsn == lsn,
            None => query.is_of(entry),
        }
    }

    /// What is looked for where it is not the place of a record.
    pub(super) fn query(&self) -> Query {
        let sent = self.sent.as_ref().map(|it| it.looked_for(true));
        let received = self.received.as_ref().map(|it| it.looked_for(false));
        Query {
            message_id: self.message_id.clone(),
            exchange: self.exchange,
            number: sent.or(received),
            ..Query::default()
        }
    }

    /// What an auditor wants, in words that mean his own.
    pub(super) fn sought(&self) -> Result<Sought<'_>, Failed> {
        let found = match self {
            Self {
                message_id: Some(id),
                ..
            } => Some(Sought::MessageId(id)),
            Self {
                exchange: Some(id), ..
            } => Some(Sought::Exchange(*id)),
            Self { sent: Some(it), .. } => Some(Sought::Sent(it)),
            Self {
                received: Some(it), ..
            } => Some(Sought::Received(it)),
            Self { .. } => None,
        };
        found.ok_or_else(|| {
            let says = "numbers of evidence and addresses are of a folder made by --dev; give --message-id, --sent, --received or --exchange";
            Failed::Usage(says.to_owned())
        })
    }

    /// Why nothing was found in a log of so many records of evidence.
    pub(super) fn absent(&self, evidence: u64, folder: &Path) -> String {
        match self.record {
            Some(Place::Number(number)) => {
                format!("the log has {evidence} records of evidence, no {number}")
            }
            Some(Place::At(lsn)) => format!(
                "no record begins at {lsn} in {}; `carnet log tail --all` shows addresses",
                folder.display()
            ),
            None => "there is none; a recipient knows the message by another id than its sender, and by \
                 the number in x-carnet-sequence: docs/log.md says how to look"
                .to_owned(),
        }
    }
}
