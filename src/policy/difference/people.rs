//! Agencies with their units, systems, officers and issuers, and the board, as things.

use super::super::agreement::Agreement;
use super::super::rulebook::Rulebook;
use super::super::vocabulary::Terms;
use super::thing::{Kind, Said, Thing, Things, add};
use crate::agency::board::BOARD_PATH;
use crate::agency::certificate::CertificateSummary;
use crate::agency::registry::{
    Agency, AgencyLimits, Grant, IdentityProvider, Officer, System, Unit,
};
use crate::message::id::Digest;

pub(super) fn of(rulebook: &Rulebook, things: &mut Things) {
    for agency in rulebook.registry().agencies() {
        let path = format!("{}/agency.toml", agency.folder());
        add(
            things,
            Kind::Agency,
            agency.id.as_str(),
            agency_thing(agency, &path),
        );
        for unit in agency.units.values() {
            add(
                things,
                Kind::Unit,
                &unit.id.to_string(),
                unit_thing(unit, &path),
            );
        }
        for system in agency.systems.values() {
            let name = format!("{}/{}", agency.id, system.name);
            add(things, Kind::System, &name, system_thing(system, &path));
        }
        vouched(agency, &path, things);
    }
    if let Some(board) = rulebook.registry().board() {
        vouched(board, BOARD_PATH, things);
    }
    for agreement in rulebook.agreements() {
        add(
            things,
            Kind::Agreement,
            &agreement.id,
            agreement_thing(agreement),
        );
    }
    board(rulebook, things);
}

/// The officers of a body, and the certificates by which it issues others.
fn vouched(body: &Agency, path: &str, things: &mut Things) {
    for officer in body.officers.values() {
        let name = format!("{}/{}", body.id, officer.id);
        add(things, Kind::Officer, &name, officer_thing(officer, path));
    }
    for (file, der) in &body.issuers {
        let read = CertificateSummary::read(der);
        let subject = read.as_ref().map_or("unreadable", |it| it.subject.as_str());
        let ends = read
            .as_ref()
            .map_or_else(String::new, |it| it.not_after.to_string());
        // One that is renewed is another certificate, and told as such.
        let digest = Digest::of(der).to_string();
        let thing = Thing {
            path: format!("{}/{file}", body.folder()),
            aspects: vec![
                ("subject", Said::text(subject)),
                ("ends", Said::text(ends)),
                ("SHA-256", Said::text(&digest)),
            ],
        };
        let short: String = digest.chars().take(16).collect();
        add(
            things,
            Kind::Issuer,
            &format!("{} {file} {short}", body.id),
            thing,
        );
    }
}

fn agency_thing(agency: &Agency, path: &str) -> Thing {
    let Agency {
        id: _,
        kind,
        country,
        name,
        contact,
        issuers: _,
        crls,
        identity_provider,
        units: _,
        systems: _,
        officers: _,
        limits,
        retention,
    } = agency;
    let lists = crls.iter().map(|list| {
        format!(
            "{} every {} s, stale after {} s",
            list.source,
            list.refresh.as_secs(),
            list.stale_after.as_secs()
        )
    });
    let kept = retention.iter().map(|(pattern, kept)| {
        let days = kept.as_secs() / 86_400;
        format!("{pattern} {days} days")
    });
    let mut aspects = vec![
        ("kind", Said::text(kind)),
        ("country", Said::text(country)),
        (
            "name",
            Said::list(
                name.iter()
                    .map(|(language, text)| format!("{text} ({language})")),
            ),
        ),
        (
            "contact",
            Said::text(format!("{}, {}", contact.desk, contact.email)),
        ),
        ("revocation lists", Said::list(lists)),
        ("identity provider", provider(identity_provider.as_ref())),
        ("retention", Said::list(kept)),
    ];
    aspects.extend(limits_aspects(limits));
    Thing {
        path: path.to_owned(),
        aspects,
    }
}

fn limits_aspects(limits: &AgencyLimits) -> [(&'static str, Said); 5] {
    let AgencyLimits {
        messages_per_second,
        refusals_per_minute,
        private_messages,
        private_mib,
        private_octets_per_second,
    } = limits;
    [
        ("messages a second", Said::text(messages_per_second)),
        ("refusals a minute", Said::text(refusals_per_minute)),
        ("private messages", Said::text(private_messages)),
        ("private MiB", Said::text(private_mib)),
        (
            "private octets a second",
            Said::text(private_octets_per_second),
        ),
    ]
}

fn provider(provider: Option<&IdentityProvider>) -> Said {
    let Some(provider) = provider else {
        return Said::Text(String::new());
    };
    let IdentityProvider {
        issuer,
        jwks,
        audience,
        ca,
    } = provider;
    let ca = ca.as_ref().map(|ca| {
        let digests = ca
            .certificates
            .iter()
            .map(|der| Digest::of(der).to_string());
        format!(
            ", authority {} ({})",
            ca.file,
            digests.collect::<Vec<_>>().join(" ")
        )
    });
    Said::text(format!(
        "{issuer}, keys at {jwks}, audience {audience}{}",
        ca.unwrap_or_default()
    ))
}

fn unit_thing(unit: &Unit, path: &str) -> Thing {
    let Unit {
        id: _,
        purpose,
        clearances,
        receives,
        listed,
        inbox,
        delivery_limit,
    } = unit;
    let limit = delivery_limit.map_or_else(|| "the broker's".to_owned(), |limit| limit.to_string());
    Thing {
        path: path.to_owned(),
        aspects: vec![
            ("purpose", Said::text(purpose)),
            ("clearances", Said::list(clearances)),
            ("receives", Said::list(receives)),
            ("listed", Said::text(yes(*listed))),
            ("inbox", Said::text(inbox.name())),
            ("delivery limit", Said::text(limit)),
        ],
    }
}

fn system_thing(system: &System, path: &str) -> Thing {
    let System {
        name: _,
        unit,
        certificate,
        sends,
        reads,
        networks,
        message_id,
        receipts,
    } = system;
    Thing {
        path: path.to_owned(),
        aspects: vec![
            ("unit", Said::text(unit)),
            ("certificate", Said::text(certificate)),
            ("sends", Said::list(sends)),
            ("reads", Said::list(reads)),
            ("networks", Said::list(networks)),
            ("message_id", Said::text(message_id.name())),
            ("receipts", Said::text(receipts.name())),
        ],
    }
}

fn officer_thing(officer: &Officer, path: &str) -> Thing {
    let Officer {
        id: _,
        roles,
        certificate,
        token,
    } = officer;
    Thing {
        path: path.to_owned(),
        aspects: vec![
            ("roles", Said::list(roles)),
            (
                "certificate",
                Said::text(certificate.as_deref().unwrap_or_default()),
            ),
            ("token", Said::text(token.as_deref().unwrap_or_default())),
        ],
    }
}

fn agreement_thing(agreement: &Agreement) -> Thing {
    let Agreement {
        id: _,
        parties,
        from,
        to,
        purposes,
        suspended,
        place,
    } = agreement;
    let path = place.split(':').next().unwrap_or_default();
    Thing {
        path: path.to_owned(),
        aspects: vec![
            ("parties", Said::list(parties)),
            ("from", Said::text(from)),
            ("to", Said::text(to)),
            ("purposes", Said::list(purposes)),
            ("suspended", Said::text(yes(*suspended))),
        ],
    }
}

fn board(rulebook: &Rulebook, things: &mut Things) {
    let board = rulebook.board();
    let thing = |aspects| Thing {
        path: BOARD_PATH.to_owned(),
        aspects,
    };
    let own = rulebook.registry().board();
    let lists = own
        .iter()
        .flat_map(|own| &own.crls)
        .map(|list| &list.source);
    let aspects = vec![
        ("quorum", Said::text(board.quorum)),
        ("members", Said::list(&board.members)),
        ("floor", Said::list(board.floor.iter().flatten())),
        ("revocation lists", Said::list(lists)),
        (
            "identity provider",
            provider(own.and_then(|own| own.identity_provider.as_ref())),
        ),
    ];
    add(things, Kind::Board, "of the exchange", thing(aspects));
    for (name, members) in &board.groups {
        add(
            things,
            Kind::Group,
            name,
            thing(vec![("members", Said::list(members))]),
        );
    }
    for grant in rulebook.registry().grants() {
        let Grant {
            id,
            agency,
            scope,
            from,
            to,
            basis,
        } = grant;
        let aspects = vec![
            ("agency", Said::text(agency)),
            ("opens", Said::list(scope.iter().map(|scope| scope.name()))),
            ("from", Said::text(from)),
            ("to", Said::text(to)),
            ("basis", Said::text(basis)),
        ];
        add(things, Kind::Grant, id.as_str(), thing(aspects));
    }
    let words = rulebook.vocabulary();
    let tables: [(&str, &Terms); 4] = [
        ("kind", &words.kinds),
        ("purpose", &words.purposes),
        ("area", &words.areas),
        ("clearance", &words.clearances),
    ];
    for (table, terms) in tables {
        for term in terms.terms() {
            let title = vec![("title", Said::text(&term.title))];
            add(
                things,
                Kind::Word,
                &format!("{table} {}", term.word),
                thing(title),
            );
        }
    }
}

fn yes(holds: bool) -> &'static str {
    if holds { "yes" } else { "no" }
}
