//! What a session has said, as another codec reads it: whole frames, content behind its method, no
//! tag confirmed twice, nothing of a channel behind its close, nothing at all behind the connection's.

use std::collections::BTreeMap;

use amq_protocol::frame::{AMQPFrame, parse_frame};
use amq_protocol::protocol::{AMQPClass, basic, channel, connection};
use carnet::amqp::ChannelId;

/// The connection's own number.
pub(crate) const CONNECTION: ChannelId = ChannelId::new(0);

/// Octets of a frame before its size is agreed, at most; what is agreed is less.
const FRAME_BYTES_MAX: usize = 65_536;

/// What may follow on a channel, or on the connection.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
enum Now {
    #[default]
    Anything,
    /// The header of a message.
    Header,
    /// So many octets of its body.
    Body(u64),
    /// The answer to the peer's close alone: ours is said.
    CloseOk,
    /// Nothing; of a channel, until it is opened again.
    Nothing,
}

#[derive(Default)]
struct Said {
    now: BTreeMap<u16, Now>,
    confirmed: BTreeMap<u16, u64>,
}

/// Asserts it of all that a session has said.
pub(crate) fn is_in_order(octets: &[u8]) {
    let mut said = Said::default();
    let mut rest = octets;
    while !rest.is_empty() {
        if rest.starts_with(b"AMQP") {
            assert_eq!(rest.len(), 8, "more than the version that is spoken");
            return;
        }
        let Ok((after, frame)) = parse_frame(rest) else {
            panic!(
                "what is said is no frame: {:?}",
                String::from_utf8_lossy(rest)
            );
        };
        assert!(rest.len() - after.len() <= FRAME_BYTES_MAX);
        said.next(&frame);
        rest = after;
    }
    let cut = said
        .now
        .values()
        .find(|now| matches!(now, Now::Header | Now::Body(_)));
    assert_eq!(cut, None, "a message is cut");
}

impl Said {
    fn next(&mut self, frame: &AMQPFrame) {
        let number = match frame {
            AMQPFrame::Method(number, _)
            | AMQPFrame::Header(number, _)
            | AMQPFrame::Body(number, _) => *number,
            _ => 0,
        };
        let of_all = self.now.get(&0).copied().unwrap_or_default();
        let before = self.now.get(&number).copied().unwrap_or_default();
        if matches!(of_all, Now::Nothing | Now::CloseOk) {
            assert!(number == 0, "{frame:?} behind the connection's close");
        }
        let after = match frame {
            AMQPFrame::Method(_, class) => self.method(number, class, before),
            AMQPFrame::Header(_, header) => {
                assert_eq!(before, Now::Header, "{frame:?}");
                left(header.body_size)
            }
            AMQPFrame::Body(_, octets) => {
                let Now::Body(due) = before else {
                    panic!("{frame:?} where {before:?} may follow");
                };
                let come = u64::try_from(octets.len()).expect("it is small");
                assert!(come > 0);
                left(due.checked_sub(come).expect("no more than was said"))
            }
            _ => before,
        };
        self.now.insert(number, after);
    }

    fn method(&mut self, number: u16, class: &AMQPClass, before: Now) -> Now {
        use basic::AMQPMethod as Basic;
        use channel::AMQPMethod as Channel;
        use connection::AMQPMethod as Connection;
        match class {
            AMQPClass::Connection(Connection::CloseOk(_))
            | AMQPClass::Channel(Channel::CloseOk(_)) => {
                assert!(matches!(before, Now::Anything | Now::CloseOk), "{before:?}");
                return Now::Nothing;
            }
            AMQPClass::Channel(Channel::OpenOk(_)) => {
                assert!(matches!(
                    before,
                    Now::Anything | Now::Nothing | Now::CloseOk
                ));
                self.confirmed.remove(&number);
                return Now::Anything;
            }
            _ => assert_eq!(before, Now::Anything, "{class:?}"),
        }
        match class {
            AMQPClass::Connection(Connection::Close(_)) | AMQPClass::Channel(Channel::Close(_)) => {
                Now::CloseOk
            }
            AMQPClass::Basic(Basic::Deliver(_) | Basic::GetOk(_) | Basic::Return(_)) => Now::Header,
            AMQPClass::Basic(
                Basic::Ack(basic::Ack { delivery_tag, .. })
                | Basic::Nack(basic::Nack { delivery_tag, .. }),
            ) => self.confirm(number, *delivery_tag),
            _ => Now::Anything,
        }
    }

    fn confirm(&mut self, number: u16, tag: u64) -> Now {
        let last = self.confirmed.insert(number, tag).unwrap_or_default();
        assert!(tag > last, "{tag} is confirmed behind {last}");
        Now::Anything
    }
}

fn left(octets: u64) -> Now {
    match octets {
        0 => Now::Anything,
        more => Now::Body(more),
    }
}
