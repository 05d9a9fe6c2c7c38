//! Health: whether the process lives, and whether it does its work, on an address of its own in plain HTTP.
//!
//! `/livez` answers while the process runs. `/readyz` answers 200 where each of the last looks at the real
//! thing found it in order, else 503; `/readyz?verbose` says what was found and how long ago, and what
//! else an operator should know, as it is when he asks.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

/// How old a look may be: three of them were missed then.
const STALE: Duration = Duration::from_mins(3);
/// How long what else there is to know is told again as it was: it takes its time to find.
const TOLD_AGAIN: Duration = Duration::from_secs(1);

/// What was found of one part.
#[derive(Debug, Clone)]
struct Look {
    at: Duration,
    found: Result<String, String>,
}

/// What was found last of each part, by monotonic time.
#[derive(Default)]
pub(crate) struct Health {
    looks: Mutex<BTreeMap<&'static str, Look>>,
}

/// What an operator should know besides, each in a sentence.
#[derive(Default)]
pub(crate) struct Besides {
    /// What should be seen to and stops nothing.
    pub(crate) notices: Vec<String>,
    /// How fresh is what is read from others.
    pub(crate) ages: Vec<String>,
}

/// What the pages are made from.
pub(crate) struct Sources {
    /// The looks.
    pub(crate) health: Arc<Health>,
    /// Tells monotonic time.
    pub(crate) now: Box<dyn Fn() -> Duration + Send + Sync>,
    /// Tells what else there is to know.
    pub(crate) besides: Box<dyn Fn() -> Besides + Send + Sync>,
    /// What was told of it last, and when.
    pub(crate) told: Mutex<Option<Told>>,
}

/// Lines of what else there is to know, and when they were found.
pub(crate) struct Told {
    at: Duration,
    lines: String,
}

impl Health {
    /// Notes what a look at `part` has found at `at`: in words where it is in order, or what is wrong.
    pub(crate) fn note(&self, part: &'static str, at: Duration, found: Result<String, String>) {
        let look = Look { at, found };
        let mut looks = self.looks.lock().unwrap_or_else(PoisonError::into_inner);
        looks.insert(part, look);
    }

    /// Whether all is in order at `now`, and a line for each part.
    fn tell(&self, now: Duration) -> (bool, String) {
        let looks = self.looks.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut ready, mut text) = (!looks.is_empty(), String::new());
        for (part, look) in looks.iter() {
            let age = now.saturating_sub(look.at);
            let found = match &look.found {
                Ok(_) if age > STALE => Err("was not looked at for too long"),
                Ok(says) => Ok(says.as_str()),
                Err(says) => Err(says.as_str()),
            };
            ready &= found.is_ok();
            let (mark, says) = match found {
                Ok(says) => ('+', says),
                Err(says) => ('-', says),
            };
            _ = writeln!(text, "[{mark}] {part}: {says} ({} s ago)", age.as_secs());
        }
        (ready, text)
    }
}

impl Sources {
    /// Whether all is in order, and in words what was found: all of it, or no more than that.
    fn tell(&self, is_verbose: bool) -> (bool, String) {
        let now = (self.now)();
        let (ready, mut text) = self.health.tell(now);
        if is_verbose {
            text.push_str(&self.besides(now));
        } else {
            text.clear();
        }
        text.push_str(if ready { "ready\n" } else { "not ready\n" });
        (ready, text)
    }

    fn besides(&self, now: Duration) -> String {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let is_fresh = |told: &&Told| now.saturating_sub(told.at) < TOLD_AGAIN;
        if let Some(told) = told.as_ref().filter(is_fresh) {
            return told.lines.clone();
        }
        let Besides { notices, ages } = (self.besides)();
        let notices = notices.iter().map(|says| ('!', says));
        let mut lines = String::new();
        for (mark, says) in notices.chain(ages.iter().map(|says| ('i', says))) {
            _ = writeln!(lines, "[{mark}] {says}");
        }
        let found = lines.clone();
        *told = Some(Told { at: now, lines });
        found
    }
}

/// The pages.
pub(crate) fn router(sources: Arc<Sources>) -> Router {
    Router::new()
        .route(
            "/livez",
            get(async || text(StatusCode::OK, "alive\n".to_owned())),
        )
        .route("/readyz", get(readyz))
        .with_state(sources)
}

async fn readyz(State(sources): State<Arc<Sources>>, RawQuery(asked): RawQuery) -> Response {
    let is_verbose = asked.is_some_and(|asked| asked.split('&').any(|it| it == "verbose"));
    let (ready, told) = sources.tell(is_verbose);
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    text(status, told)
}

fn text(status: StatusCode, text: String) -> Response {
    (status, [(CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[test]
    fn what_takes_its_time_to_find_is_found_once_a_second_however_often_it_is_asked_for() {
        let time = Arc::new(AtomicU64::new(0));
        let clock = Arc::clone(&time);
        let found = Arc::new(AtomicU64::new(0));
        let finds = Arc::clone(&found);
        let sources = Sources {
            health: Arc::default(),
            now: Box::new(move || Duration::from_millis(clock.load(Ordering::Relaxed))),
            besides: Box::new(move || {
                finds.fetch_add(1, Ordering::Relaxed);
                let notices = vec!["an issuer ends".to_owned()];
                let ages = vec!["keys are 3 s old".to_owned()];
                Besides { notices, ages }
            }),
            told: Mutex::default(),
        };
        for at in 0..3_000 {
            time.store(at, Ordering::Relaxed);
            let (_, text) = sources.tell(true);
            let says = "[!] an issuer ends\n[i] keys are 3 s old\nnot ready\n";
            assert_eq!(text, says);
            assert_eq!(sources.tell(false).1, "not ready\n");
        }
        assert_eq!(found.load(Ordering::Relaxed), 3);
    }

    #[test]
    fn it_is_ready_while_every_look_is_good_and_fresh() {
        let health = Health::default();
        let at = Duration::from_secs;
        assert!(!health.tell(at(0)).0, "nothing was looked at");
        health.note("log", at(10), Ok("synced in 1 ms".to_owned()));
        health.note("listener", at(10), Ok("shook hands in 3 ms".to_owned()));
        let (ready, text) = health.tell(at(12));
        assert!(ready, "{text}");
        assert!(
            text.contains("[+] log: synced in 1 ms (2 s ago)\n"),
            "{text}"
        );
        health.note("log", at(60), Err("the disk is full".to_owned()));
        let (ready, text) = health.tell(at(61));
        assert!(
            !ready && text.contains("[-] log: the disk is full (1 s ago)"),
            "{text}"
        );
        health.note("log", at(70), Ok(String::new()));
        assert!(health.tell(at(71)).0);
        assert!(
            !health.tell(at(10 + 181)).0,
            "the listener was not looked at for too long"
        );
    }
}
