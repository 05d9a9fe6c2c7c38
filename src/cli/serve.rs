//! `carnet serve`: the broker.

mod addresses;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Signal, set_parent_process_death_signal};
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal as Signals, SignalKind, signal};
use tokio::sync::watch;

use self::addresses::Addresses;
use super::check::{
    end_file_beside_the_log, open_to_others, runtimes, server_certificate, server_files,
};
use super::failed::Failed;
use super::folders::{
    development_rulebook, report_changed_folders, take_at_hangups, take_changed_folders,
};
use super::log::key::{make_once, signing};
use super::start::{development_end_file, failed, key_ring, master_key, options, repeat_window};
use crate::backbone::basis::Basis;
use crate::backbone::embedded::{Embedded, Options};
use crate::backbone::end_file::EndFile;
use crate::backbone::error::StartError;
use crate::backbone::loss::{OnLoss, Witnesses};
use crate::backbone::start::Replay;
use crate::backbone::start::{begun, has_segments, permit};
use crate::broker::budget::Budgets;
use crate::config::{Config, create_private_folder, is_readable_by_others, is_writable};
use crate::journal::vfs::DiskVfs;
use crate::server::clock::Clock;
use crate::server::descriptors;
use crate::server::desk::Desk;
use crate::server::listen::{Shell, serve};
use crate::server::notices::warn_of_agreements;
use crate::server::refusals::Refusals;
use crate::server::renewal::warn_of;
use crate::server::renewal::{Renewal, keep, tell_ends};
use crate::server::tls::Tls;
use crate::server::trust::Trust;

/// Serve agencies over AMQP and mutual TLS.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  carnet serve --dev --amqp 127.0.0.1:0\n  carnet serve --data /var/lib/carnet"
)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "flags of a command line, each by itself"
)]
pub(super) struct Serve {
    /// To try things: makes its own certificates in the data folder and takes changed folders at
    /// each start and SIGHUP. Such a log is never served without it
    #[arg(long)]
    dev: bool,
    /// Make the queues' state from the journal alone: slower, and the same
    #[arg(long, conflicts_with = "verify")]
    ignore_snapshots: bool,
    /// Look through all of the journal before it is served: what is older than the newest snapshot
    /// else waits for the scrub, which goes on meanwhile
    #[arg(long)]
    verify: bool,
    /// End with the process that started it, however that ends
    #[arg(long, hide = true)]
    with_parent: bool,
    /// Go on although the end of the log is gone: what was lost is recorded, and all numbers jump
    #[arg(long)]
    accept_loss: bool,
}

impl Serve {
    fn replay(&self) -> Replay {
        match (self.ignore_snapshots, self.verify) {
            (true, _) => Replay::FromStart,
            (false, true) => Replay::FromSnapshotVerified,
            (false, false) => Replay::FromSnapshot,
        }
    }

    fn on_loss(&self) -> OnLoss {
        if self.accept_loss {
            OnLoss::Accept
        } else {
            OnLoss::Refuse
        }
    }

    pub(super) fn run(&self, config: &Config) -> Result<(), Failed> {
        let mut config = config.clone();
        descriptors::raise();
        let (runtime, hangup) = runtime()?;
        if self.with_parent {
            // A terminal that goes away ends its parent, and by SIGHUP no broker.
            set_parent_process_death_signal(Some(Signal::TERM)).map_err(Failed::cannot_run)?;
        }
        // Before certificates or a key are made for a log that they must not come near.
        let log = begun(&DiskVfs, &config.data).map_err(failed)?;
        match &log {
            Some(log) => permit(log, self.dev).map_err(failed)?,
            None if self.dev || has_segments(&DiskVfs, &config.data) => {}
            // Nothing is made where `init` will want an empty folder.
            None => return Err(failed(nothing_there(&config))),
        }
        let bound = Addresses::bind(&config)?;
        look_at_the_data(&config.data)?;
        let mut genesis = None;
        if self.dev {
            config.certs = config.data.join("certs");
            config.master_key = config.data.join("master.key");
            config.log_key = config.data.join("log.key");
            config.end_file = development_end_file(&config);
            genesis = Some(development_rulebook(&config)?);
        }
        look_at_the_certificate(&config)?;
        if !self.dev {
            warn_of(end_file_beside_the_log(&config).as_slice());
        }
        if !self.dev || log.is_some() {
            look_for_the_master_key(&config.master_key, log.is_some())?;
        }
        let master = master_key(&config)?;
        let keeper = key_ring(&config, &master, log.is_some())?;
        if self.dev {
            make_once(&config)?;
        }
        let signing = Some(signing(&config)?);
        let clock = Clock::default();
        let options = Options {
            development: self.dev,
            replay: self.replay(),
            on_loss: self.on_loss(),
            ..options(&config, genesis.clone(), keeper.check())?
        };
        let basis = Basis {
            keeper,
            repeat_window: repeat_window(&config),
        };
        let now = Arc::new(move || clock.now());
        let backbone = Embedded::open(&config.data, options, basis, signing, now);
        let backbone = backbone.map_err(failed)?;
        match genesis {
            Some(bundle) => {
                take_changed_folders(&backbone, &bundle)?;
                take_at_hangups(&runtime, &config, &backbone)?;
            }
            None => report_changed_folders(&config, backbone.view().rulebook.bundle()),
        }
        tell_ends(&backbone.view().rulebook.registry().expiring(clock.now()));
        let process = Process {
            runtime: &runtime,
            clock,
            hangup,
        };
        let served = listen(&config, bound, &backbone, process);
        let fatal = backbone.fatal().borrow().clone();
        backbone.stop();
        if let Some(fatal) = fatal {
            return Err(Failed::CannotRun(fatal));
        }
        tracing::info!("stopped: what was under way is synced");
        served
    }
}

/// The runtime of signals and of the socket. SIGHUP asks for the certificate to be read again: it is
/// waited for from here on, since it would end a process that starts.
fn runtime() -> Result<(Runtime, Signals), Failed> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(Failed::cannot_run)?;
    let entered = runtime.enter();
    let hangup = signal(SignalKind::hangup()).map_err(Failed::cannot_run)?;
    drop(entered);
    Ok((runtime, hangup))
}

/// Refuses a certificate that clients would refuse, and warns of what will be one, before the log
/// is touched.
fn look_at_the_certificate(config: &Config) -> Result<(), Failed> {
    let mut looked = server_certificate(config, Clock::default().now());
    looked.warnings.extend(open_to_others(&config.master_key));
    looked.warnings.extend(open_to_others(&config.log_key));
    warn_of(&looked.warnings);
    if !looked.faults.is_empty() {
        return Err(looked.faults.into());
    }
    Ok(())
}

/// A fault, where the key of a log is missing: another would not open what is sealed in it.
fn look_for_the_master_key(path: &Path, is_begun: bool) -> Result<(), Failed> {
    if path.exists() {
        return Ok(());
    }
    let cure = if is_begun {
        "restore it from its copy: the log was begun with it (setting master_key)"
    } else {
        "`carnet init` writes one"
    };
    let says = format!("{} is missing; {cure}", path.display());
    Err(Failed::CannotRun(says))
}

/// There is no log; whether there was one.
fn nothing_there(config: &Config) -> StartError {
    let end_file = EndFile::new(DiskVfs, config.end_file.clone());
    let witnesses = Witnesses::read(&DiskVfs, &config.data, Some(&end_file));
    let begun = witnesses.and_then(|witnesses| witnesses.begin_a_log());
    begun.err().unwrap_or(StartError::NoLog)
}

/// Makes the data folder where it is missing, for its owner alone. One that cannot be written to is
/// told before the log is touched; what others can read in it is every message.
fn look_at_the_data(data: &Path) -> Result<(), Failed> {
    create_private_folder(data).map_err(Failed::cannot_run)?;
    is_writable(data).map_err(|error| {
        let data = data.display();
        Failed::CannotRun(format!(
            "the data folder {data} cannot be written to: {error}; look at its owner, its rights \
             and how its file system is mounted"
        ))
    })?;
    if is_readable_by_others(data) {
        let place = data.display().to_string();
        let cure = format!("chmod 700 {place}: it holds the log of all agencies");
        tracing::warn!(place, cure, "can be read by every user of this machine");
    }
    Ok(())
}

/// What serves connections beside the log: the runtime, the clock, and the signal to renew.
struct Process<'r> {
    runtime: &'r Runtime,
    clock: Clock,
    hangup: Signals,
}

fn listen(
    config: &Config,
    bound: Addresses,
    backbone: &Arc<Embedded>,
    process: Process<'_>,
) -> Result<(), Failed> {
    let Process {
        runtime,
        clock,
        hangup,
    } = process;
    let files = server_files(config)?;
    let identity = files.identity().map_err(Failed::cannot_run)?;
    let tls = Arc::new(Tls::new(identity, config.tls));
    let renewal = {
        let (tls, config) = (Arc::clone(&tls), config.clone());
        Renewal::new(
            tls,
            &files,
            Box::new(move || server_files(&config)),
            clock.now(),
        )
    };
    let trust = Trust::open(&tls, backbone, clock, &config.data);
    let runtimes = runtimes(config);
    let files = descriptors::files();
    warn_of(descriptors::too_low(files, runtimes).as_slice());
    let shell = Shell {
        backbone: Arc::clone(backbone),
        tls,
        keys: Arc::clone(trust.keys()),
        ends: Arc::clone(trust.ends()),
        refusals: Refusals::open(&config.data).map_err(Failed::cannot_run)?,
        desk: Arc::new(Desk::start(runtimes.div_ceil(2)).map_err(Failed::cannot_run)?),
        budgets: Budgets::default(),
        clock,
        heartbeat_s: config.heartbeat_s,
        sockets: descriptors::sockets(files, runtimes),
        runtimes,
        drain: Duration::from_secs(config.drain_s),
    };
    runtime.block_on(async {
        let (sockets, told) = bound.listen(config)?;
        // Before it is announced: whoever reads that may stop it at once, and it ends well.
        let terminate = signal(SignalKind::terminate()).map_err(Failed::cannot_run)?;
        let interrupt = signal(SignalKind::interrupt()).map_err(Failed::cannot_run)?;
        told.log(backbone);
        // Nobody's messages wait for who reads this: the log has said the same.
        if let Err(failed) = told.announce(config, backbone) {
            tracing::warn!(%failed, "where it listens could not be printed");
        }
        let (stop, stopping) = watch::channel(false);
        let fatal = backbone.fatal();
        tokio::spawn(wait_for_the_end(terminate, interrupt, stop, fatal));
        tokio::spawn(keep(renewal, hangup, clock, Arc::clone(backbone)));
        tokio::spawn(warn_of_agreements(Arc::clone(backbone), clock));
        trust.keep().map_err(Failed::cannot_run)?;
        serve(shell, sockets, stopping).await;
        Ok(())
    })
}

/// Ends on SIGTERM or SIGINT, or when the core cannot go on.
async fn wait_for_the_end(
    mut terminate: Signals,
    mut interrupt: Signals,
    stop: watch::Sender<bool>,
    mut fatal: watch::Receiver<Option<String>>,
) {
    let why = tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
        _ = fatal.wait_for(Option::is_some) => "the core cannot go on",
    };
    tracing::info!(
        why,
        "stopping: nobody new is let in, and those who are connected are told"
    );
    stop.send_replace(true);
}
