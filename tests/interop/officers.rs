//! The interface of officers, called by its own description with a stock tool: requests that keep it and
//! such that break it.

use std::process::Command;

use tempfile::TempDir;

use crate::broker::Broker;
use crate::installed::installed;

/// Requests of each kind to each operation.
const EXAMPLES: &str = "10";

#[test]
fn schemathesis_finds_no_answer_that_the_description_does_not_have_and_no_fault_of_the_server() {
    let broker = Broker::start();
    let at = broker.officers_at();
    let (certs, folder) = (broker.certs(), TempDir::new().expect("a temporary folder"));
    let mut tool = Command::new(installed("python/bin").join("schemathesis"));
    let output = tool
        .current_dir(folder.path())
        .args(["run", &format!("{at}/api/v1/openapi.json")])
        .args(["--tls-verify", &format!("{certs}/ca.pem")])
        .args(["--request-cert", &format!("{certs}/post.m-0042.pem")])
        .args(["--request-cert-key", &format!("{certs}/post.m-0042.key")])
        .args(["--phases", "coverage,fuzzing", "--rate-limit", "auto"])
        // A proposal of made-up files keeps the description, and is refused.
        .args(["--exclude-checks", "positive_data_acceptance"])
        .args([
            "-n",
            EXAMPLES,
            "--continue-on-failure",
            "--no-color",
            "--warnings",
            "off",
        ])
        .output()
        .expect("schemathesis runs");
    let says = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{says}");
    let count = |what: &str| {
        let line = says.lines().find_map(|line| line.trim().strip_prefix(what));
        line.map(|count| count.trim().to_owned())
    };
    let tested = count("Tested:").expect("it tests operations");
    assert_eq!(
        count("Selected:"),
        Some(format!("{tested}/{tested}")),
        "{says}"
    );
    drop(broker.stopped());
}
