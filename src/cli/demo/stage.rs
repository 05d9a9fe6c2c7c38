//! The agencies: one connection each, what arrives there, and what is not as it should be.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use tokio::time::timeout;

use crate::broker::notice::Notice;
use crate::cli::client::{Arrival, Broker, Client, ClientError, Inbox};
use crate::cli::failed::Failed;
use crate::cli::output;
use crate::message::id::{SystemId, UnitId};

/// Far beyond what a debug build needs on a busy machine.
pub(super) const ARRIVES_WITHIN: Duration = Duration::from_secs(10);
const LOOKS_EVERY: Duration = Duration::from_millis(20);

/// Who takes part: a unit, and the system by which it is connected.
const CAST: [(&str, &str); 6] = [
    ("customs/main", "customs/declarations"),
    ("customs/investigation", "customs/investigation"),
    ("police/main", "police/operations"),
    ("environment/main", "environment/permits"),
    ("post/main", "post/items"),
    ("customs-xa/main", "customs-xa/gateway"),
];

/// A unit's connected system.
pub(super) struct Seat {
    pub(super) unit: UnitId,
    pub(super) system: SystemId,
    pub(super) client: Client,
    pub(super) inbox: Inbox,
    pub(super) receipts: Inbox,
}

/// What a unit has had so far; kept when its connection is lost.
#[derive(Debug, Default, Clone)]
pub(super) struct Counters {
    /// The number of its last delivery: they have no gap.
    pub(super) delivered: u64,
    /// The number of its own last exchange: they have no gap either.
    pub(super) sent: u64,
    /// The id of its last delivery, to answer it.
    pub(super) last_id: String,
}

/// All units, and what was not as it should be.
pub(super) struct Stage {
    pub(super) seats: Vec<Seat>,
    pub(super) counters: BTreeMap<String, Counters>,
    pub(super) surprises: Vec<String>,
}

impl Seat {
    async fn take(broker: &Broker, unit: &str, system: &str) -> Result<Self, Failed> {
        let unit: UnitId = unit.parse().map_err(Failed::cannot_run)?;
        let system: SystemId = system.parse().map_err(Failed::cannot_run)?;
        let client = Client::connect(broker, &system).await?;
        let inbox = client.consume(&queue(&unit, "inbox")).await?;
        let receipts = client.consume(&queue(&unit, "receipts")).await?;
        Ok(Self {
            unit,
            system,
            client,
            inbox,
            receipts,
        })
    }

    /// What is here in either queue once the broker has sent all that it had for this client,
    /// acknowledged.
    pub(super) async fn rest(&mut self) -> Result<Rest, ClientError> {
        // Asked on the channel of both consumers, so the answer comes after their deliveries.
        self.client.waiting(&queue(&self.unit, "receipts")).await?;
        let mut rest = Rest::default();
        while let Some(arrival) = self.inbox.here()? {
            arrival.ack().await?;
            rest.inbox.push(arrival);
        }
        while let Some(arrival) = self.receipts.here()? {
            arrival.ack().await?;
            rest.receipts.push(arrival);
        }
        Ok(rest)
    }

    /// Messages in its queues that are not settled, or not delivered at all.
    async fn unsettled(&self) -> Result<u32, ClientError> {
        let inbox = self.client.waiting(&queue(&self.unit, "inbox")).await?;
        let receipts = self.client.waiting(&queue(&self.unit, "receipts")).await?;
        Ok(inbox + receipts)
    }
}

/// What had arrived beyond what was waited for.
#[derive(Default)]
pub(super) struct Rest {
    pub(super) inbox: Vec<Arrival>,
    pub(super) receipts: Vec<Arrival>,
}

impl Stage {
    pub(super) async fn open(broker: &Broker) -> Result<Self, Failed> {
        let mut stage = Self {
            seats: Vec::new(),
            counters: BTreeMap::new(),
            surprises: Vec::new(),
        };
        stage.seat_all(broker).await?;
        Ok(stage)
    }

    /// Connects all units, anew after a crash.
    pub(super) async fn seat_all(&mut self, broker: &Broker) -> Result<(), Failed> {
        self.seats.clear();
        for (unit, system) in CAST {
            self.seats.push(Seat::take(broker, unit, system).await?);
            self.counters.entry(unit.to_owned()).or_default();
        }
        Ok(())
    }

    /// The seat of a unit.
    pub(super) fn unit(&mut self, unit: &str) -> Result<&mut Seat, Failed> {
        let mut seats = self.seats.iter_mut();
        let seat = seats.find(|seat| seat.unit.to_string() == unit);
        seat.ok_or_else(|| Failed::cannot_run(format!("the story has no unit {unit}")))
    }

    /// The seat of a system.
    pub(super) fn system(&self, system: &str) -> Result<&Seat, Failed> {
        let seat = self
            .seats
            .iter()
            .find(|seat| seat.system.to_string() == system);
        seat.ok_or_else(|| Failed::cannot_run(format!("the story has no system {system}")))
    }

    /// What a unit has had so far.
    pub(super) fn counters(&mut self, unit: &str) -> &mut Counters {
        self.counters.entry(unit.to_owned()).or_default()
    }

    /// Says at once what is not as it should be, and remembers it for the exit code.
    pub(super) fn surprise(&mut self, says: String) -> Result<(), Failed> {
        let told = output::line(&format!("       !! SURPRISE: {says}"));
        self.surprises.push(says);
        told
    }

    /// The next delivery of a unit, acknowledged. None, and a surprise, where none comes.
    pub(super) async fn delivery(&mut self, unit: &str) -> Result<Option<Arrival>, Failed> {
        let next = timeout(ARRIVES_WITHIN, self.unit(unit)?.inbox.next()).await;
        let Ok(arrival) = next else {
            self.surprise(format!("{unit} did not get what it was to get"))?;
            return Ok(None);
        };
        let arrival = arrival?;
        arrival.ack().await?;
        Ok(Some(arrival))
    }

    /// The next receipt of a unit, acknowledged. None, and a surprise, where none comes.
    pub(super) async fn receipt(&mut self, unit: &str) -> Result<Option<(String, Value)>, Failed> {
        let arrival = loop {
            let next = timeout(ARRIVES_WITHIN, self.unit(unit)?.receipts.next()).await;
            let Ok(arrival) = next else {
                self.surprise(format!("{unit} did not get a receipt"))?;
                return Ok(None);
            };
            let arrival = arrival?;
            arrival.ack().await?;
            // That something waits for an officer is told there, too.
            if arrival.key != Notice::KEY {
                break arrival;
            }
        };
        let body = serde_json::from_slice(&arrival.body).map_err(Failed::cannot_run)?;
        Ok(Some((arrival.correlation_id, body)))
    }

    /// Makes sure that no unit has got more than was expected and taken.
    pub(super) async fn nothing_more(&mut self) -> Result<(), Failed> {
        let mut surprises = Vec::new();
        for seat in &mut self.seats {
            let rest = seat.rest().await?;
            let unit = &seat.unit;
            let receipts = rest.receipts.into_iter().filter(|it| it.key != Notice::KEY);
            for arrival in rest.inbox.into_iter().chain(receipts) {
                let key = arrival.key;
                surprises.push(format!("{unit} got {key}, which it was not to get"));
            }
        }
        for says in surprises {
            self.surprise(says)?;
        }
        Ok(())
    }

    /// Waits until every queue is empty: all that was acknowledged is settled.
    pub(super) async fn all_settled(&mut self) -> Result<(), Failed> {
        let mut surprises = Vec::new();
        for seat in &self.seats {
            let settled = async {
                let mut pace = tokio::time::interval(LOOKS_EVERY);
                while seat.unsettled().await? > 0 {
                    pace.tick().await;
                }
                Ok::<(), ClientError>(())
            };
            match timeout(ARRIVES_WITHIN, settled).await {
                Ok(settled) => settled?,
                Err(_) => surprises.push(format!("{}'s queues do not empty", seat.unit)),
            }
        }
        for says in surprises {
            self.surprise(says)?;
        }
        Ok(())
    }

    pub(super) async fn close(self) -> Result<(), Failed> {
        for seat in self.seats {
            seat.client.close().await?;
        }
        Ok(())
    }
}

/// The name of a unit's standing queue.
fn queue(unit: &UnitId, kind: &str) -> String {
    match unit.unit.as_str() {
        "main" => kind.to_owned(),
        other => format!("{kind}.{other}"),
    }
}
