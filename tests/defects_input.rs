//! What went wrong in the C module imczmq goes well here; each test bears the row of the list of its defects.

mod support;

use std::net::TcpListener;
use std::time::Duration;

use rsyslog_zmq::sys::zmq::kind;
use support::daemon::read;
use support::{Certificates, Config, Daemon, Peer, Publisher, Record, SHORT, check_config, wait_until};

/// Sends the records from..to, one frame each.
fn send_range(peer: &Peer, from: usize, to: usize) {
    for number in from..to {
        peer.send(&[&Record::number(number).bytes()]);
    }
}

/// A PUSH socket that is connected to an endpoint of the daemon's.
fn push_to(endpoint: &str) -> Peer {
    let peer = Peer::new(kind::PUSH);
    peer.connect_now(endpoint);
    peer
}

#[test]
fn i1_a_bound_ruleset_does_not_crash_the_shutdown() {
    let mut daemon = Daemon::start(
        r#"module(load="imczmq")
        ruleset(name="remote") { {receive} }
        input(type="imczmq" socktype="PULL" endpoints="@ipc://{dir}/pull.ipc" ruleset="remote")"#,
    );
    let peer = push_to(&daemon.ipc("pull"));
    send_range(&peer, 0, 100);
    daemon.assert_received(100);
    daemon.stop();
}

#[test]
fn i2_a_port_in_use_is_said_and_does_not_crash_the_daemon() {
    let occupied = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = occupied.local_addr().unwrap().port();
    let mut daemon = Config::new(
        r#"{feed}
        {receive}
        module(load="imczmq")
        input(type="imczmq" socktype="PULL" endpoints="@tcp://127.0.0.1:{port}")"#,
    )
    .with("port", port)
    .start();
    daemon.wait_for_log(&format!("tcp://127.0.0.1:{port}"));
    daemon.feed(100, 0);
    daemon.assert_received(100);
    daemon.stop();
}

#[test]
fn i3_a_refused_input_is_gone_and_the_daemon_lives() {
    for bad in [
        r#"socktype="BOGUS" endpoints="@ipc://{dir}/bad.ipc""#.to_owned(),
        format!(r#"socktype="SUB" endpoints="@ipc://{{dir}}/bad.ipc" topics="{}""#, "t".repeat(300)),
    ] {
        let mut daemon = Config::new(
            r#"module(load="imczmq")
            input(type="imczmq" {bad})
            input(type="imczmq" socktype="PULL" endpoints="@ipc://{dir}/good.ipc")
            {receive}"#,
        )
        .with("bad", bad)
        .start();
        let peer = push_to(&daemon.ipc("good"));
        send_range(&peer, 0, 100);
        daemon.assert_received(100);
        assert!(!daemon.file("bad.ipc").exists(), "a refused input listens");
        daemon.stop();
    }
}

#[test]
fn i4_an_input_that_cannot_listen_leaves_its_siblings_alone() {
    let occupied = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = occupied.local_addr().unwrap().port();
    let mut daemon = Config::new(
        r#"module(load="imczmq")
        input(type="imczmq" socktype="PULL" endpoints="@ipc://{dir}/before.ipc")
        input(type="imczmq" socktype="PULL" endpoints="@tcp://127.0.0.1:{port}")
        input(type="imczmq" socktype="PULL" endpoints="@ipc://{dir}/after.ipc")
        {receive}"#,
    )
    .with("port", port)
    .start();
    let before = push_to(&daemon.ipc("before"));
    send_range(&before, 0, 50);
    daemon.wait_for_lines("received", 50, 9);
    let after = push_to(&daemon.ipc("after"));
    send_range(&after, 50, 100);
    daemon.assert_received(100);
    daemon.stop();
}

#[test]
fn i5_a_topic_frame_is_no_log_message() {
    let publisher = Publisher::new();
    let mut daemon = Config::new(
        r#"module(load="imczmq")
        input(type="imczmq" socktype="SUB" endpoints=">{endpoint}" topics="news")
        action(type="omfile" file="{dir}/raw" template="raw")"#,
    )
    .with("endpoint", &publisher.endpoint)
    .start();
    assert_eq!(publisher.subscriptions(1), ["news"]);
    let records: Vec<_> = (0..4).map(|number| Record::number(number).bytes()).collect();
    publisher.peer.send(&[b"news", &records[0]]);
    publisher.peer.send(&[b"news.local", &records[1], &records[2]]);
    publisher.peer.send(&[b"news", &records[3]]);
    let wanted: String = records.iter().map(|record| format!("{}\n", String::from_utf8_lossy(record))).collect();
    daemon.wait_for_lines("raw", 4, wanted.len() / 4);
    assert_eq!(read(&daemon.file("raw")), wanted);
    daemon.stop();
}

#[test]
fn i5_a_routing_id_is_no_log_message() {
    let mut daemon = Daemon::start(
        r#"module(load="imczmq")
        input(type="imczmq" socktype="ROUTER" endpoints="@ipc://{dir}/router.ipc")
        action(type="omfile" file="{dir}/raw" template="raw")"#,
    );
    let records: Vec<_> = (0..3).map(|number| Record::number(number).bytes()).collect();
    let dealer = Peer::new(kind::DEALER);
    dealer.connect_now(&daemon.ipc("router"));
    dealer.send(&[&records[0]]);
    // As REQ sends it: an empty delimiter in front.
    dealer.send(&[b"", &records[1]]);
    dealer.send(&[&records[2]]);
    let wanted: String = records.iter().map(|record| format!("{}\n", String::from_utf8_lossy(record))).collect();
    daemon.wait_for_lines("raw", 3, wanted.len() / 3);
    assert_eq!(read(&daemon.file("raw")), wanted);
    daemon.stop();
}

#[test]
fn i7_a_nul_byte_does_not_cut_the_message() {
    let mut daemon = Daemon::start(
        r#"module(load="imczmq")
        input(type="imczmq" socktype="PULL" endpoints="@ipc://{dir}/pull.ipc")
        action(type="omfile" file="{dir}/messages" template="message")"#,
    );
    let peer = push_to(&daemon.ipc("pull"));
    peer.send(&[b"<13>Nov 22 13:00:00 host1 app: before\0after"]);
    // rsyslog's parser shows a control character as its octal number.
    daemon.wait_for_text("messages", " before#000after\n");
    daemon.stop();
}

#[test]
fn i8_fromhost_is_the_peer_and_hostname_the_messages() {
    let mut daemon = Daemon::start(
        r#"module(load="imczmq")
        template(name="origin" type="string" string="%fromhost-ip% %fromhost% %hostname% %inputname%\n")
        input(type="imczmq" socktype="PULL" endpoints="@tcp://127.0.0.1:*" listenportfilename="{dir}/pull.port")
        action(type="omfile" file="{dir}/origins" template="origin")"#,
    );
    // libzmq's way to choose the source address: SOURCE;DESTINATION.
    let endpoint = format!("tcp://127.0.0.2:0;127.0.0.1:{}", daemon.port("pull"));
    let peer = push_to(&endpoint);
    send_range(&peer, 0, 1);
    daemon.wait_for_text("origins", "\n");
    assert_eq!(read(&daemon.file("origins")), "127.0.0.2 127.0.0.2 host1 imczmq\n");
    daemon.stop();
}

#[test]
fn i12_a_stop_in_the_middle_of_receiving_is_not_missed() {
    for _ in 0..3 {
        let mut daemon = Config::new(
            r#"module(load="imczmq")
            input(type="imczmq" socktype="PULL" endpoints="@ipc://{dir}/pull.ipc")
            {receive}"#,
        )
        .with("inputstimeout", 50_000)
        .start();
        let endpoint = daemon.ipc("pull");
        let flood = std::thread::spawn(move || Peer::flood(&endpoint));
        wait_until("the flood to arrive", SHORT, || read(&daemon.file("received")).len() > 9 * 1000);
        // A stop that is missed costs the host's whole inputs.timeout.shutdown.
        let elapsed = daemon.stop();
        assert!(elapsed < Duration::from_secs(25), "{elapsed:?}");
        assert!(flood.join().unwrap() > 1000);
    }
}

#[test]
fn i13_a_stop_of_an_idle_input_is_never_missed() {
    for _ in 0..10 {
        let mut daemon = Config::new(
            r#"module(load="imczmq")
            input(type="imczmq" socktype="PULL" endpoints="@ipc://{dir}/pull.ipc")
            input(type="imczmq" socktype="SUB" endpoints=">ipc://{dir}/nobody.ipc" topics="")"#,
        )
        .with("inputstimeout", 50_000)
        .start();
        let elapsed = daemon.stop();
        assert!(elapsed < Duration::from_secs(25), "{elapsed:?}");
    }
}

#[test]
fn i17_an_authenticator_without_an_allow_list_is_refused_and_the_daemon_lives() {
    let certificates = Certificates::new();
    let config = || {
        Config::new(
            r#"{feed}
            {receive}
            module(load="imczmq" authtype="CURVESERVER" servercertpath="{certs}/server" authenticator="on")
            input(type="imczmq" socktype="PULL" endpoints="@ipc://{dir}/pull.ipc")"#,
        )
        .with("certs", certificates.directory().display())
    };
    let check = check_config(config());
    assert_eq!(check.status.code(), Some(1), "{}", check.output);
    assert!(check.output.contains("clientcertpath"), "{}", check.output);
    let mut daemon = config().start();
    daemon.feed(100, 0);
    daemon.assert_received(100);
    assert!(!daemon.file("pull.ipc").exists(), "a refused input listens");
    daemon.stop();
}

#[test]
fn i18_both_modules_have_an_authenticator_of_their_own_in_one_daemon() {
    let certificates = Certificates::new();
    let writers = Certificates::new();
    let mut daemon = Config::new(
        r#"module(load="imczmq" authtype="CURVESERVER" authenticator="on"
               servercertpath="{certs}/server" clientcertpath="{writers}/clients")
        module(load="omczmq" authtype="CURVESERVER" authenticator="on"
               servercertpath="{certs}/server" clientcertpath="{certs}/clients")
        input(type="imczmq" socktype="PULL" endpoints="@ipc://{dir}/pull.ipc")
        action(type="omczmq" socktype="PUSH" endpoints="@ipc://{dir}/push.ipc" template="raw")"#,
    )
    .with("certs", certificates.directory().display())
    .with("writers", writers.directory().display())
    .start();
    // Each allow list admits its own client and not the other's.
    std::fs::copy(certificates.path("server"), writers.path("other-server")).unwrap();
    std::fs::copy(certificates.path("server_secret"), writers.path("other-server_secret")).unwrap();
    let stranger = Peer::new(kind::PULL);
    stranger.curve_client(&writers, "client", "other-server");
    stranger.connect(&daemon.ipc("push"));
    stranger.assert_turned_away();
    let reader = Peer::new(kind::PULL);
    reader.curve_client(&certificates, "client", "server");
    reader.connect_now(&daemon.ipc("push"));
    let writer = Peer::new(kind::PUSH);
    writer.curve_client(&writers, "client", "other-server");
    writer.connect_now(&daemon.ipc("pull"));
    for number in 0..100 {
        let record = Record::number(number).bytes();
        writer.send(&[&record]);
        assert_eq!(reader.receive(), [[&record[..], b"\n"].concat()]);
    }
    daemon.stop();
}

#[test]
fn i19_sub_without_topics_takes_everything_and_says_so() {
    let publisher = Publisher::new();
    let mut daemon = Config::new(
        r#"module(load="imczmq")
        input(type="imczmq" socktype="SUB" endpoints=">{endpoint}")
        {receive}"#,
    )
    .with("endpoint", &publisher.endpoint)
    .start();
    assert_eq!(publisher.subscriptions(1), [""]);
    send_range(&publisher.peer, 0, 100);
    daemon.assert_received(100);
    let log = daemon.log();
    let said = log.lines().filter(|line| line.contains("topics") && line.contains("everything")).count();
    assert_eq!(said, 1, "{log}");
    daemon.stop();
}

#[test]
fn i20_an_empty_topic_in_a_list_is_refused_and_a_list_filters() {
    for topics in ["aa,,bb", ",aa", "aa,"] {
        let check = check_config(
            Config::new(
                r#"module(load="imczmq")
                input(type="imczmq" socktype="SUB" endpoints=">ipc://{dir}/nobody.ipc" topics="{topics}")"#,
            )
            .with("topics", topics),
        );
        assert_eq!(check.status.code(), Some(1), "{topics}: {}", check.output);
        assert!(check.output.contains("topics") && check.output.contains(topics), "{topics}: {}", check.output);
    }
    let publisher = Publisher::new();
    let mut daemon = Config::new(
        r#"module(load="imczmq")
        input(type="imczmq" socktype="SUB" endpoints=">{endpoint}" topics="aa,bb")
        {receive}"#,
    )
    .with("endpoint", &publisher.endpoint)
    .start();
    assert_eq!(publisher.subscriptions(2), ["aa", "bb"]);
    for (number, topic) in [(0, "aa"), (7, "cc"), (1, "bb"), (7, "a"), (2, "aab")] {
        publisher.peer.send(&[topic.as_bytes(), &Record::number(number).bytes()]);
    }
    daemon.assert_received(3);
    daemon.stop();
}

#[test]
fn i22_a_missing_ruleset_refuses_the_input() {
    let config = || {
        Config::new(
            r#"{feed}
            module(load="imczmq")
            input(type="imczmq" socktype="PULL" endpoints="@ipc://{dir}/pull.ipc" ruleset="no-such-ruleset")
            {receive}"#,
        )
    };
    let check = check_config(config());
    assert_eq!(check.status.code(), Some(1), "{}", check.output);
    assert!(check.output.contains("no-such-ruleset"), "{}", check.output);
    let mut daemon = config().start();
    daemon.feed(10, 0);
    daemon.assert_received(10);
    assert!(!daemon.file("pull.ipc").exists(), "a refused input listens");
    daemon.stop();
}
