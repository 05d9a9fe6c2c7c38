//! Publishes of a random life, and what must become of each.

use carnet::message::id::ExchangeId;

use super::measured::HALF;
use super::*;
use crate::ring::ring;

impl Life {
    pub(super) fn publish(&mut self, kind: usize, id: usize, late: bool, turn: &mut Turn) {
        let (place, example, header) = KINDS[kind];
        let message_id = format!("r-{id}");
        let publish = match example {
            "case.open" => {
                let body = r#"{"CaseID": "C-1", "Areas": ["ipr"], "Invites": ["police"]}"#;
                publish(example, &message_id, body.as_bytes(), &[])
            }
            "case.join" | "case.close" => {
                publish(example, &message_id, br#"{"CaseID": "C-1"}"#, &[])
            }
            example => {
                let headers = [header];
                let given = matches!(header.0, "to" | "case" | "purpose");
                let headers = if given { &headers[..] } else { &[] };
                let mut publish = self.border.publish(example, &message_id, headers);
                publish.expiration = (header.0 == "expires").then(|| header.1.to_owned());
                publish
            }
        };
        let admitted = self.admitted(place, &publish);
        let seen = self.seen();
        let it = &mut self.places[place];
        it.serials += 1;
        let origin = Origin {
            connection: it.connection,
            channel: 1,
            serial: it.serials,
            confirm: Some(wide(id)),
        };
        it.line.push(Sent {
            origin,
            place,
            kind,
            id,
            publish,
            admitted,
            seen,
        });
        if !late {
            for sent in std::mem::take(&mut self.places[place].line) {
                self.submit(sent, turn);
            }
        }
    }

    fn admitted(&self, place: usize, publish: &Publish) -> Admitted {
        Admitted::new(&self.places[place].peer, publish, &self.view(), self.now)
    }

    pub(super) fn submit(&mut self, sent: Sent, turn: &mut Turn) {
        let seen = self.seen();
        let changed = sent.seen.epoch != seen.epoch || sent.seen.standing != seen.standing;
        // An order holds up to its deadline.
        let changed = changed || self.now.since(sent.seen.now) >= HALF;
        let is_new = sent.seen == seen;
        let fresh = if is_new {
            sent.admitted.clone()
        } else {
            self.admitted(sent.place, &sent.publish)
        };
        let is_next = sent.origin.serial == self.places[sent.place].told + 1;
        let submit = Command::Submit(sent.origin, sent.admitted.submission());
        let mut come = self.take(submit, turn);
        let effect = come.effects.pop().expect("one answer");
        assert!(come.effects.is_empty(), "{come:?}");
        if let Effect::Again(origin, _) = effect {
            assert_eq!(origin, sent.origin);
            assert!(come.records.is_empty(), "{come:?}");
            assert!(!is_next || changed, "it rests on what is so");
            let behind = "went back behind another";
            self.seen.insert(if is_next { "went back" } else { behind });
            self.back.push(Sent {
                admitted: fresh,
                seen,
                ..sent
            });
            return;
        }
        assert!(is_next, "out of its turn");
        self.places[sent.place].told += 1;
        let record = come.records.pop();
        assert!(come.records.is_empty(), "{come:?}");
        self.outcome(&sent, &fresh, (effect, record));
    }

    fn outcome(&mut self, sent: &Sent, fresh: &Admitted, told: (Effect, Option<(Lsn, Record)>)) {
        let unit = self.places[sent.place].peer.unit.id.clone();
        let key = (unit, sent.id);
        match (fresh.verdict(), self.known.get(&key).cloned()) {
            (Verdict::Case { .. }, _) => self.case(sent, told),
            (Verdict::Rejected { .. }, _) => self.rejected(sent, told),
            (Verdict::Ruled(_), Some(known)) if known.kind != sent.kind => {
                self.rejected(sent, told);
            }
            (Verdict::Ruled(_), Some(known)) if !known.refused => {
                let is = matches!(told.0, Effect::Repeated { refused: None, .. });
                assert!(is && told.1.is_none(), "{told:?}");
                self.seen.insert("repeated");
            }
            (Verdict::Ruled(ruled), known) => {
                let had = known.as_ref().map(|known| known.had.clone());
                let fresh = without(ruled.exchange(), &had.clone().unwrap_or_default());
                let refused = ruled.refusal().is_some();
                let repeated = match &told.0 {
                    Effect::Outcome { returned, .. } => {
                        assert_eq!(returned.is_some(), refused);
                        false
                    }
                    Effect::Repeated {
                        refused: Some(_), ..
                    } => {
                        assert!(refused && known.is_some(), "it is another outcome");
                        self.seen.insert("refused again");
                        true
                    }
                    other => panic!("{other:?}"),
                };
                let mut had = had.unwrap_or_default();
                match told.1 {
                    Some((at, Record::Exchange(exchange))) => {
                        if repeated {
                            self.seen.insert("refused, and reached another");
                        }
                        self.exchanged(sent, (at, &exchange), &fresh, repeated);
                    }
                    None => assert!(repeated && reached(&fresh).next().is_none()),
                    other => panic!("{other:?}"),
                }
                let hidden = fresh.recipients.iter().filter(|it| !it.known);
                let hidden = hidden.filter(|it| matches!(it.outcome, Outcome::Released(_)));
                had.extend(hidden.map(|it| it.unit.clone()));
                let kind = sent.kind;
                self.known.insert(key, Known { kind, refused, had });
            }
        }
    }

    /// An exchange is recorded as policy rules at this moment, and put where that says.
    fn exchanged(
        &mut self,
        sent: &Sent,
        recorded: (Lsn, &Exchange),
        fresh: &Exchange,
        repeated: bool,
    ) {
        let (at, exchange) = recorded;
        let unit = &exchange.unit;
        let numbers = self.numbers.entry(unit.clone()).or_default();
        if !repeated {
            numbers.0 += 1;
        }
        let (number, receipts) = (numbers.0, self.naive.of_kind(unit, QueueKind::Receipts));
        let told = (!repeated).then_some((number, receipts));
        assert_eq!(exchange.number.zip(exchange.receipt), told);
        assert_eq!(exchange.recipients.len(), fresh.recipients.len());
        let ttl = sent.publish.expiration.as_ref();
        let ttl = ttl.map(|ms| Duration::from_millis(ms.parse().unwrap()));
        let deadline = ttl.map(|ttl| sent.seen.now.plus(ttl));
        let key = format!("{}.{}", sent.publish.message_type, unit.agency);
        for (recipient, due) in exchange.recipients.iter().zip(&fresh.recipients) {
            assert_eq!((&recipient.unit, recipient.known), (&due.unit, due.known));
            let (Outcome::Released(is), Outcome::Released(due)) =
                (&recipient.outcome, &due.outcome)
            else {
                assert_eq!(recipient.outcome, due.outcome);
                continue;
            };
            assert_eq!(
                (is.mask, &is.policies, is.retain_days, is.onward),
                (due.mask, &due.policies, due.retain_days, due.onward)
            );
            let queues = self.naive.routed(&recipient.unit, &key);
            let numbers = self.numbers.entry(recipient.unit.clone()).or_default();
            numbers.1 += 1;
            assert_eq!((is.number, &is.queues), (numbers.1, &queues));
            for queue in queues {
                let entry = Entry::new(at, deadline).released(is.mask);
                self.naive.put(queue, at, entry);
            }
        }
        if !repeated {
            self.naive.put(receipts, at, Entry::new(at, None));
        }
    }

    /// A rejection has a record and a receipt, and its sender is told.
    fn rejected(&mut self, sent: &Sent, told: (Effect, Option<(Lsn, Record)>)) {
        let (effect, record) = told;
        let Some((at, Record::Rejected(rejected))) = record else {
            panic!("{record:?}");
        };
        let Effect::Outcome { returned, .. } = effect else {
            panic!("{effect:?}");
        };
        let unit = self.places[sent.place].peer.unit.id.clone();
        let numbers = self.numbers.entry(unit.clone()).or_default();
        numbers.0 += 1;
        let receipts = self.naive.of_kind(&unit, QueueKind::Receipts);
        assert_eq!(
            (rejected.number, rejected.receipt),
            (numbers.0, Some(receipts))
        );
        assert_eq!(returned.map(|told| told.0.code), Some(rejected.code));
        self.naive.put(receipts, at, Entry::new(at, None));
    }

    fn case(&mut self, sent: &Sent, told: (Effect, Option<(Lsn, Record)>)) {
        let Case {
            opened,
            joined,
            closed,
        } = self.case;
        let is_open = opened && !closed;
        let (changes, is_so) = match &*sent.publish.message_type {
            "case.open" => (!opened, is_open),
            "case.join" => (is_open && !joined, is_open && joined),
            _ => (is_open, closed),
        };
        if !changes && !is_so {
            return self.rejected(sent, told);
        }
        let is = matches!(told.0, Effect::Outcome { returned: None, .. });
        assert!(is, "{told:?}");
        match told.1 {
            None => assert!(is_so),
            Some((_, Record::Case(change))) => {
                assert!(changes, "{change:?}");
                self.seen.insert("a case changed");
                match change.what {
                    CaseStep::Open { .. } => self.case.opened = true,
                    CaseStep::Join => self.case.joined = true,
                    CaseStep::Close => self.case.closed = true,
                }
            }
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn private(&mut self, queue: usize, copies: bool, brief: bool, turn: &mut Turn) {
        let copies = if copies { &OWN[..] } else { &[] };
        let keys: Vec<&str> = std::iter::once(OWN[queue])
            .chain(copies.iter().copied().filter(|name| *name != OWN[queue]))
            .collect();
        let unit = self.places[CUSTOMS].peer.unit.id.clone();
        let named = keys.iter().filter_map(|name| self.naive.named(&unit, name));
        let queues: Vec<QueueId> = named.collect();
        let party = self.core.ledger().party(&unit);
        let octets = private_frame(self.privates + 1, &keys).octets().len();
        let kept = self.core.ledger().kept_by(&party).and(Volume {
            messages: wide(queues.len()),
            octets: wide(queues.len() * octets),
        });
        self.privates += 1;
        let origin = Origin {
            connection: self.places[CUSTOMS].connection,
            channel: 2,
            serial: self.privates,
            confirm: Some(self.privates),
        };
        let ttl = brief.then(|| Duration::from_millis(35));
        let private = private(origin, &keys, ttl);
        let mut come = self.take(private, turn);
        let (effect, record) = (come.effects.pop().unwrap(), come.records.pop());
        assert!(
            come.effects.is_empty() && come.records.is_empty(),
            "{come:?}"
        );
        match (effect, record) {
            (Effect::Outcome { returned, .. }, None) => {
                assert!(queues.is_empty());
                assert_eq!(returned.unwrap().0.code, 312);
            }
            (Effect::Outcome { returned: None, .. }, Some((at, Record::Placed(placed)))) => {
                assert!(!queues.is_empty() && kept.is_within(QUOTA));
                let deadline = ttl.map(|ttl| self.now.plus(ttl));
                assert_eq!((&placed.queues, placed.deadline), (&queues, deadline));
                self.naive.put_private(&placed, at, wide(octets));
            }
            (Effect::Nacked { why, .. }, None) => {
                assert_eq!(why, NotTaken::Quota);
                assert!(!queues.is_empty() && !kept.is_within(QUOTA));
                let many = kept.messages > QUOTA.messages;
                let large = "more octets than may be kept";
                self.seen
                    .insert(if many { "more than may be kept" } else { large });
            }
            other => panic!("{other:?}"),
        }
    }
}

/// A ruled message without those that have got it already.
fn without(exchange: &Exchange, had: &[UnitId]) -> Exchange {
    let mut exchange = exchange.clone();
    let gets = |it: &Recipient| it.known || !had.contains(&it.unit);
    exchange.recipients.retain(gets);
    exchange
}

fn reached(exchange: &Exchange) -> impl Iterator<Item = &UnitId> {
    let recipients = exchange.recipients.iter();
    let released = recipients.filter(|it| matches!(it.outcome, Outcome::Released(_)));
    released.map(|it| &it.unit)
}

/// The frame of a message of customs for itself: every third one is large.
fn private_frame(serial: u64, keys: &[&str]) -> Frame {
    let head = PrivateHead {
        exchange: "",
        routing_key: keys[0],
        raw_properties: &[],
    };
    let octets = if serial.is_multiple_of(3) { 900 } else { 8 };
    head.seal(
        &ring().sealing(ExchangeId([0; 16]), Timestamp::default()),
        &vec![7; octets],
    )
}

/// A publish of customs for itself, by these keys.
fn private(origin: Origin, keys: &[&str], ttl: Option<Duration>) -> Command {
    Command::from(Private {
        quota: QUOTA,
        unroutable: Unroutable::of(true),
        copies: keys[1..].iter().map(|key| (*key).to_owned()).collect(),
        frame: private_frame(origin.serial, keys),
        ttl,
        ..published(keys[0], origin, b"")
    })
}
