//! One `input()`: its settings, its socket, its receiver thread.

use std::sync::{Arc, Mutex, PoisonError};

use super::events::LogIntake;
use super::settings::InputSettings;
use crate::curve::allow_list::Policy;
use crate::curve::security::Security;
use crate::host::message::{SharedText, SubmitSettings, can_add_metadata};
use crate::host::phase::{BeforePrivilegeDrop, Running};
use crate::host::rulesets::Ruleset;
use crate::host::statistics::Named;
use crate::host::{ConfigurationHandle, guard, log, module_name};
use crate::modules::log_lines::{SocketLog, connection_counters};
use crate::modules::log_writer::Log;
use crate::modules::runtime::Runtime;
use crate::modules::socket::{ModuleSocket, Statistics};
use crate::transport::receive::event_loop::{Receiver, ReceiverShared};
use crate::transport::socket::reopening::ReopeningSocket;

/// An input of the configuration.
pub(super) struct Input {
    settings: InputSettings,
    socket: ModuleSocket,
    shared: Arc<ReceiverShared>,
    /// Where its messages go, once that is checked: to this ruleset, or to the default one.
    destination: Mutex<Option<Destination>>,
}

/// `None`: the default ruleset.
type Destination = Option<Ruleset>;

impl Input {
    pub(super) fn new(settings: InputSettings, name: String, log: &Log) -> Self {
        let topics = settings.topics.clone();
        let socket = ModuleSocket::new(name, settings.socket.clone(), topics, "this input is not run", log);
        let of_connections = Arc::clone(socket.log());
        let shared = Arc::new(ReceiverShared::new(Box::new(move |event| of_connections.link(&event))));
        Self { settings, socket, shared, destination: Mutex::default() }
    }

    pub(super) fn name(&self) -> &str {
        self.socket.name()
    }

    fn destination(&self) -> Option<Destination> {
        *self.destination.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks the ruleset up, once all are defined. An input whose ruleset is missing does not run: its messages would end
    /// up in the wrong place.
    pub(super) fn check(&self, configuration: ConfigurationHandle) {
        let destination = match &self.settings.ruleset {
            None => Some(None),
            Some(name) => Ruleset::find(configuration, name).map(Some),
        };
        if let (None, Some(name)) = (destination, &self.settings.ruleset) {
            self.socket.fail(&format!("ruleset \"{name}\" does not exist"));
        }
        *self.destination.lock().unwrap_or_else(PoisonError::into_inner) = destination;
    }

    /// Reads the keys and binds the listeners, while rsyslogd still has its privileges.
    pub(super) fn prepare(&self, phase: BeforePrivilegeDrop) {
        if self.destination().is_some() {
            self.socket.prepare(phase);
        }
    }

    /// The security of a prepared input.
    pub(super) fn security(&self) -> Option<Arc<Security>> {
        self.socket.security()
    }

    /// Starts the receiver of a prepared input.
    pub(super) fn start(&self, phase: Running, runtime: &Runtime) {
        let Some(ruleset) = self.destination() else { return };
        let name = self.name();
        let statistics = Statistics { name, owner: &self.shared, counters: named_counters };
        self.socket.start(phase, runtime, &format!("im:{name}"), &statistics, |socket, security| {
            if self.settings.adds_metadata && !can_add_metadata() {
                log::error(&format!("{name}: this rsyslogd cannot attach metadata; addmetadata has no effect"));
            }
            for note in &self.settings.notes {
                log::notice(&format!("{name}: {note}"));
            }
            let input_name = SharedText::new(module_name()).ok_or("no memory left")?;
            let start = Start {
                name: name.to_owned(),
                submit: SubmitSettings { input_name, ruleset, flow_control: self.settings.flow_control },
                socket,
                settings: self.settings.clone(),
                shared: Arc::clone(&self.shared),
                tracks_keys: matches!(security.policy(), Some(Policy::Directory(_))),
                log: Arc::clone(self.socket.log()),
            };
            Ok(move || start.run())
        });
    }

    /// Reads the own certificate again; a changed key opens the socket anew.
    pub(super) fn hang_up(&self) {
        self.socket.hang_up(self.shared.as_ref());
    }

    /// Tells the receiver to stop, without waiting for it.
    pub(super) fn begin_stop(&self) {
        self.shared.commands.stop();
    }

    /// Waits until the receiver has passed on what it had.
    pub(super) fn stop(&self) {
        self.begin_stop();
        if let Some(thread) = self.socket.close() {
            thread.join();
        }
    }
}

/// What goes into the receiver's thread.
struct Start {
    name: String,
    submit: SubmitSettings,
    socket: ReopeningSocket,
    settings: InputSettings,
    shared: Arc<ReceiverShared>,
    tracks_keys: bool,
    log: Arc<SocketLog>,
}

impl Start {
    fn run(self) {
        let intake = LogIntake::new(&self.name, &self.settings, &self.submit, Arc::clone(&self.shared), self.log);
        let receiver = Receiver {
            socket: self.socket,
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
