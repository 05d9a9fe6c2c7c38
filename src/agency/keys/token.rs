//! Reference tokens: `ct1~` and a sealed reference.
//!
//! A recipient who may not know the party behind a reference gets a token of its own unit instead.
//! It can keep it, compare it and quote it back; only the broker opens it, and only for that unit.

use super::sealed::Sealed;
use super::{TOKEN, UnitKeys};
use crate::message::id::AgencyId;

const PREFIX: &str = "ct1~";

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

impl UnitKeys {
    /// The unit's token of a reference: always the same for the same reference, in one epoch.
    ///
    /// Kind and value have at most 65,535 bytes; the catalogue's limits are far below.
    pub fn seal_token(&self, kind: &str, originator: &AgencyId, value: &str) -> String {
        let parts = [
            kind.as_bytes(),
            originator.as_str().as_bytes(),
            value.as_bytes(),
        ];
        self.token.seal(PREFIX, self.epoch, &parts)
    }

    /// What a token of this very unit stands for; `None` for any other text.
    pub fn open_token(&self, text: &str) -> Option<Token> {
        let sealed = Sealed::parse(PREFIX, text)?;
        let [kind, originator, value] = if sealed.epoch == self.epoch {
            self.token.open(&sealed)?
        } else {
            self.key_of(TOKEN, sealed.epoch).open(&sealed)?
        };
        Some(Token {
            kind: String::from_utf8(kind).ok()?,
            originator: String::from_utf8(originator).ok()?.parse().ok()?,
            value: String::from_utf8(value).ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Epoch, Keys, MasterKey};
    use super::*;

    fn unit(fill: u8, epoch: u16, name: &str) -> UnitKeys {
        let master = MasterKey::from_random([fill; 32]);
        Keys::new(&master, Epoch::new(epoch).unwrap()).unit(&name.parse().unwrap())
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_token_opens_for_its_unit_in_every_epoch_and_for_no_other(
            kind in "[a-z0-9-]{1,12}",
            originator in "[a-z][a-z0-9-]{0,20}",
            value in ".{0,80}",
            epoch in 0u16..1024,
        ) {
            let agency: AgencyId = originator.parse().unwrap();
            let token = unit(1, epoch, "police/main").seal_token(&kind, &agency, &value);
            let open = |keys: UnitKeys| keys.open_token(&token);
            let expected = Token { kind: kind.clone(), originator: agency.clone(), value };
            prop_assert_eq!(open(unit(1, epoch, "police/main")), Some(expected.clone()));
            prop_assert_eq!(open(unit(1, 1023 - epoch, "police/main")), Some(expected.clone()));
            prop_assert_eq!(open(unit(1, epoch, "police/other")), None);
            prop_assert_eq!(open(unit(1, epoch, "post/main")), None);
            prop_assert_eq!(open(unit(2, epoch, "police/main")), None);
            prop_assert!(token.bytes().all(|b| b.is_ascii_graphic()));
        }

        #[test]
        fn equal_references_give_one_token_and_different_units_different_ones(
            value in "[A-Z0-9]{1,35}",
            other in "[A-Z0-9]{1,35}",
        ) {
            let agency: AgencyId = "post".parse().unwrap();
            let (police, customs) = (unit(1, 0, "police/main"), unit(1, 0, "customs/main"));
            let token = police.seal_token("s10", &agency, &value);
            prop_assert_eq!(&token, &police.seal_token("s10", &agency, &value));
            prop_assert_eq!(token == police.seal_token("s10", &agency, &other), value == other);
            prop_assert_ne!(&token, &police.seal_token("ucr", &agency, &value));
            prop_assert_ne!(&token, &police.seal_token("s10", &"customs".parse().unwrap(), &value));
            prop_assert_ne!(&token, &customs.seal_token("s10", &agency, &value));
            prop_assert_ne!(&token, &unit(1, 1, "police/main").seal_token("s10", &agency, &value));
        }

        #[test]
        fn a_token_with_one_letter_changed_opens_for_nobody(at in 0usize..80, to in "[A-Z2-7~a-z]") {
            let police = unit(1, 0, "police/main");
            let token = police.seal_token("s10", &"post".parse().unwrap(), "CP618402774XA");
            let at = at % token.len();
            let mut changed = token.clone();
            changed.replace_range(at..=at, &to);
            prop_assert_eq!(police.open_token(&changed).is_some(), changed == token);
        }

        #[test]
        fn any_text_is_a_token_or_is_not(text in ".{0,200}", sealed in "[A-Z2-7]{0,200}") {
            let police = unit(1, 0, "police/main");
            prop_assert_eq!(police.open_token(&text), None);
            prop_assert_eq!(police.open_token(&format!("ct1~{sealed}")), None);
            prop_assert_eq!(police.open_delivery_id(&format!("cd1~{sealed}")), None);
        }
    }

    #[test]
    fn a_token_looks_the_same_in_every_release() {
        let police = unit(1, 0, "police/main");
        let token = police.seal_token("s10", &"post".parse().unwrap(), "CP618402774XA");
        // Computed once by another implementation (Python, cryptography's AESSIV).
        assert_eq!(
            token,
            "ct1~AAWTQ72PMYPYGH3RRAH6TMP3S7ZMQABYBJGNI3QNMUWS4BVIS6CTTSLWMJRF3NCSAG23LYIUFFAYVX6"
        );
    }

    #[test]
    fn the_length_of_a_token_tells_neither_originator_nor_value() {
        let police = unit(1, 0, "police/main");
        let length = |agency: &str, value| {
            police
                .seal_token("s10", &agency.parse().unwrap(), value)
                .len()
        };
        assert_eq!(
            length("post", "CP618402774XA"),
            length("customs", "CP618402774")
        );
    }
}
