//! Lines about connections, for standard error.
#![forbid(unsafe_code)]

use std::time::Duration;

use crate::cli::client_keys::KeyOrigin;
use crate::cli::exit::Outcome;
use crate::cli::terminal::escaped;
use crate::transport::subscribe::{Refusal, State};

/// A larger frame ends the connection.
pub const MOST_FRAME_BYTES: i64 = 16 << 20;

/// How often an idle connection is probed, unless something else is asked for. libzmq finds a silent peer after three to four
/// times that.
pub const HEARTBEAT: Duration = Duration::from_secs(3);

/// What is wrong with a frame over the limit.
#[must_use]
pub fn oversize() -> String {
    format!("a frame over the limit of {} MiB", MOST_FRAME_BYTES >> 20)
}

/// The exit status for a refusal: whether the other side said no to us, or did not answer as a publisher does.
#[must_use]
pub fn outcome(refusal: Refusal) -> Outcome {
    match refusal {
        Refusal::Key
        | Refusal::Authenticator
        | Refusal::Mechanism
        | Refusal::ServerKey
        | Refusal::HungUp
        | Refusal::Protocol(_) => Outcome::Refused,
        Refusal::Closed | Refusal::NoAnswer | Refusal::NotOurs => Outcome::Unreachable,
    }
}

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
        State::Oversize => format!("{address} sent {}, and the connection was ended; reconnecting", oversize()),
    })
}

/// What to do about a refusal.
#[must_use]
pub fn hint(state: &State, keys: KeyOrigin) -> Option<&'static str> {
    let refusal = match state {
        State::Refused(refusal) => refusal,
        State::Oversize => {
            return Some("the records of the publisher's action, and its packing.maxbytes, have to be smaller");
        }
        _ => return None,
    };
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
        (Refusal::NoAnswer, _) => Some("the publisher may be stopped, or another program may have the port"),
        (Refusal::HungUp, _) => Some("is it a publisher? Its own log may say why"),
        (Refusal::Closed, _) => Some("behind a proxy or a tunnel, the publisher itself may be away"),
        (Refusal::NotOurs, _) => Some("is it the right port? Another program may have it"),
        _ => None,
    }
}
