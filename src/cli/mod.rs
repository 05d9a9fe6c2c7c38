//! The command line: one file a command. It prints and it says how it ended; it has no logic of its
//! own.

mod agency;
mod api;
mod bench;
pub mod certs;
mod check;
mod client;
mod consume;
mod demo;
mod failed;
mod folders;
mod init;
mod list;
mod log;
mod measure;
mod names;
mod output;
mod policy;
mod publish;
mod rules;
mod runtime;
mod serve;
mod served;
mod start;
mod token;
mod trial;
mod witness;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use self::failed::Failed;
use crate::config::{Config, Overrides, log_levels};

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
    /// What the log of a data folder made by --dev says, and of any log what its scrub has found
    #[command(subcommand)]
    Log(log::Log),
    /// What officers declare of their own agency: how far its systems work, permits that are suspended
    #[command(subcommand)]
    Measure(measure::MeasureCommand),
    /// The rulebook of a running broker, from proposal to return
    #[command(subcommand)]
    Policy(policy::PolicyCommand),
    /// Cosign checkpoints of other exchanges' logs, so that none of them can show two histories
    #[command(subcommand)]
    Witness(witness::WitnessCommand),
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
        Command::Measure(command) => command.run(config),
        Command::Policy(command) => command.run(config),
        Command::Witness(command) => command.run(),
        Command::Config(command) => command.run(config),
        Command::Bench(bench) => bench.run(config),
        Command::Completion { .. } => Ok(()),
    }
}
