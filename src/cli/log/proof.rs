//! `carnet log proof`: what shows to others, without the broker, that the log has a record and what it says.

use std::path::PathBuf;

use super::super::failed::Failed;
use super::super::output;
use super::audit::Auditor;
use super::wanted::Wanted;
use crate::config::Config;
use crate::journal::vfs::{DiskVfs, put_in_place};

/// What is to be proved, to whom it is given out.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  carnet log proof --sent post/main/19 --why \"court order 7\" --out 19.json --as post/m-0077\n  carnet log proof --received customs/main/3 --why \"court order 7\" --as customs/o-0934\n  carnet log verify 19.json --policy trust.txt    # anywhere, without the broker\n\nOf an exchange the sender's auditor opens what is common to all and what was sent, a recipient's what is common and what his unit was given. What stays closed tells nothing. A proof comes with the checkpoint behind its record: a second later."
)]
pub(in crate::cli) struct Prove {
    #[command(flatten)]
    wanted: Wanted,
    #[command(flatten)]
    auditor: Auditor,
    /// File for it; standard output where none is named
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Prove {
    pub(super) fn run(&self, config: &Config) -> Result<(), Failed> {
        let audit = self.auditor.audit()?.ok_or_else(|| {
            let says = "a proof is asked of a running broker: name yourself by --as and --why";
            Failed::Usage(says.to_owned())
        })?;
        let text = audit.proof(config, self.wanted.sought()?)?;
        match &self.out {
            Some(path) => put_in_place(&DiskVfs, path, format!("{text}\n").as_bytes())
                .map_err(Failed::cannot_run),
            None => output::line(&text),
        }
    }
}
