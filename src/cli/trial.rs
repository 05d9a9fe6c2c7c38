//! `carnet message try`: what would become of a message, without sending it.
//!
//! It asks the folders alone: no log, no server, no keys. So tokens of references are nobody's, and
//! cases, orders and answers are as `--given` says, in the words of decision tables.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};

use super::certs::find;
use super::check::with_issuers;
use super::{Failed, output};
use crate::agency::registry::{MessageIdRule, Peer};
use crate::config::{Config, read_bundle, read_file};
use crate::message::bundle::Fault;
use crate::message::envelope::{HeaderValue, Publish, SenderTerms};
use crate::message::id::{Mask, SystemId, UnitId};
use crate::message::time::Timestamp;
use crate::message::valid::Valid;
use crate::policy::explain::explain;
use crate::policy::given::Given;
use crate::policy::rule::{may_send, rule};
use crate::policy::rulebook::Rulebook;
use crate::policy::ruling::{Outcome, Refused, Ruling, Verdict};
use crate::policy::words::PolicyId;
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

Exit code 1 where the message is invalid, or where its sender would be told that nobody receives it.";

/// Validate and rule a file without sending it.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(super) struct Trial {
    /// The message's body
    file: PathBuf,
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
        let body = read_file(&self.file).map_err(Failed::cannot_run)?;
        let rulebook = Rulebook::parse(&with_issuers(read_bundle(config)?, now)?)?;
        self.addressees(&rulebook)?;
        let message_type = self.message_type(&rulebook)?;
        let peer = self.sender(&rulebook, &message_type)?;
        let given = self.given(&peer, &rulebook, now)?;
        let valid = match self.valid((&message_type, body), &peer, &given, &rulebook) {
            Ok(valid) => valid,
            Err(fault) if self.json => {
                let faults = output::faults_as_json(&[fault]);
                output::line(&json!({"valid": false, "faults": faults}).to_string())?;
                return Err(Failed::Told);
            }
            Err(fault) => return Err(vec![fault].into()),
        };
        let mut facts = valid.content().facts.clone();
        facts.extend(given.facts.clone());
        let request = given.question.request(&peer.unit, valid.entry(), &facts);
        let tried = Tried {
            ruling: rule(&request, &rulebook, &given.standing, given.now),
            rulebook: &rulebook,
            valid: &valid,
        };
        if self.json {
            output::line(&tried.as_json(&peer).to_string())?;
        } else {
            let why = |unit: &UnitId| {
                let holds = valid.entry().holds;
                explain(
                    unit,
                    &request,
                    (&rulebook, &given.standing),
                    given.now,
                    holds,
                )
            };
            tried.print(&peer, &why)?;
        }
        if tried.ruling.is_released_visibly() {
            Ok(())
        } else {
            Err(Failed::Told)
        }
    }

    fn message_type(&self, rulebook: &Rulebook) -> Result<String, Failed> {
        let known = |name: &str| rulebook.catalogue().get(name).is_some();
        match &self.message_type {
            Some(name) if known(name) => Ok(name.clone()),
            Some(name) => Err(super::list::no_type(name, rulebook.catalogue())),
            None => {
                let folders = self.file.ancestors().filter_map(Path::file_name);
                let mut names = folders.map(|name| name.to_string_lossy().into_owned());
                names.find(|name| known(name)).ok_or_else(|| {
                    let file = self.file.display();
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
            let (agency, system) = find(registry, id)?;
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
                let names = others.iter().chain(&last).map(name);
                let names = names.collect::<Vec<_>>().join(", ");
                let says = format!("say who sends {message_type} with --from; may: {names}");
                Err(Failed::Usage(says))
            }
        }
    }

    /// Whether whom it is addressed to is there at all: on the wire a name that nobody has looks like
    /// one that may not be reached.
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
            Some(unit) => Err(super::no_such("unit", unit, &units, "`carnet agency list`")),
        }
    }

    /// What stands around the message, as `--given` and the other flags say; the clock's time where
    /// they say none.
    fn given(&self, peer: &Peer, rulebook: &Rulebook, now: Timestamp) -> Result<Given, Failed> {
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
        let (registry, catalogue) = (rulebook.registry(), rulebook.catalogue());
        Given::parse(&text, &peer.agency.id, registry, catalogue).map_err(Failed::Usage)
    }

    /// The message as admission takes it: what its sender may send, its headers and its body.
    fn valid(
        &self,
        (message_type, body): (&str, Vec<u8>),
        peer: &Peer,
        given: &Given,
        rulebook: &Rulebook,
    ) -> Result<Valid, Fault> {
        let place = self.file.display();
        let entry = rulebook.catalogue().get(message_type);
        if !entry.is_some_and(|entry| may_send(peer, entry)) {
            let says = format!("{} does not send {message_type}", name(peer));
            let cure = "see 'sends' of its entry in agencies/, and 'senders' of the type";
            return Err(Fault::new(place.to_string(), says, cure));
        }
        let text = |name: &str, value: &str| (name.to_owned(), HeaderValue::Text(value.to_owned()));
        let to = given.question.to.iter().cloned();
        let headers = to
            .map(|to| ("to".to_owned(), HeaderValue::List(to)))
            .chain(
                given
                    .question
                    .purpose
                    .iter()
                    .map(|p| text("purpose", p.as_str())),
            )
            .chain(given.question.case.iter().map(|case| text("case", case)));
        let publish = Publish {
            message_type: message_type.to_owned(),
            message_id: Some("try".to_owned()),
            body: body.into(),
            headers: headers.collect(),
            ..Publish::default()
        };
        let terms = SenderTerms {
            user_id: "",
            derives_message_id: peer.system.message_id == MessageIdRule::Derived,
        };
        Valid::parse(&publish, rulebook.catalogue(), &terms, &|_| None).map_err(|invalid| {
            let at = format!("{place}: {}", invalid.place);
            let says = format!("{} ({})", invalid.says, invalid.rule);
            let cure =
                format!("`carnet message show {message_type}` and its schema say what it wants");
            Fault::new(at.trim_end_matches(": "), says, cure)
        })
    }
}

fn name(peer: &Peer) -> String {
    format!("{}/{}", peer.agency.id, peer.system.name)
}

/// The names of a mask's categories.
pub(super) fn names(mask: Mask) -> Vec<String> {
    let token = mask
        .has_reference_token()
        .then(|| "reference.token".to_owned());
    let names = mask.categories().map(|category| category.to_string());
    names.chain(token).collect()
}

/// What became of the message.
struct Tried<'a> {
    ruling: Ruling,
    rulebook: &'a Rulebook,
    valid: &'a Valid,
}

impl Tried<'_> {
    fn print(&self, peer: &Peer, why: &dyn Fn(&UnitId) -> String) -> Result<(), Failed> {
        let message_type = &self.valid.entry().message_type;
        let present = self.valid.content().spans.present();
        let sender = name(peer);
        output::line(&format!(
            "{message_type} from {sender}: valid, holds {present}"
        ))?;
        for warning in &self.valid.content().warnings {
            output::line(&format!("warning at {}: {}", warning.place, warning.rule))?;
        }
        for verdict in &self.ruling.verdicts {
            output::line("")?;
            output::text(&why(&verdict.unit))?;
            if verdict.told().is_none() && verdict.is_recorded() {
                output::line("  The sender is not told of it.")?;
            }
        }
        for unreachable in &self.ruling.unreachable {
            output::line("")?;
            output::line(&format!(
                "{unreachable} is nobody whom this message can reach: not permitted."
            ))?;
        }
        let others = self.others(peer);
        if !others.is_empty() {
            output::line("")?;
        }
        for (unit, why) in others {
            output::line(&format!("{unit} is not asked for: {why}."))?;
        }
        if !self.ruling.is_released_visibly() {
            output::line("")?;
            output::line("Its sender would be told that nobody receives it.")?;
        }
        Ok(())
    }

    /// The units that messages of this type from this agency never reach, each with why.
    fn others(&self, peer: &Peer) -> Vec<(UnitId, &'static str)> {
        let (registry, message_type) = (self.rulebook.registry(), &self.valid.entry().message_type);
        let sender = &peer.agency.id;
        let candidates: BTreeSet<&UnitId> =
            self.rulebook.candidates(sender, message_type).collect();
        let others = registry
            .units()
            .filter(|unit| !candidates.contains(&unit.id));
        let others = others.filter(|unit| unit.id != peer.unit.id);
        let why = |receives: bool| {
            if receives {
                "no rule gives it messages of this type from this agency"
            } else {
                "it does not receive the type, see `receives` of its unit in agencies/"
            }
        };
        others
            .map(|unit| {
                let mut receives = unit.receives.iter();
                let receives = receives.any(|pattern| pattern.covers(message_type.as_str()));
                (unit.id.clone(), why(receives))
            })
            .collect()
    }

    fn as_json(&self, peer: &Peer) -> Value {
        let verdicts = self.ruling.verdicts.iter();
        let warnings = self.valid.content().warnings.iter();
        json!({
            "valid": true,
            "type": self.valid.entry().message_type.to_string(),
            "from": name(peer),
            "holds": names(self.valid.content().spans.present()),
            "warnings": warnings
                .map(|warning| json!({"place": warning.place, "rule": warning.rule}))
                .collect::<Vec<_>>(),
            "released": self.ruling.is_released_visibly(),
            "units": verdicts.map(|verdict| self.verdict_as_json(verdict)).collect::<Vec<_>>(),
            "unreachable": self.ruling.unreachable,
            "never_reached": self.others(peer).into_iter()
                .map(|(unit, why)| json!({"unit": unit.to_string(), "why": why}))
                .collect::<Vec<_>>(),
        })
    }

    fn verdict_as_json(&self, verdict: &Verdict) -> Value {
        let unit = verdict.unit.to_string();
        match &verdict.outcome {
            Outcome::Released(released) => json!({
                "unit": unit,
                "outcome": "release",
                "categories": names(released.mask),
                "withheld": names(released.withheld),
                "policies": self.rules(&released.policies),
                "withholding": self.rules(&released.withholding),
                "retain_days": released.retain_days,
                "onward": released.onward.to_string(),
            }),
            Outcome::Refused(Refused::Forbidden {
                policies, hidden, ..
            }) => json!({
                "unit": unit,
                "outcome": if *hidden { "hidden" } else { "refuse" },
                "policies": self.rules(policies),
            }),
            Outcome::Refused(Refused::NotPermitted) => {
                json!({"unit": unit, "outcome": "refuse", "policies": []})
            }
            Outcome::Refused(Refused::Failed) => {
                json!({"unit": unit, "outcome": "failed", "policies": self.rules(&self.ruling.errors)})
            }
        }
    }

    /// Each rule with what it rests on.
    fn rules(&self, ids: &[PolicyId]) -> Vec<Value> {
        let once: BTreeSet<&PolicyId> = ids.iter().collect();
        let rules = once.into_iter().filter_map(|id| self.rulebook.rule(id));
        let rules = rules.map(|rule| {
            json!({
                "id": rule.id.to_string(),
                "owner": rule.owner,
                "title": rule.title,
                "basis": rule.basis,
                "reason": rule.reason,
            })
        });
        rules.collect()
    }
}
