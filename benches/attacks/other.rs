//! The other agency: what it publishes at a fixed rate, and what that waits for.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use carnet::server::clock::Clock;
use hdrhistogram::Histogram;

use crate::broker::{Broker, example};
use crate::client::{Client, Message};

/// Between two publishes.
const EVERY: Duration = Duration::from_millis(20);
/// What is not delivered by then is lost.
const DELIVERED_WITHIN: Duration = Duration::from_mins(2);

/// A sender, and the recipient of what it sends.
pub(crate) struct Other {
    clock: Clock,
    sender: Client,
    body: String,
    published: usize,
    /// When each came, by the recipient's clock.
    delivered: Receiver<Duration>,
    /// How much later than `clock` the recipient's began.
    later: Duration,
}

/// What exchanges waited for, in microseconds.
pub(crate) struct Waited {
    confirmed: Histogram<u64>,
    delivered: Histogram<u64>,
}

impl Waited {
    /// The quantile of the times from due to confirmed, in ms.
    pub(crate) fn confirmed(&self, quantile: f64) -> f64 {
        ms(self.confirmed.value_at_quantile(quantile))
    }

    /// The quantile of the times from due to delivered, in ms.
    pub(crate) fn delivered(&self, quantile: f64) -> f64 {
        ms(self.delivered.value_at_quantile(quantile))
    }

    pub(crate) fn count(&self) -> u64 {
        self.delivered.len()
    }
}

fn ms(micros: u64) -> f64 {
    Duration::from_micros(micros).as_secs_f64() * 1e3
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 600_000_000, 3).expect("bounds")
}

fn micros(of: Duration) -> u64 {
    u64::try_from(of.as_micros()).unwrap_or(u64::MAX)
}

impl Other {
    pub(crate) fn start(broker: &Broker) -> Self {
        let clock = Clock::default();
        let mut recipient = broker.connect("customs-declarations");
        recipient.consume("inbox", "inbox", 0);
        let (came, delivered) = mpsc::channel();
        let later = clock.monotonic();
        thread::Builder::new()
            .name(crate::attack::THREAD.to_owned())
            .spawn(move || {
                let clock = Clock::default();
                loop {
                    let delivery = recipient.delivery();
                    let now = clock.monotonic();
                    recipient.ack(delivery.tag, false);
                    if delivery.key.starts_with("postal.item") && came.send(now).is_err() {
                        return;
                    }
                }
            })
            .expect("a thread");
        Self {
            clock,
            sender: broker.connect("post-items").confirming(),
            body: example("postal.item/valid/ornaments"),
            published: 0,
            delivered,
            later,
        }
    }

    /// Publishes at its rate for so long; fewer where it waits for confirms longer than that.
    pub(crate) fn exchange(&mut self, length: Duration) -> Waited {
        let end = self.clock.monotonic() + length;
        self.exchange_while(|clock, _| clock.monotonic() < end)
    }

    /// Publishes so many at its rate.
    pub(crate) fn exchange_count(&mut self, count: usize) -> Waited {
        self.exchange_while(|_, published| published < count)
    }

    /// Publishes at its rate, and waits until all are delivered.
    fn exchange_while(&mut self, goes_on: impl Fn(Clock, usize) -> bool) -> Waited {
        let mut waited = Waited {
            confirmed: histogram(),
            delivered: histogram(),
        };
        let mut due = self.clock.monotonic();
        let mut all_due = Vec::new();
        let mut came = Vec::new();
        while goes_on(self.clock, all_due.len()) {
            due += EVERY;
            self.receive_until(due, &mut came);
            self.published += 1;
            let id = format!("o-{}", self.published);
            let message = Message::of_type("postal.item", &id, &self.body);
            let outcome = self.sender.publish(&message.header("to", "customs/main"));
            assert_eq!(outcome.returned, None, "accepted");
            let took = self.clock.monotonic().saturating_sub(due);
            waited.confirmed.saturating_record(micros(took));
            all_due.push(due);
        }
        while came.len() < all_due.len() {
            let delivery = self.delivered.recv_timeout(DELIVERED_WITHIN);
            came.push(delivery.expect("a delivery"));
        }
        for (due, came) in all_due.into_iter().zip(came) {
            let came = came + self.later;
            let took = came.saturating_sub(due);
            waited.delivered.saturating_record(micros(took));
        }
        waited
    }

    fn receive_until(&self, due: Duration, came: &mut Vec<Duration>) {
        loop {
            let left = due.saturating_sub(self.clock.monotonic());
            match self.delivered.recv_timeout(left) {
                Ok(at) => came.push(at),
                Err(RecvTimeoutError::Timeout) => return,
                Err(RecvTimeoutError::Disconnected) => panic!("the recipient was cut"),
            }
        }
    }
}
