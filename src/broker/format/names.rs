//! Forms of names, numbers and digests.

use super::form::{Form, form, put_short};
use super::take::{Malformed, Take};
use crate::agency::keys::{KeyCheck, RetentionClass, SealedPart};
use crate::agency::registry::Party;
use crate::broker::record::QueueId;
use crate::broker::register::OrderKey;
use crate::journal::Lsn;
use crate::message::bundle::Bundle;
use crate::message::id::{
    AgencyId, Digest, ExchangeId, KeyedDigest, Mask, MessageType, OfficerName, Purpose, SystemId,
    SystemName, UnitId, UnitName,
};
use crate::message::time::Timestamp;
use crate::policy::standing::CaseId;
use crate::policy::words::PolicyId;

macro_rules! names {
    ($($name:ty),+ $(,)?) => {$(
        impl<'a> Form<'a> for $name {
            const LEAST: usize = 1;

            fn put(&self, out: &mut Vec<u8>) {
                put_short(self.as_str(), out);
            }

            fn take(from: &mut Take<'a>) -> Result<Self, Malformed> {
                let before = from.malformed();
                from.short()?.parse().map_err(|_| before)
            }
        }
    )+};
}
names!(
    AgencyId,
    CaseId,
    MessageType,
    OfficerName,
    PolicyId,
    Purpose,
    SystemName,
    UnitName,
);

form!(UnitId {
    agency: AgencyId,
    unit: UnitName,
});
form!(SystemId {
    agency: AgencyId,
    system: SystemName,
});
form!(OrderKey {
    number: KeyedDigest,
    owner: Party,
});

/// Values of one field.
macro_rules! wrapped {
    ($($name:ident($inside:ty)),+ $(,)?) => {$(
        impl<'a> Form<'a> for $name {
            const LEAST: usize = <$inside as Form<'a>>::LEAST;

            fn put(&self, out: &mut Vec<u8>) {
                self.0.put(out);
            }

            fn take(from: &mut Take<'a>) -> Result<Self, Malformed> {
                Ok(Self(Form::take(from)?))
            }
        }
    )+};
}
wrapped!(
    Digest([u8; 32]),
    ExchangeId([u8; 16]),
    KeyCheck([u8; 16]),
    KeyedDigest([u8; 16]),
    Lsn(u64),
    QueueId(u64),
);

impl<'a> Form<'a> for Timestamp {
    const LEAST: usize = 8;

    fn put(&self, out: &mut Vec<u8>) {
        self.as_millis().put(out);
    }

    fn take(from: &mut Take<'a>) -> Result<Self, Malformed> {
        Ok(Self::from_millis(i64::take(from)?))
    }
}

impl<'a> Form<'a> for Mask {
    const LEAST: usize = 4;

    fn put(&self, out: &mut Vec<u8>) {
        self.bits().put(out);
    }

    fn take(from: &mut Take<'a>) -> Result<Self, Malformed> {
        let before = from.malformed();
        Self::from_bits(u32::take(from)?).ok_or(before)
    }
}

/// Its class, the key's id, the content behind its length, the tag.
impl<'a> Form<'a> for SealedPart {
    const LEAST: usize = 30;

    fn put(&self, out: &mut Vec<u8>) {
        self.class().days().put(out);
        self.key().put(out);
        super::form::put_long(self.sealed(), out);
        self.tag().put(out);
    }

    fn take(from: &mut Take<'a>) -> Result<Self, Malformed> {
        let before = from.malformed();
        let class = RetentionClass::days_of(Form::take(from)?);
        let (key, content, tag) = (Form::take(from)?, from.long()?, from.array()?);
        Self::of(class, key, content.to_vec(), tag).map_err(|_| before)
    }
}

/// Paths with the octets of their files.
impl<'a> Form<'a> for Bundle {
    const LEAST: usize = 4;

    fn put(&self, out: &mut Vec<u8>) {
        super::form::put_count(self.files().count(), out);
        for (path, content) in self.files() {
            super::form::put_long(path.as_bytes(), out);
            super::form::put_long(content, out);
        }
    }

    fn take(from: &mut Take<'a>) -> Result<Self, Malformed> {
        let mut bundle = Self::default();
        let mut last: Option<&str> = None;
        for _ in 0..from.count(8)? {
            let before = from.malformed();
            let path = from.text()?;
            if last.is_some_and(|last| last >= path) {
                return Err(before);
            }
            bundle.insert(path, from.long()?);
            last = Some(path);
        }
        Ok(bundle)
    }
}
