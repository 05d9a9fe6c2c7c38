//! What the fixtures of changes of the rulebook hold.

use std::collections::BTreeSet;

use carnet::agency::keys::RetentionClass;
use carnet::agency::registry::InboxMode;
use carnet::broker::governance::{Act, Approval, Draft, Needs, SignedText, When};
use carnet::broker::record::{
    Accessed, Activated, Approved, Checkpoint, Inquiry, Proposed, Record, Scheduled, Text,
    UnitEntry, Withdrawn,
};
use carnet::evidence::checkpoint;
use carnet::evidence::note::Note;
use carnet::evidence::tree::Frontier;
use carnet::journal::Lsn;
use carnet::message::id::ExchangeId;
use carnet::message::time::Timestamp;
use carnet::policy::change::Changes;

use crate::frames::sealing;
use crate::ring::ring;
use crate::values::{Sample, at, digest, genesis, sample, unit};

/// All samples of records of it.
pub(crate) fn records() -> Vec<Sample> {
    let since = Text::Since {
        whole: Lsn(64),
        changes: changes(),
    };
    let whole = Text::Whole(genesis(&[]).bundle);
    let waits = [
        ("proposed-least", proposed(1, least(When::Asked))),
        ("proposed-approved", proposed(2, least(When::Approved))),
        ("proposed", proposed(3, full())),
    ];
    let proposed = waits.map(|(name, it)| sample(name, Record::Proposed(Box::new(it))));
    let mut all = vec![
        sample(
            "activated",
            Record::Activated(Box::new(activated(None, whole))),
        ),
        sample(
            "activated-since",
            Record::Activated(Box::new(activated(Some(3), since))),
        ),
        sample(
            "approved",
            Record::Approved(Box::new(approved(3, "customs/o-2117", 2))),
        ),
        sample("withdrawn", Record::Withdrawn(withdrawn(2))),
        sample("accessed", Record::Accessed(Box::new(accessed()))),
        sample(
            "probed",
            Record::Probed {
                at: Timestamp::from_millis(9_000),
            },
        ),
        sample("checkpoint", Record::Checkpoint(Box::new(checkpoint()))),
        sample("scheduled-least", Record::Scheduled(scheduled(None))),
        sample("scheduled", Record::Scheduled(scheduled(Some(9_000)))),
    ];
    all.extend(proposed);
    all
}

pub(crate) fn checkpoint() -> Checkpoint {
    let nodes = vec![digest(4), digest(2), digest(1)];
    let origin = "log.example/carnet".to_owned();
    let tree = Frontier::of(7, nodes).unwrap();
    let head = tree.head();
    Checkpoint {
        at: Timestamp::from_millis(9_500),
        tree,
        next: Lsn(4_096),
        note: Note {
            text: checkpoint::Checkpoint { origin, head }.to_string(),
            signatures: Vec::new(),
        }
        .to_string(),
    }
}

fn accessed() -> Accessed {
    let inquiry = Inquiry {
        why: "complaint 12/2026",
        query: "{\"last\":10}",
    };
    Accessed {
        at: Timestamp::from_millis(8_000),
        act: act("post/m-0077", 7),
        id: ExchangeId([4; 16]),
        asked: inquiry.seal(&sealing(&ring()), RetentionClass::PRIVATE),
        results: 3,
    }
}

pub(crate) fn act(by: &str, key: u8) -> Act {
    Act {
        by: by.parse().unwrap(),
        key: digest(key),
        vouched_by: None,
    }
}

fn changes() -> Changes {
    let mut changes = Changes::default();
    changes.insert("policies/post.cedar", Some(b"permit".to_vec()));
    changes.insert("policies/tables/post.csv", None);
    changes
}

pub(crate) fn least(when: When) -> Draft {
    Draft {
        act: act("post/o-1001", 1),
        owner: "post".parse().unwrap(),
        base: digest(7),
        digest: digest(8),
        impact: None,
        changes: changes(),
        title: "Orchids are plants".to_owned(),
        when,
        returns: None,
        needs: Needs::agency("post".parse().unwrap()),
    }
}

pub(crate) fn full() -> Draft {
    let members = ["customs", "police", "post"].map(|name| name.parse().unwrap());
    Draft {
        act: Act {
            vouched_by: Some(digest(9)),
            ..act("board/o-77", 1)
        },
        owner: "board".parse().unwrap(),
        impact: Some(digest(10)),
        returns: Some(1),
        needs: Needs::quorum(2, BTreeSet::from(members)).unwrap(),
        ..least(When::At(at(9_000)))
    }
}

pub(crate) fn proposed(number: u64, draft: Draft) -> Proposed {
    Proposed {
        at: at(10),
        number,
        draft,
    }
}

pub(crate) fn approved(proposal: u64, by: &str, key: u8) -> Approved {
    Approved {
        at: at(11),
        approval: Approval {
            act: act(by, key),
            proposal,
            signed: signed("carnet approval 1\n"),
        },
    }
}

pub(crate) fn signed(statement: &str) -> SignedText {
    SignedText {
        statement: statement.to_owned(),
        scheme: "ecdsa-p256-sha256".to_owned(),
        signature: vec![0x30, 0x45],
        certificate: vec![0x30, 0x82],
    }
}

pub(crate) fn withdrawn(proposal: u64) -> Withdrawn {
    Withdrawn {
        at: at(12),
        act: act("post/o-1002", 3),
        proposal,
    }
}

fn scheduled(until: Option<i64>) -> Scheduled {
    Scheduled {
        at: at(13),
        act: act("post/o-1002", 3),
        proposal: 2,
        until: until.map(at),
    }
}

pub(crate) fn activated(proposal: Option<u64>, text: Text) -> Activated {
    Activated {
        at: at(14),
        proposal,
        tells: proposal
            .map(|_| "customs".parse().unwrap())
            .into_iter()
            .collect(),
        digest: digest(8),
        text,
        units: vec![UnitEntry {
            id: unit("post/main"),
            inbox: InboxMode::Off,
            listed: true,
            delivery_limit: Some(3),
        }],
    }
}
