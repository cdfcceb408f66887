//! Who is let in: the admitted key, nobody else, in both roles of both modules.

mod support;

use rsyslog_zmq::sys::zmq::{kind, option};
use support::{Certificates, Config, Peer, Record};

#[test]
fn an_input_takes_logs_from_the_admitted_key_only() {
    let certificates = Certificates::new();
    let mut daemon = Config::new(
        r#"{stats}
        module(load="imczmq")
        input(name="in" type="imczmq" socktype="PULL" endpoints="@tcp://127.0.0.1:*" listenportfilename="{dir}/in.port"
              authtype="CURVESERVER" servercertpath="{certs}/server" clientcertpath="{certs}/clients")
        {receive}"#,
    )
    .with("certs", certificates.directory().display())
    .start();
    let endpoint = daemon.tcp("in");
    let forged = Record::number(77_777_777).bytes();

    let plain = Peer::new(kind::PUSH);
    let stranger = Peer::new(kind::PUSH);
    stranger.curve_client(&certificates, "stranger", "server");
    let mistaken = Peer::new(kind::PUSH);
    mistaken.curve_client(&certificates, "client", "stranger");
    for peer in [&plain, &stranger, &mistaken] {
        peer.socket.set_int(option::LINGER, 0).unwrap();
        peer.connect(&endpoint);
        // Taken by libzmq for the connection that is not there yet.
        peer.send(&[&forged]);
    }
    for peer in [&plain, &stranger, &mistaken] {
        peer.assert_refused();
    }

    let client = Peer::new(kind::PUSH);
    client.curve_client(&certificates, "client", "server");
    client.connect_now(&endpoint);
    for number in 0..100 {
        client.send(&[&Record::number(number).bytes()]);
    }
    daemon.assert_received(100);
    daemon.wait_for_counter("imczmq(in)", "auth_denied", |denied| denied > 0);
    assert_eq!(daemon.wait_for_counter("imczmq(in)", "auth_allowed", |allowed| allowed > 0), 1);
    // The denial in words: which key it was.
    let (key, _) = certificates.keys("stranger");
    daemon.wait_for_log(&key);
    daemon.stop();
}

#[test]
fn an_action_gives_logs_to_the_admitted_key_only() {
    let certificates = Certificates::new();
    let mut daemon = Config::new(
        r#"{feed}
        module(load="omczmq")
        action(type="omczmq" socktype="PUB" endpoints="@tcp://127.0.0.1:*" listenportfilename="{dir}/out.port" template="text"
               authtype="CURVESERVER" servercertpath="{certs}/server" clientcertpath="{certs}/clients")"#,
    )
    .with("certs", certificates.directory().display())
    .start();
    let endpoint = daemon.tcp("out");
    let plain = Peer::new(kind::SUB);
    let stranger = Peer::new(kind::SUB);
    stranger.curve_client(&certificates, "stranger", "server");
    for peer in [&plain, &stranger] {
        peer.subscribe("");
        peer.connect(&endpoint);
        peer.assert_turned_away();
    }
    let client = Peer::new(kind::SUB);
    client.curve_client(&certificates, "client", "server");
    client.subscribe("");
    client.connect_now(&endpoint);
    client.await_subscription(&mut daemon.feeder(), Record::number(0));
    daemon.feed(100, 0);
    assert_eq!(client.receive_texts(100).last().unwrap(), " 00000099");
    for peer in [&plain, &stranger] {
        assert_eq!(peer.receive_within(std::time::Duration::ZERO), None);
    }
    let (key, _) = certificates.keys("stranger");
    daemon.wait_for_log(&key);
    daemon.stop();
}

#[test]
fn an_action_sends_nothing_to_a_server_with_another_key() {
    let certificates = Certificates::new();
    let impostor = Peer::new(kind::PULL);
    impostor.curve_server(&certificates, "stranger");
    let endpoint = impostor.bind("tcp://127.0.0.1:*");
    let mut daemon = Config::new(
        r#"{feed}
        {receive}
        module(load="omczmq")
        action(type="omczmq" socktype="PUSH" endpoints=">{endpoint}" template="text" queue.type="LinkedList" closetimeout="200"
               authtype="CURVECLIENT" servercertpath="{certs}/server" clientcertpath="{certs}/client")"#,
    )
    .with("certs", certificates.directory().display())
    .with("endpoint", endpoint)
    .start();
    daemon.feed(10, 0);
    daemon.assert_received(10);
    // The server sees bytes that it cannot open.
    impostor.assert_turned_away();
    daemon.stop();
}

#[test]
fn a_security_of_its_own_wins_over_the_modules() {
    let certificates = Certificates::new();
    let mut daemon = Config::new(
        r#"module(load="imczmq" authtype="CURVESERVER" servercertpath="{certs}/server" clientcertpath="{certs}/clients")
        input(type="imczmq" socktype="PULL" endpoints="@tcp://127.0.0.1:*" listenportfilename="{dir}/curve.port")
        input(type="imczmq" socktype="PULL" endpoints="@ipc://{dir}/plain.ipc" authtype="NONE")
        {receive}"#,
    )
    .with("certs", certificates.directory().display())
    .start();
    let refused = Peer::new(kind::PUSH);
    refused.connect(&daemon.tcp("curve"));
    refused.assert_refused();
    let plain = Peer::new(kind::PUSH);
    plain.connect_now(&daemon.ipc("plain"));
    plain.send(&[&Record::number(0).bytes()]);
    daemon.wait_for_lines("received", 1, 9);
    let curve = Peer::new(kind::PUSH);
    curve.curve_client(&certificates, "client", "server");
    curve.connect_now(&daemon.tcp("curve"));
    curve.send(&[&Record::number(1).bytes()]);
    daemon.assert_received(2);
    daemon.stop();
}

#[test]
fn names_of_any_length_name_sockets_that_admit_and_refuse() {
    let certificates = Certificates::new();
    let long = "\u{e4}".repeat(150);
    for name in ["", long.as_str()] {
        let mut daemon = Config::new(
            r#"module(load="imczmq" authtype="CURVESERVER" servercertpath="{certs}/server" clientcertpath="{certs}/clients")
            input(name="{name}" type="imczmq" socktype="PULL" endpoints="@tcp://127.0.0.1:*" listenportfilename="{dir}/one.port")
            input(name="{name}" type="imczmq" socktype="PULL" endpoints="@tcp://127.0.0.1:*" listenportfilename="{dir}/two.port")
            {receive}"#,
        )
        .with("certs", certificates.directory().display())
        .with("name", name)
        .start();
        for (number, port) in ["one", "two"].into_iter().enumerate() {
            let stranger = Peer::new(kind::PUSH);
            stranger.curve_client(&certificates, "stranger", "server");
            stranger.connect(&daemon.tcp(port));
            stranger.assert_refused();
            let client = Peer::new(kind::PUSH);
            client.curve_client(&certificates, "client", "server");
            client.connect_now(&daemon.tcp(port));
            client.send(&[&Record::number(number).bytes()]);
            daemon.wait_for_lines("received", number + 1, 9);
        }
        daemon.stop();
    }
}
