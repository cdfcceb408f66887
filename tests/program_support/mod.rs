//! What the program's tests share: publishers in this process, and the built program as a child process.
//!
//! A publisher here is an XPUB socket: it hears of every subscription, so no test has to guess when a subscriber is ready.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod peers;
pub mod watched;

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use rsyslog_zmq::curve::allow_list::Policy;
use rsyslog_zmq::curve::authenticator::Authenticator;
use rsyslog_zmq::curve::certificate::Certificate;
use rsyslog_zmq::curve::keys::KeyPair;
use rsyslog_zmq::curve::security::{Admission, Security};
use rsyslog_zmq::sys::zmq::{Context, Message, SNDMORE, Socket, kind, option};
use tempfile::TempDir;

pub const PATIENCE: Duration = Duration::from_secs(20);

pub struct Publisher {
    pub socket: Socket,
    pub endpoint: String,
}

impl Publisher {
    pub fn new() -> Self {
        Self::open(&Context::new().unwrap(), "tcp://127.0.0.1:*", &Security::None)
    }

    pub fn open(context: &Context, endpoint: &str, security: &Security) -> Self {
        let socket = context.socket(kind::XPUB).unwrap();
        socket.set_int(option::LINGER, 0).unwrap();
        socket.set_int(option::RCVTIMEO, i32::try_from(PATIENCE.as_millis()).unwrap()).unwrap();
        socket.set_int(option::XPUB_VERBOSE, 1).unwrap();
        security.apply(&socket, "test").unwrap();
        let began = Instant::now();
        // A port that was just given up may take a moment to be free.
        while let Err(error) = socket.bind(endpoint) {
            assert!(began.elapsed() < PATIENCE, "{endpoint}: {error}");
            std::thread::yield_now();
        }
        let endpoint = socket.last_endpoint().unwrap();
        Self { socket, endpoint }
    }

    /// Waits until somebody subscribes, and returns to what.
    pub fn subscription(&self) -> String {
        loop {
            let mut message = Message::new();
            self.socket.receive(&mut message, 0).expect("a subscription");
            if let Some(topic) = message.as_slice().strip_prefix(b"\x01") {
                return String::from_utf8(topic.to_vec()).unwrap();
            }
        }
    }

    /// Waits until nobody is subscribed to a topic any more.
    pub fn cancellation(&self) {
        let mut message = Message::new();
        while !message.as_slice().starts_with(b"\x00") {
            self.socket.receive(&mut message, 0).expect("a cancellation");
        }
    }

    pub fn send(&self, record: impl AsRef<[u8]>) {
        self.socket.send_bytes(record.as_ref(), 0).unwrap();
    }

    pub fn send_two(&self, topic: &str, record: impl AsRef<[u8]>) {
        self.socket.send_bytes(topic.as_bytes(), SNDMORE).unwrap();
        self.send(record);
    }
}

pub struct Program {
    pub child: Child,
    pub stdout: BufReader<ChildStdout>,
    pub stderr: Receiver<String>,
    pub said: Vec<String>,
}

pub struct Ended {
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
}

pub fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rsyslog-zmq"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("RSYSLOG_ZMQ_")) {
        command.env_remove(name);
    }
    command
}

pub fn lines_of(stderr: ChildStderr) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stderr).lines() {
            if sender.send(line.unwrap()).is_err() {
                return;
            }
        }
    });
    receiver
}

impl Program {
    pub fn start(arguments: &[&str]) -> Self {
        Self::spawn(command(arguments))
    }

    /// Starts the program by a command that replaces itself (exec) by it.
    pub fn spawn(mut command: Command) -> Self {
        let piped = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = piped.spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let stderr = lines_of(child.stderr.take().unwrap());
        Self { child, stdout, stderr, said: Vec::new() }
    }

    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        assert_eq!(line.pop(), Some('\n'), "no more lines; it said {:?}", self.stderr.try_iter().collect::<Vec<_>>());
        line
    }

    /// Waits for a line on standard error.
    pub fn wait_for(&mut self, text: &str) {
        loop {
            let line = self.stderr.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|_| panic!("never said {text:?}, but {:?}", self.said));
            self.said.push(line);
            if self.said.last().unwrap().contains(text) {
                return;
            }
        }
    }

    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    pub fn interrupt(&self) {
        let status = Command::new("sh").args(["-c", &format!("kill -INT {}", self.child.id())]).status().unwrap();
        assert!(status.success());
    }

    pub fn end(mut self) -> Ended {
        let mut stdout = String::new();
        self.stdout.read_to_string(&mut stdout).unwrap();
        let status = self.child.wait().unwrap().code().expect("an exit status, not a signal");
        self.said.extend(self.stderr.iter());
        Ended { status, stdout, stderr: std::mem::take(&mut self.said).join("\n") }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // After a failed assertion; otherwise it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn run(arguments: &[&str]) -> Ended {
    Program::start(arguments).end()
}

/// A CURVE publisher with its certificate and its directory of allowed clients.
pub struct Curve {
    pub directory: TempDir,
    pub publisher: Publisher,
    _authenticator: Authenticator,
}

impl Curve {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let clients = directory.path().join("clients");
        std::fs::create_dir(&clients).unwrap();
        let context = Context::new().unwrap();
        let authenticator = Authenticator::start(&context, Arc::new(|_| {})).unwrap();
        authenticator.add_domain("test", Policy::Directory(clients.clone()));
        let certificate = Certificate::from_pair(KeyPair::generate().unwrap(), Vec::new());
        certificate.write_new(&directory.path().join("server")).unwrap();
        let pair = certificate.into_pair().unwrap();
        let security = Security::CurveServer { pair, admission: Admission::Directory(clients) };
        let publisher = Publisher::open(&context, "tcp://127.0.0.1:*", &security);
        Self { directory, publisher, _authenticator: authenticator }
    }

    pub fn path(&self, name: &str) -> String {
        self.directory.path().join(name).to_str().unwrap().to_owned()
    }

    pub fn make(&self, name: &str) -> String {
        let path = self.path(name);
        assert_eq!(run(&["cert", "new", &path]).status, 0);
        path
    }

    pub fn admit(&self, path: &str) {
        std::fs::copy(path, self.directory.path().join("clients").join(Path::new(path).file_name().unwrap())).unwrap();
    }
}

pub fn record(host: &str, program: &str, number: usize) -> String {
    format!("<13>2026-01-02T03:04:05.000000+00:00 {host} {program}[{number}]: number {number}")
}

pub fn shown(host: &str, program: &str, number: usize) -> String {
    format!("2026-01-02T03:04:05.000000+00:00 {host} {program}[{number}]: number {number}")
}
