//! Explanations, as people read them.

use carnet::broker::exchange::Decided;
use carnet::broker::record::{Confidential, Recipient};
use carnet::message::facts::FactValue;
use carnet::message::id::Mask;
use carnet::policy::explain::{InForce, explain};

use super::fixture::{Message, id, rulebook, rulebook_with};

fn why(message: &Message, unit: &str, reader: Mask) -> String {
    let rulebook = rulebook();
    let unit = id(unit);
    message.ask(&rulebook, |request| {
        let in_force = InForce {
            rulebook: &rulebook,
            standing: &message.standing,
            now: message.now,
        };
        explain(&unit, request, &in_force, reader)
    })
}

#[test]
fn a_release_names_rules_with_basis_and_what_is_withheld() {
    let mut item = Message::new("post/main", "postal.item");
    item.question.quotes.to_mut().insert(id("environment"));
    insta::assert_snapshot!(why(&item, "customs/main", Mask::ALL), @r"
    customs/main receives: party identity goods commercial postal reference.token.
      given by post-customs (post): Customs receive postal item data. Basis: UPU Convention art. 8, 20; Regulation 08-002. Reason: Advance data for control and mail security.
      Withheld: reference.
      taken by floor-quoted-token (board): A quoted token opens for its originator only. Basis: GDPR art. 4(5), 32. Reason: The sender knows this reference as a token.
      It may keep them 1825 days; onward: same-purpose.
    ");
}

#[test]
fn a_refusal_names_what_forbids_or_what_was_missing() {
    let declaration =
        Message::new("customs/main", "declaration.export").fact("risk", FactValue::Long(20));
    insta::assert_snapshot!(why(&declaration, "police/main", Mask::ALL), @r"
    police/main does not receive it: not permitted.
      customs-police-case: Police receive declarations of a case: only with an open case that both sides have joined or a score of at least 60 together with area drugs.
    ");
    insta::assert_snapshot!(why(&declaration, "police/main", Mask::NONE), @r"
    police/main does not receive it: not permitted.
      customs-police-case: Police receive declarations of a case: only with a condition on data that you do not get.
    ");
    insta::assert_snapshot!(why(&declaration, "environment/main", Mask::ALL), @r"
    environment/main does not receive it: not permitted.
      No rule gives it messages of this type and sender.
    ");
    let order = Message::new("customs/main", "control.order").fact("secret", FactValue::Bool(true));
    insta::assert_snapshot!(why(&order, "post/main", Mask::ALL), @r"
    post/main does not receive it: forbidden.
      forbidden by floor-secret (board): Controlled deliveries stay in their case. Basis: Vienna Convention 1988 art. 11; UNTOC art. 20. Reason: Known to the case alone.
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
       its sender was told nothing of it
    ALARM  could not be evaluated, so nothing was given by it: failing
    ");
}

#[test]
fn what_a_sender_was_told_is_not_made_up_where_it_cannot_be_read() {
    insta::assert_snapshot!(shown(None), @r"
    what its sender asked, and was told, cannot be read
    x  police/main  refused, no policy permits it or one could not be evaluated
       its sender was told (cannot be read)
    ALARM  could not be evaluated, so nothing was given by it: failing
    ");
}
