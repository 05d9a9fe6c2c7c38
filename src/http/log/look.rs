//! A look into the log: what an officer is told of what he may see, page by page. Read this first.

use std::sync::Arc;

use serde_json::{Value, json};

use super::cursor::{Cursor, Mark, Way};
use super::entry::Entry;
use super::granted::{InFull, Opened};
use super::past::{Found, Past, Untold, Walk, Walked};
use super::query::Query;
use super::sight::Sight;
use super::sought::Sought;
use crate::broker::format::OpenPayload;
use crate::broker::record::Record;
use crate::journal::vfs::Vfs;
use crate::journal::{Lsn, StoredRecord};
use crate::message::id::Digest;
use crate::message::time::Timestamp;
use crate::policy::rulebook::Rulebook;

/// Octets of the items of a page, behind which no other is told: a page with messages has as many as
/// one of other items, and who reads it slowly keeps no more of it in memory.
const PAGE_BYTES: usize = 1 << 20;

/// Identifiers that lead from what was found to more, at most: a consignment has some, and what has many
/// more is not one.
const FOLLOWED_KEYS: usize = 64;
/// Items that are looked at for what they lead to, at most, of those that one step found.
const FOLLOWED_MOST: usize = 200;

/// A look into the log.
#[derive(Debug, Clone)]
pub struct Look {
    /// Who looks, and by which grant: cursors of others are none of this look.
    pub whose: String,
    /// What he sees.
    pub sight: Sight,
    /// What he looks for.
    pub query: Query,
    /// What the identifier in it may be.
    pub sought: Option<Sought>,
    /// Where it goes on; none to begin with the newest.
    pub cursor: Option<String>,
    /// On the way to what is newer: up to where the log was read and nothing found.
    pub from: Option<Lsn>,
    /// Items, at most.
    pub most: usize,
    /// Whether all of each is told that he may know: by which law, and the message.
    pub full: bool,
    /// Whether each comes with the proof that the log has it.
    pub proved: bool,
}

/// What was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    /// The newest first; behind a cursor of what is newer the oldest first.
    pub items: Vec<Value>,
    /// The cursor of what is older; none where there is nothing.
    pub older: Option<String>,
    /// The cursor of what is newer; none on the way back.
    pub newer: Option<String>,
    /// On the way to what is newer: up to where nothing is left to find.
    pub read_to: Option<Lsn>,
    /// Whether it has read as much as one look may, and another goes on.
    pub goes_on: bool,
    /// From when on all was looked through, where the index does not reach further back yet.
    pub since: Option<Timestamp>,
    /// What was followed, where that was asked for.
    pub followed: Option<Followed>,
}

/// Identifiers that led from what was found to more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Followed {
    /// How many.
    pub identifiers: usize,
    /// Whether there were no more.
    pub all: bool,
}

/// Gives a rulebook that was in force, by its digest.
pub type Rulebooks<'a> = &'a dyn Fn(Digest) -> Option<Arc<Rulebook>>;

impl Look {
    /// What is told of what came before `now`; `is_gone` says whether its reader still waits.
    ///
    /// # Errors
    /// Where nothing is told.
    pub fn at<V: Vfs>(
        &self,
        past: &Past<V>,
        now: Timestamp,
        rulebooks: Rulebooks<'_>,
        is_gone: &dyn Fn() -> bool,
    ) -> Result<Told, Untold> {
        let words = format!(
            "{} {:?} {} {}",
            self.whose, self.query, self.full, self.proved
        );
        let mark = Mark::of(&words);
        let cursor = self.cursor.as_deref().map(|text| Cursor::read(text, mark));
        let newest = self.query.until.map_or(now, |until| until.min(now));
        let begun = match cursor {
            None => Cursor::before(newest),
            Some(cursor) => cursor.ok_or(Untold::BadCursor)?,
        };
        if self.sought.is_some() && begun.way == Way::On {
            return Err(Untold::BadCursor);
        }
        let (sought, followed) = self.followed(past, now, is_gone)?;
        let walk = Walk {
            past,
            sight: &self.sight,
            query: &self.query,
            sought: sought.as_ref(),
            // Each answer is a look: told to those who follow the log, it would make another.
            looks: begun.way == Way::Back,
            is_gone,
        };
        let Walked {
            mut found,
            rest,
            to,
            since,
        } = match begun.way {
            Way::Back => walk.back(begun, self.most.saturating_add(1))?,
            Way::On => walk.on(begun, self.from, Cursor::before(now).at, self.most)?,
        };
        let shown = found.get(..self.most).unwrap_or(&found);
        let items = self.tell_all(past, shown, rulebooks)?;
        let is_all = found.len() == items.len();
        found.truncate(items.len());
        let end = Found::end(&found, begun);
        let (older, newer) = match begun.way {
            Way::Back => {
                let goes_on = self.cursor.is_none() && self.sought.is_none();
                let newer = goes_on.then(|| Cursor::since(now));
                (if is_all { rest } else { end }, newer)
            }
            Way::On => {
                let is_end = is_all && found.len() < self.most;
                let end = if is_end { rest } else { end };
                (None, Some(end.unwrap_or_else(|| Cursor::since(now))))
            }
        };
        Ok(Told {
            items,
            older: older.map(|cursor| cursor.written(mark)),
            newer: newer.map(|cursor| cursor.written(mark)),
            read_to: to,
            goes_on: rest.is_some(),
            since,
            followed,
        })
    }

    /// What is looked for, and what that leads to by its identifiers of the kinds to follow, as far as one
    /// look goes.
    fn followed<V: Vfs>(
        &self,
        past: &Past<V>,
        now: Timestamp,
        is_gone: &dyn Fn() -> bool,
    ) -> Result<(Option<Sought>, Option<Followed>), Untold> {
        let kinds = &self.query.follow;
        let Some(sought) = self.sought.clone().filter(|_| !kinds.is_empty()) else {
            return Ok((self.sought.clone(), None));
        };
        let begun = sought.len();
        let (mut all, mut newly, mut is_all) = (sought.clone(), sought, true);
        loop {
            let (query, mut place) = (Query::default(), Some(Cursor::before(now)));
            let walk = Walk {
                past,
                sight: &self.sight,
                query: &query,
                sought: Some(&newly),
                looks: false,
                is_gone,
            };
            let mut next = Sought::default();
            let mut found = 0;
            while let Some(from) = place {
                let walked = walk.back(from, FOLLOWED_MOST)?;
                found += walked.found.len();
                for found in &walked.found {
                    let record = Entry::alone(&past.reader.record(found.lsn)?)?.record;
                    let left = past.left(found.lsn)?;
                    next.extend(all.further(found.part, &record, &left, kinds));
                }
                place = walked.rest.filter(|_| found < FOLLOWED_MOST);
            }
            is_all &= found < FOLLOWED_MOST && all.len() + next.len() <= begun + FOLLOWED_KEYS;
            if next.len() == 0 || !is_all {
                break;
            }
            all.extend(next.clone());
            newly = next;
        }
        let identifiers = all.len() - begun;
        let followed = Followed {
            identifiers,
            all: is_all,
        };
        Ok((Some(all), Some(followed)))
    }

    /// What is told of these, as far as a page takes it, and of the first in any case.
    fn tell_all<V: Vfs>(
        &self,
        past: &Past<V>,
        found: &[Found],
        rulebooks: Rulebooks<'_>,
    ) -> Result<Vec<Value>, Untold> {
        let (mut items, mut octets) = (Vec::new(), 0);
        for found in found {
            if octets >= PAGE_BYTES {
                break;
            }
            let item = self.tell(past, found, rulebooks)?;
            octets += item.to_string().len();
            items.push(item);
        }
        Ok(items)
    }

    fn tell<V: Vfs>(
        &self,
        past: &Past<V>,
        found: &Found,
        rulebooks: Rulebooks<'_>,
    ) -> Result<Value, Untold> {
        let stored = past.reader.record(found.lsn)?;
        let mut entry = past.entry(&stored)?;
        entry.clock = found.clock;
        let full = match (&self.sight, self.full) {
            (Sight::Granted(opened), true) => Some(in_full(past, &stored, *opened, rulebooks)?),
            _ => None,
        };
        let disclosed = self.sight.opens(found.part, &entry.record);
        let mut told = self.sight.tell(found.part, entry, full.as_ref());
        if self.proved
            && let Some(fields) = told.as_object_mut()
        {
            let proof = disclosed.map(|opens| past.disclosure(&stored, opens));
            fields.insert("proof".to_owned(), json!(proof.transpose()?.flatten()));
        }
        Ok(told)
    }
}

/// The law and the message of an exchange, as far as a grant opens them.
fn in_full<V: Vfs>(
    past: &Past<V>,
    stored: &StoredRecord,
    opened: Opened,
    rulebooks: Rulebooks<'_>,
) -> Result<InFull, Untold> {
    let Record::Exchange(exchange) = Entry::alone(stored)?.record else {
        return Ok(InFull::default());
    };
    let frame = stored.frame.filter(|_| opened.payload);
    let frame = frame.map(|frame| past.reader.frame(&frame)).transpose()?;
    let body = frame.map(|frame| {
        let payload = OpenPayload::open(exchange.id, &frame, &past.ring.get());
        payload.map(|it| String::from_utf8_lossy(it.body()).into_owned())
    });
    let damaged = |_| Untold::Unread(format!("the message of {} is damaged", exchange.id));
    Ok(InFull {
        rulebook: opened
            .rulings
            .then(|| rulebooks(exchange.rulebook))
            .flatten(),
        body: body.transpose().map_err(damaged)?,
    })
}
