//! Keys: one master key outside the data folder, which opens the key ring in it; all others come from that.
//!
//! ```text
//! MasterKey ─opens─► Ring ─HKDF─► Keys of an epoch: a pair for each unit (reference tokens, ids of deliveries)
//!                     │                          └► DigestKey
//!                     ├─► keys of payload frames and of what is sealed in records
//!                     └─► KeyCheck, which the log's first record has
//! ```
//! Derivation is HKDF-SHA-256: extracted once with a salt of this product, expanded with a purpose
//! and its context, each part with its length before it, so that no two contexts give one key.
//! Randomness is an argument. Nothing here is written anywhere but by [`MasterKey::to_file`] and [`Lock::lock`].
//!
//! `ring` says how a part is sealed, `locked` how the ring is. Payload frames have their layout in `frame`,
//! the sealed part of a record has its in `part`.

mod class;
mod delivery;
mod derive;
mod digest;
mod frame;
mod keyring;
mod locked;
mod master;
mod part;
mod ring;
mod sealed;
mod token;

pub use class::RetentionClass;
pub use delivery::Delivered;
pub use derive::KeyCheck;
pub use frame::{BadFrame, FramePart, FrameWriter, OpenFrame};
pub use keyring::Keys;
pub use locked::{BadRing, Lock};
pub use master::{BadMasterKey, MasterKey};
pub use part::{BadPart, SealedPart};
pub use ring::{Period, Ring, Sealing, SharedRing};
pub use sealed::Epoch;
pub use token::Token;

#[cfg(test)]
mod tests {
    use super::keyring::UnitKeys;
    use super::sealed::SealingKey;
    use super::*;

    fn keys(fill: u8, epoch: u16, unit: &str) -> Keys {
        let unit = unit.parse().unwrap();
        let units = std::iter::once(&unit);
        Keys::derive_in(
            Epoch::new(epoch).unwrap(),
            SharedRing::new(Ring::new([fill; 32], [0; 32])),
            units,
        )
    }

    fn only(keys: &Keys) -> &UnitKeys {
        keys.units.values().next().unwrap()
    }

    #[test]
    fn a_key_is_rfc_5869_over_the_documented_context() {
        // HKDF by its definition from HMAC, so that another implementation can open what we seal.
        let hmac = |key: &[u8], parts: &[&[u8]]| {
            let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, key);
            aws_lc_rs::hmac::sign(&key, &parts.concat())
                .as_ref()
                .to_vec()
        };
        let root = hmac(b"carnet master key 1", &[&[7; 32]]);
        let info = b"\0\0\0\0\0\0\0\x05token\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\0\0\x0bpolice/main";
        let first = hmac(&root, &[info, &[1]]);
        let second = hmac(&root, &[&first, info, &[2]]);
        let keys = keys(7, 0, "police/main");
        assert_eq!(only(&keys).token.0.as_slice(), [first, second].concat());
    }

    #[test]
    fn keys_differ_by_purpose_unit_epoch_and_master() {
        let first = keys(1, 0, "police/main");
        let bytes = |key: &SealingKey| key.0.to_vec();
        let others = [
            bytes(&only(&first).delivery),
            bytes(&only(&keys(1, 0, "police/other")).token),
            bytes(&only(&keys(1, 1, "police/main")).token),
            bytes(&only(&keys(2, 0, "police/main")).token),
        ];
        assert!(
            others
                .iter()
                .all(|other| *other != bytes(&only(&first).token))
        );
        assert_eq!(Epoch::new(1024), None);
    }

    #[test]
    fn a_unit_that_is_not_in_the_rulebook_has_no_keys() {
        let (police, post) = (keys(1, 0, "police/main"), "post/main".parse().unwrap());
        let token = Token {
            kind: "s10".to_owned(),
            originator: "post".parse().unwrap(),
            value: "CP618402774XA".to_owned(),
        };
        assert_eq!(police.seal_token(&post, &token), None);
        let delivered = Delivered {
            exchange: crate::message::id::ExchangeId([1; 16]),
            address: 1,
            sender: post.clone(),
        };
        assert_eq!(police.seal_delivery(&post, &delivered), None);
    }

    #[test]
    fn nothing_shows_a_key() {
        let master = MasterKey::new([0xab; 32]);
        let shown = format!("{master:?} {:?}", keys(0xab, 0, "post/main"));
        assert_eq!(shown, "MasterKey(..) Keys(1 units, epoch 0)");
    }
}
