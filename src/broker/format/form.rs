//! Forms: how a value stands on disk, and the forms that others are made of.
//!
//! ```text
//! number          fixed width, little endian; signed ones in two's complement
//! time            i64, milliseconds since 1970; a span of time u64, milliseconds
//! name            length u8 | UTF-8
//! text, octets    length u32 | content
//! list, set, map  count u32 | items; those of a set or map in strictly ascending order
//! optional        0, or 1 | value
//! yes or no       0 or 1
//! word            number u8 of `words`, and for some what goes with it
//! ```
//! A value has one spelling: what reads back differently from how it was written is an error.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::take::{Malformed, Take};

/// A value's form on disk. What is read may borrow from the octets.
pub(crate) trait Form<'a>: Sized {
    /// The least octets that it takes, at least 1.
    const LEAST: usize;

    /// Appends its octets.
    fn put(&self, out: &mut Vec<u8>);

    /// Reads it back.
    fn take(from: &mut Take<'a>) -> Result<Self, Malformed>;
}

/// Reads one value that fills `octets`.
pub(crate) fn whole<'a, T: Form<'a>>(octets: &'a [u8]) -> Result<T, Malformed> {
    let mut from = Take::new(octets);
    let value = T::take(&mut from)?;
    from.end()?;
    Ok(value)
}

/// Reads the value that stands in front, and gives what stands behind it.
pub(crate) fn front<'a, T: Form<'a>>(octets: &'a [u8]) -> Result<(T, &'a [u8]), Malformed> {
    let mut from = Take::new(octets);
    Ok((T::take(&mut from)?, from.rest()))
}

/// A value's octets.
pub(crate) fn octets<'a>(value: &impl Form<'a>) -> Vec<u8> {
    let mut out = Vec::new();
    value.put(&mut out);
    out
}

/// The layout of a structure: its fields in the order in which they stand on disk, and behind a
/// semicolon those that stand elsewhere or follow from the others, and are read as their default. A
/// field that is not named here, or no longer there, does not compile.
macro_rules! form {
    ($name:ty { $($field:ident: $type:ty),+ $(,)? $(; $($made:ident),+ $(,)?)? }) => {
        impl<'a> $crate::broker::format::form::Form<'a> for $name {
            const LEAST: usize = 0 $(+ <$type as $crate::broker::format::form::Form<'a>>::LEAST)+;

            fn put(&self, out: &mut Vec<u8>) {
                let Self { $($field,)+ $($($made: _,)+)? } = self;
                $(<$type as $crate::broker::format::form::Form<'a>>::put($field, out);)+
            }

            fn take(
                from: &mut $crate::broker::format::take::Take<'a>,
            ) -> Result<Self, $crate::broker::format::take::Malformed> {
                $(let $field = <$type as $crate::broker::format::form::Form<'a>>::take(from)?;)+
                Ok(Self { $($field,)+ $($($made: Default::default(),)+)? })
            }
        }
    };
}
pub(super) use form;

/// Appends a length or count in 32 bits.
pub(crate) fn put_count(count: usize, out: &mut Vec<u8>) {
    let short = u32::try_from(count);
    // The broker's limits are far below; a cut count would be a record that nobody can read.
    assert!(short.is_ok(), "{count} items or octets in one list");
    out.extend_from_slice(&short.unwrap_or_default().to_le_bytes());
}

/// Appends octets behind their length in 32 bits.
pub(crate) fn put_long(octets: &[u8], out: &mut Vec<u8>) {
    put_count(octets.len(), out);
    out.extend_from_slice(octets);
}

/// Appends a name behind its length in 8 bits.
pub(crate) fn put_short(name: &str, out: &mut Vec<u8>) {
    let length = u8::try_from(name.len());
    assert!(length.is_ok(), "a name of {} octets", name.len());
    out.push(length.unwrap_or_default());
    out.extend_from_slice(name.as_bytes());
}

/// Appends what `write` writes behind its length in 32 bits.
pub(crate) fn put_measured(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let at = out.len();
    out.extend_from_slice(&[0; 4]);
    write(out);
    let length = u32::try_from(out.len().saturating_sub(at + 4));
    assert!(length.is_ok(), "a part of more than 4 GiB");
    if let Some(place) = out.get_mut(at..at + 4) {
        place.copy_from_slice(&length.unwrap_or_default().to_le_bytes());
    }
}

/// Appends a list.
pub(crate) fn put_list<'v, 'a, T: Form<'a> + 'v>(
    items: impl ExactSizeIterator<Item = &'v T>,
    out: &mut Vec<u8>,
) {
    put_count(items.len(), out);
    items.for_each(|item| item.put(out));
}

macro_rules! numbers {
    ($($number:ty),+) => {$(
        impl<'a> Form<'a> for $number {
            const LEAST: usize = size_of::<$number>();

            fn put(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }

            fn take(from: &mut Take<'a>) -> Result<Self, Malformed> {
                Ok(Self::from_le_bytes(from.array()?))
            }
        }
    )+};
}
numbers!(u8, u16, u32, u64, i64);

impl<'a, const N: usize> Form<'a> for [u8; N] {
    const LEAST: usize = N;

    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self);
    }

    fn take(from: &mut Take<'a>) -> Result<Self, Malformed> {
        from.array()
    }
}

/// A place or a count in memory, in 32 bits.
impl<'a> Form<'a> for usize {
    const LEAST: usize = 4;

    fn put(&self, out: &mut Vec<u8>) {
        put_count(*self, out);
    }

    fn take(from: &mut Take<'a>) -> Result<Self, Malformed> {
        let before = from.malformed();
        Self::try_from(u32::take(from)?).map_err(|_| before)
    }
}

impl<'a> Form<'a> for bool {
    const LEAST: usize = 1;

    fn put(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }

    fn take(from: &mut Take<'a>) -> Result<Self, Malformed> {
        let before = from.malformed();
        match from.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(before),
        }
    }
}

impl<'a> Form<'a> for Duration {
    const LEAST: usize = 8;

    fn put(&self, out: &mut Vec<u8>) {
        let ms = u64::try_from(self.as_millis());
        ms.unwrap_or(u64::MAX).put(out);
    }

    fn take(from: &mut Take<'a>) -> Result<Self, Malformed> {
        Ok(Self::from_millis(u64::take(from)?))
    }
}

macro_rules! texts {
    ($($text:ty),+) => {$(
        impl<'a> Form<'a> for $text {
            const LEAST: usize = 4;

            fn put(&self, out: &mut Vec<u8>) {
                put_long(self.as_bytes(), out);
            }

            fn take(from: &mut Take<'a>) -> Result<Self, Malformed> {
                Ok(from.text()?.into())
            }
        }
    )+};
}
texts!(String, Arc<str>);

/// Octets that stay where they were read.
impl<'a> Form<'a> for &'a [u8] {
    const LEAST: usize = 4;

    fn put(&self, out: &mut Vec<u8>) {
        put_long(self, out);
    }

    fn take(from: &mut Take<'a>) -> Result<Self, Malformed> {
        from.long()
    }
}

/// A text that stays where it was read.
impl<'a> Form<'a> for &'a str {
    const LEAST: usize = 4;

    fn put(&self, out: &mut Vec<u8>) {
        put_long(self.as_bytes(), out);
    }

    fn take(from: &mut Take<'a>) -> Result<Self, Malformed> {
        from.text()
    }
}

impl<'a, T: Form<'a>> Form<'a> for Option<T> {
    const LEAST: usize = 1;

    fn put(&self, out: &mut Vec<u8>) {
        self.is_some().put(out);
        if let Some(value) = self {
            value.put(out);
        }
    }

    fn take(from: &mut Take<'a>) -> Result<Self, Malformed> {
        Ok(if bool::take(from)? {
            Some(T::take(from)?)
        } else {
            None
        })
    }
}

impl<'a, T: Form<'a>> Form<'a> for Box<T> {
    const LEAST: usize = T::LEAST;

    fn put(&self, out: &mut Vec<u8>) {
        T::put(self, out);
    }

    fn take(from: &mut Take<'a>) -> Result<Self, Malformed> {
        Ok(Self::new(T::take(from)?))
    }
}

/// As what is shared.
impl<'a, T: Form<'a>> Form<'a> for Arc<T> {
    const LEAST: usize = T::LEAST;

    fn put(&self, out: &mut Vec<u8>) {
        T::put(self, out);
    }

    fn take(from: &mut Take<'a>) -> Result<Self, Malformed> {
        Ok(Self::new(T::take(from)?))
    }
}

impl<'a, T: Form<'a>> Form<'a> for Vec<T> {
    const LEAST: usize = 4;

    fn put(&self, out: &mut Vec<u8>) {
        put_list(self.iter(), out);
    }

    fn take(from: &mut Take<'a>) -> Result<Self, Malformed> {
        let count = from.count(T::LEAST)?;
        (0..count).map(|_| T::take(from)).collect()
    }
}

impl<'a, T: Form<'a>> Form<'a> for VecDeque<T> {
    const LEAST: usize = 4;

    fn put(&self, out: &mut Vec<u8>) {
        put_list(self.iter(), out);
    }

    fn take(from: &mut Take<'a>) -> Result<Self, Malformed> {
        Vec::take(from).map(Self::from)
    }
}

impl<'a, T: Form<'a> + Ord> Form<'a> for BTreeSet<T> {
    const LEAST: usize = 4;

    fn put(&self, out: &mut Vec<u8>) {
        put_list(self.iter(), out);
    }

    fn take(from: &mut Take<'a>) -> Result<Self, Malformed> {
        let before = from.malformed();
        let items = Vec::<T>::take(from)?;
        let ascends = items.is_sorted_by(|one, next| one < next);
        ascends.then(|| Self::from_iter(items)).ok_or(before)
    }
}

impl<'a, K: Form<'a> + Ord, V: Form<'a>> Form<'a> for BTreeMap<K, V> {
    const LEAST: usize = 4;

    fn put(&self, out: &mut Vec<u8>) {
        put_count(self.len(), out);
        for (key, value) in self {
            key.put(out);
            value.put(out);
        }
    }

    fn take(from: &mut Take<'a>) -> Result<Self, Malformed> {
        let before = from.malformed();
        let items = Vec::<(K, V)>::take(from)?;
        let ascends = items.is_sorted_by(|(one, _), (next, _)| one < next);
        ascends.then(|| Self::from_iter(items)).ok_or(before)
    }
}

impl<'a, A: Form<'a>, B: Form<'a>> Form<'a> for (A, B) {
    const LEAST: usize = A::LEAST + B::LEAST;

    fn put(&self, out: &mut Vec<u8>) {
        self.0.put(out);
        self.1.put(out);
    }

    fn take(from: &mut Take<'a>) -> Result<Self, Malformed> {
        Ok((A::take(from)?, B::take(from)?))
    }
}

impl<'a, A: Form<'a>, B: Form<'a>, C: Form<'a>> Form<'a> for (A, B, C) {
    const LEAST: usize = A::LEAST + B::LEAST + C::LEAST;

    fn put(&self, out: &mut Vec<u8>) {
        self.0.put(out);
        self.1.put(out);
        self.2.put(out);
    }

    fn take(from: &mut Take<'a>) -> Result<Self, Malformed> {
        Ok((A::take(from)?, B::take(from)?, C::take(from)?))
    }
}
