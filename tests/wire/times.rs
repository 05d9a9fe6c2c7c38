//! Times in messages: what no rule could read is refused with its place, and what is past has passed.

use crate::broker::{Broker, example};
use crate::client::{Client, Message};

const ORDERED: &str = "2026-03-17T12:00:00+01:00";

/// The order of the story on an item, with another deadline.
fn order(id: &str, deadline: &str) -> Message {
    let body = example("control.order/valid/story-03").replace(ORDERED, deadline);
    let order = Message::of_type("control.order", id, &body);
    order.header("to", "environment/main")
}

/// What happens to the item reaches the environment agency while it holds an open order on it.
fn is_told(post: &mut Client, environment: &mut Client, id: &str) -> bool {
    let event = example("movement.event/valid/story-04");
    let event = Message::of_type("movement.event", id, &event);
    assert_eq!(post.publish(&event).returned, None);
    let mut keys = Vec::new();
    while let Some(got) = environment.get("inbox", true) {
        keys.push(got.key);
    }
    keys.contains(&"movement.event.post".to_owned())
}

#[test]
fn an_order_whose_deadline_is_past_is_over_however_long_ago_that_is() {
    let broker = Broker::start();
    let mut customs = broker.connect("customs-declarations").confirming();
    let mut post = broker.connect("post-items").confirming();
    let mut environment = broker.connect("environment-permits");
    let deadlines = [
        "2026-03-17T12:00:00+01:00",
        "1970-01-01T00:00:00.001Z",
        "1970-01-01T00:00:00Z",
        "1969-12-31T23:59:59Z",
        "0000-01-01T00:00:00Z",
    ];
    for (turn, deadline) in deadlines.into_iter().enumerate() {
        let never = order(&format!("never-{turn}"), deadline);
        assert_eq!(customs.publish(&never).returned, None, "{deadline}");
        let event = format!("e-{turn}-1");
        assert!(!is_told(&mut post, &mut environment, &event), "{deadline}");
        let open = order(&format!("open-{turn}"), "2099-03-17T12:00:00+01:00");
        assert_eq!(customs.publish(&open).returned, None);
        let event = format!("e-{turn}-2");
        assert!(is_told(&mut post, &mut environment, &event), "{deadline}");
        let over = order(&format!("over-{turn}"), deadline);
        assert_eq!(customs.publish(&over).returned, None, "{deadline}");
        let event = format!("e-{turn}-3");
        assert!(!is_told(&mut post, &mut environment, &event), "{deadline}");
    }
}

#[test]
fn a_time_that_no_rule_can_read_is_refused_with_its_place_and_the_last_that_one_can_is_not() {
    let broker = Broker::start();
    let mut police = broker.connect("police-operations").confirming();
    let mut customs = broker.connect("customs-declarations");
    let alert = example("police.alert/valid/story-09");
    let (_, rest) = alert
        .split_once("\"ValidUntilDateTime\": \"")
        .expect("its end");
    let (end, _) = rest.split_once('"').expect("a text");
    let until =
        |id: &str, time: &str| Message::of_type("police.alert", id, &alert.replace(end, time));
    for time in [
        "9999-12-30T22:00:00.001Z",
        "9999-12-31T00:00:00Z",
        "9999-12-31T23:59:59-12:00",
        "0000-01-01T00:00:00+14:00",
    ] {
        let (code, text) = police.publish(&until("refused", time)).refusal();
        assert_eq!(code, 406, "{time}: {text}");
        assert!(
            text.contains("/ValidUntilDateTime") && text.contains("(range)"),
            "{time}: {text}"
        );
        assert_eq!(customs.get("inbox", true), None, "{time}");
    }
    let last = until("last", "9999-12-30T22:00:00Z");
    assert_eq!(police.publish(&last).returned, None);
    assert_eq!(customs.wait_for("inbox").key, "police.alert.police");
}
