//! What a system publishes: an example of the repository's, or a text, with an id and headers.

use bytes::Bytes;
use carnet::message::envelope::{HeaderValue, Publish};

use crate::border::repository;

/// A publish in the making.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Letter {
    /// AMQP's exchange: `carnet`, or the default one for queues of one's own.
    pub(crate) exchange: &'static str,
    pub(crate) publish: Publish,
}

impl Letter {
    /// One of the repository's examples: `postal.item/valid/orchids`.
    pub(crate) fn example(path: &str) -> Self {
        let (kind, file) = path.split_once('/').unwrap();
        let path = format!("messages/{kind}/examples/{file}.json");
        Self::new(kind, repository().text(&path).unwrap())
    }

    pub(crate) fn new(kind: &str, body: &str) -> Self {
        let publish = Publish {
            message_type: kind.into(),
            content_type: Some("application/json".to_owned()),
            body: Bytes::copy_from_slice(body.as_bytes()),
            ..Publish::default()
        };
        Self {
            exchange: "carnet",
            publish,
        }
    }

    /// A step of a case; of its opening, with whom it invites.
    pub(crate) fn case(step: &str, case: &str, invites: &[&str]) -> Self {
        let body = match step {
            "open" => {
                let invites: Vec<String> = invites.iter().map(|it| format!("{it:?}")).collect();
                let invites = invites.join(", ");
                format!(r#"{{"CaseID": "{case}", "Areas": ["ipr"], "Invites": [{invites}]}}"#)
            }
            _ => format!(r#"{{"CaseID": "{case}"}}"#),
        };
        Self::new(&format!("case.{step}"), &body)
    }

    /// One to a queue of its unit's own.
    pub(crate) fn to_queue(queue: &str, body: &str) -> Self {
        Self {
            exchange: "",
            ..Self::new(queue, body)
        }
    }

    pub(crate) fn id(self, id: impl std::fmt::Display) -> Self {
        self.with(|publish| publish.message_id = Some(id.to_string()))
    }

    pub(crate) fn header(self, name: &str, value: &str) -> Self {
        let value = HeaderValue::Text(value.to_owned());
        self.with(|publish| publish.headers.push((name.to_owned(), value)))
    }

    /// The body with a text in place of one that stands there.
    pub(crate) fn edit(self, old: &str, new: &str) -> Self {
        let body = String::from_utf8(self.publish.body.to_vec()).unwrap();
        assert!(body.contains(old), "{old} in {body}");
        self.with(|publish| publish.body = body.replace(old, new).into())
    }

    pub(crate) fn with(mut self, change: impl FnOnce(&mut Publish)) -> Self {
        change(&mut self.publish);
        self
    }
}
