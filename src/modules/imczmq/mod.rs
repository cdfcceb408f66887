//! The input module.

mod events;
mod listener;
mod rate_limit;
pub mod settings;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::curve::security::SecuritySettings;
use crate::host::module::{InputModule, Module, Refused};
use crate::host::parameters::ParameterList;
use crate::host::phase::{BeforePrivilegeDrop, Running};
use crate::host::{ConfigurationHandle, log};
use crate::modules::log_writer::Log;
use crate::modules::runtime::{Runtime, unique_name};
use crate::modules::settings::{MODULE_SCOPE, check_module_security, security};
use listener::Listener;
use settings::InputSettings;

/// One loaded configuration of the input module.
pub struct Imczmq {
    configuration: ConfigurationHandle,
    security: Mutex<SecuritySettings>,
    listeners: Mutex<Vec<Arc<Listener>>>,
    runtime: Mutex<Option<Runtime>>,
    log: Log,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Imczmq {
    fn listeners(&self) -> Vec<Arc<Listener>> {
        lock(&self.listeners).clone()
    }

    /// All at once, so that the slowest one counts and not their sum.
    fn stop(&self) {
        let listeners = self.listeners();
        for listener in &listeners {
            listener.begin_stop();
        }
        for listener in &listeners {
            listener.stop();
        }
    }
}

impl Module for Imczmq {
    fn current() -> &'static Mutex<Option<Arc<Self>>> {
        static CURRENT: Mutex<Option<Arc<Imczmq>>> = Mutex::new(None);
        &CURRENT
    }

    fn begin(configuration: ConfigurationHandle) -> Self {
        Self {
            configuration,
            security: Mutex::default(),
            listeners: Mutex::default(),
            runtime: Mutex::default(),
            log: Log::default(),
        }
    }

    fn module_parameters(&self, list: &ParameterList) -> Result<(), Refused> {
        let values = list
            .read(&MODULE_SCOPE)
            .map_err(|errors| Refused(errors.iter().map(|error| format!("module: {error}")).collect()))?;
        let settings = security(&values);
        check_module_security(&settings).map_err(|error| Refused(vec![format!("module: {error}")]))?;
        *lock(&self.security) = settings;
        Ok(())
    }

    fn check(&self) {
        for listener in self.listeners() {
            listener.check(self.configuration);
        }
    }

    fn before_privilege_drop(&self, phase: BeforePrivilegeDrop) {
        for listener in self.listeners() {
            listener.prepare(phase);
        }
    }

    fn activate(&self, phase: Running) {
        let security: Vec<_> = self.listeners().iter().filter_map(|listener| listener.security()).collect();
        match Runtime::start(phase, security.iter().map(AsRef::as_ref), &self.log) {
            Ok(runtime) => *lock(&self.runtime) = Some(runtime),
            Err(error) => log::error(&format!("{error}; no input is run")),
        }
    }

    fn free(&self) {
        self.stop();
        lock(&self.listeners).clear();
        drop(lock(&self.runtime).take());
    }

    fn hang_up(&self) {
        for listener in self.listeners() {
            listener.hang_up();
        }
        if let Some(runtime) = &*lock(&self.runtime) {
            runtime.refresh();
        }
    }
}

impl InputModule for Imczmq {
    fn new_input(&self, list: &ParameterList) -> Result<(), Refused> {
        let settings = InputSettings::read(list, &lock(&self.security))?;
        let taken: Vec<String> = self.listeners().iter().map(|listener| listener.name().to_owned()).collect();
        let name = unique_name(&settings.name, &taken);
        for warning in &settings.warnings {
            log::urgent_warning(&format!("{name}: {warning}"));
        }
        lock(&self.listeners).push(Arc::new(Listener::new(settings, name, &self.log)));
        Ok(())
    }

    fn run(&self, phase: Running, wait: &dyn Fn()) {
        if let Some(runtime) = &*lock(&self.runtime) {
            for listener in self.listeners() {
                listener.start(phase, runtime);
            }
        }
        wait();
        self.stop();
    }
}
