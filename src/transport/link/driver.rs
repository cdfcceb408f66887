//! The thread that follows the monitors of all sockets of a module, or of the program, and what others ask of it.
//!
//! It sleeps in one poll on its waker and the monitors' own descriptors, and never waits for anything else: names are looked
//! up, and reasons looked for, in threads of their own that end by themselves. A socket's entry is under a lock that is held
//! for the time of some events; the socket's owner and the authenticator take it too, and may then take in the monitor's
//! events themselves, so that what they ask is answered with all that libzmq has reported so far.

use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::close_cause::{self, CloseCauses};
use super::command::Command;
use super::cut_off::{Probation, cut};
use super::monitor::{Monitor, MonitorEventKind};
use super::reconnect::{self, Manner};
use super::table::{Ending, Output, Table};
use super::{LinkEvent, LinkOwner};
use crate::curve::keys::PublicKey;
use crate::sys::descriptors::{Connection, PeerAddress};
use crate::sys::signals::spawn_without_signals;
use crate::sys::waker::Waker;
use crate::sys::zmq::{self, Context, Message, POLLIN, PollItem, Socket, option, poll};
use crate::transport::address::endpoint::Address;
use crate::transport::address::reachability::{Look, Obstacle, look_at, resolve};

/// How often is looked whether connections still exist.
const AUDIT: Duration = Duration::from_secs(1);
/// How soon a connection is tried to be ended again, where no descriptor was to be had.
const CUT_AGAIN: Duration = Duration::from_millis(100);
/// Events taken in under one lock, so that others get their turn.
const TURN: usize = 1024;

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
    waker: Waker,
    is_stopping: AtomicBool,
    entries: Mutex<Vec<Arc<Entry>>>,
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
            waker: Waker::new().map_err(DriverError::Waker)?,
            is_stopping: AtomicBool::new(false),
            entries: Mutex::default(),
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
        let state = EntryState {
            monitor: Some(monitor),
            table: Table::new(plan.connects.into_iter(), plan.manner, now),
            addresses,
            causes: plan.judges_ends.then(|| CloseCauses::new(plan.heartbeat_timeout)),
            probation: Probation::default(),
            audit_at: now + AUDIT,
            wants_endings: false,
            ready: 0,
            is_quiet: false,
        };
        let entry = Arc::new(Entry {
            state: Mutex::new(state),
            owner,
            descriptor,
            generation: AtomicU64::new(0),
            shared: Arc::downgrade(&self.shared),
        });
        lock(&self.shared.entries).push(Arc::clone(&entry));
        self.shared.waker.wake();
        Ok(Link { entry, shared: Arc::clone(&self.shared) })
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
            let entries: Vec<Arc<Entry>> = lock(&self.entries).clone();
            let mut due: Option<Instant> = None;
            let mut is_behind = false;
            let mut ended = Vec::new();
            for entry in &entries {
                let turn = entry.turn();
                is_behind |= turn.is_behind;
                due = [due, turn.next_due].into_iter().flatten().min();
                if turn.has_ended {
                    ended.push(Arc::as_ptr(entry));
                }
            }
            if !ended.is_empty() {
                lock(&self.entries).retain(|entry| !ended.contains(&Arc::as_ptr(entry)));
                continue;
            }
            let mut items = vec![PollItem::descriptor(self.waker.descriptor(), POLLIN)];
            items.extend(entries.iter().map(|entry| PollItem::descriptor(entry.descriptor, POLLIN)));
            let wait = match due {
                _ if is_behind => 0,
                Some(at) => i64::try_from(at.saturating_duration_since(Instant::now()).as_micros().div_ceil(1000))
                    .unwrap_or(1000),
                None => -1,
            };
            if poll(&mut items, wait).is_err() {
                // No memory for the poll: not without a pause.
                std::thread::sleep(CUT_AGAIN);
            }
            if items.first().is_some_and(PollItem::is_readable) {
                self.waker.clear();
            }
        }
        lock(&self.entries).clear();
    }
}

struct Entry {
    state: Mutex<EntryState>,
    owner: Arc<dyn LinkOwner>,
    /// The monitor's, to be polled only: what it tells is only that the monitor has to be asked.
    descriptor: RawFd,
    /// Changes with each connection that begins or ends, and each key that is revoked.
    generation: AtomicU64,
    shared: Weak<Shared>,
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Entry({})", self.descriptor)
    }
}

struct EntryState {
    /// `None`: the socket is closed, or about to be.
    monitor: Option<Monitor>,
    table: Table,
    /// The configured addresses of the table's endpoints.
    addresses: Vec<Address>,
    causes: Option<CloseCauses>,
    probation: Probation,
    audit_at: Instant,
    wants_endings: bool,
    ready: u64,
    /// The owner ends the connections itself: nothing is told any more.
    is_quiet: bool,
}

struct Turn {
    next_due: Option<Instant>,
    is_behind: bool,
    has_ended: bool,
}

impl Entry {
    fn turn(self: &Arc<Self>) -> Turn {
        let mut state = lock(&self.state);
        let is_behind = self.take_events(&mut state);
        if state.monitor.is_none() {
            return Turn { next_due: None, is_behind: false, has_ended: true };
        }
        let now = Instant::now();
        let mut outputs = Vec::new();
        state.table.tick(now, &mut outputs);
        if now >= state.audit_at && !state.table.connections.is_empty() {
            state.audit_at = now + AUDIT;
            state.table.audit(Connection::peer_address, self.owner.connections(), now, &mut outputs);
        }
        if state.wants_endings {
            self.end_wanted(&mut state);
        }
        if let Some(causes) = &mut state.causes {
            for place in causes.judge(now) {
                state.table.was_oversize(&place, &mut outputs);
            }
        }
        self.carry_out(&mut state, outputs);
        let audit_at = (!state.table.connections.is_empty()).then_some(state.audit_at);
        let cut_at = state.wants_endings.then(|| now + CUT_AGAIN);
        let judge_at = state.causes.as_ref().is_some_and(CloseCauses::has_pending).then(|| now + close_cause::STEP);
        let next_due = [state.table.next_due(), audit_at, cut_at, judge_at].into_iter().flatten().min();
        Turn { next_due, is_behind, has_ended: false }
    }

    /// Takes in what the monitor has; `true` where there may be more.
    fn take_events(self: &Arc<Self>, state: &mut EntryState) -> bool {
        let mut outputs = Vec::new();
        let mut count = 0;
        let now = Instant::now();
        let counters = self.owner.connections();
        while count < TURN {
            let Some(event) = state.monitor.as_mut().and_then(Monitor::next_event) else { break };
            count += 1;
            let mut address = None;
            match event.kind {
                MonitorEventKind::Accepted { fd } | MonitorEventKind::Connected { fd } => {
                    address = Connection::peer_address(fd);
                    if let Some(causes) = &mut state.causes {
                        causes.opened(fd, now);
                    }
                }
                MonitorEventKind::Stopped => {
                    state.monitor = None;
                    break;
                }
                _ => {}
            }
            state.table.apply(&event, address, counters, now, &mut outputs);
            match event.kind {
                MonitorEventKind::Accepted { fd } | MonitorEventKind::Connected { fd } => {
                    self.generation.fetch_add(1, Ordering::Release);
                    let is_on_probation = address.is_some_and(|address| state.probation.covers(address, now));
                    if let Some(connection) = state.table.connections.get_mut(&fd) {
                        connection.is_on_probation = is_on_probation;
                    }
                }
                MonitorEventKind::Disconnected { .. } => {
                    self.generation.fetch_add(1, Ordering::Release);
                }
                _ => {}
            }
        }
        self.carry_out(state, outputs);
        count == TURN
    }

    fn carry_out(self: &Arc<Self>, state: &mut EntryState, outputs: Vec<Output>) {
        let now = Instant::now();
        let has_ended = outputs.iter().any(|output| matches!(output, Output::Judge { .. } | Output::Forget(_)));
        for output in outputs {
            match output {
                Output::Tell(event) => self.tell(state, event),
                Output::Judge { descriptor, place, is_judged } => {
                    if let Some(causes) = &mut state.causes {
                        causes.closed(descriptor, &place, is_judged && !state.is_quiet, now);
                    }
                }
                Output::Forget(descriptor) => {
                    self.owner.connections().closed.increment();
                    if let Some(causes) = &mut state.causes {
                        causes.forget(descriptor);
                    }
                }
                Output::Endpoint(index, output) => self.serve(state, index, output),
            }
        }
        let ready = state.table.ready();
        if ready != state.ready || has_ended {
            state.ready = ready;
            self.owner.connections().active.set(ready);
            self.owner.ready_changed(ready);
        }
    }

    fn tell(&self, state: &EntryState, event: LinkEvent) {
        if let LinkEvent::Oversize(_) = event {
            self.owner.connections().oversize.increment();
        }
        if !state.is_quiet {
            self.owner.tell(event);
        }
    }

    fn serve(self: &Arc<Self>, state: &mut EntryState, index: usize, output: reconnect::Output) {
        let Some(address) = state.addresses.get(index).cloned() else { return };
        let entry = Arc::downgrade(self);
        match output {
            reconnect::Output::Tell(event) => self.tell(state, event),
            reconnect::Output::Connect { to, is_again } => {
                if is_again {
                    self.owner.connections().reconnects.increment();
                }
                let endpoint = state.table.endpoints().get(index).map_or(index, reconnect::RemoteEndpoint::number);
                self.owner.command(Command::Connect { endpoint, new: to });
            }
            reconnect::Output::Resolve => {
                let look_up = move || {
                    let answer = resolve(&address);
                    answer_to(&entry, index, |endpoint, now, out| endpoint.resolved(answer, now, out));
                };
                if spawn_without_signals("zmq-resolve", look_up).is_err() {
                    let answer = resolve_failed();
                    self.answer(state, index, |endpoint, now, out| endpoint.resolved(Err(answer), now, out));
                }
            }
            reconnect::Output::Probe => {
                let endpoint = state.table.endpoints().get(index);
                let uses_ipv6 = endpoint.is_some_and(reconnect::RemoteEndpoint::uses_ipv6);
                let probe = move || {
                    let answer = look_at(&address, uses_ipv6);
                    answer_to(&entry, index, |endpoint, now, out| endpoint.probed(&answer, now, out));
                };
                if spawn_without_signals("zmq-reach", probe).is_err() {
                    self.answer(state, index, |endpoint, now, out| endpoint.probed(&Look::Nothing, now, out));
                }
            }
        }
    }

    fn answer(
        self: &Arc<Self>,
        state: &mut EntryState,
        index: usize,
        give: impl FnOnce(&mut reconnect::RemoteEndpoint, Instant, &mut Vec<reconnect::Output>),
    ) {
        let now = Instant::now();
        let mut outputs = Vec::new();
        state.table.endpoint(index, &mut outputs, |endpoint, out| give(endpoint, now, out));
        self.carry_out(state, outputs);
    }

    /// Ends the connections that are to be ended.
    fn end_wanted(&self, state: &mut EntryState) {
        self.owner.connections().revoked.add(state.table.end_wanted(cut));
        state.wants_endings = state.table.wants_endings();
    }
}

fn resolve_failed() -> Obstacle {
    Obstacle::Other("no thread to look the name up".to_owned())
}

fn answer_to(
    entry: &Weak<Entry>,
    index: usize,
    give: impl FnOnce(&mut reconnect::RemoteEndpoint, Instant, &mut Vec<reconnect::Output>),
) {
    let Some(entry) = entry.upgrade() else { return };
    entry.answer(&mut lock(&entry.state), index, give);
    if let Some(shared) = entry.shared.upgrade() {
        shared.waker.wake();
    }
}

/// A watched socket. Dropping it ends the watch; the socket has to be there still, see [`Link::detach`].
#[derive(Debug)]
pub struct Link {
    entry: Arc<Entry>,
    shared: Arc<Shared>,
}

impl Link {
    /// Lets the endpoints be connected: the socket's owner gets commands.
    pub fn start(&self) {
        let mut state = lock(&self.entry.state);
        let mut outputs = Vec::new();
        state.table.start(&mut outputs);
        self.entry.carry_out(&mut state, outputs);
        drop(state);
        self.shared.waker.wake();
    }

    /// What others may ask about the socket's connections.
    #[must_use]
    pub fn handle(&self) -> LinkHandle {
        LinkHandle { entry: Arc::downgrade(&self.entry) }
    }

    /// The owner could not connect an endpoint.
    pub fn connect_failed(&self, endpoint: usize, reason: &str) {
        let mut state = lock(&self.entry.state);
        let index = state.table.endpoints().iter().position(|known| known.number() == endpoint);
        if let Some(index) = index {
            self.entry.answer(&mut state, index, |endpoint, now, out| endpoint.connect_failed(reason, now, out));
        }
        drop(state);
        self.shared.waker.wake();
    }

    /// Takes in what the monitor has reported up to now.
    pub fn catch_up(&self) {
        self.entry.take_events(&mut lock(&self.entry.state));
    }

    /// Whether it is still to be found out which end of a connection ended it; [`LinkEvent::Oversize`] is told before that
    /// is over.
    #[must_use]
    pub fn is_judging(&self) -> bool {
        lock(&self.entry.state).causes.as_ref().is_some_and(CloseCauses::has_pending)
    }

    /// The owner is about to end all connections itself: nothing is told about them any more.
    pub fn be_quiet(&self) {
        let mut state = lock(&self.entry.state);
        state.is_quiet = true;
        if let Some(causes) = &mut state.causes {
            causes.clear();
        }
    }

    /// Does something depending on the number of ready connections, which does not change meanwhile.
    pub fn with_ready<T>(&self, act: impl FnOnce(u64) -> T) -> T {
        act(lock(&self.entry.state).ready)
    }

    /// Whether an accepted connection ended within the last `span`.
    #[must_use]
    pub fn accepted_ended_within(&self, span: Duration) -> bool {
        lock(&self.entry.state).table.accepted_ended_within(span, Instant::now())
    }

    /// A number that changes with each connection that begins or ends, and each key that is revoked.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.entry.generation.load(Ordering::Acquire)
    }

    /// Learns from a message whose connection it came by. `true`: its key had been revoked, and the connection is ended.
    pub fn note(&self, descriptor: i32, key: PublicKey) -> bool {
        let mut state = lock(&self.entry.state);
        let state = &mut *state;
        let is_revoked = state.table.revoked.contains(&key);
        let Some(connection) = state.table.connections.get_mut(&descriptor) else { return false };
        connection.owner.is_proved(key);
        if let Some(address) = connection.address {
            connection.is_on_probation &= state.probation.covers_key(address, key);
        }
        if !is_revoked || connection.ending != Ending::No {
            return false;
        }
        connection.ending = Ending::Wanted;
        state.wants_endings = true;
        self.entry.end_wanted(state);
        self.shared.waker.wake();
        true
    }

    /// Cuts off every peer with unsent bytes and returns their addresses. Call it only after a time without progress: a peer
    /// that keeps up has none by then.
    pub fn cut_off_stuck(&self) -> Vec<PeerAddress> {
        self.cut_off_full(|_| true)
    }

    /// The same for peers that were cut off lately and have come back, at once.
    pub fn cut_off_relapsed(&self) -> Vec<PeerAddress> {
        if lock(&self.entry.state).probation.is_empty() {
            return Vec::new();
        }
        self.cut_off_full(|is_on_probation| is_on_probation)
    }

    fn cut_off_full(&self, is_meant: impl Fn(bool) -> bool) -> Vec<PeerAddress> {
        let mut state = lock(&self.entry.state);
        self.entry.take_events(&mut state);
        let state = &mut *state;
        let now = Instant::now();
        let mut cut = Vec::new();
        for (descriptor, connection) in &mut state.table.connections {
            let is_meant = connection.ending != Ending::Done && is_meant(connection.is_on_probation);
            let Some(address) = connection.address.filter(|_| is_meant) else { continue };
            let found = Connection::find(*descriptor, address).filter(|found| found.unsent_bytes() > 0);
            if let Some(found) = found {
                found.cut_off();
                connection.ending = Ending::Done;
                cut.push(address);
                state.probation.begin(address, connection.owner.proven(), now);
            }
        }
        cut
    }

    /// Ends the watch of the socket, which is about to be closed. libzmq's I/O thread would wait for ever to report the end
    /// of a connection to a reader that has gone, and with it every other socket of the context.
    pub fn detach(&self, socket: &Socket) {
        let _ = Monitor::detach(socket);
        let mut state = lock(&self.entry.state);
        state.is_quiet = true;
        state.monitor = None;
        state.table.connections.clear();
        self.entry.owner.connections().active.set(0);
        drop(state);
        self.shared.waker.wake();
    }
}

/// What others than the owner ask about a socket's connections; it does not keep the watch going.
#[derive(Clone, Debug)]
pub struct LinkHandle {
    entry: Weak<Entry>,
}

impl LinkHandle {
    /// The authenticator admits a key from this address, in the words of its request.
    pub fn authenticated(&self, address: &str, key: PublicKey) {
        let Some(entry) = self.entry.upgrade() else { return };
        let mut state = lock(&entry.state);
        entry.take_events(&mut state);
        state.table.authenticated(PeerAddress::parse(address), key);
    }

    /// Ends the connections of a key. Its messages end connections from now on.
    pub fn revoke(&self, key: PublicKey) {
        let Some(entry) = self.entry.upgrade() else { return };
        let mut state = lock(&entry.state);
        entry.take_events(&mut state);
        entry.owner.connections().revoked.add(state.table.revoke(key, cut));
        entry.generation.fetch_add(1, Ordering::Release);
        state.wants_endings = state.table.wants_endings();
        drop(state);
        if let Some(shared) = entry.shared.upgrade() {
            shared.waker.wake();
        }
    }
}

/// The descriptor and the key that a message shows; `None` where it shows none.
#[must_use]
pub fn shown_by(message: &Message) -> Option<(i32, PublicKey)> {
    let descriptor = message.property(c"__fd").and_then(|text| text.parse::<i32>().ok())?;
    let key = message.property(c"User-Id").and_then(|text| PublicKey::from_z85(text).ok())?;
    Some((descriptor, key))
}
