//! The names of headers: the broker's own, those that it reads, and those that frameworks set.
//!
//! A header that narrows a message and is written otherwise must never be dropped: its sender
//! believes that it is narrowed, and it would reach all whom the rules allow. The place of a fault is
//! the name as it is ours: its sender's spelling is in the text alone, for it may be a person's.

use crate::message::faults::Invalid;
use crate::message::rule;

/// Headers that say to whom a message goes, for what, and what they may do with it.
const READ: [&str; 5] = ["to", "purpose", "case", "handling", "justification"];
/// Letters of a name of [`READ`], at least, where a header that is one slip away is taken for it.
const SLIP_LETTERS_MIN: usize = 5;

/// Headers that frameworks set by themselves and that mean nothing here, in lower case: in what
/// Spring, the tracers, the .NET clients and `MassTransit`, Celery and Symfony send.
const OF_FRAMEWORKS: [&str; 39] = [
    "__typeid__",
    "__contenttypeid__",
    "__keytypeid__",
    "contenttype",
    "content-type",
    "tracestate",
    "baggage",
    "correlation-context",
    "request-id",
    "diagnostic-id",
    "b3",
    "uber-trace-id",
    "sentry-trace",
    "elastic-apm-traceparent",
    "x-amzn-trace-id",
    "newrelic",
    "sw8",
    "x-dotnet-pub-seq-no",
    "publishid",
    "argsrepr",
    "eta",
    "expires",
    "group",
    "group_index",
    "id",
    "ignore_result",
    "kwargsrepr",
    "lang",
    "origin",
    "parent_id",
    "replaced_task_nesting",
    "retries",
    "root_id",
    "shadow",
    "stamped_headers",
    "stamps",
    "task",
    "timelimit",
    "type",
];
/// How the names of those begin of which there are many.
const OF_FRAMEWORKS_BEGIN: [&str; 8] = [
    "spring_",
    "x-b3-",
    "x-datadog-",
    "uberctx-",
    "mt-",
    "nservicebus.",
    "x-message-stamp-",
    "cloudevents:",
];

/// Whether a header's name is one of those that the broker alone writes, or is taken for one by who
/// trims names or does not mind their case: `x-carnet` in any case, with `_` for `-`, behind blanks or
/// other signs.
pub fn is_ours(name: &str) -> bool {
    let name = name.trim_start_matches(|sign: char| !sign.is_alphanumeric());
    let is = |(one, ours): (u8, u8)| one.eq_ignore_ascii_case(&ours) || (one, ours) == (b'_', b'-');
    let ours = b"x-carnet";
    name.len() >= ours.len() && name.bytes().zip(*ours).all(is)
}

/// Refuses a name that only the broker writes.
pub(super) fn not_reserved(name: &str) -> Result<(), Invalid> {
    let ours = match name {
        "x-death" | "CC" | "BCC" => name,
        _ if is_ours(name) => "x-carnet-*",
        _ => return Ok(()),
    };
    let says = format!("is the broker's own; leave '{}' out", cut(name));
    Err(Invalid::envelope(header_place(ours), &rule::RESERVED, says))
}

/// Refuses a name that is taken for one of [`READ`] and is not it.
pub(super) fn not_misspelt(name: &str) -> Result<(), Invalid> {
    let letters = name.chars().filter(|sign| sign.is_alphanumeric());
    let letters: Vec<char> = letters.flat_map(char::to_lowercase).collect();
    let is_meant = |ours: &&str| {
        let ours: Vec<char> = ours.chars().collect();
        letters == ours || (ours.len() >= SLIP_LETTERS_MIN && is_one_slip(&letters, &ours))
    };
    match READ.into_iter().find(is_meant) {
        Some(ours) => {
            let written = cut(name);
            let says = format!("is written '{written}'; write it {ours}, or name it otherwise");
            Err(Invalid::envelope(header_place(ours), &rule::SPELLING, says))
        }
        None => Ok(()),
    }
}

/// Whether a framework sets such a header by itself: its sender need not be told that it is dropped.
pub(super) fn is_of_a_framework(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let begins = |start: &&str| name.starts_with(*start);
    OF_FRAMEWORKS.contains(&name.as_str()) || OF_FRAMEWORKS_BEGIN.iter().any(begins)
}

/// Whether the two differ by one letter that is another, missing, too many, or in its neighbour's
/// place.
fn is_one_slip(one: &[char], other: &[char]) -> bool {
    let same = one.iter().zip(other).take_while(|(a, b)| a == b).count();
    let (one, other) = (one.get(same..), other.get(same..));
    match (one.unwrap_or_default(), other.unwrap_or_default()) {
        ([a, b, one @ ..], [c, d, other @ ..]) if (a, b) == (d, c) && one == other => true,
        ([_, one @ ..], [_, other @ ..]) if one == other => true,
        ([_, one @ ..], other) if one == other => true,
        (one, [_, other @ ..]) => one == other,
        _ => false,
    }
}

/// A header as a place: of a fault by a name that is ours, of a warning, which its sender alone is
/// shown, as it was written.
pub(super) fn header_place(name: &str) -> String {
    format!("header {}", cut(name))
}

/// The first 64 characters of a header's name.
fn cut(name: &str) -> String {
    name.chars().take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_of_ours_however_it_is_written_and_the_longer_ones_with_a_slip_too() {
        let written = [
            (
                "to",
                vec!["To", "TO", " to", "to ", "t.o", "\"to\"", "_to_"],
            ),
            ("case", vec!["Case", "CASE", "c-a-s-e"]),
            (
                "purpose",
                vec![
                    "Purpose", "purposes", "pupose", "purpsoe", "porpose", "PURPOSE_",
                ],
            ),
            (
                "handling",
                vec!["Handling", "handeling", "hanlding", "handing"],
            ),
            ("justification", vec!["Justification", "justificaton"]),
        ];
        for (ours, names) in written {
            assert!(not_misspelt(ours).is_err(), "{ours} is read before");
            for name in names {
                let says = not_misspelt(name).unwrap_err();
                assert!(says.says.contains(&format!("write it {ours},")), "{says}");
            }
        }
        // Short words have too many neighbours, and a likeness is not a slip.
        for other in [
            "too", "t", "cases", "base", "propose", "handle", "x-to", "case-id", "reply_to",
        ] {
            assert!(not_misspelt(other).is_ok(), "{other}");
        }
    }

    #[test]
    fn what_frameworks_set_is_known_in_any_case() {
        for name in [
            "__TypeId__",
            "TraceState",
            "baggage",
            "X-B3-TraceId",
            "MT-Activity-Id",
            "lang",
        ] {
            assert!(is_of_a_framework(name), "{name}");
        }
        for name in ["x-request", "priority", "expiration", "spring"] {
            assert!(!is_of_a_framework(name), "{name}");
        }
    }

    #[test]
    fn no_header_of_a_framework_is_taken_for_one_of_ours() {
        for name in OF_FRAMEWORKS.iter().chain(&OF_FRAMEWORKS_BEGIN) {
            assert!(
                not_misspelt(name).is_ok() && not_reserved(name).is_ok(),
                "{name}"
            );
            assert_eq!(*name, name.to_lowercase());
        }
    }
}
