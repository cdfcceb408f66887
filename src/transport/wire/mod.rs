//! What travels on a connection: which frames of a message are records, and packed frames.

pub mod framing;
pub mod packing;
