//! Ids of deliveries: `cd1~` and the sealed exchange with its sender.
//!
//! Each recipient sees another id for the same exchange, so two of them find nothing equal. The id
//! comes back as the `correlation_id` of a reply and tells the broker what is answered.

use super::keyring::{DELIVERY, Keys};
use super::sealed::Sealed;
use crate::message::id::{ExchangeId, UnitId};

const PREFIX: &str = "cd1~";

/// Octets of the sender in an id, zeros behind its name: as many as the longest name of a unit has. An
/// id has one length, or it would tell how long the name of a sender is that is not listed.
const SENDER_BYTES: usize = 48 + 1 + 48;

/// What was delivered, as the id of a delivery names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivered {
    /// The exchange.
    pub exchange: ExchangeId,
    /// The address of its record in the journal.
    pub address: u64,
    /// The unit that sent it.
    pub sender: UnitId,
}

impl Keys {
    /// The `message_id` under which `unit` receives an exchange: the same at each redelivery in one
    /// epoch, 237 bytes, so that it is a short string of AMQP. `None` for a unit that is not in the
    /// rulebook.
    pub fn seal_delivery(&self, unit: &UnitId, delivered: &Delivered) -> Option<String> {
        let mut sender = delivered.sender.to_string().into_bytes();
        sender.resize(SENDER_BYTES, 0);
        let parts: [&[u8]; 3] = [
            &delivered.exchange.0,
            &delivered.address.to_be_bytes(),
            &sender,
        ];
        self.units
            .get(unit)?
            .delivery
            .seal(PREFIX, self.epoch, &parts)
    }

    /// What was delivered, where `text` is an id that this very unit received.
    pub fn open_delivery(&self, unit: &UnitId, text: &str) -> Option<Delivered> {
        let sealed = Sealed::parse(PREFIX, text)?;
        let [exchange, address, sender] = self.open(DELIVERY, unit, &sealed)?;
        Some(Delivered {
            exchange: ExchangeId(exchange.try_into().ok()?),
            address: u64::from_be_bytes(address.try_into().ok()?),
            sender: std::str::from_utf8(&sender)
                .ok()?
                .trim_end_matches('\0')
                .parse()
                .ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Epoch, Ring, SharedRing, Token};
    use super::*;

    fn unit(name: &str) -> UnitId {
        name.parse().unwrap()
    }

    fn from(sender: &UnitId) -> Delivered {
        Delivered {
            exchange: ExchangeId([5; 16]),
            address: 4_242,
            sender: sender.clone(),
        }
    }

    fn keys(epoch: u16) -> Keys {
        let units = [unit("police/main"), unit("customs/main")];
        Keys::derive_in(
            Epoch::new(epoch).unwrap(),
            SharedRing::new(Ring::new([1; 32], [0; 32])),
            units.iter(),
        )
    }

    #[test]
    fn a_reply_quotes_the_id_and_only_its_own_unit_can() {
        let (police, customs, sender) =
            (unit("police/main"), unit("customs/main"), unit("post/main"));
        let sent = from(&sender);
        let id = keys(0).seal_delivery(&police, &sent).unwrap();
        // Computed once by another implementation (Python, cryptography's AESSIV).
        assert_eq!(
            id,
            "cd1~AAALP2QTTDKLPDMB62HLMLPRUD45IUGUQXICQG6DYMBJR75AMOGLUQVIXYOVO3P2QM52TGKDTK5PRBIFI2ANY2ST2MCVMDYP66AQQPASUKS4CZII43A3PSHFWLMS66TZKO3T43IFMZPZLH3CYDV4J76NYIW63I27VF5YDB6HX4VTFV7KN344WG2WKPOFUMLVFPUE4W6GKWKK3EF2Z6MQUHB4LAWOJ5FNYKFWIMAWY"
        );
        assert_eq!(keys(0).seal_delivery(&police, &sent).unwrap(), id);
        assert_ne!(keys(0).seal_delivery(&customs, &sent).unwrap(), id);
        for epoch in [0, 7] {
            let opened = keys(epoch).open_delivery(&police, &id);
            assert_eq!(opened.as_ref(), Some(&sent));
            assert_eq!(keys(epoch).open_delivery(&customs, &id), None);
        }
    }

    #[test]
    fn a_token_is_no_id_and_an_id_no_token() {
        let (keys, police) = (keys(0), unit("police/main"));
        let token = Token {
            kind: "s10".to_owned(),
            originator: "post".parse().unwrap(),
            value: "CP618402774XA".to_owned(),
        };
        let token = keys.seal_token(&police, &token).unwrap();
        let id = keys.seal_delivery(&police, &from(&police)).unwrap();
        assert_eq!(keys.open_token(&police, &id.replace("cd1~", "ct1~")), None);
        assert_eq!(
            keys.open_delivery(&police, &token.replace("ct1~", "cd1~")),
            None
        );
    }

    #[test]
    fn an_id_has_one_length_whoever_sent_it_and_is_a_short_string_of_amqp() {
        let longest = format!("a{0}/a{0}", "b".repeat(47));
        for sender in ["a/b", "customs/investigation", &longest] {
            let sent = from(&unit(sender));
            let id = keys(0).seal_delivery(&unit("police/main"), &sent).unwrap();
            assert_eq!(id.len(), 237, "{sender}");
            assert_eq!(keys(7).open_delivery(&unit("police/main"), &id), Some(sent));
        }
    }
}
