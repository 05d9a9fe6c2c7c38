//! The log of a running broker, as an auditor sees it. Each look is a record of that log.

use std::fmt;
use std::str::FromStr;

use reqwest::Method;
use serde::Deserialize;
use serde_json::Value;

use crate::cli::api::{Api, AsOfficer, PerhapsOfficer};
use crate::cli::failed::Failed;
use crate::cli::output::{self, Reader};
use crate::config::Config;
use crate::http::log;
use crate::message::id::{ExchangeId, UnitId};

/// How many seconds the broker waits for something new before it says that there is nothing.
const WAIT: &str = "60";
/// What is shown in full, at most.
const SHOWN_MAX: usize = 20;

/// Who looks, and why.
#[derive(Debug, Clone, clap::Args)]
pub(in crate::cli) struct Auditor {
    #[command(flatten)]
    officer: PerhapsOfficer,
    /// Why you look: it is written into the log
    #[arg(long, requires = "officer")]
    why: Option<String>,
    /// By this grant of the board, which opens the log of all agencies
    #[arg(long, value_name = "GRANT", requires = "officer")]
    grant: Option<String>,
}

/// Which records an auditor wants.
#[derive(Debug, Clone, clap::Args)]
pub(in crate::cli) struct Filter {
    /// Of one kind alone: sent, received, rejected, narrowed, case, accessed, refusals-counted, declared,
    /// confirmed, measure-ended, certificate-withdrawn, new-key; by a grant as records are named
    #[arg(long, requires = "officer")]
    kind: Option<String>,
    /// Messages of one type alone
    #[arg(long = "type", value_name = "TYPE", requires = "officer")]
    message_type: Option<String>,
    /// Not before this time, such as 2026-11-30T08:00:00Z
    #[arg(long, value_name = "TIME", requires = "officer")]
    since: Option<String>,
    /// Before this time
    #[arg(long, value_name = "TIME", requires = "officer")]
    until: Option<String>,
}

/// A message by its unit's own number: `customs/main/3`.
#[derive(Debug, Clone)]
pub(in crate::cli) struct Numbered {
    pub(super) unit: UnitId,
    pub(super) number: u64,
}

impl Numbered {
    /// As it is looked for: a message that the unit `sent`, or was given.
    pub(super) fn looked_for(&self, sent: bool) -> log::Numbered {
        log::Numbered {
            unit: self.unit.clone(),
            sent,
            number: self.number,
        }
    }
}

impl FromStr for Numbered {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let read = || {
            let (unit, number) = text.rsplit_once('/')?;
            let (unit, number) = (unit.parse().ok()?, number.parse().ok()?);
            Some(Self { unit, number })
        };
        read().ok_or("is no unit with a number, such as customs/main/3")
    }
}

/// The one thing that an auditor wants to be shown.
#[derive(Debug, Clone, Copy)]
pub(super) enum Sought<'a> {
    MessageId(&'a str),
    Exchange(ExchangeId),
    Sent(&'a Numbered),
    Received(&'a Numbered),
}

impl fmt::Display for Sought<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MessageId(id) => write!(f, "under the id {id:?}"),
            Self::Exchange(id) => write!(f, "of the id {id}"),
            Self::Sent(Numbered { unit, number }) => write!(f, "that {unit} sent as {number}"),
            Self::Received(Numbered { unit, number }) => {
                write!(f, "that {unit} was given as {number}")
            }
        }
    }
}

/// Parameters of a look.
pub(super) type Parameters = Vec<(&'static str, String)>;

/// An officer at the log of a running broker.
pub(super) struct Audit<'a> {
    pub(super) officer: &'a AsOfficer,
    /// What every request of his says.
    pub(super) says: Parameters,
}

impl Auditor {
    /// Who looks into the log of a running broker; none where it is a folder's.
    pub(super) fn audit(&self) -> Result<Option<Audit<'_>>, Failed> {
        let Some(officer) = &self.officer.0 else {
            return Ok(None);
        };
        let says = "--why says why you look: it is written into the log";
        let why = self.why.clone().ok_or_else(|| Failed::Usage(says.into()))?;
        let grant = self.grant.clone().map(|grant| ("grant", grant));
        let says = [("why", why)].into_iter().chain(grant).collect();
        Ok(Some(Audit { officer, says }))
    }
}

impl Audit<'_> {
    /// The last records, and those to come where he follows them.
    pub(super) fn tail(self, config: &Config, tail: &Tail<'_>) -> Result<(), Failed> {
        let mut wanted = self.says;
        wanted.extend(tail.filter.parameters());
        self.officer.run(config, async |api| {
            let mut found = newest(&api, &wanted, tail.records).await?;
            if found.items.is_empty() {
                output::note("nothing was found of what you looked for");
            }
            // They come the newest first.
            found.items.reverse();
            while print(&found.items, tail.json)? == Reader::There && tail.follow {
                let newer = found.newer.unwrap_or_default();
                let more = [("cursor", newer), ("wait", WAIT.to_owned())];
                found = look(&api, wanted.iter().chain(&more)).await?;
            }
            Ok(())
        })
    }

    /// The proof of the newest of what he looks for, as JSON.
    pub(super) fn proof(self, config: &Config, sought: Sought<'_>) -> Result<String, Failed> {
        let mut wanted = self.says;
        wanted.extend(sought.parameters());
        wanted.push(("proof", "true".to_owned()));
        let mut told = None;
        self.officer.run(config, async |api| {
            let mut found = newest(&api, &wanted, 1).await?;
            let Some(mut item) = found.items.pop() else {
                let says = format!("there is nothing {sought} that you may see");
                return Err(Failed::Usage(says));
            };
            let proof = item.get_mut("proof").map(Value::take);
            told = Some(proof.filter(|proof| !proof.is_null()).ok_or_else(|| {
                let says = "no checkpoint covers it yet, or the grant does not open it: ask again in a second";
                Failed::Refused(says.to_owned())
            })?);
            Ok(())
        })?;
        Ok(told.unwrap_or_default().to_string())
    }

    /// What he wants to be shown, in full.
    pub(super) fn show(
        self,
        config: &Config,
        sought: Sought<'_>,
        json: bool,
    ) -> Result<(), Failed> {
        let mut wanted = self.says;
        wanted.extend(sought.parameters());
        wanted.push(("full", "true".to_owned()));
        self.officer.run(config, async |api| {
            let found = newest(&api, &wanted, SHOWN_MAX).await?;
            if found.items.is_empty() {
                let says = format!("there is nothing {sought} that you may see");
                return Err(Failed::Usage(says));
            }
            print(&found.items, json).map(drop)
        })
    }
}

/// What of the newest an auditor wants.
pub(super) struct Tail<'a> {
    pub(super) records: usize,
    pub(super) follow: bool,
    pub(super) filter: &'a Filter,
    pub(super) json: bool,
}

impl Filter {
    pub(super) fn parameters(&self) -> Parameters {
        let all = [
            ("kind", &self.kind),
            ("type", &self.message_type),
            ("since", &self.since),
            ("until", &self.until),
        ];
        let set = all.into_iter();
        set.filter_map(|(name, value)| Some((name, value.clone()?)))
            .collect()
    }
}

impl Sought<'_> {
    fn parameters(&self) -> Parameters {
        let numbered = |name, it: &Numbered| {
            vec![(name, it.number.to_string()), ("unit", it.unit.to_string())]
        };
        match self {
            Self::MessageId(id) => vec![("message_id", (*id).to_owned())],
            Self::Exchange(id) => vec![("exchange", id.to_string())],
            Self::Sent(it) => numbered("sent", it),
            Self::Received(it) => numbered("received", it),
        }
    }
}

/// The newest so many, the newest first, in as many looks as that takes.
pub(super) async fn newest(api: &Api, wanted: &Parameters, most: usize) -> Result<Found, Failed> {
    let ask = async |more: Parameters| look(api, wanted.iter().chain(&more)).await;
    all_of(most, ask).await
}

/// What is found by `ask`, page after page, until it is so many or nothing is older.
async fn all_of(
    most: usize,
    ask: impl AsyncFn(Parameters) -> Result<Found, Failed>,
) -> Result<Found, Failed> {
    let mut all = ask(vec![("limit", most.to_string())]).await?;
    while let Some(older) = all.older.take()
        && all.items.len() < most
    {
        let found = all.items.len();
        output::note(&format!(
            "{found} found so far; the broker reads on in what is older"
        ));
        let left = (most - found).to_string();
        let next = ask(vec![("limit", left), ("cursor", older)]).await?;
        all.items.extend(next.items);
        all.older = next.older;
        all.complete_since = next.complete_since.or(all.complete_since);
    }
    Ok(all)
}

/// What a look has found, and where others go on.
#[derive(Debug, Deserialize)]
pub(super) struct Found {
    pub(super) items: Vec<Value>,
    pub(super) older: Option<String>,
    newer: Option<String>,
    /// From when on the index is complete, where it is made again.
    pub(super) complete_since: Option<String>,
    /// How many identifiers led to more, where they were followed.
    pub(super) followed: Option<usize>,
    pub(super) followed_all: Option<bool>,
}

async fn look<'p>(
    api: &Api,
    parameters: impl Iterator<Item = &'p (&'static str, String)>,
) -> Result<Found, Failed> {
    let request = api.request(Method::GET, "log")?;
    let found = api.json(request.query(&parameters.collect::<Vec<_>>()));
    serde_json::from_value(found.await?).map_err(Failed::cannot_run)
}

pub(super) fn print(items: &[Value], json: bool) -> Result<Reader, Failed> {
    let text: String = items
        .iter()
        .map(|item| {
            if json {
                format!("{item}\n")
            } else {
                told(item)
            }
        })
        .collect();
    output::while_read(text.as_bytes())
}

/// A line of what happened, and one for each field below it. What senders wrote has no control characters
/// here: it would forge lines, or command the terminal.
fn told(record: &Value) -> String {
    let escaped = |text: &str| -> String {
        let each = |character: char| {
            if character.is_control() {
                character.escape_default().to_string()
            } else {
                character.to_string()
            }
        };
        text.chars().map(each).collect()
    };
    let text = |name: &str| escaped(record.get(name).and_then(Value::as_str).unwrap_or_default());
    let mut lines = format!("{}  {}  {}\n", text("at"), text("kind"), text("type"));
    let fields = record.as_object().into_iter().flatten();
    for (name, value) in fields {
        let is_told = ["at", "kind", "type"].contains(&name.as_str()) || value.is_null();
        if !is_told {
            let value = value.as_str().map_or_else(|| value.to_string(), escaped);
            lines.push_str(&[" ".repeat(7).as_str(), name, " ", &value, "\n"].concat());
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;
    use crate::cli::runtime::on_a_runtime;

    fn page(items: &[u64], older: Option<&str>, newer: Option<&str>) -> Found {
        Found {
            items: items.iter().copied().map(Value::from).collect(),
            older: older.map(str::to_owned),
            newer: newer.map(str::to_owned),
            complete_since: None,
            followed: None,
            followed_all: None,
        }
    }

    #[test]
    fn short_and_empty_pages_are_gone_on_from_up_to_the_wanted_number() {
        let pages = RefCell::new(vec![
            page(&[1], Some("d"), None),
            page(&[3, 2], Some("c"), None),
            page(&[], Some("b"), None),
            page(&[5, 4], Some("a"), Some("n")),
        ]);
        let asked = RefCell::new(Vec::new());
        let ask = async |parameters: Parameters| {
            asked.borrow_mut().push(parameters);
            Ok(pages.borrow_mut().pop().unwrap())
        };
        let found = on_a_runtime(all_of(4, ask)).unwrap();
        assert_eq!(found.items, [5, 4, 3, 2]);
        assert_eq!(found.newer.as_deref(), Some("n"));
        let asked = asked.into_inner();
        let of = |limit: &str, cursor: &str| {
            vec![("limit", limit.to_owned()), ("cursor", cursor.to_owned())]
        };
        let first = vec![("limit", "4".to_owned())];
        assert_eq!(asked, [first, of("2", "a"), of("2", "b")]);
    }
}
