//! The life of connections, against real daemons: strangers at a socket that also connects, endpoints with names, peers that
//! come back, what is said about those that are away, and a daemon that a full queue holds up.

// Helpers outside `#[test]` functions fail a test by panicking too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod support;

use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rsyslog_zmq::sys::zmq::{DONTWAIT, event, kind, option};
use support::daemon::read;
use support::{Certificates, Config, Daemon, Peer, Record, raw_zmtp, wait_until};

/// A listener that refuses everybody by its greeting, until it is dropped.
struct Refuser {
    port: u16,
    is_over: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<usize>>,
}

impl Refuser {
    fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let is_over = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&is_over);
        let thread = std::thread::spawn(move || {
            let mut count = 0;
            while let Ok((stream, _)) = listener.accept() {
                if seen.load(Ordering::SeqCst) {
                    break;
                }
                count += 1;
                raw_zmtp::say(&stream, &raw_zmtp::greeting("PLAIN"));
                raw_zmtp::is_ended(&stream, Duration::from_secs(5));
            }
            count
        });
        Self { port, is_over, thread: Some(thread) }
    }

    /// Ends it and returns how many it has refused.
    fn stop(mut self) -> usize {
        self.is_over.store(true, Ordering::SeqCst);
        drop(raw_zmtp::connect(self.port));
        self.thread.take().unwrap().join().unwrap()
    }
}

/// The port of an endpoint.
fn port_of(endpoint: &str) -> &str {
    endpoint.rsplit_once(':').unwrap().1
}

/// Receives the records of a range, each once and in order.
fn assert_arrive(peer: &Peer, range: std::ops::Range<usize>) {
    let number = |frames: Vec<Vec<u8>>| -> usize {
        let text = String::from_utf8(frames.last().unwrap().clone()).unwrap();
        text.trim_start().get(..8).unwrap().parse().unwrap()
    };
    let arrived: Vec<usize> =
        range.clone().map_while(|_| peer.receive_within(Duration::from_secs(10)).map(number)).collect();
    assert_eq!(arrived, range.collect::<Vec<_>>());
}

#[test]
fn strangers_at_the_listener_of_a_mixed_socket_do_not_disturb_its_connection() {
    const COUNT: usize = 2000;
    let pull = Peer::new(kind::PULL);
    let endpoint = pull.bind("tcp://127.0.0.1:*");
    let mut daemon = Config::new(
        r#"{feed}
        {stats}
        module(load="omczmq")
        action(name="out" type="omczmq" socktype="PUSH" endpoints="@tcp://127.0.0.1:*,>{peer}" template="text"
               listenportfilename="{dir}/out.port" queue.type="LinkedList")"#,
    )
    .with("peer", &endpoint)
    .start();
    pull.await_event(event::HANDSHAKE_SUCCEEDED);
    let port = daemon.port("out");
    let mut feeder = daemon.feeder();
    for round in 0..5 {
        for number in round * COUNT / 5..(round + 1) * COUNT / 5 {
            feeder.record(&Record::number(number));
        }
        feeder.flush();
        // Before any authentication: a greeting with another mechanism, and no greeting at all.
        for garbage in [raw_zmtp::greeting("PLAIN"), raw_zmtp::greeting("CURVE")] {
            let stranger = raw_zmtp::connect(port);
            raw_zmtp::say(&stranger, &garbage);
            assert!(raw_zmtp::is_ended(&stranger, Duration::from_secs(20)));
        }
        assert_arrive(&pull, round * COUNT / 5..(round + 1) * COUNT / 5);
    }
    assert_eq!(pull.event_within(Duration::from_secs(1), event::DISCONNECTED), None, "its connection was cut");
    daemon.wait_for_counter("omczmq(out)", "handshakes_failed_protocol", |count| count >= 5);
    assert_eq!(daemon.wait_for_counter("omczmq(out)", "reconnects", |_| true), 0);
    daemon.stop();
}

#[test]
fn an_endpoint_by_name_that_refuses_does_not_disturb_another_one() {
    const COUNT: usize = 1000;
    let pull = Peer::new(kind::PULL);
    let endpoint = pull.bind("tcp://127.0.0.1:*");
    let refuser = Refuser::start();
    let mut daemon = Config::new(
        r#"{feed}
        {stats}
        module(load="omczmq")
        action(name="out" type="omczmq" socktype="PUSH" template="text" queue.type="LinkedList"
               endpoints=">tcp://localhost:{good},>tcp://localhost:{bad}")"#,
    )
    .with("good", port_of(&endpoint))
    .with("bad", refuser.port)
    .start();
    pull.await_event(event::HANDSHAKE_SUCCEEDED);
    let mut feeder = daemon.feeder();
    // Long enough for several attempts at the one that refuses: their pauses begin with 100 ms.
    for number in 0..COUNT {
        feeder.record(&Record::number(number));
        if number % 100 == 0 {
            feeder.flush();
            assert_eq!(pull.event_within(Duration::from_millis(300), event::DISCONNECTED), None, "record {number}");
        }
    }
    feeder.flush();
    assert_arrive(&pull, 0..COUNT);
    daemon.wait_for_log(&format!("no connection to tcp://localhost:{}", refuser.port));
    let lines = read(&daemon.file("rsyslogd.log")).matches("no connection to").count();
    assert_eq!(lines, 1, "once, however often it is tried: {}", daemon.log());
    assert_eq!(daemon.wait_for_counter("omczmq(out)", "connections_active", |_| true), 1);
    assert_eq!(daemon.wait_for_counter("omczmq(out)", "endpoints", |_| true), 2);
    let tried = refuser.stop();
    assert!(tried >= 3, "it was tried {tried} times");
    daemon.stop();
}

#[test]
fn an_endpoint_by_name_comes_back_after_a_restart_and_then_a_frame_over_the_limit() {
    let publisher = || {
        let peer = Peer::new(kind::XPUB);
        peer.socket.set_int(option::LINGER, 0).unwrap();
        peer
    };
    let closed = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    let first = publisher();
    let endpoint = first.bind("tcp://127.0.0.1:*");
    let mut daemon = Config::new(
        r#"{stats}
        module(load="imczmq")
        input(name="in" type="imczmq" socktype="SUB" maxmsgsize="1024" reconnectivl="20"
              endpoints=">tcp://localhost:{port},>tcp://localhost:{closed}")
        {receive}"#,
    )
    .with("port", port_of(&endpoint))
    .with("closed", closed)
    .start();
    assert_eq!(first.receive_texts(1), ["\u{1}"], "its subscription");
    // An ordinary reconnect: from now on libzmq names the address.
    drop(first);
    let second = publisher();
    wait_until("the port to be free", support::SHORT, || second.socket.bind(&endpoint).is_ok());
    assert_eq!(second.receive_texts(1), ["\u{1}"], "it is back");
    for round in 0..3 {
        second.send(&[&Record::number(round).bytes()]);
        daemon.wait_for_lines("received", round + 1, 9);
        // libzmq ends the connection and never connects again by itself.
        second.send(&[&[b'x'; 2000]]);
        assert_eq!(second.receive_texts(2), ["\0", "\u{1}"], "it has gone, and is back");
    }
    daemon.wait_for_counter("imczmq(in)", "oversize", |count| count == 3);
    daemon.stop();
}

#[test]
fn an_endpoint_that_is_away_is_named_after_ten_seconds_and_so_is_its_return() {
    let closed = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = closed.local_addr().unwrap().port();
    drop(closed);
    let begin = Instant::now();
    let mut daemon = Config::new(
        r#"{feed}
        {stats}
        module(load="omczmq")
        action(name="out" type="omczmq" socktype="PUSH" template="text" queue.type="LinkedList"
               endpoints=">tcp://localhost:{port},>tcp://no-such-host.invalid:24445")"#,
    )
    .with("port", port)
    .start();
    let away = format!("out: cannot reach tcp://localhost:{port}: nothing listens there; trying again");
    daemon.wait_for_log(&away);
    assert!(begin.elapsed() >= Duration::from_secs(10), "a restart of the peer is no news");
    daemon.wait_for_log(
        "out: cannot reach tcp://no-such-host.invalid:24445: the name \"no-such-host.invalid\" does not resolve",
    );
    let pull = Peer::new(kind::PULL);
    pull.bind(&format!("tcp://127.0.0.1:{port}"));
    daemon.wait_for_log(&format!("out: connected to tcp://localhost:{port} again after"));
    assert_eq!(daemon.log().matches(&away).count(), 1, "once");
    daemon.wait_for_counter("omczmq(out)", "connections_active", |active| active == 1);
    assert_eq!(daemon.wait_for_counter("omczmq(out)", "endpoints", |_| true), 2);
    daemon.feed(10, 0);
    assert_arrive(&pull, 0..10);
    daemon.stop();
}

#[test]
fn a_listening_push_action_takes_nothing_once_its_peer_has_gone() {
    let mut daemon = Config::new(
        r#"{feed}
        {stats}
        module(load="omczmq")
        action(name="out" type="omczmq" socktype="PUSH" endpoints="@tcp://127.0.0.1:*" template="text"
               listenportfilename="{dir}/out.port" queue.type="LinkedList")"#,
    )
    .start();
    let endpoint = daemon.tcp("out");
    let mut next = 0;
    for _ in 0..5 {
        let pull = Peer::new(kind::PULL);
        pull.connect_now(&endpoint);
        let mut feeder = daemon.feeder();
        feeder.record(&Record::number(next));
        feeder.flush();
        assert_arrive(&pull, next..next + 1);
        drop(pull);
        daemon.wait_for_counter("omczmq(out)", "connections_active", |active| active == 0);
        let accepted = daemon.wait_for_counter("omczmq(out)", "accepted", |count| count == next as u64 + 1);
        // Nobody is there: it stays in rsyslog's queue, and the next peer gets it.
        feeder.record(&Record::number(next + 1));
        feeder.flush();
        await_statistics(&daemon);
        assert_eq!(daemon.wait_for_counter("omczmq(out)", "accepted", |_| true), accepted, "taken without a peer");
        let pull = Peer::new(kind::PULL);
        pull.connect_now(&endpoint);
        assert_arrive(&pull, next + 1..next + 2);
        next += 2;
        drop(pull);
        daemon.wait_for_counter("omczmq(out)", "connections_active", |active| active == 0);
    }
    daemon.stop();
}

/// Waits until impstats has written twice more, so that the last figures are from after the call.
fn await_statistics(daemon: &Daemon) {
    let written = || read(&daemon.file("stats")).matches("omczmq(out)").count();
    let before = written();
    wait_until("two more lines of statistics", support::SHORT, || written() >= before + 2);
}

/// Connections of a port on loopback that the peer has closed and the daemon has not.
fn half_closed(port: u16) -> usize {
    let local = format!("0100007F:{port:04X}");
    read(std::path::Path::new("/proc/net/tcp"))
        .lines()
        .filter(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            words.get(1) == Some(&local.as_str()) && words.get(3) == Some(&"08")
        })
        .count()
}

#[test]
fn descriptors_of_peers_that_broke_the_protocol_and_went_come_back_by_heartbeats() {
    let mut daemon = Config::new(
        r#"{stats}
        module(load="imczmq")
        input(name="in" type="imczmq" socktype="PULL" endpoints="@tcp://127.0.0.1:*" listenportfilename="{dir}/in.port"
              heartbeativl="200" heartbeattimeout="1000")
        {receive}"#,
    )
    .start();
    let port = daemon.port("in");
    let mut most = 0;
    for round in 0..100 {
        let stream = raw_zmtp::connect(port);
        let ready = b"\x05READY\x0bSocket-Type\x00\x00\x00\x04PUSH";
        let mut bytes = raw_zmtp::greeting("NULL");
        bytes.extend([4, u8::try_from(ready.len()).unwrap()]);
        bytes.extend(ready);
        // A command that is too short for its name, in pieces, so that libzmq has met EAGAIN before.
        raw_zmtp::say(&stream, &bytes);
        raw_zmtp::say(&stream, &[4, 2, 5, b'P']);
        std::thread::yield_now();
        raw_zmtp::say(&stream, &[4, 5, 4, b'P', b'I', b'N', b'G']);
        drop(stream);
        if round % 10 == 0 {
            most = most.max(half_closed(port));
        }
    }
    wait_until("every descriptor to be given back", support::SHORT, || {
        most = most.max(half_closed(port));
        half_closed(port) == 0
    });
    daemon.wait_for_counter("imczmq(in)", "connections_active", |active| active == 0);
    println!("at most {most} connections were half closed at once");
    daemon.stop();
}

#[test]
fn a_revoked_key_is_cut_off_while_a_full_queue_holds_the_input_up_and_strangers_cost_no_memory() {
    assert_strangers_cost_nothing_while_held_up(3_000, Duration::ZERO);
}

#[test]
#[ignore = "takes more than a minute; `make test-connections` runs it"]
fn a_minute_of_thirty_thousand_strangers_costs_no_memory_while_a_full_queue_holds_the_input_up() {
    assert_strangers_cost_nothing_while_held_up(30_000, Duration::from_secs(60));
}

/// The queue is full for at least this long.
fn assert_strangers_cost_nothing_while_held_up(attempts: usize, at_least: Duration) {
    let certificates = Certificates::new();
    certificates.create("alice");
    certificates.admit("alice");
    let mut daemon = Config::new(
        r#"module(load="imczmq")
        module(load="omczmq")
        ruleset(name="slow" queue.type="FixedArray" queue.size="200" queue.timeoutEnqueue="600000"
                queue.timeoutShutdown="10" queue.timeoutActionCompletion="10" queue.workerThreads="1") {
          action(type="omczmq" socktype="PUSH" endpoints=">ipc://{dir}/nobody.ipc" sendtimeout="-1" closetimeout="100")
        }
        input(name="in" type="imczmq" socktype="PULL" endpoints="@tcp://127.0.0.1:*" listenportfilename="{dir}/in.port"
              ruleset="slow" recvhwm="10"
              authtype="CURVESERVER" servercertpath="{certs}/server" clientcertpath="{certs}/clients")"#,
    )
    .with("certs", certificates.directory().display())
    .start();
    let endpoint = daemon.tcp("in");
    let port = daemon.port("in");
    let [honest, alice] = ["client", "alice"].map(|name| {
        let peer = Peer::new(kind::PUSH);
        peer.curve_client(&certificates, name, "server");
        peer.keep_little();
        peer.connect_now(&endpoint);
        peer
    });
    // Until nothing more is taken: the input waits for its ruleset.
    honest.socket.set_int(option::SNDTIMEO, 1000).unwrap();
    let record = Record { size: 4000, ..Record::number(0) }.bytes();
    while honest.socket.send_bytes(&record, 0).is_ok() {}
    let before = memory_kib(daemon.id());
    let held_since = Instant::now();
    for number in 0..attempts {
        let stranger = raw_zmtp::connect(port);
        raw_zmtp::say(&stranger, if number % 2 == 0 { b"GET / HTTP/1.0\r\n\r\n" } else { b"\xff" });
    }
    std::thread::sleep(at_least.saturating_sub(held_since.elapsed()));
    std::fs::remove_file(certificates.path("clients/alice")).unwrap();
    let begin = Instant::now();
    alice.await_event(event::DISCONNECTED);
    let took = begin.elapsed();
    assert!(took < Duration::from_secs(2), "a revoked key stayed for {took:?}");
    let after = memory_kib(daemon.id());
    println!(
        "{attempts} attempts: {} KiB more; the revoked key was cut off after {took:?}",
        after.saturating_sub(before)
    );
    assert!(after < before + (16 << 10), "{before} KiB before, {after} KiB after {attempts} attempts");
    assert_eq!(honest.event_within(Duration::ZERO, event::DISCONNECTED), None, "the other key was cut off");
    daemon.stop();
}

#[test]
fn a_subscriber_that_repeats_itself_does_not_stop_the_publisher() {
    let mut daemon = Config::new(
        r#"{feed}
        {stats}
        module(load="omczmq")
        action(name="out" type="omczmq" socktype="PUB" endpoints="@tcp://127.0.0.1:*" template="text" queue.type="LinkedList"
               listenportfilename="{dir}/out.port")"#,
    )
    .start();
    let endpoint = daemon.tcp("out");
    let subscriber = Peer::new(kind::SUB);
    subscriber.subscribe("");
    subscriber.connect_now(&endpoint);
    let mut feeder = daemon.feeder();
    subscriber.await_subscription(&mut feeder, Record::number(support::feed::PROBE));
    let is_over = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&is_over);
    let repeating = std::thread::spawn(move || {
        let peer = Peer::new(kind::XSUB);
        peer.connect_now(&endpoint);
        let mut count = 0_u64;
        while !seen.load(Ordering::SeqCst) {
            if peer.socket.send_bytes(b"\x01again", DONTWAIT).is_ok() {
                count += 1;
            }
        }
        count
    });
    let mut slowest = Duration::ZERO;
    let begin = Instant::now();
    let mut number = 0;
    while begin.elapsed() < Duration::from_secs(4) {
        let fed = Instant::now();
        feeder.record(&Record::number(number));
        feeder.flush();
        assert_arrive(&subscriber, number..number + 1);
        slowest = slowest.max(fed.elapsed());
        number += 1;
    }
    is_over.store(true, Ordering::SeqCst);
    let repeated = repeating.join().unwrap();
    println!("{repeated} subscriptions; the slowest of {number} records took {slowest:?}");
    assert!(repeated > 10_000, "{repeated} subscriptions are no flood");
    assert!(slowest < Duration::from_secs(2), "a record took {slowest:?}");
    daemon.stop();
}

/// Resident memory of a process.
fn memory_kib(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
