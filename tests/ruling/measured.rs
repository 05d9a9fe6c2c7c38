//! Measures: what a suspended permit gives no more, and what binds on.

use carnet::policy::measures::{Level, Measures, Permits, Until};
use carnet::policy::ruling::{Outcome, Refused};
use carnet::policy::standing::Versioned;
use carnet::policy::words::Onward;

use super::fixture::{Message, bundle, id, rulebook_of, set};

/// The measures of an agency that works at this level until it is said otherwise.
pub(crate) fn at_level(epoch: u64, value: Level) -> Versioned<Measures> {
    let level = Some(Until { value, end: None });
    let value = Measures {
        level,
        ..Measures::default()
    };
    Versioned { epoch, value }
}

#[test]
fn a_suspended_permit_gives_nothing_and_what_it_asks_for_binds_on() {
    let strict = r#"
@id("post-strict") @title("x") @basis("x") @reason("x") @owner("post") @retain("7d") @onward("no-onward")
permit (principal in Border::Agency::"customs", action == Border::Action::"disclose:goods",
  resource in Border::Agency::"post");
"#;
    let mut bundle = bundle();
    let rules = format!("{}{strict}", bundle.text("policies/post.cedar").unwrap());
    bundle.insert("policies/post.cedar", rules);
    let rulebook = rulebook_of(&bundle).unwrap();
    let mut item = Message::new("post/main", "postal.item");
    let given = |item: &Message| item.outcome(&rulebook, "customs/main");
    let Outcome::Released(both) = given(&item) else {
        panic!("it is released");
    };
    assert_eq!((both.retain_days, both.onward), (7, Onward::NoOnward));
    let mut suspend = |permits: Permits| {
        let measures = Measures {
            suspended: vec![Until {
                value: permits,
                end: None,
            }],
            ..Measures::default()
        };
        let measures = Versioned {
            epoch: 1,
            value: measures,
        };
        item.standing.measures.insert_mut(id("post"), measures);
        given(&item)
    };
    let Outcome::Released(left) = suspend(Permits::Named(set(&["post-strict"]))) else {
        panic!("the other permit holds");
    };
    // Less is given, or as much, and never under milder terms.
    assert_eq!((left.retain_days, left.onward), (7, Onward::NoOnward));
    assert_eq!(left.policies, [id("post-customs")]);
    assert_eq!(
        suspend(Permits::All),
        Outcome::Refused(Refused::NotPermitted)
    );
}
