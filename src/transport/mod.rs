//! ZeroMQ as both modules and the program need it: endpoints, sockets, what they report, and what travels on them.
//!
//! Nothing in here knows rsyslog.

#![forbid(unsafe_code)]

pub mod connections;
pub mod control;
pub mod counters;
pub mod endings;
pub mod endpoint;
pub mod framing;
pub mod handshakes;
pub mod listening;
pub mod monitor;
pub mod outgoing;
pub mod packing;
pub mod peers;
pub mod queue;
pub mod reachability;
pub mod receiver;
pub mod sender;
pub mod socket;
pub mod socket_options;
pub mod socket_type;
pub mod subscriber;
pub mod subscriptions;
pub mod topic;
