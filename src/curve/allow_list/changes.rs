//! What an allow list has to tell: keys that are gone, and files that cannot be read.

use crate::curve::keys::PublicKey;
use std::path::PathBuf;
use std::sync::Arc;

/// Something the list's owner should tell people, once for each change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// A file or sub-directory that admits nobody because it cannot be read.
    Skipped {
        /// Which one.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The whole directory cannot be read.
    Unavailable {
        /// Which one.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// It can be read again.
    Back {
        /// Which one.
        path: PathBuf,
    },
}

/// What happened since [`take_changes`](super::AllowList::take_changes) was called last.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Keys that were admitted and are not any more, with the name they had.
    pub removed: Vec<(PublicKey, Arc<str>)>,
    /// To be told.
    pub notices: Vec<Notice>,
}

impl Changes {
    /// Nothing happened.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.removed.is_empty() && self.notices.is_empty()
    }
}
