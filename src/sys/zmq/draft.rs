//! The draft API's functions, which a stable libzmq does not export.

use std::ffi::{c_char, c_int, c_void};
use std::sync::OnceLock;

use super::library::{has, optional_function};

/// `None` where the libzmq at run time has no drafts.
pub(super) struct Draft {
    pub(super) set_group: Option<unsafe extern "C" fn(*mut zmq_sys::zmq_msg_t, *const c_char) -> c_int>,
    pub(super) group: Option<unsafe extern "C" fn(*mut zmq_sys::zmq_msg_t) -> *const c_char>,
    pub(super) join: Option<unsafe extern "C" fn(*mut c_void, *const c_char) -> c_int>,
}

/// Looked up once.
pub(super) fn draft() -> &'static Draft {
    static DRAFT: OnceLock<Draft> = OnceLock::new();
    DRAFT.get_or_init(|| {
        if !has("draft") {
            return Draft { set_group: None, group: None, join: None };
        }
        // SAFETY: a null pointer becomes None; otherwise the symbol is the function of this name and signature (zmq.h
        // of 4.2 to 4.3.5, ZMQ_BUILD_DRAFT_API).
        unsafe {
            Draft {
                set_group: std::mem::transmute::<
                    *mut c_void,
                    Option<unsafe extern "C" fn(*mut zmq_sys::zmq_msg_t, *const c_char) -> c_int>,
                >(optional_function(c"zmq_msg_set_group")),
                group: std::mem::transmute::<
                    *mut c_void,
                    Option<unsafe extern "C" fn(*mut zmq_sys::zmq_msg_t) -> *const c_char>,
                >(optional_function(c"zmq_msg_group")),
                join: std::mem::transmute::<
                    *mut c_void,
                    Option<unsafe extern "C" fn(*mut c_void, *const c_char) -> c_int>,
                >(optional_function(c"zmq_join")),
            }
        }
    })
}
