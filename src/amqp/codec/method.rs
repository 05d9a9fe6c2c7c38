//! Names of methods as numbers: class and method ids.

use std::fmt;

/// A class id and a method id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MethodId {
    /// The class: 10 connection, 20 channel, 40 exchange, 50 queue, 60 basic, 85 confirm, 90 tx.
    pub class: u16,
    /// The method within the class.
    pub method: u16,
}

impl MethodId {
    /// No method: what a close says when no single method caused it.
    pub const NONE: Self = Self::new(0, 0);
    /// basic.publish, the usual cause of what a broker closes a channel for.
    pub const BASIC_PUBLISH: Self = Self::new(60, 40);

    pub(in crate::amqp) const CONNECTION_START: Self = Self::new(10, 10);
    pub(in crate::amqp) const CONNECTION_START_OK: Self = Self::new(10, 11);
    pub(in crate::amqp) const CONNECTION_TUNE: Self = Self::new(10, 30);
    pub(in crate::amqp) const CONNECTION_TUNE_OK: Self = Self::new(10, 31);
    pub(in crate::amqp) const CONNECTION_OPEN: Self = Self::new(10, 40);
    pub(in crate::amqp) const CONNECTION_OPEN_OK: Self = Self::new(10, 41);
    pub(in crate::amqp) const CONNECTION_CLOSE: Self = Self::new(10, 50);
    pub(in crate::amqp) const CONNECTION_CLOSE_OK: Self = Self::new(10, 51);
    pub(in crate::amqp) const CONNECTION_BLOCKED: Self = Self::new(10, 60);
    pub(in crate::amqp) const CONNECTION_UNBLOCKED: Self = Self::new(10, 61);
    pub(in crate::amqp) const CONNECTION_UPDATE_SECRET: Self = Self::new(10, 70);
    pub(in crate::amqp) const CONNECTION_UPDATE_SECRET_OK: Self = Self::new(10, 71);
    pub(in crate::amqp) const CHANNEL_OPEN: Self = Self::new(20, 10);
    pub(in crate::amqp) const CHANNEL_OPEN_OK: Self = Self::new(20, 11);
    pub(in crate::amqp) const CHANNEL_FLOW: Self = Self::new(20, 20);
    pub(in crate::amqp) const CHANNEL_FLOW_OK: Self = Self::new(20, 21);
    pub(in crate::amqp) const CHANNEL_CLOSE: Self = Self::new(20, 40);
    pub(in crate::amqp) const CHANNEL_CLOSE_OK: Self = Self::new(20, 41);
    pub(in crate::amqp) const EXCHANGE_DECLARE: Self = Self::new(40, 10);
    pub(in crate::amqp) const EXCHANGE_DECLARE_OK: Self = Self::new(40, 11);
    pub(in crate::amqp) const EXCHANGE_DELETE: Self = Self::new(40, 20);
    pub(in crate::amqp) const EXCHANGE_DELETE_OK: Self = Self::new(40, 21);
    pub(in crate::amqp) const EXCHANGE_BIND: Self = Self::new(40, 30);
    pub(in crate::amqp) const EXCHANGE_BIND_OK: Self = Self::new(40, 31);
    pub(in crate::amqp) const EXCHANGE_UNBIND: Self = Self::new(40, 40);
    // Not 41: the one answer that does not follow its method's number.
    pub(in crate::amqp) const EXCHANGE_UNBIND_OK: Self = Self::new(40, 51);
    pub(in crate::amqp) const QUEUE_DECLARE: Self = Self::new(50, 10);
    pub(in crate::amqp) const QUEUE_DECLARE_OK: Self = Self::new(50, 11);
    pub(in crate::amqp) const QUEUE_BIND: Self = Self::new(50, 20);
    pub(in crate::amqp) const QUEUE_BIND_OK: Self = Self::new(50, 21);
    pub(in crate::amqp) const QUEUE_PURGE: Self = Self::new(50, 30);
    pub(in crate::amqp) const QUEUE_PURGE_OK: Self = Self::new(50, 31);
    pub(in crate::amqp) const QUEUE_DELETE: Self = Self::new(50, 40);
    pub(in crate::amqp) const QUEUE_DELETE_OK: Self = Self::new(50, 41);
    pub(in crate::amqp) const QUEUE_UNBIND: Self = Self::new(50, 50);
    pub(in crate::amqp) const QUEUE_UNBIND_OK: Self = Self::new(50, 51);
    pub(in crate::amqp) const BASIC_QOS: Self = Self::new(60, 10);
    pub(in crate::amqp) const BASIC_QOS_OK: Self = Self::new(60, 11);
    pub(in crate::amqp) const BASIC_CONSUME: Self = Self::new(60, 20);
    pub(in crate::amqp) const BASIC_CONSUME_OK: Self = Self::new(60, 21);
    pub(in crate::amqp) const BASIC_CANCEL: Self = Self::new(60, 30);
    pub(in crate::amqp) const BASIC_CANCEL_OK: Self = Self::new(60, 31);
    pub(in crate::amqp) const BASIC_RETURN: Self = Self::new(60, 50);
    pub(in crate::amqp) const BASIC_DELIVER: Self = Self::new(60, 60);
    pub(in crate::amqp) const BASIC_GET: Self = Self::new(60, 70);
    pub(in crate::amqp) const BASIC_GET_OK: Self = Self::new(60, 71);
    pub(in crate::amqp) const BASIC_GET_EMPTY: Self = Self::new(60, 72);
    pub(in crate::amqp) const BASIC_ACK: Self = Self::new(60, 80);
    pub(in crate::amqp) const BASIC_REJECT: Self = Self::new(60, 90);
    pub(in crate::amqp) const BASIC_RECOVER_ASYNC: Self = Self::new(60, 100);
    pub(in crate::amqp) const BASIC_RECOVER: Self = Self::new(60, 110);
    pub(in crate::amqp) const BASIC_RECOVER_OK: Self = Self::new(60, 111);
    pub(in crate::amqp) const BASIC_NACK: Self = Self::new(60, 120);
    pub(in crate::amqp) const CONFIRM_SELECT: Self = Self::new(85, 10);
    pub(in crate::amqp) const CONFIRM_SELECT_OK: Self = Self::new(85, 11);

    pub(in crate::amqp) const fn new(class: u16, method: u16) -> Self {
        Self { class, method }
    }
}

impl fmt::Display for MethodId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.class, self.method)
    }
}
