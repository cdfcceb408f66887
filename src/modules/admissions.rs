//! What the authenticator reports, brought to the sockets it concerns: counters, log lines, and the end of connections
//! whose key was removed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::log_writer::Log;
use crate::curve::authenticator::AuthEvent;
use crate::host::log;
use crate::transport::link::LinkOwner;

/// The sockets that admit clients. Called in the authenticator's thread, and while a socket is being registered; none of it
/// waits for anything.
pub(super) struct Admissions {
    /// By their ZAP domain.
    sockets: Mutex<HashMap<String, Arc<dyn LinkOwner>>>,
    denials: Mutex<Denials>,
    log: Log,
}

impl Admissions {
    pub(super) fn new(log: Log) -> Self {
        Self { sockets: Mutex::default(), denials: Mutex::default(), log }
    }

    fn sockets(&self) -> MutexGuard<'_, HashMap<String, Arc<dyn LinkOwner>>> {
        self.sockets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn socket(&self, domain: &str) -> Option<Arc<dyn LinkOwner>> {
        self.sockets().get(domain).cloned()
    }

    /// A socket that admits clients, by its ZAP domain.
    pub(super) fn register(&self, domain: &str, owner: Arc<dyn LinkOwner>) {
        self.sockets().insert(domain.to_owned(), owner);
    }

    /// Takes in what the authenticator reports.
    pub(super) fn take(&self, event: &AuthEvent) {
        match event {
            AuthEvent::Allowed { domain, address, key, .. } => {
                if let Some(owner) = self.socket(domain) {
                    owner.connections().auth_allowed.increment();
                    if let Some(link) = owner.commands().link() {
                        link.authenticated(address, *key);
                    }
                }
                log::debug(&event.to_string());
            }
            AuthEvent::Denied { domain, .. } => {
                if let Some(owner) = self.socket(domain) {
                    owner.connections().auth_denied.increment();
                }
                let line = self
                    .denials
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .line(&event.to_string(), Instant::now());
                if let Some(line) = line {
                    self.log.warning(line);
                }
            }
            AuthEvent::Revoked { domain, key, .. } => {
                if let Some(link) = self.socket(domain).and_then(|owner| owner.commands().link()) {
                    link.revoke(*key);
                }
                self.log.notice(format!("{event}; its connections are ended"));
            }
            AuthEvent::DirectoryBack { .. } => self.log.notice(event.to_string()),
            AuthEvent::FileSkipped { .. } => self.log.warning(event.to_string()),
            _ => self.log.error(event.to_string()),
        }
    }
}

/// The same refusal is logged once a minute, and no more than so many different ones; every one is counted.
#[derive(Debug, Default)]
struct Denials {
    written: HashMap<String, (Instant, u64)>,
    /// When the present minute began, lines written in it, and refusals that were not.
    minute: Option<Instant>,
    lines: u32,
    unwritten: u64,
}

const MINUTE: Duration = Duration::from_secs(60);
const MOST_LINES: u32 = 60;

impl Denials {
    /// The line to write for a refusal, if any.
    fn line(&mut self, text: &str, now: Instant) -> Option<String> {
        if self.minute.is_none_or(|since| now.duration_since(since) >= MINUTE) {
            self.minute = Some(now);
            self.lines = 0;
            self.written.retain(|_, (since, repeats)| now.duration_since(*since) < MINUTE || *repeats > 0);
        }
        let repeated = match self.written.get_mut(text) {
            Some((since, repeats)) if now.duration_since(*since) < MINUTE => {
                *repeats += 1;
                return None;
            }
            Some((since, repeats)) => {
                *since = now;
                std::mem::take(repeats)
            }
            None => 0,
        };
        if self.lines >= MOST_LINES {
            self.unwritten += 1;
            return None;
        }
        self.lines += 1;
        if self.written.len() >= MOST_LINES as usize * 2 {
            self.written.clear();
        }
        self.written.entry(text.to_owned()).or_insert((now, 0));
        let mut line = text.to_owned();
        if repeated > 0 {
            line.push_str(&format!(" ({repeated} more times in the meantime)"));
        }
        let unwritten = std::mem::take(&mut self.unwritten);
        if unwritten > 0 {
            line.push_str(&format!(" (and {unwritten} other refusals that were not logged)"));
        }
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_refusal_is_logged_once_a_minute_with_its_count() {
        let mut denials = Denials::default();
        let start = Instant::now();
        assert_eq!(denials.line("no", start).as_deref(), Some("no"));
        for second in 1..60 {
            assert_eq!(denials.line("no", start + Duration::from_secs(second)), None);
        }
        let line = denials.line("no", start + MINUTE).unwrap();
        assert_eq!(line, "no (59 more times in the meantime)");
    }

    #[test]
    fn a_flood_of_different_refusals_is_bounded_and_counted() {
        let mut denials = Denials::default();
        let start = Instant::now();
        let written = (0..1000).filter(|n| denials.line(&format!("client {n}"), start).is_some()).count();
        assert_eq!(written, MOST_LINES as usize);
        let line = denials.line("another", start + MINUTE).unwrap();
        assert_eq!(line, "another (and 940 other refusals that were not logged)");
        assert!(denials.written.len() <= MOST_LINES as usize * 2);
    }
}
