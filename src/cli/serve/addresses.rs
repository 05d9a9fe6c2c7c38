//! The addresses that a broker listens on, and how it says where they are.

use std::fmt::Write;
use std::io;
use std::net::SocketAddr;

use tokio::net::TcpListener;

use crate::backbone::embedded::Embedded;
use crate::cli::failed::Failed;
use crate::cli::output;
use crate::config::{Address, Config};
use crate::server::bind::Bound;
use crate::server::listen::Sockets;

/// The addresses of systems, of officers, and of programs that ask how the broker is.
pub(super) struct Addresses {
    amqp: Bound,
    http: Bound,
    health: Bound,
}

/// Where it listens, with the ports that were free.
pub(super) struct Listening {
    amqp: Vec<SocketAddr>,
    http: Vec<SocketAddr>,
    health: Vec<SocketAddr>,
}

impl Addresses {
    /// Takes the addresses, so that one that is in use is told before the log is touched.
    pub(super) fn bind(config: &Config) -> Result<Self, Failed> {
        let bound = |at: &Address, option| {
            Bound::to(&at.host, at.port).map_err(|error| {
                let says = format!("{at} cannot be listened on: {error}; choose another {option}");
                Failed::CannotRun(says)
            })
        };
        Ok(Self {
            amqp: bound(&config.amqp, "--amqp")?,
            http: bound(&config.http, "--http")?,
            health: bound(&config.health, "--health")?,
        })
    }

    /// Listens on all of them. Within a runtime.
    pub(super) fn listen(self, config: &Config) -> Result<(Sockets, Listening), Failed> {
        let (systems, amqp) = listeners(self.amqp, &config.amqp)?;
        let (officers, http) = listeners(self.http, &config.http)?;
        let (askers, health) = listeners(self.health, &config.health)?;
        let of_other_threads = |all: Vec<TcpListener>| {
            let all = all.into_iter().map(TcpListener::into_std);
            all.collect::<io::Result<_>>().map_err(Failed::cannot_run)
        };
        let sockets = Sockets {
            systems,
            officers: of_other_threads(officers)?,
            health: of_other_threads(askers)?,
        };
        let listening = Listening { amqp, http, health };
        Ok((sockets, listening))
    }
}

/// Listens on one of them, as `at` has it.
fn listeners(bound: Bound, at: &Address) -> Result<(Vec<TcpListener>, Vec<SocketAddr>), Failed> {
    let listeners = bound
        .listen()
        .map_err(|error| Failed::CannotRun(format!("{at} cannot be listened on: {error}")))?;
    let addresses = listeners.iter().map(TcpListener::local_addr);
    let addresses = addresses.collect::<io::Result<_>>();
    Ok((listeners, addresses.map_err(Failed::cannot_run)?))
}

impl Listening {
    /// Says so in the operator's log.
    pub(super) fn log(&self, backbone: &Embedded) {
        let rulebook = backbone.view().rulebook.digest();
        for address in &self.amqp {
            tracing::info!(%address, %rulebook, "listening");
        }
        for address in &self.http {
            tracing::info!(%address, "listening for officers");
        }
        for address in &self.health {
            tracing::info!(%address, "telling how it is: /livez, /readyz");
        }
    }

    /// Says how to connect; the first lines are for programs.
    pub(super) fn announce(&self, config: &Config, backbone: &Embedded) -> Result<(), Failed> {
        let mut text = String::new();
        for address in &self.amqp {
            _ = writeln!(text, "listening on amqps://{address}");
        }
        for address in &self.http {
            _ = writeln!(text, "officers at https://{address}");
        }
        for address in &self.health {
            _ = writeln!(text, "health at http://{address}/readyz");
        }
        _ = writeln!(text, "rulebook {}", backbone.view().rulebook.digest());
        if backbone.is_development() {
            let certs = config.certs.display();
            _ = write!(
                text,
                "DEVELOPMENT: certificates are throw-away; changed folders count from SIGHUP or the next start on\n\
                 connect with {certs}/ca.pem and a system's certificate, such as \
                 {certs}/post-items.pem and .key\n"
            );
        } else {
            text.push_str("changed folders do not count: the rulebook is the log's\n");
        }
        output::text(&text)
    }
}
