//! What of a chain counts: the end of each certificate in it, the better of two paths, the profile.

use std::time::Duration;

use carnet::agency::identity::{Admitted, identify};
use carnet::agency::registry::Registry;
use carnet::cli::certs::issue::{Authority, Profile, Usage, Validity};
use carnet::message::time::Timestamp;

use super::{Border, CLIENT, DECLARATIONS, authority_under, chain, client, days, now, registry_of};

/// Leaf, the one between, the listed root: each from and until so many days from today.
fn admitted(spans: [(i64, i64); 3], at: Timestamp) -> Result<Admitted, String> {
    let [leaf, between, root] = spans.map(|(from, until)| Validity {
        from: days(from),
        until: days(until),
    });
    let root = Authority::create(&Profile {
        usage: Usage::Issuer { path_length: 1 },
        validity: root,
        ..Profile::issuer("root", now())
    });
    let root = root.unwrap();
    let between = Profile {
        validity: between,
        ..Profile::issuer("between", now())
    };
    let between = authority_under(&root, &between);
    let leaf = between.issue(&Profile {
        validity: leaf,
        ..client("customs-declarations", &[DECLARATIONS])
    });
    let pem = leaf.unwrap().certificate + &between.to_issued().certificate;
    let registry = registry_of("customs", &root.to_issued().certificate);
    identified(&pem, &registry, at)
}

#[test]
fn what_a_peer_sends_above_its_own_certificate_is_bounded() {
    let root = Authority::create(&Profile::issuer("root", now())).unwrap();
    let leaf = root.issue(&client("customs-declarations", &[DECLARATIONS]));
    let leaf = leaf.unwrap().certificate;
    let registry = registry_of("customs", &root.to_issued().certificate);
    let sent = |above: usize| {
        let stranger = Authority::create(&Profile::issuer("stranger", now())).unwrap();
        leaf.clone() + &stranger.to_issued().certificate.repeat(above)
    };
    assert!(identified(&sent(8), &registry, now()).is_ok());
    let refused = identified(&sent(9), &registry, now()).unwrap_err();
    assert!(refused.starts_with("identity.broken-chain"), "{refused}");
    assert!(refused.contains("8 at most"), "{refused}");
}

fn identified(pem: &str, registry: &Registry, at: Timestamp) -> Result<Admitted, String> {
    let found = identify(&chain(pem), registry, at, CLIENT.parse().unwrap());
    found.map_err(|refusal| refusal.to_string())
}

#[test]
fn a_chain_holds_until_the_first_of_it_ends_and_not_a_moment_longer() {
    for (spans, until, whose) in [
        ([(-1, 5), (-1, 9), (-1, 9)], 5, "the certificate"),
        ([(-1, 9), (-1, 5), (-1, 9)], 5, "CN=between"),
        ([(-1, 9), (-1, 9), (-1, 5)], 5, "CN=root"),
        // Dated back before its authority was made, and beyond its end.
        ([(-9, 9), (-1, 5), (-1, 7)], 5, "CN=between"),
    ] {
        let grounds = admitted(spans, now()).unwrap().grounds;
        assert_eq!(grounds.until, days(until), "{spans:?}");
        assert!(grounds.ends_with.contains(whose), "{}", grounds.ends_with);
        assert!(admitted(spans, days(until)).is_ok());
        let after = days(until).plus(Duration::from_millis(1));
        let refused = admitted(spans, after).unwrap_err();
        assert!(refused.starts_with("identity.expired"), "{refused}");
        let named = whose.contains("CN=");
        assert!(!named || refused.contains(whose), "{refused}");
    }
}

/// An agency renews its issuer under the same key and lists both: the new one counts.
#[test]
fn of_two_certificates_of_one_issuer_the_one_that_lasts_longer_lets_in() {
    let soon = Validity {
        from: days(-9),
        until: days(2),
    };
    let root = Authority::create(&Profile {
        validity: soon,
        ..Profile::issuer("root", now())
    });
    let old = root.unwrap().to_issued();
    let key = rcgen::KeyPair::from_pem(&old.key).unwrap();
    let mut params = rcgen::CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
        .distinguished_name
        .push(rcgen::DnType::CommonName, "root");
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Constrained(0));
    params.key_usages = vec![rcgen::KeyUsagePurpose::KeyCertSign];
    let new = params.self_signed(&key).unwrap().pem();
    let leaf = Authority::load(&old.certificate, &old.key).unwrap();
    let leaf = leaf.issue(&Profile {
        validity: Validity {
            from: days(-1),
            until: days(9),
        },
        ..client("customs-declarations", &[DECLARATIONS])
    });
    let leaf = leaf.unwrap().certificate;
    let until = |listed: &str| {
        let registry = registry_of("customs", listed);
        identified(&leaf, &registry, now()).unwrap().grounds.until
    };
    assert_eq!(until(&old.certificate), days(2));
    for both in [
        old.certificate.clone() + &new,
        new.clone() + &old.certificate,
    ] {
        assert_eq!(until(&both), days(9));
    }
}

#[test]
fn what_departs_from_the_profile_is_let_in_and_told() {
    let border = Border::new();
    let departures = |profile: &Profile| {
        let issued = border.authority("customs").issue(profile).unwrap();
        let found = identified(&issued.certificate, &border.registry, now());
        found.unwrap().departures.join("\n")
    };
    let plain = client("customs-declarations", &[DECLARATIONS]);
    assert_eq!(departures(&plain), "");
    let long = Profile {
        validity: Validity {
            from: days(-1),
            until: days(800),
        },
        ..client(
            "Declarations 3",
            &[DECLARATIONS, "spiffe://customs.example/a"],
        )
    };
    insta::assert_snapshot!(departures(&long), @r"
    it is good for 801 days; the profile has a year at most
    it has 2 URIs; the profile has one
    its CN is not customs-declarations, as the profile has it
    ");
    // Of issuers: beside the rulebook, since what was listed once is read by every release.
    let listed = border.registry.issuers_by_profile();
    assert!(listed.faults.is_empty() && listed.departures.is_empty());
    let root = Authority::create(&Profile {
        validity: Validity {
            from: days(-1),
            until: days(8_000),
        },
        ..Profile::issuer("root", now())
    });
    let registry = registry_of("customs", &root.unwrap().to_issued().certificate);
    let departures = registry.issuers_by_profile().departures;
    assert_eq!(departures.len(), 1);
    assert!(
        departures[0].to_string().contains("8001 days"),
        "{departures:?}"
    );
}
