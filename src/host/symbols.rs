//! The functions that rsyslogd exports, found by name when the module is loaded.
//!
//! Nothing is linked against: with `RTLD_NOW` one missing symbol would make the whole module unloadable, and which ones
//! exist depends on the release (host-side table in `include/rsyslog_abi.h`). A missing required symbol refuses the load
//! with its name; a missing optional one switches off what needs it.

use std::ffi::{CStr, c_void};

use crate::abi;

/// The required symbols that this host lacks.
#[derive(Debug, thiserror::Error)]
#[error("this rsyslogd does not export {}: it is older than 8.1901 or not an rsyslogd", .0.join(", "))]
pub struct MissingSymbols(pub Vec<&'static str>);

macro_rules! symbols {
    (required: $($required:ident: $required_type:ident),* ; optional: $($optional:ident: $optional_type:ident),* ;) => {
        /// The table. A required entry is never `None` once [`Symbols::find`] has succeeded.
        #[allow(non_snake_case)]
        #[derive(Clone, Copy)]
        pub(super) struct Symbols {
            $(pub(super) $required: abi::$required_type,)*
            $(pub(super) $optional: abi::$optional_type,)*
        }

        impl Symbols {
            /// A table without a single entry: what the module knows before it is loaded, and the base of a fake host.
            pub(super) const EMPTY: Self = Self { $($required: None,)* $($optional: None,)* };

            /// Looks every name up with `lookup`.
            ///
            /// # Safety
            /// For each name, `lookup` returns null or the host's function of that name.
            pub(super) unsafe fn find(lookup: impl Fn(&CStr) -> *mut c_void) -> Result<Self, MissingSymbols> {
                let mut missing = Vec::new();
                let mut found = Self::EMPTY;
                $(
                    let address = lookup(name!($required));
                    if address.is_null() {
                        missing.push(stringify!($required));
                    }
                    // SAFETY: bindgen's function types are nullable pointers, and the caller promises null or the function of
                    // this name, whose signature the header gives.
                    found.$required = unsafe { std::mem::transmute::<*mut c_void, abi::$required_type>(address) };
                )*
                $(
                    let address = lookup(name!($optional));
                    // SAFETY: as above.
                    found.$optional = unsafe { std::mem::transmute::<*mut c_void, abi::$optional_type>(address) };
                )*
                if missing.is_empty() { Ok(found) } else { Err(MissingSymbols(missing)) }
            }
        }
    };
}

macro_rules! name {
    ($symbol:ident) => {
        match CStr::from_bytes_with_nul(concat!(stringify!($symbol), "\0").as_bytes()) {
            Ok(name) => name,
            Err(_) => c"",
        }
    };
}

symbols! {
    required:
        LogError: abi_LogError_t,
        LogMsg: abi_LogMsg_t,
        nvlstGetParams: abi_nvlstGetParams_t,
        cnfparamvalsDestruct: abi_cnfparamvalsDestruct_t,
        OMSRconstruct: abi_OMSRconstruct_t,
        OMSRdestruct: abi_OMSRdestruct_t,
        OMSRsetEntry: abi_OMSRsetEntry_t,
        msgConstruct: abi_msgConstruct_t,
        msgDestruct: abi_msgDestruct_t,
        MsgDup: abi_MsgDup_t,
        MsgSetRawMsg: abi_MsgSetRawMsg_t,
        MsgSetInputName: abi_MsgSetInputName_t,
        MsgSetRcvFrom: abi_MsgSetRcvFrom_t,
        MsgSetRcvFromIP: abi_MsgSetRcvFromIP_t,
        MsgSetFlowControlType: abi_MsgSetFlowControlType_t,
        MsgSetRuleset: abi_MsgSetRuleset_t,
        MsgSetAfterPRIOffs: abi_MsgSetAfterPRIOffs_t,
        MsgSetMSGoffs: abi_MsgSetMSGoffs_t,
        setProtocolVersion: abi_setProtocolVersion_t,
        submitMsg2: abi_submitMsg2_t,
        multiSubmitMsg2: abi_multiSubmitMsg2_t,
        glblGetMaxLine: abi_glblGetMaxLine_t;
    optional:
        r_dbgprintf: abi_r_dbgprintf_t,
        parseAndSubmitMessage: abi_parseAndSubmitMessage_t,
        msgAddJSON: abi_msgAddJSON_t,
        msgConstructWithTime: abi_msgConstructWithTime_t,
        fjson_object_new_object: abi_fjson_object_new_object_t,
        fjson_object_new_string_len: abi_fjson_object_new_string_len_t,
        fjson_object_object_add: abi_fjson_object_object_add_t;
}

/// Looks a name up among everything the process exports.
pub(super) fn lookup_in_process(name: &CStr) -> *mut c_void {
    // SAFETY: the name is NUL-terminated; RTLD_DEFAULT searches the executable and its libraries (dlsym(3)).
    unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_foreign_process_is_refused_with_the_names_it_lacks() {
        // SAFETY: the test process exports none of these, so every lookup is null.
        let missing = unsafe { Symbols::find(lookup_in_process) }.map(|_| ()).unwrap_err();
        assert!(missing.0.contains(&"LogError") && missing.0.contains(&"multiSubmitMsg2"));
        assert!(!missing.0.contains(&"msgAddJSON"), "an optional symbol is not reported");
        assert!(missing.to_string().starts_with("this rsyslogd does not export LogError, LogMsg"));
    }
}
