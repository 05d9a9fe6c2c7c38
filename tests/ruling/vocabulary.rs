//! The board's words: an exchange of other agencies than ours has other kinds, purposes and clearances.

use carnet::cli::certs::pki::{DevelopmentPki, development_bundle};
use carnet::message::bundle::{Bundle, Fault};
use carnet::message::catalogue::Catalogue;
use carnet::policy::rulebook::Rulebook;
use carnet::policy::schema::schema_text;
use carnet::policy::vocabulary::Vocabulary;

use super::fixture::{LISTED, Message, POST, agency, bundle, noon};

const WORDS: &str = r#"
[vocabulary.kind]
customs = "Customs"
police = "Police"
environment = "Environment"
post = "Post"
veterinary = "Veterinary and food inspection"

[vocabulary.purpose]
customs-control = "Customs control"
law-enforcement = "Law enforcement"
environment-protection = "Environment"
postal-security = "Mail"
mutual-assistance = "Mutual assistance"
food-safety = "Safety of food and feed"

[vocabulary.clearance]
controlled-delivery = "Controlled deliveries"
outbreak = "Outbreaks before they are public"
"#;

const RULE: &str = r#"
@id("post-food") @title("x") @basis("x") @reason("x") @owner("post") @retain("1d") @onward("none")
permit (
  principal,
  action in [Border::Action::"receive", Border::Action::"disclose:goods"],
  resource is Border::PostalItem in Border::Agency::"post"
)
when
{
  principal.kind == Border::Kind::"veterinary" &&
  principal.purpose == Border::Purpose::"food-safety" &&
  principal.clearances.contains(Border::Clearance::"outbreak")
};
"#;

/// The fixture's exchange with a veterinary agency in it, under a board with these words.
fn with_words(words: &str) -> Bundle {
    let mut bundle = bundle();
    let board =
        format!("[board]\nquorum = 2\nmembers = [\"customs\", \"post\"]\n{LISTED}\n{words}");
    bundle.insert("policies/board.toml", board);
    let units = [("main", "food-safety", "clearances = [\"outbreak\"]")];
    bundle.insert(
        "agencies/vet/agency.toml",
        agency("vet", "veterinary", "XM", &units),
    );
    bundle.insert("policies/post.cedar", format!("{POST}{RULE}"));
    let pki = DevelopmentPki::create(&bundle, noon()).unwrap();
    let mut bundle = development_bundle(&bundle, &pki).unwrap();
    let catalogue = Catalogue::parse(&bundle).unwrap();
    let schema = schema_text(&catalogue, &Vocabulary::read(&bundle).unwrap()).unwrap();
    bundle.insert("policies/border.cedarschema", schema);
    bundle
}

fn places(faults: &[Fault]) -> Vec<&str> {
    let places = faults.iter().map(|fault| fault.place.as_str());
    places.collect()
}

#[test]
fn a_kind_a_purpose_and_a_clearance_of_the_boards_own_are_words_of_rules_and_agencies() {
    let rulebook = Rulebook::parse(&with_words(WORDS)).unwrap();
    let item = Message::new("post/main", "postal.item");
    assert_eq!(item.gets(&rulebook, "vet/main"), "goods");
    assert_eq!(item.gets(&rulebook, "police/main"), "-");
}

#[test]
fn a_word_that_the_board_has_not_is_told_where_it_is_used() {
    let faults = Rulebook::parse(&with_words("")).unwrap_err();
    let file = "agencies/vet/agency.toml";
    assert_eq!(faults[0].says, "\"veterinary\" is no kind of agency");
    assert_eq!(places(&faults)[0], format!("{file}:2"));
    assert!(places(&faults)[1..3].iter().all(|it| it.starts_with(file)));
    assert!(
        places(&faults)[3..]
            .iter()
            .all(|it| it.starts_with("policies/post.cedar"))
    );
    let cure = "the board adds others in policies/board.toml";
    assert!(faults[0].cure.ends_with(cure), "{}", faults[0].cure);
}

#[test]
fn a_kind_that_may_send_a_type_is_one_of_the_boards() {
    let mut bundle = bundle();
    let path = "messages/postal.item/message.toml";
    let text = bundle.text(path).unwrap();
    let text = text.replace("senders = [\"post\"]", "senders = [\"post\", \"pots\"]");
    bundle.insert(path, text);
    let faults = Rulebook::parse(&bundle).unwrap_err();
    assert_eq!(places(&faults), [format!("{path}:6")]);
    assert_eq!(faults[0].cure, "write post");
    assert!(
        Rulebook::load(&bundle).is_ok(),
        "an older release wrote such"
    );
}
