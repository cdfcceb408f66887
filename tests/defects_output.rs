//! What went wrong in the C module omczmq goes well here; each test bears the row of the list of its defects.

mod support;

use rsyslog_zmq::sys::zmq::kind;
use support::{Config, Daemon, Feeder, Peer, Record, check_config, texts};

/// Feeds the records from..to, as short as they can be.
fn feed_range(feeder: &mut Feeder, from: usize, to: usize) {
    for number in from..to {
        feeder.record(&Record::number(number));
    }
    feeder.flush();
}

/// A PULL socket that is connected to an endpoint of the daemon's.
fn pull_from(endpoint: &str) -> Peer {
    let peer = Peer::new(kind::PULL);
    peer.connect_now(endpoint);
    peer
}

/// A SUB socket whose subscription is in force at the daemon's publisher.
fn subscribed_to(endpoint: &str, topic: &str, feeder: &mut Feeder) -> Peer {
    let peer = Peer::new(kind::SUB);
    peer.subscribe(topic);
    peer.connect_now(endpoint);
    peer.await_subscription(feeder, Record::number(0));
    peer
}

#[test]
fn o2_a_template_parameter_does_not_crash_the_shutdown() {
    let mut daemon = Daemon::start(
        r#"{feed}
        module(load="omczmq")
        action(type="omczmq" socktype="PUSH" endpoints="@ipc://{dir}/push.ipc" template="RSYSLOG_TraditionalForwardFormat")"#,
    );
    daemon.feed(3, 0);
    let peer = Peer::new(kind::PULL);
    peer.connect(&daemon.ipc("push"));
    assert_eq!(peer.receive_texts(3), texts(3, "<13>Nov 22 13:00:00 host1 app:"));
    daemon.stop();
}

#[test]
fn o3_topicframe_is_on_when_on_and_off_when_off() {
    for (value, separator) in [("on", "|"), ("off", ""), ("ON", "|"), ("Off", "")] {
        let mut daemon = Config::new(
            r#"{feed}
            module(load="omczmq")
            action(type="omczmq" socktype="PUB" endpoints="@ipc://{dir}/pub.ipc" topics="news" topicframe="{value}"
                   template="text")"#,
        )
        .with("value", value)
        .start();
        let mut feeder = daemon.feeder();
        let peer = subscribed_to(&daemon.ipc("pub"), "news", &mut feeder);
        feed_range(&mut feeder, 0, 5);
        assert_eq!(peer.receive_texts(5), texts(5, &format!("news{separator}")), "topicframe={value:?}");
        daemon.stop();
    }
}

#[test]
fn o4_an_action_without_a_peer_holds_no_other_action_up() {
    let mut daemon = Daemon::start(
        r#"{feed}
        module(load="omczmq")
        action(type="omczmq" socktype="PUSH" endpoints=">ipc://{dir}/nobody.ipc" queue.type="LinkedList" queue.size="5000"
               closetimeout="500")
        action(type="omczmq" socktype="PUB" endpoints="@ipc://{dir}/pub.ipc" template="text")"#,
    );
    let mut feeder = daemon.feeder();
    let peer = subscribed_to(&daemon.ipc("pub"), "", &mut feeder);
    feed_range(&mut feeder, 0, 3000);
    assert_eq!(peer.receive_texts(3000), texts(3000, ""));
    daemon.stop();
}

#[test]
fn o6_sendhwm_bounds_what_libzmq_holds() {
    const COUNT: usize = 300;
    let mut daemon = Config::new(
        r#"{feed}
        {stats}
        module(load="omczmq")
        action(name="out" type="omczmq" socktype="PUSH" endpoints="@ipc://{dir}/push.ipc" template="text" sendhwm="10"
               sendqueue.size="20" queue.type="LinkedList" queue.dequeueBatchSize="5")"#,
    )
    .with("maxmessagesize", "128k")
    .start();
    let peer = Peer::new(kind::PULL);
    peer.keep_little();
    peer.connect_now(&daemon.ipc("push"));
    daemon.feed(COUNT, 100_000);
    // The high-water mark, one message in each of the two sockets' hands, and a few in the kernel's buffers.
    let sent = daemon.wait_for_halt("omczmq(out)", "sent");
    assert!(sent < 100, "{sent} messages were handed to libzmq although its high-water mark is 10");
    for number in 0..COUNT {
        let frames = peer.receive();
        assert!(frames[0].starts_with(format!(" {number:08} x").as_bytes()), "message {number}");
    }
    daemon.stop();
}

#[test]
fn o7_connecttimeout_is_accepted() {
    let peer = Peer::new(kind::PULL);
    let endpoint = peer.bind("tcp://127.0.0.1:*");
    let mut daemon = Config::new(
        r#"{feed}
        module(load="omczmq")
        action(type="omczmq" socktype="PUSH" endpoints="{endpoint}" connecttimeout="1000" template="text")"#,
    )
    .with("endpoint", endpoint)
    .start();
    daemon.feed(5, 0);
    assert_eq!(peer.receive_texts(5), texts(5, ""));
    daemon.stop();
}

#[test]
fn o9_a_topic_over_255_bytes_is_refused_and_a_long_one_works() {
    let text = r#"module(load="omczmq")
        action(type="omczmq" socktype="PUB" endpoints="@ipc://{dir}/pub.ipc" topics="{topic}" template="text")
        {feed}"#;
    let refused = check_config(Config::new(text).with("topic", "t".repeat(256)));
    assert_eq!(refused.status.code(), Some(1), "{}", refused.output);
    assert!(refused.output.contains("exceeds maximum supported length of 255 bytes"), "{}", refused.output);

    let accepted = check_config(Config::new(text).with("topic", "t".repeat(255)));
    assert_eq!(accepted.status.code(), Some(0), "{}", accepted.output);

    // libzmq 4.3.4 garbles the subscription to a topic of 246 to 255 bytes (v3_1_encoder.cpp: the size grows by the
    // command's name after the flag for large frames was set).
    let topic = "t".repeat(245);
    let mut daemon = Config::new(text).with("topic", &topic).start();
    let mut feeder = daemon.feeder();
    let peer = subscribed_to(&daemon.ipc("pub"), &topic, &mut feeder);
    feed_range(&mut feeder, 0, 2);
    assert_eq!(peer.receive_texts(2), texts(2, &topic));
    daemon.stop();
}

#[test]
fn o10_dynatopic_without_topics_is_refused_in_words() {
    let check = check_config(Config::new(
        r#"module(load="omczmq")
        action(type="omczmq" socktype="PUB" endpoints="@ipc://{dir}/pub.ipc" dynatopic="on")"#,
    ));
    assert_eq!(check.status.code(), Some(1), "{}", check.output);
    assert!(check.output.contains("dynatopic") && check.output.contains("topics"), "{}", check.output);
}

#[test]
fn o12_a_socktype_in_lower_case_works_and_an_unknown_one_is_refused() {
    let text = r#"{feed}
        {receive}
        module(load="omczmq")
        action(type="omczmq" socktype="{socktype}" endpoints="@ipc://{dir}/push.ipc" template="text")"#;
    let mut daemon = Config::new(text).with("socktype", "push").start();
    let peer = pull_from(&daemon.ipc("push"));
    daemon.feed(5, 0);
    assert_eq!(peer.receive_texts(5), texts(5, ""));
    daemon.stop();

    let check = check_config(Config::new(text).with("socktype", "BOGUS"));
    assert_eq!(check.status.code(), Some(1), "{}", check.output);
    assert!(check.output.contains(r#""BOGUS""#) && check.output.contains("DEALER"), "{}", check.output);
    let mut daemon = Config::new(text).with("socktype", "BOGUS").start();
    daemon.feed(10, 0);
    daemon.assert_received(10);
    daemon.stop();
}

#[test]
fn o19_sockets_are_up_before_the_first_message_and_the_first_message_arrives() {
    let mut daemon = Daemon::start(
        r#"{feed}
        module(load="omczmq")
        action(type="omczmq" socktype="PUSH" endpoints="@tcp://127.0.0.1:*" listenportfilename="{dir}/push.port"
               template="text")"#,
    );
    let peer = pull_from(&daemon.tcp("push"));
    daemon.feed(1, 0);
    assert_eq!(peer.receive_texts(1), texts(1, ""));
    daemon.stop();
}

#[test]
fn o19_a_bad_endpoint_is_refused_at_load_and_a_port_in_use_is_said_at_start() {
    let check = check_config(Config::new(
        r#"module(load="omczmq")
        action(type="omczmq" socktype="PUB" endpoints="bogus")"#,
    ));
    assert_eq!(check.status.code(), Some(1), "{}", check.output);
    assert!(check.output.contains("bogus"), "{}", check.output);

    let occupied = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = occupied.local_addr().unwrap().port();
    let mut daemon = Config::new(
        r#"{feed}
        {receive}
        module(load="omczmq")
        action(type="omczmq" socktype="PUB" endpoints="@tcp://127.0.0.1:{port}")"#,
    )
    .with("port", port)
    .start();
    daemon.wait_for_log(&format!("tcp://127.0.0.1:{port}"));
    daemon.feed(10, 0);
    daemon.assert_received(10);
    daemon.stop();
}

#[test]
fn o22_a_full_subscriber_of_one_topic_brings_no_duplicates_to_another() {
    const COUNT: usize = 200;
    let mut daemon = Config::new(
        r#"{feed}
        {stats}
        module(load="omczmq")
        action(name="out" type="omczmq" socktype="PUB" endpoints="@ipc://{dir}/pub.ipc" topics="first,second" template="text"
               sendhwm="10" sendtimeout="100000" queue.type="LinkedList" queue.dequeueBatchSize="5")"#,
    )
    .with("maxmessagesize", "128k")
    .start();
    let mut feeder = daemon.feeder();
    let [first, second] = ["first", "second"].map(|topic| {
        let peer = Peer::new(kind::SUB);
        peer.keep_little();
        peer.subscribe(topic);
        peer.connect_now(&daemon.ipc("pub"));
        peer.await_subscription(&mut feeder, Record::number(0));
        (peer, topic)
    });
    for number in 0..COUNT {
        feeder.record(&Record { size: 100_000, ..Record::number(number) });
    }
    feeder.flush();
    daemon.wait_for_halt("omczmq(out)", "sent");
    for number in 0..COUNT {
        for (peer, topic) in [&first, &second] {
            let frames = peer.receive();
            let start = String::from_utf8_lossy(&frames[0][..topic.len() + 9]).into_owned();
            assert_eq!(start, format!("{topic} {number:08}"));
        }
    }
    daemon.stop();
}

#[test]
fn o23_an_empty_topics_publishes_under_the_empty_topic() {
    let mut daemon = Daemon::start(
        r#"{feed}
        module(load="omczmq")
        action(type="omczmq" socktype="PUB" endpoints="@ipc://{dir}/pub.ipc" topics="" template="text")"#,
    );
    let mut feeder = daemon.feeder();
    let peer = subscribed_to(&daemon.ipc("pub"), "", &mut feeder);
    feed_range(&mut feeder, 0, 5);
    assert_eq!(peer.receive_texts(5), texts(5, ""));
    daemon.stop();
}

#[test]
fn o24_an_empty_element_among_the_topics_is_refused() {
    for topics in ["a,,b", ",a", "a,"] {
        let check = check_config(
            Config::new(
                r#"module(load="omczmq")
                action(type="omczmq" socktype="PUB" endpoints="@ipc://{dir}/pub.ipc" topics="{topics}")"#,
            )
            .with("topics", topics),
        );
        assert_eq!(check.status.code(), Some(1), "{topics}: {}", check.output);
        assert!(check.output.contains("topics") && check.output.contains(topics), "{topics}: {}", check.output);
    }
}

#[test]
fn o29_a_number_with_something_behind_it_is_refused() {
    let parameters =
        ["sendhwm", "sendtimeout", "heartbeativl", "heartbeattimeout", "heartbeatttl", "connecttimeout", "linger"];
    for parameter in parameters {
        for value in ["5s", "abc", "", "1e3", "99999999999999999999"] {
            let check = check_config(
                Config::new(
                    r#"module(load="omczmq")
                    action(type="omczmq" socktype="PUB" endpoints="@ipc://{dir}/pub.ipc" {parameter}="{value}")"#,
                )
                .with("parameter", parameter)
                .with("value", value),
            );
            assert_eq!(check.status.code(), Some(1), "{parameter}={value:?}: {}", check.output);
            assert!(check.output.contains(parameter), "{parameter}={value:?}: {}", check.output);
        }
    }
}

#[test]
fn o34_a_comma_separates_endpoints_and_a_blank_is_explained() {
    let config = |separator: &str| {
        Config::new(
            r#"{feed}
            module(load="omczmq")
            action(type="omczmq" socktype="PUB" template="text"
                   endpoints="@ipc://{dir}/one.ipc{separator}@ipc://{dir}/two.ipc")"#,
        )
        .with("separator", separator)
    };
    let mut daemon = config(",").start();
    let mut feeder = daemon.feeder();
    let peers = ["one", "two"].map(|name| subscribed_to(&daemon.ipc(name), "", &mut feeder));
    feed_range(&mut feeder, 0, 5);
    for peer in &peers {
        assert_eq!(peer.receive_texts(5), texts(5, ""));
    }
    daemon.stop();

    let check = check_config(config(" "));
    assert_eq!(check.status.code(), Some(1), "{}", check.output);
    assert!(check.output.contains("endpoints") && check.output.contains("comma"), "{}", check.output);
}
