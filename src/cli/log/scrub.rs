//! `carnet log scrub`: how far the scrub of a log has come, and what it has found. It tells nothing of
//! what the log holds, so it is there for any log.

use serde_json::json;

use super::super::failed::Failed;
use super::super::output;
use crate::backbone::scrub::{Finding, Progress, ScrubFile};
use crate::config::Config;
use crate::journal::vfs::DiskVfs;
use crate::message::time::Timestamp;

/// Tells how far the scrub has come; that the log is damaged, where it has found that.
pub(super) fn run(config: &Config, json: bool) -> Result<(), Failed> {
    let file = ScrubFile::new(DiskVfs, &config.data);
    // A log without a full segment has nothing to look through yet.
    let progress = file.read().map_err(Failed::cannot_run)?.unwrap_or_default();
    if json {
        output::line(&in_json(&progress).to_string())?;
    } else {
        in_text(&progress)
            .iter()
            .try_for_each(|line| output::line(line))?;
    }
    let damaged = progress.findings.len();
    match damaged {
        0 => Ok(()),
        _ => Err(Failed::Damaged(format!(
            "{damaged} segments of the log are damaged: restore these files from a backup \
             (docs/operating.md)"
        ))),
    }
}

fn time(ms: i64) -> String {
    Timestamp::from_millis(ms).to_string()
}

fn in_text(progress: &Progress) -> Vec<String> {
    let mut lines = Vec::new();
    lines.push(match progress.began {
        Some(began) => format!(
            "this round    began {}, {} octets looked through",
            time(began),
            progress.octets
        ),
        None => "this round    none is under way".to_owned(),
    });
    lines.push(match progress.last {
        Some(last) => format!(
            "last round    {} to {}, {} octets",
            time(last.began),
            time(last.ended),
            last.octets
        ),
        None => "last round    none has come to its end yet".to_owned(),
    });
    if progress.findings.is_empty() {
        lines.push("findings      none".to_owned());
    }
    let found = |finding: &Finding| {
        format!(
            "damaged       {} (found {})",
            finding.says,
            time(finding.at)
        )
    };
    lines.extend(progress.findings.iter().map(found));
    lines
}

fn in_json(progress: &Progress) -> serde_json::Value {
    let last = progress.last.map(|last| {
        json!({ "began": time(last.began), "ended": time(last.ended), "octets": last.octets })
    });
    let findings = progress.findings.iter().map(|finding| {
        json!({ "segment": finding.segment, "says": finding.says, "found": time(finding.at) })
    });
    json!({
        "began": progress.began.map(time),
        "octets": progress.octets,
        "last": last,
        "findings": findings.collect::<Vec<_>>(),
    })
}
