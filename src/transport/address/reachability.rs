//! Why an endpoint cannot be reached, as text: libzmq retries in silence and keeps the reason to itself.
//!
//! These calls block (name resolution, one connection attempt, one greeting), so they are made in threads of their own.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use super::greeting::{Greeting, GreetingError, exchange};
use crate::transport::address::endpoint::{Address, Host, Port};

/// How long one TCP connection attempt may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// How long what listens may take to say something.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(3);

/// What stands between us and an endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Obstacle {
    /// The resolver knows no such name.
    #[error("the name {0:?} does not resolve")]
    Name(String),
    /// The host answers, the port does not.
    #[error("nothing listens there")]
    NothingListens,
    /// No answer in time.
    #[error("no answer (is a firewall in between?)")]
    NoAnswer,
    /// The socket file is there and may not be used.
    #[error("no permission to use the socket")]
    Permission,
    /// The text of the system.
    #[error("{0}")]
    Other(String),
    /// This host's own: no attempt can be made at all.
    #[error("{0}")]
    Here(String),
}

/// What one attempt to connect and to exchange greetings showed.
#[derive(Debug)]
pub enum Look {
    /// No connection can be made.
    Obstacle(Obstacle),
    /// Something listens, and this is what it says first.
    Greeting(Result<Greeting, GreetingError>),
    /// There is nothing that can be tried.
    Nothing,
}

/// Tries to connect once, and to exchange greetings. What answers counts one handshake that broke off. Where `uses_ipv6` is
/// false only the IPv4 addresses of a name are tried, as libzmq does.
#[must_use]
pub fn look_at(address: &Address, uses_ipv6: bool) -> Look {
    match address {
        Address::Tcp { .. } => {
            let addresses = match resolve(address) {
                Ok(addresses) => addresses,
                Err(obstacle) => return Look::Obstacle(obstacle),
            };
            let is_usable = |found: &SocketAddr| uses_ipv6 || found.is_ipv4() || !is_name(address);
            let mut first = None;
            for address in addresses.into_iter().filter(is_usable) {
                match connect(address) {
                    Ok(stream) => {
                        let limits = stream.set_read_timeout(Some(ANSWER_TIMEOUT));
                        return greet(stream, limits);
                    }
                    // The first address is the one that libzmq tries first.
                    Err(obstacle) => first = first.or(Some(obstacle)),
                }
            }
            first.map_or(Look::Nothing, Look::Obstacle)
        }
        Address::Ipc(path) if !path.starts_with('@') => match connect_to_file(path) {
            Ok(stream) => {
                let limits = stream.set_read_timeout(Some(ANSWER_TIMEOUT));
                greet(stream, limits)
            }
            Err(obstacle) => Look::Obstacle(obstacle),
        },
        Address::Ipc(_) | Address::Inproc(_) => Look::Nothing,
    }
}

fn is_name(address: &Address) -> bool {
    matches!(address, Address::Tcp { host: Host::Name(_), .. })
}

fn greet(mut stream: impl Read + Write, limits: std::io::Result<()>) -> Look {
    Look::Greeting(limits.map_err(GreetingError::Io).and_then(|()| exchange(&mut stream)))
}

/// The addresses behind a `tcp://` endpoint; none for anything else.
pub fn resolve(address: &Address) -> Result<Vec<SocketAddr>, Obstacle> {
    let Address::Tcp { host, port: Port::Number(port), .. } = address else { return Ok(Vec::new()) };
    let (name, text) = match host {
        Host::Name(name) => (Some(name), name.clone()),
        Host::Ipv4(address) => (None, address.to_string()),
        Host::Ipv6(address, None) => (None, address.to_string()),
        Host::Ipv6(address, Some(zone)) => (None, format!("{address}%{zone}")),
        Host::Any => return Ok(Vec::new()),
    };
    match (text.as_str(), *port).to_socket_addrs() {
        Ok(addresses) => Ok(addresses.collect()),
        Err(error) => Err(name.map_or(Obstacle::Other(error.to_string()), |name| Obstacle::Name(name.clone()))),
    }
}

/// One TCP connection attempt.
pub fn connect(address: SocketAddr) -> Result<TcpStream, Obstacle> {
    TcpStream::connect_timeout(&address, CONNECT_TIMEOUT).map_err(|error| name_error(&error))
}

/// One connection attempt to a socket file.
pub fn connect_to_file(path: &str) -> Result<UnixStream, Obstacle> {
    UnixStream::connect(path).map_err(|error| name_error(&error))
}

fn name_error(error: &std::io::Error) -> Obstacle {
    match error.kind() {
        // For ipc, no such file: the publisher has not made its socket yet.
        ErrorKind::ConnectionRefused | ErrorKind::NotFound => Obstacle::NothingListens,
        ErrorKind::TimedOut | ErrorKind::WouldBlock => Obstacle::NoAnswer,
        ErrorKind::PermissionDenied => Obstacle::Permission,
        _ => Obstacle::Other(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::address::endpoint::Endpoint;
    use std::net::TcpListener;

    fn look(endpoint: &str) -> Look {
        look_at(&Endpoint::parse_list(endpoint).unwrap()[0].address, true)
    }

    fn obstacle(endpoint: &str) -> Option<Obstacle> {
        if let Look::Obstacle(obstacle) = look(endpoint) { Some(obstacle) } else { None }
    }

    #[test]
    fn a_closed_port_is_told_from_an_open_one() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("tcp://{}", listener.local_addr().unwrap());
        let answers = std::thread::spawn(move || {
            let mut stream = listener.accept().unwrap().0;
            stream.write_all(b"HTTP/1.0 400 Bad Request\r\n\r\n").unwrap();
            // Not closed before the greeting is read.
            let _ = stream.read_to_end(&mut Vec::new());
        });
        assert!(matches!(look(&endpoint), Look::Greeting(Err(GreetingError::NotZeroMq))));
        answers.join().unwrap();
        assert_eq!(obstacle(&endpoint), Some(Obstacle::NothingListens));
    }

    #[test]
    fn a_name_that_does_not_resolve_is_named() {
        // RFC 6761, section 6.4: "invalid" never resolves.
        let found = obstacle("tcp://no-such-host.invalid:9").unwrap();
        assert_eq!(found.to_string(), "the name \"no-such-host.invalid\" does not resolve");
    }

    #[test]
    fn a_socket_file_that_is_not_there_is_nothing_listening() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let endpoint = format!("ipc://{}", path.display());
        assert_eq!(obstacle(&endpoint), Some(Obstacle::NothingListens));
        let _listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        assert!(matches!(look(&endpoint), Look::Greeting(Err(GreetingError::Silent))));
    }
}
