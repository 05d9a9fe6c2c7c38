//! A folder as an engineer makes one who tries a page of the manual: `certs`, `item.json`, `inbox`,
//! and the program, pasted.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::Receiver;
use std::time::Duration;

use tempfile::TempDir;

use crate::ITEM;
use crate::broker::Broker;
use crate::installed;
use crate::lines::lines_of;
use crate::page::Page;
use crate::relay;

/// Between two lines of a program, compilers and interpreters of a busy machine included.
const SAYS_WITHIN: Duration = Duration::from_mins(1);
/// As the manual writes them, and what a test puts in their place.
const ADDRESS: &str = " localhost 5671 ";
const SENDS: &str = "echo first-1 customs/main item.json | ";

pub(crate) struct Workplace<'a> {
    folder: TempDir,
    page: &'a Page,
    port: u16,
}

impl<'a> Workplace<'a> {
    /// The page's program, saved and built as the page says.
    pub(crate) fn new(page: &'a Page, broker: &Broker) -> Self {
        let place = Self::with(page, broker.port(), page.program().1);
        place.must(&format!("cp -r {} certs", broker.certs()));
        place.run("certs");
        place
    }

    fn with(page: &'a Page, port: u16, program: &str) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let place = Self { folder, page, port };
        place.must(&format!("mkdir inbox src && ln -s {ITEM} item.json"));
        write(&place.path(page.program().0), program);
        place.run("build");
        place
    }

    /// Another such place, one spot of its program changed.
    pub(crate) fn mistaken(&self, right: &str, wrong: &str) -> Self {
        let (_, program) = self.page.program();
        let spots = program.matches(right).count();
        assert_eq!(spots, 1, "the program has {spots} times `{right}`");
        let place = Self::with(self.page, self.port, &program.replace(right, wrong));
        place.must(&format!("ln -s {} .", self.path("certs").display()));
        place
    }

    /// Has a certificate of the right name from here on, by an issuer that nobody lists.
    pub(crate) fn is_issued_by_a_stranger(&self) {
        let broker = env!("CARGO_BIN_EXE_carnet");
        let top = env!("CARGO_MANIFEST_DIR");
        self.must(&format!(
            "certs=$PWD/certs; rm -f certs/*.p12; cd {top}; {broker} certs dev $certs/strange
            cp $certs/strange/post-items.* $certs"
        ));
        self.run("certs");
    }

    /// Trusts another authority than the server's from here on.
    pub(crate) fn distrusts_the_server(&self) {
        self.must("cd certs && cp police-ca.pem ca.pem && rm -f ca.p12");
        self.run("certs");
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs the page's block of commands of this name, if it has one.
    fn run(&self, block: &str) {
        if let Some(commands) = self.page.commands(block) {
            self.must(commands);
        }
    }

    /// What the commands print; they go well.
    fn must(&self, commands: &str) -> String {
        let output = self.shell(commands).output().expect("bash starts");
        assert!(
            output.status.success(),
            "{commands}\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn shell(&self, commands: &str) -> Command {
        let mut shell = Command::new("bash");
        shell
            .args(["-euo", "pipefail", "-c", commands])
            .current_dir(self.folder.path())
            .envs(installed::environment())
            .env_remove("GOFLAGS");
        shell
    }

    /// The program in this role, started as the page starts it, to be told lines.
    pub(crate) fn started(&self, role: &str) -> Program {
        let line = self.line(role);
        let line = line.strip_prefix(SENDS).unwrap_or(&line);
        let mut shell = self.shell(&format!("exec {line}"));
        shell.stdin(Stdio::piped()).stdout(Stdio::piped());
        Program::start(shell)
    }

    /// All that the program says in this role, run as the page shows.
    pub(crate) fn all_it_says(&self, role: &str) -> String {
        self.all_said_to(&self.line(role))
    }

    /// The same, sent to an address of the broker that its certificate does not name.
    pub(crate) fn all_it_says_to_another_name(&self, role: &str) -> String {
        let there = format!(" {} {} ", relay::HOST, relay::to(self.port));
        self.all_said_to(&self.line(role).replace(&self.address(), &there))
    }

    fn all_said_to(&self, line: &str) -> String {
        let output = self.shell(line).output().expect("bash starts");
        let said = [output.stdout, output.stderr].concat();
        String::from_utf8_lossy(&said).into_owned()
    }

    /// What a program of `tests/interop` says last, which does to the page's program what it must
    /// bear.
    pub(crate) fn tormented_by(&self, file: &str) -> String {
        let top = env!("CARGO_MANIFEST_DIR");
        let port = self.port;
        let said = self.must(&format!(
            "python {top}/tests/interop/{file} localhost {port} certs item.json"
        ));
        said.lines().last().unwrap_or_default().to_owned()
    }

    /// The page's line that starts the program in this role, with the broker's address.
    fn line(&self, role: &str) -> String {
        let lines = self.page.commands("start").expect("the page shows it");
        let mut lines = lines.lines();
        let line = lines.find(|line| line.contains(&format!(" {role} ")));
        let line = line.unwrap_or_else(|| panic!("the page does not start it to {role}"));
        line.replace(ADDRESS, &self.address())
    }

    fn address(&self) -> String {
        format!(" localhost {} ", self.port)
    }
}

#[expect(clippy::disallowed_methods, reason = "a test pastes a program")]
fn write(path: &Path, text: &str) {
    std::fs::write(path, text).expect("the folder takes a file");
}

/// A running program. Dropped, it is killed: no test leaves one behind.
pub(crate) struct Program {
    child: Child,
    stdin: Option<ChildStdin>,
    said: Receiver<String>,
}

impl Program {
    fn start(mut command: Command) -> Self {
        let mut child = command.spawn().expect("bash starts");
        let said = lines_of(child.stdout.take().expect("a pipe was asked for"));
        let stdin = child.stdin.take();
        Self { child, stdin, said }
    }

    /// Tells it a line.
    pub(crate) fn told(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().expect("it is still listening");
        writeln!(stdin, "{line}").expect("it listens");
    }

    /// The next line that it says; empty where it has ended.
    pub(crate) fn says(&self) -> String {
        let line = self.said.recv_timeout(SAYS_WITHIN).unwrap_or_default();
        line.trim_end().to_owned()
    }

    /// Ended by itself, once there is no more to tell it.
    pub(crate) fn ends_well(mut self) {
        drop(self.stdin.take());
        let status = self.child.wait().expect("its own child");
        assert!(status.success(), "the program ended with {status}");
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Already ended: then neither does anything.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
