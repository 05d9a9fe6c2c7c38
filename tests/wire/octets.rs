//! AMQP 0-9-1 in octets, written by hand from the specification: neither the product's codec nor a
//! client library's, so that a fault they share does not pass.

/// A value of a field table, with the type code that it has on the wire.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Bool(bool),
    Int(i32),
    Long(i64),
    Text(String),
    Time(u64),
    Void,
    List(Vec<Value>),
    Table(Table),
}

/// A field table in the order of the wire.
pub(crate) type Table = Vec<(String, Value)>;

/// The value of a name, which must be there.
pub(crate) fn field<'a>(table: &'a Table, name: &str) -> &'a Value {
    let found = table.iter().find(|(n, _)| n == name);
    &found.unwrap_or_else(|| panic!("no {name} in {table:?}")).1
}

/// A text field.
pub(crate) fn text_field<'a>(table: &'a Table, name: &str) -> &'a str {
    match field(table, name) {
        Value::Text(text) => text,
        other => panic!("{name} is no text: {other:?}"),
    }
}

/// What is being written.
#[derive(Debug, Clone, Default)]
pub(crate) struct Octets(pub(crate) Vec<u8>);

impl Octets {
    pub(crate) fn new() -> Self {
        Self::default()
    }
    pub(crate) fn raw(mut self, octets: &[u8]) -> Self {
        self.0.extend_from_slice(octets);
        self
    }
    pub(crate) fn octet(self, value: u8) -> Self {
        self.raw(&[value])
    }
    pub(crate) fn short(self, value: u16) -> Self {
        self.raw(&value.to_be_bytes())
    }
    pub(crate) fn long(self, value: u32) -> Self {
        self.raw(&value.to_be_bytes())
    }
    pub(crate) fn longlong(self, value: u64) -> Self {
        self.raw(&value.to_be_bytes())
    }
    pub(crate) fn name(self, text: &str) -> Self {
        let length = u8::try_from(text.len()).expect("a short string");
        self.octet(length).raw(text.as_bytes())
    }
    pub(crate) fn text(self, octets: &[u8]) -> Self {
        self.long(length(octets)).raw(octets)
    }
    pub(crate) fn table(self, table: &Table) -> Self {
        let fields = table.iter().fold(Self::new(), |out, (name, value)| {
            out.name(name).value(value)
        });
        self.text(&fields.0)
    }
    fn value(self, value: &Value) -> Self {
        match value {
            Value::Bool(value) => self.octet(b't').octet(u8::from(*value)),
            Value::Int(value) => self.octet(b'I').raw(&value.to_be_bytes()),
            Value::Long(value) => self.octet(b'l').raw(&value.to_be_bytes()),
            Value::Text(text) => self.octet(b'S').text(text.as_bytes()),
            Value::Time(seconds) => self.octet(b'T').longlong(*seconds),
            Value::Void => self.octet(b'V'),
            Value::List(list) => {
                let values = list.iter().fold(Self::new(), Self::value);
                self.octet(b'A').text(&values.0)
            }
            Value::Table(table) => self.octet(b'F').table(table),
        }
    }
}

fn length(octets: &[u8]) -> u32 {
    u32::try_from(octets.len()).expect("a test's octets are few")
}

/// A whole frame.
pub(crate) fn frame(kind: u8, channel: u16, payload: &[u8]) -> Vec<u8> {
    let head = Octets::new().octet(kind).short(channel);
    head.text(payload).octet(0xCE).0
}

/// A method frame.
pub(crate) fn method(channel: u16, (class, method): (u16, u16), arguments: Octets) -> Vec<u8> {
    let mut payload = Octets::new().short(class).short(method).0;
    payload.extend(arguments.0);
    frame(1, channel, &payload)
}

/// A content header frame.
pub(crate) fn header(channel: u16, size: u64, properties: &Properties) -> Vec<u8> {
    let head = Octets::new().short(60).short(0).longlong(size);
    frame(2, channel, &head.raw(&properties.octets()).0)
}

/// What is being read.
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn raw(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count);
        self.0 = rest;
        taken
    }
    pub(crate) fn octet(&mut self) -> u8 {
        self.raw(1)[0]
    }
    pub(crate) fn short(&mut self) -> u16 {
        u16::from_be_bytes(self.raw(2).try_into().unwrap())
    }
    pub(crate) fn long(&mut self) -> u32 {
        u32::from_be_bytes(self.raw(4).try_into().unwrap())
    }
    pub(crate) fn longlong(&mut self) -> u64 {
        u64::from_be_bytes(self.raw(8).try_into().unwrap())
    }
    pub(crate) fn name(&mut self) -> String {
        let count = usize::from(self.octet());
        String::from_utf8(self.raw(count).to_vec()).expect("short strings are UTF-8")
    }
    pub(crate) fn text(&mut self) -> &'a [u8] {
        let count = self.long();
        self.raw(usize::try_from(count).unwrap())
    }
    pub(crate) fn table(&mut self) -> Table {
        let mut inner = Reader(self.text());
        let mut table = Table::new();
        while !inner.0.is_empty() {
            let name = inner.name();
            table.push((name, inner.value()));
        }
        table
    }
    fn value(&mut self) -> Value {
        match self.octet() {
            b't' => Value::Bool(self.octet() != 0),
            b'I' => Value::Int(i32::from_be_bytes(self.raw(4).try_into().unwrap())),
            b'l' => Value::Long(i64::from_be_bytes(self.raw(8).try_into().unwrap())),
            b'S' => Value::Text(String::from_utf8(self.text().to_vec()).unwrap()),
            b'T' => Value::Time(self.longlong()),
            b'V' => Value::Void,
            b'F' => Value::Table(self.table()),
            b'A' => {
                let mut inner = Reader(self.text());
                let mut list = Vec::new();
                while !inner.0.is_empty() {
                    list.push(inner.value());
                }
                Value::List(list)
            }
            other => panic!("no client of ours knows field type {}", char::from(other)),
        }
    }
}

/// Basic's properties, as far as a test sets or reads them.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Properties {
    pub(crate) content_type: Option<String>,
    pub(crate) content_encoding: Option<String>,
    pub(crate) headers: Option<Table>,
    pub(crate) delivery_mode: Option<u8>,
    pub(crate) priority: Option<u8>,
    pub(crate) correlation_id: Option<String>,
    pub(crate) reply_to: Option<String>,
    pub(crate) expiration: Option<String>,
    pub(crate) message_id: Option<String>,
    pub(crate) timestamp: Option<u64>,
    pub(crate) kind: Option<String>,
    pub(crate) user_id: Option<String>,
    pub(crate) app_id: Option<String>,
}

impl Properties {
    /// Flags and values.
    pub(crate) fn octets(&self) -> Vec<u8> {
        let (mut flags, mut out) = (0_u16, Octets::new());
        let mut put = |bit: u16, write: &dyn Fn(Octets) -> Option<Octets>| {
            if let Some(written) = write(out.clone()) {
                flags |= 1 << bit;
                out = written;
            }
        };
        let name = |value: &Option<String>, out: Octets| Some(out.name(value.as_ref()?));
        put(15, &|out| name(&self.content_type, out));
        put(14, &|out| name(&self.content_encoding, out));
        put(13, &|out| Some(out.table(self.headers.as_ref()?)));
        put(12, &|out| Some(out.octet(self.delivery_mode?)));
        put(11, &|out| Some(out.octet(self.priority?)));
        put(10, &|out| name(&self.correlation_id, out));
        put(9, &|out| name(&self.reply_to, out));
        put(8, &|out| name(&self.expiration, out));
        put(7, &|out| name(&self.message_id, out));
        put(6, &|out| Some(out.longlong(self.timestamp?)));
        put(5, &|out| name(&self.kind, out));
        put(4, &|out| name(&self.user_id, out));
        put(3, &|out| name(&self.app_id, out));
        Octets::new().short(flags).raw(&out.0).0
    }

    /// Read back.
    pub(crate) fn read(octets: &[u8]) -> Self {
        let mut from = Reader(octets);
        let flags = from.short();
        let has = |bit: u16| flags & (1 << bit) != 0;
        let read = Self {
            content_type: has(15).then(|| from.name()),
            content_encoding: has(14).then(|| from.name()),
            headers: has(13).then(|| from.table()),
            delivery_mode: has(12).then(|| from.octet()),
            priority: has(11).then(|| from.octet()),
            correlation_id: has(10).then(|| from.name()),
            reply_to: has(9).then(|| from.name()),
            expiration: has(8).then(|| from.name()),
            message_id: has(7).then(|| from.name()),
            timestamp: has(6).then(|| from.longlong()),
            kind: has(5).then(|| from.name()),
            user_id: has(4).then(|| from.name()),
            app_id: has(3).then(|| from.name()),
        };
        assert!(
            from.0.is_empty(),
            "octets left over in properties: {octets:?}"
        );
        read
    }

    /// A header's text, which must be there.
    pub(crate) fn header(&self, name: &str) -> &str {
        text_field(self.headers.as_ref().expect("headers"), name)
    }
}
