//! The board's own part of the registry: its officers, who vouches for them, and what it grants.
//!
//! Read from `policies/board.toml`, whose other tables are the policies' to read. The board's officers
//! are found as an agency's are: so the board stands beside the agencies as one, without units,
//! systems and data, under a name that no agency can have.

use std::collections::{BTreeMap, BTreeSet};

use super::entries::{Entries, read_officers};
use super::file::{DEFAULT_LIMITS, Draft, read_provider, read_trust};
use super::officer::BOARD;
use super::registry::{Agency, Contact, Grant, Scope};
use crate::message::bundle::{Bundle, Fault};
use crate::message::id::AgencyId;
use crate::message::strict::{self, Table, Value, Wrong};
use crate::message::time::Timestamp;

/// The board's file.
pub(crate) const BOARD_PATH: &str = "policies/board.toml";
/// What of the file is read here.
pub(crate) const BOARD_KEYS: [&str; 4] = ["trust", "identity_provider", "officer", "grant"];

/// The board as its file has it; nothing where it has no officers and no issuers of its own, or where
/// the file is missing, which its other reader tells.
pub(super) fn draft(bundle: &Bundle) -> Result<Option<Draft>, Vec<Fault>> {
    let Ok(text) = bundle.text(BOARD_PATH) else {
        return Ok(None);
    };
    strict::read_part(BOARD_PATH, text, |root| Some(read_board(root)))
}

fn read_board(root: &Table<'_>) -> Option<Draft> {
    let owner: AgencyId = BOARD.parse().ok()?;
    let trust = root.at("trust").table(|table| Some(read_trust(table)));
    let trusts = trust.is_some();
    let (issuers, crls) = trust.unwrap_or_default();
    let provider = root.at("identity_provider").table(read_provider);
    let (identity_provider, ca_place) = provider.unzip();
    let mut entries = Entries {
        owner: owner.clone(),
        certificates: Vec::new(),
    };
    let officers = read_officers(identity_provider.is_some(), root, &mut entries);
    if !officers.is_empty() && !trusts {
        let says = "the board has officers, and nobody who issues for them";
        let cure = "add [trust] with issuers: certificates beside this file";
        root.at("officer").spot.fault(says, cure);
    }
    (trusts || !officers.is_empty()).then(|| Draft {
        agency: Agency {
            id: owner,
            kind: String::new(),
            country: String::new(),
            name: BTreeMap::from([("en".to_owned(), "The board".to_owned())]),
            contact: Contact {
                desk: String::new(),
                email: String::new(),
            },
            issuers: Vec::new(),
            crls,
            identity_provider,
            units: BTreeMap::new(),
            systems: BTreeMap::new(),
            officers,
            limits: DEFAULT_LIMITS,
            retention: Vec::new(),
        },
        issuers,
        ca_place: ca_place.unwrap_or_default(),
        certificates: entries.certificates,
        systems: BTreeMap::new(),
    })
}

/// What the board grants to agencies, in the order of the file.
pub(super) fn grants(
    bundle: &Bundle,
    agencies: &BTreeSet<AgencyId>,
) -> Result<Vec<Grant>, Vec<Fault>> {
    let Ok(text) = bundle.text(BOARD_PATH) else {
        return Ok(Vec::new());
    };
    strict::read_part(BOARD_PATH, text, |root| {
        let mut names = BTreeSet::new();
        let grants = root.at("grant").tables(|table| {
            let grant = read_grant(table, agencies)?;
            if !names.insert(grant.id.clone()) {
                let says = format!("grant {} is there twice", grant.id);
                table.spot.fault(says, "give each grant a name of its own");
            }
            Some(grant)
        });
        Some(grants)
    })
}

fn read_grant(table: &Table<'_>, agencies: &BTreeSet<AgencyId>) -> Option<Grant> {
    let id = table.need("id").parse();
    let agency = table.need("agency").read(|name| {
        let agency = agencies.get(name).cloned();
        agency.ok_or_else(|| {
            let says = format!("names {name:?}, which is no agency");
            Wrong::new(says, "see agencies/")
        })
    });
    let scope = table.need("scope");
    let items = scope.items();
    if scope.is_there() && items.is_empty() {
        let cure = "name what it opens: evidence, rulings, payload";
        scope.spot.fault("the grant opens nothing", cure);
    }
    let words = Scope::ALL.map(|scope| (scope.name(), scope));
    let items = items.iter().filter_map(|item| item.word(&words));
    let items: BTreeSet<Scope> = items.collect();
    let (begins, ends) = (table.need("from"), table.need("to"));
    let (from, to) = (day(&begins), day(&ends));
    if from.zip(to).is_some_and(|(from, to)| from >= to) {
        let cure = "from is the first day, to the end";
        ends.spot.fault("the grant ends before it begins", cure);
    }
    let basis = table.need("basis").parse();
    Some(Grant {
        id: id?,
        agency: agency?,
        scope: items,
        from: from?,
        to: to?,
        basis: basis?,
    })
}

fn day(value: &Value<'_>) -> Option<Timestamp> {
    value.read(|text| {
        let day = Timestamp::from_date(text);
        day.ok_or_else(|| Wrong::new(format!("{text:?} is no date"), "write days as 2026-07-01"))
    })
}

#[cfg(test)]
mod tests {
    use rustls_pki_types::CertificateDer;
    use rustls_pki_types::pem::PemObject;

    use super::super::identity::identify_officer;
    use super::super::officer::Role;
    use super::super::registry::{Officer, Registry};
    use super::*;
    use crate::cli::certs::pki::tests::bundle;
    use crate::cli::certs::pki::{DevelopmentPki, development_bundle};

    const BOARD: &str = r#"[board]
quorum = 1
[trust]
issuers = ["board-ca.pem"]
[[officer]]
id = "b-0107"
roles = ["operator"]
certificate = "urn:carnet:board:officer:b-0107"
[[grant]]
id = "dpa-2026"
agency = "customs"
scope = ["evidence", "rulings"]
from = "2026-01-01"
to = "2027-01-01"
basis = "Data protection act, s. 12"
"#;

    fn time(text: &str) -> Timestamp {
        Timestamp::from_rfc3339(text).unwrap()
    }

    fn with_board(text: &str) -> Bundle {
        let mut bundle = bundle(&["customs"]);
        bundle.insert(BOARD_PATH, text);
        let pki = DevelopmentPki::create(&bundle, time("2026-03-17T12:00:00Z"));
        let development = pki.and_then(|pki| development_bundle(&bundle, &pki));
        development.unwrap_or(bundle)
    }

    fn faults(text: &str) -> Vec<String> {
        let faults = Registry::parse(&with_board(text)).unwrap_err();
        faults.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_board_has_officers_and_issuers_of_its_own_and_is_no_agency() {
        let registry = Registry::parse(&with_board(BOARD)).unwrap();
        let officer: Option<&Officer> = registry.officer(&"board/b-0107".parse().unwrap());
        assert_eq!(officer.unwrap().roles, BTreeSet::from([Role::Operator]));
        assert_eq!(registry.officer(&"customs/b-0107".parse().unwrap()), None);
        assert_eq!(registry.board().unwrap().issuers.len(), 1);
        assert!(registry.agency("board").is_none());
        assert_eq!(
            (registry.agencies().count(), registry.bodies().count()),
            (1, 2)
        );
    }

    #[test]
    fn an_officer_of_the_board_is_found_by_his_certificate() {
        let now = time("2026-03-17T12:00:00Z");
        let mut bundle = bundle(&["customs"]);
        bundle.insert(BOARD_PATH, BOARD);
        let pki = DevelopmentPki::create(&bundle, now).unwrap();
        let bundle = development_bundle(&bundle, &pki).unwrap();
        let registry = Registry::parse(&bundle).unwrap();
        let chain = CertificateDer::from_pem_slice(pki.get("board.b-0107.pem").unwrap());
        let remote = std::net::Ipv4Addr::LOCALHOST.into();
        let found = identify_officer(&[chain.unwrap()], &registry, now, remote).unwrap();
        assert_eq!(found.peer.agency.id.as_str(), "board");
        assert_eq!(found.peer.officer.unwrap().id.as_str(), "b-0107");
    }

    #[test]
    fn a_grant_opens_what_it_names_from_its_first_day_to_its_last() {
        let registry = Registry::parse(&with_board(BOARD)).unwrap();
        let grant = &registry.grants()[0];
        let opens = |scope, at: &str| grant.opens(scope, time(at));
        assert!(opens(Scope::Evidence, "2026-01-01T00:00:00Z"));
        assert!(!opens(Scope::Payload, "2026-06-01T00:00:00Z"));
        assert!(!opens(Scope::Rulings, "2025-12-31T23:59:59.999Z"));
        assert!(!opens(Scope::Rulings, "2027-01-01T00:00:00Z"));
    }

    #[test]
    fn what_is_wrong_in_it_is_told_at_its_line() {
        let slips = [
            (
                "[\"operator\"]",
                "[\"root\"]",
                "policies/board.toml:7: roles has no \"root\"; write one of: administrator, approver, \
                 auditor, operator",
            ),
            (
                "board:officer",
                "customs:officer",
                "policies/board.toml:8: \"urn:carnet:customs:officer:b-0107\" cannot name a \
                 certificate here; urn:carnet: names begin with urn:carnet:board: in this file",
            ),
            (
                "agency = \"customs\"",
                "agency = \"dpa\"",
                "policies/board.toml:11: names \"dpa\", which is no agency; see agencies/",
            ),
            (
                "\"rulings\"",
                "\"names\"",
                "policies/board.toml:12: scope has no \"names\"; write one of: evidence, rulings, \
                 payload",
            ),
            (
                "2027-01-01",
                "2026-01-01",
                "policies/board.toml:14: the grant ends before it begins; from is the first day, to \
                 the end",
            ),
        ];
        for (right, wrong, expected) in slips {
            assert_eq!(faults(&BOARD.replace(right, wrong))[0], expected);
        }
        let nobody = BOARD.replace("[trust]\nissuers = [\"board-ca.pem\"]\n", "");
        assert!(faults(&nobody)[0].contains("nobody who issues for them"));
    }

    #[test]
    fn no_agency_takes_the_boards_name_or_its_issuer() {
        let mut bundle = with_board(BOARD);
        let issuer = bundle.get("agencies/customs/ca.pem").unwrap().to_vec();
        bundle.insert("policies/board-ca.pem", issuer);
        let faults = Registry::parse(&bundle).unwrap_err();
        assert!(
            faults[0]
                .says
                .contains("holds the same issuer as agencies/customs/ca.pem")
        );
        let named = Registry::parse(&self::bundle(&["board"])).unwrap_err();
        assert!(
            named[0]
                .says
                .starts_with("board is the name of the agencies together")
        );
    }
}
