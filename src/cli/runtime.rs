//! The runtime of commands that are clients, and the signals that end them.

use tokio::signal::unix::{SignalKind, signal};

use super::failed::Failed;

/// Runs a client's work on a runtime of its own, on this thread.
pub(super) fn on_a_runtime<T>(work: impl Future<Output = Result<T, Failed>>) -> Result<T, Failed> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.map_err(Failed::cannot_run)?.block_on(work)
}

/// Ends at ctrl-C, SIGTERM or SIGHUP, with why a command ended then.
pub(super) async fn interrupted() -> Failed {
    let signals = signal(SignalKind::terminate()).and_then(|terminate| {
        let hangup = signal(SignalKind::hangup())?;
        Ok((terminate, hangup))
    });
    let Ok((mut terminate, mut hangup)) = signals else {
        return Failed::cannot_run("signals cannot be waited for");
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => Failed::cannot_run("interrupted"),
        _ = terminate.recv() => Failed::cannot_run("terminated"),
        _ = hangup.recv() => Failed::cannot_run("the terminal went away"),
    }
}
