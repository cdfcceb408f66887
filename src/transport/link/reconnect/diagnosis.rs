//! Why an endpoint has no connection, and when that is told.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{BREAK_OFFS, Output, RemoteEndpoint};
use crate::transport::address::greeting::GreetingError;
use crate::transport::address::reachability::{Look, Obstacle};
use crate::transport::link::LinkEvent;
use crate::transport::link::state::{Refusal, State};

/// A handshake that breaks off is reported when there has been no connection for so long.
const SETTLING: Duration = Duration::from_secs(3);

impl RemoteEndpoint {
    pub(super) fn refuse(&mut self, refusal: Refusal, now: Instant, outputs: &mut Vec<Output>) {
        self.probe_at = Some(now + self.timing.probe_every);
        self.change(State::Refused(refusal), outputs);
        self.report(now, outputs);
    }

    /// The answer to [`Output::Probe`].
    pub fn probed(&mut self, answer: &Look, now: Instant, outputs: &mut Vec<Output>) {
        self.is_probing = false;
        let is_stale = std::mem::take(&mut self.is_probe_stale);
        if self.is_ready() {
            return;
        }
        if is_stale {
            self.probe_at.get_or_insert(now);
            return;
        }
        self.probe_at = Some(now + self.timing.probe_every);
        if matches!(answer, Look::Obstacle(_)) {
            (self.break_offs, self.was_ended_here) = (0, false);
        }
        let is_broken_off = self.break_offs >= BREAK_OFFS;
        let ours = if self.uses_curve { "CURVE" } else { "NULL" };
        let state = match answer {
            // A server that accepts nothing any more has filled its backlog.
            Look::Obstacle(Obstacle::NoAnswer) if self.state == State::Refused(Refusal::NoAnswer) => self.state.clone(),
            Look::Obstacle(obstacle) => State::Unreachable(Some(obstacle.clone())),
            Look::Greeting(Err(GreetingError::NotZeroMq | GreetingError::TooOld)) => State::Refused(Refusal::NotOurs),
            Look::Greeting(Err(GreetingError::Silent | GreetingError::Closed)) | Look::Nothing
                if self.was_ended_here =>
            {
                State::Refused(Refusal::NotOurs)
            }
            Look::Greeting(Err(GreetingError::Silent)) => State::Refused(Refusal::NoAnswer),
            Look::Greeting(Ok(greeting)) if greeting.mechanism != ours => State::Refused(Refusal::Mechanism),
            // Something else is there now: what broke off before says nothing about it.
            Look::Greeting(Ok(_)) if self.state.is_about_another_server() => {
                (self.break_offs, self.was_ended_here) = (0, false);
                self.reconnect_at = self.reconnect_at.map(|_| now);
                if self.is_in_doubt {
                    self.give_up_session(outputs);
                }
                State::Connecting
            }
            // It speaks ZeroMQ, and hung up on us all the same.
            Look::Greeting(Ok(_)) if is_broken_off && self.is_curve_client && !self.was_ended_here => {
                State::Refused(Refusal::ServerKey)
            }
            Look::Greeting(Err(GreetingError::Closed)) if is_broken_off => State::Refused(Refusal::Closed),
            Look::Greeting(Ok(_) | Err(_)) if is_broken_off => State::Refused(Refusal::HungUp),
            _ if matches!(self.state, State::Unreachable(_)) => State::Connecting,
            _ => self.state.clone(),
        };
        self.change(state, outputs);
        self.report(now, outputs);
    }

    /// When the present state is told; `None` where there is nothing to tell, or it has been told.
    pub(super) fn report_at(&self) -> Option<Instant> {
        let at = match self.state {
            // A peer that is being restarted breaks handshakes off too.
            State::Refused(Refusal::HungUp | Refusal::ServerKey | Refusal::Closed) => self.away_since + SETTLING,
            State::Refused(_) | State::Unreachable(Some(Obstacle::Here(_))) => self.away_since,
            State::Unreachable(_) => self.away_since + self.timing.report_after,
            _ => return None,
        };
        (!self.is_ready() && !self.told.contains(&self.state)).then_some(at)
    }

    /// Tells that there is no connection: a refusal or a fault of this host's at once, anything else when there has been none for long enough.
    pub(super) fn report(&mut self, now: Instant, outputs: &mut Vec<Output>) {
        if self.report_at().is_none_or(|at| at > now) {
            return;
        }
        let since = now.saturating_duration_since(self.away_since);
        self.told.push(self.state.clone());
        outputs.push(Output::Tell(LinkEvent::Away { name: Arc::clone(&self.name), state: self.state.clone(), since }));
    }

    pub(super) fn change(&mut self, state: State, outputs: &mut Vec<Output>) {
        if self.state != state {
            self.state = state.clone();
            outputs.push(Output::Tell(LinkEvent::Changed {
                endpoint: self.number,
                name: Arc::clone(&self.name),
                state,
            }));
        }
    }
}
