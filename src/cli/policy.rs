//! `carnet policy`: the rulebook of a running broker, from proposal to return.

mod agency;
pub(super) mod decide;
mod new;
mod propose;
pub(super) mod show;

use clap::Subcommand;

use super::failed::Failed;
use super::output;
use crate::config::{Config, read_bundle, write_text};
use crate::http::{api, problem};
use crate::message::catalogue::Catalogue;
use crate::policy::schema::schema_text;
use crate::policy::vocabulary::Vocabulary;

/// What to do with the sharing policies, and with all else of the rulebook.
#[derive(Debug, Subcommand)]
pub(super) enum PolicyCommand {
    /// The Cedar schema that the catalogue gives: policies/border.cedarschema
    #[command(
        after_help = "Examples:\n  carnet policy schema --write\n  carnet policy schema | less"
    )]
    Schema {
        /// Replace the file, whole or not at all, instead of printing it
        #[arg(long)]
        write: bool,
    },
    /// Print a rule of the folders under another id, to be changed and put beside it
    New(new::New),
    /// What is in force, and what waits for whom
    Status(show::Status),
    /// The rulebooks that were in force, and who had them take effect
    Log(show::Log),
    /// Write the files in force that are yours to see into a folder
    Export(show::Export),
    /// Find what is wrong with changed files, without proposing them
    Check(propose::Check),
    /// What a proposal, or a folder, changes
    Diff(propose::Diff),
    /// Propose changed files
    Propose(propose::Propose),
    /// Propose another text of one file
    Edit(propose::Edit),
    /// Propose to the board officers for an agency that has lost its own, or the agency's end
    Agency(agency::Agency),
    /// Approve what another officer proposed: signed here, with your own key
    Approve(decide::Approve),
    /// Have an approved proposal take effect
    Activate(decide::Activate),
    /// Withdraw a proposal
    Withdraw(decide::Withdraw),
    /// Propose the same changes on the rulebook in force
    Rebase(decide::Rebase),
    /// Take back what an activation changed: it takes effect with the approval of a second officer
    Rollback(decide::Rollback),
    /// The interface of officers in OpenAPI 3.1
    Openapi,
    /// Every code of that interface by which something is refused, with its cure
    Problems,
}

impl PolicyCommand {
    pub(super) fn run(&self, config: &Config) -> Result<(), Failed> {
        match self {
            Self::Schema { write } => schema(config, *write),
            Self::New(new) => new.run(config),
            Self::Status(status) => status.run(config),
            Self::Log(log) => log.run(config),
            Self::Export(export) => export.run(config),
            Self::Check(check) => check.run(config),
            Self::Diff(diff) => diff.run(config),
            Self::Propose(propose) => propose.run(config),
            Self::Edit(edit) => edit.run(config),
            Self::Agency(agency) => agency.run(config),
            Self::Approve(approve) => approve.run(config),
            Self::Activate(activate) => activate.run(config),
            Self::Withdraw(withdraw) => withdraw.run(config),
            Self::Rebase(rebase) => rebase.run(config),
            Self::Rollback(rollback) => rollback.run(config),
            Self::Openapi => {
                let text = api::description().to_pretty_json();
                output::line(&text.map_err(Failed::cannot_run)?)
            }
            Self::Problems => output::text(&problem::manual()),
        }
    }
}

fn schema(config: &Config, write: bool) -> Result<(), Failed> {
    // Examples change no schema: those that no longer hold are told by `check`.
    let bundle = read_bundle(config)?;
    let text = schema_text(&Catalogue::load(&bundle)?, &Vocabulary::read(&bundle)?)?;
    if !write {
        return output::text(&text);
    }
    let path = config.policies.join("border.cedarschema");
    write_text(&path, text.as_bytes())
        .map_err(|error| Failed::CannotRun(format!("{}: {error}", path.display())))?;
    output::line(&format!("wrote {}", path.display()))
}
