//! What officers may do: Cedar policies of the product's own, with a decision table of their own.
//!
//! They are no part of a rulebook: a bundle that could change who approves bundles could approve
//! itself. What a rulebook says of officers are their roles, and which agencies have a seat on the board.

use std::collections::BTreeSet;
use std::iter;
use std::sync::LazyLock;

use cedar_policy::{
    Authorizer, Context, Decision, Entities, Entity, EntityUid, PolicySet, Request,
    RestrictedExpression, Schema,
};

use super::agreement::Board;
use crate::agency::officer::{Holder, Role};
use crate::agency::registry::{Grant, Scope};
use crate::message::time::Timestamp;

const SCHEMA: &str = include_str!("office/office.cedarschema");
const POLICIES: &str = include_str!("office/office.cedar");

/// What an officer may want to do with a part of the rulebook, or with what belongs to a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// See files and proposals.
    See,
    /// Propose a change, or take an own proposal back.
    Propose,
    /// Approve a change that another officer proposed.
    Approve,
    /// Have an approved change take effect, or have it taken back.
    Activate,
    /// Suspend the permits of an agency.
    Suspend,
    /// Declare how far an agency's systems work, or the end of a measure.
    Declare,
    /// Read what the log has of a body.
    Audit,
    /// Read that there was something: what the log has of all bodies, by a grant.
    Evidence,
    /// Read who got what, and by which rules, by a grant.
    Rulings,
    /// Read what was in the messages, by a grant.
    Payload,
    /// See how the broker runs.
    Operate,
}

impl Action {
    /// All actions.
    pub const ALL: [Self; 11] = [
        Self::See,
        Self::Propose,
        Self::Approve,
        Self::Activate,
        Self::Suspend,
        Self::Declare,
        Self::Audit,
        Self::Evidence,
        Self::Rulings,
        Self::Payload,
        Self::Operate,
    ];

    /// Its name in the policies.
    pub const fn name(self) -> &'static str {
        match self {
            Self::See => "see",
            Self::Propose => "propose",
            Self::Approve => "approve",
            Self::Activate => "activate",
            Self::Suspend => "suspend",
            Self::Declare => "declare",
            Self::Audit => "audit",
            Self::Evidence => "evidence",
            Self::Rulings => "rulings",
            Self::Payload => "payload",
            Self::Operate => "operate",
        }
    }
}

/// An officer as the policies see him.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// The body that he acts for.
    pub holder: Holder,
    /// What it lets him do.
    pub roles: BTreeSet<Role>,
    /// Whether that body is a member of the board, or the board.
    pub seat: bool,
    /// What a grant of the board opens to that body.
    pub granted: BTreeSet<Scope>,
}

impl Actor {
    /// An officer of `holder` with these roles, where `board` is in force.
    pub fn new(holder: Holder, roles: BTreeSet<Role>, board: &Board) -> Self {
        let seat = match &holder {
            Holder::Agency(agency) => board.members.contains(agency),
            Holder::Board => true,
        };
        Self {
            holder,
            roles,
            seat,
            granted: BTreeSet::new(),
        }
    }

    /// This officer, by what `grant` opens to his body at `now`.
    #[must_use]
    pub fn by_grant(self, grant: &Grant, now: Timestamp) -> Self {
        let is_his = self.holder.agency() == Some(&grant.agency);
        let opens = |scope: &Scope| is_his && grant.opens(*scope, now);
        let granted = Scope::ALL.into_iter().filter(opens).collect();
        Self { granted, ..self }
    }

    /// Whether he may do `action` with what belongs to `owner`. A policy that cannot be evaluated
    /// permits nothing.
    pub fn may(&self, action: Action, owner: &Holder) -> bool {
        self.decide(action, owner).0
    }

    /// The decision, and the policies that determined it.
    fn decide(&self, action: Action, owner: &Holder) -> (bool, Vec<String>) {
        let Some(office) = OFFICE.as_ref() else {
            return (false, Vec::new());
        };
        let Some((request, entities)) = office.ask(self, action, owner) else {
            return (false, Vec::new());
        };
        let response = Authorizer::new().is_authorized(&request, &office.policies, &entities);
        let mut by: Vec<String> = response
            .diagnostics()
            .reason()
            .map(ToString::to_string)
            .collect();
        by.sort();
        let failed = response.diagnostics().errors().next().is_some();
        (response.decision() == Decision::Allow && !failed, by)
    }
}

/// The policies as Cedar holds them.
struct Office {
    schema: Schema,
    policies: PolicySet,
}

/// None would be a fault of the texts beside this file: nothing is permitted then.
static OFFICE: LazyLock<Option<Office>> = LazyLock::new(|| {
    let (schema, _) = Schema::from_cedarschema_str(SCHEMA).ok()?;
    let parsed: PolicySet = POLICIES.parse().ok()?;
    let named = parsed.policies().map(|policy| {
        let id = policy.annotation("id")?;
        Some(policy.new_id(cedar_policy::PolicyId::new(id)))
    });
    let policies = PolicySet::from_policies(named.collect::<Option<Vec<_>>>()?).ok()?;
    Some(Office { schema, policies })
});

impl Office {
    fn ask(&self, actor: &Actor, action: Action, owner: &Holder) -> Option<(Request, Entities)> {
        let bodies: BTreeSet<&Holder> = [&actor.holder, owner].into_iter().collect();
        let bodies = bodies.into_iter().map(|holder| {
            let board = RestrictedExpression::new_bool(*holder == Holder::Board);
            entity(body(holder)?, [("board", board)])
        });
        let roles = actor.roles.iter();
        let roles = roles.map(|role| RestrictedExpression::new_string(role.name().to_owned()));
        let granted = actor.granted.iter();
        let granted =
            granted.map(|scope| RestrictedExpression::new_string(scope.name().to_owned()));
        let officer = uid("Officer", "")?;
        let own = RestrictedExpression::new_entity_uid(body(&actor.holder)?);
        let officer_entity = entity(
            officer.clone(),
            [
                ("body", own),
                ("seat", RestrictedExpression::new_bool(actor.seat)),
                ("roles", RestrictedExpression::new_set(roles)),
                ("granted", RestrictedExpression::new_set(granted)),
            ],
        );
        let part = uid("Part", "")?;
        let owner = RestrictedExpression::new_entity_uid(body(owner)?);
        let all = [officer_entity, entity(part.clone(), [("owner", owner)])];
        let all: Option<Vec<Entity>> = bodies.chain(all).collect();
        let entities = Entities::from_entities(all?, Some(&self.schema)).ok()?;
        let action = uid("Action", action.name())?;
        let asked = Request::new(officer, action, part, Context::empty(), Some(&self.schema));
        Some((asked.ok()?, entities))
    }
}

fn uid(kind: &str, id: &str) -> Option<EntityUid> {
    let kind = format!("Office::{kind}").parse().ok()?;
    Some(super::words::uid(&kind, id))
}

fn body(holder: &Holder) -> Option<EntityUid> {
    uid("Body", &holder.to_string())
}

fn entity<const N: usize>(
    uid: EntityUid,
    attributes: [(&str, RestrictedExpression); N],
) -> Option<Entity> {
    let attributes = attributes.map(|(name, value)| (name.to_owned(), value));
    Entity::new(
        uid,
        attributes.into_iter().collect(),
        iter::empty().collect(),
    )
    .ok()
}

#[cfg(test)]
mod tests {
    use cedar_policy::{ValidationMode, Validator};

    use super::*;

    fn rows() -> Vec<csv::StringRecord> {
        let text = include_str!("office/decisions.csv");
        let mut table = csv::ReaderBuilder::new();
        let mut table = table.flexible(true).from_reader(text.as_bytes());
        table.records().collect::<Result<_, _>>().unwrap()
    }

    fn board() -> Board {
        let members = ["post", "police"].map(|agency| agency.parse().unwrap());
        Board {
            members: members.into(),
            ..Board::default()
        }
    }

    #[test]
    fn the_policies_are_valid_in_the_strictest_mode() {
        let office = OFFICE.as_ref().unwrap();
        let validator = Validator::new(office.schema.clone());
        let found = validator.validate(&office.policies, ValidationMode::Strict);
        let said: Vec<String> = found.validation_errors().map(ToString::to_string).collect();
        assert!(found.validation_passed(), "{said:?}");
    }

    #[test]
    fn every_row_of_the_table_is_decided_as_it_says_and_by_the_policies_that_it_names() {
        for row in rows() {
            let [action, of, roles, on, decision, by] =
                [0, 1, 2, 3, 4, 5].map(|at| row.get(at).unwrap());
            let action = Action::ALL
                .into_iter()
                .find(|it| it.name() == action)
                .unwrap();
            let roles = roles.split('+').map(|role| role.parse().unwrap()).collect();
            let mut actor = Actor::new(of.parse().unwrap(), roles, &board());
            let granted = row.get(6).unwrap_or_default();
            let is_granted = |scope: &Scope| granted.split('+').any(|it| it == scope.name());
            actor.granted = Scope::ALL.into_iter().filter(is_granted).collect();
            let (permitted, mut decided) = actor.decide(action, &on.parse().unwrap());
            decided.sort();
            let mut by: Vec<&str> = by.split(' ').filter(|it| !it.is_empty()).collect();
            by.sort_unstable();
            assert_eq!(
                (permitted, decided),
                (
                    decision == "permit",
                    by.into_iter().map(str::to_owned).collect()
                ),
                "{row:?}"
            );
        }
    }

    #[test]
    fn the_table_has_each_action_permitted_and_denied_on_own_and_foreign_parts() {
        let rows = rows();
        for action in Action::ALL {
            let of = |decision: &str| {
                let rows = rows.iter().filter(|row| row.get(0) == Some(action.name()));
                rows.filter(|row| row.get(4) == Some(decision)).count()
            };
            assert!(of("permit") > 0 && of("refuse") > 0, "{action:?}");
        }
    }
}
