//! A socket before it has connections: its type, its options, its listeners, and opening it.

pub mod listening;
pub mod open;
pub mod options;
pub mod reopening;
pub mod socket_type;
