//! A second address of the broker, which its certificate does not name.

use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;

/// Of loopback too, but no name in the certificate of a broker for development.
pub(crate) const HOST: &str = "127.0.0.2";

/// The port at [`HOST`] where what comes is passed on to the broker's, while the test runs.
pub(crate) fn to(port: u16) -> u16 {
    let listener = TcpListener::bind((HOST, 0)).expect("loopback is wide");
    let own = listener.local_addr().expect("it listens").port();
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let broker = TcpStream::connect(("127.0.0.1", port)).expect("the broker listens");
            let pair = |stream: &TcpStream| stream.try_clone().expect("a second handle");
            let (up, down) = ((pair(&client), pair(&broker)), (broker, client));
            thread::spawn(move || pass(up.0, up.1));
            thread::spawn(move || pass(down.0, down.1));
        }
    });
    own
}

fn pass(mut from: TcpStream, mut to: TcpStream) {
    // Whichever end goes away, the other is told.
    drop(io::copy(&mut from, &mut to));
    drop(to.shutdown(Shutdown::Write));
}
