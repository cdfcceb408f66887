//! One endpoint that a socket connects to: what is known of it, and connecting again. A state machine: events and the time
//! go in, outputs come out.
//!
//! libzmq is given addresses, never names: its events carry the resolved address, so only then it is certain which endpoint
//! an event is about, and its I/O thread never waits for a resolver. It connects again by itself after an ordinary loss, and
//! says so at once. After a refused handshake or an error in the protocol it never does (session_base.cpp `engine_error` of
//! 4.3.4), so then the socket's owner is told to disconnect and connect, with pauses that double.

mod diagnosis;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::monitor::MonitorEventKind;
use super::state::{Refusal, State};
use super::target::Target;
use super::{LinkEvent, Timing};
use crate::transport::address::endpoint::{Address, Host};
use crate::transport::address::reachability::Obstacle;

/// The first and the longest pause before connecting again.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    /// The first pause.
    pub first: Duration,
    /// The longest pause.
    pub longest: Duration,
}

/// More than libzmq needs to report after a loss that it connects again.
const LIBZMQ_REPORTS_WITHIN: Duration = Duration::from_millis(100);
/// libzmq is connecting, and reports nothing for this much longer than an attempt and a pause may take: it has lost the session.
const SILENCE: Duration = Duration::from_secs(10);
/// A step of the clock by more than this was a pause of the whole process, after which libzmq gets its time once more.
const LATE: Duration = Duration::from_millis(50);
/// A connection that lasted for so long was a good one: the pauses start anew.
const LASTING: Duration = Duration::from_secs(10);
/// A publisher that is restarted breaks off one handshake; one that does it again has a reason.
const BREAK_OFFS: u32 = 2;
/// How often a name is looked up again while its endpoint has no connection.
const RESOLVE_EVERY: Duration = Duration::from_secs(15);

/// What an endpoint wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// The socket's owner connects to this, after disconnecting from what it was connected to.
    Connect {
        /// In libzmq's words.
        to: String,
        /// Whether it had been connected before.
        is_again: bool,
    },
    /// The socket's owner disconnects from what it is connected to: libzmq has given it up.
    Disconnect,
    /// The name is looked up, and the answer given to [`RemoteEndpoint::resolved`].
    Resolve,
    /// The reason is looked for, and the answer given to [`RemoteEndpoint::probed`].
    Probe,
    /// The owner is told.
    Tell(LinkEvent),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// No connection.
    Down,
    /// A connection stands, its handshake goes on.
    Handshaking { descriptor: i32, since: Instant },
    /// The handshake succeeded.
    Ready { descriptor: i32, since: Instant },
}

/// One endpoint that the socket connects to.
#[derive(Debug)]
pub struct RemoteEndpoint {
    number: usize,
    name: Arc<str>,
    address: Address,
    uses_ipv6: bool,
    uses_curve: bool,
    is_curve_client: bool,
    handshake_timeout: Duration,
    connect_timeout: Duration,
    timing: Timing,
    target: Option<Target>,
    phase: Phase,
    state: State,
    pause: Duration,
    /// Its connection ended, and libzmq has not said yet whether it connects again.
    is_in_doubt: bool,
    reconnect_at: Option<Instant>,
    /// When libzmq, which is connecting, has been silent for too long.
    silent_at: Option<Instant>,
    resolve_at: Option<Instant>,
    probe_at: Option<Instant>,
    is_resolving: bool,
    is_probing: bool,
    /// libzmq has said how the present connection's handshake failed.
    has_failed: bool,
    /// The last answer to [`Output::Probe`] belongs to a time before there was a connection.
    is_probe_stale: bool,
    /// Handshakes in a row that broke off without a reason.
    break_offs: u32,
    /// The last handshake was ended by our libzmq, because of what it had read.
    was_ended_here: bool,
    /// Since when there has been no connection.
    away_since: Instant,
    /// What has been told as [`LinkEvent::Away`] or as a refusal since then.
    told: Vec<State>,
}

/// How an endpoint is connected to.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    /// Whether names may stand for IPv6 addresses.
    pub uses_ipv6: bool,
    /// Whether connections use CURVE.
    pub uses_curve: bool,
    /// Whether we prove our key to a server, whose own key we know.
    pub is_curve_client: bool,
    /// libzmq's limit for a handshake.
    pub handshake_timeout: Duration,
    /// The limit of a connection attempt.
    pub connect_timeout: Duration,
    /// When things are done.
    pub timing: Timing,
}

impl RemoteEndpoint {
    /// An endpoint that nothing has been done about; `number` is its place among the socket's endpoints.
    #[must_use]
    pub fn new(number: usize, address: &Address, manner: Manner, now: Instant) -> Self {
        Self {
            number,
            name: address.to_string().into(),
            address: address.clone(),
            uses_ipv6: manner.uses_ipv6,
            uses_curve: manner.uses_curve,
            is_curve_client: manner.is_curve_client,
            handshake_timeout: manner.handshake_timeout,
            connect_timeout: manner.connect_timeout,
            timing: manner.timing,
            target: None,
            phase: Phase::Down,
            state: State::Connecting,
            pause: manner.timing.backoff.first,
            is_in_doubt: false,
            reconnect_at: None,
            silent_at: None,
            resolve_at: None,
            probe_at: Some(now + manner.timing.probe_after),
            is_resolving: false,
            is_probing: false,
            has_failed: false,
            is_probe_stale: false,
            break_offs: 0,
            was_ended_here: false,
            away_since: now,
            told: Vec::new(),
        }
    }

    /// Its place among the socket's endpoints.
    #[must_use]
    pub fn number(&self) -> usize {
        self.number
    }

    /// Whether its name may stand for IPv6 addresses.
    #[must_use]
    pub fn uses_ipv6(&self) -> bool {
        self.uses_ipv6
    }

    /// Its text as configured.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// What is known of it.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Whether a handshake has succeeded on its present connection.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        matches!(self.phase, Phase::Ready { .. })
    }

    /// The descriptor of its present connection.
    #[must_use]
    pub fn descriptor(&self) -> Option<i32> {
        match self.phase {
            Phase::Down => None,
            Phase::Handshaking { descriptor, .. } | Phase::Ready { descriptor, .. } => Some(descriptor),
        }
    }

    /// Whether an event of libzmq's with this text is about this endpoint.
    #[must_use]
    pub fn is_named(&self, reported: &str) -> bool {
        self.target.as_ref().is_some_and(|target| target.is_named(reported))
    }

    /// Whether it is connected to this address.
    fn has_target(&self, text: &str) -> bool {
        self.target.as_ref().is_some_and(|target| target.text == text)
    }

    /// The first connection, where no name has to be looked up.
    pub fn start(&mut self, now: Instant, outputs: &mut Vec<Output>) {
        match Target::literal(&self.address) {
            Some(target) => self.aim(target, now, outputs),
            None => self.resolve(outputs),
        }
    }

    fn probe(&mut self, outputs: &mut Vec<Output>) {
        self.probe_at = None;
        if !std::mem::replace(&mut self.is_probing, true) {
            outputs.push(Output::Probe);
        }
    }

    fn aim(&mut self, target: Target, now: Instant, outputs: &mut Vec<Output>) {
        outputs.push(Output::Connect { to: target.text.clone(), is_again: self.target.is_some() });
        self.target = Some(target);
        self.reconnect_at = None;
        self.is_in_doubt = false;
        self.phase = Phase::Down;
        self.expect_news(now);
    }

    /// libzmq is connecting, or waits before it does.
    fn expect_news(&mut self, now: Instant) {
        self.silent_at = Some(now + self.connect_timeout + self.timing.backoff.longest * 2 + SILENCE);
    }

    /// libzmq has ended the session of this endpoint, and keeps a pointer to it: the endpoint is taken out before the memory is
    /// used for another session, which a later disconnection would end instead (socket_base.cpp `term_endpoint`, own.cpp
    /// `process_term_req` of 4.3.4; seen).
    fn give_up_session(&mut self, outputs: &mut Vec<Output>) {
        outputs.push(Output::Disconnect);
        self.is_in_doubt = false;
        self.silent_at = None;
        self.phase = Phase::Down;
    }

    /// Whether libzmq may have ended its session without anybody knowing yet. Nothing new is connected meanwhile.
    #[must_use]
    pub fn is_in_doubt(&self) -> bool {
        self.is_in_doubt
    }

    fn resolve(&mut self, outputs: &mut Vec<Output>) {
        self.resolve_at = None;
        if !std::mem::replace(&mut self.is_resolving, true) {
            outputs.push(Output::Resolve);
        }
    }

    /// The answer to [`Output::Resolve`].
    pub fn resolved(&mut self, answer: Result<Vec<SocketAddr>, Obstacle>, now: Instant, outputs: &mut Vec<Output>) {
        self.is_resolving = false;
        self.resolve_at = Some(now + RESOLVE_EVERY);
        if self.is_ready() {
            return;
        }
        match answer {
            Err(obstacle) => {
                self.resolve_at = Some(now + RESOLVE_EVERY.min(self.timing.probe_every));
                if self.target.is_none() {
                    self.change(State::Unreachable(Some(obstacle)), outputs);
                }
            }
            Ok(addresses) => {
                let usable: Vec<_> = addresses.iter().filter(|address| self.uses_ipv6 || address.is_ipv4()).collect();
                let place =
                    self.target.as_ref().and_then(|target| usable.iter().position(|address| target.is_at(**address)));
                // While one address does not answer, the next one of the name gets its turn.
                let next = usable.get(place.map_or(0, |place| (place + 1) % usable.len().max(1)));
                match next {
                    Some(address) => {
                        let target = Target::at(&self.address, **address);
                        if !self.has_target(&target.text) {
                            self.aim(target, now, outputs);
                        }
                    }
                    None if self.target.is_none() => {
                        let text = "the name has IPv6 addresses only, and ipv6 is off".to_owned();
                        self.change(State::Unreachable(Some(Obstacle::Other(text))), outputs);
                    }
                    None => {}
                }
            }
        }
    }

    /// libzmq connects, or waits before it does.
    pub fn retried(&mut self, now: Instant) {
        self.is_in_doubt = false;
        self.reconnect_at = None;
        self.expect_news(now);
    }

    /// A connection stands.
    pub fn connected(&mut self, descriptor: i32, now: Instant) {
        self.reconnect_at = None;
        self.silent_at = None;
        self.is_in_doubt = false;
        self.has_failed = false;
        self.phase = Phase::Handshaking { descriptor, since: now };
    }

    /// A handshake succeeded.
    pub fn succeeded(&mut self, now: Instant, outputs: &mut Vec<Output>) {
        let Some(descriptor) = self.descriptor() else { return };
        self.phase = Phase::Ready { descriptor, since: now };
        (self.break_offs, self.was_ended_here) = (0, false);
        self.is_probe_stale = self.is_probing;
        (self.reconnect_at, self.resolve_at, self.probe_at) = (None, None, None);
        self.change(State::Connected, outputs);
        if !std::mem::take(&mut self.told).is_empty() {
            let after = now.saturating_duration_since(self.away_since);
            outputs.push(Output::Tell(LinkEvent::Back { name: Arc::clone(&self.name), after }));
        }
    }

    /// Whether libzmq has said how the handshake of the present connection failed.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.has_failed
    }

    /// A handshake failed, and libzmq said how.
    pub fn failed(&mut self, kind: MonitorEventKind, now: Instant, outputs: &mut Vec<Output>) {
        self.has_failed = true;
        self.was_ended_here = false;
        let is_late = match self.phase {
            Phase::Handshaking { since, .. } => now.saturating_duration_since(since) + LATE >= self.handshake_timeout,
            Phase::Down | Phase::Ready { .. } => false,
        };
        if !matches!(kind, MonitorEventKind::HandshakeFailedNoDetail(_)) {
            self.break_offs = 0;
            self.give_up_session(outputs);
            self.schedule(now);
            self.refuse(Refusal::of(kind, self.is_curve_client), now, outputs);
        } else if is_late {
            // libzmq does not say that the time was over (stream_engine_base.cpp `timer_event`).
            self.refuse(Refusal::NoAnswer, now, outputs);
        } else {
            // libzmq connects again by itself. A wrong server key looks like an HTTP server: see what answers there.
            self.break_offs = self.break_offs.saturating_add(1);
            if !matches!(self.state, State::Refused(_)) {
                self.probe(outputs);
            }
        }
    }

    /// Its connection ended.
    pub fn ended(&mut self, now: Instant, outputs: &mut Vec<Output>) {
        let ready_since = if let Phase::Ready { since, .. } = self.phase { Some(since) } else { None };
        self.phase = Phase::Down;
        if ready_since.is_some_and(|since| now.saturating_duration_since(since) >= LASTING) {
            self.pause = self.timing.backoff.first;
        }
        if ready_since.is_some() {
            self.away_since = now;
            self.probe_at = Some(now + self.timing.probe_after);
            self.resolve_at = matches!(self.address, Address::Tcp { host: Host::Name(_), .. })
                .then(|| now + self.timing.probe_after.max(Duration::from_secs(1)));
            self.change(State::Lost, outputs);
        } else if !self.has_failed {
            // Not ZMTP, or a socket of a type that does not go with ours: see what answers there.
            (self.break_offs, self.was_ended_here) = (BREAK_OFFS, true);
            if !matches!(self.state, State::Refused(_)) {
                self.probe(outputs);
            }
        } else if self.resolve_at.is_none() && matches!(self.address, Address::Tcp { host: Host::Name(_), .. }) {
            self.resolve_at = Some(now + RESOLVE_EVERY);
        }
        self.is_in_doubt = true;
        self.reconnect_at = Some(now + LIBZMQ_REPORTS_WITHIN);
    }

    /// The peer was cut off for a frame over the limit.
    pub fn was_oversize(&mut self, outputs: &mut Vec<Output>) {
        if !self.is_ready() {
            self.change(State::Oversize, outputs);
        }
    }

    fn schedule(&mut self, now: Instant) {
        if self.reconnect_at.is_none() {
            self.reconnect_at = Some(now + self.pause);
            self.lengthen_pause();
        }
    }

    fn lengthen_pause(&mut self) {
        self.pause = (self.pause * 2).min(self.timing.backoff.longest);
    }

    /// The owner could not connect.
    pub fn connect_failed(&mut self, reason: &str, now: Instant, outputs: &mut Vec<Output>) {
        self.target = None;
        self.change(State::Unreachable(Some(Obstacle::Here(reason.to_owned()))), outputs);
        self.report(now, outputs);
        self.schedule(now);
    }

    /// Does what is due.
    pub fn tick(&mut self, now: Instant, outputs: &mut Vec<Output>) {
        if let Some(at) = self.reconnect_at.filter(|at| *at <= now) {
            self.reconnect_at = None;
            if self.is_in_doubt && now.saturating_duration_since(at) > LATE {
                self.reconnect_at = Some(now + LIBZMQ_REPORTS_WITHIN);
            } else if self.is_in_doubt {
                self.give_up_session(outputs);
                self.schedule(now);
            } else {
                match self.target.clone().or_else(|| Target::literal(&self.address)) {
                    Some(target) => self.aim(target, now, outputs),
                    None => self.resolve(outputs),
                }
            }
        }
        if self.silent_at.is_some_and(|at| at <= now) {
            self.give_up_session(outputs);
            self.schedule(now);
        }
        if self.is_ready() {
            return;
        }
        if self.resolve_at.is_some_and(|at| at <= now) {
            self.resolve(outputs);
        }
        if self.probe_at.is_some_and(|at| at <= now) {
            self.probe(outputs);
        }
        self.report(now, outputs);
    }

    /// When something is due.
    #[must_use]
    pub fn next_due(&self) -> Option<Instant> {
        let waits = if self.is_ready() { [None; 2] } else { [self.resolve_at, self.probe_at] };
        [self.reconnect_at, self.silent_at, self.report_at()].into_iter().chain(waits).flatten().min()
    }
}
