//! The ZAP handler (RFC 27) of one ZeroMQ context: a thread that answers libzmq's question "may this key connect?".
//!
//! Deny by default: an unknown domain, a mechanism other than CURVE, an unreadable directory, a fault of our own are all
//! refusals, and without the thread libzmq refuses everybody, because our sockets enforce their domain. The thread owns
//! the one socket; every other thread only changes the table of domains and wakes it.

use crate::curve::allow_list::{AllowList, Changes, Notice, Policy};
use crate::curve::zap;
use crate::sys::signals::spawn_without_signals;
use crate::sys::waker::Waker;
use crate::sys::zmq::{self, Context, Socket, kind, option};
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use thiserror::Error;

mod event;
mod handler;

#[cfg(test)]
mod tests;

pub use event::{AuthEvent, DenialReason};

/// Called for every [`AuthEvent`], mostly in the authenticator's thread: it must not wait for anything.
pub type Report = Arc<dyn Fn(AuthEvent) + Send + Sync>;

/// How long a drop waits for the thread. It can only be late when a disk is: then it is left to end by itself.
const STOP_TIMEOUT: Duration = Duration::from_secs(3);

/// The authenticator cannot start; no CURVE server socket may be opened then.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AuthenticatorError {
    /// No socket, or its name is taken: there can be one handler in a context.
    #[error("cannot open the authentication socket inproc://zeromq.zap.01: {0}")]
    Socket(#[from] zmq::Error),
    /// No eventfd.
    #[error("cannot make a descriptor for the authenticator: {0}")]
    Waker(std::io::Error),
    /// No thread.
    #[error("cannot start the authenticator's thread: {0}")]
    Thread(std::io::Error),
}

/// What the thread and its owner share.
struct Shared {
    domains: Mutex<HashMap<String, AllowList>>,
    report: Report,
    waker: Waker,
    is_stopping: AtomicBool,
    wants_refresh: AtomicBool,
}

impl Shared {
    /// A panic while the table was locked has been answered with a refusal, and the list it happened in is distrusted.
    fn domains(&self) -> MutexGuard<'_, HashMap<String, AllowList>> {
        self.domains.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Never lets the listener's panic through.
    fn report(&self, event: AuthEvent) {
        // A listener that panics has lost its event, nothing else.
        let _ = catch_unwind(AssertUnwindSafe(|| (self.report)(event)));
    }

    fn report_changes(&self, domain: &str, changes: Changes) {
        for notice in changes.notices {
            let domain = domain.to_owned();
            self.report(match notice {
                Notice::Skipped { path, reason } => AuthEvent::FileSkipped { domain, path, reason },
                Notice::Unavailable { path, reason } => AuthEvent::DirectoryUnavailable { domain, path, reason },
                Notice::Back { path } => AuthEvent::DirectoryBack { domain, path },
            });
        }
        for (key, name) in changes.removed {
            self.report(AuthEvent::Revoked { domain: domain.to_owned(), key, name: Some(name) });
        }
    }

    /// Runs `look` on each list and reports what came of it, with the table unlocked.
    fn look_at_all(&self, mut look: impl FnMut(&mut AllowList)) {
        let names: Vec<String> = self.domains().keys().cloned().collect();
        for name in names {
            let changes = match self.domains().get_mut(&name) {
                Some(list) => {
                    look(list);
                    list.take_changes()
                }
                None => continue,
            };
            self.report_changes(&name, changes);
        }
    }
}

/// The handler of one context. Dropping it stops the thread; from then on every CURVE handshake in the context is
/// refused.
pub struct Authenticator {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    /// Disconnected when the thread has ended.
    ended: Receiver<()>,
}

impl std::fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Authenticator")
    }
}

impl Authenticator {
    /// Starts the handler of a context, with no domain: nobody is admitted yet. To be called before any CURVE server
    /// socket of the context is bound.
    pub fn start(context: &Context, report: Report) -> Result<Self, AuthenticatorError> {
        let socket = context.socket(kind::ROUTER)?;
        socket.set_int(option::LINGER, 0)?;
        socket.bind(zap::ENDPOINT)?;
        let shared = Arc::new(Shared {
            domains: Mutex::new(HashMap::new()),
            report,
            waker: Waker::new().map_err(AuthenticatorError::Waker)?,
            is_stopping: AtomicBool::new(false),
            wants_refresh: AtomicBool::new(false),
        });
        let (ending, ended) = sync_channel(0);
        let in_thread = Arc::clone(&shared);
        let body = move || {
            // Dropped last, also when the thread unwinds.
            let _ending = ending;
            let end = catch_unwind(AssertUnwindSafe(|| serve(&socket, &in_thread)));
            // A close alone frees the name some time later: until then a handshake would wait for its time-out instead of
            // being refused, and no other handler could take over. The name is ours, so this cannot fail.
            let _ = socket.unbind(zap::ENDPOINT);
            drop(socket);
            if !in_thread.is_stopping.load(Ordering::Acquire) {
                let reason = match end {
                    Ok(Some(error)) => error.to_string(),
                    Ok(None) | Err(_) => "an internal error".to_owned(),
                };
                in_thread.report(AuthEvent::Stopped { reason });
            }
        };
        let thread = spawn_without_signals("zmq-auth", body).map_err(AuthenticatorError::Thread)?;
        Ok(Self { shared, thread: Some(thread), ended })
    }

    /// Sets the policy of a ZAP domain, and looks at its directory at once: what is wrong with it is reported before
    /// this returns. A domain that was there is replaced, and the keys it alone admitted are revoked. The empty domain is every unconfigured socket's, and stays
    /// refused.
    pub fn add_domain(&self, domain: &str, policy: Policy) {
        if domain.is_empty() {
            return;
        }
        let mut list = AllowList::new(policy);
        list.look_if_due();
        let changes = {
            let mut domains = self.shared.domains();
            if let Some(old) = domains.get(domain) {
                list.replace(old);
            }
            let changes = list.take_changes();
            domains.insert(domain.to_owned(), list);
            changes
        };
        self.shared.waker.wake();
        self.shared.report_changes(domain, changes);
    }

    /// Refuses everybody in this domain from now on.
    pub fn remove_domain(&self, domain: &str) {
        self.shared.domains().remove(domain);
    }

    /// Reads every directory again soon, whatever its times say (HUP). Does not wait for it.
    pub fn refresh(&self) {
        self.shared.wants_refresh.store(true, Ordering::Release);
        self.shared.waker.wake();
    }

    /// Whether the thread runs. Everybody is refused when it does not.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.thread.as_ref().is_some_and(|thread| !thread.is_finished())
    }

    #[cfg(test)]
    fn use_up_budget(&self, domain: &str, next_look: Duration) {
        if let Some(list) = self.shared.domains().get_mut(domain) {
            list.use_up_budget(next_look);
        }
    }

    #[cfg(test)]
    fn break_domain(&self, domain: &str) {
        if let Some(list) = self.shared.domains().get_mut(domain) {
            list.panics_when_asked = true;
        }
    }
}

impl Drop for Authenticator {
    fn drop(&mut self) {
        self.shared.is_stopping.store(true, Ordering::Release);
        self.shared.waker.wake();
        let has_ended = self.ended.recv_timeout(STOP_TIMEOUT) == Err(RecvTimeoutError::Disconnected);
        if let Some(thread) = self.thread.take().filter(|_| has_ended) {
            // It catches its own panics, so there is no other result than its end.
            let _ = thread.join();
        }
    }
}

/// The thread's loop; returns what ended it, or nothing when it was asked to stop.
fn serve(socket: &Socket, shared: &Shared) -> Option<zmq::Error> {
    let mut held = handler::Held::default();
    while !shared.is_stopping.load(Ordering::Acquire) {
        if shared.wants_refresh.swap(false, Ordering::AcqRel) {
            guarded(shared, || shared.look_at_all(AllowList::reload));
        }
        let mut items = [
            zmq::PollItem::socket(socket, zmq::POLLIN),
            zmq::PollItem::descriptor(shared.waker.descriptor(), zmq::POLLIN),
        ];
        if let Err(error) = zmq::poll(&mut items, poll_timeout_ms(shared)) {
            return Some(error);
        }
        if items[1].is_readable() {
            shared.waker.clear();
        }
        if items[0].is_readable() {
            if let Err(error) = handler::answer_waiting(socket, shared, &mut held) {
                return Some(error);
            }
        }
        guarded(shared, || shared.look_at_all(AllowList::look_if_due));
        handler::answer_held(socket, shared, &mut held);
    }
    None
}

/// A fault in a look costs what was known, never the refusals.
fn guarded(shared: &Shared, look: impl FnOnce()) {
    if catch_unwind(AssertUnwindSafe(look)).is_err() {
        shared.domains().values_mut().for_each(AllowList::distrust);
    }
}

/// Until the next look at a directory; for ever where there is none.
fn poll_timeout_ms(shared: &Shared) -> i64 {
    let next = shared.domains().values().filter_map(AllowList::next_look).min();
    // One more than the floor: not to wake just before it is due.
    next.map_or(-1, |wait| i64::try_from(wait.as_millis()).unwrap_or(i64::MAX - 1) + 1)
}
