//! Which certificates are withdrawn: the lists in force of each agency, and how old they are.
//!
//! Pure: lists and the time of day come in as values. A list says something about the certificates of
//! the very issuer that signed it, within its own agency; nothing takes the place of a list but a later
//! one of the same issuer about the same certificates. Lists at one address that different keys have
//! signed stand beside each other, so that a stranger on the way to it can hold a list back, and cannot
//! put another one in its place.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use super::crl::{NotTaken, RevocationList};
use super::identity::Grounds;
use super::refusal::{IdentityRefusal, RefusalKind, quoted};
use super::registry::{Agency, CrlSource};
use crate::message::id::AgencyId;
use crate::message::time::Timestamp;

/// Lists at one address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Followed {
    /// Where they are.
    pub source: CrlSource,
    /// Since when they are looked for.
    since: Timestamp,
    lists: Vec<InForce>,
}

/// A list in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InForce {
    /// The list.
    pub list: Arc<RevocationList>,
    /// When it was read last.
    pub read: Timestamp,
}

impl InForce {
    /// The last moment at which it was known to be the newest: when it was read last, and not after the
    /// next one was due.
    fn is_current_until(&self) -> Timestamp {
        let due = self.list.next_update().unwrap_or(self.read);
        self.read.min(due)
    }
}

/// What came of a list that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It is the one in force.
    Same,
    /// It is in force from now on.
    New,
}

impl Followed {
    /// An address at which nothing was read yet.
    pub fn new(source: CrlSource, since: Timestamp) -> Self {
        Self {
            source,
            since,
            lists: Vec::new(),
        }
    }

    /// One with the lists that were in force before.
    pub fn kept(source: CrlSource, since: Timestamp, lists: Vec<InForce>) -> Self {
        Self {
            source,
            since,
            lists,
        }
    }

    /// Puts a list that was read at `now` in force.
    ///
    /// # Errors
    /// [`NotTaken::Older`] where a later one is.
    pub fn take(&mut self, list: RevocationList, now: Timestamp) -> Result<Taken, NotTaken> {
        let before = self.lists.iter_mut().find(|it| list.replaces(&it.list));
        let Some(before) = before else {
            self.lists.push(InForce {
                list: Arc::new(list),
                read: now,
            });
            return Ok(Taken::New);
        };
        if list.is_older_than(&before.list) {
            return Err(NotTaken::Older {
                its: list.this_update(),
                in_force: before.list.this_update(),
            });
        }
        before.read = now;
        if *before.list == list {
            return Ok(Taken::Same);
        }
        before.list = Arc::new(list);
        Ok(Taken::New)
    }

    /// Drops lists of issuers that the agency does not list any more: no system comes in by those.
    pub fn keep_listed(&mut self, agency: &Agency) {
        self.lists.retain(|it| it.list.is_of(agency));
    }

    /// The lists in force.
    pub fn lists(&self) -> &[InForce] {
        &self.lists
    }

    /// Since when they are looked for.
    pub fn since(&self) -> Timestamp {
        self.since
    }

    /// How old what is known of it is: the oldest of its lists counts.
    pub fn age(&self, now: Timestamp) -> Duration {
        let current = self.lists.iter().map(InForce::is_current_until);
        now.since(current.min().unwrap_or(self.since))
    }

    /// What is wrong with it, in a sentence: none while it was read when it should have been.
    pub fn lateness(&self, now: Timestamp) -> Option<String> {
        let age = self.age(now);
        if age <= self.source.refresh * 2 {
            return None;
        }
        let CrlSource {
            source,
            stale_after,
            ..
        } = &self.source;
        let mut says = if self.lists.is_empty() {
            format!("no revocation list was read at {source} yet")
        } else {
            format!("the revocation list at {source} is {} old", whole(age))
        };
        if age <= *stale_after {
            _ = write!(
                says,
                ": after {} its agency is let in no more",
                whole(*stale_after)
            );
        } else {
            says.push_str(": no system of its agency is let in");
        }
        Some(says)
    }

    fn is_stale(&self, now: Timestamp) -> bool {
        self.age(now) > self.source.stale_after
    }
}

/// A length of time in the largest unit that says it well.
fn whole(time: Duration) -> String {
    let minutes = time.as_secs() / 60;
    match minutes {
        0..=119 => format!("{minutes} minutes"),
        120..=2_879 => format!("{} hours", minutes / 60),
        _ => format!("{} days", minutes / 1_440),
    }
}

/// What is in force of all agencies.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Revocations {
    agencies: BTreeMap<AgencyId, Vec<Followed>>,
}

impl Revocations {
    /// Puts the lists of an agency in the place of those before.
    pub fn put(&mut self, agency: AgencyId, followed: Vec<Followed>) {
        self.agencies.insert(agency, followed);
    }

    /// The lists of an agency.
    pub fn of(&self, agency: &AgencyId) -> &[Followed] {
        self.agencies.get(agency).map_or(&[], Vec::as_slice)
    }

    /// All lists, by agency.
    pub fn all(&self) -> impl Iterator<Item = (&AgencyId, &Followed)> {
        let agencies = self.agencies.iter();
        agencies.flat_map(|(agency, all)| all.iter().map(move |one| (agency, one)))
    }

    /// Whether who is known on these grounds may come in.
    ///
    /// # Errors
    /// A refusal where a certificate of its chain is withdrawn, or where that is not known.
    pub fn admit(&self, grounds: &Grounds, now: Timestamp) -> Result<(), IdentityRefusal> {
        self.stand(grounds)?;
        let agency = &grounds.agency;
        let stale = self.of(agency).iter().find(|it| it.is_stale(now));
        stale.map_or(Ok(()), |followed| {
            let source = &followed.source.source;
            let says = if followed.lists.is_empty() {
                format!("none was read at {source}")
            } else {
                format!("{} old: {source}", whole(followed.age(now)))
            };
            Err(refusal(RefusalKind::StaleLists, agency, says))
        })
    }

    /// Whether who was let in on these grounds may stay: that is, as long as none of it is withdrawn.
    ///
    /// # Errors
    /// A refusal where a certificate of its chain is withdrawn.
    pub fn stand(&self, grounds: &Grounds) -> Result<(), IdentityRefusal> {
        let agency = &grounds.agency;
        let lists = self.of(agency).iter().flat_map(|it| &it.lists);
        for InForce { list, .. } in lists {
            let revoked = grounds.line.iter().position(|it| list.revokes(it));
            let Some(place) = revoked else { continue };
            let made = list.this_update();
            let whose = match (place, grounds.line.get(place)) {
                (1.., Some(above)) => format!("{} above it", quoted(&above.subject)),
                _ => "it".to_owned(),
            };
            let says = format!("{whose} is withdrawn by its issuer's list of {made}");
            return Err(refusal(RefusalKind::Revoked, agency, says));
        }
        Ok(())
    }
}

fn refusal(kind: RefusalKind, agency: &AgencyId, detail: String) -> IdentityRefusal {
    let mut refusal = IdentityRefusal::new(kind, detail);
    refusal.claimed = Some(agency.clone());
    refusal.issued_by = Some(agency.clone());
    refusal
}
