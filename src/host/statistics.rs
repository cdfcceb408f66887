//! Counters that impstats reports.
//!
//! The counters are ours; the host only keeps their addresses, reads them without asking and stores 0 into resettable ones
//! (runtime/statsobj.c accumulatedValue). So a registration holds what owns the counters, and lets go of it only after
//! the host has forgotten the addresses.

use std::any::Any;
use std::ffi::CString;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use super::Host;
use crate::abi;

/// One counter's name and nature.
pub struct Named<'a> {
    /// Letters, digits and underscores.
    pub name: &'static str,
    /// The counter, owned by what the registration holds.
    pub counter: &'a AtomicU64,
    /// A gauge is never reset by impstats.
    pub is_gauge: bool,
}

/// Counters that are visible in impstats while this lives.
pub struct Registration {
    object: *mut abi::statsobj_t,
    _names: Vec<CString>,
    _owner: Arc<dyn Any + Send + Sync>,
}

// SAFETY: the object is only touched when made and when destroyed; the host guards its list of objects with a mutex.
unsafe impl Send for Registration {}
// SAFETY: as above; there are no methods.
unsafe impl Sync for Registration {}

impl Registration {
    /// Registers counters under `name`. `None` where this host has no statistics interface we know, or no memory; the
    /// module works without.
    ///
    /// `counters` returns the counters inside `owner`, which the registration keeps alive.
    pub fn new<T: Send + Sync + 'static>(
        name: &str,
        origin: &str,
        owner: Arc<T>,
        counters: for<'a> fn(&'a T) -> Vec<Named<'a>>,
    ) -> Option<Self> {
        let functions = Host::get()?.interfaces.statistics?;
        let (construct, finalize) = (functions.construct?, functions.finalize?);
        let (set_name, set_origin, add) = (functions.set_name?, functions.set_origin?, functions.add_counter?);
        let mut object = std::ptr::null_mut();
        // SAFETY: `object` is a live pointer slot.
        if unsafe { construct(&raw mut object) } != abi::ABI_RET_OK {
            return None;
        }
        let mut names = vec![CString::new(name).ok()?, CString::new(origin).ok()?];
        // SAFETY: a live object and a NUL-terminated text, which the host copies.
        unsafe { set_name(object, names[0].as_ptr().cast_mut().cast()) };
        // SAFETY: as above.
        unsafe { set_origin(object, names[1].as_ptr().cast_mut().cast()) };
        for named in counters(&owner) {
            let Ok(name) = CString::new(named.name) else { continue };
            let flags = if named.is_gauge { abi::ABI_COUNTER_KEEP } else { abi::ABI_COUNTER_RESETTABLE };
            // SAFETY: the counter is an aligned 64-bit integer inside `owner`, which outlives the object; the name is
            // NUL-terminated and copied.
            unsafe {
                add(
                    object,
                    name.as_ptr().cast(),
                    abi::ABI_COUNTER_INT64 as i32,
                    flags as i8,
                    std::ptr::from_ref(named.counter).cast_mut().cast(),
                )
            };
            names.push(name);
        }
        // SAFETY: a live object with everything set.
        unsafe { finalize(object) };
        Some(Self { object, _names: names, _owner: owner })
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let destruct = Host::get().and_then(|host| host.interfaces.statistics).and_then(|functions| functions.destruct);
        if let Some(destruct) = destruct {
            // SAFETY: made by `new`, destroyed only here; afterwards the host knows none of the addresses.
            unsafe { destruct(&raw mut self.object) };
        }
    }
}

/// A name for impstats made of any text: dots would be taken for a hierarchy by some readers, so everything but letters,
/// digits, `-` and `_` becomes `_`.
#[must_use]
pub fn sanitised(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' || c == '_' { c } else { '_' }).collect()
}
