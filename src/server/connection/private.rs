//! A publish to a queue of the agency's own, as the core takes it. Pure.

use crate::agency::keys::Sealing;
use crate::agency::registry::Peer;
use crate::amqp;
use crate::broker::command::{Private, Unroutable};
use crate::broker::ids::Origin;
use crate::broker::payload::PrivateHead;
use crate::broker::queue::Volume;
use crate::message::envelope::expires_after;
use crate::policy::rulebook::Rulebook;
use crate::server::translate;

/// The command that a publish is.
///
/// # Errors
/// What stands in its way; it closes the channel, as clients know it.
pub(super) fn private(
    publish: amqp::Publish,
    origin: Origin,
    peer: &Peer,
    rulebook: &Rulebook,
    sealing: &Sealing<'_>,
) -> Result<Private, String> {
    speaks_for_itself(peer, &publish.properties)?;
    let copies = translate::copies(&publish.properties).map_err(|bad| bad.to_string())?;
    let head = PrivateHead {
        exchange: &publish.exchange,
        routing_key: &publish.routing_key,
        raw_properties: &translate::travelling(&publish),
    };
    let expiration = publish.properties.expiration().as_ref();
    let ttl = expiration.map(|text| expires_after(text.as_str()));
    let ttl = ttl.transpose();
    let ttl = ttl.map_err(|_| "expiration is not a number of milliseconds".to_owned())?;
    let frame = head.seal(sealing, &publish.body);
    Ok(Private {
        origin,
        read_over: publish.read_over,
        copies,
        marked: translate::looks_like_ours(&publish.properties),
        unroutable: unroutable(&publish, rulebook),
        wire: translate::returnable(publish),
        frame,
        ttl,
        quota: Volume::most(&peer.agency.limits),
    })
}

/// Whether a publish that no policy rules on names its sender as it is, if it names one.
fn speaks_for_itself(peer: &Peer, properties: &amqp::BasicProperties) -> Result<(), String> {
    let own = peer.user_id();
    let claimed = properties.user_id().as_ref().map(amqp::ShortString::as_str);
    match claimed {
        Some(other) if other != own => Err(format!(
            "user_id property set to '{other}' but authenticated user was '{own}'"
        )),
        _ => Ok(()),
    }
}

/// What becomes of it where no queue takes it: one that was meant for `carnet` must not be
/// acknowledged and gone.
fn unroutable(publish: &amqp::Publish, rulebook: &Rulebook) -> Unroutable {
    if publish.exchange.is_empty() && rulebook.is_type(&publish.routing_key) {
        return Unroutable::Misdirected;
    }
    Unroutable::of(publish.mandatory)
}
