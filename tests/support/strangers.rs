//! Clients who connect and say nothing.

use std::net::{SocketAddr, TcpStream};

use tokio::net::TcpSocket;

/// So many who say nothing, of this address of the machine's, at this port of it.
pub(crate) fn strangers(port: u16, address: [u8; 4], count: usize) -> Vec<TcpStream> {
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_all().build().expect("a runtime");
    let to = SocketAddr::from(([127, 0, 0, 1], port));
    let one = || async {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::from((address, 0)))?;
        socket.connect(to).await?.into_std()
    };
    let all = (0..count).map(|_| runtime.block_on(one()).expect("a connection"));
    all.collect()
}
