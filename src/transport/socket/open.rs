//! The one place where a socket of a module is opened.

use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use crate::curve::security::{Security, SecurityError};
use crate::sys::network_interfaces;
use crate::sys::zmq::{self, Context, Socket, option};
use crate::transport::address::endpoint::{Address, Endpoint, EndpointError, Host, Side};
use crate::transport::link::command::Command;
use crate::transport::link::driver::{Driver, WatchPlan};
use crate::transport::link::handle::Link;
use crate::transport::link::reconnect::{Backoff, Manner};
use crate::transport::link::{LinkOwner, Timing};
use crate::transport::socket::listening::{Listener, SocketFile};
use crate::transport::socket::options::{OptionError, SocketOptions};
use crate::transport::socket::socket_type::SocketType;

/// A phase of the process in which sockets may be opened. rsyslogd closes every descriptor when it forks, so before that
/// nobody has a value of such a type.
pub trait MayOpenSockets: Copy {}

/// Everything a socket is opened by.
#[derive(Debug)]
pub struct SocketPlan {
    /// Its type.
    pub socket_type: SocketType,
    /// Where it binds or connects.
    pub endpoints: Vec<Endpoint>,
    /// Its options.
    pub options: SocketOptions,
    /// Its security.
    pub security: Arc<Security>,
    /// The domain under which the authenticator knows it (RFC 27).
    pub zap_domain: String,
    /// Who may use its Unix sockets.
    pub socket_file: SocketFile,
    /// What it subscribes to; SUB and DISH only.
    pub topics: Vec<String>,
}

/// Why a socket or one of its endpoints cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The socket itself.
    #[error("cannot make a {socket_type} socket: {cause}")]
    Create {
        /// Its type.
        socket_type: SocketType,
        /// Why.
        cause: zmq::Error,
    },
    /// One of its options.
    #[error(transparent)]
    Option(#[from] OptionError),
    /// Its keys.
    #[error(transparent)]
    Security(#[from] SecurityError),
    /// A topic.
    #[error("cannot subscribe to \"{topic}\": {cause}")]
    Subscribe {
        /// Which.
        topic: String,
        /// Why.
        cause: zmq::Error,
    },
    /// One endpoint; the others may work.
    #[error("cannot listen on {endpoint}: {cause}")]
    Bind {
        /// As it was written.
        endpoint: String,
        /// Why, as text.
        cause: String,
    },
    /// An endpoint that does not fit the socket's side.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
}

impl OpenError {
    /// Whether trying again with the same keys cannot help: libzmq or the configuration would have to change. Want of
    /// descriptors or memory, and an address that somebody else uses, may pass.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        let is_permanent =
            |cause: &zmq::Error| !matches!(cause.errno(), libc::EMFILE | libc::ENFILE | libc::ENOMEM | libc::EAGAIN);
        match self {
            Self::Create { cause, .. } | Self::Subscribe { cause, .. } => is_permanent(cause),
            Self::Option(_) | Self::Security(_) | Self::Endpoint(_) => true,
            Self::Bind { .. } => false,
        }
    }
}

/// libzmq's own limit for a handshake (zmq_setsockopt(3), ZMQ_HANDSHAKE_IVL).
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(30);
/// A connection attempt ends after this: the system's own limit is two minutes.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// That limit of Linux (tcp(7), tcp_syn_retries).
const SYSTEM_CONNECT_TIMEOUT: Duration = Duration::from_secs(130);
/// An endpoint that has no connection for so long is reported.
const REPORT_AFTER: Duration = Duration::from_secs(10);
/// The reason is looked for a little before, so that it is there by then.
const PROBE_AFTER: Duration = Duration::from_secs(9);
/// How often it is looked for again.
const PROBE_EVERY: Duration = Duration::from_secs(30);

/// What every socket of a module needs.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// What watches connections.
    pub driver: Arc<Driver>,
    /// The context of the module. The last one to go.
    pub context: Context,
}

impl SocketPlan {
    /// The endpoints that are connected to, each with its place.
    fn connects(&self) -> Result<Vec<(usize, &Address)>, EndpointError> {
        let mut connects = Vec::new();
        for (place, endpoint) in self.endpoints.iter().enumerate() {
            if endpoint.side(self.socket_type.natural_side())? == Side::Connect {
                connects.push((place, &endpoint.address));
            }
        }
        Ok(connects)
    }

    fn manner(&self) -> Manner {
        Manner {
            uses_ipv6: self.wants_ipv6(),
            uses_curve: !matches!(*self.security, Security::None),
            is_curve_client: matches!(*self.security, Security::CurveClient { .. }),
            handshake_timeout: self.options.handshake_timeout.unwrap_or(HANDSHAKE_TIMEOUT),
            connect_timeout: match self.options.connect_timeout {
                None => CONNECT_TIMEOUT,
                Some(Duration::ZERO) => SYSTEM_CONNECT_TIMEOUT,
                Some(timeout) => timeout,
            },
            timing: Timing {
                backoff: self.backoff(),
                probe_after: PROBE_AFTER,
                probe_every: PROBE_EVERY,
                report_after: REPORT_AFTER,
            },
        }
    }

    /// How long a peer may be silent.
    fn heartbeat_timeout(&self) -> Option<Duration> {
        let options = &self.options;
        options.heartbeat_interval.map(|interval| options.heartbeat_timeout.unwrap_or(interval))
    }

    /// Whether the socket uses IPv6: where it is asked for, or an endpoint is an IPv6 address.
    fn wants_ipv6(&self) -> bool {
        self.options.ipv6.unwrap_or_else(|| self.endpoints.iter().any(|endpoint| endpoint.address.is_ipv6()))
    }

    /// Binds what can be bound outside libzmq, one element per endpoint, and reports what cannot be bound at all.
    /// Call it while the process still has its privileges.
    pub fn bind_early(&self, _phase: impl MayOpenSockets) -> (Vec<Option<Listener>>, Vec<OpenError>) {
        let mut errors = Vec::new();
        let mut listeners = Vec::with_capacity(self.endpoints.len());
        for endpoint in &self.endpoints {
            match self.bind_listener(endpoint) {
                Ok(listener) => listeners.push(listener),
                Err(error) => {
                    errors.push(error);
                    listeners.push(None);
                }
            }
        }
        (listeners, errors)
    }

    fn bind_listener(&self, endpoint: &Endpoint) -> Result<Option<Listener>, OpenError> {
        if endpoint.side(self.socket_type.natural_side())? != Side::Bind {
            return Ok(None);
        }
        Listener::bind(&endpoint.address, self.wants_ipv6(), self.options.backlog, self.socket_file)
            .map_err(|cause| OpenError::Bind { endpoint: endpoint.address.to_string(), cause: cause.to_string() })
    }

    fn backoff(&self) -> Backoff {
        Backoff {
            first: self.options.reconnect_interval.unwrap_or(Duration::from_millis(100)),
            longest: self.options.reconnect_interval_max.unwrap_or(Duration::from_secs(30)),
        }
    }
}

/// A socket at work. Dropping it ends the watch of its connections and closes it.
#[derive(Debug)]
pub struct OpenSocket {
    /// The socket itself.
    pub socket: Socket,
    /// What is known of its connections.
    pub link: Link,
    /// What it is connected to, as libzmq writes it, by the endpoint's place in the plan.
    connected: Vec<(usize, String)>,
    /// The endpoints it listens on, as libzmq writes it.
    pub bound: Vec<String>,
    /// How many endpoints it connects to.
    connects: usize,
    /// Listeners that failed, by their place in the plan.
    failed: Vec<usize>,
}

impl OpenSocket {
    /// Opens the socket: options and keys first, then every listener. A listener that fails is reported and can be tried again
    /// with [`OpenSocket::retry`]; anything else fails the whole socket. What it connects to follows by commands to its owner.
    pub fn open(
        surroundings: &Surroundings,
        plan: &SocketPlan,
        listeners: &mut [Option<Listener>],
        owner: Arc<dyn LinkOwner>,
    ) -> Result<(Self, Vec<OpenError>), OpenError> {
        let create = |cause| OpenError::Create { socket_type: plan.socket_type, cause };
        let connects = plan.connects()?;
        let socket = surroundings.context.socket(plan.socket_type.kind()).map_err(create)?;
        socket.set_int(option::LINGER, 0).map_err(create)?;
        if plan.socket_type == SocketType::Pub {
            // Report every subscription, with its connection.
            socket.set_int(option::XPUB_VERBOSE, 1).map_err(create)?;
        }
        if plan.socket_type.is_publisher() {
            // Refuse a frame that a subscriber has no room for. RADIO has the option too (libzmq radio.cpp).
            socket.set_int(option::XPUB_NODROP, 1).map_err(create)?;
        }
        let (count, to_listen) = (connects.len(), plan.endpoints.len() - connects.len());
        if plan.socket_type.balances_load() && count > 0 && plan.endpoints.len() > 1 {
            // libzmq deals messages out to its pipes in turn, and gives an endpoint a pipe before anybody has answered there:
            // what goes into one whose peer then refuses is lost. So with a choice of peers only those that are ready have one.
            // With a single endpoint the pipe stays, because it keeps what is inside over an ordinary reconnect.
            socket.set_int(option::IMMEDIATE, 1).map_err(create)?;
        }
        let mut options = plan.options.clone();
        options.ipv6 = Some(plan.wants_ipv6());
        options.connect_timeout.get_or_insert(CONNECT_TIMEOUT);
        options.apply(&socket)?;
        plan.security.apply(&socket, &plan.zap_domain)?;
        let failed =
            (0..plan.endpoints.len()).filter(|place| connects.iter().all(|(other, _)| other != place)).collect();
        let watch = WatchPlan {
            name: plan.socket_type.name(),
            connects,
            manner: plan.manner(),
            heartbeat_timeout: plan.heartbeat_timeout(),
            judges_ends: plan.socket_type.is_receiving(),
        };
        let link =
            surroundings.driver.watch(&surroundings.context, &socket, watch, Arc::clone(&owner)).map_err(create)?;
        let mut open = Self {
            socket,
            link,
            connected: Vec::with_capacity(count),
            bound: Vec::with_capacity(to_listen),
            connects: count,
            failed,
        };
        for topic in &plan.topics {
            subscribe(&open.socket, plan.socket_type, topic)
                .map_err(|cause| OpenError::Subscribe { topic: topic.clone(), cause })?;
        }
        owner.commands().set_link(open.link.handle());
        let errors = open.retry(plan, listeners);
        open.link.start();
        Ok((open, errors))
    }

    fn disconnect(&mut self, endpoint: usize) {
        let place = self.connected.iter().position(|(other, _)| *other == endpoint);
        if let Some((_, old)) = place.map(|place| self.connected.swap_remove(place)) {
            let _ = self.socket.disconnect(&old);
        }
    }

    fn connect(&mut self, plan: &SocketPlan, endpoint: usize, new: String) {
        let has_source = plan
            .endpoints
            .get(endpoint)
            .is_some_and(|endpoint| matches!(endpoint.address, Address::Tcp { source: Some(_), .. }));
        let is_listable = if has_source {
            // libzmq takes the source for an interface's name first.
            network_interfaces::check_listable().map_err(|cause| cause.to_string())
        } else {
            Ok(())
        };
        match is_listable.and_then(|()| self.socket.connect(&new).map_err(|cause| cause.to_string())) {
            Ok(()) => self.connected.push((endpoint, new)),
            Err(cause) => self.link.connect_failed(endpoint, &cause),
        }
    }

    /// Carries out the commands that are about its endpoints; the last one with other keys is handed back.
    pub fn obey(&mut self, plan: &SocketPlan, commands: Vec<Command>) -> Option<Arc<Security>> {
        // First what goes, then what comes: libzmq may use the memory of a session that it still points to for a new one.
        for command in &commands {
            if let Command::Connect { endpoint, .. } | Command::Disconnect(endpoint) = command {
                self.disconnect(*endpoint);
            }
        }
        let mut keys = None;
        for command in commands {
            match command {
                Command::Connect { endpoint, new } => self.connect(plan, endpoint, new),
                Command::Disconnect(_) => {}
                Command::Rekey(security) => keys = Some(security),
            }
        }
        keys
    }

    /// The last keys among commands for a socket that is not open.
    #[must_use]
    pub fn keys_in(commands: Vec<Command>) -> Option<Arc<Security>> {
        let keys = |command| if let Command::Rekey(security) = command { Some(security) } else { None };
        commands.into_iter().filter_map(keys).last()
    }

    /// Whether it only listens.
    #[must_use]
    pub fn only_listens(&self) -> bool {
        self.connects == 0
    }

    /// Whether listeners have failed so far.
    #[must_use]
    pub fn has_failed_listeners(&self) -> bool {
        !self.failed.is_empty()
    }

    /// Tries the listeners that failed so far; returns what still fails.
    pub fn retry(&mut self, plan: &SocketPlan, listeners: &mut [Option<Listener>]) -> Vec<OpenError> {
        let mut errors = Vec::new();
        for index in std::mem::take(&mut self.failed) {
            let Some(endpoint) = plan.endpoints.get(index) else { continue };
            let mut none = None;
            let listener = listeners.get_mut(index).unwrap_or(&mut none);
            if let Err(error) = self.attach(plan, endpoint, listener) {
                errors.push(error);
                self.failed.push(index);
            }
        }
        errors
    }

    fn attach(
        &mut self,
        plan: &SocketPlan,
        endpoint: &Endpoint,
        listener: &mut Option<Listener>,
    ) -> Result<(), OpenError> {
        let address = endpoint.address.to_string();
        if listener.is_none() {
            *listener = plan.bind_listener(endpoint)?;
        }
        let failed = |cause: String| OpenError::Bind { endpoint: address.clone(), cause };
        let bound = match listener {
            Some(listener) => self.bind_to(&endpoint.address, listener.duplicate().map_err(|e| failed(e.to_string()))?),
            None => self.socket.bind(&address),
        };
        bound.map_err(|cause| failed(cause.to_string()))?;
        self.bound.push(self.socket.last_endpoint().unwrap_or(address));
        Ok(())
    }

    /// Hands a listening descriptor over; libzmq owns it from a successful bind on.
    fn bind_to(&self, address: &Address, descriptor: OwnedFd) -> zmq::Result<()> {
        self.socket.set_int(option::USE_FD, descriptor.as_raw_fd())?;
        // libzmq ignores the address of a descriptor, but parses it: a wildcard port must not stand there.
        let address = match address {
            Address::Tcp { .. } => "tcp://127.0.0.1:1".to_owned(),
            other => other.to_string(),
        };
        let bound = self.socket.bind(&address);
        let reset = self.socket.set_int(option::USE_FD, -1);
        if bound.is_ok() {
            let _owned_by_libzmq = descriptor.into_raw_fd();
        }
        bound.and(reset)
    }

    /// Stops listening and connecting. What has arrived stays readable.
    pub fn detach(&mut self) {
        self.link.be_quiet();
        for endpoint in self.bound.drain(..) {
            let _ = self.socket.unbind(&endpoint);
        }
        for (_, endpoint) in self.connected.drain(..) {
            let _ = self.socket.disconnect(&endpoint);
        }
    }
}

impl Drop for OpenSocket {
    fn drop(&mut self) {
        self.link.detach(&self.socket);
    }
}

fn subscribe(socket: &Socket, socket_type: SocketType, topic: &str) -> zmq::Result<()> {
    if socket_type == SocketType::Dish {
        let group = std::ffi::CString::new(topic).map_err(|_| zmq::Error::from_errno(libc::EINVAL))?;
        return socket.join(&group);
    }
    socket.set_bytes(option::SUBSCRIBE, topic.as_bytes())
}

/// A port of every TCP endpoint that is bound, for `listenportfilename`; in the plan's order.
#[must_use]
pub fn bound_ports(listeners: &[Option<Listener>]) -> Vec<u16> {
    listeners.iter().flatten().filter_map(Listener::port).collect()
}

/// Whether an endpoint can be reached from other machines, for warnings.
#[must_use]
pub fn is_local(address: &Address) -> bool {
    match address {
        Address::Ipc(_) | Address::Inproc(_) => true,
        Address::Tcp { host: Host::Ipv4(ip), .. } => ip.is_loopback(),
        Address::Tcp { host: Host::Ipv6(ip, _), .. } => ip.is_loopback(),
        Address::Tcp { host: Host::Name(name), .. } => name == "localhost" || name == "lo",
        Address::Tcp { host: Host::Any, .. } => false,
    }
}
