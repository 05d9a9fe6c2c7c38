//! Officers who have another rulebook take effect once a second, while others publish.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::cli::api::Api;
use crate::cli::failed::Failed;
use crate::cli::policy::decide::approve;
use crate::cli::runtime::on_a_runtime;
use crate::cli::served::Served;

/// The time between two activations.
const PAUSE: Duration = Duration::from_secs(1);
const RULES: &str = "policies/post.cedar";

/// The officers, on a thread of their own.
pub(super) struct Activating {
    ends: Arc<AtomicBool>,
    activations: Arc<AtomicU32>,
    thread: JoinHandle<Result<(), Failed>>,
}

impl Activating {
    /// Begins with the first activation.
    pub(super) fn start(served: &Served) -> Result<Self, Failed> {
        let officer = |name: &str| {
            let officer = name.parse().map_err(Failed::cannot_run)?;
            Api::connect(&served.http(), &served.certs(), officer)
        };
        let (administrator, approver) = (officer("post/m-0042")?, officer("post/m-0077")?);
        let ends = Arc::new(AtomicBool::default());
        let activations = Arc::new(AtomicU32::default());
        let (until, count) = (Arc::clone(&ends), Arc::clone(&activations));
        let work = async move {
            while !until.load(Ordering::Relaxed) {
                activate(&administrator, &approver).await?;
                count.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(PAUSE).await;
            }
            Ok(())
        };
        let thread = std::thread::Builder::new().name("officers".into());
        let thread = thread.spawn(move || on_a_runtime(work));
        Ok(Self {
            ends,
            activations,
            thread: thread.map_err(Failed::cannot_run)?,
        })
    }

    /// Ends with the activation that is under way. How many there were.
    pub(super) fn stop(self) -> Result<u32, Failed> {
        self.ends.store(true, Ordering::Relaxed);
        let died = |_| Failed::cannot_run("the officers' thread died");
        self.thread.join().map_err(died)??;
        Ok(self.activations.load(Ordering::Relaxed))
    }
}

/// One change of a rule's title, from proposal to activation.
async fn activate(administrator: &Api, approver: &Api) -> Result<(), Failed> {
    let rulebook = administrator.get("rulebook").await?;
    let file = administrator.request(Method::GET, "rulebook/file")?;
    let text = administrator.text(file.query(&[("path", RULES)])).await?;
    let changed = match text.strip_suffix("// Again.\n") {
        Some(before) => before.to_owned(),
        None => format!("{text}// Again.\n"),
    };
    let body = json!({"base": rulebook.get("digest"), "title": "A remark", "when": "approved",
        "files": {RULES: changed}});
    let propose = administrator.request(Method::POST, "proposals")?;
    let proposal = administrator.json(propose.json(&body)).await?;
    let number = proposal.get("number").and_then(Value::as_u64);
    let told = approve(approver, number.unwrap_or_default(), None).await?;
    match told.get("state").and_then(Value::as_str) {
        Some("activated") => Ok(()),
        _ => Err(Failed::CannotRun(format!("no activation came of {told}"))),
    }
}
