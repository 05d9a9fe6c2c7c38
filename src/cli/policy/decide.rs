//! How an officer decides about a proposal.

use std::fmt::Display;
use std::path::{Path, PathBuf};

use data_encoding::BASE64;
use reqwest::Method;
use rustls::SignatureScheme;
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Value, json};

use super::show::{lines_of, member, print};
use crate::agency::officer::OfficerId;
use crate::broker::governance::Statement;
use crate::cli::api::{Api, AsOfficer};
use crate::cli::failed::Failed;
use crate::cli::names::instant;
use crate::cli::output;
use crate::config::{Config, write_text};
use crate::message::id::Digest;

/// The schemes by which a statement is signed, the preferred first.
const SCHEMES: [SignatureScheme; 5] = [
    SignatureScheme::ED25519,
    SignatureScheme::ECDSA_NISTP256_SHA256,
    SignatureScheme::ECDSA_NISTP384_SHA384,
    SignatureScheme::RSA_PSS_SHA256,
    SignatureScheme::RSA_PKCS1_SHA256,
];

/// Declares a command on one proposal, and what it does.
macro_rules! on_a_proposal {
    ($(#[$doc:meta])* $name:ident, $does:expr) => {
        $(#[$doc])*
        #[derive(Debug, clap::Args)]
        pub(in crate::cli) struct $name {
            /// The proposal's number
            number: u64,
            #[command(flatten)]
            officer: AsOfficer,
            /// As JSON
            #[arg(long)]
            json: bool,
        }

        impl $name {
            pub(super) fn run(&self, config: &Config) -> Result<(), Failed> {
                self.officer.run(config, async |api| {
                    let (method, path) = $does(self.number);
                    let told = api.json(api.request(method, &path)?).await?;
                    print(&told, self.json)
                })
            }
        }
    };
}

on_a_proposal!(
    /// Withdraw a proposal.
    Withdraw,
    |number| (Method::DELETE, format!("proposals/{number}"))
);
on_a_proposal!(
    /// Propose the same changes on the rulebook in force.
    Rebase,
    |number| (Method::POST, format!("proposals/{number}/rebase"))
);

/// Approve a proposal.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  carnet policy approve 7 --as post/o-0934\n  carnet policy approve 7 --as post/o-0934 --out approval\n      # writes approval.txt and approval.sig, which openssl verifies:\n      # openssl x509 -in post.o-0934.pem -pubkey -noout > post.o-0934.pub\n      # openssl dgst -sha256 -verify post.o-0934.pub -signature approval.sig approval.txt"
)]
pub(in crate::cli) struct Approve {
    /// The proposal's number
    number: u64,
    /// Write what was signed and the signature into NAME.txt and NAME.sig too
    #[arg(long, value_name = "NAME")]
    out: Option<PathBuf>,
    #[command(flatten)]
    officer: AsOfficer,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// Have an approved proposal take effect.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  carnet policy activate 7 --as post/o-2117\n  carnet policy activate 7 --at 2026-07-01T00:00:00Z --as post/o-2117"
)]
pub(in crate::cli) struct Activate {
    /// The proposal's number
    number: u64,
    /// When; now, where no time is given
    #[arg(long, value_name = "TIME", value_parser = instant)]
    at: Option<String>,
    #[command(flatten)]
    officer: AsOfficer,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// Take back what an activation changed.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  carnet policy rollback 12 --as post/o-2117")]
pub(in crate::cli) struct Rollback {
    /// The activation's number, as `carnet policy log` has it
    number: u64,
    #[command(flatten)]
    officer: AsOfficer,
    /// As JSON
    #[arg(long)]
    json: bool,
}

impl Approve {
    pub(super) fn run(&self, config: &Config) -> Result<(), Failed> {
        self.officer.run(config, async |api| {
            let path = format!("proposals/{}/difference", self.number);
            output::note(member(&api.get(&path).await?, "text").trim_end());
            let told = approve(&api, self.number, self.out.as_deref()).await?;
            print(&told, self.json)
        })
    }
}

/// Approves a proposal, which is told as it is then. What was signed and the signature are written into
/// files called `out` too.
pub(in crate::cli) async fn approve(
    api: &Api,
    number: u64,
    out: Option<&Path>,
) -> Result<Value, Failed> {
    let proposal = api.get(&format!("proposals/{number}")).await?;
    let path = format!("proposals/{number}/statement");
    let statement = statement(api, &path, |log| {
        expected(&proposal, number, api.officer(), log)
    })
    .await?;
    let signature = sign(api.key(), statement.as_bytes())?;
    if let Some(out) = out {
        let write = |ending, content: &[u8]| {
            let path = out.with_extension(ending);
            write_text(&path, content).map_err(Failed::cannot_run)
        };
        write("txt", statement.as_bytes())?;
        write("sig", &signature)?;
    }
    let approve = api.request(Method::POST, &format!("proposals/{number}/approvals"))?;
    let approval = json!({"signature": BASE64.encode(&signature)});
    api.json(approve.json(&approval)).await
}

/// What an officer signs to approve a proposal that is told so.
fn expected(
    proposal: &Value,
    number: u64,
    officer: &OfficerId,
    log: Digest,
) -> Option<impl Display> {
    let of = |name: &str| member(proposal, name);
    let about = lines_of(proposal, "about").map(|it| it.as_str().map(str::to_owned));
    Some(Statement {
        log,
        proposal: number,
        owner: of("owner").parse().ok()?,
        about: about.collect::<Option<_>>()?,
        base: of("base").parse().ok()?,
        digest: of("digest").parse().ok()?,
        impact: None,
        officer: officer.clone(),
    })
}

/// What this officer is to sign, by the broker at `path`. What is signed is what was asked for: it reads as
/// `expected`, whole, of the log that it names.
pub(in crate::cli) async fn statement<E: Display>(
    api: &Api,
    path: &str,
    expected: impl FnOnce(Digest) -> Option<E>,
) -> Result<String, Failed> {
    let statement = api.text(api.request(Method::GET, path)?).await?;
    if reads_as(&statement, expected) {
        return Ok(statement);
    }
    let says = format!("the broker gives another statement to sign than is expected:\n{statement}");
    Err(Failed::Refused(says))
}

/// Whether a statement is what is expected of the log that it names.
pub(in crate::cli) fn reads_as<E: Display>(
    statement: &str,
    expected: impl FnOnce(Digest) -> Option<E>,
) -> bool {
    let log = statement.lines().nth(1);
    let log = log.and_then(|line| line.strip_prefix("log ")?.parse().ok());
    let expected = log.and_then(expected);
    expected.is_some_and(|expected| expected.to_string() == statement)
}

/// The signature of a statement by an officer's key.
pub(in crate::cli) fn sign(key: &[u8], statement: &[u8]) -> Result<Vec<u8>, Failed> {
    let key = PrivateKeyDer::from_pem_slice(key).map_err(Failed::cannot_run)?;
    let key = any_supported_type(&key).map_err(Failed::cannot_run)?;
    let signer = key.choose_scheme(&SCHEMES);
    let signer = signer.ok_or_else(|| {
        Failed::CannotRun("no signature that brokers verify is made with this key".to_owned())
    })?;
    signer.sign(statement).map_err(Failed::cannot_run)
}

impl Activate {
    pub(super) fn run(&self, config: &Config) -> Result<(), Failed> {
        self.officer.run(config, async |api| {
            let path = format!("proposals/{}/activation", self.number);
            let request = api.request(Method::POST, &path)?;
            print(
                &api.json(request.json(&json!({"at": self.at}))).await?,
                self.json,
            )
        })
    }
}

impl Rollback {
    pub(super) fn run(&self, config: &Config) -> Result<(), Failed> {
        self.officer.run(config, async |api| {
            let path = format!("activations/{}/return", self.number);
            print(
                &api.json(api.request(Method::POST, &path)?).await?,
                self.json,
            )
        })
    }
}
