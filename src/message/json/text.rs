//! The text of JSON strings: from their spelling and back.

use std::borrow::Cow;

/// The text that `raw` (what stands between the quotes, already scanned) spells.
pub fn unescape(raw: &str) -> Cow<'_, str> {
    if !raw.contains('\\') {
        return Cow::Borrowed(raw);
    }
    let mut text = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((plain, escape)) = rest.split_once('\\') {
        text.push_str(plain);
        let (decoded, behind) = escaped(escape);
        text.push(decoded);
        rest = behind;
    }
    text.push_str(rest);
    Cow::Owned(text)
}

/// The character that an escape spells, given what follows its backslash, and what is behind it.
fn escaped(escape: &str) -> (char, &str) {
    let mut characters = escape.chars();
    let decoded = match characters.next() {
        Some('n') => '\n',
        Some('t') => '\t',
        Some('r') => '\r',
        Some('b') => '\u{8}',
        Some('f') => '\u{c}',
        Some('u') => return unicode(characters.as_str()),
        Some(other) => other,
        None => char::REPLACEMENT_CHARACTER,
    };
    (decoded, characters.as_str())
}

/// `XXXX` or the pair `XXXX\uXXXX`.
fn unicode(digits: &str) -> (char, &str) {
    let Some((first, rest)) = unit(digits) else {
        return (char::REPLACEMENT_CHARACTER, "");
    };
    if let Some(plain) = char::from_u32(first) {
        return (plain, rest);
    }
    let second = rest.strip_prefix("\\u").and_then(unit);
    let pair = second.and_then(|(low, rest)| {
        let code = (first.checked_sub(0xD800)? << 10) + low.checked_sub(0xDC00)? + 0x1_0000;
        Some((char::from_u32(code)?, rest))
    });
    pair.unwrap_or((char::REPLACEMENT_CHARACTER, rest))
}

/// Four hexadecimal digits at the start of `text`, and what is behind them.
pub(super) fn unit(text: &str) -> Option<(u32, &str)> {
    let (digits, rest) = text.split_at_checked(4)?;
    let all_hex = digits.bytes().all(|b| b.is_ascii_hexdigit());
    Some((
        u32::from_str_radix(digits, 16).ok().filter(|_| all_hex)?,
        rest,
    ))
}

/// Writes `text` as a JSON string with its quotes.
pub fn escape_into(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            0..0x20 => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_escape_is_decoded() {
        assert_eq!(
            unescape(r#"\"\\\/\b\f\n\r\t\u0061\u00e9\ud83d\ude00."#),
            "\"\\/\u{8}\u{c}\n\r\ta\u{e9}\u{1f600}."
        );
    }

    proptest! {
        #[test]
        fn text_is_spelled_as_serde_json_reads_it(text in any::<String>()) {
            let mut out = Vec::new();
            escape_into(&mut out, &text);
            prop_assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text.clone());
            let spelled = serde_json::to_string(&text).unwrap();
            let inside = spelled.strip_prefix('"').unwrap().strip_suffix('"').unwrap();
            prop_assert_eq!(unescape(inside), text);
        }
    }
}
