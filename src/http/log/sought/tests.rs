//! Who finds what by which identifier: with several parties, and with what others have under the same.

use std::path::Path;
use std::sync::Arc;

use super::super::granted::Opened;
use super::super::past::{Past, Untold};
use super::super::query::Query;
use super::super::{Look, Told};
use super::*;
use crate::agency::keys::{Ring, SharedRing};
use crate::backbone::index::tests::{Log, exchange, keep_all, key};
use crate::backbone::tiles::Tiles;
use crate::broker::record::{Narrowed, Outcome, Recipient, Released, Terms};
use crate::broker::run::encode;
use crate::journal::snapshot::{Files, name_at};
use crate::journal::vfs::SimVfs;
use crate::message::id::{Category, Digest};
use crate::message::spans::Shown;
use crate::message::time::Timestamp;
use crate::policy::words::Onward;

const S10: u64 = 1;
const EORI: u64 = 2;
/// What the sender quoted by a token.
const QUOTED: u64 = 3;

/// No tree is looked into.
fn tiles() -> Tiles<SimVfs> {
    Tiles::of(SimVfs::new(0), Path::new("/data"))
}

fn ring() -> Arc<SharedRing> {
    SharedRing::new(Ring::new([3; 32], [4; 32]))
}

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(ms)
}

fn unit(name: &str) -> UnitId {
    name.parse().unwrap()
}

fn identifier(kind: &str, number: u64, category: Category, shown: Shown) -> Identifier {
    Identifier {
        kind: kind.to_owned(),
        digest: key(number),
        category,
        shown,
    }
}

fn mrn(number: u64) -> Identifier {
    identifier("mrn", number, Category::Reference, Shown::Clear)
}

fn given(name: &str, mask: Mask) -> Recipient {
    Recipient {
        unit: unit(name),
        known: true,
        outcome: Outcome::Released(Released {
            number: 1,
            mask,
            policies: Vec::new(),
            retain_days: 30,
            onward: Onward::default(),
            queues: Vec::new(),
            withholding: Vec::new(),
        }),
    }
}

/// A message of the post under these identifiers.
fn message(ms: i64, keys: Vec<Identifier>, recipients: Vec<Recipient>) -> Exchange {
    Exchange {
        at: at(ms),
        sender: "post/items".parse().unwrap(),
        unit: unit("post/main"),
        number: Some(1),
        again: None,
        had: Vec::new(),
        keys,
        recipients,
        ..*exchange()
    }
}

fn push(log: &mut Log, exchange: Exchange) {
    let lsn = log.push(&Record::Exchange(Box::new(exchange)));
    log.lsns.push(lsn);
}

/// One message with an identifier of each sort, which the police has in the clear and customs without its
/// party; the vet does not get it.
fn parcel(ms: i64) -> Exchange {
    let keys = vec![
        identifier("s10", S10, Category::Reference, Shown::Token),
        identifier("eori", EORI, Category::Identity, Shown::Clear),
        identifier("mrn", QUOTED, Category::Reference, Shown::Quoted),
    ];
    let refused = Recipient {
        outcome: Outcome::Refused {
            policies: Vec::new(),
        },
        ..given("vet/main", Mask::NONE)
    };
    let token = Mask::of(Category::Goods).union(Mask::REFERENCE_TOKEN);
    message(
        ms,
        keys,
        vec![
            given("customs/main", token),
            given("police/main", Mask::ALL),
            refused,
        ],
    )
}

fn by_value(number: u64) -> Sought {
    Sought {
        values: [key(number)].into(),
        ..Sought::default()
    }
}

fn by_token(of: &str, number: u64) -> Sought {
    Sought {
        tokens: [(unit(of), key(number))].into(),
        ..Sought::default()
    }
}

fn own(agency: &str) -> Sight {
    Sight::Own(agency.parse().unwrap())
}

fn look(sight: Sight, sought: &Sought, most: usize, follow: &[&str]) -> Look {
    Look {
        whose: "who".to_owned(),
        sight,
        query: Query {
            key: Some("it".to_owned()),
            follow: follow.iter().map(|kind| (*kind).to_owned()).collect(),
            ..Query::default()
        },
        sought: Some(sought.clone()),
        cursor: None,
        from: None,
        most,
        full: false,
        proved: false,
    }
}

fn past(log: &Log) -> Past<SimVfs> {
    let index = log.index();
    keep_all(&index);
    Past::new(log.journal.reader(), ring(), Arc::new(index), tiles())
}

fn told(past: &Past<SimVfs>, look: &Look) -> Result<Told, Untold> {
    look.at(past, at(1_000_000), &|_| None, &|| false)
}

fn kinds(past: &Past<SimVfs>, sight: Sight, sought: &Sought) -> Vec<String> {
    let told = told(past, &look(sight, sought, 100, &[])).unwrap();
    let kinds = told
        .items
        .iter()
        .map(|item| item["kind"].as_str().unwrap().to_owned());
    kinds.collect()
}

#[test]
fn each_party_finds_a_message_by_what_it_wrote_or_was_given_and_by_nothing_else() {
    let mut log = Log::begin();
    push(&mut log, parcel(1));
    let past = past(&log);
    let all = Opened {
        evidence: true,
        rulings: true,
        payload: true,
    };
    for (sight, sought, found) in [
        (own("post"), by_value(S10), "sent"),
        (own("post"), by_value(EORI), "sent"),
        (own("post"), by_value(QUOTED), ""),
        (own("post"), by_token("post/main", QUOTED), "sent"),
        (own("post"), by_token("post/main", S10), ""),
        (own("police"), by_value(S10), "received"),
        (own("police"), by_value(EORI), "received"),
        (own("police"), by_value(QUOTED), "received"),
        (own("police"), by_token("police/main", S10), ""),
        (own("customs"), by_value(S10), ""),
        (own("customs"), by_token("customs/main", S10), "received"),
        (own("customs"), by_token("customs/other", S10), ""),
        (own("customs"), by_token("customs/main", QUOTED), "received"),
        (own("customs"), by_value(EORI), ""),
        (own("customs"), by_value(QUOTED), ""),
        (own("vet"), by_value(S10), ""),
        (own("vet"), by_token("vet/main", S10), ""),
        (own("vet"), by_value(EORI), ""),
        (Sight::Granted(all), by_value(QUOTED), "exchange"),
        (
            Sight::Granted(all),
            by_token("police/main", EORI),
            "exchange",
        ),
    ] {
        let expected: Vec<&str> = Some(found)
            .filter(|it| !it.is_empty())
            .into_iter()
            .collect();
        assert_eq!(
            kinds(&past, sight.clone(), &sought),
            expected,
            "{sight:?} {sought:?}"
        );
    }
}

#[test]
fn a_release_that_was_narrowed_is_found_by_what_was_left_of_it() {
    let mut log = Log::begin();
    push(&mut log, parcel(1));
    let left = Terms {
        mask: Mask::of(Category::Identity).union(Mask::REFERENCE_TOKEN),
        retain_days: 1,
        onward: Onward::default(),
        policies: Vec::new(),
        rulebook: Digest([0; 32]),
    };
    log.push(&Record::Narrowed(Narrowed {
        at: at(2),
        exchange: log.lsns[0],
        unit: unit("police/main"),
        queues: Vec::new(),
        left,
    }));
    let past = past(&log);
    for (sought, found) in [
        (by_value(S10), 0),
        (by_token("police/main", S10), 1),
        (by_value(EORI), 1),
    ] {
        assert_eq!(
            kinds(&past, own("police"), &sought).len(),
            found,
            "{sought:?}"
        );
    }
}

/// Messages of which customs gets every third by its number, and others' under the same between them.
fn crowded(others: bool) -> Log {
    let mut log = Log::begin();
    for ms in 0..600 {
        let is_own = ms % 3 == 0;
        if is_own || others {
            let unit = if is_own {
                "customs/main"
            } else {
                "police/main"
            };
            push(
                &mut log,
                message(ms, vec![mrn(7)], vec![given(unit, Mask::ALL)]),
            );
        }
        if others {
            // Customs has it, and this was withheld.
            let goods = Mask::of(Category::Goods);
            push(
                &mut log,
                message(ms, vec![mrn(7)], vec![given("customs/main", goods)]),
            );
        }
    }
    log
}

fn pages(past: &Past<SimVfs>, mut look: Look) -> Vec<Told> {
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

#[test]
fn what_others_have_under_the_same_identifier_changes_no_byte_of_any_page() {
    let [without, with] = [false, true].map(|others| past(&crowded(others)));
    assert!(with.reader.segments().len() > 2, "a log of one segment");
    for follow in [&[][..], &["mrn"]] {
        for most in [7, 1_000] {
            let [one, other] = [&without, &with]
                .map(|past| pages(past, look(own("customs"), &by_value(7), most, follow)));
            assert!(one == other, "by {most}");
            let items: usize = one.iter().map(|page| page.items.len()).sum();
            assert_eq!(items, 200);
        }
    }
}

#[test]
fn what_was_found_leads_to_what_has_its_identifiers_and_to_nothing_that_was_withheld() {
    let mut log = Log::begin();
    let to = |mask| vec![given("customs/main", mask)];
    push(&mut log, message(1, vec![mrn(1), mrn(2)], to(Mask::ALL)));
    push(&mut log, message(2, vec![mrn(2), mrn(3)], to(Mask::ALL)));
    let eori = identifier("eori", 4, Category::Identity, Shown::Clear);
    push(
        &mut log,
        message(3, vec![mrn(3), eori.clone()], to(Mask::ALL)),
    );
    // By a kind that is not followed, and by what customs was not given.
    push(&mut log, message(4, vec![eori], to(Mask::ALL)));
    push(
        &mut log,
        message(5, vec![mrn(3), mrn(5)], to(Mask::of(Category::Goods))),
    );
    push(&mut log, message(6, vec![mrn(5)], to(Mask::ALL)));
    let past = past(&log);
    let found = told(&past, &look(own("customs"), &by_value(1), 100, &["mrn"])).unwrap();
    let times: Vec<String> = found
        .items
        .iter()
        .map(|item| item["at"].to_string())
        .collect();
    assert_eq!(times.len(), 3, "{times:?}");
    let followed = found.followed.unwrap();
    assert_eq!((followed.identifiers, followed.all), (2, true));
}

#[test]
fn a_chain_without_an_end_is_followed_so_far_and_that_is_said() {
    let mut log = Log::begin();
    for nth in 0..100 {
        let keys = vec![mrn(nth), mrn(nth + 1)];
        push(
            &mut log,
            message(1, keys, vec![given("customs/main", Mask::ALL)]),
        );
    }
    let found = told(
        &past(&log),
        &look(own("customs"), &by_value(0), 1_000, &["mrn"]),
    )
    .unwrap();
    let followed = found.followed.unwrap();
    assert!(!followed.all && followed.identifiers == 64, "{followed:?}");
    assert_eq!(found.items.len(), 65);
}

#[test]
fn a_run_that_says_what_is_not_so_is_found_out_and_made_again() {
    let mut log = crowded(true);
    let own_key = |log: &mut Log| {
        push(
            log,
            message(700, vec![mrn(9)], vec![given("customs/main", Mask::ALL)]),
        );
    };
    let first = log.segments()[0].clone();
    own_key(&mut log);
    let past = past(&log);
    // Of another record of that segment, and of the midst of one.
    for lie in [log.lsns[3], Lsn(log.lsns[3].0 + 8)] {
        let files = Files::index(log.disk.clone(), Path::new("/data")).unwrap();
        let whole = files.read(&name_at(first.start)).unwrap().unwrap();
        files
            .write(&name_at(first.start), &whole.0, &encode([(key(9), lie)]))
            .unwrap();
        let index = log.index();
        keep_all(&index);
        let lied = Past::new(log.journal.reader(), ring(), Arc::new(index), tiles());
        assert_eq!(kinds(&lied, own("customs"), &by_value(9)), ["received"]);
        keep_all(&lied.index);
        assert_eq!(files.read(&name_at(first.start)).unwrap().unwrap(), whole);
    }
    assert_eq!(kinds(&past, own("customs"), &by_value(9)), ["received"]);
}

#[test]
fn while_the_index_is_made_again_a_look_says_from_when_on_it_is_complete() {
    let log = crowded(true);
    let index = log.index();
    index.keep().unwrap();
    let past = Past::new(log.journal.reader(), ring(), Arc::new(index), tiles());
    let behind = told(&past, &look(own("customs"), &by_value(7), 1_000, &[])).unwrap();
    let since = behind.since.unwrap();
    assert!(!behind.items.is_empty() && behind.items.len() < 200);
    let all = |past: &Past<SimVfs>| pages(past, look(own("customs"), &by_value(7), 1_000, &[]));
    let oldest = behind.items.last().unwrap()["at"].as_str().unwrap();
    assert!(Timestamp::from_rfc3339(oldest) >= Some(since));
    keep_all(&past.index);
    let whole = all(&past);
    assert!(whole.iter().all(|page| page.since.is_none()));
    assert_eq!(
        whole.iter().map(|page| page.items.len()).sum::<usize>(),
        200
    );
}
