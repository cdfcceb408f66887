//! One `action()`: its settings, its send queue, its sender thread.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use super::StopClock;
use super::counters::named_counters;
use super::events::Events;
use super::settings::ActionSettings;
use super::suspension::Suspension;
use crate::curve::security::Security;
use crate::host::phase::{BeforePrivilegeDrop, Running};
use crate::host::statistics::Registration;
use crate::host::{guard, log, module_name};
use crate::modules::log_lines::SocketLog;
use crate::modules::log_writer::Log;
use crate::modules::runtime::{self, Runtime, write_ports};
use crate::sys::blocks::Pool;
use crate::sys::signals::spawn_without_signals;
use crate::transport::send::queue::SendQueue;
use crate::transport::send::{Feed, Sender, SenderSettings};
use crate::transport::socket::listening::Listener;
use crate::transport::socket::open::{SocketPlan, bound_ports};

/// How far an action has come.
enum State {
    /// Configured; nothing is open.
    Loaded,
    /// Keys are read and listeners are bound.
    Prepared { security: Arc<Security>, listeners: Vec<Option<Listener>> },
    /// The sender runs.
    Running { thread: JoinHandle<()>, security: Arc<Security>, _statistics: Option<Registration> },
    /// It could not start, or has been closed: everything is refused.
    Closed,
}

/// See the module's text.
pub struct Action {
    settings: ActionSettings,
    /// Unique in the module; the ZAP domain too.
    name: String,
    log: Arc<SocketLog>,
    feed: Arc<Feed>,
    /// The memory of its messages, which is used again and again.
    pool: Arc<Pool>,
    clock: Arc<StopClock>,
    suspension: Suspension,
    state: Mutex<State>,
}

impl std::fmt::Debug for Action {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Action({})", self.name)
    }
}

impl Action {
    /// A loaded action: no thread and no descriptor, because rsyslogd may still fork.
    pub(super) fn new(settings: ActionSettings, name: String, clock: Arc<StopClock>, log: &Log) -> Self {
        let log = Arc::new(SocketLog::new(&name, log));
        let of_connections = Arc::clone(&log);
        let report = Box::new(move |event| of_connections.link(&event));
        let feed = Arc::new(Feed::new(SendQueue::new(settings.limits), report));
        let suspension = Suspension::default();
        Self { settings, name, log, feed, pool: Arc::default(), clock, suspension, state: Mutex::new(State::Loaded) }
    }

    pub(super) fn settings(&self) -> &ActionSettings {
        &self.settings
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn feed(&self) -> &Feed {
        &self.feed
    }

    pub(super) fn suspension(&self) -> &Suspension {
        &self.suspension
    }

    pub(super) fn pool(&self) -> Arc<Pool> {
        Arc::clone(&self.pool)
    }

    /// When a stop that has begun ends; the first one to ask starts the clock for all actions.
    pub(super) fn stop_deadline(&self) -> Instant {
        self.clock.deadline(self.settings.close_timeout)
    }

    /// A publisher that works is waited for: its sender deals with whoever is stuck.
    pub(super) fn is_patient(&self) -> bool {
        self.settings.socket.socket_type.is_publisher() && self.feed.queue.is_admitting()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the keys and binds the listeners, while rsyslogd still has its privileges.
    pub(super) fn prepare(&self, phase: BeforePrivilegeDrop) {
        let security = match self.settings.socket.security.load() {
            Ok(security) => Arc::new(security),
            Err(error) => {
                log::error(&format!("{}: {error}; nothing is sent", self.name));
                *self.state() = State::Closed;
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
        *self.state() = State::Prepared { security, listeners };
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
            topics: Vec::new(),
        }
    }

    /// The security of a prepared action.
    pub(super) fn security(&self) -> Option<Arc<Security>> {
        match &*self.state() {
            State::Prepared { security, .. } => Some(Arc::clone(security)),
            _ => None,
        }
    }

    /// Opens the socket and starts the sender.
    pub(super) fn start(&self, _phase: Running, runtime: &Runtime) {
        let mut state = self.state();
        let State::Prepared { security, listeners } = std::mem::replace(&mut *state, State::Closed) else {
            return;
        };
        if let Err(error) = self.feed.commands.open() {
            log::error(&format!("{}: cannot make an eventfd: {error}; nothing is sent", self.name));
            return;
        }
        runtime.admit(&self.name, &security, Arc::clone(&self.feed) as _);
        let sender = Sender {
            surroundings: runtime.surroundings(),
            plan: self.plan(Arc::clone(&security)),
            listeners,
            settings: SenderSettings {
                send_timeout: self.settings.send_timeout,
                on_full: self.settings.on_full,
                linger: self.settings.socket.linger,
            },
            feed: Arc::clone(&self.feed),
            events: Events::new(Arc::clone(&self.log)),
        };
        let feed = Arc::clone(&self.feed);
        let body = move || {
            if guard::catch("the sender thread", || sender.run()).is_none() {
                feed.queue.close();
            }
        };
        match spawn_without_signals(&format!("om:{}", self.name), body) {
            Ok(thread) => {
                let name = format!("{}({})", module_name(), self.settings.statistics_name);
                let statistics = Registration::new(&name, module_name(), Arc::clone(&self.feed), named_counters);
                *state = State::Running { thread, security, _statistics: statistics };
            }
            Err(error) => log::error(&format!("{}: cannot start a thread: {error}; nothing is sent", self.name)),
        }
    }

    /// Reads the own certificate again; a changed key opens the socket anew.
    pub(super) fn hang_up(&self) {
        if let State::Running { security, .. } = &mut *self.state() {
            runtime::renew_keys(&self.name, &self.settings.socket.security, security, self.feed.as_ref());
        }
    }

    /// Delivers what was accepted, within one deadline, and ends the sender. Nothing is accepted any more. Returns how many
    /// messages libzmq may still hold: what it was given last, up to a high-water mark per peer.
    pub(super) fn close(&self) -> u64 {
        let state = std::mem::replace(&mut *self.state(), State::Closed);
        self.feed.close(self.stop_deadline());
        let State::Running { thread, .. } = state else { return 0 };
        let peers = self.feed.counters.connections.active.get().max(1);
        let _ = thread.join();
        let mark = u64::try_from(self.settings.socket.options.send_hwm.unwrap_or(0)).unwrap_or(0);
        self.feed.counters.sent.get().min(mark * peers)
    }
}
