//! Tokens of a stock provider (oidc-provider), fetched by a stock OAuth client (openid-client) and brought
//! by stock AMQP clients: amqplib and pika.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::Receiver;

use carnet::cli::certs::issue::{Authority, Profile};
use carnet::config::write_text;
use tempfile::TempDir;

use crate::ITEM;
use crate::broker::Broker;
use crate::installed;
use crate::lines::lines_of;

/// The provider, as a process of its own. Dropped, it is killed.
struct Provider {
    child: Child,
    /// Held: a process that cannot print would stop.
    _says: Receiver<String>,
    /// Where it is, which is the `iss` of its tokens too.
    issuer: String,
}

impl Provider {
    fn start(folder: &Path) -> Self {
        let mut command = command(folder, "node");
        command.args(["provider.mjs", "login.pem", "login.key"]);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut child = child.expect("node runs");
        let says = lines_of(child.stdout.take().expect("a pipe was asked for"));
        let issuer = says.recv().expect("it says where it is");
        Self {
            child,
            _says: says,
            issuer,
        }
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn command(folder: &Path, program: &str) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder).envs(installed::environment());
    command
}

/// What a program says, which must end well.
fn said(mut command: Command) -> String {
    let output = command.stderr(Stdio::inherit()).output().expect("it runs");
    let text = String::from_utf8(output.stdout).expect("text");
    assert!(output.status.success(), "{text}");
    text
}

/// The programs, the modules that they use, and a certificate for the provider.
fn folder() -> TempDir {
    let folder = TempDir::new().expect("a temporary folder");
    let programs = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/tokens");
    for name in ["provider.mjs", "fetch.mjs", "amqplib.mjs", "by_pika.py"] {
        std::fs::copy(programs.join(name), folder.path().join(name)).expect("copied");
    }
    let [_, (_, modules), _] = installed::environment();
    symlink(modules, folder.path().join("node_modules")).expect("linked");
    let now = carnet::server::clock::Clock::default().now();
    let authority = Authority::create(&Profile::issuer("login", now)).expect("made");
    let own = authority.issue(&Profile::local_server(now)).expect("made");
    for (name, text) in [
        ("login-ca.pem", &authority.to_issued().certificate),
        ("login.pem", &own.certificate),
        ("login.key", &own.key),
    ] {
        write_text(&folder.path().join(name), text.as_bytes()).expect("written");
    }
    folder
}

/// The repository's agencies, of which post has this provider.
fn agencies(folder: &Path, issuer: &str) {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("agencies");
    let mut copy = command(folder, "sh");
    copy.args(["-ec", "cp -r \"$1\" agencies && cp login-ca.pem agencies/post && cat >> agencies/post/agency.toml"]);
    copy.arg("sh").arg(from).stdin(Stdio::piped());
    let mut copy = copy.spawn().expect("it runs");
    let provider = format!(
        "\n[identity_provider]\nissuer = \"{issuer}\"\njwks = \"{issuer}/jwks\"\n\
         audience = \"carnet.meridia.example\"\nca = \"login-ca.pem\"\n"
    );
    let mut pipe = copy.stdin.take().expect("a pipe was asked for");
    std::io::Write::write_all(&mut pipe, provider.as_bytes()).expect("it reads");
    drop(pipe);
    assert!(copy.wait().expect("it ends").success());
}

#[test]
fn stock_clients_log_in_by_tokens_of_a_stock_provider() {
    let folder = folder();
    let provider = Provider::start(folder.path());
    agencies(folder.path(), &provider.issuer);
    let broker = Broker::start_for(&folder.path().join("agencies"));
    // The provider's keys are read.
    while !broker.data().join("keys/post.json").exists() {
        std::thread::yield_now();
    }
    let (port, certs) = (broker.port().to_string(), broker.certs());

    let mut node = command(folder.path(), "node");
    node.args(["amqplib.mjs", &provider.issuer, &port, &certs, ITEM]);
    let told = said(node);
    let (told, tokens) = told.split_once("tokens ").expect("its tokens");
    let expected = "confirmed n-1\nrefused 403\nconfirmed n-2\nconfirmed n-3\n";
    assert_eq!(told, expected);

    let mut python = command(folder.path(), "python3");
    python.args(["by_pika.py", &port, &certs, ITEM]);
    python.args(tokens.split_whitespace());
    let expected = "confirmed p-1\nrefused 403\nconfirmed p-3\ndeclined True\n";
    assert_eq!(said(python), expected);
    broker.stopped();
}
