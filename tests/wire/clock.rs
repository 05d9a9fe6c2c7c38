//! The wall clock steps back under a running broker: time, as the log has it, does not.

use std::process::Command;

use serde_json::Value as Json;

use crate::broker::{Broker, example};
use crate::client::{Client, Message};
use crate::faults::Faults;

const TWO_HOURS: i64 = 7_200;

fn item(id: &str) -> Message {
    let body = example("postal.item/valid/ornaments");
    Message::of_type("postal.item", id, &body)
}

/// Times of all receipts so far, in their order.
fn receipt_times(client: &mut Client) -> Vec<String> {
    let receipts = std::iter::from_fn(|| client.get("receipts", true));
    receipts
        .map(|receipt| {
            let receipt: Json = serde_json::from_str(&receipt.body).expect("JSON");
            receipt["time"].as_str().expect("a time").to_owned()
        })
        .collect()
}

#[test]
fn a_clock_that_steps_back_expires_nothing_repeats_nothing_and_turns_no_time_back() {
    let faults = Faults::new();
    let broker = Broker::start_with(|command| faults.load(command));
    let mut post = broker.connect("post-items").confirming();
    let mut customs = broker.connect("customs-declarations");
    assert_eq!(post.publish(&item("c-1")).returned, None);
    let first = customs.wait_for("inbox");
    faults.step_clock(-TWO_HOURS);
    // A minute to live is a minute, though two hours ago it would be over.
    assert_eq!(post.publish(&short_lived("c-2")).returned, None);
    let second = customs.wait_for("inbox");
    assert!(second.properties.timestamp >= first.properties.timestamp);
    // A repeat is one, in the window of 24 hours.
    assert_eq!(post.publish(&item("c-1")).returned, None);
    assert_eq!(post.publish(&item("c-3")).returned, None);
    customs.wait_for("inbox");
    assert_eq!(customs.get("inbox", true), None, "the repeat made none");
    let times = receipt_times(&mut post);
    assert_eq!(times.len(), 3);
    assert!(times.is_sorted(), "{times:?}");
    // The same over a restart, with the clock still behind.
    drop((post, customs));
    broker.terminate();
    let (status, data) = broker.ended_with_data();
    assert_eq!(status.code(), Some(0));
    faults.step_clock(0);
    let broker = Broker::start_in(data, |command| faults.load(command));
    let mut post = broker.connect("post-items").confirming();
    let mut customs = broker.connect("customs-declarations");
    faults.step_clock(-TWO_HOURS);
    assert_eq!(post.publish(&item("c-3")).returned, None);
    assert_eq!(post.publish(&short_lived("c-4")).returned, None);
    customs.wait_for("inbox");
    assert_eq!(customs.get("inbox", true), None);
    let later = receipt_times(&mut post);
    assert_eq!(later.len(), 1);
    assert!(times.last() <= later.first());
}

fn short_lived(id: &str) -> Message {
    item(id).with(|p| p.expiration = Some("60000".to_owned()))
}

#[test]
fn a_clock_that_is_ahead_for_one_message_is_told_and_both_times_are_shown() {
    let faults = Faults::new();
    let broker = Broker::start_with(|command| faults.load(command));
    let mut post = broker.connect("post-items").confirming();
    assert_eq!(post.publish(&item("before")).returned, None);
    faults.step_clock(TWO_HOURS);
    broker.logged("the clock has gone on by more than a minute at once");
    assert_eq!(post.publish(&item("ahead")).returned, None);
    faults.step_clock(0);
    broker.logged("the clock was set back");
    let ahead = broker.logged("the log's time is ahead of the clock");
    assert!(ahead.contains("ahead_s=7"), "{ahead}");
    assert_eq!(post.publish(&item("behind")).returned, None);
    drop(post);
    broker.terminate();
    let (status, data) = broker.ended_with_data();
    assert_eq!(status.code(), Some(0));
    // The next run says so as well.
    let broker = Broker::start_in(data, |_| {});
    broker.logged("the log's time is ahead of the clock");
    let shown = Command::new(env!("CARGO_BIN_EXE_carnet"))
        .args(["log", "tail", "-n", "100", "--data"])
        .arg(broker.data())
        .output()
        .expect("it runs");
    let shown = String::from_utf8(shown.stdout).expect("text");
    let exchanges = shown.lines().filter(|line| line.contains("  exchange  "));
    let apart: Vec<bool> = exchanges.map(|line| line.contains("(clock ")).collect();
    assert_eq!(apart, [false, false, true], "{shown}");
}
