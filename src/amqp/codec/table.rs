//! Field tables and arrays, with a bound on depth and size.
//!
//! Type codes follow what brokers and clients do, not the specification's text: `s` is a 16-bit
//! integer and `x` are octets. What is only passed on is passed on raw: this decoding folds `U`
//! into `s` and `L` into `l`, and sorts the fields.

use amq_protocol::types::{AMQPValue, DecimalValue, FieldArray, FieldTable, ShortString};

use super::reader::{Malformed, Reader};
use super::writer::Writer;

/// How deep and how large a field table from a peer may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableLimits {
    /// Levels of nesting: 1 allows a table without tables in it.
    pub depth_max: u8,
    /// Octets of a table, its nested ones included.
    pub bytes_max: u32,
}

pub(super) fn short_string(text: &str) -> Result<ShortString, Malformed> {
    ShortString::try_new(text).map_err(|_| Malformed::Truncated)
}

impl Reader<'_> {
    pub(in crate::amqp) fn table(&mut self, limits: TableLimits) -> Result<FieldTable, Malformed> {
        self.nested_table(limits, 1)
    }

    fn nested_table(&mut self, limits: TableLimits, depth: u8) -> Result<FieldTable, Malformed> {
        let mut fields = self.nested(limits, depth)?;
        let mut table = FieldTable::default();
        while !fields.is_empty() {
            let name = short_string(fields.short_string()?)?;
            let value = fields.value(limits, depth)?;
            table.insert(name, value);
        }
        Ok(table)
    }

    fn nested_array(&mut self, limits: TableLimits, depth: u8) -> Result<FieldArray, Malformed> {
        let mut values = self.nested(limits, depth)?;
        let mut array = FieldArray::default();
        while !values.is_empty() {
            array.push(values.value(limits, depth)?);
        }
        Ok(array)
    }

    /// A reader over the inside of a table or array, whose limits are checked first.
    fn nested(&mut self, limits: TableLimits, depth: u8) -> Result<Self, Malformed> {
        if depth > limits.depth_max {
            return Err(Malformed::TooDeep(limits.depth_max));
        }
        let octets = Reader::new(self.rest()).long()?;
        if octets > limits.bytes_max {
            return Err(Malformed::TableTooLarge {
                octets,
                limit: limits.bytes_max,
            });
        }
        Ok(Reader::new(self.long_string()?))
    }

    fn value(&mut self, limits: TableLimits, depth: u8) -> Result<AMQPValue, Malformed> {
        let deeper = depth.saturating_add(1);
        Ok(match self.octet()? {
            b't' => AMQPValue::Boolean(self.octet()? != 0),
            b'b' => AMQPValue::ShortShortInt(i8::from_be_bytes(self.array()?)),
            b'B' => AMQPValue::ShortShortUInt(self.octet()?),
            b's' | b'U' => AMQPValue::ShortInt(i16::from_be_bytes(self.array()?)),
            b'u' => AMQPValue::ShortUInt(self.short()?),
            b'I' => AMQPValue::LongInt(i32::from_be_bytes(self.array()?)),
            b'i' => AMQPValue::LongUInt(self.long()?),
            b'l' | b'L' => AMQPValue::LongLongInt(i64::from_be_bytes(self.array()?)),
            b'f' => AMQPValue::Float(f32::from_be_bytes(self.array()?)),
            b'd' => AMQPValue::Double(f64::from_be_bytes(self.array()?)),
            b'D' => AMQPValue::DecimalValue(DecimalValue {
                scale: self.octet()?,
                value: self.long()?,
            }),
            b'S' => AMQPValue::LongString(self.long_string()?.into()),
            b'x' => AMQPValue::ByteArray(self.long_string()?.into()),
            b'T' => AMQPValue::Timestamp(self.long_long()?),
            b'V' => AMQPValue::Void,
            b'F' => AMQPValue::FieldTable(self.nested_table(limits, deeper)?),
            b'A' => AMQPValue::FieldArray(self.nested_array(limits, deeper)?),
            unknown => return Err(Malformed::UnknownType(unknown)),
        })
    }
}

impl Writer<'_> {
    pub(in crate::amqp) fn table(&mut self, table: &FieldTable) {
        let place = self.reserve_length();
        for (name, value) in table {
            self.short_string(name.as_str());
            self.value(value);
        }
        self.fill_length(place);
    }

    fn value(&mut self, value: &AMQPValue) {
        match value {
            AMQPValue::Boolean(it) => self.tagged(b't', &[u8::from(*it)]),
            AMQPValue::ShortShortInt(it) => self.tagged(b'b', &it.to_be_bytes()),
            AMQPValue::ShortShortUInt(it) => self.tagged(b'B', &it.to_be_bytes()),
            AMQPValue::ShortInt(it) => self.tagged(b's', &it.to_be_bytes()),
            AMQPValue::ShortUInt(it) => self.tagged(b'u', &it.to_be_bytes()),
            AMQPValue::LongInt(it) => self.tagged(b'I', &it.to_be_bytes()),
            AMQPValue::LongUInt(it) => self.tagged(b'i', &it.to_be_bytes()),
            AMQPValue::LongLongInt(it) => self.tagged(b'l', &it.to_be_bytes()),
            AMQPValue::Float(it) => self.tagged(b'f', &it.to_be_bytes()),
            AMQPValue::Double(it) => self.tagged(b'd', &it.to_be_bytes()),
            AMQPValue::Timestamp(it) => self.tagged(b'T', &it.to_be_bytes()),
            AMQPValue::Void => self.octet(b'V'),
            AMQPValue::DecimalValue(it) => {
                self.tagged(b'D', &[it.scale]);
                self.long(it.value);
            }
            // No type code means a short string in practice; only our own code can make one.
            AMQPValue::ShortString(it) => {
                self.octet(b'S');
                self.long_string(it.as_str().as_bytes());
            }
            AMQPValue::LongString(it) => {
                self.octet(b'S');
                self.long_string(it.as_bytes());
            }
            AMQPValue::ByteArray(it) => {
                self.octet(b'x');
                self.long_string(it.as_slice());
            }
            AMQPValue::FieldTable(it) => {
                self.octet(b'F');
                self.table(it);
            }
            AMQPValue::FieldArray(it) => {
                self.octet(b'A');
                let place = self.reserve_length();
                for value in it.as_slice() {
                    self.value(value);
                }
                self.fill_length(place);
            }
        }
    }

    fn tagged(&mut self, code: u8, octets: &[u8]) {
        self.octet(code);
        self.octets(octets);
    }
}

#[cfg(test)]
pub(in crate::amqp) mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(in crate::amqp) const LIMITS: TableLimits = TableLimits {
        depth_max: 8,
        bytes_max: 65_536,
    };

    /// Any table that AMQP 0-9-1 can carry, three levels deep.
    pub(in crate::amqp) fn any_table() -> impl Strategy<Value = FieldTable> {
        let leaf = prop_oneof![
            any::<bool>().prop_map(AMQPValue::Boolean),
            any::<i8>().prop_map(AMQPValue::ShortShortInt),
            any::<u8>().prop_map(AMQPValue::ShortShortUInt),
            any::<i16>().prop_map(AMQPValue::ShortInt),
            any::<u16>().prop_map(AMQPValue::ShortUInt),
            any::<i32>().prop_map(AMQPValue::LongInt),
            any::<u32>().prop_map(AMQPValue::LongUInt),
            any::<i64>().prop_map(AMQPValue::LongLongInt),
            any::<i32>().prop_map(|it| AMQPValue::Double(f64::from(it) / 8.0)),
            any::<i16>().prop_map(|it| AMQPValue::Float(f32::from(it) / 8.0)),
            (any::<u8>(), any::<u32>())
                .prop_map(|(scale, value)| AMQPValue::DecimalValue(DecimalValue { scale, value })),
            proptest::collection::vec(any::<u8>(), 0..40)
                .prop_map(|it| AMQPValue::LongString(it.into())),
            proptest::collection::vec(any::<u8>(), 0..40)
                .prop_map(|it| AMQPValue::ByteArray(it.into())),
            any::<u64>().prop_map(AMQPValue::Timestamp),
            Just(AMQPValue::Void),
        ];
        let value = leaf.prop_recursive(3, 24, 6, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..6)
                    .prop_map(|it| AMQPValue::FieldArray(it.into())),
                fields(inner).prop_map(AMQPValue::FieldTable),
            ]
        });
        fields(value)
    }

    fn fields(value: impl Strategy<Value = AMQPValue>) -> impl Strategy<Value = FieldTable> {
        proptest::collection::btree_map("[a-zé-]{0,12}", value, 0..6).prop_map(|map| {
            map.into_iter()
                .map(|(name, value)| (ShortString::from(name), value))
                .collect::<std::collections::BTreeMap<_, _>>()
                .into()
        })
    }

    fn encoded(table: &FieldTable) -> Vec<u8> {
        let mut octets = Vec::new();
        Writer::new(&mut octets).table(table);
        octets
    }

    proptest! {
        #[test]
        fn a_table_comes_back_as_it_went(table in any_table()) {
            let octets = encoded(&table);
            let mut reader = Reader::new(&octets);
            prop_assert_eq!(reader.table(LIMITS), Ok(table));
            prop_assert!(reader.is_empty());
        }

        #[test]
        fn another_codec_reads_the_same_table(table in any_table()) {
            let octets = encoded(&table);
            let (rest, read) =
                amq_protocol::types::parsing::parse_field_table(octets.as_slice()).unwrap();
            prop_assert!(rest.is_empty());
            prop_assert_eq!(read, table);
        }

        #[test]
        fn arbitrary_octets_are_read_or_refused(octets in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(table) = Reader::new(&octets).table(LIMITS) {
                let again = encoded(&table);
                prop_assert!(Reader::new(&again).table(LIMITS).is_ok());
            }
        }
    }

    #[test]
    fn a_table_nested_a_thousand_deep_is_refused_at_the_limit() {
        let mut octets = vec![0, 0, 0, 0];
        for _ in 0..1_000 {
            let mut outer = u32::try_from(octets.len() + 2)
                .unwrap()
                .to_be_bytes()
                .to_vec();
            outer.extend([0, b'F']);
            outer.extend(&octets);
            octets = outer;
        }
        assert_eq!(
            Reader::new(&octets).table(LIMITS),
            Err(Malformed::TooDeep(8))
        );
    }

    #[test]
    fn a_table_above_the_size_limit_is_refused_before_it_is_there() {
        assert_eq!(
            Reader::new(&[0xff, 0xff, 0xff, 0xf0]).table(LIMITS),
            Err(Malformed::TableTooLarge {
                octets: 0xffff_fff0,
                limit: 65_536
            })
        );
    }

    #[test]
    fn s_is_a_sixteen_bit_integer_and_unknown_codes_are_named() {
        let table = Reader::new(b"\0\0\0\x05\x01as\xff\xfe")
            .table(LIMITS)
            .unwrap();
        assert_eq!(table.inner().get("a"), Some(&AMQPValue::ShortInt(-2)));
        assert_eq!(
            Reader::new(b"\0\0\0\x03\x01a?").table(LIMITS),
            Err(Malformed::UnknownType(b'?'))
        );
    }
}
