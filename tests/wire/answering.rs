//! What an answer brings back to who asked, and what two recipients could compare.

use crate::broker::{Broker, example};
use crate::client::{Delivery, Message};

fn inquiry(id: &str) -> Message {
    Message::of_type(
        "inquiry.request",
        id,
        &example("inquiry.request/valid/story-05"),
    )
    .header("to", "environment/main")
}

fn answer(id: &str, to: &Delivery) -> Message {
    let answered = to.properties.message_id.clone();
    Message::of_type(
        "inquiry.response",
        id,
        &example("inquiry.response/valid/story-06"),
    )
    .header("to", "customs/main")
    .with(|properties| properties.correlation_id = answered)
}

#[test]
fn an_answer_comes_under_the_askers_own_id_and_not_under_the_one_it_was_answered_by() {
    let broker = Broker::start();
    let mut customs = broker.connect("customs-declarations").confirming();
    let mut environment = broker.connect("environment-permits").confirming();
    assert_eq!(customs.publish(&inquiry("asked-1")).returned, None);
    let asked = environment.wait_for("inbox");
    let id = asked.properties.message_id.clone().expect("an id");
    assert!(!id.contains("asked-1"), "{id}");
    assert_eq!(asked.properties.correlation_id, None);

    assert_eq!(
        environment.publish(&answer("answer-1", &asked)).returned,
        None
    );
    let answered = customs.wait_for("inbox");
    assert_eq!(answered.key, "inquiry.response.environment");
    assert_eq!(
        answered.properties.correlation_id.as_deref(),
        Some("asked-1")
    );
    assert_ne!(answered.properties.message_id, Some(id));
}

#[test]
fn two_recipients_of_one_message_find_no_id_that_both_were_given() {
    let broker = Broker::start();
    let mut post = broker.connect("post-items").confirming();
    let item = example("postal.item/valid/orchids");
    let item = Message::of_type("postal.item", "shared", &item);
    assert_eq!(post.publish(&item).returned, None);
    let seen = ["customs-declarations", "environment-permits"].map(|system| {
        let mut client = broker.connect(system);
        client.wait_for("inbox").properties
    });
    let [customs, environment] = seen;
    assert!(customs.message_id.is_some() && environment.message_id.is_some());
    assert_ne!(customs.message_id, environment.message_id);
    for properties in [&customs, &environment] {
        let id = properties.message_id.as_deref().expect("checked");
        assert!(!id.contains("shared"), "{id}");
        let others = (
            &properties.correlation_id,
            &properties.reply_to,
            &properties.app_id,
        );
        assert_eq!(others, (&None, &None, &None));
    }
}

#[test]
fn answers_that_are_read_back_from_the_disk_come_in_order_each_under_the_askers_id() {
    const ASKED: usize = 40;
    let broker = Broker::start();
    let mut customs = broker.connect("customs-declarations").confirming();
    let mut environment = broker.connect("environment-permits").confirming();
    for number in 0..ASKED {
        assert_eq!(
            customs
                .publish(&inquiry(&format!("asked-{number}")))
                .returned,
            None
        );
        let asked = environment.wait_for("inbox");
        let answered = answer(&format!("answer-{number}"), &asked);
        assert_eq!(environment.publish(&answered).returned, None);
    }
    drop((customs, environment));
    broker.terminate();
    let (ended, data) = broker.ended_with_data();
    assert_eq!(ended.code(), Some(0));
    let broker = Broker::start_in(data, |_| {});
    let mut customs = broker.connect("customs-declarations");
    let no_ack = 2;
    customs.consume("inbox", "answers", no_ack);
    for number in 0..ASKED {
        let answered = customs.delivery().properties;
        assert_eq!(answered.correlation_id, Some(format!("asked-{number}")));
    }
}
