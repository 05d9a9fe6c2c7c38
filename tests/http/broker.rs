//! A broker of a real log, with an officer's client and the command line beside it.

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::Receiver;
use std::time::Duration;

use carnet::config::{read_file, write_text};
use reqwest::header::{HeaderMap, HeaderName};
use reqwest::{Certificate, Client, Identity, Method, RequestBuilder, StatusCode};
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::task::{JoinHandle, JoinSet};

use crate::lines::lines_of;

/// What is not said by then is never said.
const SAYS_WITHIN: Duration = Duration::from_mins(1);

/// A running broker, its folder, and a runtime for its clients.
pub(crate) struct Broker {
    folder: TempDir,
    running: Running,
    runtime: Runtime,
}

/// An answer: status, headers, and body as text and as JSON.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
    pub(crate) json: Value,
}

impl Answer {
    /// The code of a problem.
    pub(crate) fn code(&self) -> &str {
        let kind = self.json["type"].as_str().unwrap_or_default();
        kind.rsplit('/').next().unwrap_or_default()
    }
}

/// Whose the files of a rulebook are that is told, in order.
pub(crate) fn owners_of_files(told: &Value) -> Vec<String> {
    let files = told["files"].as_array().unwrap().iter();
    let mut owners: Vec<String> = files
        .map(|file| file["owner"].as_str().unwrap().to_owned())
        .collect();
    owners.sort();
    owners.dedup();
    owners
}

/// A request, before it is sent.
pub(crate) struct Asked<'b> {
    broker: &'b Broker,
    officer: String,
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Option<Vec<u8>>,
}

impl Asked<'_> {
    pub(crate) fn json(self, body: &Value) -> Self {
        self.header("content-type", "application/json")
            .body(body.to_string())
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        let name: HeaderName = name.parse().unwrap();
        self.headers.insert(name, value.parse().unwrap());
        self
    }

    pub(crate) fn body(self, body: impl Into<Vec<u8>>) -> Self {
        Self {
            body: Some(body.into()),
            ..self
        }
    }

    pub(crate) fn send(self) -> Answer {
        self.send_and_stay().1
    }

    /// Sends so many like it at once; each ends when it is answered. They go on while others are sent.
    pub(crate) fn send_many(self, count: usize) -> JoinSet<()> {
        let client = self.broker.client(&self.officer);
        let url = format!("{}{}", self.broker.running.http, self.path);
        let mut all = JoinSet::new();
        for _ in 0..count {
            let mut request = client.request(self.method.clone(), &url);
            request = request.headers(self.headers.clone());
            request = request.body(self.body.clone().unwrap_or_default());
            let answered = async {
                let response = request.send().await.unwrap();
                assert_eq!(response.status(), StatusCode::OK);
            };
            all.spawn_on(answered, self.broker.runtime.handle());
        }
        all
    }

    /// Also the client, whose connection stays open as long as it is kept.
    pub(crate) fn send_and_stay(self) -> (Client, Answer) {
        let client = self.broker.client(&self.officer);
        let answer = self.send_by(&client);
        (client, answer)
    }

    /// By a client whose connection is open.
    pub(crate) fn send_by(self, client: &Client) -> Answer {
        let runtime = &self.broker.runtime;
        runtime.block_on(answered(self.by(client)))
    }

    /// Sends it, and goes on while it waits for its answer.
    pub(crate) fn send_and_go_on(self) -> JoinHandle<Answer> {
        let (client, runtime) = (self.broker.client(&self.officer), &self.broker.runtime);
        runtime.spawn(answered(self.by(&client)))
    }

    fn by(self, client: &Client) -> RequestBuilder {
        let url = format!("{}{}", self.broker.running.http, self.path);
        let request = client.request(self.method, url).headers(self.headers);
        match self.body {
            Some(body) => request.body(body),
            None => request,
        }
    }
}

async fn answered(request: RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    let text = response.text().await.unwrap();
    let json = serde_json::from_str(&text).unwrap_or_default();
    Answer {
        status,
        headers,
        text,
        json,
    }
}

impl Broker {
    /// The shipped folders, with certificates in `pki`.
    pub(crate) fn start() -> Self {
        Self::start_with(|_| {})
    }

    /// The shipped folders as `change` leaves them.
    pub(crate) fn start_with(change: impl FnOnce(&Path)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let copied = Command::new("cp")
            .args(["-r", "agencies", "messages", "policies"])
            .arg(folder.path())
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .status();
        assert!(copied.unwrap().success());
        change(folder.path());
        let run = |words: &str| {
            let output = carnet(folder.path(), words);
            let says = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success(), "{words}: {says}");
        };
        run("certs dev pki");
        // Development issuers in place of the agencies' own.
        for entry in folder.path().join("agencies").read_dir().unwrap() {
            let agency = entry.unwrap().path();
            if agency.is_dir() {
                let name = format!("{}-ca.pem", agency.file_name().unwrap().display());
                let issuer = read_file(&folder.path().join("pki").join(&name)).unwrap();
                write_text(&agency.join(&name), &issuer).unwrap();
            }
        }
        if let Ok(issuer) = read_file(&folder.path().join("pki/board-ca.pem")) {
            write_text(&folder.path().join("policies/board-ca.pem"), &issuer).unwrap();
        }
        run("init --certs pki");
        let running = serve(folder.path());
        Self {
            folder,
            running,
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap(),
        }
    }

    /// Kills it, and starts it again on the same log.
    pub(crate) fn killed_and_restarted(&mut self) {
        self.killed_and_restarted_after(|_| {});
    }

    /// Kills it, and starts it again on the same log once `change` has been in its folder.
    pub(crate) fn killed_and_restarted_after(&mut self, change: impl FnOnce(&Path)) {
        self.running.child.kill().unwrap();
        self.running.child.wait().unwrap();
        change(self.folder.path());
        self.running = serve(self.folder.path());
    }

    /// Has it read revocation lists and keys now.
    pub(crate) fn hang_up(&self) {
        let mut kill = Command::new("kill");
        kill.args(["-HUP", &self.running.child.id().to_string()]);
        assert!(kill.status().unwrap().success());
    }

    /// A line of its log that holds `words`; waits for it.
    pub(crate) fn logged(&self, words: &str) -> String {
        let mut seen = Vec::new();
        while let Ok(line) = self.running.log.recv_timeout(SAYS_WITHIN) {
            if line.contains(words) {
                return line;
            }
            seen.push(line);
        }
        panic!("the broker did not log `{words}`, only: {seen:#?}");
    }

    /// Waits for one of these to end.
    pub(crate) fn wait_for_one(&self, all: &mut JoinSet<()>) {
        let one = self.runtime.block_on(all.join_next());
        one.unwrap().unwrap();
    }

    /// The answer to a request that was sent before.
    pub(crate) fn answer_to(&self, sent: JoinHandle<Answer>) -> Answer {
        self.runtime.block_on(sent).unwrap()
    }

    /// The port that officers connect to.
    pub(crate) fn http_port(&self) -> u16 {
        port_of(&self.running.http)
    }

    /// The port of the pages of health.
    pub(crate) fn health_port(&self) -> u16 {
        port_of(&self.running.health)
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// What the file has.
    pub(crate) fn read(&self, file: &str) -> String {
        String::from_utf8(read_file(&self.path().join(file)).unwrap()).unwrap()
    }

    /// Runs `carnet` as a client of it.
    pub(crate) fn run(&self, words: &str) -> Output {
        let at = format!("{words} --url {} --certs pki", self.running.http);
        carnet(self.path(), &at)
    }

    /// What `carnet` prints of this folder, where it succeeds.
    #[track_caller]
    pub(crate) fn local(&self, words: &str) -> String {
        let output = carnet(self.path(), words);
        assert!(output.status.success(), "{words}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Publishes a file as a system does.
    #[track_caller]
    pub(crate) fn publishes(&self, file: &str, id: &str, system: &str) {
        self.sends("postal.item", &format!("{file} --id {id}"), system);
    }

    /// Publishes as a system does; `words` are the file, and what else there is to say.
    #[track_caller]
    pub(crate) fn sends(&self, message_type: &str, words: &str, system: &str) {
        let at = &self.running.amqp;
        self.local(&format!(
            "publish {message_type} {words} --as {system} --amqp {at} --certs pki"
        ));
    }

    /// A command as a user runs it who has `carnet` in his path, and settings that find this broker.
    pub(crate) fn as_user<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        let carnet = Path::new(env!("CARGO_BIN_EXE_carnet"));
        let folder = carnet.parent().unwrap().display();
        let http = self.running.http.trim_start_matches("https://");
        command
            .current_dir(self.path())
            .env("PATH", format!("{folder}:/usr/local/bin:/usr/bin:/bin"))
            .env("CARNET__HTTP", http)
            .env("CARNET__AMQP", &self.running.amqp)
            .env("CARNET__CERTS", "pki")
    }

    /// Whether a page of health says yes, and what it says.
    pub(crate) fn health(&self, page: &str) -> (bool, String) {
        provide();
        let url = format!("{}{page}", self.running.health);
        let client = Client::builder().no_proxy().build().unwrap();
        self.runtime.block_on(async {
            let response = client.get(url).send().await.unwrap();
            (
                response.status().is_success(),
                response.text().await.unwrap(),
            )
        })
    }

    /// What `carnet` prints, where it succeeds.
    #[track_caller]
    pub(crate) fn told(&self, words: &str) -> String {
        let output = self.run(words);
        let says = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{words}: {says}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Why `carnet` refuses, with exit code 1.
    #[track_caller]
    pub(crate) fn refuses(&self, words: &str) -> String {
        let output = self.run(words);
        assert_eq!(output.status.code(), Some(1), "{words}: {output:?}");
        String::from_utf8(output.stderr).unwrap()
    }

    /// A request of an officer, such as `post/m-0042`, to a path below the address.
    pub(crate) fn ask(&self, officer: &str, method: Method, path: &str) -> Asked<'_> {
        Asked {
            broker: self,
            officer: officer.replace('/', "."),
            method,
            path: path.to_owned(),
            headers: HeaderMap::new(),
            body: None,
        }
    }

    pub(crate) fn get(&self, officer: &str, path: &str) -> Answer {
        self.ask(officer, Method::GET, path).send()
    }

    /// A client with the certificate of these files.
    fn client(&self, stem: &str) -> Client {
        let pki = self.path().join("pki");
        let read = |name: &str| read_file(&pki.join(name)).unwrap();
        let (certificate, key) = (read(&format!("{stem}.pem")), read(&format!("{stem}.key")));
        let identity = Identity::from_pem(&[certificate, key].concat()).unwrap();
        provide();
        Client::builder()
            .tls_certs_only(Certificate::from_pem_bundle(&read("ca.pem")).unwrap())
            .identity(identity)
            .no_proxy()
            .build()
            .unwrap()
    }

    /// Whether a connection with these files is declined in the handshake.
    pub(crate) fn declines(&self, stem: &str) -> bool {
        let client = self.client(stem);
        let url = format!("{}/api/v1/me", self.running.http);
        self.runtime.block_on(client.get(url).send()).is_err()
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        drop(self.running.child.kill());
        drop(self.running.child.wait());
    }
}

/// Has TLS of this process use the product's provider; where another client came first, it does.
fn provide() {
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
}

pub(crate) fn carnet(folder: &Path, words: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_carnet"));
    command.current_dir(folder).args(split(words));
    command.output().unwrap()
}

fn port_of(url: &str) -> u16 {
    let (_, port) = url.rsplit_once(':').unwrap();
    port.parse().unwrap()
}

/// Words, of which those in quotes stay together.
fn split(words: &str) -> Vec<String> {
    let parts = words.split('"').enumerate();
    let parts = parts.flat_map(|(place, part)| match place % 2 {
        0 => part.split_whitespace().map(str::to_owned).collect(),
        _ => vec![part.to_owned()],
    });
    parts.collect()
}

/// A broker's process, what it prints, and where it is found.
struct Running {
    child: Child,
    /// Read to the end, so that the broker can print.
    _output: Receiver<String>,
    log: Receiver<String>,
    amqp: String,
    http: String,
    health: String,
}

fn serve(folder: &Path) -> Running {
    let mut command = Command::new(env!("CARGO_BIN_EXE_carnet"));
    let command = command
        .args(["serve", "--amqp", "127.0.0.1:0", "--http", "127.0.0.1:0"])
        .args(["--health", "127.0.0.1:0"])
        .args(["--certs", "pki"])
        .env("CARNET_LOG", "carnet=warn")
        .current_dir(folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let output = lines_of(child.stdout.take().unwrap());
    let log = lines_of(child.stderr.take().unwrap());
    let mut lines = Vec::new();
    while let Ok(line) = output.recv_timeout(SAYS_WITHIN) {
        let is_last = line.starts_with("rulebook");
        lines.push(line);
        if is_last {
            break;
        }
    }
    let at = |prefix: &str| lines.iter().find_map(|line| line.strip_prefix(prefix));
    let found = (
        at("listening on amqps://127.0.0.1:"),
        at("officers at https://127.0.0.1:"),
        at("health at "),
    );
    let (Some(amqp), Some(http), Some(health)) = found else {
        drop(child.kill());
        drop(child.wait());
        let log: Vec<String> = log.iter().collect();
        panic!("the broker did not say where it is: {lines:?} {log:?}");
    };
    Running {
        child,
        amqp: format!("localhost:{amqp}"),
        http: format!("https://localhost:{http}"),
        health: health.trim_end_matches("/readyz").to_owned(),
        _output: output,
        log,
    }
}
