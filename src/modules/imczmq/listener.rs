//! One `input()`: its settings, its keys, its receiver thread.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use super::events::LogIntake;
use super::settings::InputSettings;
use crate::curve::allow_list::Policy;
use crate::curve::security::Security;
use crate::host::message::{SharedText, SubmitSettings, can_add_metadata};
use crate::host::phase::{BeforePrivilegeDrop, Running};
use crate::host::rulesets::Ruleset;
use crate::host::statistics::{Named, Registration};
use crate::host::{ConfigurationHandle, guard, log, module_name};
use crate::modules::log_lines::{SocketLog, connection_counters};
use crate::modules::log_writer::Log;
use crate::modules::runtime::{Runtime, renew_keys, write_ports};
use crate::sys::signals::spawn_without_signals;
use crate::transport::receive::event_loop::{Receiver, ReceiverShared};
use crate::transport::socket::listening::Listener as BoundListener;
use crate::transport::socket::open::{SocketPlan, Surroundings, bound_ports};

/// How far an input has come.
enum State {
    /// Configured; nothing is open.
    Loaded,
    /// Its ruleset exists.
    Checked { ruleset: Option<Ruleset> },
    /// Keys are read and listeners are bound.
    Prepared { ruleset: Option<Ruleset>, security: Arc<Security>, listeners: Vec<Option<BoundListener>> },
    /// The receiver runs.
    Running { thread: JoinHandle<()>, security: Arc<Security>, _statistics: Option<Registration> },
    /// It cannot run, or has been stopped.
    Closed,
}

/// See the module's text.
pub(super) struct Listener {
    settings: InputSettings,
    /// Unique in the module; the ZAP domain too.
    name: String,
    log: Arc<SocketLog>,
    shared: Arc<ReceiverShared>,
    state: Mutex<State>,
}

impl Listener {
    pub(super) fn new(settings: InputSettings, name: String, log: &Log) -> Self {
        let log = Arc::new(SocketLog::new(&name, log));
        let of_connections = Arc::clone(&log);
        let shared = Arc::new(ReceiverShared::new(Box::new(move |event| of_connections.link(&event))));
        Self { settings, name, log, shared, state: Mutex::new(State::Loaded) }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks the ruleset up, once all are defined. An input whose ruleset is missing does not run: its messages would end
    /// up in the wrong place.
    pub(super) fn check(&self, configuration: ConfigurationHandle) {
        let ruleset = match &self.settings.ruleset {
            None => None,
            Some(name) => match Ruleset::find(configuration, name) {
                Some(ruleset) => Some(ruleset),
                None => {
                    log::error(&format!("{}: ruleset \"{name}\" does not exist; this input is not run", self.name));
                    *self.state() = State::Closed;
                    return;
                }
            },
        };
        *self.state() = State::Checked { ruleset };
    }

    /// Reads the keys and binds the listeners, while rsyslogd still has its privileges.
    pub(super) fn prepare(&self, phase: BeforePrivilegeDrop) {
        let mut state = self.state();
        let State::Checked { ruleset } = *state else { return };
        let security = match self.settings.socket.security.load() {
            Ok(security) => Arc::new(security),
            Err(error) => {
                log::error(&format!("{}: {error}; this input is not run", self.name));
                *state = State::Closed;
                return;
            }
        };
        if let Some(warning) = security.warning() {
            log::warning(&format!("{}: {warning}", self.name));
        }
        let (listeners, errors) = self.plan(Arc::clone(&security)).bind_early(phase);
        for error in &errors {
            self.log.open_failed(error);
        }
        if let Some(path) = self.settings.socket.port_file.as_deref().filter(|_| errors.is_empty()) {
            if let Err(error) = write_ports(path, &bound_ports(&listeners)) {
                log::error(&format!("{}: cannot write listenportfilename \"{path}\": {error}", self.name));
            }
        }
        *state = State::Prepared { ruleset, security, listeners };
    }

    fn plan(&self, security: Arc<Security>) -> SocketPlan {
        let socket = &self.settings.socket;
        SocketPlan {
            socket_type: socket.socket_type,
            endpoints: socket.endpoints.clone(),
            options: socket.options.clone(),
            security,
            zap_domain: self.name.clone(),
            socket_file: socket.socket_file,
            topics: self.settings.topics.clone(),
        }
    }

    /// The security of a prepared input.
    pub(super) fn security(&self) -> Option<Arc<Security>> {
        match &*self.state() {
            State::Prepared { security, .. } => Some(Arc::clone(security)),
            _ => None,
        }
    }

    /// Opens the socket and starts the receiver.
    pub(super) fn start(&self, _phase: Running, runtime: &Runtime) {
        let mut state = self.state();
        let State::Prepared { ruleset, security, listeners } = std::mem::replace(&mut *state, State::Closed) else {
            return;
        };
        if self.settings.adds_metadata && !can_add_metadata() {
            log::error(&format!("{}: this rsyslogd cannot attach metadata; addmetadata has no effect", self.name));
        }
        for note in &self.settings.notes {
            log::notice(&format!("{}: {note}", self.name));
        }
        let (Some(input_name), Ok(())) = (SharedText::new(module_name()), self.shared.commands.open()) else {
            log::error(&format!("{}: no memory or no descriptors left; this input is not run", self.name));
            return;
        };
        runtime.admit(&self.name, &security, Arc::clone(&self.shared) as _);
        let submit = SubmitSettings { input_name, ruleset, flow_control: self.settings.flow_control };
        let start = Start {
            name: self.name.clone(),
            submit,
            plan: self.plan(Arc::clone(&security)),
            log: Arc::clone(&self.log),
            listeners,
            settings: self.settings.clone(),
            shared: Arc::clone(&self.shared),
            tracks_keys: matches!(security.policy(), Some(Policy::Directory(_))),
            surroundings: runtime.surroundings(),
        };
        match spawn_without_signals(&format!("im:{}", self.name), move || start.run()) {
            Ok(thread) => {
                let name = format!("{}({})", module_name(), self.name);
                let statistics = Registration::new(&name, module_name(), Arc::clone(&self.shared), named_counters);
                *state = State::Running { thread, security, _statistics: statistics };
            }
            Err(error) => log::error(&format!("{}: cannot start a thread: {error}; not run", self.name)),
        }
    }

    /// Reads the own certificate again; a changed key opens the socket anew.
    pub(super) fn hang_up(&self) {
        if let State::Running { security, .. } = &mut *self.state() {
            renew_keys(&self.name, &self.settings.socket.security, security, self.shared.as_ref());
        }
    }

    /// Tells the receiver to stop, without waiting for it.
    pub(super) fn begin_stop(&self) {
        self.shared.commands.stop();
    }

    /// Waits until the receiver has passed on what it had.
    pub(super) fn stop(&self) {
        self.begin_stop();
        let state = std::mem::replace(&mut *self.state(), State::Closed);
        if let State::Running { thread, .. } = state {
            let _ = thread.join();
        }
    }
}

/// What goes into the receiver's thread.
struct Start {
    name: String,
    submit: SubmitSettings,
    plan: SocketPlan,
    listeners: Vec<Option<BoundListener>>,
    settings: InputSettings,
    shared: Arc<ReceiverShared>,
    tracks_keys: bool,
    log: Arc<SocketLog>,
    surroundings: Surroundings,
}

impl Start {
    fn run(self) {
        let intake = LogIntake::new(&self.name, &self.settings, &self.submit, Arc::clone(&self.shared), self.log);
        let receiver = Receiver {
            surroundings: self.surroundings,
            plan: self.plan,
            listeners: self.listeners,
            framing: self.settings.framing,
            max_frames: self.settings.max_frames,
            shared: self.shared,
            tracks_keys: self.tracks_keys,
            intake,
        };
        let _ = guard::catch("the receiver thread", || receiver.run());
    }
}

fn named_counters(shared: &ReceiverShared) -> Vec<Named<'_>> {
    let counters = &shared.counters;
    let mut named = connection_counters(&counters.connections);
    named.extend(
        [
            ("bytes", &counters.bytes),
            ("received", &counters.received),
            ("submitted", &counters.submitted),
            ("submit_failed", &counters.submit_failed),
            ("frames_rejected", &counters.frames_rejected),
            ("oversize", &counters.connections.oversize),
            ("ratelimited", &counters.ratelimited),
        ]
        .map(|(name, counter)| Named { name, counter: counter.as_atomic(), is_gauge: false }),
    );
    named
}
