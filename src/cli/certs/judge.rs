//! `carnet certs check`: what the broker would say of a certificate, without a broker.
//!
//! The function that judges is the broker's own; what it needs to know is read from the folders.

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use rcgen::PublicKeyData;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Value, json};

use super::super::names::{system_name, system_named};
use super::pki::{DevelopmentPki, development_bundle};
use crate::agency::certificate::CertificateSummary;
use crate::agency::identity::{Admitted, identify};
use crate::agency::refusal::{IdentityRefusal, RefusalKind};
use crate::agency::registry::{Registry, System};
use crate::cli::check::has_issuer;
use crate::cli::failed::Failed;
use crate::cli::output;
use crate::config::{Config, read_bundle, read_file, read_folder_files};
use crate::message::bundle::Fault;
use crate::message::id::{AgencyId, Digest, SystemId};
use crate::message::time::Timestamp;

/// A certificate to be judged.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Judge {
    /// The certificate, those between it and its issuer behind it, as PEM
    file: PathBuf,
    /// The system that it is meant for, such as customs/declarations
    #[arg(long = "as", value_name = "AGENCY/SYSTEM")]
    system: SystemId,
    /// Its private key, to see whether they belong together
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// The address that it will connect from [default: one that its entry allows]
    #[arg(long, value_name = "ADDRESS")]
    from: Option<IpAddr>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

impl Judge {
    pub(super) fn run(&self, config: &Config, now: Timestamp) -> Result<(), Failed> {
        let in_data = config.data.join("certs");
        let registry = registry(config, &[&config.certs, &in_data])?;
        let (_, system) = system_named(&registry, &self.system)?;
        let chain = chain(&self.file)?;
        let remote = self.from.unwrap_or_else(|| allowed(&system));
        let judged = identify(&chain, &registry, now, remote);
        let judged = judged.and_then(|admitted| self.as_meant(admitted));
        let judged = match &self.key {
            None => judged,
            Some(key) => {
                let key = public_key(key)?;
                judged.and_then(|admitted| holds(admitted, key))
            }
        };
        if self.json {
            output::line(&as_json(&judged).to_string())?;
            return judged.map(drop).map_err(|_| Failed::Told);
        }
        match judged {
            Ok(admitted) => self.tell(&admitted, &system),
            Err(refusal) => Err(Failed::Refused(refusal.to_string())),
        }
    }

    /// A fault where the certificate is another system's than the one it is asked for.
    fn as_meant(&self, admitted: Admitted) -> Result<Admitted, IdentityRefusal> {
        let (agency, system) = (&admitted.peer.agency.id, &admitted.peer.system.name);
        if *agency == self.system.agency && *system == self.system.system {
            return Ok(admitted);
        }
        let detail = format!("it is {agency}/{system}, not the one of --as");
        let mut refusal = IdentityRefusal::new(RefusalKind::UnknownName, detail);
        refusal.certificate = Some(admitted.certificate);
        Err(refusal)
    }

    fn tell(&self, admitted: &Admitted, system: &System) -> Result<(), Failed> {
        let (file, of) = (self.file.display(), &admitted.peer.unit.id);
        let (certificate, grounds) = (&admitted.certificate, &admitted.grounds);
        output::line(&format!(
            "{file}: {} of unit {of} gets in with it",
            self.system
        ))?;
        let (subject, serial) = (&certificate.subject, &certificate.serial);
        output::line(&format!("  {subject:?}, serial {serial}"))?;
        let (until, ends_with) = (grounds.until, &grounds.ends_with);
        output::line(&format!("  until {until}, when {ends_with} ends"))?;
        if self.from.is_none() && !system.networks.is_empty() {
            let networks: Vec<String> = system.networks.iter().map(ToString::to_string).collect();
            output::line(&format!("  from {} alone", networks.join(", ")))?;
        }
        let advice = admitted.departures.iter().map(|says| {
            let cure = "it is taken all the same; renew it by the profile of certs/README.md";
            Fault::new(file.to_string(), says.clone(), cure)
        });
        output::warnings(&advice.collect::<Vec<_>>())
    }
}

/// An address that the system's entry allows.
fn allowed(system: &System) -> IpAddr {
    let first = system.networks.first();
    first.map_or(Ipv4Addr::LOCALHOST.into(), |network| network.base())
}

/// The agencies of the folders. Where those name no issuers, as in a repository, the ones that
/// `certs dev` wrote into the first of `folders` stand in.
fn registry(config: &Config, folders: &[&Path]) -> Result<Registry, Failed> {
    let bundle = read_bundle(config)?;
    if has_issuer(&bundle) {
        return Ok(Registry::parse(&bundle)?);
    }
    for folder in folders {
        let files = read_folder_files(folder).unwrap_or_default();
        let pki: DevelopmentPki = files.into_iter().collect();
        if let Ok(bundle) = development_bundle(&bundle, &pki) {
            return Ok(Registry::parse(&bundle)?);
        }
    }
    let (agencies, certs) = (config.agencies.display(), config.certs.display());
    Err(Failed::CannotRun(format!(
        "no issuer stands in {agencies} beside agency.toml, and none of `carnet certs dev` in {certs}; \
         put the issuers' certificates there, or give --certs"
    )))
}

/// Refuses an issuer that the agency does not list: the broker takes nothing that it issues.
pub(super) fn lists(config: &Config, agency: &AgencyId, issuer: &Path) -> Result<(), Failed> {
    let file = issuer.display();
    let beside = issuer.parent().unwrap_or(Path::new(""));
    let Ok(registry) = registry(config, &[beside]) else {
        let says = format!(
            "warning: no issuer of {agency} is known here: whether it lists {file} was not looked at"
        );
        output::note(&says);
        return Ok(());
    };
    let listed = registry.agency(agency.as_str()).map(|it| &it.issuers);
    let listed: Vec<&(String, Vec<u8>)> = listed.into_iter().flatten().collect();
    let own = chain(issuer)?;
    // It may stand below one that is listed.
    let own_names = own.first().and_then(|der| CertificateSummary::read(der));
    let above = own_names.filter(|it| it.issuer != it.subject);
    let is_above = |der: &[u8]| {
        let names = CertificateSummary::read(der).zip(above.as_ref());
        names.is_some_and(|(listed, own)| listed.subject == own.issuer)
    };
    let is_known = |der: &[u8]| own.iter().any(|it| **it == *der) || is_above(der);
    if listed.iter().any(|(_, der)| is_known(der)) {
        return Ok(());
    }
    let names: Vec<&str> = listed.iter().map(|(name, _)| name.as_str()).collect();
    Err(Failed::Refused(format!(
        "{agency} does not list {file}, and what that issues for it lets nobody in; its issuers: {}",
        names.join(", ")
    )))
}

fn chain(file: &Path) -> Result<Vec<CertificateDer<'static>>, Failed> {
    let pem = read_file(file).map_err(Failed::cannot_run)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match chain {
        Ok(chain) if !chain.is_empty() => Ok(chain),
        Ok(_) | Err(_) => Err(Failed::CannotRun(format!(
            "{} holds no certificate as PEM; `openssl x509 -inform der` makes PEM of DER",
            file.display()
        ))),
    }
}

/// SHA-256 of the public key that belongs to a private one.
fn public_key(file: &Path) -> Result<Digest, Failed> {
    let pem = read_file(file).map_err(Failed::cannot_run)?;
    let key = rcgen::KeyPair::from_pem(&String::from_utf8_lossy(&pem));
    let key = key.map_err(|_| {
        let file = file.display();
        Failed::CannotRun(format!(
            "{file} holds no private key as PEM without a passphrase"
        ))
    })?;
    Ok(Digest::of(&key.subject_public_key_info()))
}

fn holds(admitted: Admitted, key: Digest) -> Result<Admitted, IdentityRefusal> {
    if admitted.certificate.public_key == key {
        return Ok(admitted);
    }
    let detail = "the key is another certificate's";
    let mut refusal = IdentityRefusal::new(RefusalKind::NotItsKey, detail);
    refusal.certificate = Some(admitted.certificate);
    Err(refusal)
}

fn as_json(judged: &Result<Admitted, IdentityRefusal>) -> Value {
    let (certificate, mut value) = match judged {
        Ok(admitted) => {
            let (peer, grounds) = (&admitted.peer, &admitted.grounds);
            let value = json!({
                "admitted": true,
                "system": system_name(peer),
                "unit": peer.unit.id.to_string(),
                "until": grounds.until.to_string(),
                "ends_with": grounds.ends_with,
                "warnings": admitted.departures,
            });
            (Some(&admitted.certificate), value)
        }
        Err(refusal) => {
            let value = json!({
                "admitted": false,
                "code": refusal.code(),
                "detail": refusal.detail,
                "cure": refusal.kind.cure(),
            });
            (refusal.certificate.as_ref(), value)
        }
    };
    if let (Some(certificate), Some(fields)) = (certificate, value.as_object_mut()) {
        fields.insert("subject".to_owned(), json!(certificate.subject));
        fields.insert("serial".to_owned(), json!(certificate.serial));
    }
    value
}
