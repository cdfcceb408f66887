//! What becomes of log messages that are handed to the host.

use crate::host::status::HostError;

/// Why the host has not taken log messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Its answer to the submission.
    #[error("its {0}")]
    Answer(#[from] HostError),
    /// It has no queue to put them into; that is so while it ends.
    #[error("it has no queue any more")]
    NoQueue,
    /// They could not even be made.
    #[error("no memory for them")]
    NoMemory,
}

/// The log messages of one or more submissions. All zero where nothing has been submitted yet.
#[must_use]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Submission {
    /// How many the host has taken.
    pub taken: u64,
    /// How many it has refused. Of a batch that it refused halfway it may have taken some, without saying how many; the
    /// whole batch counts as refused.
    pub refused: u64,
    /// Why, the last time.
    pub refusal: Option<Refusal>,
}

impl Submission {
    /// `count` messages were taken.
    pub const fn taken(count: u64) -> Self {
        Self { taken: count, refused: 0, refusal: None }
    }

    /// `count` messages were refused.
    pub const fn refused(count: u64, why: Refusal) -> Self {
        Self { taken: 0, refused: count, refusal: Some(why) }
    }

    /// Both submissions in one, `later` after this one.
    pub fn and(self, later: Self) -> Self {
        Self {
            taken: self.taken + later.taken,
            refused: self.refused + later.refused,
            refusal: later.refusal.or(self.refusal),
        }
    }
}
