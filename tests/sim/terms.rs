//! What a release gives and asks of its unit: a newer rulebook narrows both, and widens neither.

use carnet::broker::command::Settle;
use carnet::broker::delivery::{Prepared, Rendered, Shown, prepare};

use crate::border::publish;
use crate::desk::{Desk, Place};

const RULES: &str = "policies/post.cedar";

fn header(rendered: &Rendered, name: &str) -> String {
    let Shown::Made(made) = &rendered.properties else {
        panic!("not a release");
    };
    let mut headers = made.headers.iter();
    let found = headers.find(|(header, _)| *header == name);
    found.unwrap_or_else(|| panic!("no {name}")).1.clone()
}

/// What customs are shown of the one item in their inbox, which stays there.
fn shown(desk: &mut Desk, customs: Place) -> Rendered {
    let deliver = desk.get(customs, "inbox").expect("an item");
    let rendered = desk.shown(customs, &deliver);
    desk.settle(&deliver, Settle::Requeue);
    rendered
}

#[test]
fn stricter_obligations_apply_to_what_waits_and_milder_ones_do_not() {
    let mut desk = Desk::open();
    let (post, customs) = (
        desk.seat("post", "items"),
        desk.seat("customs", "declarations"),
    );
    desk.example(post, "postal.item/valid/ornaments", "p-1", &[]);
    let first = shown(&mut desk, customs);
    let obligations = |rendered: &Rendered| {
        ["x-carnet-retain-days", "x-carnet-onward"].map(|name| header(rendered, name))
    };
    assert_eq!(obligations(&first), ["1825", "same-purpose"]);
    let stricter = [
        (RULES, "@retain(\"1825d\")", "@retain(\"30d\")"),
        (RULES, "@onward(\"same-purpose\")", "@onward(\"no-onward\")"),
    ];
    desk.activate(&stricter);
    let second = shown(&mut desk, customs);
    assert_eq!(obligations(&second), ["30", "no-onward"]);
    assert_eq!(second.body, first.body, "the data is what it was");
    let rulebook = |rendered: &Rendered| header(rendered, "x-carnet-rulebook");
    assert_ne!(rulebook(&second), rulebook(&first));
    desk.activate(&[
        (RULES, "@retain(\"30d\")", "@retain(\"2000d\")"),
        (RULES, "@onward(\"no-onward\")", "@onward(\"none\")"),
    ]);
    let third = shown(&mut desk, customs);
    assert_eq!(obligations(&third), ["30", "no-onward"]);
    assert_ne!(
        rulebook(&third),
        rulebook(&second),
        "it names the rules of now"
    );
}

#[test]
fn what_is_narrowed_stays_so_wherever_it_moves_and_after_a_restart() {
    let mut desk = Desk::open();
    let (post, customs) = (
        desk.seat("post", "items"),
        desk.seat("customs", "declarations"),
    );
    desk.example(post, "postal.item/valid/ornaments", "p-1", &[]);
    desk.activate(&[(RULES, "@retain(\"1825d\")", "@retain(\"30d\")")]);
    let deliver = desk.get(customs, "inbox").unwrap();
    desk.shown(customs, &deliver);
    desk.settle(&deliver, Settle::Reject);
    desk.activate(&[(RULES, "@retain(\"30d\")", "@retain(\"1825d\")")]);
    let dead = desk.get(customs, "dead").expect("it was rejected");
    let rendered = desk.shown(customs, &dead);
    assert_eq!(header(&rendered, "x-carnet-retain-days"), "30");
    assert_eq!(dead.overlay.narrowed.map(|left| left.retain_days), Some(30));
}

#[test]
fn what_was_narrowed_by_rules_of_the_past_is_not_recorded_and_ruled_anew() {
    let mut desk = Desk::open();
    let (post, customs) = (
        desk.seat("post", "items"),
        desk.seat("customs", "declarations"),
    );
    desk.example(post, "postal.item/valid/ornaments", "p-1", &[]);
    let deliver = desk.get(customs, "inbox").unwrap();
    desk.activate(&[(RULES, "@retain(\"1825d\")", "@retain(\"30d\")")]);
    let unit = desk.border.peer("customs", "declarations").unit.id.clone();
    let (stored, view) = (desk.stored(&deliver), desk.view());
    let prepared = prepare(&deliver, &stored, &unit, &view, desk.now).unwrap();
    let Prepared::Narrow(less, queues) = prepared else {
        panic!("{prepared:?}");
    };
    let narrowing = deliver.narrowed(unit, desk.now, less, queues);
    // On the way to the core these rules are over.
    desk.activate(&[(RULES, "@retain(\"30d\")", "@retain(\"20d\")")]);
    let again = desk.narrowed(customs, &deliver, narrowing);
    assert_eq!(again.overlay.narrowed, None);
    let rendered = desk.shown(customs, &again);
    assert_eq!(header(&rendered, "x-carnet-retain-days"), "20");
}

#[test]
fn what_a_system_may_send_is_what_the_rulebook_of_the_commit_says() {
    let file = "agencies/customs-xa/agency.toml";
    let types = (
        "\"declaration.export\",",
        "\"declaration.export\", \"control.order\", \"case.open\",",
    );
    let mut desk = Desk::open();
    let abroad = desk.seat("customs-xa", "gateway");
    let order = desk.border.publish("control.order/valid/scan", "o-1", &[]);
    let case = publish("case.open", "c-1", br#"{"CaseID": "C-1"}"#, &[]);
    let refused = [&order, &case].map(|publish| desk.admitted(abroad, publish));
    desk.activate(&[(file, types.0, types.1)]);
    let abroad = desk.seat("customs-xa", "gateway");
    for submission in refused {
        assert!(
            desk.goes_back(abroad, submission),
            "it may send this by now"
        );
    }
    let taken = [&order, &case].map(|publish| desk.admitted(abroad, publish));
    desk.activate(&[(file, types.1, types.0)]);
    for submission in taken {
        assert!(desk.goes_back(abroad, submission), "it may not any more");
    }
    let abroad = desk.seat("customs-xa", "gateway");
    let refused = desk.admitted(abroad, &order);
    assert!(
        !desk.goes_back(abroad, refused),
        "nothing has changed since"
    );
}
