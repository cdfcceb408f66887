//! What an entry point answers, and the host's numbers for it. No other file knows those numbers.

use crate::abi;

/// The answer of an entry point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Done.
    Ok,
    /// Not now; the host asks `tryResume` and then commits again (runtime/rsyslog.h RS_RET_SUSPENDED).
    Suspended,
    /// The host's question has no answer here: an optional entry point this module lacks.
    NoSuchEntryPoint,
    /// A feature this module lacks.
    Incompatible,
    /// A configuration object was refused; its errors are logged already.
    Refused,
    /// A line of the old configuration syntax that is not for this module.
    NotOurs,
    /// A line of the old configuration syntax that names this module.
    OldSyntax,
    /// The module cannot work in this host.
    CannotLoad,
    /// Something failed inside the module; logged already.
    Failed,
}

impl Status {
    /// The host's number (runtime/rsyslog.h).
    #[must_use]
    pub(super) const fn code(self) -> abi::rsRetVal {
        match self {
            Self::Ok => abi::ABI_RET_OK,
            Self::Suspended => abi::ABI_RET_SUSPENDED,
            Self::NoSuchEntryPoint => abi::ABI_RET_MODULE_ENTRY_POINT_NOT_FOUND,
            Self::Incompatible => abi::ABI_RET_INCOMPATIBLE,
            Self::Refused => abi::ABI_RET_CONFIG_ERROR,
            Self::NotOurs => abi::ABI_RET_CONFLINE_UNPROCESSED,
            Self::OldSyntax => abi::ABI_RET_LEGACY_ACTION_NOT_SUPPORTED,
            Self::CannotLoad => abi::ABI_RET_MODULE_LOAD_ERR_INIT_FAILED,
            Self::Failed => abi::ABI_RET_ERR,
        }
    }
}

/// What the host answered to a call of ours instead of OK.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("error {0}")]
pub struct HostError(abi::rsRetVal);

/// The host's answer to a call of ours.
pub(super) const fn check(answer: abi::rsRetVal) -> Result<(), HostError> {
    if answer == abi::ABI_RET_OK { Ok(()) } else { Err(HostError(answer)) }
}
