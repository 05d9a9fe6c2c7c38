//! Which message of whom changes which standing fact: a test for each row of the table in
//! `docs/policies.md`.

use std::collections::BTreeSet;

use bytes::Bytes;
use carnet::agency::registry::Party;
use carnet::message::envelope::{HeaderValue, Publish};

use crate::border::publish;
use crate::desk::{Desk, Outcome, Place};

const ITEM: &str = "CP618402774XA";
const OTHER_ITEM: &str = "CP202600060XM";
const NUMBER: &str = "CO-2026-00871";

/// Everybody of the repository who takes part.
struct Border {
    desk: Desk,
    customs: Place,
    investigation: Place,
    abroad: Place,
    environment: Place,
    police: Place,
    post: Place,
}

impl Border {
    fn open() -> Self {
        let mut desk = Desk::open();
        Self {
            customs: desk.seat("customs", "declarations"),
            investigation: desk.seat("customs", "investigation"),
            abroad: desk.seat("customs-xa", "gateway"),
            environment: desk.seat("environment", "permits"),
            police: desk.seat("police", "operations"),
            post: desk.seat("post", "items"),
            desk,
        }
    }

    /// An example with other texts in its body.
    fn changed(&self, example: &str, id: &str, changes: &[(&str, &str)]) -> Publish {
        let mut publish = self.desk.border.publish(example, id, &[]);
        let mut text = String::from_utf8(publish.body.to_vec()).unwrap();
        for (there, instead) in changes {
            assert!(text.contains(there), "{example} has no {there}");
            text = text.replace(there, instead);
        }
        publish.body = Bytes::from(text);
        publish
    }

    fn order(&mut self, id: &str, changes: &[(&str, &str)]) -> Outcome {
        let mut order = self.changed("control.order/valid/story-03", id, changes);
        let to = ["environment/main", "post/main"].map(str::to_owned);
        order.headers = vec![("to".to_owned(), HeaderValue::List(to.into()))];
        self.desk.publish(self.customs, &order)
    }

    fn result(&mut self, place: Place, id: &str, answers: Option<String>) -> Outcome {
        let mut result = self.changed("control.result/valid/story-12", id, &[]);
        result.correlation_id = answers;
        self.desk.publish(place, &result)
    }

    /// The id under which a unit has got the newest message of its inbox.
    fn newest(&mut self, place: Place) -> String {
        let mut newest = None;
        while let Some(got) = self.desk.get(place, "inbox") {
            newest = Some(got);
        }
        let rendered = self.desk.shown(place, &newest.expect("a message"));
        match rendered.properties {
            carnet::broker::delivery::Shown::Made(made) => made.message_id.unwrap(),
            carnet::broker::delivery::Shown::Raw(_) => panic!("not a release"),
        }
    }

    /// Agencies that hold an order on an item.
    fn holders(&self, item: &str) -> String {
        let view = self.desk.view();
        let subject = view.keys.digest("key", &[b"s10", item.as_bytes()]);
        let held = view.standing.orders.get(&subject);
        let holders: Vec<&str> = held
            .iter()
            .flat_map(|held| held.value.keys().map(|holder| holder.agency().as_str()))
            .collect();
        holders.join(" ")
    }

    fn case(&mut self, place: Place, step: &str, id: &str) -> Outcome {
        let body = match step {
            "case.open" => r#"{"CaseID": "C-1", "Areas": ["ipr"], "Invites": ["police"]}"#,
            _ => r#"{"CaseID": "C-1"}"#,
        };
        self.desk
            .publish(place, &publish(step, id, body.as_bytes(), &[]))
    }

    /// Originators that bind a holder in the case.
    fn bound(&self, holder: &str) -> BTreeSet<String> {
        let view = self.desk.view();
        let holder = Party::Agency(holder.parse().unwrap());
        let key = ("C-1".parse().unwrap(), holder);
        let bans = view.standing.bans.get(&key);
        let bans = bans.iter().flat_map(|bans| &bans.value);
        bans.map(ToString::to_string).collect()
    }
}

fn is_refused(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Returned(_))
}

#[test]
fn an_order_opens_for_those_who_get_it_and_ends_by_a_newer_version_of_its_owner() {
    let mut border = Border::open();
    border.order("o-1", &[]);
    assert_eq!(border.holders(ITEM), "environment post");
    // The old subject is over with the old version.
    let amended = [("\"9\"", "\"4\""), (ITEM, OTHER_ITEM)];
    border.order("o-2", &amended);
    assert_eq!(border.holders(ITEM), "");
    assert_eq!(border.holders(OTHER_ITEM), "environment post");
    let cancelled = [("\"9\"", "\"1\""), (ITEM, OTHER_ITEM)];
    border.order("o-3", &cancelled);
    assert_eq!(border.holders(OTHER_ITEM), "");
}

#[test]
fn a_version_that_reaches_nobody_or_is_secret_ends_what_the_older_one_opened() {
    let mut border = Border::open();
    border.order("o-1", &[]);
    let order = border.changed("control.order/valid/story-03", "o-2", &[]);
    let nobody = Publish {
        headers: vec![("to".to_owned(), HeaderValue::Text("nobody/main".to_owned()))],
        ..order
    };
    assert!(is_refused(&border.desk.publish(border.customs, &nobody)));
    assert_eq!(border.holders(ITEM), "");
    border.order("o-3", &[]);
    let secret = [
        ("\"joint\"", "\"controlled-delivery\""),
        ("\"ReasonCode\"", "\"CaseID\": \"C-1\", \"ReasonCode\""),
    ];
    border.order("o-4", &secret);
    assert_eq!(border.holders(ITEM), "");
}

#[test]
fn an_order_is_over_at_its_deadline_and_one_whose_deadline_has_passed_never_opens() {
    let mut border = Border::open();
    let past = [("2026-03-17T12:00:00+01:00", "2026-03-15T12:00:00+01:00")];
    border.order("o-1", &past);
    assert_eq!(border.holders(ITEM), "");
    border.order("o-2", &[]);
    assert_eq!(border.holders(ITEM), "environment post");
    border.desk.now = border.desk.now.plus(std::time::Duration::from_hours(48));
    border.desk.step(Vec::<carnet::broker::input::Input>::new());
    assert_eq!(border.holders(ITEM), "");
}

#[test]
fn a_result_of_the_owner_ends_the_order_and_one_of_a_holder_its_part_if_the_owner_has_got_it() {
    let mut border = Border::open();
    border.order("o-1", &[]);
    let got = border.newest(border.environment);
    // Refused for all: it answers nothing that its sender was sent.
    let (environment, police, customs) = (border.environment, border.police, border.customs);
    assert!(is_refused(&border.result(environment, "r-1", None)));
    assert_eq!(border.holders(ITEM), "environment post");
    // Of an agency that does not hold it.
    border.result(police, "r-2", None);
    assert_eq!(border.holders(ITEM), "environment post");
    assert_eq!(border.result(environment, "r-3", Some(got)), Outcome::Taken);
    assert_eq!(border.holders(ITEM), "post");
    border.result(customs, "r-4", None);
    assert_eq!(border.holders(ITEM), "");
}

#[test]
fn a_withdrawn_result_ends_nothing() {
    let mut border = Border::open();
    border.order("o-1", &[]);
    let withdrawn = border.changed(
        "control.result/valid/story-12",
        "r-1",
        &[("\"9\"", "\"1\"")],
    );
    border.desk.publish(border.customs, &withdrawn);
    assert_eq!(border.holders(ITEM), "environment post");
}

#[test]
fn neither_an_unlisted_unit_of_the_owners_agency_nor_another_administration_speaks_for_it() {
    let mut border = Border::open();
    let changes = [(
        "agencies/customs-xa/agency.toml",
        "\"declaration.export\",",
        "\"declaration.export\", \"control.order\",",
    )];
    border.desk.activate(&changes);
    border.abroad = border.desk.seat("customs-xa", "gateway");
    border.order("o-1", &[]);
    let theirs = border.changed("control.order/valid/story-03", "x-1", &[(ITEM, OTHER_ITEM)]);
    border.desk.publish(border.abroad, &theirs);
    let cancelled = border.changed(
        "control.order/valid/cancelled",
        "x-2",
        &[("CO-2026-00655", NUMBER)],
    );
    border.desk.publish(border.abroad, &cancelled);
    assert_eq!(border.holders(ITEM), "environment post");
    let result = border.changed("control.result/valid/story-12", "r-1", &[]);
    border.desk.publish(border.investigation, &result);
    assert_eq!(border.holders(ITEM), "environment post");
}

#[test]
fn a_case_is_its_openers_to_close_and_its_invited_agencies_to_join() {
    let mut border = Border::open();
    let (customs, police, post) = (border.customs, border.police, border.post);
    assert_eq!(border.case(customs, "case.open", "c-1"), Outcome::Taken);
    for step in ["case.join", "case.close", "case.open"] {
        assert!(is_refused(&border.case(post, step, step)), "{step}");
    }
    let members = |border: &Border| {
        let view = border.desk.view();
        let case = view.standing.cases.get("C-1").unwrap();
        case.value.members.len()
    };
    assert_eq!(members(&border), 1);
    assert_eq!(border.case(police, "case.join", "c-2"), Outcome::Taken);
    assert_eq!(members(&border), 2);
    assert!(is_refused(&border.case(police, "case.close", "c-3")));
    assert!(border.desk.is_open("C-1"));
    assert_eq!(border.case(customs, "case.close", "c-4"), Outcome::Taken);
    assert!(!border.desk.is_open("C-1"));
}

#[test]
fn what_is_bound_to_its_originator_binds_those_who_get_it_in_a_case_of_both() {
    let mut border = Border::open();
    let (customs, police, post) = (border.customs, border.police, border.post);
    let declaration = "declaration.import/valid/story-10";
    // Not in a case that is not open, nor in one that its sender has not joined.
    border
        .desk
        .example(customs, declaration, "d-1", &[("case", "C-1")]);
    assert!(border.bound("police").is_empty());
    border.case(customs, "case.open", "c-1");
    border
        .desk
        .example(post, "postal.item/valid/orchids", "p-1", &[("case", "C-1")]);
    border.case(police, "case.join", "c-2");
    assert!(border.bound("police").is_empty() && border.bound("customs").is_empty());
    border
        .desk
        .example(customs, declaration, "d-2", &[("case", "C-1")]);
    assert_eq!(
        border.bound("police"),
        BTreeSet::from(["customs".to_owned()])
    );
    // Its end frees nobody.
    border.case(customs, "case.close", "c-3");
    assert_eq!(border.bound("police").len(), 1);
}

#[test]
fn nothing_else_that_anybody_sends_changes_a_standing_fact() {
    let mut border = Border::open();
    let (customs, police, post) = (border.customs, border.police, border.post);
    let (environment, before) = (border.environment, border.desk.view().standing);
    let messages = [
        (customs, "aeo.status/valid/story-15"),
        (police, "police.alert/valid/story-09"),
        (police, "police.alert/valid/withdrawn"),
        (environment, "permit.cites/valid/ivory"),
        (environment, "permit.cites/valid/used"),
        (customs, "continuity.status/valid/closed"),
        (post, "continuity.status/valid/fallback"),
        (post, "postal.item/valid/ornaments"),
        (post, "movement.event/valid/story-04"),
        (customs, "risk.assessment/valid/drugs"),
        (customs, "postal.response/valid/story-13"),
        (customs, "control.result/valid/story-12"),
        (customs, "seizure.report/valid/story-14"),
    ];
    for (place, example) in messages {
        border.desk.example(place, example, example, &[]);
        assert_eq!(border.desk.view().standing, before, "{example}");
    }
}
