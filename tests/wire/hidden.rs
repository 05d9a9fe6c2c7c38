//! What is hidden leaves no trace: whoever may not know of it sees the same octets with and without
//! it. The same in virtual time, with more of both, is `tests/hidden.rs`.

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::blanked::{blanked, difference};
use crate::broker::{Broker, example};
use crate::client::{Client, Message};
use crate::excluded::{FOREIGN_CASE, SCRIPTS, SECRET_CASE};

/// Customs and the police do what is hidden; these may not know of it.
const EXCLUDED: [&str; 3] = ["post-items", "environment-permits", "customs-xa-gateway"];

/// The repository's agencies, of which the environment's may try to open, join and close cases.
const MORE: &str = r#"s/"permit.cites",/"permit.cites", "case.open", "case.join", "case.close", "control.order",/"#;

/// The repository's agencies, some of them changed by a script of `sed` each.
pub(crate) fn agencies_with(changes: &[(&str, &str)]) -> TempDir {
    let folder = TempDir::new().unwrap();
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("agencies/.");
    let run = |script: &str, words: &[&str]| {
        let mut command = Command::new("sh");
        command.args(["-ec", script, "sh"]).arg(folder.path());
        assert!(command.args(words).status().unwrap().success());
    };
    run(r#"cp -r "$2" "$1""#, &[from.to_str().expect("UTF-8")]);
    for (agency, change) in changes {
        run(r#"sed -i "$2" "$1/$3/agency.toml""#, &[change, agency]);
    }
    folder
}

fn start(agencies: &TempDir, data: TempDir) -> Broker {
    Broker::start_in(data, |command| {
        command.arg("--agencies").arg(agencies.path());
    })
}

/// A folder with the same certificates, so that both brokers have one rulebook.
fn folder_like(broker: &Broker) -> TempDir {
    let folder = TempDir::new().unwrap();
    let copied = Command::new("cp")
        .arg("-r")
        .arg(broker.certs())
        .arg(folder.path())
        .status();
    assert!(copied.unwrap().success());
    folder
}

/// A message that is taken: released to someone, or a step of a case that is its sender's.
#[track_caller]
fn taken(client: &mut Client, message: &Message) {
    assert_eq!(client.publish(message).returned, None);
}

fn step(client: &mut Client, step: &str, case: &str) {
    let invites = if step == "case.open" {
        r#", "Areas": ["ipr"], "Invites": ["police"]"#
    } else {
        ""
    };
    let body = format!(r#"{{"CaseID": "{case}"{invites}}}"#);
    taken(
        client,
        &Message::of_type(step, &format!("{step}-{case}"), &body),
    );
}

/// Customs' investigation and the police agree on a controlled delivery: a case, an order, its
/// result.
fn controlled_delivery(broker: &Broker) {
    let mut customs = broker.connect("customs-investigation").confirming();
    let mut police = broker.connect("police-operations").confirming();
    step(&mut customs, "case.open", SECRET_CASE);
    step(&mut police, "case.join", SECRET_CASE);
    for (kind, file) in [
        ("control.order", "control.order/valid/story-11"),
        ("control.result", "control.result/valid/controlled-delivery"),
    ] {
        let message = Message::of_type(kind, kind, &example(file)).header("case", SECRET_CASE);
        taken(&mut customs, &message);
        let got = police.wait_for("inbox");
        assert_eq!(got.key, format!("{kind}.customs"));
    }
}

fn case_opened(broker: &Broker) {
    let mut customs = broker.connect("customs-declarations").confirming();
    step(&mut customs, "case.open", FOREIGN_CASE);
}

fn case_joined(broker: &Broker) {
    let mut police = broker.connect("police-operations").confirming();
    step(&mut police, "case.join", FOREIGN_CASE);
}

/// Orders the police to scan the very item that the post sends events on.
fn item_ordered(broker: &Broker) {
    let mut customs = broker.connect("customs-investigation").confirming();
    let order = example("control.order/valid/story-03").replace("joint", "scan");
    let order = Message::of_type("control.order", "scan", &order).header("to", "police/main");
    taken(&mut customs, &order.header("case", FOREIGN_CASE));
}

fn order_and_case_closed(broker: &Broker) {
    let mut customs = broker.connect("customs-investigation").confirming();
    let result = example("control.result/valid/conform").replace("CO-2026-00655", "CO-2026-00871");
    let result = Message::of_type("control.result", "scanned", &result);
    let result = result.header("to", "police/main");
    taken(&mut customs, &result.header("case", FOREIGN_CASE));
    step(&mut customs, "case.close", FOREIGN_CASE);
}

/// Something that happens, and what it is called.
type Thing = (&'static str, fn(&Broker));

/// One after the other, on one broker.
const HIDDEN: [Thing; 5] = [
    ("a controlled delivery", controlled_delivery),
    ("a case opened", case_opened),
    ("a case joined", case_joined),
    ("an order on the item", item_ordered),
    ("order and case closed", order_and_case_closed),
];

/// To each of the excluded what is theirs: all of it shows.
fn shown(broker: &Broker, id: &str) {
    let mut customs = broker.connect("customs-declarations").confirming();
    let status = example("aeo.status/valid/story-15");
    taken(
        &mut customs,
        &Message::of_type("aeo.status", &format!("status-{id}"), &status),
    );
    let response = example("postal.response/valid/story-13");
    let response = Message::of_type("postal.response", &format!("response-{id}"), &response);
    taken(&mut customs, &response.header("to", "post/main"));
}

fn excluded(broker: &Broker) -> [(&'static str, Client); 3] {
    EXCLUDED.map(|system| {
        let mut client = broker.connect(system).confirming();
        client.wire.is_patient = true;
        (system, client)
    })
}

/// What an excluded system was told by one script in one round.
struct Seen {
    what: String,
    octets: Vec<u8>,
}

/// All scripts, again after each hidden thing, where these are to happen; then, if what happens is no
/// longer hidden, what each script shows of that.
fn told(broker: &Broker, happens: bool) -> (Vec<Seen>, Vec<Seen>) {
    let mut clients = excluded(broker);
    let mut play = |(name, script): &(&str, crate::excluded::Play), round: usize, after: &str| {
        let seen = clients.iter_mut().map(|(system, client)| {
            script(client, system, round);
            Seen {
                what: format!("{name} by {system} after {after}"),
                octets: blanked(std::mem::take(&mut client.wire.seen)),
            }
        });
        seen.collect::<Vec<_>>()
    };
    let mut hidden = Vec::new();
    for script in &SCRIPTS {
        hidden.extend(play(script, 0, "nothing"));
    }
    for ((what, thing), round) in HIDDEN.iter().zip(1..) {
        if happens {
            thing(broker);
        }
        for script in &SCRIPTS {
            hidden.extend(play(script, round, what));
        }
    }
    let shows = SCRIPTS.iter().flat_map(|script| {
        if happens {
            shown(broker, script.0);
        }
        play(script, HIDDEN.len() + 1, "what is shown")
    });
    (hidden, shows.collect())
}

/// What two runs tell otherwise: all of it by name, and of the first what stands there.
struct Differing<'s> {
    names: Vec<&'s str>,
    first: Option<(usize, String, String)>,
}

fn differing<'s>(without: &'s [Seen], with: &[Seen]) -> Differing<'s> {
    let differs = |(without, with): &(&Seen, &Seen)| {
        assert_eq!(without.what, with.what);
        without.octets != with.octets
    };
    let both: Vec<(&Seen, &Seen)> = without.iter().zip(with).filter(differs).collect();
    let first = both
        .first()
        .map(|(one, other)| difference(&one.octets, &other.octets));
    Differing {
        names: both.iter().map(|(seen, _)| &*seen.what).collect(),
        first: first.flatten(),
    }
}

#[track_caller]
fn assert_same(without: &[Seen], with: &[Seen]) {
    let Differing { names, first } = differing(without, with);
    let (of, names) = (without.len(), names.join("\n"));
    assert!(
        names.is_empty(),
        "of {of} these differ:\n{names}\nfirst at {first:?}"
    );
}

#[test]
fn with_and_without_a_hidden_exchange_not_one_octet_differs() {
    let agencies = agencies_with(&[("environment", MORE)]);
    let first = start(&agencies, TempDir::new().unwrap());
    let second = start(&agencies, folder_like(&first));
    let ((without, shows_none), (with, shows)) = std::thread::scope(|scope| {
        let without = scope.spawn(move || told(&first, false));
        let with = told(&second, true);
        (without.join().unwrap(), with)
    });
    assert_eq!(
        without.len(),
        EXCLUDED.len() * SCRIPTS.len() * (HIDDEN.len() + 1)
    );
    let little = without.iter().find(|seen| seen.octets.len() < 300);
    assert!(
        little.is_none(),
        "{} told next to nothing",
        little.unwrap().what
    );
    // What is not hidden shows, or the comparison would prove nothing.
    let names = differing(&shows_none, &shows).names;
    assert_eq!(
        names.len(),
        shows.len(),
        "what is shown differs in these alone: {names:?}"
    );
    assert_same(&without, &with);
}

/// A sender that quotes a case in which it and customs are, for a purpose that the unlisted unit has
/// alone; and all that other agencies do.
fn told_of_the_unit(broker: &Broker) -> Vec<Seen> {
    let mut police = broker.connect("police-operations").confirming();
    let mut customs = broker.connect("customs-declarations").confirming();
    let open = r#"{"CaseID": "CASE-2026-0700", "Invites": ["customs"]}"#;
    taken(&mut police, &Message::of_type("case.open", "open", open));
    step(&mut customs, "case.join", "CASE-2026-0700");
    let seizure = example("seizure.report/valid/story-14");
    for (name, value) in [
        ("purpose", "law-enforcement"),
        ("to", "customs/investigation"),
        ("to", "customs/main"),
    ] {
        for quoted in [false, true] {
            let id = format!("{value}-{quoted}");
            let seizure = Message::of_type("seizure.report", &id, &seizure).header(name, value);
            police.publish(&if quoted {
                seizure.header("case", "CASE-2026-0700")
            } else {
                seizure
            });
        }
    }
    while police.get("receipts", true).is_some() {}
    let quoting = Seen {
        what: "quoting by police-operations".to_owned(),
        octets: blanked(std::mem::take(&mut police.wire.seen)),
    };
    let mut all = vec![quoting];
    let mut clients = excluded(broker);
    for (name, script) in &SCRIPTS {
        for (system, client) in &mut clients {
            script(client, system, 0);
            all.push(Seen {
                what: format!("{name} by {system}"),
                octets: blanked(std::mem::take(&mut client.wire.seen)),
            });
        }
    }
    all
}

#[test]
fn neither_return_nor_ack_nor_receipt_tells_of_a_recipient_that_is_not_listed() {
    const RECEIVES: &str = r#"s/"control.result", "seizure.report"]$/"control.result"]/"#;
    let more = ("environment", MORE);
    let receives = start(&agencies_with(&[more]), TempDir::new().unwrap());
    let agencies = agencies_with(&[more, ("customs", RECEIVES)]);
    let receives_not = start(&agencies, folder_like(&receives));
    // What is told, and whether the unit got anything.
    let told = |broker: Broker| {
        let told = told_of_the_unit(&broker);
        let mut unlisted = broker.connect("customs-investigation");
        (told, unlisted.get("inbox.investigation", true).is_some())
    };
    let ((without, got_nothing), (with, got)) = std::thread::scope(|scope| {
        let without = scope.spawn(move || told(receives_not));
        let with = told(receives);
        (without.join().unwrap(), with)
    });
    assert!(got && !got_nothing, "it receives, or it does not");
    assert_same(&without, &with);
}
