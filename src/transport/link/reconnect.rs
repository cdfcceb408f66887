//! What a socket's monitor says, turned into counters, a number of live peers, and endpoints to connect again.
//!
//! A libzmq client whose handshake was refused never tries again by itself (measured with 4.3.4), so the owner of the
//! socket disconnects and connects such an endpoint after a pause that doubles up to a maximum.

use std::time::{Duration, Instant};

use crate::sys::zmq::Socket;
use crate::transport::counters::ConnectionCounters;
use crate::transport::link::close_cause::Endings;
use crate::transport::link::cut_off::Connections;
use crate::transport::link::handshake::{Ended, Handshakes};
use crate::transport::link::monitor::{Monitor, MonitorEvent, MonitorEventKind};

/// Something that the socket's owner may want to tell somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeerEvent {
    /// A handshake succeeded.
    Ready {
        /// Where, in libzmq's words.
        endpoint: String,
    },
    /// A connection that had been ready ended.
    Lost {
        /// Where, in libzmq's words.
        endpoint: String,
    },
    /// A connection that had been ready was ended on this side: the peer had sent a frame over the limit.
    Oversize {
        /// Where, in libzmq's words.
        endpoint: String,
    },
    /// A handshake failed.
    Failed {
        /// What and where, in plain words.
        text: String,
        /// Whether the other side refused us, or we it.
        is_refusal: bool,
        /// Whether it is our own connection, which will be tried again.
        is_ours: bool,
    },
}

/// The first and the longest pause before connecting again.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    /// The first pause.
    pub first: Duration,
    /// The longest pause.
    pub longest: Duration,
}

/// More than libzmq needs to report after a loss that it connects again.
const WORD_FROM_LIBZMQ: Duration = Duration::from_millis(100);

#[derive(Debug)]
struct Retry {
    endpoint: String,
    pause: Duration,
    due: Option<Instant>,
}

/// Follows one socket.
#[derive(Debug)]
pub struct PeerTracker {
    handshakes: Handshakes,
    retries: Vec<Retry>,
    backoff: Backoff,
    /// Who is connected, where the socket's owner needs to know.
    pub connections: Connections,
    /// Who ended a connection, where the socket's owner wants to know.
    endings: Option<Endings>,
}

impl PeerTracker {
    /// A tracker for a socket that connects to these endpoints, in libzmq's words.
    #[must_use]
    pub fn new(connected: &[String], backoff: Backoff) -> Self {
        let retry = |endpoint: &String| Retry { endpoint: endpoint.clone(), pause: backoff.first, due: None };
        Self {
            handshakes: Handshakes::default(),
            retries: connected.iter().map(retry).collect(),
            backoff,
            connections: Connections::default(),
            endings: None,
        }
    }

    /// Tells peers that were cut off for a frame over the limit from those that went away.
    #[must_use]
    pub fn watching_for_oversize(mut self, has_heartbeats: bool) -> Self {
        self.endings = Some(Endings::new(has_heartbeats));
        self
    }

    /// The socket is about to end its connections itself.
    pub fn stop_watching(&mut self) {
        if let Some(endings) = &mut self.endings {
            endings.clear();
        }
    }

    /// Connections whose handshake has succeeded.
    #[must_use]
    pub fn live(&self) -> u64 {
        self.handshakes.ready()
    }

    /// Takes in everything the monitor has, and hands on what is worth telling.
    pub fn update(&mut self, monitor: &mut Monitor, counters: &ConnectionCounters, mut tell: impl FnMut(PeerEvent)) {
        while let Some(event) = monitor.next_event() {
            if let Some(event) = self.apply(&event, counters, Instant::now()) {
                tell(event);
            }
        }
    }

    fn apply(&mut self, event: &MonitorEvent, counters: &ConnectionCounters, now: Instant) -> Option<PeerEvent> {
        let endpoint = || event.endpoint.clone();
        let failed = |is_refusal, is_ours| Some(PeerEvent::Failed { text: event.to_string(), is_refusal, is_ours });
        match event.kind {
            MonitorEventKind::Accepted { fd } => {
                counters.accepted.increment();
                self.opened(fd);
            }
            MonitorEventKind::Connected { fd } => self.opened(fd),
            MonitorEventKind::ConnectRetried { .. } => {
                counters.reconnects.increment();
                self.forget_retries(&event.endpoint);
            }
            MonitorEventKind::HandshakeSucceeded => {
                self.handshakes.succeeded();
                counters.active.set(self.live());
                counters.handshakes_succeeded.increment();
                self.forget_retries(&event.endpoint);
                return Some(PeerEvent::Ready { endpoint: endpoint() });
            }
            MonitorEventKind::Disconnected { fd } => {
                counters.closed.increment();
                self.connections.closed(fd);
                // A message that CURVE cannot open is reported in words of its own.
                let is_reported = self.handshakes.is_failing();
                let ended = self.handshakes.ended(fd);
                let is_judged = ended == Ended::Ready && !is_reported;
                let is_oversize = self.endings.as_mut().is_some_and(|endings| endings.closed(fd, is_judged));
                counters.active.set(self.live());
                let is_ours = self.schedule_unless_retried(&event.endpoint, now);
                return match ended {
                    Ended::Ready if is_oversize => Some(PeerEvent::Oversize { endpoint: endpoint() }),
                    Ended::Ready => Some(PeerEvent::Lost { endpoint: endpoint() }),
                    Ended::Failed => None,
                    Ended::FailedSilently => {
                        counters.handshakes_failed_protocol.increment();
                        let text = format!("{}: the handshake failed: not our protocol", event.endpoint.escape_debug());
                        Some(PeerEvent::Failed { text, is_refusal: false, is_ours })
                    }
                };
            }
            MonitorEventKind::HandshakeFailedAuth(_) => {
                self.handshakes.refused();
                counters.handshakes_failed_auth.increment();
                return failed(true, self.schedule(&event.endpoint, now));
            }
            MonitorEventKind::HandshakeFailedProtocol(_) => {
                self.handshakes.failed();
                counters.handshakes_failed_protocol.increment();
                return failed(false, self.schedule(&event.endpoint, now));
            }
            MonitorEventKind::HandshakeFailedNoDetail(_) => {
                self.handshakes.failed();
                counters.handshakes_failed_other.increment();
                // libzmq connects again by itself after a connection that broke off.
                return failed(false, !self.retries.is_empty());
            }
            _ => {}
        }
        None
    }

    fn opened(&mut self, descriptor: i32) {
        self.handshakes.begun(descriptor);
        self.connections.opened(descriptor);
        if let Some(endings) = &mut self.endings {
            endings.opened(descriptor);
        }
    }

    /// The endpoints an event may be about. Once the connection stands libzmq names the peer's resolved address, so
    /// with several endpoints only one whose text is that address is certain; otherwise every one with a host name may be
    /// meant.
    fn matching(&mut self, reported: &str) -> impl Iterator<Item = &mut Retry> {
        let is_known = self.retries.iter().any(|retry| retry.endpoint == reported);
        let is_only = self.retries.len() == 1;
        self.retries.iter_mut().filter(move |retry| {
            if is_known { retry.endpoint == reported } else { is_only || has_name(&retry.endpoint) }
        })
    }

    /// Notes that an endpoint must be connected again; `false` where we do not connect at all.
    fn schedule(&mut self, reported: &str, now: Instant) -> bool {
        let longest = self.backoff.longest;
        let mut any = false;
        for retry in self.matching(reported) {
            any = true;
            if retry.due.is_none() {
                retry.due = Some(now + retry.pause);
                retry.pause = (retry.pause * 2).min(longest);
            }
        }
        any
    }

    /// libzmq connects again by itself after most losses, and says so at once; after an error in the protocol, such as a
    /// message over the limit, it does not.
    fn schedule_unless_retried(&mut self, reported: &str, now: Instant) -> bool {
        let is_only = self.retries.len() == 1;
        let Some(retry) = self.retries.iter_mut().find(|retry| is_only || retry.endpoint == reported) else {
            return false;
        };
        retry.due.get_or_insert(now + retry.pause.max(WORD_FROM_LIBZMQ));
        true
    }

    fn forget_retries(&mut self, reported: &str) {
        let first = self.backoff.first;
        for retry in self.matching(reported) {
            retry.due = None;
            retry.pause = first;
        }
    }

    /// Connects again what is due. The rest of libzmq's pipe to such an endpoint is lost already: libzmq drops it when the
    /// handshake is refused.
    pub fn reconnect_due(&mut self, socket: &Socket, counters: &ConnectionCounters) {
        let now = Instant::now();
        for retry in &mut self.retries {
            if retry.due.is_some_and(|due| due <= now) {
                retry.due = None;
                counters.reconnects.increment();
                let _ = socket.disconnect(&retry.endpoint);
                let _ = socket.connect(&retry.endpoint);
            }
        }
    }

    /// How long until something is due; `None` while nothing is.
    #[must_use]
    pub fn until_due(&self) -> Option<Duration> {
        let now = Instant::now();
        self.retries.iter().filter_map(|retry| retry.due).map(|due| due.saturating_duration_since(now)).min()
    }
}

/// Whether a TCP endpoint names a host instead of giving its address.
fn has_name(endpoint: &str) -> bool {
    endpoint.strip_prefix("tcp://").is_none_or(|rest| {
        let host = rest.rsplit_once(';').map_or(rest, |(_, host)| host);
        let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
        host.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_err()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff = Backoff { first: Duration::from_millis(100), longest: Duration::from_millis(300) };

    fn event(kind: MonitorEventKind, endpoint: &str) -> MonitorEvent {
        MonitorEvent { kind, endpoint: endpoint.into() }
    }

    #[test]
    fn live_peers_are_those_whose_handshake_succeeded() {
        let counters = ConnectionCounters::default();
        let mut tracker = PeerTracker::new(&[], BACKOFF);
        let now = Instant::now();
        let mut apply = |kind| {
            tracker.apply(&event(kind, "tcp://127.0.0.1:1"), &counters, now);
            tracker.live()
        };
        assert_eq!(apply(MonitorEventKind::Accepted { fd: 5 }), 0);
        assert_eq!(apply(MonitorEventKind::HandshakeSucceeded), 1);
        assert_eq!(apply(MonitorEventKind::Accepted { fd: 6 }), 1);
        assert_eq!(apply(MonitorEventKind::HandshakeFailedAuth(400)), 1);
        assert_eq!(apply(MonitorEventKind::Disconnected { fd: 6 }), 1, "that one had never been live");
        assert_eq!(apply(MonitorEventKind::Accepted { fd: 6 }), 1);
        assert_eq!(apply(MonitorEventKind::Disconnected { fd: 6 }), 1, "nor this one");
        assert_eq!(apply(MonitorEventKind::Disconnected { fd: 5 }), 0);
        assert_eq!(apply(MonitorEventKind::Disconnected { fd: -1 }), 0);
        assert_eq!(counters.handshakes_failed_auth.get(), 1);
        assert_eq!(counters.closed.get(), 4);
    }

    #[test]
    fn a_refused_connection_is_tried_again_with_growing_pauses() {
        let counters = ConnectionCounters::default();
        let endpoints = ["tcp://127.0.0.1:1".to_owned(), "tcp://127.0.0.1:2".to_owned()];
        let mut tracker = PeerTracker::new(&endpoints, BACKOFF);
        let now = Instant::now();
        for expected in [100, 200, 300, 300] {
            let told = tracker.apply(&event(MonitorEventKind::HandshakeFailedAuth(400), &endpoints[1]), &counters, now);
            assert!(matches!(told, Some(PeerEvent::Failed { is_refusal: true, is_ours: true, .. })));
            assert_eq!(tracker.retries[0].due, None, "the other endpoint is left alone");
            assert_eq!(tracker.retries[1].due, Some(now + Duration::from_millis(expected)));
            tracker.retries[1].due = None;
        }
    }

    #[test]
    fn a_connection_that_libzmq_gives_up_without_a_word_is_tried_again() {
        let counters = ConnectionCounters::default();
        let endpoints = ["tcp://127.0.0.1:1".to_owned()];
        let mut tracker = PeerTracker::new(&endpoints, BACKOFF);
        let now = Instant::now();
        let mut apply = |kind| {
            tracker.apply(&event(kind, &endpoints[0]), &counters, now);
            tracker.retries[0].due.is_some()
        };
        assert!(!apply(MonitorEventKind::Connected { fd: 5 }));
        assert!(!apply(MonitorEventKind::HandshakeSucceeded));
        assert!(apply(MonitorEventKind::Disconnected { fd: 5 }));
        assert!(!apply(MonitorEventKind::ConnectRetried { interval_ms: 100 }), "libzmq tries again itself");
    }

    #[test]
    fn an_event_with_a_resolved_address_is_about_a_host_name() {
        assert!(has_name("tcp://logs.example.com:5555") && has_name("tcp://127.0.0.1:0;logs:5555"));
        assert!(!has_name("tcp://127.0.0.1:5555") && !has_name("tcp://[::1]:5555"));
        let counters = ConnectionCounters::default();
        let endpoints = ["tcp://logs.example.com:5555".to_owned(), "tcp://192.0.2.1:5555".to_owned()];
        let mut tracker = PeerTracker::new(&endpoints, BACKOFF);
        let kind = MonitorEventKind::HandshakeFailedProtocol(0);
        tracker.apply(&event(kind, "tcp://198.51.100.7:5555"), &counters, Instant::now());
        assert!(tracker.retries[0].due.is_some() && tracker.retries[1].due.is_none());
    }
}
