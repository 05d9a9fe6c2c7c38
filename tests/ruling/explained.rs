//! Explanations, as people read them.

use carnet::broker::exchange::Decided;
use carnet::broker::record::{Confidential, Recipient};
use carnet::message::facts::FactValue;
use carnet::message::id::Mask;
use carnet::policy::explain::{InForce, unmet};

use super::fixture::{Message, id, rulebook, rulebook_with};

/// What an auditor reads of one recipient of a message, and what is lacking for it, as `reader` may
/// know it.
fn why(message: &Message, unit: &str, reader: Mask) -> String {
    let rulebook = rulebook();
    let recipient = Recipient {
        unit: id(unit),
        known: true,
        outcome: (&message.outcome(&rulebook, unit)).into(),
    };
    let nothing = Confidential::default();
    message.ask(&rulebook, |request| {
        let in_force = InForce {
            rulebook: &rulebook,
            standing: &message.standing,
            now: message.now,
        };
        let recipients = std::slice::from_ref(&recipient);
        let decided = Decided::in_full(
            recipients,
            request.entry.holds,
            Some(&nothing),
            &[],
            &rulebook,
        );
        let decided = decided.with_unmet(|unit| unmet(unit, request, &in_force, reader));
        [decided.lines(), decided.law()].concat().join("\n")
    })
}

#[test]
fn a_release_names_rules_with_basis_and_what_is_withheld() {
    let mut item = Message::new("post/main", "postal.item");
    item.question.quotes.to_mut().insert(id("environment"));
    insta::assert_snapshot!(why(&item, "customs/main", Mask::ALL), @r"
    -> customs/main  party identity goods commercial postal reference.token  by post-customs
       withheld reference: taken by floor-quoted-token
       to be kept 1825 days at most, onward: same-purpose
    floor-quoted-token: A quoted token opens for its originator only
      basis: GDPR art. 4(5), 32
      reason: The sender knows this reference as a token
    post-customs: Customs receive postal item data
      basis: UPU Convention art. 8, 20; Regulation 08-002
      reason: Advance data for control and mail security
    ");
}

#[test]
fn a_refusal_names_what_forbids_or_what_was_missing() {
    let declaration =
        Message::new("customs/main", "declaration.export").fact("risk", FactValue::Long(20));
    insta::assert_snapshot!(why(&declaration, "police/main", Mask::ALL), @r"
    x  police/main  refused, no policy permits it
       customs-police-case: Police receive declarations of a case: only with an open case that both sides have joined or a score of at least 60 together with area drugs
       answer to its sender: nothing of it
    ");
    insta::assert_snapshot!(why(&declaration, "police/main", Mask::NONE), @r"
    x  police/main  refused, no policy permits it
       customs-police-case: Police receive declarations of a case: only with a condition on data that you do not get
       answer to its sender: nothing of it
    ");
    insta::assert_snapshot!(why(&declaration, "environment/main", Mask::ALL), @r"
    x  environment/main  refused, no policy permits it
       no rule gives it messages of this type and sender
       answer to its sender: nothing of it
    ");
    let order = Message::new("customs/main", "control.order").fact("secret", FactValue::Bool(true));
    insta::assert_snapshot!(why(&order, "post/main", Mask::ALL), @r"
    x  post/main  refused, by floor-secret
       COVERT: its sender must not know; answer to it: nothing of it
    floor-secret: Controlled deliveries stay in their case
      basis: Vienna Convention 1988 art. 11; UNTOC art. 20
      reason: Known to the case alone
    ");
}

/// What an auditor reads of a message that no unit gets, by a rulebook with a rule that fails.
fn shown(told: Option<&Confidential<'_>>) -> String {
    let rulebook = rulebook_with(
        r#"@id("failing") @title("x") @basis("x") @reason("x") @owner("customs")
        forbid (principal in Border::Agency::"police", action == Border::Action::"receive",
          resource in Border::Agency::"customs")
        when { resource.risk * 9223372036854775807 >= 0 };"#,
    );
    let message = Message::new("customs/main", "declaration.export")
        .case("CASE-1", &["customs", "police"])
        .quoting("CASE-1")
        .fact("risk", FactValue::Long(2));
    let ruling = message.rule(&rulebook);
    let verdict = ruling.verdicts.iter();
    let police = verdict.filter(|verdict| verdict.unit == id("police/main"));
    let recipients: Vec<Recipient> = police.map(Recipient::from).collect();
    let decided = Decided::in_full(&recipients, Mask::ALL, told, &ruling.errors, &rulebook);
    decided.lines().join("\n")
}

#[test]
fn a_refusal_for_a_rule_that_failed_is_not_shown_as_one_that_no_rule_permits() {
    insta::assert_snapshot!(shown(Some(&Confidential::default())), @r"
    x  police/main  refused, no policy permits it or one could not be evaluated
       answer to its sender: nothing of it
    ALARM  could not be evaluated, so nothing is given by it: failing
    ");
}

#[test]
fn what_a_sender_was_told_is_not_made_up_where_it_cannot_be_read() {
    insta::assert_snapshot!(shown(None), @r"
    what its sender asked, and was told, cannot be read
    x  police/main  refused, no policy permits it or one could not be evaluated
       answer to its sender: (cannot be read)
    ALARM  could not be evaluated, so nothing is given by it: failing
    ");
}
