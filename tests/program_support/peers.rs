//! What may stand at an endpoint in place of a publisher that works.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use rsyslog_zmq::curve::keys::KeyPair;
use rsyslog_zmq::sys::descriptors::listen;

/// The distribution's interpreter: the one that sees the distribution's pyzmq.
const INTERPRETER: &str = "/usr/bin/python3";

/// Publishes without a pause; a port that was just given up may take a moment to be free.
const PUBLISHER: &str = r#"
import sys, time, zmq
endpoint, public, secret = sys.argv[1:]
socket = zmq.Context().socket(zmq.PUB)
socket.linger = 0
if secret:
    socket.curve_server = 1
    socket.curve_publickey, socket.curve_secretkey = public.encode(), secret.encode()
until = time.monotonic() + 20
while True:
    try:
        socket.bind(endpoint)
        break
    except zmq.ZMQError:
        if time.monotonic() > until:
            raise
        time.sleep(0.01)
print(socket.last_endpoint.decode(), flush=True)
while True:
    socket.send(b"record")
    time.sleep(0.02)
"#;

/// A publisher in a process of its own, which can be stopped; killed when dropped.
pub struct Process {
    child: Child,
    pub endpoint: String,
}

impl Process {
    pub fn start(endpoint: &str, keys: Option<&KeyPair>) -> Self {
        let public = keys.map(|keys| keys.public.to_string()).unwrap_or_default();
        let secret = keys.map(|keys| keys.secret.to_z85().to_string()).unwrap_or_default();
        let arguments = ["-c", PUBLISHER, endpoint, &public, &secret];
        let mut child = Command::new(INTERPRETER).args(arguments).stdout(Stdio::piped()).spawn().unwrap();
        let mut endpoint = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut endpoint).unwrap();
        Self { child, endpoint: endpoint.trim().to_owned() }
    }

    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A TCP server that is no publisher; it ends, with its connections, when dropped.
pub struct Server {
    pub endpoint: String,
    address: SocketAddr,
    is_ending: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Accepts, and says nothing.
    pub fn mute() -> Self {
        Self::start(Some)
    }

    /// Answers whatever it is sent as a web server does, and hangs up.
    pub fn http() -> Self {
        Self::start(|mut stream| {
            std::thread::spawn(move || {
                stream.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
                let _ = stream.read(&mut [0; 1024]);
                let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
                let _ = stream.shutdown(Shutdown::Write);
                while stream.read(&mut [0; 1024]).is_ok_and(|length| length > 0) {}
            });
            None
        })
    }

    /// Hangs up at once.
    pub fn hanging_up() -> Self {
        Self::start(|_| None)
    }

    fn start(serve: impl Fn(TcpStream) -> Option<TcpStream> + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let is_ending = Arc::new(AtomicBool::new(false));
        let is_told = Arc::clone(&is_ending);
        let thread = std::thread::spawn(move || {
            let mut kept = Vec::new();
            while let Ok((stream, _)) = listener.accept() {
                if is_told.load(Ordering::SeqCst) {
                    return;
                }
                kept.extend(serve(stream));
            }
        });
        Self { endpoint: format!("tcp://{address}"), address, is_ending, thread: Some(thread) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.is_ending.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        let _ = self.thread.take().unwrap().join();
    }
}

/// A port whose connection requests nobody answers, as behind a firewall: Linux drops them while the queue of connections
/// that wait to be accepted is full (tcp(7)).
pub struct Unanswered {
    pub endpoint: String,
    _listener: TcpListener,
    _waiting: Vec<TcpStream>,
}

impl Unanswered {
    pub fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listen(listener.as_fd(), 0).unwrap();
        let address = listener.local_addr().unwrap();
        let mut waiting = Vec::new();
        while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(300)) {
            waiting.push(stream);
        }
        Self { endpoint: format!("tcp://{address}"), _listener: listener, _waiting: waiting }
    }
}
