//! Who gets in: real certificates against the registry, each refusal by its code.
//!
//! The promise: a name counts only under an issuer that its own agency lists, and for each client that
//! is declined the operator can read why and what to do.
#![cfg(test)]

mod chains;
#[path = "../support/lists.rs"]
mod lists;
mod renewed;
mod repository;
mod revoked;
mod tokens;
#[path = "../support/vouched.rs"]
mod vouched;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use carnet::agency::identity::{identify, trust_anchors};
use carnet::agency::refusal::{IdentityRefusal, RefusalKind};
use carnet::agency::registry::{Peer, Registry};
use carnet::cli::certs::issue::{Authority, IssueError, Issued, Profile, Usage, Validity};
use carnet::cli::certs::pki::{DevelopmentPki, development_bundle};
use carnet::message::bundle::Bundle;
use carnet::message::time::Timestamp;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

const DECLARATIONS: &str = "urn:carnet:customs:system:declarations";
const INVESTIGATION: &str = "urn:carnet:customs:system:investigation";
const OPERATIONS: &str = "urn:carnet:police:system:operations";
const CLIENT: &str = "10.20.3.4";

fn agency(id: &str, systems: &str) -> String {
    format!(
        r#"id = "{id}"
kind = "customs"
country = "XM"
name = {{ en = "Agency" }}
contact = {{ desk = "Desk", email = "desk@example.org" }}
[trust]
issuers = ["ca.pem"]
[[unit]]
id = "main"
purpose = "customs-control"
[[unit]]
id = "investigation"
purpose = "law-enforcement"
{systems}
[retention]
default = "1095d"
"#
    )
}

fn system(id: &str, unit: &str, certificate: &str) -> String {
    format!("[[system]]\nid = \"{id}\"\nunit = \"{unit}\"\ncertificate = \"{certificate}\"\n")
}

fn now() -> Timestamp {
    Timestamp::from_rfc3339("2026-11-25T05:00:00Z").unwrap()
}

fn days(days: i64) -> Timestamp {
    Timestamp::from_millis(now().as_millis() + days * 86_400_000)
}

/// Three agencies with their issuers. `customs` has two systems by URI and one officer; `police`
/// one by URI, within a network; `post` one by common name and one by URI.
struct Border {
    bundle: Bundle,
    registry: Registry,
    pki: DevelopmentPki,
}

impl Border {
    fn new() -> Self {
        let mut bundle = Bundle::default();
        let officer = "[[officer]]\nid = \"o-2117\"\nroles = [\"auditor\"]\n\
                       certificate = \"urn:carnet:customs:officer:o-2117\"\n";
        let customs = system("declarations", "main", DECLARATIONS)
            + &system("investigation", "investigation", INVESTIGATION)
            + officer;
        let police = system("operations", "main", OPERATIONS) + "networks = [\"10.20.0.0/16\"]\n";
        let post = system("items", "main", "CN=post items")
            + &system("parcels", "main", "urn:carnet:post:system:parcels");
        for (id, systems) in [("customs", customs), ("police", police), ("post", post)] {
            bundle.insert(format!("agencies/{id}/agency.toml"), agency(id, &systems));
        }
        let pki = DevelopmentPki::create(&bundle, now()).unwrap();
        let registry = Registry::parse(&development_bundle(&bundle, &pki).unwrap()).unwrap();
        Self {
            bundle,
            registry,
            pki,
        }
    }

    /// The registry where these agencies have a system of this certificate name besides.
    fn listing(&self, agencies: &[&str], name: &str) -> Registry {
        let mut bundle = self.bundle.clone();
        for id in agencies {
            let path = format!("agencies/{id}/agency.toml");
            let text = bundle.text(&path).unwrap().to_owned();
            bundle.insert(path, text + &system("desk", "main", name));
        }
        Registry::parse(&development_bundle(&bundle, &self.pki).unwrap()).unwrap()
    }

    fn text(&self, file: &str) -> String {
        String::from_utf8(self.pki.get(file).unwrap().to_vec()).unwrap()
    }

    /// An agency's issuer.
    fn authority(&self, agency: &str) -> Authority {
        let certificate = self.text(&format!("{agency}-ca.pem"));
        Authority::load(&certificate, &self.text(&format!("{agency}-ca.key"))).unwrap()
    }

    /// A client's certificate, issued by an agency for today.
    fn issued(&self, agency: &str, common_name: &str, uris: &[&str]) -> Issued {
        self.authority(agency)
            .issue(&client(common_name, uris))
            .unwrap()
    }

    fn identify_from(&self, pem: &str, remote: &str) -> Result<Peer, IdentityRefusal> {
        let remote: IpAddr = remote.parse().unwrap();
        let found = identify(&chain(pem), &self.registry, now(), remote);
        found.map(|admitted| admitted.peer)
    }

    fn identify(&self, pem: &str) -> Result<Peer, IdentityRefusal> {
        self.identify_from(pem, CLIENT)
    }

    #[track_caller]
    fn refused(&self, pem: &str, kind: RefusalKind) -> IdentityRefusal {
        let refusal = self.identify(pem).unwrap_err();
        assert_eq!(refusal.kind, kind, "{refusal}");
        refusal
    }
}

fn client(common_name: &str, uris: &[&str]) -> Profile {
    let uris = uris.iter().map(|uri| (*uri).to_owned()).collect();
    Profile {
        common_name: common_name.to_owned(),
        usage: Usage::Client { uris },
        validity: Validity::starting(now(), Duration::from_hours(24)),
    }
}

fn chain(pem: &str) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(pem.as_bytes())
        .map(Result::unwrap)
        .collect()
}

/// A registry of one agency with one system.
fn registry_of(id: &str, issuer: &str) -> Registry {
    let mut bundle = Bundle::default();
    let system = system(
        "declarations",
        "main",
        &format!("urn:carnet:{id}:system:declarations"),
    );
    bundle.insert(format!("agencies/{id}/agency.toml"), agency(id, &system));
    bundle.insert(format!("agencies/{id}/ca.pem"), issuer);
    Registry::parse(&bundle).unwrap()
}

fn name(peer: &Peer) -> String {
    format!("{} of {}", peer.system.name, peer.unit.id)
}

#[test]
fn every_development_certificate_is_its_system() {
    let border = Border::new();
    for (file, expected) in [
        ("customs-declarations.pem", "declarations of customs/main"),
        (
            "customs-investigation.pem",
            "investigation of customs/investigation",
        ),
        ("police-operations.pem", "operations of police/main"),
        ("post-items.pem", "items of post/main"),
        ("post-parcels.pem", "parcels of post/main"),
    ] {
        assert_eq!(
            name(&border.identify(&border.text(file)).unwrap()),
            expected
        );
    }
}

#[test]
fn nobody_gets_in_without_a_well_formed_certificate() {
    let border = Border::new();
    border.refused("", RefusalKind::NoCertificate);
    let remote = CLIENT.parse().unwrap();
    let mut der = chain(&border.text("post-items.pem"))[0].to_vec();
    der.push(0);
    for broken in [der, b"nonsense".to_vec(), Vec::new()] {
        let chain = [CertificateDer::from(broken)];
        let refusal = identify(&chain, &border.registry, now(), remote).unwrap_err();
        assert_eq!(refusal.kind, RefusalKind::Malformed);
    }
}

#[test]
fn no_byte_of_a_certificate_can_be_changed() {
    let border = Border::new();
    let der = chain(&border.text("customs-declarations.pem"))[0].to_vec();
    let remote = CLIENT.parse().unwrap();
    for at in 0..der.len() {
        let mut changed = der.clone();
        changed[at] ^= 1;
        let chain = [CertificateDer::from(changed)];
        assert!(
            identify(&chain, &border.registry, now(), remote).is_err(),
            "byte {at}"
        );
    }
}

#[test]
fn one_agencys_name_under_anothers_issuer_is_an_alarm() {
    let border = Border::new();
    let certificate = border.issued("police", "x", &[DECLARATIONS]).certificate;
    let refusal = border.refused(&certificate, RefusalKind::ForeignIssuer);
    assert!(refusal.is_alarm());
    assert_eq!(refusal.code(), "identity.foreign-issuer");
    assert_eq!(refusal.claimed.as_ref().unwrap().as_str(), "customs");
    assert_eq!(refusal.issued_by.as_ref().unwrap().as_str(), "police");
    let text = refusal.to_string();
    assert!(
        text.contains("a name of customs, issued by police"),
        "{text}"
    );
    assert!(text.contains("ask that agency who requested it"), "{text}");
}

#[test]
fn a_foreign_name_is_an_alarm_in_whatever_company_and_state() {
    let border = Border::new();
    let police = border.authority("police");
    let mut expired = client("x", &[DECLARATIONS]);
    expired.validity = Validity {
        from: days(-20),
        until: days(-10),
    };
    let issue = |profile: &Profile| police.issue(profile).unwrap().certificate;
    for (case, certificate) in [
        ("expired", issue(&expired)),
        (
            "beside a name of its own",
            issue(&client("x", &[OPERATIONS, DECLARATIONS])),
        ),
        (
            "before a name of its own",
            issue(&client("x", &[DECLARATIONS, OPERATIONS])),
        ),
        (
            "an officer's",
            issue(&client("x", &["urn:carnet:customs:officer:o-2117"])),
        ),
        (
            "of no entry",
            issue(&client("x", &["urn:carnet:customs:system:new"])),
        ),
    ] {
        let refusal = border.identify(&certificate).unwrap_err();
        assert_eq!(
            refusal.kind,
            RefusalKind::ForeignIssuer,
            "{case}: {refusal}"
        );
    }
}

#[test]
fn a_common_name_counts_only_where_the_entry_says_so() {
    let border = Border::new();
    let issued = |agency, common_name| border.issued(agency, common_name, &[]).certificate;
    let items = border.identify(&issued("post", "post items")).unwrap();
    assert_eq!(name(&items), "items of post/main");
    for (agency, common_name) in [
        ("customs", "post items"),
        ("customs", "customs-declarations"),
        ("customs", DECLARATIONS),
        ("post", "post"),
        ("post", "Post items"),
    ] {
        border.refused(&issued(agency, common_name), RefusalKind::UnknownName);
    }
}

#[test]
fn a_name_is_the_same_to_the_letter_or_another() {
    let border = Border::new();
    for uri in [
        "urn:carnet:customs:system:Declarations",
        "URN:carnet:customs:system:declarations",
        "urn:carnet:customs:system:declarations2",
        "urn:carnet:customs:system:declaration",
        "urn:carnet:customs:system:declarations/",
    ] {
        let certificate = border.issued("customs", "x", &[uri]).certificate;
        let refusal = border.refused(&certificate, RefusalKind::UnknownName);
        assert_eq!(refusal.issued_by.unwrap().as_str(), "customs");
    }
}

#[test]
fn an_officer_is_told_that_officers_are_no_systems() {
    let border = Border::new();
    let uri = "urn:carnet:customs:officer:o-2117";
    let certificate = border.issued("customs", "x", &[uri]).certificate;
    let refusal = border.refused(&certificate, RefusalKind::UnknownName);
    assert!(
        refusal
            .detail
            .contains("officers do not connect as systems"),
        "{refusal}"
    );
}

#[test]
fn several_names_of_one_system_are_one_and_of_two_systems_are_none() {
    let border = Border::new();
    let issued =
        |agency, common_name, uris: &[&str]| border.issued(agency, common_name, uris).certificate;
    let one = issued(
        "customs",
        "x",
        &[DECLARATIONS, "https://customs.example/a", DECLARATIONS],
    );
    assert_eq!(
        name(&border.identify(&one).unwrap()),
        "declarations of customs/main"
    );
    let two = issued("customs", "x", &[DECLARATIONS, INVESTIGATION]);
    let refusal = border.refused(&two, RefusalKind::Ambiguous);
    assert!(
        refusal
            .detail
            .contains("customs/declarations and customs/investigation")
    );
    let both_ways = issued("post", "post items", &["urn:carnet:post:system:parcels"]);
    border.refused(&both_ways, RefusalKind::Ambiguous);
}

#[test]
fn who_lists_a_name_of_anothers_stops_nobody() {
    let border = Border::new();
    let desk = "https://customs.example/a";
    let certificate = border
        .issued("customs", "x", &[DECLARATIONS, desk])
        .certificate;
    let alone = border.issued("customs", "x", &[desk]).certificate;
    let remote = CLIENT.parse().unwrap();
    for others in [&["police"][..], &["police", "post"]] {
        let registry = border.listing(others, desk);
        let found = identify(&chain(&certificate), &registry, now(), remote).unwrap();
        assert_eq!(name(&found.peer), "declarations of customs/main");
        // Where its issuer has no such name it is an alarm still.
        let refusal = identify(&chain(&alone), &registry, now(), remote).unwrap_err();
        assert_eq!(refusal.kind, RefusalKind::ForeignIssuer, "{refusal}");
    }
    // Two may list one name: each means its own issuer's.
    let registry = border.listing(&["customs", "police"], desk);
    let found = identify(&chain(&alone), &registry, now(), remote).unwrap();
    assert_eq!(name(&found.peer), "desk of customs/main");
}

#[test]
fn a_certificate_holds_from_its_first_to_its_last_second() {
    let border = Border::new();
    let mut profile = client("x", &[DECLARATIONS]);
    profile.validity = Validity {
        from: days(1),
        until: days(2),
    };
    let pem = border
        .authority("customs")
        .issue(&profile)
        .unwrap()
        .certificate;
    let (chain, remote) = (chain(&pem), CLIENT.parse().unwrap());
    let at = |ms| {
        let at = Timestamp::from_millis(ms);
        identify(&chain, &border.registry, at, remote)
            .map(drop)
            .map_err(|refusal| refusal.kind)
    };
    assert_eq!(at(days(1).as_millis() - 1), Err(RefusalKind::NotYetValid));
    assert_eq!(at(days(1).as_millis()), Ok(()));
    assert_eq!(at(days(2).as_millis()), Ok(()));
    assert_eq!(at(days(2).as_millis() + 1), Err(RefusalKind::Expired));
    let refusal = identify(&chain, &border.registry, days(3), remote).unwrap_err();
    assert!(
        refusal.detail.contains("ended at 2026-11-27T05:00:00.000Z"),
        "{refusal}"
    );
    assert_eq!(refusal.system.unwrap().to_string(), "customs/declarations");
}

#[test]
fn an_issuer_that_has_ended_or_not_begun_issues_for_nobody() {
    for (from, until, kind) in [
        (-20, -1, RefusalKind::Expired),
        (1, 20, RefusalKind::NotYetValid),
    ] {
        let mut root = Profile::issuer("customs root", now());
        root.validity = Validity {
            from: days(from),
            until: days(until),
        };
        let root = Authority::create(&root).unwrap();
        let registry = registry_of("customs", &root.to_issued().certificate);
        let leaf = root.issue(&client("x", &[DECLARATIONS])).unwrap();
        let remote = CLIENT.parse().unwrap();
        let refusal = identify(&chain(&leaf.certificate), &registry, now(), remote).unwrap_err();
        assert_eq!(refusal.kind, kind, "{refusal}");
        assert!(refusal.detail.contains("customs root"), "{refusal}");
    }
}

#[test]
fn an_issuer_that_no_agency_lists_is_unknown_whatever_it_calls_itself() {
    let border = Border::new();
    let stranger = Authority::create(&Profile::issuer("customs development CA", now())).unwrap();
    let leaf = stranger
        .issue(&client("x", &[DECLARATIONS]))
        .unwrap()
        .certificate;
    let refusal = border.refused(&leaf, RefusalKind::UnknownIssuer);
    assert_eq!(refusal.claimed.unwrap().as_str(), "customs");
    border.refused(
        &(leaf + &stranger.to_issued().certificate),
        RefusalKind::UnknownIssuer,
    );
    let nameless = stranger.issue(&client("x", &[])).unwrap().certificate;
    border.refused(&nameless, RefusalKind::UnknownIssuer);
}

#[test]
fn a_certificate_that_is_not_for_clients_is_refused() {
    let border = Border::new();
    let mut server = Profile::local_server(now());
    server.common_name = "post items".to_owned();
    let server = border.authority("post").issue(&server).unwrap().certificate;
    border.refused(&server, RefusalKind::WrongUsage);
    let mut issuer = Profile::issuer("post items", now());
    issuer.validity = Validity::starting(now(), Duration::from_hours(24));
    let issuer = border.authority("post").issue(&issuer).unwrap().certificate;
    border.refused(&issuer, RefusalKind::IssuersOwn);
}

/// Another issuer, which an issuer made.
fn authority_under(above: &Authority, profile: &Profile) -> Authority {
    let issued = above.issue(profile).unwrap();
    Authority::load(&issued.certificate, &issued.key).unwrap()
}

#[test]
fn issuers_between_are_sent_by_the_client_and_keep_the_rules_of_x509() {
    let root = Profile {
        usage: Usage::Issuer { path_length: 1 },
        ..Profile::issuer("root", now())
    };
    let root = Authority::create(&root).unwrap();
    let registry = registry_of("customs", &root.to_issued().certificate);
    let between = authority_under(&root, &Profile::issuer("between", now()));
    let leaf = between
        .issue(&client("x", &[DECLARATIONS]))
        .unwrap()
        .certificate;
    let remote = CLIENT.parse().unwrap();
    let kind = |pem: &str| {
        identify(&chain(pem), &registry, now(), remote)
            .map(drop)
            .map_err(|refusal| refusal.kind)
    };
    assert_eq!(kind(&leaf), Err(RefusalKind::UnknownIssuer));
    assert_eq!(
        kind(&(leaf.clone() + &between.to_issued().certificate)),
        Ok(())
    );
    // The one between may issue for systems (path length 0), not for further issuers.
    let deeper = authority_under(&between, &Profile::issuer("deeper", now()));
    let leaf_of_deeper = deeper
        .issue(&client("x", &[DECLARATIONS]))
        .unwrap()
        .certificate
        + &deeper.to_issued().certificate
        + &between.to_issued().certificate;
    assert_eq!(kind(&leaf_of_deeper), Err(RefusalKind::PathLength));
    // Listed itself, the one between is an issuer like any other.
    let direct = registry_of("customs", &between.to_issued().certificate);
    assert!(identify(&chain(&leaf), &direct, now(), remote).is_ok());
}

#[test]
fn a_system_issues_for_nobody() {
    let border = Border::new();
    let system = border.issued("customs", "x", &[INVESTIGATION]);
    let loaded = Authority::load(&system.certificate, &system.key);
    assert!(matches!(loaded, Err(IssueError::Issuer("certificate"))));
}

#[test]
fn a_key_outside_its_networks_is_an_alarm() {
    let border = Border::new();
    let pem = border.text("police-operations.pem");
    for inside in ["10.20.0.1", "::ffff:10.20.255.255"] {
        assert!(border.identify_from(&pem, inside).is_ok());
    }
    for outside in ["10.21.0.1", "203.0.113.9", "2001:db8::1"] {
        let refusal = border.identify_from(&pem, outside).unwrap_err();
        assert_eq!(refusal.kind, RefusalKind::OutsideNetworks);
        assert!(refusal.is_alarm());
        assert!(refusal.detail.contains("outside 10.20.0.0/16"), "{refusal}");
    }
    assert!(
        border
            .identify_from(&border.text("post-items.pem"), "203.0.113.9")
            .is_ok()
    );
}

#[test]
fn a_refusal_shows_a_peers_names_escaped_and_cut() {
    let border = Border::new();
    let uri = format!("urn:x:\u{1b}[2J\n{}", "a".repeat(4000));
    let issued = border.issued("customs", "\u{1b}[31m\nforged line", &[&uri]);
    let text = border
        .refused(&issued.certificate, RefusalKind::UnknownName)
        .to_string();
    assert!(
        text.bytes().all(|b| !b.is_ascii_control()) && text.chars().count() <= 200,
        "{text}"
    );
}

#[test]
fn a_server_asks_for_the_clients_of_all_agencies() {
    let border = Border::new();
    let files = ["customs-ca.pem", "police-ca.pem", "post-ca.pem"];
    let expected: BTreeSet<Vec<u8>> = files
        .iter()
        .flat_map(|file| chain(&border.text(file)))
        .map(|der| der.to_vec())
        .collect();
    let anchors = trust_anchors(&border.registry);
    assert_eq!(anchors.len(), 3);
    assert_eq!(
        anchors
            .iter()
            .map(|der| der.to_vec())
            .collect::<BTreeSet<_>>(),
        expected
    );
}

#[test]
fn an_issuers_key_must_be_its_own_and_is_never_shown() {
    let border = Border::new();
    let (customs, police) = (border.text("customs-ca.pem"), border.text("police-ca.key"));
    assert!(matches!(
        Authority::load(&customs, &police),
        Err(IssueError::Issuer("key"))
    ));
    assert!(matches!(
        Authority::load(&customs, "x"),
        Err(IssueError::Issuer("key"))
    ));
    let issued = border.issued("customs", "x", &[]);
    let shown = format!(
        "{:?} {:?} {issued:?}",
        border.authority("customs"),
        border.pki
    );
    assert!(!shown.contains("PRIVATE KEY"), "{shown}");
}
