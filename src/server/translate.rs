//! Between the wire's types and the domain's: properties, headers, arguments, reply codes.

use std::borrow::Cow;
use std::fmt::Write as _;

use bytes::Bytes;

use crate::amqp::{
    self, AMQPValue, BasicProperties, FieldArray, FieldTable, LongString, Reply, ReplyCode,
    ShortString, TableLimits,
};
use crate::broker::command::sorted;
use crate::broker::delivery::{Made, Rendered, Shown};
use crate::broker::exchange::{Arrived, Returnable};
use crate::broker::limits::{COPIES, MADE_PROPERTIES_BYTES, QUEUE_ARGUMENT_BYTES};
use crate::broker::record::{Argument, QueueProperties};
use crate::broker::reply::Refusal;
use crate::message::envelope::{HeaderValue, Publish, is_ours};

/// What tables of clients may hold.
pub(super) const TABLES: TableLimits = TableLimits {
    depth_max: 16,
    bytes_max: 65_536,
};

/// A publish to the exchange `carnet`.
pub(super) fn publish(from: amqp::Publish) -> Arrived {
    let properties = &from.properties;
    let text = |value: &Option<ShortString>| value.as_ref().map(ToString::to_string);
    let headers = properties.headers().iter().flat_map(FieldTable::inner);
    let publish = Publish {
        message_type: from.routing_key,
        message_id: text(properties.message_id()),
        correlation_id: text(properties.correlation_id()),
        content_type: text(properties.content_type()),
        content_encoding: text(properties.content_encoding()),
        expiration: text(properties.expiration()),
        user_id: text(properties.user_id()),
        priority: *properties.priority(),
        body: from.body,
        read_over: from.read_over,
        headers: headers
            .map(|(name, value)| (name.to_string(), header(value)))
            .collect(),
    };
    Arrived {
        publish,
        exchange: from.exchange,
        raw_properties: from.raw_properties,
    }
}

/// What a return of a publish must carry.
pub(super) fn returnable(from: amqp::Publish) -> Returnable {
    Returnable {
        exchange: from.exchange,
        routing_key: from.routing_key,
        raw_properties: from.raw_properties,
        body: from.body,
    }
}

/// Whether a message has a header with a name like those that the broker alone writes.
pub(super) fn looks_like_ours(properties: &BasicProperties) -> bool {
    let headers = properties.headers().iter().flat_map(FieldTable::inner);
    headers.into_iter().any(|(name, _)| is_ours(name.as_str()))
}

/// Why the headers `CC` and `BCC` of a message say nothing of where it goes.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("header '{0}' is a list of at most {COPIES} routing keys, each a text")]
pub(super) struct BadCopies(&'static str);

/// Routing keys that headers `CC` and `BCC` add to a message's own.
pub(super) fn copies(properties: &BasicProperties) -> Result<Vec<String>, BadCopies> {
    let mut keys = Vec::new();
    let Some(headers) = properties.headers() else {
        return Ok(keys);
    };
    for name in ["CC", "BCC"] {
        let list = match headers.inner().get(name) {
            None => continue,
            Some(AMQPValue::FieldArray(list)) => list.as_slice(),
            Some(_) => return Err(BadCopies(name)),
        };
        for key in list {
            let key = match key {
                AMQPValue::LongString(text) => as_text(text),
                _ => None,
            };
            let key = key.filter(|_| keys.len() < COPIES).ok_or(BadCopies(name))?;
            keys.push(key);
        }
    }
    Ok(keys)
}

/// A message's properties as they travel: without header `BCC`, which names who must not be known.
pub(super) fn travelling(publish: &amqp::Publish) -> Cow<'_, [u8]> {
    let headers = publish.properties.headers().as_ref();
    let Some(headers) = headers.filter(|headers| headers.contains_key("BCC")) else {
        return Cow::Borrowed(&publish.raw_properties);
    };
    let mut shown = FieldTable::default();
    for (name, value) in headers.inner() {
        if name.as_str() != "BCC" {
            shown.insert(name.clone(), value.clone());
        }
    }
    let mut out = Vec::new();
    amqp::codec::encode_properties(&publish.properties.clone().with_headers(shown), &mut out);
    Cow::Owned(out)
}

fn header(value: &AMQPValue) -> HeaderValue {
    match value {
        AMQPValue::LongString(text) => as_text(text).map_or(HeaderValue::Other, HeaderValue::Text),
        AMQPValue::FieldArray(list) => {
            let texts = list.as_slice().iter().map(|value| match value {
                AMQPValue::LongString(text) => as_text(text),
                _ => None,
            });
            let texts: Option<Vec<String>> = texts.collect();
            texts.map_or(HeaderValue::Other, HeaderValue::List)
        }
        _ => HeaderValue::Other,
    }
}

fn as_text(text: &LongString) -> Option<String> {
    std::str::from_utf8(text.as_bytes()).ok().map(str::to_owned)
}

/// Arguments that are more than a queue or a consumer may have.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the arguments take more than {QUEUE_ARGUMENT_BYTES} octets")]
pub(super) struct ArgumentsTooLong;

/// What a queue is declared with.
pub(super) fn queue_properties(
    declare: &amqp::queue::Declare,
) -> Result<QueueProperties, ArgumentsTooLong> {
    Ok(QueueProperties {
        durable: declare.durable,
        exclusive: declare.exclusive,
        auto_delete: declare.auto_delete,
        arguments: sorted(arguments(&declare.arguments)?),
    })
}

/// Arguments by name.
pub(super) fn arguments(table: &FieldTable) -> Result<Vec<(String, Argument)>, ArgumentsTooLong> {
    let mut room = Room(QUEUE_ARGUMENT_BYTES);
    let mut arguments = Vec::new();
    for (name, value) in table.inner() {
        // A value of no length takes some octets all the same.
        room.take(name.as_str().len() + 8)?;
        arguments.push((name.to_string(), argument(value, &mut room)?));
    }
    Ok(arguments)
}

/// Octets that arguments may still take.
struct Room(usize);

impl Room {
    fn take(&mut self, octets: usize) -> Result<(), ArgumentsTooLong> {
        self.0 = self.0.checked_sub(octets).ok_or(ArgumentsTooLong)?;
        Ok(())
    }
}

/// A value as it prints, where there is room: it prints at many times its size.
struct Printed<'r> {
    text: String,
    room: &'r mut Room,
}

impl std::fmt::Write for Printed<'_> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.room.take(text.len()).map_err(|_| std::fmt::Error)?;
        self.text.push_str(text);
        Ok(())
    }
}

fn argument(value: &AMQPValue, room: &mut Room) -> Result<Argument, ArgumentsTooLong> {
    let integer = match value {
        AMQPValue::Boolean(value) => return Ok(Argument::Bool(*value)),
        AMQPValue::LongString(text) => {
            room.take(text.as_bytes().len())?;
            let other = || Argument::Other("binary".to_owned());
            return Ok(as_text(text).map_or_else(other, Argument::Text));
        }
        AMQPValue::ShortShortInt(value) => i64::from(*value),
        AMQPValue::ShortShortUInt(value) => i64::from(*value),
        AMQPValue::ShortInt(value) => i64::from(*value),
        AMQPValue::ShortUInt(value) => i64::from(*value),
        AMQPValue::LongInt(value) => i64::from(*value),
        AMQPValue::LongUInt(value) => i64::from(*value),
        AMQPValue::LongLongInt(value) => *value,
        other => {
            let text = String::new();
            let mut printed = Printed { text, room };
            write!(printed, "{other:?}").map_err(|_| ArgumentsTooLong)?;
            return Ok(Argument::Other(printed.text));
        }
    };
    Ok(Argument::Integer(integer))
}

/// Properties of a delivery, encoded. Those that the broker makes fit any client's frame: of what
/// became of the message before, the oldest is left out where there is no room for it.
pub(super) fn properties(rendered: &Rendered) -> Bytes {
    let made = match &rendered.properties {
        Shown::Raw(raw) => return with_history(raw, rendered),
        Shown::Made(made) => made,
    };
    let shown = (0..=rendered.died.deaths.len()).rev();
    let mut encoded = shown.map(|count| {
        let mut out = Vec::new();
        amqp::codec::encode_properties(&made_properties(made, rendered, count), &mut out);
        out
    });
    let fits = |out: &Vec<u8>| out.len() <= MADE_PROPERTIES_BYTES;
    let encoded = encoded.find(fits);
    // INVARIANT: without entries of `x-death` all that the broker makes fits.
    debug_assert!(encoded.is_some(), "properties of a release fit");
    encoded.unwrap_or_default().into()
}

/// Properties of the broker's making, with so many entries of `x-death`.
fn made_properties(made: &Made, rendered: &Rendered, deaths_shown: usize) -> BasicProperties {
    let mut headers = FieldTable::default();
    for (name, value) in &made.headers {
        headers.insert(short(name), AMQPValue::LongString(value.as_str().into()));
    }
    history(rendered, deaths_shown, None, &mut headers);
    let properties = BasicProperties::default()
        .with_content_type(short("application/json"))
        .with_delivery_mode(2)
        .with_timestamp(made.timestamp.as_seconds())
        .with_headers(headers);
    let properties = match &made.message_id {
        Some(id) => properties.with_message_id(short(id)),
        None => properties,
    };
    match &made.correlation_id {
        Some(id) => properties.with_correlation_id(short(id)),
        None => properties,
    }
}

/// What an agency published to a queue of its own, with what became of it there since. Where it was
/// dead-lettered its `expiration` was its queue's, and holds no longer.
fn with_history(raw: &Bytes, rendered: &Rendered) -> Bytes {
    if rendered.died.first.is_none() && rendered.returns == 0 {
        return raw.clone();
    }
    // They were read when they came, by the same limits.
    let Ok(properties) = amqp::codec::decode_properties(raw, TABLES) else {
        return raw.clone();
    };
    let mut headers = properties.headers().clone().unwrap_or_default();
    history(rendered, usize::MAX, Some(&properties), &mut headers);
    let properties = properties.with_headers(headers);
    let mut out = Vec::new();
    if rendered.died.first.is_some() {
        amqp::codec::encode_unexpiring(&properties, &mut out);
    } else {
        amqp::codec::encode_properties(&properties, &mut out);
    }
    out.into()
}

/// Texts of the broker's own, which fit; what does not is left empty rather than cut.
fn short(text: &str) -> ShortString {
    ShortString::try_new(text).unwrap_or_default()
}

/// `x-delivery-count` and `x-death`, with the types that clients cast to: the newest death first,
/// counts as `l`, time as `T`. `published` are the properties of the agency's own making, if it was.
fn history(
    rendered: &Rendered,
    deaths_shown: usize,
    published: Option<&BasicProperties>,
    headers: &mut FieldTable,
) {
    if rendered.returns > 0 {
        let count = AMQPValue::LongLongInt(rendered.returns.into());
        headers.insert(short("x-delivery-count"), count);
    }
    let Some((queue, cause)) = &rendered.died.first else {
        return;
    };
    let text = |text: &str| AMQPValue::LongString(text.into());
    let mut list = FieldArray::default();
    for death in rendered.died.deaths.iter().take(deaths_shown) {
        let mut entry = FieldTable::default();
        let count = i64::try_from(death.count).unwrap_or(i64::MAX);
        entry.insert(short("count"), AMQPValue::LongLongInt(count));
        entry.insert(short("reason"), text(death.cause.name()));
        entry.insert(short("queue"), text(&death.queue));
        entry.insert(short("time"), AMQPValue::Timestamp(death.at.as_seconds()));
        let mut keys = FieldArray::default();
        // It came as it was published into the queue where it first died, by the default exchange and
        // the queue's name into all others.
        if death.queue == *queue && death.cause == *cause {
            entry.insert(short("exchange"), text(&rendered.exchange));
            keys.push(text(&rendered.routing_key));
            let headers = published.and_then(|them| them.headers().as_ref());
            let copies = headers.and_then(|headers| headers.inner().get("CC"));
            if let Some(AMQPValue::FieldArray(copies)) = copies {
                copies
                    .as_slice()
                    .iter()
                    .for_each(|key| keys.push(key.clone()));
            }
            if let Some(expiration) = published.and_then(|them| them.expiration().as_ref()) {
                entry.insert(short("original-expiration"), text(expiration.as_str()));
            }
        } else {
            entry.insert(short("exchange"), text(""));
            keys.push(text(&death.queue));
        }
        entry.insert(short("routing-keys"), AMQPValue::FieldArray(keys));
        list.push(AMQPValue::FieldTable(entry));
    }
    headers.insert(short("x-death"), AMQPValue::FieldArray(list));
    headers.insert(short("x-first-death-queue"), text(queue));
    headers.insert(short("x-first-death-reason"), text(cause.name()));
    headers.insert(short("x-first-death-exchange"), text(&rendered.exchange));
}

/// A refusal of the core as a reply. A code that it does not use would be a fault of ours.
pub(super) fn reply(refusal: Refusal) -> Reply {
    let code = match refusal.code {
        312 => ReplyCode::NoRoute,
        403 => ReplyCode::AccessRefused,
        404 => ReplyCode::NotFound,
        405 => ReplyCode::ResourceLocked,
        406 => ReplyCode::PreconditionFailed,
        _ => ReplyCode::InternalError,
    };
    Reply::new(code, refusal.text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    use crate::broker::ledger::{Death, Died};
    use crate::broker::limits::{DEATHS, REASON_BYTES};
    use crate::broker::record::Cause;
    use crate::message::id::Mask;
    use crate::message::time::Timestamp;

    fn declared(name: &str, value: AMQPValue) -> Result<QueueProperties, ArgumentsTooLong> {
        let mut arguments = FieldTable::default();
        arguments.insert(short("x-max-length"), AMQPValue::LongInt(7));
        arguments.insert(short(name), value);
        queue_properties(&amqp::queue::Declare {
            arguments,
            ..amqp::queue::Declare::default()
        })
    }

    fn text(octets: usize) -> AMQPValue {
        AMQPValue::LongString("x".repeat(octets).into())
    }

    /// The longest of everything that the broker gives a release, after so many deaths.
    fn longest(deaths: usize) -> Rendered {
        let unit = format!("{0}/{0}", "u".repeat(48));
        let (queue, cause) = (Arc::<str>::from("q".repeat(255)), Cause::DeliveryLimit);
        let death = |count: u64| Death {
            queue: Arc::clone(&queue),
            cause,
            at: Timestamp::from_millis(1_800_000_000_000),
            count,
        };
        let categories = Mask::ALL.categories().map(|it| it.to_string());
        let withheld: Vec<String> = categories.collect();
        let headers = vec![
            ("x-carnet-sender", unit.clone()),
            ("x-carnet-sequence", u64::MAX.to_string()),
            ("x-carnet-rulebook", "f".repeat(64)),
            ("x-carnet-withheld", withheld.join(",")),
            ("x-carnet-retain-days", u32::MAX.to_string()),
            ("x-carnet-onward", "ask-originator".to_owned()),
            ("x-carnet-reason", "r".repeat(REASON_BYTES)),
        ];
        let made = Made {
            message_id: Some("m".repeat(255)),
            correlation_id: Some("c".repeat(255)),
            answers: None,
            timestamp: Timestamp::from_millis(1_800_000_000_000),
            headers,
        };
        Rendered {
            exchange: format!("inbox.{}", "u".repeat(48)),
            routing_key: format!("{}.{}", "t".repeat(96), "a".repeat(48)),
            moved_to: Some("q".repeat(255)),
            returns: u32::MAX,
            properties: Shown::Made(Box::new(made)),
            died: Died {
                deaths: (1..).map(death).take(deaths).collect(),
                first: (deaths > 0).then(|| (Arc::clone(&queue), cause)),
                moves: 0,
            },
            body: Bytes::new(),
        }
    }

    #[test]
    fn a_release_fits_the_smallest_frame_whatever_became_of_it_before() {
        for deaths in 0..=DEATHS {
            let encoded = properties(&longest(deaths));
            assert!(
                encoded.len() <= MADE_PROPERTIES_BYTES,
                "{deaths}: {}",
                encoded.len()
            );
            let read = amqp::codec::decode_properties(&encoded, TABLES).unwrap();
            let headers = read.headers().clone().unwrap();
            assert!(headers.inner().contains_key("x-carnet-reason"));
            let shown = match headers.inner().get("x-death") {
                Some(AMQPValue::FieldArray(list)) => list.as_slice().len(),
                None => 0,
                other => panic!("{other:?}"),
            };
            // The newest are shown, as many as there is room for.
            assert!(
                shown == deaths || (2..deaths).contains(&shown),
                "{shown} of {deaths}"
            );
        }
    }

    #[test]
    fn arguments_are_kept_up_to_their_bound_however_they_print() {
        let taken = "x-max-length".len() + "a".len() + 2 * 8;
        let most = QUEUE_ARGUMENT_BYTES - taken;
        let properties = declared("a", text(most)).unwrap();
        assert_eq!(properties.integer("x-max-length"), Some(7));
        assert_eq!(properties.text("a").map(str::len), Some(most));
        assert_eq!(declared("a", text(most + 1)), Err(ArgumentsTooLong));
        // A list of nothing is short on the wire and long in print.
        let list = |count| {
            let mut list = FieldArray::default();
            (0..count).for_each(|_| list.push(AMQPValue::Void));
            AMQPValue::FieldArray(list)
        };
        assert!(declared("a", list(10)).is_ok());
        assert_eq!(declared("a", list(4_000)), Err(ArgumentsTooLong));
    }
}
