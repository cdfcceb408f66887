//! What the integration tests share: a real rsyslogd with the modules under test, something that feeds it, peers that talk
//! ZeroMQ to it, and ways to see what came out. Everything is private to one test: directories, ports, contexts.

// Each test file compiles this tree for itself and uses a part of it. Helpers outside `#[test]` functions fail a test by
// panicking too, which clippy.toml's allowances do not cover.
#![allow(dead_code, unused_imports, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

pub mod certificates;
pub mod daemon;
pub mod feed;
pub mod hardened;
pub mod hosts;
pub mod in_flight;
pub mod memcheck;
pub mod modules;
pub mod peer;
pub mod python;
pub mod raw_zmtp;
pub mod seccomp;
pub mod sequence;
pub mod statistics;
pub mod trials;
pub mod wait;

pub use certificates::Certificates;
pub use daemon::{Check, Config, Daemon, check_config};
pub use feed::{Feeder, Record, feed};
pub use hosts::Host;
pub use in_flight::most_in_flight;
pub use peer::{Peer, Publisher};
pub use sequence::{assert_sequence, assert_sequences, texts};
pub use wait::{LONG, SHORT, wait_until};
