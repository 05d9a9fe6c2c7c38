//! Explanations, as people read them.

use carnet::message::facts::FactValue;
use carnet::message::id::Mask;
use carnet::policy::explain::{InForce, explain};

use super::fixture::{Message, id, rulebook};

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
