//! What time alone changes, while commands never stop coming.

use std::time::Duration;

use bytes::Bytes;
use carnet::backbone::start::recover;
use carnet::broker::command::{Ask, Command};
use carnet::broker::committer::Committer;
use carnet::broker::ids::{ConnectionId, Origin};
use carnet::message::time::Timestamp;
use carnet_disk::SimVfs;

use crate::border::{Admitted, Border, noon};
use crate::recovered::{data, options};

const CUSTOMS: ConnectionId = ConnectionId(1);

/// How many keys some agency has an open order on.
fn bound(committer: &Committer<SimVfs>) -> usize {
    let standing = committer.ledger().register().standing();
    let orders = standing.orders.values();
    orders.filter(|order| !order.value.is_empty()).count()
}

#[test]
fn an_order_ends_at_its_deadline_however_much_is_asked_of_the_broker() {
    let border = Border::read();
    let mut committer = recover(&SimVfs::new(1), data(), &options())
        .unwrap()
        .committer;
    committer.begin(&border.genesis()).unwrap();
    let mut now = noon();
    let step = |committer: &mut Committer<SimVfs>, commands, now: Timestamp| {
        committer.step(commands, now).unwrap().view_changed
    };
    let peer = border.peer("customs", "declarations");
    let unit = peer.unit.id.clone();
    let connection = CUSTOMS;
    step(
        &mut committer,
        vec![Command::Attach {
            connection,
            unit,
            system: "post/items".parse().unwrap(),
            releases: true,
        }],
        now,
    );
    let to = [("to", "environment/main+post/main")];
    let mut order = border.publish("control.order/valid/story-03", "m-1", &to);
    let text = String::from_utf8(order.body.to_vec()).unwrap();
    let late = text.replace("17T12:00:00+01:00", "16T13:00:05+01:00");
    assert_ne!(text, late);
    order.body = Bytes::from(late);
    let view = border.view(committer.ledger().register().standing());
    let origin = Origin {
        connection,
        channel: 1,
        serial: 1,
        confirm: Some(1),
    };
    let submission = Admitted::new(&peer, &order, &view, now).submission();
    step(
        &mut committer,
        vec![Command::Submit(origin, submission)],
        now,
    );
    assert!(bound(&committer) > 0, "the order is in force");
    let deadline = noon().plus(Duration::from_secs(5));
    let mut told = 0;
    while now < deadline.plus(Duration::from_millis(50)) {
        now = now.plus(Duration::from_millis(10));
        let (channel, ask) = (1, Ask::Cancel(7));
        let asked = Command::Ask {
            connection,
            channel,
            ask,
        };
        told += u32::from(step(&mut committer, vec![asked], now));
        assert!(now >= deadline || bound(&committer) > 0, "it ended early");
    }
    assert_eq!(bound(&committer), 0, "it is over");
    assert_eq!(told, 1, "the view was published, once");
}
