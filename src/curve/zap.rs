//! ZAP, the ZeroMQ Authentication Protocol (RFC 27), as pure code: frames to a request, a reply to frames.
//!
//! Requests come from libzmq's sessions of our own context, but are read as if from a stranger: whatever is in the
//! frames, the answer is a refusal or silence, never a panic.

use crate::curve::keys::PublicKey;
use thiserror::Error;

mod metadata;

pub use metadata::{MetadataError, decode_metadata, encode_metadata};

#[cfg(test)]
mod tests;

/// Where libzmq's sessions look for their context's handler.
pub const ENDPOINT: &str = "inproc://zeromq.zap.01";

const VERSION: &[u8] = b"1.0";

/// No mechanism has more credentials than two; a request has six frames before them and the delimiter.
pub const MAX_FRAMES: usize = 16;
/// The longest request id, domain, address, routing id or mechanism that is accepted, in bytes.
pub const MAX_TEXT: usize = 255;

/// A request that can be decided on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// To be sent back as it came.
    pub request_id: Vec<u8>,
    /// The server socket's ZAP domain.
    pub domain: String,
    /// The peer's address, as libzmq writes it.
    pub address: String,
    /// The server socket's own routing id.
    pub routing_id: Vec<u8>,
    /// What the peer has shown.
    pub credentials: Credentials,
}

/// What a peer has shown. Passwords are not kept: nobody is admitted by one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credentials {
    /// Nothing.
    Null,
    /// A user name and a password.
    Plain,
    /// A long-term key that libzmq has seen proof of.
    Curve(PublicKey),
    /// A mechanism that is unknown here.
    Other(String),
}

impl Credentials {
    /// The mechanism's name in RFC 27.
    #[must_use]
    pub fn mechanism(&self) -> &str {
        match self {
            Self::Null => "NULL",
            Self::Plain => "PLAIN",
            Self::Curve(_) => "CURVE",
            Self::Other(name) => name,
        }
    }
}

/// What is wrong with a request.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[allow(missing_docs)] // Each is its message.
#[non_exhaustive]
pub enum Problem {
    #[error("the request does not begin with an empty frame")]
    NoDelimiter,
    #[error("the request has {0} frames, expected at least 7 and at most {MAX_FRAMES}")]
    FrameCount(usize),
    #[error("the request's version is not 1.0")]
    Version,
    #[error("the request's id has {0} bytes, at most {MAX_TEXT} are accepted")]
    RequestId(usize),
    #[error("the request's {0} is longer than {MAX_TEXT} bytes or no text")]
    Text(&'static str),
    #[error("the request has {found} credentials for {mechanism}, expected {expected}")]
    CredentialCount { mechanism: &'static str, found: usize, expected: usize },
    #[error("the request's key has {0} bytes, expected 32")]
    KeyLength(usize),
}

/// A request that nobody can be admitted by.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{problem}")]
pub struct Malformed {
    /// What is wrong.
    pub problem: Problem,
    /// Known when a refusal can be sent; without it the request can only be dropped.
    pub request_id: Option<Vec<u8>>,
}

/// Reads a request from its frames, the empty delimiter first (what a ROUTER socket receives after the routing id).
pub fn decode_request<F: AsRef<[u8]>>(frames: &[F]) -> Result<Request, Malformed> {
    let frame = |index: usize| frames.get(index).map(AsRef::as_ref);
    let unanswerable = |problem| Malformed { problem, request_id: None };
    if frame(0) != Some(b"") {
        return Err(unanswerable(Problem::NoDelimiter));
    }
    let (Some(version), Some(id)) = (frame(1), frame(2)) else {
        return Err(unanswerable(Problem::FrameCount(frames.len())));
    };
    if id.len() > MAX_TEXT {
        return Err(unanswerable(Problem::RequestId(id.len())));
    }
    let refused = |problem| Malformed { problem, request_id: Some(id.to_owned()) };
    if version != VERSION {
        return Err(refused(Problem::Version));
    }
    let (Some(domain), Some(address), Some(routing_id), Some(mechanism)) = (frame(3), frame(4), frame(5), frame(6))
    else {
        return Err(refused(Problem::FrameCount(frames.len())));
    };
    if frames.len() > MAX_FRAMES {
        return Err(refused(Problem::FrameCount(frames.len())));
    }
    if routing_id.len() > MAX_TEXT {
        return Err(refused(Problem::Text("routing id")));
    }
    let text = |bytes, name| text(bytes).ok_or_else(|| refused(Problem::Text(name)));
    let credentials = frames.get(7..).unwrap_or_default();
    Ok(Request {
        request_id: id.to_owned(),
        domain: text(domain, "domain")?,
        address: text(address, "address")?,
        routing_id: routing_id.to_owned(),
        credentials: decode_credentials(text(mechanism, "mechanism")?, credentials).map_err(refused)?,
    })
}

fn text(bytes: &[u8]) -> Option<String> {
    if bytes.len() > MAX_TEXT {
        return None;
    }
    std::str::from_utf8(bytes).ok().map(str::to_owned)
}

fn decode_credentials<F: AsRef<[u8]>>(mechanism: String, frames: &[F]) -> Result<Credentials, Problem> {
    let count = |mechanism, expected| match frames.len() {
        found if found == expected => Ok(()),
        found => Err(Problem::CredentialCount { mechanism, found, expected }),
    };
    match mechanism.as_str() {
        "NULL" => count("NULL", 0).map(|()| Credentials::Null),
        "PLAIN" => count("PLAIN", 2).map(|()| Credentials::Plain),
        "CURVE" => {
            count("CURVE", 1)?;
            let key = frames.first().map(AsRef::as_ref).unwrap_or_default();
            let bytes = key.try_into().map_err(|_| Problem::KeyLength(key.len()))?;
            Ok(Credentials::Curve(PublicKey::from_bytes(bytes)))
        }
        _ => Ok(Credentials::Other(mechanism)),
    }
}

/// The answers that RFC 27 knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusCode {
    /// 200.
    Success,
    /// 300: the peer may try again.
    TemporaryError,
    /// 400.
    AuthenticationFailure,
    /// 500.
    InternalError,
}

impl StatusCode {
    /// The three digits.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Success => "200",
            Self::TemporaryError => "300",
            Self::AuthenticationFailure => "400",
            Self::InternalError => "500",
        }
    }
}

/// An answer to one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The request's.
    pub request_id: Vec<u8>,
    /// Admitted or not.
    pub status: StatusCode,
    /// For people; libzmq does not look at it.
    pub text: String,
    /// Becomes the `User-Id` of the peer's messages. Only with [`StatusCode::Success`].
    pub user_id: String,
    /// Encoded ([`encode_metadata`]) properties of the peer's messages. Only with [`StatusCode::Success`].
    pub metadata: Vec<u8>,
}

impl Reply {
    /// Admits the peer.
    #[must_use]
    pub fn success(request_id: Vec<u8>, user_id: String, metadata: Vec<u8>) -> Self {
        Self { request_id, status: StatusCode::Success, text: "OK".to_owned(), user_id, metadata }
    }

    /// Refuses the peer; [`StatusCode::Success`] is taken for an internal error.
    #[must_use]
    pub fn refusal(request_id: Vec<u8>, status: StatusCode, text: &str) -> Self {
        let status = if status == StatusCode::Success { StatusCode::InternalError } else { status };
        Self { request_id, status, text: text.to_owned(), user_id: String::new(), metadata: Vec::new() }
    }

    /// The frames to send, the empty delimiter first.
    #[must_use]
    pub fn frames(&self) -> [&[u8]; 7] {
        [
            b"",
            VERSION,
            &self.request_id,
            self.status.code().as_bytes(),
            self.text.as_bytes(),
            self.user_id.as_bytes(),
            &self.metadata,
        ]
    }
}
