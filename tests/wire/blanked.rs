//! What a client received, octet by octet, without what differs between any two brokers: ids that a
//! broker gives, times, tokens and the digest of a rulebook, of which the lengths stay; and whether
//! its client was held up, which goes by the clock.

use crate::octets::Properties;

/// The methods `connection.blocked` and `connection.unblocked`.
const HELD_UP: [&[u8]; 2] = [&[0, 10, 0, 60], &[0, 10, 0, 61]];

/// Every octet but those.
pub(crate) fn blanked(mut octets: Vec<u8>) -> Vec<u8> {
    let mut at = 0;
    while at + 7 <= octets.len() {
        let size = u32::from_be_bytes(octets[at + 3..at + 7].try_into().unwrap());
        let end = at + 8 + usize::try_from(size).unwrap();
        if octets[at] == 1 && HELD_UP.contains(&&octets[at + 7..at + 11]) {
            octets.drain(at..end);
            continue;
        }
        if octets[at] == 2 {
            blank_properties(&mut octets[at + 19..end - 1]);
        } else if octets[at] == 3 {
            blank_behind(&mut octets[at + 7..end - 1], b"\"time\":\"", |b| b != b'"');
            let is_sealed = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit();
            blank_behind(&mut octets[at + 7..end - 1], b"ct1~", is_sealed);
            let is_hex = |b: u8| b.is_ascii_hexdigit();
            blank_behind(&mut octets[at + 7..end - 1], b"\"rulebook\":\"", is_hex);
        }
        at = end;
    }
    octets
}

/// Properties of the broker's end in message id and timestamp, where they have them.
fn blank_properties(properties: &mut [u8]) {
    let flags = u16::from_be_bytes(properties[..2].try_into().unwrap());
    let has = |bit: u16| flags & (1 << bit) != 0;
    let is_the_brokers = has(6) && !has(5) && !has(4) && !has(3);
    if !is_the_brokers {
        return;
    }
    let end = properties.len();
    properties[end - 8..].fill(0);
    if has(7) {
        let read = Properties::read(properties);
        let length = read.message_id.expect("flag 7").len();
        properties[end - 8 - length..end - 8].fill(b'.');
    }
    // A long string: its type, four octets of length, then the digest.
    blank_behind(properties, b"x-carnet-rulebookS\0\0\0\x40", |b| {
        b.is_ascii_hexdigit()
    });
}

/// Blanks what goes on so behind each place of a text.
fn blank_behind(octets: &mut [u8], text: &[u8], goes_on: impl Fn(u8) -> bool) {
    let mut at = 0;
    while at + text.len() <= octets.len() {
        if !octets[at..].starts_with(text) {
            at += 1;
            continue;
        }
        at += text.len();
        while octets.get(at).is_some_and(|octet| goes_on(*octet)) {
            octets[at] = b'.';
            at += 1;
        }
    }
}

/// Where two records of what was told part, and what stands there.
pub(crate) fn difference(one: &[u8], other: &[u8]) -> Option<(usize, String, String)> {
    let parts = one.iter().zip(other).position(|(a, b)| a != b);
    let shorter = one.len().min(other.len());
    let at = parts.or((one.len() != other.len()).then_some(shorter))?;
    let part = |octets: &[u8]| {
        let around = at.saturating_sub(200).min(octets.len())..(at + 120).min(octets.len());
        String::from_utf8_lossy(&octets[around]).into_owned()
    };
    Some((at, part(one), part(other)))
}
