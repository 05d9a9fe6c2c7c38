//! The command line: one file a command. It prints and it says how it ended; it has no logic of its
//! own.

mod agency;
mod bench;
mod certs;
mod check;
mod client;
mod consume;
mod demo;
mod init;
mod list;
mod log;
mod output;
mod publish;
mod rules;
mod serve;
mod trial;

use std::fmt;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};

use crate::agency::nearest;
use crate::config::{Config, Overrides, log_levels};
use crate::message::bundle::Fault;

/// The message broker that border agencies connect to.
#[derive(Debug, Parser)]
#[command(name = "carnet", version, after_help = EXAMPLES, propagate_version = true)]
struct Arguments {
    #[command(flatten)]
    overrides: Overrides,
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  carnet demo                    # a day at the border, played and checked
  carnet serve --dev             # a broker to try; certificates in data/certs
  carnet check                   # every fault of the folders
  carnet init && carnet serve    # a broker of your own
  carnet agency show customs     # what an agency may send and read
  carnet message try messages/postal.item/examples/valid/story-01.json
                                 # who would receive it, what of it, and why

Exit codes:
  0  done
  1  faults found, or messages refused
  2  wrong usage: an argument, or a name that there is not
  3  cannot run: disk, network, configuration, output that cannot be written
  4  the log is damaged, or ends before what it had";

#[derive(Debug, Subcommand)]
enum Command {
    /// Begin a log with the folders' rulebook as its record 0
    Init,
    /// Serve agencies over AMQP and mutual TLS
    Serve(serve::Serve),
    /// Play a day at the border against a broker of its own
    Demo(demo::Demo),
    /// Publish messages as a system does
    Publish(publish::Publish),
    /// Consume a queue as a system does
    Consume(consume::Consume),
    /// Check agencies, messages, policies, decision tables and certificates
    Check(check::Check),
    /// Certificates for development, and for single systems
    #[command(subcommand)]
    Certs(certs::Certs),
    /// Agencies of the folders
    #[command(subcommand)]
    Agency(agency::AgencyCommand),
    /// Message types of the folders, and trying a message on them
    #[command(subcommand)]
    Message(list::MessageCommand),
    /// What the log of a data folder made by --dev says
    #[command(subcommand)]
    Log(log::Log),
    /// The sharing policies' schema
    #[command(subcommand)]
    Policy(list::PolicyCommand),
    /// The configuration in force
    #[command(subcommand)]
    Config(list::ConfigCommand),
    /// Measure throughput, latency and memory
    Bench(bench::Bench),
    /// Completion for your shell
    #[command(
        after_help = "Example:\n  carnet completion bash > carnet.bash    # for the folder that your shell reads"
    )]
    Completion {
        /// Which shell
        shell: clap_complete::Shell,
    },
}

/// Why a command did not do what it was asked for.
#[derive(Debug)]
enum Failed {
    /// Faults in what was checked, each already with place and cure.
    Faults(Vec<Fault>),
    /// It ran, and the answer was no.
    Refused(String),
    /// What was asked about is not in order, and the output says so already.
    Told,
    /// An argument names what there is not: what it is, and where to look.
    Usage(String),
    /// It could not run: what happened, and what to do.
    CannotRun(String),
    /// The log is not what it was: where, and what to do.
    Damaged(String),
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Faults(faults) => write!(f, "{} faults", faults.len()),
            Self::Told => Ok(()),
            Self::Refused(says)
            | Self::Usage(says)
            | Self::CannotRun(says)
            | Self::Damaged(says) => f.write_str(says),
        }
    }
}

impl Failed {
    fn cannot_run(error: impl fmt::Display) -> Self {
        Self::CannotRun(error.to_string())
    }
}

impl From<Vec<Fault>> for Failed {
    fn from(faults: Vec<Fault>) -> Self {
        Self::Faults(faults)
    }
}

/// Runs the command that the arguments name.
pub fn run() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(said) => return said_by_clap(&said),
    };
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    if provider.install_default().is_err() {
        output::error("another TLS provider is installed");
        return ExitCode::from(3);
    }
    let run = || {
        let levels = log_levels().map_err(Failed::cannot_run)?;
        output::start_logs(levels.as_deref())?;
        dispatch(arguments)
    };
    run().map_or_else(|failed| told(&failed), |()| ExitCode::SUCCESS)
}

/// Tells why a command ended.
fn told(failed: &Failed) -> ExitCode {
    match failed {
        Failed::Faults(faults) => output::faults(faults),
        Failed::Told => {}
        other => output::error(&other.to_string()),
    }
    ExitCode::from(match failed {
        Failed::Faults(_) | Failed::Refused(_) | Failed::Told => 1,
        Failed::Usage(_) => 2,
        Failed::CannotRun(_) => 3,
        Failed::Damaged(_) => 4,
    })
}

/// Help and version are output like any other; what is wrong with the arguments is told as usage.
fn said_by_clap(said: &clap::Error) -> ExitCode {
    if said.use_stderr() {
        // Not written: the exit code says it.
        drop(said.print());
        return ExitCode::from(2);
    }
    output::help(said).map_or_else(|failed| told(&failed), |()| ExitCode::SUCCESS)
}

fn dispatch(arguments: Arguments) -> Result<(), Failed> {
    if let Command::Completion { shell } = arguments.command {
        return output::text(&output::completion(shell, &mut Arguments::command()));
    }
    let config = Config::load(&arguments.overrides).map_err(Failed::cannot_run)?;
    run_command(arguments.command, &config).map_err(|failed| match failed {
        Failed::Faults(faults) => {
            let located = faults.iter().map(|fault| config.located(fault));
            Failed::Faults(located.collect())
        }
        other => other,
    })
}

fn run_command(command: Command, config: &Config) -> Result<(), Failed> {
    match command {
        Command::Init => init::run(config),
        Command::Serve(serve) => serve.run(config),
        Command::Demo(demo) => demo.run(config),
        Command::Publish(publish) => publish.run(config),
        Command::Consume(consume) => consume.run(config),
        Command::Check(check) => check.run(config),
        Command::Certs(certs) => certs.run(config),
        Command::Agency(command) => command.run(config),
        Command::Message(command) => command.run(config),
        Command::Log(log) => log.run(config),
        Command::Policy(command) => command.run(config),
        Command::Config(command) => command.run(config),
        Command::Bench(bench) => bench.run(config),
        Command::Completion { .. } => Ok(()),
    }
}

/// A name that nothing has, with the one that was likely meant, or where they all stand.
fn no_such(what: &str, name: &str, known: &[&str], listed_by: &str) -> Failed {
    let meant = match nearest(name, known) {
        Some(meant) => format!("did you mean {meant}?"),
        None => format!("{listed_by} names them"),
    };
    Failed::Usage(format!("there is no {what} '{name}'; {meant}"))
}

/// Runs a client's work on a runtime of its own, on this thread.
fn on_a_runtime<T>(work: impl Future<Output = Result<T, Failed>>) -> Result<T, Failed> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.map_err(Failed::cannot_run)?.block_on(work)
}

/// Ends at ctrl-C, SIGTERM or SIGHUP, with why a command ended then.
async fn interrupted() -> Failed {
    let signals = signal(SignalKind::terminate()).and_then(|terminate| {
        let hangup = signal(SignalKind::hangup())?;
        Ok((terminate, hangup))
    });
    let Ok((mut terminate, mut hangup)) = signals else {
        return Failed::cannot_run("signals cannot be waited for");
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => Failed::cannot_run("interrupted"),
        _ = terminate.recv() => Failed::cannot_run("terminated"),
        _ = hangup.recv() => Failed::cannot_run("the terminal went away"),
    }
}
