//! A subscriber to one or many publishers that keeps at it: it connects again after every loss and reports it.
//!
//! One thread owns it and calls [`Subscriber::wait`]. Each endpoint has a SUB socket of its own, so that a record's publisher
//! is known; the driver's thread watches the connections of all of them, and they are connected again as it says.

use std::os::fd::RawFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::curve::security::{Security, SecurityError};
use crate::sys::waker::Waker;
use crate::sys::zmq::{Context, DONTWAIT, Error, Message, POLLIN, PollItem, Socket, kind, option, poll};
use crate::transport::address::endpoint::{Address, Endpoint, EndpointError, Side};
use crate::transport::counters::ConnectionCounters;
use crate::transport::link::command::{Command, Commands};
use crate::transport::link::driver::{Driver, DriverError, WatchPlan};
use crate::transport::link::handle::Link;
use crate::transport::link::reconnect::{Backoff, Manner};
use crate::transport::link::{LinkEvent, LinkOwner, Place, Timing};

pub use crate::transport::link::{Refusal, State};

/// When things are done about a connection. A person waits, so reasons are looked for early.
const TIMING: Timing = Timing {
    backoff: Backoff { first: Duration::from_millis(500), longest: Duration::from_secs(15) },
    probe_after: Duration::from_millis(300),
    probe_every: Duration::from_secs(5),
    report_after: Duration::from_secs(10),
};
/// A handshake that is not over by then will not be.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// A connection attempt ends after this.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Only asked for where we are the CURVE server.
const ZAP_DOMAIN: &str = "subscriber";
/// Messages taken from one socket before the others get their turn.
const TURN: usize = 1000;
/// How often is looked whether it is known which end of a connection ended it.
const JUDGING: Duration = Duration::from_millis(1);
/// Events of one endpoint that wait to be reported; more come from strangers only, and are dropped.
const MOST_EVENTS: usize = 1024;

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
    #[error("cannot listen on {address}: {error}")]
    Open {
        /// The address.
        address: String,
        /// libzmq's reason.
        error: Error,
    },
    /// Keys that cannot be used.
    #[error(transparent)]
    Security(#[from] SecurityError),
    /// Nothing can watch the connections.
    #[error(transparent)]
    Driver(#[from] DriverError),
    /// No eventfd.
    #[error("cannot make a descriptor: {0}")]
    Waker(std::io::Error),
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
pub enum SubscriberEvent {
    /// A record arrived.
    Received(Received),
    /// The state of an endpoint changed.
    Changed(usize, State),
}

/// What an endpoint's socket shares with the driver.
struct Shared {
    counters: ConnectionCounters,
    commands: Commands,
    events: Mutex<Vec<LinkEvent>>,
    waker: Arc<Waker>,
}

impl Shared {
    fn take_events(&self) -> Vec<LinkEvent> {
        std::mem::take(&mut *self.events.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl LinkOwner for Shared {
    fn connections(&self) -> &ConnectionCounters {
        &self.counters
    }

    fn commands(&self) -> &Commands {
        &self.commands
    }

    fn command(&self, command: Command) {
        self.commands.give(command);
        self.waker.wake();
    }

    fn tell(&self, event: LinkEvent) {
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        if events.len() < MOST_EVENTS {
            events.push(event);
        }
        drop(events);
        self.waker.wake();
    }
}

struct Source {
    address: Address,
    side: Side,
    socket: Socket,
    link: Link,
    shared: Arc<Shared>,
    /// What it is connected to, as libzmq writes it.
    connected: Option<String>,
    state: State,
    /// A connection was lost; that is reported when it is known which end ended it.
    is_lost: bool,
}

/// A subscription to every endpoint of its [`Options`].
pub struct Subscriber {
    options: Options,
    sources: Vec<Source>,
    waker: Arc<Waker>,
    /// Outlives the sources' links.
    _driver: Driver,
}

impl Subscriber {
    /// Opens one socket per endpoint. Nothing is waited for: connections come up in the background.
    pub fn open(context: &Context, options: Options) -> Result<Self, SubscriberError> {
        let driver = Driver::start()?;
        let waker = Arc::new(Waker::new().map_err(SubscriberError::Waker)?);
        let mut sources = Vec::with_capacity(options.endpoints.len());
        for endpoint in &options.endpoints {
            sources.push(Source::open(context, &driver, &options, endpoint, &waker)?);
        }
        Ok(Self { options, sources, waker, _driver: driver })
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
        if source.side == Side::Bind {
            return source.socket.last_endpoint().unwrap_or_else(|_| source.address.to_string());
        }
        source.address.to_string()
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
        for source in &self.sources {
            for topic in new.iter().filter(|topic| !old.contains(topic)) {
                source.socket.set_bytes(option::SUBSCRIBE, topic)?;
            }
            for topic in old.iter().filter(|topic| !new.contains(topic)) {
                source.socket.set_bytes(option::UNSUBSCRIBE, topic)?;
            }
        }
        Ok(())
    }

    /// Waits until something happens, `wake` is readable, or `timeout` is over, and reports it all. True: `wake` is.
    pub fn wait(
        &mut self,
        wake: RawFd,
        timeout: Option<Duration>,
        report: &mut dyn FnMut(SubscriberEvent),
    ) -> Result<bool, SubscriberError> {
        let mut items = vec![PollItem::descriptor(wake, POLLIN), PollItem::descriptor(self.waker.descriptor(), POLLIN)];
        items.extend(self.sources.iter().map(|source| PollItem::socket(&source.socket, POLLIN)));
        // Rounded up, so that a wait never ends just before its time.
        let timeout = if self.sources.iter().any(|source| source.is_lost) {
            Some(timeout.map_or(JUDGING, |timeout| timeout.min(JUDGING)))
        } else {
            timeout
        };
        let wait = timeout.map_or(-1, |timeout| i64::try_from(timeout.as_micros().div_ceil(1000)).unwrap_or(i64::MAX));
        poll(&mut items, wait)?;
        let mut are_readable = items.iter().map(PollItem::is_readable);
        let (is_woken, has_news) = (are_readable.next() == Some(true), are_readable.next() == Some(true));
        let are_readable: Vec<bool> = are_readable.collect();
        drop(items);
        if has_news {
            self.waker.clear();
        }
        for (index, (source, is_readable)) in self.sources.iter_mut().zip(are_readable).enumerate() {
            let mut changed = |state| report(SubscriberEvent::Changed(index, state));
            source.obey();
            // A connection is reported before what comes by it, and a loss after.
            if is_readable && source.state != State::Connected {
                source.link.catch_up();
                source.follow_events(&mut changed);
            }
            if is_readable {
                receive(&source.socket, index, report)?;
            }
            source.follow_events(&mut |state| report(SubscriberEvent::Changed(index, state)));
        }
        Ok(is_woken)
    }
}

impl Source {
    fn open(
        context: &Context,
        driver: &Driver,
        options: &Options,
        endpoint: &Endpoint,
        waker: &Arc<Waker>,
    ) -> Result<Self, SubscriberError> {
        let side = endpoint.side(Side::Connect)?;
        let address = endpoint.address.clone();
        let socket = prepare_socket(context, options, &address)?;
        let shared = Arc::new(Shared {
            counters: ConnectionCounters::default(),
            commands: Commands::default(),
            events: Mutex::default(),
            waker: Arc::clone(waker),
        });
        let plan = WatchPlan {
            name: "subscriber",
            connects: if side == Side::Connect { vec![(0, &address)] } else { Vec::new() },
            manner: Manner {
                uses_ipv6: address.is_ipv6(),
                uses_curve: !matches!(*options.security, Security::None),
                is_curve_client: matches!(*options.security, Security::CurveClient { .. }),
                handshake_timeout: HANDSHAKE_TIMEOUT,
                connect_timeout: CONNECT_TIMEOUT,
                timing: TIMING,
            },
            heartbeat_timeout: (!options.heartbeat.is_zero()).then(|| options.heartbeat * 3),
            judges_ends: true,
        };
        let link = driver.watch(context, &socket, plan, Arc::clone(&shared) as _)?;
        let state = if side == Side::Bind { State::Listening } else { State::Connecting };
        let source = Self { address, side, socket, link, shared, connected: None, state, is_lost: false };
        if side == Side::Bind {
            let text = source.address.to_string();
            source.socket.bind(&text).map_err(|error| SubscriberError::Open { address: text, error })?;
        }
        source.link.start();
        Ok(source)
    }

    /// Connects as the driver says.
    fn obey(&mut self) {
        for command in self.shared.commands.take() {
            if let Some(old) = self.connected.take() {
                let _ = self.socket.disconnect(&old);
            }
            let Command::Connect { new, .. } = command else { continue };
            match self.socket.connect(&new) {
                Ok(()) => self.connected = Some(new),
                Err(error) => self.link.connect_failed(0, &error.to_string()),
            }
        }
    }

    fn follow_events(&mut self, report: &mut dyn FnMut(State)) {
        self.apply(self.shared.take_events(), report);
        if self.is_lost && !self.link.is_judging() {
            // What was found out has been told by now.
            self.apply(self.shared.take_events(), report);
            self.settle(report);
        }
    }

    fn apply(&mut self, events: Vec<LinkEvent>, report: &mut dyn FnMut(State)) {
        for event in events {
            match event {
                LinkEvent::Changed { state: State::Lost, .. } => self.is_lost = true,
                LinkEvent::Changed { state, .. } => self.change(state, report),
                LinkEvent::AcceptedReady => self.change(State::Connected, report),
                LinkEvent::AcceptedLost if self.shared.counters.active.get() == 0 => self.is_lost = true,
                LinkEvent::AcceptedFailed(refusal, _) if self.state != State::Connected => {
                    self.change(State::Refused(refusal), report);
                }
                LinkEvent::Oversize(Place::Accepted(_)) => self.change(State::Oversize, report),
                _ => {}
            }
        }
    }

    /// Reports a loss that has no better name.
    fn settle(&mut self, report: &mut dyn FnMut(State)) {
        if std::mem::take(&mut self.is_lost) {
            self.change(State::Lost, report);
        }
    }

    fn change(&mut self, state: State, report: &mut dyn FnMut(State)) {
        if state == State::Oversize {
            self.is_lost = false;
        }
        self.settle(report);
        if self.state != state {
            self.state = state.clone();
            report(state);
        }
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        self.link.detach(&self.socket);
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

fn prepare_socket(context: &Context, options: &Options, address: &Address) -> Result<Socket, SubscriberError> {
    let milliseconds = |duration: Duration| i32::try_from(duration.as_millis()).unwrap_or(i32::MAX / 3);
    let socket = context.socket(kind::SUB)?;
    socket.set_int(option::LINGER, 0)?;
    socket.set_int(option::RCVHWM, options.receive_high_water_mark)?;
    socket.set_i64(option::MAXMSGSIZE, options.max_message_bytes)?;
    socket.set_int(option::RECONNECT_IVL, 100)?;
    socket.set_int(option::RECONNECT_IVL_MAX, 5_000)?;
    socket.set_int(option::HANDSHAKE_IVL, milliseconds(HANDSHAKE_TIMEOUT))?;
    socket.set_int(option::CONNECT_TIMEOUT, milliseconds(CONNECT_TIMEOUT))?;
    socket.set_int(option::IPV6, i32::from(address.is_ipv6()))?;
    let heartbeat = milliseconds(options.heartbeat);
    if heartbeat > 0 {
        socket.set_int(option::HEARTBEAT_IVL, heartbeat)?;
        socket.set_int(option::HEARTBEAT_TIMEOUT, heartbeat.saturating_mul(3))?;
    }
    options.security.apply(&socket, ZAP_DOMAIN)?;
    for topic in prefixes(&options.topics) {
        socket.set_bytes(option::SUBSCRIBE, topic)?;
    }
    Ok(socket)
}

/// Takes what has arrived, up to one turn. In a message of several frames the first is the topic.
fn receive(socket: &Socket, source: usize, report: &mut dyn FnMut(SubscriberEvent)) -> Result<(), Error> {
    for _ in 0..TURN {
        let mut first = Message::new();
        if !receive_frame(socket, &mut first)? {
            return Ok(());
        }
        if !first.has_more() {
            report(SubscriberEvent::Received(Received { source, topic: None, body: first }));
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
            report(SubscriberEvent::Received(Received { source, topic, body }));
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
