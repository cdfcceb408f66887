//! `tail`, and what it says about its endpoint.

use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use super::Program;

/// Within what time a reason is named.
pub const NAMED_WITHIN: Duration = Duration::from_secs(15);
/// Two looks at what answers (every 5 s), and libzmq's limit for a handshake (10 s).
pub const CALM: Duration = Duration::from_secs(11);

pub const SILENT: &str = "no connection to {}: the server does not answer: it may not speak ZeroMQ; trying again\n  \
    the publisher may be stopped, or another program may have the port";
pub const NOT_OURS: &str = "no connection to {}: what answers there does not speak ZeroMQ; trying again\n  \
    is it the right port? Another program may have it";
pub const CLOSED: &str = "no connection to {}: what listens there closes the connection at once; trying again\n  \
    behind a proxy or a tunnel, the publisher itself may be away";
pub const HUNG_UP: &str = "no connection to {}: the server broke off the handshake; trying again\n  \
    is it a publisher? Its own log may say why";
pub const KEY: &str = "no connection to {}: the server refused our key; trying again\n  \
    the server's directory of allowed certificates needs our public certificate";
pub const SERVER_KEY: &str = "no connection to {}: the server broke off the CURVE handshake: the server certificate may not be \
    its own; trying again\n  compare --server-cert with the certificate that the server uses now";
pub const NEEDS_CURVE: &str = "no connection to {}: one side uses CURVE and the other does not; trying again\n  \
    the server probably wants CURVE: use --server-cert FILE";
pub const NEEDS_PLAIN: &str = "no connection to {}: one side uses CURVE and the other does not; trying again\n  \
    the server probably does not use CURVE: without --server-cert we do not either";
pub const NO_ANSWER: &str = "cannot reach {}: no answer (is a firewall in between?); trying again";
pub const NOTHING: &str = "cannot reach {}: nothing listens there; trying again";
pub const LOST: &str = "lost the connection to {}; reconnecting";
pub const OVERSIZE: &str = "{} sent a frame over the limit of 16 MiB, and the connection was ended; reconnecting\n  \
    the records of the publisher's action, and its packing.maxbytes, have to be smaller";
pub const CONNECTED: &str = "connected to {}";
pub const AGAIN: &str = "connected to {} again";

/// A running `tail` and what it is expected to say.
pub struct Watched {
    pub tail: Program,
    endpoint: String,
    expected: Vec<String>,
}

impl Watched {
    pub fn start(endpoint: &str, arguments: &[&str]) -> Self {
        let tail = Program::start(&[&["tail", endpoint, "-o", "raw"], arguments].concat());
        Self { tail, endpoint: endpoint.to_owned(), expected: Vec::new() }
    }

    /// It says this next, within `NAMED_WITHIN`.
    pub fn says(&mut self, text: &str) {
        let until = Instant::now() + NAMED_WITHIN;
        self.expected.extend(format!("rsyslog-zmq: {}", text.replace("{}", &self.endpoint)).lines().map(str::to_owned));
        while self.tail.said.len() < self.expected.len() {
            let line = self.tail.stderr.recv_timeout(until.saturating_duration_since(Instant::now()));
            self.tail.said.push(line.unwrap_or_else(|_| panic!("not said in time: {text}; but {:?}", self.tail.said)));
        }
        assert_eq!(self.tail.said, self.expected);
    }

    /// Whether it says this next; it is still to be said then.
    pub fn comes_next(&mut self, text: &str) -> bool {
        if self.tail.said.len() == self.expected.len() {
            let line = self.tail.stderr.recv_timeout(NAMED_WITHIN);
            self.tail.said.push(line.unwrap_or_else(|_| panic!("nothing more than {:?}", self.tail.said)));
        }
        let line = format!("rsyslog-zmq: {}", text.replace("{}", &self.endpoint));
        self.tail.said.last().map(String::as_str) == line.lines().next()
    }

    /// It says nothing more for so long.
    pub fn is_calm(&mut self) {
        let line = self.tail.stderr.recv_timeout(CALM);
        assert_eq!(line, Err(RecvTimeoutError::Timeout), "after {:?}", self.tail.said);
    }

    pub fn shows_a_record(&mut self) {
        assert_eq!(self.tail.line(), "record");
    }
}
