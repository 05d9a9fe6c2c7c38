//! `carnet demo`: a day at the border, played by real clients against a real broker.
//!
//! Read [`story`] first: it says who sends what and who is to get what. The rest plays it over
//! mutual TLS, tells it, and compares; whatever differs is a surprise and makes the exit code 1.
//! It starts the broker as a process of its own and leaves nothing behind.

mod crash;
mod play;
mod rule;
mod stage;
mod story;
mod tell;

use std::path::Path;

use super::failed::Failed;
use super::output;
use super::runtime::{interrupted, on_a_runtime};
use super::served::Served;
use crate::config::{Config, read_bundle};
use crate::message::catalogue::Catalogue;
use crate::server::clock::Clock;
use play::Script;
use stage::Stage;
use story::{STORY, Scene};
use tell::Table;

/// Play a day at the border against a broker of its own.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  carnet demo\n  carnet demo --keep\n\n\
        It checks what it shows: exit code 1 if anybody got too much, too little or twice.")]
pub(super) struct Demo {
    /// Leave the broker running at the end, until ctrl-C
    #[arg(long)]
    keep: bool,
}

/// What is left when the story has been played.
struct Played {
    served: Served,
    surprises: Vec<String>,
    seconds: u64,
}

impl Demo {
    pub(super) fn run(&self, config: &Config) -> Result<(), Failed> {
        let folder = tempfile::tempdir().map_err(Failed::cannot_run)?;
        let config = Config {
            data: folder.path().join("data"),
            ..config.clone()
        };
        on_a_runtime(async {
            // Interrupted, the broker and the folder go with what is dropped here.
            let played = tokio::select! {
                played = play(&config) => played?,
                interrupted = interrupted() => return Err(interrupted),
            };
            output::line(&format!("Played in {} s.", played.seconds))?;
            if self.keep {
                how_to_look(played.served.broker().address.port, &config.data)?;
                // It is what was asked for.
                drop(interrupted().await);
            } else {
                output::line(
                    "To look further: `carnet demo --keep` leaves the broker running and says how to \
                     connect; `carnet agency list` and policies/*.cedar say who may get what.",
                )?;
            }
            end(played)
        })
    }
}

/// Starts a broker and plays everything against it.
async fn play(config: &Config) -> Result<Played, Failed> {
    let bundle = read_bundle(config)?;
    let script = Script {
        catalogue: Catalogue::parse(&bundle)?,
        bundle,
        clock: Clock::default(),
    };
    output::line("17 March 2026, port and mail centre of Meridia: five agencies, one broker.")?;
    // A day of nineteen messages needs no half gigabyte of a temporary folder.
    let mut served = Served::start(config.clone(), ("CARNET__SEGMENT_MIB", "16"))?;
    let port = served.broker().address.port;
    output::line(&format!(
        "A broker of its own listens on amqps://localhost:{port}; each agency connects with its certificate."
    ))?;
    let mut stage = Stage::open(&served.broker()).await?;
    let mut table = Table::new();
    for scene in &STORY {
        match scene {
            Scene::Message(message) => {
                play::message(&mut stage, &script, message, &mut table).await?;
            }
            Scene::Case(step) => play::case(&mut stage, step).await?,
            Scene::Crash => crash::crash(&mut stage, &script, &mut served).await?,
            Scene::Rule => rule::changed(&mut stage, &script, &served).await?,
        }
    }
    stage.all_settled().await?;
    table.print()?;
    let surprises = std::mem::take(&mut stage.surprises);
    stage.close().await?;
    Ok(Played {
        served,
        surprises,
        seconds: script.clock.monotonic_ms() / 1000,
    })
}

fn how_to_look(port: u16, data: &Path) -> Result<(), Failed> {
    let data = data.display();
    output::line(&format!(
        "The broker is still there, until ctrl-C. From another terminal, in this folder:\n  \
         carnet log tail -n 40 --data {data}\n  \
         carnet publish postal.item messages/postal.item/examples/valid/ornaments.json \
         --as post/items --amqp 127.0.0.1:{port} --data {data}\n  \
         carnet consume --as customs/declarations --amqp 127.0.0.1:{port} --data {data} --count 1\n\
         Any AMQP 0-9-1 client connects to amqps://localhost:{port} with {data}/certs."
    ))
}

/// Ends the broker, and says whether all was as it should be.
fn end(played: Played) -> Result<(), Failed> {
    let surprises = played.surprises;
    if !played.served.stop()? {
        return Err(Failed::cannot_run("the broker did not end well"));
    }
    match surprises.len() {
        0 => Ok(()),
        count => Err(Failed::Refused(format!(
            "{count} surprises: what happened is not what was to happen\n  {}",
            surprises.join("\n  ")
        ))),
    }
}
