//! The end of the daemon: whatever its sockets are doing, SIGTERM ends it with status 0 and soon.

mod support;

use std::time::Duration;

use rsyslog_zmq::sys::zmq::kind;
use support::{Config, Daemon, Feeder, Peer, Record};

/// Far beyond every time limit in the configurations here, and far below what hanging costs.
const SOON: Duration = Duration::from_secs(25);

#[test]
fn an_idle_daemon_with_both_modules_ends() {
    let mut daemon = Config::new(
        r#"module(load="imczmq")
        module(load="omczmq")
        input(type="imczmq" socktype="PULL" endpoints="@ipc://{dir}/pull.ipc")
        input(type="imczmq" socktype="ROUTER" endpoints="@tcp://127.0.0.1:*")
        action(type="omczmq" socktype="PUB" endpoints="@ipc://{dir}/pub.ipc")
        action(type="omczmq" socktype="PUSH" endpoints=">ipc://{dir}/nobody.ipc")"#,
    )
    .with("inputstimeout", 50_000)
    .start();
    assert!(daemon.stop() < SOON);
}

#[test]
fn a_sender_blocked_without_a_peer_ends() {
    for queue in ["", r#"queue.type="LinkedList""#] {
        let mut daemon = Config::new(
            r#"{feed}
            {receive}
            module(load="omczmq")
            action(type="omczmq" socktype="PUSH" endpoints=">ipc://{dir}/nobody.ipc" closetimeout="500" {queue})"#,
        )
        .with("queue", queue)
        .start();
        daemon.feed(1000, 200);
        // The first record is through the rule in front, so the worker is at the blocked action.
        daemon.wait_for_text("received", "00000000\n");
        assert!(daemon.stop() < SOON);
    }
}

#[test]
fn a_sender_blocked_by_a_peer_that_does_not_read_ends_and_says_what_it_lost() {
    let mut daemon = Config::new(
        r#"{feed}
        {stats}
        module(load="omczmq")
        action(name="out" type="omczmq" socktype="PUSH" endpoints="@ipc://{dir}/push.ipc" template="text" sendhwm="5"
               sendqueue.size="50" closetimeout="500" queue.type="LinkedList" queue.dequeueBatchSize="5")"#,
    )
    .with("maxmessagesize", "128k")
    .start();
    let peer = Peer::new(kind::PULL);
    peer.keep_little();
    peer.connect_now(&daemon.ipc("push"));
    daemon.feed(300, 100_000);
    daemon.wait_for_halt("omczmq(out)", "sent");
    assert!(daemon.stop() < SOON);
    let log = daemon.log();
    let said = log.lines().any(|line| {
        line.contains("out") && line.contains("not") && line.split_whitespace().any(|word| word.parse::<u64>().is_ok())
    });
    assert!(said, "no line with the number of lost messages");
    drop(peer);
}

#[test]
fn what_was_accepted_is_delivered_before_the_end() {
    const COUNT: usize = 500;
    let mut daemon = Config::new(
        r#"{feed}
        {stats}
        module(load="omczmq")
        action(name="out" type="omczmq" socktype="PUSH" endpoints="@tcp://127.0.0.1:*" listenportfilename="{dir}/push.port"
               template="text" sendhwm="5" closetimeout="60000")"#,
    )
    .with("maxmessagesize", "128k")
    .start();
    // Not over ipc: there a libzmq that reads slowly forgets what is still in the kernel when the other side closes.
    let peer = Peer::new(kind::PULL);
    peer.keep_little();
    peer.connect_now(&daemon.tcp("push"));
    daemon.feed(COUNT, 50_000);
    // All of them are in the action's hands, most not yet sent.
    daemon.wait_for_counter("omczmq(out)", "accepted", |accepted| accepted == COUNT as u64);
    daemon.signal(libc::SIGTERM);
    for number in 0..COUNT {
        let frames = peer.receive();
        assert!(frames[0].starts_with(format!(" {number:08} x").as_bytes()), "message {number}");
    }
    assert_eq!(daemon.wait().code(), Some(0));
}

#[test]
fn a_flooded_input_ends() {
    let mut daemon = Config::new(
        r#"module(load="imczmq")
        input(type="imczmq" socktype="PULL" endpoints="@ipc://{dir}/pull.ipc")
        {receive}"#,
    )
    .with("inputstimeout", 1000)
    .start();
    let endpoint = daemon.ipc("pull");
    let flood = std::thread::spawn(move || Peer::flood(&endpoint));
    daemon.wait_for_text("received", "00010000\n");
    assert!(daemon.stop() < SOON);
    assert!(flood.join().unwrap() > 10_000);
}

#[test]
fn a_flooded_output_ends() {
    let mut daemon = Daemon::start(
        r#"{feed}
        module(load="omczmq")
        action(type="omczmq" socktype="PUSH" endpoints="@ipc://{dir}/push.ipc" template="text" closetimeout="2000")"#,
    );
    let peer = Peer::new(kind::PULL);
    peer.connect_now(&daemon.ipc("push"));
    let port = daemon.port("feed");
    let feeder = std::thread::spawn(move || {
        let mut feeder = Feeder::connect(port);
        // Until the daemon closes the connection.
        (0..).take_while(|number| feeder.try_record(&Record { size: 200, ..Record::number(*number) }).is_ok()).count()
    });
    let reader = std::thread::spawn(move || {
        let mut last = None;
        while let Some(frames) = peer.receive_within(Duration::from_secs(5)) {
            let number: usize = String::from_utf8_lossy(&frames[0][1..9]).parse().unwrap();
            assert_eq!(number, last.map_or(0, |last: usize| last + 1));
            last = Some(number);
            if number == 10_000 {
                daemon.signal(libc::SIGTERM);
            }
        }
        (daemon.wait(), last)
    });
    let (status, last) = reader.join().unwrap();
    assert_eq!(status.code(), Some(0));
    assert!(last > Some(10_000));
    assert!(feeder.join().unwrap() > 10_000);
}

#[test]
fn a_hangup_changes_nothing_for_the_messages() {
    let mut daemon = Daemon::start(
        r#"{feed}
        module(load="imczmq")
        module(load="omczmq")
        ruleset(name="back") { {receive} }
        input(type="imczmq" socktype="PULL" endpoints="@ipc://{dir}/loop.ipc" ruleset="back")
        action(type="omczmq" socktype="PUSH" endpoints=">ipc://{dir}/loop.ipc")"#,
    );
    let mut feeder = daemon.feeder();
    for number in 0..1000 {
        if number % 100 == 50 {
            feeder.flush();
            daemon.signal(libc::SIGHUP);
        }
        feeder.record(&Record::number(number));
    }
    feeder.flush();
    daemon.assert_received(1000);
    daemon.stop();
}
