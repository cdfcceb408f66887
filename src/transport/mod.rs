//! ZeroMQ as both modules and the program need it: endpoints, sockets, the life of their connections, and what travels on
//! them.
//!
//! Nothing in here knows rsyslog.

#![forbid(unsafe_code)]

pub mod address;
pub mod counters;
pub mod link;
pub mod receive;
pub mod send;
pub mod socket;
pub mod subscribe;
pub mod wire;
