//! The tree of all elements that a message of one type can have.

use crate::message::id::{Category, Mask};
use crate::message::identifier::Format;

/// How an element's category is decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rule {
    /// It is that of the element around it.
    Inherit,
    /// It is always this one.
    Fixed(Category),
    /// It depends on another element's text.
    By(By),
}

impl Rule {
    /// Every category that the rule itself can decide for.
    pub fn categories(&self) -> Mask {
        match self {
            Self::Inherit => Mask::NONE,
            Self::Fixed(category) => Mask::of(*category),
            Self::By(by) => {
                let cases = by.cases.iter().map(|(_, category)| *category);
                cases.chain([by.otherwise]).collect()
            }
        }
    }
}

/// A category that depends on content: `{"by": "PartyKind", "legal": "party", "else": "identity"}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct By {
    /// How many objects out from the element the deciding key stands: 0 is the element itself
    /// where it is an object, the nearest object around it where it is none.
    pub out: usize,
    /// The deciding key.
    pub key: String,
    /// The category for each of its texts.
    pub cases: Vec<(String, Category)>,
    /// The category for every other text and where the key is absent.
    pub otherwise: Category,
}

/// An element.
#[derive(Debug)]
pub struct Node {
    /// Its category.
    pub rule: Rule,
    /// Whether it is a reference that some recipients get as a token (`x-carnet-token`).
    pub is_token: bool,
    /// Its format, where ours.
    pub format: Option<&'static Format>,
    /// Its members, shorter names first, where it can be an object.
    members: Vec<(Box<str>, Node)>,
    /// The member beside it that is its currency, where it is an amount.
    pub currency: Option<Box<str>>,
    /// Its items, where it can be an array.
    pub items: Option<Box<Node>>,
    /// The type of its value, as the schema names it; several where it names several.
    pub types: Vec<String>,
    /// The least and the largest integer that it can be.
    pub range: (i64, i64),
    /// Keys of the catalogue's entry that read it, by their place in its list.
    pub keys: Vec<usize>,
    /// Facts of the catalogue's entry that read it, by their place in its list.
    pub facts: Vec<usize>,
    /// Whether nothing below has a category of its own or is read: one span whatever it holds.
    pub is_uniform: bool,
    /// Whether a token can stand here or below.
    pub has_token: bool,
}

impl Node {
    /// An element of which nothing is known but its category.
    pub(in crate::message) fn new(rule: Rule) -> Self {
        Self {
            rule,
            is_token: false,
            format: None,
            members: Vec::new(),
            currency: None,
            items: None,
            types: Vec::new(),
            range: (i64::MIN, i64::MAX),
            keys: Vec::new(),
            facts: Vec::new(),
            is_uniform: false,
            has_token: false,
        }
    }

    /// Puts a member in its place.
    pub(in crate::message) fn insert(&mut self, name: &str, node: Self) {
        let at = self.place(name).unwrap_or_else(|at| at);
        self.members.insert(at, (name.into(), node));
    }

    /// The member `name`.
    pub fn member(&self, name: &str) -> Option<&Self> {
        self.named(name).map(|(_, node)| node)
    }

    /// The names of all members.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.members.iter().map(|(name, _)| name.as_ref())
    }

    /// The member `name` with the name as the plan holds it.
    pub fn named(&self, name: &str) -> Option<(&str, &Self)> {
        let at = self.place(name).ok()?;
        self.members
            .get(at)
            .map(|(name, node)| (name.as_ref(), node))
    }

    /// Where the member `name` is, or would be. By length first: most names differ in it.
    fn place(&self, name: &str) -> Result<usize, usize> {
        let order = |known: &str| known.len().cmp(&name.len()).then_with(|| known.cmp(name));
        self.members.binary_search_by(|(known, _)| order(known))
    }

    /// The element at `pointer`, in which `*` is every item of an array.
    pub(in crate::message) fn at(&self, pointer: &str) -> Option<&Self> {
        let steps = pointer.strip_prefix('/')?.split('/');
        steps.into_iter().try_fold(self, |node, step| {
            if step == "*" {
                return node.items.as_deref();
            }
            node.member(&step.replace("~1", "/").replace("~0", "~"))
        })
    }

    /// The element at `pointer`, to be marked.
    pub(in crate::message) fn at_mut(&mut self, pointer: &str) -> Option<&mut Self> {
        let mut node = self;
        let steps = pointer.strip_prefix('/')?;
        for step in steps.split('/') {
            node = if step == "*" {
                node.items.as_deref_mut()?
            } else {
                let name = step.replace("~1", "/").replace("~0", "~");
                let at = node.place(&name).ok()?;
                node.members.get_mut(at).map(|(_, member)| member)?
            };
        }
        Some(node)
    }

    /// Whether the currency beside it says how many decimals it may have.
    pub fn is_amount(&self) -> bool {
        self.is_of("amount")
    }

    fn is_of(&self, format: &str) -> bool {
        self.format.is_some_and(|own| own.name == format)
    }

    /// Finds the currency of each amount among its members: the one of its own name, such as
    /// `PostageCurrencyCode` of `PostageAmount`, else the one of all.
    fn find_currencies(&mut self) {
        let named = self
            .members
            .iter()
            .filter(|(_, node)| node.is_of("iso-4217"));
        let currencies: Vec<Box<str>> = named.map(|(name, _)| name.clone()).collect();
        for (name, amount) in self.members.iter_mut().filter(|(_, node)| node.is_amount()) {
            let own = format!("{}CurrencyCode", name.trim_end_matches("Amount"));
            let is = |wanted: &str| currencies.iter().find(|name| ***name == *wanted);
            let found = is(&own).or_else(|| is("CurrencyCode"));
            amount.currency = found.or(currencies.first()).cloned();
        }
    }

    /// Every category that the element and all below it can have.
    pub fn holds(&self) -> Mask {
        let own = self.rule.categories();
        self.below()
            .fold(own, |mask, node| mask.union(node.holds()))
    }

    /// Marks, from the leaves up, what the walk over a message may skip.
    pub(in crate::message) fn settle(&mut self) {
        self.find_currencies();
        for (_, member) in &mut self.members {
            member.settle();
        }
        if let Some(items) = &mut self.items {
            items.settle();
        }
        self.has_token = self.is_token || self.below().any(|node| node.has_token);
        let is_read = |node: &Self| {
            node.is_token
                || node.is_amount()
                || !node.keys.is_empty()
                || !node.facts.is_empty()
                || node.format.is_some_and(Format::has_rule)
        };
        let below = self
            .below()
            .all(|node| node.is_uniform && node.rule == Rule::Inherit);
        self.is_uniform = below && !is_read(self);
    }

    fn below(&self) -> impl Iterator<Item = &Self> {
        self.members
            .iter()
            .map(|(_, member)| member)
            .chain(self.items.as_deref())
    }
}
