//! Every entry point with a body that panics, and with null where the host has a pointer.

use std::ffi::c_void;
use std::ptr::null_mut;
use std::sync::{Arc, Mutex};

use super::common::*;
use super::input::{after_run, hang_up_input, new_input, run_input};
use super::output::*;
use super::*;
use crate::host::ConfigurationHandle;
use crate::host::commit::Commit;
use crate::host::module::{Module, Refused};
use crate::host::parameters::ParameterList;
use crate::host::phase::{BeforePrivilegeDrop, Running};
use crate::host::template_request::TemplateRequest;

struct Panics;

impl Module for Panics {
    fn current() -> &'static Mutex<Option<Arc<Self>>> {
        static CURRENT: Mutex<Option<Arc<Panics>>> = Mutex::new(None);
        &CURRENT
    }
    fn begin(_: ConfigurationHandle) -> Self {
        panic!("begin")
    }
    fn module_parameters(&self, _: &ParameterList) -> Result<(), Refused> {
        panic!("module_parameters")
    }
    fn check(&self) {
        panic!("check")
    }
    fn before_privilege_drop(&self, _: BeforePrivilegeDrop) {
        panic!("before_privilege_drop")
    }
    fn activate(&self, _: Running) {
        panic!("activate")
    }
    fn free(&self) {
        panic!("free")
    }
    fn hang_up(&self) {
        panic!("hang_up")
    }
}

impl InputModule for Panics {
    fn new_input(&self, _: &ParameterList) -> Result<(), Refused> {
        panic!("new_input")
    }
    fn run(&self, _: Running, _: &dyn Fn()) {
        panic!("run")
    }
}

impl OutputModule for Panics {
    type Action = ();
    type Worker = ();
    fn new_action(&self, _: &ParameterList) -> Result<(Arc<()>, TemplateRequest), Refused> {
        panic!("new_action")
    }
    fn free_action(_: &Arc<()>) {
        panic!("free_action")
    }
    fn templates((): &()) -> usize {
        panic!("templates")
    }
    fn new_worker(_: &Arc<()>) {
        panic!("new_worker")
    }
    fn commit((): &mut (), _: Commit<'_>) -> Status {
        panic!("commit")
    }
    fn try_resume((): &mut ()) -> Status {
        panic!("try_resume")
    }
    fn hang_up((): &()) {
        panic!("hang_up")
    }
}

const FAILED: abi::rsRetVal = Status::Failed.code();

#[test]
fn no_panic_of_a_module_gets_past_an_entry_point() {
    let mut pointer = null_mut();
    assert_eq!(begin_load::<Panics>(&raw mut pointer, null_mut()), FAILED);
    assert!(pointer.is_null());

    *Panics::current().lock().unwrap() = Some(Arc::new(Panics));
    let module = || Box::into_raw(Box::new(Arc::new(Panics))).cast::<c_void>();
    let kept = module();
    assert_eq!(set_module_parameters::<Panics>(null_mut()), FAILED);
    assert_eq!(check::<Panics>(kept), FAILED);
    assert_eq!(before_privilege_drop::<Panics>(kept), FAILED);
    assert_eq!(activate::<Panics>(kept), FAILED);
    assert_eq!(free_load::<Panics>(kept), FAILED);
    assert_eq!(new_input::<Panics>(null_mut()), FAILED);
    assert_eq!(run_input::<Panics>(null_mut()), FAILED);
    assert_eq!(hang_up_input::<Panics>(null_mut()), FAILED);

    let mut request = null_mut();
    let mut instance = null_mut();
    assert_eq!(new_action::<Panics>(null_mut(), null_mut(), &raw mut instance, &raw mut request), FAILED);
    assert!(instance.is_null() && request.is_null());
    let action = || Box::into_raw(Box::<ActionBox<Panics>>::new(Arc::new(()))).cast::<c_void>();
    let worker = Box::into_raw(Box::<WorkerBox<Panics>>::new(Mutex::new(()))).cast::<c_void>();
    let kept = action();
    assert_eq!(new_worker::<Panics>(&raw mut instance, kept), FAILED);
    assert_eq!(hang_up_action::<Panics>(kept), FAILED);
    assert_eq!(free_action::<Panics>(kept), FAILED);
    assert_eq!(commit::<Panics>(worker, null_mut(), 1), FAILED);
    assert_eq!(try_resume::<Panics>(worker), Status::Suspended.code(), "anything else makes the host loop for ever");
    assert_eq!(free_worker::<Panics>(worker), Status::Ok.code());
    *Panics::current().lock().unwrap() = None;
}

#[test]
fn null_is_answered_and_never_followed() {
    assert_eq!(get_type(null_mut()), FAILED);
    assert_eq!(get_keep_type(null_mut()), FAILED);
    assert_eq!(module_id(null_mut()), FAILED);
    assert_eq!(module_configuration_name(null_mut()), FAILED);
    assert_eq!(begin_load::<Panics>(null_mut(), null_mut()), FAILED);
    assert_eq!(end_load(null_mut()), Status::Ok.code());
    assert_eq!(check::<Panics>(null_mut()), FAILED);
    assert_eq!(before_privilege_drop::<Panics>(null_mut()), FAILED);
    assert_eq!(activate::<Panics>(null_mut()), FAILED);
    assert_eq!(free_load::<Panics>(null_mut()), FAILED);
    assert_eq!(after_run(null_mut()), Status::Ok.code());
    assert_eq!(free_action::<Panics>(null_mut()), Status::Ok.code());
    assert_eq!(print_action(null_mut()), Status::Ok.code());
    assert_eq!(parse_selector(null_mut(), null_mut(), null_mut()), Status::NotOurs.code());
    assert_eq!(new_worker::<Panics>(null_mut(), null_mut()), FAILED);
    assert_eq!(free_worker::<Panics>(null_mut()), Status::Ok.code());
    assert_eq!(try_resume::<Panics>(null_mut()), Status::Suspended.code());
    assert_eq!(begin_transaction(null_mut()), Status::Ok.code());
    assert_eq!(commit::<Panics>(null_mut(), null_mut(), 5), FAILED);
    assert_eq!(hang_up_action::<Panics>(null_mut()), Status::Ok.code());
    assert_eq!(query::<Panics, Panics>(null_mut(), null_mut()), Status::NoSuchEntryPoint.code());
}

#[test]
fn every_entry_point_the_host_demands_is_in_its_table() {
    // modules.c:590-802; the optional ones that an input or an output needs are here too.
    let common_names = [
        "getType",
        "getKeepType",
        "modGetID",
        "modExit",
        "isCompatibleWithFeature",
        "setModCnf",
        "getModCnfName",
        "beginCnfLoad",
        "endCnfLoad",
        "freeCnf",
        "checkCnf",
        "activateCnf",
        "activateCnfPrePrivDrop",
    ];
    for name in common_names.iter().chain(&["runInput", "willRun", "afterRun", "newInpInst", "doHUP"]) {
        assert!(input::table::<Panics>(name.as_bytes()).is_some(), "the input lacks {name}");
    }
    let of_outputs = [
        "freeInstance",
        "dbgPrintInstInfo",
        "parseSelectorAct",
        "tryResume",
        "createWrkrInstance",
        "freeWrkrInstance",
        "doHUP",
        "beginTransaction",
        "commitTransaction",
        "newActInst",
    ];
    for name in common_names.iter().chain(&of_outputs) {
        assert!(output::table::<Panics>(name.as_bytes()).is_some(), "the output lacks {name}");
    }
    // With commitTransaction there must be no doAction (modules.c:727); the rest is unknown or newer than this module.
    for name in ["doAction", "endTransaction", "SetShutdownImmdtPtr", "setActionInfo", "doHUPWrkr", "", "modInit"] {
        assert!(
            output::table::<Panics>(name.as_bytes()).is_none() && input::table::<Panics>(name.as_bytes()).is_none(),
            "{name}"
        );
    }
}
