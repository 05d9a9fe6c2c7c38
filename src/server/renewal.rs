//! The server's certificate while it serves: taken up when its files are replaced, and its end told
//! while there is time.
//!
//! Connections that stand keep what they were shown. What clients would refuse is not taken, and told.

use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::Signal;

use super::certificate::{File, Looked};
use super::clock::Clock;
use super::tls::{ServerIdentity, Tls};
use crate::agency::certificate::CertificateSummary;
use crate::agency::expiry::{Expiring, expiring};
use crate::backbone::embedded::Embedded;
use crate::message::bundle::Fault;
use crate::message::id::Digest;
use crate::message::time::Timestamp;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_mins(1);
/// How often an end that is near is told.
const TELL: Duration = Duration::from_hours(24);

/// The server's certificate and key as files: the place of each, and its content.
#[derive(Debug, Clone)]
pub(crate) struct Files {
    /// The certificate, those above it behind it.
    pub certificate: (String, Vec<u8>),
    /// Its key.
    pub key: (String, Vec<u8>),
}

impl Files {
    fn digest(&self) -> Digest {
        let (certificate, key) = (Digest::of(&self.certificate.1), Digest::of(&self.key.1));
        Digest::of(&[certificate.0, key.0].concat())
    }

    /// What is wrong with them, or will be.
    pub(crate) fn looked_at(&self, now: Timestamp) -> Looked {
        let certificate = File::new(&self.certificate.0, &self.certificate.1);
        let key = File::new(&self.key.0, &self.key.1);
        Looked::at(certificate, key, now)
    }

    /// As TLS shows it.
    pub(crate) fn identity(&self) -> Result<ServerIdentity, super::tls::TlsError> {
        ServerIdentity::parse(&self.certificate.1, &self.key.1)
    }
}

/// Reads the files as they are now.
pub(crate) type Read = Box<dyn Fn() -> Result<Files, Vec<Fault>> + Send>;

/// What is shown, and what was told of it.
pub(crate) struct Renewal {
    tls: Arc<Tls>,
    read: Read,
    served: Digest,
    certificate: (String, Vec<u8>),
    /// What was found in the files and not taken, so that it is told once.
    refused: Option<Digest>,
    told: Timestamp,
}

/// What came of a look at the files.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The files hold what is shown already.
    Same,
    /// The files' certificate is shown from now on.
    Taken {
        /// The certificate's serial number.
        serial: String,
        /// What should be seen to.
        warnings: Vec<Fault>,
    },
    /// The files are not taken, and were not found so before.
    Refused(Vec<Fault>),
    /// The files are not taken, as before.
    StillRefused,
}

impl Renewal {
    /// Begins with what `tls` shows, whose end was told at `now`.
    pub(crate) fn new(tls: Arc<Tls>, served: &Files, read: Read, now: Timestamp) -> Self {
        Self {
            tls,
            read,
            served: served.digest(),
            certificate: served.certificate.clone(),
            refused: None,
            told: now,
        }
    }

    /// Looks at the files, and shows them where they are others that will do.
    pub(crate) fn look(&mut self, now: Timestamp) -> Outcome {
        let (digest, files) = match (self.read)() {
            Ok(files) if files.digest() == self.served => {
                self.refused = None;
                return Outcome::Same;
            }
            Ok(files) => (files.digest(), Ok(files)),
            Err(faults) => {
                let text: String = faults.iter().map(ToString::to_string).collect();
                (Digest::of(text.as_bytes()), Err(faults))
            }
        };
        let taken = files.and_then(|files| self.take_up(files, now));
        match taken {
            Ok(outcome) => {
                (self.served, self.refused) = (digest, None);
                outcome
            }
            Err(_) if self.refused == Some(digest) => Outcome::StillRefused,
            Err(faults) => {
                self.refused = Some(digest);
                Outcome::Refused(faults)
            }
        }
    }

    fn take_up(&mut self, files: Files, now: Timestamp) -> Result<Outcome, Vec<Fault>> {
        let looked = files.looked_at(now);
        if !looked.faults.is_empty() {
            return Err(looked.faults);
        }
        let identity = files.identity().map_err(|error| {
            let cure = "see certs/README.md, profile server";
            vec![Fault::new(&files.certificate.0, error.to_string(), cure)]
        })?;
        let serial = identity.own().and_then(|der| CertificateSummary::read(der));
        self.tls.replace(identity);
        self.certificate = files.certificate;
        Ok(Outcome::Taken {
            serial: serial.map(|own| own.serial).unwrap_or_default(),
            warnings: looked.warnings,
        })
    }

    /// What of the certificate that is shown ends within 30 days or has ended, once a day.
    pub(crate) fn ends(&mut self, now: Timestamp) -> Option<Vec<Expiring>> {
        // A clock that was set back does not silence it.
        let is_due = now.since(self.told) >= TELL || now < self.told;
        is_due.then(|| {
            self.told = now;
            let (place, pem) = &self.certificate;
            expiring(place, pem, now).unwrap_or_default()
        })
    }
}

/// Keeps the certificate up to date: at each SIGHUP, and each minute.
pub(crate) async fn keep(
    mut renewal: Renewal,
    mut hangup: Signal,
    clock: Clock,
    backbone: Arc<Embedded>,
) {
    loop {
        let asked = tokio::select! {
            signal = hangup.recv() => signal.is_some(),
            () = tokio::time::sleep(LOOK) => false,
        };
        let now = clock.now();
        if asked {
            // Asked for, it is told whether it is new or not.
            renewal.refused = None;
        }
        tell(&renewal.look(now), asked);
        if let Some(ends) = renewal.ends(now) {
            tell_ends(&ends);
            tell_ends(&backbone.view().rulebook.registry().expiring(now));
        }
    }
}

fn tell(outcome: &Outcome, asked: bool) {
    match outcome {
        Outcome::Same if asked => {
            tracing::info!("SIGHUP: the server's certificate and key are those that are shown");
        }
        Outcome::Same | Outcome::StillRefused => {}
        Outcome::Taken { serial, warnings } => {
            warn_of(warnings);
            tracing::info!(
                serial,
                "the server's certificate was replaced: new connections are shown it"
            );
        }
        Outcome::Refused(faults) => {
            for Fault { place, says, cure } in faults {
                tracing::warn!(
                    place,
                    cure,
                    "the server's new certificate is not taken, the old one is shown: {says}"
                );
            }
        }
    }
}

/// Tells which certificates end within 30 days, or have ended.
pub(crate) fn tell_ends(ends: &[Expiring]) {
    let ends: Vec<Fault> = ends.iter().map(Expiring::to_fault).collect();
    warn_of(&ends);
}

/// Says each of them in the log as a warning, with its place and its cure.
pub(crate) fn warn_of(faults: &[Fault]) {
    for Fault { place, says, cure } in faults {
        tracing::warn!(place, cure, "{says}");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::cli::certs::issue::{Authority, Issued, Profile, Validity};
    use crate::server::tls::TlsVersion;

    const DAY: Duration = Duration::from_hours(24);

    fn now() -> Timestamp {
        Timestamp::from_rfc3339("2026-03-17T12:00:00Z").unwrap()
    }

    fn files(issued: &Issued, key: &Issued) -> Files {
        Files {
            certificate: (
                "server.pem".to_owned(),
                issued.certificate.clone().into_bytes(),
            ),
            key: ("server.key".to_owned(), key.key.clone().into_bytes()),
        }
    }

    struct Place {
        on_disk: Arc<Mutex<Result<Files, Vec<Fault>>>>,
        tls: Arc<Tls>,
        renewal: Renewal,
    }

    fn place(first: &Files) -> Place {
        let on_disk = Arc::new(Mutex::new(Ok(first.clone())));
        let read = Arc::clone(&on_disk);
        let tls = Arc::new(Tls::new(first.identity().unwrap(), TlsVersion::V13));
        let read = Box::new(move || read.lock().unwrap().clone());
        let renewal = Renewal::new(Arc::clone(&tls), first, read, now());
        Place {
            on_disk,
            tls,
            renewal,
        }
    }

    fn issued(lasts: Duration) -> Issued {
        let authority = Authority::create(&Profile::issuer("authority", now())).unwrap();
        let profile = Profile {
            validity: Validity::starting(now(), lasts),
            ..Profile::local_server(now())
        };
        authority.issue(&profile).unwrap()
    }

    fn der(files: &Files) -> Vec<u8> {
        files.identity().unwrap().own().unwrap().to_vec()
    }

    #[test]
    fn a_pair_is_taken_whole_and_what_will_not_do_is_told_once_and_changes_nothing() {
        let (first, second, ended) = (issued(90 * DAY), issued(90 * DAY), issued(DAY));
        let (first, whole) = (files(&first, &first), files(&second, &second));
        let mut place = place(&first);
        let set = |files: Result<Files, Vec<Fault>>| *place.on_disk.lock().unwrap() = files;
        assert_eq!(place.renewal.look(now()), Outcome::Same);

        // Half of a replacement, a pair that has ended, and none.
        let half = Files {
            key: first.key.clone(),
            ..whole.clone()
        };
        let missing = vec![Fault::new("server.key", "is missing", "put it there")];
        let later = now().plus(2 * DAY);
        for (bad, says) in [
            (Ok(half), "is not the key of"),
            (Ok(files(&ended, &ended)), "ended at"),
            (Err(missing), "is missing"),
        ] {
            set(bad);
            let Outcome::Refused(faults) = place.renewal.look(later) else {
                panic!("{says}: it was taken");
            };
            assert!(faults[0].says.contains(says), "{faults:?}");
            assert_eq!(place.renewal.look(later), Outcome::StillRefused);
            assert_eq!(place.tls.shows(), der(&first));
        }
        set(Ok(whole.clone()));
        assert!(matches!(place.renewal.look(later), Outcome::Taken { .. }));
        assert_eq!(place.tls.shows(), der(&whole));
        assert_eq!(place.renewal.look(later), Outcome::Same);
    }

    #[test]
    fn the_end_of_what_is_shown_is_told_once_a_day_from_thirty_days_before() {
        let first = issued(60 * DAY);
        let mut place = place(&files(&first, &first));
        let hour = Duration::from_hours(1);
        let told: Vec<u64> = (0..24 * 62)
            .filter(|hours| {
                let at = now().plus(hour * u32::try_from(*hours).unwrap());
                place.renewal.ends(at).is_some_and(|ends| !ends.is_empty())
            })
            .collect();
        let days: Vec<u64> = told.iter().map(|hours| hours / 24).collect();
        assert_eq!(days, (31..62).collect::<Vec<_>>());
        // A clock that steps back does not silence it for as long.
        assert!(
            place
                .renewal
                .ends(now().plus(40 * DAY))
                .is_some_and(|ends| !ends.is_empty())
        );
    }
}
