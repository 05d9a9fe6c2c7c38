//! The settings: what a process is told by its configuration file, environment and flags.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::address::Address;
use crate::broker::limits::{KNOWN_IDS_MIN, REPEAT_WINDOW_MAX, SEGMENT_BYTES_MIN};
use crate::message::bundle::Fault;
use crate::server::tls::TlsVersion;

/// What a process is told from outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Address and port for AMQP over TLS. Port 0 takes a free one, which is printed. Clients connect
    /// to it, by name where it is a name.
    pub amqp: Address,
    /// Address and port of the HTTP interface for officers, over the same mutual TLS. Port 0 takes a free
    /// one, which is printed.
    #[serde(deserialize_with = "Address::of_http")]
    pub http: Address,
    /// Address and port of `/livez` and `/readyz`, in plain HTTP: for this machine alone, or its network of
    /// operators. Port 0 takes a free one.
    #[serde(deserialize_with = "Address::of_health")]
    pub health: Address,
    /// The data folder: journal, snapshots, pages, ids. One process at a time.
    pub data: PathBuf,
    /// One folder an agency.
    pub agencies: PathBuf,
    /// One folder a message type.
    pub messages: PathBuf,
    /// Sharing policies.
    pub policies: PathBuf,
    /// `server.pem`, `server.key`, and what `certs dev` writes.
    pub certs: PathBuf,
    /// A command of the shell that prints the token of an officer whose certificate does not name him; none where
    /// it is empty.
    pub token_command: String,
    /// The file with the master key, outside data folder and rulebook; made by `init`.
    pub master_key: PathBuf,
    /// The file with the private keys by which the log signs its tree, a line each, outside data folder and
    /// rulebook; made by `init`.
    pub log_key: PathBuf,
    /// The name under which the log signs, for the key that `init` makes: where its `/log` is read, without
    /// the scheme. Empty for the host of `http` and something drawn.
    pub log_origin: String,
    /// Milliseconds between two checkpoints of the log's tree, 100 to 60,000.
    pub checkpoint_ms: u64,
    /// The file that says how far the log has come: on a disk of its own, outside the data folder. By
    /// default `state/<name of the data folder>.end`.
    pub end_file: PathBuf,
    /// The lowest TLS version, `1.3` or `1.2`. 1.2 is for old runtimes (Java 8, .NET Framework).
    pub tls: TlsVersion,
    /// Threads with a runtime each, at most 256; 0 means one a core.
    pub runtimes: u64,
    /// Heartbeat offered to clients, in seconds; 0 turns it off.
    pub heartbeat_s: u16,
    /// Size of a journal segment, in MiB, 8 to 1024.
    pub segment_mib: u64,
    /// Seconds that a stop may take before connections are cut, at most a day.
    pub drain_s: u64,
    /// How long a repeat is recognised, in hours, 1 to 168.
    pub repeat_hours: u64,
    /// Ids of messages in memory, to recognise repeats, 16 to 100,000,000; older ones are looked up on
    /// disk.
    pub known_ids: u64,
}

/// A segment takes every step with the largest message.
const SEGMENT_MIB_MIN: u64 = 8;
const _: () = assert!(SEGMENT_BYTES_MIN == 8 << 20);
/// A segment is read whole to write its snapshot.
const SEGMENT_MIB_MAX: u64 = 1024;
/// Each has a thread and some open files.
const RUNTIMES_MAX: u64 = 256;
/// A day: a stop that takes longer is none.
const DRAIN_S_MAX: u64 = 24 * 3_600;
/// Fewer are forgotten while messages are under way: `broker::limits` has the same.
const KNOWN_IDS_RANGE_MIN: u64 = 16;
const _: () = assert!(KNOWN_IDS_MIN == 16);
/// About 10 GB of memory.
const KNOWN_IDS_MAX: u64 = 100_000_000;
/// A week: beyond it a repeat is a new message.
const REPEAT_HOURS_MAX: u64 = REPEAT_WINDOW_MAX.as_secs() / 3_600;
/// A checkpoint costs a sync.
const CHECKPOINT_MS_MIN: u64 = 100;
/// A proof waits for it.
const CHECKPOINT_MS_MAX: u64 = 60_000;
const DEFAULTS: &str = include_str!("defaults.toml");

/// What the command line overrides.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Options of every command")]
pub struct Overrides {
    /// Configuration file [default: carnet.toml, where it exists]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Host and port for AMQP over TLS, such as broker.example:5671 [default: 127.0.0.1:5671]
    #[arg(long, global = true, value_name = "ADDRESS")]
    pub amqp: Option<String>,
    /// Host and port of the HTTP interface for officers [default: 127.0.0.1:8443]
    #[arg(long, global = true, value_name = "ADDRESS")]
    pub http: Option<String>,
    /// Host and port of /livez and /readyz, in plain HTTP [default: 127.0.0.1:8444]
    #[arg(long, global = true, value_name = "ADDRESS")]
    pub health: Option<String>,
    /// Data folder [default: data]
    #[arg(long, global = true, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Folder of agencies [default: agencies]
    #[arg(long, global = true, value_name = "DIR")]
    pub agencies: Option<PathBuf>,
    /// Folder of message types [default: messages]
    #[arg(long, global = true, value_name = "DIR")]
    pub messages: Option<PathBuf>,
    /// Folder of sharing policies [default: policies]
    #[arg(long, global = true, value_name = "DIR")]
    pub policies: Option<PathBuf>,
    /// Folder of certificates [default: certs; of serve --dev, and of publish and consume where certs
    /// has no ca.pem: certs in the data folder]
    #[arg(long, global = true, value_name = "DIR")]
    pub certs: Option<PathBuf>,
}

impl Config {
    /// Defaults, then the file, then `CARNET__…` variables, then flags.
    pub fn load(overrides: &Overrides) -> Result<Self, config::ConfigError> {
        let path = |path: &Option<PathBuf>| path.as_ref().map(|p| p.display().to_string());
        let file = overrides
            .config
            .clone()
            .unwrap_or_else(|| PathBuf::from("carnet.toml"));
        let environment = config::Environment::with_prefix("CARNET")
            .prefix_separator("__")
            .separator("__")
            .try_parsing(true);
        let config: Self = config::Config::builder()
            .add_source(config::File::from_str(DEFAULTS, config::FileFormat::Toml))
            .add_source(
                config::File::from(file.as_path())
                    .format(config::FileFormat::Toml)
                    .required(overrides.config.is_some()),
            )
            .add_source(environment)
            .set_override_option("amqp", overrides.amqp.clone())?
            .set_override_option("http", overrides.http.clone())?
            .set_override_option("health", overrides.health.clone())?
            .set_override_option("data", path(&overrides.data))?
            .set_override_option("agencies", path(&overrides.agencies))?
            .set_override_option("messages", path(&overrides.messages))?
            .set_override_option("policies", path(&overrides.policies))?
            .set_override_option("certs", path(&overrides.certs))?
            .build()?
            .try_deserialize()
            .map_err(|error| said_where(&error, &file))?;
        let config = config.with_an_end_file();
        config.in_range().map_err(|error| said_where(&error, &file))
    }

    /// Each log has an end file of its own, which is called after its data folder unless it is set.
    fn with_an_end_file(mut self) -> Self {
        if self.end_file.as_os_str().is_empty() {
            let mut name = self.data.file_name().unwrap_or("data".as_ref()).to_owned();
            name.push(".end");
            self.end_file = Path::new("state").join(name);
        }
        self
    }

    /// Numbers that could be written and cannot be meant: none is quietly made another.
    fn in_range(self) -> Result<Self, config::ConfigError> {
        let numbers = [
            ("runtimes", self.runtimes, 0..=RUNTIMES_MAX),
            (
                "segment_mib",
                self.segment_mib,
                SEGMENT_MIB_MIN..=SEGMENT_MIB_MAX,
            ),
            ("drain_s", self.drain_s, 0..=DRAIN_S_MAX),
            (
                "checkpoint_ms",
                self.checkpoint_ms,
                CHECKPOINT_MS_MIN..=CHECKPOINT_MS_MAX,
            ),
            ("repeat_hours", self.repeat_hours, 1..=REPEAT_HOURS_MAX),
            (
                "known_ids",
                self.known_ids,
                KNOWN_IDS_RANGE_MIN..=KNOWN_IDS_MAX,
            ),
        ];
        for (setting, value, range) in numbers {
            if !range.contains(&value) {
                let (from, to) = range.into_inner();
                let says = format!("{setting} is {value}; it is from {from} to {to}");
                return Err(config::ConfigError::Message(says));
            }
        }
        Ok(self)
    }

    /// A fault as the reader finds it: rulebooks know their files as `agencies/…`, `messages/…` and
    /// `policies/…`, whatever the folders are that they were read from.
    pub fn located(&self, fault: &Fault) -> Fault {
        let located = |text: &str| {
            let folders = [
                ("agencies/", &self.agencies),
                ("messages/", &self.messages),
                ("policies/", &self.policies),
            ];
            folders
                .iter()
                .fold(text.to_owned(), |text, (name, folder)| {
                    in_folder(&text, name, folder)
                })
        };
        Fault {
            place: located(&fault.place),
            says: located(&fault.says),
            cure: located(&fault.cure),
        }
    }

    /// The server's certificate chain.
    pub fn server_certificate(&self) -> PathBuf {
        self.certs.join("server.pem")
    }

    /// The server's private key.
    pub fn server_key(&self) -> PathBuf {
        self.certs.join("server.key")
    }
}

/// What `CARNET_LOG` says; nothing where it is not set, or empty.
pub fn log_levels() -> Result<Option<String>, std::env::VarError> {
    #[expect(
        clippy::disallowed_methods,
        reason = "the environment is read here alone"
    )]
    match std::env::var("CARNET_LOG") {
        Ok(levels) => Ok(Some(levels).filter(|levels| !levels.is_empty())),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The error with the places that settings come from: by itself it names the setting at most.
fn said_where(error: &config::ConfigError, file: &Path) -> config::ConfigError {
    let file = file.display();
    config::ConfigError::Message(format!(
        "{error} (settings come from flags, variables CARNET__<SETTING> and {file})"
    ))
}

/// The text with `folder` where a path begins with `name`.
fn in_folder(text: &str, name: &str, folder: &Path) -> String {
    let mut located = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(name) {
        located.push_str(before);
        let is_within = before.ends_with(|c: char| c.is_alphanumeric() || "/._-".contains(c));
        if is_within {
            located.push_str(name);
        } else {
            let folder = folder.display().to_string();
            located.push_str(folder.trim_end_matches('/'));
            located.push('/');
        }
        rest = after;
    }
    located.push_str(rest);
    located
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::write_text;

    #[test]
    fn defaults_are_whole_and_flags_win() {
        let overrides = Overrides {
            amqp: Some("127.0.0.1:0".to_owned()),
            data: Some(PathBuf::from("/elsewhere")),
            ..Overrides::default()
        };
        let config = Config::load(&overrides).unwrap();
        assert_eq!(config.amqp.port, 0);
        assert_eq!(config.data, PathBuf::from("/elsewhere"));
        assert_eq!(config.end_file, PathBuf::from("state/elsewhere.end"));
        assert_eq!(config.tls, TlsVersion::V13);
    }

    #[test]
    fn a_number_out_of_range_is_refused_and_not_made_another() {
        let folder = tempfile::tempdir().unwrap();
        for wrong in [
            "segment_mib = 7",
            "segment_mib = 1025",
            "runtimes = 257",
            "drain_s = 86401",
            "repeat_hours = 0",
            "repeat_hours = 169",
            "checkpoint_ms = 99",
            "checkpoint_ms = 60001",
            "known_ids = 15",
            "known_ids = 100000001",
        ] {
            let file = folder.path().join("carnet.toml");
            write_text(&file, wrong.as_bytes()).unwrap();
            let overrides = Overrides {
                config: Some(file),
                ..Overrides::default()
            };
            let error = Config::load(&overrides).unwrap_err().to_string();
            let name = wrong.split(' ').next().unwrap();
            assert!(
                error.contains(name) && error.contains("it is from"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_fault_is_told_where_its_file_was_read_and_nothing_else_is_changed() {
        let overrides = Overrides {
            policies: Some(PathBuf::from("proposal/rules/")),
            ..Overrides::default()
        };
        let config = Config::load(&overrides).unwrap();
        let (place, says) = (
            "policies/post.cedar:3",
            "as in policies/a.cedar, not docs/policies/",
        );
        let fault = config.located(&Fault::new(place, says, "see agencies/ and \"policies/\""));
        assert_eq!(fault.place, "proposal/rules/post.cedar:3");
        assert_eq!(
            fault.says,
            "as in proposal/rules/a.cedar, not docs/policies/"
        );
        assert_eq!(fault.cure, "see agencies/ and \"proposal/rules/\"");
    }

    #[test]
    fn a_misspelt_key_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("carnet.toml");
        write_text(&file, b"hearbeat_s = 3\n").unwrap();
        let overrides = Overrides {
            config: Some(file),
            ..Overrides::default()
        };
        let error = Config::load(&overrides).unwrap_err().to_string();
        assert!(error.contains("hearbeat_s"), "{error}");
    }
}
