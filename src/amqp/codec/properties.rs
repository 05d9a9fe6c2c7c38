//! The properties of a message: two octets of flags, then what they announce, in their order.

use amq_protocol::protocol::BasicProperties;

use super::reader::{Malformed, Reader};
use super::table::{TableLimits, short_string};
use super::writer::Writer;

const CONTENT_TYPE: u16 = 1 << 15;
const CONTENT_ENCODING: u16 = 1 << 14;
const HEADERS: u16 = 1 << 13;
const DELIVERY_MODE: u16 = 1 << 12;
const PRIORITY: u16 = 1 << 11;
const CORRELATION_ID: u16 = 1 << 10;
const REPLY_TO: u16 = 1 << 9;
const EXPIRATION: u16 = 1 << 8;
const MESSAGE_ID: u16 = 1 << 7;
const TIMESTAMP: u16 = 1 << 6;
const TYPE: u16 = 1 << 5;
const USER_ID: u16 = 1 << 4;
const APP_ID: u16 = 1 << 3;
const CLUSTER_ID: u16 = 1 << 2;
/// Bit 0 would continue the flags in another two octets, bit 1 means nothing.
const UNUSED: u16 = 0b11;

/// Reads properties, flags included; nothing may follow them.
pub fn decode_properties(raw: &[u8], limits: TableLimits) -> Result<BasicProperties, Malformed> {
    let mut reader = Reader::new(raw);
    let flags = reader.short()?;
    if flags & UNUSED != 0 {
        return Err(Malformed::UnknownFlags(flags & UNUSED));
    }
    let mut properties = BasicProperties::default();
    let has = |flag: u16| flags & flag != 0;
    let text = |reader: &mut Reader<'_>| short_string(reader.short_string()?);
    if has(CONTENT_TYPE) {
        properties = properties.with_content_type(text(&mut reader)?);
    }
    if has(CONTENT_ENCODING) {
        properties = properties.with_content_encoding(text(&mut reader)?);
    }
    if has(HEADERS) {
        properties = properties.with_headers(reader.table(limits)?);
    }
    if has(DELIVERY_MODE) {
        properties = properties.with_delivery_mode(reader.octet()?);
    }
    if has(PRIORITY) {
        properties = properties.with_priority(reader.octet()?);
    }
    if has(CORRELATION_ID) {
        properties = properties.with_correlation_id(text(&mut reader)?);
    }
    if has(REPLY_TO) {
        properties = properties.with_reply_to(text(&mut reader)?);
    }
    if has(EXPIRATION) {
        properties = properties.with_expiration(text(&mut reader)?);
    }
    if has(MESSAGE_ID) {
        properties = properties.with_message_id(text(&mut reader)?);
    }
    if has(TIMESTAMP) {
        properties = properties.with_timestamp(reader.long_long()?);
    }
    if has(TYPE) {
        properties = properties.with_type(text(&mut reader)?);
    }
    if has(USER_ID) {
        properties = properties.with_user_id(text(&mut reader)?);
    }
    if has(APP_ID) {
        properties = properties.with_app_id(text(&mut reader)?);
    }
    if has(CLUSTER_ID) {
        properties = properties.with_cluster_id(text(&mut reader)?);
    }
    reader.finish()?;
    Ok(properties)
}

/// Appends properties, flags included, as [`decode_properties`] reads them.
pub fn encode_properties(properties: &BasicProperties, out: &mut Vec<u8>) {
    encode(properties, flags(properties), out);
}

/// Appends properties as [`encode_properties`] does, without their `expiration`.
pub fn encode_unexpiring(properties: &BasicProperties, out: &mut Vec<u8>) {
    encode(properties, flags(properties) & !EXPIRATION, out);
}

/// Appends properties under `flags`, which leave out nothing that is set but an `expiration`.
fn encode(properties: &BasicProperties, flags: u16, out: &mut Vec<u8>) {
    let mut writer = Writer::new(out);
    writer.short(flags);
    let text = |writer: &mut Writer<'_>, it: &Option<_>| {
        if let Some(it) = it {
            writer.short_string(amq_protocol::types::ShortString::as_str(it));
        }
    };
    text(&mut writer, properties.content_type());
    text(&mut writer, properties.content_encoding());
    if let Some(headers) = properties.headers() {
        writer.table(headers);
    }
    if let Some(mode) = properties.delivery_mode() {
        writer.octet(*mode);
    }
    if let Some(priority) = properties.priority() {
        writer.octet(*priority);
    }
    text(&mut writer, properties.correlation_id());
    text(&mut writer, properties.reply_to());
    if flags & EXPIRATION != 0 {
        text(&mut writer, properties.expiration());
    }
    text(&mut writer, properties.message_id());
    if let Some(timestamp) = properties.timestamp() {
        writer.long_long(*timestamp);
    }
    text(&mut writer, properties.kind());
    text(&mut writer, properties.user_id());
    text(&mut writer, properties.app_id());
    text(&mut writer, properties.cluster_id());
}

fn flags(properties: &BasicProperties) -> u16 {
    [
        (CONTENT_TYPE, properties.content_type().is_some()),
        (CONTENT_ENCODING, properties.content_encoding().is_some()),
        (HEADERS, properties.headers().is_some()),
        (DELIVERY_MODE, properties.delivery_mode().is_some()),
        (PRIORITY, properties.priority().is_some()),
        (CORRELATION_ID, properties.correlation_id().is_some()),
        (REPLY_TO, properties.reply_to().is_some()),
        (EXPIRATION, properties.expiration().is_some()),
        (MESSAGE_ID, properties.message_id().is_some()),
        (TIMESTAMP, properties.timestamp().is_some()),
        (TYPE, properties.kind().is_some()),
        (USER_ID, properties.user_id().is_some()),
        (APP_ID, properties.app_id().is_some()),
        (CLUSTER_ID, properties.cluster_id().is_some()),
    ]
    .into_iter()
    .fold(
        0,
        |flags, (flag, set)| if set { flags | flag } else { flags },
    )
}

#[cfg(test)]
pub(in crate::amqp) mod tests {
    use amq_protocol::types::ShortString;
    use proptest::option;
    use proptest::prelude::*;

    use super::super::table::tests::{LIMITS, any_table};
    use super::*;

    fn any_text() -> impl Strategy<Value = Option<ShortString>> {
        option::of("[ -~é]{0,30}".prop_map(ShortString::from))
    }

    /// Any properties, each present or absent.
    pub(in crate::amqp) fn any_properties() -> impl Strategy<Value = BasicProperties> {
        let texts = proptest::collection::vec(any_text(), 10);
        let numbers = (
            option::of(any::<u8>()),
            option::of(any::<u8>()),
            option::of(any::<u64>()),
        );
        (texts, numbers, option::of(any_table())).prop_map(|(texts, numbers, headers)| {
            type Set = fn(BasicProperties, ShortString) -> BasicProperties;
            let setters: [Set; 10] = [
                BasicProperties::with_content_type,
                BasicProperties::with_content_encoding,
                BasicProperties::with_correlation_id,
                BasicProperties::with_reply_to,
                BasicProperties::with_expiration,
                BasicProperties::with_message_id,
                BasicProperties::with_type,
                BasicProperties::with_user_id,
                BasicProperties::with_app_id,
                BasicProperties::with_cluster_id,
            ];
            let mut properties = BasicProperties::default();
            for (text, set) in texts.into_iter().zip(setters) {
                if let Some(text) = text {
                    properties = set(properties, text);
                }
            }
            if let Some(it) = numbers.0 {
                properties = properties.with_delivery_mode(it);
            }
            if let Some(it) = numbers.1 {
                properties = properties.with_priority(it);
            }
            if let Some(it) = numbers.2 {
                properties = properties.with_timestamp(it);
            }
            if let Some(it) = headers {
                properties = properties.with_headers(it);
            }
            properties
        })
    }

    proptest! {
        #[test]
        fn properties_come_back_as_they_went(properties in any_properties()) {
            let mut raw = Vec::new();
            encode_properties(&properties, &mut raw);
            prop_assert_eq!(decode_properties(&raw, LIMITS), Ok(properties));
        }

        #[test]
        fn another_codec_reads_the_same_properties(properties in any_properties()) {
            let mut raw = Vec::new();
            encode_properties(&properties, &mut raw);
            let (rest, read) =
                amq_protocol::protocol::basic::parse_properties(raw.as_slice()).unwrap();
            prop_assert!(rest.is_empty());
            prop_assert_eq!(read, properties);
        }
    }

    proptest! {
        #[test]
        fn an_expiration_is_left_out_and_nothing_else(properties in any_properties()) {
            let mut raw = Vec::new();
            encode_unexpiring(&properties, &mut raw);
            let read = decode_properties(&raw, LIMITS).unwrap();
            prop_assert!(read.expiration().is_none());
            let again = match properties.expiration() {
                Some(expiration) => read.with_expiration(expiration.clone()),
                None => read,
            };
            prop_assert_eq!(again, properties);
        }
    }

    #[test]
    fn continued_flags_and_octets_left_over_are_refused() {
        assert_eq!(
            decode_properties(&[0, 1], LIMITS),
            Err(Malformed::UnknownFlags(1))
        );
        assert_eq!(
            decode_properties(&[0, 0, 9], LIMITS),
            Err(Malformed::LeftOver)
        );
        assert_eq!(decode_properties(&[0], LIMITS), Err(Malformed::Truncated));
    }
}
