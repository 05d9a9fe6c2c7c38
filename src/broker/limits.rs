//! Every bound of the core, with its reason and what a peer is told when it is hit.
//!
//! Bounds of the wire (frame, table, channel numbers) stand in `amqp::Offer`; they are given from
//! here so that one page shows them all. The one of a place in a message that is told and recorded
//! stands with it, in `message::valid`.

use std::time::Duration;

use crate::agency::jwks::KEYS_MAX;

/// Entries of a queue in memory, the only ones that can be out. Half of it is one page.
/// Hit: nothing is told; the rest of the queue waits on disk.
pub const QUEUE_HEAD_ENTRIES: usize = 4_096;

/// Entries of one page of a queue's backlog: 96 KiB on disk.
pub const QUEUE_PAGE_ENTRIES: usize = 4_096;

/// Commands that one step takes: bounds the time between two syncs.
pub const STEP_COMMANDS: usize = 1_024;

/// Bytes of records and frames that one step takes, for the same reason.
pub const STEP_BYTES: usize = 1 << 20;

/// Bytes of records and frames that one agency's turn takes of a step while others wait: each of them
/// waits for so much of each other at most, and the largest message behind it.
pub const TURN_BYTES: i64 = 64 << 10;

/// Deliveries that are settled by one command; more come as several, so that each has its place in
/// what a full disk keeps for them.
pub const SETTLED_TOGETHER: usize = 64;

/// Messages and queues that an ended channel or connection left and that are given back at once, so
/// that a client that comes again finds them; the rest follows in the same step, or as soon as there is room.
pub const LEFT_TOGETHER: usize = 64;

/// The time between two ticks, which look at what time alone changes: deadlines of orders, messages
/// that expire.
pub const TICK: Duration = Duration::from_millis(50);

/// Orders whose deadline has passed and that one tick ends; the next tick ends others.
pub const TICK_ORDERS: usize = 500;

/// Time that counts at most between two ticks for queues that are not used: more is a clock that was
/// set, and must not take confirmed messages with it.
pub const LOOK_MOST: Duration = Duration::from_secs(1);

/// Queues that were unused for too long and that one tick removes; the next tick removes others.
pub const TICK_QUEUES: usize = 500;

/// Queues whose first waiting entry has expired and that one tick looks at, or one step that has
/// buried as much as it may; the next one looks at others.
pub const TICK_HEADS: usize = 1_000;

/// Entries that one step buries of its own accord, those that expired and those of queues that are too
/// long, beside as many as it brings: a million of them do not hold up a confirm. The next step buries
/// others.
pub const STEP_BURIED: usize = 1_000;

/// Records that one tick writes of its own accord.
pub const TICK_RECORDS: usize = TICK_ORDERS + TICK_QUEUES;

/// Bytes of the active segment that each step leaves free behind it: what must go on once the disk is
/// full has them.
pub const RESERVE_BYTES: usize = 512 << 10;

/// Bytes of that reserve for a clean stop alone.
pub const STOP_BYTES: usize = 64 << 10;

/// How long a settle may wait for a batch with something that asks for a sync.
/// A lost settle is a redelivery.
pub const SETTLE_WAIT: Duration = Duration::from_millis(50);

/// How long a settle may wait for such a batch on a full disk, where each batch takes some of the
/// little room that is left.
pub const FULL_SETTLE_WAIT: Duration = Duration::from_secs(1);

/// How often a full disk is tried again.
pub const ROOM_RETRY: Duration = Duration::from_millis(250);

/// How long nothing was written before an empty batch is written behind the last one, once. Damage
/// to that one is then told from a write that was torn.
pub const IDLE_MARK: Duration = Duration::from_millis(100);

/// How far past the newest entry a queue's lease of sent entries reaches, in bytes of journal:
/// about a thousand messages. After an unclean stop these are marked redelivered.
pub const LEASE_BYTES: u64 = 1 << 20;

/// Credit of a consumer without a prefetch limit of its own or of its channel, in messages: it would
/// else take the whole backlog from all other consumers. Hit: nothing more goes to it until it
/// acknowledges.
pub const UNLIMITED_PREFETCH: u32 = 1_000;

/// Publishes of one connection that are not confirmed yet. Hit: the socket is not read.
/// Above it a sender outruns the committer and deliveries fall behind by seconds.
pub const UNCONFIRMED_PUBLISHES: usize = 256;

/// Bytes of publishes of one connection that are not confirmed yet, returns that wait to be read
/// included. Hit: the socket is not read.
pub const UNCONFIRMED_BYTES: usize = 16 << 20;

/// Requests of one connection that are not answered yet, those that want no answer included. Hit:
/// the socket is not read. They wait in memory for the committer, on a full disk until there is room.
pub const UNANSWERED_REQUESTS: usize = 256;

/// Bytes of what one agency's connections sent and the committer has not taken, bodies that they hold in
/// memory included. Hit: the sockets of those of them that publish are not read; all others go on.
pub const AGENCY_WAITING_BYTES: usize = 16 << 20;

/// Bytes of a journal segment at least: a batch lies in one segment, and takes a step, the largest
/// message behind it, and as much again of what the step does by itself.
pub const SEGMENT_BYTES_MIN: usize = 8 << 20;

/// Bytes waiting to be written to one connection. Hit: the connection is not read, and nothing
/// more is rendered for it, until the client reads.
pub const OUTPUT_BYTES: usize = 1 << 20;

/// Bytes that messages under way take on all channels of one connection, properties counted as what
/// they decode to. Hit: the connection is closed with `530 NOT_ALLOWED`.
pub const ASSEMBLY_BYTES: usize = 16 << 20;

/// Bytes that messages under way, or frames where these are more, take on all connections of an agency
/// once they are whole; one connection has as much as all leave free. Hit: a connection that begins one
/// of more than [`FAIR_BYTES`] is not read until others are whole, or too late; one that has another
/// under way is closed with `530 NOT_ALLOWED`.
pub const AGENCY_UNFINISHED_BYTES: usize = 64 << 20;

/// Bytes of publishes of all connections of an agency that have no outcome, and of requests that wait
/// behind them: they wait for its pace, for a thread that admits large ones, for a search or for the
/// log. Hit: a connection that holds more of it
/// than is free, and more than [`FAIR_BYTES`], is not read; what it is sending counts as held.
pub const AGENCY_UNDECIDED_BYTES: usize = 64 << 20;

/// Bytes of messages that a connection may always hold, whatever others of its agency do: one read.
pub const FAIR_BYTES: usize = 64 << 10;

/// Bytes that may always wait to be read by one client, whatever others of its agency leave unread: a
/// client that reads is not held up by those that do not.
pub const UNREAD_FAIR_BYTES: usize = 64 << 10;

/// How long a message may take from its header to its last octet, and a frame from its head: 1 MiB at
/// 9 KB/s. Time in which the broker does not read does not count, but where that is because its client
/// does not. Hit: the connection is closed with `320 CONNECTION_FORCED`.
pub const MESSAGE_TIME: Duration = Duration::from_mins(2);

/// How long a socket is silent before TCP asks whether its peer is there, a sixth of that again between
/// two questions: heartbeats may be off. Hit: [`PEER_GONE`] counts.
pub const KEEPALIVE: Duration = Duration::from_mins(1);

/// How long a peer may answer nothing, acknowledge nothing of what was written to it, or take nothing of
/// what waits for it, before TCP gives it up. Hit: the connection is over.
pub const PEER_GONE: Duration = Duration::from_mins(5);

/// Bytes waiting to be written to all connections of an agency. Hit: nothing more is rendered for
/// them, and one that reads nothing for [`UNREAD_GOODBYE`] is cut.
pub const AGENCY_OUTPUT_BYTES: usize = 64 << 20;

/// Consumers of an agency, about 1 KiB each. Hit: `406 PRECONDITION_FAILED` on the channel.
pub const AGENCY_CONSUMERS: usize = 10_000;

/// Octets of a publish that take one place in the pace of its agency; a larger one takes several.
pub const PLACE_OCTETS: usize = 16 << 10;

/// Octets that a request which changes queues or bindings counts as in the pace of private octets: about
/// what it takes in the journal. A declaration with arguments counts as [`QUEUE_ARGUMENT_BYTES`] more.
pub const REQUEST_OCTETS: usize = 1 << 10;

/// Octets that any other request counts as in that pace.
pub const QUESTION_OCTETS: usize = 128;

/// Octets that one settled delivery counts as in that pace.
pub const SETTLED_OCTETS: usize = 64;

/// Threads that read from the disk for connections, where memory does not hold what is to be
/// delivered or whether an id was used. Hit: those who ask wait in turn; all others go on.
pub const FETCH_THREADS: usize = 2;

/// Bytes of messages that are read back for one connection at a time; one message at least. Hit: the
/// rest is read once these are rendered.
pub const FETCH_BYTES: usize = 256 << 10;

/// Bytes that one read of a socket takes, at most.
pub const READ_BYTES: usize = 64 << 10;

/// How long a connection that is over may take to read what it was told last, and to close after we
/// have. Hit: the socket is dropped. Its queues and messages are given back before this begins.
pub const LINGER: Duration = Duration::from_secs(2);

/// How long a client that said goodbye may read nothing of what is still due to it, the answer to
/// its goodbye included. Hit: the connection is cut. No heartbeat is asked of it any more.
pub const UNREAD_GOODBYE: Duration = Duration::from_secs(30);

/// Connections at a time whose agency is known. Hit: `530 NOT_ALLOWED` once it is open.
pub const CONNECTIONS: usize = 10_000;

/// Connections of officers at a time whose agency is known. Hit: `too-many-connections`, and the
/// connection ends.
pub const OFFICERS_CONNECTIONS: usize = 512;

/// Connections of the officers of one agency, so that a few agencies do not take all places. Hit:
/// `too-many-connections`, and the connection ends.
pub const AGENCY_OFFICERS_CONNECTIONS: usize = 32;

/// Connections of officers at a time that are told that there is no place. Hit: they are closed without a
/// word.
pub const OFFICERS_GOODBYES: usize = 64;

/// Connections of one agency's officers at a time that are told that there is no place. Hit: they are
/// closed without a word.
pub const AGENCY_OFFICERS_GOODBYES: usize = 8;

/// Connections at a time that ask how the broker is. Hit: the next wait to be accepted.
pub const HEALTH_CONNECTIONS: usize = 64;

/// How long such a connection lives, its requests included. Hit: it is cut.
pub const HEALTH_CONNECTION: Duration = Duration::from_secs(10);

/// How long an officer's connection may rest between two requests, and how long the head of one may take.
/// Hit: the connection is closed.
pub const OFFICERS_REST: Duration = Duration::from_secs(10);

/// How long an officer's connection lives. Hit: it ends with the request that is under way.
pub const OFFICERS_CONNECTION: Duration = Duration::from_mins(10);

/// How long the last request of an officer's connection may take, its answer included. Hit: the
/// connection is cut.
pub const OFFICERS_LAST_REQUEST: Duration = Duration::from_mins(2);

/// How long an officer's client may take to read what it is answered. Hit: the connection is cut.
pub const OFFICERS_ANSWER: Duration = Duration::from_secs(30);

/// Requests of an officer's connection that are refused one after the other as too many. Hit: the
/// connection is closed.
pub const OFFICERS_REFUSED: u32 = 10;

/// Connections of one agency, all its systems together, so that no agency takes all places. Hit:
/// `530 NOT_ALLOWED` once it is open.
pub const AGENCY_CONNECTIONS: usize = 1_000;

/// Clients whose agency is not known yet and who shake hands, at a time. Hit: they wait.
pub const HANDSHAKES: usize = 1_000;

/// Clients of one network, 24 bits of IPv4 or 48 of IPv6, that shake hands at a time. Hit: others of it
/// wait, and clients of other networks go before them.
pub const NETWORK_HANDSHAKES: usize = 250;

/// Places among [`HANDSHAKES`] for networks of which no other client shakes hands: a few networks do not take
/// all. Hit: they wait for the next place.
pub const HANDSHAKES_KEPT: usize = 250;

/// Clients at a time that are told why they are declined, whom no place is kept for any more; half of
/// the places are for clients that are known. Hit: they are closed without a word.
pub const GOODBYES: usize = 1_000;

/// Clients at a time of one agency that are told that it has [`AGENCY_CONNECTIONS`] open. Hit: they are
/// closed without a word.
pub const AGENCY_GOODBYES: usize = 100;

/// Clients that wait to shake hands. Hit: the last of the network of which the most wait is closed.
pub const HANDSHAKES_WAITING: usize = 1_000;

/// How long a TLS handshake may take. Hit: the socket is closed.
pub const TLS_HANDSHAKE: Duration = Duration::from_secs(5);

/// Work of one agency's connections on one worker thread between two looks at the sockets, in octets
/// admitted or delivered: about 1 ms. One piece of work may go beyond it by its own size. Hit: the
/// agency's connections on that thread go on after the next look.
pub const TURN_OCTETS: usize = 32 << 10;

/// Octets that an event or effect of a connection counts as in a turn, beside those of its message:
/// about 2 us.
pub const TURN_EVENT_OCTETS: usize = 64;

/// Octets read or written that count in a turn as one octet admitted or delivered.
pub const TURN_MOVED_PART: usize = 8;

/// The largest message, properties included, that is admitted by its connection's own worker thread, in
/// bytes. Hit: a thread for large ones admits it, agencies in turn, and what its client publishes behind
/// it, or asks on the same channel, waits.
pub const ADMITTED_HERE_BYTES: usize = 32 << 10;

/// Deliveries whose messages are read back ahead for one connection, at most.
pub const FETCH_AHEAD: usize = 32;

/// Ids for de-duplication in memory, about 100 bytes each, some hundred more for a refused message;
/// older ones of the window are searched in files. Another number may be configured:
/// [`KNOWN_IDS_MIN`] at least.
pub const KNOWN_IDS: usize = 1_000_000;

/// The fewest ids in memory that may be configured: fewer would be forgotten while messages are on
/// their way, and each sent back to be searched for again.
pub const KNOWN_IDS_MIN: usize = 16;

/// How far the search for an id goes into what memory still holds, in bytes of journal: memory
/// moves on while the message waits for the committer.
pub const SEARCH_AHEAD_BYTES: u64 = 64 << 20;

/// Keys of the segment that is written which the index holds in memory, about 32 bytes each: some hundred
/// thousand exchanges. Hit: a search reads the rest of that segment.
pub const INDEX_OPEN_ENTRIES: usize = 2_000_000;

/// The longest time for which a repeat may be recognised, by record time: each hour of it costs files of
/// ids and their filters in memory.
pub const REPEAT_WINDOW_MAX: Duration = Duration::from_hours(168);

/// How long a repeat is recognised where the id is derived from the content: there the same bytes may
/// be meant again.
pub const DERIVED_REPEAT_WINDOW: Duration = Duration::from_mins(10);

/// Entries of a unit's `receipts` and `dead`. Hit: the oldest go, and are counted.
pub const NOTICE_ENTRIES: u64 = 100_000;

/// How often a message comes back to its queue, where the queue or its unit says nothing else: it is
/// delivered once more than that. Hit: it goes to the queue's dead-letter queue, or to `dead`, with
/// reason `delivery_limit`.
pub const DELIVERY_LIMIT: u32 = 20;

/// Moves of a message from queue to queue that no client asked for (its time was over, it came back too
/// often), since a client last rejected it. Each is a record. Hit: a message that another agency sent
/// goes to `dead`, one that its own agency published is dropped.
pub const UNASKED_MOVES: usize = 8;

/// Octets of the properties of a release or receipt: with the frame around them they fit the smallest
/// frame-max that a client may ask for, 4,096. Hit: entries of `x-death` are left out, the oldest
/// first.
pub const MADE_PROPERTIES_BYTES: usize = 4_096 - 8 - 12;

/// Octets of `x-carnet-reason`, a rule's id with its reason. Hit: the reason is cut; `carnet check`
/// warns of a longer one before.
pub const REASON_BYTES: usize = 768;

/// Entries of `x-death`, the newest: they are in memory and in snapshots as long as the message is in a
/// queue, up to 3 KiB of each that has moved so often. The first cause of death is kept beside them.
/// Hit: the oldest are left out.
pub const DEATHS: usize = UNASKED_MOVES + 2;

/// Routing keys that headers `CC` and `BCC` of one message add to its own. Hit: `406
/// PRECONDITION_FAILED` on the channel.
pub const COPIES: usize = 100;

/// Queues of one unit, its standing ones included. Hit: `406 PRECONDITION_FAILED` on the channel.
pub const UNIT_QUEUES: usize = 1_000;

/// Consumers of one channel: where its shared limit is used up, an acknowledgement looks at all of
/// them.
/// Hit: `406 PRECONDITION_FAILED` on the channel.
pub const CHANNEL_CONSUMERS: usize = 1_000;

/// Consumers of one queue: a delivery looks at those that may have credit, and where its message is
/// another agency's passes over those that may not have it.
/// Hit: `406 PRECONDITION_FAILED` on the channel.
pub const QUEUE_CONSUMERS: usize = 1_000;

/// Bindings of one queue. Hit: `406 PRECONDITION_FAILED` on the channel.
pub const QUEUE_BINDINGS: usize = 1_000;

/// Arguments of one queue: their names and values, in bytes. They stay in memory and in snapshots.
/// Hit: `406 PRECONDITION_FAILED` on the channel.
pub const QUEUE_ARGUMENT_BYTES: usize = 4 << 10;

/// Agencies that the opening of a case may invite. Hit: return 406. Its areas are bounded by how many
/// areas there are.
pub const CASE_INVITES: usize = 256;

/// Bindings of all queues of one unit: they stay in memory, with an index of their patterns, and in
/// snapshots.
/// Hit: `406 PRECONDITION_FAILED` on the channel.
pub const UNIT_BINDINGS: usize = 4_000;

/// Open cases of one agency. Hit: return 403.
pub const AGENCY_CASES: usize = 10_000;

/// Closed cases of one agency that are remembered, the newest: as long as one is, its name stays
/// taken, a repeat of its steps is recognised, and what was received in it stays bound for a sender
/// that quotes it. Hit: nothing is told, the oldest is forgotten. A closed case takes about 200 bytes.
pub const AGENCY_CLOSED_CASES: usize = 10_000;

/// Open orders of one agency, with or without holders: they stay in memory and in snapshots until they
/// end. Hit: return 403.
pub const AGENCY_ORDERS: usize = 50_000;

/// Open orders of one agency on one subject: each change of one looks at all orders on that subject.
/// Hit: return 403.
pub const SUBJECT_ORDERS: usize = 16;

/// Steps of cases that one agency publishes a second: each makes every ruling look at new standing
/// facts, and a copy of them. Hit: the step waits for its time, and its client is read no further.
pub const CASE_STEPS_PER_SECOND: u32 = 20;

/// Orders that one agency publishes a second, released or not: each may change standing facts, as a
/// step of a case does. Hit: the order waits for its time, and its client is read no further; orders
/// are never refused for their rate. Bans need no limit of their own: the first message that binds a
/// holder in a case makes one, and the next ones do not.
pub const STANDING_CHANGES_PER_SECOND: u32 = 20;

/// Pending proposals of officers of one body to change what is its own, and to change what is the
/// board's: an activation supersedes all others that rest on the same rulebook, so more are of no use.
/// Each body has its own places, so that no agency takes the board's. Each takes about 1 KiB in memory and in snapshots. Hit: refused.
pub const BODY_PROPOSALS: usize = 20;

/// Octets of files that officers of one body propose in a day (UTC): what is proposed stays in the log, be it
/// withdrawn or not. A shipped rulebook has half a megabyte, and a change is mostly one file; at most a
/// body fills 23 GiB in a year. Hit: refused.
pub const BODY_DAY_BYTES: u64 = 64 << 20;

/// Octets of the files of one proposal, with their paths: its record lies in one batch, and others wait
/// for its sync. Hit: refused.
pub const PROPOSAL_BYTES: usize = 2 << 20;

/// Keys that are new at one agency's identity provider within 24 hours: each is a record, for ever. Twice a
/// whole set, so one can be replaced at once. Hit: the others do not count, with an alarm.
pub const AGENCY_NEW_KEYS: usize = 2 * KEYS_MAX;

/// Octets of a proposal's title. Hit: refused.
pub const TITLE_BYTES: usize = 200;

/// Closed proposals of one owner that are remembered, its newest, beside those that remembered
/// activations came from; all are in the log. Each owner's are its own, so that none pushes out
/// another's. Hit: nothing is told, the oldest is absent.
pub const OWNER_CLOSED: usize = 64;

/// Activations of one owner's proposals that are remembered, its newest: those that can be taken back.
/// All are in the log. Hit: nothing is told, the oldest is absent.
pub const OWNER_ACTIVATIONS: usize = 64;

/// The time for which a measure holds that one officer declared, or that a second one may confirm it: a
/// long weekend. As long after the end of his suspensions an officer cannot suspend again by his word
/// alone. Hit: it ends by itself.
pub const MEASURE_LASTS: Duration = Duration::from_hours(72);

/// Measures of one officer that wait for a second one's word, so that no officer takes the places of his
/// whole agency; as many more that end others. Hit: refused.
pub const OFFICER_MEASURES: usize = 4;

/// Measures of one agency that are open: rulings on what it sends look at each suspension in force.
/// Hit: refused.
pub const AGENCY_MEASURES: usize = 32;

/// Permits that one measure names: about 16 KiB. Hit: refused; all can be suspended by one word.
pub const SUSPENDED_PERMITS: usize = 256;

/// Closed measures of one agency that are remembered, the newest; all are in the log. Hit: nothing is
/// told, the oldest is absent.
pub const CLOSED_MEASURES: usize = 64;

/// Certificates of one agency of which is remembered what it was told of their ends. Hit: the one that
/// ends first is forgotten, and may be told again.
pub const CERTIFICATES_TOLD: usize = 4_096;

/// Measures whose time is over that end in one tick at most. Hit: the next tick ends more; none
/// counts after its time, on record or not.
pub const TICK_MEASURES: usize = 64;

/// The time from one activation to the next at least: each has every ruling that is under way made anew,
/// so publishers get on between two. Hit: the next one waits.
pub const ACTIVATION_EVERY: Duration = Duration::from_millis(50);

/// How far the numbers of every unit jump where the end of the log was lost, and the loss was accepted:
/// further than any unit's can have come since the end was last written down, which is at each full
/// segment. So no number is given twice.
pub const LOST_NUMBERS: u64 = 10_000_000;

/// How far addresses in the journal jump then, in bytes, for the same reason.
pub const LOST_ADDRESSES: u64 = 1 << 40;

/// How fast the scrub reads what is older than the newest snapshot, in octets a second: little for a
/// disk and a processor, and a log of 1 TB is read in 18 hours.
pub const SCRUB_OCTETS_A_SECOND: u64 = 16 << 20;

/// The time from the end of one round of the scrub to the begin of the next.
pub const SCRUB_REST: Duration = Duration::from_hours(7 * 24);

/// Findings of a scrub that are kept, at most: a disk that fails makes many.
pub const SCRUB_FINDINGS: usize = 100;

/// Recent payloads kept in memory, in bytes: a delivery that follows its publish reads no disk.
pub const RECENT_PAYLOAD_BYTES: usize = 64 << 20;

/// The largest body of any type, in bytes. Hit: it is read over, and its publish comes back with 406,
/// its properties and an empty body, so that one message costs its publisher no channel.
pub const BODY_BYTES: u64 = 1 << 20;

/// The largest body that is read over, in bytes: none of it is kept, and its connection reads nothing
/// else meanwhile. Hit: `311 CONTENT_TOO_LARGE` on the channel.
pub const READ_OVER_BYTES: u64 = 8 << 20;

const _: () = assert!(ADMITTED_HERE_BYTES <= TURN_OCTETS);
const _: () = assert!(SEGMENT_BYTES_MIN >= 8 * STEP_BYTES);
const _: () = assert!(QUEUE_HEAD_ENTRIES >= QUEUE_PAGE_ENTRIES);
const _: () = assert!(QUEUE_PAGE_ENTRIES * 24 <= 128 << 10);
// A message that comes back to a queue is told by the deaths since it was there.
const _: () = assert!(DEATHS > UNASKED_MOVES);
