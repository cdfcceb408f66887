//! Receiving for an input.

pub mod event_loop;
#[cfg(all(test, not(loom)))]
mod tests;
