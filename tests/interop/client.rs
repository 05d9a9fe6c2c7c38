//! A client under test: a program of another language, or a function of this one, that tells its
//! steps as JSON lines.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde_json::Value;

use crate::ITEM;
use crate::broker::Broker;
use crate::lines::lines_of;

/// Between two steps, compilers and interpreters of a busy machine included.
const STEP_WITHIN: Duration = Duration::from_mins(1);

enum Running {
    Process(Child),
    Thread(JoinHandle<()>),
}

pub(crate) struct Client {
    steps: Receiver<String>,
    running: Option<Running>,
}

impl Client {
    /// A program, given what every client program takes: host, port, folder of certificates, item.
    pub(crate) fn of_command(mut command: Command, broker: &Broker) -> Self {
        let mut child = command
            .args([
                "localhost",
                &broker.port().to_string(),
                &broker.certs(),
                ITEM,
            ])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| {
                panic!("{command:?}: {error}; run `tests/run.sh interop` once")
            });
        let steps = lines_of(child.stdout.take().expect("a pipe was asked for"));
        Self {
            steps,
            running: Some(Running::Process(child)),
        }
    }

    /// A function that tells its steps to what it is given.
    pub(crate) fn of_function(run: impl FnOnce(Say) + Send + 'static) -> Self {
        let (sender, steps) = mpsc::channel();
        let say: Say = Box::new(move |step| drop(sender.send(step.to_string())));
        Self {
            steps,
            running: Some(Running::Thread(thread::spawn(|| run(say)))),
        }
    }

    /// The steps told from here through `last`, in words; fewer if the client ends before.
    pub(crate) fn steps_until(&self, last: &str) -> Vec<String> {
        let mut told = Vec::new();
        while told.last().is_none_or(|step| step != last) {
            let Ok(line) = self.steps.recv_timeout(STEP_WITHIN) else {
                break;
            };
            told.push(in_words(&line));
        }
        told
    }

    pub(crate) fn finished_well(mut self) {
        match self.running.take() {
            Some(Running::Process(mut child)) => {
                let status = child.wait().expect("its own child");
                assert!(status.success(), "the client ended with {status}");
            }
            Some(Running::Thread(thread)) => thread.join().expect("the client did not panic"),
            None => {}
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // Only of a test that failed midway; a thread ends with its test's process.
        if let Some(Running::Process(child)) = &mut self.running {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

pub(crate) type Say = Box<dyn Fn(Value) + Send>;

/// A told step as a test writes it down. What a client words freely (reasons, tries) is left out.
fn in_words(line: &str) -> String {
    let Ok(step) = serde_json::from_str::<Value>(line) else {
        return line.to_owned();
    };
    let text = |field: &str| step[field].as_str().unwrap_or("?").to_owned();
    match text("step").as_str() {
        "confirmed" => format!("confirmed {}", text("id")),
        "received" => {
            let again = if step["redelivered"] == false {
                ""
            } else {
                " again"
            };
            format!("received {} as {}{again}", text("item"), text("key"))
        }
        "returned" => {
            let whole = if step["whole"] == true {
                "whole"
            } else {
                "altered"
            };
            let silent = if text("text").is_empty() {
                " and no reason"
            } else {
                ""
            };
            format!(
                "returned {} {whole} with {}{silent}",
                text("id"),
                step["code"]
            )
        }
        other => other.to_owned(),
    }
}

/// A client program of `tests/interop`.
pub(crate) fn program(name: &str) -> String {
    format!("{}/tests/interop/{name}", env!("CARGO_MANIFEST_DIR"))
}

pub(crate) fn script(interpreter: impl AsRef<std::ffi::OsStr>, name: &str) -> Command {
    let mut command = Command::new(interpreter);
    command.arg(program(name));
    command
}

/// The interpreter that has the Python libraries.
pub(crate) fn python() -> PathBuf {
    installed("python/bin/python")
}

/// Where the Node libraries are.
pub(crate) fn node_modules() -> PathBuf {
    installed("node/node_modules")
}

/// Something that `tests/run.sh` installs: in the folder it names, or in the last one it made.
fn installed(what: &str) -> PathBuf {
    let tools = variable("CARNET_INTEROP_TOOLS").map(PathBuf::from);
    let cache = || {
        let own = variable("XDG_CACHE_HOME").map(PathBuf::from);
        own.or_else(|| Some(Path::new(&variable("HOME")?).join(".cache")))
    };
    let tools = tools.or_else(|| Some(cache()?.join("carnet/interop/current")));
    let path = tools.expect("HOME is set").join(what);
    assert!(
        path.exists(),
        "{} is missing: run `tests/run.sh interop` once",
        path.display()
    );
    path
}

#[expect(
    clippy::disallowed_methods,
    reason = "what run.sh installed is told by the environment"
)]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
