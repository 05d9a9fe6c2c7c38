//! A change from proposal to return.

use std::process::Command;

use carnet::config::write_text;
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::broker::Broker;

const ADMINISTRATOR: &str = "post/m-0042";
const APPROVER: &str = "post/m-0077";
const RULES: &str = "policies/post.cedar";

/// The file in force, with another title in its first rule.
fn edited(broker: &Broker, word: &str) -> String {
    let path = format!("/api/v1/rulebook/file?path={RULES}");
    let text = broker.get(ADMINISTRATOR, &path).text;
    text.replacen("@title(\"", &format!("@title(\"{word} "), 1)
}

/// A proposal of the edited file, by its number.
fn proposed(broker: &Broker, word: &str) -> u64 {
    write_text(
        &broker.path().join("edited"),
        edited(broker, word).as_bytes(),
    )
    .unwrap();
    let edit =
        format!("policy edit {RULES} --with edited --title \"{word}\" --as {ADMINISTRATOR} --json");
    let told: serde_json::Value = serde_json::from_str(&broker.told(&edit)).unwrap();
    told["number"].as_u64().unwrap()
}

fn state(broker: &Broker, number: u64) -> String {
    let proposal = broker.get(ADMINISTRATOR, &format!("/api/v1/proposals/{number}"));
    proposal.json["state"].as_str().unwrap().to_owned()
}

fn in_force(broker: &Broker) -> String {
    broker
        .get(
            ADMINISTRATOR,
            &format!("/api/v1/rulebook/file?path={RULES}"),
        )
        .text
}

#[test]
fn a_change_is_proposed_approved_by_another_activated_and_taken_back() {
    let mut broker = Broker::start();
    let before = in_force(&broker);
    let number = proposed(&broker, "Clearer:");
    broker.killed_and_restarted();
    assert_eq!(in_force(&broker), before);
    let refused = broker.refuses(&format!("policy activate {number} --as {ADMINISTRATOR}"));
    assert!(refused.contains("not-complete"), "{refused}");
    broker.told(&format!("policy approve {number} --as {APPROVER}"));
    assert_eq!(in_force(&broker), before, "it waits to be asked for");
    let past = format!("policy activate {number} --at 2020-01-01T00:00:00Z --as {ADMINISTRATOR}");
    let refused = broker.refuses(&past);
    assert!(
        refused.contains("2020-01-01T00:00:00.000Z is over, it is 2"),
        "{refused}"
    );
    broker.killed_and_restarted();
    assert_eq!(state(&broker, number), "pending");
    broker.told(&format!("policy activate {number} --as {ADMINISTRATOR}"));
    let after = in_force(&broker);
    assert!(after.contains("@title(\"Clearer: "));
    broker.killed_and_restarted();
    assert_eq!(
        (in_force(&broker), state(&broker, number)),
        (after, "activated".to_owned())
    );

    let log = broker.get(ADMINISTRATOR, "/api/v1/activations").json;
    assert_eq!(log["items"][0]["proposal"]["number"], number);
    let back = broker.told(&format!("policy rollback 2 --as {ADMINISTRATOR} --json"));
    let back: serde_json::Value = serde_json::from_str(&back).unwrap();
    broker.killed_and_restarted();
    broker.told(&format!(
        "policy approve {} --as {APPROVER}",
        back["number"]
    ));
    broker.killed_and_restarted();
    assert_eq!(in_force(&broker), before);
    let first = broker.get(ADMINISTRATOR, "/api/v1/rulebook").json["digest"].clone();
    let log = broker.get(ADMINISTRATOR, "/api/v1/activations").json;
    assert_eq!(log["items"][0]["digest"], first);
    assert_eq!(log["items"][2]["digest"], first);
}

#[test]
fn what_is_signed_can_be_verified_with_openssl() {
    let broker = Broker::start();
    let number = proposed(&broker, "Signed:");
    broker.told(&format!(
        "policy approve {number} --out approval --as {APPROVER}"
    ));
    let script = "openssl x509 -in pki/post.m-0077.pem -pubkey -noout > public.pem && openssl dgst \
                  -sha256 -verify public.pem -signature approval.sig approval.txt";
    let mut shell = Command::new("sh");
    let verified = shell
        .args(["-c", script])
        .current_dir(broker.path())
        .output()
        .unwrap();
    assert!(verified.status.success(), "{verified:?}");
    let statement = broker.read("approval.txt");
    let digest = broker
        .get(APPROVER, &format!("/api/v1/proposals/{number}"))
        .json["digest"]
        .clone();
    assert!(statement.contains(&format!("rulebook {}\n", digest.as_str().unwrap())));
    assert!(statement.contains("officer post/m-0077\n"));
}

#[test]
fn an_approval_counts_for_one_proposal_of_one_text_by_another_officer() {
    let broker = Broker::start();
    let [one, other] = ["One:", "Other:"].map(|word| proposed(&broker, word));
    let approve = |number: u64, signature: &str| {
        let path = format!("/api/v1/proposals/{number}/approvals");
        let asked = broker.ask(APPROVER, Method::POST, &path);
        asked.json(&json!({"signature": signature})).send()
    };
    let statement = |officer: &str, number: u64| {
        broker
            .get(officer, &format!("/api/v1/proposals/{number}/statement"))
            .text
    };
    assert_ne!(statement(APPROVER, one), statement(APPROVER, other));
    let of_one = signed(&broker, &statement(APPROVER, one), "post.m-0077");
    assert_eq!(approve(other, &of_one).code(), "bad-signature");
    let by_another = signed(&broker, &statement(APPROVER, one), "post.m-0042");
    assert_eq!(approve(one, &by_another).code(), "bad-signature");
    assert_eq!(approve(one, "not base64").code(), "bad-request");
    assert_eq!(approve(one, &of_one).status, StatusCode::OK);
    assert_eq!(approve(one, &of_one).code(), "already-approved");
    broker.told(&format!("policy activate {one} --as {ADMINISTRATOR}"));
    // The other one rests on a rulebook that is gone.
    let of_other = signed(&broker, &statement(APPROVER, other), "post.m-0077");
    assert_eq!(approve(other, &of_other).code(), "closed");
    assert_eq!(state(&broker, other), "superseded");
    // Proposed again, its file would take the one back.
    let rebase = format!("policy rebase {other} --as {ADMINISTRATOR}");
    assert!(broker.refuses(&rebase).contains("later-changes"));
    broker.told("policy rollback 2 --as post/m-0042");
    broker.told("policy approve 3 --as post/m-0077");
    // The rulebook of its base is in force again, and it stays closed.
    assert_eq!(approve(one, &of_one).code(), "closed");
    assert_eq!(approve(other, &of_other).code(), "closed");
    let again = broker.told(&rebase);
    assert!(again.starts_with("proposal 4  pending"), "{again}");
}

/// A signature of `statement` by the key of these files, Base64, made with openssl.
fn signed(broker: &Broker, statement: &str, stem: &str) -> String {
    write_text(&broker.path().join("statement"), statement.as_bytes()).unwrap();
    let script = format!("openssl dgst -sha256 -sign pki/{stem}.key statement | base64 -w0");
    let mut shell = Command::new("sh");
    let signed = shell
        .args(["-c", &script])
        .current_dir(broker.path())
        .output()
        .unwrap();
    assert!(signed.status.success(), "{signed:?}");
    String::from_utf8(signed.stdout).unwrap()
}

#[test]
fn who_proposed_a_change_cannot_approve_it_whatever_his_roles() {
    let broker = Broker::start_with(|folder| {
        let file = folder.join("agencies/post/agency.toml");
        let text = carnet::config::read_file(&file).unwrap();
        let text = String::from_utf8(text).unwrap();
        let both = text.replace(r#"["administrator"]"#, r#"["administrator", "approver"]"#);
        assert_ne!(text, both);
        write_text(&file, both.as_bytes()).unwrap();
    });
    let number = proposed(&broker, "Mine:");
    let refused = broker.refuses(&format!("policy approve {number} --as {ADMINISTRATOR}"));
    assert!(refused.contains("own-proposal"), "{refused}");
    assert_eq!(state(&broker, number), "pending");
}

#[test]
fn an_edited_folder_changes_nothing_and_is_the_way_to_a_proposal() {
    let mut broker = Broker::start();
    let before = in_force(&broker);
    let file = broker.path().join(RULES);
    let text = before.replacen("@title(\"", "@title(\"From the folder: ", 1);
    write_text(&file, text.as_bytes()).unwrap();
    broker.killed_and_restarted();
    assert_eq!(in_force(&broker), before);
    let told = broker.told(&format!(
        "policy propose --from . --title Folder --as {ADMINISTRATOR}"
    ));
    assert!(told.contains("pending"), "{told}");
    broker.told(&format!("policy approve 1 --as {APPROVER}"));
    broker.told(&format!("policy activate 1 --as {ADMINISTRATOR}"));
    assert_eq!(in_force(&broker), text);
    let nothing = broker.refuses(&format!(
        "policy propose --from . --title Again --as {ADMINISTRATOR}"
    ));
    assert!(nothing.contains("no-change"), "{nothing}");
    assert!(
        nothing.contains("(--board takes those of the board)"),
        "{nothing}"
    );

    // What others change meanwhile is not taken back from an export's folder, nor by the edit of an old text.
    broker.told(&format!("policy export rules --as {ADMINISTRATOR}"));
    let number = proposed(&broker, "Theirs:");
    broker.told(&format!("policy approve {number} --as {APPROVER}"));
    broker.told(&format!("policy activate {number} --as {ADMINISTRATOR}"));
    let mine = text.replacen("@title(\"", "@title(\"Mine: ", 1);
    write_text(&broker.path().join("rules").join(RULES), mine.as_bytes()).unwrap();
    let old = broker.refuses(&format!(
        "policy propose --from rules --title Mine --as {ADMINISTRATOR}"
    ));
    assert!(
        old.contains("policies/post.cedar changed in force"),
        "{old}"
    );
    let edit = format!(
        "policy edit {RULES} --with rules/{RULES} --base {RULES} --title Mine --as {ADMINISTRATOR}"
    );
    let old = broker.refuses(&edit);
    assert!(old.contains("stale"), "{old}");
    write_text(&file, in_force(&broker).as_bytes()).unwrap();
    broker.told(&edit);
}

#[test]
fn a_change_with_a_fault_is_refused_with_its_place_and_changes_nothing() {
    let broker = Broker::start();
    let text = broker
        .read(RULES)
        .replacen("principal in", "principl in", 1);
    write_text(&broker.path().join(RULES), text.as_bytes()).unwrap();
    let told = broker.refuses(&format!("policy check --from . --as {ADMINISTRATOR}"));
    assert!(told.contains("policies/post.cedar"), "{told}");
    let told = broker.refuses(&format!(
        "policy propose --from . --title x --as {ADMINISTRATOR}"
    ));
    assert!(told.contains("policies/post.cedar"), "{told}");
    let status = broker.told(&format!("policy status --as {ADMINISTRATOR}"));
    assert!(status.contains("no proposal is pending"), "{status}");
}

#[test]
fn the_board_decides_by_its_quorum_of_different_members() {
    let broker = Broker::start();
    let floor = broker.read("policies/floor.cedar");
    let floor = floor.replacen("@title(\"", "@title(\"Board: ", 1);
    write_text(
        &broker.path().join("policies/floor.cedar"),
        floor.as_bytes(),
    )
    .unwrap();
    let told = broker.told("policy propose --from . --board --title Floor --as customs/o-2117");
    assert!(
        told.contains("needs 3 approvals of customs, environment, police, post"),
        "{told}"
    );
    broker.told("policy approve 1 --as customs/o-0934");
    broker.told("policy approve 1 --as post/m-0077");
    let refused = broker.refuses("policy activate 1 --as customs/o-2117");
    assert!(refused.contains("not-complete"), "{refused}");
    let approver = approver(&broker, "police");
    broker.told(&format!("policy approve 1 --as {approver}"));
    broker.told("policy activate 1 --as customs/o-2117");
    let path = "/api/v1/rulebook/file?path=policies/floor.cedar";
    assert_eq!(broker.get("post/m-0042", path).text, floor);
    // Who has no seat has no part in it.
    let outside = broker.refuses("policy status 1 --as customs-xa/xa-611");
    assert!(outside.contains("absent"), "{outside}");
}

const OFFICERS: &str = "[[officer]]\nid = \"b-900\"\nroles = [\"administrator\", \"auditor\"]\n\
                        certificate = \"urn:carnet:customs-xa:officer:b-900\"\n";

/// Three members say yes.
fn decided_by_the_board(broker: &Broker, number: u64) {
    let police = approver(broker, "police");
    for officer in ["customs/o-0934", "post/m-0077", &police] {
        broker.told(&format!("policy approve {number} --as {officer}"));
    }
}

#[test]
fn the_board_gives_officers_to_an_agency_without_its_file_and_what_an_agency_asks_for() {
    let broker = Broker::start();
    let write = |name: &str, text: &str| {
        write_text(&broker.path().join(name), text.as_bytes()).unwrap();
    };
    let file = "agencies/customs-xa/agency.toml";
    let read = format!("/api/v1/rulebook/file?path={file}");
    let before = broker.get("customs-xa/xa-611", &read).text;

    write("officers.toml", &format!("kind = \"police\"\n{OFFICERS}"));
    let gives = "policy agency customs-xa --add-officers officers.toml --title Recovery --as";
    let refused = broker.refuses(&format!("{gives} customs/o-2117"));
    assert!(refused.contains("\"kind\" is no key"), "{refused}");
    write("officers.toml", OFFICERS);
    let refused = broker.refuses(&format!("{gives} post/m-0077"));
    assert!(
        refused.contains("absent"),
        "an approver proposes nothing: {refused}"
    );
    let told = broker.told(&format!("{gives} customs/o-2117"));
    assert!(told.contains("needs 3 approvals of customs"), "{told}");
    assert!(told.contains("\n  recovery of customs-xa\n"), "{told}");
    let statement = broker.get("post/m-0077", "/api/v1/proposals/1/statement");
    let says = "\nowner board\nrecovery of customs-xa\nbase ";
    assert!(statement.text.contains(says), "{}", statement.text);
    // Members see what it gives, and neither the file nor a digest of it.
    let proposal = broker.get("post/m-0077", "/api/v1/proposals/1");
    assert_eq!(proposal.json["files"], json!([]));
    let text = format!("/api/v1/proposals/1/file?path={file}");
    assert_eq!(
        broker.get("post/m-0077", &text).status,
        StatusCode::NOT_FOUND
    );
    let difference = broker.told("policy diff 1 --as post/m-0077");
    assert!(
        difference.starts_with("+ officer customs-xa/b-900"),
        "{difference}"
    );
    assert_eq!(difference.matches("agency.toml").count(), 1, "{difference}");
    proposed_again_and_taken_back(&broker, &read, &before);

    // An agency without a seat asks for a clearance, sees what becomes of it, and takes it back.
    let cleared = before.replacen(
        "[[unit]]",
        "[[unit]]\nclearances = [\"controlled-delivery\"]",
        1,
    );
    write("cleared.toml", &cleared);
    let asks =
        format!("policy edit {file} --with cleared.toml --title Clearance --as customs-xa/xa-611");
    let told = broker.told(&asks);
    assert!(told.contains("needs 3 approvals of customs"), "{told}");
    assert!(
        broker
            .told("policy diff 5 --as police/p-4471")
            .contains("controlled-delivery")
    );
    broker.told("policy withdraw 5 --as customs-xa/xa-611");
    broker.told(&asks);
    decided_by_the_board(&broker, 6);
    broker.told("policy activate 6 --as customs-xa/xa-611");
    assert_eq!(broker.get("customs-xa/xa-611", &read).text, cleared);

    // Others' rules name it: it cannot go before they do not.
    let ends = "policy agency customs-xa --ends --title End --as customs/o-2117";
    let refused = broker.refuses(ends);
    assert!(refused.contains("policies/agreements.toml"), "{refused}");
    assert!(!refused.contains("xa-611"), "{refused}");
}

/// The recovery that is proposal 1, once its rulebook is over; the file reads as it did before in the end.
fn proposed_again_and_taken_back(broker: &Broker, read: &str, before: &str) {
    let seat = "customs/o-2117";
    // Another change takes effect meanwhile: it is proposed again as it was given.
    let other = proposed(broker, "Meanwhile:");
    broker.told(&format!("policy approve {other} --as {APPROVER}"));
    broker.told(&format!("policy activate {other} --as {ADMINISTRATOR}"));
    assert_eq!(
        broker.get(seat, "/api/v1/proposals/1").json["state"],
        "superseded"
    );
    let again = broker.told("policy rebase 1 --as customs/o-2117");
    assert!(again.starts_with("proposal 3  pending"), "{again}");
    assert!(again.contains("\n  recovery of customs-xa\n"), "{again}");
    decided_by_the_board(broker, 3);
    broker.told("policy activate 3 --as customs/o-2117");
    let after = broker.get("customs-xa/xa-611", read).text;
    assert_eq!(after, format!("{}\n\n{OFFICERS}", before.trim_end()));

    // And back in one step.
    let back = broker.told("policy rollback 3 --as customs/o-2117");
    let says = "\n  recovery of customs-xa taken back\n";
    assert!(back.contains(says), "{back}");
    decided_by_the_board(broker, 4);
    assert_eq!(broker.get("customs-xa/xa-611", read).text, before);
}

/// The approver of an agency.
fn approver(broker: &Broker, agency: &str) -> String {
    let text = broker.read(&format!("agencies/{agency}/agency.toml"));
    let mut id = "";
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("id = \"") {
            id = rest.trim_end_matches('"');
        }
        if line.starts_with("roles") && line.contains("approver") {
            return format!("{agency}/{id}");
        }
    }
    panic!("{agency} has no approver");
}
