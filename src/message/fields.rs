//! From a body to its content: scan, validate, classify.
//!
//! One scan, one validation, one walk over the elements beside the type's plan. The walk decides
//! each element's category, gathers facts and keys, and holds identifiers to their rules.

use std::collections::BTreeSet;

use super::content::{Content, Key, WARNINGS_MAX, Warning};
use super::entry::MessageEntry;
use super::facts::Gathered;
use super::faults::{Faults, Found, Invalid};
use super::id::{AgencyId, Category};
use super::identifier::{AMOUNT, Format, minor_unit};
use super::json::{Document, Element, Kind, ScanFault, Step, pointer};
use super::rule::{self, Rule as BrokenRule};
use super::schema::{By, Node, Rule};
use super::spans::{Builder, Quoted, Shown};

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
) -> Result<Content, Faults> {
    let plan = entry.schema().plan();
    let mut document = Document::scan(body).map_err(|fault| unread(&fault, plan))?;
    let mut found = Found::default();
    let mut opened = Vec::new();
    if plan.has_token {
        let mut path = Vec::new();
        open_tokens(
            document.root(),
            plan,
            &mut path,
            &mut |element, text, path| {
                if opened.len() == TOKENS_MAX {
                    let says = "quotes more than 1000 tokens";
                    return Err(Invalid::content(pointer(path), &rule::MAX_ITEMS, says));
                }
                if let Some(quoted) = quoted(text) {
                    opened.push((element.index(), quoted));
                } else {
                    let says = "is a token, and not one of this unit's";
                    found.add(Invalid::content(pointer(path), &rule::TOKEN, says));
                }
                Ok(())
            },
        )?;
    }
    for (index, quoted) in &opened {
        document.replace(*index, quoted.clear.clone());
    }
    entry.schema().admit(&document, &mut found);
    let mut walk = Walk::new(entry, opened, found);
    walk.element(document.root(), plan, None);
    walk.finish()
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
    Invalid::content(place, fault.rule, says)
}

/// What is done with a token that was found: its element, text and the way to it.
type OnToken<'f, 'd> = dyn FnMut(Element<'d>, &str, &[Step]) -> Result<(), Invalid> + 'f;

/// Finds what was sent as a token where the plan has one, before the schema is applied: it is the
/// clear value that must keep it.
fn open_tokens<'d>(
    element: Element<'d>,
    node: &Node,
    path: &mut Vec<Step>,
    found: &mut OnToken<'_, 'd>,
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
    found: Found,
    /// Whether the schema takes the document. What it does not take is walked for further faults alone.
    is_schema_kept: bool,
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
    fn new(entry: &'d MessageEntry, opened: Vec<(usize, Quoted)>, found: Found) -> Self {
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
            is_schema_kept: found.is_none(),
            found,
            objects: Vec::new(),
            path: Vec::new(),
        }
    }

    fn element(&mut self, element: Element<'d>, node: &'d Node, outer: Option<Category>) {
        let is_object = element.kind() == Kind::Object;
        if is_object {
            self.objects.push(element);
        }
        let category = match &node.rule {
            Rule::Inherit => outer,
            Rule::Fixed(category) => Some(*category),
            Rule::By(by) => Some(self.decided(by)),
        };
        self.read(element, node, category);
        self.place(element, node, category);
        if is_object {
            self.objects.pop();
        }
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
    fn place(&mut self, element: Element<'d>, node: &'d Node, category: Option<Category>) {
        let is_container = matches!(element.kind(), Kind::Object | Kind::Array);
        let is_empty = element.children().next().is_none();
        if is_token(node, category) {
            let kind = node.format.map_or("text", |format| format.name).to_owned();
            let quoted = self.quoted(element).cloned();
            self.spans
                .token(element.segment(), element.range(), kind, quoted);
            return;
        }
        if !is_container || is_empty || (node.is_uniform && category.is_some()) {
            match category {
                Some(category) => self.spans.run(element.segment(), category),
                None => self.unmapped(),
            }
            return;
        }
        self.spans.open(element.segment(), element.range());
        for (index, child) in element.children().enumerate() {
            let known = if element.kind() == Kind::Object {
                let named = node.named(&child.name());
                named.map(|(name, inner)| (Way::Name(name), inner))
            } else {
                let items = node.items.as_deref();
                items.map(|inner| (Way::Index(index), inner))
            };
            let Some((way, inner)) = known else {
                self.unmapped();
                continue;
            };
            self.path.push(way);
            self.element(child, inner, category);
            self.path.pop();
        }
        self.spans.close();
    }

    /// An element that the schema accepts and the plan does not know: it has no category, so the
    /// message is not accepted.
    fn unmapped(&mut self) {
        if self.is_schema_kept {
            self.fault(&rule::UNMAPPED, "is not described by its type");
        }
    }

    /// A fault of the element. Where the schema does not take the document, none beside another: what
    /// has not its type has not its further rules.
    fn fault(&mut self, rule: &BrokenRule, says: impl Into<String>) {
        let place = self.pointer();
        if self.is_schema_kept || !self.found.has(&place) {
            self.found.add(Invalid::content(place, rule, says));
        }
    }

    /// Holds the element to its identifier's rule, and hands it to the facts and keys that read it.
    fn read(&mut self, element: Element<'d>, node: &'d Node, category: Option<Category>) {
        let text = element.text();
        for fact in &node.facts {
            let Some(gathered) = self.facts.get_mut(*fact) else {
                continue;
            };
            if let Err(says) = gathered.take(text.as_deref().unwrap_or(element.raw())) {
                self.fault(&rule::RANGE, format!("is {says}"));
            }
        }
        let Some(text) = text else { return };
        let entry = self.entry;
        let rules = || node.keys.iter().filter_map(|key| entry.keys.get(*key));
        self.amount(&text, node);
        if let Some((format, says)) = self.broken(&text, node) {
            if rules().any(|rule| rule.own) {
                self.fault(&BrokenRule::of(format), says);
            } else if self.warnings.len() < WARNINGS_MAX {
                self.warnings.push(Warning {
                    place: self.pointer(),
                    rule: format.name.to_owned(),
                });
            }
        }
        // An element without a category is a fault of its own.
        let Some(category) = category else { return };
        let shown = self.shown(element, node, category);
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
                category,
                shown,
            });
        }
    }

    fn shown(&self, element: Element<'d>, node: &Node, category: Category) -> Shown {
        if !is_token(node, Some(category)) {
            return Shown::Clear;
        }
        match self.quoted(element) {
            Some(_) => Shown::Quoted,
            None => Shown::Token,
        }
    }

    /// What the sender quoted here by a token.
    fn quoted(&self, element: Element<'d>) -> Option<&Quoted> {
        let at = element.index();
        let at = self.opened.binary_search_by_key(&at, |(index, _)| *index);
        at.ok()
            .and_then(|at| self.opened.get(at))
            .map(|(_, quoted)| quoted)
    }

    /// What breaks its format's rule beyond the shape. The shape holds, where the schema asserted it.
    fn broken(&self, text: &str, node: &'d Node) -> Option<(&'static Format, String)> {
        let format = node.format.filter(|format| format.has_rule())?;
        if !self.is_schema_kept && !format.fits(text) {
            return None;
        }
        Some((format, format.broken(text)?))
    }

    /// An amount has at most the decimals of its currency, the one beside it or else the nearest
    /// around it, as an invoice's is of its lines; zeros at its end say nothing.
    fn amount(&mut self, text: &str, node: &Node) {
        let Some(name) = &node.currency else { return };
        let mut around = self.objects.iter().rev();
        let currency = around.find_map(|object| object.member(name)?.text());
        let Some((currency, allowed)) =
            currency.and_then(|currency| minor_unit(&currency).map(|allowed| (currency, allowed)))
        else {
            return;
        };
        let decimals = text.split_once('.').map_or("", |(_, decimals)| decimals);
        let decimals = decimals.trim_end_matches('0').len();
        if decimals > allowed {
            let says = format!("has {decimals} decimals, and {currency} has {allowed}");
            self.fault(&BrokenRule::of(&AMOUNT), says);
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

    fn finish(self) -> Result<Content, Faults> {
        let entry = self.entry;
        let facts = entry.facts.iter().zip(self.facts);
        let quotes: BTreeSet<AgencyId> = self
            .opened
            .into_iter()
            .map(|(_, quoted)| quoted.originator)
            .collect();
        self.found.or(Content {
            spans: self.spans.finish(),
            facts: facts
                .map(|(rule, gathered)| (rule.name.clone(), gathered.value()))
                .collect(),
            keys: self.keys,
            quotes,
            warnings: self.warnings,
        })
    }
}

/// Whether an element is shown as a token to those who may not see references in the clear.
fn is_token(node: &Node, category: Option<Category>) -> bool {
    node.is_token && category == Some(Category::Reference)
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
