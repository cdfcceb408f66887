//! libzmq's C interface as safe values.
//!
//! The `zmq` crate panics on an errno, socket type or event that it does not know, loses a message whose send would
//! block, and lacks the draft types and the newer options, so contexts, sockets and messages are wrapped here directly.
//! A [`Socket`] is `Send` but not `Sync`: it belongs to one thread at a time, as libzmq demands.

mod context;
mod draft;
mod error;
mod library;
mod message;
mod numbers;
mod poll;
mod socket;

pub use context::Context;
pub(super) use error::check;
pub use error::{Error, Result};
pub(super) use library::optional_function;
pub use library::{has, reports_handshakes, version};
pub use message::{Message, Writer};
pub use numbers::{DONTWAIT, POLLIN, POLLOUT, SNDMORE, event, kind, option};
pub use poll::{PollItem, poll};
pub use socket::Socket;

#[cfg(test)]
mod tests;
