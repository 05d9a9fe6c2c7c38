//! Inputs as large as frames and bodies allow, where something small is meant: refused in plain
//! words, with nothing of them kept.

use crate::broker::Broker;
use crate::client::{Message, declare};
use crate::octets::{Table, Value};

#[test]
fn arguments_of_a_queue_have_a_bound_however_they_are_written() {
    let broker = Broker::start();
    let mut post = broker.connect("post-items");
    let long = Value::Text("x".repeat(60_000));
    let voids = Value::List(vec![Value::Void; 30_000]);
    for value in [long, voids] {
        let arguments: Table = vec![("x-note".to_owned(), value)];
        for passive in [0, 1] {
            let (code, text) = post.refused((50, 10), declare("big", 2 | passive, &arguments));
            assert_eq!(code, 406, "{text}");
            assert!(text.ends_with("take more than 4096 octets"), "{text}");
        }
    }
    let (code, _) = post.refused((50, 10), declare("big", 1, &Table::new()));
    assert_eq!(code, 404, "nothing was declared");
    let arguments = vec![("x-note".to_owned(), Value::Text("x".repeat(4_000)))];
    post.declare("big", 2, &arguments);
}

#[test]
fn a_case_has_no_more_areas_than_there_are_and_invites_no_crowd() {
    let broker = Broker::start();
    let mut customs = broker.connect("customs-investigation").confirming();
    let case = |areas: usize, invites: usize| {
        let areas = vec![r#""ipr""#; areas].join(",");
        let invites = vec![r#""police""#; invites].join(",");
        format!(r#"{{"CaseID": "C-1", "Areas": [{areas}], "Invites": [{invites}]}}"#)
    };
    for (n, (body, place)) in [
        (case(150_000, 1), "/Areas"),
        (case(1, 100_000), "/Invites"),
        (case(8, 1), "/Areas"),
        (case(1, 257), "/Invites"),
    ]
    .iter()
    .enumerate()
    {
        let open = Message::of_type("case.open", &format!("c-{n}"), body);
        let (code, text) = customs.publish(&open).refusal();
        assert_eq!(code, 406, "{text}");
        assert!(text.contains(place) && text.contains("limit"), "{text}");
    }
    let open = Message::of_type("case.open", "c-9", &case(1, 256));
    assert_eq!(customs.publish(&open).returned, None);
}
