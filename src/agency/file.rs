//! One `agency.toml`, read strictly: its text in, an [`Agency`] without issuers and all faults out.
//!
//! What takes more than this file to judge (issuers' certificates, other agencies) is
//! [`super::parse`]'s. Which kinds, purposes and clearances exist is the policy schema's.

use std::collections::BTreeMap;
use std::time::Duration;

use super::duration;
use super::entries::{Entries, read_officers, read_systems, read_units};
use super::officer::{BOARD, GIVEN};
use super::registry::{
    Agency, AgencyLimits, Contact, CrlSource, IdentityProvider, Officer, TrustFile, TypePattern,
};
use super::source::Source;
use crate::message::bundle::Fault;
use crate::message::id::{AgencyId, SystemName};
use crate::message::strict::{self, Table, Wrong};

/// Where `[limits]` says nothing: an office with a few systems, far below what the broker carries.
pub(super) const DEFAULT_LIMITS: AgencyLimits = AgencyLimits {
    messages_per_second: 200,
    refusals_per_minute: 300,
    private_messages: 1_000_000,
    private_mib: 4_096,
    private_octets_per_second: 16 << 20,
};

/// How often a revocation list is read where nothing is said.
const REFRESH: Duration = Duration::from_mins(15);
const REFRESH_MIN: Duration = Duration::from_mins(1);
/// How old it may be where nothing is said.
const STALE_AFTER: Duration = Duration::from_hours(24);

/// An agency as its file has it.
pub(crate) struct Draft {
    /// Everything but the issuers.
    pub(crate) agency: Agency,
    /// The issuers' files and the places that name them.
    pub(crate) issuers: Vec<(String, String)>,
    /// The place that names the authorities of its identity provider.
    pub(super) ca_place: String,
    /// Every certificate name with its place: systems' and officers'.
    pub(super) certificates: Vec<(String, String)>,
    /// The place of each system's entry.
    pub(crate) systems: BTreeMap<SystemName, String>,
}

/// Reads the file of the agency whose folder is `folder`.
pub(super) fn read(folder: &str, path: &str, text: &str) -> Result<Draft, Vec<Fault>> {
    strict::read(path, text, |root| read_agency(folder, root))
}

/// Reads entries of officers whom the board adds to an agency's file, which it does not see. So none has a
/// number or certificate name that could be found there: it would be refused, and tell that it is.
///
/// # Errors
/// All that is wrong in them, and whatever else stands there.
pub(crate) fn officers_alone(path: &str, agency: &AgencyId, text: &str) -> Result<(), Vec<Fault>> {
    let officers = strict::read(path, text, |root| {
        let mut entries = Entries {
            owner: agency.clone(),
            certificates: Vec::new(),
        };
        // Whether the agency has an identity provider is told with its whole file.
        let officers = read_officers(true, root, &mut entries);
        if officers.is_empty() {
            let cure = "give [[officer]] entries: they are added to those of the agency";
            root.spot.fault("names no officer", cure);
        }
        Some(officers)
    })?;
    let faults = officers.into_values().filter_map(|officer| {
        let Officer {
            id, certificate, ..
        } = officer;
        let name = format!("urn:carnet:{agency}:officer:{id}");
        let is_given = id.as_str().starts_with(GIVEN) && certificate.is_none_or(|it| it == name);
        let says = format!("officer {id} may have a number or certificate name of another");
        let cure = format!(
            "let his number begin with {GIVEN}, and name his certificate \
             urn:carnet:{agency}:officer:NUMBER, or give a token"
        );
        (!is_given).then(|| Fault::new(path, says, cure))
    });
    let faults: Vec<Fault> = faults.collect();
    if faults.is_empty() {
        Ok(())
    } else {
        Err(faults)
    }
}

fn read_agency(folder: &str, root: &Table<'_>) -> Option<Draft> {
    let id = root.need("id");
    if id.text().is_some_and(|text| text != folder) {
        let says = format!("id {:?} differs from its folder {folder:?}", id.text()?);
        id.spot.fault(says, "name both alike");
    }
    if folder == BOARD {
        let says = "board is the name of the agencies together, and of no one of them";
        id.spot.fault(says, "give the agency another name");
    }
    let id = id.parse::<AgencyId>();
    let kind = root.need("kind").text();
    let country = root.need("country").read(country);
    let name = root.need("name").table(|table| Some(read_name(table)));
    let contact = root.need("contact").table(|table| {
        let (desk, email) = (table.need("desk").parse(), table.need("email").parse());
        Some(Contact {
            desk: desk?,
            email: email?,
        })
    });
    let trust = root.need("trust").table(|table| Some(read_trust(table)));
    let (issuers, crls) = trust.unwrap_or_default();
    let provider = root.at("identity_provider").table(read_provider);
    let (identity_provider, ca_place) = provider.unzip();
    // Units are read under a name of their own where the agency's is wrong, to find more faults.
    let mut entries = Entries {
        owner: id.clone().or_else(|| "agency".parse().ok())?,
        certificates: Vec::new(),
    };
    let units = read_units(&entries.owner, root);
    let systems = read_systems(&units, root, &mut entries);
    let officers = read_officers(identity_provider.is_some(), root, &mut entries);
    let limits = root.at("limits").table(|table| Some(read_limits(table)));
    let retention = root
        .need("retention")
        .table(|table| Some(read_retention(table)));
    let places = systems.iter();
    let places = places
        .map(|(name, (_, place))| (name.clone(), place.clone()))
        .collect();
    let systems = systems.into_iter();
    Some(Draft {
        agency: Agency {
            id: id?,
            kind: kind?.to_owned(),
            country: country?,
            name: name?,
            contact: contact?,
            issuers: Vec::new(),
            crls,
            identity_provider,
            units: units.whole,
            systems: systems.map(|(name, (system, _))| (name, system)).collect(),
            officers,
            limits: limits.unwrap_or(DEFAULT_LIMITS),
            retention: retention?,
        },
        issuers,
        ca_place: ca_place.unwrap_or_default(),
        certificates: entries.certificates,
        systems: places,
    })
}

/// Who vouches for tokens, and the place that names the authorities of its server.
pub(super) fn read_provider(table: &Table<'_>) -> Option<(IdentityProvider, String)> {
    let (issuer, jwks) = (table.need("issuer").read(url), table.need("jwks"));
    let (jwks, audience) = (
        jwks.read(Source::of_trusted),
        table.need("audience").parse(),
    );
    let ca = table.at("ca");
    let file = if ca.is_there() {
        Some(ca.read(file_beside)?)
    } else {
        None
    };
    let provider = IdentityProvider {
        issuer: issuer?,
        jwks: jwks?,
        audience: audience?,
        ca: file.map(|file| TrustFile {
            file,
            certificates: Vec::new(),
        }),
    };
    Some((provider, ca.spot.place()))
}

fn country(text: &str) -> Result<String, Wrong> {
    if text.len() == 2 && text.bytes().all(|b| b.is_ascii_uppercase()) {
        return Ok(text.to_owned());
    }
    let says = format!("{text:?} is no country");
    Err(Wrong::new(
        says,
        "write two capital letters, as ISO 3166-1 has them",
    ))
}

fn read_name(table: &Table<'_>) -> BTreeMap<String, String> {
    let mut names = BTreeMap::new();
    for entry in table.entries() {
        let language = entry.key;
        let is_tag =
            (2..=3).contains(&language.len()) && language.bytes().all(|b| b.is_ascii_lowercase());
        if !is_tag {
            let says = format!("{language:?} is no language");
            entry.spot.fault(says, "write its code, such as en");
        }
        names.extend(entry.parse().map(|name| (language.to_owned(), name)));
    }
    if names.is_empty() {
        let cure = "write one, such as name = { en = \"…\" }";
        table.spot.fault("the agency has no name", cure);
    }
    names
}

/// The issuers' files with their places, and the revocation lists.
pub(super) fn read_trust(table: &Table<'_>) -> (Vec<(String, String)>, Vec<CrlSource>) {
    let files = table.at("issuers").items();
    let issuers = files
        .iter()
        .filter_map(|item| Some((item.read(file_beside)?, item.spot.place())));
    let issuers: Vec<_> = issuers.collect();
    if issuers.is_empty() {
        let cure = "list the certificate that issues for its systems and officers";
        table.spot.fault("[trust] lists no issuers", cure);
    }
    let crls = table.at("crl").table_or_tables(|crl| {
        let source = crl.need("url").read(Source::of_signed);
        let refresh = crl.at("refresh");
        let refresh = if refresh.is_there() {
            refresh.read(refresh_of)
        } else {
            Some(REFRESH)
        };
        let stale_after = crl.at("stale_after");
        let stale_after = if stale_after.is_there() {
            stale_after.read(time)
        } else {
            Some(STALE_AFTER)
        };
        Some(CrlSource {
            source: source?,
            refresh: refresh?,
            stale_after: stale_after?,
        })
    });
    (issuers, crls)
}

/// Each is a request to a server of that agency.
fn refresh_of(text: &str) -> Result<Duration, Wrong> {
    let refresh = time(text)?;
    if refresh >= REFRESH_MIN {
        return Ok(refresh);
    }
    Err(Wrong::new(
        "refresh is shorter than a minute",
        "write 1m or more",
    ))
}

fn file_beside(name: &str) -> Result<String, Wrong> {
    if name.is_empty() || name.starts_with('.') || name.contains(['/', '\\']) {
        let says = format!("{name:?} is no file beside this one");
        let cure = "put the certificate beside this file and name it alone";
        return Err(Wrong::new(says, cure));
    }
    Ok(name.to_owned())
}

fn url(text: &str) -> Result<String, Wrong> {
    let host = text.strip_prefix("https://").unwrap_or_default();
    if host.is_empty() || text.contains(char::is_whitespace) {
        let says = format!("{text:?} is no https address");
        return Err(Wrong::new(
            says,
            "write an address that begins with https://",
        ));
    }
    Ok(text.to_owned())
}

fn time(text: &str) -> Result<Duration, Wrong> {
    duration::parse(text).map_err(|error| Wrong::new(error, "correct it"))
}

fn read_limits(table: &Table<'_>) -> AgencyLimits {
    let limit = |key, default| table.at(key).count().unwrap_or(default);
    AgencyLimits {
        messages_per_second: limit("messages_per_second", DEFAULT_LIMITS.messages_per_second),
        refusals_per_minute: limit("refusals_per_minute", DEFAULT_LIMITS.refusals_per_minute),
        private_messages: limit("private_messages", DEFAULT_LIMITS.private_messages),
        private_mib: limit("private_mib", DEFAULT_LIMITS.private_mib),
        private_octets_per_second: limit(
            "private_octets_per_second",
            DEFAULT_LIMITS.private_octets_per_second,
        ),
    }
}

/// Patterns with their durations, the most precise first, the default last.
fn read_retention(table: &Table<'_>) -> Vec<(TypePattern, Duration)> {
    let mut retention: Vec<(TypePattern, Duration)> = Vec::new();
    let mut default = None;
    for entry in table.entries() {
        let Some(kept) = entry.read(days) else {
            continue;
        };
        if entry.key == "default" {
            default = Some((TypePattern::Any, kept));
            continue;
        }
        match entry.key.parse() {
            Ok(pattern) => retention.push((pattern, kept)),
            Err(bad) => entry.spot.fault(bad.to_string(), "correct it"),
        }
    }
    if default.is_none() {
        let cure = "add one, such as default = \"1095d\"";
        table.spot.fault("[retention] has no default", cure);
    }
    retention.sort_by_key(|(pattern, _)| std::cmp::Reverse(pattern.precision()));
    retention.extend(default);
    retention
}

fn days(text: &str) -> Result<Duration, Wrong> {
    let kept = time(text)?;
    if kept.as_secs().is_multiple_of(86_400) {
        return Ok(kept);
    }
    Err(Wrong::new(
        "retention is counted in days",
        "write it as days: 30d",
    ))
}
