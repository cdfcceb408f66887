//! Descriptors that libzmq owns: asking about one and cutting its connection, never closing it.
//!
//! libzmq reports the descriptor of a connection with a message or an event. By the time we look, the connection may be
//! gone and the number given to another, so everything here works on a duplicate that is first checked to be still the
//! connection to the same peer.

use std::ffi::c_int;
use std::fmt;
use std::mem::MaybeUninit;
use std::net::{IpAddr, Ipv6Addr};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit};
use nix::sys::socket::{AddressFamily, MsgFlags, Shutdown, SockaddrLike, SockaddrStorage, getpeername, recv, shutdown};

/// Sets the backlog of a listening socket (listen(2)); Linux takes it anew at each call. (nix refuses one over 4096, which
/// a system may allow.)
pub fn listen(socket: BorrowedFd<'_>, backlog: i32) -> std::io::Result<()> {
    // SAFETY: the descriptor is live for the borrow.
    if unsafe { libc::listen(socket.as_raw_fd(), backlog) } == -1 {
        return Err(std::io::Error::last_os_error());
    }
    Ok(())
}

/// Where a peer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PeerAddress {
    /// Over TCP. IPv4 addresses mapped into IPv6 are IPv4. A link-local address has lost its zone (`%eth0`).
    Ip(IpAddr),
    /// Over a Unix socket: the process that connected.
    Process(libc::pid_t),
}

impl PeerAddress {
    /// Reads an address as libzmq writes it: an IP address, or `host:uid:gid:pid` (stream_engine_base.cpp `get_peer_address`).
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if let Ok(ip) = text.parse::<IpAddr>() {
            return Some(Self::Ip(ip.to_canonical()));
        }
        // getnameinfo(3) puts the zone behind a link-local address.
        if let Some(Ok(ip)) = text.split_once('%').map(|(address, _zone)| address.parse::<Ipv6Addr>()) {
            return Some(Self::Ip(ip.into()));
        }
        let mut parts = text.rsplitn(4, ':');
        let process = parts.next()?.parse().ok()?;
        let are_ids = parts.next()?.parse::<u32>().is_ok() && parts.next()?.parse::<u32>().is_ok();
        (are_ids && parts.next().is_some()).then_some(Self::Process(process))
    }
}

impl fmt::Display for PeerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(ip) => ip.fmt(f),
            Self::Process(id) => write!(f, "process {id}"),
        }
    }
}

/// A connection of libzmq's to a known peer.
#[derive(Debug)]
pub struct Connection {
    duplicate: OwnedFd,
}

impl Connection {
    /// The connection behind `descriptor`, if that is at this moment a connection to `peer`.
    #[must_use]
    pub fn find(descriptor: RawFd, peer: PeerAddress) -> Option<Self> {
        let duplicate = duplicate_of(descriptor)?;
        (peer_of(duplicate.as_raw_fd())? == peer).then_some(Self { duplicate })
    }

    /// The address of the peer behind a descriptor at this moment.
    #[must_use]
    pub fn peer_address(descriptor: RawFd) -> Option<PeerAddress> {
        (descriptor >= 0).then(|| peer_of(descriptor))?
    }

    /// Bytes that are not sent or not acknowledged yet (SIOCOUTQ, tcp(7)), or not read yet (unix(7)).
    #[must_use]
    pub fn unsent_bytes(&self) -> usize {
        let mut bytes: c_int = 0;
        // SAFETY: the descriptor is ours; TIOCOUTQ (the same number) writes one int.
        let failed = unsafe { libc::ioctl(self.duplicate.as_raw_fd(), libc::TIOCOUTQ, &raw mut bytes) } == -1;
        if failed { 0 } else { usize::try_from(bytes).unwrap_or(0) }
    }

    /// Bytes that the peer's system has acknowledged since the connection began (TCP_INFO, tcp(7); linux/tcp.h, since Linux
    /// 4.1); `None` over a Unix socket.
    #[must_use]
    pub fn acknowledged_bytes(&self) -> Option<u64> {
        /// Where `tcpi_bytes_acked` stands in `struct tcp_info`: behind 8 bytes, 24 words of 32 bits and two of 64.
        const PLACE: usize = 8 + 24 * 4 + 2 * 8;
        let mut information = [0_u8; PLACE + 8];
        let mut length = information.len() as libc::socklen_t;
        let target = information.as_mut_ptr().cast();
        let descriptor = self.duplicate.as_raw_fd();
        // SAFETY: `length` is the size of the buffer that is filled; the descriptor is ours.
        let answer =
            unsafe { libc::getsockopt(descriptor, libc::IPPROTO_TCP, libc::TCP_INFO, target, &raw mut length) };
        let bytes = information.last_chunk::<8>().filter(|_| answer == 0 && length as usize == information.len())?;
        Some(u64::from_ne_bytes(*bytes))
    }

    /// Ends the connection. libzmq sees it closed by the peer, and keeps its own descriptor.
    pub fn cut_off(&self) {
        // An unconnected one is an error that changes nothing.
        let _ = shutdown(self.duplicate.as_raw_fd(), Shutdown::Both);
    }
}

/// Which end of a connection ended it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The peer closed or reset it, or it was shut down.
    There,
    /// This process closed its descriptor while the peer's was open.
    Here {
        /// Whether the peer had sent more than was read.
        has_unread: bool,
    },
    /// This is not the connection that ended.
    Unknown,
}

/// A duplicate of a connection's descriptor, for the time after the descriptor is closed.
#[derive(Debug)]
pub struct Watch {
    duplicate: OwnedFd,
}

impl Watch {
    /// Watches what is behind `descriptor` at this moment.
    #[must_use]
    pub fn new(descriptor: RawFd) -> Option<Self> {
        duplicate_of(descriptor).map(|duplicate| Self { duplicate })
    }

    /// The duplicate's own number.
    #[must_use]
    pub fn number(&self) -> RawFd {
        self.duplicate.as_raw_fd()
    }

    /// Who ended the connection whose `descriptor` is closed, or about to be within `timeout`; that number may be
    /// another file's by now.
    #[must_use]
    pub fn ending(&self, descriptor: RawFd, timeout: Duration) -> Ending {
        let own = identity(self.duplicate.as_raw_fd());
        let until = Instant::now() + timeout;
        while own == identity(descriptor) {
            if Instant::now() >= until {
                return Ending::Unknown;
            }
            std::thread::sleep(Duration::from_micros(100));
        }
        match recv(self.duplicate.as_raw_fd(), &mut [0], MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT) {
            Ok(0) => Ending::There,
            Ok(_) => Ending::Here { has_unread: true },
            Err(Errno::EAGAIN) => Ending::Here { has_unread: false },
            Err(_) => Ending::There,
        }
    }
}

/// A new descriptor of the same file, closed when a program is executed. The number may be closed by its owner at any
/// moment, so it cannot be borrowed.
fn duplicate_of(descriptor: RawFd) -> Option<OwnedFd> {
    if descriptor < 0 {
        return None;
    }
    // SAFETY: any number may be duplicated; a closed one is an error.
    let duplicate = unsafe { libc::fcntl(descriptor, libc::F_DUPFD_CLOEXEC, 3) };
    // SAFETY: where it did not fail fcntl just made it, and nothing else owns it.
    (duplicate != -1).then(|| unsafe { OwnedFd::from_raw_fd(duplicate) })
}

/// What two descriptors of one file have in common, and no others. As above, the number may be closed.
fn identity(descriptor: RawFd) -> Option<(libc::dev_t, libc::ino_t)> {
    let mut about = MaybeUninit::<libc::stat>::zeroed();
    // SAFETY: the buffer is one stat; a closed descriptor is an error.
    if unsafe { libc::fstat(descriptor, about.as_mut_ptr()) } == -1 {
        return None;
    }
    // SAFETY: zeroed above, and filled.
    let about = unsafe { about.assume_init() };
    Some((about.st_dev, about.st_ino))
}

/// How many descriptors the process may have (RLIMIT_NOFILE, getrlimit(2)).
#[must_use]
pub fn limit() -> RawFd {
    getrlimit(Resource::RLIMIT_NOFILE).map_or(0, |(soft, _hard)| RawFd::try_from(soft).unwrap_or(RawFd::MAX))
}

/// The address of a connection's peer.
fn peer_of(socket: RawFd) -> Option<PeerAddress> {
    let address: SockaddrStorage = getpeername(socket).ok()?;
    match address.family()? {
        AddressFamily::Inet => Some(PeerAddress::Ip(address.as_sockaddr_in()?.ip().into())),
        AddressFamily::Inet6 => Some(PeerAddress::Ip(IpAddr::V6(address.as_sockaddr_in6()?.ip()).to_canonical())),
        AddressFamily::Unix => peer_process(socket).map(PeerAddress::Process),
        _ => None,
    }
}

/// The process that connected a Unix socket (SO_PEERCRED, unix(7)). As above, the number may be closed.
fn peer_process(socket: RawFd) -> Option<libc::pid_t> {
    let mut credentials = libc::ucred { pid: 0, uid: 0, gid: 0 };
    let mut length = size_of::<libc::ucred>() as libc::socklen_t;
    let target = (&raw mut credentials).cast();
    // SAFETY: `length` is the size of the buffer that is filled.
    let failed =
        unsafe { libc::getsockopt(socket, libc::SOL_SOCKET, libc::SO_PEERCRED, target, &raw mut length) } == -1;
    (!failed).then_some(credentials.pid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn a_connection_is_found_by_its_peer_and_cut_off_without_closing_the_descriptor() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut server, peer) = listener.accept().unwrap();
        assert!(Connection::find(server.as_raw_fd(), PeerAddress::parse("192.0.2.1").unwrap()).is_none());
        assert!(Connection::find(listener.as_raw_fd(), PeerAddress::Ip(peer.ip())).is_none());
        let connection = Connection::find(server.as_raw_fd(), PeerAddress::Ip(peer.ip())).unwrap();
        assert_eq!(connection.unsent_bytes(), 0);
        let before = connection.acknowledged_bytes().unwrap();
        server.write_all(b"twelve bytes").unwrap();
        client.read_exact(&mut [0; 12]).unwrap();
        assert_eq!(connection.acknowledged_bytes().unwrap() - before, 12);
        connection.cut_off();
        assert_eq!(client.read(&mut [0]).unwrap(), 0, "the peer sees the end");
        assert!(server.write_all(b"x").is_err(), "and so do we, on a descriptor that is still open");
    }

    #[test]
    fn a_watch_tells_which_end_was_closed() {
        let pair = || {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            (listener.accept().unwrap().0, client)
        };
        let (server, client) = pair();
        let (watch, number) = (Watch::new(server.as_raw_fd()).unwrap(), server.as_raw_fd());
        assert_eq!(watch.ending(number, Duration::ZERO), Ending::Unknown, "it is still open");
        drop(server);
        let timeout = Duration::from_secs(20);
        assert_eq!(watch.ending(-1, timeout), Ending::Here { has_unread: false });
        (&client).write_all(b"more").unwrap();
        assert_eq!(watch.ending(-1, timeout), Ending::Here { has_unread: true });
        let (server, client) = pair();
        let watch = Watch::new(server.as_raw_fd()).unwrap();
        drop(client);
        assert_eq!((&server).read(&mut [0]).unwrap(), 0);
        drop(server);
        assert_eq!(watch.ending(-1, timeout), Ending::There);
        assert!(Watch::new(-1).is_none() && limit() > 0);
    }

    #[test]
    fn a_process_behind_a_unix_socket_is_found_as_libzmq_names_it() {
        let (mut client, server) = std::os::unix::net::UnixStream::pair().unwrap();
        let me = std::process::id();
        let address = PeerAddress::parse(&format!("host.example:0:100:{me}")).unwrap();
        assert_eq!(Connection::peer_address(server.as_raw_fd()), Some(address));
        assert!(Connection::find(server.as_raw_fd(), PeerAddress::Process(1)).is_none());
        (&server).write_all(b"unread").unwrap();
        let connection = Connection::find(server.as_raw_fd(), address).unwrap();
        assert!(connection.unsent_bytes() > 0 && connection.acknowledged_bytes().is_none());
        connection.cut_off();
        let mut rest = Vec::new();
        client.read_to_end(&mut rest).unwrap();
        assert_eq!(rest, b"unread");
    }

    #[test]
    fn addresses_are_read_as_libzmq_writes_them() {
        let ip = |text: &str| Some(PeerAddress::Ip(text.parse().unwrap()));
        assert_eq!(PeerAddress::parse("192.0.2.1"), ip("192.0.2.1"));
        assert_eq!(PeerAddress::parse("::ffff:192.0.2.1"), ip("192.0.2.1"));
        assert_eq!(PeerAddress::parse("fe80::1"), ip("fe80::1"));
        assert_eq!(PeerAddress::parse("fe80::1%eth0"), ip("fe80::1"));
        assert_eq!(PeerAddress::parse("localhost:0:0:77"), Some(PeerAddress::Process(77)));
        for text in ["", "localhost", "localhost:0:77", "a:b:c:d", "localhost:0:0:", "192.0.2.1%eth0", "%eth0"] {
            assert_eq!(PeerAddress::parse(text), None, "{text}");
        }
    }
}
