//! The entry points of an input.

use std::ffi::c_void;

use super::common::{self, current, entry, refused};
use crate::abi;
use crate::host::guard::guard;
use crate::host::module::InputModule;
use crate::host::parameters::ParameterList;
use crate::host::phase::Running;
use crate::host::status::Status;
use crate::host::stop_signal;

/// The function of this name.
pub(super) fn table<M: InputModule>(name: &[u8]) -> abi::abi_slot_t {
    match name {
        b"newInpInst" => entry!(new_input::<M>, *mut abi::nvlst),
        b"willRun" => entry!(will_run,),
        b"runInput" => entry!(run_input::<M>, *mut abi::thrdInfo_t),
        b"afterRun" => entry!(after_run, *mut abi::thrdInfo_t),
        b"doHUP" => entry!(hang_up_input::<M>, *mut c_void),
        _ => common::table::<M>(name),
    }
}

pub(super) extern "C" fn new_input<M: InputModule>(list: *mut abi::nvlst) -> abi::rsRetVal {
    guard("newInpInst", || {
        let Some(module) = current::<M>() else { return Status::Failed };
        // SAFETY: the host's list, valid during this call.
        let list = unsafe { ParameterList::new(list) };
        module.new_input(&list).map_or_else(refused, |()| Status::Ok)
    })
}

pub(super) extern "C" fn will_run() -> abi::rsRetVal {
    guard("willRun", || Status::Ok)
}

pub(super) extern "C" fn run_input<M: InputModule>(_thread: *mut abi::thrdInfo_t) -> abi::rsRetVal {
    guard("runInput", || {
        if let Some(module) = current::<M>() {
            module.run(Running::entered(), &stop_signal::wait_until_host_stops);
        }
        Status::Ok
    })
}

pub(super) extern "C" fn after_run(_thread: *mut abi::thrdInfo_t) -> abi::rsRetVal {
    guard("afterRun", || Status::Ok)
}

pub(super) extern "C" fn hang_up_input<M: InputModule>(_nothing: *mut c_void) -> abi::rsRetVal {
    guard("doHUP", || {
        if let Some(module) = current::<M>() {
            module.hang_up();
        }
        Status::Ok
    })
}
