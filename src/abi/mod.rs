//! rsyslogd's C ABI as bindgen reads it in `include/rsyslog_abi.h`.
//!
//! Only `host` may name anything in here. The asserts below are the layouts measured on 8.1901 to 8.2608, LP64; where
//! one does not hold, the crate does not compile.

#![allow(missing_docs, non_camel_case_types, non_upper_case_globals, non_snake_case, unused_qualifications)]
#![allow(clippy::undocumented_unsafe_blocks, clippy::missing_safety_doc, clippy::pub_underscore_fields)]

include!(concat!(env!("OUT_DIR"), "/rsyslog_abi.rs"));

#[cfg(target_pointer_width = "64")]
const _: () = {
    use std::mem::offset_of;
    assert!(size_of::<cnfparamdescr>() == 16);
    assert!(offset_of!(cnfparamdescr, type_) == 8 && offset_of!(cnfparamdescr, flags) == 12);
    assert!(size_of::<cnfparamblk>() == 16 && offset_of!(cnfparamblk, nParams) == 2);
    assert!(offset_of!(cnfparamblk, descr) == 8);
    assert!(size_of::<svar>() == 16 && offset_of!(svar, datatype) == 8);
    assert!(size_of::<cnfparamvals>() == 24 && offset_of!(cnfparamvals, bUsed) == 16);
    assert!(size_of::<nvlst>() == 40 && offset_of!(nvlst, name) == 8);
    assert!(offset_of!(nvlst, val) == 16 && offset_of!(nvlst, bUsed) == 32);
    assert!(size_of::<es_str_t>() == 8);
    assert!(size_of::<actWrkrIParams_t>() == 16);
    assert!(offset_of!(actWrkrIParams_t, lenBuf) == 8 && offset_of!(actWrkrIParams_t, lenStr) == 12);
    assert!(size_of::<multi_submit_t>() == 16 && offset_of!(multi_submit_t, ppMsgs) == 8);
    assert!(offset_of!(interface_t, slots) == 8 && size_of::<interface_t>() >= 1008);
};
