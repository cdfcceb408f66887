//! Descriptors that libzmq owns: asking about one and cutting its connection, never closing it.
//!
//! libzmq reports the descriptor of a connection with a message or an event. By the time we look, the connection may be
//! gone and the number given to another, so everything here works on a duplicate that is first checked to be still the
//! connection to the same peer.

use std::ffi::c_int;
use std::fmt;
use std::mem::MaybeUninit;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

/// Sets the backlog of a listening socket (listen(2)); Linux takes it anew at each call.
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
    /// Reads an address in libzmq's words: an IP address, or `host:uid:gid:pid` (stream_engine_base.cpp `get_peer_address`).
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

    /// Ends the connection. libzmq sees it closed by the peer, and keeps its own descriptor.
    pub fn cut_off(&self) {
        // SAFETY: the descriptor is ours; an unconnected one is an error that changes nothing.
        unsafe { libc::shutdown(self.duplicate.as_raw_fd(), libc::SHUT_RDWR) };
    }
}

/// Which end of a connection ended it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The peer closed or reset it, or somebody shut it down.
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

    /// Who ended the connection whose `descriptor` is closed, or about to be within `patience`; that number may be somebody
    /// else's by now.
    #[must_use]
    pub fn ending(&self, descriptor: RawFd, patience: Duration) -> Ending {
        let own = identity(self.duplicate.as_raw_fd());
        let until = Instant::now() + patience;
        while own == identity(descriptor) {
            if Instant::now() >= until {
                return Ending::Unknown;
            }
            std::thread::sleep(Duration::from_micros(100));
        }
        let mut byte = 0_u8;
        let flags = libc::MSG_PEEK | libc::MSG_DONTWAIT;
        // SAFETY: the descriptor is ours and the buffer is one byte.
        let read = unsafe { libc::recv(self.duplicate.as_raw_fd(), (&raw mut byte).cast(), 1, flags) };
        match read {
            0 => Ending::There,
            1.. => Ending::Here { has_unread: true },
            _ if std::io::Error::last_os_error().kind() == std::io::ErrorKind::WouldBlock => {
                Ending::Here { has_unread: false }
            }
            _ => Ending::There,
        }
    }
}

/// A new descriptor of the same file, closed when a program is executed.
fn duplicate_of(descriptor: RawFd) -> Option<OwnedFd> {
    if descriptor < 0 {
        return None;
    }
    // SAFETY: any number may be duplicated; a closed one is an error.
    let duplicate = unsafe { libc::fcntl(descriptor, libc::F_DUPFD_CLOEXEC, 3) };
    // SAFETY: where it did not fail fcntl just made it, and nothing else owns it.
    (duplicate != -1).then(|| unsafe { <OwnedFd as std::os::fd::FromRawFd>::from_raw_fd(duplicate) })
}

/// What two descriptors of one file have in common, and no others.
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
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the buffer is one rlimit.
    let failed = unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) } == -1;
    if failed { 0 } else { RawFd::try_from(limit.rlim_cur).unwrap_or(RawFd::MAX) }
}

/// The address of a connection's peer.
fn peer_of(socket: RawFd) -> Option<PeerAddress> {
    let mut address = MaybeUninit::<libc::sockaddr_storage>::zeroed();
    let mut length = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
    // SAFETY: a buffer of sockaddr_storage's size takes any address.
    if unsafe { libc::getpeername(socket, address.as_mut_ptr().cast(), &raw mut length) } == -1 {
        return None;
    }
    // SAFETY: zeroed above, so initialised whatever was written.
    let address = unsafe { address.assume_init() };
    match c_int::from(address.ss_family) {
        libc::AF_INET => {
            // SAFETY: the family says that this is a sockaddr_in, which fits into the storage.
            let v4 = unsafe { *(&raw const address).cast::<libc::sockaddr_in>() };
            Some(PeerAddress::Ip(Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr)).into()))
        }
        libc::AF_INET6 => {
            // SAFETY: as above, for sockaddr_in6.
            let v6 = unsafe { *(&raw const address).cast::<libc::sockaddr_in6>() };
            Some(PeerAddress::Ip(IpAddr::V6(Ipv6Addr::from(v6.sin6_addr.s6_addr)).to_canonical()))
        }
        libc::AF_UNIX => peer_process(socket).map(PeerAddress::Process),
        _ => None,
    }
}

/// The process that connected a Unix socket (SO_PEERCRED, unix(7)).
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
        let patience = Duration::from_secs(20);
        assert_eq!(watch.ending(-1, patience), Ending::Here { has_unread: false });
        (&client).write_all(b"more").unwrap();
        assert_eq!(watch.ending(-1, patience), Ending::Here { has_unread: true });
        let (server, client) = pair();
        let watch = Watch::new(server.as_raw_fd()).unwrap();
        drop(client);
        assert_eq!((&server).read(&mut [0]).unwrap(), 0);
        drop(server);
        assert_eq!(watch.ending(-1, patience), Ending::There);
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
        assert!(connection.unsent_bytes() > 0);
        connection.cut_off();
        let mut rest = Vec::new();
        client.read_to_end(&mut rest).unwrap();
        assert_eq!(rest, b"unread");
    }

    #[test]
    fn addresses_are_read_in_libzmqs_words() {
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
