//! The socket types that log messages can travel on.

use std::ffi::c_int;
use std::fmt;

use crate::sys::zmq::{self, kind};
use crate::transport::address::endpoint::Side;

/// A socket type, by its name in the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SocketType {
    /// Publishes to every subscriber.
    Pub,
    /// Shares out to one peer each.
    Push,
    /// Shares out to one peer each, and could be answered.
    Dealer,
    /// Publishes to groups (draft).
    Radio,
    /// Thread-safe DEALER (draft).
    Client,
    /// Thread-safe PUSH (draft).
    Scatter,
    /// Receives what PUSH shares out.
    Pull,
    /// Receives what it subscribed to.
    Sub,
    /// Receives from DEALER peers, and knows which one.
    Router,
    /// Receives from groups (draft).
    Dish,
    /// Receives from CLIENT peers (draft).
    Server,
    /// Receives what SCATTER shares out (draft).
    Gather,
}

/// The types an action can have.
pub const SENDING: &[&str] = &["PUB", "PUSH", "DEALER", "RADIO", "CLIENT", "SCATTER"];
/// The types an input can have.
pub const RECEIVING: &[&str] = &["PULL", "SUB", "ROUTER", "DISH", "SERVER", "GATHER"];

const ALL: [(&str, SocketType); 12] = [
    ("PUB", SocketType::Pub),
    ("PUSH", SocketType::Push),
    ("DEALER", SocketType::Dealer),
    ("RADIO", SocketType::Radio),
    ("CLIENT", SocketType::Client),
    ("SCATTER", SocketType::Scatter),
    ("PULL", SocketType::Pull),
    ("SUB", SocketType::Sub),
    ("ROUTER", SocketType::Router),
    ("DISH", SocketType::Dish),
    ("SERVER", SocketType::Server),
    ("GATHER", SocketType::Gather),
];

/// Why a type cannot be used here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SocketTypeError {
    /// No such type.
    #[error("\"{0}\" is not a socket type")]
    Unknown(String),
    /// A draft type on a libzmq without the draft API.
    #[error("socktype \"{0}\" is a draft socket type, and the installed libzmq {1} was built without drafts")]
    NoDrafts(SocketType, String),
    /// A libzmq with holes that 4.3.3 closed.
    #[error(
        "libzmq {0} is older than 4.3.3: peers can crash or silence it (libzmq's NEWS of 4.3.3); install a newer one"
    )]
    TooOld(String),
    /// Nobody would learn whether a peer has been admitted.
    #[error("the installed libzmq {0} does not report the end of handshakes, without which nothing can be sent safely")]
    NoHandshakes(String),
}

/// The oldest libzmq that a peer cannot crash or silence by what its NEWS of this version lists: the stack of a publisher
/// overflows on a long topic (GHSA-qq65-x72m-9wr8), a raw TCP connection stops a CURVE server (CVE-2020-15166), ..
const OLDEST: (i32, i32, i32) = (4, 3, 3);

/// Refuses a libzmq of this version that reports the end of handshakes or does not.
fn require_library(version: (i32, i32, i32), reports_handshakes: bool) -> Result<(), SocketTypeError> {
    let text = || format!("{}.{}.{}", version.0, version.1, version.2);
    if version < OLDEST {
        return Err(SocketTypeError::TooOld(text()));
    }
    if !reports_handshakes {
        return Err(SocketTypeError::NoHandshakes(text()));
    }
    Ok(())
}

impl SocketType {
    /// The type of this name, in any case.
    pub fn parse(name: &str) -> Result<Self, SocketTypeError> {
        ALL.iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, found)| *found)
            .ok_or_else(|| SocketTypeError::Unknown(name.to_owned()))
    }

    /// The name in the configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        ALL.iter().find(|(_, known)| *known == self).map_or("", |(name, _)| name)
    }

    /// Refuses a libzmq at run time that is too old, and a type that it lacks.
    pub fn require_available(self) -> Result<(), SocketTypeError> {
        let (major, minor, patch) = zmq::version();
        require_library((major, minor, patch), zmq::reports_handshakes())?;
        let version = format!("{major}.{minor}.{patch}");
        if self.is_draft() && !zmq::has("draft") {
            return Err(SocketTypeError::NoDrafts(self, version));
        }
        Ok(())
    }

    /// Whether the type is part of libzmq's draft API.
    #[must_use]
    pub const fn is_draft(self) -> bool {
        matches!(self, Self::Radio | Self::Client | Self::Scatter | Self::Dish | Self::Server | Self::Gather)
    }

    /// The side this type takes where the endpoint does not say.
    #[must_use]
    pub const fn natural_side(self) -> Side {
        match self {
            Self::Pub | Self::Radio | Self::Pull | Self::Router | Self::Server | Self::Gather => Side::Bind,
            Self::Push | Self::Dealer | Self::Client | Self::Scatter | Self::Sub | Self::Dish => Side::Connect,
        }
    }

    /// Whether every peer gets every message, so that nobody there is no reason to wait.
    #[must_use]
    pub const fn is_publisher(self) -> bool {
        matches!(self, Self::Pub | Self::Radio)
    }

    /// Whether it gives each message to one of its peers, in turn.
    #[must_use]
    pub const fn balances_load(self) -> bool {
        matches!(self, Self::Push | Self::Dealer | Self::Client | Self::Scatter)
    }

    /// Whether an input has it.
    #[must_use]
    pub const fn is_receiving(self) -> bool {
        matches!(self, Self::Pull | Self::Sub | Self::Router | Self::Dish | Self::Server | Self::Gather)
    }

    /// Whether it receives by topic.
    #[must_use]
    pub const fn is_subscriber(self) -> bool {
        matches!(self, Self::Sub | Self::Dish)
    }

    /// libzmq's number. A publisher is an XPUB inside: it sees its subscriptions, and can wait for a full subscriber.
    #[must_use]
    pub const fn kind(self) -> c_int {
        match self {
            Self::Pub => kind::XPUB,
            Self::Push => kind::PUSH,
            Self::Dealer => kind::DEALER,
            Self::Radio => kind::RADIO,
            Self::Client => kind::CLIENT,
            Self::Scatter => kind::SCATTER,
            Self::Pull => kind::PULL,
            Self::Sub => kind::SUB,
            Self::Router => kind::ROUTER,
            Self::Dish => kind::DISH,
            Self::Server => kind::SERVER,
            Self::Gather => kind::GATHER,
        }
    }
}

impl fmt::Display for SocketType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_configurable_name_is_a_type() {
        for name in SENDING.iter().chain(RECEIVING) {
            assert_eq!(SocketType::parse(&name.to_lowercase()).unwrap().name(), *name);
        }
        assert!(SocketType::parse("BOGUS").is_err());
    }

    #[test]
    fn a_libzmq_before_4_3_3_is_refused() {
        for old in [(4, 3, 2), (4, 2, 5), (4, 1, 99), (3, 9, 9)] {
            for reports_handshakes in [true, false] {
                let error = require_library(old, reports_handshakes).unwrap_err().to_string();
                let beginning = format!("libzmq {}.{}.{} is older than 4.3.3: ", old.0, old.1, old.2);
                assert!(error.starts_with(&beginning), "{error}");
            }
        }
        for good in [(4, 3, 3), (4, 3, 10), (4, 4, 0), (5, 0, 0)] {
            assert_eq!(require_library(good, true), Ok(()));
            let error = require_library(good, false).unwrap_err();
            assert!(matches!(error, SocketTypeError::NoHandshakes(_)), "{error}");
        }
    }

    #[test]
    fn draft_types_follow_the_library_at_run_time() {
        for (_, socket_type) in ALL {
            let expected = !socket_type.is_draft() || zmq::has("draft");
            assert_eq!(socket_type.require_available().is_ok(), expected, "{socket_type}");
        }
    }
}
