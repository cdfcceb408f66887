//! rsyslogd's module entry points, as two traits and the table that `queryEtryPt` answers from.
//!
//! The host asks for each entry point by name when it loads the module (modules.c:590); names that are not here are
//! answered with "no such entry point", which every release takes for optional ones. Every function below goes through
//! the guard.

use std::ffi::{CStr, CString, c_int, c_uint, c_void};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use super::commit::Commit;
use super::guard::{guard, guard_or};
use super::load::LOADED;
use super::parameters::ParameterList;
use super::phase::{BeforePrivilegeDrop, Running};
use super::role::Role;
use super::status::Status;
use super::template_request::TemplateRequest;
use super::{ConfigurationHandle, Host, log, stop_signal};
use crate::abi;

/// An object of the configuration was refused. The reasons are for the log, one line each.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Refused(pub Vec<String>);

impl<E: std::fmt::Display> From<E> for Refused {
    fn from(error: E) -> Self {
        Self(vec![error.to_string()])
    }
}

/// What both kinds of module have in common. One value of `Self` is what one loaded configuration says.
pub trait Module: Send + Sync + Sized + 'static {
    /// The configuration being loaded or running, for the entry points to which the host gives none.
    fn current() -> &'static Mutex<Option<Arc<Self>>>;
    /// `beginCnfLoad`.
    fn begin(configuration: ConfigurationHandle) -> Self;
    /// `setModCnf`: the parameters of `module()`.
    fn module_parameters(&self, list: &ParameterList) -> Result<(), Refused>;
    /// `checkCnf`: everything is defined now.
    fn check(&self);
    /// `activateCnfPrePrivDrop`.
    fn before_privilege_drop(&self, phase: BeforePrivilegeDrop);
    /// `activateCnf`.
    fn activate(&self, phase: Running);
    /// `freeCnf`.
    fn free(&self);
    /// `doHUP`, once for the module. Output modules are called once per action; see [`OutputModule::hang_up`].
    fn hang_up(&self);
}

/// An input module.
pub trait InputModule: Module {
    /// `newInpInst`: one `input()`.
    fn new_input(&self, list: &ParameterList) -> Result<(), Refused>;
    /// `runInput`: returns when the host stops, which `wait` waits for.
    fn run(&self, phase: Running, wait: &dyn Fn());
}

/// An output module.
pub trait OutputModule: Module {
    /// One `action()`.
    type Action: Send + Sync + 'static;
    /// One worker of an action. It may be freed after its action (8.2208 to 8.2510), so it must hold what it needs.
    type Worker: Send + 'static;

    /// `newActInst`.
    fn new_action(&self, list: &ParameterList) -> Result<(Arc<Self::Action>, TemplateRequest), Refused>;
    /// `freeInstance`: no worker commits any more.
    fn free_action(action: &Arc<Self::Action>);
    /// How many templates the action asked for.
    fn templates(worker: &Self::Worker) -> usize;
    /// `createWrkrInstance`.
    fn new_worker(action: &Arc<Self::Action>) -> Self::Worker;
    /// `commitTransaction`: the batch whole or not at all.
    fn commit(worker: &mut Self::Worker, commit: Commit<'_>) -> Status;
    /// `tryResume`: truthfully [`Status::Ok`] or [`Status::Suspended`].
    fn try_resume(worker: &mut Self::Worker) -> Status;
    /// `doHUP` of one action.
    fn hang_up(action: &Self::Action);
}

fn current<M: Module>() -> Option<Arc<M>> {
    M::current().lock().unwrap_or_else(PoisonError::into_inner).clone()
}

fn refused(errors: Refused) -> Status {
    for error in &errors.0 {
        log::error(error);
    }
    Status::Refused
}

/// Borrows the `T` that an earlier entry point gave the host; `None` for null.
///
/// # Safety
/// `pointer` is null or what `Box::into_raw` gave for a `Box<T>` that has not been freed.
unsafe fn borrow<'a, T>(pointer: *mut c_void) -> Option<&'a T> {
    // SAFETY: the caller's promise.
    unsafe { pointer.cast::<T>().as_ref() }
}

// --- common entry points ------------------------------------------------------------------------------------------------

extern "C" fn get_type(to: *mut c_int) -> abi::rsRetVal {
    guard("getType", || {
        let role = Host::get().map_or(Role::Input, |host| host.role);
        put(to, if role == Role::Input { abi::ABI_MOD_IN as c_int } else { abi::ABI_MOD_OUT as c_int })
    })
}

extern "C" fn get_keep_type(to: *mut c_int) -> abi::rsRetVal {
    // Our threads and libzmq's have thread-local destructors in here: never unmap.
    guard("getKeepType", || put(to, abi::ABI_MOD_KEEP as c_int))
}

extern "C" fn module_id(to: *mut *mut c_void) -> abi::rsRetVal {
    guard("modGetID", || put(to, (&raw const LOADED).cast_mut().cast()))
}

extern "C" fn module_exit() -> abi::rsRetVal {
    guard("modExit", || {
        LOADED.store(false, Ordering::SeqCst);
        Status::Ok
    })
}

extern "C" fn is_compatible_with_feature(feature: c_int) -> abi::rsRetVal {
    guard("isCompatibleWithFeature", || {
        let role = Host::get().map_or(Role::Input, |host| host.role);
        let known = match role {
            Role::Input => abi::ABI_FEATURE_NON_CANCEL_INPUT_TERMINATION,
            Role::Output => abi::ABI_FEATURE_REPEATED_MSG_REDUCTION,
        };
        if c_uint::try_from(feature) == Ok(known) { Status::Ok } else { Status::Incompatible }
    })
}

extern "C" fn module_configuration_name(to: *mut *mut abi::uchar) -> abi::rsRetVal {
    guard("getModCnfName", || {
        static NAME: std::sync::OnceLock<CString> = std::sync::OnceLock::new();
        let name = NAME.get_or_init(|| CString::new(super::module_name()).unwrap_or_default());
        put(to, name.as_ptr().cast_mut().cast())
    })
}

extern "C" fn begin_load<M: Module>(to: *mut *mut c_void, configuration: *mut c_void) -> abi::rsRetVal {
    guard("beginCnfLoad", || {
        if to.is_null() {
            return Status::Failed;
        }
        let module = Arc::new(M::begin(ConfigurationHandle::new(configuration)));
        *M::current().lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&module));
        put(to, Box::into_raw(Box::new(module)).cast())
    })
}

extern "C" fn set_module_parameters<M: Module>(list: *mut abi::nvlst) -> abi::rsRetVal {
    guard("setModCnf", || {
        let Some(module) = current::<M>() else { return Status::Failed };
        // SAFETY: the host's list, valid during this call.
        let list = unsafe { ParameterList::new(list) };
        module.module_parameters(&list).map_or_else(refused, |()| Status::Ok)
    })
}

extern "C" fn end_load(_module: *mut c_void) -> abi::rsRetVal {
    guard("endCnfLoad", || Status::Ok)
}

extern "C" fn check<M: Module>(module: *mut c_void) -> abi::rsRetVal {
    // SAFETY: the pointer that beginCnfLoad gave the host.
    guard("checkCnf", || with_module(unsafe { borrow::<Arc<M>>(module) }, |module| module.check()))
}

extern "C" fn before_privilege_drop<M: Module>(module: *mut c_void) -> abi::rsRetVal {
    guard("activateCnfPrePrivDrop", || {
        // SAFETY: as in `check`.
        with_module(unsafe { borrow::<Arc<M>>(module) }, |module| {
            module.before_privilege_drop(BeforePrivilegeDrop::entered());
        })
    })
}

extern "C" fn activate<M: Module>(module: *mut c_void) -> abi::rsRetVal {
    guard("activateCnf", || {
        // SAFETY: as in `check`.
        with_module(unsafe { borrow::<Arc<M>>(module) }, |module| module.activate(Running::entered()))
    })
}

extern "C" fn free_load<M: Module>(module: *mut c_void) -> abi::rsRetVal {
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

pub(super) fn put<T>(to: *mut T, value: T) -> Status {
    if to.is_null() {
        return Status::Failed;
    }
    // SAFETY: not null, and the host gives a place for one value of this type.
    unsafe { to.write(value) };
    Status::Ok
}

// --- input ----------------------------------------------------------------------------------------------------------------

extern "C" fn new_input<M: InputModule>(list: *mut abi::nvlst) -> abi::rsRetVal {
    guard("newInpInst", || {
        let Some(module) = current::<M>() else { return Status::Failed };
        // SAFETY: the host's list, valid during this call.
        let list = unsafe { ParameterList::new(list) };
        module.new_input(&list).map_or_else(refused, |()| Status::Ok)
    })
}

extern "C" fn will_run() -> abi::rsRetVal {
    guard("willRun", || Status::Ok)
}

extern "C" fn run_input<M: InputModule>(_thread: *mut abi::thrdInfo_t) -> abi::rsRetVal {
    guard("runInput", || {
        if let Some(module) = current::<M>() {
            module.run(Running::entered(), &stop_signal::wait_until_host_stops);
        }
        Status::Ok
    })
}

extern "C" fn after_run(_thread: *mut abi::thrdInfo_t) -> abi::rsRetVal {
    guard("afterRun", || Status::Ok)
}

extern "C" fn hang_up_input<M: InputModule>(_nothing: *mut c_void) -> abi::rsRetVal {
    guard("doHUP", || {
        if let Some(module) = current::<M>() {
            module.hang_up();
        }
        Status::Ok
    })
}

// --- output ---------------------------------------------------------------------------------------------------------------

/// What the host holds for an action, and for a worker.
type ActionBox<M> = Arc<<M as OutputModule>::Action>;
type WorkerBox<M> = Mutex<<M as OutputModule>::Worker>;

extern "C" fn new_action<M: OutputModule>(
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

extern "C" fn free_action<M: OutputModule>(instance: *mut c_void) -> abi::rsRetVal {
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

extern "C" fn print_action(_instance: *mut c_void) -> abi::rsRetVal {
    guard("dbgPrintInstInfo", || Status::Ok)
}

/// The old syntax, `*.* :omczmq:..`: the host offers each line to every output module.
extern "C" fn parse_selector(
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
        let ours = text.strip_prefix(':').and_then(|rest| rest.strip_prefix(super::module_name()));
        if ours.is_some_and(|rest| rest.starts_with(':')) {
            log::error(&format!("the old syntax is not supported; write action(type=\"{}\" ..)", super::module_name()));
            return Status::OldSyntax;
        }
        Status::NotOurs
    })
}

extern "C" fn new_worker<M: OutputModule>(to: *mut *mut c_void, instance: *mut c_void) -> abi::rsRetVal {
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

extern "C" fn free_worker<M: OutputModule>(worker: *mut c_void) -> abi::rsRetVal {
    guard("freeWrkrInstance", || {
        if !worker.is_null() {
            // SAFETY: what createWrkrInstance gave the host, which frees it once. The action may be gone already.
            drop(unsafe { Box::from_raw(worker.cast::<WorkerBox<M>>()) });
        }
        Status::Ok
    })
}

extern "C" fn try_resume<M: OutputModule>(worker: *mut c_void) -> abi::rsRetVal {
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
extern "C" fn begin_transaction(_worker: *mut c_void) -> abi::rsRetVal {
    guard("beginTransaction", || Status::Ok)
}

extern "C" fn commit<M: OutputModule>(
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

extern "C" fn hang_up_action<M: OutputModule>(instance: *mut c_void) -> abi::rsRetVal {
    guard("doHUP", || {
        // SAFETY: what newActInst gave the host.
        if let Some(action) = unsafe { borrow::<ActionBox<M>>(instance) } {
            <M as OutputModule>::hang_up(action);
        }
        Status::Ok
    })
}

// --- the tables ---------------------------------------------------------------------------------------------------------

/// A function of any signature as the host's table type.
macro_rules! entry {
    ($function:expr, $($argument:ty),*) => {{
        let function: extern "C" fn($($argument),*) -> abi::rsRetVal = $function;
        // SAFETY: all function pointers are alike to the caller of the table, which casts them back by name.
        unsafe { std::mem::transmute::<extern "C" fn($($argument),*) -> abi::rsRetVal, abi::abi_slot_t>(function) }
    }};
}

fn common<M: Module>(name: &[u8]) -> abi::abi_slot_t {
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

fn input<M: InputModule>(name: &[u8]) -> abi::abi_slot_t {
    match name {
        b"newInpInst" => entry!(new_input::<M>, *mut abi::nvlst),
        b"willRun" => entry!(will_run,),
        b"runInput" => entry!(run_input::<M>, *mut abi::thrdInfo_t),
        b"afterRun" => entry!(after_run, *mut abi::thrdInfo_t),
        b"doHUP" => entry!(hang_up_input::<M>, *mut c_void),
        _ => common::<M>(name),
    }
}

fn output<M: OutputModule>(name: &[u8]) -> abi::abi_slot_t {
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
        _ => common::<M>(name),
    }
}

pub(super) extern "C" fn query<I: InputModule, O: OutputModule>(
    name: *mut abi::uchar,
    to: *mut abi::abi_slot_t,
) -> abi::rsRetVal {
    guard("queryEtryPt", || {
        if name.is_null() || to.is_null() {
            return Status::NoSuchEntryPoint;
        }
        // SAFETY: the host's names are NUL-terminated.
        let name = unsafe { CStr::from_ptr(name.cast_const().cast()) }.to_bytes();
        let found = match Host::get().map(|host| host.role) {
            Some(Role::Input) => input::<I>(name),
            Some(Role::Output) => output::<O>(name),
            None => None,
        };
        if found.is_none() { Status::NoSuchEntryPoint } else { put(to, found) }
    })
}

#[cfg(test)]
mod tests;
