//! An officer as a client of the HTTP interface: connected with his certificate, from any machine.

use std::io::ErrorKind;
use std::net::ToSocketAddrs;
use std::path::Path;

use reqwest::{Certificate, Identity, Method, RequestBuilder, Response, StatusCode, Url};
use serde_json::Value;

use super::client::{certs, reached};
use super::failed::Failed;
use super::runtime::on_a_runtime;
use super::token;
use crate::agency::officer::OfficerId;
use crate::config::{Address, Config, HTTP_PORT, read_file};
use crate::message::bundle::Fault;

/// Who acts, and where.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct AsOfficer {
    /// The officer whose certificate is used, such as post/o-2117
    #[arg(long = "as", value_name = "AGENCY/OFFICER")]
    officer: OfficerId,
    /// Where officers act [default: https:// and the setting http]
    #[arg(long, value_name = "URL", requires = "officer")]
    url: Option<String>,
    /// The name in the broker's certificate, where it is not the host of the URL
    #[arg(long, value_name = "NAME", requires = "officer")]
    server_name: Option<String>,
    /// A command of the shell that prints your token, where your certificate names no officer [default: the
    /// setting of this name, which is none]
    #[arg(long, value_name = "COMMAND", requires = "officer")]
    token_command: Option<String>,
}

/// Who acts, where an officer is named.
#[derive(Debug, Clone)]
pub(super) struct PerhapsOfficer(pub(super) Option<AsOfficer>);

impl clap::Args for PerhapsOfficer {
    fn augment_args(command: clap::Command) -> clap::Command {
        // For an update none of them is required.
        AsOfficer::augment_args_for_update(command)
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}

impl clap::FromArgMatches for PerhapsOfficer {
    fn from_arg_matches(matches: &clap::ArgMatches) -> Result<Self, clap::Error> {
        let is_named = matches.contains_id("officer");
        let named = is_named.then(|| AsOfficer::from_arg_matches(matches));
        named.transpose().map(Self)
    }

    fn update_from_arg_matches(&mut self, matches: &clap::ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// A connected officer.
pub(super) struct Api {
    client: reqwest::Client,
    base: Url,
    officer: OfficerId,
    /// His key, PEM: he signs what he approves with it.
    key: Vec<u8>,
    /// The token that names him, where his certificate does not.
    bearer: Option<String>,
}

/// The name of an officer's files in a folder of certificates, without ending.
fn file_stem(officer: &OfficerId) -> String {
    format!("{}.{}", officer.holder, officer.officer)
}

impl AsOfficer {
    /// Does `work` as this officer.
    pub(super) fn run<T, F: Future<Output = Result<T, Failed>>>(
        &self,
        config: &Config,
        work: impl FnOnce(Api) -> F,
    ) -> Result<T, Failed> {
        let (address, name) = (self.address(config)?, self.server_name.as_deref());
        let mut api = Api::named(&address, name, &certs(config), self.officer.clone())?;
        let command = self.token_command.as_ref().unwrap_or(&config.token_command);
        if !command.is_empty() {
            api.bearer = Some(token::of_command(command)?);
        }
        on_a_runtime(work(api))
    }

    /// The address as it is written, or the setting's.
    fn address(&self, config: &Config) -> Result<Address, Failed> {
        let Some(url) = &self.url else {
            return Ok(reached(&config.http));
        };
        let at = url.strip_prefix("https://").unwrap_or(url);
        let address = Address::with_port(at.trim_end_matches('/'), HTTP_PORT);
        address.map_err(|_| {
            let says =
                format!("'{url}' is no address of officers: write https://broker.example:8443");
            Failed::Usage(says)
        })
    }
}

impl Api {
    /// The officer at `address`, with his certificate among `certs`.
    pub(super) fn connect(
        address: &Address,
        certs: &Path,
        officer: OfficerId,
    ) -> Result<Self, Failed> {
        Self::named(address, None, certs, officer)
    }

    fn named(
        address: &Address,
        server_name: Option<&str>,
        certs: &Path,
        officer: OfficerId,
    ) -> Result<Self, Failed> {
        let stem = file_stem(&officer);
        let read = |name: String| {
            read_file(&certs.join(name)).map_err(|error| {
                Failed::CannotRun(format!(
                    "{error}; --certs names the folder with ca.pem and {stem}.pem and .key, which `carnet certs dev` makes to try things"
                ))
            })
        };
        let ca = read("ca.pem".to_owned())?;
        let certificate = read(format!("{stem}.pem"))?;
        let key = read(format!("{stem}.key"))?;
        let identity = Identity::from_pem(&[&certificate[..], b"\n", &key].concat());
        let name = server_name.unwrap_or(&address.host);
        let named = Address {
            host: name.to_owned(),
            port: address.port,
        };
        let base = Url::parse(&format!("https://{named}")).map_err(Failed::cannot_run)?;
        let mut client = reqwest::Client::builder()
            .tls_certs_only(Certificate::from_pem_bundle(&ca).map_err(Failed::cannot_run)?)
            .identity(identity.map_err(Failed::cannot_run)?)
            .no_proxy();
        if name != address.host {
            let to = (address.host.as_str(), address.port);
            let found = to.to_socket_addrs().map_err(Failed::cannot_run)?;
            client = client.resolve_to_addrs(name, &found.collect::<Vec<_>>());
        }
        Ok(Self {
            client: client.build().map_err(Failed::cannot_run)?,
            base,
            officer,
            key,
            bearer: None,
        })
    }

    /// Who acts.
    pub(super) fn officer(&self) -> &OfficerId {
        &self.officer
    }

    /// His key, PEM.
    pub(super) fn key(&self) -> &[u8] {
        &self.key
    }

    /// A request to a path below `/api/v1/`.
    pub(super) fn request(&self, method: Method, path: &str) -> Result<RequestBuilder, Failed> {
        let url = self.base.join(&format!("/api/v1/{path}"));
        let request = self
            .client
            .request(method, url.map_err(Failed::cannot_run)?);
        Ok(match &self.bearer {
            Some(token) => request.bearer_auth(token),
            None => request,
        })
    }

    /// The answer to a request, where it is what was asked for.
    pub(super) async fn answer(&self, request: RequestBuilder) -> Result<Response, Failed> {
        let response = request
            .send()
            .await
            .map_err(|error| self.unreached(&error))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let told: Value = response.json().await.unwrap_or_default();
        Err(problem(status, &told))
    }

    /// The answer as JSON.
    pub(super) async fn json(&self, request: RequestBuilder) -> Result<Value, Failed> {
        let response = self.answer(request).await?;
        response.json().await.map_err(Failed::cannot_run)
    }

    /// What a path has, as JSON.
    pub(super) async fn get(&self, path: &str) -> Result<Value, Failed> {
        self.json(self.request(Method::GET, path)?).await
    }

    /// What a path has, as text.
    pub(super) async fn text(&self, request: RequestBuilder) -> Result<String, Failed> {
        let response = self.answer(request).await?;
        response.text().await.map_err(Failed::cannot_run)
    }

    /// All items of a list, page after page.
    pub(super) async fn all(&self, path: &str) -> Result<Vec<Value>, Failed> {
        let mut items = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let mut request = self.request(Method::GET, path)?;
            if let Some(cursor) = &cursor {
                request = request.query(&[("cursor", cursor)]);
            }
            let mut page = self.json(request).await?;
            if let Some(Value::Array(more)) = page.get_mut("items").map(Value::take) {
                items.extend(more);
            }
            cursor = page.get("next").and_then(Value::as_str).map(str::to_owned);
            if cursor.is_none() {
                return Ok(items);
            }
        }
    }

    fn unreached(&self, error: &reqwest::Error) -> Failed {
        let mut says = error.to_string();
        let mut is_refused = false;
        let mut cause = std::error::Error::source(error);
        while let Some(deeper) = cause {
            says = deeper.to_string();
            let io = deeper.downcast_ref::<std::io::Error>();
            is_refused |= io.is_some_and(|io| io.kind() == ErrorKind::ConnectionRefused);
            cause = deeper.source();
        }
        let cure = if is_refused {
            "nothing listens there: start the broker, or give its --url"
        } else if says.contains("invalid peer certificate") {
            "your ca.pem did not issue the broker's certificate, or that has another name: --certs names \
             the folder with its ca.pem, --server-name the name"
        } else if says.contains("fatal alert") && !says.contains("ApplicationProtocol") {
            "the broker does not take your certificate: its rulebook does not list who issued it, or it \
             has ended"
        } else {
            "what listens there may be another server: --url takes the address of the setting http"
        };
        let (base, officer) = (&self.base, &self.officer);
        Failed::CannotRun(format!(
            "{officer} was not served at {base}: {says}; {cure}"
        ))
    }
}

/// A problem as a command's failure: faults one by one, anything else in its words.
fn problem(status: StatusCode, told: &Value) -> Failed {
    let text = |value: &Value, name: &str| {
        let text = value.get(name).and_then(Value::as_str);
        text.unwrap_or_default().to_owned()
    };
    let faults = told.get("faults").and_then(Value::as_array);
    let faults = faults.into_iter().flatten().map(|fault| {
        Fault::new(
            text(fault, "place"),
            text(fault, "says"),
            text(fault, "cure"),
        )
    });
    let faults: Vec<Fault> = faults.collect();
    if !faults.is_empty() {
        return Failed::Faults(faults);
    }
    let code = text(told, "type");
    let code = code.rsplit('/').next().unwrap_or_default();
    let says = match code {
        "" => format!("the broker answered {status}"),
        code => format!("{} ({code}): {}", text(told, "detail"), text(told, "cure")),
    };
    match status {
        StatusCode::SERVICE_UNAVAILABLE => Failed::CannotRun(says),
        _ => Failed::Refused(says),
    }
}
