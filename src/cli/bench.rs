//! `carnet bench`: what this machine does, as a client sees it, beside what its disk does.

mod activating;

use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use hdrhistogram::Histogram;

use self::activating::Activating;
use super::client::{Answer, Broker, Client, Outgoing};
use super::failed::Failed;
use super::output;
use super::runtime::on_a_runtime;
use super::served::Served;
use crate::config::{Config, read_bundle, write_text};
use crate::journal::vfs::{DiskVfs, Vfs, VfsFile};
use crate::message::id::SystemId;
use crate::server::clock::Clock;

/// Measure: confirmed messages a second, confirm latency beside a bare sync, memory of idle
/// connections.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  carnet bench --seconds 5")]
pub(super) struct Bench {
    /// Seconds of each measurement
    #[arg(long, default_value_t = 4)]
    seconds: u64,
    /// Idle connections whose memory is measured
    #[arg(long, default_value_t = 200)]
    connections: usize,
    /// Times that throughput without and with an activation each second are measured, in turn
    #[arg(long, default_value_t = 1)]
    activations: usize,
}

/// The broker that is measured, and the folder of its data.
struct Measured {
    served: Served,
    folder: tempfile::TempDir,
}

impl Measured {
    fn start(config: &Config) -> Result<Self, Failed> {
        let folder = tempfile::tempdir_in(".").map_err(Failed::cannot_run)?;
        let config = Config {
            agencies: unpaced(config, folder.path())?,
            data: folder.path().join("data"),
            ..config.clone()
        };
        let served = Served::start(config, ("CARNET_LOG", "carnet=warn"))?;
        Ok(Self { served, folder })
    }

    /// Processor time that the broker has used so far.
    fn processor(&self) -> Duration {
        let stat = read_proc(self.served.id(), "stat");
        let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        let mut fields = after_name.split_whitespace().skip(11);
        let mut ticks = || {
            fields
                .next()
                .and_then(|field| field.parse().ok())
                .unwrap_or(0)
        };
        let used: u64 = ticks() + ticks();
        Duration::from_millis(used * 10)
    }

    /// Memory that the broker has resident, in KiB.
    fn resident_kib(&self) -> u64 {
        let status = read_proc(self.served.id(), "status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
        kib.unwrap_or(0)
    }
}

/// The agencies, each as fast as it can: what is measured is the broker, not a limit.
fn unpaced(config: &Config, data: &Path) -> Result<PathBuf, Failed> {
    let folder = data.join("agencies");
    for (path, content) in read_bundle(config)?.below("agencies") {
        let text = String::from_utf8_lossy(content);
        let lines = text.lines().map(|line| {
            if line.starts_with("messages_per_second") {
                "messages_per_second = 4294967295\nprivate_octets_per_second = 4294967295"
            } else {
                line
            }
        });
        let lines: Vec<&str> = lines.collect();
        write_text(&folder.join(path), lines.join("\n").as_bytes()).map_err(Failed::cannot_run)?;
    }
    Ok(folder)
}

fn read_proc(process: u32, what: &str) -> String {
    let path = format!("/proc/{process}/{what}");
    let content = crate::config::read_file(Path::new(&path)).unwrap_or_default();
    String::from_utf8_lossy(&content).into_owned()
}

impl Bench {
    pub(super) fn run(&self, config: &Config) -> Result<(), Failed> {
        let served = Measured::start(config)?;
        on_a_runtime(self.measure(&served))
    }

    async fn measure(&self, served: &Measured) -> Result<(), Failed> {
        let broker = served.served.broker();
        start_receiver(broker.clone())?;
        let sender = Client::connect(&broker, &system("post/items")?).await?;
        output::line("1 KiB postal.item, one sender, one recipient that acknowledges")?;
        let mut serial = 0;
        for window in [100, 1000] {
            output::text(&format!("window {window:>4}: "))?;
            self.throughput(&sender, served, window, &mut serial)
                .await?;
        }
        for _ in 0..self.activations {
            output::text("window  100, without activations: ")?;
            self.throughput(&sender, served, 100, &mut serial).await?;
            let activating = Activating::start(&served.served)?;
            output::text("window  100, with activations:    ")?;
            self.throughput(&sender, served, 100, &mut serial).await?;
            let count = activating.stop()?;
            output::line(&format!("{count} activations"))?;
        }
        self.latency(&sender, served, &mut serial).await?;
        let before = served.resident_kib();
        let mut idle = Vec::new();
        for _ in 0..self.connections {
            idle.push(Client::connect(&broker, &system("customs/declarations")?).await?);
        }
        let grown = served.resident_kib().saturating_sub(before);
        let each = grown / u64::try_from(self.connections.max(1)).unwrap_or(1);
        let count = self.connections;
        output::line(&format!(
            "idle connections: {each} KiB each ({count} opened)"
        ))?;
        Ok(())
    }

    async fn throughput(
        &self,
        sender: &Client,
        served: &Measured,
        window: usize,
        serial: &mut u64,
    ) -> Result<(), Failed> {
        let clock = Clock::default();
        let used_before = served.processor();
        let mut under_way = FuturesUnordered::new();
        let mut confirms = histogram()?;
        let mut confirmed = 0_u32;
        let length = Duration::from_secs(self.seconds);
        while clock.monotonic() < length || !under_way.is_empty() {
            while under_way.len() < window && clock.monotonic() < length {
                let sent = clock.monotonic();
                let answer = sender.send(&next_message(serial)).await?.answer();
                under_way.push(async move { (sent, answer.await) });
            }
            if let Some((sent, answer)) = under_way.next().await {
                accepted(&answer?)?;
                confirms.saturating_record(micros(clock.monotonic().saturating_sub(sent)));
                confirmed += 1;
            }
        }
        let took = clock.monotonic();
        let rate = f64::from(confirmed) / took.as_secs_f64();
        let used = served.processor().saturating_sub(used_before);
        let each = used.as_secs_f64() * 1e6 / f64::from(confirmed.max(1));
        let late = confirms.value_at_quantile(0.99);
        output::line(&format!(
            "{rate:>8.0} confirmed/s, p99 {late} us, {each:.1} us of the broker's processor each"
        ))
    }

    /// One publish at a time, each beside one bare sync of the same disk.
    async fn latency(
        &self,
        sender: &Client,
        served: &Measured,
        serial: &mut u64,
    ) -> Result<(), Failed> {
        let clock = Clock::default();
        let probe = DiskVfs
            .create(&served.folder.path().join("probe"))
            .map_err(Failed::cannot_run)?;
        let block = [7; 4096];
        let zeros = vec![0; PROBE_BYTES];
        sync(&probe, &zeros, 0)?;
        let (mut confirms, mut syncs) = (histogram()?, histogram()?);
        let mut place = 0;
        while clock.monotonic() < Duration::from_secs(self.seconds) {
            let message = next_message(serial);
            let began = clock.monotonic();
            accepted(&sender.publish(&message).await?)?;
            confirms.saturating_record(micros(clock.monotonic().saturating_sub(began)));
            let began = clock.monotonic();
            sync(&probe, &block, place)?;
            syncs.saturating_record(micros(clock.monotonic().saturating_sub(began)));
            place = (place + 4096) % u64::try_from(PROBE_BYTES).unwrap_or(1);
        }
        let show = |name: &str, of: &Histogram<u64>| {
            let (middle, late) = (of.value_at_quantile(0.5), of.value_at_quantile(0.99));
            output::line(&format!("{name}: p50 {middle} us, p99 {late} us"))
        };
        show("window 1, confirm ", &confirms)?;
        show("bare 4 KiB sync   ", &syncs)
    }
}

fn histogram() -> Result<Histogram<u64>, Failed> {
    Histogram::new_with_bounds(1, 60_000_000, 3).map_err(Failed::cannot_run)
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// The probe's file: as large as matters, zero-filled as the journal's segments are.
const PROBE_BYTES: usize = 1 << 20;

fn sync(probe: &impl VfsFile, bytes: &[u8], at: u64) -> Result<(), Failed> {
    let written = probe.pwrite(&[bytes], at);
    written
        .and_then(|()| probe.fdatasync())
        .map_err(Failed::cannot_run)
}

/// A valid postal item of 1 KiB; each has an id of its own.
fn next_message(serial: &mut u64) -> Outgoing {
    *serial += 1;
    let description = "resin ornaments ".repeat(28);
    let body = format!(
        r#"{{"FunctionCode":"9","ID":"CP618402774XA","PostedDate":"2026-03-16","NatureCode":"11","TotalGrossMassMeasure":"1.9","Consignor":{{"PartyKind":"legal","Name":"Kestrel & Vane Curios","Address":{{"CountryCode":"XA"}}}},"Consignee":{{"Name":"Ilse Marrow","Address":{{"Line":"4 Tern Row","CountryCode":"XM"}}}},"GovernmentAgencyGoodsItem":[{{"SequenceNumeric":1,"Commodity":{{"Description":"{description}","Classification":{{"ID":"392640"}}}},"GrossMassMeasure":"1.9","QuantityQuantity":3,"ItemChargeAmount":"140.00","CurrencyCode":"EUR"}}]}}"#
    );
    Outgoing {
        message_type: "postal.item".to_owned(),
        id: format!("bench-{serial}"),
        correlation_id: None,
        headers: vec![("to", "customs/main".to_owned())],
        body: body.into_bytes(),
    }
}

fn accepted(answer: &Answer) -> Result<(), Failed> {
    if *answer == Answer::Accepted {
        return Ok(());
    }
    let says = format!("a message of the measurement was not accepted: {answer:?}");
    Err(Failed::CannotRun(says))
}

fn system(text: &str) -> Result<SystemId, Failed> {
    text.parse().map_err(Failed::cannot_run)
}

/// A recipient on a thread of its own, as another agency's would be; ends with its broker.
fn start_receiver(broker: Broker) -> Result<(), Failed> {
    let receive = async move {
        let client = Client::connect(&broker, &system("customs/declarations")?).await?;
        let mut inbox = client.consume("inbox").await?;
        loop {
            inbox.next().await?.ack().await?;
        }
    };
    let run = move || {
        let ended: Result<(), Failed> = on_a_runtime(receive);
        // It ends when the broker does, which ends the measurement.
        drop(ended);
    };
    let thread = std::thread::Builder::new().name("recipient".into());
    thread.spawn(run).map(drop).map_err(Failed::cannot_run)
}
