//! Officers: persons who act at the HTTP interface or the command line, by staff number.

use std::fmt;
use std::str::FromStr;

use crate::message::id::{AgencyId, BadName, OfficerName};

/// What an officer's agency, or the board, lets him do. Roles come from the rulebook alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Proposes changes, has them take effect, and has them taken back.
    Administrator,
    /// Approves what another officer proposed.
    Approver,
    /// Reads the log.
    Auditor,
    /// Sees how the broker runs.
    Operator,
}

impl Role {
    /// All roles.
    pub const ALL: [Self; 4] = [
        Self::Administrator,
        Self::Approver,
        Self::Auditor,
        Self::Operator,
    ];

    /// Its word in `agency.toml`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Administrator => "administrator",
            Self::Approver => "approver",
            Self::Auditor => "auditor",
            Self::Operator => "operator",
        }
    }
}

impl FromStr for Role {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        let found = Self::ALL.into_iter().find(|role| role.name() == text);
        found
            .ok_or_else(|| BadName::new(text, "a role: administrator, approver, auditor, operator"))
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The word that stands in addresses for the board, which no agency can have as its name.
pub const BOARD: &str = "board";

/// How the numbers of officers begin whom the board adds to an agency.
pub const GIVEN: &str = "b-";

/// The body that an officer acts for, or that a part of the rulebook belongs to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Holder {
    /// An agency.
    Agency(AgencyId),
    /// The agencies together.
    Board,
}

impl Holder {
    /// The agency, where it is one.
    pub fn agency(&self) -> Option<&AgencyId> {
        match self {
            Self::Agency(agency) => Some(agency),
            Self::Board => None,
        }
    }
}

impl FromStr for Holder {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        if text == BOARD {
            return Ok(Self::Board);
        }
        text.parse().map(Self::Agency)
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Agency(agency) => agency.fmt(f),
            Self::Board => f.write_str(BOARD),
        }
    }
}

/// An officer's address: `customs/o-2117`, or `board/o-01` for one of the board's own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OfficerId {
    /// The body that he acts for.
    pub holder: Holder,
    /// His staff number there.
    pub officer: OfficerName,
}

impl FromStr for OfficerId {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        let parts = text.split_once('/');
        let parsed = parts.and_then(|(holder, officer)| {
            Some(Self {
                holder: holder.parse().ok()?,
                officer: officer.parse().ok()?,
            })
        });
        parsed.ok_or_else(|| BadName::new(text, "an officer's address, such as customs/o-2117"))
    }
}

impl fmt::Display for OfficerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.holder, self.officer)
    }
}

impl serde::Serialize for OfficerId {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_reads_as_it_is_written_and_the_board_is_no_agency() {
        for text in ["customs/o-2117", "board/o-01"] {
            let read: OfficerId = text.parse().unwrap();
            assert_eq!(read.to_string(), text);
            assert_eq!(read.holder == Holder::Board, text.starts_with(BOARD));
        }
        for text in [
            "customs",
            "customs/",
            "/o-1",
            "customs/o-1/x",
            "Customs/o-1",
        ] {
            assert!(text.parse::<OfficerId>().is_err(), "{text}");
        }
    }

    #[test]
    fn every_role_has_a_word_of_its_own() {
        for role in Role::ALL {
            assert_eq!(role.name().parse(), Ok(role));
        }
        assert!("root".parse::<Role>().is_err());
    }
}
