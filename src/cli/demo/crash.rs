//! The broker is killed while messages are on their way, and nothing confirmed is lost.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use tokio::time::timeout;

use super::play::Script;
use super::stage::{ARRIVES_WITHIN, Stage};
use crate::cli::client::{Answer, Arrival, InFlight, Outgoing};
use crate::cli::failed::Failed;
use crate::cli::output;
use crate::cli::served::Served;

const EVENTS: u32 = 100;
/// Sent at first, and of these waited for.
const SENT_FIRST: usize = 60;
const WAITED_FOR: usize = 30;
/// Sent then, and the first of them waited for: the broker is in the midst of the others.
const SENT_NEXT: usize = 30;
/// Confirmed ones that are sent again all the same, as by a client in doubt. How many are not
/// confirmed is a matter of moments; that repeats are recognised after a crash must not be.
const IN_DOUBT: usize = 5;
/// Deliveries that customs acknowledge before the broker is killed: their acks may die with it.
const TAKEN: usize = 10;

/// What customs have of the events: by the number of the delivery, which event it was.
#[derive(Default)]
struct Received {
    events: BTreeMap<u64, String>,
    /// Deliveries that came again, marked as such.
    again: usize,
}

/// Publishes, kills, restarts, sends again what was not confirmed, and counts.
pub(super) async fn crash(
    stage: &mut Stage,
    script: &Script,
    served: &mut Served,
) -> Result<(), Failed> {
    output::line("")?;
    output::line(&format!(
        "       post/items sends {EVENTS} movement.event, and the broker is killed (kill -9) meanwhile"
    ))?;
    let events = events(script)?;
    let before = stage.counters("customs/main").delivered;
    let mut received = Received::default();
    let sent = send(stage, &events, &mut received).await?;
    served.kill()?;
    let unconfirmed = unconfirmed(stage, &events, sent).await?;
    output::line(&format!(
        "       killed: {} were confirmed, {} were not; customs have taken {TAKEN}",
        events.len() - unconfirmed.len(),
        unconfirmed.len()
    ))?;
    served.restart()?;
    stage.seat_all(&served.broker()).await?;
    for arrival in stage.unit("customs/main")?.rest().await?.inbox {
        take(stage, &mut received, &arrival)?;
    }
    output::line(&format!(
        "       restarted on the same data: {} of {EVENTS} are in the log",
        received.events.len()
    ))?;
    output::line(&format!(
        "       post sends again, with their ids, the {} not confirmed and {IN_DOUBT} that were",
        unconfirmed.len()
    ))?;
    for event in unconfirmed.into_iter().chain(events.iter().take(IN_DOUBT)) {
        let answer = stage.system("post/items")?.client.publish(event).await?;
        if answer != Answer::Accepted {
            stage.surprise(format!("{} sent again was answered {answer:?}", event.id))?;
        }
    }
    collect(stage, &mut received, events.len()).await?;
    for arrival in stage.unit("customs/main")?.rest().await?.inbox {
        take(stage, &mut received, &arrival)?;
    }
    compare(stage, &events, &received, before)?;
    receipts(stage, &events).await?;
    let (count, again) = (received.events.len(), received.again);
    let again = match again {
        0 => "none came twice".to_owned(),
        1 => "1 came twice, marked redelivered: its ack died with the broker".to_owned(),
        more => format!("{more} came twice, marked redelivered: their acks died with the broker"),
    };
    output::line(&format!(
        "       -> customs/main has {count} of {EVENTS}, numbered without a gap; {again}"
    ))?;
    stage.nothing_more().await
}

/// Events of parcels without an order on them: they go from the post to customs alone.
fn events(script: &Script) -> Result<Vec<Outgoing>, Failed> {
    let example = script.example("movement.event", "valid/story-04")?;
    let event = |n: u32| {
        let mut body = example.clone();
        if let Some(object) = body.as_object_mut() {
            object.remove("OrderID");
            object.insert("ID".to_owned(), format!("MC-2026-{}", 700_000 + n).into());
        }
        if let Some(item) = body.pointer_mut("/Subject/PostalItemID") {
            *item = s10(70_000_000 + n).into();
        }
        Outgoing {
            message_type: "movement.event".to_owned(),
            id: format!("demo-event-{n}"),
            body: body.to_string().into_bytes(),
            ..Outgoing::default()
        }
    };
    Ok((0..EVENTS).map(event).collect())
}

/// A postal item's number with the check digit of UPU S10.
pub(super) fn s10(serial: u32) -> String {
    let digits = format!("{serial:08}");
    let weights = [8, 6, 4, 2, 3, 5, 9, 7];
    let sum: u32 = digits
        .chars()
        .filter_map(|digit| digit.to_digit(10))
        .zip(weights)
        .map(|(digit, weight)| digit * weight)
        .sum();
    let check = match 11 - sum % 11 {
        10 => 0,
        11 => 5,
        digit => digit,
    };
    format!("CP{digits}{check}XA")
}

/// Sends all; when it returns, many are in flight, and customs have taken some.
async fn send(
    stage: &mut Stage,
    events: &[Outgoing],
    received: &mut Received,
) -> Result<Vec<Sent>, Failed> {
    let mut sent = Vec::new();
    let (first, rest) = events.split_at_checked(SENT_FIRST).unwrap_or((events, &[]));
    let (next, last) = rest.split_at_checked(SENT_NEXT).unwrap_or((rest, &[]));
    send_some(stage, first, &mut sent).await?;
    for sent in sent.iter_mut().take(WAITED_FOR) {
        wait_for(sent).await?;
    }
    collect(stage, received, TAKEN).await?;
    send_some(stage, next, &mut sent).await?;
    if let Some(next) = sent.get_mut(SENT_FIRST) {
        wait_for(next).await?;
    }
    // No time for an answer is left to these.
    send_some(stage, last, &mut sent).await?;
    Ok(sent)
}

async fn send_some(stage: &Stage, events: &[Outgoing], sent: &mut Vec<Sent>) -> Result<(), Failed> {
    let post = &stage.system("post/items")?.client;
    for event in events {
        sent.push(Sent::Waiting(post.send(event).await?));
    }
    Ok(())
}

/// A publish, and its answer where that was waited for.
enum Sent {
    Answered(Answer),
    Waiting(InFlight),
}

async fn wait_for(sent: &mut Sent) -> Result<(), Failed> {
    let waiting = std::mem::replace(sent, Sent::Answered(Answer::NotStored));
    *sent = match waiting {
        Sent::Waiting(in_flight) => Sent::Answered(in_flight.answer().await?),
        answered @ Sent::Answered(_) => answered,
    };
    Ok(())
}

/// The events without a confirm: the log may have them or not, the sender was promised neither.
async fn unconfirmed<'a>(
    stage: &mut Stage,
    events: &'a [Outgoing],
    sent: Vec<Sent>,
) -> Result<Vec<&'a Outgoing>, Failed> {
    let mut unconfirmed = Vec::new();
    for (event, sent) in events.iter().zip(sent) {
        let answer = match sent {
            Sent::Answered(answer) => Some(answer),
            Sent::Waiting(in_flight) => {
                let answer = timeout(ARRIVES_WITHIN, in_flight.answer()).await;
                answer.ok().and_then(Result::ok)
            }
        };
        match answer {
            Some(Answer::Accepted) => {}
            None | Some(Answer::NotStored) => unconfirmed.push(event),
            Some(refused) => stage.surprise(format!("{} was answered {refused:?}", event.id))?,
        }
    }
    Ok(unconfirmed)
}

/// Takes deliveries until customs have so many different ones.
async fn collect(stage: &mut Stage, received: &mut Received, many: usize) -> Result<(), Failed> {
    while received.events.len() < many {
        let Some(arrival) = stage.delivery("customs/main").await? else {
            return Ok(());
        };
        take(stage, received, &arrival)?;
    }
    Ok(())
}

fn take(stage: &mut Stage, received: &mut Received, arrival: &Arrival) -> Result<(), Failed> {
    let body: Value = serde_json::from_slice(&arrival.body).map_err(Failed::cannot_run)?;
    let event = body.get("ID").and_then(Value::as_str).unwrap_or_default();
    let sequence = arrival.header("x-carnet-sequence");
    let sequence: u64 = sequence.parse().map_err(Failed::cannot_run)?;
    match received.events.insert(sequence, event.to_owned()) {
        None => {}
        Some(known) if known == event && arrival.redelivered => received.again += 1,
        Some(known) => stage.surprise(format!(
            "delivery {sequence} of customs/main was {known} and is {event}, redelivered: {}",
            arrival.redelivered
        ))?,
    }
    Ok(())
}

/// Every event once, and numbers without a gap.
fn compare(
    stage: &mut Stage,
    events: &[Outgoing],
    received: &Received,
    before: u64,
) -> Result<(), Failed> {
    let different: BTreeSet<&String> = received.events.values().collect();
    if different.len() != events.len() || received.events.len() != events.len() {
        let (numbers, different) = (received.events.len(), different.len());
        stage.surprise(format!(
            "customs/main has {different} events in {numbers} deliveries"
        ))?;
    }
    let numbers = received.events.keys().copied();
    if !numbers.eq((before + 1..).take(events.len())) {
        stage.surprise("the numbers of customs/main's deliveries have a gap".to_owned())?;
    }
    let last = received.events.keys().last();
    stage.counters("customs/main").delivered = last.copied().unwrap_or(before);
    Ok(())
}

/// One number an event, though some were sent twice and some receipts may come twice.
async fn receipts(stage: &mut Stage, events: &[Outgoing]) -> Result<(), Failed> {
    let mut numbers: BTreeMap<String, u64> = BTreeMap::new();
    while numbers.len() < events.len() {
        let Some((id, receipt)) = stage.receipt("post/main").await? else {
            return Ok(());
        };
        let number = receipt.get("sequence").and_then(Value::as_u64);
        let number = number.unwrap_or_default();
        let known = numbers.insert(id.clone(), number);
        if known.is_some_and(|known| known != number) {
            stage.surprise(format!("{id} stands in the log twice"))?;
        }
    }
    let counter = stage.counters("post/main");
    let expected = counter.sent + 1..;
    counter.sent = numbers.values().copied().max().unwrap_or_default();
    let numbers: BTreeSet<u64> = numbers.into_values().collect();
    if !numbers.iter().copied().eq(expected.take(events.len())) {
        stage.surprise("the numbers of post/main's exchanges have a gap".to_owned())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_digit_is_that_of_the_storys_parcel() {
        assert_eq!(s10(61_840_277), "CP618402774XA");
    }
}
