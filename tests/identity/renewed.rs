//! A connected system under another rulebook: it stays who it is, on what let it in, or its
//! connection ends.

use carnet::agency::identity::identify;
use carnet::agency::registry::Registry;
use carnet::message::bundle::Bundle;

use super::{Border, CLIENT, DECLARATIONS, agency, chain, now, registry_of, system};

/// The registry of a later rulebook, in which customs has these systems.
fn later(border: &Border, systems: &str) -> Registry {
    let mut bundle = Bundle::default();
    let issuer = border.text("customs-ca.pem");
    bundle.insert("agencies/customs/agency.toml", agency("customs", systems));
    bundle.insert("agencies/customs/ca.pem", issuer);
    Registry::parse(&bundle).unwrap()
}

#[test]
fn a_system_is_the_same_only_in_its_unit_and_by_its_certificate() {
    let border = Border::new();
    let peer = border.issued("customs", "declarations", &[DECLARATIONS]);
    let peer = border.identify(&peer.certificate).unwrap();
    let unchanged = system("declarations", "main", DECLARATIONS);

    let as_of = |systems: &str| peer.as_of(&later(&border, systems));
    let same = as_of(&unchanged).unwrap();
    assert_eq!(
        (&same.unit.id, &same.system.name),
        (&peer.unit.id, &peer.system.name)
    );

    let reads_less = as_of(&format!("{unchanged}reads = []\n")).unwrap();
    assert!(reads_less.system.reads.is_empty());

    let others = [
        system("investigation", "main", DECLARATIONS),
        system("declarations", "investigation", DECLARATIONS),
        system("declarations", "main", "CN=declarations"),
    ];
    for systems in others {
        assert_eq!(as_of(&systems), None, "{systems}");
    }
    let without = registry_of("aldera", &border.text("customs-ca.pem"));
    assert_eq!(peer.as_of(&without), None);
}

#[test]
fn a_system_stays_as_long_as_its_issuer_is_listed_and_its_address_allowed() {
    let border = Border::new();
    let issued = border.issued("customs", "declarations", &[DECLARATIONS]);
    let remote = CLIENT.parse().unwrap();
    let admitted = identify(&chain(&issued.certificate), &border.registry, now(), remote).unwrap();
    let (peer, grounds) = (&admitted.peer, &admitted.grounds);
    let entry = system("declarations", "main", DECLARATIONS);

    assert!(grounds.as_of(peer, &later(&border, &entry)).is_some());
    for (networks, stays) in [("10.20.0.0/16", true), ("10.21.0.0/16", false)] {
        let entry = format!("{entry}networks = [\"{networks}\"]\n");
        let as_of = grounds.as_of(peer, &later(&border, &entry));
        assert_eq!(as_of.is_some(), stays, "{networks}");
    }
    let others_issuer = registry_of("customs", &border.text("police-ca.pem"));
    assert!(peer.as_of(&others_issuer).is_some());
    assert_eq!(grounds.as_of(peer, &others_issuer), None);
}
