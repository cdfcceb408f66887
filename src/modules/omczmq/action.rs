//! One `action()`: its settings, its socket, its send queue, its sender thread.

use std::sync::Arc;
use std::time::Instant;

use super::StopClock;
use super::counters::named_counters;
use super::events::Events;
use super::settings::ActionSettings;
use super::suspension::Suspension;
use crate::curve::security::Security;
use crate::host::guard;
use crate::host::phase::{BeforePrivilegeDrop, Running};
use crate::modules::log_writer::Log;
use crate::modules::runtime::Runtime;
use crate::modules::socket::{ModuleSocket, Statistics};
use crate::sys::blocks::Pool;
use crate::transport::send::queue::SendQueue;
use crate::transport::send::{Feed, Sender, SenderSettings};

/// An action of the configuration.
pub struct Action {
    settings: ActionSettings,
    socket: ModuleSocket,
    feed: Arc<Feed>,
    /// The memory of its messages, which is used again and again.
    pool: Arc<Pool>,
    clock: Arc<StopClock>,
    suspension: Suspension,
}

impl std::fmt::Debug for Action {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Action({})", self.name())
    }
}

impl Action {
    /// A loaded action: no thread and no descriptor, because rsyslogd may still fork.
    pub(super) fn new(settings: ActionSettings, name: String, clock: Arc<StopClock>, log: &Log) -> Self {
        let socket = ModuleSocket::new(name, settings.socket.clone(), Vec::new(), "nothing is sent", log);
        let of_connections = Arc::clone(socket.log());
        let report = Box::new(move |event| of_connections.link(&event));
        let feed = Arc::new(Feed::new(SendQueue::new(settings.limits), report));
        let suspension = Suspension::default();
        Self { settings, socket, feed, pool: Arc::default(), clock, suspension }
    }

    pub(super) fn settings(&self) -> &ActionSettings {
        &self.settings
    }

    pub(super) fn name(&self) -> &str {
        self.socket.name()
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

    /// A publisher that works is waited for: its sender deals with stuck subscribers.
    pub(super) fn waits_for_subscribers(&self) -> bool {
        self.settings.socket.socket_type.is_publisher() && self.feed.queue.is_admitting()
    }

    /// Reads the keys and binds the listeners, while rsyslogd still has its privileges.
    pub(super) fn prepare(&self, phase: BeforePrivilegeDrop) {
        self.socket.prepare(phase);
    }

    /// The security of a prepared action.
    pub(super) fn security(&self) -> Option<Arc<Security>> {
        self.socket.security()
    }

    /// Starts the sender of a prepared action.
    pub(super) fn start(&self, phase: Running, runtime: &Runtime) {
        let thread_name = format!("om:{}", self.name());
        let name = &self.settings.statistics_name;
        let statistics = Statistics { name, owner: &self.feed, counters: named_counters };
        self.socket.start(phase, runtime, &thread_name, &statistics, |socket, _| {
            let sender = Sender {
                socket,
                settings: SenderSettings {
                    send_timeout: self.settings.send_timeout,
                    on_full: self.settings.on_full,
                    linger: self.settings.socket.linger,
                },
                feed: Arc::clone(&self.feed),
                events: Events::new(Arc::clone(self.socket.log())),
            };
            let feed = Arc::clone(&self.feed);
            Ok(move || {
                if guard::catch("the sender thread", || sender.run()).is_none() {
                    feed.queue.close();
                }
            })
        });
    }

    /// Reads the own certificate again; a changed key opens the socket anew.
    pub(super) fn hang_up(&self) {
        self.socket.hang_up(self.feed.as_ref());
    }

    /// Delivers what was accepted, within one deadline, and ends the sender. Nothing is accepted any more. Returns how many
    /// messages libzmq may still hold: what it was given last, up to a high-water mark per peer.
    pub(super) fn close(&self) -> u64 {
        let thread = self.socket.close();
        self.feed.close(self.stop_deadline());
        let Some(thread) = thread else { return 0 };
        let peers = self.feed.counters.connections.active.get().max(1);
        thread.join();
        let mark = u64::try_from(self.settings.socket.options.send_hwm.unwrap_or(0)).unwrap_or(0);
        self.feed.counters.sent.get().min(mark * peers)
    }
}
