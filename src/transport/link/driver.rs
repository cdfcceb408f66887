//! The thread that follows the monitors of all sockets of a module, or of the program, and what others ask of it.
//!
//! It sleeps in one poll on its waker and the monitors' own descriptors, and never waits for anything else: names are looked
//! up, and reasons looked for, in threads of their own that end by themselves. What is known of a socket is under a lock that is held
//! for the time of some events; the socket's owner and the authenticator take it too, and may then take in the monitor's
//! events themselves, so that what they ask is answered with all that libzmq has reported so far.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::LinkOwner;
use super::close_cause::CloseCauses;
use super::handle::Link;
use super::monitor::Monitor;
use super::reconnect::Manner;
use super::table::Table;
use super::watched::{Watched, WatchedState};
use crate::sys::signals::spawn_without_signals;
use crate::sys::waker::Waker;
use crate::sys::zmq::{self, Context, POLLIN, PollItem, Socket, option, poll};
use crate::transport::address::endpoint::Address;

/// A pause where there is no memory to sleep properly.
const PAUSE: Duration = Duration::from_millis(100);

/// Why there is no driver.
#[derive(Debug, thiserror::Error)]
pub enum DriverError {
    /// No eventfd.
    #[error("cannot make a descriptor for the thread that watches connections: {0}")]
    Waker(std::io::Error),
    /// No thread.
    #[error("cannot start the thread that watches connections: {0}")]
    Thread(std::io::Error),
}

#[derive(Debug)]
struct Shared {
    waker: Arc<Waker>,
    is_stopping: AtomicBool,
    watched: Mutex<Vec<Arc<Watched>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The thread. Dropping it ends the thread; sockets that are still watched are not followed any more.
#[derive(Debug)]
pub struct Driver {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// How a socket is watched.
#[derive(Debug)]
pub struct WatchPlan<'a> {
    /// For people who debug: what the socket is.
    pub name: &'a str,
    /// The endpoints it connects to, each with its place among its endpoints.
    pub connects: Vec<(usize, &'a Address)>,
    /// How they are connected to.
    pub manner: Manner,
    /// The limit of a silence, where the socket has heartbeats.
    pub heartbeat_timeout: Option<Duration>,
    /// Whether it is to be found out which end of a connection ended it.
    pub judges_ends: bool,
}

impl Driver {
    /// Starts the thread; not before the process may have descriptors.
    pub fn start() -> Result<Self, DriverError> {
        let shared = Arc::new(Shared {
            waker: Arc::new(Waker::new().map_err(DriverError::Waker)?),
            is_stopping: AtomicBool::new(false),
            watched: Mutex::default(),
        });
        let in_thread = Arc::clone(&shared);
        let thread = spawn_without_signals("zmq-link", move || in_thread.run()).map_err(DriverError::Thread)?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Watches a socket from now on. Nothing is connected before [`Link::start`].
    pub fn watch(
        &self,
        context: &Context,
        socket: &Socket,
        plan: WatchPlan<'_>,
        owner: Arc<dyn LinkOwner>,
    ) -> zmq::Result<Link> {
        let monitor = Monitor::attach(context, socket, plan.name)?;
        let descriptor = match monitor.socket().get_int(option::FD) {
            Ok(descriptor) => descriptor,
            Err(error) => {
                let _ = Monitor::detach(socket);
                return Err(error);
            }
        };
        let now = Instant::now();
        let addresses = plan.connects.iter().map(|(_, address)| (*address).clone()).collect();
        owner.connections().endpoints.set(plan.connects.len() as u64);
        let table = Table::new(plan.connects.into_iter(), plan.manner, now);
        let causes = plan.judges_ends.then(|| CloseCauses::new(plan.heartbeat_timeout));
        let state = WatchedState::new(monitor, table, addresses, causes);
        let watched = Arc::new(Watched::new(state, owner, descriptor, Arc::clone(&self.shared.waker)));
        lock(&self.shared.watched).push(Arc::clone(&watched));
        self.shared.waker.wake();
        Ok(Link::new(watched))
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.shared.is_stopping.store(true, Ordering::Release);
        self.shared.waker.wake();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn run(&self) {
        while !self.is_stopping.load(Ordering::Acquire) {
            let all: Vec<Arc<Watched>> = lock(&self.watched).clone();
            let mut due: Option<Instant> = None;
            let mut is_behind = false;
            let mut ended = Vec::new();
            for watched in &all {
                let turn = watched.turn();
                is_behind |= turn.is_behind;
                due = [due, turn.next_due].into_iter().flatten().min();
                if turn.has_ended {
                    ended.push(Arc::as_ptr(watched));
                }
            }
            if !ended.is_empty() {
                lock(&self.watched).retain(|watched| !ended.contains(&Arc::as_ptr(watched)));
                continue;
            }
            let mut items = vec![PollItem::descriptor(self.waker.descriptor(), POLLIN)];
            items.extend(all.iter().map(|watched| PollItem::descriptor(watched.descriptor, POLLIN)));
            let wait = match due {
                _ if is_behind => 0,
                Some(at) => i64::try_from(at.saturating_duration_since(Instant::now()).as_micros().div_ceil(1000))
                    .unwrap_or(1000),
                None => -1,
            };
            if poll(&mut items, wait).is_err() {
                // No memory for the poll: not without a pause.
                std::thread::sleep(PAUSE);
            }
            if items.first().is_some_and(PollItem::is_readable) {
                self.waker.clear();
            }
        }
        lock(&self.watched).clear();
    }
}
