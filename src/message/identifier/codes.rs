//! Short closed code lists of conventions, and UUIDs.

fn one_of(text: &str, codes: &str) -> bool {
    text.len() == 1 && codes.contains(text)
}

pub(super) fn cites_appendix(text: &str) -> bool {
    matches!(text, "I" | "II" | "III")
}

/// Commerce, zoos, gardens, circuses, science, hunting, personal, medical, education,
/// reintroduction, breeding, law enforcement.
pub(super) fn cites_purpose(text: &str) -> bool {
    one_of(text, "TZGQSHPMENBL")
}

pub(super) fn cites_source(text: &str) -> bool {
    one_of(text, "WXRDACFUIOY")
}

pub(super) fn uuid(text: &str) -> bool {
    let is_right = |(at, b): (usize, u8)| match at {
        8 | 13 | 18 | 23 => b == b'-',
        _ => b.is_ascii_hexdigit(),
    };
    text.len() == 36 && text.bytes().enumerate().all(is_right)
}
