//! The words that policies are written in: their ids, actions, levels, and Cedar's names of things.
//!
//! Kinds, purposes, areas and clearances are the board's own: [`vocabulary`](super::vocabulary).

use cedar_policy::{EntityId, EntityTypeName, EntityUid};

use crate::message::id::{BadName, Category, Mask, name};
pub use crate::message::onward::Onward;

/// Continuity levels, the normal one first: words of the broker's own, for what each means to it is
/// in its code.
pub const LEVELS: [&str; 4] = ["normal", "degraded", "fallback", "closed"];

name!(
    /// A policy's name: its `@id`, unique in the rulebook.
    PolicyId, is_policy,
    "a policy's id: lower case letters, digits and hyphens, at most 64"
);

fn is_policy(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    !text.is_empty() && text.len() <= 64 && text.bytes().all(allowed)
}

/// A set of actions: `receive`, and one `disclose:*` for each bit of a mask.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Actions {
    /// `receive`.
    pub receive: bool,
    /// The categories disclosed; `reference` in the clear and its token level are two bits.
    pub disclose: Mask,
}

impl Actions {
    /// None.
    pub const NONE: Self = Self {
        receive: false,
        disclose: Mask::NONE,
    };
    /// All.
    pub const ALL: Self = Self {
        receive: true,
        disclose: Mask::ALL.union(Mask::REFERENCE_TOKEN),
    };

    /// The actions that are or are below `Border::Action::"name"`.
    pub fn below(name: &str) -> Option<Self> {
        let disclose = match name {
            "receive" => {
                return Some(Self {
                    receive: true,
                    disclose: Mask::NONE,
                });
            }
            "disclose" => Self::ALL.disclose,
            "disclose:reference.token" => Mask::REFERENCE_TOKEN,
            _ => match name.strip_prefix("disclose:")?.parse().ok()? {
                Category::Reference => Mask::of(Category::Reference).union(Mask::REFERENCE_TOKEN),
                category => Mask::of(category),
            },
        };
        Some(Self {
            receive: false,
            disclose,
        })
    }

    /// What is in either.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self {
            receive: self.receive || other.receive,
            disclose: self.disclose.union(other.disclose),
        }
    }

    /// What is in both.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self {
            receive: self.receive && other.receive,
            disclose: self.disclose.intersection(other.disclose),
        }
    }

    /// What is in this one alone.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self {
            receive: self.receive && !other.receive,
            disclose: self.disclose.without(other.disclose),
        }
    }

    /// Whether none is in the set.
    pub const fn is_empty(self) -> bool {
        !self.receive && self.disclose.is_empty()
    }
}

/// Cedar's names for the entity types that every rulebook has, parsed once.
#[derive(Debug, Clone)]
pub struct Words {
    /// `Border::Agency`.
    pub agency: EntityTypeName,
    /// `Border::Unit`.
    pub unit: EntityTypeName,
    /// `Border::Group`.
    pub group: EntityTypeName,
    /// `Border::Purpose`.
    pub purpose: EntityTypeName,
    /// `Border::Kind`.
    pub kind: EntityTypeName,
    /// `Border::Area`.
    pub area: EntityTypeName,
    /// `Border::Level`.
    pub level: EntityTypeName,
    /// `Border::Clearance`.
    pub clearance: EntityTypeName,
    /// `Border::Action`.
    pub action: EntityTypeName,
}

impl Words {
    /// Parses them; an error would be a fault of this file.
    pub fn new() -> Result<Self, BadName> {
        Ok(Self {
            agency: entity_type("Border::Agency")?,
            unit: entity_type("Border::Unit")?,
            group: entity_type("Border::Group")?,
            purpose: entity_type("Border::Purpose")?,
            kind: entity_type("Border::Kind")?,
            area: entity_type("Border::Area")?,
            level: entity_type("Border::Level")?,
            clearance: entity_type("Border::Clearance")?,
            action: entity_type("Border::Action")?,
        })
    }
}

fn entity_type(name: &'static str) -> Result<EntityTypeName, BadName> {
    name.parse()
        .map_err(|_| BadName::new(name, "a name of Cedar's"))
}

/// The entity of `entity_type` with this id.
pub fn uid(entity_type: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(entity_type.clone(), EntityId::new(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_group_covers_what_stands_below_it() {
        let reference = Actions::below("disclose:reference").unwrap();
        assert!(reference.disclose.has(Category::Reference));
        assert!(reference.disclose.has_reference_token());
        let token = Actions::below("disclose:reference.token").unwrap();
        assert!(!token.disclose.has(Category::Reference));
        assert!(
            Actions::below("disclose")
                .unwrap()
                .without(reference)
                .disclose
                .has(Category::Risk)
        );
        assert_eq!(Actions::below("disclose:none"), None);
    }

    #[test]
    fn onward_words_order_from_wide_to_strict() {
        assert!(Onward::NoOnward > Onward::AskOriginator);
        assert_eq!(
            "same-purpose".parse::<Onward>().unwrap(),
            Onward::SamePurpose
        );
        assert!("anything".parse::<Onward>().is_err());
    }
}
