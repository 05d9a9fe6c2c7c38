//! Who takes part: agencies with their units, systems and officers.
//!
//! Values only; `Registry::parse` in [`super::parse`] reads them from `agencies/`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use super::network::Network;
use super::officer::{BOARD, Holder, OfficerId, Role};
use super::source::Source;
use crate::message::id::{AgencyId, BadName, MessageType, OfficerName, Purpose, SystemName};
use crate::message::id::{GrantName, UnitId, UnitName};
use crate::message::time::Timestamp;

/// A pattern over message types in `sends` and `receives`: a type, `prefix.*`, or `*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TypePattern {
    /// Every type.
    Any,
    /// Every type below a prefix: `declaration.*`.
    Below(String),
    /// One type.
    Exactly(String),
}

impl TypePattern {
    /// Whether the pattern covers `message_type`.
    pub fn covers(&self, message_type: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Exactly(name) => name == message_type,
            Self::Below(prefix) => message_type
                .strip_prefix(prefix.as_str())
                .is_some_and(|rest| rest.starts_with('.')),
        }
    }

    /// The pattern over what both cover: none where that is nothing.
    pub fn both(&self, other: &Self) -> Option<Self> {
        let is_within = |inner: &Self, outer: &Self| match (inner, outer) {
            (_, Self::Any) => true,
            (Self::Exactly(name), _) => outer.covers(name),
            (Self::Below(prefix), Self::Below(_)) => outer.covers(prefix) || inner == outer,
            (Self::Below(_), Self::Exactly(_)) | (Self::Any, _) => false,
        };
        if is_within(self, other) {
            Some(self.clone())
        } else {
            is_within(other, self).then(|| other.clone())
        }
    }

    /// How much of a type the pattern fixes; of two that cover one type the greater holds.
    pub(super) fn precision(&self) -> (u8, usize) {
        match self {
            Self::Any => (0, 0),
            Self::Below(prefix) => (1, prefix.len()),
            Self::Exactly(name) => (2, name.len()),
        }
    }
}

impl FromStr for TypePattern {
    type Err = BadName;
    fn from_str(text: &str) -> Result<Self, BadName> {
        let is_name = |name: &str| name.parse::<MessageType>().is_ok();
        match text.strip_suffix(".*") {
            _ if text == "*" => Ok(Self::Any),
            Some(prefix) if is_name(prefix) => Ok(Self::Below(prefix.to_owned())),
            None if is_name(text) => Ok(Self::Exactly(text.to_owned())),
            _ => Err(BadName::new(
                text,
                "a message type, a prefix with .* behind it, or *",
            )),
        }
    }
}

/// As it is written in `agency.toml`.
impl fmt::Display for TypePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Below(prefix) => write!(f, "{prefix}.*"),
            Self::Exactly(name) => f.write_str(name),
        }
    }
}

/// Which releases a unit's inbox takes (core.md section 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum InboxMode {
    /// All releases.
    #[default]
    All,
    /// Releases that none of the unit's own durable queues took.
    Unbound,
    /// No release.
    Off,
}

impl InboxMode {
    /// Its word in `agency.toml`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Unbound => "unbound",
            Self::Off => "off",
        }
    }
}

/// Which receipts a system gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Receipts {
    /// One for each exchange.
    #[default]
    All,
    /// One for each exchange with a refusal or a warning.
    Exceptions,
    /// No receipt.
    Off,
}

impl Receipts {
    /// Its word in `agency.toml`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Exceptions => "exceptions",
            Self::Off => "off",
        }
    }

    /// Whether an outcome has a receipt: an exceptional one is refused, invalid, or has a warning.
    pub fn wants(self, exceptional: bool) -> bool {
        match self {
            Self::All => true,
            Self::Exceptions => exceptional,
            Self::Off => false,
        }
    }
}

/// Where a system's messages get their idempotency key from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MessageIdRule {
    /// The property must be set.
    #[default]
    Required,
    /// The digest of type and content stands in where it is not.
    Derived,
}

impl MessageIdRule {
    /// Its word in `agency.toml`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Required => "required",
            Self::Derived => "derived",
        }
    }
}

/// A recipient of messages, with one purpose and one inbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// Its address.
    pub id: UnitId,
    /// The one purpose for which it receives.
    pub purpose: Purpose,
    /// Its clearances, such as `controlled-delivery`.
    pub clearances: BTreeSet<String>,
    /// What it wants; policy says what it may.
    pub receives: Vec<TypePattern>,
    /// Whether other agencies may know of it. An addressee that is not listed gets the same answer
    /// as one that does not exist.
    pub listed: bool,
    /// Which releases its inbox takes.
    pub inbox: InboxMode,
    /// How often a message comes back to its inbox before it goes to `dead`; none for the broker's
    /// own limit.
    pub delivery_limit: Option<u32>,
}

/// One technical client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct System {
    /// Its name within the agency.
    pub name: SystemName,
    /// The unit it belongs to.
    pub unit: UnitName,
    /// The SAN URI of its certificate, exact; or `CN=...` where the agency cannot issue SAN URIs.
    pub certificate: String,
    /// The types it may send; `case.open` and the like among them.
    pub sends: Vec<TypePattern>,
    /// Standing queues it may read, relative to its unit: `inbox`, `receipts`, `dead`.
    pub reads: BTreeSet<String>,
    /// Networks it may connect from; empty means any.
    pub networks: Vec<Network>,
    /// Where the idempotency key comes from.
    pub message_id: MessageIdRule,
    /// Which receipts it gets.
    pub receipts: Receipts,
}

/// A person at the HTTP API, console or command line: a staff number, never a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Officer {
    /// Staff number, such as `o-2117`.
    pub id: OfficerName,
    /// What he may do for his agency, or for the board.
    pub roles: BTreeSet<Role>,
    /// SAN URI of the officer's certificate.
    pub certificate: Option<String>,
    /// `sub` of the officer's token.
    pub token: Option<String>,
}

/// What an agency may use of the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AgencyLimits {
    /// Messages a second; beyond, its sockets are read more slowly.
    pub messages_per_second: u32,
    /// Refusals a minute that get a record each; beyond, one record counts them.
    pub refusals_per_minute: u32,
    /// Messages that wait in queues of its own, all units together; beyond, none is taken there.
    pub private_messages: u32,
    /// MiB of messages that wait there, all units together; beyond, none is taken there.
    pub private_mib: u32,
    /// Octets a second that it writes to the journal without a ruling: requests, acknowledgements, and
    /// messages to queues of its own. Beyond, its sockets are read more slowly.
    pub private_octets_per_second: u32,
}

/// Where people of an agency are reached: a desk, never a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contact {
    /// The desk's name.
    pub desk: String,
    /// Its address.
    pub email: String,
}

/// Where revocation lists of an agency's issuers are read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CrlSource {
    /// Their address.
    pub source: Source,
    /// How often they are read, a minute at least.
    pub refresh: Duration,
    /// The age of the last list beyond which no system of this agency is let in.
    pub stale_after: Duration,
}

/// A file beside `agency.toml` with authorities whose TLS servers are trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustFile {
    /// Its name.
    pub file: String,
    /// Its certificates, DER.
    pub certificates: Vec<Vec<u8>>,
}

/// The identity provider of an agency's officers and systems, and of no other agency's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityProvider {
    /// The `iss` of its tokens.
    pub issuer: String,
    /// Where its keys are: `https` or a file.
    pub jwks: Source,
    /// The `aud` that its tokens must carry.
    pub audience: String,
    /// The authorities of its TLS server; the agency's issuers, where none are named.
    pub ca: Option<TrustFile>,
}

/// An agency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agency {
    /// Its name: the folder's.
    pub id: AgencyId,
    /// A kind of the board's vocabulary, such as `customs`: which types it may send.
    pub kind: String,
    /// ISO 3166-1 alpha-2.
    pub country: String,
    /// Name by language.
    pub name: BTreeMap<String, String>,
    /// The desk that answers for it.
    pub contact: Contact,
    /// Certificates of its issuers, DER, each with its file name.
    pub issuers: Vec<(String, Vec<u8>)>,
    /// Where its issuers' revocation lists are.
    pub crls: Vec<CrlSource>,
    /// Who vouches for tokens of its officers and systems, where it names one.
    pub identity_provider: Option<IdentityProvider>,
    /// Its units by name; `main` always exists.
    pub units: BTreeMap<UnitName, Arc<Unit>>,
    /// Its systems by name.
    pub systems: BTreeMap<SystemName, Arc<System>>,
    /// Its officers by staff number.
    pub officers: BTreeMap<OfficerName, Officer>,
    /// Its limits.
    pub limits: AgencyLimits,
    /// How long payloads that it sent are kept: pattern over types, first match; the most precise
    /// patterns first, the default last.
    pub retention: Vec<(TypePattern, Duration)>,
}

impl Agency {
    /// The files with certificates that it names, beside `agency.toml`.
    pub fn trust_files(&self) -> impl Iterator<Item = &str> {
        let ca = self.identity_provider.iter().flat_map(|it| &it.ca);
        let issuers = self.issuers.iter().map(|(file, _)| file.as_str());
        issuers.chain(ca.map(|ca| ca.file.as_str()))
    }

    /// The folder of its files in a bundle, such as `agencies/customs`; of the board, `policies`.
    pub fn folder(&self) -> String {
        match self.id.as_str() {
            BOARD => "policies".to_owned(),
            id => format!("agencies/{id}"),
        }
    }

    /// How long a payload of `message_type` that this agency sent is kept.
    pub fn retention_of(&self, message_type: &str) -> Duration {
        let first = self
            .retention
            .iter()
            .find(|(pattern, _)| pattern.covers(message_type));
        // A registry that was parsed always has a default; without one nothing is destroyed.
        first.map_or(Duration::MAX, |(_, duration)| *duration)
    }
}

/// What of the log a grant opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Evidence: that there was an exchange, its digests and its proof.
    Evidence,
    /// Rulings: who got what, and by which rules.
    Rulings,
    /// Payload: what was in the messages.
    Payload,
}

impl Scope {
    /// All scopes.
    pub const ALL: [Self; 3] = [Self::Evidence, Self::Rulings, Self::Payload];

    /// Its word in `board.toml`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Evidence => "evidence",
            Self::Rulings => "rulings",
            Self::Payload => "payload",
        }
    }
}

/// A grant of the board: what an oversight body's officers may see of the log of all agencies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Its name.
    pub id: GrantName,
    /// The oversight body.
    pub agency: AgencyId,
    /// What it opens; at least one.
    pub scope: BTreeSet<Scope>,
    /// The first instant at which it holds.
    pub from: Timestamp,
    /// The first instant at which it no longer does.
    pub to: Timestamp,
    /// Its legal basis.
    pub basis: String,
}

impl Grant {
    /// Whether it opens `scope` at `now`.
    pub fn opens(&self, scope: Scope, now: Timestamp) -> bool {
        self.scope.contains(&scope) && self.from <= now && now < self.to
    }
}

/// All agencies of a rulebook, and the board's own officers and grants.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Registry {
    agencies: BTreeMap<AgencyId, Arc<Agency>>,
    board: Option<Arc<Agency>>,
    grants: Vec<Grant>,
}

impl Registry {
    /// An agency by name.
    pub fn agency(&self, id: &str) -> Option<&Arc<Agency>> {
        self.agencies.get(id)
    }

    /// All agencies by name.
    pub fn agencies(&self) -> impl Iterator<Item = &Arc<Agency>> {
        self.agencies.values()
    }

    /// The board's own officers and who vouches for them, as an agency named `board` without units,
    /// systems and data; none where its file names none.
    pub fn board(&self) -> Option<&Arc<Agency>> {
        self.board.as_ref()
    }

    /// All that have officers and issuers: the agencies by name, then the board.
    pub fn bodies(&self) -> impl Iterator<Item = &Arc<Agency>> {
        self.agencies().chain(&self.board)
    }

    /// One of [`Self::bodies`] by its id, the board's included.
    pub fn body_of(&self, id: &AgencyId) -> Option<&Arc<Agency>> {
        self.bodies().find(|body| body.id == *id)
    }

    /// An agency, or the board's own, by what an officer acts for.
    pub fn body(&self, holder: &Holder) -> Option<&Arc<Agency>> {
        match holder {
            Holder::Agency(id) => self.agency(id.as_str()),
            Holder::Board => self.board(),
        }
    }

    /// An officer by address.
    pub fn officer(&self, id: &OfficerId) -> Option<&Officer> {
        self.body(&id.holder)?.officers.get(&id.officer)
    }

    /// What the board grants to oversight bodies, in the order of its file.
    pub fn grants(&self) -> &[Grant] {
        &self.grants
    }

    /// This registry with what the board grants.
    #[must_use]
    pub(super) fn granting(self, grants: Vec<Grant>) -> Self {
        Self { grants, ..self }
    }

    /// A unit by address.
    pub fn unit(&self, id: &UnitId) -> Option<&Arc<Unit>> {
        self.agency(id.agency.as_str())?.units.get(&id.unit)
    }

    /// All units of all agencies, by address.
    pub fn units(&self) -> impl Iterator<Item = &Arc<Unit>> {
        self.agencies().flat_map(|agency| agency.units.values())
    }
}

/// Of two agencies with one name the last holds: `Registry::parse` refuses them before. The one named
/// `board` is the board's own.
impl FromIterator<Agency> for Registry {
    fn from_iter<I: IntoIterator<Item = Agency>>(agencies: I) -> Self {
        let agencies = agencies.into_iter();
        let agencies = agencies.map(|agency| (agency.id.clone(), Arc::new(agency)));
        let mut agencies: BTreeMap<_, _> = agencies.collect();
        Self {
            board: agencies.remove(BOARD),
            agencies,
            grants: Vec::new(),
        }
    }
}

/// The holder of a fact or payer of a budget: the listed units of an agency together, or one unlisted
/// unit by itself. What an unlisted unit is sent and does must not show in what the others may do.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Party {
    /// The listed units of an agency.
    Agency(AgencyId),
    /// An unlisted unit.
    Unit(UnitId),
}

impl Party {
    /// The one of a unit, listed or not.
    pub fn of(unit: &UnitId, listed: bool) -> Self {
        if listed {
            Self::Agency(unit.agency.clone())
        } else {
            Self::Unit(unit.clone())
        }
    }

    /// Its name in a sentence to a client of its own.
    pub const fn address(&self) -> &'static str {
        match self {
            Self::Agency(_) => "your agency",
            Self::Unit(_) => "your unit",
        }
    }

    /// Its agency.
    pub fn agency(&self) -> &AgencyId {
        match self {
            Self::Agency(agency) => agency,
            Self::Unit(unit) => &unit.agency,
        }
    }
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Agency(agency) => agency.fmt(f),
            Self::Unit(unit) => unit.fmt(f),
        }
    }
}

impl Unit {
    /// The party that holds the unit's facts and pays its budgets: its agency, or itself where it is
    /// unlisted.
    pub fn party(&self) -> Party {
        Party::of(&self.id, self.listed)
    }
}

/// A person at the HTTP interface, as `identify_officer` found him by his certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfficerPeer {
    /// His agency.
    pub agency: Arc<Agency>,
    /// His entry; none where only a token of his agency's identity provider can say who he is.
    pub officer: Option<Officer>,
}

/// A connected system, as `identify` found it. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Its agency.
    pub agency: Arc<Agency>,
    /// Its unit.
    pub unit: Arc<Unit>,
    /// The system itself.
    pub system: Arc<System>,
}

impl Peer {
    /// This system as another registry has it: none where that registry lacks it, or has it in another
    /// unit or by another certificate.
    pub fn as_of(&self, registry: &Registry) -> Option<Self> {
        let agency = registry.agency(self.agency.id.as_str())?;
        let system = agency.systems.get(&self.system.name)?;
        let unit = agency.units.get(&system.unit)?;
        let same = system.unit == self.system.unit && system.certificate == self.system.certificate;
        same.then(|| Self {
            agency: Arc::clone(agency),
            unit: Arc::clone(unit),
            system: Arc::clone(system),
        })
    }

    /// The system as property `user_id` names it: `<agency>-<system>`.
    pub fn user_id(&self) -> String {
        format!("{}-{}", self.agency.id, self.system.name)
    }
}
