//! The vocabulary on disk: every word with its number, and what goes with it.
//!
//! A number is never given to another word and never used again; a new word takes a new number and
//! comes with a new schema number. The order in which the code declares its words means nothing
//! here. A number that is not in this table is an error.

use std::collections::BTreeSet;

use super::form::Form;
use super::take::{Malformed, Take};
use crate::agency::officer::{Holder, OfficerId};
use crate::agency::registry::{InboxMode, Party};
use crate::broker::governance::{Stage, State, When};
use crate::broker::ledger::QueueKind;
use crate::broker::record::{
    Argument, CaseStep, Cause, EndedBy, Measure, OrderChange, Outcome, Released, Settling, Text,
};
use crate::broker::register::CaseState;
use crate::journal::Lsn;
use crate::message::bundle::Bundle;
use crate::message::facts::FactValue;
use crate::message::id::{AgencyId, Category, KeyedDigest, UnitId};
use crate::message::spans::{Part, Quoted, Shown};
use crate::message::time::Timestamp;
use crate::policy::change::Changes;
use crate::policy::measures::{Level, Permits};
use crate::policy::recovery::Turn;
use crate::policy::standing::{CaseId, StandingKey};
use crate::policy::words::{Onward, PolicyId};

/// A choice among words, each with its number, which can stand apart from what goes with the word.
pub(super) trait Numbered<'a>: Sized {
    /// The number of the word.
    fn number(&self) -> u8;

    /// Appends what goes with the word.
    fn put_inside(&self, out: &mut Vec<u8>);

    /// Reads the word of this number from what goes with it; none where there is no such number.
    fn take_inside(number: u8, from: &mut Take<'a>) -> Result<Option<Self>, Malformed>;
}

/// The numbers of words. Behind a semicolon stands the word whose choice has numbers of its own.
macro_rules! numbered {
    ($name:ty {
        $($number:literal = $word:ident
            $(( $($nth:ident: $item:ty),+ ))?
            $({ $($field:ident: $inside:ty),+ $(,)? })?
        ),+ $(,)?
        $(; $outer:ident($inner:ty))?
    }) => {
        impl<'a> $crate::broker::format::words::Numbered<'a> for $name {
            fn number(&self) -> u8 {
                match self {
                    $(Self::$word { .. } => $number,)+
                    $(Self::$outer(inner) => inner.number(),)?
                }
            }

            fn put_inside(&self, out: &mut Vec<u8>) {
                // Some words stand alone.
                _ = &*out;
                match self {
                    $(Self::$word $(( $($nth),+ ))? $({ $($field),+ })? => {
                        $($(<$item as Form<'a>>::put($nth, out);)+)?
                        $($(<$inside as Form<'a>>::put($field, out);)+)?
                    })+
                    $(Self::$outer(inner) => inner.put_inside(out),)?
                }
            }

            fn take_inside(number: u8, from: &mut Take<'a>) -> Result<Option<Self>, Malformed> {
                _ = &*from;
                Ok(match number {
                    $($number => {
                        $($(let $nth = <$item as Form<'a>>::take(from)?;)+)?
                        $($(let $field = <$inside as Form<'a>>::take(from)?;)+)?
                        Some(Self::$word $(( $($nth),+ ))? $({ $($field),+ })?)
                    })+
                    _ => None $(.or(<$inner>::take_inside(number, from)?.map(Self::$outer)))?
                })
            }
        }
    };
}
pub(super) use numbered;

/// Words whose number stands in front of what goes with them.
macro_rules! words {
    ($name:ty { $($table:tt)+ }) => {
        numbered!($name { $($table)+ });

        impl<'a> Form<'a> for $name {
            const LEAST: usize = 1;

            fn put(&self, out: &mut Vec<u8>) {
                out.push(self.number());
                self.put_inside(out);
            }

            fn take(from: &mut Take<'a>) -> Result<Self, Malformed> {
                let before = from.malformed();
                let number = from.u8()?;
                Self::take_inside(number, from)?.ok_or(before)
            }
        }
    };
}

words!(Cause {
    1 = Rejected,
    2 = Expired,
    3 = DeliveryLimit,
    4 = MaxLength,
});

words!(Settling {
    1 = Acked,
    2 = Rejected,
    3 = Expired,
    4 = DeliveryLimit,
    5 = MaxLength,
    6 = Requeued,
    7 = Left,
    8 = Interrupted,
});

words!(InboxMode {
    1 = All,
    2 = Unbound,
    3 = Off,
});

words!(Onward {
    1 = Free,
    2 = SamePurpose,
    3 = AskOriginator,
    4 = NoOnward,
});

words!(Level {
    1 = Normal,
    2 = Degraded,
    3 = Fallback,
    4 = Closed,
});

words!(Permits {
    1 = All,
    2 = Named(permits: BTreeSet<PolicyId>),
});

words!(Measure {
    1 = Level(level: Level),
    2 = Suspend(permits: Permits),
    3 = Lift(measure: u64),
});

words!(EndedBy {
    1 = Time,
    2 = Gone,
    3 = Withdrawn,
    4 = Needless,
});

words!(Stage {
    1 = Waits,
    2 = Holds,
    3 = Done { at: Timestamp },
    4 = Ended { at: Timestamp, why: EndedBy },
    5 = Lifted { at: Timestamp, by: u64 },
    6 = Replaced { at: Timestamp, by: u64 },
});

words!(Turn {
    1 = Recovery,
    2 = RecoveryBack,
    3 = End,
    4 = EndBack,
});

words!(Category {
    1 = Reference,
    2 = Party,
    3 = Identity,
    4 = Goods,
    5 = Commercial,
    6 = Financial,
    7 = Route,
    8 = Environment,
    9 = Postal,
    10 = Control,
    11 = Risk,
    12 = Investigation,
    13 = Special,
    14 = Officer,
    15 = Narrative,
});

words!(Shown {
    1 = Clear,
    2 = Token,
    3 = Quoted,
});

words!(QueueKind {
    1 = Inbox,
    2 = Receipts,
    3 = Dead,
    4 = Own,
});

words!(CaseState {
    1 = Open { invites: BTreeSet<AgencyId> },
    2 = Closed { at: Timestamp },
});

words!(Text {
    1 = Whole(bundle: Bundle),
    2 = Since { whole: Lsn, changes: Changes },
});

words!(Holder {
    1 = Agency(agency: AgencyId),
    2 = Board,
});

words!(When {
    1 = Asked,
    2 = Approved,
    3 = At(time: Timestamp),
});

words!(State {
    1 = Pending,
    2 = Activated(number: u64),
    3 = Withdrawn { at: Timestamp, by: OfficerId },
    4 = Superseded(number: u64),
});

words!(Party {
    1 = Agency(agency: AgencyId),
    2 = Unit(unit: UnitId),
});

words!(StandingKey {
    1 = Case(case: CaseId),
    2 = Measures(agency: AgencyId),
    3 = Bans(case: CaseId, holder: Party),
    4 = Orders(key: KeyedDigest),
    5 = NewestCase,
});

words!(Outcome {
    1 = Released(released: Released),
    2 = Refused { policies: Vec<PolicyId> },
});

words!(OrderChange {
    1 = Opens {
        number: KeyedDigest,
        subjects: Vec<KeyedDigest>,
        deadline: Timestamp,
    },
    2 = Withdraws { number: KeyedDigest },
    3 = Reports { number: KeyedDigest },
});

words!(CaseStep {
    1 = Open { areas: Vec<String>, invites: Vec<AgencyId> },
    2 = Join,
    3 = Close,
});

words!(Argument {
    1 = Bool(value: bool),
    2 = Integer(value: i64),
    3 = Text(value: String),
    4 = Other(value: String),
});

words!(FactValue {
    1 = Strings(values: BTreeSet<String>),
    2 = Areas(values: BTreeSet<String>),
    3 = Long(value: i64),
    4 = Bool(value: bool),
    5 = Time(value: Timestamp),
});

words!(Part {
    1 = Run { start: usize, end: usize, category: Category },
    2 = Within {
        start: usize,
        inner: usize,
        close: usize,
        end: usize,
        parts: usize,
    },
    3 = Token {
        start: usize,
        value: usize,
        after: usize,
        end: usize,
        kind: String,
        quoted: Option<Quoted>,
    },
});
