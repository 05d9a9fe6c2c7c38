//! What an auditor reads of a log: what was asked, what was decided and why, who was told, and the
//! rules as they were.

use std::time::Duration;

use carnet::config::read_file;
use carnet::server::clock::Clock;

use crate::serving::{DEV, Running};
use crate::{Folders, code, err, json, out};

const EXAMPLES: &str = "examples/valid";

impl Folders {
    fn send(&self, address: &str, words: &str) {
        let sent = self.run(&format!(
            "publish {words} --amqp {address} --certs dev/certs"
        ));
        assert!(matches!(code(&sent), Some(0 | 1)), "{}", err(&sent));
    }

    /// A record as it is shown, without what is of the day.
    fn shown(&self, number: u64) -> String {
        let shown = self.run(&format!("log show {number} --data dev"));
        assert_eq!(code(&shown), Some(0), "{}", err(&shown));
        let text = out(&shown);
        let (first, rest) = text.split_once('\n').unwrap();
        // Number, address and time, then what it is.
        let what = first.splitn(4, "  ").nth(3).unwrap().trim_start();
        let what = what.split_once("Z  ").map_or(what, |(_, what)| what);
        let is_digest =
            |word: &str| word.len() == 64 && word.bytes().all(|b| b.is_ascii_hexdigit());
        let rest = rest.lines().map(|line| match line.rsplit_once(' ') {
            Some((before, word)) if is_digest(word) => format!("{before} DIGEST"),
            _ => line.to_owned(),
        });
        format!("{what}\n{}\n", rest.collect::<Vec<_>>().join("\n"))
    }
}

/// A log with an item that was narrowed, a hidden order, a message for nobody, an invalid one, and
/// one of no type.
pub(crate) fn five_messages() -> Folders {
    let folders = Folders::new();
    // A rule that gives too much, so that the floor takes it.
    let goods = "Border::Action::\"disclose:goods\",\n     Border::Action::\"disclose:postal\"";
    let more = format!("Border::Action::\"disclose:identity\",\n     {goods}");
    folders.plant("policies/post.cedar", goods, &more);
    let order = "messages/control.order/examples/valid/story-11.json";
    folders.plant(order, "2026-03-20T", "2099-03-20T");
    let broker = Running::start(folders.path(), DEV);
    let address = broker.address();
    folders.send(
        &address,
        &format!(
            "postal.item messages/postal.item/{EXAMPLES}/orchids.json --as post/items --id item-1 \
             --to environment/main,harbour/main,customs/investigation \
             --purpose environment-protection --handling no-onward"
        ),
    );
    let secret = format!("control.order {order} --as customs/investigation");
    folders.send(&address, &format!("{secret} --id order-1 --to police/main"));
    let cargo = format!("cargo.report messages/cargo.report/{EXAMPLES}/story-07.json");
    folders.send(
        &address,
        &format!("{cargo} --as customs/declarations --id cargo-1"),
    );
    let wrong = "messages/postal.item/examples/invalid/wrong-check-digit.json";
    folders.send(
        &address,
        &format!("postal.item {wrong} --as post/items --id wrong-1"),
    );
    // A client that takes the routing key for a place to put a name.
    folders.send(&address, &format!("marrow.ilse {wrong} --as post/items"));
    broker.stop();
    folders
}

#[test]
fn a_record_shows_what_was_asked_what_was_decided_and_why_and_who_was_told() {
    let folders = five_messages();
    insta::assert_snapshot!(folders.shown(1), @r#"
    exchange  postal.item from post/items, its number 1
           rulebook  DIGEST
           message_id  item-1
           to  environment/main harbour/main customs/investigation
           purpose  environment-protection
           handling  no-onward
           -> environment/main  goods postal reference.token  by post-environment-regulated
              withheld identity: taken by floor-identity
              withheld reference party commercial environment: no rule gives it
              to be kept 730 days at most, onward: no-onward
           x  customs/investigation  addressed, and nobody that it can reach; answer to its sender: "not permitted"
           x  harbour/main  addressed, and nobody that it can reach; answer to its sender: "not permitted"
           floor-identity: Persons are known to customs and police only
             basis: GDPR art. 5(1)(c), 6
             reason: Identity of natural persons stays with customs and police
           post-environment-regulated: Environment receives the goods of items in regulated headings
             basis: CITES art. VIII; GDPR art. 5(1)(c)
             reason: Goods in headings that need a permit, without the people
    "#);
    insta::assert_snapshot!(folders.shown(2), @r#"
    exchange  control.order from customs/investigation, its number 1
           rulebook  DIGEST
           message_id  order-1
           to  police/main
           x  police/main  refused, by floor-secret
              COVERT: its sender must not know; answer to it: "not permitted"
           floor-secret: Controlled deliveries stay in their case
             basis: Vienna Convention 1988 art. 11; UNTOC art. 20
             reason: Known to the case alone
    "#);
    insta::assert_snapshot!(folders.shown(3), @r"
    exchange  cargo.report from customs/declarations, its number 1
           rulebook  DIGEST
           message_id  cargo-1
           nobody receives it: no rule permits it to any unit, and none was addressed
    ");
    insta::assert_snapshot!(folders.shown(4), @r"
    rejected  postal.item from post/items, its number 2: 406
           x  /ID: s10  message_id wrong-1
    ");
    let unknown = folders.shown(5);
    let (what, place) = unknown.split_once("  message_id").unwrap();
    insta::assert_snapshot!(what, @r"
    rejected  a message of no type from post/items, its number 3: 312
           x  routing key: type
    ");
    assert!(!place.contains("marrow"), "{place}");
}

#[test]
fn a_record_is_shown_to_programs_with_its_secrets_and_the_tail_has_none() {
    let folders = five_messages();
    let first = json(&folders.run("log show 1 --json --data dev"));
    assert_eq!(first["asked"]["to"][1], "harbour/main");
    assert_eq!(first["asked"]["handling"], "no-onward");
    assert_eq!(
        first["recipients"][0]["withheld_by"][0]["policy"],
        "floor-identity"
    );
    let second = json(&folders.run("log show 2 --json --data dev"));
    assert_eq!(second["recipients"][0]["covert"], true);
    assert_eq!(second["recipients"][0]["told_to_sender"], "not permitted");
    // The tail is for everybody at the screen: what is between sender and broker is not in it.
    let tail = out(&folders.run("log tail --json --data dev"));
    assert!(
        !tail.contains("harbour/main") && !tail.contains("asked"),
        "{tail}"
    );
    for id in ["item-1", "order-1", "cargo-1", "wrong-1", "marrow"] {
        assert!(!tail.contains(id), "{id} in {tail}");
    }
    let wrong = json(&folders.run("log show 4 --json --data dev"));
    assert_eq!(wrong["message_id"], "wrong-1");
}

#[test]
fn a_record_is_found_by_the_id_that_its_sender_gave_it() {
    let folders = five_messages();
    let show = |words: &str| folders.run(&format!("log show {words} --json --data dev"));
    let order = json(&show("--message-id order-1"));
    assert_eq!(order, json(&show("2")));
    assert_eq!(json(&show("--message-id wrong-1")), json(&show("4")));
    let id = order["id"].as_str().unwrap();
    assert_eq!(json(&show(&format!("--exchange {id}"))), order);
    for absent in [
        "--message-id nobody-1",
        &format!("--exchange {}", "0".repeat(32)),
    ] {
        let output = show(absent);
        assert_eq!(code(&output), Some(2), "{absent}");
        assert!(err(&output).contains("docs/log.md"), "{}", err(&output));
    }
    for ambiguous in ["", "2 --message-id order-1"] {
        assert_eq!(code(&show(ambiguous)), Some(2), "{ambiguous:?}");
    }
}

#[test]
fn an_id_that_was_rejected_and_then_taken_is_shown_as_both() {
    let folders = Folders::new();
    let broker = Running::start(folders.path(), DEV);
    let address = broker.address();
    let send = |file: &str| {
        folders.run(&format!(
            "publish postal.item {file} --as post/items --id item-1 --json \
             --amqp {address} --certs dev/certs"
        ))
    };
    let refused = send("messages/postal.item/examples/invalid/wrong-check-digit.json");
    assert_eq!(code(&refused), Some(1));
    let told = json(&refused);
    assert_eq!(
        (&told["outcome"], &told["code"]),
        (&"refused".into(), &406.into())
    );
    let item = format!("messages/postal.item/{EXAMPLES}/ornaments.json");
    assert_eq!(json(&send(&item))["outcome"], "accepted");
    let consume = |words: &str| {
        folders.run(&format!(
            "consume {words} --as customs/declarations --json --amqp {address} --certs dev/certs"
        ))
    };
    let few = consume("--count 2 --seconds 1");
    assert_eq!(code(&few), Some(1));
    assert!(
        err(&few).contains("1 of 2 messages came within 1 s"),
        "{}",
        err(&few)
    );
    assert_eq!(json(&few)["key"], "postal.item.post");
    assert_eq!(
        code(&consume("--seconds 1")),
        Some(1),
        "it was acknowledged"
    );
    broker.stop();
    let both = out(&folders.run("log show --message-id item-1 --json --data dev"));
    let kinds = both.lines().map(|line| {
        let record: serde_json::Value = serde_json::from_str(line).unwrap();
        record["kind"].as_str().unwrap().to_owned()
    });
    assert_eq!(kinds.collect::<Vec<_>>(), ["rejected", "exchange"]);
}

#[test]
fn every_rulebook_that_was_in_force_is_printed_as_it_was() {
    let folders = Folders::new();
    let example = |name: &str| format!("messages/postal.item/{EXAMPLES}/{name}.json");
    folders.copy(&example("orchids"), &example("earlier"));
    let broker = Running::start(folders.path(), DEV);
    broker.address();
    broker.stop();
    folders.plant("policies/board.toml", "quorum = 3", "quorum = 2");
    folders.copy(&example("orchids"), &example("later"));
    folders.remove(&example("earlier"));
    let broker = Running::start(folders.path(), DEV);
    broker.address();
    broker.stop();

    let list = json(&folders.run("log rulebook --json --data dev"));
    assert_eq!(list[0]["number"], 0);
    assert_eq!(
        (&list[0]["active"], &list[1]["active"]),
        (&false.into(), &true.into())
    );
    assert_eq!(
        list[1]["changed"],
        serde_json::json!(["policies/board.toml"])
    );
    assert_eq!(list[1]["new"], serde_json::json!([example("later")]));
    assert_eq!(list[1]["gone"], serde_json::json!([example("earlier")]));
    let (new, gone) = (example("later"), example("earlier"));
    let told =
        format!("       new {new}\n       changed policies/board.toml\n       gone {gone}\n");
    let text = out(&folders.run("log rulebook --data dev"));
    assert!(text.ends_with(&format!("files  active\n{told}")), "{text}");
    // And where it came into force.
    let tail = out(&folders.run("log tail --data dev"));
    assert!(tail.contains("activated") && tail.contains(&told), "{tail}");
    let shown = json(&folders.run("log show 1 --json --data dev"));
    assert_eq!(shown["gone"], serde_json::json!([gone]));

    let first = list[0]["digest"].as_str().unwrap();
    let print = |digest: &str| {
        out(&folders.run(&format!(
            "log rulebook {digest} policies/board.toml --data dev"
        )))
    };
    assert!(print(first.get(..8).unwrap()).contains("quorum = 3"));
    let now = read_file(&folders.path().join("policies/board.toml")).unwrap();
    assert_eq!(print("active").as_bytes(), now);
    let files = out(&folders.run("log rulebook active --data dev"));
    let line = files
        .lines()
        .find(|line| line.ends_with("policies/board.toml"))
        .unwrap();
    let sum = std::process::Command::new("sha256sum")
        .arg(folders.path().join("policies/board.toml"))
        .output();
    let sum = String::from_utf8(sum.unwrap().stdout).unwrap();
    assert_eq!(line.split(' ').next(), sum.split(' ').next());
    for wrong in ["nothing", "active policies/none.cedar"] {
        let output = folders.run(&format!("log rulebook {wrong} --data dev"));
        assert_eq!(code(&output), Some(2), "{}", err(&output));
        assert!(
            err(&output).contains("`carnet log rulebook"),
            "{}",
            err(&output)
        );
    }
}

#[test]
fn an_order_that_ended_is_told_with_the_record_that_gave_it() {
    let folders = Folders::new();
    let broker = Running::start(folders.path(), DEV);
    let address = broker.address();
    let file = "messages/control.order/examples/valid/story-03.json";
    let mut order: serde_json::Value =
        serde_json::from_slice(&read_file(&folders.path().join(file)).unwrap()).unwrap();
    // However long it takes to send one: a later deadline is still to come.
    for (number, seconds) in [2, 4, 8, 16, 32].into_iter().enumerate() {
        order["ID"] = format!("CO-2026-0100{number}").into();
        let deadline = Clock::default().now().plus(Duration::from_secs(seconds));
        order["Instruction"]["DeadlineDateTime"] = deadline.to_string().into();
        folders.add(file, &order.to_string());
        let more = "--as customs/declarations --to environment/main,post/main";
        folders.send(&address, &format!("control.order {file} {more}"));
    }
    let follower = Running::start(folders.path(), "log tail -n 100 -f --json --data dev");
    let ended = Running::line(&follower.stdout, "\"kind\":\"order-ended\"");
    drop(follower);
    broker.stop();
    let ended: serde_json::Value = serde_json::from_str(&ended).unwrap();
    assert_eq!(ended["owner"], "customs");
    let given = ended["order"].as_u64().unwrap();
    let given = json(&folders.run(&format!("log show {given} --json --data dev")));
    assert_eq!(given["type"], "control.order");
    let tail = out(&folders.run("log tail --data dev"));
    let said = format!(
        "its deadline has passed; it was given by {}",
        given["number"]
    );
    assert!(tail.contains(&said), "{tail}");
}
