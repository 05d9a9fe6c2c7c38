//! The addresses that a broker listens on: taken before the log is opened, listened on once it is.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};

use tokio::net::{TcpListener, TcpSocket};

/// Clients that may wait for their accept.
const BACKLOG: u32 = 1024;
/// Tries to find one free port on every address of a host.
const TRIES: usize = 16;

/// Sockets that have their address and do not listen: clients find no listener and do not wait, until a
/// broker can serve them.
#[derive(Debug)]
pub(crate) struct Bound(Vec<TcpSocket>);

impl Bound {
    /// Takes a port on every address of a host; port 0 takes one that is free on all of them.
    pub(crate) fn to(host: &str, port: u16) -> io::Result<Self> {
        let mut tries = 0;
        loop {
            tries += 1;
            match Self::once(host, port) {
                // Free on the first address and taken on the second: another is free on both.
                Err(error)
                    if port == 0 && tries < TRIES && error.kind() == ErrorKind::AddrInUse => {}
                bound => return bound,
            }
        }
    }

    fn once(host: &str, mut port: u16) -> io::Result<Self> {
        let mut bound = Vec::new();
        let mut absent = None;
        for address in addresses(host)? {
            match bind(SocketAddr::new(address, port)) {
                Ok(socket) => {
                    port = socket.local_addr()?.port();
                    bound.push(socket);
                }
                // A machine without IPv6 has its name for ::1 all the same.
                Err(error) if is_absent(&error) => absent = Some(error),
                Err(error) => return Err(error),
            }
        }
        match (bound.is_empty(), absent) {
            (false, _) => Ok(Self(bound)),
            (true, Some(error)) => Err(error),
            (true, None) => Err(io::Error::new(ErrorKind::NotFound, "it has no address")),
        }
    }

    /// Listens, from now on. Within a runtime.
    pub(crate) fn listen(self) -> io::Result<Vec<TcpListener>> {
        let listening = self.0.into_iter().map(|socket| socket.listen(BACKLOG));
        listening.collect()
    }
}

/// The addresses of a host. `localhost` is this machine in both families, whatever a file of hosts
/// says: clients try either first, and some no other.
fn addresses(host: &str) -> io::Result<Vec<IpAddr>> {
    if host.eq_ignore_ascii_case("localhost") {
        return Ok(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
    }
    let mut found: Vec<IpAddr> = Vec::new();
    for address in (host, 0).to_socket_addrs()? {
        if !found.contains(&address.ip()) {
            found.push(address.ip());
        }
    }
    Ok(found)
}

fn bind(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    // Connections of the last life may still be in their last minute.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

fn is_absent(error: &io::Error) -> bool {
    let no_family = rustix::io::Errno::AFNOSUPPORT.raw_os_error();
    error.kind() == ErrorKind::AddrNotAvailable || error.raw_os_error() == Some(no_family)
}
