//! The keys of all identity providers while the broker serves: read where the providers publish them,
//! and kept in the data folder with the time since when each is known.
//!
//! One task owns all of it ([`keep`]); who verifies a token looks at what it has published. A token by an
//! unknown key has the set read again, with pauses: that is how keys are rotated, and how a stranger
//! could have a provider asked for ever.
//!
//! INVARIANT: no key counts, and none is kept, before it is on record that it is new.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use serde::{Deserialize, Serialize};
use tokio::signal::unix::Signal;
use tokio::sync::{Notify, mpsc};

use super::clock::Clock;
use super::fetch::Wanted;
use super::rounds::{Freshness, Rounds};
use crate::agency::jwks::{JWKS_BYTES_MAX, Jwks, Parsed};
use crate::agency::registry::{Agency, IdentityProvider, Registry};
use crate::agency::token::{TokenRefusal, Vouched, verify};
use crate::backbone::embedded::Embedded;
use crate::broker::governance::Noted;
use crate::broker::limits::AGENCY_NEW_KEYS;
use crate::broker::record::{NewKey, shortened};
use crate::journal::vfs::{DiskVfs, put_in_place, read_whole};
use crate::message::id::{AgencyId, Digest};
use crate::message::time::Timestamp;

/// How often it is looked whether something is due.
const LOOK: Duration = Duration::from_secs(1);
/// How often a set is read.
const REFRESH: Duration = Duration::from_mins(5);
/// The pause between two readings that tokens by unknown keys ask for.
const ASKED_PAUSE: Duration = Duration::from_secs(15);
/// How long keys count after they were read last: a provider may be gone for a night.
const KEPT_FOR: Duration = DAY;
const DAY: Duration = Duration::from_hours(24);
/// How old a set may be before it is told, again and again.
const LATE: Duration = Duration::from_hours(1);
const FOLDER: &str = "keys";
/// Octets of a file, at most.
const FILE_BYTES: u64 = 1 << 20;

/// The keys of one provider.
#[derive(Debug, Clone)]
struct KeySet {
    provider: IdentityProvider,
    keys: Jwks,
    /// The set as it was read.
    text: String,
    read: Timestamp,
    /// Since when each key is known, by its thumbprint; of those that are gone, for a day.
    since: BTreeMap<Digest, Timestamp>,
}

/// A set that was read: none of its new keys counts yet.
struct Taken {
    /// With all of its keys, and since when those are known that were known before.
    set: KeySet,
    /// Keys that were not known before, as many as may come in a day.
    new: Vec<Unknown>,
    /// How many there are besides.
    beyond: usize,
    /// What of it is no key here, and why.
    left_out: Vec<String>,
}

/// A key that was not known before: its id and thumbprint.
struct Unknown {
    kid: String,
    key: Digest,
}

impl Taken {
    /// The set that was read at `now`, after `before`.
    fn after(
        before: Option<&KeySet>,
        provider: &IdentityProvider,
        text: String,
        now: Timestamp,
    ) -> Result<Self, String> {
        let parsed = Jwks::parse(text.as_bytes());
        let Parsed { keys, left_out } = parsed.map_err(|error| error.to_string())?;
        let kids = keys.thumbprints().map(|(kid, key)| (key, kid.to_owned()));
        let kids: BTreeMap<Digest, String> = kids.collect();
        let mut since = before.map(|it| it.since.clone()).unwrap_or_default();
        let is_of_the_day = |since: Timestamp| now.since(since) < DAY;
        since.retain(|key, since| kids.contains_key(key) || is_of_the_day(*since));
        let of_the_day = since.values().filter(|since| is_of_the_day(**since));
        let room = AGENCY_NEW_KEYS.saturating_sub(of_the_day.count());
        let unknown = kids.into_iter().filter(|(key, _)| !since.contains_key(key));
        let mut new: Vec<_> = unknown.map(|(key, kid)| Unknown { kid, key }).collect();
        let beyond = new.len().saturating_sub(room);
        new.truncate(room);
        let set = KeySet {
            provider: provider.clone(),
            keys,
            text,
            read: now,
            since,
        };
        Ok(Self {
            set,
            new,
            beyond,
            left_out,
        })
    }

    /// The set without the new keys that do not come on record, and the ids of those that do.
    async fn noted(
        self,
        agency: &AgencyId,
        backbone: &Embedded,
        clock: &Clock,
    ) -> (KeySet, Vec<String>) {
        let (mut set, mut new) = (self.set, Vec::new());
        for Unknown { kid, key } in self.new {
            let noted = Noted::NewKey(Box::new(NewKey {
                at: Timestamp::default(),
                agency: agency.clone(),
                issuer: set.provider.issuer.clone(),
                kid: shortened(&kid).to_owned(),
                key,
            }));
            if backbone.note(noted).await {
                set.since.insert(key, clock.now());
                new.push(kid);
            }
        }
        set.keys.retain(|key| set.since.contains_key(&key));
        (set, new)
    }
}

/// The keys of all providers.
#[derive(Default)]
pub(crate) struct KeySets {
    known: ArcSwap<BTreeMap<AgencyId, Arc<KeySet>>>,
    /// Agencies whose sets are to be read again.
    asked: Mutex<BTreeSet<AgencyId>>,
    wake: Notify,
}

impl KeySets {
    /// What a token says that the bearer of the certificate of this SHA-256 has brought, by the identity
    /// provider of `agency`. A key that is not known yet is looked for: the same token may count soon.
    ///
    /// # Errors
    /// A [`TokenRefusal`]: the token gives nothing then.
    pub(crate) fn verify(
        &self,
        agency: &Agency,
        token: &str,
        certificate: Digest,
        now: Timestamp,
    ) -> Result<Vouched, TokenRefusal> {
        let provider = agency.identity_provider.as_ref();
        let provider = provider.ok_or(TokenRefusal::NoProvider)?;
        let known = self.known.load();
        let set = known.get(&agency.id);
        // A provider that another rulebook names has other keys.
        let set = set.filter(|set| set.provider == *provider && now.since(set.read) <= KEPT_FOR);
        let verified = match set {
            Some(set) => {
                verify(token, &set.keys, provider, certificate, now).map(|claims| Vouched {
                    key_since: set.since.get(&claims.key).copied().unwrap_or(now),
                    claims,
                })
            }
            None => Err(TokenRefusal::KeysUnknown),
        };
        if let Err(TokenRefusal::UnknownKey(_) | TokenRefusal::KeysUnknown) = verified {
            let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
            asked.insert(agency.id.clone());
            self.wake.notify_one();
        }
        verified
    }

    /// How fresh the keys of all providers of `registry` are.
    pub(super) fn fresh(&self, registry: &Registry, now: Timestamp) -> Freshness {
        let known = self.known.load();
        let mut found = Freshness {
            late: self.late(now),
            ..Freshness::default()
        };
        for agency in registry.bodies() {
            let Some(provider) = &agency.identity_provider else {
                continue;
            };
            let (id, source) = (&agency.id, &provider.jwks);
            let set = known.get(id).filter(|set| set.provider == *provider);
            match set.map(|set| now.since(set.read)) {
                Some(age) if age > LATE => {}
                Some(age) => {
                    let age = age.as_secs();
                    let says = format!("{id}: the keys at {source} were read {age} s ago");
                    found.fresh.push(says);
                }
                None => {
                    let says = format!("{id}: no keys were read at {source} yet");
                    found.late.push(says);
                }
            }
        }
        found
    }

    /// Sets that could not be read for more than an hour, each in a sentence.
    pub(crate) fn late(&self, now: Timestamp) -> Vec<String> {
        let known = self.known.load();
        let late = known.iter().filter(|(_, set)| now.since(set.read) > LATE);
        late.map(|(agency, set)| {
            let (from, read) = (&set.provider.jwks, set.read);
            format!("{agency}: the keys at {from} were read last at {read}, and count for a day")
        })
        .collect()
    }

    fn take_asked(&self) -> BTreeSet<AgencyId> {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut asked)
    }
}

/// What the keeper is told by those who read and note for it.
enum Heard {
    /// What was read.
    Read(Answer),
    /// A set whose new keys are on record, of these ids.
    Noted(AgencyId, KeySet, Vec<String>),
}

/// What was read at a provider.
struct Answer {
    agency: AgencyId,
    provider: IdentityProvider,
    read: Result<String, String>,
}

/// The owner of the keys.
pub(crate) struct Keeper {
    sets: Arc<KeySets>,
    backbone: Arc<Embedded>,
    clock: Clock,
    folder: PathBuf,
    rounds: Rounds<AgencyId>,
    followed: Option<Digest>,
    /// What was told of each set last.
    told: BTreeMap<AgencyId, String>,
    /// When it was told last that sets are read no more.
    told_late: Option<Timestamp>,
}

impl Keeper {
    /// Begins with the keys of before, which are known when this returns.
    pub(crate) fn new(
        sets: Arc<KeySets>,
        backbone: Arc<Embedded>,
        clock: Clock,
        data: &Path,
    ) -> Self {
        let mut keeper = Self {
            sets,
            backbone,
            clock,
            folder: data.join(FOLDER),
            rounds: Rounds::new(),
            followed: None,
            told: BTreeMap::new(),
            told_late: None,
        };
        keeper.follow();
        keeper
    }

    /// Follows the providers that the rulebook in force names.
    fn follow(&mut self) {
        let rulebook = Arc::clone(&self.backbone.view().rulebook);
        if self.followed == Some(rulebook.digest()) {
            return;
        }
        self.followed = Some(rulebook.digest());
        let before = self.sets.known.load();
        let (mut known, mut changed) = (BTreeMap::new(), Vec::new());
        let agencies = rulebook.registry().bodies();
        let providers = agencies.filter_map(|it| Some((it, it.identity_provider.as_ref()?)));
        let providers: Vec<_> = providers.collect();
        for (agency, provider) in &providers {
            let same = before.get(&agency.id);
            let same = same.filter(|set| set.provider == **provider).cloned();
            changed.extend(same.is_none().then(|| agency.id.clone()));
            let kept = || kept(&self.folder, &agency.id, provider).map(Arc::new);
            if let Some(set) = same.or_else(kept) {
                known.insert(agency.id.clone(), set);
            }
        }
        self.sets.known.store(Arc::new(known));
        let now = self.clock.monotonic();
        let places = providers
            .iter()
            .map(|(agency, _)| (agency.id.clone(), REFRESH));
        self.rounds.follow(places, now);
        for agency in changed {
            self.rounds.ask(&agency, now, Duration::ZERO);
        }
    }

    /// Has those read that are due, or that tokens have asked for.
    fn read_due(&mut self, tell: &mpsc::UnboundedSender<Heard>) {
        let now = self.clock.monotonic();
        for agency in self.sets.take_asked() {
            self.rounds.ask(&agency, now, ASKED_PAUSE);
        }
        let rulebook = Arc::clone(&self.backbone.view().rulebook);
        for id in self.rounds.due(now) {
            let agency = rulebook.registry().body_of(&id);
            let provider = agency.and_then(|it| it.identity_provider.clone());
            let (Some(agency), Some(provider)) = (agency, provider) else {
                continue;
            };
            let mut wanted = Wanted::of(agency, &provider.jwks, JWKS_BYTES_MAX);
            if let Some(ca) = &provider.ca {
                wanted.authorities.clone_from(&ca.certificates);
            }
            let tell = tell.clone();
            tokio::spawn(async move {
                let read = wanted.read().await.map_err(|error| error.to_string());
                let read = read.and_then(|octets| {
                    let text = String::from_utf8(octets);
                    text.map_err(|_| "it is no text".to_owned())
                });
                let answer = Answer {
                    agency: id,
                    provider,
                    read,
                };
                // The task that takes it is gone only where the broker stops.
                drop(tell.send(Heard::Read(answer)));
            });
        }
    }

    /// Looks at what was read, and has new keys noted: what is no set changes nothing, and is told.
    fn look_at(&mut self, answer: Answer, tell: &mpsc::UnboundedSender<Heard>) {
        let Answer {
            agency,
            provider,
            read,
        } = answer;
        let known = self.sets.known.load();
        let before = known.get(&agency).filter(|set| set.provider == provider);
        let now = self.clock.now();
        let taken =
            read.and_then(|text| Taken::after(before.map(Arc::as_ref), &provider, text, now));
        let source = &provider.jwks;
        match taken {
            Ok(taken) => {
                self.tell_left_out(&agency, &taken);
                let backbone = Arc::clone(&self.backbone);
                let (clock, tell) = (self.clock, tell.clone());
                tokio::spawn(async move {
                    let (set, new) = taken.noted(&agency, &backbone, &clock).await;
                    drop(tell.send(Heard::Noted(agency, set, new)));
                });
            }
            Err(says) => {
                self.rounds.done(&agency);
                if self.is_news(&agency, &says) {
                    tracing::error!(
                        agency.id = %agency, %source,
                        "the keys of an identity provider were not taken, and those of before stay: {says}"
                    );
                }
            }
        }
    }

    /// Says what of a set does not count, once.
    fn tell_left_out(&mut self, agency: &AgencyId, taken: &Taken) {
        let (source, beyond) = (&taken.set.provider.jwks, taken.beyond);
        let left_out = taken.left_out.join("; ");
        if !self.is_news(agency, &format!("{beyond} {left_out}")) {
            return;
        }
        if beyond > 0 {
            tracing::error!(
                agency.id = %agency, %source, beyond,
                "ALARM an identity provider has more than {AGENCY_NEW_KEYS} new keys in a day: others do not count"
            );
        }
        if !left_out.is_empty() {
            tracing::warn!(agency.id = %agency, %source, "keys are left out: {left_out}");
        }
    }

    /// Goes by a set from now on, and keeps it.
    fn put(&mut self, agency: AgencyId, set: KeySet, new: Vec<String>) {
        self.rounds.done(&agency);
        let (folder, id, kept) = (self.folder.clone(), agency.clone(), set.clone());
        let mut all = BTreeMap::clone(&self.sets.known.load());
        all.insert(agency, Arc::new(set));
        self.sets.known.store(Arc::new(all));
        for kid in new {
            tracing::error!(
                agency.id = %id, source = %kept.provider.jwks, key.id = kid,
                "ALARM a key is new at an identity provider: for 24 hours no approval by a token of it counts"
            );
        }
        // A disk that takes its time does not hold up the sockets.
        tokio::task::spawn_blocking(move || write(&folder, &id, &kept));
    }

    /// Says which sets are read no more, once an hour.
    fn tell_late(&mut self) {
        let now = self.clock.now();
        let is_due = |told: Timestamp| now.since(told) >= LATE || now < told;
        if !self.told_late.is_none_or(is_due) {
            return;
        }
        let late = self.sets.late(now);
        self.told_late = (!late.is_empty()).then_some(now);
        for says in late {
            tracing::error!("{says}");
        }
    }

    /// Whether this was not told of the set last.
    fn is_news(&mut self, agency: &AgencyId, says: &str) -> bool {
        let before = self.told.insert(agency.clone(), says.to_owned());
        before.as_deref() != Some(says)
    }
}

/// Keeps the keys up to date: each set in its time, and all of them at each SIGHUP.
pub(crate) async fn keep(mut keeper: Keeper, mut hangup: Signal) {
    let (tell, mut heard) = mpsc::unbounded_channel();
    let sets = Arc::clone(&keeper.sets);
    loop {
        keeper.follow();
        keeper.read_due(&tell);
        keeper.tell_late();
        tokio::select! {
            Some(heard) = heard.recv() => match heard {
                Heard::Read(answer) => keeper.look_at(answer, &tell),
                Heard::Noted(agency, set, new) => keeper.put(agency, set, new),
            },
            Some(()) = hangup.recv() => keeper.rounds.hurry(keeper.clock.monotonic()),
            () = sets.wake.notified() => {}
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Written {
    issuer: String,
    source: String,
    read: Timestamp,
    set: String,
    /// Thumbprints in hexadecimal.
    since: BTreeMap<String, Timestamp>,
}

fn path(folder: &Path, agency: &AgencyId) -> PathBuf {
    folder.join(format!("{agency}.json"))
}

/// What is kept of a provider: none where it was another.
fn kept(folder: &Path, agency: &AgencyId, provider: &IdentityProvider) -> Option<KeySet> {
    let read = read_whole(&DiskVfs, &path(folder, agency), FILE_BYTES);
    let content = read.unwrap_or_else(|error| {
        tracing::warn!(%error, "kept keys cannot be read");
        None
    })?;
    let written: Written = serde_json::from_slice(&content).ok()?;
    if (&written.issuer, written.source) != (&provider.issuer, provider.jwks.to_string()) {
        return None;
    }
    let mut keys = Jwks::parse(written.set.as_bytes()).ok()?.keys;
    let since = written.since.iter();
    let since = since.filter_map(|(key, since)| Some((key.parse().ok()?, *since)));
    let since: BTreeMap<Digest, Timestamp> = since.collect();
    keys.retain(|key| since.contains_key(&key));
    Some(KeySet {
        provider: provider.clone(),
        keys,
        text: written.set,
        read: written.read,
        since,
    })
}

fn write(folder: &Path, agency: &AgencyId, set: &KeySet) {
    let since = set.since.iter();
    let written = Written {
        issuer: set.provider.issuer.clone(),
        source: set.provider.jwks.to_string(),
        read: set.read,
        set: set.text.clone(),
        since: since
            .map(|(key, since)| (key.to_string(), *since))
            .collect(),
    };
    let written = serde_json::to_vec(&written).map_err(std::io::Error::other);
    let put = written.and_then(|text| put_in_place(&DiskVfs, &path(folder, agency), &text));
    if let Err(error) = put {
        tracing::warn!(%error, "the keys of an identity provider could not be kept");
    }
}
