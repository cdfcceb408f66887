//! Lines about connections, for standard error.
#![forbid(unsafe_code)]

use crate::cli::client_keys::KeyOrigin;
use crate::cli::terminal::escaped;
use crate::transport::subscribe::{Refusal, State};

/// What to say about an endpoint's new state, if anything.
#[must_use]
pub fn line(address: &str, state: &State, was_connected: bool) -> Option<String> {
    let address = escaped(address);
    Some(match state {
        State::Connecting => return None,
        State::Listening => format!("listening on {address}"),
        State::Connected if was_connected => format!("connected to {address} again"),
        State::Connected => format!("connected to {address}"),
        State::Lost => format!("lost the connection to {address}; reconnecting"),
        State::Unreachable(None) => format!("cannot reach {address}; trying again"),
        State::Unreachable(Some(obstacle)) => {
            format!("cannot reach {address}: {}; trying again", escaped(&obstacle.to_string()))
        }
        State::Refused(refusal) => format!("no connection to {address}: {refusal}; trying again"),
        State::Oversize => format!("{address} sent {state}; reconnecting"),
    })
}

/// What to do about a refusal.
#[must_use]
pub fn hint(state: &State, keys: KeyOrigin) -> Option<&'static str> {
    let State::Refused(refusal) = state else { return None };
    match (refusal, keys) {
        (Refusal::Key, KeyOrigin::Fresh) => {
            Some("this run's key is a fresh one; use --client-cert FILE with a certificate that the server knows")
        }
        (Refusal::Key, _) => Some("the server's directory of allowed certificates needs our public certificate"),
        (Refusal::Mechanism, KeyOrigin::None) => Some("the server probably wants CURVE: use --server-cert FILE"),
        (Refusal::Mechanism, _) => {
            Some("the server probably does not use CURVE: without --server-cert we do not either")
        }
        (Refusal::ServerKey, _) => Some("compare --server-cert with the certificate that the server uses now"),
        _ => None,
    }
}
