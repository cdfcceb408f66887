//! Where peers are: endpoints as they are written, topics, and why an endpoint cannot be reached.

pub mod endpoint;
pub mod greeting;
pub mod reachability;
pub mod topic;
