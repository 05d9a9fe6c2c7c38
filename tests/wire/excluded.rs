//! What a system does that may not know of something, to find out: five scripts, each played in
//! rounds, by each excluded system.

use crate::broker::example;
use crate::client::{Client, Message, bind, named};
use crate::octets::Table;

/// The case of a controlled delivery, and one of customs and the police.
pub(crate) const SECRET_CASE: &str = "CASE-2026-0317";
pub(crate) const FOREIGN_CASE: &str = "CASE-2026-0900";

/// Who plays it, in which round.
pub(crate) type Play = fn(&mut Client, &str, usize);

pub(crate) const SCRIPTS: [(&str, Play); 5] = [
    ("probing", probing),
    ("publishing", publishing),
    ("repeating", repeating),
    ("cases", cases),
    ("queues", queues),
];

/// Each ends with a look at what came.
fn look(client: &mut Client) {
    for queue in ["inbox", "receipts"] {
        while client.get(queue, true).is_some() {}
    }
}

/// A message that this system may send.
fn own(system: &str, id: &str) -> Message {
    let (kind, file) = match system {
        "post-items" => ("postal.item", "postal.item/valid/ornaments"),
        "environment-permits" => ("permit.cites", "permit.cites/valid/ivory"),
        "police-operations" => ("seizure.report", "seizure.report/valid/story-14"),
        _ => ("declaration.export", "declaration.export/valid/orchids"),
    };
    Message::of_type(kind, id, &example(file))
}

fn probing(client: &mut Client, system: &str, round: usize) {
    let subject = example("control.order/valid/story-11");
    let event = example("movement.event/valid/story-04");
    for to in ["police/main", "customs/investigation", "nobody/main"] {
        for case in [SECRET_CASE, FOREIGN_CASE] {
            let id = format!("{round}-{to}-{case}");
            let order = Message::of_type("control.order", &id, &subject).header("case", case);
            client.publish(&order.header("to", to));
        }
        let id = format!("{round}-{to}-event");
        let event = Message::of_type("movement.event", &id, &event);
        client.publish(&event.header("to", to));
    }
    let id = |what: &str| format!("{round}-{what}");
    let correlated = |answered: String| {
        let answer = example("inquiry.response/valid/story-06");
        let answer = Message::of_type("inquiry.response", &id(&answered), &answer);
        answer.with(|p| p.correlation_id = Some(answered))
    };
    client.publish(&correlated(format!("cd1~AA{}", "Q".repeat(103))));
    client.publish(&own(system, &id("own")));
    look(client);
}

fn publishing(client: &mut Client, system: &str, round: usize) {
    let id = format!("{round}-fault");
    let plain = || own(system, &id);
    let faults = [
        plain().with(|p| p.message_id = None),
        plain().with(|p| p.user_id = Some("nobody-else".into())),
        plain().with(|p| p.content_encoding = Some("gzip".into())),
        plain().with(|p| p.expiration = Some("soon".into())),
        plain().header("x-carnet-sender", "1"),
        plain().header("to", " , "),
        plain().header("purpose", "curiosity"),
        Message::of_type("postal.parcel", &id, "{}"),
        Message::of_type("release.notice", &id, "{}"),
        Message::of_type("seizure.report", &id, "{"),
    ];
    for fault in faults {
        client.publish(&fault);
    }
    for to in [
        "customs/investigation",
        "customs/nobody",
        "police/main",
        "customs/main,customs/investigation",
    ] {
        let id = format!("{round}-to-{to}");
        client.publish(&own(system, &id).header("to", to));
    }
    for purpose in ["law-enforcement", "integrity"] {
        let id = format!("{round}-for-{purpose}");
        client.publish(&own(system, &id).header("purpose", purpose));
    }
    let odd = own(system, &format!("{round}-odd")).header("smuggled", "canary");
    client.publish(&odd.with(|p| p.correlation_id = Some("canary".into())));
    // The same id for another message.
    client.publish(&own(system, &format!("{round}-odd")).header("to", "police/main"));
    look(client);
}

/// The same ids in each round: repeats, of what was released and of what was refused for all.
fn repeating(client: &mut Client, system: &str, _: usize) {
    client.publish(&own(system, "released"));
    for case in [SECRET_CASE, FOREIGN_CASE] {
        let refused = own(system, &format!("refused-{case}")).header("case", case);
        client.publish(&refused.header("purpose", "integrity"));
    }
    if system == "post-items" {
        let event = example("movement.event/valid/story-04");
        let event = Message::of_type("movement.event", "event", &event);
        client.publish(&event);
        let refused = event.with(|p| p.message_id = Some("refused-event".into()));
        client.publish(&refused.header("to", "police/main"));
    }
    look(client);
}

fn cases(client: &mut Client, system: &str, round: usize) {
    for case in [SECRET_CASE, FOREIGN_CASE, "CASE-2026-0999"] {
        for step in ["case.join", "case.close"] {
            let body = format!(r#"{{"CaseID": "{case}"}}"#);
            let id = format!("{round}-{step}-{case}");
            client.publish(&Message::of_type(step, &id, &body));
        }
        let id = format!("{round}-in-{case}");
        client.publish(&own(system, &id).header("case", case));
    }
    let case = format!("CASE-OF-{round}");
    for invited in ["nobody", "internal", "post"] {
        let body = format!(r#"{{"CaseID": "{case}", "Invites": ["{invited}"]}}"#);
        let id = format!("{round}-open-{invited}");
        client.publish(&Message::of_type("case.open", &id, &body));
    }
    client.publish(&own(system, &format!("{round}-in-own")).header("case", &case));
    let body = format!(r#"{{"CaseID": "{case}"}}"#);
    let close = Message::of_type("case.close", &format!("{round}-close"), &body);
    client.publish(&close);
    look(client);
}

fn queues(client: &mut Client, _: &str, round: usize) {
    let probe = format!("probe-{round}");
    client.declare(&probe, 2, &Table::new());
    client.call(1, (50, 20), bind(&probe, "inbox", "#"));
    for queue in ["inbox", "receipts", "dead", &probe] {
        client.declare(queue, 1, &Table::new());
        while client.get(queue, true).is_some() {}
        client.refused((60, 70), named(&format!("{queue}.investigation")));
    }
    client.refused((50, 20), bind(&probe, "inbox.investigation", "#"));
    client.publish(&Message::to_queue(&probe, "mine"));
    client.publish(&Message::to_queue("inbox.investigation", "theirs"));
    client.declare(&probe, 1, &Table::new());
    client.call(1, (50, 40), named(&probe));
    look(client);
}
