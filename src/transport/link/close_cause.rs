//! Which end of a connection ended it.
//!
//! libzmq ends the connection of a peer whose frame is over the limit, and reports that as it reports a peer that has gone
//! (stream_engine_base.cpp, `error`). A duplicate of the descriptor outlives libzmq's own and shows the difference: what a
//! peer has closed reads as closed. libzmq reports the end before it closes its descriptor, in its own thread, so the
//! duplicate is looked at again and again for a moment, and dropped then, so that the peer learns of the end.

use std::collections::HashMap;
use std::os::fd::RawFd;
use std::time::{Duration, Instant};

use super::Place;
use crate::sys::descriptors::{Ending, Watch, limit};

/// Longer than libzmq needs to close a descriptor, also where other processes keep its thread waiting.
const ENDING_TIMEOUT: Duration = Duration::from_millis(200);
/// How often a descriptor that is about to be closed is looked at.
pub(super) const STEP: Duration = Duration::from_millis(1);

#[derive(Debug)]
struct Watched {
    watch: Watch,
    since: Instant,
}

#[derive(Debug)]
struct Pending {
    watch: Watch,
    descriptor: RawFd,
    place: Place,
    /// How long the connection had stood.
    age: Duration,
    until: Instant,
}

/// The connections of one socket.
#[derive(Debug)]
pub(super) struct CloseCauses {
    watched: HashMap<RawFd, Watched>,
    pending: Vec<Pending>,
    /// Only descriptors below are watched, so that duplicates never take what connections need.
    below: RawFd,
    /// A peer that is silent for so long is ended on this side too, with nothing left unread.
    heartbeat_timeout: Option<Duration>,
}

impl CloseCauses {
    pub(super) fn new(heartbeat_timeout: Option<Duration>) -> Self {
        Self { watched: HashMap::new(), pending: Vec::new(), below: limit() / 4, heartbeat_timeout }
    }

    /// A connection stands.
    pub(super) fn opened(&mut self, descriptor: RawFd, now: Instant) {
        self.watched.remove(&descriptor);
        if let Some(watch) = Watch::new(descriptor).filter(|watch| watch.number() < self.below) {
            self.watched.insert(descriptor, Watched { watch, since: now });
        }
    }

    /// A connection ended. Only one that `is_judged` may take time: not every stranger's.
    pub(super) fn closed(&mut self, descriptor: RawFd, place: &Place, is_judged: bool, now: Instant) {
        if let Some(Watched { watch, since }) = self.watched.remove(&descriptor).filter(|_| is_judged) {
            let age = now.saturating_duration_since(since);
            self.pending.push(Pending { watch, descriptor, place: place.clone(), age, until: now + ENDING_TIMEOUT });
        }
    }

    /// The connections that certainly were ended on this side because of what the peer had sent.
    pub(super) fn judge(&mut self, now: Instant) -> Vec<Place> {
        let mut oversize = Vec::new();
        let limit = self.heartbeat_timeout;
        self.pending.retain(|pending| match pending.watch.ending(pending.descriptor, Duration::ZERO) {
            Ending::Unknown => now < pending.until,
            Ending::Here { has_unread } => {
                if has_unread || limit.is_none_or(|limit| pending.age < limit) {
                    oversize.push(pending.place.clone());
                }
                false
            }
            Ending::There => false,
        });
        oversize
    }

    /// Whether something is to be judged.
    pub(super) fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Whether the connection that had this descriptor is gone without a report: libzmq says nothing about connections that
    /// it ends on the socket's own order.
    pub(super) fn forget(&mut self, descriptor: RawFd) {
        self.watched.remove(&descriptor);
    }

    /// Lets go of every connection: they are about to be ended on purpose.
    pub(super) fn clear(&mut self) {
        self.watched.clear();
        self.pending.clear();
    }
}
