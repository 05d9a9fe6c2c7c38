//! Rulings against Cedar's own `Authorizer`, on random messages and standing.

use std::borrow::Cow;
use std::collections::BTreeSet;

use carnet::agency::registry::Party;
use carnet::message::facts::FactValue;
use carnet::message::id::KeyedDigest;
use carnet::message::time::Timestamp;
use carnet::policy::measures::{Level, Measures, Permits, Until};
use carnet::policy::reference::compare;
use carnet::policy::rulebook::Rulebook;
use carnet::policy::standing::{Case, Versioned};
use carnet::policy::words::Actions;
use proptest::prelude::*;
use proptest::sample::subsequence;

use super::fixture::{Message, id, noon, rulebook_under, set};

/// Rules that fail for some facts, and heads of every form.
const MORE: &str = r#"
@id("failing-forbid") @title("x") @basis("x") @reason("x") @owner("customs")
forbid (principal is Border::Unit in Border::Agency::"police",
  action in Border::Action::"disclose:reference", resource in Border::Agency::"customs")
when { resource.risk * 9000000000000000000 > 0 };
@id("failing-permit") @title("x") @basis("x") @reason("x") @owner("customs") @retain("1d")
@onward("none")
permit (principal is Border::Unit, action in [Border::Action::"disclose:goods",
  Border::Action::"disclose:reference.token"], resource in Border::Agency::"customs")
when { resource.risk + 9223372036854775000 > 0 }
unless { resource.addressees.contains(principal) || resource.answers.isEmpty() };
@id("one-unit") @title("x") @basis("x") @reason("x") @owner("customs") @retain("1d") @onward("none")
permit (principal == Border::Unit::"customs/investigation",
  action == Border::Action::"disclose:reference", resource in Border::Agency::"customs")
when { context has case && context.case.areas.contains(Border::Area::"drugs") };
@id("by-tag") @title("x") @basis("x") @reason("x") @owner("customs") @retain("1d") @onward("none")
permit (principal, action in [Border::Action::"receive", Border::Action::"disclose:route"],
  resource in Border::Agency::"customs")
when { principal.hasTag("MAT-2019-7") && principal.country == "XA" };
@id("level-two") @title("x") @basis("x") @reason("x") @owner("customs")
forbid (principal, action == Border::Action::"receive", resource in Border::Agency::"customs")
when { resource.sender.country != principal.country && !(resource.hs.contains("06")) };
@id("as-far-as-rules-look") @title("x") @basis("x") @reason("x") @owner("customs")
forbid (principal, action in [Border::Action::"disclose:goods", Border::Action::"disclose:party"],
  resource in Border::Agency::"customs")
when { (principal.agency.kind == Border::Kind::"police" ||
    principal.agency in Border::Group::"some") &&
  resource.sender in Border::Group::"senders" && resource in Border::Group::"senders" }
unless { principal in Border::Group::"some" &&
  resource.sender == Border::Unit::"customs/main" };
"#;

/// Permits of which some may be suspended: with those that fail.
const PERMITS: [&str; 6] = [
    "customs-environment-regulated",
    "customs-police-declarations",
    "failing-permit",
    "one-unit",
    "by-tag",
    "post-customs",
];

/// Beside the board of the fixture: rules look from an agency to its groups, and no further.
const BOARD: &str = r#"[board]
quorum = 2
members = ["customs", "post"]
floor = ["floor-secret", "floor-quoted-token", "floor-originator", "floor-officer"]
[[group]]
id = "some"
members = ["environment", "customs-xa"]
[[group]]
id = "senders"
members = ["customs", "post"]
"#;

const AGENCIES: [&str; 5] = ["customs", "police", "environment", "post", "customs-xa"];
const UNITS: [&str; 6] = [
    "customs/main",
    "customs/investigation",
    "police/main",
    "environment/main",
    "post/main",
    "customs-xa/main",
];

fn some<const N: usize>(words: [&'static str; N]) -> impl Strategy<Value = Vec<&'static str>> {
    subsequence(words.to_vec(), 0..=N)
}

fn from() -> impl Strategy<Value = (&'static str, &'static str)> {
    prop::sample::select(vec![
        ("post/main", "postal.item"),
        ("customs/main", "control.order"),
        ("customs/investigation", "control.order"),
        ("customs/main", "declaration.export"),
        ("police/main", "seizure.report"),
        ("customs/main", "seizure.report"),
    ])
}

prop_compose! {
    fn message()(
        (unit, message_type) in from(),
        hs in some(["01", "06", "0507", "3926"]),
        areas in some(["aml", "heritage", "drugs", "environment", "ipr", "revenue", "security"]),
        (secret, risk) in (any::<bool>(), prop::sample::select(vec![0, 1, 2, 59, 60, 900])),
        until_s in -2_i64..3,
        (to, quotes, bans, orders, members) in (
            prop::option::of(some(UNITS)), some(AGENCIES), some(AGENCIES), some(AGENCIES),
            some(AGENCIES),
        ),
        (answers, open, quoted) in (some(UNITS), any::<bool>(), any::<bool>()),
        level in prop::sample::select(vec![Level::Normal, Level::Fallback]),
        suspended in prop::option::weighted(0.3, prop::option::of(some(PERMITS))),
        year in 2018_i64..2031,
    ) -> Message {
        let now = Timestamp::from_rfc3339(&format!("{year}-07-01T00:00:00Z")).unwrap_or(noon());
        let until = Timestamp::from_millis(now.as_millis() + until_s);
        let mut message = Message::new(unit, message_type)
            .hs(&hs)
            .areas(&areas)
            .fact("secret", FactValue::Bool(secret))
            .fact("risk", FactValue::Long(risk))
            .fact("until", FactValue::Time(until));
        message.now = now;
        message.question.asked.to_mut().to = to.unwrap_or_default().into_iter().map(id).collect();
        message.question.quotes = Cow::Owned(set(&quotes));
        message.question.answers = set(&answers);
        message.question.asked.to_mut().case = quoted.then(|| "CASE-1".to_owned());
        message.question.own_keys = vec![KeyedDigest([1; 16])];
        let standing = &mut message.standing;
        let case = Case { areas: set(&areas), members: set(&members) };
        if open {
            standing.cases.insert_mut(id("CASE-1"), Versioned { epoch: 1, value: case });
        }
        let sender = message.from.agency.clone();
        let bans: BTreeSet<_> = if bans.len() < 3 { set(&bans) } else { BTreeSet::new() };
        standing.bans.insert_mut((id("CASE-1"), Party::Agency(sender.clone())), Versioned { epoch: 2, value: bans });
        let permits = suspended.map(|named| named.map_or(Permits::All, |it| Permits::Named(set(&it))));
        let measures = Measures {
            level: Some(Until { value: level, end: None }),
            suspended: permits.into_iter().map(|value| Until { value, end: None }).collect(),
        };
        standing.measures.insert_mut(sender, Versioned { epoch: 3, value: measures });
        let orders = Versioned { epoch: 4, value: set(&orders).into_iter().map(|it| (Party::Agency(it), None)).collect() };
        standing.orders.insert_mut(KeyedDigest([1; 16]), orders);
        message
    }
}

fn differences(rulebook: &Rulebook, message: &Message) -> Vec<String> {
    let ask = |unit: &&str| {
        let unit = id(unit);
        let both = message.ask(rulebook, |request| {
            compare(&unit, request, rulebook, &message.standing, message.now)
        });
        let both = both.expect("the facts can be built");
        (both.slices != both.cedar).then(|| format!("{unit}: {both:?}"))
    };
    UNITS.iter().filter_map(ask).collect()
}

thread_local! {
    static RULEBOOK: Rulebook = rulebook_under(BOARD, MORE);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]

    #[test]
    fn time_alone_changes_no_ruling_before_the_instant_it_names(
        message in message(), wait_ms in 0_i64..100_000_000_000,
    ) {
        let ruling = RULEBOOK.with(|rulebook| message.rule(rulebook));
        let end = ruling.reads.valid_until.map_or(i64::MAX, Timestamp::as_millis);
        let mut later = message.clone();
        later.now = Timestamp::from_millis((message.now.as_millis() + wait_ms).min(end - 1));
        prop_assert!(ruling.reads.still_hold(&message.standing, 0, later.now));
        let again = RULEBOOK.with(|rulebook| later.rule(rulebook));
        prop_assert_eq!(ruling.verdicts, again.verdicts);
    }

    #[test]
    fn rulings_equal_cedars_answer_for_every_action(message in message()) {
        let found = RULEBOOK.with(|rulebook| differences(rulebook, &message));
        prop_assert_eq!(found, Vec::<String>::new());
    }
}

#[test]
fn the_comparison_sees_releases_and_refusals_alike() {
    let rulebook = rulebook_under(BOARD, MORE);
    let ask = |message: &Message, unit: &str| {
        let both = message.ask(&rulebook, |request| {
            compare(
                &id(unit),
                request,
                &rulebook,
                &message.standing,
                message.now,
            )
        });
        both.unwrap().cedar
    };
    let item = Message::new("post/main", "postal.item").hs(&["06"]);
    assert!(ask(&item, "environment/main").receive);
    assert_eq!(ask(&item, "police/main"), Actions::NONE);
    // 2 * 9e18 overflows: the failing forbid takes the reference in both forms.
    let export = Message::new("customs/main", "declaration.export")
        .case("C", &["customs", "police"])
        .quoting("C")
        .fact("risk", FactValue::Long(2));
    assert!(
        !ask(&export, "police/main")
            .disclose
            .to_string()
            .contains("reference")
    );
}
