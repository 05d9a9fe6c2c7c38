//! A policy's head: for whom, for which actions, over whose data.
//!
//! Heads are decided once per rulebook, for each unit, sender and message type; only conditions are
//! evaluated for each message. What a head may name is narrower than Cedar's: agencies, units and
//! groups for the principal, agencies and message types for the resource.

use std::borrow::Cow;

use cedar_policy::pst;

use crate::agency::registry::Unit;
use crate::message::id::{AgencyId, Category};
use crate::message::nearest;

use super::words::Actions;

/// The recipients that a rule's head is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recipient {
    /// Any unit.
    Any,
    /// A unit by its address.
    Unit(String),
    /// Any unit of an agency.
    Agency(String),
    /// Any unit of any agency of a group.
    Group(String),
}

/// The head of a policy, in the terms of the registry and the catalogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The recipients.
    pub recipient: Recipient,
    /// Which actions.
    pub actions: Actions,
    /// The agency whose data the rule is over; `None`: every agency's.
    pub originator: Option<String>,
    /// The entity of the message type; `None`: every type.
    pub entity: Option<String>,
}

/// Why a head cannot be used: what it says, and the cure.
pub(crate) type BadHead = (String, Cow<'static, str>);

impl Head {
    /// Reads a head from Cedar's syntax tree.
    pub fn parse(body: &pst::Template) -> Result<Self, BadHead> {
        let (originator, entity) = resource(&body.resource)?;
        let recipient = principal(&body.principal)?;
        Ok(Self {
            recipient,
            actions: actions(&body.action)?,
            originator,
            entity,
        })
    }

    /// Whether the head admits this unit; `groups` are those of the unit's agency.
    pub fn admits(&self, unit: &Unit, groups: &[String]) -> bool {
        match &self.recipient {
            Recipient::Any => true,
            Recipient::Unit(id) => unit.id.to_string() == *id,
            Recipient::Agency(id) => unit.id.agency.as_str() == id,
            Recipient::Group(id) => groups.contains(id),
        }
    }

    /// Whether the head covers messages of this entity type sent by this agency.
    pub fn covers(&self, sender: &AgencyId, entity: &str) -> bool {
        self.originator
            .as_ref()
            .is_none_or(|agency| sender.as_str() == agency)
            && self.entity.as_ref().is_none_or(|name| name == entity)
    }
}

/// The last part of a name in namespace `Border`; nothing in any other.
pub(super) fn local(entity_type: &pst::EntityType) -> Option<&str> {
    let pst::EntityType(name) = entity_type;
    let border = matches!(name.namespace.as_slice(), [space] if space.as_str() == "Border");
    border.then(|| name.id.as_str())
}

fn entity(slot: &pst::EntityOrSlot) -> Result<&pst::EntityUID, BadHead> {
    match slot {
        pst::EntityOrSlot::Entity(uid) => Ok(uid),
        pst::EntityOrSlot::Slot(_) => Err((
            "is a template".to_owned(),
            "name the unit, agency or group: write a rule each".into(),
        )),
    }
}

fn principal(constraint: &pst::PrincipalConstraint) -> Result<Recipient, BadHead> {
    use pst::PrincipalConstraint as Is;
    let uid = match constraint {
        Is::Any => return Ok(Recipient::Any),
        Is::Is(ty) if local(ty) == Some("Unit") => return Ok(Recipient::Any),
        Is::IsIn(ty, slot) if local(ty) == Some("Unit") => entity(slot)?,
        Is::Eq(slot) | Is::In(slot) => entity(slot)?,
        Is::Is(ty) | Is::IsIn(ty, _) => {
            let says = format!("has a head that no unit meets: principal is {ty}");
            return Err((
                says,
                "recipients are units: write principal in Border::Agency::\"...\"".into(),
            ));
        }
    };
    let id = uid.eid.to_string();
    match (local(&uid.ty), constraint) {
        (Some("Unit"), _) => Ok(Recipient::Unit(id)),
        (Some("Agency"), Is::In(_) | Is::IsIn(..)) => Ok(Recipient::Agency(id)),
        (Some("Group"), Is::In(_) | Is::IsIn(..)) => Ok(Recipient::Group(id)),
        _ => Err((
            format!("has a head that no unit meets: {uid}"),
            "write principal in Border::Agency::\"...\" or principal == Border::Unit::\"...\""
                .into(),
        )),
    }
}

fn actions(constraint: &pst::ActionConstraint) -> Result<Actions, BadHead> {
    let cure = |name: &str| {
        let categories = Category::ALL.iter().map(|category| category.name());
        let disclose = categories.chain(["reference.token"]);
        let disclose: Vec<String> = disclose.map(|name| format!("disclose:{name}")).collect();
        let all = disclose.iter().map(String::as_str);
        let all: Vec<&str> = ["receive", "disclose"].into_iter().chain(all).collect();
        match nearest(name, &all) {
            Some(near) => format!("write Border::Action::\"{near}\""),
            None => format!("write one of: {}", all.join(", ")),
        }
    };
    let named = |uid: &pst::EntityUID, below: bool| {
        let name = uid.eid.as_str();
        let found = Actions::below(name).filter(|_| local(&uid.ty) == Some("Action"));
        match found {
            // `==` names one action, and the group is none that is ever asked for.
            Some(_) if !below && name == "disclose" => {
                let says = "permits or forbids the group disclose itself".to_owned();
                Err((says, "write action in Border::Action::\"disclose\"".into()))
            }
            Some(actions) if !below => Ok(match name {
                "disclose:reference" => {
                    let token = Actions::below("disclose:reference.token").unwrap_or_default();
                    actions.without(token)
                }
                _ => actions,
            }),
            Some(actions) => Ok(actions),
            None => Err((
                format!("names {uid}, which is no action"),
                cure(name).into(),
            )),
        }
    };
    match constraint {
        pst::ActionConstraint::Any => Ok(Actions::ALL),
        pst::ActionConstraint::Eq(uid) => named(uid, false),
        pst::ActionConstraint::In(uids) => uids
            .iter()
            .try_fold(Actions::NONE, |all, uid| Ok(all.union(named(uid, true)?))),
    }
}

fn resource(
    constraint: &pst::ResourceConstraint,
) -> Result<(Option<String>, Option<String>), BadHead> {
    use pst::ResourceConstraint as Is;
    const CURE: &str = "write resource in Border::Agency::\"...\", with is Border::TYPE before it";
    let type_name = |ty: &pst::EntityType| match local(ty) {
        Some(name) => Ok(Some(name.to_owned())),
        None => Err((
            format!("has a head that no message meets: {ty}"),
            CURE.into(),
        )),
    };
    let agency = |slot: &pst::EntityOrSlot| {
        let uid = entity(slot)?;
        match local(&uid.ty) {
            Some("Agency") => Ok(Some(uid.eid.to_string())),
            _ => Err((
                format!("has a head that no message meets: resource in {uid}"),
                CURE.into(),
            )),
        }
    };
    match constraint {
        Is::Any => Ok((None, None)),
        Is::In(slot) => Ok((agency(slot)?, None)),
        Is::Is(ty) => Ok((None, type_name(ty)?)),
        Is::IsIn(ty, slot) => Ok((agency(slot)?, type_name(ty)?)),
        Is::Eq(_) => Err((
            "names one single message in its head".to_owned(),
            CURE.into(),
        )),
    }
}
