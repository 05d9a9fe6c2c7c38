//! Certificates that their issuers have withdrawn: which lists count, and how long.

use std::time::Duration;

use carnet::agency::crl::{NotTaken, RevocationList};
use carnet::agency::identity::{Grounds, identify};
use carnet::agency::refusal::RefusalKind;
use carnet::agency::registry::{Agency, CrlSource};
use carnet::agency::revocation::{Followed, Revocations, Taken};
use carnet::agency::source::Source;
use carnet::cli::certs::issue::{Authority, Issued, Profile, Usage, Validity};
use carnet::message::bundle::Bundle;
use carnet::message::id::AgencyId;
use carnet::message::time::Timestamp;

use super::lists::Edition;
use super::{Border, CLIENT, DECLARATIONS, agency, chain, client, days, now, system};

const HOUR: Duration = Duration::from_hours(1);
const MINUTE: Duration = Duration::from_mins(1);

fn source() -> CrlSource {
    CrlSource {
        source: Source::Http("http://pki.customs.example/a.crl".to_owned()),
        refresh: 15 * MINUTE,
        stale_after: 24 * HOUR,
    }
}

fn customs() -> AgencyId {
    "customs".parse().unwrap()
}

/// Of today, good for a week.
fn edition(number: u64) -> Edition {
    Edition {
        number,
        made: now(),
        next: days(7),
    }
}

impl Border {
    fn agency(&self, id: &str) -> &Agency {
        self.registry.agency(id).unwrap()
    }

    fn read(&self, list: &[u8], at: Timestamp) -> Result<RevocationList, NotTaken> {
        RevocationList::read(list, self.agency("customs"), at)
    }

    fn grounds(&self, pem: &str) -> Grounds {
        let remote = CLIENT.parse().unwrap();
        let admitted = identify(&chain(pem), &self.registry, now(), remote);
        admitted.unwrap().grounds
    }

    fn issuer(&self, agency: &str) -> Issued {
        self.authority(agency).to_issued()
    }
}

/// These lists of customs in force, read at `at`.
fn in_force(lists: Vec<RevocationList>, at: Timestamp) -> Revocations {
    let mut followed = Followed::new(source(), at);
    for list in lists {
        assert_eq!(followed.take(list, at), Ok(Taken::New));
    }
    let mut all = Revocations::default();
    all.put(customs(), vec![followed]);
    all
}

#[test]
fn a_certificate_on_its_issuers_list_is_withdrawn_and_no_other() {
    let border = Border::new();
    let stolen = border.issued("customs", "declarations", &[DECLARATIONS]);
    let new = border.issued("customs", "declarations", &[DECLARATIONS]);
    let list = edition(1).withdraws(&border.issuer("customs"), &[&stolen.certificate]);
    let list = border.read(&list, now()).unwrap();
    assert_eq!((list.len(), list.next_update()), (1, Some(days(7))));
    let all = in_force(vec![list], now());

    let (stolen, new) = (
        border.grounds(&stolen.certificate),
        border.grounds(&new.certificate),
    );
    assert_eq!(all.admit(&new, now()), Ok(()));
    let refusal = all.admit(&stolen, now()).unwrap_err();
    assert_eq!(
        (refusal.kind, refusal.is_alarm()),
        (RefusalKind::Revoked, true)
    );
    assert_eq!(
        refusal.detail,
        "it is withdrawn by its issuer's list of 2026-11-25T05:00:00.000Z"
    );
    assert_eq!(all.stand(&stolen), Err(refusal));
    // What customs publishes says nothing of who comes in by another agency.
    let others = Grounds {
        agency: "police".parse().unwrap(),
        ..stolen
    };
    assert_eq!(all.admit(&others, now()), Ok(()));
}

#[test]
fn a_list_counts_only_by_an_issuer_of_its_agency_whole_and_by_its_key() {
    let border = Border::new();
    let stolen = border.issued("customs", "declarations", &[DECLARATIONS]);
    let withdraws = |issuer: &Issued| edition(1).withdraws(issuer, &[&stolen.certificate]);
    let others = withdraws(&border.issuer("police"));
    assert_eq!(
        border.read(&others, now()),
        Err(NotTaken::ForeignIssuer(
            "\"CN=police development CA\"".to_owned()
        ))
    );
    // The same name, another key.
    let named = Authority::create(&Profile::issuer("customs development CA", now())).unwrap();
    assert_eq!(
        border.read(&withdraws(&named.to_issued()), now()),
        Err(NotTaken::Signature(
            "\"CN=customs development CA\"".to_owned()
        ))
    );
    let good = withdraws(&border.issuer("customs"));
    for place in 0..good.len() {
        let mut bad = good.clone();
        bad[place] ^= 1;
        assert!(border.read(&bad, now()).is_err(), "octet {place}");
    }
    for bad in [
        &good[..good.len() - 1],
        &[&good[..], &[0]].concat(),
        b"",
        b"-----BEGIN",
    ] {
        assert!(matches!(
            border.read(bad, now()),
            Err(NotTaken::Malformed(_))
        ));
    }
    let pem = pem(&good);
    assert_eq!(
        border.read(pem.as_bytes(), now()),
        border.read(&good, now())
    );
}

fn pem(der: &[u8]) -> String {
    let text = data_encoding::BASE64.encode(der);
    format!("-----BEGIN X509 CRL-----\n{text}\n-----END X509 CRL-----\n")
}

#[test]
fn an_older_list_takes_no_later_ones_place_and_a_later_one_lets_in_again() {
    let border = Border::new();
    let issuer = border.issuer("customs");
    let stolen = border.issued("customs", "declarations", &[DECLARATIONS]);
    let list = |number, hours: u32, withdrawn: &[&str]| {
        let made = now().plus(hours * HOUR);
        let next = days(7);
        let list = Edition { number, made, next }.withdraws(&issuer, withdrawn);
        border.read(&list, days(1)).unwrap()
    };
    let mut followed = Followed::new(source(), now());
    let withdrawn: &[&str] = &[&stolen.certificate];
    let first = list(255, 2, withdrawn);
    assert_eq!(followed.take(first.clone(), now()), Ok(Taken::New));
    assert_eq!(followed.take(first, now()), Ok(Taken::Same));
    for (number, hours) in [(254, 2), (254, 3), (255, 1), (256, 1)] {
        let older = followed.take(list(number, hours, &[]), now());
        assert!(
            matches!(older, Err(NotTaken::Older { .. })),
            "{number}, {hours}"
        );
        assert_eq!(followed.lists()[0].list.len(), 1);
    }
    // One octet more is a greater number.
    assert_eq!(followed.take(list(256, 3, &[]), now()), Ok(Taken::New));
    assert_eq!(followed.lists()[0].list.len(), 0);
}

#[test]
fn lists_of_two_issuers_at_one_address_stand_beside_each_other() {
    let border = Border::new();
    let stolen = border.issued("customs", "declarations", &[DECLARATIONS]);
    let renewed = Authority::create(&Profile::issuer("customs 2", now())).unwrap();
    let mut bundle = Bundle::default();
    let entry = system("declarations", "main", DECLARATIONS);
    let text = agency("customs", &entry).replace("\"ca.pem\"", "\"ca.pem\", \"new.pem\"");
    bundle.insert("agencies/customs/agency.toml", text);
    bundle.insert("agencies/customs/ca.pem", border.text("customs-ca.pem"));
    bundle.insert("agencies/customs/new.pem", renewed.to_issued().certificate);
    let registry = carnet::agency::registry::Registry::parse(&bundle).unwrap();
    let both = registry.agency("customs").unwrap();
    let read = |list: &[u8]| RevocationList::read(list, both, now()).unwrap();

    let mut followed = Followed::new(source(), now());
    let old = edition(9).withdraws(&border.issuer("customs"), &[&stolen.certificate]);
    let new = edition(1).withdraws(&renewed.to_issued(), &[]);
    assert_eq!(followed.take(read(&old), now()), Ok(Taken::New));
    // Whoever answers with the other's list holds this one back, and takes nothing away from it.
    let later = now().plus(HOUR);
    assert_eq!(followed.take(read(&new), later), Ok(Taken::New));
    let mut all = Revocations::default();
    all.put(customs(), vec![followed.clone()]);
    let grounds = border.grounds(&stolen.certificate);
    assert!(all.stand(&grounds).is_err());
    assert_eq!(followed.age(later), HOUR, "what was held back ages");
    // Once the old issuer is listed no more its lists need not be published.
    let mut bundle = Bundle::default();
    bundle.insert("agencies/customs/agency.toml", agency("customs", &entry));
    bundle.insert("agencies/customs/ca.pem", renewed.to_issued().certificate);
    let registry = carnet::agency::registry::Registry::parse(&bundle).unwrap();
    followed.keep_listed(registry.agency("customs").unwrap());
    assert_eq!(followed.age(later), Duration::ZERO);
}

#[test]
fn a_withdrawn_authority_takes_all_below_it_along() {
    let border = Border::new();
    let root = border.issuer("customs");
    let between = Profile {
        usage: Usage::Issuer { path_length: 0 },
        ..Profile::issuer("customs between", now())
    };
    let lasting = Profile {
        validity: Validity::starting(now(), 30 * 24 * HOUR),
        ..between
    };
    let top = Profile {
        usage: Usage::Issuer { path_length: 1 },
        ..Profile::issuer("customs top", now())
    };
    let top = Authority::create(&top).unwrap();
    let between = top.issue(&lasting).unwrap();
    let below = Authority::load(&between.certificate, &between.key).unwrap();
    let own = below
        .issue(&client("declarations", &[DECLARATIONS]))
        .unwrap();
    let mut bundle = Bundle::default();
    let entry = system("declarations", "main", DECLARATIONS);
    bundle.insert("agencies/customs/agency.toml", agency("customs", &entry));
    bundle.insert("agencies/customs/ca.pem", top.to_issued().certificate);
    let registry = carnet::agency::registry::Registry::parse(&bundle).unwrap();
    let whole = format!("{}{}", own.certificate, between.certificate);
    let remote = CLIENT.parse().unwrap();
    let grounds = identify(&chain(&whole), &registry, now(), remote)
        .unwrap()
        .grounds;

    let list = edition(1).withdraws(&top.to_issued(), &[&between.certificate]);
    let agency = registry.agency("customs").unwrap();
    let list = RevocationList::read(&list, agency, now()).unwrap();
    let refusal = in_force(vec![list], now()).stand(&grounds).unwrap_err();
    assert!(
        refusal
            .detail
            .starts_with("\"CN=customs between\" above it is withdrawn")
    );
    assert!(
        border
            .read(&edition(1).withdraws(&root, &[]), now())
            .is_ok()
    );
}

#[test]
fn a_list_ages_from_when_it_was_read_or_the_next_was_due_and_then_nobody_new_comes_in() {
    let border = Border::new();
    let issued = border.issued("customs", "declarations", &[DECLARATIONS]);
    let grounds = border.grounds(&issued.certificate);
    let stale = |all: &Revocations, at| match all.admit(&grounds, at) {
        Ok(()) => false,
        Err(refusal) => refusal.kind == RefusalKind::StaleLists,
    };
    let said = |all: &Revocations, at| all.of(&customs())[0].lateness(at);
    let list = |next| {
        let made = now();
        let list = Edition {
            number: 1,
            made,
            next,
        };
        border
            .read(&list.withdraws(&border.issuer("customs"), &[]), now())
            .unwrap()
    };
    // Read last at noon: the day counts from there; or from when the next was due, before it.
    let second = Duration::from_secs(1);
    for (next, from) in [(days(7), now()), (now().plus(HOUR), now())] {
        let all = in_force(vec![list(next)], from);
        assert_eq!(said(&all, from.plus(30 * MINUTE)), None);
        assert!(said(&all, from.plus(31 * MINUTE)).is_some());
        assert!(!stale(&all, from.plus(24 * HOUR)));
        assert!(stale(&all, from.plus(24 * HOUR + second)));
        // Who is connected stays.
        assert_eq!(all.stand(&grounds), Ok(()));
    }
    let all = in_force(vec![list(now().plus(HOUR))], now().plus(3 * HOUR));
    assert!(!stale(&all, now().plus(25 * HOUR)));
    assert!(stale(&all, now().plus(25 * HOUR + second)));
    // One that was never read: from when it was looked for first.
    let mut none = Revocations::default();
    none.put(customs(), vec![Followed::new(source(), now())]);
    assert!(!stale(&none, days(1)) && stale(&none, days(2)));
    assert_eq!(
        said(&none, days(2)).unwrap(),
        "no revocation list was read at http://pki.customs.example/a.crl yet: no system of its agency is \
         let in"
    );
    // A clock that steps back makes nothing old.
    assert!(!stale(&none, days(-30)));
}

#[test]
fn an_issuers_clock_may_be_five_minutes_ahead() {
    let border = Border::new();
    let list = edition(1).withdraws(&border.issuer("customs"), &[]);
    let at = |minutes: i64| Timestamp::from_millis(now().as_millis() - minutes * 60_000);
    assert!(border.read(&list, at(5)).is_ok());
    assert_eq!(border.read(&list, at(6)), Err(NotTaken::NotYet(now())));
}
