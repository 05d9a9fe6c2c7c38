//! What a sender is told of faults: the sentences of a return, and each with its text in a receipt.

use crate::broker::record::{Confidential, FaultTold};
use crate::broker::reply::SENTENCE_BYTES;
use crate::message::valid::{Faults, Invalid};

/// The one answer for unknown, unlisted, hidden and unpermitted addressees.
pub(super) const NOT_PERMITTED: &str = "not permitted";

/// Faults that a return names, at most.
const RETURNED_MAX: usize = 5;

/// The sentence of a return. With the code's name before it, which the session writes, it fits a short
/// string of AMQP.
pub(in crate::broker) fn sentence(says: &str) -> String {
    cut(says.to_owned(), SENTENCE_BYTES)
}

/// The first faults, as many as fit, and how many more there are.
pub(in crate::broker) fn sentences(faults: &Faults) -> String {
    let count = faults.count();
    let first = faults.first.to_string();
    if count == 1 {
        return sentence(&first);
    }
    let rest = |told: usize| match count - told {
        0 => String::new(),
        more => format!("; {more} more in the receipt"),
    };
    let mut text = cut(first, SENTENCE_BYTES - rest(1).len());
    for (nth, fault) in faults.others.iter().enumerate().take(RETURNED_MAX - 1) {
        let longer = format!("{text}; {fault}");
        if longer.len() + rest(nth + 2).len() > SENTENCE_BYTES {
            return text + &rest(nth + 1);
        }
        text = longer;
    }
    let told = count.min(RETURNED_MAX);
    text + &rest(told)
}

/// A fault as its receipt has it.
pub(in crate::broker) fn fault(invalid: &Invalid) -> FaultTold<'_> {
    FaultTold {
        place: &invalid.place,
        rule: &invalid.rule,
        text: &invalid.says,
    }
}

fn cut(mut text: String, bytes_max: usize) -> String {
    text.truncate(text.floor_char_boundary(bytes_max));
    text
}

impl<'a> Confidential<'a> {
    /// The reason that a return names where no unit that the sender may know of gets the message.
    pub fn refusal_text(&self) -> &'a str {
        let first = self.told.first();
        first.map_or(NOT_PERMITTED, |told| told.reason)
    }
}
