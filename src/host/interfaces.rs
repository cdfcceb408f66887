//! rsyslogd's object interfaces, probed from the newest known version down.
//!
//! The host checks a version for equality (runtime/obj.c:1198), so every known one is tried. Slots are only read at
//! indices that never moved within a version; `include/rsyslog_abi.h` lists them.

use std::ffi::{CStr, c_int};

use super::log;
use crate::abi;

/// Why the host's objects cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InterfaceError {
    /// hostQuery did not know objGetObjInterface, or it gave no UseObj.
    #[error("this rsyslogd gives no object interface of version {}", abi::ABI_OBJ_INTERFACE_VERSION)]
    NoObjects,
    /// A required object has none of the known versions.
    #[error("this rsyslogd's interface {name} has none of the versions {known}")]
    Unknown {
        /// The object.
        name: &'static str,
        /// The versions this module knows.
        known: String,
    },
}

/// The known versions of statsobj, the newest first.
const STATISTICS_VERSIONS: &[u32] = &[16, 14, 13];

/// The slots this module calls.
#[derive(Clone, Copy)]
pub(super) struct Interfaces {
    pub(super) input_term_state: abi::abi_input_term_state_t,
    pub(super) local_host_name: abi::abi_local_host_name_t,
    pub(super) prop_create_string: abi::abi_prop_create_string_t,
    pub(super) prop_destruct: abi::abi_prop_destruct_t,
    pub(super) get_ruleset: abi::abi_rulesetGetRuleset_t,
    /// `None` where the host's datetime version is unknown: each message then asks for the time itself.
    pub(super) get_current_time: abi::abi_get_current_time_t,
    /// `None` where the host's statsobj version is unknown: the module then works without counters.
    pub(super) statistics: Option<Statistics>,
}

/// statsobj's slots.
#[derive(Clone, Copy)]
pub(super) struct Statistics {
    pub(super) construct: abi::abi_statsobj_construct_t,
    pub(super) finalize: abi::abi_statsobj_finalize_t,
    pub(super) destruct: abi::abi_statsobj_destruct_t,
    pub(super) set_name: abi::abi_statsobj_set_text_t,
    pub(super) set_origin: abi::abi_statsobj_set_text_t,
    pub(super) add_counter: abi::abi_statsobj_add_counter_t,
}

fn empty_table(version: u32) -> Box<abi::interface_t> {
    Box::new(abi::interface_t { ifVersion: version as c_int, ifIsLoaded: 0, slots: [None; 126] })
}

/// Casts a slot to the function type that the header gives for it.
macro_rules! slot {
    ($table:expr, $index:expr, $type:ident) => {
        // SAFETY: both are nullable C function pointers; the header says which signature this slot of this version has.
        unsafe { std::mem::transmute::<abi::abi_slot_t, abi::$type>($table.slots[$index as usize]) }
    };
}

impl Interfaces {
    /// Asks the host for every object.
    ///
    /// # Safety
    /// `host_query` is the host's hostQuery function, as modInit got it.
    pub(super) unsafe fn find(host_query: abi::abi_host_query_t) -> Result<Self, InterfaceError> {
        // SAFETY: the caller's promise.
        let use_obj = unsafe { use_obj_function(host_query) };
        if use_obj.is_none() {
            return Err(InterfaceError::NoObjects);
        }

        let (version, glbl) = probe(use_obj, c"glbl", &[11, 10, 9]).ok_or_else(|| unknown("glbl", "11, 10, 9"))?;
        let (host_name, term_state) = if version == 9 {
            (abi::ABI_GLBL9_LOCAL_HOST_NAME, abi::ABI_GLBL9_INPUT_TERM_STATE)
        } else {
            (abi::ABI_GLBL10_LOCAL_HOST_NAME, abi::ABI_GLBL10_INPUT_TERM_STATE)
        };
        let (_, prop) =
            probe(use_obj, c"prop", &[abi::ABI_PROP_INTERFACE_VERSION]).ok_or_else(|| unknown("prop", "1"))?;
        let (_, ruleset) =
            probe(use_obj, c"ruleset", &[abi::ABI_RULESET_INTERFACE_VERSION]).ok_or_else(|| unknown("ruleset", "8"))?;

        Ok(Self {
            input_term_state: slot!(glbl, term_state, abi_input_term_state_t),
            local_host_name: slot!(glbl, host_name, abi_local_host_name_t),
            prop_create_string: slot!(prop, abi::ABI_PROP_CREATE_STRING, abi_prop_create_string_t),
            prop_destruct: slot!(prop, abi::ABI_PROP_DESTRUCT, abi_prop_destruct_t),
            get_ruleset: slot!(ruleset, abi::ABI_RULESET_GET_RULESET, abi_rulesetGetRuleset_t),
            get_current_time: probe(use_obj, c"datetime", &[abi::ABI_DATETIME_INTERFACE_VERSION])
                .and_then(|(_, table)| slot!(table, abi::ABI_DATETIME_GET_CURRENT_TIME, abi_get_current_time_t)),
            statistics: probe(use_obj, c"statsobj", STATISTICS_VERSIONS)
                .map(|(version, table)| Statistics::of(version, &table)),
        })
    }
}

impl Statistics {
    fn of(version: u32, table: &abi::interface_t) -> Self {
        let add_counter = match version {
            13 => abi::ABI_STATSOBJ13_ADD_COUNTER,
            14 => abi::ABI_STATSOBJ14_ADD_COUNTER,
            _ => abi::ABI_STATSOBJ16_ADD_COUNTER,
        };
        Self {
            construct: slot!(table, abi::ABI_STATSOBJ_CONSTRUCT, abi_statsobj_construct_t),
            finalize: slot!(table, abi::ABI_STATSOBJ_CONSTRUCT_FINALIZE, abi_statsobj_finalize_t),
            destruct: slot!(table, abi::ABI_STATSOBJ_DESTRUCT, abi_statsobj_destruct_t),
            set_name: slot!(table, abi::ABI_STATSOBJ_SET_NAME, abi_statsobj_set_text_t),
            set_origin: slot!(table, abi::ABI_STATSOBJ_SET_ORIGIN, abi_statsobj_set_text_t),
            add_counter: slot!(table, add_counter, abi_statsobj_add_counter_t),
        }
    }
}

/// Says once at load that there will be no counters, if so.
pub(super) fn report_statistics(interfaces: &Interfaces) {
    if interfaces.statistics.is_none() {
        let known: Vec<String> = STATISTICS_VERSIONS.iter().map(u32::to_string).collect();
        let error = unknown("statsobj", &known.join(", "));
        log::warning(&format!("{error}; the module works without counters"));
    }
}

fn unknown(name: &'static str, known: &str) -> InterfaceError {
    InterfaceError::Unknown { name, known: known.to_owned() }
}

/// # Safety
/// `host_query` is the host's hostQuery function.
unsafe fn use_obj_function(host_query: abi::abi_host_query_t) -> abi::abi_use_obj_t {
    let host_query = host_query?;
    let mut function: abi::abi_slot_t = None;
    // SAFETY: the name is NUL-terminated and only read; `function` is a live pointer slot (modules.c:289).
    let answer = unsafe { host_query(c"objGetObjInterface".as_ptr().cast_mut().cast(), &raw mut function) };
    if answer != abi::ABI_RET_OK {
        return None;
    }
    // SAFETY: that is the function's signature under this name (runtime/obj.c:1334).
    let get = unsafe { std::mem::transmute::<abi::abi_slot_t, abi::abi_get_obj_interface_t>(function) }?;
    let mut table = empty_table(abi::ABI_OBJ_INTERFACE_VERSION);
    // SAFETY: the table is larger than any of the host's. The answer says nothing about the version: the slot does.
    unsafe { get(&raw mut *table) };
    slot!(table, abi::ABI_OBJ_USE_OBJ, abi_use_obj_t)
}

/// The first of `versions` that the host has of object `name`.
fn probe(use_obj: abi::abi_use_obj_t, name: &CStr, versions: &[u32]) -> Option<(u32, Box<abi::interface_t>)> {
    let use_obj = use_obj?;
    versions.iter().find_map(|&version| {
        let mut table = empty_table(version);
        // SAFETY: the strings are NUL-terminated and only read; a null file name means an object of the core; the table
        // is zeroed and larger than any of the host's.
        let answer = unsafe {
            use_obj(c"rsyslog-zmq".as_ptr(), name.as_ptr().cast_mut().cast(), std::ptr::null_mut(), &raw mut *table)
        };
        (answer == abi::ABI_RET_OK).then_some((version, table))
    })
}
