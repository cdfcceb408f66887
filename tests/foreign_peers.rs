//! The same wire as everybody else's: the distribution's C pair and pyzmq as peers in both directions.
//!
//! The C pair runs in a daemon of its own, the system's, which it was built for; its end is not looked at: it crashes there.

mod support;

use support::python::Python;
use support::{Certificates, Config, Daemon, Host, LONG, Record, wait_until};

const COUNT: usize = 1000;

#[test]
fn ours_sends_and_the_c_module_receives() {
    let mut sender = Daemon::start(
        r#"{feed}
        module(load="omczmq")
        action(type="omczmq" socktype="PUSH" endpoints="@tcp://127.0.0.1:*" listenportfilename="{dir}/out.port")"#,
    );
    let receiver = Config::on(
        &Host::of_system(),
        r#"module(load="{distro}/imczmq.so")
        input(type="imczmq" socktype="PULL" endpoints=">{endpoint}")
        {receive}"#,
    )
    .with("endpoint", sender.tcp("out"))
    .start();
    sender.feed(COUNT, 200);
    receiver.assert_received(COUNT);
    sender.stop();
}

#[test]
fn the_c_module_sends_and_ours_receives() {
    let mut receiver = Daemon::start(
        r#"module(load="imczmq")
        input(type="imczmq" socktype="PULL" endpoints="@tcp://127.0.0.1:*" listenportfilename="{dir}/in.port")
        {receive}"#,
    );
    let sender = Config::on(
        &Host::of_system(),
        r#"{feed}
        module(load="{distro}/omczmq.so")
        action(type="omczmq" socktype="PUSH" endpoints=">{endpoint}" template="RSYSLOG_ForwardFormat")"#,
    )
    .with("endpoint", receiver.tcp("in"))
    .start();
    sender.feed(COUNT, 200);
    receiver.assert_received(COUNT);
    receiver.stop();
}

#[test]
fn the_c_module_publishes_and_ours_subscribes() {
    let sender = Config::on(
        &Host::of_system(),
        r#"{feed}
        module(load="{distro}/omczmq.so")
        action(type="omczmq" socktype="PUB" endpoints="@ipc://{dir}/out.ipc" template="RSYSLOG_ForwardFormat")"#,
    )
    .start();
    let mut receiver = Config::new(
        r#"module(load="imczmq")
        input(type="imczmq" socktype="SUB" endpoints=">{endpoint}" topics="<")
        {receive}"#,
    )
    .with("endpoint", sender.ipc("out"))
    .start();
    receiver.await_subscription(&mut sender.feeder(), Record::number(0));
    // Below the high-water mark of 1000: the C module drops what exceeds it.
    sender.feed(500, 200);
    receiver.assert_received(500);
    receiver.stop();
}

#[test]
fn curve_works_with_the_c_module_on_either_side() {
    let certificates = Certificates::new();
    let certs = certificates.directory().display();
    let mut middle = Config::new(
        r#"module(load="imczmq" authtype="CURVESERVER" servercertpath="{certs}/server" clientcertpath="{certs}/clients")
        module(load="omczmq" authtype="CURVECLIENT" servercertpath="{certs}/server" clientcertpath="{certs}/client")
        input(type="imczmq" socktype="PULL" endpoints="@tcp://127.0.0.1:*" listenportfilename="{dir}/in.port")
        action(type="omczmq" socktype="PUSH" endpoints=">{endpoint}")"#,
    );
    middle = middle.with("certs", &certs);
    let receiver = Config::on(
        &Host::of_system(),
        r#"module(load="{distro}/imczmq.so" authtype="CURVESERVER" authenticator="on"
               servercertpath="{certs}/server_secret" clientcertpath="{certs}/clients")
        input(type="imczmq" socktype="PULL" endpoints="@ipc://{dir}/in.ipc")
        {receive}"#,
    )
    .with("certs", &certs)
    .start();
    let mut middle = middle.with("endpoint", receiver.ipc("in")).start();
    let sender = Config::on(
        &Host::of_system(),
        r#"{feed}
        module(load="{distro}/omczmq.so" authtype="CURVECLIENT"
               servercertpath="{certs}/server" clientcertpath="{certs}/client_secret")
        action(type="omczmq" socktype="PUSH" endpoints=">{endpoint}" template="RSYSLOG_ForwardFormat")"#,
    )
    .with("certs", &certs)
    .with("endpoint", middle.tcp("in"))
    .start();
    sender.feed(COUNT, 200);
    receiver.assert_received(COUNT);
    middle.stop();
}

/// Receives `count` messages and prints each, frames joined by `|`. Arguments: role, type, endpoint, topic, count, and the
/// directory of certificates or nothing.
const PYTHON: &str = r#"
import sys, os, zmq, zmq.auth
action, kind, endpoint, topic, count, certs = sys.argv[1:7]
context = zmq.Context()
socket = context.socket(getattr(zmq, kind))
socket.setsockopt(zmq.LINGER, 10000)
if certs:
    public, secret = zmq.auth.load_certificate(os.path.join(certs, "reader.key_secret"))
    socket.curve_publickey, socket.curve_secretkey = public, secret
    socket.curve_serverkey = zmq.auth.load_certificate(os.path.join(certs, "daemon.key"))[0]
if kind == "SUB":
    socket.setsockopt_string(zmq.SUBSCRIBE, topic)
socket.connect(endpoint)
for number in range(int(count)):
    if action == "send":
        socket.send(b"<13>Nov 22 13:00:00 host1 app: %08d" % number)
    else:
        print("|".join(frame.decode() for frame in socket.recv_multipart()), flush=True)
# Without it the end of the interpreter would not wait for what is not sent yet.
socket.close()
context.term()
"#;

#[test]
fn ours_sends_and_pyzmq_receives() {
    let mut daemon = Daemon::start(
        r#"{feed}
        module(load="omczmq")
        action(type="omczmq" socktype="PUSH" endpoints="@tcp://127.0.0.1:*" listenportfilename="{dir}/out.port"
               template="text")"#,
    );
    let mut python = Python::start(PYTHON, &["receive", "PULL", &daemon.tcp("out"), "", &COUNT.to_string(), ""]);
    daemon.feed(COUNT, 200);
    for number in 0..COUNT {
        let line = python.line();
        assert!(line.starts_with(&format!(" {number:08} xx")), "{number}: {line}");
    }
    python.finish();
    daemon.stop();
}

#[test]
fn pyzmq_sends_and_ours_receives() {
    let mut daemon = Daemon::start(
        r#"module(load="imczmq")
        input(type="imczmq" socktype="PULL" endpoints="@tcp://127.0.0.1:*" listenportfilename="{dir}/in.port")
        {receive}"#,
    );
    let mut python = Python::start(PYTHON, &["send", "PUSH", &daemon.tcp("in"), "", &COUNT.to_string(), ""]);
    daemon.assert_received(COUNT);
    python.finish();
    daemon.stop();
}

#[test]
fn certificates_that_pyzmq_wrote_serve_both_sides() {
    let directory = tempfile::tempdir().unwrap();
    let create = r#"
import os, sys, zmq.auth
os.umask(0o077)
for name in ("daemon", "reader"):
    zmq.auth.create_certificates(sys.argv[1], name)
os.mkdir(os.path.join(sys.argv[1], "clients"))
os.link(os.path.join(sys.argv[1], "reader.key"), os.path.join(sys.argv[1], "clients", "reader.key"))
"#;
    let certs = directory.path().display().to_string();
    Python::start(create, &[&certs]).finish();
    let mut daemon = Config::new(
        r#"{feed}
        module(load="omczmq")
        action(type="omczmq" socktype="PUB" endpoints="@tcp://127.0.0.1:*" listenportfilename="{dir}/out.port"
               topics="news" topicframe="on" template="text" authtype="CURVESERVER"
               servercertpath="{certs}/daemon.key" clientcertpath="{certs}/clients")"#,
    )
    .with("certs", &certs)
    .start();
    let arguments = ["receive", "SUB", &daemon.tcp("out"), "news", "1000000", &certs];
    let python = Python::start(PYTHON, &arguments);
    let mut feeder = daemon.feeder();
    let mut lines = std::iter::from_fn(|| Some(python.line())).filter(|line| !line.contains(" 99999999"));
    wait_until("pyzmq's subscription", LONG, || {
        feeder.probe(Record::number(0));
        python.has_line()
    });
    daemon.feed(COUNT, 0);
    for number in 0..COUNT {
        assert_eq!(lines.next(), Some(format!("news| {number:08}")));
    }
    daemon.stop();
}
