//! Goodbyes: of channels and of the connection, from either side.

use crate::amqp::codec::{Close, MethodId};
use crate::amqp::frame::ChannelId;
use crate::amqp::reply::Reply;

use super::connection::{Connection, Phase};
use super::event::{End, Event, Leftover};
use super::{Session, Step};

impl<D: Copy> Connection<D> {
    /// The peer closes the connection.
    pub(super) fn peer_closes(&mut self, Close { code, text }: Close) -> Step<D> {
        let before = std::mem::replace(&mut self.phase, Phase::Finished(End::ClosedByPeer));
        if let Phase::Running(running) = before {
            self.phase = Phase::PeerClosing(running);
            self.keep_leftovers();
            return Step::Event(Event::ConnectionEnding { code, text });
        }
        // Nothing was accepted before the connection was open, so nothing is waited for.
        self.out
            .method(ChannelId::CONNECTION, MethodId::CONNECTION_CLOSE_OK, |_| ());
        Step::Done
    }
}

impl<D: Copy> Session<D> {
    /// Answers [`Event::ChannelEnding`]: everything that came before on the channel is confirmed
    /// and answered, or never will be.
    pub fn channel_ended(&mut self, channel: ChannelId) {
        if let Some((running, out)) = self.connection.running() {
            running.channel_ended(channel, out);
        }
    }

    /// Answers [`Event::ConnectionEnding`]: everything that came before is confirmed, or never
    /// will be. The session is finished then.
    pub fn connection_ended(&mut self) {
        let connection = &mut self.connection;
        if matches!(connection.phase, Phase::PeerClosing(_)) {
            let ok = MethodId::CONNECTION_CLOSE_OK;
            connection.out.method(ChannelId::CONNECTION, ok, |_| ());
            connection.finish(End::ClosedByPeer);
        }
    }

    /// Closes the connection: shutdown, an operator, a token that expired, a refusal of that
    /// scope. A peer that has closed already gets its own answer instead, by `connection_ended`.
    /// What was out is at [`Self::take_leftovers`].
    pub fn close_connection(&mut self, reply: &Reply) {
        match self.connection.phase {
            Phase::Handshake(_) | Phase::Running(_) => self.connection.close(reply),
            Phase::PeerClosing(_) | Phase::Closing { .. } | Phase::Finished(_) => {}
        }
    }

    /// What was out on all channels, which forget it: to be called once the connection ends, or
    /// its socket is lost. Channels that ended before have told what was theirs.
    pub fn take_leftovers(&mut self) -> Vec<Leftover<D>> {
        self.connection.keep_leftovers();
        std::mem::take(&mut self.connection.leftovers)
    }
}
