//! A border in small, as the committer and the connections' tasks see it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use carnet::agency::keys::{KeyCheck, Keys, SharedRing};
use carnet::agency::registry::Peer;
use carnet::backbone::start::{genesis_of, recover};
use carnet::broker::admit::{Draw, View, admit};
use carnet::broker::command::{Ask, Command, Private, Settle, Unroutable};
use carnet::broker::committer::{Committer, Step};
use carnet::broker::effect::{Answer, Effect};
use carnet::broker::exchange::{Arrived, Returnable, Submission};
use carnet::broker::ids::{ConnectionId, DeliveryId, Origin};
use carnet::broker::input::Input;
use carnet::broker::payload::PrivateHead;
use carnet::broker::queue::Volume;
use carnet::broker::record::{Argument, LeafSecret, QueueProperties, Record};
use carnet::cli::certs::pki::{DevelopmentPki, development_bundle};
use carnet::config::{Config, Overrides, read_bundle};
use carnet::message::bundle::{Bundle, Fault};
use carnet::message::envelope::{HeaderValue, Publish};
use carnet::message::id::{Digest, ExchangeId, UnitId};
use carnet::message::time::Timestamp;
use carnet::policy::rulebook::Rulebook;
use carnet::policy::standing::Standing;
use carnet::server::clock::Clock;
use carnet_disk::SimVfs;

use crate::Failed;
use crate::options::options;
use crate::ring::ring;

const SEGMENT_BYTES: usize = 8 << 20;

pub(crate) const POST: ConnectionId = ConnectionId(1);
pub(crate) const CUSTOMS: ConnectionId = ConnectionId(2);

/// Queues of the customs, each of which moves what is rejected on to the next; with a number each.
pub(crate) const MOVED_FROM: &str = "moved-";

/// Who takes part, under which rules.
pub(crate) struct Border {
    bundle: Bundle,
    pub(crate) rulebook: Arc<Rulebook>,
    keys: Arc<Keys>,
}

/// The agencies, message types and policies of the repository.
pub(crate) fn shipped() -> Result<Bundle, Failed> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = Overrides {
        agencies: Some(root.join("agencies")),
        messages: Some(root.join("messages")),
        policies: Some(root.join("policies")),
        ..Overrides::default()
    };
    read_bundle(&Config::load(&folders)?).map_err(|faults| told(&faults))
}

fn told(faults: &[Fault]) -> Failed {
    let faults: Vec<String> = faults.iter().take(5).map(ToString::to_string).collect();
    faults.join("\n").into()
}

fn noon() -> Result<Timestamp, Failed> {
    Ok(Timestamp::from_rfc3339("2026-03-17T07:30:00Z").ok_or("a time")?)
}

impl Border {
    pub(crate) fn of(bundle: &Bundle) -> Result<Self, Failed> {
        let pki = DevelopmentPki::create(bundle, noon()?).map_err(|faults| told(&faults))?;
        let bundle = development_bundle(bundle, &pki).map_err(|faults| told(&faults))?;
        let rulebook = Rulebook::parse(&bundle).map_err(|faults| told(&faults))?;
        let rulebook = Arc::new(rulebook.activated(1));
        let units = rulebook.registry().units().map(|unit| &unit.id);
        let keys = Arc::new(Keys::derive(SharedRing::new(ring()), units));
        Ok(Self {
            bundle,
            rulebook,
            keys,
        })
    }

    fn peer(&self, agency: &str) -> Result<Peer, Failed> {
        let agency = self.rulebook.registry().agency(agency);
        let agency = agency.ok_or("no such agency")?.clone();
        let system = agency.systems.values().next().ok_or("no system")?.clone();
        let unit = agency.units.get(&system.unit).ok_or("no unit")?.clone();
        Ok(Peer {
            agency,
            unit,
            system,
        })
    }

    fn example(&self, path: &str) -> Result<&str, Failed> {
        let found = self.bundle.text(path);
        found.map_err(|fault| told(&[fault]))
    }
}

/// A broker on a disk in memory, with one client each of the post and of the customs.
pub(crate) struct World {
    pub(crate) clock: Clock,
    pub(crate) border: Border,
    committer: Committer<SimVfs>,
    /// Standing as it was published last: connections' tasks hold it while the ledger goes on.
    standing: Arc<Standing>,
    pub(crate) now: Timestamp,
    /// How often a message is moved before the time that is measured, and that one.
    pub(crate) moves: usize,
    serial: u64,
    held: Option<DeliveryId>,
}

impl World {
    pub(crate) fn begin(border: Border) -> Result<Self, Failed> {
        let recovered = recover(&SimVfs::new(1), Path::new("/data"), &options(SEGMENT_BYTES))?;
        let mut committer = recovered.committer;
        let now = noon()?;
        let mut genesis = genesis_of(&border.rulebook, false, KeyCheck([0; 16]), now);
        genesis.bundle = Bundle::default();
        committer.begin(&Record::Genesis(genesis))?;
        let standing = Arc::clone(committer.ledger().register().standing());
        let mut world = Self {
            clock: Clock::default(),
            border,
            committer,
            standing,
            now,
            moves: 1,
            serial: 0,
            held: None,
        };
        world.attach(POST, "post/main")?;
        world.attach(CUSTOMS, "customs/main")?;
        for place in 0..2 {
            world.moving(place)?;
        }
        // One release is out to the customs all the time, for narrowings.
        world.consume(CUSTOMS, "inbox", 1)?;
        let publish = world.item()?;
        let submission = world.submitted("post", &publish)?;
        let step = world.step(vec![submission])?;
        world.held = deliveries(&step).next().map(|(_, delivery)| delivery);
        Ok(world)
    }

    /// Time goes by.
    pub(crate) fn pass(&mut self, ms: u64) {
        self.now = self.now.plus(Duration::from_millis(ms));
    }

    pub(crate) fn step(&mut self, commands: Vec<Command>) -> Result<Step, Failed> {
        let step = self.committer.step(commands, self.now)?;
        if step.view_changed {
            self.standing = Arc::clone(self.committer.ledger().register().standing());
        }
        let refused = step.effects.iter().find_map(|(_, effect)| match effect {
            Effect::Answer {
                answer: Answer::Refused(refusal),
                ..
            } => Some(refusal.text.clone()),
            Effect::Outcome {
                returned: Some(returned),
                ..
            } => Some(returned.0.text.clone()),
            Effect::Nacked { why, .. } => Some(format!("{why:?}")),
            Effect::Again(..) => Some("a ruling is stale".to_owned()),
            _ => None,
        });
        refused.map_or(Ok(step), |refused| Err(refused.into()))
    }

    /// A step, and how long it took.
    pub(crate) fn timed<I: Into<Input>>(
        &mut self,
        commands: Vec<I>,
    ) -> Result<(Duration, Step), Failed> {
        let before = self.clock.monotonic();
        let step = self.committer.step(commands, self.now);
        let took = self.clock.monotonic().saturating_sub(before);
        let step = step?;
        if step.view_changed {
            self.standing = Arc::clone(self.committer.ledger().register().standing());
        }
        Ok((took, step))
    }

    /// Clients take what was sent out to them in a step.
    pub(crate) fn acknowledge(&mut self, step: &Step) -> Result<(), Failed> {
        let deliveries: Vec<DeliveryId> = deliveries(step).map(|(_, it)| it).collect();
        let how = Settle::Ack;
        self.step(vec![Command::Settle { deliveries, how }])?;
        Ok(())
    }

    pub(crate) fn attach(&mut self, connection: ConnectionId, unit: &str) -> Result<(), Failed> {
        let unit: UnitId = unit.parse()?;
        self.step(vec![Command::Attach {
            connection,
            unit,
            system: "post/items".parse()?,
            releases: true,
        }])?;
        Ok(())
    }

    pub(crate) fn ask(&mut self, connection: ConnectionId, ask: Ask) -> Result<Step, Failed> {
        self.ask_on(connection, 1, ask)
    }

    pub(crate) fn ask_on(
        &mut self,
        connection: ConnectionId,
        channel: u16,
        ask: Ask,
    ) -> Result<Step, Failed> {
        self.step(vec![Command::Ask {
            connection,
            channel,
            ask,
        }])
    }

    pub(crate) fn consume(
        &mut self,
        connection: ConnectionId,
        queue: &str,
        number: u64,
    ) -> Result<Step, Failed> {
        self.ask(connection, consuming(queue, number))
    }

    pub(crate) fn declare(
        &mut self,
        connection: ConnectionId,
        name: &str,
        arguments: &[(&str, Argument)],
    ) -> Result<(), Failed> {
        let arguments = arguments.iter();
        let arguments = arguments.map(|(name, value)| ((*name).to_owned(), value.clone()));
        let properties = QueueProperties {
            durable: true,
            arguments: arguments.collect(),
            ..QueueProperties::default()
        };
        let (name, passive) = (name.to_owned(), false);
        let ask = Ask::DeclareQueue {
            name,
            passive,
            properties,
        };
        self.ask(connection, ask).map(drop)
    }

    pub(crate) fn bind(&mut self, queue: &str, key: String) -> Result<(), Failed> {
        let ask = Ask::Bind {
            queue: queue.to_owned(),
            exchange: "inbox".to_owned(),
            key,
            remove: false,
        };
        self.ask(CUSTOMS, ask).map(drop)
    }

    /// A queue of the customs that moves what is rejected on to the next.
    pub(crate) fn moving(&mut self, place: usize) -> Result<(), Failed> {
        let next = format!("{MOVED_FROM}{}", place + 1);
        let arguments = [
            ("x-dead-letter-exchange", Argument::Text(String::new())),
            ("x-dead-letter-routing-key", Argument::Text(next)),
        ];
        self.declare(CUSTOMS, &format!("{MOVED_FROM}{place}"), &arguments)
    }

    fn origin(&mut self, connection: ConnectionId) -> Origin {
        self.serial += 1;
        Origin {
            connection,
            channel: 1,
            serial: self.serial,
            confirm: Some(self.serial),
        }
    }

    /// Puts a message of the customs' own into one of their queues.
    pub(crate) fn put(&mut self, queue: &str) -> Result<(), Failed> {
        let head = PrivateHead {
            exchange: "",
            routing_key: queue,
            raw_properties: &[],
        };
        let private = Private {
            read_over: None,
            quota: Volume::ANY,
            origin: self.origin(CUSTOMS),
            wire: Returnable {
                exchange: "".into(),
                routing_key: queue.into(),
                raw_properties: Bytes::new(),
                body: Bytes::new(),
            },
            copies: Vec::new(),
            unroutable: Unroutable::of(true),
            marked: false,
            frame: head.seal(
                &ring().sealing(ExchangeId([0; 16]), Timestamp::default()),
                b"body",
            ),
            ttl: Some(Duration::from_hours(1_000)),
        };
        self.step(vec![Command::from(private)])?;
        Ok(())
    }

    /// Takes one out of a queue of the customs.
    pub(crate) fn get(&mut self, queue: &str) -> Result<Option<DeliveryId>, Failed> {
        let (queue, may_read) = (queue.to_owned(), true);
        let step = self.ask(CUSTOMS, Ask::Get { queue, may_read })?;
        Ok(deliveries(&step).next().map(|(_, delivery)| delivery))
    }

    /// The release that is out to the customs.
    pub(crate) fn held(&self) -> Result<DeliveryId, Failed> {
        Ok(self.held.ok_or("nothing is out to the customs")?)
    }

    fn message(&mut self, kind: &str, body: Bytes, to: &[&str]) -> Publish {
        self.serial += 1;
        let to = to.iter().map(|unit| (*unit).to_owned()).collect();
        Publish {
            message_type: kind.into(),
            message_id: Some(format!("m-{}", self.serial)),
            content_type: Some("application/json".to_owned()),
            body,
            headers: vec![("to".to_owned(), HeaderValue::List(to))],
            ..Publish::default()
        }
    }

    /// The post's message to the customs.
    pub(crate) fn item(&mut self) -> Result<Publish, Failed> {
        let path = "messages/postal.item/examples/valid/ornaments.json";
        let body = self.border.example(path)?.as_bytes().to_vec().into();
        Ok(self.message("postal.item", body, &["customs/main"]))
    }

    /// The customs' order with a number, on an item with that number too.
    pub(crate) fn order(&mut self, number: usize) -> Result<Publish, Failed> {
        let path = "messages/control.order/examples/valid/story-03.json";
        let text = self.border.example(path)?;
        let text = text.replace("CO-2026-00871", &format!("CO-2026-{number:06}"));
        let text = text.replace("CP618402774XA", &item_id(number));
        let text = text.replace("2026-03-17T12:00:00+01:00", "2026-06-17T12:00:00+01:00");
        let body = text.into_bytes().into();
        Ok(self.message("control.order", body, &["environment/main", "post/main"]))
    }

    /// A step of a case.
    pub(crate) fn case(&mut self, kind: &str, number: usize) -> Publish {
        let open = r#", "Areas": ["ipr"], "Invites": ["police"]"#;
        let more = if kind == "case.open" { open } else { "" };
        let body = format!(r#"{{"CaseID": "C-{number}"{more}}}"#);
        let publish = self.message(kind, body.into_bytes().into(), &[]);
        Publish {
            headers: Vec::new(),
            ..publish
        }
    }

    /// What admission makes of a publish.
    pub(crate) fn admitted(&self, agency: &str, publish: &Publish) -> Result<Submission, Failed> {
        let view = View {
            governance: Arc::default(),
            rulebook: Arc::clone(&self.border.rulebook),
            standing: Arc::clone(&self.standing),
            keys: Arc::clone(&self.border.keys),
            repeat_window: Duration::from_hours(24),
        };
        let drawn = Digest::of(publish.message_id.as_deref().unwrap_or_default().as_bytes());
        let id = drawn.0.first_chunk().ok_or("a digest is longer")?;
        let draw = Draw {
            exchange: ExchangeId(*id),
            secret: LeafSecret::new(drawn.0),
        };
        let peer = self.border.peer(agency)?;
        let arrived = Arrived {
            publish: publish.clone(),
            exchange: "carnet".into(),
            raw_properties: Bytes::new(),
        };
        Ok(admit(&peer, arrived, &view, draw, self.now))
    }

    /// A command that brings a publish, admitted.
    pub(crate) fn submitted(&mut self, agency: &str, publish: &Publish) -> Result<Command, Failed> {
        let connection = if agency == "post" { POST } else { CUSTOMS };
        let submission = Box::new(self.admitted(agency, publish)?);
        Ok(Command::Submit(self.origin(connection), submission))
    }
}

/// A consumer of a queue with this number.
pub(crate) fn consuming(queue: &str, number: u64) -> Ask {
    Ask::Consume {
        number,
        queue: queue.to_owned(),
        priority: 0,
        exclusive: false,
        may_read: true,
    }
}

/// What a step sends out.
pub(crate) fn deliveries(step: &Step) -> impl Iterator<Item = (ConnectionId, DeliveryId)> {
    step.effects.iter().filter_map(|(to, effect)| match effect {
        Effect::Deliver(deliver) => Some((*to, deliver.delivery)),
        _ => None,
    })
}

/// The S10 id of an item with a number of up to eight digits.
fn item_id(number: usize) -> String {
    let digits = format!("{number:08}");
    let weights = [8, 6, 4, 2, 3, 5, 9, 7];
    let values = digits.chars().filter_map(|digit| digit.to_digit(10));
    let sum: u32 = values
        .zip(weights)
        .map(|(value, weight)| value * weight)
        .sum();
    let check = match 11 - sum % 11 {
        10 => 0,
        11 => 5,
        check => check,
    };
    format!("CP{digits}{check}XA")
}
