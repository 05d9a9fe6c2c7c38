//! What grows: each with how a world comes to have so much of it.

use carnet::broker::command::{Ask, Command, Settle};
use carnet::broker::ids::ConnectionId;
use carnet::broker::limits::QUEUE_BINDINGS;
use carnet::broker::record::Argument;
use carnet::message::bundle::Bundle;

use crate::Failed;
use crate::timed::ASIDE;
use crate::world::{Border, CUSTOMS, MOVED_FROM, World, shipped};

/// Adds so much.
type Grow<T> = fn(&mut T, usize) -> Result<(), Failed>;

/// Something that a world may have little or much of.
pub(crate) struct Grown {
    pub(crate) name: &'static str,
    /// Little, and much.
    pub(crate) numbers: (usize, usize),
    /// Who takes part beside those that the repository has.
    bundle: Option<Grow<Bundle>>,
    grow: Option<Grow<World>>,
}

impl Grown {
    /// A world with so much of it.
    pub(crate) fn world(&self, number: usize) -> Result<World, Failed> {
        let mut bundle = shipped()?;
        if let Some(join) = self.bundle {
            join(&mut bundle, number)?;
        }
        let mut world = World::begin(Border::of(&bundle)?)?;
        if let Some(grow) = self.grow {
            grow(&mut world, number)?;
        }
        Ok(world)
    }
}

/// All of them.
pub(crate) const GROWN: &[Grown] = &[
    grown("open orders", (45, 4_500), orders),
    grown("open cases", (45, 4_500), cases),
    grown("closed cases", (45, 4_500), closed_cases),
    grown("bindings of the recipient", (40, 4_000), bindings),
    grown("patterns made to be walked", (40, 4_000), wildcards),
    grown("queues of one unit", (9, 900), queues),
    grown("messages in the inbox", (45, 4_500), waiting),
    grown("moved messages", (45, 4_500), overlays),
    grown("moves of one message", (1, 100), moves),
    grown("connections", (9, 900), connections),
    grown("consumers of the inbox", (9, 900), consumers),
    grown("consumers without credit", (9, 900), without_credit),
    grown("consumers of a channel", (9, 900), of_a_channel),
    Grown {
        name: "agencies",
        numbers: (5, 500),
        bundle: Some(agencies),
        grow: None,
    },
    Grown {
        name: "units with ten queues each",
        numbers: (1, 100),
        bundle: Some(offices),
        grow: Some(queues_each),
    },
];

const fn grown(name: &'static str, numbers: (usize, usize), grow: Grow<World>) -> Grown {
    Grown {
        name,
        numbers,
        bundle: None,
        grow: Some(grow),
    }
}

/// Other connections than those of the world.
fn connection(number: usize) -> Result<ConnectionId, Failed> {
    Ok(ConnectionId(100 + u64::try_from(number)?))
}

fn orders(world: &mut World, number: usize) -> Result<(), Failed> {
    for order in 0..number {
        let publish = world.order(order)?;
        let submission = world.submitted("customs", &publish)?;
        world.step(vec![submission])?;
    }
    Ok(())
}

fn cases(world: &mut World, number: usize) -> Result<(), Failed> {
    for case in 0..number {
        let publish = world.case("case.open", case);
        let submission = world.submitted("customs", &publish)?;
        world.step(vec![submission])?;
    }
    Ok(())
}

fn closed_cases(world: &mut World, number: usize) -> Result<(), Failed> {
    for case in 0..number {
        for kind in ["case.open", "case.close"] {
            let publish = world.case(kind, case);
            let submission = world.submitted("customs", &publish)?;
            world.step(vec![submission])?;
        }
    }
    Ok(())
}

/// Four queues with as many bindings each, of which one takes the message.
fn bind_all(world: &mut World, number: usize, key: impl Fn(usize) -> String) -> Result<(), Failed> {
    for queue in 0..4 {
        let name = format!("bound-{queue}");
        world.declare(CUSTOMS, &name, &[("x-max-length", Argument::Integer(10))])?;
        world.bind(&name, "postal.*.post".to_owned())?;
        for binding in 1..(number / 4).min(QUEUE_BINDINGS) {
            world.bind(&name, key(binding))?;
        }
    }
    Ok(())
}

fn bindings(world: &mut World, number: usize) -> Result<(), Failed> {
    let other = |binding: usize| format!("postal.other-{binding}.*");
    bind_all(world, number, other)
}

/// Patterns of words of the key and wildcards: as many of them as can be seem to match for a while.
fn wildcards(world: &mut World, number: usize) -> Result<(), Failed> {
    let parts = ["#", "postal", "*", "item", "post", "none"];
    let pattern = |binding: usize| {
        let (mut rest, mut pattern) = (binding, "none".to_owned());
        while rest > 0 {
            let part = parts.get(rest % parts.len()).copied().unwrap_or_default();
            pattern = format!("{part}.{pattern}");
            rest /= parts.len();
        }
        pattern
    };
    bind_all(world, number, pattern)
}

/// Each has a message that expires one day, and goes one day where nobody uses it.
fn queues(world: &mut World, number: usize) -> Result<(), Failed> {
    let day = [
        ("x-message-ttl", Argument::Integer(86_400_000)),
        ("x-expires", Argument::Integer(86_400_000)),
    ];
    for queue in 0..number {
        let name = format!("own-{queue}");
        world.declare(CUSTOMS, &name, &day)?;
        world.put(&name)?;
    }
    Ok(())
}

/// Customs' other consumers are gone, and have not taken them.
fn waiting(world: &mut World, number: usize) -> Result<(), Failed> {
    let (count, global) = (1, false);
    world.ask(CUSTOMS, Ask::Prefetch { count, global })?;
    for _ in 0..number {
        let publish = world.item()?;
        let submission = world.submitted("post", &publish)?;
        world.step(vec![submission])?;
    }
    Ok(())
}

/// Each was rejected once, and waits in the next queue.
fn overlays(world: &mut World, number: usize) -> Result<(), Failed> {
    for place in [10, 11] {
        world.moving(place)?;
    }
    let from = format!("{MOVED_FROM}10");
    for _ in 0..number {
        world.put(&from)?;
        let delivery = world.get(&from)?.ok_or("what was put in is there")?;
        let (deliveries, how) = (vec![delivery], Settle::Reject);
        world.step(vec![Command::Settle { deliveries, how }])?;
    }
    Ok(())
}

fn moves(world: &mut World, number: usize) -> Result<(), Failed> {
    for place in 2..=100 {
        world.moving(place)?;
    }
    world.moves = number;
    Ok(())
}

/// Of the police, each with a consumer.
fn connections(world: &mut World, number: usize) -> Result<(), Failed> {
    for place in 0..number {
        let connection = connection(place)?;
        world.attach(connection, "police/main")?;
        world.consume(connection, "inbox", 1)?;
    }
    Ok(())
}

fn consumers(world: &mut World, number: usize) -> Result<(), Failed> {
    for place in 0..number {
        let connection = connection(place)?;
        world.attach(connection, "customs/main")?;
        world.consume(connection, "inbox", 1)?;
    }
    Ok(())
}

/// Each has taken what it may, and a message waits.
fn without_credit(world: &mut World, number: usize) -> Result<(), Failed> {
    for place in 0..number {
        let connection = connection(place)?;
        world.attach(connection, "customs/main")?;
        let (count, global) = (1, false);
        world.ask(connection, Ask::Prefetch { count, global })?;
        world.consume(connection, "inbox", 1)?;
    }
    waiting(world, number + 10)
}

fn of_a_channel(world: &mut World, number: usize) -> Result<(), Failed> {
    world.declare(CUSTOMS, ASIDE, &[])?;
    for place in 0..number {
        world.consume(CUSTOMS, ASIDE, 1_000 + u64::try_from(place)?)?;
    }
    Ok(())
}

/// So many agencies, with those that the repository has.
fn agencies(bundle: &mut Bundle, number: usize) -> Result<(), Failed> {
    offices(bundle, number.saturating_sub(5))
}

/// Agencies beside those that the repository has, each with rules over its own data.
fn offices(bundle: &mut Bundle, number: usize) -> Result<(), Failed> {
    let model = |bundle: &Bundle, path: &str| -> Result<String, Failed> {
        let text = bundle.text(path).map_err(|fault| fault.to_string())?;
        Ok(text.to_owned())
    };
    let agency = model(bundle, "agencies/environment/agency.toml")?;
    let rules = model(bundle, "policies/environment.cedar")?;
    for place in 0..number {
        let id = format!("office-{place}");
        let named = [
            ("environment.example", format!("{id}.example")),
            ("\"environment\"", format!("\"{id}\"")),
            ("environment-ca.pem", format!("{id}-ca.pem")),
            ("carnet:environment:", format!("carnet:{id}:")),
        ];
        let text = named
            .iter()
            .fold(agency.clone(), |text, (of, other)| text.replace(of, other));
        let kind = format!("kind = \"{id}\"");
        let text = text.replace(&kind, "kind = \"environment\"");
        bundle.insert(format!("agencies/{id}/agency.toml"), text);
        let named = [
            ("@id(\"environment-", format!("@id(\"{id}-")),
            ("@owner(\"environment\")", format!("@owner(\"{id}\")")),
            ("Agency::\"environment\"", format!("Agency::\"{id}\"")),
        ];
        let text = named
            .iter()
            .fold(rules.clone(), |text, (of, other)| text.replace(of, other));
        bundle.insert(format!("policies/{id}.cedar"), text);
    }
    Ok(())
}

/// Of offices that take no part in what is timed.
fn queues_each(world: &mut World, number: usize) -> Result<(), Failed> {
    for place in 0..number {
        let connection = connection(place)?;
        world.attach(connection, &format!("office-{place}/main"))?;
        for queue in 0..10 {
            let expires = [("x-expires", Argument::Integer(86_400_000))];
            world.declare(connection, &format!("own-{queue}"), &expires)?;
        }
    }
    Ok(())
}
