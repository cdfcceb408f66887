//! The output module.

mod action;
mod counters;
mod events;
mod frames;
pub mod settings;
mod suspension;
mod topic_summary;
mod worker;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use crate::curve::security::SecuritySettings;
use crate::host::commit::Commit;
use crate::host::module::{Module, OutputModule, Refused};
use crate::host::parameters::ParameterList;
use crate::host::phase::{BeforePrivilegeDrop, Running};
use crate::host::status::Status;
use crate::host::template_request::TemplateRequest;
use crate::host::{ConfigurationHandle, log};
use crate::modules::log_writer::Log;
use crate::modules::runtime::{Runtime, unique_name};
use crate::modules::settings::module_security;
use action::Action;
use settings::ActionSettings;
use worker::Worker;

/// One deadline for all actions of the module: the first one that stops starts the clock.
#[derive(Debug, Default)]
pub(in crate::modules) struct StopClock(Mutex<Option<Instant>>);

impl StopClock {
    fn deadline(&self, close_timeout: Duration) -> Instant {
        let mut deadline = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *deadline.get_or_insert_with(|| Instant::now() + close_timeout)
    }
}

/// One loaded configuration of the output module.
#[derive(Default)]
pub struct Omczmq {
    security: Mutex<SecuritySettings>,
    actions: Mutex<Vec<Weak<Action>>>,
    clock: Arc<StopClock>,
    runtime: Mutex<Option<Runtime>>,
    log: Log,
    /// How many messages libzmq may still have held when its sockets were closed.
    with_libzmq: AtomicU64,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Omczmq {
    fn actions(&self) -> Vec<Arc<Action>> {
        lock(&self.actions).iter().filter_map(Weak::upgrade).collect()
    }
}

impl Module for Omczmq {
    fn current() -> &'static Mutex<Option<Arc<Self>>> {
        static CURRENT: Mutex<Option<Arc<Omczmq>>> = Mutex::new(None);
        &CURRENT
    }

    fn begin(_configuration: ConfigurationHandle) -> Self {
        Self::default()
    }

    fn module_parameters(&self, list: &ParameterList) -> Result<(), Refused> {
        *lock(&self.security) = module_security(list)?;
        Ok(())
    }

    fn check(&self) {}

    fn before_privilege_drop(&self, phase: BeforePrivilegeDrop) {
        for action in self.actions() {
            action.prepare(phase);
        }
    }

    fn activate(&self, phase: Running) {
        let actions = self.actions();
        let security: Vec<_> = actions.iter().filter_map(|action| action.security()).collect();
        match Runtime::start(phase, security.iter().map(AsRef::as_ref), &self.log) {
            Ok(runtime) => {
                for action in &actions {
                    action.start(phase, &runtime);
                }
                *lock(&self.runtime) = Some(runtime);
            }
            Err(error) => log::error(&format!("{error}; nothing is sent")),
        }
    }

    fn free(&self) {
        for action in self.actions() {
            self.with_libzmq.fetch_add(action.close(), Ordering::Relaxed);
        }
        let Some(runtime) = lock(&self.runtime).take() else { return };
        let deadline = self.clock.deadline(Duration::ZERO);
        // The context ends when everything has left its sockets, or when their linger has run out.
        drop(runtime);
        let count = self.with_libzmq.load(Ordering::Relaxed);
        if count > 0 && Instant::now() >= deadline {
            log::warning(&format!("closetimeout ran out: up to {count} more messages were with libzmq"));
        }
    }

    fn hang_up(&self) {
        if let Some(runtime) = &*lock(&self.runtime) {
            runtime.refresh();
        }
    }
}

impl OutputModule for Omczmq {
    type Action = Action;
    type Worker = Worker;

    fn new_action(&self, list: &ParameterList) -> Result<(Arc<Action>, TemplateRequest), Refused> {
        let (settings, request) = ActionSettings::read(list, &lock(&self.security))?;
        let taken: Vec<String> = self.actions().iter().map(|action| action.name().to_owned()).collect();
        let name = unique_name(&settings.name, &taken);
        for warning in &settings.warnings {
            log::urgent_warning(&format!("{name}: {warning}"));
        }
        let action = Arc::new(Action::new(settings, name, Arc::clone(&self.clock), &self.log));
        lock(&self.actions).push(Arc::downgrade(&action));
        Ok((action, request))
    }

    fn free_action(action: &Arc<Action>) {
        let with_libzmq = action.close();
        if let Some(module) = lock(Self::current()).as_ref() {
            module.with_libzmq.fetch_add(with_libzmq, Ordering::Relaxed);
        }
    }

    fn templates(worker: &Worker) -> usize {
        worker.action().settings().templates
    }

    fn new_worker(action: &Arc<Action>) -> Worker {
        Worker::new(Arc::clone(action))
    }

    fn commit(worker: &mut Worker, commit: Commit<'_>) -> Status {
        worker.commit(commit)
    }

    fn try_resume(worker: &mut Worker) -> Status {
        worker.try_resume()
    }

    fn hang_up(action: &Action) {
        action.hang_up();
        // The host tells each action, and nobody else; reading the lists again twice does no harm.
        let current = lock(Self::current()).clone();
        if let Some(module) = current {
            Module::hang_up(&*module);
        }
    }
}
