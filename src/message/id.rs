//! The names and numbers of the domain, each with a type of its own.
//!
//! Every newtype parses with `FromStr` and prints with `Display`; names serialise as what they print.
//! None of them can be built around its rule.

use std::fmt;
use std::str::FromStr;

/// Why a name was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {expected}")]
pub struct BadName {
    /// What was given, cut to 80 characters.
    pub text: String,
    /// What would have been accepted.
    pub expected: &'static str,
}

impl BadName {
    /// A refused text, to end the sentence "is not ...".
    pub(crate) fn new(text: &str, expected: &'static str) -> Self {
        Self {
            text: text.chars().take(80).collect(),
            expected,
        }
    }
}

fn is_label(text: &str) -> bool {
    let mut bytes = text.bytes();
    text.len() <= 48
        && bytes.next().is_some_and(|b| b.is_ascii_lowercase())
        && bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

fn is_dotted(text: &str) -> bool {
    text.len() <= 96 && text.split('.').all(is_label)
}

fn is_staff_number(text: &str) -> bool {
    let is_plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    text.len() <= 24 && digits >= 2 && text.bytes().all(is_plain)
}

/// A name: text that keeps a rule, with what is expected where it does not.
macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $rule:ident, $expected:literal) => {
        $(#[$doc])*
        #[derive(
            Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
        )]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(std::sync::Arc<str>);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::message::id::BadName;
            fn from_str(text: &str) -> Result<Self, $crate::message::id::BadName> {
                if $rule(text) { Ok(Self(text.into())) } else { Err($crate::message::id::BadName::new(text, $expected)) }
            }
        }

        impl TryFrom<String> for $name {
            type Error = $crate::message::id::BadName;
            fn try_from(text: String) -> Result<Self, $crate::message::id::BadName> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0.as_ref().to_owned()
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}
pub(crate) use name;

name!(
    /// An agency: the name of its folder in `agencies/`, such as `customs-xa`.
    AgencyId, is_label,
    "an agency's name: lower case letters, digits and hyphens, a letter first, at most 48"
);
name!(
    /// A unit's name within its agency, such as `main`.
    UnitName, is_label,
    "a unit's name: lower case letters, digits and hyphens, a letter first, at most 48"
);
name!(
    /// A system's name within its agency, such as `declarations`.
    SystemName, is_label,
    "a system's name: lower case letters, digits and hyphens, a letter first, at most 48"
);
name!(
    /// An officer's staff number within an agency, such as `o-2117`; never a name.
    OfficerName, is_staff_number,
    "a staff number, as o-2117: lower case letters, digits and hyphens, two digits at least, at most 24"
);
name!(
    /// A grant's name in `board.toml`, such as `dpa-2026`.
    GrantName, is_label,
    "a grant's name: lower case letters, digits and hyphens, a letter first, at most 48"
);
name!(
    /// A message type of the catalogue, such as `declaration.import`.
    MessageType, is_dotted,
    "a message type: names of lower case letters, digits and hyphens joined by dots"
);
name!(
    /// A purpose for which a unit receives, such as `customs-control`.
    Purpose, is_label,
    "a purpose: lower case letters, digits and hyphens, a letter first, at most 48"
);

macro_rules! within_agency {
    ($(#[$doc:meta])* $name:ident { $part:ident: $type:ty }, $separator:literal, $expected:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name {
            /// The agency it belongs to.
            pub agency: AgencyId,
            /// Its name there.
            pub $part: $type,
        }

        impl FromStr for $name {
            type Err = BadName;
            fn from_str(text: &str) -> Result<Self, BadName> {
                let parts = text.split_once($separator);
                let parsed = parts.and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
                let (agency, $part) = parsed.ok_or_else(|| BadName::new(text, $expected))?;
                Ok(Self { agency, $part })
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}{}{}", self.agency, $separator, self.$part)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.collect_str(self)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    };
}

within_agency!(
    /// Who receives: `police/main`.
    UnitId { unit: UnitName }, '/', "a unit's address, such as police/main"
);
within_agency!(
    /// One technical client: `customs/declarations`.
    SystemId { system: SystemName }, '/', "a system's address, such as customs/declarations"
);

macro_rules! bytes_id {
    ($(#[$doc:meta])* $name:ident, $length:literal, $form:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; $length]);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.collect_str(self)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = BadName;
            fn from_str(text: &str) -> Result<Self, BadName> {
                let bytes = data_encoding::HEXLOWER.decode(text.as_bytes()).ok();
                let bytes = bytes.and_then(|b| b.try_into().ok());
                bytes.map(Self).ok_or_else(|| BadName::new(text, $form))
            }
        }
    };
}

bytes_id!(
    /// An exchange: 128 bits drawn at admission. It says nothing about sender, type or time.
    ExchangeId, 16, "32 hexadecimal digits in small letters"
);
bytes_id!(
    /// A SHA-256 digest.
    Digest, 32, "64 hexadecimal digits in small letters"
);
bytes_id!(
    /// A keyed digest (HMAC-SHA-256, cut to 16 bytes): equal values are found, none can be guessed.
    KeyedDigest, 16, "32 hexadecimal digits in small letters"
);

impl Digest {
    /// SHA-256 of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self::of_all(&[bytes])
    }

    /// SHA-256 of parts, one behind the other.
    pub fn of_all(parts: &[&[u8]]) -> Self {
        let mut context = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
        for part in parts {
            context.update(part);
        }
        let mut out = [0; 32];
        out.copy_from_slice(context.finish().as_ref());
        Self(out)
    }
}

/// A data category: what kind of data an element is.
///
/// Its bit in a [`Mask`], and its number in `broker::format`, are on disk: neither is ever given to
/// another one. The order here means nothing there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(
    missing_docs,
    reason = "each is defined in docs/policies.md under its own name"
)]
pub enum Category {
    Reference,
    Party,
    Identity,
    Goods,
    Commercial,
    Financial,
    Route,
    Environment,
    Postal,
    Control,
    Risk,
    Investigation,
    Special,
    Officer,
    Narrative,
}

impl Category {
    /// All categories, in the order of their bits.
    pub const ALL: [Self; 15] = [
        Self::Reference,
        Self::Party,
        Self::Identity,
        Self::Goods,
        Self::Commercial,
        Self::Financial,
        Self::Route,
        Self::Environment,
        Self::Postal,
        Self::Control,
        Self::Risk,
        Self::Investigation,
        Self::Special,
        Self::Officer,
        Self::Narrative,
    ];

    /// The name used in schemas, policies, headers and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reference => "reference",
            Self::Party => "party",
            Self::Identity => "identity",
            Self::Goods => "goods",
            Self::Commercial => "commercial",
            Self::Financial => "financial",
            Self::Route => "route",
            Self::Environment => "environment",
            Self::Postal => "postal",
            Self::Control => "control",
            Self::Risk => "risk",
            Self::Investigation => "investigation",
            Self::Special => "special",
            Self::Officer => "officer",
            Self::Narrative => "narrative",
        }
    }

    /// The bit of this category in a [`Mask`].
    pub const fn bit(self) -> u32 {
        match self {
            Self::Reference => 0,
            Self::Party => 1,
            Self::Identity => 2,
            Self::Goods => 3,
            Self::Commercial => 4,
            Self::Financial => 5,
            Self::Route => 6,
            Self::Environment => 7,
            Self::Postal => 8,
            Self::Control => 9,
            Self::Risk => 10,
            Self::Investigation => 11,
            Self::Special => 12,
            Self::Officer => 13,
            Self::Narrative => 14,
        }
    }
}

impl FromStr for Category {
    type Err = BadName;
    fn from_str(text: &str) -> Result<Self, BadName> {
        let found = Self::ALL.into_iter().find(|c| c.name() == text);
        found.ok_or_else(|| BadName::new(text, "a data category"))
    }
}

impl fmt::Display for Category {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of data categories, with the weaker level `reference.token` as a bit of its own.
///
/// As a disclosure: what a unit gets. As a message type's `holds`: what its messages can contain.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mask(u32);

impl Mask {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// Every category, in the clear.
    pub const ALL: Self = Self((1 << 15) - 1);
    /// References as tokens of the unit's own.
    pub const REFERENCE_TOKEN: Self = Self(1 << 15);

    /// The set of one category.
    pub const fn of(category: Category) -> Self {
        Self(1 << category.bit())
    }
    /// Whether `category` is in the set.
    pub const fn has(self, category: Category) -> bool {
        self.0 & (1 << category.bit()) != 0
    }
    /// Whether references may be shown as tokens.
    pub const fn has_reference_token(self) -> bool {
        self.0 & Self::REFERENCE_TOKEN.0 != 0
    }
    /// What is in either.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
    /// What is in both.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
    /// What both let be shown, where a reference in the clear includes its token.
    #[must_use]
    pub fn both(self, other: Self) -> Self {
        let with_token = |mask: Self| {
            if mask.has(Category::Reference) {
                mask.union(Self::REFERENCE_TOKEN)
            } else {
                mask
            }
        };
        let both = with_token(self).intersection(with_token(other));
        if both.has(Category::Reference) {
            both.without(Self::REFERENCE_TOKEN)
        } else {
            both
        }
    }
    /// What is in this one alone.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
    /// Whether nothing is in the set.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
    /// The set of these bits; none where one stands for nothing.
    pub const fn from_bits(bits: u32) -> Option<Self> {
        if bits & !(Self::ALL.0 | Self::REFERENCE_TOKEN.0) == 0 {
            Some(Self(bits))
        } else {
            None
        }
    }
    /// The bits, for a record.
    pub const fn bits(self) -> u32 {
        self.0
    }
    /// The categories of the set, in the order of their bits; the token level is not among them.
    pub fn categories(self) -> impl Iterator<Item = Category> {
        Category::ALL.into_iter().filter(move |c| self.has(*c))
    }
}

impl FromIterator<Category> for Mask {
    fn from_iter<I: IntoIterator<Item = Category>>(categories: I) -> Self {
        categories
            .into_iter()
            .fold(Self::NONE, |mask, c| mask.union(Self::of(c)))
    }
}

/// Names joined by one blank, `reference.token` last.
impl fmt::Display for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for category in self.categories() {
            write!(f, "{separator}{category}")?;
            separator = " ";
        }
        if self.has_reference_token() {
            write!(f, "{separator}reference.token")?;
        }
        Ok(())
    }
}

/// The names of its categories, and of the token that stands for a reference.
impl serde::Serialize for Mask {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let token = self.has_reference_token().then_some("reference.token");
        to.collect_seq(self.categories().map(Category::name).chain(token))
    }
}

impl fmt::Debug for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{self}]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_hold_their_rule_and_print_as_they_were_given() {
        let unit: UnitId = "police/main".parse().unwrap();
        assert_eq!(unit.to_string(), "police/main");
        assert!("police".parse::<UnitId>().is_err());
        assert!("Police/main".parse::<UnitId>().is_err());
        assert!("declaration.import".parse::<MessageType>().is_ok());
        assert!("declaration..import".parse::<MessageType>().is_err());
    }

    #[test]
    fn a_mask_prints_its_categories_in_a_fixed_order() {
        let mask: Mask = [Category::Postal, Category::Goods].into_iter().collect();
        assert_eq!(
            mask.union(Mask::REFERENCE_TOKEN).to_string(),
            "goods postal reference.token"
        );
        for category in Category::ALL {
            assert!(Mask::ALL.has(category));
            assert_eq!(category.name().parse::<Category>().unwrap(), category);
        }
    }
}
