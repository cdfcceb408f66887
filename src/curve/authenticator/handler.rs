//! From one ZAP request to its reply: receive, decide, answer, tell.

use super::{AuthEvent, DenialReason, Shared};
use crate::curve::allow_list::{AllowList, Decision};
use crate::curve::keys::PublicKey;
use crate::curve::zap::{
    Credentials, MAX_FRAMES, Malformed, Reply, Request, StatusCode, decode_request, encode_metadata,
};
use crate::sys::zmq::{DONTWAIT, Message, Result, SNDMORE, Socket};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

/// So many requests are answered before the thread looks at anything else.
const ROUND: usize = 256;

/// So many requests wait for a look at their directory, at most.
const MOST_HELD: usize = if cfg!(test) { 8 } else { 8192 };

/// Requests whose answer the next look at a directory decides. A wait of a second is less than any other answer costs: after
/// status 300 a libzmq client tries again once the handshake has timed out (30 seconds), after 400 never.
#[derive(Default)]
pub(super) struct Held {
    requests: Vec<HeldRequest>,
    /// How many looks there were when the requests were gone through last.
    looks: u64,
}

struct HeldRequest {
    routing_id: Message,
    request: Request,
    key: PublicKey,
    asked: Instant,
}

/// What becomes of a request.
enum Outcome {
    Answer(Reply, AuthEvent),
    /// No reply can be sent.
    Silence(AuthEvent),
    /// To be decided by the next look.
    Later(Request, PublicKey),
}

/// Answers what is waiting on the socket.
pub(super) fn answer_waiting(socket: &Socket, shared: &Shared, held: &mut Held) -> Result<()> {
    for _ in 0..ROUND {
        let mut routing_id = Message::new();
        match socket.receive(&mut routing_id, DONTWAIT) {
            Ok(()) => {}
            Err(error) if error.would_block() || error.interrupted() => return Ok(()),
            Err(error) => return Err(error),
        }
        let frames = receive_rest(socket, &routing_id)?;
        let asked = Instant::now();
        match decide(&frames, shared) {
            Outcome::Later(request, key) if held.requests.len() < MOST_HELD => {
                held.requests.push(HeldRequest { routing_id, request, key, asked });
            }
            Outcome::Later(request, _) => {
                let (reply, event) = put_off(&request, None, DenialReason::Busy);
                answer(socket, shared, &routing_id, event, &reply);
            }
            Outcome::Answer(reply, event) => answer(socket, shared, &routing_id, event, &reply),
            Outcome::Silence(event) => shared.report(event),
        }
    }
    Ok(())
}

/// Answers the requests that waited for a look which has happened by now.
pub(super) fn answer_held(socket: &Socket, shared: &Shared, held: &mut Held) {
    let looks = shared.domains().values().map(AllowList::look_count).sum();
    if held.requests.is_empty() || std::mem::replace(&mut held.looks, looks) == looks {
        return;
    }
    for HeldRequest { routing_id, request, key, asked } in std::mem::take(&mut held.requests) {
        match decide_by(shared, request, key, |list| list.check_since(&key, asked)) {
            Outcome::Later(request, key) => held.requests.push(HeldRequest { routing_id, request, key, asked }),
            Outcome::Answer(reply, event) => answer(socket, shared, &routing_id, event, &reply),
            Outcome::Silence(event) => shared.report(event),
        }
    }
}

/// Reports first: the admission of a key that is back has to be known before its first message.
fn answer(socket: &Socket, shared: &Shared, routing_id: &Message, event: AuthEvent, reply: &Reply) {
    shared.report(event);
    send(socket, routing_id, reply);
}

/// The frames after the routing id; of a message that has too many only as many as show it.
fn receive_rest(socket: &Socket, routing_id: &Message) -> Result<Vec<Message>> {
    let mut frames: Vec<Message> = Vec::new();
    let mut has_more = routing_id.has_more();
    while has_more {
        let mut frame = Message::new();
        socket.receive(&mut frame, DONTWAIT)?;
        has_more = frame.has_more();
        if frames.len() <= MAX_FRAMES {
            frames.push(frame);
        }
    }
    Ok(frames)
}

/// A reply that cannot be sent leaves the handshake unanswered, which is a refusal too.
fn send(socket: &Socket, routing_id: &Message, reply: &Reply) {
    let frames = reply.frames();
    let Some((last, rest)) = frames.split_last() else { return };
    let sent = socket
        .send_bytes(routing_id.as_slice(), DONTWAIT | SNDMORE)
        .and_then(|()| rest.iter().try_for_each(|frame| socket.send_bytes(frame, DONTWAIT | SNDMORE)))
        .and_then(|()| socket.send_bytes(last, DONTWAIT));
    let _ = sent;
}

fn decide(frames: &[Message], shared: &Shared) -> Outcome {
    let slices: Vec<&[u8]> = frames.iter().map(Message::as_slice).collect();
    let request = match decode_request(&slices) {
        Ok(request) => request,
        Err(malformed) => return refuse_malformed(malformed),
    };
    let Credentials::Curve(key) = request.credentials else {
        let reason = DenialReason::Mechanism(request.credentials.mechanism().to_owned());
        return refuse(&request, None, reason);
    };
    decide_by(shared, request, key, |list| list.check(&key))
}

/// Decides by what `check` says; a fault in it is a refusal.
fn decide_by(
    shared: &Shared,
    request: Request,
    key: PublicKey,
    check: impl FnOnce(&mut AllowList) -> Decision,
) -> Outcome {
    match catch_unwind(AssertUnwindSafe(|| decide_request(&request, key, shared, check))) {
        Ok(Some(outcome)) => outcome,
        Ok(None) => Outcome::Later(request, key),
        Err(_) => {
            if let Some(list) = shared.domains().get_mut(&request.domain) {
                list.distrust();
            }
            let event = denial(&request, None, DenialReason::Internal);
            Outcome::Answer(Reply::refusal(request.request_id, StatusCode::InternalError, "Internal error"), event)
        }
    }
}

fn refuse_malformed(malformed: Malformed) -> Outcome {
    let event = AuthEvent::Denied {
        domain: String::new(),
        address: String::new(),
        key: None,
        name: None,
        reason: DenialReason::Malformed(malformed.problem.to_string()),
    };
    match malformed.request_id {
        Some(id) => Outcome::Answer(Reply::refusal(id, StatusCode::AuthenticationFailure, "Malformed request"), event),
        None => Outcome::Silence(event),
    }
}

fn refuse(request: &Request, name: Option<Arc<str>>, reason: DenialReason) -> Outcome {
    let reply = Reply::refusal(request.request_id.clone(), StatusCode::AuthenticationFailure, "No access");
    Outcome::Answer(reply, denial(request, name, reason))
}

/// A refusal after which a libzmq client tries again, once the handshake has timed out.
fn put_off(request: &Request, name: Option<Arc<str>>, reason: DenialReason) -> (Reply, AuthEvent) {
    let reply = Reply::refusal(request.request_id.clone(), StatusCode::TemporaryError, "Try again later");
    (reply, denial(request, name, reason))
}

fn denial(request: &Request, name: Option<Arc<str>>, reason: DenialReason) -> AuthEvent {
    let key = match request.credentials {
        Credentials::Curve(key) => Some(key),
        _ => None,
    };
    AuthEvent::Denied { domain: request.domain.clone(), address: request.address.clone(), key, name, reason }
}

/// Nothing where the next look has to decide.
fn decide_request(
    request: &Request,
    key: PublicKey,
    shared: &Shared,
    check: impl FnOnce(&mut AllowList) -> Decision,
) -> Option<Outcome> {
    let (decision, former_name, changes) = match shared.domains().get_mut(&request.domain) {
        Some(list) => (check(list), list.former_name(&key), list.take_changes()),
        None => return Some(refuse(request, None, DenialReason::UnknownDomain)),
    };
    shared.report_changes(&request.domain, changes);
    Some(match decision {
        Decision::Allowed { name, metadata } => admit(request, key, name, &metadata),
        Decision::NotListed => {
            let reason = if former_name.is_some() { DenialReason::Removed } else { DenialReason::NotListed };
            refuse(request, former_name, reason)
        }
        Decision::DirectoryUnavailable(reason) => {
            refuse(request, former_name, DenialReason::DirectoryUnavailable(reason))
        }
        Decision::Shortage(reason) => {
            let (reply, event) = put_off(request, former_name, DenialReason::DirectoryUnavailable(reason));
            Outcome::Answer(reply, event)
        }
        Decision::Pending => return None,
    })
}

fn admit(request: &Request, key: PublicKey, name: Option<Arc<str>>, metadata: &[(String, String)]) -> Outcome {
    // The name that log lines use is the name that messages carry, also when it is only the file's.
    let listed_name = name.as_deref().map(|name| ("name", name));
    let others =
        metadata.iter().map(|(name, value)| (name.as_str(), value.as_str())).filter(|(name, _)| *name != "name");
    let properties = encode_metadata(listed_name.into_iter().chain(others));
    let reply = Reply::success(request.request_id.clone(), key.to_string(), properties);
    let event = AuthEvent::Allowed { domain: request.domain.clone(), address: request.address.clone(), key, name };
    Outcome::Answer(reply, event)
}
