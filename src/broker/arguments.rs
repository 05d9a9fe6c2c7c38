//! Arguments of queues and consumers: each works, has no meaning here with any value, or is refused.
//! The table for clients stands in `docs/joining.md`.

use super::ledger::is_standing_name;
use super::record::{Argument, QueueProperties};

/// Arguments that other brokers give an effect and this one does not, with what to use instead. They
/// are refused: a client that gives one counts on its effect.
const NOT_OFFERED: [(&str, &str); 5] = [
    (
        "x-max-length-bytes",
        "'x-max-length' bounds a queue by messages",
    ),
    (
        "x-max-priority",
        "a queue keeps its order; use a queue for each priority",
    ),
    (
        "x-consumer-timeout",
        "a delivery waits for its consumer as long as its connection lasts",
    ),
    ("x-max-age", STREAMS),
    ("x-stream-", STREAMS),
];

const STREAMS: &str = "there are no streams; declare a queue";

/// The refusal of an argument that is not offered, by its name. An entry that ends in `-` stands for
/// all names that begin so.
fn not_offered(name: &str) -> Option<String> {
    let is = |known: &str| name == known || known.ends_with('-') && name.starts_with(known);
    let (_, instead) = NOT_OFFERED.into_iter().find(|(known, _)| is(known))?;
    Some(format!("arg '{name}' is not supported: {instead}"))
}

/// The priority that a consumer's arguments give it, 0 where they give none; or why they are refused.
pub(crate) fn consumer_priority(arguments: &[(String, Argument)]) -> Result<i32, String> {
    let mut priority = 0;
    for (name, value) in arguments {
        if let Some(text) = not_offered(name) {
            return Err(text);
        }
        priority = match (name.as_str(), value) {
            ("x-priority", Argument::Integer(value)) => i32::try_from(*value)
                .map_err(|_| format!("invalid arg 'x-priority': {value} is out of range"))?,
            ("x-priority", _) => return Err("invalid arg 'x-priority': wants an integer".into()),
            _ => priority,
        };
    }
    Ok(priority)
}

/// Why a new queue's arguments are refused; none where they are not.
pub(crate) fn refused(properties: &QueueProperties) -> Option<String> {
    for (name, value) in &properties.arguments {
        if let Some(text) = not_offered(name) {
            return Some(text);
        }
        let wants = match name.as_str() {
            "x-message-ttl" | "x-max-length" => {
                (!matches!(value, Argument::Integer(n) if *n >= 0)).then_some("an integer from 0")
            }
            "x-delivery-limit" => (!matches!(value, Argument::Integer(n) if *n >= -1))
                .then_some("an integer from 0, or -1 for no limit"),
            "x-expires" => {
                (!matches!(value, Argument::Integer(n) if *n > 0)).then_some("an integer above 0")
            }
            "x-single-active-consumer" => {
                (!matches!(value, Argument::Bool(_))).then_some("true or false")
            }
            // Exchanges of one's own are not there yet: to another, messages would go nowhere.
            "x-dead-letter-exchange" => (!matches!(value, Argument::Text(t) if t.is_empty()))
                .then_some("'', the default exchange"),
            // A standing queue would show what its own systems put there as the broker's.
            "x-dead-letter-routing-key" => {
                (!matches!(value, Argument::Text(name) if !is_standing_name(name)))
                    .then_some("the name of a queue of your own, not of a standing one")
            }
            "x-overflow" => {
                (!matches!(value, Argument::Text(t) if t == "drop-head")).then_some("'drop-head'")
            }
            "x-queue-type" => {
                (!matches!(value, Argument::Text(t) if t == "classic" || t == "quorum"))
                    .then_some("'classic' or 'quorum'")
            }
            _ => None,
        };
        if let Some(wants) = wants {
            return Some(format!("invalid arg '{name}': wants {wants}"));
        }
    }
    let has = |name| properties.argument(name).is_some();
    if has("x-dead-letter-routing-key") && !has("x-dead-letter-exchange") {
        return Some(
            "invalid arg 'x-dead-letter-routing-key': wants 'x-dead-letter-exchange'".into(),
        );
    }
    let quorum = properties.text("x-queue-type") == Some("quorum");
    let plain = properties.durable && !properties.exclusive && !properties.auto_delete;
    (quorum && !plain)
        .then(|| "a quorum queue is durable, not exclusive, not auto-delete".to_owned())
}
