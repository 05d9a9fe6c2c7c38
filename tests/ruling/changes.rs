//! A proposed change of the repository's rulebook: whose it is, and what must be mended first.

use std::sync::OnceLock;

use carnet::agency::officer::Holder;
use carnet::cli::certs::pki::DevelopmentPki;
use carnet::message::bundle::{Bundle, Fault};
use carnet::policy::change::{Changes, owner_of};
use carnet::policy::checked::{Checked, check, check_return};
use carnet::policy::recovery::{self, in_words, made, turns};
use carnet::policy::rulebook::Rulebook;

use super::fixture::{self, noon};
use super::shipped::bundle;
use crate::repository::shipped;

const CUSTOMS: &str = "agencies/customs/agency.toml";
pub(super) const POST: &str = "agencies/post/agency.toml";
pub(super) const POST_RULES: &str = "policies/post.cedar";
pub(super) const BOARD: &str = "policies/board.toml";

const VET: &str = r#"id = "vet"
kind = "environment"
country = "XM"
name = { en = "Meridia Food Safety" }
contact = { desk = "Desk", email = "desk@vet.example" }
[trust]
issuers = ["vet-ca.pem"]
[[unit]]
id = "main"
purpose = "environment-protection"
[retention]
default = "30d"
"#;

/// The rulebook that holds.
pub(super) fn base() -> &'static Rulebook {
    static BASE: OnceLock<Rulebook> = OnceLock::new();
    BASE.get_or_init(|| Rulebook::parse(&bundle()).unwrap())
}

/// Text that stands in a file, and what is put in its place.
pub(super) type Edit<'t> = (&'t str, &'t str, &'t str);

/// The text that holds, with these edits.
pub(super) fn edited(edits: &[Edit<'_>]) -> Bundle {
    let mut next = base().bundle().clone();
    for (path, before, after) in edits {
        let text = next.text(path).unwrap();
        assert!(text.contains(before), "{path} has no {before}");
        let text = text.replacen(before, after, 1);
        next.insert(*path, text);
    }
    next
}

fn checked(next: &Bundle) -> Result<Checked, Vec<Fault>> {
    let changes = Changes::between(base().bundle(), next);
    check(base(), &changes, &proposer(&changes))
}

/// An officer of the body that owns the first of the files.
pub(super) fn proposer(changes: &Changes) -> Holder {
    let takes_part = |agency: &str| base().registry().agency(agency).is_some();
    owner_of(changes.paths().next().unwrap_or_default(), takes_part)
}

#[track_caller]
pub(super) fn accepted(edits: &[Edit<'_>]) -> Checked {
    checked(&edited(edits)).unwrap_or_else(|faults| panic!("{}", lines(&faults)))
}

#[track_caller]
fn refused(edits: &[Edit<'_>]) -> String {
    lines(&checked(&edited(edits)).unwrap_err())
}

fn lines(faults: &[Fault]) -> String {
    let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

fn owner(checked: &Checked) -> String {
    checked.owner.to_string()
}

#[test]
fn an_agencys_rules_and_tables_and_entries_are_its_own_and_the_floor_is_the_boards() {
    let title = ("postal item data and events", "postal items and events");
    let edits: [(Edit<'_>, &str); 4] = [
        ((POST_RULES, title.0, title.1), "post"),
        (
            (
                POST,
                "messages_per_second = 5000",
                "messages_per_second = 50",
            ),
            "post",
        ),
        (
            ("policies/floor.cedar", "@title(\"", "@title(\"Now: "),
            "board",
        ),
        ((BOARD, "quorum = 3", "quorum = 2"), "board"),
    ];
    for (edit, expected) in edits {
        let checked = accepted(&[edit]);
        assert_eq!(owner(&checked), expected);
        assert_eq!(checked.rows > 15, expected == "post");
        assert_ne!(checked.rulebook.digest(), base().digest());
    }
}

#[test]
fn a_proposal_has_one_owner() {
    let edits = [
        ("policies/floor.cedar", "@title(\"", "@title(\"Now: "),
        (
            CUSTOMS,
            "messages_per_second = 2000",
            "messages_per_second = 20",
        ),
    ];
    let expected = "policies/floor.cedar: belongs to the board, and agencies/customs/agency.toml to \
                    customs; propose them separately: a proposal has one owner";
    assert_eq!(refused(&edits), expected);
}

#[test]
fn what_an_agency_is_to_others_is_the_boards_though_it_stands_in_the_agencys_file() {
    let cleared = "id = \"main\"\nclearances = [\"controlled-delivery\"]";
    let gains = (POST, "id = \"main\"", cleared);
    assert_eq!(owner(&accepted(&[gains])), "board");
    // A purpose too opens what others' rules give for it: another one, and one that the agency has not served.
    let other = (
        POST,
        "purpose = \"postal-security\"",
        "purpose = \"law-enforcement\"",
    );
    let new =
        |purpose: &str| format!("[[unit]]\nid = \"desk\"\npurpose = \"{purpose}\"\n\n[limits]");
    let (served, strange) = (new("postal-security"), new("statistics"));
    assert_eq!(owner(&accepted(&[other])), "board");
    assert_eq!(owner(&accepted(&[(POST, "[limits]", &strange)])), "board");
    assert_eq!(owner(&accepted(&[(POST, "[limits]", &served)])), "post");
    // What a unit loses is its agency's to give up.
    let police = "agencies/police/agency.toml";
    let loses = (police, "clearances = [\"controlled-delivery\"]\n", "");
    let checked = accepted(&[loses]);
    assert_eq!(owner(&checked), "police");
    // Rows of others that no longer hold are for them to mend.
    assert_eq!(
        lines(&checked.warnings),
        "customs: something in the files of customs would not hold any more; ask officers of customs: they \
         see what it is"
    );
    let limits = (
        POST,
        "refusals_per_minute = 600",
        "refusals_per_minute = 60",
    );
    assert_eq!(
        refused(&[gains, limits]),
        "agencies/post/agency.toml: changes what is post's own together with what is the board's to \
         change: clearance controlled-delivery of post/main; propose them separately"
    );
    let country = (POST, "country = \"XM\"", "country = \"XA\"");
    let kind = (POST, "kind = \"post\"", "kind = \"police\"");
    for (changes, what) in [
        (&[country, kind, limits][..], "its kind, its country"),
        (&[country, limits], "its country"),
        (&[kind, limits], "its kind"),
    ] {
        let told = refused(changes);
        let says = format!("the board's to change: {what};");
        assert!(told.contains(&says), "{told}");
    }
}

#[test]
fn nobody_can_decide_away_who_decides() {
    let approver = (
        POST,
        "roles = [\"approver\", \"auditor\"]",
        "roles = [\"auditor\"]",
    );
    let told = refused(&[approver]);
    assert!(
        told.starts_with(
            "agencies/post/agency.toml: leaves post without an administrator and another officer \
             who approves"
        ),
        "{told}"
    );
    // One who proposes and approves is one, not two.
    let both = (
        POST,
        "[\"administrator\"]",
        "[\"administrator\", \"approver\"]",
    );
    assert_eq!(refused(&[both, approver]), told);
    let quorum = (
        BOARD,
        "members = [\"customs\", \"police\", ",
        "members = [\"customs\", ",
    );
    assert_eq!(owner(&accepted(&[quorum])), "board");
    let mut alone = edited(&[approver]);
    let text = alone.text(POST).unwrap().replace("m-0077", "m-0078");
    alone.insert(POST, text);
    assert!(checked(&alone).is_err());
}

/// The board takes out again whom it gave by a return alone.
fn taken_back(changes: &Changes, police: &Holder) {
    let recovered = check(base(), changes, police).unwrap().rulebook;
    let back = changes.inverse(base().bundle());
    assert!(check(&recovered, &back, police).is_err());
    let returned = check_return(&recovered, &back, police).unwrap();
    assert_eq!(returned.rulebook.digest(), base().digest());
    let told = in_words(&turns(&Holder::Board, police, &back, true));
    assert_eq!(told, ["recovery of post taken back"]);
}

fn nothing_else_changes_with_them(given: &Checked, by: &Holder) {
    let recovered = given.rulebook.bundle().text(POST).unwrap();
    let (limit, other) = ("refusals_per_minute = 600", "refusals_per_minute = 60");
    let mut more = Changes::default();
    more.insert(POST, Some(recovered.replace(limit, other).into_bytes()));
    let told = lines(&check(base(), &more, by).unwrap_err());
    assert!(told.contains("ask officers of post"), "{told}");
}

#[test]
fn an_agency_without_officers_gets_others_from_the_board_which_does_not_know_its_file() {
    let police: Holder = "police".parse().unwrap();
    let given = |entries: &str| {
        let mut changes = Changes::default();
        changes.insert(POST, Some(entries.as_bytes().to_vec()));
        made(base(), &changes, &police)
    };
    let entry = "[[officer]]\nid = \"b-0099\"\nroles = [\"approver\"]\n\
                 certificate = \"urn:carnet:post:officer:b-0099\"\n";
    let changes = given(entry).unwrap();
    let of_police = check(base(), &changes, &police).unwrap();
    assert_eq!(owner(&of_police), "board");
    let recovery = turns(&Holder::Board, &police, &changes, false);
    assert_eq!(in_words(&recovery), ["recovery of post"]);
    let asked = recovery::given(base().bundle(), &changes, &recovery);
    assert_eq!(asked.files().next(), Some((POST, Some(entry.as_bytes()))));
    // Its own officers do it by themselves.
    let own = check(base(), &changes, &"post".parse().unwrap()).unwrap();
    assert_eq!(owner(&own), "post");
    let of_post = turns(&Holder::Board, &"post".parse().unwrap(), &changes, false);
    assert!(of_post.is_empty(), "it asks for itself");
    taken_back(&changes, &police);

    nothing_else_changes_with_them(&of_police, &police);
    for (more, says) in [
        (format!("kind = \"police\"\n{entry}"), "\"kind\" is no key"),
        (
            format!("{entry}[limits]\nmessages_per_second = 1\n"),
            "\"limits\" is no key",
        ),
        (
            entry.replace("approver", "owner"),
            "agencies/post/agency.toml:3",
        ),
        (String::new(), "names no officer"),
        // Nobody asks by them what stands in the file.
        (entry.replace("b-", "m-"), "let his number begin with b-"),
        (
            entry.replace(
                "urn:carnet:post:officer:b-0099",
                "https://post.example/desk",
            ),
            "name his certificate urn:carnet:post:officer:NUMBER",
        ),
        (
            entry.replace(":officer:", ":system:"),
            "name his certificate urn:carnet:post:officer:NUMBER",
        ),
    ] {
        let told = lines(&given(&more).unwrap_err());
        assert!(told.contains(says), "{told}");
    }
    // What is in the way is not told: a number, a token, or that nobody vouches for one.
    let token = entry.replace(
        "certificate = \"urn:carnet:post:officer:b-0099\"",
        "token = \"8d1f\"",
    );
    let token = check(base(), &given(&token).unwrap(), &police).unwrap_err();
    assert_eq!(
        lines(&token),
        "post: something in the files of post would not hold any more; ask officers of post: they see what \
         it is"
    );
    // Nothing else is the board's, and no text tells whether it is the one that stands there.
    for before in [
        "refusals_per_minute = 600",
        "roles = [\"approver\", \"auditor\"]",
    ] {
        let changes = Changes::between(base().bundle(), &edited(&[(POST, before, "")]));
        assert!(check(base(), &changes, &police).is_err());
        assert!(made(base(), &changes, &police).is_err());
    }
}

#[test]
fn who_comes_and_who_goes_is_the_boards_with_all_that_is_theirs() {
    let mut next = edited(&[]);
    next.insert("agencies/vet/agency.toml", VET);
    let issuer = issuer();
    next.insert("agencies/vet/vet-ca.pem", issuer);
    next.insert("policies/vet.cedar", "");
    let joined = checked(&next).unwrap_or_else(|faults| panic!("{}", lines(&faults)));
    assert_eq!(owner(&joined), "board");
    assert!(lines(&joined.warnings).contains("has no administrator and another officer"));
    // Where it were to decide too, too few of those who decide could.
    let mut seated = next.clone();
    let board = seated.text(BOARD).unwrap();
    let seats = board.replacen("\"environment\", \"post\"]", "\"vet\"]", 1);
    seated.insert(BOARD, seats);
    let told = lines(&checked(&seated).unwrap_err());
    assert!(
        told.contains("policies/board.toml: leaves the board with 2 members"),
        "{told}"
    );
    // With its file all others go.
    let mut changes = Changes::default();
    changes.insert("agencies/vet/agency.toml", None);
    let changes = made(&joined.rulebook, &changes, &Holder::Board).unwrap();
    assert_eq!(changes, Changes::between(&next, base().bundle()));
    let left = check(&joined.rulebook, &changes, &Holder::Board).unwrap();
    assert_eq!(owner(&left), "board");
    let police = "police".parse().unwrap();
    let told = |changes: &Changes, returns| {
        let turns = turns(&Holder::Board, &police, changes, returns);
        in_words(&turns)
    };
    let joins = changes.inverse(joined.rulebook.bundle());
    assert_eq!(told(&joins, false), Vec::<String>::new());
    assert_eq!(told(&changes, false), ["end of vet"]);
    assert_eq!(told(&joins, true), ["end of vet taken back"]);
}

/// An issuer for the agency that comes.
fn issuer() -> Vec<u8> {
    let mut other = shipped();
    other.insert("agencies/vet/agency.toml", VET);
    let pki = DevelopmentPki::create(&other, noon()).unwrap();
    pki.get("vet-ca.pem").unwrap().to_vec()
}

#[test]
fn systems_that_a_change_of_the_catalogue_would_break_are_named() {
    let edition = ("messages/postal.item/message.toml", "2026-01", "2026-02");
    let checked = accepted(&[edition]);
    let broken: Vec<String> = checked.broken.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(broken.join("\n"), @r"
    customs/declarations receives postal.item, of edition 2026-01, which becomes 2026-02
    environment/permits receives postal.item, of edition 2026-01, which becomes 2026-02
    post/items sends postal.item, of edition 2026-01, which becomes 2026-02
    ");
    let schema = (
        "messages/postal.item/schema.json",
        "\"maxLength\": 9",
        "\"maxLength\": 12",
    );
    let broken = accepted(&[schema]).broken;
    assert!(broken.iter().all(|it| {
        it.to_string()
            .ends_with("schema changes within its edition")
    }));
}

#[test]
fn a_kind_that_will_send_a_type_no_more_breaks_its_systems() {
    let base = Rulebook::parse(&fixture::bundle()).unwrap();
    let mut next = fixture::bundle();
    let path = "messages/risk.assessment/message.toml";
    let text = next.text(path).unwrap().replace(", \"police\"]", "]");
    next.insert(path, text);
    let changes = Changes::between(base.bundle(), &next);
    let checked = check(&base, &changes, &Holder::Board).unwrap();
    let broken: Vec<String> = checked.broken.iter().map(ToString::to_string).collect();
    assert_eq!(
        broken,
        ["police/test sends risk.assessment, which its agency's kind will not send any more"]
    );
}

#[test]
fn a_word_in_use_cannot_go() {
    let kind = (BOARD, "post = \"Postal operator\"\n", "");
    let told = refused(&[kind]);
    assert!(
        told.starts_with(
            "policies/board.toml: no longer has the kind \"post\", which is used: \
             by post, messages/"
        ),
        "{told}"
    );
    assert_eq!(told.lines().count(), 1);
    // No unit has this purpose, and no rule or agreement names it.
    let unused = (BOARD, "integrity = \"Integrity of the service\"\n", "");
    let told = refused(&[unused]);
    assert!(
        told.contains("is not the schema that messages/ and board.toml give"),
        "{told}"
    );
}

#[test]
fn a_row_that_no_longer_holds_and_a_rule_over_others_data_hinder() {
    let narrowed = (
        POST_RULES,
        "Border::Agency::\"customs\"",
        "Border::Agency::\"police\"",
    );
    let told = refused(&[narrowed]);
    assert!(
        told.contains("policies/tables/post.csv:2: row \"story 1: item"),
        "{told}"
    );
    let foreign = (
        POST_RULES,
        "resource in Border::Agency::\"post\"",
        "resource in Border::Agency::\"police\"",
    );
    let told = refused(&[foreign]);
    assert!(
        told.contains("post-customs is over data that are not post's own"),
        "{told}"
    );
}

#[test]
fn a_path_outside_of_the_folders_and_a_file_that_nothing_reads_are_refused() {
    let long = format!("policies/{}.cedar", "x".repeat(200));
    for path in [
        "../etc/passwd",
        "policies/../../x.cedar",
        "/policies/x.cedar",
        "policies//x.cedar",
        "policies/.hidden.cedar",
        "policies\\x.cedar",
        "policies",
        "certs/server.key",
        "policies/x\n.cedar",
        &long,
    ] {
        let mut changes = Changes::default();
        changes.insert(path, Some(Vec::new()));
        let faults = check(base(), &changes, &Holder::Board).unwrap_err();
        assert!(
            faults[0].says.contains("is no path of a rulebook"),
            "{path}"
        );
    }
    let mut next = edited(&[]);
    next.insert("agencies/post/notes.md", "x");
    let told = lines(&checked(&next).unwrap_err());
    assert!(
        told.starts_with("agencies/post/notes.md: is no file of a rulebook"),
        "{told}"
    );
    let faults = check(base(), &Changes::default(), &Holder::Board).unwrap_err();
    assert_eq!(faults[0].says, "changes nothing");
}

#[test]
fn a_fault_that_the_rulebook_has_already_hinders_no_change_of_something_else() {
    let mut old = bundle();
    old.insert("policies/border.cedarschema", "// of an older release");
    assert!(Rulebook::parse(&old).is_err());
    let base = Rulebook::load(&old).unwrap();
    let mut next = old.clone();
    let rules = old
        .text(POST_RULES)
        .unwrap()
        .replacen("@title(\"", "@title(\"Now: ", 1);
    next.insert(POST_RULES, rules);
    let post = "post".parse().unwrap();
    let checked = check(&base, &Changes::between(&old, &next), &post).unwrap();
    assert_eq!(owner(&checked), "post");
    next.insert(POST_RULES, "permit (principal, action, resource);");
    assert!(check(&base, &Changes::between(&old, &next), &post).is_err());
}

#[test]
fn a_misspelt_word_has_its_place_and_cure_and_a_misnamed_file_one_fault() {
    let purpose = (POST, "purpose = \"postal", "purpose = \"postl");
    let told = refused(&[purpose]);
    assert!(told.starts_with("agencies/post/agency.toml:"), "{told}");
    assert!(told.contains("is no purpose; write postal"), "{told}");
    let kind = refused(&[(POST, "kind = \"post\"", "kind = \"pst\"")]);
    assert!(
        kind.contains("\"pst\" is no kind of agency; write post"),
        "{kind}"
    );
    let mut next = edited(&[]);
    next.insert(
        "policies/pst.cedar",
        next.text(POST_RULES).unwrap().to_owned(),
    );
    assert_eq!(
        lines(&checked(&next).unwrap_err()),
        "policies/pst.cedar: is a file of no agency, and the board's rules stand in the floor; did you mean \
         policies/post.cedar?"
    );
}
