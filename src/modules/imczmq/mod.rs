//! The input module.

mod events;
mod input;
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
use crate::modules::settings::module_security;
use input::Input;
use settings::InputSettings;

/// One loaded configuration of the input module.
pub struct Imczmq {
    configuration: ConfigurationHandle,
    security: Mutex<SecuritySettings>,
    inputs: Mutex<Vec<Arc<Input>>>,
    runtime: Mutex<Option<Runtime>>,
    log: Log,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Imczmq {
    fn inputs(&self) -> Vec<Arc<Input>> {
        lock(&self.inputs).clone()
    }

    /// All at once, so that the slowest one counts and not their sum.
    fn stop(&self) {
        let inputs = self.inputs();
        for input in &inputs {
            input.begin_stop();
        }
        for input in &inputs {
            input.stop();
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
            inputs: Mutex::default(),
            runtime: Mutex::default(),
            log: Log::default(),
        }
    }

    fn module_parameters(&self, list: &ParameterList) -> Result<(), Refused> {
        *lock(&self.security) = module_security(list)?;
        Ok(())
    }

    fn check(&self) {
        for input in self.inputs() {
            input.check(self.configuration);
        }
    }

    fn before_privilege_drop(&self, phase: BeforePrivilegeDrop) {
        for input in self.inputs() {
            input.prepare(phase);
        }
    }

    fn activate(&self, phase: Running) {
        let security: Vec<_> = self.inputs().iter().filter_map(|input| input.security()).collect();
        match Runtime::start(phase, security.iter().map(AsRef::as_ref), &self.log) {
            Ok(runtime) => *lock(&self.runtime) = Some(runtime),
            Err(error) => log::error(&format!("{error}; no input is run")),
        }
    }

    fn free(&self) {
        self.stop();
        lock(&self.inputs).clear();
        drop(lock(&self.runtime).take());
    }

    fn hang_up(&self) {
        for input in self.inputs() {
            input.hang_up();
        }
        if let Some(runtime) = &*lock(&self.runtime) {
            runtime.refresh();
        }
    }
}

impl InputModule for Imczmq {
    fn new_input(&self, list: &ParameterList) -> Result<(), Refused> {
        let settings = InputSettings::read(list, &lock(&self.security))?;
        let taken: Vec<String> = self.inputs().iter().map(|input| input.name().to_owned()).collect();
        let name = unique_name(&settings.name, &taken);
        for warning in &settings.warnings {
            log::urgent_warning(&format!("{name}: {warning}"));
        }
        lock(&self.inputs).push(Arc::new(Input::new(settings, name, &self.log)));
        Ok(())
    }

    fn run(&self, phase: Running, wait: &dyn Fn()) {
        if let Some(runtime) = &*lock(&self.runtime) {
            for input in self.inputs() {
                input.start(phase, runtime);
            }
        }
        wait();
        self.stop();
    }
}
