//! What is done in a random life, by whom.

use super::governed::{Govern, governs, officers};
use super::measured::{Does, does};
use super::*;

/// Who is connected; two systems of customs share its queues.
pub(super) const PLACES: [(&str, &str); 6] = [
    ("post", "items"),
    ("customs", "declarations"),
    ("environment", "permits"),
    ("police", "operations"),
    ("customs", "investigation"),
    ("customs", "declarations"),
];
pub(super) const CUSTOMS: usize = 1;

/// Queues of customs' own: what dies in the first goes to the second, the third ends with its connection.
pub(super) const OWN: [&str; 3] = ["work", "parked", "mine"];
/// All slots of a place: the standing ones, then its own.
pub(super) const SLOTS: usize = 3 + OWN.len();

/// What customs may keep in queues of its own.
pub(super) const QUOTA: Volume = Volume {
    messages: 12,
    octets: 3_500,
};

/// What is published, by whom, and with which header.
pub(super) const KINDS: [(usize, &str, (&str, &str)); 15] = [
    (0, "movement.event/valid/arrived", ("", "")),
    (0, "movement.event/valid/story-04", ("", "")),
    (0, "movement.event/valid/arrived", ("expires", "65")),
    (0, "movement.event/valid/arrived", ("to", "nobody/main")),
    (
        0,
        "movement.event/valid/arrived",
        ("purpose", "law-enforcement"),
    ),
    (0, "postal.item/valid/ornaments", ("", "")),
    (0, "postal.item/valid/orchids", ("", "")),
    (0, "postal.item/invalid/wrong-check-digit", ("", "")),
    (1, "declaration.import/valid/story-10", ("case", "C-1")),
    (1, "risk.assessment/valid/drugs", ("", "")),
    (
        1,
        "control.order/valid/story-03",
        ("to", "environment/main+post/main"),
    ),
    (2, "permit.cites/valid/ivory", ("", "")),
    (1, "case.open", ("", "")),
    (3, "case.join", ("", "")),
    (1, "case.close", ("", "")),
];

/// In the investigators' entry: what they receive, and all.
const INVESTIGATION: (&str, &str, &str) = (
    "agencies/customs/agency.toml",
    "receives = [\"control.order\", \"control.result\", \"seizure.report\"]",
    "receives = [\"*\"]",
);

/// Rulebooks that come into force: the repository's, one that gives environment less, one in which the
/// investigators are listed and receive all, one in which they are not and get what customs get.
pub(super) const RULEBOOKS: [&[(&str, &str, &str)]; 4] = [
    &[],
    &[(
        "policies/post.cedar",
        "     Border::Action::\"disclose:goods\",\n     Border::Action::\"disclose:postal\"],",
        "     Border::Action::\"disclose:postal\"],",
    )],
    &[
        ("agencies/customs/agency.toml", "\nlisted = false", ""),
        INVESTIGATION,
    ],
    &[
        INVESTIGATION,
        (
            "policies/post.cedar",
            "[Border::Purpose::\"customs-control\",",
            "[Border::Purpose::\"law-enforcement\", Border::Purpose::\"customs-control\",",
        ),
    ],
];

/// Reading a rulebook is dear: each is read once, whichever lives have it.
pub(super) fn border(rulebook: usize, epoch: u64) -> Arc<Border> {
    static READ: Mutex<BTreeMap<(usize, u64), Arc<Border>>> = Mutex::new(BTreeMap::new());
    let mut read = READ.lock().unwrap();
    if let Some(border) = read.get(&(rulebook, epoch)) {
        return Arc::clone(border);
    }
    let shipped = read
        .entry((0, 1))
        .or_insert_with(|| Arc::new(Border::read()));
    let border = Arc::new(shipped.changed(RULEBOOKS[rulebook], epoch));
    read.insert((rulebook, epoch), Arc::clone(&border));
    border
}

/// What a thousand random lives come across, all taken together.
pub(super) const SEEN: [&str; 28] = [
    // Causes of death, where something takes what dies.
    "rejected",
    "expired",
    "delivery_limit",
    "maxlen",
    // How deliveries, and the wait of entries, end.
    "acknowledged",
    "returned too often",
    "dropped from full queues",
    "requeued",
    "left by ended channels",
    "interrupted",
    // What becomes of publishes.
    "went back",
    "went back behind another",
    "repeated",
    "refused again",
    "refused, and reached another",
    "a case changed",
    "more than may be kept",
    "more octets than may be kept",
    // And of releases.
    "narrowed",
    "too late to be narrowed",
    // And of changes of the rulebook.
    "governed",
    "activated by a proposal",
    // And of measures.
    "suspended",
    "suspended for longer",
    "lifted",
    "confirmed",
    "replaced",
    "ended without its permits",
];

#[derive(Debug, Clone, Copy)]
pub(super) enum Act {
    /// Whether it is handed over with what follows, so that its ruling may be old by then.
    Publish {
        kind: usize,
        late: bool,
    },
    /// A message of before once more; with another content.
    Again {
        which: usize,
        other: bool,
    },
    Private {
        queue: usize,
        copies: bool,
        brief: bool,
    },
    Declare(usize),
    Purge(usize),
    Delete(usize),
    Consume {
        at: (usize, usize),
        limit: u16,
    },
    Get((usize, usize)),
    Close((usize, usize)),
    Settle(usize, Settle),
    Reconnect {
        place: usize,
        ended: bool,
    },
    Activate(usize),
    Govern(Govern),
    /// By an officer with this key.
    Measure {
        does: Does,
        by: (usize, usize),
    },
    Wait(u64),
    Restart {
        clean: bool,
    },
}

/// What hardly comes by itself: a repeat of what was refused reaches somebody of whom its sender must not
/// know; a release is narrowed; a connection is gone before its delivery could be.
pub(super) const RARE: [Act; 38] = [
    published(4),
    Act::Activate(3),
    Act::Again {
        which: 0,
        other: false,
    },
    published(6),
    published(6),
    Act::Activate(1),
    Act::Consume {
        at: (2, 0),
        limit: 1,
    },
    // Its release is narrowed behind this, which finds nothing in hand, and settled by the next.
    Act::Settle(1, Settle::Ack),
    Act::Settle(1, Settle::Ack),
    Act::Reconnect {
        place: 2,
        ended: false,
    },
    // One that nobody takes goes on to the second queue, one ends there.
    own(0),
    Act::Consume {
        at: (CUSTOMS, 3),
        limit: 0,
    },
    BACK,
    BACK,
    own(1),
    Act::Consume {
        at: (CUSTOMS, 4),
        limit: 0,
    },
    BACK,
    BACK,
    // The first rulebook comes back, by two officers of post.
    Act::Govern(Govern::Propose {
        owner: 0,
        rulebook: 0,
        by: (0, 0),
    }),
    Act::Govern(Govern::Approve {
        which: 0,
        by: (1, 1),
    }),
    Act::Govern(Govern::Schedule {
        which: 0,
        by: 1,
        tens: 1,
    }),
    Act::Govern(Govern::Activate {
        which: 0,
        rulebook: 0,
    }),
    // All that post gives is suspended, for longer than one officer's word lasts, until two lift it.
    published(5),
    measure(Does::Suspend(0), 0),
    published(5),
    measure(Does::Confirm(0), 1),
    measure(Does::Pass(2), 0),
    published(5),
    measure(Does::Lift(0), 1),
    measure(Does::Confirm(0), 0),
    published(5),
    // By one officer's word, up to its end.
    measure(Does::Suspend(1), 1),
    measure(Does::Pass(2), 0),
    published(5),
    // One level takes the place of another.
    measure(Does::Level { level: 2, tens: 50 }, 0),
    measure(Does::Confirm(0), 1),
    measure(Does::Level { level: 3, tens: 50 }, 1),
    measure(Does::Confirm(0), 0),
];

/// By an officer with his own key.
const fn measure(does: Does, officer: usize) -> Act {
    let by = (officer, officer);
    Act::Measure { does, by }
}

/// What is in hand, and comes back.
const BACK: Act = Act::Settle(1, Settle::Requeue);

const fn own(queue: usize) -> Act {
    let (copies, brief) = (false, false);
    Act::Private {
        queue,
        copies,
        brief,
    }
}

const fn published(kind: usize) -> Act {
    let late = false;
    Act::Publish { kind, late }
}

pub(super) fn acts() -> impl Strategy<Value = Vec<Act>> {
    let own = 0..OWN.len();
    let at = (0..PLACES.len(), 0..SLOTS);
    let how = prop_oneof![
        3 => Just(Settle::Ack),
        2 => Just(Settle::Requeue),
        1 => Just(Settle::Reject)
    ];
    let kind = 0..KINDS.len();
    let act = prop_oneof![
        24 => (kind, any::<bool>()).prop_map(|(kind, late)| Act::Publish { kind, late }),
        3 => (0..9_usize, any::<bool>()).prop_map(|(which, other)| Act::Again { which, other }),
        8 => (own.clone(), any::<bool>(), any::<bool>())
            .prop_map(|(queue, copies, brief)| Act::Private { queue, copies, brief }),
        3 => own.clone().prop_map(Act::Declare),
        1 => own.clone().prop_map(Act::Purge),
        1 => own.prop_map(Act::Delete),
        10 => (at.clone(), 0..4_u16).prop_map(|(at, limit)| Act::Consume { at, limit }),
        4 => at.clone().prop_map(Act::Get),
        2 => at.prop_map(Act::Close),
        14 => (0..9_usize, how).prop_map(|(which, how)| Act::Settle(which, how)),
        3 => (0..PLACES.len(), any::<bool>())
            .prop_map(|(place, ended)| Act::Reconnect { place, ended }),
        1 => (0..RULEBOOKS.len()).prop_map(Act::Activate),
        9 => governs().prop_map(Act::Govern),
        9 => (does(), officers()).prop_map(|(does, by)| Act::Measure { does, by }),
        4 => (1..30_u64).prop_map(Act::Wait),
        1 => any::<bool>().prop_map(|clean| Act::Restart { clean }),
    ];
    prop::collection::vec(act, 1..120)
}
