//! The registry's promises: every setting is read, every fault is found with its line and cure.

use std::time::Duration;

use super::super::expiry::{Lifetime, expiring};
use super::super::registry::{AgencyLimits, MessageIdRule, Receipts};
use super::*;
use crate::cli::certs::issue::{Authority, Profile};
use crate::cli::certs::pki::{DevelopmentPki, development_bundle};
use crate::message::time::Timestamp;

/// The example of the reference, with every section there is.
const CUSTOMS: &str = r#"id = "customs"
kind = "customs"
country = "XM"
name = { en = "Meridia Customs" }
contact = { desk = "Exchange desk", email = "exchange@customs.example" }

[trust]
issuers = ["customs-ca.pem"]
crl = { url = "https://pki.customs.example/a.crl", refresh = "15m", stale_after = "24h" }

[identity_provider]
issuer = "https://login.customs.example"
jwks = "https://login.customs.example/jwks.json"
audience = "carnet.meridia.example"

[[unit]]
id = "main"
purpose = "customs-control"
receives = ["*"]

[[unit]]
id = "investigation"
purpose = "law-enforcement"
clearances = ["controlled-delivery"]
receives = ["control.order", "control.result", "seizure.report"]
listed = false
inbox = "unbound"

[[system]]
id = "declarations"
unit = "main"
certificate = "urn:carnet:customs:system:declarations"
sends = ["declaration.*", "release.notice"]
reads = ["inbox", "receipts", "dead"]
networks = ["10.20.0.0/16"]
message_id = "derived"
receipts = "exceptions"

[[officer]]
id = "o-2117"
roles = ["administrator"]
certificate = "urn:carnet:customs:officer:o-2117"

[[officer]]
id = "o-0934"
roles = ["approver", "auditor"]
token = "8d1f0c52"

[limits]
messages_per_second = 2000
refusals_per_minute = 600

[retention]
default = "1095d"
"declaration.*" = "3650d"
"declaration.import" = "4000d"
"#;

const POST: &str = r#"id = "post"
kind = "post"
country = "XM"
name = { en = "Meridia Post" }
contact = { desk = "Customs desk", email = "exchange@post.example" }
[trust]
issuers = ["post-ca.pem"]
[[unit]]
id = "main"
purpose = "postal-security"
[[system]]
id = "items"
unit = "main"
certificate = "CN=post items"
[retention]
default = "365d"
"#;

fn now() -> Timestamp {
    Timestamp::from_rfc3339("2026-11-25T05:00:00Z").unwrap()
}

fn bundle(customs: &str, post: &str) -> Bundle {
    let mut bundle = Bundle::default();
    bundle.insert("agencies/README.md", "who takes part");
    bundle.insert("agencies/customs/agency.toml", customs);
    bundle.insert("agencies/post/agency.toml", post);
    bundle
}

/// The bundle with the issuers of the unchanged agencies at their paths.
fn with_issuers(bundle: &Bundle) -> Bundle {
    let pki = DevelopmentPki::create(&self::bundle(CUSTOMS, POST), now()).unwrap();
    let mut bundle = bundle.clone();
    for agency in ["customs", "post"] {
        let issuer = pki.get(&format!("{agency}-ca.pem")).unwrap();
        bundle.insert(format!("agencies/{agency}/{agency}-ca.pem"), issuer);
    }
    bundle
}

fn faults(bundle: &Bundle) -> Vec<String> {
    let faults = Registry::parse(bundle).map(drop).unwrap_err();
    faults.iter().map(ToString::to_string).collect()
}

#[test]
fn every_setting_of_an_agency_is_read() {
    let registry = Registry::parse(&with_issuers(&bundle(CUSTOMS, POST))).unwrap();
    let customs = registry.agency("customs").unwrap();
    assert_eq!(customs.issuers.len(), 1);
    assert_eq!(customs.crls[0].stale_after, Duration::from_hours(24));
    assert_eq!(
        customs.identity_provider.as_ref().unwrap().audience,
        "carnet.meridia.example"
    );
    let investigation = &customs.units["investigation"];
    assert!(!investigation.listed && customs.units["main"].listed);
    let declarations = &customs.systems["declarations"];
    assert_eq!(declarations.message_id, MessageIdRule::Derived);
    assert_eq!(declarations.receipts, Receipts::Exceptions);
    assert!(declarations.networks[0].contains("10.20.1.2".parse().unwrap()));
    assert_eq!(
        customs.officers["o-0934"].token.as_deref(),
        Some("8d1f0c52")
    );
    let limits = AgencyLimits {
        messages_per_second: 2000,
        refusals_per_minute: 600,
        private_messages: 1_000_000,
        private_mib: 4_096,
        private_octets_per_second: 16 << 20,
    };
    assert_eq!(customs.limits, limits);
}

#[test]
fn what_is_left_out_has_the_least_rights_and_a_default() {
    let registry = Registry::parse(&with_issuers(&bundle(CUSTOMS, POST))).unwrap();
    let post = registry.agency("post").unwrap();
    let items = &post.systems["items"];
    assert!(items.sends.is_empty() && items.reads.is_empty() && items.networks.is_empty());
    assert_eq!(
        (items.message_id, items.receipts),
        (MessageIdRule::Required, Receipts::All)
    );
    assert!(post.units["main"].receives.is_empty());
    assert_eq!(post.limits.messages_per_second, 200);
    assert!(post.crls.is_empty() && post.identity_provider.is_none());
}

#[test]
fn the_most_precise_pattern_says_how_long_a_payload_is_kept() {
    let registry = Registry::parse(&with_issuers(&bundle(CUSTOMS, POST))).unwrap();
    let customs = registry.agency("customs").unwrap();
    for (message_type, days) in [
        ("declaration.import", 4000),
        ("declaration.export", 3650),
        ("release.notice", 1095),
    ] {
        let kept = customs.retention_of(message_type);
        assert_eq!(kept, Duration::from_hours(24 * days), "{message_type}");
    }
}

/// What is changed in the example, into what, and the fault: line, what is wrong, the cure.
const FAULTS: &[(&str, &str, &str)] = &[
    (
        "id = \"customs\"",
        "id = \"custom\"",
        "1: id \"custom\" differs from its folder \"customs\"; name both alike",
    ),
    (
        "country = \"XM\"",
        "country = \"Meridia\"",
        "3: \"Meridia\" is no country; write two capital letters, as ISO 3166-1 has them",
    ),
    (
        "kind = \"customs\"\n",
        "",
        "1: the file has no kind; add it",
    ),
    (
        "{ en =",
        "{ english =",
        "4: \"english\" is no language; write its code, such as en",
    ),
    (
        "desk =",
        "dsek =",
        "5: \"dsek\" is no key of [contact]; write desk, or remove it",
    ),
    (
        "issuers = [\"customs-ca.pem\"]",
        "",
        "7: [trust] lists no issuers; list the certificate that issues for its systems and officers",
    ),
    (
        "\"customs-ca.pem\"",
        "\"../post/post-ca.pem\"",
        "8: \"../post/post-ca.pem\" is no file beside this one; put the certificate beside this file and name it alone",
    ),
    (
        "refresh = \"15m\"",
        "refresh = \"15 min\"",
        "9: \"15 min\" is not a length of time, such as 15m, 24h or 1095d; correct it",
    ),
    (
        "https://pki",
        "ldap://pki",
        "9: \"ldap://pki.customs.example/a.crl\" is no address of a list; write one that begins with \
         http://, https:// or file:///",
    ),
    (
        "refresh = \"15m\"",
        "refresh = \"30s\"",
        "9: refresh is shorter than a minute; write 1m or more",
    ),
    (
        "jwks = \"https://",
        "jwks = \"http://",
        "13: \"http://login.customs.example/jwks.json\" is no https address; write one that begins with \
         https://, or with file:///",
    ),
    (
        "audience = \"carnet.meridia.example\"",
        "audience = \"carnet.meridia.example\"\nca = \"login-ca.pem\"",
        "15: agencies/customs/login-ca.pem is missing; put the issuer's certificate there as PEM, without \
         its key",
    ),
    (
        "id = \"main\"\npurpose",
        "id = \"front\"\npurpose",
        "1: the agency has no unit main; add a [[unit]] with id = \"main\"",
    ),
    (
        "id = \"investigation\"",
        "id = \"main\"",
        "21: unit main is there twice; rename or remove one",
    ),
    (
        "inbox = \"unbound\"",
        "inbox = \"unbuond\"",
        "27: inbox has no \"unbuond\"; write unbound",
    ),
    (
        "listed = false",
        "listed = \"no\"",
        "26: listed holds a wrong string; write true or false",
    ),
    (
        "unit = \"main\"",
        "unit = \"mian\"",
        "31: the agency has no unit \"mian\"; name one of its units: investigation, main",
    ),
    (
        "customs:system",
        "post:system",
        "32: \"urn:carnet:post:system:declarations\" cannot name a certificate here; urn:carnet: names begin with urn:carnet:customs: in this file",
    ),
    (
        "urn:carnet:customs:system:declarations",
        "declarations",
        "32: \"declarations\" cannot name a certificate here; write a URI, such as urn:carnet:customs:system:NAME",
    ),
    (
        "urn:carnet:customs:officer:o-2117",
        "CN=o-2117",
        "42: \"CN=o-2117\" cannot name a certificate here; write the URI of its subject alternative name",
    ),
    (
        "\"declaration.*\", \"rel",
        "\"declaration*\", \"rel",
        "33: \"declaration*\" is not a message type, a prefix with .* behind it, or *; correct it",
    ),
    (
        "\"dead\"",
        "\"outbox\"",
        "34: reads has no \"outbox\"; write one of: inbox, receipts, dead",
    ),
    (
        "10.20.0.0/16",
        "10.20.0.1/16",
        "35: \"10.20.0.1/16\" is not a network, such as 10.20.0.0/16: no bits set behind the prefix; correct it",
    ),
    (
        "message_id = \"derived\"",
        "message_id = \"any\"",
        "36: message_id has no \"any\"; write one of: required, derived",
    ),
    (
        "message_id =",
        "mesage_id =",
        "36: \"mesage_id\" is no key of [[system]]; write message_id, or remove it",
    ),
    (
        "id = \"o-2117\"",
        "id = \"meyer-17\"",
        "40: \"meyer-17\" is no staff number; write digits with a short prefix, such as o-2117; never a name: it stays in the log",
    ),
    (
        "\"administrator\"",
        "\"admin\"",
        "41: roles has no \"admin\"; write one of: administrator, approver, auditor, operator",
    ),
    (
        "token = \"8d1f0c52\"",
        "",
        "44: the officer has neither a certificate nor a token; give one, or remove the entry",
    ),
    (
        "id = \"o-0934\"",
        "id = \"o-2117\"",
        "44: officer o-2117 is there twice; remove one",
    ),
    (
        "= 2000",
        "= 0",
        "50: messages_per_second holds a wrong integer; write a whole number from 1 to 4294967295",
    ),
    (
        "\"3650d\"",
        "\"30h\"",
        "55: retention is counted in days; write it as days: 30d",
    ),
    (
        "default =",
        "fallback =",
        "53: [retention] has no default; add one, such as default = \"1095d\"",
    ),
    (
        "[limits]",
        "[limit]",
        "49: \"limit\" is no key of the file; write limits, or remove it",
    ),
    (
        "[limits]",
        "[colours]",
        "49: \"colours\" is no key of the file; remove it; known here: id, kind, country, name, contact, trust, identity_provider, unit, system, officer, limits, retention",
    ),
];

#[test]
fn a_fault_of_a_file_has_its_line_and_its_cure() {
    for (old, new, expected) in FAULTS {
        assert!(CUSTOMS.contains(old), "{old}");
        let found = faults(&with_issuers(&bundle(&CUSTOMS.replacen(old, new, 1), POST)));
        let expected = format!("agencies/customs/agency.toml:{expected}");
        assert!(
            found.contains(&expected),
            "{new}\nwanted {expected}\nfound  {found:#?}"
        );
    }
}

#[test]
fn a_token_needs_somebody_to_vouch_for_it() {
    let (before, provider) = CUSTOMS.split_once("[identity_provider]").unwrap();
    let (_, behind) = provider.split_once("[[unit]]").unwrap();
    let customs = format!("{before}[[unit]]{behind}");
    let found = faults(&with_issuers(&bundle(&customs, POST)));
    assert_eq!(
        found,
        [
            "agencies/customs/agency.toml:42: a token, but nobody to vouch for it; \
          add [identity_provider], or use a certificate"
        ]
    );
}

#[test]
fn all_faults_of_all_files_are_found_at_once() {
    let customs = CUSTOMS
        .replace("customs-control", "Customs")
        .replace("= 600", "= \"many\"");
    let found = faults(&bundle(&customs, "id = \n\"post\""));
    let places: Vec<&str> = found
        .iter()
        .map(|fault| fault.split(": ").next().unwrap())
        .collect();
    assert_eq!(places.len(), 4, "{found:#?}");
    assert!(
        places.contains(&"agencies/customs/agency.toml:18"),
        "{found:#?}"
    );
    assert!(
        places.contains(&"agencies/customs/agency.toml:51"),
        "{found:#?}"
    );
    assert!(
        places
            .iter()
            .any(|place| place.starts_with("agencies/post/agency.toml"))
    );
}

#[test]
fn two_entries_of_an_agency_with_one_certificate_are_found_and_what_others_name_is_theirs() {
    let name = "spiffe://border.example/items";
    let customs = CUSTOMS.replace("urn:carnet:customs:system:declarations", name);
    let post = POST.replace("CN=post items", name);
    Registry::parse(&with_issuers(&bundle(&customs, &post))).unwrap();
    let customs = customs.replace("urn:carnet:customs:officer:o-2117", name);
    assert_eq!(
        faults(&with_issuers(&bundle(&customs, &post))),
        [
            "agencies/customs/agency.toml:42: certificate \"spiffe://border.example/items\" is also named \
          at agencies/customs/agency.toml:32; name another: a certificate stands for one system or \
          officer"
        ]
    );
}

#[test]
fn a_system_is_not_named_so_that_its_files_could_be_anothers() {
    let found = faults(&with_issuers(&bundle(
        CUSTOMS,
        &POST.replace("\"items\"", "\"ca\""),
    )));
    assert_eq!(
        found,
        [
            "agencies/post/agency.toml:11: post-ca is also the name that agencies/post gives; \
          rename the system"
        ]
    );
}

#[test]
fn a_folder_without_its_file_and_no_folder_at_all_are_faults() {
    let mut incomplete = with_issuers(&bundle(CUSTOMS, POST));
    incomplete.insert("agencies/police/police-ca.pem", "x");
    assert_eq!(
        faults(&incomplete),
        ["agencies/police/agency.toml: is missing; add the file"]
    );
    assert_eq!(faults(&Bundle::default()).len(), 1);
}

#[test]
fn an_issuers_file_is_a_certificate_that_may_issue_and_nothing_else() {
    let good = with_issuers(&bundle(CUSTOMS, POST));
    let pki = DevelopmentPki::create(&bundle(CUSTOMS, POST), now()).unwrap();
    let text = |name| String::from_utf8(pki.get(name).unwrap().to_vec()).unwrap();
    let path = "agencies/post/post-ca.pem";
    for (content, says) in [
        (
            text("post-ca.pem") + &text("post-ca.key"),
            "holds a private key",
        ),
        (
            text("post-items.pem"),
            "holds CN=post items, which may not issue certificates",
        ),
        ("no PEM at all".to_owned(), "holds no certificate"),
        (
            text("post-ca.pem").replacen("MII", "MIJ", 1),
            "holds a malformed certificate",
        ),
        (
            text("post-ca.pem").replace("-----END CERTIFICATE-----", ""),
            "is not PEM",
        ),
    ] {
        let mut bundle = good.clone();
        bundle.insert(path, content);
        let found = faults(&bundle);
        assert!(
            found.len() == 1 && found[0].starts_with(&format!("{path}: {says};")),
            "{found:?}"
        );
    }
    let missing = faults(&bundle(CUSTOMS, POST));
    assert_eq!(missing.len(), 2);
    assert!(
        missing[1].starts_with("agencies/post/agency.toml:7: agencies/post/post-ca.pem is missing")
    );
}

#[test]
fn a_private_key_anywhere_beside_an_agency_is_a_fault() {
    let mut bundle = with_issuers(&bundle(CUSTOMS, POST));
    bundle.insert(
        "agencies/post/old/items.key",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\n",
    );
    let found = faults(&bundle);
    assert!(
        found.len() == 1 && found[0].starts_with("agencies/post/old/items.key: holds a private")
    );
}

#[test]
fn two_agencies_share_no_issuer_not_even_in_two_certificates_of_one_key() {
    let mut bundle = with_issuers(&bundle(CUSTOMS, POST));
    let issuer = bundle
        .get("agencies/customs/customs-ca.pem")
        .unwrap()
        .to_vec();
    bundle.insert("agencies/post/post-ca.pem", issuer);
    let found = faults(&bundle);
    assert_eq!(found.len(), 1);
    let says = "agencies/post/post-ca.pem: holds the same issuer as \
                agencies/customs/customs-ca.pem;";
    assert!(found[0].starts_with(says), "{found:?}");
}

#[test]
fn an_agency_may_list_several_issuers_and_several_in_one_file() {
    let mut bundle = with_issuers(&bundle(CUSTOMS, POST));
    let issuer = |name| {
        Authority::create(&Profile::issuer(name, now()))
            .unwrap()
            .to_issued()
    };
    let two = issuer("old").certificate + &issuer("new").certificate;
    bundle.insert("agencies/post/post-ca.pem", two);
    let registry = Registry::parse(&bundle).unwrap();
    assert_eq!(registry.agency("post").unwrap().issuers.len(), 2);
}

#[test]
fn an_issuer_is_named_before_and_after_its_end_and_before_its_beginning() {
    let bundle = with_issuers(&bundle(CUSTOMS, POST));
    let registry = Registry::parse(&bundle).unwrap();
    let days = |days: u64| now().plus(Duration::from_hours(24 * days));
    assert_eq!(registry.expiring(now()), []);
    for (at, lifetime) in [
        (days(3625), Lifetime::EndsSoon),
        (days(3651), Lifetime::Expired),
        (Timestamp::from_millis(0), Lifetime::NotYetValid),
    ] {
        let found = registry.expiring(at);
        assert_eq!(found.len(), 2);
        assert!(
            found.iter().all(|expiring| expiring.lifetime == lifetime),
            "{found:?}"
        );
        let pem = bundle.get("agencies/customs/customs-ca.pem").unwrap();
        assert_eq!(
            expiring("agencies/customs/customs-ca.pem", pem, at).unwrap(),
            found[..1]
        );
    }
    assert_eq!(
        registry.expiring(days(3651))[0].to_string(),
        "agencies/customs/customs-ca.pem: CN=customs development CA ended at \
         2036-11-22T05:00:00.000Z; renew the certificate"
    );
    assert!(expiring("server.pem", b"", now()).is_err());
}

#[test]
fn a_development_bundle_parses_where_issuers_are_absent_and_replaces_those_that_are_there() {
    let absent = bundle(CUSTOMS, POST);
    let pki = DevelopmentPki::create(&absent, now()).unwrap();
    let registry = Registry::parse(&development_bundle(&absent, &pki).unwrap()).unwrap();
    let real = Registry::parse(&with_issuers(&absent)).unwrap();
    let replaced = development_bundle(&with_issuers(&absent), &pki).unwrap();
    assert_eq!(Registry::parse(&replaced).unwrap(), registry);
    assert_ne!(real, registry);
    let read_back: DevelopmentPki = pki
        .files()
        .map(|(name, content)| (name.to_owned(), content.to_vec()))
        .collect();
    assert_eq!(read_back, pki);
    let names: Vec<&str> = pki.files().map(|(name, _)| name).collect();
    assert_eq!(
        names,
        [
            "ca.pem",
            "customs-ca.key",
            "customs-ca.pem",
            "customs-declarations.key",
            "customs-declarations.pem",
            "customs.o-2117.key",
            "customs.o-2117.pem",
            "post-ca.key",
            "post-ca.pem",
            "post-items.key",
            "post-items.pem",
            "server.key",
            "server.pem",
        ]
    );
    assert!(development_bundle(&absent, &DevelopmentPki::default()).is_err());
}
