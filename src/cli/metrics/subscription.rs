//! The network side of a configuration: where to, with which keys, for which topics; and the subscriber that follows from it.
#![forbid(unsafe_code)]

use std::os::fd::RawFd;
use std::path::PathBuf;
use std::time::Duration;

use crate::cli::client_keys::{self, ClientKeys};
use crate::cli::connection_report::{HEARTBEAT, MOST_FRAME_BYTES};
use crate::cli::exit::Failure;
use crate::cli::frame_decoding::FrameDecoding;
use crate::cli::metrics::configuration::Configuration;
use crate::cli::metrics::state;
use crate::sys::zmq::Context;
use crate::transport::address::endpoint::Endpoint;
use crate::transport::subscribe::{Options, State, Subscriber, SubscriberError, SubscriberEvent};

/// What a configuration says about the network.
pub(super) struct Network {
    endpoints: Vec<Endpoint>,
    server_cert: Option<PathBuf>,
    client_cert: Option<PathBuf>,
    heartbeat: Duration,
    /// How to take apart what arrives.
    pub(super) decoding: FrameDecoding,
}

impl Network {
    /// Reads the endpoints and the delimiter.
    pub(super) fn of(configuration: &Configuration) -> Result<Self, Failure> {
        let mut endpoints = Vec::new();
        for list in &configuration.endpoints.0 {
            endpoints.extend(Endpoint::parse_list(list).map_err(Failure::failed)?);
        }
        let delimiter = configuration.topic_delimiter.map(u8::try_from).transpose();
        let delimiter = delimiter.map_err(|_| Failure::failed("topic-delimiter is one ASCII character"))?;
        Ok(Self {
            endpoints,
            server_cert: configuration.server_cert.clone(),
            client_cert: configuration.client_cert.clone(),
            heartbeat: configuration.heartbeat.map_or(HEARTBEAT, |heartbeat| heartbeat.0),
            decoding: FrameDecoding { are_packed: configuration.unpack, topic_delimiter: delimiter },
        })
    }

    fn has_endpoints_of(&self, other: &Self) -> bool {
        let addresses = |network: &Self| network.endpoints.iter().map(ToString::to_string).collect::<Vec<_>>();
        addresses(self) == addresses(other) && self.heartbeat == other.heartbeat
    }
}

/// All that a subscriber is made of, read and checked.
pub(super) struct Plan {
    network: Network,
    keys: ClientKeys,
    topics: Vec<Vec<u8>>,
}

impl Plan {
    /// Reads the certificates.
    pub(super) fn new(network: Network, topics: Vec<Vec<u8>>) -> Result<Self, Failure> {
        if network.endpoints.is_empty() {
            return Err(Failure::usage("no endpoint: neither the command line nor the configuration has one"));
        }
        let keys = client_keys::load(network.server_cert.as_deref(), network.client_cert.as_deref())?;
        Ok(Self { network, keys, topics })
    }

    fn open(&self) -> Result<(Subscriber, Context), Failure> {
        let context = Context::new().map_err(Failure::failed)?;
        let options = Options {
            endpoints: self.network.endpoints.clone(),
            topics: self.topics.clone(),
            security: self.keys.security.clone(),
            heartbeat: self.network.heartbeat,
            receive_high_water_mark: 10_000,
            max_message_bytes: MOST_FRAME_BYTES,
        };
        let subscriber = Subscriber::open(&context, options).map_err(|error| match error {
            SubscriberError::Endpoint(error) => Failure::usage(error),
            error => Failure::failed(error),
        })?;
        Ok((subscriber, context))
    }
}

/// A plan could not take the place of another one.
pub(super) enum ReplaceError {
    /// The old one is in force as before.
    Kept(Failure),
    /// Neither could be opened.
    Lost(Failure),
}

/// The subscriber of a plan.
pub(super) struct Subscription {
    plan: Plan,
    /// `None` only while one takes the place of another. The context is dropped last: that waits until every socket of it is
    /// closed, and its address is free.
    open: Option<(Subscriber, Context)>,
}

impl Subscription {
    /// Opens its sockets.
    pub(super) fn open(plan: Plan) -> Result<Self, Failure> {
        let open = Some(plan.open()?);
        Ok(Self { plan, open })
    }

    /// Follows another plan from now on. Connections stay where it has the same endpoints and keys; otherwise all are closed
    /// before the first of it is opened, because an endpoint that listens may be in both.
    pub(super) fn replace(&mut self, plan: Plan) -> Result<(), ReplaceError> {
        let is_like = plan.network.has_endpoints_of(&self.plan.network) && plan.keys.are_like(&self.plan.keys);
        if let Some((subscriber, _)) = self.open.as_mut().filter(|_| is_like) {
            let set = subscriber.set_topics(plan.topics.clone());
            set.map_err(|error| ReplaceError::Kept(Failure::failed(error)))?;
            // A key that was made for this run is kept with the connections.
            (self.plan.network, self.plan.topics) = (plan.network, plan.topics);
            return Ok(());
        }
        self.open = None;
        match plan.open() {
            Ok(open) => {
                *self = Self { plan, open: Some(open) };
                Ok(())
            }
            Err(failure) => match self.plan.open() {
                Ok(open) => {
                    self.open = Some(open);
                    Err(ReplaceError::Kept(failure))
                }
                Err(_) => Err(ReplaceError::Lost(failure)),
            },
        }
    }

    /// How to take apart what arrives.
    pub(super) fn decoding(&self) -> FrameDecoding {
        self.plan.network.decoding
    }

    /// Where our own key came from.
    pub(super) fn key_origin(&self) -> client_keys::KeyOrigin {
        self.plan.keys.origin
    }

    /// The endpoints, with what is known of them now.
    pub(super) fn endpoints(&self) -> Vec<state::Endpoint> {
        let Some((subscriber, _)) = &self.open else { return Vec::new() };
        let endpoint = |index| {
            let mut endpoint = state::Endpoint::new(subscriber.address(index));
            endpoint.connection = subscriber.state(index).cloned().unwrap_or(State::Connecting);
            endpoint
        };
        (0..subscriber.sources()).map(endpoint).collect()
    }

    /// As [`Subscriber::wait`].
    pub(super) fn wait(
        &mut self,
        wake: RawFd,
        timeout: Option<Duration>,
        report: &mut dyn FnMut(SubscriberEvent),
    ) -> Result<bool, Failure> {
        let Some((subscriber, _)) = &mut self.open else { return Err(Failure::failed("nothing is subscribed to")) };
        subscriber.wait(wake, timeout, report).map_err(Failure::failed)
    }
}
