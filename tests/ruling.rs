//! Who receives what: the promises of the policies, on five agencies and a handful of rules.

#[cfg(test)]
#[path = "ruling/changes.rs"]
mod changes;
#[cfg(test)]
#[path = "ruling/differences.rs"]
mod differences;
#[cfg(test)]
#[path = "ruling/differential.rs"]
mod differential;
#[cfg(test)]
#[path = "ruling/explained.rs"]
mod explained;
#[cfg(test)]
#[path = "ruling/faults.rs"]
mod faults;
#[cfg(test)]
#[path = "ruling/fixture.rs"]
mod fixture;
#[cfg(test)]
#[path = "ruling/known.rs"]
mod known;
#[cfg(test)]
#[path = "ruling/measured.rs"]
mod measured;
#[cfg(test)]
#[path = "support/shipped.rs"]
mod repository;
#[cfg(test)]
#[path = "ruling/shipped.rs"]
mod shipped;
#[cfg(test)]
#[path = "ruling/tables.rs"]
mod tables;
#[cfg(test)]
#[path = "ruling/vocabulary.rs"]
mod vocabulary;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use carnet::agency::registry::Party;
use carnet::message::facts::FactValue;
use carnet::message::id::{KeyedDigest, Mask};
use carnet::message::time::Timestamp;
use carnet::policy::explain::{InForce, unmet};
use carnet::policy::measures::Level;
use carnet::policy::rule::may_send;
use carnet::policy::ruling::{Outcome, Refused, Told};
use carnet::policy::standing::{ByKey, Versioned};
use carnet::policy::words::Onward;

use fixture::{
    Message, bundle, id, later, noon, peer, releases, rulebook, rulebook_of, rulebook_with, set,
};
use measured::at_level;

fn order() -> Message {
    Message::new("customs/main", "control.order")
        .fact("until", FactValue::Time(later(noon(), 3600)))
}

fn secret_order() -> Message {
    let mut order = order().fact("secret", FactValue::Bool(true));
    order.from = id("customs/investigation");
    order
        .case("CASE-1", &["customs", "police"])
        .quoting("CASE-1")
}

fn export() -> Message {
    Message::new("customs/main", "declaration.export")
}

#[test]
fn a_permit_releases_what_it_names_and_no_more() {
    let rulebook = rulebook();
    let item = Message::new("post/main", "postal.item").hs(&["06", "0602", "060290"]);
    assert_eq!(
        item.gets(&rulebook, "customs/main"),
        "reference party identity goods commercial postal"
    );
    assert_eq!(
        item.gets(&rulebook, "environment/main"),
        "goods postal reference.token"
    );
    assert_eq!(item.gets(&rulebook, "police/main"), "-");
    let Outcome::Released(released) = item.outcome(&rulebook, "environment/main") else {
        panic!("released");
    };
    assert_eq!(released.policies, [id("post-environment-regulated")]);
    assert_eq!(
        (released.retain_days, released.onward),
        (730, Onward::AskOriginator)
    );
}

#[test]
fn what_no_permit_opens_is_refused_by_default_and_not_recorded() {
    let rulebook = rulebook();
    let item = Message::new("post/main", "postal.item").hs(&["39", "3926"]);
    let ruling = item.rule(&rulebook);
    let verdict = ruling
        .verdicts
        .iter()
        .find(|v| v.unit.to_string() == "environment/main");
    let verdict = verdict.unwrap();
    assert_eq!(verdict.outcome, Outcome::Refused(Refused::NotPermitted));
    assert!(!verdict.is_recorded());
    assert!(!ruling.answer().contains_key("environment/main"));
}

#[test]
fn the_sending_unit_is_no_candidate_and_another_of_its_agency_is() {
    let rulebook = rulebook();
    let ruling = order().rule(&rulebook);
    assert!(
        ruling
            .verdicts
            .iter()
            .all(|v| v.unit.to_string() != "customs/main")
    );
    assert!(releases(&ruling).any(|(unit, _)| unit.to_string() == "customs/investigation"));
}

#[test]
fn unknown_unlisted_and_hidden_addressees_get_one_answer() {
    let rulebook = rulebook();
    let mut secret = secret_order();
    let to = ["post/main", "nobody/main", "post/nobody"];
    secret.question.asked.to_mut().to = to.iter().map(|text| id(text)).collect();
    let ruling = secret.rule(&rulebook);
    assert_eq!(ruling.answer().len(), 3);
    assert!(
        ruling
            .answer()
            .values()
            .all(|told| *told == Told::NotPermitted)
    );

    // Unlisted, seen from another agency, beside a unit that does not exist.
    let report = Message::new("police/main", "seizure.report");
    let ruling = report
        .to(&["customs/investigation", "customs/nowhere"])
        .rule(&rulebook);
    assert!(ruling.verdicts.is_empty());
    assert!(
        ruling
            .answer()
            .values()
            .all(|told| *told == Told::NotPermitted)
    );
}

#[test]
fn a_hidden_exchange_reaches_its_case_alone_and_is_not_told() {
    let rulebook = rulebook();
    let secret = secret_order();
    let ruling = secret.rule(&rulebook);
    let units: Vec<String> = releases(&ruling)
        .map(|(unit, _)| unit.to_string())
        .collect();
    assert_eq!(units, ["police/main"]);
    assert_eq!(ruling.answer().keys().collect::<Vec<_>>(), ["police/main"]);
    let hidden = Refused::Forbidden {
        policies: vec![id("floor-secret")],
        hidden: true,
        overrode: true,
    };
    assert_eq!(
        secret.outcome(&rulebook, "post/main"),
        Outcome::Refused(hidden)
    );
}

#[test]
fn to_restricts_and_never_adds() {
    let rulebook = rulebook();
    let item = Message::new("post/main", "postal.item").hs(&["06"]);
    let item = item.to(&["customs/main", "police/main"]);
    let ruling = item.rule(&rulebook);
    assert_eq!(releases(&ruling).count(), 1);
    let answer = ruling.answer();
    assert!(matches!(answer["customs/main"], Told::Released(_)));
    assert_eq!(answer["police/main"], Told::NotPermitted);
    assert!(ruling.is_released_visibly());
}

#[test]
fn purpose_narrows_the_candidates() {
    let rulebook = rulebook();
    let mut item = Message::new("post/main", "postal.item").hs(&["06"]);
    item.question.asked.to_mut().purpose = Some(id("environment-protection"));
    let ruling = item.rule(&rulebook);
    let units: Vec<String> = releases(&ruling)
        .map(|(unit, _)| unit.to_string())
        .collect();
    assert_eq!(units, ["environment/main"]);
}

#[test]
fn a_release_to_an_unlisted_unit_alone_looks_like_a_refusal() {
    let rulebook = rulebook_with(
        r#"@id("x") @title("x") @basis("x") @reason("x") @owner("customs") @retain("1d")
        @onward("none")
        permit (principal == Border::Unit::"customs/investigation",
          action in [Border::Action::"receive", Border::Action::"disclose:goods"],
          resource is Border::SeizureReport in Border::Agency::"customs");"#,
    );
    let report = Message::new("customs/main", "seizure.report");
    assert_eq!(report.gets(&rulebook, "customs/investigation"), "goods");
    assert!(
        report.rule(&rulebook).is_released_visibly(),
        "an agency knows its own units"
    );

    let mut bundle = bundle();
    let text = r#"@id("police-x") @title("x") @basis("x") @reason("x") @owner("police")
        @retain("1d") @onward("none")
        permit (principal in Border::Agency::"customs",
          action in [Border::Action::"receive", Border::Action::"disclose:goods"],
          resource is Border::SeizureReport in Border::Agency::"police")
        when { principal.purpose == Border::Purpose::"law-enforcement" };"#;
    bundle.insert("policies/police.cedar", text);
    let rulebook = rulebook_of(&bundle).unwrap();
    let ruling = Message::new("police/main", "seizure.report").rule(&rulebook);
    assert_eq!(releases(&ruling).count(), 1);
    assert!(!ruling.is_released_visibly());
    assert!(ruling.answer().is_empty());
    // Addressing it is addressing nobody, although the rule would open.
    let addressed = Message::new("police/main", "seizure.report").to(&["customs/investigation"]);
    let ruling = addressed.rule(&rulebook);
    assert_eq!(releases(&ruling).count(), 0);
    assert_eq!(ruling.answer()["customs/investigation"], Told::NotPermitted);
}

#[test]
fn invented_case() {
    let rulebook = rulebook();
    let both = ["customs", "police"];
    let real = export().case("CASE-1", &both).quoting("CASE-1");
    assert_eq!(real.gets(&rulebook, "police/main"), "reference goods route");
    assert!(!real.rule(&rulebook).case_ignored);
    let invented = export().case("CASE-1", &both).quoting("CASE-2");
    let not_joined = export().case("CASE-1", &["customs"]).quoting("CASE-1");
    let foreign = export().case("CASE-1", &["police"]).quoting("CASE-1");
    let unreadable = export().case("CASE-1", &both).quoting("no case at all");
    for message in [invented, not_joined, foreign, unreadable] {
        assert_eq!(message.gets(&rulebook, "police/main"), "-");
        assert!(message.rule(&rulebook).case_ignored);
    }
    assert!(!export().rule(&rulebook).case_ignored);
}

#[test]
fn quoted_token() {
    let rulebook = rulebook();
    let mut item = Message::new("post/main", "postal.item");
    item.question.quotes = Cow::Owned(set(&["environment"]));
    assert_eq!(
        item.gets(&rulebook, "customs/main"),
        "party identity goods commercial postal reference.token"
    );
    let Outcome::Released(released) = item.outcome(&rulebook, "customs/main") else {
        panic!("released");
    };
    assert_eq!(released.withholding, [id("floor-quoted-token")]);
    item.question.quotes = Cow::Owned(set(&["customs"]));
    assert!(
        item.gets(&rulebook, "customs/main")
            .starts_with("reference")
    );
    item.question.quotes = Cow::Owned(set(&["customs", "environment"]));
    assert!(
        !item
            .gets(&rulebook, "customs/main")
            .starts_with("reference")
    );
}

#[test]
fn ban_inherited() {
    let rulebook = rulebook();
    let mut message = export()
        .case("CASE-1", &["customs", "police"])
        .quoting("CASE-1");
    let key = (id("CASE-1"), Party::Agency(id("customs")));
    let bound_by = |message: &mut Message, originator: &str| {
        let (epoch, value) = (7, set(&[originator]));
        let bans = Versioned { epoch, value };
        message.standing.bans.insert_mut(key.clone(), bans);
    };
    bound_by(&mut message, "environment");
    let ruling = message.rule(&rulebook);
    assert_eq!(releases(&ruling).count(), 0);
    let forbidden = [id("floor-originator")];
    assert_eq!(ruling.answer()["police/main"], Told::Forbidden(&forbidden));
    bound_by(&mut message, "police");
    assert_eq!(
        message.gets(&rulebook, "police/main"),
        "reference goods route"
    );
    // A closed case is no fact, but what was received in it stays bound.
    message.standing.cases = ByKey::default();
    bound_by(&mut message, "environment");
    message = message.fact("risk", FactValue::Long(90)).areas(&["drugs"]);
    assert_eq!(message.gets(&rulebook, "police/main"), "-");
}

#[test]
fn standing_facts_open_and_close_rules() {
    let rulebook = rulebook();
    let mut declaration = export();
    assert_eq!(declaration.gets(&rulebook, "post/main"), "-");
    let measures = &mut declaration.standing.measures;
    measures.insert_mut(id("customs"), at_level(1, Level::Fallback));
    assert_eq!(declaration.gets(&rulebook, "post/main"), "route");

    let own_key = KeyedDigest([7; 16]);
    let mut report = Message::new("customs/main", "seizure.report");
    report.question.own_keys = vec![own_key];
    assert_eq!(report.gets(&rulebook, "environment/main"), "-");
    let holders = Versioned {
        epoch: 2,
        value: BTreeMap::from([(Party::Agency(id("environment")), None)]),
    };
    report.standing.orders.insert_mut(own_key, holders);
    assert_eq!(report.gets(&rulebook, "environment/main"), "goods");
}

#[test]
fn an_order_binds_until_its_deadline_and_a_ruling_that_saw_it_no_longer() {
    let rulebook = rulebook();
    let mut report = Message::new("customs/main", "seizure.report");
    let own_key = KeyedDigest([7; 16]);
    report.question.own_keys = vec![own_key];
    let without = report.rule(&rulebook).reads.valid_until;
    let end = |ms: u64| Some(report.now.plus(Duration::from_millis(ms)));
    let value = [
        ("environment", end(30)),
        ("police", end(70)),
        ("post", None),
    ];
    let value = value.map(|(agency, end)| (Party::Agency(id(agency)), end));
    let (first, second) = (end(30), end(70));
    let open = Versioned {
        epoch: 2,
        value: value.into(),
    };
    report.standing.orders.insert_mut(own_key, open);
    let now = report.now;
    let mut at = |ms| {
        report.now = now.plus(Duration::from_millis(ms));
        let until = report.rule(&rulebook).reads.valid_until;
        (until, report.gets(&rulebook, "environment/main"))
    };
    assert!(without.is_none() || without > second);
    assert_eq!(at(29), (first, "goods".to_owned()));
    // Whether the tick that takes it away has come or not.
    assert_eq!(at(30), (second, "-".to_owned()));
    assert_eq!(at(70).0, without);
}

#[test]
fn a_ruling_knows_what_it_read_and_until_when_it_holds() {
    let rulebook = rulebook().activated(5);
    let message = export()
        .case("CASE-1", &["customs", "police"])
        .quoting("CASE-1");
    let reads = message.rule(&rulebook).reads;
    assert!(reads.still_hold(&message.standing, 5, message.now));
    assert!(!reads.still_hold(&message.standing, 6, message.now));
    let agreement_ends = Timestamp::from_rfc3339("2029-07-01T00:00:00Z").unwrap();
    assert_eq!(reads.valid_until, Some(agreement_ends));
    let mut joined = message.standing.clone();
    let (name, case) = joined.cases.first().unwrap();
    let (name, epoch, value) = (name.clone(), case.epoch + 1, case.value.clone());
    joined.cases.insert_mut(name, Versioned { epoch, value });
    assert!(!reads.still_hold(&joined, 5, message.now));
    let mut declared = message.standing.clone();
    let normal = at_level(9, Level::Normal);
    declared.measures.insert_mut(id("customs"), normal);
    assert!(!reads.still_hold(&declared, 5, message.now));
    declared.measures = ByKey::default();
    let closed = at_level(9, Level::Closed);
    declared.measures.insert_mut(id("police"), closed);
    assert!(
        reads.still_hold(&declared, 5, message.now),
        "others' levels are not read"
    );
}

#[test]
fn a_rule_on_time_holds_to_the_millisecond_that_the_ruling_names() {
    let rulebook = rulebook();
    let mut order = order();
    let until = later(noon(), 3600);
    let reads = order.rule(&rulebook).reads;
    assert_eq!(reads.valid_until, Some(until));
    order.now = Timestamp::from_millis(until.as_millis() - 1);
    assert_ne!(order.gets(&rulebook, "police/main"), "-");
    order.now = until;
    assert_eq!(order.gets(&rulebook, "police/main"), "-");
}

#[test]
fn an_agreement_opens_between_its_dates_and_not_while_suspended() {
    let book = rulebook();
    let mut declaration = export();
    assert_eq!(
        declaration.gets(&book, "customs-xa/main"),
        "reference party goods"
    );
    declaration.now = Timestamp::from_rfc3339("2029-07-01T00:00:00Z").unwrap();
    assert_eq!(declaration.gets(&book, "customs-xa/main"), "-");
    let mut bundle = bundle();
    let text = bundle.text("policies/agreements.toml").unwrap();
    let text = text.replace("suspended = false", "suspended = true");
    bundle.insert("policies/agreements.toml", text);
    assert_eq!(
        export().gets(&rulebook_of(&bundle).unwrap(), "customs-xa/main"),
        "-"
    );
}

#[test]
fn an_agreement_is_a_tag_while_it_is_in_force_whatever_the_rule_says() {
    let rulebook = rulebook_with(
        r#"@id("by-tag") @title("x") @basis("x") @reason("x") @owner("customs") @retain("90d")
        @onward("none")
        permit (principal in Border::Agency::"customs-xa",
          action in [Border::Action::"receive", Border::Action::"disclose:goods"],
          resource is Border::RiskAssessment in Border::Agency::"customs")
        when { principal.hasTag("MAT-2019-7") };"#,
    );
    let begins = Timestamp::from_rfc3339("2019-07-01T00:00:00Z").unwrap();
    let ends = Timestamp::from_rfc3339("2029-07-01T00:00:00Z").unwrap();
    let a_moment_before = |time: Timestamp| Timestamp::from_millis(time.as_millis() - 1);
    let mut message = Message::new("customs/main", "risk.assessment");
    for (now, gets, until) in [
        (a_moment_before(begins), "-", Some(begins)),
        (begins, "goods", Some(later(begins, 0))),
        (noon(), "goods", Some(ends)),
        (a_moment_before(ends), "goods", Some(ends)),
        (ends, "-", Some(later(ends, 0))),
    ] {
        message.now = now;
        assert_eq!(message.gets(&rulebook, "customs-xa/main"), gets, "{now}");
        // At a border itself, a comparison with it may come out otherwise a moment later.
        let until = until.map(|until| {
            let moment = Timestamp::from_millis(now.as_millis() + 1);
            until.max(moment)
        });
        assert_eq!(message.rule(&rulebook).reads.valid_until, until, "{now}");
    }
    let told = |now: Timestamp| {
        message.ask(&rulebook, |request| {
            let in_force = InForce {
                rulebook: &rulebook,
                standing: &message.standing,
                now,
            };
            let lacking = unmet(&id("customs-xa/main"), request, &in_force, Mask::ALL);
            lacking.iter().map(ToString::to_string).collect::<String>()
        })
    };
    for (now, says) in [
        (
            ends,
            "agreement MAT-2019-7 (MAT-2019-7 ended on 2029-07-01)",
        ),
        (a_moment_before(begins), "(MAT-2019-7 begins on 2019-07-01)"),
    ] {
        assert!(told(now).contains(says), "{}", told(now));
    }
}

#[test]
fn error_withholds() {
    let failing = |effect: &str, action: &str, more: &str| {
        format!(
            r#"@id("failing") @title("x") @basis("x") @reason("x") @owner("customs") {more}
            {effect} (principal in Border::Agency::"police", action == Border::Action::"{action}",
              resource in Border::Agency::"customs")
            when {{ resource.risk * 9223372036854775807 >= 0 }};"#
        )
    };
    let message = export()
        .case("CASE-1", &["customs", "police"])
        .quoting("CASE-1")
        .fact("risk", FactValue::Long(2));
    let rulebook = rulebook_with(&failing("forbid", "disclose:goods", ""));
    assert_eq!(message.gets(&rulebook, "police/main"), "reference route");
    assert_eq!(message.rule(&rulebook).errors, [id("failing")]);
    let obligations = "@retain(\"1d\") @onward(\"none\")";
    let rulebook = rulebook_with(&failing("permit", "disclose:goods", obligations));
    assert_eq!(message.gets(&rulebook, "police/main"), "reference route");
    let rulebook = rulebook_with(&failing("forbid", "receive", ""));
    assert_eq!(
        message.outcome(&rulebook, "police/main"),
        Outcome::Refused(Refused::Failed)
    );
}

#[test]
fn facts_that_cannot_be_built_refuse_the_message_to_all() {
    let rulebook = rulebook();
    let far = Timestamp::from_millis(i64::MAX);
    let order = order().fact("until", FactValue::Time(far));
    let ruling = order.rule(&rulebook);
    assert_eq!(releases(&ruling).count(), 0);
    assert!(
        ruling
            .verdicts
            .iter()
            .all(|v| v.outcome == Outcome::Refused(Refused::Failed))
    );
}

#[test]
fn the_strictest_obligations_of_all_permits_hold_and_handling_adds_to_them() {
    let rulebook = rulebook_with(
        r#"@id("more") @title("x") @basis("x") @reason("x") @owner("customs") @retain("90d")
        @onward("same-purpose")
        permit (principal in Border::Agency::"police", action == Border::Action::"disclose:party",
          resource in Border::Agency::"customs") when { resource.risk >= 60 };"#,
    );
    let mut message = export()
        .case("CASE-1", &["customs", "police"])
        .quoting("CASE-1")
        .fact("risk", FactValue::Long(60));
    message.question.asked.to_mut().handling = Onward::NoOnward;
    let Outcome::Released(released) = message.outcome(&rulebook, "police/main") else {
        panic!("released");
    };
    assert_eq!(released.policies, [id("customs-police-case"), id("more")]);
    assert_eq!(
        (released.retain_days, released.onward),
        (90, Onward::NoOnward)
    );
}

#[test]
fn a_redelivery_takes_what_both_rulings_give() {
    let rulebook = rulebook();
    let mut item = Message::new("post/main", "postal.item");
    let release = |item: &Message| match item.outcome(&rulebook, "customs/main") {
        Outcome::Released(released) => released,
        Outcome::Refused(refused) => panic!("{refused:?}"),
    };
    let clear = release(&item);
    item.question.quotes = Cow::Owned(set(&["environment"]));
    let token = release(&item);
    let holds = rulebook.catalogue().get("postal.item").unwrap().holds;
    for both in [
        clear.intersect(&token, holds).unwrap(),
        token.intersect(&clear, holds).unwrap(),
    ] {
        assert_eq!(both.mask, token.mask);
    }
    let mut nothing = clear.clone();
    nothing.mask = Mask::NONE;
    assert_eq!(clear.intersect(&nothing, holds), None);
}

#[test]
fn a_system_sends_what_its_entry_and_the_type_allow() {
    let rulebook = rulebook();
    let order = rulebook.catalogue().get("control.order").unwrap();
    assert!(may_send(
        &peer(&rulebook, "customs", "control.order"),
        order
    ));
    assert!(may_send(&peer(&rulebook, "customs", "control.*"), order));
    assert!(!may_send(&peer(&rulebook, "customs", "postal.item"), order));
    assert!(!may_send(&peer(&rulebook, "post", "control.order"), order));
}
