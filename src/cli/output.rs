//! The only place that prints.
//!
//! What cannot be printed is an error, and no command is done before its last word is written. The
//! exit code says so where nothing else can: standard error is written as far as it goes.

use std::io::{self, ErrorKind, IsTerminal, Write};
use std::str::FromStr;

use rustix::io::Errno;
use serde_json::{Value, json};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use super::failed::Failed;
use crate::message::bundle::Fault;

/// The state of the output's reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reader {
    There,
    Gone,
}

/// Logs go to standard error, so that what a command prints stays readable by programs.
pub(super) fn start_logs(levels: Option<&str>) -> Result<(), Failed> {
    let filter = levels.map_or_else(|| Ok(EnvFilter::new(LEVELS)), filter)?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        // It would tell them on standard error, which is what failed, and panic there.
        .log_internal_errors(false)
        .init();
    Ok(())
}

/// What is logged where nothing is said.
const LEVELS: &str = "carnet=info";

/// Levels as `CARNET_LOG` has them. A word that is neither a level nor of this program would be taken
/// for a program's name, and nothing at all would be logged.
fn filter(levels: &str) -> Result<EnvFilter, Failed> {
    let bad = |says: &str| {
        Failed::CannotRun(format!(
            "CARNET_LOG is '{levels}': {says}; write a level (error, warn, info, debug, trace, off), \
             or {LEVELS}, or carnet=info,carnet::server=debug"
        ))
    };
    for directive in levels.split(',').map(str::trim) {
        let (target, level) = directive.split_once('=').unwrap_or((directive, "trace"));
        let is_ours = target.split("::").next() == Some("carnet");
        let reads = |level: &str| !level.is_empty() && LevelFilter::from_str(level).is_ok();
        let is_level = !directive.contains('=') && reads(directive);
        if !(is_level || is_ours && reads(level)) {
            return Err(bad(&format!(
                "'{directive}' is neither a level nor one of carnet's"
            )));
        }
    }
    EnvFilter::builder()
        .parse(levels)
        .map_err(|error| bad(&error.to_string()))
}

/// Prints a line of text.
pub(super) fn line(text: &str) -> Result<(), Failed> {
    self::text(&format!("{text}\n"))
}

/// Prints text as it is.
pub(super) fn text(text: &str) -> Result<(), Failed> {
    bytes(text.as_bytes())
}

/// Prints octets as they are. Their reader may stop before the end, as `head` does: the
/// command goes on to its exit code, which says the same with and without a reader.
pub(super) fn bytes(content: &[u8]) -> Result<(), Failed> {
    while_read(content).map(drop)
}

/// Prints where there is no end by itself: who has lost its reader may end.
pub(super) fn while_read(content: &[u8]) -> Result<Reader, Failed> {
    match written(&mut io::stdout().lock(), content) {
        Ok(()) => Ok(Reader::There),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(Reader::Gone),
        Err(error) => Err(unprinted(&error)),
    }
}

/// Prints what is acknowledged afterwards: a reader that is gone has not got it, and a file has it
/// once it is on its disk.
pub(super) fn handed_over(text: &str) -> Result<(), Failed> {
    let mut out = io::stdout().lock();
    let on_disk = || match rustix::fs::fdatasync(io::stdout()) {
        // Neither a pipe nor a terminal is a disk.
        Err(Errno::INVAL | Errno::ROFS) => Ok(()),
        other => other.map_err(io::Error::from),
    };
    let written = written(&mut out, text.as_bytes()).and_then(|()| on_disk());
    written.map_err(|error| unprinted(&error))
}

/// Help or version, with colours where they are shown on a terminal.
pub(super) fn help(said: &clap::Error) -> Result<(), Failed> {
    let text = said.render();
    if io::stdout().is_terminal() {
        self::text(&text.ansi().to_string())
    } else {
        self::text(&text.to_string())
    }
}

/// Writes all of it, through every buffer.
fn written(to: &mut impl Write, content: &[u8]) -> io::Result<()> {
    to.write_all(content)?;
    to.flush()
}

fn unprinted(error: &io::Error) -> Failed {
    Failed::CannotRun(format!("standard output cannot be written: {error}"))
}

/// Writes to standard error. Where that fails nothing is left to tell it by but the exit code.
fn aside(text: &str) -> io::Result<()> {
    written(&mut io::stderr().lock(), text.as_bytes())
}

/// Prints a note for a person who waits, and for no program: to standard error.
pub(super) fn note(says: &str) {
    _ = aside(&format!("{says}\n"));
}

/// Why a command ended.
pub(super) fn error(says: &str) {
    _ = aside(&format!("{} {says}\n", painted("error:", "31")));
}

/// What should be seen to, and is no fault yet; as faults are shown. Without these a good exit code
/// would say too much.
pub(super) fn warnings(warnings: &[Fault]) -> Result<(), Failed> {
    let warnings = warnings.iter();
    let blocks = warnings.map(|warning| block(warning, &painted("warning:", "33")));
    aside(&blocks.collect::<String>())
        .map_err(|error| Failed::CannotRun(format!("standard error cannot be written: {error}")))
}

fn block(fault: &Fault, kind: &str) -> String {
    let Fault { place, says, cure } = fault;
    let painted = painted("cure:", "36");
    format!("{kind} {place}\n       {says}\n  {painted} {cure}\n")
}

/// Faults, a block each: place, what is wrong, what to do.
pub(super) fn faults(faults: &[Fault]) {
    let blocks = faults.iter();
    let blocks = blocks.map(|fault| block(fault, &painted("fault:", "31")));
    let count = faults.len();
    let noun = if count == 1 { "fault" } else { "faults" };
    _ = aside(&format!("{}{count} {noun}\n", blocks.collect::<String>()));
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
    if io::stderr().is_terminal() {
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
