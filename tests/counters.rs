//! What impstats shows is what happened.

mod support;

use rsyslog_zmq::sys::zmq::kind;
use support::{Config, Daemon, Peer, Publisher, Record};

const COUNT: u64 = 1000;

#[test]
fn both_modules_count_messages_bytes_and_connections() {
    let mut receiver = Daemon::start(
        r#"{stats}
        module(load="imczmq")
        input(name="in" type="imczmq" socktype="PULL" endpoints="@ipc://{dir}/in.ipc")
        {receive}"#,
    );
    let mut sender = Config::new(
        r#"{feed}
        {stats}
        module(load="omczmq")
        action(name="out" type="omczmq" socktype="PUSH" endpoints=">{endpoint}" template="raw")"#,
    )
    .with("endpoint", receiver.ipc("in"))
    .start();
    sender.feed(COUNT as usize, 200);
    receiver.assert_received(COUNT as usize);
    // The template puts a newline behind each record of 200 bytes. rsyslog counts no message twice, nor do we.
    for (counter, value) in [("accepted", COUNT), ("sent", COUNT), ("bytes", COUNT * 201), ("queue_depth", 0)] {
        sender.wait_for_counter("omczmq(out)", counter, |seen| seen == value);
    }
    for (counter, value) in [("received", COUNT), ("submitted", COUNT), ("bytes", COUNT * 201), ("frames_rejected", 0)]
    {
        receiver.wait_for_counter("imczmq(in)", counter, |seen| seen == value);
    }
    for daemon in [(&sender, "omczmq(out)"), (&receiver, "imczmq(in)")] {
        let (daemon, object) = daemon;
        daemon.wait_for_counter(object, "connections_active", |seen| seen == 1);
        daemon.wait_for_counter(object, "handshakes_succeeded", |seen| seen == 1);
    }
    sender.stop();
    receiver.wait_for_counter("imczmq(in)", "connections_active", |seen| seen == 0);
    receiver.stop();
}

#[test]
fn a_subscription_is_seen_to_come_and_go() {
    let mut daemon = Daemon::start(
        r#"{stats}
        module(load="omczmq")
        action(name="out" type="omczmq" socktype="PUB" endpoints="@ipc://{dir}/out.ipc")"#,
    );
    daemon.wait_for_counter("omczmq(out)", "subscriptions_active", |seen| seen == 0);
    let peer = Peer::new(kind::SUB);
    peer.subscribe("news");
    peer.connect_now(&daemon.ipc("out"));
    daemon.wait_for_counter("omczmq(out)", "subscriptions_active", |seen| seen == 1);
    drop(peer);
    daemon.wait_for_counter("omczmq(out)", "subscriptions_active", |seen| seen == 0);
    daemon.stop();
}

#[test]
fn a_topic_without_a_message_is_counted_as_rejected() {
    let publisher = Publisher::new();
    let mut daemon = Config::new(
        r#"{stats}
        module(load="imczmq")
        input(name="in" type="imczmq" socktype="SUB" topics="news" topicframe="on" endpoints=">{endpoint}")
        {receive}"#,
    )
    .with("endpoint", &publisher.endpoint)
    .start();
    assert_eq!(publisher.subscriptions(1), ["news"]);
    publisher.peer.send(&[b"news"]);
    publisher.peer.send(&[b"news", &Record::number(0).bytes()]);
    daemon.assert_received(1);
    daemon.wait_for_counter("imczmq(in)", "frames_rejected", |seen| seen == 1);
    daemon.wait_for_counter("imczmq(in)", "submitted", |seen| seen == 1);
    daemon.stop();
}

#[test]
fn what_onfull_drops_is_counted_and_nothing_is_unaccounted_for() {
    let mut daemon = Daemon::start(
        r#"{feed}
        {stats}
        {receive}
        module(load="omczmq")
        action(name="out" type="omczmq" socktype="PUSH" endpoints=">ipc://{dir}/late.ipc" template="text" onfull="drop"
               sendqueue.size="100")"#,
    );
    daemon.feed(COUNT as usize, 0);
    daemon.assert_received(COUNT as usize);
    let dropped = daemon.wait_for_halt("omczmq(out)", "dropped_queue_full");
    let [accepted, sent, waiting] =
        ["accepted", "sent", "queue_depth"].map(|name| daemon.wait_for_counter("omczmq(out)", name, |_| true));
    assert_eq!(accepted, sent + dropped + waiting);
    assert_eq!(accepted, COUNT);
    daemon.stop();
}
