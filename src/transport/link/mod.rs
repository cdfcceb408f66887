//! The life of a connection: what libzmq reports about it, and what follows from that.

pub mod close_cause;
pub mod command;
pub mod cut_off;
pub mod handshake;
pub mod monitor;
pub mod reconnect;
