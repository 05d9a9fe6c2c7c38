//! How a command ends that did not do what it was asked for.

use std::fmt;

use crate::message::bundle::Fault;
use crate::message::nearest;

/// Why a command did not do what it was asked for.
#[derive(Debug)]
pub(super) enum Failed {
    /// Faults in what was checked, each already with place and cure.
    Faults(Vec<Fault>),
    /// It ran, and the answer was no.
    Refused(String),
    /// What was asked about is not in order, and the output says so already.
    Told,
    /// An argument names what there is not: what it is, and where to look.
    Usage(String),
    /// It could not run: what happened, and what to do.
    CannotRun(String),
    /// The log is not what it was: where, and what to do.
    Damaged(String),
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Faults(faults) => write!(f, "{} faults", faults.len()),
            Self::Told => Ok(()),
            Self::Refused(says)
            | Self::Usage(says)
            | Self::CannotRun(says)
            | Self::Damaged(says) => f.write_str(says),
        }
    }
}

impl Failed {
    /// Something outside failed it.
    pub(super) fn cannot_run(error: impl fmt::Display) -> Self {
        Self::CannotRun(error.to_string())
    }
}

impl From<Vec<Fault>> for Failed {
    fn from(faults: Vec<Fault>) -> Self {
        Self::Faults(faults)
    }
}

/// A name that nothing has, with the one that was likely meant, or where they all stand.
pub(super) fn no_such(what: &str, name: &str, known: &[&str], listed_by: &str) -> Failed {
    let meant = match nearest(name, known) {
        Some(meant) => format!("did you mean {meant}?"),
        None => format!("{listed_by} names them"),
    };
    Failed::Usage(format!("there is no {what} '{name}'; {meant}"))
}
