use std::time::Duration;

use bytes::Bytes;

use super::*;
use crate::message::catalogue::Catalogue;
use crate::message::fixture::{ORNAMENTS, bundle, catalogue};
use crate::message::valid::{InvalidKind, Valid};

const TERMS: SenderTerms<'_> = SenderTerms {
    user_id: "post-items",
    derives_message_id: false,
};

fn publish() -> Publish {
    Publish {
        message_type: "postal.item".into(),
        message_id: Some("id-1".to_owned()),
        content_type: Some("application/json".to_owned()),
        body: Bytes::from_static(ORNAMENTS.as_bytes()),
        ..Publish::default()
    }
}

fn with(name: &str, value: &str) -> Publish {
    let header = (name.to_owned(), HeaderValue::Text(value.to_owned()));
    Publish {
        headers: vec![header],
        ..publish()
    }
}

fn parsed(publish: &Publish) -> Result<Valid, Invalid> {
    Valid::parse(publish, &catalogue(), &TERMS, &|_| None).map_err(|faults| faults.first)
}

fn refused(publish: &Publish) -> String {
    let invalid = parsed(publish).map(|_| ()).unwrap_err();
    assert_eq!(invalid.kind, InvalidKind::Envelope);
    assert!(
        invalid.to_string().len() <= 225,
        "a return text has 255 octets: {invalid}"
    );
    format!("{}: {}", invalid.place, invalid.rule)
}

#[test]
fn headers_are_read_into_what_they_mean() {
    let headers = [
        (
            "to",
            "police/main, environment/main,,police/main,nobody/main",
        ),
        ("purpose", "customs-control"),
        ("case", "CASE-2026-0317"),
        ("handling", "no-onward"),
        ("justification", "asked by telephone"),
        (
            "traceparent",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        ),
        ("x-request", "7"),
    ];
    let headers = headers
        .map(|(n, v)| (n.to_owned(), HeaderValue::Text(v.to_owned())))
        .to_vec();
    let valid = parsed(&Publish {
        headers,
        expiration: Some("0".into()),
        ..publish()
    })
    .unwrap();
    let envelope = valid.envelope();
    let asked = envelope.asked();
    let to: Vec<String> = asked.to.iter().map(ToString::to_string).collect();
    assert_eq!(to, ["police/main", "environment/main", "nobody/main"]);
    assert_eq!(asked.purpose.as_ref().unwrap().as_str(), "customs-control");
    assert_eq!(asked.case.as_deref(), Some("CASE-2026-0317"));
    assert_eq!(asked.handling, Onward::NoOnward);
    assert_eq!(envelope.justification(), Some("asked by telephone"));
    assert_eq!(envelope.ttl(), Some(Duration::ZERO));
    let dropped = Warning {
        place: "header x-request".to_owned(),
        rule: "dropped".to_owned(),
    };
    assert_eq!(valid.content().warnings, [dropped]);
}

#[test]
fn what_speaks_for_the_broker_or_hides_the_body_is_refused() {
    for (name, place) in [
        ("x-carnet-sender", "x-carnet-*"),
        ("X-Carnet-Anything", "x-carnet-*"),
        ("x-death", "x-death"),
        ("CC", "CC"),
        ("BCC", "BCC"),
    ] {
        assert_eq!(
            refused(&with(name, "a")),
            format!("header {place}: reserved")
        );
    }
    for encoding in ["gzip", "deflate", "base64"] {
        let publish = Publish {
            content_encoding: Some(encoding.into()),
            ..publish()
        };
        assert_eq!(
            refused(&publish),
            "property content_encoding: content_encoding"
        );
    }
    for encoding in ["utf-8", "UTF-8", "binary", "Identity", ""] {
        assert!(
            parsed(&Publish {
                content_encoding: Some(encoding.into()),
                ..publish()
            })
            .is_ok()
        );
    }
    for kind in [
        "text/plain",
        "application/xml",
        "application/json; charset=latin1",
        "application/jsonx",
    ] {
        let publish = Publish {
            content_type: Some(kind.into()),
            ..publish()
        };
        assert_eq!(refused(&publish), "property content_type: content_type");
    }
    for kind in [
        "application/json",
        "Application/JSON; charset=\"UTF-8\"; v=1",
        "",
    ] {
        assert!(
            parsed(&Publish {
                content_type: Some(kind.into()),
                ..publish()
            })
            .is_ok()
        );
    }
}

#[test]
fn each_property_and_header_is_held_to_its_form() {
    for ttl in ["", "-5", "1.5", "soon", "+5", "99999999999999999999"] {
        let publish = Publish {
            expiration: Some(ttl.into()),
            ..publish()
        };
        assert_eq!(refused(&publish), "property expiration: expiration");
    }
    let forged = Publish {
        user_id: Some("police-operations".into()),
        ..publish()
    };
    assert_eq!(refused(&forged), "property user_id: user_id");
    assert!(
        parsed(&Publish {
            user_id: Some("post-items".into()),
            ..publish()
        })
        .is_ok()
    );
    let large = Publish {
        body: Bytes::from(vec![b' '; 65 * 1024]),
        ..publish()
    };
    assert_eq!(refused(&large), "body: max_size");
    assert_eq!(
        refused(&with("handling", "secret")),
        "header handling: handling"
    );
    assert_eq!(
        refused(&with("purpose", "Control!")),
        "header purpose: purpose"
    );
    assert_eq!(refused(&with("case", "a case")), "header case: case");
    let many = (0..300).fold(String::new(), |all, n| all + &format!("a{n}/main,"));
    assert_eq!(refused(&with("to", &many)), "header to: maxItems");
    let other = Publish {
        headers: vec![("to".into(), HeaderValue::Other)],
        ..publish()
    };
    assert_eq!(refused(&other), "header to: type");
}

#[test]
fn a_missing_id_names_the_setting_in_frameworks_unless_content_stands_in() {
    let publish = Publish {
        message_id: None,
        ..publish()
    };
    assert_eq!(refused(&publish), "property message_id: message_id");
    let text = parsed(&publish).map(|_| ()).unwrap_err().to_string();
    for framework in ["pika", "Spring", "Celery", "amqplib", ".NET"] {
        assert!(text.contains(framework), "{text}");
    }
    let terms = SenderTerms {
        derives_message_id: true,
        ..TERMS
    };
    let valid = Valid::parse(&publish, &catalogue(), &terms, &|_| None).unwrap();
    assert_eq!(valid.message_id(), valid.content_digest().to_string());
    let answer = |to: &str| {
        let publish = Publish {
            correlation_id: Some(to.to_owned()),
            ..publish.clone()
        };
        let valid = Valid::parse(&publish, &catalogue(), &terms, &|_| None);
        valid.unwrap().message_id().into_owned()
    };
    assert_ne!(answer("one"), valid.message_id());
    assert_ne!(answer("one"), answer("another"));
    assert_eq!(answer("one"), answer("one"));
}

#[test]
fn a_header_that_is_there_and_asks_nothing_or_is_misspelt_is_refused() {
    for name in ["purpose", "case", "handling"] {
        for blank in ["", "  "] {
            let place = format!("header {name}: minLength");
            assert_eq!(refused(&with(name, blank)), place);
        }
    }
    assert!(parsed(&with("justification", "")).is_ok());
    for (name, ours) in [
        ("To", "to"),
        ("Handling", "handling"),
        ("purposes", "purpose"),
        ("CASE", "case"),
    ] {
        assert_eq!(
            refused(&with(name, "a")),
            format!("header {ours}: spelling")
        );
    }
    let quiet = parsed(&with("__TypeId__", "a")).unwrap();
    assert!(quiet.content().warnings.is_empty());
}

#[test]
fn an_unknown_type_is_told_from_a_faulty_message() {
    let publish = Publish {
        message_type: "postal.itme".into(),
        ..publish()
    };
    assert_eq!(
        parsed(&publish).map(|_| ()).unwrap_err().kind,
        InvalidKind::UnknownType
    );
}

#[test]
fn whether_a_message_is_addressed_is_its_types_to_say() {
    for (addressed, to, outcome) in [
        ("never", "police/main", "header to: addressed"),
        ("never", "", "header to: minItems"),
        ("required", "police/main", "accepted"),
    ] {
        let mut bundle = bundle();
        let manifest =
            crate::message::fixture::MANIFEST.replace("\"optional\"", &format!("{addressed:?}"));
        bundle.insert("messages/postal.item/message.toml", manifest);
        let catalogue = Catalogue::parse(&bundle).unwrap();
        let parsed = Valid::parse(&with("to", to), &catalogue, &TERMS, &|_| None);
        let found = parsed.map_or_else(
            |i| format!("{}: {}", i.first.place, i.first.rule),
            |_| "accepted".into(),
        );
        assert_eq!(found, outcome, "{addressed} {to}");
    }
}

#[test]
fn a_list_of_addressees_that_is_there_names_somebody_and_each_by_an_address() {
    for nobody in ["", "  ", ",", " , ,"] {
        assert_eq!(refused(&with("to", nobody)), "header to: minItems");
    }
    let list = |names: &[&str]| Publish {
        headers: vec![(
            "to".into(),
            HeaderValue::List(names.iter().map(|&name| name.to_owned()).collect()),
        )],
        ..publish()
    };
    assert_eq!(refused(&list(&[])), "header to: minItems");
    assert_eq!(refused(&list(&["", " "])), "header to: minItems");
    assert!(parsed(&list(&["police/main", ""])).is_ok());
    for none in ["customs", "customs/main/", "Customs/main", "%&!", "a/b;c/d"] {
        let to = format!("police/main,{none}");
        assert_eq!(refused(&with("to", &to)), "header to: address");
        let invalid = parsed(&with("to", &to)).map(|_| ()).unwrap_err();
        assert!(invalid.says.starts_with("its address 2 "), "{invalid}");
    }
}

#[test]
fn a_repeat_is_told_by_type_body_addressees_purpose_case_handling_and_justification() {
    let digest = |publish: &Publish| parsed(publish).unwrap().content_digest();
    let first = digest(&publish());
    assert_eq!(digest(&with("handling", "none")), first);
    let retried = Publish {
        expiration: Some("9".into()),
        ..with("x-try", "2")
    };
    assert_eq!(digest(&retried), first);
    let spaced = Publish {
        body: Bytes::from(format!("{ORNAMENTS} ")),
        ..publish()
    };
    let others = [
        with("to", "police/main"),
        with("purpose", "police"),
        with("case", "police"),
        with("handling", "no-onward"),
        with("justification", "police"),
        spaced,
    ];
    let mut digests: Vec<_> = others.iter().map(digest).chain([first]).collect();
    digests.sort();
    digests.dedup();
    assert_eq!(digests.len(), 7);
    assert_eq!(
        digest(&with("to", "a/b,c/d")),
        digest(&with("to", "c/d, a/b"))
    );
}

#[test]
fn nothing_that_is_printed_for_debugging_shows_what_a_message_says() {
    let publish = with("justification", "Ilse Marrow called");
    let valid = parsed(&publish).unwrap();
    let shown = format!(
        "{publish:?} {valid:?} {:?} {:?}",
        valid.envelope(),
        valid.content()
    );
    for secret in ["Marrow", "CP618402774XA", "id-1"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}
