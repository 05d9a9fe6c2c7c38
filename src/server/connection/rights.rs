//! What a connected system may do: always as the rulebook in force has it.

use std::sync::Arc;

use crate::agency::identity::Grounds;
use crate::agency::registry::Peer;
use crate::message::time::Timestamp;
use crate::policy::rulebook::Rulebook;

/// A system and the grounds on which it is served. There is no way to its rights but by naming the
/// rulebook that gives them, so that an activation reaches the next thing that it does.
pub(super) struct Rights {
    /// As the rulebook of `epoch` has it.
    peer: Arc<Peer>,
    epoch: Option<u64>,
    grounds: Grounds,
    /// The sentence that it is closed with once it is open, where there is no place for it.
    declined: Option<String>,
}

/// A rulebook does not let a system stay connected: it does not know it, puts it into another unit, lets
/// it read other queues, or lists its unit, or does no longer.
#[derive(Debug)]
pub(super) struct Ended;

impl Rights {
    pub(super) fn new(peer: Arc<Peer>, grounds: Grounds, declined: Option<String>) -> Self {
        Self {
            peer,
            epoch: None,
            grounds,
            declined,
        }
    }

    /// The sentence that it is closed with now that it is open, where there is no place for it.
    pub(super) fn take_declined(&mut self) -> Option<String> {
        self.declined.take()
    }

    /// The system as `rulebook` has it.
    pub(super) fn under(&mut self, rulebook: &Rulebook) -> Result<Arc<Peer>, Ended> {
        if self.epoch != Some(rulebook.epoch()) {
            let peer = self.grounds.as_of(&self.peer, rulebook.registry());
            // What it reads was granted when it asked for it: it asks again. Who pays for what it does was
            // said when it came: where that is another, it comes again.
            let same = |peer: &Peer| {
                peer.system.reads == self.peer.system.reads
                    && peer.unit.party() == self.peer.unit.party()
            };
            let peer = peer.filter(same);
            let peer = peer.ok_or(Ended)?;
            if peer != *self.peer {
                self.peer = Arc::new(peer);
            }
            self.epoch = Some(rulebook.epoch());
        }
        Ok(Arc::clone(&self.peer))
    }

    /// The system as it was looked at last: its names and its unit, which stay while it is connected.
    pub(super) fn system(&self) -> &Peer {
        &self.peer
    }

    /// What it was let in on.
    pub(super) fn grounds(&self) -> &Grounds {
        &self.grounds
    }

    /// When the chain that let it in ends.
    pub(super) fn until(&self) -> Timestamp {
        self.grounds.until
    }

    /// Says why it goes then.
    pub(super) fn end_of_grounds(&self) -> String {
        let Grounds {
            until, ends_with, ..
        } = &self.grounds;
        format!("{ends_with} ended at {until}")
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::cli::certs::pki::{DevelopmentPki, development_bundle};
    use crate::config::{Config, Overrides, read_bundle};
    use crate::message::bundle::Bundle;
    use crate::message::id::Digest;

    const POST: &str = "agencies/post/agency.toml";

    fn noon() -> Timestamp {
        Timestamp::from_rfc3339("2026-03-17T12:00:00Z").unwrap()
    }

    /// What the repository holds, with issuers.
    fn shipped() -> Bundle {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let folders = Overrides {
            agencies: Some(root.join("agencies")),
            messages: Some(root.join("messages")),
            policies: Some(root.join("policies")),
            ..Overrides::default()
        };
        let bundle = read_bundle(&Config::load(&folders).unwrap()).unwrap();
        let pki = DevelopmentPki::create(&bundle, noon()).unwrap();
        development_bundle(&bundle, &pki).unwrap()
    }

    /// The rulebook of this activation, in which post's file reads otherwise.
    fn changed(bundle: &Bundle, epoch: u64, from: &str, to: &str) -> Rulebook {
        let mut bundle = bundle.clone();
        let text = bundle.text(POST).unwrap();
        assert!(text.contains(from), "{from}");
        let text = text.replace(from, to);
        bundle.insert(POST, text);
        Rulebook::load(&bundle).unwrap().activated(epoch)
    }

    /// The rights of post's one system.
    fn rights(rulebook: &Rulebook) -> Rights {
        let agency = rulebook.registry().agency("post").unwrap();
        let system = agency.systems.values().next().unwrap();
        let peer = Peer {
            agency: Arc::clone(agency),
            unit: Arc::clone(&agency.units[&system.unit]),
            system: Arc::clone(system),
        };
        let grounds = Grounds {
            agency: agency.id.clone(),
            remote: "127.0.0.1".parse().unwrap(),
            issuer: Digest::of(&agency.issuers[0].1),
            until: noon(),
            ends_with: "the certificate".to_owned(),
            line: [].into(),
        };
        Rights::new(Arc::new(peer), grounds, None)
    }

    #[test]
    fn what_a_rulebook_grants_holds_from_the_first_use_after_its_activation() {
        let bundle = shipped();
        let first = Rulebook::load(&bundle).unwrap().activated(1);
        let mut rights = rights(&first);
        let before = rights.under(&first).unwrap();
        assert!(Arc::ptr_eq(&before, &rights.under(&first).unwrap()));

        let slower = ("messages_per_second = 5000", "messages_per_second = 7");
        let slower = changed(&bundle, 2, slower.0, slower.1);
        let peer = rights.under(&slower).unwrap();
        assert_eq!(peer.agency.limits.messages_per_second, 7);
        let sends = changed(&bundle, 3, "\"postal.item\", ", "");
        let peer = rights.under(&sends).unwrap();
        assert!(!peer.system.sends.iter().any(|it| it.covers("postal.item")));
        // A view that is older by a moment gives what it gave.
        assert_eq!(rights.under(&first).unwrap(), before);
    }

    #[test]
    fn a_rulebook_that_changes_who_it_is_or_what_it_reads_ends_its_connection() {
        let bundle = shipped();
        let first = Rulebook::load(&bundle).unwrap().activated(1);
        for (from, to) in [
            (
                "reads = [\"inbox\", \"receipts\", \"dead\"]",
                "reads = [\"inbox\"]",
            ),
            ("system:items\"", "system:other\""),
            ("\n[[system]]", "listed = false\n\n[[system]]"),
        ] {
            let mut rights = rights(&first);
            assert!(rights.under(&first).is_ok());
            let changed = changed(&bundle, 2, from, to);
            assert!(rights.under(&changed).is_err(), "{to}");
            assert!(rights.under(&first).is_ok());
        }
    }
}
