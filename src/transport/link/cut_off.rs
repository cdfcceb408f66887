//! Which connection belongs to whom, for the two reasons to end one: a subscriber that takes nothing, and a key that is not
//! allowed any more.
//!
//! libzmq has no call to close one peer, and closing its descriptor aborts the process. What works is shutdown(2) on a
//! duplicate. The monitor reports each connection's descriptor; messages and (with XPUB_VERBOSE) subscriptions carry it as
//! `__fd`, beside the peer's `User-Id`. A peer that has sent nothing is known by its address only, so revoking its key ends
//! every connection from that address that is not known to be somebody else's; libzmq clients connect again by themselves.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use crate::curve::keys::PublicKey;
use crate::sys::descriptors::{Connection, PeerAddress};
use crate::sys::zmq::Message;
use crate::transport::link::command::Revoked;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    /// It has sent nothing yet.
    Unknown,
    /// Its messages carry this key.
    Key(PublicKey),
    /// Messages of an earlier connection with the same descriptor were still under way, so nothing is certain.
    Ambiguous,
}

#[derive(Clone, Copy, Debug)]
struct Peer {
    address: PeerAddress,
    owner: Owner,
    /// It comes from where one was cut off for taking nothing: the next time there is no patience.
    is_on_probation: bool,
}

/// Where a stuck peer was cut off.
#[derive(Clone, Copy, Debug)]
struct Probation {
    address: PeerAddress,
    /// Its key, where it had shown one: then only that key is meant.
    key: Option<PublicKey>,
    until: Instant,
}

/// How long a peer that was cut off is remembered.
const PROBATION: Duration = Duration::from_secs(60);

/// The connections of one socket.
#[derive(Debug, Default)]
pub struct Connections {
    peers: HashMap<i32, Peer>,
    /// The descriptor of the last noted message: most messages come by the same connection as the one before.
    last: Option<(i32, PublicKey)>,
    /// Keys whose messages end the connection they come by.
    revoked: HashSet<PublicKey>,
    probation: Vec<Probation>,
}

impl Connections {
    /// A connection stands, the handshake has not begun.
    pub fn opened(&mut self, descriptor: i32) {
        if let Some(address) = Connection::peer_address(descriptor) {
            let now = Instant::now();
            self.probation.retain(|probation| probation.until > now);
            let is_on_probation = self.probation.iter().any(|probation| probation.address == address);
            self.peers.insert(descriptor, Peer { address, owner: Owner::Unknown, is_on_probation });
            self.last = None;
        }
    }

    /// A connection ended.
    pub fn closed(&mut self, descriptor: i32) {
        self.peers.remove(&descriptor);
        self.last = None;
    }

    /// Learns from a message whose connection it came by. `true`: its key had been revoked, and the connection was ended.
    pub fn note(&mut self, message: &Message) -> bool {
        let Some(descriptor) = message.property(c"__fd").and_then(|text| text.parse::<i32>().ok()) else {
            return false;
        };
        let Some(key) = message.property(c"User-Id").and_then(|text| PublicKey::from_z85(text).ok()) else {
            return false;
        };
        if self.last != Some((descriptor, key)) {
            self.last = Some((descriptor, key));
            if let Some(peer) = self.peers.get_mut(&descriptor) {
                peer.owner = match peer.owner {
                    Owner::Unknown => Owner::Key(key),
                    Owner::Key(known) if known == key => Owner::Key(key),
                    Owner::Key(_) | Owner::Ambiguous => Owner::Ambiguous,
                };
                let is_meant = |probation: &Probation| probation.key.is_none_or(|cut| cut == key);
                peer.is_on_probation &=
                    self.probation.iter().any(|probation| probation.address == peer.address && is_meant(probation));
            }
        }
        if self.revoked.is_empty() || !self.revoked.contains(&key) {
            return false;
        }
        // Forgotten at once: what is still under way of it must not count again.
        self.peers.remove(&descriptor).is_some_and(|peer| cut(descriptor, peer.address))
    }

    /// Ends the connections of a key; returns how many. Its messages end connections from now on.
    pub fn revoke(&mut self, revoked: &Revoked) -> usize {
        self.revoked.insert(revoked.key);
        let is_meant = |peer: &Peer| match peer.owner {
            Owner::Key(key) => key == revoked.key,
            Owner::Unknown | Owner::Ambiguous => revoked.addresses.contains(&peer.address),
        };
        let before = self.peers.len();
        self.peers.retain(|&descriptor, peer| !is_meant(peer) || !cut(descriptor, peer.address));
        before - self.peers.len()
    }

    /// The key is allowed again.
    pub fn readmit(&mut self, key: &PublicKey) {
        self.revoked.remove(key);
    }

    /// Cuts off every peer with unsent bytes and returns their addresses. Call it only after a time without progress:
    /// whoever keeps up has none by then.
    pub fn cut_off_stuck(&mut self) -> Vec<PeerAddress> {
        self.cut_off_full(|_| true)
    }

    /// The same for peers that were cut off lately and have come back, at once.
    pub fn cut_off_relapsed(&mut self) -> Vec<PeerAddress> {
        if self.probation.is_empty() {
            return Vec::new();
        }
        self.cut_off_full(|peer| peer.is_on_probation)
    }

    fn cut_off_full(&mut self, is_meant: impl Fn(&Peer) -> bool) -> Vec<PeerAddress> {
        let mut cut = Vec::new();
        self.peers.retain(|&descriptor, peer| {
            let connection = is_meant(peer).then(|| Connection::find(descriptor, peer.address)).flatten();
            let Some(connection) = connection.filter(|connection| connection.unsent_bytes() > 0) else { return true };
            connection.cut_off();
            cut.push(*peer);
            false
        });
        let until = Instant::now() + PROBATION;
        for peer in &cut {
            let key = if let Owner::Key(key) = peer.owner { Some(key) } else { None };
            self.probation.retain(|known| (known.address, known.key) != (peer.address, key));
            self.probation.push(Probation { address: peer.address, key, until });
        }
        cut.iter().map(|peer| peer.address).collect()
    }
}

/// Ends a connection, if the descriptor is still one to that address.
fn cut(descriptor: i32, address: PeerAddress) -> bool {
    let Some(connection) = Connection::find(descriptor, address) else { return false };
    connection.cut_off();
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsRawFd;

    const ALICE: PublicKey = PublicKey::from_bytes([1; 32]);
    const BOB: PublicKey = PublicKey::from_bytes([2; 32]);

    fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (listener.accept().unwrap().0, client)
    }

    fn has_ended(client: &mut TcpStream) -> bool {
        client.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        matches!(client.read(&mut [0]), Ok(0))
    }

    fn set_owner(connections: &mut Connections, descriptor: i32, owner: Owner) {
        connections.peers.get_mut(&descriptor).unwrap().owner = owner;
    }

    #[test]
    fn revoking_a_key_ends_its_connections_and_silent_ones_from_its_address() {
        let address = PeerAddress::parse("127.0.0.1").unwrap();
        let mut ends: Vec<_> = (0..4).map(|_| pair()).collect();
        let mut connections = Connections::default();
        let owners = [Owner::Key(ALICE), Owner::Key(BOB), Owner::Unknown, Owner::Ambiguous];
        for ((server, _), owner) in ends.iter().zip(owners) {
            connections.opened(server.as_raw_fd());
            set_owner(&mut connections, server.as_raw_fd(), owner);
        }
        assert_eq!(
            connections.revoke(&Revoked { key: ALICE, addresses: vec![PeerAddress::parse("192.0.2.1").unwrap()] }),
            1
        );
        let ended: Vec<bool> = ends.iter_mut().map(|(_, client)| has_ended(client)).collect();
        assert_eq!(ended, [true, false, false, false]);
        assert_eq!(connections.revoke(&Revoked { key: ALICE, addresses: vec![address] }), 2);
        let ended: Vec<bool> = ends.iter_mut().map(|(_, client)| has_ended(client)).collect();
        assert_eq!(ended, [true, false, true, true], "Bob's is known to be his");
    }

    #[test]
    fn a_closed_connection_is_forgotten() {
        let (server, mut client) = pair();
        let mut connections = Connections::default();
        connections.opened(server.as_raw_fd());
        set_owner(&mut connections, server.as_raw_fd(), Owner::Key(ALICE));
        connections.closed(server.as_raw_fd());
        assert_eq!(connections.revoke(&Revoked { key: ALICE, addresses: Vec::new() }), 0);
        assert!(!has_ended(&mut client));
        assert!(connections.cut_off_stuck().is_empty());
    }

    #[test]
    fn only_peers_with_unsent_bytes_are_stuck() {
        use std::io::Write;
        let (full, mut never_reads) = pair();
        let (idle, mut keeps_up) = pair();
        full.set_nonblocking(true).unwrap();
        while (&full).write(&[0; 65536]).is_ok() {}
        let mut connections = Connections::default();
        connections.opened(full.as_raw_fd());
        connections.opened(idle.as_raw_fd());
        assert!(connections.cut_off_relapsed().is_empty(), "nobody is on probation yet");
        assert_eq!(connections.cut_off_stuck().len(), 1);
        assert!(!has_ended(&mut keeps_up));
        let (again, _never_reads_either) = pair();
        again.set_nonblocking(true).unwrap();
        connections.opened(again.as_raw_fd());
        assert!(connections.cut_off_relapsed().is_empty(), "it has not relapsed");
        while (&again).write(&[0; 65536]).is_ok() {}
        assert_eq!(connections.cut_off_relapsed().len(), 1);
        let mut rest = Vec::new();
        never_reads.read_to_end(&mut rest).unwrap();
    }
}
