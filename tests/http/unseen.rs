//! What an officer may not know of changes no answer that he gets: each operation is asked before and
//! after others have done what is theirs alone.
//!
//! Digests of the whole rulebook are blank: they are in each delivery, for evidence rests on them.

use carnet::config::{read_file, write_text};
use reqwest::Method;
use serde_json::{Value, json};

use crate::broker::{Answer, Broker};

/// The administrator of the post, its auditor, and an officer without a seat on the board.
const WATCHERS: [&str; 3] = ["post/m-0042", "post/m-0077", "customs-xa/xa-611"];
/// Auditors of the post, and of an agency with grants.
const AUDITORS: [&str; 2] = ["post/m-0077", "customs-xa/xa-702"];
/// What they look for in the log: looks themselves come between.
const LOOKS: [(&str, &str); 7] = [
    ("", "&kind=received&limit=1"),
    ("", "&kind=exchange&full=true"),
    ("", "&type=control.order"),
    ("", "&key=CASE-2026-0317&follow=consignment"),
    ("", "&grant=proof&full=true&until=2020-01-01"),
    ("/rulebooks", "&limit=1"),
    ("/rulebooks/1", ""),
];
/// A grant of all that was, which is looked at before there was anything.
const GRANTS: &str = r#"
[[grant]]
id = "proof"
agency = "customs-xa"
scope = ["evidence", "rulings", "payload"]
from = "2020-01-01"
to = "2099-01-01"
basis = "Audit Act s. 2"
"#;
const OWN: &str = "policies/post.cedar";
/// One that is unlisted, and one that there is none of.
const UNITS: [&str; 2] = ["customs/quiet", "customs/quiek"];
/// More proposals than there are.
const ABSENT: u64 = 999;

/// What all of [`WATCHERS`] are answered.
#[derive(PartialEq)]
struct Seen(Vec<(String, String)>);

impl Seen {
    #[track_caller]
    fn is(&self, later: &Self) {
        for (before, after) in self.0.iter().zip(&later.0) {
            assert_eq!(before, after);
        }
        assert_eq!(self.0.len(), later.0.len());
    }
}

/// Status, headers and text of an answer; `digests` blank.
fn told(answer: &Answer, digests: &[String]) -> String {
    let headers = answer.headers.iter().filter(|(name, _)| *name != "date");
    let headers: Vec<String> = headers.map(|header| format!("{header:?}")).collect();
    let whole = format!("{} {headers:?} {}", answer.status, answer.text);
    let blank = |text: String, digest: &String| text.replace(digest, "DIGEST");
    digests.iter().fold(whole, blank)
}

/// The digests of the rulebooks that were in force.
fn digests(broker: &Broker) -> Vec<String> {
    let all = broker.get(WATCHERS[0], "/api/v1/activations").json;
    let digest = |it: &Value| it["digest"].as_str().unwrap().to_owned();
    all["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(digest)
        .collect()
}

/// All that can be read of an own proposal, and of what is foreign or absent.
fn seen(broker: &Broker, own: u64) -> Seen {
    let digests = digests(broker);
    let mut all = Vec::new();
    let mut paths: Vec<String> = [
        "me",
        "rulebook",
        "rulebook/files",
        "proposals",
        "measures",
        "measures/1",
        "nothing",
    ]
    .map(str::to_owned)
    .to_vec();
    for file in [OWN, "policies/floor.cedar", "policies/customs.cedar"] {
        paths.push(format!("rulebook/file?path={file}"));
    }
    for number in [own, own + 1, ABSENT] {
        for part in ["", "/difference", "/statement"] {
            paths.push(format!("proposals/{number}{part}"));
        }
        paths.push(format!("proposals/{number}/file?path={OWN}"));
    }
    let visit = |officer: &str| {
        let me = broker.ask(officer, Method::GET, "/api/v1/me");
        me.send_and_stay().0
    };
    for officer in WATCHERS {
        let client = visit(officer);
        for path in &paths {
            let asked = broker.ask(officer, Method::GET, &format!("/api/v1/{path}"));
            let answer = asked.send_by(&client);
            all.push((format!("{officer} {path}"), told(&answer, &digests)));
        }
    }
    for officer in AUDITORS {
        let client = visit(officer);
        for (at, sought) in LOOKS {
            let look = format!("/api/v1/log{at}?why=x{sought}");
            let answer = broker.ask(officer, Method::GET, &look).send_by(&client);
            let mut found = answer.json;
            // The time of the look.
            found.as_object_mut().unwrap().remove("newer");
            let told = format!("{} {found}", answer.status);
            all.push((format!("{officer} {look}"), told));
        }
    }
    // Members of the board see that others suspend.
    let path = "/api/v1/suspensions";
    let answer = broker.get(WATCHERS[2], path);
    all.push((path.to_owned(), told(&answer, &digests)));
    Seen(all)
}

/// What the administrator of the post is told of checks that name each of [`UNITS`], alike or not.
fn checks(broker: &Broker) -> Vec<String> {
    let told = UNITS.map(|unit| {
        // Not even by the name that was asked for.
        told(&checked(broker, WATCHERS[0], unit), &[]).replace(unit, "UNIT")
    });
    told.to_vec()
}

/// A check of the post's rules with one that names a unit, and of a row that asks for it.
fn checked(broker: &Broker, officer: &str, unit: &str) -> Answer {
    let rules = broker.read(OWN).replacen(
        "principal in Border::Agency::\"customs\"",
        &format!("principal == Border::Unit::\"{unit}\""),
        1,
    );
    let row = format!("asked,postal.item/ornaments,post/main,,{unit},refuse,,not permitted\n");
    let table = "policies/tables/post.csv";
    let files = json!({OWN: rules, table: broker.read(table) + &row});
    let asked = broker.ask(officer, Method::POST, "/api/v1/checks");
    asked.json(&json!({"files": files})).send()
}

/// A proposal of `officer`: his rules with a remark.
fn proposed(broker: &Broker, officer: &str, file: &str) -> u64 {
    let path = format!("/api/v1/rulebook/file?path={file}");
    let text = broker.get(officer, &path);
    let edit = broker.ask(officer, Method::PUT, &format!("{path}&title=x"));
    let edit = edit.header("if-match", text.headers["etag"].to_str().unwrap());
    let edit = edit.header("content-type", "text/plain");
    let answer = edit.body(format!("{}\n// A remark.\n", text.text)).send();
    answer.json["number"].as_u64().unwrap()
}

/// A controlled delivery of a unit that others do not know of, in a case of its own.
fn deliver(broker: &Broker) {
    let open = br#"{"CaseID": "CASE-2026-0317", "Areas": ["ipr"], "Invites": ["police"]}"#;
    write_text(&broker.path().join("open.json"), open).unwrap();
    broker.sends("case.open", "open.json", "customs/investigation");
    let join = br#"{"CaseID": "CASE-2026-0317"}"#;
    write_text(&broker.path().join("join.json"), join).unwrap();
    broker.sends("case.join", "join.json", "police/operations");
    let order = "messages/control.order/examples/valid/story-11.json --case CASE-2026-0317";
    broker.sends("control.order", order, "customs/investigation");
}

#[test]
fn what_others_do_for_themselves_changes_no_answer() {
    let broker = Broker::start_with(|folder| {
        let file = folder.join("agencies/customs/agency.toml");
        let text = String::from_utf8(read_file(&file).unwrap()).unwrap();
        let board = folder.join("policies/board.toml");
        let granting = String::from_utf8(read_file(&board).unwrap()).unwrap() + GRANTS;
        write_text(&board, granting.as_bytes()).unwrap();
        let quiet = "\n[[unit]]\nid = \"quiet\"\npurpose = \"integrity\"\nlisted = false\n";
        write_text(&file, (text + quiet).as_bytes()).unwrap();
    });
    let own = proposed(&broker, WATCHERS[0], OWN);
    let before = seen(&broker, own);
    let checked = checks(&broker);
    assert_eq!(checked[0], checked[1]);

    deliver(&broker);
    let foreign = proposed(&broker, "customs/o-2117", "policies/customs.cedar");
    assert_eq!(foreign, own + 1);
    broker.refuses("policy check --from . --as customs/o-2117");
    before.is(&seen(&broker, own));

    broker.told(&format!("policy approve {foreign} --as customs/o-0934"));
    broker.told("measure suspend --all --reason x --as customs/o-0934");
    broker.told(&format!("policy withdraw {foreign} --as customs/o-2117"));
    before.is(&seen(&broker, own));
    assert_eq!(checks(&broker), checked);
}
