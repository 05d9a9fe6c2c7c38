//! The agencies and the how-to that the repository holds do what they say.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use carnet::agency::certificate::CertificateSummary;
use carnet::agency::identity::identify;
use carnet::agency::registry::Registry;
use carnet::cli::certs::issue::Authority;
use carnet::cli::certs::pki::{DevelopmentPki, development_bundle};
use carnet::message::bundle::Bundle;

use super::{CLIENT, DECLARATIONS, chain, name, now, registry_of};

#[test]
fn every_agency_of_the_repository_is_whole_and_its_systems_get_in() {
    let mut bundle = Bundle::default();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("agencies");
    for entry in folder.read_dir().unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            let name = entry.file_name().into_string().unwrap();
            let text = read(&entry.path().join("agency.toml"));
            bundle.insert(format!("agencies/{name}/agency.toml"), text);
        }
    }
    let pki = DevelopmentPki::create(&bundle, now()).unwrap();
    let registry = Registry::parse(&development_bundle(&bundle, &pki).unwrap()).unwrap();
    assert!(registry.agencies().count() >= 5);
    for agency in registry.agencies() {
        assert!(!agency.systems.is_empty(), "{} has no system", agency.id);
        for system in agency.systems.values() {
            let file = format!("{}-{}.pem", agency.id, system.name);
            let pem = String::from_utf8(pki.get(&file).unwrap().to_vec()).unwrap();
            let found = identify(&chain(&pem), &registry, now(), CLIENT.parse().unwrap()).unwrap();
            assert_eq!((&found.peer.agency, &found.peer.system), (agency, system));
        }
    }
}

fn read(path: &Path) -> String {
    let mut text = String::new();
    File::open(path).unwrap().read_to_string(&mut text).unwrap();
    text
}

#[test]
fn the_commands_of_the_how_to_make_a_certificate_that_gets_in() {
    let how_to = read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("certs/README.md"));
    let blocks: Vec<&str> = how_to.split("```sh\n").skip(1).collect();
    let commands: String = blocks
        .iter()
        .filter_map(|block| block.split("```").next())
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let run = Command::new("sh")
        .args(["-e", "-c", &commands])
        .current_dir(&folder)
        .output();
    let run = run.unwrap();
    assert!(
        run.status.success(),
        "{}",
        String::from_utf8_lossy(&run.stderr)
    );
    assert!(String::from_utf8_lossy(&run.stdout).contains(DECLARATIONS));

    let registry = registry_of("customs", &read(&folder.path().join("customs-ca.pem")));
    let chain = chain(&read(&folder.path().join("customs-declarations.pem")));
    let issued = CertificateSummary::read(&chain[0]).unwrap().not_before;
    let today = issued.plus(Duration::from_mins(1));
    let found = identify(&chain, &registry, today, CLIENT.parse().unwrap()).unwrap();
    assert_eq!(name(&found.peer), "declarations of customs/main");
    assert_eq!(
        found.departures,
        Vec::<String>::new(),
        "the how-to departs from its profile"
    );
    // The same issuer serves `carnet certs issue`.
    let key = read(&folder.path().join("customs-ca.key"));
    assert!(Authority::load(&read(&folder.path().join("customs-ca.pem")), &key).is_ok());
}
