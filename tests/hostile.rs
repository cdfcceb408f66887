//! Clients that should not be there: each is refused, counted where libzmq reports it, and harms neither the daemon nor the
//! client that may be there.

// Helpers outside `#[test]` functions fail a test by panicking too; figures and omissions are told on standard error.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

mod support;

use std::collections::BTreeSet;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use rsyslog_zmq::sys::zmq::{event, kind};
use support::raw_zmtp::{GREETING, HELLO, connect, cut_after, greeting, is_ended, say};
use support::statistics;
use support::wait::becomes_true;
use support::{Certificates, Config, Daemon, Peer, Publisher, Record, SHORT, wait_until};

/// `ZMQ_PLAIN_USERNAME` and `ZMQ_PLAIN_PASSWORD` (zmq.h).
const PLAIN: [i32; 2] = [45, 46];

/// How long a good client's log may take, whatever the bad ones do.
const SOON: Duration = Duration::from_secs(1);

/// A daemon whose input `in` admits `client`, and a client that has been admitted.
struct Scene {
    certificates: Certificates,
    daemon: Daemon,
    good: Peer,
    endpoint: String,
    sent: usize,
}

impl Scene {
    fn set() -> Self {
        let certificates = Certificates::new();
        let daemon = Config::new(
            r#"{stats}
            module(load="imczmq")
            input(name="in" type="imczmq" socktype="PULL" endpoints="@tcp://127.0.0.1:*" listenportfilename="{dir}/in.port"
                  authtype="CURVESERVER" servercertpath="{certs}/server" clientcertpath="{certs}/clients")
            {receive}"#,
        )
        .with("certs", certificates.directory().display())
        // As many descriptors as may be had, for those who hold connections.
        .launched_by(&["sh", "-c", "ulimit -n $(ulimit -Hn); exec \"$@\"", "sh"])
        .start();
        let endpoint = daemon.tcp("in");
        let good = Peer::new(kind::PUSH);
        good.curve_client(&certificates, "client", "server");
        good.connect_now(&endpoint);
        let mut scene = Self { certificates, daemon, good, endpoint, sent: 0 };
        scene.assert_served();
        scene
    }

    fn port(&self) -> u16 {
        self.daemon.port("in")
    }

    /// A client that has not connected yet and already has something to say.
    fn forger(&self, security: impl FnOnce(&Peer, &Certificates)) -> Peer {
        let peer = Peer::new(kind::PUSH);
        security(&peer, &self.certificates);
        peer.connect(&self.endpoint);
        peer.send(&[&Record::number(77_777_777).bytes()]);
        peer
    }

    /// The good client's next log arrives soon, after nothing but its earlier ones.
    fn assert_served(&mut self) {
        self.good.send(&[&Record::number(self.sent).bytes()]);
        self.sent += 1;
        let received = || support::daemon::read(&self.daemon.file("received")).lines().count() >= self.sent;
        assert!(becomes_true(SOON, received), "the good client is not served");
        self.daemon.assert_received(self.sent);
    }

    /// The daemon lives, the good client is its only live peer, and is served.
    fn assert_unharmed(mut self) {
        self.assert_served();
        self.daemon.wait_for_counter("imczmq(in)", "received", |received| received == self.sent as u64);
        self.daemon.wait_for_counter("imczmq(in)", "connections_active", |active| active == 1);
        self.daemon.stop();
    }

    /// Both sides see that their mechanisms differ; the second one sees only that the other one has gone.
    fn await_mismatch(&self) {
        let count =
            |counter| statistics::last(&support::daemon::read(&self.daemon.file("stats")), "imczmq(in)", counter);
        wait_until("the refusal to be counted", SHORT, || {
            count("handshakes_failed_protocol") > Some(0) || count("handshakes_failed_other") > Some(0)
        });
    }

    fn await_count(&self, counter: &str, least: u64) {
        self.daemon.wait_for_counter("imczmq(in)", counter, |count| count >= least);
    }
}

#[test]
fn a_client_without_security_is_refused() {
    let scene = Scene::set();
    let forger = scene.forger(|_, _| {});
    forger.assert_refused();
    scene.await_mismatch();
    scene.assert_unharmed();
}

#[test]
fn a_client_with_a_password_is_refused() {
    let scene = Scene::set();
    let forger = scene.forger(|peer, _| {
        for option in PLAIN {
            peer.socket.set_bytes(option, b"admin").unwrap();
        }
    });
    forger.assert_refused();
    scene.await_mismatch();
    scene.assert_unharmed();
}

#[test]
fn a_client_with_a_key_that_is_not_listed_is_refused_and_named() {
    let scene = Scene::set();
    let forger = scene.forger(|peer, certificates| peer.curve_client(certificates, "stranger", "server"));
    forger.assert_refused();
    scene.await_count("auth_denied", 1);
    scene.await_count("handshakes_failed_auth", 1);
    let (key, _) = scene.certificates.keys("stranger");
    scene.daemon.wait_for_log(&format!("refused client at 127.0.0.1 with key {key}"));
    scene.assert_unharmed();
}

#[test]
fn a_client_that_shows_a_listed_key_without_owning_it_is_refused() {
    let scene = Scene::set();
    let forger = scene.forger(|peer, certificates| {
        peer.curve_client(certificates, "stranger", "server");
        let (admitted, _) = certificates.keys("client");
        let key = zmq::z85_decode(&admitted).unwrap();
        peer.socket.set_bytes(rsyslog_zmq::sys::zmq::option::CURVE_PUBLICKEY, &key).unwrap();
    });
    forger.assert_refused();
    scene.await_count("handshakes_failed_protocol", 1);
    scene.assert_unharmed();
}

#[test]
fn a_client_that_mistakes_the_servers_key_is_refused() {
    let scene = Scene::set();
    let forger = scene.forger(|peer, certificates| peer.curve_client(certificates, "client", "stranger"));
    forger.assert_refused();
    scene.await_count("handshakes_failed_protocol", 1);
    scene.assert_unharmed();
}

#[test]
fn a_key_that_was_removed_is_refused_by_its_former_name() {
    let scene = Scene::set();
    scene.certificates.create("former");
    scene.certificates.admit("former");
    scene.daemon.signal(libc::SIGHUP);
    // Until the daemon has looked, the key is a stranger's; a refused libzmq client never tries again.
    wait_until("the key to be admitted", SHORT, || {
        let seen = scene.forger_of_former().await_event(event::HANDSHAKE_SUCCEEDED | event::HANDSHAKE_FAILED_AUTH);
        seen == event::HANDSHAKE_SUCCEEDED
    });
    std::fs::remove_file(scene.certificates.path("clients/former")).unwrap();
    scene.daemon.wait_for_log("was removed from the list");
    let second = scene.forger_of_former();
    second.assert_refused();
    scene.await_count("auth_denied", 1);
    scene.daemon.wait_for_log("refused client \"former\"");
    scene.daemon.wait_for_log("its key was removed from the list of allowed certificates");
    scene.assert_unharmed();
}

impl Scene {
    fn forger_of_former(&self) -> Peer {
        let peer = Peer::new(kind::PUSH);
        peer.curve_client(&self.certificates, "former", "server");
        peer.connect(&self.endpoint);
        peer
    }
}

/// Bytes that no client of this server would say; it must hang up on each.
fn nonsense() -> Vec<Vec<u8>> {
    let huge_frame = [&greeting("CURVE")[..], &[0x06, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]].concat();
    let huge_command = [&greeting("CURVE")[..], &[0x06, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]].concat();
    let not_a_command = [&greeting("CURVE")[..], &[0x00, 5], b"HELLO"].concat();
    let reserved_flags = [&greeting("CURVE")[..], &[0xf8, 1, 0]].concat();
    let mut old_versions = vec![b"\xff\0\0\0\0\0\0\0\x01\x7f\x01\x08".to_vec(), b"\x01\0\x05hello".to_vec()];
    old_versions.push(b"\xff\0\0\0\0\0\0\0\x01\x7f\x00\x08\x00\x00".to_vec());
    let mut all = vec![
        b"GET / HTTP/1.0\r\n\r\n".to_vec(),
        vec![0; 4096],
        vec![0xff; 4096],
        (0..1 << 20).map(|n: u32| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect(),
        b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03".to_vec(),
        greeting("BOGUS"),
        greeting("NULL"),
        // A greeting that does not end.
        [greeting("CURVE"), vec![0x41; 1 << 20]].concat(),
        huge_frame,
        huge_command,
        not_a_command,
        reserved_flags,
    ];
    all.append(&mut old_versions);
    all
}

#[test]
fn nonsense_on_the_port_ends_its_own_connection_only() {
    let mut scene = Scene::set();
    for bytes in nonsense() {
        let stream = connect(scene.port());
        say(&stream, &bytes);
        let shown = bytes[..bytes.len().min(80)].escape_ascii().to_string();
        assert!(is_ended(&stream, SHORT), "the server goes on listening to {shown}");
        scene.assert_served();
    }
    scene.await_count("connections_closed", nonsense().len() as u64);
    scene.await_count("handshakes_failed_protocol", 1);
    scene.assert_unharmed();
}

#[test]
fn nonsense_on_the_port_does_not_hide_the_peer_of_an_action() {
    let certificates = Certificates::new();
    let mut daemon = Config::new(
        r#"{feed}
        {stats}
        module(load="omczmq")
        action(name="out" type="omczmq" socktype="PUSH" endpoints="@tcp://127.0.0.1:*" listenportfilename="{dir}/out.port"
               template="text" queue.type="LinkedList" closetimeout="500"
               authtype="CURVESERVER" servercertpath="{certs}/server" clientcertpath="{certs}/clients")"#,
    )
    .with("certs", certificates.directory().display())
    .start();
    let held = connect(daemon.port("out"));
    say(&held, &greeting("CURVE"));
    let good = Peer::new(kind::PULL);
    good.curve_client(&certificates, "client", "server");
    good.connect_now(&daemon.tcp("out"));
    for bytes in nonsense() {
        let stream = connect(daemon.port("out"));
        say(&stream, &bytes);
        assert!(is_ended(&stream, SHORT));
    }
    daemon.wait_for_counter("omczmq(out)", "connections_closed", |closed| closed >= nonsense().len() as u64);
    daemon.feed(10, 0);
    assert_eq!(good.receive_texts(10), support::texts(10, ""));
    daemon.wait_for_counter("omczmq(out)", "connections_active", |active| active == 1);
    drop(held);
    daemon.stop();
}

#[test]
fn a_handshake_may_be_cut_anywhere() {
    let scene = Scene::set();
    // Around each boundary of what a client says: signature, version, greeting, HELLO, INITIATE.
    let inside = [0, 1, 9, 10, 11, 12, 32, GREETING - 1, GREETING, GREETING + 1, GREETING + 2, GREETING + 100];
    let later = [0, 1, 2, 10, 100, 250].map(|more| GREETING + HELLO - 1 + more);
    let cuts: BTreeSet<usize> = inside.into_iter().chain(later).collect();
    for &bytes in &cuts {
        let endpoint = cut_after(bytes, scene.port());
        let peer = Peer::new(kind::PUSH);
        peer.curve_client(&scene.certificates, "client", "server");
        peer.connect(&endpoint);
        peer.assert_refused();
    }
    scene.await_count("connections_closed", cuts.len() as u64);
    scene.await_count("handshakes_failed_other", 1);
    scene.assert_unharmed();
}

/// Raises this process's limit of open descriptors and returns it.
fn raise_descriptor_limit() -> u64 {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: writes one rlimit.
    assert_eq!(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) }, 0);
    limit.rlim_cur = limit.rlim_max;
    // SAFETY: reads one rlimit; a soft limit up to the hard one is always allowed.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) }, 0);
    limit.rlim_cur
}

#[test]
fn a_thousand_connections_that_never_shake_hands_hold_nobody_up() {
    let limit = raise_descriptor_limit();
    let count = usize::try_from(limit.saturating_sub(200)).unwrap().min(1000);
    if count < 1000 {
        eprintln!("only {count} connections: no more than {limit} descriptors are to be had");
    }
    let mut scene = Scene::set();
    let port = scene.port();
    let held: Vec<TcpStream> = (0..count)
        .map(|number| {
            let stream = connect(port);
            match number % 3 {
                0 => {}
                1 => say(&stream, &greeting("CURVE")[..11]),
                _ => say(&stream, &greeting("CURVE")),
            }
            stream
        })
        .collect();
    scene.await_count("connections_accepted", count as u64 + 1);
    scene.assert_served();
    // Not only the one that was there before.
    let begin = Instant::now();
    let late = Peer::new(kind::PUSH);
    late.curve_client(&scene.certificates, "client", "server");
    late.connect_now(&scene.endpoint);
    late.send(&[&Record::number(scene.sent).bytes()]);
    scene.sent += 1;
    scene.daemon.assert_received(scene.sent);
    let elapsed = begin.elapsed();
    assert!(elapsed < SOON, "a good client needed {elapsed:?}");
    drop(late);
    drop(held);
    scene.await_count("connections_closed", count as u64 + 1);
    scene.assert_unharmed();
}

#[test]
fn more_connections_than_descriptors_leave_the_daemon_alive() {
    let certificates = Certificates::new();
    let mut daemon = Config::new(
        r#"{stats}
        module(load="imczmq")
        input(name="in" type="imczmq" socktype="PULL" endpoints="@tcp://127.0.0.1:*" listenportfilename="{dir}/in.port"
              authtype="CURVESERVER" servercertpath="{certs}/server" clientcertpath="{certs}/clients")
        {receive}"#,
    )
    .with("certs", certificates.directory().display())
    .launched_by(&["sh", "-c", "ulimit -n 100; exec \"$@\"", "sh"])
    .start();
    let endpoint = daemon.tcp("in");
    let port = daemon.port("in");
    let held: Vec<TcpStream> = (0..200).map(|_| connect(port)).collect();
    let descriptors = format!("/proc/{}/fd", daemon.id());
    let count = || std::fs::read_dir(&descriptors).unwrap().count();
    wait_until("the daemon to run out of descriptors", SHORT, || count() >= 95);
    drop(held);
    // A client that is refused for want of descriptors is only tried again when its handshake has timed out.
    wait_until("the daemon to have descriptors again", SHORT, || count() < 80);
    let good = Peer::new(kind::PUSH);
    good.curve_client(&certificates, "client", "server");
    good.connect(&endpoint);
    good.send(&[&Record::number(0).bytes()]);
    daemon.assert_received(1);
    daemon.stop();
}

#[test]
fn a_flood_of_strangers_is_counted_whole_and_logged_in_a_few_lines() {
    let scene = Scene::set();
    let strangers = 20;
    let handshakes = 100;
    for number in 0..strangers {
        scene.certificates.create(&format!("stranger-{number}"));
    }
    for number in 0..handshakes {
        let name = format!("stranger-{}", number % strangers);
        let peer = Peer::new(kind::PUSH);
        peer.curve_client(&scene.certificates, &name, "server");
        peer.connect(&scene.endpoint);
        peer.assert_refused();
    }
    scene.await_count("auth_denied", handshakes);
    let log = scene.daemon.log();
    let lines = log.lines().filter(|line| line.contains("refused client")).count();
    assert!(lines as u64 <= strangers + 1, "{lines} lines for {strangers} strangers:\n{log}");
    scene.assert_unharmed();
}

#[test]
fn a_publisher_that_sends_too_much_is_cut_off_and_connected_to_again() {
    let publisher = Publisher::new();
    let mut daemon = Config::new(
        r#"{stats}
        module(load="imczmq")
        input(name="in" type="imczmq" socktype="SUB" endpoints=">{endpoint}" topics="" maxmsgsize="2000")
        {receive}"#,
    )
    .with("endpoint", &publisher.endpoint)
    .start();
    assert_eq!(publisher.subscriptions(1), [""]);
    for number in 0..3 {
        publisher.peer.send(&[&Record::number(number).bytes()]);
        daemon.wait_for_lines("received", number + 1, 9);
        publisher.peer.send(&[&vec![b'x'; 10_000]]);
        // The end of the old subscription and the new one.
        assert_eq!(publisher.peer.receive_texts(2), ["\0", "\u{1}"]);
    }
    daemon.assert_received(3);
    daemon.wait_for_counter("imczmq(in)", "oversize", |count| count == 3);
    daemon.stop();
}

#[test]
fn the_raw_greeting_is_a_greeting() {
    // Otherwise the tests with half a handshake would prove nothing.
    let scene = Scene::set();
    let stream = connect(scene.port());
    say(&stream, &greeting("CURVE"));
    assert!(!is_ended(&stream, Duration::from_millis(500)), "the server does not wait for HELLO");
    wait_until("its end", SHORT, || {
        say(&stream, b"\x04\x03abc");
        is_ended(&stream, Duration::from_millis(100))
    });
    scene.assert_unharmed();
}
