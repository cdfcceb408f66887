//! What an input's receiver delivers and tells: log messages for rsyslog, and lines for its log.

use std::collections::HashMap;
use std::ffi::CStr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use super::rate_limit::{RateLimit, Verdict};
use super::settings::InputSettings;

use crate::host::message::{Origin, Refusal, Submission, SubmitSettings, Submitter};
use crate::host::{local_host_name, log};
use crate::modules::log_lines::SocketLog;
use crate::sys::descriptors::PeerAddress;
use crate::sys::zmq::Message;
use crate::transport::receive::event_loop::{Intake, ReceiverEvent, ReceiverShared};

/// Peers whose origins are kept; beyond that the oldest knowledge is thrown away whole.
const MOST_PEERS: usize = 4096;

/// Lives in the receiver's thread.
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
    log: Arc<SocketLog>,
    /// Log messages that the host has refused since it last took one.
    refused: u64,
}

impl<'a> LogIntake<'a> {
    pub(super) fn new(
        name: &'a str,
        settings: &InputSettings,
        submit: &'a SubmitSettings,
        shared: Arc<ReceiverShared>,
        log: Arc<SocketLog>,
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
            log,
            refused: 0,
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
    match PeerAddress::parse(address) {
        Some(PeerAddress::Ip(ip)) => {
            let ip = ip.to_string();
            Origin::new(&ip, &ip)
        }
        _ => Origin::new(&local_host_name(), "127.0.0.1"),
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

impl LogIntake<'_> {
    /// Counts what became of log messages. That the host refuses them, or takes them again, is logged once.
    fn count(&mut self, submission: Submission) {
        let counters = &self.shared.counters;
        counters.submitted.add(submission.taken);
        counters.submit_failed.add(submission.refused);
        let name = self.name;
        match submission.refusal {
            Some(why) => {
                if self.refused == 0 {
                    log::error(&format!(
                        "{name}: rsyslog refused log messages ({why}), which are lost; submit_failed counts them"
                    ));
                }
                self.refused += submission.refused;
            }
            None if self.refused > 0 && submission.taken > 0 => {
                log::notice(&format!("{name}: rsyslog takes log messages again; it refused {}", self.refused));
                self.refused = 0;
            }
            None => {}
        }
    }

    fn add(&mut self, carrier: &Message, topic: Option<&[u8]>, record: &[u8], origin: &Origin) -> Submission {
        if !self.adds_metadata {
            return self.submitter.add(record, origin, None);
        }
        let name = self.name;
        let metadata = [
            ("input", Some(name.as_bytes())),
            ("topic", topic.or_else(|| carrier.group().map(CStr::to_bytes))),
            ("address", property(carrier, c"Peer-Address")),
            ("userid", property(carrier, c"User-Id")),
            ("certificate", property(carrier, c"name")),
        ];
        self.submitter.add(record, origin, Some(&metadata))
    }
}

impl Intake for LogIntake<'_> {
    fn record(&mut self, carrier: &Message, topic: Option<&[u8]>, record: &[u8]) {
        if !self.is_within_rate() {
            return;
        }
        let Some(origin) = self.origin(carrier) else {
            return self.count(Submission::refused(1, Refusal::NoMemory));
        };
        if self.submitter.held_bytes() + record.len() > self.max_bytes {
            self.flush();
        }
        let submission = self.add(carrier, topic, record, &origin);
        if submission != Submission::default() {
            self.count(submission);
        }
    }

    fn flush(&mut self) {
        let submission = self.submitter.flush();
        self.count(submission);
    }

    fn tell(&mut self, event: ReceiverEvent<'_>) {
        let name = self.name;
        match event {
            ReceiverEvent::OpenFailed(error) => self.log.open_failed(error),
            ReceiverEvent::Recovered => self.log.recovered(),
            ReceiverEvent::TooManyFrames(count) => {
                log::debug(&format!("{name}: a message of {count} frames was dropped; see maxframes"));
            }
        }
    }
}
