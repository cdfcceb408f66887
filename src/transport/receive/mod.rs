//! Receiving for an input.

pub mod event_loop;
