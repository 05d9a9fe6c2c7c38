//! Looks into a log of several segments, with and without what others do.

use std::path::Path;
use std::sync::Arc;

use super::cursor::Cursor;
use super::past::Walk;
use super::{Look, Past, Query, Sight, Told, Untold};
use crate::agency::keys::{KeyCheck, Keys, RetentionClass, Ring, SharedRing};
use crate::agency::registry::Party;
use crate::backbone::index::Index;
use crate::backbone::tiles::Tiles;
use crate::broker::command::Command;
use crate::broker::committer::Committer;
use crate::broker::event::Event;
use crate::broker::governance::{Act, Deed, Ticket};
use crate::broker::ledger::Ledger;
use crate::broker::record::{CountedRefusals, Genesis, Inquiry, LeafSecret, Record};
use crate::journal::snapshot::Files;
use crate::journal::vfs::SimVfs;
use crate::journal::{Config, Journal};
use crate::message::bundle::Bundle;
use crate::message::id::{Digest, ExchangeId};
use crate::message::time::Timestamp;

const BEGIN_MS: i64 = 1_000_000;

/// A log of looks, and when its next is.
struct Log {
    vfs: SimVfs,
    committer: Committer<SimVfs>,
    ms: i64,
    tickets: u64,
    why: String,
}

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(ms)
}

impl Log {
    fn begin() -> Self {
        let config = Config {
            segment_bytes: 1 << 20,
            background: false,
            journal: [7; 16],
            stopped_kind: Record::STOPPED,
        };
        let vfs = SimVfs::new(1);
        let opened = Journal::open(vfs.clone(), Path::new("/journal"), config);
        let mut committer = Committer::new(
            opened.unwrap().0,
            Ledger::default(),
            LeafSecret::new([7; 32]),
        );
        let genesis = Genesis {
            at: at(BEGIN_MS),
            bundle: Bundle::default(),
            digest: Digest([0; 32]),
            key_check: KeyCheck([0; 16]),
            development: true,
            units: Vec::new(),
        };
        committer.begin(&Record::Genesis(genesis)).unwrap();
        Self {
            vfs,
            committer,
            ms: BEGIN_MS,
            tickets: 0,
            why: "test".to_owned(),
        }
    }

    /// Officers of these agencies look in one step, a millisecond later.
    fn looks(&mut self, agencies: &[&str]) {
        self.ms += 1;
        let commands = agencies.iter().map(|agency| {
            // Of the post alone, which is the same with others.
            self.tickets += u64::from(*agency == "post");
            let by = format!("{agency}/o-0001").parse().unwrap();
            let query = format!("{} of {}", self.tickets, self.ms);
            let asked = Inquiry {
                why: &self.why,
                query: &query,
            };
            let access = Deed::Access {
                act: Act {
                    by,
                    key: Digest([1; 32]),
                    vouched_by: None,
                },
                id: ExchangeId([1; 16]),
                asked: asked.seal(
                    &ring().sealing(ExchangeId([1; 16]), at(self.ms)),
                    RetentionClass::PRIVATE,
                ),
                results: 0,
            };
            Command::Govern(Ticket(self.tickets), Box::new(access))
        });
        let commands: Vec<Command> = commands.collect();
        self.committer.step(commands, at(self.ms)).unwrap();
    }

    /// 600 looks of the post, up to three in a millisecond; with others' before, between and behind
    /// them where there are to be any.
    fn of(others: bool) -> Self {
        let mut log = Self::begin();
        for step in 0..500_u64 {
            let own = usize::try_from(step % 5 % 4).unwrap();
            let mut agencies = vec!["post"; own];
            if others {
                agencies.insert(own / 2, "customs");
                agencies.push("police");
            }
            log.looks(&agencies);
        }
        log
    }

    fn past(&self) -> Past<SimVfs> {
        let reader = self.committer.journal().reader();
        let files = Files::index(SimVfs::new(2), Path::new("/data")).unwrap();
        let ring = SharedRing::new(ring());
        let keys = Keys::derive(Arc::clone(&ring), std::iter::empty());
        let index = Index::new(files, reader.clone(), Arc::new(keys));
        let tiles = Tiles::of(self.vfs.clone(), Path::new("/data"));
        Past::new(reader, ring, Arc::new(index), tiles)
    }
}

fn ring() -> Ring {
    Ring::new([3; 32], [4; 32])
}

fn look(query: &Query, most: usize) -> Look {
    Look {
        whose: "post".to_owned(),
        sight: Sight::Own("post".parse().unwrap()),
        query: query.clone(),
        sought: None,
        cursor: None,
        from: None,
        most,
        full: false,
        proved: false,
    }
}

fn told(past: &Past<SimVfs>, look: &Look) -> Result<Told, Untold> {
    look.at(past, at(BEGIN_MS + 10_000), &|_| None, &|| false)
}

/// All pages, from the newest on.
fn pages(past: &Past<SimVfs>, query: &Query, most: usize) -> Vec<Told> {
    let mut look = look(query, most);
    let mut pages = Vec::new();
    loop {
        let page = told(past, &look).unwrap();
        look.cursor.clone_from(&page.older);
        pages.push(page);
        if look.cursor.is_none() {
            return pages;
        }
    }
}

fn queries(pages: &[Told]) -> Vec<String> {
    let items = pages.iter().flat_map(|page| &page.items);
    items.map(|item| item["query"].to_string()).collect()
}

#[test]
fn pages_of_any_size_tell_each_item_once_and_the_newest_first() {
    let log = Log::of(true);
    let past = log.past();
    assert!(past.reader.segments().len() > 2, "a log of one segment");
    let all = queries(&pages(&past, &Query::default(), 1_000));
    assert_eq!(all.len(), 600);
    let mut sorted = all.clone();
    sorted.sort_by_key(|query| {
        let number = query.trim_matches('"').split(' ').next().unwrap();
        std::cmp::Reverse(number.parse::<u64>().unwrap())
    });
    assert_eq!(all, sorted);
    for most in [7, 100, 599, 600] {
        assert_eq!(
            queries(&pages(&past, &Query::default(), most)),
            all,
            "{most}"
        );
    }
}

#[test]
fn pages_tell_counted_refusals_once_though_the_clock_was_set_back() {
    let mut log = Log::begin();
    let noted = at(BEGIN_MS + 1);
    let noted = CountedRefusals {
        party: Party::Agency("post".parse().unwrap()),
        from: noted,
        to: noted,
        count: 3,
    };
    let committer = &mut log.committer;
    committer.begin(&Record::RefusalsNoted(noted)).unwrap();
    log.ms += 1_000;
    log.looks(&["post"]);
    let earlier = at(BEGIN_MS - 3_600_000);
    log.committer.step(vec![Event::Stop], earlier).unwrap();
    let past = log.past();
    for most in [1, 10] {
        let told = pages(&past, &Query::default(), most);
        let told = told.iter().flat_map(|page| &page.items);
        let told: Vec<_> = told.map(|item| item["kind"].as_str().unwrap()).collect();
        assert_eq!(told, ["refusals-counted", "accessed"], "{most}");
    }
}

#[test]
fn a_look_that_may_read_no_more_goes_on_where_a_segment_begins() {
    let log = Log::of(true);
    let all = queries(&pages(&log.past(), &Query::default(), 1_000));
    let mut past = log.past();
    past.piece = 1;
    let pieces = pages(&past, &Query::default(), 1_000);
    assert_eq!(pieces.len(), past.reader.segments().len());
    assert_eq!(queries(&pieces), all);
    // What is not there is looked for in as many pieces.
    let nothing = Query {
        kind: Some("sent".to_owned()),
        ..Query::default()
    };
    let empty = pages(&past, &nothing, 10);
    assert!(empty.len() == pieces.len() && queries(&empty).is_empty());
    // One that ends earlier reads none of what came since.
    let early = Query {
        until: Some(at(BEGIN_MS + 1)),
        ..nothing
    };
    assert_eq!(pages(&past, &early, 10).len(), 1);

    let (sight, query) = (Sight::Own("post".parse().unwrap()), Query::default());
    let walk = Walk {
        past: &past,
        sight: &sight,
        query: &query,
        sought: None,
        looks: true,
        is_gone: &|| false,
    };
    let (mut place, mut walks, mut found) = (Cursor::since(at(BEGIN_MS)), 0, Vec::new());
    loop {
        let walked = walk.on(place, None, at(BEGIN_MS + 10_000), 1_000).unwrap();
        walks += 1;
        found.extend(walked.found.into_iter().map(|it| it.lsn));
        match walked.rest {
            Some(rest) => place = rest,
            None => break,
        }
    }
    assert!(walks == pieces.len() && found.is_sorted());
    found.dedup();
    assert_eq!(found.len(), all.len());
}

#[test]
fn a_page_of_large_items_has_fewer() {
    let mut log = Log::begin();
    log.why = "x".repeat(300_000);
    for _ in 0..10 {
        log.looks(&["post"]);
    }
    let pages = pages(&log.past(), &Query::default(), 10);
    let items: Vec<usize> = pages.iter().map(|page| page.items.len()).collect();
    assert_eq!(items, [4, 4, 2]);
}

#[test]
fn what_others_do_changes_no_byte_of_any_page_nor_of_its_cursors() {
    let (without, with) = (Log::of(false).past(), Log::of(true).past());
    let since_until = |since, until| Query {
        since: Some(at(BEGIN_MS + since)),
        until: Some(at(BEGIN_MS + until)),
        ..Query::default()
    };
    let kind = |kind: &str| Query {
        kind: Some(kind.to_owned()),
        ..Query::default()
    };
    for query in [
        Query::default(),
        since_until(100, 300),
        since_until(0, 1),
        since_until(250, 251),
        kind("accessed"),
        kind("sent"),
    ] {
        for most in [11, 1_000] {
            let [one, other] = [&without, &with].map(|past| pages(past, &query, most));
            assert!(one == other, "{query:?} by {most}");
        }
    }
}

#[test]
fn a_range_has_its_first_instant_and_not_its_last() {
    let past = Log::of(true).past();
    let query = Query {
        since: Some(at(BEGIN_MS + 200)),
        until: Some(at(BEGIN_MS + 205)),
        ..Query::default()
    };
    let times = pages(&past, &query, 1_000);
    let times = times[0].items.iter();
    let times: Vec<String> = times.map(|item| item["at"].to_string()).collect();
    assert_eq!(times.len(), 6);
    assert!(
        times.iter().all(|at| at.contains("00:16:40.20")),
        "{times:?}"
    );
    assert!(!times.iter().any(|at| at.contains("40.205")), "{times:?}");
}

#[test]
fn who_goes_on_is_told_each_item_once_in_its_order() {
    let log = Log::of(true);
    let past = log.past();
    let mut all = queries(&pages(&past, &Query::default(), 1_000));
    all.reverse();
    let (sight, query) = (Sight::Own("post".parse().unwrap()), Query::default());
    let walk = Walk {
        past: &past,
        sight: &sight,
        query: &query,
        sought: None,
        looks: true,
        is_gone: &|| false,
    };
    for (most, since) in [(1, 490), (7, 0), (100, 250), (1_000, 1)] {
        let mut place = Cursor::since(at(BEGIN_MS + since));
        let mut found = Vec::new();
        loop {
            let more = walk.on(place, None, at(BEGIN_MS + 10_000), most).unwrap();
            let Some(end) = super::past::Found::end(&more.found, place) else {
                break;
            };
            place = end;
            found.extend(more.found.into_iter().map(|it| (it.lsn, it.at)));
        }
        assert!(found.is_sorted(), "{most} from {since}");
        let later = all.iter().filter(|query| {
            let ms = query.trim_matches('"').rsplit(' ').next().unwrap();
            ms.parse::<i64>().unwrap() >= BEGIN_MS + since
        });
        assert_eq!(found.len(), later.count(), "{most} from {since}");
        assert!(found.windows(2).all(|two| two[0].0 != two[1].0));
    }
}

#[test]
fn who_follows_is_not_told_of_looks_which_his_own_would_be() {
    let mut log = Log::of(false);
    let past = log.past();
    let mut look = look(&Query::default(), 10);
    let first = told(&past, &look).unwrap();
    look.cursor = first.newer;
    log.ms = BEGIN_MS + 10_000;
    log.looks(&["post"]);
    let next = look.at(&past, at(BEGIN_MS + 20_000), &|_| None, &|| false);
    assert!(next.unwrap().items.is_empty());
}

#[test]
fn a_cursor_of_another_agency_or_of_another_look_is_none() {
    let past = Log::of(true).past();
    let mut look = look(&Query::default(), 10);
    let cursor = told(&past, &look).unwrap().older;
    look.cursor.clone_from(&cursor);
    assert!(told(&past, &look).is_ok());
    let foreign = Look {
        whose: "customs".to_owned(),
        sight: Sight::Own("customs".parse().unwrap()),
        ..look.clone()
    };
    let mut other = look.clone();
    other.query.kind = Some("accessed".to_owned());
    for look in [foreign, other] {
        assert!(matches!(told(&past, &look), Err(Untold::BadCursor)));
    }
}

#[test]
fn a_look_ends_once_its_reader_is_gone() {
    let past = Log::of(false).past();
    let look = look(&Query::default(), 10);
    let ended = look.at(&past, at(BEGIN_MS + 10_000), &|_| None, &|| true);
    assert!(matches!(ended, Err(Untold::Gone)));
}
