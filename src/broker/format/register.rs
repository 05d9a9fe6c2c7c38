//! Standing facts and what stands behind them, as a snapshot has them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use super::form::{Form, form, put_count};
use super::take::{Malformed, Take};
use crate::agency::registry::Party;
use crate::broker::register::{CaseFile, CaseState, OpenOrder, Opened, OrderKey, Orders, Register};
use crate::message::id::{AgencyId, KeyedDigest};
use crate::message::time::Timestamp;
use crate::policy::measures::Measures;
use crate::policy::standing::{ByKey, Case, CaseId, Standing, Versioned};

form!(Register {
    standing: Arc<Standing>,
    cases: BTreeMap<CaseId, CaseFile>,
    opened: BTreeMap<AgencyId, Opened>,
    orders: Orders,
});

form!(Standing {
    cases: ByKey<CaseId, Case>,
    newest_case: u64,
    measures: ByKey<AgencyId, Measures>,
    bans: ByKey<(CaseId, Party), BTreeSet<AgencyId>>,
    orders: ByKey<KeyedDigest, BTreeMap<Party, Option<Timestamp>>>,
});

form!(Case {
    areas: BTreeSet<String>,
    members: BTreeSet<AgencyId>,
});

form!(CaseFile {
    opener: AgencyId,
    opened: Timestamp,
    taken: BTreeSet<KeyedDigest>,
    bound: BTreeSet<Party>,
    state: CaseState,
});

form!(Opened {
    open: usize,
    closed: VecDeque<CaseId>,
});

form!(OpenOrder {
    subjects: Vec<KeyedDigest>,
    holders: BTreeSet<Party>,
    deadline: Timestamp,
    message: KeyedDigest,
});

/// The open ones; what finds them is made anew.
impl<'a> Form<'a> for Orders {
    const LEAST: usize = 4;

    fn put(&self, out: &mut Vec<u8>) {
        self.open.put(out);
    }

    fn take(from: &mut Take<'a>) -> Result<Self, Malformed> {
        let open: BTreeMap<OrderKey, OpenOrder> = Form::take(from)?;
        let mut orders = Self::default();
        for (key, order) in open {
            orders.open(key, order);
        }
        Ok(orders)
    }
}

impl<'a, T: Form<'a>> Form<'a> for Versioned<T> {
    const LEAST: usize = 8 + T::LEAST;

    fn put(&self, out: &mut Vec<u8>) {
        self.epoch.put(out);
        self.value.put(out);
    }

    fn take(from: &mut Take<'a>) -> Result<Self, Malformed> {
        Ok(Self {
            epoch: Form::take(from)?,
            value: Form::take(from)?,
        })
    }
}

impl<'a, K: Form<'a> + Ord, V: Form<'a>> Form<'a> for ByKey<K, V> {
    const LEAST: usize = 4;

    fn put(&self, out: &mut Vec<u8>) {
        put_count(self.size(), out);
        for (key, value) in self {
            key.put(out);
            value.put(out);
        }
    }

    fn take(from: &mut Take<'a>) -> Result<Self, Malformed> {
        let items: BTreeMap<K, Versioned<V>> = Form::take(from)?;
        Ok(items.into_iter().collect())
    }
}
