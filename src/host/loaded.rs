//! Whether this library is loaded: one file loaded through two links is one library, and would share everything.

use std::ffi::c_void;
use std::sync::atomic::{AtomicBool, Ordering};

/// Set from `modInit` to `modExit`.
static LOADED: AtomicBool = AtomicBool::new(false);

/// `modInit` begins. `false` where it has succeeded already without a `modExit` since.
pub(super) fn claim() -> bool {
    !LOADED.swap(true, Ordering::SeqCst)
}

/// `modExit`, or a `modInit` that has failed.
pub(super) fn release() {
    LOADED.store(false, Ordering::SeqCst);
}

/// An address that no other library has, for `modGetID`. Not to be followed.
pub(super) fn identity() -> *mut c_void {
    (&raw const LOADED).cast_mut().cast()
}
