//! Carnet: the message broker that border agencies connect to.
#![warn(missing_docs)]

pub mod agency;
pub mod amqp;
pub mod backbone;
pub mod broker;
pub mod cli;
pub mod config;
pub mod journal;
pub mod message;
pub mod policy;
pub mod server;
