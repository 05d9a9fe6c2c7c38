//! The interface of officers, through real sockets and real certificates: who may do what, and how a
//! change goes from proposal to return, on a log begun by `init`.
#![cfg(test)]

#[path = "http/asked.rs"]
mod asked;
#[path = "http/broker.rs"]
mod broker;
#[path = "http/crowded.rs"]
mod crowded;
#[path = "http/described.rs"]
mod described;
#[path = "http/life.rs"]
mod life;
#[path = "support/lines.rs"]
mod lines;
#[path = "support/lists.rs"]
mod lists;
#[path = "http/looked.rs"]
mod looked;
#[path = "http/measured.rs"]
mod measured;
#[path = "http/roles.rs"]
mod roles;
#[path = "http/searched.rs"]
mod searched;
#[path = "support/strangers.rs"]
mod strangers;
#[path = "http/tokens.rs"]
mod tokens;
#[path = "http/unseen.rs"]
mod unseen;
#[expect(dead_code, reason = "a part of it is used here")]
#[path = "support/vouched.rs"]
mod vouched;
#[path = "http/walked.rs"]
mod walked;
#[path = "http/withdrawn.rs"]
mod withdrawn;
