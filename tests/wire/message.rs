//! A message as a client publishes it.

use crate::octets::{Octets, Properties, Value, frame, header, method};

/// The largest body that any type allows.
pub(crate) const LARGEST_BODY: usize = 1 << 20;

/// What is published.
#[derive(Debug, Clone, Default)]
pub(crate) struct Message {
    pub(crate) exchange: &'static str,
    pub(crate) key: String,
    pub(crate) mandatory: bool,
    pub(crate) properties: Properties,
    pub(crate) body: String,
}

impl Message {
    /// A message of a type.
    pub(crate) fn of_type(key: &str, id: &str, body: &str) -> Self {
        let properties = Properties {
            content_type: Some("application/json".to_owned()),
            delivery_mode: Some(2),
            message_id: Some(id.to_owned()),
            ..Properties::default()
        };
        Self {
            exchange: "carnet",
            key: key.to_owned(),
            mandatory: true,
            properties,
            body: body.to_owned(),
        }
    }

    /// One to a queue of one's own.
    pub(crate) fn to_queue(queue: &str, body: &str) -> Self {
        Self {
            key: queue.to_owned(),
            mandatory: true,
            body: body.to_owned(),
            ..Self::default()
        }
    }

    pub(crate) fn with(mut self, change: impl FnOnce(&mut Properties)) -> Self {
        change(&mut self.properties);
        self
    }

    /// With a further header.
    pub(crate) fn header(self, name: &str, value: &str) -> Self {
        let value = Value::Text(value.to_owned());
        self.with(|p| {
            let headers = p.headers.get_or_insert_default();
            headers.push((name.to_owned(), value));
        })
    }

    /// Method, header, body.
    pub(crate) fn frames(&self, channel: u16) -> Vec<u8> {
        let size = u64::try_from(self.body.len()).unwrap();
        let mut out = self.method(channel);
        out.extend(header(channel, size, &self.properties));
        for part in self.body.as_bytes().chunks(131_064) {
            out.extend(frame(3, channel, part));
        }
        out
    }

    /// The method alone.
    pub(crate) fn method(&self, channel: u16) -> Vec<u8> {
        let arguments = Octets::new().short(0).name(self.exchange).name(&self.key);
        method(channel, (60, 40), arguments.octet(u8::from(self.mandatory)))
    }
}
