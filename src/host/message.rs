//! Log messages made for the host and handed over in batches.
//!
//! A message needs its flags set to be parsed, and the host exports no setter: `flags` finds the member once, at load. Where
//! it does not, each message goes through `parseAndSubmitMessage`, which is slower but needs no layout. Where that cannot be
//! had either, the input is refused at load.

mod flags;
mod metadata;
mod submission;
mod submitter;

use std::ffi::{CString, c_int};

pub(super) use flags::probe_flags_offset;
pub use metadata::{Metadata, can_add_metadata};
pub use submission::{Refusal, Submission};
pub use submitter::Submitter;
pub(super) use submitter::{has_a_route, report_route};

use super::Host;
use super::rulesets::Ruleset;
use crate::abi;

/// How far a full queue may hold up the submitter (runtime/rsyslog.h flowControl_t).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlowControl {
    /// A full queue discards at once.
    None,
    /// A full queue waits about a second, then discards.
    Light,
    /// A full queue waits until there is room.
    Full,
}

impl FlowControl {
    const fn code(self) -> c_int {
        (match self {
            Self::None => abi::ABI_FLOW_NO_DELAY,
            Self::Light => abi::ABI_FLOW_LIGHT_DELAY,
            Self::Full => abi::ABI_FLOW_FULL_DELAY,
        }) as c_int
    }
}

/// A shared string of the host's.
#[derive(Debug)]
pub struct SharedText {
    prop: *mut abi::prop_t,
    text: CString,
}

// SAFETY: the host counts a prop's references atomically (runtime/prop.c) and never changes its text; we only hand it over.
unsafe impl Send for SharedText {}
// SAFETY: as above.
unsafe impl Sync for SharedText {}

impl SharedText {
    /// A shared string; NUL bytes are dropped. `None` where the host has no memory.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let text = CString::new(text.replace('\0', "")).ok()?;
        let create = Host::get()?.interfaces.prop_create_string?;
        let mut prop = std::ptr::null_mut();
        let length = c_int::try_from(text.as_bytes().len()).ok()?;
        // SAFETY: a live pointer slot and a string of this length, which the host copies.
        let answer = unsafe { create(&raw mut prop, text.as_ptr().cast(), length) };
        (answer == abi::ABI_RET_OK && !prop.is_null()).then_some(Self { prop, text })
    }
}

impl Drop for SharedText {
    fn drop(&mut self) {
        if let Some(destruct) = Host::get().and_then(|host| host.interfaces.prop_destruct) {
            // SAFETY: our own reference, given up once; messages hold theirs.
            unsafe { destruct(&raw mut self.prop) };
        }
    }
}

/// Where a message came from: `$fromhost` and `$fromhost-ip`.
#[derive(Debug)]
pub struct Origin {
    /// The name.
    pub host: SharedText,
    /// The address.
    pub ip: SharedText,
}

impl Origin {
    /// An origin whose name is its address.
    #[must_use]
    pub fn new(host: &str, ip: &str) -> Option<Self> {
        Some(Self { host: SharedText::new(host)?, ip: SharedText::new(ip)? })
    }
}

/// What all messages of one input have in common.
#[derive(Debug)]
pub struct SubmitSettings {
    /// `$inputname`.
    pub input_name: SharedText,
    /// The bound ruleset; the default one where there is none.
    pub ruleset: Option<Ruleset>,
    /// What a full queue does.
    pub flow_control: FlowControl,
}
