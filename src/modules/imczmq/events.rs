//! What an input's receiver delivers and tells: log messages for rsyslog, and words for its log.

use std::collections::HashMap;
use std::ffi::CStr;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use super::rate_limit::{RateLimit, Verdict};
use super::settings::InputSettings;

use crate::host::message::{Origin, SubmitSettings, Submitter};
use crate::host::{local_host_name, log};
use crate::modules::words::Said;
use crate::sys::zmq::Message;
use crate::transport::receive::event_loop::{Intake, ReceiverEvent, ReceiverShared};

/// Peers whose origins are kept; beyond that the oldest knowledge is thrown away whole.
const MOST_PEERS: usize = 4096;

/// See the module's text. Lives in the receiver's thread.
pub(super) struct LogIntake<'a> {
    name: &'a str,
    submitter: Submitter<'a>,
    shared: Arc<ReceiverShared>,
    rate_limit: Option<RateLimit>,
    adds_metadata: bool,
    /// How many bytes the submitter may hold.
    max_bytes: usize,
    origins: HashMap<String, Rc<Origin>>,
    last: Option<(String, Rc<Origin>)>,
    said: Said,
}

impl<'a> LogIntake<'a> {
    pub(super) fn new(
        name: &'a str,
        settings: &InputSettings,
        submit: &'a SubmitSettings,
        shared: Arc<ReceiverShared>,
        said: Said,
    ) -> Self {
        Self {
            name,
            submitter: Submitter::new(submit),
            shared,
            rate_limit: RateLimit::new(settings.rate_interval, settings.rate_burst, Instant::now()),
            adds_metadata: settings.adds_metadata,
            max_bytes: settings.max_bytes,
            origins: HashMap::new(),
            last: None,
            said,
        }
    }

    /// Where the frame came from; the same object as long as the peer's address is the same.
    fn origin(&mut self, carrier: &Message) -> Option<Rc<Origin>> {
        let address = carrier.property(c"Peer-Address").unwrap_or_default();
        if let Some((last, origin)) = &self.last {
            if last == address {
                return Some(Rc::clone(origin));
            }
        }
        let origin = match self.origins.get(address) {
            Some(origin) => Rc::clone(origin),
            None => {
                if self.origins.len() >= MOST_PEERS {
                    self.origins.clear();
                }
                let origin = Rc::new(origin_of(address)?);
                self.origins.insert(address.to_owned(), Rc::clone(&origin));
                origin
            }
        };
        self.last = Some((address.to_owned(), Rc::clone(&origin)));
        Some(origin)
    }
}

/// The origin for a `Peer-Address`: an IP address for TCP, written as IPv4 where it is one; nothing useful for ipc and
/// inproc, whose peers are on this machine.
fn origin_of(address: &str) -> Option<Origin> {
    match address.parse::<IpAddr>() {
        Ok(ip) => {
            let ip = ip.to_canonical().to_string();
            Origin::new(&ip, &ip)
        }
        Err(_) => Origin::new(&local_host_name(), "127.0.0.1"),
    }
}

/// A property of the connection; an empty one is none.
fn property<'m>(carrier: &'m Message, name: &CStr) -> Option<&'m [u8]> {
    carrier.property(name).filter(|text| !text.is_empty()).map(str::as_bytes)
}

impl LogIntake<'_> {
    fn is_within_rate(&mut self) -> bool {
        let Some(limit) = &mut self.rate_limit else { return true };
        let name = self.name;
        match limit.judge(Instant::now()) {
            Verdict::Pass => true,
            Verdict::PassAfter(dropped) => {
                log::warning(&format!("{name}: {dropped} messages were dropped by the rate limit"));
                true
            }
            verdict => {
                if verdict == Verdict::DropFirst {
                    log::warning(&format!("{name}: begin to drop messages due to rate-limiting"));
                }
                self.shared.counters.ratelimited.increment();
                false
            }
        }
    }
}

impl Intake for LogIntake<'_> {
    fn record(&mut self, carrier: &Message, topic: Option<&[u8]>, record: &[u8]) -> bool {
        if !self.is_within_rate() {
            return false;
        }
        let Some(origin) = self.origin(carrier) else { return false };
        if self.submitter.held_bytes() + record.len() > self.max_bytes {
            self.submitter.flush();
        }
        if !self.adds_metadata {
            return self.submitter.add(record, &origin, None);
        }
        let name = self.name;
        let metadata = [
            ("input", Some(name.as_bytes())),
            ("topic", topic.or_else(|| carrier.group().map(CStr::to_bytes))),
            ("address", property(carrier, c"Peer-Address")),
            ("userid", property(carrier, c"User-Id")),
            ("certificate", property(carrier, c"name")),
        ];
        self.submitter.add(record, &origin, Some(&metadata))
    }

    fn flush(&mut self) {
        self.submitter.flush();
    }

    fn tell(&mut self, event: ReceiverEvent<'_>) {
        let name = self.name;
        match event {
            ReceiverEvent::OpenFailed(error) => self.said.open_failed(name, error),
            ReceiverEvent::Opened(bound, connected) => {
                log::debug(&format!("{name}: listens on {bound:?}, connects to {connected:?}"));
            }
            ReceiverEvent::Recovered => self.said.recovered(name),
            ReceiverEvent::Peer(event) => self.said.peer(name, &event),
            ReceiverEvent::TooManyFrames(count) => {
                log::debug(&format!("{name}: a message of {count} frames was dropped; see maxframes"));
            }
        }
    }
}
