//! Reference tokens: `ct1~` and a sealed reference.
//!
//! A recipient who may not know the party behind a reference gets a token of its own unit instead.
//! It can keep it, compare it and quote it back; only the broker opens it, and only for that unit.

use super::keyring::{Keys, TOKEN};
use super::sealed::Sealed;
use crate::message::id::{AgencyId, UnitId};

const PREFIX: &str = "ct1~";

/// Octets of the originator in a token, zeros behind its name: as many as the longest name of an agency
/// has. Its length would else tell who the originator is.
const ORIGINATOR_BYTES: usize = 48;

/// What a token stands for.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    /// The kind of reference, such as `s10`.
    pub kind: String,
    /// The agency whose message had the reference.
    pub originator: AgencyId,
    /// The reference.
    pub value: String,
}

/// Shows no reference: it can lead to a person.
impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Token({} of {})", self.kind, self.originator)
    }
}

impl Keys {
    /// The token under which `unit` sees a reference: always the same for the same reference in one
    /// epoch, and of no use to any other unit. `None` for a unit that is not in the rulebook, and
    /// for a reference of more than 65,535 bytes.
    pub fn seal_token(&self, unit: &UnitId, token: &Token) -> Option<String> {
        let mut originator = token.originator.as_str().as_bytes().to_vec();
        originator.resize(ORIGINATOR_BYTES, 0);
        let parts = [token.kind.as_bytes(), &originator, token.value.as_bytes()];
        self.units.get(unit)?.token.seal(PREFIX, self.epoch, &parts)
    }

    /// What a token of this very unit stands for; `None` for any other text.
    pub fn open_token(&self, unit: &UnitId, text: &str) -> Option<Token> {
        let sealed = Sealed::parse(PREFIX, text)?;
        let [kind, originator, value] = self.open(TOKEN, unit, &sealed)?;
        Some(Token {
            kind: String::from_utf8(kind).ok()?,
            originator: std::str::from_utf8(&originator)
                .ok()?
                .trim_end_matches('\0')
                .parse()
                .ok()?,
            value: String::from_utf8(value).ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Epoch, Ring, SharedRing};
    use super::*;

    /// A broker's keys as one unit meets them.
    struct Unit(Keys, UnitId);

    impl Unit {
        fn seal(&self, kind: &str, originator: &str, value: &str) -> String {
            let originator = originator.parse().unwrap();
            let token = Token {
                kind: kind.to_owned(),
                originator,
                value: value.to_owned(),
            };
            self.0.seal_token(&self.1, &token).unwrap()
        }

        fn open(&self, text: &str) -> Option<Token> {
            self.0.open_token(&self.1, text)
        }
    }

    fn unit(fill: u8, epoch: u16, name: &str) -> Unit {
        let units = ["police/main", "police/other", "post/main", "customs/main"];
        let units = units.map(|unit| unit.parse().unwrap());
        let ring = SharedRing::new(Ring::new([fill; 32], [0; 32]));
        Unit(
            Keys::derive_in(Epoch::new(epoch).unwrap(), ring, units.iter()),
            name.parse().unwrap(),
        )
    }

    proptest! {
        #[test]
        fn a_token_opens_for_its_unit_in_every_epoch_and_for_no_other(
            kind in "[a-z0-9-]{1,12}",
            originator in "[a-z][a-z0-9-]{0,20}",
            value in ".{0,80}",
            epoch in 0u16..1024,
        ) {
            let token = unit(1, epoch, "police/main").seal(&kind, &originator, &value);
            let expected = Some(Token { kind, originator: originator.parse().unwrap(), value });
            prop_assert_eq!(&unit(1, epoch, "police/main").open(&token), &expected);
            prop_assert_eq!(&unit(1, 1023 - epoch, "police/main").open(&token), &expected);
            for other in ["police/other", "post/main", "customs/main"] {
                prop_assert_eq!(unit(1, epoch, other).open(&token), None);
            }
            prop_assert_eq!(unit(2, epoch, "police/main").open(&token), None);
            prop_assert!(token.bytes().all(|b| b.is_ascii_graphic()));
        }

        #[test]
        fn equal_references_give_one_token_and_different_units_different_ones(
            value in "[A-Z0-9]{1,35}",
            other in "[A-Z0-9]{1,35}",
        ) {
            let (police, customs) = (unit(1, 0, "police/main"), unit(1, 0, "customs/main"));
            let token = police.seal("s10", "post", &value);
            prop_assert_eq!(&token, &police.seal("s10", "post", &value));
            prop_assert_eq!(token == police.seal("s10", "post", &other), value == other);
            prop_assert_ne!(&token, &police.seal("ucr", "post", &value));
            prop_assert_ne!(&token, &police.seal("s10", "customs", &value));
            prop_assert_ne!(&token, &customs.seal("s10", "post", &value));
            prop_assert_ne!(&token, &unit(1, 1, "police/main").seal("s10", "post", &value));
        }

        #[test]
        fn a_token_with_one_letter_changed_opens_for_nobody(at in 0usize..80, to in "[A-Z2-7~a-z]") {
            let police = unit(1, 0, "police/main");
            let token = police.seal("s10", "post", "CP618402774XA");
            let at = at % token.len();
            let mut changed = token.clone();
            changed.replace_range(at..=at, &to);
            prop_assert_eq!(police.open(&changed).is_some(), changed == token);
        }

        #[test]
        fn any_text_is_a_token_or_is_not(text in ".{0,200}", sealed in "[A-Z2-7]{0,200}") {
            let police = unit(1, 0, "police/main");
            prop_assert_eq!(police.open(&text), None);
            prop_assert_eq!(police.open(&format!("ct1~{sealed}")), None);
            prop_assert_eq!(police.0.open_delivery(&police.1, &format!("cd1~{sealed}")), None);
        }
    }

    #[test]
    fn a_token_looks_the_same_in_every_release() {
        // Computed once by another implementation (Python, cryptography's AESSIV).
        assert_eq!(
            unit(1, 0, "police/main").seal("s10", "post", "CP618402774XA"),
            "ct1~AAJRYZVZELCVHDPDEV4GA4MXPZR4BOT7M5E7BI77NE6AXUYLSOOCHFE7VELKYZGMEMPI4QR4HPVMBYTHGMSYZ4MS23QR3G7XGAAQHIAXVHLKIC6ZVTJ5JK45LXYECXV7WASWC7VYLX6GYO5GU6WTLPGCKTPY"
        );
    }

    #[test]
    fn the_length_of_a_token_tells_no_originator_and_little_of_the_value() {
        let police = unit(1, 0, "police/main");
        let one = police.seal("s10", "post", "CP618402774XA");
        let longest = "a".repeat(48);
        for originator in ["x", "customs", &longest] {
            let other = police.seal("s10", originator, "CP618402774");
            assert_eq!(one.len(), other.len(), "{originator}");
        }
    }
}
