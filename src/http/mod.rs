//! The HTTP interface of officers: `/api/v1`, and the log's tree at `/log`, over the mutual TLS of the server above it.
//!
//! [`api::router`] lists all resources; a file of [`api`] is one of them. [`auth::Signed`] is who asks:
//! found by certificate, again for each request, under the rulebook in force; what he may do is
//! `policy::office`'s to say. What he may not see and what there is none of get one answer.
//! Whatever is refused is a [`problem::Problem`], with a code that stays.
//!
//! Never here: sockets, disk, decisions about messages; a handler asks the backbone, and tells.

pub mod api;
mod auth;
mod body;
pub(crate) mod health;
pub mod log;
mod page;
pub mod problem;
mod rate;
mod site;
mod tiles;
mod work;

use std::sync::Arc;

use axum::Router;

use self::log::Past;
use self::rate::Rates;
use self::site::Shared;
pub(crate) use self::site::{Caller, Stands, Vouches};
pub(crate) use self::work::THREADS;
use self::work::Work;
use crate::backbone::embedded::Embedded;

/// The site that officers visit. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Site {
    router: Router,
}

impl Site {
    /// The site over this core, for officers whose certificates stand, or whom tokens name.
    pub(crate) fn new(backbone: Arc<Embedded>, stands: Stands, vouches: Vouches) -> Self {
        let shared = Shared {
            past: Past::new(
                backbone.reader(),
                backbone.ring(),
                backbone.index(),
                backbone.tiles().clone(),
            ),
            backbone,
            rates: Rates::default(),
            work: Work::default(),
            stands,
            vouches,
        };
        Self {
            router: api::router(Arc::new(shared)),
        }
    }

    /// What serves one connection.
    pub(crate) fn serve(self, caller: Caller) -> Router {
        self.router.layer(axum::Extension(caller))
    }
}
