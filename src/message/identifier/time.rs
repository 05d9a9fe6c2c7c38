//! Days and times as messages write them. The offset is kept as sent: studies of release times
//! need the local hour.

pub(super) fn date(text: &str) -> bool {
    // The pattern is ours: jiff takes more spellings of a day than RFC 3339 has.
    is_day(text) && text.parse::<jiff::civil::Date>().is_ok()
}

fn is_day(text: &str) -> bool {
    let is_right = |(at, b): (usize, u8)| match at {
        4 | 7 => b == b'-',
        _ => b.is_ascii_digit(),
    };
    text.len() == 10 && text.bytes().enumerate().all(is_right)
}

pub(super) fn date_wrong(text: &str) -> Option<String> {
    is_day(text).then(|| "is a day that does not exist".to_owned())
}

pub(super) fn date_time_wrong(text: &str) -> Option<String> {
    let (day, rest) = text.split_at_checked(10)?;
    if !date(day) {
        return date_wrong(day);
    }
    let says = match rest.split_at_checked(9) {
        Some((time, "")) if time.starts_with('T') => "has no offset: end it with Z or, say, +02:00",
        _ if rest.is_empty() => "is a day; write the time and its offset too",
        _ if rest.starts_with([' ', 't']) => "must have a T between day and time",
        _ if rest.contains(":60") => "has a second or minute that does not exist",
        _ => return None,
    };
    Some(says.to_owned())
}

/// RFC 3339 with an offset. A leap second is refused: there is no instant for it.
pub(super) fn date_time(text: &str) -> bool {
    let parts = text.split_at_checked(10).and_then(|(day, rest)| {
        let (time, rest) = rest.strip_prefix('T')?.split_at_checked(8)?;
        Some((day, time, rest))
    });
    let Some((day, time, rest)) = parts else {
        return false;
    };
    let offset = match rest.strip_prefix('.') {
        Some(fraction) => {
            let offset = fraction.trim_start_matches(|c: char| c.is_ascii_digit());
            let digits = fraction.len() - offset.len();
            if !(1..=9).contains(&digits) {
                return false;
            }
            offset
        }
        None => rest,
    };
    date(day) && clock(time, 24) && is_offset(offset)
}

fn is_offset(text: &str) -> bool {
    let Some(hours) = text.strip_prefix(['+', '-']) else {
        return text == "Z";
    };
    hours.len() == 5 && clock(hours, 24)
}

/// `HH:MM` or `HH:MM:SS`.
fn clock(text: &str, hours: u32) -> bool {
    text.split(':').zip([hours, 60, 60]).all(|(part, below)| {
        part.len() == 2
            && part.bytes().all(|b| b.is_ascii_digit())
            && part.parse().is_ok_and(|value: u32| value < below)
    }) && matches!(text.len(), 5 | 8)
}
