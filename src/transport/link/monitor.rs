//! What a socket reports about its connections (zmq_socket_monitor(3)), as typed events.
//!
//! The events of libzmq's first version are used, whose frames are an event and a value (6 bytes) and the endpoint. For a
//! connecting socket the endpoint is as it was written in the first attempt and the resolved address in later ones; for an
//! accepted connection it is the listener's address.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::sys::zmq::{Context, DONTWAIT, Error, Message, Result, Socket, event, kind, option};

/// The events that anything follows from. Others would only wake the reader, and where descriptors are exhausted libzmq
/// reports each failed accept without a pause.
const WANTED: u16 = event::CONNECTED
    | event::CONNECT_DELAYED
    | event::CONNECT_RETRIED
    | event::ACCEPTED
    | event::DISCONNECTED
    | event::MONITOR_STOPPED
    | event::HANDSHAKE_FAILED_NO_DETAIL
    | event::HANDSHAKE_SUCCEEDED
    | event::HANDSHAKE_FAILED_PROTOCOL
    | event::HANDSHAKE_FAILED_AUTH;

static NEXT_NUMBER: AtomicU64 = AtomicU64::new(0);

fn unique_endpoint(name: &str) -> String {
    format!("inproc://rsyslog-zmq.monitor.{}.{name}", NEXT_NUMBER.fetch_add(1, Ordering::Relaxed))
}

/// The reading end of one socket's events.
///
/// libzmq writes events with a blocking send: [`Monitor::detach`] before dropping either, or drop the monitored socket
/// first and this only with its context. Unread events are kept without limit, so read them as they come.
#[derive(Debug)]
pub struct Monitor {
    socket: Socket,
    frame: Message,
}

impl Monitor {
    /// Starts monitoring `socket`, which must belong to `context`. `name` only has to help a human reader.
    pub fn attach(context: &Context, socket: &Socket, name: &str) -> Result<Self> {
        Self::attach_for(context, socket, name, WANTED)
    }

    fn attach_for(context: &Context, socket: &Socket, name: &str, events: u16) -> Result<Self> {
        let endpoint = unique_endpoint(name);
        let reader = context.socket(kind::PAIR)?;
        // With the default limit of 1000 unread events libzmq's I/O thread would stop until they are read.
        reader.set_int(option::RCVHWM, 0)?;
        reader.set_int(option::LINGER, 0)?;
        socket.monitor(&endpoint, events)?;
        reader.connect(&endpoint)?;
        Ok(Self { socket: reader, frame: Message::new() })
    }

    /// The socket to poll for reading; receive from it through [`Monitor::next_event`] only.
    #[must_use]
    pub fn socket(&self) -> &Socket {
        &self.socket
    }

    /// The next event, or `None` when there is none right now. Frames that are no event are skipped.
    pub fn next_event(&mut self) -> Option<MonitorEvent> {
        loop {
            self.receive().ok()?;
            let head = self.frame.as_slice().to_vec();
            let mut endpoint = None;
            while self.frame.has_more() {
                self.receive().ok()?;
                endpoint.get_or_insert_with(|| String::from_utf8_lossy(self.frame.as_slice()).into_owned());
            }
            if let Some(kind) = MonitorEventKind::parse(&head) {
                return Some(MonitorEvent { kind, endpoint: endpoint.unwrap_or_default() });
            }
        }
    }

    /// Stops monitoring for good, so that both sockets may be dropped in any order.
    pub fn detach(socket: &Socket) -> Result<()> {
        // Starting another monitor ends the present one; one without events never writes, so it needs no reader.
        socket.monitor(&unique_endpoint("none"), 0)
    }

    fn receive(&mut self) -> Result<()> {
        loop {
            match self.socket.receive(&mut self.frame, DONTWAIT) {
                Err(error) if error.interrupted() => {}
                result => return result,
            }
        }
    }
}

/// Something that happened to one of a socket's connections or listeners.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MonitorEvent {
    /// What happened.
    pub kind: MonitorEventKind,
    /// Where, as libzmq writes it; from a peer's resolver, so escape it before showing it.
    pub endpoint: String,
}

/// The kinds of [`MonitorEvent`], with the value each carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MonitorEventKind {
    /// A TCP or ipc connection stands; the handshake has not begun. The descriptor belongs to libzmq.
    Connected {
        /// libzmq's descriptor of it.
        fd: i32,
    },
    /// A connection attempt goes on in the background: the usual case.
    ConnectDelayed,
    /// The attempt failed; the next one follows.
    ConnectRetried {
        /// After this many milliseconds.
        interval_ms: u32,
    },
    /// A listener stands.
    Listening,
    /// A listener could not be opened, with its errno.
    BindFailed(i32),
    /// A peer connected to a listener; the handshake has not begun.
    Accepted {
        /// libzmq's descriptor of it.
        fd: i32,
    },
    /// A peer could not be accepted, with the errno (too many open files, for example).
    AcceptFailed(i32),
    /// A listener or a connection attempt was closed.
    Closed,
    /// A descriptor could not be closed, with its errno.
    CloseFailed(i32),
    /// A connection ended.
    Disconnected {
        /// The number its descriptor had.
        fd: i32,
    },
    /// Monitoring ended: the last event there is.
    Stopped,
    /// A connection is ready to carry messages.
    HandshakeSucceeded,
    /// The peer went away during the handshake, with the errno (0: the connection was closed).
    HandshakeFailedNoDetail(i32),
    /// The peer did not speak ZMTP, or not with our security (`ZMQ_PROTOCOL_ERROR_*` of zmq.h).
    HandshakeFailedProtocol(u32),
    /// Authentication was refused, with the ZAP status code (300, 400 or 500; RFC 27).
    HandshakeFailedAuth(u32),
    /// An event of a newer libzmq.
    Unknown(u16),
}

impl MonitorEventKind {
    /// Reads the first frame of an event: 16 bits of event and 32 of value, in the machine's order.
    fn parse(frame: &[u8]) -> Option<Self> {
        let (bits, value) = frame.split_first_chunk::<2>()?;
        let value: [u8; 4] = value.try_into().ok()?;
        // Descriptors and error numbers are C ints that travel as 32 bits.
        let (value, number) = (u32::from_ne_bytes(value), i32::from_ne_bytes(value));
        Some(match u16::from_ne_bytes(*bits) {
            event::CONNECTED => Self::Connected { fd: number },
            event::CONNECT_DELAYED => Self::ConnectDelayed,
            event::CONNECT_RETRIED => Self::ConnectRetried { interval_ms: value },
            event::LISTENING => Self::Listening,
            event::BIND_FAILED => Self::BindFailed(number),
            event::ACCEPTED => Self::Accepted { fd: number },
            event::ACCEPT_FAILED => Self::AcceptFailed(number),
            event::CLOSED => Self::Closed,
            event::CLOSE_FAILED => Self::CloseFailed(number),
            event::DISCONNECTED => Self::Disconnected { fd: number },
            event::MONITOR_STOPPED => Self::Stopped,
            event::HANDSHAKE_SUCCEEDED => Self::HandshakeSucceeded,
            event::HANDSHAKE_FAILED_NO_DETAIL => Self::HandshakeFailedNoDetail(number),
            event::HANDSHAKE_FAILED_PROTOCOL => Self::HandshakeFailedProtocol(value),
            event::HANDSHAKE_FAILED_AUTH => Self::HandshakeFailedAuth(value),
            other => Self::Unknown(other),
        })
    }

    /// Whether a handshake failed. libzmq does not always try again by itself after one (never after a refusal by ZAP:
    /// measured with 4.3.4), so a connecting socket has to disconnect and connect.
    #[must_use]
    pub fn is_failed_handshake(self) -> bool {
        matches!(
            self,
            Self::HandshakeFailedNoDetail(_) | Self::HandshakeFailedProtocol(_) | Self::HandshakeFailedAuth(_)
        )
    }
}

impl fmt::Display for MonitorEvent {
    /// One line of plain English, with the endpoint's control characters escaped.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.endpoint.escape_debug())?;
        if !self.endpoint.is_empty() {
            f.write_str(": ")?;
        }
        write!(f, "{}", self.kind)
    }
}

impl fmt::Display for MonitorEventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Connected { .. } => f.write_str("connected, handshake begins"),
            Self::ConnectDelayed => f.write_str("connecting"),
            Self::ConnectRetried { interval_ms } => write!(f, "no connection, next attempt in {interval_ms} ms"),
            Self::Listening => f.write_str("listening"),
            Self::BindFailed(errno) => write!(f, "cannot listen: {}", Error::from_errno(errno)),
            Self::Accepted { .. } => f.write_str("a peer connected, handshake begins"),
            Self::AcceptFailed(errno) => write!(f, "cannot accept a peer: {}", Error::from_errno(errno)),
            Self::Closed => f.write_str("closed"),
            Self::CloseFailed(errno) => write!(f, "cannot close: {}", Error::from_errno(errno)),
            Self::Disconnected { .. } => f.write_str("the connection ended"),
            Self::Stopped => f.write_str("monitoring ended"),
            Self::HandshakeSucceeded => f.write_str("ready"),
            Self::HandshakeFailedNoDetail(0) => f.write_str("the peer closed the connection during the handshake"),
            Self::HandshakeFailedNoDetail(errno) => {
                write!(f, "the connection broke during the handshake: {}", Error::from_errno(errno))
            }
            Self::HandshakeFailedProtocol(code) => {
                write!(f, "the handshake failed: {} (0x{code:08x})", protocol_error(code))
            }
            Self::HandshakeFailedAuth(300) => f.write_str("authentication failed for now (ZAP status 300)"),
            Self::HandshakeFailedAuth(400) => f.write_str("authentication was refused (ZAP status 400)"),
            Self::HandshakeFailedAuth(500) => f.write_str("the authenticator failed (ZAP status 500)"),
            Self::HandshakeFailedAuth(code) => write!(f, "authentication failed (ZAP status {code})"),
            Self::Unknown(bits) => write!(f, "unknown event 0x{bits:04x}"),
        }
    }
}

/// The `ZMQ_PROTOCOL_ERROR_*` codes of zmq.h (4.3.0 and later) as text.
fn protocol_error(code: u32) -> &'static str {
    match code {
        0x1000_0001 => "unexpected command",
        0x1000_0002 => "commands out of order",
        0x1000_0003 => "key exchange failed",
        0x1000_0011 => "malformed command",
        0x1000_0012 => "malformed MESSAGE command",
        0x1000_0013 => "malformed HELLO command",
        0x1000_0014 => "malformed INITIATE command",
        0x1000_0015 => "malformed ERROR command",
        0x1000_0016 => "malformed READY command",
        0x1000_0017 => "malformed WELCOME command",
        0x1000_0018 => "invalid metadata",
        0x1100_0001 => "wrong key (decryption failed)",
        0x1100_0002 => "the two sides use different security (NULL, PLAIN or CURVE)",
        0x2000_0000..=0x2fff_ffff => "invalid reply of the authenticator",
        0x3000_0000..=0x3fff_ffff => "websocket error",
        _ => "protocol error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::zmq::{POLLIN, PollItem, poll};

    /// Waits for an event that `wanted` accepts, and returns every event up to it.
    fn until(monitor: &mut Monitor, wanted: impl Fn(MonitorEventKind) -> bool) -> Vec<MonitorEvent> {
        let mut events = Vec::new();
        loop {
            let ready = poll(&mut [PollItem::socket(monitor.socket(), POLLIN)], 10_000).unwrap();
            assert_ne!(ready, 0, "nothing more after {events:?}");
            while let Some(event) = monitor.next_event() {
                events.push(event);
                if wanted(events.last().unwrap().kind) {
                    return events;
                }
            }
        }
    }

    fn frame(bits: u16, value: u32) -> Vec<u8> {
        [&bits.to_ne_bytes()[..], &value.to_ne_bytes()[..]].concat()
    }

    #[test]
    fn a_connection_is_reported_on_both_sides_from_listening_to_its_end() {
        let context = Context::new().unwrap();
        let server = context.socket(kind::PULL).unwrap();
        let mut at_server = Monitor::attach_for(&context, &server, "server", event::ALL).unwrap();
        server.bind("tcp://127.0.0.1:*").unwrap();
        let address = server.last_endpoint().unwrap();
        let events = until(&mut at_server, |kind| kind == MonitorEventKind::Listening);
        assert_eq!(events[0], MonitorEvent { kind: MonitorEventKind::Listening, endpoint: address.clone() });

        let client = context.socket(kind::PUSH).unwrap();
        let mut at_client = Monitor::attach(&context, &client, "client").unwrap();
        client.connect(&address).unwrap();
        let events = until(&mut at_client, |kind| kind == MonitorEventKind::HandshakeSucceeded);
        assert!(events.iter().any(|event| matches!(event.kind, MonitorEventKind::Connected { fd } if fd > 2)));
        assert!(events.iter().all(|event| event.endpoint == address), "{events:?}");
        until(&mut at_server, |kind| kind == MonitorEventKind::HandshakeSucceeded);

        Monitor::detach(&client).unwrap();
        drop(client);
        until(&mut at_server, |kind| matches!(kind, MonitorEventKind::Disconnected { .. }));
        Monitor::detach(&server).unwrap();
    }

    #[test]
    fn detaching_ends_the_events_and_leaves_the_socket_usable() {
        let context = Context::new().unwrap();
        let server = context.socket(kind::PULL).unwrap();
        let _monitor = Monitor::attach(&context, &server, "detached").unwrap();
        Monitor::detach(&server).unwrap();
        server.bind("tcp://127.0.0.1:*").unwrap();
        let client = context.socket(kind::PUSH).unwrap();
        client.connect(&server.last_endpoint().unwrap()).unwrap();
        // Were events still written, the I/O thread would wait for a reader and nothing would arrive.
        client.send_bytes(b"still works", 0).unwrap();
        server.set_int(option::RCVTIMEO, 10_000).unwrap();
        let mut message = Message::new();
        server.receive(&mut message, 0).unwrap();
        assert_eq!(message.as_slice(), b"still works");
        // A second monitor may follow.
        let mut again = Monitor::attach_for(&context, &server, "again", event::ALL).unwrap();
        server.bind("tcp://127.0.0.1:*").unwrap();
        until(&mut again, |kind| kind == MonitorEventKind::Listening);
        Monitor::detach(&server).unwrap();
    }

    #[test]
    fn a_bind_that_fails_and_a_port_where_nothing_listens_are_reported() {
        let context = Context::new().unwrap();
        let taken = context.socket(kind::PULL).unwrap();
        taken.bind("tcp://127.0.0.1:*").unwrap();
        let address = taken.last_endpoint().unwrap();
        let second = context.socket(kind::PULL).unwrap();
        let mut monitor = Monitor::attach_for(&context, &second, "taken", event::ALL).unwrap();
        assert_eq!(second.bind(&address).unwrap_err().errno(), libc::EADDRINUSE);
        let events = until(&mut monitor, |kind| matches!(kind, MonitorEventKind::BindFailed(_)));
        assert_eq!(events.last().unwrap().kind, MonitorEventKind::BindFailed(libc::EADDRINUSE));
        Monitor::detach(&second).unwrap();

        taken.unbind(&address).unwrap();
        let client = context.socket(kind::PUSH).unwrap();
        let mut monitor = Monitor::attach(&context, &client, "nobody").unwrap();
        client.connect(&address).unwrap();
        until(&mut monitor, |kind| matches!(kind, MonitorEventKind::ConnectRetried { interval_ms } if interval_ms > 0));
        Monitor::detach(&client).unwrap();
    }

    #[test]
    fn malformed_frames_are_skipped_and_unknown_events_are_kept() {
        let context = Context::new().unwrap();
        let writer = context.socket(kind::PAIR).unwrap();
        writer.bind("inproc://malformed").unwrap();
        let reader = context.socket(kind::PAIR).unwrap();
        reader.connect("inproc://malformed").unwrap();
        let mut monitor = Monitor { socket: reader, frame: Message::new() };
        let send = |frames: &[&[u8]]| {
            for (index, frame) in frames.iter().enumerate() {
                let more = if index + 1 < frames.len() { crate::sys::zmq::SNDMORE } else { 0 };
                writer.send_bytes(frame, more).unwrap();
            }
        };
        send(&[b""]);
        send(&[b"12345", b"short"]);
        send(&[b"1234567", b"long"]);
        send(&[&frame(0x8000, 7), b"tcp://new", b"a third frame"]);
        send(&[&frame(event::LISTENING, 0)]);
        send(&[&frame(event::CLOSED, 0), b"\xff\x1b"]);
        let mut next = || monitor.next_event();
        let unknown = next().unwrap();
        assert_eq!((unknown.kind, unknown.endpoint.as_str()), (MonitorEventKind::Unknown(0x8000), "tcp://new"));
        assert_eq!(next().unwrap().kind, MonitorEventKind::Listening);
        assert_eq!(next().unwrap().to_string(), "\u{fffd}\\u{1b}: closed");
        assert_eq!(next(), None);
    }

    #[test]
    fn every_event_has_its_value_and_its_text() {
        for (bits, value, kind, text) in [
            (event::CONNECT_RETRIED, 100, MonitorEventKind::ConnectRetried { interval_ms: 100 }, "in 100 ms"),
            (event::ACCEPT_FAILED, 24, MonitorEventKind::AcceptFailed(24), "Too many open files"),
            (event::HANDSHAKE_FAILED_AUTH, 400, MonitorEventKind::HandshakeFailedAuth(400), "refused (ZAP status 400)"),
            (event::HANDSHAKE_FAILED_AUTH, 500, MonitorEventKind::HandshakeFailedAuth(500), "authenticator failed"),
            (event::HANDSHAKE_FAILED_AUTH, 9, MonitorEventKind::HandshakeFailedAuth(9), "ZAP status 9"),
            (event::HANDSHAKE_FAILED_NO_DETAIL, 0, MonitorEventKind::HandshakeFailedNoDetail(0), "the peer closed"),
            (event::HANDSHAKE_FAILED_NO_DETAIL, 32, MonitorEventKind::HandshakeFailedNoDetail(32), "Broken pipe"),
            (
                event::HANDSHAKE_FAILED_PROTOCOL,
                0x1100_0002,
                MonitorEventKind::HandshakeFailedProtocol(0x1100_0002),
                "different security (NULL, PLAIN or CURVE) (0x11000002)",
            ),
            (event::MONITOR_STOPPED, 0, MonitorEventKind::Stopped, "monitoring ended"),
        ] {
            assert_eq!(MonitorEventKind::parse(&frame(bits, value)), Some(kind));
            assert!(kind.to_string().ends_with(text) || kind.to_string().contains(text), "{kind}");
        }
        assert_eq!(
            MonitorEventKind::parse(&frame(event::CONNECTED, u32::MAX)),
            Some(MonitorEventKind::Connected { fd: -1 })
        );
        assert!(MonitorEventKind::HandshakeFailedAuth(400).is_failed_handshake());
        assert!(!MonitorEventKind::Disconnected { fd: 3 }.is_failed_handshake());
    }
}
