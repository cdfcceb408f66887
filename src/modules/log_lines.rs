//! The log lines that both modules write about their sockets. A state change is logged once; repeats are counted.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::log_writer::Log;
use crate::host::log;
use crate::host::statistics::Named;
use crate::transport::counters::ConnectionCounters;
use crate::transport::link::{LinkEvent, Refusal, State};
use crate::transport::socket::open::OpenError;

#[derive(Debug, Default)]
struct Logged {
    failed_opens: HashSet<String>,
    has_oversize: bool,
}

/// The lines about one socket, and what has been written so that it is not written again until it changes.
#[derive(Debug)]
pub(super) struct SocketLog {
    name: String,
    log: Log,
    logged: Mutex<Logged>,
}

impl SocketLog {
    pub(super) fn new(name: &str, log: &Log) -> Self {
        Self { name: name.to_owned(), log: log.clone(), logged: Mutex::default() }
    }

    /// The socket's name.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Where the lines go.
    pub(super) fn log(&self) -> &Log {
        &self.log
    }

    fn logged(&self) -> MutexGuard<'_, Logged> {
        self.logged.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A listener or the socket cannot be opened.
    pub(super) fn open_failed(&self, error: &OpenError) {
        let text = error.to_string();
        if self.logged().failed_opens.insert(text.clone()) {
            let what_follows = if error.is_permanent() {
                "not tried again until the keys change"
            } else {
                "trying again every 5 seconds"
            };
            self.log.error(format!("{}: {text}; {what_follows}", self.name));
        }
    }

    /// Everything is open that had failed.
    pub(super) fn recovered(&self) {
        self.logged().failed_opens.clear();
        self.log.notice(format!("{}: all endpoints are open now", self.name));
    }

    /// Something happened to a connection.
    pub(super) fn link(&self, event: &LinkEvent) {
        let name = &self.name;
        match event {
            LinkEvent::Changed { name: endpoint, state, .. } => log::debug(&format!("{name}: {endpoint}: {state}")),
            LinkEvent::Away { name: endpoint, state: State::Refused(refusal), .. } => {
                let hint = hint(*refusal);
                self.log.error(format!("{name}: no connection to {endpoint}: {refusal}{hint}; trying again"));
            }
            LinkEvent::Away { name: endpoint, state, .. } => {
                let reason = match state {
                    State::Unreachable(Some(obstacle)) => obstacle.to_string(),
                    other => other.to_string(),
                };
                self.log.warning(format!("{name}: cannot reach {endpoint}: {reason}; trying again"));
            }
            LinkEvent::Back { name: endpoint, after } => {
                self.log.notice(format!("{name}: connected to {endpoint} again after {}", in_one_unit(*after)));
            }
            LinkEvent::AcceptedReady => log::debug(&format!("{name}: a peer is connected")),
            LinkEvent::AcceptedLost => log::debug(&format!("{name}: a peer has gone")),
            // The authenticator reports its own refusals, with names.
            LinkEvent::AcceptedFailed(_, text) => log::debug(&format!("{name}: {text}")),
            LinkEvent::Oversize(place) => {
                if std::mem::replace(&mut self.logged().has_oversize, true) {
                    log::debug(&format!("{name}: a frame over maxmsgsize from {place}, connection ended"));
                } else {
                    self.log.warning(format!(
                        "{name}: a peer sent a frame over maxmsgsize, and its connection was ended ({place}); more of this is \
                         only counted, in oversize"
                    ));
                }
            }
        }
    }
}

/// What an administrator can do about a refusal.
fn hint(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::Key => " (is our certificate in the server's list of allowed ones?)",
        Refusal::Mechanism => " (compare authtype on both sides)",
        Refusal::ServerKey => " (compare servercertpath with the server's own certificate)",
        _ => "",
    }
}

/// A duration for people: one unit.
fn in_one_unit(duration: Duration) -> String {
    match duration.as_secs() {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7200 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3600),
    }
}

/// What every socket counts about its connections.
pub(super) fn connection_counters(counters: &ConnectionCounters) -> Vec<Named<'_>> {
    [
        ("endpoints", &counters.endpoints, true),
        ("connections_active", &counters.active, true),
        ("connections_accepted", &counters.accepted, false),
        ("connections_closed", &counters.closed, false),
        ("reconnects", &counters.reconnects, false),
        ("connections_revoked", &counters.revoked, false),
        ("auth_allowed", &counters.auth_allowed, false),
        ("auth_denied", &counters.auth_denied, false),
        ("handshakes_succeeded", &counters.handshakes_succeeded, false),
        ("handshakes_failed_auth", &counters.handshakes_failed_auth, false),
        ("handshakes_failed_protocol", &counters.handshakes_failed_protocol, false),
        ("handshakes_failed_other", &counters.handshakes_failed_other, false),
    ]
    .map(|(name, counter, is_gauge)| Named { name, counter: counter.as_atomic(), is_gauge })
    .into()
}
