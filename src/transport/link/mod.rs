//! The life of a connection: the one place that knows what libzmq's events mean, and what follows from them.
//!
//! One thread, the [`driver::Driver`]'s, follows the monitors of all sockets of a module, or of the program. It never waits for
//! rsyslog, for a queue or for a peer. What it knows of a socket is a [`table::Table`], a state machine without any call of the
//! system: events and the time go in, outputs come out. The thread that owns the socket gets [`command::Command`]s, because
//! only it may connect and disconnect; a connection is ended by shutdown(2) on a duplicate, which any thread may do.

use std::sync::Arc;
use std::time::Duration;

pub mod close_cause;
pub mod command;
pub mod cut_off;
pub mod driver;
pub mod handle;
pub mod handshake;
pub mod monitor;
pub mod reconnect;
pub mod state;
pub mod table;
mod target;
mod watched;

pub use state::{Refusal, State};

use crate::sys::descriptors::PeerAddress;
use crate::transport::counters::ConnectionCounters;
use command::{Command, Commands};

/// Where a connection belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A configured endpoint that the socket connects to: its number among the socket's endpoints, and its text.
    Endpoint(usize, Arc<str>),
    /// A peer connected to a listener of ours, from this address where it is known.
    Accepted(Option<PeerAddress>),
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Endpoint(_, name) => f.write_str(name),
            Self::Accepted(Some(address)) => write!(f, "the peer at {address}"),
            Self::Accepted(None) => f.write_str("a peer"),
        }
    }
}

/// What a socket's owner is told. Every event names a configured endpoint, or an accepted connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkEvent {
    /// The state of an endpoint that the socket connects to changed.
    Changed {
        /// Its number among the socket's endpoints.
        endpoint: usize,
        /// Its text as configured.
        name: Arc<str>,
        /// The new state.
        state: State,
    },
    /// An endpoint has had no connection for [`Timing::report_after`]; told once for each state it is in until it is back.
    Away {
        /// Its text as configured.
        name: Arc<str>,
        /// Why.
        state: State,
        /// For how long.
        since: Duration,
    },
    /// An endpoint has a connection again, after [`LinkEvent::Away`] or a refusal was told.
    Back {
        /// Its text as configured.
        name: Arc<str>,
        /// After how long.
        after: Duration,
    },
    /// The handshake of an accepted connection succeeded.
    AcceptedReady,
    /// An accepted connection whose handshake had succeeded ended.
    AcceptedLost,
    /// The handshake of an accepted connection failed; the text says how. One that our authenticator refused is reported there.
    AcceptedFailed(Refusal, String),
    /// A connection was ended on this side: the peer had sent a frame over the limit.
    Oversize(Place),
}

/// How fast a socket's endpoints are tried again and reported.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// The pauses between our own attempts.
    pub backoff: reconnect::Backoff,
    /// How long an endpoint has no connection before the reason is looked for.
    pub probe_after: Duration,
    /// How often the reason is looked for again.
    pub probe_every: Duration,
    /// How long an endpoint has no connection before that is reported.
    pub report_after: Duration,
}

/// The owner of a watched socket. Called by the driver's thread and by others: none of these may wait for anything.
pub trait LinkOwner: Send + Sync {
    /// What it counts about its connections.
    fn connections(&self) -> &ConnectionCounters;
    /// Where its commands wait.
    fn commands(&self) -> &Commands;
    /// The socket's thread has something to do.
    fn command(&self, command: Command) {
        self.commands().give(command);
    }
    /// Something happened.
    fn tell(&self, event: LinkEvent);
    /// A connection became ready, or one ended; so many are ready now.
    fn ready_changed(&self, _ready: u64) {}
}

/// Takes what a socket's connections have to report; see [`LinkOwner::tell`].
pub type LinkReport = Box<dyn Fn(LinkEvent) + Send + Sync>;
