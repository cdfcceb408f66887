//! Rulesets by name.

use std::ffi::CString;

use super::{ConfigurationHandle, Host};
use crate::abi;

/// A ruleset of the running configuration, which keeps it alive as long as any input runs.
#[derive(Clone, Copy, Debug)]
pub struct Ruleset(*mut abi::ruleset_t);

// SAFETY: the module never looks into a ruleset; it only hands the pointer back to the host, whose functions take it from
// any input's thread.
unsafe impl Send for Ruleset {}
// SAFETY: as above.
unsafe impl Sync for Ruleset {}

impl Ruleset {
    /// Finds a ruleset. Only from `checkCnf` on are all of them defined.
    #[must_use]
    pub fn find(configuration: ConfigurationHandle, name: &str) -> Option<Self> {
        let get = Host::get()?.interfaces.get_ruleset?;
        let name = CString::new(name).ok()?;
        let mut ruleset = std::ptr::null_mut();
        // SAFETY: the configuration is the one the host gave to beginCnfLoad; the name is NUL-terminated and only read.
        let answer = unsafe { get(configuration.0, &raw mut ruleset, name.as_ptr().cast_mut().cast()) };
        (answer == abi::ABI_RET_OK && !ruleset.is_null()).then_some(Self(ruleset))
    }

    pub(super) const fn pointer(self) -> *mut abi::ruleset_t {
        self.0
    }
}
