//! Names and texts: what people wrote to be read by people.

/// One line that shows something: no control characters, no line breaks, not only blanks.
pub(super) fn name(text: &str) -> bool {
    plain(text).unwrap_or_else(|| name_wrong(text).is_none())
}

/// As [`name`], of several lines where it likes.
pub(super) fn text(text: &str) -> bool {
    plain(text).unwrap_or_else(|| text_wrong(text).is_none())
}

/// Whether a text of printable ASCII shows something; none for any other. All texts of a message are
/// looked at, and most are of this kind.
fn plain(text: &str) -> Option<bool> {
    let (mut is_plain, mut shows) = (true, false);
    for octet in text.bytes() {
        is_plain &= matches!(octet, b' '..=b'~');
        shows |= octet != b' ';
    }
    is_plain.then_some(shows)
}

pub(super) fn name_wrong(text: &str) -> Option<String> {
    let broken = text.chars().position(|c| matches!(c, '\n' | '\r' | '\t'));
    match broken {
        Some(at) => Some(format!(
            "has a line break or tab (character {}), and is one line",
            at + 1
        )),
        None => text_wrong(text),
    }
}

pub(super) fn text_wrong(text: &str) -> Option<String> {
    if text.is_empty() {
        return Some("is empty; fill it in, or leave it out".to_owned());
    }
    let mut letters = text.chars();
    let hidden = letters.position(|c| is_control(c) && !matches!(c, '\n' | '\r' | '\t'));
    if let Some(at) = hidden {
        return Some(format!("has a control character (character {})", at + 1));
    }
    let shows = |c: char| !c.is_whitespace() && !is_invisible(c);
    let is_blank = !text.chars().any(shows);
    is_blank.then(|| "is blank; fill it in, or leave it out".to_owned())
}

/// Control characters, and those by which a line is broken or read in another order than it is
/// written.
fn is_control(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Characters that show nothing by themselves.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{2064}' | '\u{3164}' | '\u{feff}')
}
