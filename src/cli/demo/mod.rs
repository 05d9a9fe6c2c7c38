//! `carnet demo`: a day at the border, played by real clients against a real broker.
//!
//! Read [`story`] first: it says who sends what and who is to get what. The rest plays it over
//! mutual TLS, tells it, and compares; whatever differs is a surprise and makes the exit code 1.
//! It starts the broker as a process of its own and leaves nothing behind.

mod crash;
mod play;
mod process;
mod stage;
mod story;
mod tell;

use std::path::Path;

use super::{Failed, on_a_runtime, output};
use crate::config::{Config, read_bundle};
use crate::message::catalogue::Catalogue;
use crate::server::clock::Clock;
use play::Script;
use process::Served;
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

impl Demo {
    pub(super) fn run(&self, config: &Config) -> Result<(), Failed> {
        let folder = tempfile::tempdir().map_err(Failed::cannot_run)?;
        let data = folder.path().join("data");
        on_a_runtime(async {
            // Interrupted, the broker and the folder go with what is dropped here.
            tokio::select! {
                played = self.play(config, &data) => played,
                _ = tokio::signal::ctrl_c(), if !self.keep => {
                    Err(Failed::cannot_run("interrupted"))
                }
            }
        })
    }

    async fn play(&self, config: &Config, data: &Path) -> Result<(), Failed> {
        let bundle = read_bundle(config)?;
        let script = Script {
            catalogue: Catalogue::parse(&bundle)?,
            bundle,
            clock: Clock::default(),
        };
        output::line("17 March 2026, port and mail centre of Meridia: five agencies, one broker.");
        let mut served = Served::start(config, data, 0)?;
        let port = served.broker(data).port;
        output::line(&format!(
            "A broker of its own listens on amqps://localhost:{port}; each agency connects with its certificate."
        ));
        let mut stage = Stage::open(&served.broker(data)).await?;
        let mut table = Table::new();
        for scene in &STORY {
            match scene {
                Scene::Message(message) => {
                    play::message(&mut stage, &script, message, &mut table).await?;
                }
                Scene::Case(step) => play::case(&mut stage, step).await?,
                Scene::Crash => {
                    crash::crash(&mut stage, &script, &mut served, (config, data)).await?;
                }
            }
        }
        stage.all_settled().await?;
        table.print();
        let seconds = script.clock.monotonic_ms() / 1000;
        let surprises = std::mem::take(&mut stage.surprises);
        stage.close().await?;
        self.end(served, data, seconds).await?;
        match surprises.len() {
            0 => Ok(()),
            count => Err(Failed::Refused(format!(
                "{count} surprises: what happened is not what was to happen\n  {}",
                surprises.join("\n  ")
            ))),
        }
    }

    /// Says how to look further; with `--keep`, lets the reader do so.
    async fn end(&self, served: Served, data: &Path, seconds: u64) -> Result<(), Failed> {
        output::line(&format!("Played in {seconds} s."));
        if self.keep {
            let (port, data) = (served.broker(data).port, data.display());
            output::line(&format!(
                "The broker is still there, until ctrl-C. From another terminal, in this folder:\n  \
                 carnet consume --as police/operations --amqp 127.0.0.1:{port} --data {data}\n  \
                 carnet publish postal.item messages/postal.item/examples/valid/story-01.json \
                 --as post/items --amqp 127.0.0.1:{port} --data {data}\n\
                 Any AMQP 0-9-1 client connects to amqps://localhost:{port} with {data}/certs."
            ));
            tokio::signal::ctrl_c().await.map_err(Failed::cannot_run)?;
        } else {
            output::line(
                "To look further: `carnet demo --keep` leaves the broker running; \
                 `carnet agency list` and policies/*.cedar say who may get what.",
            );
        }
        if served.stop()? {
            Ok(())
        } else {
            Err(Failed::cannot_run("the broker did not end well"))
        }
    }
}
