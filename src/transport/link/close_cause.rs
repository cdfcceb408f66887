//! Which end of a connection ended it.
//!
//! libzmq ends the connection of a peer whose frame is over the limit, and reports that as it reports a peer that has gone
//! (stream_engine_base.cpp, `error`). A duplicate of the descriptor outlives libzmq's own and shows the difference: what a
//! peer has closed reads as closed. It is looked at and dropped as soon as the end is reported, so that the peer learns of it.
//! A connection that has ended before its beginning is looked at is not known.

use std::collections::HashMap;
use std::os::fd::RawFd;
use std::time::Duration;

use crate::sys::descriptors::{Ending, Watch, limit};

/// libzmq reports the end before it closes its descriptor, in its own thread; longer than that takes.
const PATIENCE: Duration = Duration::from_millis(20);

/// The connections of one socket.
#[derive(Debug)]
pub struct Endings {
    watches: HashMap<RawFd, Watch>,
    /// Only descriptors below are watched, so that duplicates never take what connections need.
    below: RawFd,
    /// A peer that is silent for too long is ended on this side too, with nothing left unread.
    has_heartbeats: bool,
}

impl Endings {
    /// No connection yet.
    #[must_use]
    pub fn new(has_heartbeats: bool) -> Self {
        Self { watches: HashMap::new(), below: limit() / 4, has_heartbeats }
    }

    /// A connection stands.
    pub fn opened(&mut self, descriptor: RawFd) {
        self.watches.remove(&descriptor);
        if let Some(watch) = Watch::new(descriptor).filter(|watch| watch.number() < self.below) {
            self.watches.insert(descriptor, watch);
        }
    }

    /// A connection ended. `true`: certainly on this side, because of what the peer had sent. Only a connection that
    /// `is_judged` may take time: not every stranger's.
    pub fn closed(&mut self, descriptor: RawFd, is_judged: bool) -> bool {
        let watch = self.watches.remove(&descriptor).filter(|_| is_judged);
        match watch.map(|watch| watch.ending(descriptor, PATIENCE)) {
            Some(Ending::Here { has_unread }) => has_unread || !self.has_heartbeats,
            Some(Ending::There | Ending::Unknown) | None => false,
        }
    }

    /// Lets go of every connection: they are about to be ended on purpose.
    pub fn clear(&mut self) {
        self.watches.clear();
    }
}
