//! Goodbyes: of channels and of the connection, from either side.

use crate::amqp::codec::{Close, MethodId};
use crate::amqp::frame::ChannelId;
use crate::amqp::reply::{Reply, Scope};

use super::connection::{Connection, Goodbye, Phase};
use super::event::{End, Event, Step};

impl<D: Copy> Connection<D> {
    /// The peer closes the connection.
    pub(super) fn peer_closes(&mut self, Close { code, text }: Close) -> Step<D> {
        let before = std::mem::replace(&mut self.phase, Phase::Finished(End::ClosedByPeer));
        if let Phase::Running(running) = before {
            self.phase = Phase::PeerClosing(running, Goodbye::Asked);
            self.keep_leftovers();
            return Step::Event(Event::ConnectionEnding { code, text });
        }
        // Nothing was accepted before the connection was open, so nothing is waited for.
        self.out
            .method(ChannelId::CONNECTION, MethodId::CONNECTION_CLOSE_OK, |_| ());
        Step::Done
    }

    /// The broker says that all before the peer's close is done.
    pub(super) fn goodbye_answered(&mut self) {
        if let Phase::PeerClosing(_, goodbye) = &mut self.phase {
            *goodbye = Goodbye::Answered;
        }
        self.end_if_due();
    }

    /// Says goodbye to a peer that has closed, once that is answered and every publish has its
    /// outcome.
    pub(super) fn end_if_due(&mut self) {
        if let Phase::PeerClosing(running, Goodbye::Answered) = &mut self.phase
            && !running.awaits_outcomes()
        {
            running.write_confirms(&mut self.out);
            let ok = MethodId::CONNECTION_CLOSE_OK;
            self.out.method(ChannelId::CONNECTION, ok, |_| ());
            self.finish(End::ClosedByPeer);
        }
    }

    /// Closes the connection of the broker's own accord. A peer that has closed already gets its own
    /// answer instead.
    pub(super) fn close_now(&mut self, reply: &Reply) {
        match self.phase {
            Phase::Handshake(_) | Phase::Running(_) => self.close(reply),
            Phase::PeerClosing(..) | Phase::Closing { .. } | Phase::Finished(_) => {}
        }
    }

    /// Closes a channel of the broker's own accord, or the connection where the code is one of its.
    pub(super) fn refuse(&mut self, channel: ChannelId, reply: &Reply) {
        if reply.code().scope() == Scope::Connection {
            return self.close_now(reply);
        }
        let Some((running, out)) = self.running() else {
            return;
        };
        if let Some(left) = running.close_channel(channel) {
            out.close(channel, MethodId::CHANNEL_CLOSE, reply);
            self.events.push_back(Event::ChannelGone { left });
        }
    }
}
