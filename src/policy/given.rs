//! The column `given` of a decision table: what stands around a row's message.
//!
//! ```text
//!   given  = [ item { ";" item } ]
//!   item   = "case=" areas ":" agencies     quoted, open, joined by these agencies
//!          | "quotes=" agencies | "orders=" agencies | "bans=" agencies | "answers=" units
//!          | "to=" addressees | "purpose=" purpose | "handling=" word
//!          | "level=" level | "suspended=" ( "all" | permits )
//!          | "now=" RFC 3339
//!          | fact "=" value                 overrides a fact of the message
//!   lists  = word { "+" word }
//! ```

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::str::FromStr;

use crate::agency::registry::{Party, Registry};
use crate::message::catalogue::MessageEntry;
use crate::message::envelope::Asked;
use crate::message::facts::{FactKind, FactRule, FactValue, Facts};
use crate::message::id::{AgencyId, KeyedDigest, UnitId};
use crate::message::identifier::is_hs_prefix;
use crate::message::time::Timestamp;

use super::measures::{Level, Measures, Permits, Until};
use super::request::Question;
use super::rulebook::Rulebook;
use super::standing::{Case, CaseId, Standing, Versioned};
use super::vocabulary::Terms;
use super::words::PolicyId;

/// When a row plays that does not say: noon of the demo's day.
const NOW_MS: i64 = 1_773_748_800_000;
/// The name of the case that a row's message quotes.
const CASE: &str = "CASE-TABLE";
/// The own key of every row's message.
const OWN_KEY: KeyedDigest = KeyedDigest([0; 16]);

/// What stands around a row's message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Given {
    /// Facts that override those of the example.
    pub facts: Facts,
    /// What the message asks, and refers to.
    pub question: Question<'static>,
    /// Standing facts.
    pub standing: Standing,
    /// The clock.
    pub now: Timestamp,
}

impl Given {
    /// Reads the column for a message of this type from `sender`; the error says what is wrong. What
    /// can never be so cannot be given: it would show a rule at work that no message ever meets.
    pub(crate) fn parse(
        text: &str,
        sender: &AgencyId,
        entry: &MessageEntry,
        rulebook: &Rulebook,
    ) -> Result<Self, String> {
        let (registry, words) = (rulebook.registry(), rulebook.vocabulary());
        let mut given = Self {
            facts: Facts::new(),
            question: Question {
                own_keys: vec![OWN_KEY],
                ..Question::default()
            },
            standing: Standing::default(),
            now: Timestamp::from_millis(NOW_MS),
        };
        let mut measures = Measures::default();
        for item in text
            .split(';')
            .map(str::trim)
            .filter(|item| !item.is_empty())
        {
            let (key, value) = item
                .split_once('=')
                .ok_or(format!("{item:?} is not NAME=VALUE"))?;
            can_be(key, entry)?;
            match key {
                "case" => given.set_case(value, rulebook)?,
                "quotes" => given.question.quotes = Cow::Owned(agencies(value, registry)?),
                "answers" => given.question.answers = units(value, registry)?,
                "orders" => {
                    let holders = agencies(value, registry)?.into_iter();
                    let value = holders
                        .map(|agency| (Party::Agency(agency), None))
                        .collect();
                    let orders = &mut given.standing.orders;
                    orders.insert_mut(OWN_KEY, Versioned { epoch: 1, value });
                }
                "bans" => given.set_bans(agencies(value, registry)?, sender)?,
                "level" => {
                    let value: Level = parse(value)?;
                    measures.level = Some(Until { value, end: None });
                }
                "suspended" => {
                    let value = permits(value, sender, rulebook)?;
                    measures.suspended.push(Until { value, end: None });
                }
                "to" => given.asked().to = addressees(value, registry)?,
                "purpose" => given.asked().purpose = Some(parse(&word(value, &words.purposes)?)?),
                "handling" => given.asked().handling = parse(value)?,
                "now" => given.now = time(value)?,
                fact => {
                    let rule = entry.facts.iter().find(|rule| rule.name == fact);
                    let rule = rule.ok_or_else(|| no_fact(fact, entry))?;
                    given
                        .facts
                        .insert(fact.to_owned(), fact_value(rule, value, &words.areas)?);
                }
            }
        }
        let measures = Versioned {
            epoch: 1,
            value: measures,
        };
        given.standing.measures.insert_mut(sender.clone(), measures);
        Ok(given)
    }

    fn asked(&mut self) -> &mut Asked {
        self.question.asked.to_mut()
    }

    /// The sender holds restricted data of these agencies in the case that its message quotes.
    fn set_bans(&mut self, value: BTreeSet<AgencyId>, sender: &AgencyId) -> Result<(), String> {
        let key = (case_id()?, Party::Agency(sender.clone()));
        let bans = Versioned { epoch: 1, value };
        self.standing.bans.insert_mut(key, bans);
        let case = &mut self.asked().case;
        case.get_or_insert_with(|| CASE.to_owned());
        Ok(())
    }

    fn set_case(&mut self, value: &str, rulebook: &Rulebook) -> Result<(), String> {
        let Some((areas, members)) = value.split_once(':') else {
            return Err(format!(
                "case={value} is not AREAS:AGENCIES, such as drugs:customs+police"
            ));
        };
        let areas = list(areas)
            .map(|area| word(area, &rulebook.vocabulary().areas))
            .collect::<Result<_, _>>()?;
        let case = Case {
            areas,
            members: agencies(members, rulebook.registry())?,
        };
        self.standing.cases.insert_mut(
            case_id()?,
            Versioned {
                epoch: 1,
                value: case,
            },
        );
        self.asked().case = Some(CASE.to_owned());
        Ok(())
    }
}

fn case_id() -> Result<CaseId, String> {
    parse(CASE)
}

fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split('+')
        .map(str::trim)
        .filter(|word| !word.is_empty())
}

fn parse<T: FromStr<Err: ToString>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|error: T::Err| error.to_string())
}

fn word(text: &str, words: &Terms) -> Result<String, String> {
    if words.has(text) {
        return Ok(text.to_owned());
    }
    Err(format!("{text:?} is none of {words}"))
}

fn time(text: &str) -> Result<Timestamp, String> {
    let time = Timestamp::from_rfc3339(text).or_else(|| Timestamp::from_date(text));
    time.ok_or_else(|| format!("{text:?} is no time: write 2026-03-17 or 2026-03-17T12:00:00Z"))
}

fn agencies(text: &str, registry: &Registry) -> Result<BTreeSet<AgencyId>, String> {
    let known = |name: &str| match registry.agency(name) {
        Some(agency) => Ok(agency.id.clone()),
        None => Err(format!("{name:?} is no agency")),
    };
    list(text).map(known).collect()
}

fn units(text: &str, registry: &Registry) -> Result<BTreeSet<UnitId>, String> {
    let known = |name: &str| {
        let unit: UnitId = parse(name)?;
        registry
            .unit(&unit)
            .map(|unit| unit.id.clone())
            .ok_or(format!("{name:?} is no unit"))
    };
    list(text).map(known).collect()
}

/// Permits of the sender's agency: its officers suspend no others, and no rule that forbids.
fn permits(text: &str, agency: &AgencyId, rulebook: &Rulebook) -> Result<Permits, String> {
    if text == "all" {
        return Ok(Permits::All);
    }
    let own = |name: &str| {
        let id: PolicyId = parse(name)?;
        let rule = rulebook.rule(&id);
        let is_own = rule.is_some_and(|it| it.permits && it.owner == agency.as_str());
        let none = || format!("{name:?} is no permit of {agency}: name some, or all");
        is_own.then_some(id).ok_or_else(none)
    };
    let named: BTreeSet<PolicyId> = list(text).map(own).collect::<Result<_, _>>()?;
    if named.is_empty() {
        return Err("suspended= names no permit: name some, or all".to_owned());
    }
    Ok(Permits::Named(named))
}

/// As header `to`, it names some unit where it is there: without any the message would be for all.
fn addressees(text: &str, registry: &Registry) -> Result<Vec<UnitId>, String> {
    let units = units(text, registry)?;
    if units.is_empty() {
        return Err(
            "to= names no unit: name one, such as customs/main, or leave it out".to_owned(),
        );
    }
    Ok(units.into_iter().collect())
}

/// Whether it can be so of a message of this type at all.
fn can_be(key: &str, entry: &MessageEntry) -> Result<(), String> {
    let lacks = match key {
        "quotes" if !entry.has_tokens => "reference that comes as a token",
        "orders" if !entry.keys.iter().any(|key| key.own) => {
            "number of its own that an order could name"
        }
        _ => return Ok(()),
    };
    Err(format!("{} has no {lacks}", entry.message_type))
}

fn no_fact(name: &str, entry: &MessageEntry) -> String {
    let known: Vec<&str> = entry.facts.iter().map(|rule| rule.name.as_str()).collect();
    let known = if known.is_empty() {
        "none".to_owned()
    } else {
        known.join(", ")
    };
    format!(
        "{name:?} is no fact of {}, which has: {known}",
        entry.message_type
    )
}

fn fact_value(rule: &FactRule, text: &str, areas: &Terms) -> Result<FactValue, String> {
    match rule.kind {
        // A code is below its heading and its chapter.
        FactKind::HsPrefixes => {
            let codes = list(text).map(|code| {
                if is_hs_prefix(code) {
                    Ok([2, 4, 6]
                        .into_iter()
                        .filter_map(|digits| code.get(..digits)))
                } else {
                    Err(format!(
                        "{code:?} is no heading: 2, 4 or 6 digits of a chapter"
                    ))
                }
            });
            let codes: Vec<_> = codes.collect::<Result<_, String>>()?;
            let codes = codes.into_iter().flatten().map(str::to_owned);
            Ok(FactValue::Strings(codes.collect()))
        }
        FactKind::Areas => {
            let areas = list(text)
                .map(|area| word(area, areas))
                .collect::<Result<_, _>>()?;
            Ok(FactValue::Areas(areas))
        }
        FactKind::Integer => {
            let number: i64 = text.parse().map_err(|_| format!("{text:?} is no number"))?;
            let (least, most) = rule.range;
            if number != 0 && !(least..=most).contains(&number) {
                return Err(format!("{} is between {least} and {most}", rule.name));
            }
            Ok(FactValue::Long(number))
        }
        FactKind::Present | FactKind::Equals(_) => {
            let truth = text
                .parse()
                .map_err(|_| format!("{text:?} is not true or false"))?;
            Ok(FactValue::Bool(truth))
        }
        FactKind::Time => Ok(FactValue::Time(time(text)?)),
    }
}
