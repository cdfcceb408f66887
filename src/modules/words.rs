//! The log lines that both modules write about their sockets. A state change is logged once; repeats are counted.

use std::collections::HashSet;

use crate::host::log;
use crate::host::statistics::Named;
use crate::transport::counters::ConnectionCounters;
use crate::transport::link::reconnect::PeerEvent;
use crate::transport::socket::open::OpenError;

/// What has been said about one socket, so that it is not said again until it changes.
#[derive(Debug, Default)]
pub(super) struct Said {
    failed_opens: HashSet<String>,
    failed_handshakes: HashSet<String>,
    has_said_oversize: bool,
}

impl Said {
    /// An endpoint or the socket cannot be opened.
    pub(super) fn open_failed(&mut self, name: &str, error: &OpenError) {
        let text = error.to_string();
        if self.failed_opens.insert(text.clone()) {
            log::error(&format!("{name}: {text}; trying again every 5 seconds"));
        }
    }

    /// Everything is open that had failed.
    pub(super) fn recovered(&mut self, name: &str) {
        self.failed_opens.clear();
        log::notice(&format!("{name}: all endpoints are open now"));
    }

    /// A peer came, went or was refused.
    pub(super) fn peer(&mut self, name: &str, event: &PeerEvent) {
        match event {
            PeerEvent::Ready { endpoint } => {
                self.failed_handshakes.clear();
                log::debug(&format!("{name}: connected: {endpoint}"));
            }
            PeerEvent::Oversize { endpoint } => {
                if std::mem::replace(&mut self.has_said_oversize, true) {
                    log::debug(&format!("{name}: a frame over maxmsgsize, connection ended: {endpoint}"));
                } else {
                    log::warning(&format!(
                        "{name}: a peer sent a frame over maxmsgsize, and its connection was ended ({endpoint}); more of \
                         this is only counted, in oversize"
                    ));
                }
            }
            PeerEvent::Lost { endpoint } => log::debug(&format!("{name}: connection lost: {endpoint}")),
            PeerEvent::Failed { text, is_refusal, is_ours } => {
                // A listener's refusals are reported by the authenticator, with names.
                if *is_ours && self.failed_handshakes.insert(text.clone()) {
                    let hint = if *is_refusal {
                        "; is our certificate in the server's list of allowed ones? Trying again"
                    } else {
                        "; trying again"
                    };
                    log::error(&format!("{name}: {text}{hint}"));
                } else {
                    log::debug(&format!("{name}: {text}"));
                }
            }
        }
    }
}

/// What every socket counts about its connections.
pub(super) fn connection_counters(counters: &ConnectionCounters) -> Vec<Named<'_>> {
    [
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
