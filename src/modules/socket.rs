//! What an input and an action have in common: a socket by its configuration, its keys and listeners before the daemon drops
//! its privileges, and the thread that owns it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use super::log_lines::SocketLog;
use super::log_writer::Log;
use super::runtime::Runtime;
use super::settings::SocketSettings;
use crate::curve::security::{Security, SecuritySettings};
use crate::host::phase::{BeforePrivilegeDrop, Running as RunningPhase};
use crate::host::statistics::{Named, Registration};
use crate::host::{log, module_name};
use crate::sys::signals::spawn_without_signals;
use crate::transport::link::LinkOwner;
use crate::transport::link::command::Command;
use crate::transport::socket::listening::Listener;
use crate::transport::socket::open::{SocketPlan, bound_ports};
use crate::transport::socket::reopening::ReopeningSocket;

/// How far a socket has come.
enum State {
    /// Configured; nothing is open.
    Loaded,
    /// Keys are read and listeners are bound.
    Prepared { security: Arc<Security>, listeners: Vec<Option<Listener>> },
    /// Its thread runs.
    Running { thread: RunningThread, security: Arc<Security> },
    /// It cannot run, or has been stopped.
    Closed,
}

/// The thread that owns a socket, and its registered counters.
pub(super) struct RunningThread {
    thread: JoinHandle<()>,
    _statistics: Option<Registration>,
}

impl RunningThread {
    /// Waits until the thread has ended; its counters are there until then.
    pub(super) fn join(self) {
        let _ = self.thread.join();
    }
}

/// How a socket's counters appear in impstats.
pub(super) struct Statistics<'a, O> {
    pub(super) name: &'a str,
    pub(super) owner: &'a Arc<O>,
    pub(super) counters: for<'c> fn(&'c O) -> Vec<Named<'c>>,
}

/// The socket of an input or an action.
pub(super) struct ModuleSocket {
    /// Unique in the module; the ZAP domain too.
    name: String,
    settings: SocketSettings,
    topics: Vec<String>,
    /// What it means for the administrator that the socket does not run.
    consequence: &'static str,
    log: Arc<SocketLog>,
    state: Mutex<State>,
}

impl ModuleSocket {
    /// A loaded socket: no thread and no descriptor, because rsyslogd may still fork.
    pub(super) fn new(
        name: String,
        settings: SocketSettings,
        topics: Vec<String>,
        consequence: &'static str,
        log: &Log,
    ) -> Self {
        let log = Arc::new(SocketLog::new(&name, log));
        Self { name, settings, topics, consequence, log, state: Mutex::new(State::Loaded) }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn log(&self) -> &Arc<SocketLog> {
        &self.log
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reports why the socket does not run.
    pub(super) fn fail(&self, why: &str) {
        log::error(&format!("{}: {why}; {}", self.name, self.consequence));
    }

    /// Reads the keys and binds the listeners, while rsyslogd still has its privileges.
    pub(super) fn prepare(&self, phase: BeforePrivilegeDrop) {
        let mut state = self.state();
        let security = match self.settings.security.load() {
            Ok(security) => Arc::new(security),
            Err(error) => {
                self.fail(&error.to_string());
                *state = State::Closed;
                return;
            }
        };
        let name = &self.name;
        if let Some(warning) = security.warning() {
            log::warning(&format!("{name}: {warning}"));
        }
        let (listeners, errors) = self.plan(Arc::clone(&security)).bind_early(phase);
        for error in &errors {
            self.log.open_failed(error);
        }
        if let Some(path) = self.settings.port_file.as_deref().filter(|_| errors.is_empty()) {
            if let Err(error) = write_ports(path, &bound_ports(&listeners)) {
                log::error(&format!("{name}: cannot write listenportfilename \"{path}\": {error}"));
            }
        }
        *state = State::Prepared { security, listeners };
    }

    fn plan(&self, security: Arc<Security>) -> SocketPlan {
        let settings = &self.settings;
        SocketPlan {
            socket_type: settings.socket_type,
            endpoints: settings.endpoints.clone(),
            options: settings.options.clone(),
            security,
            zap_domain: self.name.clone(),
            socket_file: settings.socket_file,
            topics: self.topics.clone(),
        }
    }

    /// The security of a prepared socket.
    pub(super) fn security(&self) -> Option<Arc<Security>> {
        match &*self.state() {
            State::Prepared { security, .. } => Some(Arc::clone(security)),
            _ => None,
        }
    }

    /// Starts the thread of a prepared socket. `body` makes of the socket what runs in it, or says why it cannot run.
    pub(super) fn start<O, B>(
        &self,
        _phase: RunningPhase,
        runtime: &Runtime,
        thread_name: &str,
        statistics: &Statistics<'_, O>,
        body: impl FnOnce(ReopeningSocket, &Security) -> Result<B, String>,
    ) where
        O: LinkOwner + 'static,
        B: FnOnce() + Send + 'static,
    {
        let mut state = self.state();
        let State::Prepared { security, listeners } = std::mem::replace(&mut *state, State::Closed) else {
            return;
        };
        let owner = statistics.owner;
        if let Err(error) = owner.commands().open() {
            return self.fail(&format!("cannot make an eventfd: {error}"));
        }
        runtime.admit(&self.name, &security, Arc::clone(owner) as _);
        let plan = self.plan(Arc::clone(&security));
        let socket = ReopeningSocket::new(runtime.surroundings(), plan, listeners, Arc::clone(owner) as _);
        let body = match body(socket, &security) {
            Ok(body) => body,
            Err(why) => return self.fail(&why),
        };
        match spawn_without_signals(thread_name, body) {
            Ok(thread) => {
                let name = format!("{}({})", module_name(), statistics.name);
                let _statistics = Registration::new(&name, module_name(), Arc::clone(owner), statistics.counters);
                *state = State::Running { thread: RunningThread { thread, _statistics }, security };
            }
            Err(error) => self.fail(&format!("cannot start a thread: {error}")),
        }
    }

    /// Reads the own certificate again; a changed key opens the socket anew.
    pub(super) fn hang_up(&self, owner: &dyn LinkOwner) {
        if let State::Running { security, .. } = &mut *self.state() {
            renew_keys(&self.name, &self.settings.security, security, owner);
        }
    }

    /// Ends the socket for good; its thread is to be joined.
    pub(super) fn close(&self) -> Option<RunningThread> {
        match std::mem::replace(&mut *self.state(), State::Closed) {
            State::Running { thread, .. } => Some(thread),
            _ => None,
        }
    }
}

/// Reads a socket's own certificates again. A changed key opens the socket anew; files that cannot be used change nothing,
/// and are named.
fn renew_keys(name: &str, settings: &SecuritySettings, current: &mut Arc<Security>, owner: &dyn LinkOwner) {
    if matches!(**current, Security::None) || settings.uses_fresh_keys() {
        return;
    }
    match settings.load() {
        Ok(security) if security.has_same_keys(current) => {}
        Ok(security) => {
            log::notice(&format!("{name}: the certificates have changed; the socket is opened anew"));
            *current = Arc::new(security);
            owner.command(Command::Rekey(Arc::clone(current)));
        }
        Err(error) => log::warning(&format!("{name}: the keys in use are kept: {error}")),
    }
}

/// Writes the bound ports, one a line, under the file's name in one step.
fn write_ports(path: &str, ports: &[u16]) -> std::io::Result<()> {
    let text: String = ports.iter().map(|port| format!("{port}\n")).collect();
    let beside = format!("{path}.tmp");
    std::fs::write(&beside, text)?;
    std::fs::rename(&beside, path)
}
