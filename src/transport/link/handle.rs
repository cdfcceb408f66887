//! What others than the driver ask of a watched socket: its owner, and the authenticator.
//!
//! Where the answer depends on what libzmq has reported, the monitor's events are taken in first.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use super::close_cause::CloseCauses;
use super::cut_off::cut;
use super::monitor::Monitor;
use super::table::Ending;
use super::watched::Watched;
use crate::curve::keys::PublicKey;
use crate::sys::descriptors::{Connection, PeerAddress};
use crate::sys::zmq::{Message, Socket};

/// What a peer had taken earlier, where that is known.
type Marked = Option<u64>;

/// A watched socket. Dropping it ends the watch; the socket has to be there still, see [`Link::detach`].
#[derive(Debug)]
pub struct Link {
    watched: Arc<Watched>,
}

impl Link {
    pub(super) fn new(watched: Arc<Watched>) -> Self {
        Self { watched }
    }

    /// Lets the endpoints be connected: the socket's owner gets commands.
    pub fn start(&self) {
        let mut state = self.watched.lock();
        let mut outputs = Vec::new();
        state.table.start(Instant::now(), &mut outputs);
        self.watched.carry_out(&mut state, outputs);
        drop(state);
        self.watched.wake_driver();
    }

    /// What others may ask about the socket's connections.
    #[must_use]
    pub fn handle(&self) -> LinkHandle {
        LinkHandle { watched: Arc::downgrade(&self.watched) }
    }

    /// The owner could not connect an endpoint.
    pub fn connect_failed(&self, endpoint: usize, reason: &str) {
        let mut state = self.watched.lock();
        let index = state.table.endpoints().iter().position(|known| known.number() == endpoint);
        if let Some(index) = index {
            self.watched.answer(&mut state, index, |endpoint, now, out| endpoint.connect_failed(reason, now, out));
        }
        drop(state);
        self.watched.wake_driver();
    }

    /// Takes in what the monitor has reported up to now.
    pub fn catch_up(&self) {
        self.watched.catch_up(&mut self.watched.lock());
    }

    /// Whether it is still to be found out which end of a connection ended it; `LinkEvent::Oversize` is told before that is
    /// over.
    #[must_use]
    pub fn is_judging(&self) -> bool {
        self.watched.lock().causes.as_ref().is_some_and(CloseCauses::has_pending)
    }

    /// The owner is about to end all connections itself: nothing is told about them any more.
    pub fn be_quiet(&self) {
        let mut state = self.watched.lock();
        state.is_quiet = true;
        if let Some(causes) = &mut state.causes {
            causes.clear();
        }
    }

    /// Does something depending on the number of ready connections, which does not change meanwhile.
    pub fn with_ready<T>(&self, act: impl FnOnce(u64) -> T) -> T {
        act(self.watched.lock().ready)
    }

    /// Whether an accepted connection ended within the last `span`.
    #[must_use]
    pub fn accepted_ended_within(&self, span: Duration) -> bool {
        self.watched.lock().table.accepted_ended_within(span, Instant::now())
    }

    /// A number that changes with each connection that begins or ends, and each key that is revoked.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.watched.generation.load(Ordering::Acquire)
    }

    /// Learns from a message whose connection it came by. `true`: its key had been revoked, and the connection is ended.
    pub fn note(&self, descriptor: i32, key: PublicKey) -> bool {
        let mut state = self.watched.lock();
        let state = &mut *state;
        let is_revoked = state.table.revoked.contains(&key);
        let Some(connection) = state.table.connections.get_mut(&descriptor) else { return false };
        connection.owner.is_proved(key);
        if let Some(address) = connection.address {
            connection.is_on_probation &= state.probation.covers_key(address, key);
        }
        if !is_revoked || connection.ending != Ending::No {
            return false;
        }
        connection.ending = Ending::Wanted;
        state.wants_endings = true;
        self.watched.end_wanted(state);
        self.watched.wake_driver();
        true
    }

    /// Notes how much each peer with unsent bytes has taken, for [`Link::cut_off_stuck`].
    pub fn mark_progress(&self) {
        let mut state = self.watched.lock();
        for (descriptor, connection) in &mut state.table.connections {
            let found = connection.address.and_then(|address| Connection::find(*descriptor, address));
            connection.marked =
                found.filter(|found| found.unsent_bytes() > 0).and_then(|found| found.acknowledged_bytes());
        }
    }

    /// Cuts off the peers with unsent bytes that have taken nothing since [`Link::mark_progress`], and returns their addresses.
    /// Where all of them move, slowly, it cuts them all off. Call it only after a time without progress: a peer that keeps up
    /// has no unsent bytes by then.
    pub fn cut_off_stuck(&self) -> Vec<PeerAddress> {
        let stands_still = |connection: &Marked, found: &Connection| match (connection, found.acknowledged_bytes()) {
            (Some(before), Some(now)) => now <= *before,
            // Over a Unix socket nothing is known.
            _ => true,
        };
        let cut = self.cut_off_full(|_, marked, found| stands_still(&marked, found));
        if cut.is_empty() { self.cut_off_full(|_, _, _| true) } else { cut }
    }

    /// The same for peers that were cut off lately and have come back, at once.
    pub fn cut_off_relapsed(&self) -> Vec<PeerAddress> {
        if self.watched.lock().probation.is_empty() {
            return Vec::new();
        }
        self.cut_off_full(|is_on_probation, _, _| is_on_probation)
    }

    fn cut_off_full(&self, is_meant: impl Fn(bool, Marked, &Connection) -> bool) -> Vec<PeerAddress> {
        let mut state = self.watched.lock();
        self.watched.catch_up(&mut state);
        let state = &mut *state;
        let now = Instant::now();
        let mut cut = Vec::new();
        for (descriptor, connection) in &mut state.table.connections {
            let Some(address) = connection.address.filter(|_| connection.ending != Ending::Done) else { continue };
            let found = Connection::find(*descriptor, address).filter(|found| {
                found.unsent_bytes() > 0 && is_meant(connection.is_on_probation, connection.marked, found)
            });
            if let Some(found) = found {
                found.cut_off();
                connection.ending = Ending::Done;
                cut.push(address);
                state.probation.begin(address, connection.owner.proven(), now);
            }
        }
        cut
    }

    /// Ends the watch of the socket, which is about to be closed. libzmq's I/O thread would wait for ever to report the end
    /// of a connection to a reader that has gone, and with it every other socket of the context.
    pub fn detach(&self, socket: &Socket) {
        let _ = Monitor::detach(socket);
        let mut state = self.watched.lock();
        state.is_quiet = true;
        state.monitor = None;
        state.table.connections.clear();
        self.watched.owner.connections().active.set(0);
        drop(state);
        self.watched.wake_driver();
    }
}

/// What others than the owner ask about a socket's connections; it does not keep the watch going.
#[derive(Clone, Debug)]
pub struct LinkHandle {
    watched: Weak<Watched>,
}

impl LinkHandle {
    /// The authenticator admits a key from this address, in the words of its request.
    pub fn authenticated(&self, address: &str, key: PublicKey) {
        let Some(watched) = self.watched.upgrade() else { return };
        let mut state = watched.lock();
        watched.catch_up(&mut state);
        state.table.authenticated(PeerAddress::parse(address), key);
    }

    /// Ends the connections of a key. Its messages end connections from now on.
    pub fn revoke(&self, key: PublicKey) {
        let Some(watched) = self.watched.upgrade() else { return };
        let mut state = watched.lock();
        watched.catch_up(&mut state);
        watched.owner.connections().revoked.add(state.table.revoke(key, cut));
        watched.generation.fetch_add(1, Ordering::Release);
        state.wants_endings = state.table.wants_endings();
        drop(state);
        watched.wake_driver();
    }
}

/// The descriptor and the key that a message shows; `None` where it shows none.
#[must_use]
pub fn shown_by(message: &Message) -> Option<(i32, PublicKey)> {
    let descriptor = message.property(c"__fd").and_then(|text| text.parse::<i32>().ok())?;
    let key = message.property(c"User-Id").and_then(|text| PublicKey::from_z85(text).ok())?;
    Some((descriptor, key))
}
