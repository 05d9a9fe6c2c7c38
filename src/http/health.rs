//! Health: whether the process lives, and whether it does its work, on an address of its own in plain HTTP.
//!
//! `/livez` answers while the process runs. `/readyz` answers 200 where each of the last looks at the real
//! thing found it in order, else 503; `/readyz?verbose` says what was found and how long ago.

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
    /// What should be seen to and stops nothing.
    notices: Mutex<Vec<String>>,
}

impl Health {
    /// Notes what a look at `part` has found at `at`: in words where it is in order, or what is wrong.
    pub(crate) fn note(&self, part: &'static str, at: Duration, found: Result<String, String>) {
        let look = Look { at, found };
        let mut looks = self.looks.lock().unwrap_or_else(PoisonError::into_inner);
        looks.insert(part, look);
    }

    /// Replaces what should be seen to.
    pub(crate) fn notice(&self, notices: Vec<String>) {
        *self.notices.lock().unwrap_or_else(PoisonError::into_inner) = notices;
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
        let notices = self.notices.lock().unwrap_or_else(PoisonError::into_inner);
        for notice in notices.iter() {
            _ = writeln!(text, "[!] {notice}");
        }
        text.push_str(if ready { "ready\n" } else { "not ready\n" });
        (ready, text)
    }
}

/// Tells monotonic time.
pub(crate) type Now = Arc<dyn Fn() -> Duration + Send + Sync>;

/// The pages, by the time that `now` tells.
pub(crate) fn router(health: Arc<Health>, now: Now) -> Router {
    Router::new()
        .route(
            "/livez",
            get(async || text(StatusCode::OK, "alive\n".to_owned())),
        )
        .route("/readyz", get(readyz))
        .with_state((health, now))
}

async fn readyz(
    State((health, now)): State<(Arc<Health>, Now)>,
    RawQuery(asked): RawQuery,
) -> Response {
    let (ready, whole) = health.tell(now());
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let is_verbose = asked.is_some_and(|asked| asked.split('&').any(|it| it == "verbose"));
    let last = whole.lines().last().unwrap_or_default();
    let told = if is_verbose {
        whole
    } else {
        format!("{last}\n")
    };
    text(status, told)
}

fn text(status: StatusCode, text: String) -> Response {
    (status, [(CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

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
