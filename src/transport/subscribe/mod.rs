//! A subscriber to one or many publishers that keeps at it: it reconnects after whatever happened and says what did.
//!
//! One thread owns it and calls [`Subscriber::wait`]. Each endpoint has a SUB socket of its own with a monitor, because
//! libzmq's events do not tell the endpoints of one socket apart. libzmq reconnects lost connections by itself; after a
//! failed handshake it may never try again (measured with 4.3.4 for every refusal by ZAP), so then the socket is made
//! anew after a pause.

use std::os::fd::RawFd;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::time::{Duration, Instant};

use crate::curve::security::{Security, SecurityError};
use crate::sys::signals::spawn_without_signals;
use crate::sys::zmq::{Context, DONTWAIT, Error, Message, POLLIN, PollItem, Socket, kind, option, poll};
use crate::transport::address::endpoint::{Address, Endpoint, EndpointError, Side};
use crate::transport::address::reachability::{Obstacle, find_obstacle};
use crate::transport::link::monitor::{Monitor, MonitorEventKind};

mod state;

pub use state::{Refusal, State};

/// The first pause after a failed handshake; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// The longest pause after a failed handshake.
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// Only asked for where we are the CURVE server.
const ZAP_DOMAIN: &str = "subscriber";
/// Messages taken from one socket before the others get their turn.
const TURN: usize = 1000;

/// What a subscriber connects to and how.
pub struct Options {
    /// Where to; an endpoint without a sign is connected to.
    pub endpoints: Vec<Endpoint>,
    /// Prefixes to subscribe to; none means everything.
    pub topics: Vec<Vec<u8>>,
    /// The keys to use.
    pub security: Arc<Security>,
    /// How often an idle connection is probed; a peer that does not answer three times in a row is gone. Zero: never.
    pub heartbeat: Duration,
    /// Messages that libzmq may hold for us, per publisher.
    pub receive_high_water_mark: i32,
    /// A larger frame ends the connection.
    pub max_message_bytes: i64,
}

/// Why a subscriber could not start.
#[derive(Debug, thiserror::Error)]
pub enum SubscriberError {
    /// An endpoint that a subscriber cannot use.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// An endpoint that libzmq refuses.
    #[error("cannot {verb} {address}: {error}")]
    Open {
        /// `connect to` or `listen on`.
        verb: &'static str,
        /// The address.
        address: String,
        /// libzmq's reason.
        error: Error,
    },
    /// Keys that cannot be used.
    #[error(transparent)]
    Security(#[from] SecurityError),
    /// libzmq fails altogether.
    #[error("libzmq: {0}")]
    Zmq(#[from] Error),
}

/// One record as it arrived.
#[derive(Debug)]
pub struct Received {
    /// The index of the endpoint it came by.
    pub source: usize,
    /// The topic, where the publisher sends it in a frame of its own.
    pub topic: Option<Message>,
    /// The record, with the topic in front where the publisher sends one frame.
    pub body: Message,
}

/// What a subscriber tells its owner.
#[derive(Debug)]
pub enum Happening {
    /// A record arrived.
    Received(Received),
    /// The state of an endpoint changed.
    Changed(usize, State),
}

struct Link {
    socket: Socket,
    monitor: Monitor,
}

impl Link {
    fn close(self) {
        // Without a monitor there is nothing left that could block libzmq; the socket is closed either way.
        let _ = self.monitor.detach(&self.socket);
    }
}

struct Source {
    address: Address,
    side: Side,
    link: Option<Link>,
    state: State,
    /// libzmq announces its first attempt after a loss with the same event as a failed attempt.
    just_lost: bool,
    pause: Duration,
    retry_at: Option<Instant>,
    probe: Option<Receiver<Option<Obstacle>>>,
}

/// A subscription to every endpoint of its [`Options`].
pub struct Subscriber {
    context: Context,
    options: Options,
    sources: Vec<Source>,
}

impl Subscriber {
    /// Opens one socket per endpoint. Nothing is waited for: connections come up in the background.
    pub fn open(context: &Context, options: Options) -> Result<Self, SubscriberError> {
        let mut sources = Vec::with_capacity(options.endpoints.len());
        for endpoint in &options.endpoints {
            let side = endpoint.side(Side::Connect)?;
            let address = endpoint.address.clone();
            let link = Some(open_link(context, &options, &address, side)?);
            let state = if side == Side::Bind { State::Listening } else { State::Connecting };
            sources.push(Source {
                address,
                side,
                link,
                state,
                just_lost: false,
                pause: FIRST_PAUSE,
                retry_at: None,
                probe: None,
            });
        }
        Ok(Self { context: context.clone(), options, sources })
    }

    /// How many endpoints there are.
    #[must_use]
    pub fn sources(&self) -> usize {
        self.sources.len()
    }

    /// The address an endpoint is listening on, with its real port, or connects to.
    #[must_use]
    pub fn address(&self, source: usize) -> String {
        let Some(source) = self.sources.get(source) else { return String::new() };
        match &source.link {
            Some(link) if source.side == Side::Bind => {
                link.socket.last_endpoint().unwrap_or_else(|_| source.address.to_string())
            }
            _ => source.address.to_string(),
        }
    }

    /// The state of an endpoint.
    #[must_use]
    pub fn state(&self, source: usize) -> Option<&State> {
        self.sources.get(source).map(|source| &source.state)
    }

    /// Subscribes to other topics from now on; none means everything. Connections stay, and so does what was subscribed
    /// to before and still is.
    pub fn set_topics(&mut self, topics: Vec<Vec<u8>>) -> Result<(), SubscriberError> {
        let old = std::mem::replace(&mut self.options.topics, topics);
        let (old, new) = (prefixes(&old), prefixes(&self.options.topics));
        for link in self.sources.iter().filter_map(|source| source.link.as_ref()) {
            for topic in new.iter().filter(|topic| !old.contains(topic)) {
                link.socket.set_bytes(option::SUBSCRIBE, topic)?;
            }
            for topic in old.iter().filter(|topic| !new.contains(topic)) {
                link.socket.set_bytes(option::UNSUBSCRIBE, topic)?;
            }
        }
        Ok(())
    }

    /// Waits until something happens, `wake` is readable, or `timeout` is over, and reports it all. True: `wake` is.
    pub fn wait(
        &mut self,
        wake: RawFd,
        timeout: Option<Duration>,
        report: &mut dyn FnMut(Happening),
    ) -> Result<bool, SubscriberError> {
        let mut items = vec![PollItem::descriptor(wake, POLLIN)];
        for link in self.sources.iter().filter_map(|source| source.link.as_ref()) {
            items.push(PollItem::socket(&link.socket, POLLIN));
            items.push(PollItem::socket(link.monitor.socket(), POLLIN));
        }
        poll(&mut items, self.poll_milliseconds(timeout))?;
        let woken = items.first().is_some_and(PollItem::is_readable);
        drop(items);
        let curve = !matches!(*self.options.security, Security::None);
        for (index, source) in self.sources.iter_mut().enumerate() {
            // A connection is reported before what comes by it, and a loss after.
            if source.state != State::Connected {
                source.follow_events(curve, &mut |state| report(Happening::Changed(index, state)));
            }
            if let Some(link) = &source.link {
                receive(&link.socket, index, report)?;
            }
            source.follow_events(curve, &mut |state| report(Happening::Changed(index, state)));
            source.collect_probe(&mut |state| report(Happening::Changed(index, state)));
            if source.retry_at.is_some_and(|at| at <= Instant::now()) {
                source.retry_at = None;
                source.link = Some(open_link(&self.context, &self.options, &source.address, source.side)?);
            }
        }
        Ok(woken)
    }

    /// The time until the next thing we have to do ourselves, for `zmq_poll`.
    fn poll_milliseconds(&self, timeout: Option<Duration>) -> i64 {
        let now = Instant::now();
        let retries =
            self.sources.iter().filter_map(|source| source.retry_at).map(|at| at.saturating_duration_since(now));
        // A probe's answer comes through a channel, which cannot be polled.
        let probes = self.sources.iter().filter(|source| source.probe.is_some()).map(|_| Duration::from_millis(50));
        match retries.chain(probes).chain(timeout).min() {
            // Rounded up, so that a wait never ends just before its time.
            Some(duration) => i64::try_from(duration.as_micros().div_ceil(1000)).unwrap_or(i64::MAX),
            None => -1,
        }
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        self.sources.drain(..).filter_map(|source| source.link).for_each(Link::close);
    }
}

impl Source {
    fn follow_events(&mut self, curve: bool, report: &mut dyn FnMut(State)) {
        while let Some(event) = self.link.as_mut().and_then(|link| link.monitor.next_event()) {
            match event.kind {
                MonitorEventKind::HandshakeSucceeded => {
                    self.pause = FIRST_PAUSE;
                    self.probe = None;
                    self.change(State::Connected, report);
                }
                MonitorEventKind::Disconnected { .. } if self.state == State::Connected => {
                    self.just_lost = true;
                    self.change(State::Lost, report);
                }
                MonitorEventKind::ConnectRetried { .. } if self.just_lost => self.just_lost = false,
                MonitorEventKind::ConnectRetried { .. } if self.may_probe() => self.start_probe(report),
                kind if kind.is_failed_handshake() => {
                    self.change(State::Refused(Refusal::of(kind, curve)), report);
                    if self.side == Side::Connect {
                        if let Some(link) = self.link.take() {
                            link.close();
                        }
                        self.just_lost = false;
                        self.retry_at = Some(Instant::now() + self.pause);
                        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
                    }
                }
                _ => {}
            }
        }
    }

    fn may_probe(&self) -> bool {
        self.probe.is_none() && !matches!(self.state, State::Unreachable(_))
    }

    fn start_probe(&mut self, report: &mut dyn FnMut(State)) {
        let (sender, receiver) = channel();
        let address = self.address.clone();
        let probe = move || {
            // Nobody may be waiting for the answer any more.
            let _ = sender.send(find_obstacle(&address));
        };
        match spawn_without_signals("zmq-reach", probe) {
            Ok(_) => self.probe = Some(receiver),
            Err(_) => self.change(State::Unreachable(None), report),
        }
    }

    fn collect_probe(&mut self, report: &mut dyn FnMut(State)) {
        let Some(probe) = &self.probe else { return };
        match probe.try_recv() {
            // Whatever was in the way is gone: the next attempt will tell.
            Ok(None) => self.probe = None,
            Ok(Some(obstacle)) => {
                self.probe = None;
                self.change(State::Unreachable(Some(obstacle)), report);
            }
            Err(TryRecvError::Empty) => {}
            Err(TryRecvError::Disconnected) => {
                self.probe = None;
                self.change(State::Unreachable(None), report);
            }
        }
    }

    fn change(&mut self, state: State, report: &mut dyn FnMut(State)) {
        if self.state != state {
            self.state = state.clone();
            report(state);
        }
    }
}

/// What libzmq is told, each once, because it counts subscriptions.
fn prefixes(topics: &[Vec<u8>]) -> Vec<&[u8]> {
    if topics.is_empty() {
        return vec![b""];
    }
    let mut prefixes: Vec<&[u8]> = topics.iter().map(Vec::as_slice).collect();
    prefixes.sort_unstable();
    prefixes.dedup();
    prefixes
}

fn open_link(context: &Context, options: &Options, address: &Address, side: Side) -> Result<Link, SubscriberError> {
    let socket = context.socket(kind::SUB)?;
    socket.set_int(option::LINGER, 0)?;
    socket.set_int(option::RCVHWM, options.receive_high_water_mark)?;
    socket.set_i64(option::MAXMSGSIZE, options.max_message_bytes)?;
    socket.set_int(option::RECONNECT_IVL, 100)?;
    socket.set_int(option::RECONNECT_IVL_MAX, 5_000)?;
    socket.set_int(option::HANDSHAKE_IVL, 10_000)?;
    socket.set_int(option::IPV6, i32::from(address.is_ipv6()))?;
    let heartbeat = i32::try_from(options.heartbeat.as_millis()).unwrap_or(i32::MAX / 3);
    if heartbeat > 0 {
        socket.set_int(option::HEARTBEAT_IVL, heartbeat)?;
        socket.set_int(option::HEARTBEAT_TIMEOUT, heartbeat.saturating_mul(3))?;
    }
    options.security.apply(&socket, ZAP_DOMAIN)?;
    for topic in prefixes(&options.topics) {
        socket.set_bytes(option::SUBSCRIBE, topic)?;
    }
    let monitor = Monitor::attach(context, &socket, "subscriber")?;
    let link = Link { socket, monitor };
    let text = address.to_string();
    let (verb, result) = match side {
        Side::Bind => ("listen on", link.socket.bind(&text)),
        Side::Connect => ("connect to", link.socket.connect(&text)),
    };
    match result {
        Ok(()) => Ok(link),
        Err(error) => {
            link.close();
            Err(SubscriberError::Open { verb, address: text, error })
        }
    }
}

/// Takes what has arrived, up to one turn. In a message of several frames the first is the topic.
fn receive(socket: &Socket, source: usize, report: &mut dyn FnMut(Happening)) -> Result<(), Error> {
    for _ in 0..TURN {
        let mut first = Message::new();
        if !receive_frame(socket, &mut first)? {
            return Ok(());
        }
        if !first.has_more() {
            report(Happening::Received(Received { source, topic: None, body: first }));
            continue;
        }
        loop {
            let mut body = Message::new();
            // The frames of one message arrive together.
            if !receive_frame(socket, &mut body)? {
                break;
            }
            let more = body.has_more();
            let topic = Some(if more { first.share()? } else { std::mem::take(&mut first) });
            report(Happening::Received(Received { source, topic, body }));
            if !more {
                break;
            }
        }
    }
    Ok(())
}

fn receive_frame(socket: &Socket, message: &mut Message) -> Result<bool, Error> {
    loop {
        match socket.receive(message, DONTWAIT) {
            Ok(()) => return Ok(true),
            Err(error) if error.would_block() => return Ok(false),
            Err(error) if error.interrupted() => {}
            Err(error) => return Err(error),
        }
    }
}
