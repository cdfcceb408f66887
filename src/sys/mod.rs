//! The one corner of ZeroMQ's side that may use `unsafe`: libzmq's C interface where the `zmq` crate lacks it or panics,
//! and the few system calls that neither the standard library nor `nix` offers.
//!
//! Everything here is a thin, safe wrapper: one call, one function, errors as values. Policy lives in `curve`,
//! `transport` and `modules`. Nothing in here knows rsyslog.

pub mod accounts;
pub mod blocks;
pub mod curve_keys;
pub mod descriptors;
pub mod network_interfaces;
pub mod private_file;
pub mod signals;
pub mod waker;
pub mod zmq;
