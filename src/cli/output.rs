//! The only place that prints.

#![expect(
    clippy::print_stderr,
    reason = "everything that is printed is printed here"
)]

use std::io::{IsTerminal, Write};

use serde_json::{Value, json};

use crate::message::bundle::Fault;

/// Logs go to standard error, so that what a command prints stays readable by programs.
pub(super) fn start_logs() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("CARNET_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("carnet=info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
}

/// A line of text.
pub(super) fn line(text: &str) {
    self::text(&format!("{text}\n"));
}

/// Text as it is. Whoever reads it may stop before the end, as `head` does: that is no fault.
pub(super) fn text(text: &str) {
    _ = lines_to_a_reader(text);
}

/// A file's content, as it is.
pub(super) fn bytes(content: &[u8]) {
    let mut out = std::io::stdout();
    // As of text: whoever reads it may stop.
    _ = out.write_all(content).and_then(|()| out.flush());
}

/// The same where there is no end by itself: an error says that nobody reads any more.
pub(super) fn lines_to_a_reader(text: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// What someone who waits before a terminal wants to know, and no program.
pub(super) fn note(says: &str) {
    if std::io::stderr().is_terminal() {
        eprintln!("{says}");
    }
}

/// Why a command ended.
pub(super) fn error(says: &str) {
    eprintln!("{} {says}", painted("error:", "31"));
}

/// What should be seen to, and is no fault yet; as faults are shown.
pub(super) fn warnings(warnings: &[Fault]) {
    for warning in warnings {
        block(warning, &painted("warning:", "33"));
    }
}

fn block(fault: &Fault, kind: &str) {
    eprintln!("{kind} {}", fault.place);
    eprintln!("       {}", fault.says);
    eprintln!("  {} {}", painted("cure:", "36"), fault.cure);
}

/// Faults, a block each: place, what is wrong, what to do.
pub(super) fn faults(faults: &[Fault]) {
    for fault in faults {
        block(fault, &painted("fault:", "31"));
    }
    let count = faults.len();
    eprintln!("{count} {}", if count == 1 { "fault" } else { "faults" });
}

/// Faults as a value for programs.
pub(super) fn faults_as_json(faults: &[Fault]) -> Value {
    let faults = faults
        .iter()
        .map(|fault| json!({"place": fault.place, "says": fault.says, "cure": fault.cure}));
    Value::Array(faults.collect())
}

/// Colours on a terminal alone.
fn painted(text: &str, colour: &str) -> String {
    if std::io::stderr().is_terminal() {
        format!("\x1b[{colour}m{text}\x1b[0m")
    } else {
        text.to_owned()
    }
}

/// A shell's completion script.
pub(super) fn completion(shell: clap_complete::Shell, command: &mut clap::Command) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, command, "carnet", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}
