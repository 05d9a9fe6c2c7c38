//! The keys of all identity providers while the broker serves: read where the providers publish them,
//! and kept in the data folder with the time since when each is known.
//!
//! One task owns all of it ([`keep`]); who verifies a token looks at what it has published. A token by an
//! unknown key has the set read again, with pauses: that is how keys are rotated, and how a stranger
//! could have a provider asked for ever.

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
use crate::agency::jwks::{JWKS_BYTES_MAX, Jwks};
use crate::agency::registry::{Agency, IdentityProvider, Registry};
use crate::agency::token::{TokenRefusal, Vouched, verify};
use crate::backbone::embedded::Embedded;
use crate::broker::governance::Noted;
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
const KEPT_FOR: Duration = Duration::from_hours(24);
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
    /// Since when each key is known, by its thumbprint.
    since: BTreeMap<Digest, Timestamp>,
}

/// A set that was read.
struct Taken {
    set: KeySet,
    /// Keys that were not known before.
    new: Vec<Unknown>,
    /// What of it is no key here, and why.
    left_out: Vec<String>,
}

/// A key that was not known before: its id and thumbprint.
struct Unknown {
    kid: String,
    key: Digest,
}

impl KeySet {
    /// The set that was read at `now`, after `before`.
    fn after(
        before: Option<&Self>,
        provider: &IdentityProvider,
        text: String,
        now: Timestamp,
    ) -> Result<Taken, String> {
        let parsed = Jwks::parse(text.as_bytes()).map_err(|error| error.to_string())?;
        let mut new = Vec::new();
        let mut since = BTreeMap::new();
        for (kid, key) in parsed.keys.thumbprints() {
            let known = before.and_then(|before| before.since.get(&key));
            if known.is_none() {
                let kid = kid.to_owned();
                new.push(Unknown { kid, key });
            }
            since.insert(key, known.copied().unwrap_or(now));
        }
        let set = Self {
            provider: provider.clone(),
            keys: parsed.keys,
            text,
            read: now,
            since,
        };
        Ok(Taken {
            set,
            new,
            left_out: parsed.left_out,
        })
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

/// A set that was read.
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
    fn read_due(&mut self, answers: &mpsc::UnboundedSender<Answer>) {
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
            let answers = answers.clone();
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
                drop(answers.send(answer));
            });
        }
    }

    /// Goes by the keys that were read; what is no set changes nothing, and is told.
    fn take(&mut self, answer: Answer) {
        let Answer {
            agency,
            provider,
            read,
        } = answer;
        self.rounds.done(&agency);
        let known = self.sets.known.load();
        let before = known.get(&agency).filter(|set| set.provider == provider);
        let now = self.clock.now();
        let taken =
            read.and_then(|text| KeySet::after(before.map(Arc::as_ref), &provider, text, now));
        let source = &provider.jwks;
        let Taken { set, new, left_out } = match taken {
            Ok(taken) => taken,
            Err(says) => {
                if self.is_news(&agency, &says) {
                    tracing::error!(
                        agency.id = %agency, %source,
                        "the keys of an identity provider were not taken, and those of before stay: {says}"
                    );
                }
                return;
            }
        };
        for Unknown { kid, key } in new {
            let backbone = Arc::clone(&self.backbone);
            let noted = Noted::NewKey(Box::new(NewKey {
                at: now,
                agency: agency.clone(),
                issuer: provider.issuer.clone(),
                kid: shortened(&kid).to_owned(),
                key,
            }));
            tokio::spawn(async move { backbone.note(noted).await });
            tracing::error!(
                agency.id = %agency, %source, key.id = kid,
                "ALARM a key is new at an identity provider: for 24 hours no approval by a token of it counts"
            );
        }
        let left_out = left_out.join("; ");
        if self.is_news(&agency, &left_out) && !left_out.is_empty() {
            tracing::warn!(agency.id = %agency, %source, "keys are left out: {left_out}");
        }
        let (folder, id, kept) = (self.folder.clone(), agency.clone(), set.clone());
        // A disk that takes its time does not hold up the sockets.
        tokio::task::spawn_blocking(move || write(&folder, &id, &kept));
        let mut all = BTreeMap::clone(&known);
        all.insert(agency, Arc::new(set));
        self.sets.known.store(Arc::new(all));
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
    let (sender, mut answers) = mpsc::unbounded_channel();
    let sets = Arc::clone(&keeper.sets);
    loop {
        keeper.follow();
        keeper.read_due(&sender);
        keeper.tell_late();
        tokio::select! {
            Some(answer) = answers.recv() => keeper.take(answer),
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
    let parsed = KeySet::after(None, provider, written.set, written.read);
    let mut set = parsed.ok()?.set;
    for (thumbprint, since) in &mut set.since {
        if let Some(kept) = written.since.get(&thumbprint.to_string()) {
            *since = *kept;
        }
    }
    Some(set)
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
