//! File descriptors: how many sockets may be open, so that the log always has its own.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::broker::limits::{
    CONNECTIONS, GOODBYES, HANDSHAKES, HANDSHAKES_WAITING, HEALTH_CONNECTIONS,
    OFFICERS_CONNECTIONS, OFFICERS_GOODBYES,
};
use crate::message::bundle::Fault;

/// Descriptors that the log, its snapshots and pages, certificates, the broker's own output and those who
/// ask how it is take.
const KEPT: usize = 192 + HEALTH_CONNECTIONS;
/// What the runtime of a thread takes.
const OF_A_RUNTIME: usize = 8;
/// Sockets that all systems take that may connect, who may come to shake hands, and who are declined.
const OF_SYSTEMS: usize = CONNECTIONS + HANDSHAKES + HANDSHAKES_WAITING + GOODBYES;
/// Those that officers take.
const OF_OFFICERS: usize =
    OFFICERS_CONNECTIONS + HANDSHAKES + HANDSHAKES_WAITING + OFFICERS_GOODBYES;
/// Both.
const SOCKETS: usize = OF_SYSTEMS + OF_OFFICERS;

/// How many sockets may be open at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sockets {
    /// To systems.
    pub systems: usize,
    /// To officers: however many systems come, an officer gets one.
    pub officers: usize,
}

/// Raises the limit of open files to what the system allows this process. Where that is refused, the
/// limit stays.
pub(crate) fn raise() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: maximum,
        maximum,
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, "the limit of open files cannot be raised");
    }
}

/// How many sockets may be open at a time beside so many runtimes; `files` is the limit of open files,
/// nothing where there is none.
pub(crate) fn sockets(files: Option<u64>, runtimes: usize) -> Sockets {
    let open = all(files, runtimes);
    let officers = (open * OF_OFFICERS).div_euclid(SOCKETS).max(1);
    Sockets {
        systems: (open - officers).max(1),
        officers,
    }
}

/// How many sockets may be open at a time to systems and officers.
fn all(files: Option<u64>, runtimes: usize) -> usize {
    let files = files.map_or(usize::MAX, |files| {
        usize::try_from(files).unwrap_or(usize::MAX)
    });
    let kept = KEPT + OF_A_RUNTIME * runtimes;
    files.saturating_sub(kept).clamp(1, SOCKETS)
}

/// What is wrong with a limit of open files, where it is too low for all who may connect.
pub(crate) fn too_low(files: Option<u64>, runtimes: usize) -> Option<Fault> {
    let sockets = all(files, runtimes);
    let needed = SOCKETS + KEPT + OF_A_RUNTIME * runtimes;
    let place = "the limit of open files".to_owned();
    let says = format!(
        "is {}: {sockets} clients at a time are accepted, and {CONNECTIONS} may connect; the others wait",
        files.unwrap_or(u64::MAX)
    );
    let cure = format!("raise it to {needed}: LimitNOFILE of the systemd unit, or `ulimit -n`");
    (sockets < SOCKETS).then(|| Fault::new(place, says, cure))
}

/// The most open files that the system allows this process, nothing where there is no limit.
pub(crate) fn files() -> Option<u64> {
    getrlimit(Resource::Nofile).maximum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_that_is_too_low_leaves_the_log_its_files_and_is_told_with_its_cure() {
        let low = sockets(Some(1_024), 2);
        assert_eq!(low.systems + low.officers, 1_024 - 256 - 16);
        assert!(low.officers * 4 > low.systems / 2, "{low:?}");
        let least = Sockets {
            systems: 1,
            officers: 1,
        };
        assert_eq!(sockets(Some(100), 2), least, "it still serves");
        let fault = too_low(Some(1_024), 2).unwrap();
        assert!(fault.says.contains("752 clients"), "{}", fault.says);
        assert!(fault.cure.contains("15848"), "{}", fault.cure);
        let whole = Sockets {
            systems: OF_SYSTEMS,
            officers: OF_OFFICERS,
        };
        assert_eq!((sockets(None, 2), too_low(None, 2)), (whole, None));
        assert!(too_low(Some(15_848), 2).is_none());
    }
}
