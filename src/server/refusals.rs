//! The last clients whose connections were declined, for the operator: TLS tells the clients one word.
//!
//! Kept in memory and written as a whole by a thread of its own, so that no client that is declined
//! makes the broker wait for a disk. Losing the file loses nothing but this help.

use std::collections::VecDeque;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use serde::{Deserialize, Serialize};

use crate::agency::network::Network;
use crate::agency::refusal::{IdentityRefusal, in_a_line};
use crate::journal::vfs::{Access, DiskVfs, Through, Vfs, VfsFile};
use crate::message::id::AgencyId;
use crate::message::time::Timestamp;

/// Refusals that are kept, at most; a repeat of one takes its place.
const KEPT: usize = 64;
const FILE: &str = "refusals.json";
/// Octets of the file, at most: a larger one is none of ours.
const FILE_BYTES: u64 = 1 << 20;

/// A client whose connections were declined, and how often.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DeclinedClient {
    /// When last: RFC 3339.
    pub at: String,
    /// How often for this reason, with this certificate and from this address.
    pub times: u64,
    /// The client's address, without the port.
    pub remote: IpAddr,
    /// Stable code of the reason.
    pub code: String,
    /// What was found.
    pub detail: String,
    /// What to do.
    pub cure: String,
    /// Whether it is an alarm, for the operator at once.
    pub alarm: bool,
    /// The agency whose name its certificate bears.
    pub claimed: Option<AgencyId>,
    /// The agency whose issuer issued its certificate.
    pub issued_by: Option<AgencyId>,
    /// The system it would have been.
    pub system: Option<String>,
    /// SHA-256 of its certificate.
    pub fingerprint: Option<String>,
    /// The subject of its certificate, as text.
    #[serde(default)]
    pub subject: Option<String>,
    /// The serial number of its certificate, hexadecimal.
    #[serde(default)]
    pub serial: Option<String>,
}

/// A peer's words that are kept: its certificate may be long, and the file is not.
fn kept(text: &str) -> String {
    text.chars().take(400).collect()
}

impl DeclinedClient {
    fn of(refusal: &IdentityRefusal, remote: IpAddr, now: Timestamp) -> Self {
        let certificate = refusal.certificate.as_ref();
        Self {
            at: now.to_string(),
            times: 1,
            remote,
            code: refusal.code().to_owned(),
            detail: kept(&refusal.detail),
            cure: refusal.kind.cure().to_owned(),
            alarm: refusal.is_alarm(),
            claimed: refusal.claimed.clone(),
            issued_by: refusal.issued_by.clone(),
            system: refusal.system.as_ref().map(ToString::to_string),
            fingerprint: certificate.map(|certificate| certificate.fingerprint.to_string()),
            subject: certificate.map(|certificate| kept(&certificate.subject)),
            serial: certificate.map(|certificate| kept(&certificate.serial)),
        }
    }

    fn is_repeat_of(&self, other: &Self) -> bool {
        // A client without a certificate only looks whether the broker is there: from one network, one
        // entry, so that such clients push no others out.
        let same_place = match self.fingerprint {
            Some(_) => self.remote == other.remote,
            None => Network::around(self.remote) == Network::around(other.remote),
        };
        self.code == other.code && self.fingerprint == other.fingerprint && same_place
    }

    /// The refusal in one line of at most 200 characters.
    pub(crate) fn in_a_line(&self) -> String {
        let certificate = self.subject.as_deref().zip(self.serial.as_deref());
        in_a_line(&self.code, &self.detail, certificate, &self.cure)
    }

    /// The agencies concerned: the one that the certificate names and the one whose issuer issued it.
    pub(crate) fn agencies(&self) -> impl Iterator<Item = &AgencyId> {
        self.claimed.iter().chain(&self.issued_by)
    }
}

/// The clients that this process and the one before it have declined.
pub(crate) struct Refusals {
    kept: Arc<Mutex<VecDeque<DeclinedClient>>>,
    /// Wakes the writing thread, which ends once this is dropped.
    wake: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Refusals {
    /// Goes on with what is written in the data folder, and writes there.
    pub(crate) fn open(data: &Path) -> io::Result<Self> {
        let before = read(data).unwrap_or_else(|error| {
            tracing::warn!(%error, "the refusals of before cannot be read and are left");
            Vec::new()
        });
        let kept = Arc::new(Mutex::new(VecDeque::from(before)));
        let (wake, woken) = sync_channel(1);
        let thread = std::thread::Builder::new().name("refusals".into());
        let thread = thread.spawn({
            let (kept, data) = (Arc::clone(&kept), data.to_owned());
            move || keep_written(&woken, &kept, &data)
        })?;
        Ok(Self {
            kept,
            wake: Some(wake),
            thread: Some(thread),
        })
    }

    /// Notes that a client was declined.
    pub(crate) fn note(&self, refusal: &IdentityRefusal, remote: IpAddr, now: Timestamp) {
        let mut new = DeclinedClient::of(refusal, remote, now);
        let mut kept = lock(&self.kept);
        let known = kept.iter().position(|old| old.is_repeat_of(&new));
        if let Some(old) = known.and_then(|place| kept.remove(place)) {
            new.times = old.times.saturating_add(1);
        }
        kept.push_back(new);
        if kept.len() > KEPT {
            kept.pop_front();
        }
        drop(kept);
        if let Some(wake) = &self.wake {
            // Full means that a write is due already, which will have this one with it.
            _ = wake.try_send(());
        }
    }
}

impl Drop for Refusals {
    /// The last one is written before the process ends.
    fn drop(&mut self) {
        self.wake = None;
        if let Some(Err(_)) = self.thread.take().map(JoinHandle::join) {
            tracing::error!("the thread that writes refusals died");
        }
    }
}

fn lock(kept: &Mutex<VecDeque<DeclinedClient>>) -> MutexGuard<'_, VecDeque<DeclinedClient>> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

fn keep_written(woken: &Receiver<()>, kept: &Mutex<VecDeque<DeclinedClient>>, data: &Path) {
    while woken.recv().is_ok() {
        let all = lock(kept).clone();
        if let Err(error) = write(data, &all) {
            tracing::warn!(%error, "the last refusals could not be written");
        }
    }
}

fn write(data: &Path, all: &VecDeque<DeclinedClient>) -> io::Result<()> {
    let text = serde_json::to_vec_pretty(all)?;
    let new = data.join(format!("{FILE}.new"));
    DiskVfs.create(&new)?.pwrite(&[&text], 0)?;
    // Not synced: a file that a power cut leaves empty reads as none.
    DiskVfs.rename(&new, &path(data))
}

fn path(data: &Path) -> PathBuf {
    data.join(FILE)
}

/// What is written in a data folder, oldest first; nothing where there is no file.
pub(crate) fn read(data: &Path) -> io::Result<Vec<DeclinedClient>> {
    let file = match DiskVfs.open(&path(data), Access::Read) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let length = usize::try_from(file.size()?.min(FILE_BYTES)).unwrap_or(0);
    let mut text = vec![0; length];
    let read = file.pread(&mut text, 0, Through::Cache)?;
    text.truncate(read);
    if text.is_empty() {
        return Ok(Vec::new());
    }
    Ok(serde_json::from_slice(&text)?)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::agency::refusal::RefusalKind;

    fn note(refusals: &Refusals, host: u8) {
        let remote = IpAddr::V4(Ipv4Addr::new(127, 0, host, 1));
        let refusal = IdentityRefusal {
            kind: RefusalKind::NoCertificate,
            claimed: None,
            issued_by: None,
            system: None,
            certificate: None,
            detail: "nothing".to_owned(),
        };
        refusals.note(&refusal, remote, Timestamp::default());
    }

    #[test]
    fn the_last_are_kept_across_a_restart_and_repeats_are_counted() {
        let data = tempfile::tempdir().unwrap();
        let refusals = Refusals::open(data.path()).unwrap();
        (0..100).for_each(|host| note(&refusals, host));
        drop(refusals);
        let refusals = Refusals::open(data.path()).unwrap();
        note(&refusals, 99);
        drop(refusals);
        let read = read(data.path()).unwrap();
        assert_eq!(read.len(), KEPT);
        let last = read.last().unwrap();
        assert_eq!(
            (last.times, last.code.as_str()),
            (2, "identity.no-certificate")
        );
    }

    #[test]
    fn a_damaged_file_does_not_stop_the_start() {
        let data = tempfile::tempdir().unwrap();
        let file = DiskVfs.create(&path(data.path())).unwrap();
        file.pwrite(&[b"[{"], 0).unwrap();
        assert!(read(data.path()).is_err());
        let refusals = Refusals::open(data.path()).unwrap();
        note(&refusals, 1);
        drop(refusals);
        assert_eq!(read(data.path()).unwrap().len(), 1);
    }
}
