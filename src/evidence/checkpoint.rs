//! Checkpoints: what a log says of its tree (<https://c2sp.org/tlog-checkpoint>).

use std::fmt;

use data_encoding::BASE64;

use super::tree::Head;
use super::{Malformed, decimal, hash};

/// A log's tree as it was. What a note signs; lines behind the third are not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's name.
    pub origin: String,
    /// Its tree.
    pub head: Head,
}

impl Checkpoint {
    /// Reads the text of a note.
    ///
    /// # Errors
    /// What is no checkpoint.
    pub fn read(text: &str) -> Result<Self, Malformed> {
        let mut lines = text.split_terminator('\n');
        let mut line = |what: &str| {
            let line = lines.next().filter(|line| !line.is_empty());
            line.ok_or_else(|| Malformed::new(format!("a checkpoint has a line with its {what}")))
        };
        let origin = line("origin")?.to_owned();
        let size = decimal("the size of a checkpoint", line("size")?)?;
        let root = hash("the root of a checkpoint", line("root")?)?;
        if lines.any(str::is_empty) {
            return Err(Malformed::new("a checkpoint has no empty line"));
        }
        let head = Head { size, root };
        Ok(Self { origin, head })
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Head { size, root } = self.head;
        writeln!(f, "{}\n{size}\n{}", self.origin, BASE64.encode(&root.0))
    }
}
