//! What a module is to the host: two kinds, each a trait whose methods are the host's entry points. `entry_points` calls them.

use std::sync::{Arc, Mutex};

use super::ConfigurationHandle;
use super::commit::Commit;
use super::parameters::ParameterList;
use super::phase::{BeforePrivilegeDrop, Running};
use super::status::Status;
use super::template_request::TemplateRequest;

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
