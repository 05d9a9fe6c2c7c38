//! Ids of deliveries: `cd1~` and the sealed exchange with its sender.
//!
//! Each recipient sees another id for the same exchange, so two of them find nothing equal. The id
//! comes back as the `correlation_id` of a reply and tells the broker what is answered.

use super::sealed::Sealed;
use super::{DELIVERY, UnitKeys};
use crate::message::id::{ExchangeId, UnitId};

const PREFIX: &str = "cd1~";

impl UnitKeys {
    /// The `message_id` under which this unit receives the exchange: the same at each redelivery
    /// in one epoch, at most 255 bytes, as AMQP's short strings are.
    pub fn seal_delivery_id(&self, exchange: ExchangeId, sender: &UnitId) -> String {
        self.delivery.seal(
            PREFIX,
            self.epoch,
            &[&exchange.0, sender.to_string().as_bytes()],
        )
    }

    /// The exchange and its sender, where `text` is an id that this very unit received.
    pub fn open_delivery_id(&self, text: &str) -> Option<(ExchangeId, UnitId)> {
        let sealed = Sealed::parse(PREFIX, text)?;
        let [exchange, sender] = if sealed.epoch == self.epoch {
            self.delivery.open(&sealed)?
        } else {
            self.key_of(DELIVERY, sealed.epoch).open(&sealed)?
        };
        let sender = String::from_utf8(sender).ok()?.parse().ok()?;
        Some((ExchangeId(exchange.try_into().ok()?), sender))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Epoch, Keys, MasterKey};
    use super::*;

    fn unit(epoch: u16, name: &str) -> UnitKeys {
        let master = MasterKey::from_random([1; 32]);
        Keys::new(&master, Epoch::new(epoch).unwrap()).unit(&name.parse().unwrap())
    }

    #[test]
    fn a_reply_quotes_the_id_and_only_its_own_unit_can() {
        let (exchange, sender) = (ExchangeId([5; 16]), "post/main".parse().unwrap());
        let id = unit(0, "police/main").seal_delivery_id(exchange, &sender);
        assert_eq!(
            id,
            unit(0, "police/main").seal_delivery_id(exchange, &sender)
        );
        // Computed once by another implementation (Python, cryptography's AESSIV).
        assert_eq!(
            id,
            "cd1~AAT6Q3MACT564L5SQOZJ2OL54FLLQS535E4OKKJR7DYNGLMIL2AIOJ6NXSMXR4GVDX2CPJCA3GYCQZY"
        );
        let opened = Some((exchange, sender.clone()));
        assert_eq!(unit(0, "police/main").open_delivery_id(&id), opened);
        assert_eq!(unit(7, "police/main").open_delivery_id(&id), opened);
        assert_eq!(unit(0, "customs/main").open_delivery_id(&id), None);
        assert_ne!(
            id,
            unit(0, "customs/main").seal_delivery_id(exchange, &sender)
        );
    }

    #[test]
    fn a_token_is_no_id_and_an_id_no_token() {
        let police = unit(0, "police/main");
        let token = police.seal_token("s10", &"post".parse().unwrap(), "CP618402774XA");
        let id = police.seal_delivery_id(ExchangeId([5; 16]), &"post/main".parse().unwrap());
        assert_eq!(police.open_token(&id.replace("cd1~", "ct1~")), None);
        assert_eq!(
            police.open_delivery_id(&token.replace("ct1~", "cd1~")),
            None
        );
    }

    #[test]
    fn the_longest_id_is_a_short_string_of_amqp() {
        let longest = format!("a{0}/a{0}", "b".repeat(47)).parse().unwrap();
        let id = unit(0, "police/main").seal_delivery_id(ExchangeId([5; 16]), &longest);
        assert!(id.len() <= 255, "{}", id.len());
    }
}
