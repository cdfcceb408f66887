//! What is known of an endpoint, in types and as text.
use std::fmt;

use super::monitor::MonitorEventKind;
use crate::transport::address::reachability::Obstacle;

/// The state of one endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum State {
    /// Trying, nothing known yet.
    Connecting,
    /// Waiting for publishers to connect to us.
    Listening,
    /// Messages may come.
    Connected,
    /// It was connected and is not any more.
    Lost,
    /// A connection attempt failed.
    Unreachable(Option<Obstacle>),
    /// A handshake failed.
    Refused(Refusal),
    /// The peer sent a frame over the limit, and the connection was ended.
    Oversize,
}

/// How a handshake failed, as far as the client's side is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// The server's authenticator refused our key.
    Key,
    /// The server's authenticator could not decide (ZAP status 300 or 500).
    Authenticator,
    /// One side uses CURVE and the other does not.
    Mechanism,
    /// The server hung up during a CURVE handshake: what a wrong server key looks like.
    ServerKey,
    /// The server hung up during a handshake without CURVE.
    HungUp,
    /// What listens there hung up before it said anything.
    Closed,
    /// The server did not answer.
    NoAnswer,
    /// It is no ZeroMQ peer, or a broken one.
    Protocol(u32),
    /// libzmq ended the connection without a reason: what came was not ZMTP, or of a version it does not take.
    NotOurs,
}

impl State {
    /// Whether a greeting that fits ours shows that the server has been replaced since.
    pub(super) fn is_about_another_server(&self) -> bool {
        matches!(self, Self::Refused(Refusal::NotOurs | Refusal::Mechanism | Refusal::Closed))
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connecting => f.write_str("connecting"),
            Self::Listening => f.write_str("listening"),
            Self::Connected => f.write_str("connected"),
            Self::Lost => f.write_str("connection lost"),
            Self::Unreachable(None) => f.write_str("cannot be reached"),
            Self::Unreachable(Some(obstacle)) => write!(f, "cannot be reached: {obstacle}"),
            Self::Refused(refusal) => write!(f, "{refusal}"),
            Self::Oversize => f.write_str("a frame over the limit, and the connection was ended"),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key => f.write_str("the server refused our key"),
            Self::Authenticator => f.write_str("the server's authenticator does not work right now"),
            Self::Mechanism => f.write_str("one side uses CURVE and the other does not"),
            Self::ServerKey => {
                f.write_str("the server broke off the CURVE handshake: the server certificate may not be its own")
            }
            Self::HungUp => f.write_str("the server broke off the handshake"),
            Self::Closed => f.write_str("what listens there closes the connection at once"),
            Self::NoAnswer => f.write_str("the server does not answer: it may not speak ZeroMQ"),
            Self::Protocol(code) => write!(f, "{}", MonitorEventKind::HandshakeFailedProtocol(*code)),
            Self::NotOurs => f.write_str("what answers there does not speak ZeroMQ"),
        }
    }
}

impl Refusal {
    /// What an event of a failed handshake means, where we use CURVE or not.
    pub(super) fn of(kind: MonitorEventKind, curve: bool) -> Self {
        const MECHANISM_MISMATCH: u32 = 0x1100_0002;
        match kind {
            MonitorEventKind::HandshakeFailedAuth(400) => Self::Key,
            MonitorEventKind::HandshakeFailedAuth(_) => Self::Authenticator,
            MonitorEventKind::HandshakeFailedProtocol(MECHANISM_MISMATCH) => Self::Mechanism,
            MonitorEventKind::HandshakeFailedProtocol(code) => Self::Protocol(code),
            MonitorEventKind::HandshakeFailedNoDetail(libc::ETIMEDOUT) => Self::NoAnswer,
            _ if curve => Self::ServerKey,
            _ => Self::HungUp,
        }
    }
}
