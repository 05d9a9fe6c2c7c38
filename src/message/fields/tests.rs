use super::*;
use crate::message::facts::FactValue;
use crate::message::fixture::{ORNAMENTS, postal_item};
use crate::message::id::Mask;
use crate::message::project::project;

fn refused(body: &str) -> (String, String) {
    let invalid = read(&postal_item(), body.as_bytes(), &|_| None).unwrap_err();
    (invalid.first.place, invalid.first.rule)
}

fn with(from: &str, to: &str) -> String {
    assert!(ORNAMENTS.contains(from), "{from}");
    ORNAMENTS.replace(from, to)
}

fn seen(body: &str, content: &Content, mask: Mask) -> Option<String> {
    let out = project(body.as_bytes(), &content.spans, mask, &mut |element| {
        let of = element.originator.map_or("the sender", AgencyId::as_str);
        format!("ct1~{} {} of {of}", element.kind, element.clear.len())
    });
    out.map(|out| String::from_utf8(out).unwrap().trim_end().to_owned())
}

fn only(body: &str, category: Category) -> Option<String> {
    let content = read(&postal_item(), body.as_bytes(), &|_| None).unwrap();
    seen(body, &content, Mask::of(category))
}

#[test]
fn a_party_is_a_person_unless_it_says_that_it_is_none() {
    let party = only(ORNAMENTS, Category::Party).unwrap();
    assert!(
        party.contains("Kestrel") && !party.contains("Marrow"),
        "{party}"
    );
    let identity = only(ORNAMENTS, Category::Identity).unwrap();
    assert!(
        identity.contains("Marrow") && !identity.contains("Kestrel"),
        "{identity}"
    );
    let spelled = with(
        "\"PartyKind\": \"legal\"",
        "\"PartyK\\u0069nd\": \"leg\\u0061l\"",
    );
    assert!(only(&spelled, Category::Party).unwrap().contains("Kestrel"));
    let natural = with("\"PartyKind\": \"legal\"", "\"PartyKind\": \"natural\"");
    assert_eq!(only(&natural, Category::Party), None);
}

#[test]
fn the_deciding_key_counts_wherever_it_stands_and_contacts_are_persons_always() {
    let last = with(
        "{\"PartyKind\": \"legal\", \"Name\": \"Kestrel & Vane Curios\", \"Address\": {\"CountryCode\": \"XA\"}}",
        "{\"Contact\": {\"Name\": \"A\"}, \"Name\": \"Kestrel\", \"Address\": {\"CountryCode\": \"XA\"}, \"PartyKind\": \"legal\"}",
    );
    let party = only(&last, Category::Party).unwrap();
    assert!(
        party.contains("\"Consignor\": { \"Name\": \"Kestrel\""),
        "{party}"
    );
    assert!(
        only(&last, Category::Identity)
            .unwrap()
            .contains("\"Contact\": {\"Name\": \"A\"}")
    );
}

#[test]
fn what_a_recipient_gets_has_no_trace_of_what_it_does_not() {
    let body = r#"{"FunctionCode":"9","ID":"CP618402774XA","PostedDate":"2026-03-16","NatureCode":"11","TotalGrossMassMeasure":"1.9","Consignor":{"Name":"A","Address":{"CountryCode":"XA"}},"Consignee":{"Name":"B","Address":{"CountryCode":"XM"}},"GovernmentAgencyGoodsItem":[{"SequenceNumeric":1,"ItemChargeAmount":"140.00","Commodity":{"Description":"c"},"GrossMassMeasure":"1.9","CurrencyCode":"EUR","QuantityQuantity":3}]}"#;
    let content = read(&postal_item(), body.as_bytes(), &|_| None).unwrap();
    let mask: Mask = [Category::Goods, Category::Postal].into_iter().collect();
    assert_eq!(
        seen(body, &content, mask.union(Mask::REFERENCE_TOKEN)).unwrap(),
        r#"{"FunctionCode":"9","ID":"ct1~s10 13 of the sender","PostedDate":"2026-03-16","NatureCode":"11","TotalGrossMassMeasure":"1.9","GovernmentAgencyGoodsItem":[{"SequenceNumeric":1,"Commodity":{"Description":"c"},"GrossMassMeasure":"1.9","QuantityQuantity":3}]}"#
    );
    assert_eq!(
        seen(body, &content, Mask::of(Category::Commercial)).unwrap(),
        r#"{"GovernmentAgencyGoodsItem":[{"ItemChargeAmount":"140.00","CurrencyCode":"EUR"}]}"#
    );
    assert_eq!(seen(body, &content, Mask::of(Category::Risk)), None);
    let present = content.spans.present().to_string();
    assert_eq!(present, "reference identity goods commercial postal");
}

#[test]
fn facts_and_keys_are_gathered_in_the_same_walk() {
    let content = read(&postal_item(), ORNAMENTS.as_bytes(), &|_| None).unwrap();
    let prefixes = ["39", "3926", "392640"].map(str::to_owned).into();
    assert_eq!(content.facts.get("hs"), Some(&FactValue::Strings(prefixes)));
    let key = Key {
        name: "s10".to_owned(),
        value: "CP618402774XA".to_owned(),
        qualifier: Some("2026-03-16".to_owned()),
        own: true,
        category: Category::Reference,
        shown: Shown::Token,
    };
    assert_eq!(content.keys, [key]);
    assert!(content.warnings.is_empty() && content.quotes.is_empty());
}

#[test]
fn a_fault_is_told_by_place_and_rule_and_never_by_value() {
    let item = "/GovernmentAgencyGoodsItem/0";
    for (from, to, place, rule) in [
        ("CP618402774XA", "CP618402775XA", "/ID".to_owned(), "s10"),
        ("CP618402774XA", "CP61840277XA", "/ID".to_owned(), "s10"),
        (
            "\"1.9\",",
            "1.9,",
            "/TotalGrossMassMeasure".to_owned(),
            "type",
        ),
        (
            "\"NatureCode\": \"11\"",
            "\"NatureCode\": \"12\"",
            "/NatureCode".to_owned(),
            "enum",
        ),
        ("2026-03-16", "2026-02-30", "/PostedDate".to_owned(), "date"),
        (
            "\"Name\": \"Ilse Marrow\"",
            "\"Name\": \"I\", \"Nick\": \"Ilse Marrow\"",
            "/Consignee".to_owned(),
            "additionalProperties",
        ),
        (
            "\"Name\": \"Ilse Marrow\", ",
            "",
            "/Consignee".to_owned(),
            "required",
        ),
        (
            "\"XM\"",
            "\"UK\"",
            "/Consignee/Address/CountryCode".to_owned(),
            "country",
        ),
        (
            "140.00",
            "140.001",
            format!("{item}/ItemChargeAmount"),
            "amount",
        ),
        (
            "\"QuantityQuantity\": 3",
            "\"QuantityQuantity\": 0",
            format!("{item}/QuantityQuantity"),
            "minimum",
        ),
        (
            "\"QuantityQuantity\": 3",
            "\"QuantityQuantity\": 1e400",
            format!("{item}/QuantityQuantity"),
            "number",
        ),
        (
            "\"NatureCode\"",
            "\"F\\u0075nctionCode\"",
            String::new(),
            "duplicate-key",
        ),
    ] {
        assert_eq!(refused(&with(from, to)), (place, rule.to_owned()), "{to}");
    }
}

#[test]
fn a_name_that_the_type_does_not_know_is_told_where_it_is_a_word_with_the_nearest_ones() {
    let misspelt = with("\"Name\": \"Ilse Marrow\"", "\"Nmae\": \"I\"");
    let faults = read(&postal_item(), misspelt.as_bytes(), &|_| None).unwrap_err();
    let told: Vec<_> = faults.iter().map(|fault| fault.says.as_str()).collect();
    let says = "Nmae (member 1) is not an element; nearest Name";
    assert!(
        told.contains(&says) && told.contains(&"lacks Name"),
        "{told:?}"
    );

    let nick = with(
        "\"Name\": \"Ilse Marrow\"",
        "\"Name\": \"I\", \"Ilse Marrow\": \"x\"",
    );
    let invalid = read(&postal_item(), nick.as_bytes(), &|_| None).unwrap_err();
    assert_eq!(
        invalid.first.says,
        "member 2 is not an element; has Address, Contact, Name, PartyKind"
    );
    assert!(!format!("{invalid:?}").contains("Marrow"));
    let twice = with(
        "\"Name\": \"Ilse Marrow\"",
        "\"Ilse Marrow\": {\"a\":1,\"a\":2}",
    );
    let invalid = read(&postal_item(), twice.as_bytes(), &|_| None).unwrap_err();
    assert_eq!(
        (invalid.first.place.as_str(), invalid.first.rule.as_str()),
        ("/Consignee", "duplicate-key")
    );
    assert!(!format!("{invalid:?}").contains("Marrow"));
}

#[test]
fn a_quoted_token_is_held_to_the_format_in_the_clear_and_names_its_originator() {
    let body = with("CP618402774XA", "ct1~kx9");
    let originator: AgencyId = "environment".parse().unwrap();
    let open = |clear: &'static str| {
        let originator = originator.clone();
        move |text: &str| {
            let quoted = Quoted {
                originator: originator.clone(),
                clear: clear.to_owned(),
            };
            (text == "ct1~kx9").then_some(quoted)
        }
    };
    let content = read(&postal_item(), body.as_bytes(), &open("CP202600060XM")).unwrap();
    assert_eq!(content.quotes, [originator.clone()].into());
    let key = content.keys.first().unwrap();
    assert_eq!(
        (key.value.as_str(), key.shown),
        ("CP202600060XM", Shown::Quoted)
    );
    let clear = seen(&body, &content, Mask::of(Category::Reference)).unwrap();
    assert_eq!(
        clear,
        "{\"FunctionCode\": \"9\", \"ID\": \"CP202600060XM\"}"
    );
    let token = seen(&body, &content, Mask::REFERENCE_TOKEN).unwrap();
    assert_eq!(
        token,
        "{\"FunctionCode\": \"9\", \"ID\": \"ct1~s10 13 of environment\"}"
    );

    let wrong = read(&postal_item(), body.as_bytes(), &open("CP202600061XM")).unwrap_err();
    assert_eq!(
        (wrong.first.place.as_str(), wrong.first.rule.as_str()),
        ("/ID", "s10")
    );
    let foreign = read(&postal_item(), body.as_bytes(), &|_| None).unwrap_err();
    assert_eq!(
        (foreign.first.place.as_str(), foreign.first.rule.as_str()),
        ("/ID", "token")
    );
    let spelled = body.replace("ct1~", "\\u0063t1~");
    assert!(read(&postal_item(), spelled.as_bytes(), &open("CP202600060XM")).is_ok());
}
