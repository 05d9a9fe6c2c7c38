//! What a connected system may do: always as the rulebook in force has it.

use std::sync::Arc;

use crate::agency::identity::Grounds;
use crate::agency::registry::Peer;
use crate::agency::scope::Scope;
use crate::agency::token::Claims;
use crate::message::time::Timestamp;
use crate::policy::rulebook::Rulebook;

/// A system and the grounds on which it is served. There is no way to its rights but by naming the
/// rulebook that gives them, so that an activation reaches the next thing that it does.
pub(super) struct Rights {
    /// As the rulebook of `epoch` has it.
    granted: Arc<Peer>,
    /// As it is served: with what its token leaves of that.
    peer: Arc<Peer>,
    epoch: Option<u64>,
    grounds: Grounds,
    token: Option<Claims>,
    /// The sentence that it is closed with once it is open, where there is no place for it.
    declined: Option<String>,
}

/// A rulebook does not let a system stay connected: it does not know it, puts it into another unit, lets
/// it read other queues, or lists its unit, or does no longer.
#[derive(Debug)]
pub(super) struct Ended;

/// Why a new token does not take the place of the one before.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotRenewed {
    /// It is about another subject.
    #[error("the new token is about another subject (sub) than the one before")]
    Subject,
    /// What is read by the connection was granted by the one before.
    #[error("the new token lets other queues be read than the one before: connect again")]
    Reads,
}

impl Rights {
    pub(super) fn new(peer: Arc<Peer>, grounds: Grounds, declined: Option<String>) -> Self {
        Self {
            granted: Arc::clone(&peer),
            peer,
            epoch: None,
            grounds,
            token: None,
            declined,
        }
    }

    /// The sentence that it is closed with now that it is open, where there is no place for it.
    pub(super) fn take_declined(&mut self) -> Option<String> {
        self.declined.take()
    }

    /// The system as `rulebook` has it, with what its token leaves of its rights.
    pub(super) fn under(&mut self, rulebook: &Rulebook) -> Result<Arc<Peer>, Ended> {
        if self.epoch != Some(rulebook.epoch()) {
            let peer = self.grounds.as_of(&self.granted, rulebook.registry());
            // What it reads was granted when it asked for it: it asks again. Who pays for what it does was
            // said when it came: where that is another, it comes again.
            let same = |peer: &Peer| {
                peer.system.reads == self.granted.system.reads
                    && peer.unit.party() == self.granted.unit.party()
            };
            let peer = peer.filter(same);
            let peer = peer.ok_or(Ended)?;
            if peer != *self.granted {
                self.granted = Arc::new(peer);
                self.peer = narrowed(&self.granted, self.token.as_ref());
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

    /// It has logged in by a token: from now on it has what that leaves of its rights.
    pub(super) fn by_token(&mut self, claims: Claims) {
        self.peer = narrowed(&self.granted, Some(&claims));
        self.token = Some(claims);
    }

    /// Whether it has logged in by a token.
    pub(super) fn is_by_token(&self) -> bool {
        self.token.is_some()
    }

    /// Goes on by another token.
    ///
    /// # Errors
    /// [`NotRenewed`]: it goes on by the one before.
    pub(super) fn renew(&mut self, claims: Claims) -> Result<(), NotRenewed> {
        let subject = self.token.as_ref().map(|token| &token.subject);
        if subject != Some(&claims.subject) {
            return Err(NotRenewed::Subject);
        }
        let peer = narrowed(&self.granted, Some(&claims));
        if peer.system.reads != self.peer.system.reads {
            return Err(NotRenewed::Reads);
        }
        self.peer = peer;
        self.token = Some(claims);
        Ok(())
    }

    /// When what let it in ends.
    pub(super) fn until(&self) -> Timestamp {
        let token = self.token.as_ref().map(|token| token.until);
        token.map_or(self.grounds.until, |until| until.min(self.grounds.until))
    }

    /// Says why it goes then.
    pub(super) fn end_of_grounds(&self) -> String {
        let Grounds {
            until, ends_with, ..
        } = &self.grounds;
        match &self.token {
            Some(token) if token.until < *until => format!("the token ended at {}", token.until),
            _ => format!("{ends_with} ended at {until}"),
        }
    }
}

/// The system with what a token leaves of its rights.
fn narrowed(granted: &Arc<Peer>, token: Option<&Claims>) -> Arc<Peer> {
    let scope = token.and_then(|token| token.scope.as_deref());
    let Some(scope) = scope else {
        return Arc::clone(granted);
    };
    Arc::new(Peer {
        system: Arc::new(Scope::read(scope).narrow(&granted.system)),
        ..Peer::clone(granted)
    })
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

    fn claims(scope: Option<&str>) -> Claims {
        Claims {
            subject: "items".to_owned(),
            scope: scope.map(str::to_owned),
            until: noon(),
            key: Digest::of(b"key"),
        }
    }

    #[test]
    fn a_token_leaves_of_each_rulebook_what_its_scope_names_and_ends_before_the_chain() {
        let bundle = shipped();
        let first = Rulebook::load(&bundle).unwrap().activated(1);
        let mut rights = rights(&first);
        let covers = |peer: &Peer, kind: &str| peer.system.sends.iter().any(|it| it.covers(kind));
        rights.by_token(claims(Some("carnet.write:*/postal.*")));
        let peer = rights.under(&first).unwrap();
        assert!(covers(&peer, "postal.item") && !covers(&peer, "cargo.report"));
        assert!(peer.system.reads.is_empty());
        let less = changed(&bundle, 2, "\"postal.item\", ", "");
        let peer = rights.under(&less).unwrap();
        assert!(!covers(&peer, "postal.item"));
        assert_eq!(rights.until(), noon());

        // Who it is about and what it reads stay; what it sends may be more or less.
        let other = Claims {
            subject: "another".to_owned(),
            ..claims(None)
        };
        assert_eq!(rights.renew(other), Err(NotRenewed::Subject));
        assert_eq!(rights.renew(claims(None)), Err(NotRenewed::Reads));
        assert_eq!(rights.renew(claims(Some(""))), Ok(()));
        assert!(rights.under(&first).unwrap().system.sends.is_empty());
    }
}
