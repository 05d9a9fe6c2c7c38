//! A setting's documented range works at both its ends: the broker serves with it, and stops.

use std::process::Command;

use crate::broker::{Broker, example};
use crate::client::Message;

/// Settings with their least and their greatest value. `segment_mib` has a full disk at each end, in
/// `disk.rs`.
const ENDS: [(&str, &str, &str); 6] = [
    ("CARNET__RUNTIMES", "0", "256"),
    ("CARNET__HEARTBEAT_S", "0", "65535"),
    ("CARNET__SEGMENT_MIB", "8", "1024"),
    ("CARNET__DRAIN_S", "0", "86400"),
    ("CARNET__REPEAT_HOURS", "1", "168"),
    ("CARNET__KNOWN_IDS", "16", "100000000"),
];

#[test]
fn every_setting_serves_at_both_its_ends() {
    for greatest in [false, true] {
        let broker = Broker::start_with(|command: &mut Command| {
            for (setting, least, most) in ENDS {
                command.env(setting, if greatest { most } else { least });
            }
        });
        let mut post = broker.connect("post-items").confirming();
        let mut customs = broker.connect("customs-declarations");
        for id in ["one", "two", "one"] {
            let body = example("postal.item/valid/ornaments");
            let message = Message::of_type("postal.item", id, &body);
            assert_eq!(post.publish(&message).returned, None);
        }
        for sequence in ["1", "2"] {
            let item = customs.wait_for("inbox");
            assert_eq!(item.properties.header("x-carnet-sequence"), sequence);
        }
        assert_eq!(customs.get("inbox", true), None, "the repeat made none");
        post.quiet();
        drop((post, customs));
        broker.terminate();
        assert_eq!(broker.ended().code(), Some(0), "greatest: {greatest}");
    }
}
