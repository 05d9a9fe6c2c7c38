//! What one client did and was told, line by line, and where two of such records part.

use std::fmt;

use carnet::message::time::Timestamp;

/// Lines of what was said and heard, each at its time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Transcript {
    lines: Vec<Line>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    at: Timestamp,
    says: String,
}

/// Where two of them part: what came before, and what each says then.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    before: Vec<String>,
    one: String,
    other: String,
}

impl Transcript {
    pub(crate) fn says(&mut self, at: Timestamp, says: impl Into<String>) {
        let says = says.into();
        self.lines.push(Line { at, says });
    }

    /// When a line first has this text in it.
    pub(crate) fn time_of(&self, text: &str) -> Option<Timestamp> {
        let line = self.lines.iter().find(|line| line.says.contains(text));
        line.map(|line| line.at)
    }

    /// The same with a text blanked: what differs between any two runs.
    pub(crate) fn without(&self, text: &str) -> Self {
        let blank = "*".repeat(text.len());
        let lines = self.lines.iter().map(|line| Line {
            at: line.at,
            says: line.says.replace(text, &blank),
        });
        Self {
            lines: lines.collect(),
        }
    }

    /// The same without when, and after how many syncs, something was said.
    pub(crate) fn untimed(&self) -> Self {
        let lines = self.lines.iter().map(|line| {
            let says = line.says.split_once(", after ");
            Line {
                at: Timestamp::default(),
                says: says.map_or(&*line.says, |(says, _)| says).to_owned(),
            }
        });
        Self {
            lines: lines.collect(),
        }
    }

    /// Where the other differs first, if anywhere.
    pub(crate) fn differs(&self, other: &Self) -> Option<Difference> {
        let (one, two) = (&self.lines, &other.lines);
        let parts = one.iter().zip(two).position(|(one, two)| one != two);
        let shorter = one.len().min(two.len());
        let at = parts.or((one.len() != two.len()).then_some(shorter))?;
        let shown = |lines: &[Line]| {
            let line = lines.get(at);
            line.map_or_else(|| "nothing more".to_owned(), Line::to_string)
        };
        let before = one.get(at.saturating_sub(4)..at).unwrap_or_default();
        Some(Difference {
            before: before.iter().map(Line::to_string).collect(),
            one: shown(one),
            other: shown(two),
        })
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.at, self.says)
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.before {
            writeln!(f, "      {line}")?;
        }
        writeln!(f, "  one {}", self.one)?;
        write!(f, "other {}", self.other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(lines: &[(i64, &str)]) -> Transcript {
        let mut transcript = Transcript::default();
        for (at, says) in lines {
            transcript.says(Timestamp::from_millis(*at), *says);
        }
        transcript
    }

    #[test]
    fn a_character_a_millisecond_a_line_more_and_another_order_are_differences() {
        let one = told(&[(1, "> a"), (2, "ack"), (2, "got")]);
        assert_eq!(one.differs(&one), None);
        for other in [
            told(&[(1, "> a"), (2, "ack"), (2, "gut")]),
            told(&[(1, "> a"), (3, "ack"), (3, "got")]),
            told(&[(1, "> a"), (2, "ack"), (2, "got"), (2, "got")]),
            told(&[(1, "> a"), (2, "ack")]),
            told(&[(1, "> a"), (2, "got"), (2, "ack")]),
        ] {
            assert!(one.differs(&other).is_some(), "{other:?}");
            assert!(other.differs(&one).is_some(), "{other:?}");
        }
    }

    #[test]
    fn what_is_blanked_keeps_its_length() {
        let one = told(&[(1, "rulebook abc")]).without("abc");
        let other = |text| told(&[(1, &*format!("rulebook {text}"))]).without(text);
        assert_eq!(one.differs(&other("xyz")), None);
        assert!(one.differs(&other("wxyz")).is_some());
    }
}
