//! Where peers are: endpoints as they are written, topics, and why an endpoint cannot be reached.

pub mod endpoint;
pub mod reachability;
pub mod topic;
