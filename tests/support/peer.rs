//! ZeroMQ peers in the test's own process, on libzmq itself.

use std::time::{Duration, Instant};

use rsyslog_zmq::sys::zmq::{self, Context, Message, POLLIN, PollItem, Socket, event, kind, option};

use super::certificates::Certificates;
use super::feed::{Feeder, PROBE_TEXT, Record};
use super::wait::{SHORT, wait_until};

/// `ZMQ_RCVBUF` (zmq.h).
const RCVBUF: std::ffi::c_int = 12;

/// A socket and the events of its connections.
pub struct Peer {
    /// The socket; for options that have no method here.
    pub socket: Socket,
    events: Socket,
}

impl Peer {
    /// A socket of a type from [`kind`].
    pub fn new(socket_kind: i32) -> Self {
        let context = Context::new().unwrap();
        let socket = context.socket(socket_kind).unwrap();
        // What is sent reaches a peer that lives; a dead one does not hang the test. A reader has nothing to wait for.
        let linger = if matches!(socket_kind, kind::PULL | kind::SUB) { 0 } else { 5000 };
        socket.set_int(option::LINGER, linger).unwrap();
        socket.set_int(option::SNDTIMEO, 30_000).unwrap();
        socket.monitor("inproc://events", event::ALL).unwrap();
        let events = context.socket(kind::PAIR).unwrap();
        events.connect("inproc://events").unwrap();
        Self { socket, events }
    }

    /// Listens, and returns the endpoint with the port that a wildcard was given.
    pub fn bind(&self, endpoint: &str) -> String {
        self.socket.bind(endpoint).unwrap();
        self.socket.last_endpoint().unwrap()
    }

    /// Connects.
    pub fn connect(&self, endpoint: &str) {
        self.socket.connect(endpoint).unwrap();
    }

    /// Connects and waits until the peers have agreed.
    pub fn connect_now(&self, endpoint: &str) {
        self.connect(endpoint);
        self.await_event(event::HANDSHAKE_SUCCEEDED);
    }

    /// Feeds probes until one comes back: the subscription is in force then.
    pub fn await_subscription(&self, feeder: &mut Feeder, record: Record<'_>) {
        let arrives = || {
            feeder.probe(record);
            self.any_within(Duration::from_millis(100)).is_some()
        };
        wait_until("the subscription to be in force", SHORT, arrives);
    }

    /// Subscribes (SUB).
    pub fn subscribe(&self, topic: &str) {
        self.socket.set_bytes(option::SUBSCRIBE, topic.as_bytes()).unwrap();
    }

    /// Lets as little as possible wait on the way to this socket, so that a sender feels soon that it does not read.
    pub fn keep_little(&self) {
        self.socket.set_int(option::RCVHWM, 1).unwrap();
        self.socket.set_int(RCVBUF, 4096).unwrap();
    }

    /// Gives a DEALER the id that a ROUTER knows it by.
    pub fn set_routing_id(&self, id: &[u8]) {
        self.socket.set_bytes(option::ROUTING_ID, id).unwrap();
    }

    /// Lets so many messages wait in this socket. Unlike [`Peer::keep_little`] it leaves TCP its usual window, below which
    /// loopback all but stands still.
    pub fn keep(&self, messages: i32) {
        self.socket.set_int(option::RCVHWM, messages).unwrap();
    }

    /// Makes the socket a CURVE server with the keys of this certificate; it admits every client.
    pub fn curve_server(&self, certificates: &Certificates, own: &str) {
        let (_, secret) = certificates.keys(own);
        self.socket.set_int(option::CURVE_SERVER, 1).unwrap();
        self.set_key(option::CURVE_SECRETKEY, &secret);
    }

    /// Makes the socket a CURVE client with the keys of `own`, for the server with the key of `server`.
    pub fn curve_client(&self, certificates: &Certificates, own: &str, server: &str) {
        let (public, secret) = certificates.keys(own);
        let (server, _) = certificates.keys(server);
        self.set_key(option::CURVE_SERVERKEY, &server);
        self.set_key(option::CURVE_PUBLICKEY, &public);
        self.set_key(option::CURVE_SECRETKEY, &secret);
    }

    fn set_key(&self, option: std::ffi::c_int, key: &str) {
        self.socket.set_bytes(option, &::zmq::z85_decode(key).unwrap()).unwrap();
    }

    /// Sends one message.
    pub fn send(&self, frames: &[&[u8]]) {
        for (index, frame) in frames.iter().enumerate() {
            let flags = if index + 1 < frames.len() { zmq::SNDMORE } else { 0 };
            self.socket.send_bytes(frame, flags).unwrap();
        }
    }

    /// Pushes numbered records to an endpoint until nothing takes them any more; returns how many were taken.
    pub fn flood(endpoint: &str) -> usize {
        let peer = Self::new(kind::PUSH);
        peer.connect_now(endpoint);
        peer.socket.set_int(option::SNDTIMEO, 2000).unwrap();
        peer.socket.set_int(option::LINGER, 0).unwrap();
        (0..usize::MAX).take_while(|number| peer.socket.send_bytes(&Record::number(*number).bytes(), 0).is_ok()).count()
    }

    /// The next message's frames, probes left out, unless none comes within `limit`.
    pub fn receive_within(&self, limit: Duration) -> Option<Vec<Vec<u8>>> {
        let is_probe = |frames: &Vec<Vec<u8>>| frames.iter().any(|frame| contains_probe(frame));
        std::iter::from_fn(|| self.any_within(limit)).find(|frames| !is_probe(frames))
    }

    fn any_within(&self, limit: Duration) -> Option<Vec<Vec<u8>>> {
        let deadline = Instant::now() + limit;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let left = i64::try_from(left.as_millis()).unwrap();
            let ready = zmq::poll(&mut [PollItem::socket(&self.socket, POLLIN)], left).unwrap();
            if ready > 0 {
                return Some(frames(&self.socket));
            }
            if left == 0 {
                return None;
            }
        }
    }

    /// The next message's frames.
    pub fn receive(&self) -> Vec<Vec<u8>> {
        self.receive_within(SHORT).expect("no message arrived in time")
    }

    /// The next `count` messages, their frames as text joined by `|`.
    pub fn receive_texts(&self, count: usize) -> Vec<String> {
        (0..count)
            .map(|index| {
                let frames =
                    self.receive_within(SHORT).unwrap_or_else(|| panic!("{index} of {count} messages arrived"));
                let frames: Vec<_> = frames.iter().map(|frame| String::from_utf8_lossy(frame).into_owned()).collect();
                frames.join("|")
            })
            .collect()
    }

    /// Waits for one of these events of [`event`] and returns it.
    pub fn await_event(&self, wanted: u16) -> u16 {
        let deadline = Instant::now() + SHORT;
        let mut seen = Vec::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let left = i64::try_from(left.as_millis()).unwrap();
            let ready = zmq::poll(&mut [PollItem::socket(&self.events, POLLIN)], left).unwrap();
            assert!(ready > 0 || left > 0, "no event of {wanted:#06x}, only {seen:x?}");
            if ready > 0 {
                let frame = frames(&self.events).swap_remove(0);
                let number = u16::from_ne_bytes([frame[0], frame[1]]);
                if number & wanted != 0 {
                    return number;
                }
                seen.push(number);
            }
        }
    }

    /// One of these events of [`event`], should it come within `limit`.
    pub fn event_within(&self, limit: Duration, wanted: u16) -> Option<u16> {
        let deadline = Instant::now() + limit;
        loop {
            let left = i64::try_from(deadline.saturating_duration_since(Instant::now()).as_millis()).unwrap();
            if zmq::poll(&mut [PollItem::socket(&self.events, POLLIN)], left).unwrap() == 0 {
                return None;
            }
            let frame = frames(&self.events).swap_remove(0);
            let number = u16::from_ne_bytes([frame[0], frame[1]]);
            if number & wanted != 0 {
                return Some(number);
            }
        }
    }

    /// Fails unless the other side turns this one away and nothing was heard from it.
    pub fn assert_turned_away(&self) {
        self.assert_refused();
        assert_eq!(self.any_within(Duration::ZERO), None);
    }

    /// Fails unless the other side refuses the handshake.
    pub fn assert_refused(&self) {
        let failed =
            event::HANDSHAKE_FAILED_AUTH | event::HANDSHAKE_FAILED_PROTOCOL | event::HANDSHAKE_FAILED_NO_DETAIL;
        let seen = self.await_event(failed | event::DISCONNECTED | event::HANDSHAKE_SUCCEEDED);
        assert_ne!(seen, event::HANDSHAKE_SUCCEEDED, "the handshake succeeded");
    }
}

/// A publisher that listens in its own directory, for a daemon that subscribes.
pub struct Publisher {
    /// The socket.
    pub peer: Peer,
    /// Where it listens.
    pub endpoint: String,
    _directory: tempfile::TempDir,
}

impl Publisher {
    /// An XPUB socket: it shows who subscribes to what.
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let peer = Peer::new(kind::XPUB);
        let endpoint = peer.bind(&format!("ipc://{}/pub.ipc", directory.path().display()));
        Self { peer, endpoint, _directory: directory }
    }

    /// The topics of the next `count` subscriptions, as soon as they arrive, sorted.
    pub fn subscriptions(&self, count: usize) -> Vec<String> {
        let mut topics = self.peer.receive_texts(count);
        topics.sort();
        topics.into_iter().map(|topic| topic.strip_prefix('\u{1}').unwrap().to_owned()).collect()
    }
}

fn contains_probe(frame: &[u8]) -> bool {
    frame.windows(PROBE_TEXT.len()).any(|window| window == PROBE_TEXT.as_bytes())
}

fn frames(socket: &Socket) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    let mut message = Message::new();
    loop {
        socket.receive(&mut message, 0).unwrap();
        frames.push(message.as_slice().to_vec());
        if !message.has_more() {
            return frames;
        }
    }
}
