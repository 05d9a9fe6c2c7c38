//! Octets that nobody wrote: they are an error, or a record that is written in those very octets.
//! So a value has one spelling, reading never panics, and what is read is what would be written.

use carnet::broker::format::OpenPrivate;
use carnet::broker::ledger::Ledger;
use carnet::broker::queue::Entry;
use carnet::broker::record::{
    Confidential, Exchange, Identifier, LeafSecret, Recipient, Record, SCHEMA,
};
use carnet::message::id::{Category, KeyedDigest};
use carnet::message::spans::Shown;
use proptest::prelude::*;

use crate::frames::{self, KEPT, Payload, sealing};
use crate::ring::ring;
use crate::values::{self, Sample};
use crate::{encoded, fixture, kind};

/// A change of octets.
#[derive(Debug, Clone)]
enum Change {
    Set(usize, u8),
    Cut(usize),
    Remove(usize),
    Insert(usize, u8),
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let octet = prop_oneof![Just(0_u8), Just(1), Just(u8::MAX), any::<u8>()];
    let change = prop_oneof![
        6 => (any::<usize>(), octet.clone()).prop_map(|(at, octet)| Change::Set(at, octet)),
        1 => any::<usize>().prop_map(Change::Cut),
        1 => any::<usize>().prop_map(Change::Remove),
        1 => (any::<usize>(), octet).prop_map(|(at, octet)| Change::Insert(at, octet)),
    ];
    prop::collection::vec(change, 1..6)
}

fn changed(mut octets: Vec<u8>, changes: &[Change]) -> Vec<u8> {
    for change in changes {
        let length = octets.len().max(1);
        match change {
            Change::Set(at, octet) => {
                if let Some(place) = octets.get_mut(at % length) {
                    *place = *octet;
                }
            }
            Change::Cut(at) => octets.truncate(at % length),
            Change::Remove(at) if !octets.is_empty() => {
                octets.remove(at % length);
            }
            Change::Remove(_) => {}
            Change::Insert(at, octet) => octets.insert((at % length).min(octets.len()), *octet),
        }
    }
    octets
}

fn held(number: u8, octets: &[u8]) {
    if let Ok(record) = Record::decode(kind(number, SCHEMA), octets) {
        // The secret before a record is no part of it.
        let secret = octets.first_chunk().copied().unwrap_or_default();
        let mut again = Vec::new();
        record.encode(&LeafSecret::new(secret), &mut again);
        assert!(again == octets, "{record:?}");
        assert_eq!(record.kind(), number);
        if let Record::Exchange(exchange) = record {
            let _told = Confidential::read(&exchange.sealed.opened(&ring(), exchange.id));
        }
    }
}

fn texts() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(any::<String>(), 0..4)
}

prop_compose! {
    fn exchanges()(
        exchange in prop_oneof![Just(values::least()), Just(values::full())],
        keys in texts(),
        octets in any::<[u8; 16]>(),
        (number, bytes) in any::<(Option<u64>, u64)>(),
        (at, case_shown) in any::<(i64, bool)>(),
        told in texts(),
        known in prop::collection::vec(any::<bool>(), 0..9),
    ) -> Exchange {
        let keys = keys.into_iter().map(|kind| Identifier {
            kind,
            digest: KeyedDigest(octets),
            category: Category::Reference,
            shown: Shown::Token,
        });
        let one = values::full().recipients.remove(0);
        let recipients = known.into_iter().map(|known| Recipient { known, ..one.clone() });
        let to = told.iter().map(String::as_str).collect();
        Exchange {
            number,
            body_bytes: bytes,
            at: values::at(at % 1_000_000),
            case_shown,
            keys: keys.collect(),
            recipients: recipients.collect(),
            sealed: Confidential { to, ..Confidential::default() }.seal(&sealing(&ring()), KEPT.facts),
            ..exchange
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, ..ProptestConfig::default() })]

    #[test]
    fn changed_octets_are_an_error_or_what_is_written(nth in any::<usize>(), changes in changes()) {
        let samples = values::records();
        let Sample { name, record } = &samples[nth % samples.len()];
        held(record.kind(), &changed(fixture(&format!("record-{name}")), &changes));
    }

    #[test]
    fn random_octets_are_an_error_or_what_is_written(number in 0..24_u8, octets in any::<Vec<u8>>()) {
        held(number, &octets);
    }

    #[test]
    fn what_is_written_of_an_exchange_is_read_as_it_was(exchange in exchanges()) {
        let record = Record::Exchange(Box::new(exchange));
        let read = Record::decode(kind(record.kind(), SCHEMA), &encoded(&record));
        prop_assert_eq!(read.unwrap(), record);
    }

    #[test]
    fn changed_snapshots_are_an_error_or_what_is_written(changes in changes()) {
        let octets = changed(fixture("snapshot"), &changes);
        if let Ok(ledger) = Ledger::of_snapshot(&octets) {
            let again = ledger.to_snapshot();
            prop_assert!(Ledger::of_snapshot(&again) == Ok(ledger));
        }
        let octets = changed(fixture("page"), &changes);
        if let Ok(entries) = Entry::of_page(&octets) {
            prop_assert_eq!(Entry::to_page(&entries), octets);
        }
    }

    #[test]
    fn changed_frames_open_to_what_is_sealed_or_not_at_all(changes in changes()) {
        let octets = changed(fixture("frame-exchange"), &changes);
        if let Ok(read) = Payload::open(&octets.clone().into()) {
            prop_assert_eq!(read, frames::payload());
        }
        let octets = changed(fixture("frame-private"), &changes);
        if let Ok(opened) = OpenPrivate::open(&octets, &ring()) {
            let (head, body) = opened.read().unwrap();
            prop_assert_eq!((head, &body[..]), frames::private());
        }
    }
}
