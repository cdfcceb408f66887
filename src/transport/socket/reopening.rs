//! A socket over the life of its owner: it is opened when that is due, what of it failed is tried again, and it is opened anew
//! with other keys.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::transport::link::LinkOwner;
use crate::transport::socket::listening::Listener;
use crate::transport::socket::open::{OpenError, OpenSocket, SocketPlan, Surroundings};
use crate::transport::socket::socket_type::SocketType;

/// How often failed listeners, or the whole socket, are tried again.
const RETRY: Duration = Duration::from_secs(5);

/// A socket that is open, or is going to be. It belongs to the thread that calls it.
pub struct ReopeningSocket {
    /// `None`: it cannot be opened at the moment.
    open: Option<OpenSocket>,
    plan: SocketPlan,
    /// What is bound already, by the endpoint's place.
    listeners: Vec<Option<Listener>>,
    owner: Arc<dyn LinkOwner>,
    /// The next try of what failed; `None` where trying again cannot help, or nothing has failed.
    retry_at: Option<Instant>,
    has_failed: bool,
    /// After the socket: it holds the context.
    surroundings: Surroundings,
}

/// What became of a try.
#[derive(Debug)]
pub struct Attempt {
    /// What cannot be opened.
    pub errors: Vec<OpenError>,
    /// Everything is open now, and the last try had failed.
    pub has_recovered: bool,
}

impl ReopeningSocket {
    /// A socket that is opened by the first [`ReopeningSocket::retry`].
    #[must_use]
    pub fn new(
        surroundings: Surroundings,
        plan: SocketPlan,
        listeners: Vec<Option<Listener>>,
        owner: Arc<dyn LinkOwner>,
    ) -> Self {
        let retry_at = Some(Instant::now());
        Self { open: None, plan, listeners, owner, retry_at, has_failed: false, surroundings }
    }

    /// Its type.
    #[must_use]
    pub fn socket_type(&self) -> SocketType {
        self.plan.socket_type
    }

    /// The socket while it is open.
    #[must_use]
    pub fn open(&self) -> Option<&OpenSocket> {
        self.open.as_ref()
    }

    /// Takes the socket out, to be closed.
    pub fn take(&mut self) -> Option<OpenSocket> {
        self.open.take()
    }

    /// When the next [`ReopeningSocket::retry`] is due.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        self.retry_at
    }

    /// Carries out the commands that wait. `true`: there are other keys, and the socket has to be taken out, to be opened anew
    /// with them.
    pub fn obey(&mut self) -> bool {
        let commands = self.owner.commands().take();
        if commands.is_empty() {
            return false;
        }
        let keys = match &mut self.open {
            Some(open) => open.obey(&self.plan, commands),
            None => OpenSocket::keys_in(commands),
        };
        let Some(security) = keys else { return false };
        self.plan.security = security;
        self.retry_at = Some(Instant::now());
        true
    }

    /// Opens the socket, or the listeners that failed; `None` while that is not due.
    pub fn retry(&mut self) -> Option<Attempt> {
        self.retry_at.filter(|at| *at <= Instant::now())?;
        self.retry_at = Some(Instant::now() + RETRY);
        let errors = match &mut self.open {
            Some(open) => open.retry(&self.plan, &mut self.listeners),
            None => {
                let owner = Arc::clone(&self.owner);
                match OpenSocket::open(&self.surroundings, &self.plan, &mut self.listeners, owner) {
                    Ok((opened, errors)) => {
                        self.open = Some(opened);
                        errors
                    }
                    Err(error) => {
                        if error.is_permanent() {
                            self.retry_at = None;
                        }
                        vec![error]
                    }
                }
            }
        };
        if errors.is_empty() {
            self.retry_at = None;
        }
        let had_failed = std::mem::replace(&mut self.has_failed, !errors.is_empty());
        Some(Attempt { has_recovered: had_failed && errors.is_empty(), errors })
    }
}
