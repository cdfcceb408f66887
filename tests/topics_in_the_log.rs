//! Subscribers come with any number of topics; the log of the publisher stays short.

#![allow(clippy::unwrap_used)]

mod support;

use rsyslog_zmq::sys::zmq::{kind, option};
use support::{Certificates, Config, Peer};

#[test]
fn thousands_of_subscriptions_leave_room_in_the_log() {
    const TOPICS: usize = 2000;
    let certificates = Certificates::new();
    let mut daemon = Config::new(
        r#"{stats}
        module(load="omczmq")
        action(name="pub" type="omczmq" socktype="PUB" endpoints="@tcp://127.0.0.1:*" listenportfilename="{dir}/pub.port"
               authtype="CURVESERVER" servercertpath="{certs}/server" clientcertpath="{certs}/clients")"#,
    )
    .with("certs", certificates.directory().display())
    .start();
    let subscriber = Peer::new(kind::SUB);
    subscriber.curve_client(&certificates, "client", "server");
    // Subscriptions count against the mark: beyond it libzmq forgets them.
    subscriber.socket.set_int(option::SNDHWM, 0).unwrap();
    for topic in 0..TOPICS {
        subscriber.subscribe(&format!("topic-{topic}"));
    }
    subscriber.connect_now(&daemon.tcp("pub"));
    daemon.wait_for_counter("omczmq(pub)", "subscriptions_active", |count| count == TOPICS as u64);
    // More would be over the host's limit: 500 lines in five seconds in 8.2302 (global internalmsg.ratelimit.*).
    let stranger = Peer::new(kind::SUB);
    stranger.curve_client(&certificates, "stranger", "server");
    stranger.connect(&daemon.tcp("pub"));
    daemon.wait_for_log(&format!("with key {}", certificates.keys("stranger").0));
    assert_eq!(daemon.log().matches("first subscriber").count(), 1);
    drop(subscriber);
    daemon.wait_for_counter("omczmq(pub)", "subscriptions_active", |count| count == 0);
    daemon.stop();
    let said = daemon.log().lines().filter(|line| line.contains(": pub: ")).count();
    assert!(said <= 5, "{said} lines: {}", daemon.log());
}
