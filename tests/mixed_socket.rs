//! One socket that binds and connects, in bad company: round after round of strangers with garbage, an endpoint by name that
//! refuses, peers that vanish, peers that do not read, hangups, new keys, and descriptors that run out and come back. The
//! healthy connection must not notice, and everything that is sent on it must arrive.

// Helpers outside `#[test]` functions fail a test by panicking too; the figures are what one runs the long one for.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod support;

use std::net::{Ipv4Addr, TcpListener};
use std::process::Command;
use std::time::Duration;

use rsyslog_zmq::sys::zmq::{event, kind};
use support::{Certificates, Config, Daemon, Peer, Record, raw_zmtp, wait_until};

/// Records fed in each round.
const RECORDS: usize = 200;

/// A listener that answers everybody with another mechanism, for as long as the test runs. Returns its port.
fn start_refuser() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            raw_zmtp::say(&stream, &raw_zmtp::greeting("PLAIN"));
            raw_zmtp::is_ended(&stream, Duration::from_secs(1));
        }
    });
    port
}

struct Round<'a> {
    daemon: &'a Daemon,
    certificates: &'a Certificates,
    healthy: Peer,
    endpoint: String,
    next: usize,
}

impl Round<'_> {
    /// A subscriber that listens, and to which the daemon connects.
    fn healthy(certificates: &Certificates, endpoint: &str) -> (Peer, String) {
        let peer = Peer::new(kind::SUB);
        peer.curve_client(certificates, "client", "server");
        peer.subscribe("");
        peer.keep(100_000);
        let mut bound = None;
        wait_until("the address to be free", support::SHORT, || {
            bound = peer.socket.bind(endpoint).ok().map(|()| peer.socket.last_endpoint().unwrap());
            bound.is_some()
        });
        (peer, bound.unwrap())
    }

    fn client(&self) -> Peer {
        let peer = Peer::new(kind::SUB);
        peer.curve_client(self.certificates, "client", "server");
        peer.subscribe("");
        peer
    }

    fn strangers(&self) {
        let port = self.daemon.port("out");
        for mechanism in ["PLAIN", "NULL", "GSSAPI"] {
            let stream = raw_zmtp::connect(port);
            raw_zmtp::say(&stream, &raw_zmtp::greeting(mechanism));
            raw_zmtp::is_ended(&stream, Duration::from_millis(50));
        }
        raw_zmtp::say(&raw_zmtp::connect(port), b"GET / HTTP/1.0\r\n\r\n");
        raw_zmtp::say(&raw_zmtp::connect(port), b"\xff\0");
    }

    fn vanishing_peer(&self) {
        let peer = self.client();
        peer.connect_now(&self.daemon.tcp("out"));
    }

    /// It takes nothing, and is cut off when the publisher has waited for it.
    fn peer_that_does_not_read(&self) -> Peer {
        let peer = self.client();
        peer.keep_little();
        peer.connect_now(&self.daemon.tcp("out"));
        peer
    }

    fn exhaust_descriptors(&self) {
        let id = self.daemon.id();
        let open = std::fs::read_dir(format!("/proc/{id}/fd")).unwrap().count();
        set_descriptor_limit(id, open);
        self.strangers();
        set_descriptor_limit(id, 1024);
    }

    fn new_keys(&mut self) {
        for name in ["server", "server_secret"] {
            std::fs::remove_file(self.certificates.path(name)).unwrap();
        }
        self.certificates.create("server");
        self.daemon.signal(libc::SIGHUP);
        self.healthy.await_event(event::DISCONNECTED);
        let endpoint = self.endpoint.clone();
        self.healthy = Peer::new(kind::SUB);
        (self.healthy, self.endpoint) = Self::healthy(self.certificates, &endpoint);
        self.await_healthy();
        // Attempts with the old keys, before the daemon had the new ones.
        while self.healthy.event_within(Duration::ZERO, event::DISCONNECTED).is_some() {}
    }

    /// Records are fed once its subscription is in force.
    fn await_healthy(&self) {
        self.healthy.await_subscription(&mut self.daemon.feeder(), Record::number(support::feed::PROBE));
    }

    fn feed(&self) {
        let mut feeder = self.daemon.feeder();
        for number in self.next..self.next + RECORDS {
            feeder.record(&Record { size: 500, ..Record::number(number) });
        }
        feeder.flush();
    }

    fn assert_all_arrive(&mut self) {
        for expected in self.next..self.next + RECORDS {
            let frames = self.healthy.receive_within(Duration::from_secs(20));
            let frames = frames.unwrap_or_else(|| panic!("record {expected} has not arrived"));
            let text = String::from_utf8(frames.last().unwrap().clone()).unwrap();
            assert_eq!(text.trim_start().get(..8).unwrap().parse::<usize>().unwrap(), expected);
        }
        self.next += RECORDS;
    }
}

fn set_descriptor_limit(process: u32, limit: usize) {
    let status = Command::new("prlimit").arg(format!("--pid={process}")).arg(format!("--nofile={limit}:1024")).status();
    assert!(status.unwrap().success());
}

fn run(rounds: usize) {
    let certificates = Certificates::new();
    let (healthy, endpoint) = Round::healthy(&certificates, "tcp://127.0.0.1:*");
    let mut daemon = Config::new(
        r#"{feed}
        {stats}
        module(load="omczmq")
        action(name="out" type="omczmq" socktype="PUB" template="text" queue.type="LinkedList" queue.size="100000"
               endpoints="@tcp://127.0.0.1:*,>tcp://localhost:{healthy},>tcp://localhost:{refuser}"
               listenportfilename="{dir}/out.port" sendtimeout="500" reconnectivlmax="500"
               authtype="CURVESERVER" servercertpath="{certs}/server" clientcertpath="{certs}/clients")"#,
    )
    .with("healthy", endpoint.rsplit_once(':').unwrap().1)
    .with("refuser", start_refuser())
    .with("certs", certificates.directory().display())
    .start();
    healthy.await_event(event::HANDSHAKE_SUCCEEDED);
    let mut round = Round { daemon: &daemon, certificates: &certificates, healthy, endpoint, next: 0 };
    round.await_healthy();
    for number in 1..=rounds {
        round.feed();
        round.strangers();
        round.vanishing_peer();
        let stopped = (number % 3 == 0).then(|| round.peer_that_does_not_read());
        round.daemon.signal(libc::SIGHUP);
        if number % 2 == 0 {
            round.exhaust_descriptors();
        }
        round.assert_all_arrive();
        drop(stopped);
        let cut = round.healthy.event_within(Duration::ZERO, event::DISCONNECTED);
        assert_eq!(cut, None, "the healthy connection was cut in round {number}");
        if number % 5 == 0 {
            round.new_keys();
        }
    }
    println!("{rounds} rounds: {} records arrived, each once and in order", round.next);
    drop(round);
    assert_eq!(daemon.wait_for_counter("omczmq(out)", "endpoints", |_| true), 2);
    daemon.stop();
}

#[test]
fn a_healthy_connection_of_a_mixed_socket_is_untouched_in_six_rounds() {
    run(6);
}

#[test]
#[ignore = "takes minutes; `make test-connections` runs it"]
fn a_healthy_connection_of_a_mixed_socket_is_untouched_in_two_hundred_rounds() {
    run(200);
}
