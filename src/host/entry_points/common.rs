//! The entry points that inputs and outputs have in common, and what all entry points are made with.

use std::ffi::{CString, c_int, c_uint, c_void};
use std::sync::{Arc, OnceLock, PoisonError};

use crate::abi;
use crate::host::guard::guard;
use crate::host::module::{Module, Refused};
use crate::host::parameters::ParameterList;
use crate::host::phase::{BeforePrivilegeDrop, Running};
use crate::host::role::Role;
use crate::host::status::Status;
use crate::host::{ConfigurationHandle, Host, loaded, log, module_name};

/// A function of any signature as the host's table type.
macro_rules! entry {
    ($function:expr, $($argument:ty),*) => {{
        let function: extern "C" fn($($argument),*) -> abi::rsRetVal = $function;
        // SAFETY: all function pointers are alike to the caller of the table, which casts them back by name.
        unsafe { std::mem::transmute::<extern "C" fn($($argument),*) -> abi::rsRetVal, abi::abi_slot_t>(function) }
    }};
}
pub(super) use entry;

/// The configuration being loaded or running.
pub(super) fn current<M: Module>() -> Option<Arc<M>> {
    M::current().lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Says why an object of the configuration is refused.
pub(super) fn refused(errors: Refused) -> Status {
    for error in &errors.0 {
        log::error(error);
    }
    Status::Refused
}

/// Borrows the `T` that an earlier entry point gave the host; `None` for null.
///
/// # Safety
/// `pointer` is null or what `Box::into_raw` gave for a `Box<T>` that has not been freed.
pub(super) unsafe fn borrow<'a, T>(pointer: *mut c_void) -> Option<&'a T> {
    // SAFETY: the caller's promise.
    unsafe { pointer.cast::<T>().as_ref() }
}

/// Writes an answer to where the host wants it.
pub(in crate::host) fn put<T>(to: *mut T, value: T) -> Status {
    if to.is_null() {
        return Status::Failed;
    }
    // SAFETY: not null, and the host gives a place for one value of this type.
    unsafe { to.write(value) };
    Status::Ok
}

/// The function of this name.
pub(super) fn table<M: Module>(name: &[u8]) -> abi::abi_slot_t {
    match name {
        b"getType" => entry!(get_type, *mut c_int),
        b"getKeepType" => entry!(get_keep_type, *mut c_int),
        b"modGetID" => entry!(module_id, *mut *mut c_void),
        b"modExit" => entry!(module_exit,),
        b"isCompatibleWithFeature" => entry!(is_compatible_with_feature, c_int),
        b"getModCnfName" => entry!(module_configuration_name, *mut *mut abi::uchar),
        b"beginCnfLoad" => entry!(begin_load::<M>, *mut *mut c_void, *mut c_void),
        b"setModCnf" => entry!(set_module_parameters::<M>, *mut abi::nvlst),
        b"endCnfLoad" => entry!(end_load, *mut c_void),
        b"checkCnf" => entry!(check::<M>, *mut c_void),
        b"activateCnfPrePrivDrop" => entry!(before_privilege_drop::<M>, *mut c_void),
        b"activateCnf" => entry!(activate::<M>, *mut c_void),
        b"freeCnf" => entry!(free_load::<M>, *mut c_void),
        _ => None,
    }
}

pub(super) extern "C" fn get_type(to: *mut c_int) -> abi::rsRetVal {
    guard("getType", || {
        let role = Host::get().map_or(Role::Input, |host| host.role);
        put(to, if role == Role::Input { abi::ABI_MOD_IN as c_int } else { abi::ABI_MOD_OUT as c_int })
    })
}

pub(super) extern "C" fn get_keep_type(to: *mut c_int) -> abi::rsRetVal {
    // Our threads and libzmq's have thread-local destructors in here: never unmap.
    guard("getKeepType", || put(to, abi::ABI_MOD_KEEP as c_int))
}

pub(super) extern "C" fn module_id(to: *mut *mut c_void) -> abi::rsRetVal {
    guard("modGetID", || put(to, loaded::identity()))
}

pub(super) extern "C" fn module_exit() -> abi::rsRetVal {
    guard("modExit", || {
        loaded::release();
        Status::Ok
    })
}

pub(super) extern "C" fn is_compatible_with_feature(feature: c_int) -> abi::rsRetVal {
    guard("isCompatibleWithFeature", || {
        let role = Host::get().map_or(Role::Input, |host| host.role);
        let known = match role {
            Role::Input => abi::ABI_FEATURE_NON_CANCEL_INPUT_TERMINATION,
            Role::Output => abi::ABI_FEATURE_REPEATED_MSG_REDUCTION,
        };
        if c_uint::try_from(feature) == Ok(known) { Status::Ok } else { Status::Incompatible }
    })
}

pub(super) extern "C" fn module_configuration_name(to: *mut *mut abi::uchar) -> abi::rsRetVal {
    guard("getModCnfName", || {
        static NAME: OnceLock<CString> = OnceLock::new();
        let name = NAME.get_or_init(|| CString::new(module_name()).unwrap_or_default());
        put(to, name.as_ptr().cast_mut().cast())
    })
}

pub(super) extern "C" fn begin_load<M: Module>(to: *mut *mut c_void, configuration: *mut c_void) -> abi::rsRetVal {
    guard("beginCnfLoad", || {
        if to.is_null() {
            return Status::Failed;
        }
        let module = Arc::new(M::begin(ConfigurationHandle::new(configuration)));
        *M::current().lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&module));
        put(to, Box::into_raw(Box::new(module)).cast())
    })
}

pub(super) extern "C" fn set_module_parameters<M: Module>(list: *mut abi::nvlst) -> abi::rsRetVal {
    guard("setModCnf", || {
        let Some(module) = current::<M>() else { return Status::Failed };
        // SAFETY: the host's list, valid during this call.
        let list = unsafe { ParameterList::new(list) };
        module.module_parameters(&list).map_or_else(refused, |()| Status::Ok)
    })
}

pub(super) extern "C" fn end_load(_module: *mut c_void) -> abi::rsRetVal {
    guard("endCnfLoad", || Status::Ok)
}

pub(super) extern "C" fn check<M: Module>(module: *mut c_void) -> abi::rsRetVal {
    // SAFETY: the pointer that beginCnfLoad gave the host.
    guard("checkCnf", || with_module(unsafe { borrow::<Arc<M>>(module) }, |module| module.check()))
}

pub(super) extern "C" fn before_privilege_drop<M: Module>(module: *mut c_void) -> abi::rsRetVal {
    guard("activateCnfPrePrivDrop", || {
        // SAFETY: as in `check`.
        with_module(unsafe { borrow::<Arc<M>>(module) }, |module| {
            module.before_privilege_drop(BeforePrivilegeDrop::entered());
        })
    })
}

pub(super) extern "C" fn activate<M: Module>(module: *mut c_void) -> abi::rsRetVal {
    guard("activateCnf", || {
        // SAFETY: as in `check`.
        with_module(unsafe { borrow::<Arc<M>>(module) }, |module| module.activate(Running::entered()))
    })
}

pub(super) extern "C" fn free_load<M: Module>(module: *mut c_void) -> abi::rsRetVal {
    guard("freeCnf", || {
        if module.is_null() {
            return Status::Failed;
        }
        // SAFETY: what beginCnfLoad gave the host, which frees it once.
        let module = unsafe { Box::from_raw(module.cast::<Arc<M>>()) };
        module.free();
        let mut current = M::current().lock().unwrap_or_else(PoisonError::into_inner);
        if current.as_ref().is_some_and(|current| Arc::ptr_eq(current, &module)) {
            *current = None;
        }
        Status::Ok
    })
}

fn with_module<M: Module>(module: Option<&Arc<M>>, body: impl FnOnce(&Arc<M>)) -> Status {
    match module {
        Some(module) => {
            body(module);
            Status::Ok
        }
        None => Status::Failed,
    }
}
