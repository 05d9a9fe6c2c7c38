//! Every budget, filled to its bound by one agency: what it is told, and what it costs nobody else.

use crate::broker::Broker;
use crate::client::declare;
use crate::octets::{Table, method};

const PASSIVE: u8 = 1;
const NO_WAIT: u8 = 16;

#[test]
fn requests_that_want_no_answer_are_read_as_they_are_answered() {
    const REQUESTS: usize = 200_000;
    let broker = Broker::start();
    let mut post = broker.connect("post-items");
    post.declare("work", 2, &Table::new());
    let one = declare("work", PASSIVE | NO_WAIT, &Table::new());
    let all = method(1, (50, 10), one).repeat(REQUESTS);
    broker.forget_peak();
    let before = broker.peak_bytes();
    post.wire.send(&all);
    post.quiet();
    let grown = broker.peak_bytes().saturating_sub(before);
    assert!(2 * grown < all.len(), "{grown} of {}", all.len());
}
