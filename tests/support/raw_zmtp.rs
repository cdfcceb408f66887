//! Connections below libzmq: what a client that breaks the protocol (ZMTP 3.0, RFC 23) does on the wire.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::time::Duration;

use super::wait::SHORT;

/// Bytes of a greeting (RFC 23).
pub const GREETING: usize = 64;
/// Bytes of a client's HELLO with its frame (RFC 26).
pub const HELLO: usize = 202;

/// The greeting of a ZMTP 3.0 client with this mechanism.
pub fn greeting(mechanism: &str) -> Vec<u8> {
    let mut bytes = vec![0; GREETING];
    bytes[0] = 0xff;
    bytes[9] = 0x7f;
    bytes[10] = 3;
    bytes[12..12 + mechanism.len()].copy_from_slice(mechanism.as_bytes());
    bytes
}

/// A connection to a port on loopback.
pub fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    stream.set_write_timeout(Some(SHORT)).unwrap();
    stream
}

/// Writes as much as the other side takes; it may end the connection before that.
pub fn say(stream: &TcpStream, bytes: &[u8]) {
    let mut stream = stream;
    drop(stream.write_all(bytes));
}

/// Whether the other side ends the connection within `limit`; what it says before that is read over.
pub fn is_ended(stream: &TcpStream, limit: Duration) -> bool {
    let mut stream = stream;
    stream.set_read_timeout(Some(limit)).unwrap();
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => return error.kind() == std::io::ErrorKind::ConnectionReset,
        }
    }
}

/// Stands between a client and a port on loopback for one connection, and cuts it after a number of the client's bytes.
/// Returns the endpoint for the client; a second attempt finds nobody.
pub fn cut_after(bytes: usize, port: u16) -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let endpoint = format!("tcp://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let mut client = listener.accept().unwrap().0;
        drop(listener);
        let mut server = connect(port);
        let (mut answers, mut to_client) = (server.try_clone().unwrap(), client.try_clone().unwrap());
        let back = std::thread::spawn(move || drop(std::io::copy(&mut answers, &mut to_client)));
        drop(std::io::copy(&mut (&mut client).take(bytes as u64), &mut server));
        drop(server.shutdown(std::net::Shutdown::Both));
        drop(client.shutdown(std::net::Shutdown::Both));
        back.join().unwrap();
    });
    endpoint
}
