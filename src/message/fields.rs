//! From a body to its content: scan, validate, classify.
//!
//! One scan, one validation, one walk over the elements beside the type's plan. The walk decides
//! each element's category, gathers facts and keys, and holds identifiers to their rules.

use std::collections::BTreeSet;

use super::catalogue::MessageEntry;
use super::envelope::WARNINGS_MAX;
use super::facts::Gathered;
use super::id::{AgencyId, Category};
use super::identifier::{Format, minor_unit};
use super::json::{Document, Element, Kind, ScanFault, Step, pointer};
use super::schema::{By, Node, Rule};
use super::spans::{Builder, Quoted};
use super::valid::{Content, Invalid, Key, Warning};

/// How a token's text begins.
const TOKEN_PREFIX: &str = "ct1~";

/// How many tokens a message may quote: opening one costs a decryption, and they are opened before
/// the schema bounds anything. Lists of items have at most 999.
pub const TOKENS_MAX: usize = 1000;

/// Reads `body` as a message of type `entry`. `quoted` opens a token of the sender's unit.
pub fn read(
    entry: &MessageEntry,
    body: &[u8],
    quoted: &dyn Fn(&str) -> Option<Quoted>,
) -> Result<Content, Invalid> {
    let plan = entry.schema().plan();
    let mut document = Document::scan(body).map_err(|fault| unread(&fault, plan))?;
    let mut opened = Vec::new();
    if plan.has_token {
        let mut path = Vec::new();
        open_tokens(
            document.root(),
            plan,
            &mut path,
            &mut |element, text, path| {
                if opened.len() == TOKENS_MAX {
                    let says = "quotes more than 1000 tokens".to_owned();
                    return Err(Invalid::content(pointer(path), "maxItems".to_owned(), says));
                }
                let quoted = quoted(text).ok_or_else(|| {
                    let says = "is a token, and not one of this unit's".to_owned();
                    Invalid::content(pointer(path), "token".to_owned(), says)
                })?;
                opened.push((element.index(), quoted));
                Ok(())
            },
        )?;
    }
    for (index, quoted) in &opened {
        document.replace(*index, quoted.clear.clone());
    }
    entry.schema().admit(&document)?;
    let mut walk = Walk::new(entry, opened);
    walk.element(document.root(), plan, None)?;
    Ok(walk.finish())
}

/// A body that is no JSON: the place as far as the type knows the names on the way.
fn unread(fault: &ScanFault, plan: &Node) -> Invalid {
    let mut node = Some(plan);
    let mut known = fault.path.iter().rev().take_while(|step| {
        node = node.and_then(|node| match step {
            Step::Name(name) => node.member(name),
            Step::Index(_) => node.items.as_deref(),
        });
        node.is_some()
    });
    let place = pointer(known.by_ref());
    let says = format!("{} (byte {})", fault.says, fault.at);
    Invalid::content(place, fault.rule.to_owned(), says)
}

/// What is done with a token that was found: its element, text and the way to it.
type Found<'f, 'd> = dyn FnMut(Element<'d>, &str, &[Step]) -> Result<(), Invalid> + 'f;

/// Finds what was sent as a token where the plan has one, before the schema is applied: it is the
/// clear value that must keep it.
fn open_tokens<'d>(
    element: Element<'d>,
    node: &Node,
    path: &mut Vec<Step>,
    found: &mut Found<'_, 'd>,
) -> Result<(), Invalid> {
    let text = element
        .text()
        .filter(|text| node.is_token && text.starts_with(TOKEN_PREFIX));
    if let Some(text) = text {
        return found(element, &text, path);
    }
    for (index, child) in element.children().enumerate() {
        let (step, inner) = match element.kind() {
            Kind::Object => match node.named(&child.name()) {
                Some((name, inner)) => (Step::Name(name.to_owned()), inner),
                None => continue,
            },
            _ => match &node.items {
                Some(items) => (Step::Index(index), items.as_ref()),
                None => continue,
            },
        };
        if inner.has_token {
            path.push(step);
            open_tokens(child, inner, path, found)?;
            path.pop();
        }
    }
    Ok(())
}

/// The walk over a valid document.
struct Walk<'d> {
    entry: &'d MessageEntry,
    opened: Vec<(usize, Quoted)>,
    spans: Builder,
    facts: Vec<Gathered>,
    keys: Vec<Key>,
    warnings: Vec<Warning>,
    /// Objects around the element, outermost first.
    objects: Vec<Element<'d>>,
    /// The way to the element.
    path: Vec<Way<'d>>,
}

#[derive(Clone, Copy)]
enum Way<'d> {
    Name(&'d str),
    Index(usize),
}

impl<'d> Walk<'d> {
    fn new(entry: &'d MessageEntry, opened: Vec<(usize, Quoted)>) -> Self {
        Self {
            entry,
            opened,
            spans: Builder::default(),
            facts: entry
                .facts
                .iter()
                .map(|rule| Gathered::new(&rule.kind))
                .collect(),
            keys: Vec::new(),
            warnings: Vec::new(),
            objects: Vec::new(),
            path: Vec::new(),
        }
    }

    fn element(
        &mut self,
        element: Element<'d>,
        node: &'d Node,
        outer: Option<Category>,
    ) -> Result<(), Invalid> {
        let is_object = element.kind() == Kind::Object;
        if is_object {
            self.objects.push(element);
        }
        let category = match &node.rule {
            Rule::Inherit => outer,
            Rule::Fixed(category) => Some(*category),
            Rule::By(by) => Some(self.decided(by)),
        };
        self.read(element, node)?;
        self.place(element, node, category)?;
        if is_object {
            self.objects.pop();
        }
        Ok(())
    }

    fn decided(&self, by: &By) -> Category {
        let object = self.objects.iter().rev().nth(by.out);
        let text = object.and_then(|object| object.member(&by.key)?.text());
        let case = by
            .cases
            .iter()
            .find(|(case, _)| text.as_deref() == Some(case.as_str()));
        case.map_or(by.otherwise, |(_, category)| *category)
    }

    /// Gives the element its spans.
    fn place(
        &mut self,
        element: Element<'d>,
        node: &'d Node,
        category: Option<Category>,
    ) -> Result<(), Invalid> {
        let is_container = matches!(element.kind(), Kind::Object | Kind::Array);
        let is_empty = element.children().next().is_none();
        if node.is_token && category == Some(Category::Reference) {
            let kind = node.format.map_or("text", |format| format.name).to_owned();
            let at = element.index();
            let at = self.opened.binary_search_by_key(&at, |(index, _)| *index);
            let opened = at.ok().and_then(|at| self.opened.get(at));
            let quoted = opened.map(|(_, quoted)| quoted.clone());
            self.spans
                .token(element.segment(), element.range(), kind, quoted);
            return Ok(());
        }
        if !is_container || is_empty || (node.is_uniform && category.is_some()) {
            let category = category.ok_or_else(|| self.unmapped())?;
            self.spans.run(element.segment(), category);
            return Ok(());
        }
        self.spans.open(element.segment(), element.range());
        for (index, child) in element.children().enumerate() {
            let (way, inner) = if element.kind() == Kind::Object {
                let named = node.named(&child.name());
                let (name, inner) = named.ok_or_else(|| self.unmapped())?;
                (Way::Name(name), inner)
            } else {
                (
                    Way::Index(index),
                    node.items.as_deref().ok_or_else(|| self.unmapped())?,
                )
            };
            self.path.push(way);
            self.element(child, inner, category)?;
            self.path.pop();
        }
        self.spans.close();
        Ok(())
    }

    /// What the schema let pass and the plan does not know goes to nobody, and is not accepted.
    fn unmapped(&self) -> Invalid {
        let says = "is not described by its type".to_owned();
        Invalid::content(self.pointer(), "unmapped".to_owned(), says)
    }

    /// Holds the element to its identifier's rule, and hands it to the facts and keys that read it.
    fn read(&mut self, element: Element<'d>, node: &'d Node) -> Result<(), Invalid> {
        let text = element.text();
        for fact in &node.facts {
            let Some(gathered) = self.facts.get_mut(*fact) else {
                continue;
            };
            if let Err(says) = gathered.take(text.as_deref().unwrap_or(element.raw())) {
                let says = format!("is {says}");
                return Err(Invalid::content(self.pointer(), "range".to_owned(), says));
            }
        }
        let Some(text) = text else { return Ok(()) };
        let entry = self.entry;
        let rules = || node.keys.iter().filter_map(|key| entry.keys.get(*key));
        if node.is_amount() {
            self.amount(&text)?;
        }
        // The shape holds already: the schema asserts it.
        let is_broken = |format: &&Format| format.rule.is_some_and(|rule| !rule(&text));
        if let Some(format) = node.format.filter(|format| is_broken(format)) {
            if rules().any(|rule| rule.own) {
                let says = format!("is not {}", format.expects);
                return Err(Invalid::content(
                    self.pointer(),
                    format.name.to_owned(),
                    says,
                ));
            }
            if self.warnings.len() < WARNINGS_MAX {
                self.warnings.push(Warning {
                    place: self.pointer(),
                    rule: format.name.to_owned(),
                });
            }
        }
        for rule in rules() {
            let root = self.objects.first();
            let qualifier = rule
                .qualifier
                .as_deref()
                .and_then(|at| qualified(*root?, at));
            let (name, value) = (rule.name.clone(), text.clone().into_owned());
            self.keys.push(Key {
                name,
                value,
                qualifier,
                own: rule.own,
            });
        }
        Ok(())
    }

    /// An amount has at most the decimals of the currency beside it.
    fn amount(&self, text: &str) -> Result<(), Invalid> {
        let currency = self
            .objects
            .last()
            .and_then(|object| object.member("CurrencyCode")?.text());
        let allowed = currency.and_then(|currency| minor_unit(&currency));
        let decimals = text
            .split_once('.')
            .map_or(0, |(_, decimals)| decimals.len());
        match allowed {
            Some(allowed) if decimals > allowed => {
                let says = format!("has {decimals} decimals, and its currency {allowed}");
                Err(Invalid::content(self.pointer(), "amount".to_owned(), says))
            }
            _ => Ok(()),
        }
    }

    fn pointer(&self) -> String {
        let steps: Vec<Step> = self
            .path
            .iter()
            .map(|way| match way {
                Way::Name(name) => Step::Name((*name).to_owned()),
                Way::Index(index) => Step::Index(*index),
            })
            .collect();
        pointer(&steps)
    }

    fn finish(self) -> Content {
        let entry = self.entry;
        let facts = entry.facts.iter().zip(self.facts);
        let quotes: BTreeSet<AgencyId> = self
            .opened
            .into_iter()
            .map(|(_, quoted)| quoted.originator)
            .collect();
        Content {
            spans: self.spans.finish(),
            facts: facts
                .map(|(rule, gathered)| (rule.name.clone(), gathered.value()))
                .collect(),
            keys: self.keys,
            quotes,
            warnings: self.warnings,
        }
    }
}

/// The text at a pointer without `*`.
fn qualified(root: Element<'_>, at: &str) -> Option<String> {
    let steps = at.strip_prefix('/')?.split('/');
    let mut element = root;
    for step in steps {
        element = element.member(&step.replace("~1", "/").replace("~0", "~"))?;
    }
    Some(element.text()?.into_owned())
}

#[cfg(test)]
mod tests;
