//! One `agency.toml`, read strictly: its text in, an [`Agency`] without issuers and all faults out.
//!
//! What takes more than this file to judge (issuers' certificates, other agencies) is
//! [`super::parse`]'s. Which kinds, purposes and clearances exist is the policy schema's.

use std::collections::BTreeMap;
use std::time::Duration;

use toml::de::DeTable;

use super::duration;
use super::entries::{Entries, read_officers, read_systems, read_units};
use super::registry::{Agency, AgencyLimits, Contact, CrlSource, IdentityProvider, TypePattern};
use super::section::{Faults, Section, Text};
use crate::message::bundle::Fault;
use crate::message::id::{AgencyId, SystemName};

/// Where `[limits]` says nothing: an office with a few systems, far below what the broker carries.
const DEFAULT_LIMITS: AgencyLimits = AgencyLimits {
    messages_per_second: 200,
    refusals_per_minute: 300,
    private_messages: 1_000_000,
};

/// An agency as its file has it.
pub(super) struct Draft {
    /// Everything but the issuers.
    pub(super) agency: Agency,
    /// The issuers' files and the places that name them.
    pub(super) issuers: Vec<(String, String)>,
    /// Every certificate name with its place: systems' and officers'.
    pub(super) certificates: Vec<(String, String)>,
    /// The place of each system's entry.
    pub(super) systems: BTreeMap<SystemName, String>,
}

/// Reads the file of the agency whose folder is `folder`.
pub(super) fn read(folder: &str, path: &str, text: &str) -> Result<Draft, Vec<Fault>> {
    let mut faults = Faults::new(path, text);
    let (document, broken) = DeTable::parse_recoverable(text);
    for error in &broken {
        let span = error.span().unwrap_or(0..0);
        faults.add(
            &span,
            format!("is not TOML: {}", error.message()),
            "correct it",
        );
    }
    if !broken.is_empty() {
        return Err(faults.into_found());
    }
    let draft = read_agency(folder, Section::root(&document), &mut faults);
    let found = faults.into_found();
    match draft {
        Some(draft) if found.is_empty() => Ok(draft),
        _ => Err(found),
    }
}

/// `None` only where a fault was added.
fn read_agency(folder: &str, mut root: Section<'_>, faults: &mut Faults<'_>) -> Option<Draft> {
    let id = root.required("id", faults).and_then(|text| {
        if text.value != folder {
            let says = format!("id {:?} differs from its folder {folder:?}", text.value);
            faults.add(&text.span, says, "name both alike");
        }
        text.parse::<AgencyId>(faults)
    });
    let kind = root.required("kind", faults);
    let country = root
        .required("country", faults)
        .and_then(|text| read_country(&text, faults));
    let name = root
        .required_section("name", faults)
        .map(|section| read_name(section, faults));
    let contact = root.required_section("contact", faults);
    let contact = contact.and_then(|section| read_contact(section, faults));
    let trust = root.required_section("trust", faults);
    let (issuers, crl) = trust
        .map(|section| read_trust(section, faults))
        .unwrap_or_default();
    let provider = root.section("identity_provider", faults);
    let identity_provider = provider.and_then(|section| read_provider(section, faults));

    // Units are read under a name of their own where the agency's is wrong, to find more faults.
    let owner = id.clone().or_else(|| "agency".parse().ok())?;
    let units = read_units(&owner, &mut root, faults);
    let mut certificates = Vec::new();
    let mut entries = Entries {
        certificates: &mut certificates,
        owner: &owner,
        faults,
    };
    let systems = read_systems(&units, &mut root, &mut entries);
    let officers = read_officers(identity_provider.is_some(), &mut root, &mut entries);
    let limits = read_limits(&mut root, faults);
    let retention = read_retention(&mut root, faults);
    root.close(faults);
    let places = systems
        .iter()
        .map(|(name, (_, place))| (name.clone(), place.clone()))
        .collect();
    Some(Draft {
        agency: Agency {
            id: id?,
            kind: kind?.value.to_owned(),
            country: country?,
            name: name?,
            contact: contact?,
            issuers: Vec::new(),
            crl,
            identity_provider,
            units: units.whole,
            systems: systems
                .into_iter()
                .map(|(name, (system, _))| (name, system))
                .collect(),
            officers,
            limits,
            retention,
        },
        issuers,
        certificates,
        systems: places,
    })
}

fn read_country(text: &Text<'_>, faults: &mut Faults<'_>) -> Option<String> {
    let is_code = text.value.len() == 2 && text.value.bytes().all(|b| b.is_ascii_uppercase());
    if !is_code {
        let says = format!("{:?} is no country", text.value);
        faults.add(
            &text.span,
            says,
            "write two capital letters, as ISO 3166-1 has them",
        );
    }
    is_code.then(|| text.value.to_owned())
}

fn read_name(section: Section<'_>, faults: &mut Faults<'_>) -> BTreeMap<String, String> {
    let span = section.span().clone();
    let mut names = BTreeMap::new();
    for (language, name) in section.entries(faults) {
        let is_tag = (2..=3).contains(&language.value.len())
            && language.value.bytes().all(|b| b.is_ascii_lowercase());
        if !is_tag {
            let says = format!("{:?} is no language", language.value);
            faults.add(&language.span, says, "write its code, such as en");
        }
        names.insert(language.value.to_owned(), name.value.to_owned());
    }
    if names.is_empty() {
        faults.add(
            &span,
            "the agency has no name",
            "write one, such as name = { en = \"…\" }",
        );
    }
    names
}

fn read_contact(mut section: Section<'_>, faults: &mut Faults<'_>) -> Option<Contact> {
    let desk = section.required("desk", faults);
    let email = section.required("email", faults);
    section.close(faults);
    Some(Contact {
        desk: desk?.value.to_owned(),
        email: email?.value.to_owned(),
    })
}

/// The issuers' files with their places, and the revocation list.
fn read_trust(
    mut section: Section<'_>,
    faults: &mut Faults<'_>,
) -> (Vec<(String, String)>, Option<CrlSource>) {
    let mut issuers = Vec::new();
    for file in section.texts("issuers", faults) {
        if file.value.is_empty() || file.value.starts_with('.') || file.value.contains(['/', '\\'])
        {
            let says = format!("{:?} is no file beside this one", file.value);
            faults.add(
                &file.span,
                says,
                "put the certificate beside this file and name it alone",
            );
        } else {
            issuers.push((file.value.to_owned(), faults.place(file.span.start)));
        }
    }
    if issuers.is_empty() {
        let cure = "list the certificate that issues for this agency's systems";
        faults.add(section.span(), "[trust] lists no issuers", cure);
    }
    let crl = section.section("crl", faults).and_then(|mut crl| {
        let url = crl
            .required("url", faults)
            .and_then(|text| read_url(&text, faults));
        let mut time = |key, default| match crl.text(key, faults) {
            Some(text) => read_duration(&text, faults),
            None => Some(default),
        };
        let refresh = time("refresh", Duration::from_mins(15));
        let stale_after = time("stale_after", Duration::from_hours(24));
        crl.close(faults);
        Some(CrlSource {
            url: url?,
            refresh: refresh?,
            stale_after: stale_after?,
        })
    });
    section.close(faults);
    (issuers, crl)
}

fn read_provider(mut section: Section<'_>, faults: &mut Faults<'_>) -> Option<IdentityProvider> {
    let issuer = section
        .required("issuer", faults)
        .and_then(|text| read_url(&text, faults));
    let jwks = section
        .required("jwks", faults)
        .and_then(|text| read_url(&text, faults));
    let audience = section.required("audience", faults);
    section.close(faults);
    Some(IdentityProvider {
        issuer: issuer?,
        jwks: jwks?,
        audience: audience?.value.to_owned(),
    })
}

fn read_url(text: &Text<'_>, faults: &mut Faults<'_>) -> Option<String> {
    let host = text
        .value
        .strip_prefix("https://")
        .filter(|host| !host.is_empty());
    if host.is_none() || text.value.contains(char::is_whitespace) {
        let says = format!("{:?} is no https address", text.value);
        faults.add(
            &text.span,
            says,
            "write an address that begins with https://",
        );
        return None;
    }
    Some(text.value.to_owned())
}

fn read_duration(text: &Text<'_>, faults: &mut Faults<'_>) -> Option<Duration> {
    let read = duration::parse(text.value);
    read.map_err(|error| faults.add(&text.span, error.to_string(), "correct it"))
        .ok()
}

fn read_limits(root: &mut Section<'_>, faults: &mut Faults<'_>) -> AgencyLimits {
    let Some(mut section) = root.section("limits", faults) else {
        return DEFAULT_LIMITS;
    };
    let messages = section.count("messages_per_second", faults);
    let refusals = section.count("refusals_per_minute", faults);
    let private = section.count("private_messages", faults);
    section.close(faults);
    AgencyLimits {
        messages_per_second: messages.unwrap_or(DEFAULT_LIMITS.messages_per_second),
        refusals_per_minute: refusals.unwrap_or(DEFAULT_LIMITS.refusals_per_minute),
        private_messages: private.unwrap_or(DEFAULT_LIMITS.private_messages),
    }
}

/// Patterns with their durations, the most precise first, the default last.
fn read_retention(root: &mut Section<'_>, faults: &mut Faults<'_>) -> Vec<(TypePattern, Duration)> {
    let Some(section) = root.required_section("retention", faults) else {
        return Vec::new();
    };
    let span = section.span().clone();
    let mut retention = Vec::new();
    let mut default = None;
    for (pattern, duration) in section.entries(faults) {
        let kept = read_duration(&duration, faults).filter(|kept| {
            let whole_days = kept.as_secs().is_multiple_of(86_400);
            if !whole_days {
                faults.add(
                    &duration.span,
                    "retention is counted in days",
                    "write it as days: 30d",
                );
            }
            whole_days
        });
        let Some(kept) = kept else { continue };
        if pattern.value == "default" {
            default = Some(kept);
        } else {
            retention.extend(
                pattern
                    .parse(faults)
                    .map(|pattern: TypePattern| (pattern, kept)),
            );
        }
    }
    if default.is_none() {
        faults.add(
            &span,
            "[retention] has no default",
            "add one, such as default = \"1095d\"",
        );
    }
    retention.sort_by_key(|(pattern, _)| std::cmp::Reverse(pattern.precision()));
    retention.extend(default.map(|kept| (TypePattern::Any, kept)));
    retention
}
