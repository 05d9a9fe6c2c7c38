//! What the fixtures of measures, and of certificates and keys, hold.

use std::collections::BTreeSet;

use carnet::broker::record::{
    Confirmation, Confirmed, Declared, EndedBy, Expiring, Measure, MeasureEnded, NewKey, Record,
    Revoked,
};
use carnet::policy::measures::{Level, Permits};

use crate::governed::{act, signed};
use crate::values::{Sample, at, digest, sample};

/// All samples of records of them.
pub(crate) fn records() -> Vec<Sample> {
    let named = ["post-customs", "post-environment-regulated"].map(|id| id.parse().unwrap());
    let named = Permits::Named(BTreeSet::from(named));
    vec![
        sample(
            "measure-level",
            declared(1, Measure::Level(Level::Fallback)),
        ),
        sample("measure-all", declared(2, Measure::Suspend(Permits::All))),
        sample("measure-named", declared(3, Measure::Suspend(named))),
        sample("measure-lift", declared(4, Measure::Lift(3))),
        sample("measure-confirmed", confirmed(1)),
        sample("measure-ended", ended(2, EndedBy::Time)),
        sample("measure-gone", ended(3, EndedBy::Gone)),
        sample("expiring", expiring()),
        sample("revoked", revoked()),
        sample("new-key", new_key()),
    ]
}

/// A measure of the post.
pub(crate) fn declared(number: u64, measure: Measure) -> Record {
    Record::Declared(Box::new(Declared {
        at: at(15),
        agency: "post".parse().unwrap(),
        number,
        act: act("post/o-1001", 1),
        measure,
        until: at(90_000),
        reason: "a key is lost".to_owned(),
        alarms: ["customs", "police"].map(|it| it.parse().unwrap()).into(),
    }))
}

pub(crate) fn confirmed(measure: u64) -> Record {
    Record::Confirmed(Box::new(Confirmed {
        at: at(16),
        agency: "post".parse().unwrap(),
        confirmation: Confirmation {
            act: act("post/o-1002", 2),
            measure,
            signed: signed("carnet measure 1\n"),
        },
    }))
}

pub(crate) fn ended(measure: u64, why: EndedBy) -> Record {
    Record::MeasureEnded(MeasureEnded {
        at: at(17),
        agency: "post".parse().unwrap(),
        measure,
        why,
    })
}

pub(crate) fn expiring() -> Record {
    Record::Expiring(Expiring {
        at: at(18),
        agency: "post".parse().unwrap(),
        whose: "post/items".to_owned(),
        ends: at(99_000),
        days: 30,
    })
}

fn revoked() -> Record {
    Record::Revoked(Box::new(Revoked {
        at: at(19),
        agency: "post".parse().unwrap(),
        whose: "post/items".to_owned(),
        certificate: digest(11),
        serial: "0A1B".to_owned(),
        remote: "192.0.2.7".to_owned(),
    }))
}

fn new_key() -> Record {
    Record::NewKey(Box::new(NewKey {
        at: at(20),
        agency: "post".parse().unwrap(),
        issuer: "https://login.post.example".to_owned(),
        kid: "k2".to_owned(),
        key: digest(12),
    }))
}
