//! What travels around a body: AMQP properties and headers, read into what they mean.
//!
//! [`Publish`] is the one value that comes in from the wire; [`Envelope::parse`] accepts or refuses
//! it before the body is looked at. What Carnet does not know is dropped and named as a warning;
//! what could speak in Carnet's name, hide the body from the catalogue, or was meant for a header
//! that Carnet reads, is refused.

mod names;
mod properties;
mod publish;

use std::fmt;
use std::time::Duration;

use super::content::{WARNINGS_MAX, Warning};
use super::entry::{Addressed, MessageEntry};
use super::faults::{Faults, Found, Invalid};
use super::id::{Digest, Purpose, UnitId};
use super::identifier::{self, is_text};
use super::onward::Onward;
use super::rule;
pub use names::is_ours;
use names::{header_place, is_of_a_framework, not_misspelt, not_reserved};
pub(super) use properties::BODY;
pub use properties::expires_after;
use properties::is_traceparent;
pub use publish::{HeaderValue, Publish, SenderTerms};

/// The place of faults of the addressees.
const TO: &str = "header to";

/// How many addressees a message may name: more than there are units in the largest exchange.
pub const ADDRESSEES_MAX: usize = 256;
/// The longest justification, in characters.
pub const JUSTIFICATION_MAX: usize = 1000;
/// The longest case reference, in bytes.
pub const CASE_MAX: usize = 64;

/// What the headers of a message ask of its ruling: a ruling is made from these, and asked again with
/// them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked {
    /// Header `to`: addressees, each once, in the order sent; empty where the message is not addressed.
    /// Whether there are such units is not known here.
    pub to: Vec<UnitId>,
    /// Header `purpose`: the purpose to which the candidates are narrowed.
    pub purpose: Option<Purpose>,
    /// Header `case`, as it was written. Whether it is one is standing's to say.
    pub case: Option<String>,
    /// Header `handling`: what the sender allows recipients at most.
    pub handling: Onward,
}

/// Properties and headers of a valid message. Its `Debug` shows neither ids nor justification.
#[derive(Clone, PartialEq, Eq)]
pub struct Envelope {
    message_id: Option<String>,
    correlation_id: Option<String>,
    asked: Asked,
    justification: Option<String>,
    ttl: Option<Duration>,
    warnings: Vec<Warning>,
}

impl Envelope {
    /// Reads the envelope of `publish`, a message of type `entry`.
    pub fn parse(
        publish: &Publish,
        entry: &MessageEntry,
        terms: &SenderTerms<'_>,
    ) -> Result<Self, Faults> {
        let mut envelope = Self {
            message_id: publish.message_id.clone().filter(|id| !id.is_empty()),
            correlation_id: publish.correlation_id.clone().filter(|id| !id.is_empty()),
            asked: Asked::default(),
            justification: None,
            ttl: None,
            warnings: Vec::new(),
        };
        let mut found = Found::default();
        properties::hold(publish, entry, terms, &mut found);
        match publish.expiration.as_deref().map(expires_after) {
            Some(Ok(ttl)) => envelope.ttl = Some(ttl),
            Some(Err(invalid)) => found.add(invalid),
            None => {}
        }
        for (name, value) in &publish.headers {
            if let Err(invalid) = envelope.header(name, value) {
                found.add(invalid);
            }
        }
        let is_addressed = !envelope.asked.to.is_empty() || found.has(TO);
        let says = match entry.addressed {
            Addressed::Never if is_addressed => {
                Some("is set, and this type is not addressed; leave it out")
            }
            Addressed::Required if !is_addressed => {
                Some("is missing, and this type is always addressed")
            }
            _ => None,
        };
        if let Some(says) = says {
            found.add(Invalid::envelope(TO, &rule::ADDRESSED, says));
        }
        found.or(envelope)
    }

    fn header(&mut self, name: &str, value: &HeaderValue) -> Result<(), Invalid> {
        let place = || header_place(name);
        not_reserved(name)?;
        match (name, value) {
            ("to", HeaderValue::Text(text)) => self.addressees(text.split(','))?,
            ("to", HeaderValue::List(list)) => self.addressees(list.iter().map(String::as_str))?,
            ("justification", HeaderValue::Text(text)) if text.trim().is_empty() => {}
            // It would narrow nothing, and its sender set it to narrow something.
            ("purpose" | "case" | "handling", HeaderValue::Text(text))
                if text.trim().is_empty() =>
            {
                let says = "is empty; leave the header out, or say which";
                return Err(Invalid::envelope(place(), &rule::MIN_LENGTH, says));
            }
            ("purpose", HeaderValue::Text(text)) => {
                let purpose = text.parse();
                let says = "is not a purpose, such as customs-control";
                self.asked.purpose = Some(
                    purpose
                        .map_err(|_| Invalid::envelope("header purpose", &rule::PURPOSE, says))?,
                );
            }
            ("case", HeaderValue::Text(text)) => {
                if text.len() > CASE_MAX || !text.bytes().all(|b| b.is_ascii_graphic()) {
                    let says = "is not a case: at most 64 printable characters without blanks";
                    return Err(Invalid::envelope("header case", &rule::CASE, says));
                }
                self.asked.case = Some(text.clone());
            }
            ("handling", HeaderValue::Text(text)) => {
                let says = "is none of none, same-purpose, ask-originator, no-onward";
                let handling = text.parse();
                self.asked.handling = handling
                    .map_err(|_| Invalid::envelope("header handling", &rule::HANDLING, says))?;
            }
            ("justification", HeaderValue::Text(text)) => {
                if text.chars().count() > JUSTIFICATION_MAX {
                    let says = "is longer than 1000 characters";
                    return Err(Invalid::envelope(
                        "header justification",
                        &rule::MAX_LENGTH,
                        says,
                    ));
                }
                if !is_text(text) {
                    let (says, rule) =
                        ("has control characters", &rule::Rule::of(&identifier::TEXT));
                    return Err(Invalid::envelope("header justification", rule, says));
                }
                self.justification = Some(text.clone());
            }
            ("to" | "purpose" | "case" | "handling" | "justification", _) => {
                return Err(Invalid::envelope(
                    place(),
                    &rule::MESSAGE_TYPE,
                    "is not a text",
                ));
            }
            ("traceparent", HeaderValue::Text(text)) if is_traceparent(text) => {}
            _ => self.dropped(name)?,
        }
        Ok(())
    }

    /// A header that means nothing here, unless it was meant to.
    fn dropped(&mut self, name: &str) -> Result<(), Invalid> {
        if is_of_a_framework(name) {
            return Ok(());
        }
        not_misspelt(name)?;
        if self.warnings.len() < WARNINGS_MAX {
            self.warnings.push(Warning {
                place: header_place(name),
                rule: rule::DROPPED.name.to_owned(),
            });
        }
        Ok(())
    }

    /// An empty list of addressees is refused: it is a slip of the sender's code, would narrow nothing,
    /// and the message would reach all units that the rules allow.
    fn addressees<'t>(&mut self, texts: impl Iterator<Item = &'t str>) -> Result<(), Invalid> {
        let fault = |rule, says: String| Invalid::envelope(TO, rule, says);
        let texts = texts.map(str::trim).filter(|text| !text.is_empty());
        for (text, number) in texts.zip(1_u32..) {
            let unit = text.parse().map_err(|_| {
                let says = format!(
                    "its address {number} is none; write AGENCY/UNIT, such as environment/main"
                );
                fault(&rule::ADDRESS, says)
            })?;
            let to = &mut self.asked.to;
            if !to.contains(&unit) {
                to.push(unit);
            }
            if to.len() > ADDRESSEES_MAX {
                return Err(fault(
                    &rule::MAX_ITEMS,
                    "names more than 256 units".to_owned(),
                ));
            }
        }
        if self.asked.to.is_empty() {
            let says = "names nobody; leave the header out to reach all whom the rules allow";
            return Err(fault(&rule::MIN_ITEMS, says.to_owned()));
        }
        Ok(())
    }

    /// What makes a repeat a repeat: see [`super::valid::Valid::content_digest`].
    pub(super) fn content_digest(&self, entry: &MessageEntry, body: &[u8]) -> Digest {
        let mut text = Vec::with_capacity(body.len() + 256);
        let mut part = |bytes: &[u8]| {
            text.extend_from_slice(&u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_be_bytes());
            text.extend_from_slice(bytes);
        };
        part(entry.message_type.as_str().as_bytes());
        part(body);
        // The order of addressees means nothing, so it makes no other content.
        let Asked {
            to,
            purpose,
            case,
            handling,
        } = &self.asked;
        let mut to: Vec<String> = to.iter().map(ToString::to_string).collect();
        to.sort();
        part(to.join(",").as_bytes());
        let purpose = purpose.as_ref().map(Purpose::as_str);
        for value in [purpose, case.as_deref(), self.justification.as_deref()] {
            part(value.unwrap_or_default().as_bytes());
        }
        // Left out where nothing is asked: such content has the digest that earlier releases gave it.
        if *handling != Onward::Free {
            part(handling.name().as_bytes());
        }
        Digest::of(&text)
    }

    /// Property `message_id`, where it was set.
    pub fn message_id(&self) -> Option<&str> {
        self.message_id.as_deref()
    }
    /// Property `correlation_id`, where it was set.
    pub fn correlation_id(&self) -> Option<&str> {
        self.correlation_id.as_deref()
    }
    /// What is asked of the ruling.
    pub fn asked(&self) -> &Asked {
        &self.asked
    }
    /// Why it was sent, in the sender's words.
    pub fn justification(&self) -> Option<&str> {
        self.justification.as_deref()
    }
    /// How long it may wait in an inbox.
    pub fn ttl(&self) -> Option<Duration> {
        self.ttl
    }
    /// Headers that were dropped.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }
}

/// Holds a publish that is of no type of the catalogue, such as a step of a case, to what holds for
/// all of them: it speaks in its sender's own name, in JSON.
pub fn hold_untyped(publish: &Publish, user_id: &str) -> Result<(), Faults> {
    let mut found = Found::default();
    properties::hold_sender(publish, user_id, &mut found);
    for (name, _) in &publish.headers {
        if let Err(invalid) = not_reserved(name) {
            found.add(invalid);
        }
    }
    found.or(())
}

impl fmt::Debug for Envelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Envelope")
            .field("purpose", &self.asked.purpose)
            .field("handling", &self.asked.handling)
            .field("ttl", &self.ttl)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
