//! The properties of a publish: what each must be, whatever the headers say.

use std::time::Duration;

use super::publish::{Publish, SenderTerms};
use crate::message::entry::MessageEntry;
use crate::message::faults::{Found, Invalid};
use crate::message::identifier::is_name;
use crate::message::rule;

/// The place of faults of the body as a whole, its size.
pub(in crate::message) const BODY: &str = "body";
/// The text has to fit a return's 255 octets.
const MISSING_ID: &str = "is missing: a unique id, the same again on a retry. \
    pika message_id=, Spring setCreateMessageIds(true), Celery apply_async(message_id=), \
    amqplib messageId, .NET MessageId";

/// What every publish must be: its sender's own, of JSON as it is, and not more than can be kept.
pub(super) fn hold_sender(publish: &Publish, user_id: &str, found: &mut Found) {
    if publish.user_id.as_deref().is_some_and(|id| id != user_id) {
        let says = format!("is not this system's; leave it out or set it to {user_id}");
        found.add(Invalid::envelope("property user_id", &rule::USER_ID, says));
    }
    if !publish.content_type.as_deref().is_none_or(is_json) {
        let says = "is not application/json in UTF-8; set it so";
        let place = "property content_type";
        found.add(Invalid::envelope(place, &rule::CONTENT_TYPE, says));
    }
    let encoding = publish.content_encoding.as_deref().unwrap_or_default();
    if !["", "utf-8", "utf8", "binary", "identity"]
        .contains(&encoding.to_ascii_lowercase().as_str())
    {
        let says = "is not utf-8; send the body as it is, not compressed";
        let place = "property content_encoding";
        found.add(Invalid::envelope(place, &rule::CONTENT_ENCODING, says));
    }
    if let Some(octets) = publish.read_over {
        let says = format!("has {octets} octets, more than any type allows; send less in one");
        found.add(Invalid::envelope(BODY, &rule::MAX_SIZE, says));
    }
}

/// What the properties must be, whatever the headers say.
pub(super) fn hold(
    publish: &Publish,
    entry: &MessageEntry,
    terms: &SenderTerms<'_>,
    found: &mut Found,
) {
    hold_sender(publish, terms.user_id, found);
    let place = "property message_id";
    match publish.message_id.as_deref().filter(|id| !id.is_empty()) {
        None if terms.derives_message_id => {}
        None => found.add(Invalid::envelope(place, &rule::MESSAGE_ID, MISSING_ID)),
        Some(id) if !is_name(id) => {
            let says = "is blank or has control characters; set a unique id";
            found.add(Invalid::envelope(place, &rule::MESSAGE_ID, says));
        }
        Some(_) => {}
    }
    let (octets, octets_max) = (publish.body.len(), entry.max_size_bytes);
    if octets > octets_max {
        let says = format!("has {octets} octets, and this type allows {octets_max}");
        found.add(Invalid::envelope(BODY, &rule::MAX_SIZE, says));
    }
}

/// `application/json`, in any case, with parameters; a charset among them must be UTF-8 or within.
fn is_json(content_type: &str) -> bool {
    let mut parts = content_type
        .split(';')
        .map(|part| part.trim().to_ascii_lowercase());
    let is_json = parts
        .next()
        .is_none_or(|media| media.is_empty() || media == "application/json");
    let is_utf8 = |part: String| match part.strip_prefix("charset=") {
        Some(charset) => matches!(charset.trim_matches('"'), "utf-8" | "utf8" | "us-ascii"),
        None => true,
    };
    is_json && parts.all(is_utf8)
}

/// Property `expiration`: milliseconds as decimal digits, and nothing else.
pub fn expires_after(text: &str) -> Result<Duration, Invalid> {
    let is_decimal = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let ms = text.parse().ok().filter(|_| is_decimal);
    ms.map(Duration::from_millis).ok_or_else(|| {
        let says = "is not a number of milliseconds in decimal digits";
        Invalid::envelope("property expiration", &rule::EXPIRATION, says)
    })
}

/// `00-<32 hex>-<16 hex>-<2 hex>`, ids not all zero.
pub(super) fn is_traceparent(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let is_hex = |part: &str, length| {
        part.len() == length
            && part
                .bytes()
                .all(|b| b.is_ascii_digit() || matches!(b, b'a'..=b'f'))
    };
    match parts.as_slice() {
        [version, trace, parent, flags] => {
            *version == "00"
                && is_hex(trace, 32)
                && is_hex(parent, 16)
                && is_hex(flags, 2)
                && [trace, parent]
                    .iter()
                    .all(|id| id.bytes().any(|b| b != b'0'))
        }
        _ => false,
    }
}
