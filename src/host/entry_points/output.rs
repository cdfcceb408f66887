//! The entry points of an output.

use std::ffi::{CStr, c_uint, c_void};
use std::sync::{Arc, Mutex, PoisonError};

use super::common::{self, borrow, current, entry, put, refused};
use crate::abi;
use crate::host::commit::Commit;
use crate::host::guard::{guard, guard_or};
use crate::host::module::OutputModule;
use crate::host::parameters::ParameterList;
use crate::host::status::Status;
use crate::host::{log, module_name};

/// The function of this name.
pub(super) fn table<M: OutputModule>(name: &[u8]) -> abi::abi_slot_t {
    match name {
        b"newActInst" => entry!(
            new_action::<M>,
            *mut abi::uchar,
            *mut abi::nvlst,
            *mut *mut c_void,
            *mut *mut abi::omodStringRequest_t
        ),
        b"freeInstance" => entry!(free_action::<M>, *mut c_void),
        b"dbgPrintInstInfo" => entry!(print_action, *mut c_void),
        b"parseSelectorAct" => {
            entry!(parse_selector, *mut *mut abi::uchar, *mut *mut c_void, *mut *mut abi::omodStringRequest_t)
        }
        b"createWrkrInstance" => entry!(new_worker::<M>, *mut *mut c_void, *mut c_void),
        b"freeWrkrInstance" => entry!(free_worker::<M>, *mut c_void),
        b"tryResume" => entry!(try_resume::<M>, *mut c_void),
        b"beginTransaction" => entry!(begin_transaction, *mut c_void),
        b"commitTransaction" => entry!(commit::<M>, *mut c_void, *const abi::actWrkrIParams_t, c_uint),
        b"doHUP" => entry!(hang_up_action::<M>, *mut c_void),
        _ => common::table::<M>(name),
    }
}

/// What the host holds for an action, and for a worker.
pub(super) type ActionBox<M> = Arc<<M as OutputModule>::Action>;
pub(super) type WorkerBox<M> = Mutex<<M as OutputModule>::Worker>;

pub(super) extern "C" fn new_action<M: OutputModule>(
    _module_name: *mut abi::uchar,
    list: *mut abi::nvlst,
    instance: *mut *mut c_void,
    request: *mut *mut abi::omodStringRequest_t,
) -> abi::rsRetVal {
    guard("newActInst", || {
        let Some(module) = current::<M>() else { return Status::Failed };
        if instance.is_null() || request.is_null() {
            return Status::Failed;
        }
        // SAFETY: the host's list, valid during this call.
        let list = unsafe { ParameterList::new(list) };
        let (action, templates) = match module.new_action(&list) {
            Ok(made) => made,
            Err(errors) => return refused(errors),
        };
        let templates = templates.into_host();
        if templates.is_null() {
            M::free_action(&action);
            return Status::Failed;
        }
        put(request, templates);
        put(instance, Box::into_raw(Box::<ActionBox<M>>::new(action)).cast())
    })
}

pub(super) extern "C" fn free_action<M: OutputModule>(instance: *mut c_void) -> abi::rsRetVal {
    guard("freeInstance", || {
        if instance.is_null() {
            return Status::Ok;
        }
        // SAFETY: what newActInst gave the host, which frees it once.
        let action = unsafe { Box::from_raw(instance.cast::<ActionBox<M>>()) };
        M::free_action(&action);
        Status::Ok
    })
}

pub(super) extern "C" fn print_action(_instance: *mut c_void) -> abi::rsRetVal {
    guard("dbgPrintInstInfo", || Status::Ok)
}

/// The old syntax, `*.* :omczmq:..`: the host offers each line to every output module.
pub(super) extern "C" fn parse_selector(
    line: *mut *mut abi::uchar,
    _instance: *mut *mut c_void,
    _request: *mut *mut abi::omodStringRequest_t,
) -> abi::rsRetVal {
    guard("parseSelectorAct", || {
        // SAFETY: null or the host's pointer to a pointer.
        let Some(line) = (unsafe { line.as_ref() }) else { return Status::NotOurs };
        if line.is_null() {
            return Status::NotOurs;
        }
        // SAFETY: the host's line is NUL-terminated.
        let text = unsafe { CStr::from_ptr(line.cast_const().cast()) }.to_string_lossy();
        let ours = text.strip_prefix(':').and_then(|rest| rest.strip_prefix(module_name()));
        if ours.is_some_and(|rest| rest.starts_with(':')) {
            log::error(&format!("the old syntax is not supported; write action(type=\"{}\" ..)", module_name()));
            return Status::OldSyntax;
        }
        Status::NotOurs
    })
}

pub(super) extern "C" fn new_worker<M: OutputModule>(to: *mut *mut c_void, instance: *mut c_void) -> abi::rsRetVal {
    guard("createWrkrInstance", || {
        // SAFETY: what newActInst gave the host.
        let Some(action) = (unsafe { borrow::<ActionBox<M>>(instance) }) else { return Status::Failed };
        if to.is_null() {
            return Status::Failed;
        }
        // The mutex is never contended: the host gives a worker to one thread at a time. It keeps a worker usable, and
        // freeable, if the host ever did otherwise.
        let worker: WorkerBox<M> = Mutex::new(M::new_worker(action));
        put(to, Box::into_raw(Box::new(worker)).cast())
    })
}

pub(super) extern "C" fn free_worker<M: OutputModule>(worker: *mut c_void) -> abi::rsRetVal {
    guard("freeWrkrInstance", || {
        if !worker.is_null() {
            // SAFETY: what createWrkrInstance gave the host, which frees it once. The action may be gone already.
            drop(unsafe { Box::from_raw(worker.cast::<WorkerBox<M>>()) });
        }
        Status::Ok
    })
}

pub(super) extern "C" fn try_resume<M: OutputModule>(worker: *mut c_void) -> abi::rsRetVal {
    guard_or("tryResume", Status::Suspended, || {
        // SAFETY: what createWrkrInstance gave the host.
        let Some(worker) = (unsafe { borrow::<WorkerBox<M>>(worker) }) else { return Status::Suspended };
        match M::try_resume(&mut worker.lock().unwrap_or_else(PoisonError::into_inner)) {
            Status::Ok => Status::Ok,
            _ => Status::Suspended,
        }
    })
}

/// Must exist: it is what makes the action transactional (modules.c:727). A refusal here would duplicate messages.
pub(super) extern "C" fn begin_transaction(_worker: *mut c_void) -> abi::rsRetVal {
    guard("beginTransaction", || Status::Ok)
}

pub(super) extern "C" fn commit<M: OutputModule>(
    worker: *mut c_void,
    parameters: *const abi::actWrkrIParams_t,
    count: c_uint,
) -> abi::rsRetVal {
    guard("commitTransaction", || {
        // SAFETY: what createWrkrInstance gave the host.
        let Some(worker) = (unsafe { borrow::<WorkerBox<M>>(worker) }) else { return Status::Failed };
        let mut worker = worker.lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: the host's array of count times the templates the action asked for, unchanged during this call.
        let commit = unsafe { Commit::new(parameters, count as usize, M::templates(&worker)) };
        M::commit(&mut worker, commit)
    })
}

pub(super) extern "C" fn hang_up_action<M: OutputModule>(instance: *mut c_void) -> abi::rsRetVal {
    guard("doHUP", || {
        // SAFETY: what newActInst gave the host.
        if let Some(action) = unsafe { borrow::<ActionBox<M>>(instance) } {
            <M as OutputModule>::hang_up(action);
        }
        Status::Ok
    })
}
