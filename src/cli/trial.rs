//! `carnet message try`: what would become of a message, without sending it.
//!
//! It asks the folders alone: no log, no server, no keys. So no token of a reference opens, and
//! cases, orders and answers are as `--given` says, in the words of decision tables.

mod refused;
mod ruled;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use refused::{Refused, Summary, Tried};
use ruled::Ruled;

use super::check::with_issuers;
use super::failed::{Failed, no_such};
use super::names::{no_type, system_name, system_named};
use super::output;
use crate::agency::registry::{MessageIdRule, Peer};
use crate::config::{Config, read_bundle, read_file};
use crate::message::bundle::Fault;
use crate::message::catalogue::MessageEntry;
use crate::message::envelope::{HeaderValue, Publish, SenderTerms};
use crate::message::id::SystemId;
use crate::message::time::Timestamp;
use crate::message::valid::{Faults, Valid};
use crate::policy::given::Given;
use crate::policy::rule::may_send;
use crate::policy::rulebook::Rulebook;
use crate::server::clock::Clock;

const HELP: &str = "\
Examples:
  carnet message try messages/postal.item/examples/valid/story-01.json
  carnet message try --from post/items --to customs/main \\
    messages/postal.item/examples/valid/story-01.json
  carnet message try --case drugs:customs+police --json \\
    messages/police.alert/examples/valid/story-09.json
  carnet message try --given 'orders=police; now=2026-03-17' \\
    messages/postal.item/examples/valid/story-01.json
  carnet message try messages/postal.item/examples/valid/*.json

Exit code 1 where a message is invalid, or where its sender would be told that nobody receives it.";

/// Validate and rule files without sending them.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(super) struct Trial {
    /// The message's body; of several files each is tried, and a summary by fault comes last
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Its type [default: the folder of messages/ that the file is in]
    #[arg(long = "type", value_name = "TYPE")]
    message_type: Option<String>,
    /// The sending system [default: the one that may send the type, where there is one]
    #[arg(long, alias = "as", value_name = "AGENCY/SYSTEM")]
    from: Option<SystemId>,
    /// Addressee, as header `to`; several times for several
    #[arg(long, value_name = "AGENCY/UNIT")]
    to: Vec<String>,
    /// Header `purpose`
    #[arg(long)]
    purpose: Option<String>,
    /// Quote a case: its areas, and the agencies that have joined it, such as drugs:customs+police
    #[arg(long, value_name = "AREAS:AGENCIES")]
    case: Option<String>,
    /// What else stands around the message, as in the column `given` of a decision table
    #[arg(long, value_name = "TEXT")]
    given: Option<String>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

impl Trial {
    pub(super) fn run(&self, config: &Config) -> Result<(), Failed> {
        let now = Clock::default().now();
        let rulebook = Rulebook::parse(&with_issuers(read_bundle(config)?, now)?)?;
        self.addressees(&rulebook)?;
        if let [file] = self.files.as_slice() {
            let tried = self.one(file, &rulebook, now)?;
            return self.told(file, &tried, &rulebook);
        }
        let mut summary = Summary::default();
        for file in &self.files {
            let tried = self.one(file, &rulebook, now)?;
            let line = if self.json {
                tried.named_json(file, &rulebook).to_string()
            } else {
                tried.line(file)
            };
            output::line(&line)?;
            summary.add(file, &tried);
        }
        output::text(&summary.shown(self.json))?;
        summary.outcome()
    }

    /// What becomes of one file, all of it.
    fn told(&self, file: &Path, tried: &Tried, rulebook: &Rulebook) -> Result<(), Failed> {
        match tried {
            _ if self.json => output::line(&tried.as_json(file, rulebook).to_string())?,
            Tried::Invalid(refused) => return Err(refused.blocks(file).into()),
            Tried::Ruled(ruled) => ruled.print(rulebook)?,
        }
        if tried.is_released() {
            Ok(())
        } else {
            Err(Failed::Told)
        }
    }

    /// Tries one file.
    fn one(&self, file: &Path, rulebook: &Rulebook, now: Timestamp) -> Result<Tried, Failed> {
        let body = read_file(file).map_err(Failed::cannot_run)?;
        let message_type = self.message_type(file, rulebook)?;
        let peer = self.sender(rulebook, &message_type)?;
        let Some(entry) = rulebook.catalogue().get(&message_type) else {
            return Err(Failed::Usage(format!("no type '{message_type}'")));
        };
        let given = self.given(&peer, entry, rulebook, now)?;
        if !may_send(&peer, entry) {
            let says = format!("{} does not send {message_type}", system_name(&peer));
            let cure = "see 'sends' of its entry in agencies/, and 'senders' of the type";
            return Err(vec![Fault::new(file.display().to_string(), says, cure)].into());
        }
        match valid(&message_type, body, &peer, &given, rulebook) {
            Err(faults) => Ok(Tried::Invalid(Refused(faults))),
            Ok(valid) => Ok(Tried::Ruled(Box::new(Ruled::of(
                valid, peer, given, rulebook,
            )))),
        }
    }

    fn message_type(&self, file: &Path, rulebook: &Rulebook) -> Result<String, Failed> {
        let known = |name: &str| rulebook.catalogue().get(name).is_some();
        match &self.message_type {
            Some(name) if known(name) => Ok(name.clone()),
            Some(name) => Err(no_type(name, rulebook.catalogue())),
            None => {
                let folders = file.ancestors().filter_map(Path::file_name);
                let mut names = folders.map(|name| name.to_string_lossy().into_owned());
                names.find(|name| known(name)).ok_or_else(|| {
                    let file = file.display();
                    Failed::Usage(format!(
                        "{file} is in no type's folder; say its type with --type"
                    ))
                })
            }
        }
    }

    /// The system that sends: the one named, or the only one that may.
    fn sender(&self, rulebook: &Rulebook, message_type: &str) -> Result<Peer, Failed> {
        let registry = rulebook.registry();
        if let Some(id) = &self.from {
            let (agency, system) = system_named(registry, id)?;
            let unit = agency.units.get(&system.unit).map(Arc::clone);
            let unit = unit.ok_or_else(|| Failed::CannotRun(format!("{id} has no unit")))?;
            return Ok(Peer {
                agency,
                unit,
                system,
            });
        }
        let peers = registry.agencies().flat_map(|agency| {
            agency.systems.values().filter_map(|system| {
                Some(Peer {
                    agency: Arc::clone(agency),
                    unit: Arc::clone(agency.units.get(&system.unit)?),
                    system: Arc::clone(system),
                })
            })
        });
        let entry = rulebook.catalogue().get(message_type);
        let mut may: Vec<Peer> = peers
            .filter(|peer| entry.is_some_and(|entry| may_send(peer, entry)))
            .collect();
        match (may.pop(), may.as_slice()) {
            (Some(only), []) => Ok(only),
            (last, others) => {
                let names = others.iter().chain(&last).map(system_name);
                let names = names.collect::<Vec<_>>().join(", ");
                let says = format!("say who sends {message_type} with --from; may: {names}");
                Err(Failed::Usage(says))
            }
        }
    }

    /// A failure where an addressee does not exist: on the wire that looks like one that may not be
    /// reached.
    fn addressees(&self, rulebook: &Rulebook) -> Result<(), Failed> {
        let units: Vec<String> = rulebook
            .registry()
            .units()
            .map(|it| it.id.to_string())
            .collect();
        let units: Vec<&str> = units.iter().map(String::as_str).collect();
        let to = self.to.iter().flat_map(|to| to.split(['+', ',']));
        match to.map(str::trim).find(|to| !units.contains(to)) {
            None => Ok(()),
            Some(unit) => Err(no_such("unit", unit, &units, "`carnet agency list`")),
        }
    }

    /// What stands around the message, as `--given` and the other flags say; the clock's time where
    /// they say none.
    fn given(
        &self,
        peer: &Peer,
        entry: &MessageEntry,
        rulebook: &Rulebook,
        now: Timestamp,
    ) -> Result<Given, Failed> {
        let to = (!self.to.is_empty()).then(|| self.to.join("+"));
        let flags = [
            ("now", Some(now.to_string())),
            ("case", self.case.clone()),
            ("purpose", self.purpose.clone()),
            ("to", to),
        ];
        // Items that are given come last, for the last of a name counts.
        let text: Vec<String> = flags
            .into_iter()
            .filter_map(|(name, value)| Some(format!("{name}={}", value?)))
            .chain(self.given.clone())
            .collect();
        let text = text.join(";");
        let sender = &peer.agency.id;
        Given::parse(&text, sender, entry, rulebook).map_err(Failed::Usage)
    }
}

/// The message as admission takes it: its headers and its body.
fn valid(
    message_type: &str,
    body: Vec<u8>,
    peer: &Peer,
    given: &Given,
    rulebook: &Rulebook,
) -> Result<Valid, Faults> {
    let text = |name: &str, value: &str| (name.to_owned(), HeaderValue::Text(value.to_owned()));
    let asked = &given.question.asked;
    let to: Vec<String> = asked.to.iter().map(ToString::to_string).collect();
    let to = (!to.is_empty()).then(|| ("to".to_owned(), HeaderValue::List(to)));
    let purpose = asked.purpose.iter().map(|p| text("purpose", p.as_str()));
    let case = asked.case.iter().map(|case| text("case", case));
    let handling = Some(asked.handling).filter(|handling| !handling.is_free());
    let handling = handling.map(|handling| text("handling", handling.name()));
    let headers = to.into_iter().chain(purpose).chain(case).chain(handling);
    let publish = Publish {
        message_type: message_type.into(),
        message_id: Some("try".to_owned()),
        body: body.into(),
        headers: headers.collect(),
        ..Publish::default()
    };
    let terms = SenderTerms {
        user_id: "",
        derives_message_id: peer.system.message_id == MessageIdRule::Derived,
    };
    Valid::parse(&publish, rulebook.catalogue(), &terms, &|_| None)
}
