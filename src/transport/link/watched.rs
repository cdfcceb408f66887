//! One watched socket: its monitor, its table, and carrying out what the table wants.
//!
//! All of it is under a lock that is held for the time of some events. Names are looked up, and reasons looked for, in threads
//! of their own that end by themselves.

use std::os::fd::RawFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use super::close_cause::{self, CloseCauses};
use super::command::Command;
use super::cut_off::{Probation, cut};
use super::monitor::{Monitor, MonitorEventKind};
use super::reconnect::{self, RemoteEndpoint};
use super::table::{Output, Table};
use super::{LinkEvent, LinkOwner};
use crate::sys::descriptors::Connection;
use crate::sys::signals::spawn_without_signals;
use crate::sys::waker::Waker;
use crate::transport::address::endpoint::Address;
use crate::transport::address::reachability::{Look, Obstacle, look_at, resolve};

/// How often is looked whether connections still exist.
const AUDIT: Duration = Duration::from_secs(1);
/// How soon a connection is tried to be ended again, where no descriptor was to be had.
const CUT_AGAIN: Duration = Duration::from_millis(100);
/// Events taken in under one lock, so that others get their turn.
const TURN: usize = 1024;

/// A watched socket, for the driver, the socket's owner and the authenticator.
pub(super) struct Watched {
    state: Mutex<WatchedState>,
    pub(super) owner: Arc<dyn LinkOwner>,
    /// The monitor's, to be polled only: what it tells is only that the monitor has to be asked.
    pub(super) descriptor: RawFd,
    /// Changes with each connection that begins or ends, and each key that is revoked.
    pub(super) generation: AtomicU64,
    /// The driver's.
    waker: Arc<Waker>,
}

impl std::fmt::Debug for Watched {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Watched({})", self.descriptor)
    }
}

pub(super) struct WatchedState {
    /// `None`: the socket is closed, or about to be.
    pub(super) monitor: Option<Monitor>,
    pub(super) table: Table,
    /// The configured addresses of the table's endpoints.
    addresses: Vec<Address>,
    pub(super) causes: Option<CloseCauses>,
    pub(super) probation: Probation,
    audit_at: Instant,
    pub(super) wants_endings: bool,
    pub(super) ready: u64,
    /// The owner ends the connections itself: nothing is told any more.
    pub(super) is_quiet: bool,
}

/// What is left after a turn.
pub(super) struct Turn {
    pub(super) next_due: Option<Instant>,
    /// The monitor may have more.
    pub(super) is_behind: bool,
    /// The socket is closed.
    pub(super) has_ended: bool,
}

impl WatchedState {
    pub(super) fn new(monitor: Monitor, table: Table, addresses: Vec<Address>, causes: Option<CloseCauses>) -> Self {
        Self {
            monitor: Some(monitor),
            table,
            addresses,
            causes,
            probation: Probation::default(),
            audit_at: Instant::now() + AUDIT,
            wants_endings: false,
            ready: 0,
            is_quiet: false,
        }
    }
}

impl Watched {
    pub(super) fn new(state: WatchedState, owner: Arc<dyn LinkOwner>, descriptor: RawFd, waker: Arc<Waker>) -> Self {
        Self { state: Mutex::new(state), owner, descriptor, generation: AtomicU64::new(0), waker }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, WatchedState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has the driver look what is due.
    pub(super) fn wake_driver(&self) {
        self.waker.wake();
    }

    /// Takes in what the monitor has, and does what is due.
    pub(super) fn turn(self: &Arc<Self>) -> Turn {
        let mut state = self.lock();
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
    fn take_events(self: &Arc<Self>, state: &mut WatchedState) -> bool {
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

    /// Takes events in for another thread than the driver's, which then has to look when the next thing is due.
    pub(super) fn catch_up(self: &Arc<Self>, state: &mut WatchedState) {
        self.take_events(state);
        self.wake_driver();
    }

    pub(super) fn carry_out(self: &Arc<Self>, state: &mut WatchedState, outputs: Vec<Output>) {
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

    fn tell(&self, state: &WatchedState, event: LinkEvent) {
        if let LinkEvent::Oversize(_) = event {
            self.owner.connections().oversize.increment();
        }
        if !state.is_quiet {
            self.owner.tell(event);
        }
    }

    fn serve(self: &Arc<Self>, state: &mut WatchedState, index: usize, output: reconnect::Output) {
        let Some(address) = state.addresses.get(index).cloned() else { return };
        let entry = Arc::downgrade(self);
        match output {
            reconnect::Output::Tell(event) => self.tell(state, event),
            reconnect::Output::Connect { to, is_again } => {
                if is_again {
                    self.owner.connections().reconnects.increment();
                }
                let endpoint = state.table.endpoints().get(index).map_or(index, RemoteEndpoint::number);
                self.owner.command(Command::Connect { endpoint, new: to });
            }
            reconnect::Output::Disconnect => {
                let endpoint = state.table.endpoints().get(index).map_or(index, RemoteEndpoint::number);
                self.owner.command(Command::Disconnect(endpoint));
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
                let uses_ipv6 = state.table.endpoints().get(index).is_some_and(RemoteEndpoint::uses_ipv6);
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

    pub(super) fn answer(
        self: &Arc<Self>,
        state: &mut WatchedState,
        index: usize,
        give: impl FnOnce(&mut RemoteEndpoint, Instant, &mut Vec<reconnect::Output>),
    ) {
        let now = Instant::now();
        let mut outputs = Vec::new();
        state.table.endpoint(index, &mut outputs, |endpoint, out| give(endpoint, now, out));
        self.carry_out(state, outputs);
    }

    /// Ends the connections that are to be ended.
    pub(super) fn end_wanted(&self, state: &mut WatchedState) {
        self.owner.connections().revoked.add(state.table.end_wanted(cut));
        state.wants_endings = state.table.wants_endings();
    }
}

fn resolve_failed() -> Obstacle {
    Obstacle::Other("no thread to look the name up".to_owned())
}

fn answer_to(
    entry: &Weak<Watched>,
    index: usize,
    give: impl FnOnce(&mut RemoteEndpoint, Instant, &mut Vec<reconnect::Output>),
) {
    let Some(entry) = entry.upgrade() else { return };
    entry.answer(&mut entry.lock(), index, give);
    entry.wake_driver();
}
