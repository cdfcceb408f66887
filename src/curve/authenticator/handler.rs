//! From one ZAP request to its reply: receive, decide, answer, tell.

use super::{AuthEvent, DenialReason, Shared};
use crate::curve::allow_list::Decision;
use crate::curve::keys::PublicKey;
use crate::curve::zap::{Credentials, MAX_FRAMES, Malformed, Reply, Request, Status, decode_request, encode_metadata};
use crate::sys::zmq::{DONTWAIT, Message, Result, SNDMORE, Socket};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// So many requests are answered before the thread looks at anything else.
const ROUND: usize = 256;

/// Answers what is waiting on the socket.
pub(super) fn answer_waiting(socket: &Socket, shared: &Shared) -> Result<()> {
    for _ in 0..ROUND {
        let mut routing_id = Message::new();
        match socket.receive(&mut routing_id, DONTWAIT) {
            Ok(()) => {}
            Err(error) if error.would_block() || error.interrupted() => return Ok(()),
            Err(error) => return Err(error),
        }
        let frames = receive_rest(socket, &routing_id)?;
        let (reply, event) = decide(&frames, shared);
        // Told first: whoever keeps book of revoked keys must not see a message of a key that is back before its admission.
        if let Some(event) = event {
            shared.report(event);
        }
        if let Some(reply) = reply {
            send(socket, &routing_id, &reply);
        }
    }
    Ok(())
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

fn decide(frames: &[Message], shared: &Shared) -> (Option<Reply>, Option<AuthEvent>) {
    let slices: Vec<&[u8]> = frames.iter().map(Message::as_slice).collect();
    let request = match decode_request(&slices) {
        Ok(request) => request,
        Err(malformed) => return refuse_malformed(malformed),
    };
    let id = request.request_id.clone();
    match catch_unwind(AssertUnwindSafe(|| decide_request(&request, shared))) {
        Ok((reply, event)) => (Some(reply), Some(event)),
        Err(_) => {
            if let Some(list) = shared.domains().get_mut(&request.domain) {
                list.distrust();
            }
            let event = denial(&request, None, DenialReason::Internal);
            (Some(Reply::refusal(id, Status::InternalError, "Internal error")), Some(event))
        }
    }
}

fn refuse_malformed(malformed: Malformed) -> (Option<Reply>, Option<AuthEvent>) {
    let event = AuthEvent::Denied {
        domain: String::new(),
        address: String::new(),
        key: None,
        name: None,
        reason: DenialReason::Malformed(malformed.problem.to_string()),
    };
    let refusal = |id| Reply::refusal(id, Status::AuthenticationFailure, "Malformed request");
    (malformed.request_id.map(refusal), Some(event))
}

fn denial(request: &Request, name: Option<Arc<str>>, reason: DenialReason) -> AuthEvent {
    let key = match request.credentials {
        Credentials::Curve(key) => Some(key),
        _ => None,
    };
    AuthEvent::Denied { domain: request.domain.clone(), address: request.address.clone(), key, name, reason }
}

fn decide_request(request: &Request, shared: &Shared) -> (Reply, AuthEvent) {
    let refuse = |name, reason| {
        let reply = Reply::refusal(request.request_id.clone(), Status::AuthenticationFailure, "No access");
        (reply, denial(request, name, reason))
    };
    let Credentials::Curve(key) = request.credentials else {
        return refuse(None, DenialReason::Mechanism(request.credentials.mechanism().to_owned()));
    };
    let (decision, former_name, changes) = match shared.domains().get_mut(&request.domain) {
        Some(list) => (list.check(&key), list.former_name(&key), list.take_changes()),
        None => return refuse(None, DenialReason::UnknownDomain),
    };
    shared.report_changes(&request.domain, changes);
    match decision {
        Decision::Allowed { name, metadata } => admit(request, key, name, &metadata),
        Decision::NotListed => {
            let reason = if former_name.is_some() { DenialReason::Removed } else { DenialReason::NotListed };
            refuse(former_name, reason)
        }
        Decision::DirectoryUnavailable(reason) => refuse(former_name, DenialReason::DirectoryUnavailable(reason)),
        Decision::Shortage(reason) => {
            // After status 300 a libzmq client tries again once the handshake has timed out (30 seconds), after 400 never.
            let reply = Reply::refusal(request.request_id.clone(), Status::TemporaryError, "Try again later");
            (reply, denial(request, former_name, DenialReason::DirectoryUnavailable(reason)))
        }
    }
}

fn admit(
    request: &Request,
    key: PublicKey,
    name: Option<Arc<str>>,
    metadata: &[(String, String)],
) -> (Reply, AuthEvent) {
    // The name that log lines use is the name that messages carry, also when it is only the file's.
    let listed_name = name.as_deref().map(|name| ("name", name));
    let others =
        metadata.iter().map(|(name, value)| (name.as_str(), value.as_str())).filter(|(name, _)| *name != "name");
    let properties = encode_metadata(listed_name.into_iter().chain(others));
    let reply = Reply::success(request.request_id.clone(), key.to_string(), properties);
    let event = AuthEvent::Allowed { domain: request.domain.clone(), address: request.address.clone(), key, name };
    (reply, event)
}
