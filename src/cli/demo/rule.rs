//! Two officers of the post add a rule while the post goes on sending, and take the change back.

use std::cell::Cell;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use super::crash::s10;
use super::play::Script;
use super::stage::Stage;
use crate::cli::api::Api;
use crate::cli::client::{Answer, Outgoing};
use crate::cli::failed::Failed;
use crate::cli::output;
use crate::cli::policy::decide::approve;
use crate::cli::served::Served;

const RULES: &str = "policies/post.cedar";
/// A rule more: what was found in the parcel of the morning.
const MORE: &str = r#"
@id("post-environment-ornaments")
@title("Environment receives the goods of ornaments of plastics")
@basis("CITES art. VIII; GDPR art. 5(1)(c)")
@reason("Carvings travel as ornaments of resin: their goods, without the people")
@owner("post")
@retain("90d")
@onward("ask-originator")
permit (
  principal in Border::Agency::"environment",
  action in
    [Border::Action::"receive",
     Border::Action::"disclose:reference.token",
     Border::Action::"disclose:goods",
     Border::Action::"disclose:postal"],
  resource is Border::PostalItem in Border::Agency::"post"
)
when
{
  principal.purpose == Border::Purpose::"environment-protection" &&
  resource.hs.contains("392640")
};
"#;
const TABLE: &str = "policies/tables/post.csv";
const ROW: [&str; 2] = [
    "environment/main,refuse,,not permitted",
    "environment/main,release,goods postal reference.token,post-environment-ornaments",
];
const NAMED: &str = "story 1: item with ornaments,";
/// The time between two parcels that are sent meanwhile.
const PACE: Duration = Duration::from_millis(20);
/// Parcels that are sent once it is in force.
const LATER: u32 = 3;

/// The two who change it.
struct Officers {
    administrator: Api,
    approver: Api,
}

/// The rules are changed under traffic, and are as they were at the end.
pub(super) async fn changed(
    stage: &mut Stage,
    script: &Script,
    served: &Served,
) -> Result<(), Failed> {
    let officer = |name: &str| {
        let officer = name.parse().map_err(Failed::cannot_run)?;
        Api::connect(&served.http(), &served.certs(), officer)
    };
    let officers = Officers {
        administrator: officer("post/m-0042")?,
        approver: officer("post/m-0077")?,
    };
    output::line("")?;
    output::line(
        "         17:00  the post lets environment see the goods of ornaments of resin, too: a rule more",
    )?;
    let proposal = officers.propose(stage).await?;
    // On their way while it takes effect.
    let is_done = Cell::new(false);
    let approving = async {
        let approved = approve(&officers.approver, proposal, None).await;
        is_done.set(true);
        approved
    };
    let sending = send_until(stage, script, &is_done);
    let (approved, sent) = tokio::join!(approving, sending);
    let activation = activation(&approved?)?;
    let parcels = sent?;
    output::line(
        "       post/m-0077 approves it by a signature of his own: it is in force, and nobody was disconnected",
    )?;
    let since = arrived(stage, parcels).await?;
    output::line(&format!(
        "       meanwhile the post sent {parcels} parcels: customs has all, environment the goods of the last {since}"
    ))?;
    if since < u64::from(LATER) {
        stage.surprise(format!(
            "environment has {since} of the last {LATER} parcels"
        ))?;
    }
    officers.take_back(activation).await?;
    output::line(
        "       post/m-0042 takes the change back, post/m-0077 approves: the rules are as they were",
    )?;
    send(stage, script, parcels).await?;
    if arrived(stage, 1).await? > 0 {
        stage.surprise("environment has a parcel by a rule that is gone".to_owned())?;
    }
    stage.nothing_more().await
}

impl Officers {
    /// The number of a proposal without faults.
    async fn propose(&self, stage: &mut Stage) -> Result<u64, Failed> {
        let base = self.administrator.get("rulebook").await?;
        let mut files = json!({ RULES: self.file(RULES).await? + MORE });
        let alone = self.proposal(&base, &files).await;
        match alone {
            Err(Failed::Faults(_)) => output::line(
                "       post/m-0042 proposes it, and is told that a row of the decision table breaks: he changes both",
            )?,
            _ => stage.surprise("a rule was proposed against its decision table".to_owned())?,
        }
        let row = ROW.map(|row| format!("{NAMED}postal.item/story-01,post/main,,{row}"));
        let row = [row[0].as_str(), row[1].as_str()];
        if let Some(files) = files.as_object_mut() {
            let table = self.file(TABLE).await?.replacen(row[0], row[1], 1);
            files.insert(TABLE.to_owned(), table.into());
        }
        let proposal = self.proposal(&base, &files).await?;
        Ok(number(&proposal, "number"))
    }

    /// A file in force.
    async fn file(&self, path: &str) -> Result<String, Failed> {
        let file = self.administrator.request(Method::GET, "rulebook/file")?;
        self.administrator.text(file.query(&[("path", path)])).await
    }

    async fn proposal(&self, base: &Value, files: &Value) -> Result<Value, Failed> {
        let body = json!({"base": base.get("digest"), "when": "approved", "files": files,
            "title": "Ornaments of resin for environment"});
        let propose = self.administrator.request(Method::POST, "proposals")?;
        self.administrator.json(propose.json(&body)).await
    }

    async fn take_back(&self, activation: u64) -> Result<(), Failed> {
        let path = format!("activations/{activation}/return");
        let asked = self.administrator.request(Method::POST, &path)?;
        let proposal = self.administrator.json(asked).await?;
        let number = number(&proposal, "number");
        let told = approve(&self.approver, number, None).await?;
        self::activation(&told).map(drop)
    }
}

fn number(value: &Value, name: &str) -> u64 {
    value.get(name).and_then(Value::as_u64).unwrap_or_default()
}

/// The activation of a proposal, which took effect.
fn activation(proposal: &Value) -> Result<u64, Failed> {
    match proposal.get("state").and_then(Value::as_str) {
        Some("activated") => Ok(number(proposal, "activation")),
        _ => Err(Failed::cannot_run(format!(
            "it did not take effect: {proposal}"
        ))),
    }
}

/// Sends parcels of ornaments until something is done, and some more. How many.
async fn send_until(stage: &Stage, script: &Script, is_done: &Cell<bool>) -> Result<u32, Failed> {
    let mut pace = tokio::time::interval(PACE);
    let (mut sent, mut later) = (0, 0);
    while later < LATER {
        later += u32::from(is_done.get());
        pace.tick().await;
        send(stage, script, sent).await?;
        sent += 1;
    }
    Ok(sent)
}

/// Sends a parcel of ornaments.
async fn send(stage: &Stage, script: &Script, number: u32) -> Result<(), Failed> {
    let mut body = script.example("postal.item", "valid/story-01")?;
    if let Some(id) = body.pointer_mut("/ID") {
        *id = s10(80_000_000 + number).into();
    }
    let outgoing = Outgoing {
        message_type: "postal.item".to_owned(),
        id: format!("demo-parcel-{number}"),
        body: body.to_string().into_bytes(),
        ..Outgoing::default()
    };
    let client = &stage.system("post/items")?.client;
    match client.publish(&outgoing).await? {
        Answer::Accepted => Ok(()),
        other => Err(Failed::Refused(format!(
            "parcel {number} was answered {other:?}"
        ))),
    }
}

/// Takes what so many parcels bring to each unit. How many of them environment has, by their receipts the
/// last ones.
async fn arrived(stage: &mut Stage, parcels: u32) -> Result<u64, Failed> {
    let mut since = 0;
    for _ in 0..parcels {
        let Some((_, receipt)) = stage.receipt("post/main").await? else {
            return Ok(since);
        };
        stage.counters("post/main").sent += 1;
        let has = receipt.to_string().contains("environment/main");
        if !has && since > 0 {
            stage.surprise("a later parcel went by the earlier rule".to_owned())?;
        }
        since += u64::from(has);
        taken(stage, "customs/main").await?;
    }
    for _ in 0..since {
        taken(stage, "environment/main").await?;
    }
    Ok(since)
}

async fn taken(stage: &mut Stage, unit: &str) -> Result<(), Failed> {
    let Some(arrival) = stage.delivery(unit).await? else {
        return Ok(());
    };
    let counters = stage.counters(unit);
    counters.delivered += 1;
    let body = String::from_utf8_lossy(&arrival.body);
    if unit != "customs/main" && body.contains("Marrow") {
        stage.surprise(format!("{unit} is shown a person"))?;
    }
    Ok(())
}
