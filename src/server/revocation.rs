//! Revocation lists while the broker serves: read where agencies publish them, in force at once, and
//! kept in the data folder so that a start does not begin without them.
//!
//! One task owns all of it ([`keep`]); handshakes and connections look at what it has published. Each
//! reading is a task of its own: an agency whose server hangs holds up no other.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use serde::{Deserialize, Serialize};
use tokio::signal::unix::Signal;
use tokio::sync::{mpsc, watch};

use super::clock::Clock;
use super::fetch::Wanted;
use super::rounds::{Freshness, Rounds};
use crate::agency::crl::{CRL_BYTES_MAX, RevocationList};
use crate::agency::identity::Grounds;
use crate::agency::refusal::IdentityRefusal;
use crate::agency::registry::{Agency, CrlSource};
use crate::agency::revocation::{Followed, InForce, Revocations, Taken};
use crate::agency::source::Source;
use crate::backbone::embedded::Embedded;
use crate::journal::vfs::{DiskVfs, put_in_place, read_whole};
use crate::message::id::{AgencyId, Digest};
use crate::message::time::Timestamp;

/// How often it is looked whether something is due.
const LOOK: Duration = Duration::from_secs(1);
/// How often lists that are too old are told.
const TELL: Duration = Duration::from_hours(1);
const FOLDER: &str = "revocation";
/// Octets of a file, at most: lists in base64.
const FILE_BYTES: u64 = 64 << 20;

/// The lists in force.
pub(crate) struct Revocation {
    known: ArcSwap<Revocations>,
    changes: watch::Sender<()>,
}

impl Default for Revocation {
    fn default() -> Self {
        Self {
            known: ArcSwap::default(),
            changes: watch::Sender::new(()),
        }
    }
}

impl Revocation {
    /// Whether who is known on these grounds may come in.
    ///
    /// # Errors
    /// A refusal where a certificate of its chain is withdrawn, or where that is not known.
    pub(crate) fn admit(&self, grounds: &Grounds, now: Timestamp) -> Result<(), IdentityRefusal> {
        self.known.load().admit(grounds, now)
    }

    /// Whether who was let in on these grounds may stay.
    ///
    /// # Errors
    /// A refusal where a certificate of its chain is withdrawn.
    pub(crate) fn stand(&self, grounds: &Grounds) -> Result<(), IdentityRefusal> {
        self.known.load().stand(grounds)
    }

    /// Tells of each change of what is withdrawn.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    /// How fresh the lists are.
    pub(super) fn fresh(&self, now: Timestamp) -> Freshness {
        let mut found = Freshness::default();
        for (agency, followed) in self.known.load().all() {
            let (source, age) = (&followed.source.source, followed.age(now).as_secs());
            match followed.lateness(now) {
                Some(says) => found.late.push(format!("{agency}: {says}")),
                None if followed.lists().is_empty() => {
                    let says = format!("{agency}: no revocation list was read at {source} yet");
                    found.late.push(says);
                }
                None => {
                    let says = format!("{agency}: the revocation list at {source} is {age} s old");
                    found.fresh.push(says);
                }
            }
        }
        found
    }

    /// Lists that were not read when they should have been, each in a sentence.
    pub(crate) fn late(&self, now: Timestamp) -> Vec<String> {
        let known = self.known.load();
        let late = known.all().filter_map(|(agency, followed)| {
            let says = followed.lateness(now)?;
            Some(format!("{agency}: {says}"))
        });
        late.collect()
    }
}

/// A place with lists: the agency whose they are, and where.
type Place = (AgencyId, Source);

/// A place that was read.
struct Answer {
    place: Place,
    read: Result<RevocationList, String>,
}

/// The owner of the lists.
pub(crate) struct Keeper {
    revocation: Arc<Revocation>,
    backbone: Arc<Embedded>,
    clock: Clock,
    folder: PathBuf,
    known: Revocations,
    rounds: Rounds<Place>,
    followed: Option<Digest>,
    /// Why a place was not read, as it was told last.
    faults: BTreeMap<Place, String>,
    told: Option<Timestamp>,
}

impl Keeper {
    /// Begins with the lists of before, which are in force when this returns.
    pub(crate) fn new(
        revocation: Arc<Revocation>,
        backbone: Arc<Embedded>,
        clock: Clock,
        data: &Path,
    ) -> Self {
        let mut keeper = Self {
            revocation,
            backbone,
            clock,
            folder: data.join(FOLDER),
            known: Revocations::default(),
            rounds: Rounds::new(),
            followed: None,
            faults: BTreeMap::new(),
            told: None,
        };
        keeper.follow();
        keeper
    }

    /// Follows the places that the rulebook in force names.
    fn follow(&mut self) {
        let rulebook = Arc::clone(&self.backbone.view().rulebook);
        if self.followed == Some(rulebook.digest()) {
            return;
        }
        self.followed = Some(rulebook.digest());
        let now = self.clock.now();
        let mut known = Revocations::default();
        let mut places = Vec::new();
        for agency in rulebook.registry().bodies() {
            let mut all = Vec::new();
            for source in &agency.crls {
                let place = (agency.id.clone(), source.source.clone());
                places.push((place, source.refresh));
                let followed = self.followed_at(agency, source, now);
                // That it was looked for counts from now on, over restarts too.
                write(&self.folder, &agency.id, &followed);
                all.push(followed);
            }
            known.put(agency.id.clone(), all);
        }
        self.rounds
            .follow(places.into_iter(), self.clock.monotonic());
        self.publish(known);
    }

    /// The lists at an address: those in force, or those that were kept.
    fn followed_at(&self, agency: &Agency, source: &CrlSource, now: Timestamp) -> Followed {
        let mut before = self.known.of(&agency.id).iter();
        let before = before.find(|it| it.source.source == source.source);
        let mut followed = if let Some(before) = before {
            let mut before = before.clone();
            before.source = source.clone();
            before
        } else {
            let kept = kept(&self.folder, agency, &source.source, now);
            let since = kept.as_ref().map_or(now, |kept| kept.since);
            let lists = kept.map(|kept| kept.lists).unwrap_or_default();
            Followed::kept(source.clone(), since, lists)
        };
        followed.keep_listed(agency);
        followed
    }

    fn publish(&mut self, known: Revocations) {
        self.known = known.clone();
        self.revocation.known.store(Arc::new(known));
        self.revocation.changes.send_replace(());
    }

    /// Has those read that are due.
    fn read_due(&mut self, answers: &mpsc::UnboundedSender<Answer>) {
        let rulebook = Arc::clone(&self.backbone.view().rulebook);
        for place in self.rounds.due(self.clock.monotonic()) {
            let Some(agency) = rulebook.registry().body_of(&place.0) else {
                continue;
            };
            let (agency, answers) = (Arc::clone(agency), answers.clone());
            let now = self.clock.now();
            tokio::spawn(async move {
                let read = read(&agency, &place.1, now).await;
                // Nobody waits for it where the broker stops.
                drop(answers.send(Answer { place, read }));
            });
        }
    }

    /// Puts what was read in force; what is not taken changes nothing, and is told.
    fn take(&mut self, answer: Answer) {
        let Answer { place, read } = answer;
        self.rounds.done(&place);
        let now = self.clock.now();
        let (agency, source) = (&place.0, &place.1);
        let mut all = self.known.of(agency).to_vec();
        let Some(followed) = all.iter_mut().find(|it| it.source.source == *source) else {
            return;
        };
        let taken = read.and_then(|list| {
            let (issuer, count) = (list.issuer().to_owned(), list.len());
            let taken = followed
                .take(list, now)
                .map_err(|error| error.to_string())?;
            Ok((taken, issuer, count))
        });
        match taken {
            Ok((taken, issuer, count)) => {
                self.faults.remove(&place);
                if taken == Taken::New {
                    tracing::info!(
                        agency.id = %agency, %source, issuer, count,
                        "a revocation list is in force"
                    );
                }
                let (folder, agency_id, kept) =
                    (self.folder.clone(), agency.clone(), followed.clone());
                // A disk that takes its time does not hold up the sockets.
                tokio::task::spawn_blocking(move || write(&folder, &agency_id, &kept));
                let mut known = self.known.clone();
                known.put(agency.clone(), all);
                self.publish(known);
            }
            Err(says) if self.faults.get(&place) != Some(&says) => {
                tracing::error!(
                    agency.id = %agency, %source,
                    "a revocation list was not taken, and that of before stays: {says}"
                );
                self.faults.insert(place, says);
            }
            Err(_) => {}
        }
    }

    /// Says which lists are too old, once an hour.
    fn tell(&mut self) {
        let now = self.clock.now();
        let is_due = |told: Timestamp| now.since(told) >= TELL || now < told;
        if !self.told.is_none_or(is_due) {
            return;
        }
        let late = self.revocation.late(now);
        self.told = (!late.is_empty()).then_some(now);
        for says in late {
            tracing::error!("{says}");
        }
    }
}

/// Keeps the lists up to date: each in its time, and all of them at each SIGHUP.
pub(crate) async fn keep(mut keeper: Keeper, mut hangup: Signal) {
    let (sender, mut answers) = mpsc::unbounded_channel();
    loop {
        keeper.follow();
        keeper.read_due(&sender);
        keeper.tell();
        tokio::select! {
            Some(answer) = answers.recv() => keeper.take(answer),
            Some(()) = hangup.recv() => keeper.rounds.hurry(keeper.clock.monotonic()),
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

/// The list at an address, where it is one of the agency's.
async fn read(
    agency: &Arc<Agency>,
    source: &Source,
    now: Timestamp,
) -> Result<RevocationList, String> {
    let octets = Wanted::of(agency, source, CRL_BYTES_MAX).read().await;
    let octets = octets.map_err(|error| error.to_string())?;
    let agency = Arc::clone(agency);
    // A long one takes a while, in which the sockets are not to wait.
    let read = move || RevocationList::read(&octets, &agency, now);
    let read = tokio::task::spawn_blocking(read).await;
    let read = read.map_err(|error| error.to_string())?;
    read.map_err(|error| error.to_string())
}

/// What is kept of a place.
struct Kept {
    since: Timestamp,
    lists: Vec<InForce>,
}

#[derive(Serialize, Deserialize)]
struct Written {
    agency: String,
    source: String,
    since: Timestamp,
    lists: Vec<WrittenList>,
}

#[derive(Serialize, Deserialize)]
struct WrittenList {
    read: Timestamp,
    /// DER in base64.
    list: String,
}

fn path(folder: &Path, agency: &AgencyId, source: &Source) -> PathBuf {
    let source = Digest::of(source.to_string().as_bytes());
    let short = source.0.get(..8).unwrap_or_default();
    let short = data_encoding::HEXLOWER.encode(short);
    folder.join(format!("{agency}-{short}.json"))
}

/// What is kept of a place: verified again, since others may have had the folder in hand.
fn kept(folder: &Path, agency: &Agency, source: &Source, now: Timestamp) -> Option<Kept> {
    let path = path(folder, &agency.id, source);
    let read = read_whole(&DiskVfs, &path, FILE_BYTES);
    let content = read.unwrap_or_else(|error| {
        tracing::warn!(%error, "kept revocation lists cannot be read");
        None
    })?;
    let written: Written = serde_json::from_slice(&content).ok()?;
    let lists = written.lists.iter().filter_map(|it| {
        let der = data_encoding::BASE64.decode(it.list.as_bytes()).ok()?;
        // A clock that was set back since makes it no list of the future.
        let list = RevocationList::read(&der, agency, now.max(it.read)).ok()?;
        Some(InForce {
            list: Arc::new(list),
            read: it.read,
        })
    });
    Some(Kept {
        since: written.since,
        lists: lists.collect(),
    })
}

fn write(folder: &Path, agency: &AgencyId, followed: &Followed) {
    let lists = followed.lists().iter().map(|it| WrittenList {
        read: it.read,
        list: data_encoding::BASE64.encode(it.list.der()),
    });
    let source = &followed.source.source;
    let written = Written {
        agency: agency.to_string(),
        source: source.to_string(),
        since: followed.since(),
        lists: lists.collect(),
    };
    let written = serde_json::to_vec(&written).map_err(std::io::Error::other);
    let path = path(folder, agency, source);
    if let Err(error) = written.and_then(|text| put_in_place(&DiskVfs, &path, &text)) {
        tracing::warn!(%error, "a revocation list could not be kept: a start will read it again");
    }
}
