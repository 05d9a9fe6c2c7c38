//! A record as it is named on the command line: by its number among the evidence, or by its address.

use std::str::FromStr;

use crate::journal::Lsn;

/// Where one record stands.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place {
    Number(u64),
    At(Lsn),
}

impl FromStr for Place {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wanted = match text.strip_prefix('@') {
            Some(lsn) => lsn.parse().map(Self::At),
            None => text.parse().map(Self::Number),
        };
        wanted.map_err(
            |_| "is neither a number of evidence nor @ and an address, as `log tail` shows them",
        )
    }
}
