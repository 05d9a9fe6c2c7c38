//! Plays a message of the story, and holds what happens against what is written there.

use serde_json::{Value, json};

use super::stage::Stage;
use super::story::{CaseStep, Gets, Row, Twist, withheld};
use super::tell::{self, Cell, Table};
use crate::cli::client::{Answer, Arrival, Outgoing};
use crate::cli::failed::Failed;
use crate::cli::output;
use crate::message::bundle::Bundle;
use crate::message::catalogue::Catalogue;
use crate::message::id::Mask;
use crate::server::clock::Clock;

/// How far ahead the deadlines of orders are set.
const DEADLINE: std::time::Duration = std::time::Duration::from_hours(6);

/// What the story is played from.
pub(super) struct Script {
    pub(super) bundle: Bundle,
    pub(super) catalogue: Catalogue,
    pub(super) clock: Clock,
}

impl Script {
    /// An example of a message type, as the story has it.
    pub(super) fn example(&self, message_type: &str, name: &str) -> Result<Value, Failed> {
        let path = format!("messages/{message_type}/examples/{name}.json");
        let text = self.bundle.text(&path);
        serde_json::from_str(text.map_err(|fault| vec![fault])?).map_err(Failed::cannot_run)
    }

    fn holds(&self, message_type: &str) -> Result<Mask, Failed> {
        let entry = self.catalogue.get(message_type);
        let missing = || Failed::cannot_run(format!("the catalogue has no type {message_type}"));
        Ok(entry.ok_or_else(missing)?.holds)
    }

    fn body(&self, message: &Row) -> Result<Vec<u8>, Failed> {
        let mut body = self.example(message.message_type, message.example)?;
        let mut replace = |place: &str, value: String| match body.pointer_mut(place) {
            Some(element) => {
                *element = value.into();
                Ok(())
            }
            None => Err(Failed::cannot_run(format!("no {place} in the example"))),
        };
        for (place, value) in message.edits {
            replace(place, (*value).to_owned())?;
        }
        if message.twist == Twist::Deadline {
            let deadline = self.clock.now().plus(DEADLINE).to_string();
            replace("/Instruction/DeadlineDateTime", deadline)?;
        }
        Ok(body.to_string().into_bytes())
    }

    fn outgoing(&self, message: &Row) -> Result<Outgoing, Failed> {
        let headers = [
            ("to", message.to),
            ("case", message.case),
            ("handling", message.handling),
        ];
        let set = headers.into_iter().filter(|(_, value)| !value.is_empty());
        Ok(Outgoing {
            message_type: message.message_type.to_owned(),
            id: message.id(),
            correlation_id: None,
            headers: set.map(|(name, value)| (name, value.to_owned())).collect(),
            body: self.body(message)?,
        })
    }
}

/// Sends a message, sees who gets it and what, and writes its row of the summary.
pub(super) async fn message(
    stage: &mut Stage,
    script: &Script,
    message: &Row,
    table: &mut Table,
) -> Result<(), Failed> {
    tell::sends(message)?;
    let mut outgoing = script.outgoing(message)?;
    let sender = stage.system(message.from)?.unit.to_string();
    if message.twist == Twist::Answer {
        outgoing.correlation_id = Some(stage.counters(&sender).last_id.clone());
    }
    let answer = stage.system(message.from)?.client.publish(&outgoing).await;
    answered(stage, message, &answer?)?;
    let holds = script.holds(message.message_type)?;
    let mut cells = vec![(sender.clone(), Cell::Sender)];
    for gets in message.gets {
        let expected = withheld(holds, gets.shows).map_err(Failed::cannot_run)?;
        if let Some(arrival) = stage.delivery(gets.unit).await? {
            let id = delivered(stage, message, gets, &expected, &arrival)?;
            tell::gets(gets, holds, &expected, arrival.header("x-carnet-reason"))?;
            stage.counters(gets.unit).last_id = id;
        }
        let holds = holds.categories().count();
        cells.push((gets.unit.to_owned(), Cell::gets(holds, expected.len())));
    }
    if message.twist == Twist::Repeat {
        output::line("       confirmed again; no second delivery, no second entry in the log")?;
    } else if let Some((id, receipt)) = stage.receipt(&sender).await? {
        let expected = expected_receipt(message, holds)?;
        receipted(stage, message, &id, &receipt, &expected)?;
        number(stage, &sender, &receipt)?;
        tell::refusals(&receipt)?;
    }
    stage.nothing_more().await?;
    for unit in message.hidden_from {
        let delivered = stage.counters(unit).delivered;
        let at = format!("{unit}: deliveries still counted to {delivered}");
        output::line(&format!("       hidden from {at}"))?;
        cells.push(((*unit).to_owned(), Cell::Hidden));
    }
    cells.extend(
        message
            .forbidden
            .iter()
            .map(|(unit, _)| ((*unit).to_owned(), Cell::Forbidden)),
    );
    table.row(message, &cells);
    Ok(())
}

/// The answer to the publish, told and compared.
fn answered(stage: &mut Stage, message: &Row, answer: &Answer) -> Result<(), Failed> {
    match (answer, message.returned) {
        (Answer::Accepted, None) => Ok(()),
        (Answer::Refused { code, says }, Some(expected)) if *code == expected => {
            output::line(&format!("       returned to it: {code} {says}"))
        }
        (answer, expected) => stage.surprise(format!(
            "message {} was answered {answer:?}, not {expected:?}",
            message.number
        )),
    }
}

/// Compares a delivery with what the unit was to get. Gives back its id.
fn delivered(
    stage: &mut Stage,
    message: &Row,
    gets: &Gets,
    expected: &[String],
    arrival: &Arrival,
) -> Result<String, Failed> {
    let (unit, number) = (gets.unit, message.number);
    let agency = message.from.split('/').next().unwrap_or_default();
    let key = format!("{}.{agency}", message.message_type);
    if arrival.key != key {
        stage.surprise(format!("{unit} got {} instead of {key}", arrival.key))?;
    }
    let withheld = arrival.header("x-carnet-withheld");
    if withheld != expected.join(",") {
        let expected = expected.join(",");
        stage.surprise(format!(
            "message {number} withholds '{withheld}' from {unit}, not '{expected}'"
        ))?;
    }
    let body = String::from_utf8_lossy(&arrival.body);
    if !gets.never.is_empty() && body.contains(gets.never) {
        let never = gets.never;
        stage.surprise(format!("message {number} shows '{never}' to {unit}"))?;
    }
    let counter = stage.counters(unit);
    counter.delivered += 1;
    let next = counter.delivered.to_string();
    let sequence = arrival.header("x-carnet-sequence");
    if sequence != next {
        stage.surprise(format!(
            "message {number} is delivery {sequence} of {unit}, not {next}"
        ))?;
    }
    Ok(arrival.message_id.clone())
}

/// What the receipt is to say: each recipient with what is withheld from it, or with the policy.
fn expected_receipt(message: &Row, holds: Mask) -> Result<Vec<Value>, Failed> {
    let mut recipients = Vec::new();
    for gets in message.gets {
        let withheld = withheld(holds, gets.shows).map_err(Failed::cannot_run)?;
        recipients.push(json!([gets.unit, "released", withheld]));
    }
    for (unit, policy) in message.forbidden {
        recipients.push(json!([unit, "refused", policy]));
    }
    recipients.sort_by_key(ToString::to_string);
    Ok(recipients)
}

fn receipted(
    stage: &mut Stage,
    message: &Row,
    id: &str,
    receipt: &Value,
    expected: &[Value],
) -> Result<(), Failed> {
    let number = message.number;
    if id != message.id() {
        stage.surprise(format!("the receipt for message {number} is for {id}"))?;
    }
    let recipients = receipt.get("recipients").and_then(Value::as_array);
    let mut said: Vec<Value> = recipients
        .into_iter()
        .flatten()
        .map(|recipient| {
            let told = recipient.get("withheld").or(recipient.get("policy"));
            json!([recipient.get("unit"), recipient.get("outcome"), told])
        })
        .collect();
    said.sort_by_key(ToString::to_string);
    if said != expected {
        let (said, expected) = (json!(said), json!(expected));
        stage.surprise(format!(
            "the receipt for message {number} says {said}, not {expected}"
        ))?;
    }
    Ok(())
}

/// A sender's exchanges are numbered without a gap: a repeat takes no number.
fn number(stage: &mut Stage, sender: &str, receipt: &Value) -> Result<(), Failed> {
    let counter = stage.counters(sender);
    counter.sent += 1;
    let next = counter.sent;
    let said = receipt.get("sequence").and_then(Value::as_u64);
    if said != Some(next) {
        stage.surprise(format!(
            "{sender}'s exchange has number {said:?}, not {next}"
        ))?;
    }
    Ok(())
}

/// Opens or joins a case.
pub(super) async fn case(stage: &mut Stage, step: &CaseStep) -> Result<(), Failed> {
    let (from, what, case) = (step.from, step.message_type, step.case);
    output::line(&format!("       {from} sends {what}: {case}"))?;
    let body = json!({ "CaseID": case, "Areas": step.areas, "Invites": step.invites });
    let outgoing = Outgoing {
        message_type: what.to_owned(),
        id: format!("demo-{what}-{case}"),
        body: body.to_string().into_bytes(),
        ..Outgoing::default()
    };
    let answer = stage.system(from)?.client.publish(&outgoing).await?;
    if answer != Answer::Accepted {
        stage.surprise(format!("{what} of {case} was answered {answer:?}"))?;
    }
    stage.nothing_more().await
}
