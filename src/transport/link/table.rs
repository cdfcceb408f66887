//! The connections of one socket and the endpoints it connects to: a state machine. Events of libzmq's monitor and the time
//! go in, outputs come out; it makes no call of the system.
//!
//! An event about a connection's beginning or end carries its descriptor, one about a handshake only an endpoint's text.
//! Accepted connections carry the listener's address, others the peer's, so it is certain which endpoint an event is about;
//! among the accepted ones [`Handshakes`] finds out whose handshake is meant, as far as that can be known.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use super::cut_off::{Cut, Owner};
use super::handshake::{Ended, Handshakes};
use super::monitor::{MonitorEvent, MonitorEventKind};
use super::reconnect::{self, Manner, RemoteEndpoint};
use super::state::Refusal;
use super::{LinkEvent, Place};
use crate::curve::keys::PublicKey;
use crate::sys::descriptors::PeerAddress;
use crate::transport::address::endpoint::Address;
use crate::transport::counters::ConnectionCounters;

/// What a socket's table wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// As [`reconnect::Output`], for the endpoint with this index in the table.
    Endpoint(usize, reconnect::Output),
    /// The owner is told.
    Tell(LinkEvent),
    /// A connection ended, and it is to be found out at which end. `is_judged`: its handshake had succeeded.
    Judge {
        /// The number its descriptor had.
        descriptor: i32,
        /// Where it belonged.
        place: Place,
        /// Whether the answer matters.
        is_judged: bool,
    },
    /// A connection was ended on the socket's own order.
    Forget(i32),
}

/// Whether a connection is ended by us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// It is not.
    No,
    /// It is to be; where no descriptor was to be had, it is tried again.
    Wanted,
    /// It was: what is still under way of it does not count again.
    Done,
}

#[derive(Debug)]
pub(super) struct Connection {
    /// The endpoint's index in the table; `None`: it was accepted.
    endpoint: Option<usize>,
    pub(super) address: Option<PeerAddress>,
    pub(super) owner: Owner,
    pub(super) is_on_probation: bool,
    pub(super) ending: Ending,
    /// What its peer had taken at [`super::handle::Link::mark_progress`], where that is known.
    pub(super) marked: Option<u64>,
    /// The last look found nobody at its descriptor.
    is_missing: bool,
}

/// What is known of one socket's connections.
#[derive(Debug)]
pub struct Table {
    endpoints: Vec<RemoteEndpoint>,
    pub(super) connections: HashMap<i32, Connection>,
    accepted: Handshakes,
    /// Keys whose messages end the connection they come by.
    pub(super) revoked: HashSet<PublicKey>,
    last_accepted_end: Option<Instant>,
    /// Connections to be made once no endpoint is in doubt.
    held: Vec<(usize, reconnect::Output)>,
}

impl Table {
    /// The table of a socket that connects to these endpoints, each with its place among the socket's.
    #[must_use]
    pub fn new<'a>(endpoints: impl Iterator<Item = (usize, &'a Address)>, manner: Manner, now: Instant) -> Self {
        Self {
            endpoints: endpoints.map(|(place, address)| RemoteEndpoint::new(place, address, manner, now)).collect(),
            connections: HashMap::new(),
            accepted: Handshakes::default(),
            revoked: HashSet::new(),
            last_accepted_end: None,
            held: Vec::new(),
        }
    }

    /// The endpoints that the socket connects to.
    #[must_use]
    pub fn endpoints(&self) -> &[RemoteEndpoint] {
        &self.endpoints
    }

    /// Connections whose handshake has succeeded.
    #[must_use]
    pub fn ready(&self) -> u64 {
        self.accepted.ready() + self.endpoints.iter().filter(|endpoint| endpoint.is_ready()).count() as u64
    }

    /// Whether an accepted connection ended within the last `span`: libzmq takes a moment to take it out of the socket.
    #[must_use]
    pub fn accepted_ended_within(&self, span: Duration, now: Instant) -> bool {
        self.last_accepted_end.is_some_and(|at| now.saturating_duration_since(at) < span)
    }

    /// The first connections.
    pub fn start(&mut self, now: Instant, outputs: &mut Vec<Output>) {
        for index in 0..self.endpoints.len() {
            self.with(index, outputs, |endpoint, out| endpoint.start(now, out));
        }
    }

    fn with(
        &mut self,
        index: usize,
        outputs: &mut Vec<Output>,
        change: impl FnOnce(&mut RemoteEndpoint, &mut Vec<reconnect::Output>),
    ) {
        let Some(endpoint) = self.endpoints.get_mut(index) else { return };
        let before = endpoint.descriptor();
        let mut wanted = Vec::new();
        change(endpoint, &mut wanted);
        for output in wanted {
            match output {
                reconnect::Output::Tell(event) => outputs.push(Output::Tell(event)),
                change @ (reconnect::Output::Connect { .. } | reconnect::Output::Disconnect) => {
                    // libzmq ends the old connection without a report.
                    let had = before.filter(|descriptor| self.connections.remove(descriptor).is_some());
                    outputs.extend(had.map(Output::Forget));
                    self.held.retain(|(held, _)| *held != index);
                    if change == reconnect::Output::Disconnect {
                        outputs.push(Output::Endpoint(index, change));
                    } else {
                        self.held.push((index, change));
                    }
                }
                other => outputs.push(Output::Endpoint(index, other)),
            }
        }
        // A new session may take the memory of one that libzmq has ended and still points to.
        if !self.endpoints.iter().any(RemoteEndpoint::is_in_doubt) {
            outputs.extend(self.held.drain(..).map(|(index, connect)| Output::Endpoint(index, connect)));
        }
    }

    fn place(&self, endpoint: Option<usize>, address: Option<PeerAddress>) -> Place {
        match endpoint.and_then(|index| self.endpoints.get(index)) {
            Some(endpoint) => Place::Endpoint(endpoint.number(), endpoint.name().clone()),
            None => Place::Accepted(address),
        }
    }

    /// The endpoint that an event with this text is about, preferably one that `is_likely`.
    fn find(&self, reported: &str, is_likely: impl Fn(&RemoteEndpoint) -> bool) -> Option<usize> {
        let named = || self.endpoints.iter().enumerate().filter(|(_, endpoint)| endpoint.is_named(reported));
        named().find(|(_, endpoint)| is_likely(endpoint)).or_else(|| named().next()).map(|(index, _)| index)
    }

    /// Takes in one event. `address`: of the peer, where a connection begins.
    pub fn apply(
        &mut self,
        event: &MonitorEvent,
        address: Option<PeerAddress>,
        counters: &ConnectionCounters,
        now: Instant,
        outputs: &mut Vec<Output>,
    ) {
        let text = event.endpoint.as_str();
        match event.kind {
            MonitorEventKind::Accepted { fd } => {
                counters.accepted.increment();
                self.begun(fd, None, address);
                self.accepted.begun(fd);
            }
            MonitorEventKind::Connected { fd } => {
                // An endpoint that was aimed elsewhere meanwhile has nothing to do with this connection any more.
                let Some(index) = self.find(text, |endpoint| endpoint.descriptor().is_none()) else { return };
                self.begun(fd, Some(index), address);
                self.with(index, outputs, |endpoint, _| endpoint.connected(fd, now));
            }
            MonitorEventKind::ConnectDelayed => {
                if let Some(index) = self.find(text, |endpoint| endpoint.descriptor().is_none()) {
                    self.with(index, outputs, |endpoint, _| endpoint.retried(now));
                }
            }
            MonitorEventKind::ConnectRetried { .. } => {
                counters.reconnects.increment();
                if let Some(index) = self.find(text, |endpoint| endpoint.descriptor().is_none()) {
                    self.with(index, outputs, |endpoint, _| endpoint.retried(now));
                }
            }
            MonitorEventKind::HandshakeSucceeded => {
                counters.handshakes_succeeded.increment();
                let is_handshaking =
                    |endpoint: &RemoteEndpoint| endpoint.descriptor().is_some() && !endpoint.is_ready();
                match self.find(text, is_handshaking) {
                    Some(index) => self.with(index, outputs, |endpoint, out| endpoint.succeeded(now, out)),
                    None => {
                        self.accepted.succeeded();
                        outputs.push(Output::Tell(LinkEvent::AcceptedReady));
                    }
                }
            }
            MonitorEventKind::Disconnected { fd } => self.ended(fd, counters, now, outputs),
            kind if kind.is_failed_handshake() => self.failed(event, counters, now, outputs),
            _ => {}
        }
        counters.active.set(self.ready());
    }

    fn begun(&mut self, descriptor: i32, endpoint: Option<usize>, address: Option<PeerAddress>) {
        let connection = Connection {
            endpoint,
            address,
            owner: Owner::default(),
            is_on_probation: false,
            ending: Ending::No,
            marked: None,
            is_missing: false,
        };
        self.connections.insert(descriptor, connection);
    }

    fn failed(&mut self, event: &MonitorEvent, counters: &ConnectionCounters, now: Instant, outputs: &mut Vec<Output>) {
        let counter = match event.kind {
            MonitorEventKind::HandshakeFailedAuth(_) => &counters.handshakes_failed_auth,
            MonitorEventKind::HandshakeFailedProtocol(_) => &counters.handshakes_failed_protocol,
            _ => &counters.handshakes_failed_other,
        };
        counter.increment();
        let is_handshaking = |endpoint: &RemoteEndpoint| endpoint.descriptor().is_some() && !endpoint.is_ready();
        if let Some(index) = self.find(&event.endpoint, is_handshaking) {
            self.with(index, outputs, |endpoint, out| endpoint.failed(event.kind, now, out));
            return;
        }
        if matches!(event.kind, MonitorEventKind::HandshakeFailedAuth(_)) {
            self.accepted.refused();
        } else {
            self.accepted.failed();
        }
        let event = LinkEvent::AcceptedFailed(Refusal::of(event.kind, false), event.to_string());
        outputs.push(Output::Tell(event));
    }

    fn ended(&mut self, descriptor: i32, counters: &ConnectionCounters, now: Instant, outputs: &mut Vec<Output>) {
        // One that was forgotten already has been counted then.
        let Some(connection) = self.connections.remove(&descriptor) else { return };
        counters.closed.increment();
        let place = self.place(connection.endpoint, connection.address);
        if let Some(index) = connection.endpoint {
            let endpoint = self.endpoints.get(index).filter(|endpoint| endpoint.descriptor() == Some(descriptor));
            let is_judged = endpoint.is_some_and(RemoteEndpoint::is_ready);
            outputs.push(Output::Judge { descriptor, place, is_judged });
            if let Some(endpoint) = endpoint {
                if !is_judged && !endpoint.has_failed() {
                    counters.handshakes_failed_protocol.increment();
                }
                self.with(index, outputs, |endpoint, out| endpoint.ended(now, out));
            }
            return;
        }
        self.last_accepted_end = Some(now);
        // A message that CURVE cannot open is reported with a text of its own.
        let is_reported = self.accepted.is_failing();
        let ended = self.accepted.ended(descriptor);
        outputs.push(Output::Judge { descriptor, place, is_judged: ended == Ended::Ready && !is_reported });
        match ended {
            Ended::Ready => outputs.push(Output::Tell(LinkEvent::AcceptedLost)),
            Ended::Failed => {}
            Ended::FailedSilently => {
                counters.handshakes_failed_protocol.increment();
                let text = "the handshake failed: not our protocol".to_owned();
                outputs.push(Output::Tell(LinkEvent::AcceptedFailed(Refusal::NotOurs, text)));
            }
        }
    }

    /// The authenticator admitted a key from an address: one of the connections there that are not ready is its.
    pub fn authenticated(&mut self, address: Option<PeerAddress>, key: PublicKey) {
        self.revoked.remove(&key);
        for (descriptor, connection) in &mut self.connections {
            let is_from_there = address.is_none() || connection.address.is_none() || connection.address == address;
            if connection.endpoint.is_none() && is_from_there && !self.accepted.is_certainly_ready(*descriptor) {
                connection.owner.may_be(key);
            }
        }
    }

    /// Ends the connections of a key, by `cut`; its messages end connections from now on. Returns how many were ended.
    pub(super) fn revoke(&mut self, key: PublicKey, cut: impl Fn(i32, PeerAddress) -> Cut) -> u64 {
        self.revoked.insert(key);
        for connection in self.connections.values_mut() {
            if connection.ending == Ending::No && connection.endpoint.is_none() && connection.owner.is_meant_by(&key) {
                connection.ending = Ending::Wanted;
            }
        }
        self.end_wanted(cut)
    }

    /// Tries to end every connection that is to be ended; returns how many were.
    pub(super) fn end_wanted(&mut self, cut: impl Fn(i32, PeerAddress) -> Cut) -> u64 {
        let mut ended = 0;
        for (descriptor, connection) in &mut self.connections {
            let (Ending::Wanted, Some(address)) = (connection.ending, connection.address) else { continue };
            match cut(*descriptor, address) {
                Cut::Done => {
                    connection.ending = Ending::Done;
                    ended += 1;
                }
                Cut::Gone => connection.ending = Ending::Done,
                Cut::Short => {}
            }
        }
        ended
    }

    /// Whether a connection that is to be ended still stands.
    pub(super) fn wants_endings(&self) -> bool {
        self.connections.values().any(|connection| connection.ending == Ending::Wanted && connection.address.is_some())
    }

    /// Sees which connections still exist; what has been gone for two looks had an end that libzmq did not report.
    pub fn audit(
        &mut self,
        peer_at: impl Fn(i32) -> Option<PeerAddress>,
        counters: &ConnectionCounters,
        now: Instant,
        outputs: &mut Vec<Output>,
    ) {
        let mut gone = Vec::new();
        for (descriptor, connection) in &mut self.connections {
            let is_missing = connection.address.is_some() && peer_at(*descriptor) != connection.address;
            if is_missing && connection.is_missing {
                gone.push(*descriptor);
            }
            connection.is_missing = is_missing;
        }
        for descriptor in gone {
            self.ended(descriptor, counters, now, outputs);
        }
        counters.active.set(self.ready());
    }

    /// The peer at a place was cut off for a frame over the limit.
    pub fn was_oversize(&mut self, place: &Place, outputs: &mut Vec<Output>) {
        if let Place::Endpoint(number, _) = place {
            if let Some(index) = self.endpoints.iter().position(|endpoint| endpoint.number() == *number) {
                self.with(index, outputs, |endpoint, out| endpoint.was_oversize(out));
            }
        }
        outputs.push(Output::Tell(LinkEvent::Oversize(place.clone())));
    }

    /// Hands something to one endpoint.
    pub fn endpoint(
        &mut self,
        index: usize,
        outputs: &mut Vec<Output>,
        change: impl FnOnce(&mut RemoteEndpoint, &mut Vec<reconnect::Output>),
    ) {
        self.with(index, outputs, change);
    }

    /// Does what is due.
    pub fn tick(&mut self, now: Instant, outputs: &mut Vec<Output>) {
        for index in 0..self.endpoints.len() {
            self.with(index, outputs, |endpoint, out| endpoint.tick(now, out));
        }
    }

    /// When something is due.
    #[must_use]
    pub fn next_due(&self) -> Option<Instant> {
        self.endpoints.iter().filter_map(RemoteEndpoint::next_due).min()
    }
}

#[cfg(test)]
mod tests;
