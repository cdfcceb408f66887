//! Logs from one rsyslogd to another, or round within one: every socket type and topic form, over tcp and ipc.

mod support;

use rsyslog_zmq::sys::zmq::kind;
use support::{Certificates, Config, Daemon, Feeder, LONG, Peer, Record, assert_sequences, wait_until};

const COUNT: usize = 2000;

/// Starts a receiver that listens and a sender that connects to it.
fn receiver_listens(input: &str, action: &str) -> (Daemon, Daemon) {
    let receiver = Config::new(
        r#"module(load="imczmq")
        input(type="imczmq" {input})
        {receive}"#,
    )
    .with("input", input)
    .start();
    let endpoint = if input.contains("tcp:") { receiver.tcp("in") } else { receiver.ipc("in") };
    let sender = Config::new(
        r#"{feed}
        module(load="omczmq")
        action(type="omczmq" {action})"#,
    )
    .with("action", action)
    .with("endpoint", endpoint)
    .start();
    (receiver, sender)
}

/// Starts a sender that listens and a receiver that connects to it.
fn sender_listens(input: &str, action: &str) -> (Daemon, Daemon) {
    let sender = Config::new(
        r#"{feed}
        module(load="omczmq")
        action(type="omczmq" {action})"#,
    )
    .with("action", action)
    .start();
    let endpoint = if action.contains("tcp:") { sender.tcp("out") } else { sender.ipc("out") };
    let receiver = Config::new(
        r#"module(load="imczmq")
        input(type="imczmq" {input})
        {receive}"#,
    )
    .with("input", input)
    .with("endpoint", endpoint)
    .start();
    (receiver, sender)
}

fn assert_all_arrive((mut receiver, mut sender): (Daemon, Daemon)) {
    sender.feed(COUNT, 200);
    receiver.assert_received(COUNT);
    sender.stop();
    receiver.stop();
}

#[test]
fn push_reaches_a_listening_pull_over_tcp() {
    assert_all_arrive(receiver_listens(
        r#"socktype="PULL" endpoints="@tcp://127.0.0.1:*" listenportfilename="{dir}/in.port""#,
        r#"socktype="PUSH" endpoints=">{endpoint}""#,
    ));
}

#[test]
fn push_reaches_a_listening_pull_over_ipc() {
    assert_all_arrive(receiver_listens(
        r#"socktype="PULL" endpoints="@ipc://{dir}/in.ipc""#,
        r#"socktype="PUSH" endpoints=">{endpoint}""#,
    ));
}

#[test]
fn push_listens_and_pull_connects() {
    assert_all_arrive(sender_listens(
        r#"socktype="PULL" endpoints=">{endpoint}""#,
        r#"socktype="PUSH" endpoints="@tcp://127.0.0.1:*" listenportfilename="{dir}/out.port""#,
    ));
}

#[test]
fn dealer_reaches_router_over_tcp() {
    assert_all_arrive(receiver_listens(
        r#"socktype="ROUTER" endpoints="@tcp://127.0.0.1:*" listenportfilename="{dir}/in.port""#,
        r#"socktype="DEALER" endpoints=">{endpoint}""#,
    ));
}

#[test]
fn dealer_reaches_router_over_ipc() {
    assert_all_arrive(receiver_listens(
        r#"socktype="ROUTER" endpoints="@ipc://{dir}/in.ipc""#,
        r#"socktype="DEALER" endpoints=">{endpoint}""#,
    ));
}

#[test]
fn an_endpoint_without_a_sign_takes_the_socket_types_natural_side() {
    let receiver = r#"socktype="PULL" endpoints="ipc://{dir}/in.ipc""#;
    assert_all_arrive(receiver_listens(receiver, r#"socktype="PUSH" endpoints="{endpoint}""#));
    let (mut receiver, mut sender) = sender_listens(
        r#"socktype="SUB" topics="" endpoints="{endpoint}""#,
        r#"socktype="PUB" endpoints="ipc://{dir}/out.ipc""#,
    );
    publish_and_assert(&mut receiver, &mut sender);
}

fn publish_and_assert(receiver: &mut Daemon, sender: &mut Daemon) {
    let mut feeder = sender.feeder();
    receiver.await_subscription(&mut feeder, Record::number(0));
    sender.feed(COUNT, 200);
    receiver.assert_received(COUNT);
    sender.stop();
    receiver.stop();
}

#[test]
fn pub_reaches_sub_without_topics_over_tcp() {
    let (mut receiver, mut sender) = sender_listens(
        r#"socktype="SUB" endpoints=">{endpoint}""#,
        r#"socktype="PUB" endpoints="@tcp://127.0.0.1:*" listenportfilename="{dir}/out.port""#,
    );
    publish_and_assert(&mut receiver, &mut sender);
}

#[test]
fn pub_reaches_sub_without_topics_over_ipc() {
    let (mut receiver, mut sender) = sender_listens(
        r#"socktype="SUB" endpoints=">{endpoint}""#,
        r#"socktype="PUB" endpoints="@ipc://{dir}/out.ipc""#,
    );
    publish_and_assert(&mut receiver, &mut sender);
}

#[test]
fn pub_connects_to_a_listening_sub() {
    let (mut receiver, mut sender) = receiver_listens(
        r#"socktype="SUB" topics="news" endpoints="@tcp://127.0.0.1:*" listenportfilename="{dir}/in.port""#,
        r#"socktype="PUB" topics="news" topicframe="on" endpoints=">{endpoint}""#,
    );
    publish_and_assert(&mut receiver, &mut sender);
}

#[test]
fn a_static_topic_in_a_frame_of_its_own_is_not_part_of_the_record() {
    let (mut receiver, mut sender) = sender_listens(
        r#"socktype="SUB" topics="news" endpoints=">{endpoint}""#,
        r#"socktype="PUB" topics="news" topicframe="on" endpoints="@ipc://{dir}/out.ipc""#,
    );
    publish_and_assert(&mut receiver, &mut sender);
}

#[test]
fn a_record_without_a_topic_begins_with_what_a_reader_can_subscribe_to() {
    let (mut receiver, mut sender) = sender_listens(
        r#"socktype="SUB" topics="<13>,<14>" endpoints=">{endpoint}""#,
        r#"socktype="PUB" endpoints="@ipc://{dir}/out.ipc""#,
    );
    publish_and_assert(&mut receiver, &mut sender);
}

#[test]
fn a_static_topic_in_front_of_the_record_is_stripped_where_asked() {
    let (mut receiver, mut sender) = sender_listens(
        r#"socktype="SUB" topics="news" topicprefix="strip" endpoints=">{endpoint}""#,
        r#"socktype="PUB" topics="news" endpoints="@ipc://{dir}/out.ipc""#,
    );
    publish_and_assert(&mut receiver, &mut sender);
}

#[test]
fn packed_records_are_unpacked_where_both_say_so() {
    assert_all_arrive(receiver_listens(
        r#"socktype="PULL" endpoints="@ipc://{dir}/in.ipc" unpack="on""#,
        r#"socktype="PUSH" endpoints=">{endpoint}" packing="on""#,
    ));
}

#[test]
fn a_static_topic_without_a_frame_of_its_own_stands_in_front_of_the_record() {
    let mut sender = Daemon::start(
        r#"{feed}
        module(load="omczmq")
        action(type="omczmq" socktype="PUB" topics="one,two" endpoints="@ipc://{dir}/out.ipc" template="text")"#,
    );
    let peer = Peer::new(kind::SUB);
    peer.subscribe("two 0000");
    peer.subscribe("two 9");
    peer.connect_now(&sender.ipc("out"));
    peer.await_subscription(&mut sender.feeder(), Record::number(0));
    sender.feed(3, 0);
    assert_eq!(peer.receive_texts(3), ["two 00000000", "two 00000001", "two 00000002"]);
    sender.stop();
}

#[test]
fn a_record_is_published_once_for_each_of_several_topics() {
    let mut sender = Daemon::start(
        r#"{feed}
        module(load="omczmq")
        action(type="omczmq" socktype="PUB" topics="one,two" topicframe="on" endpoints="@ipc://{dir}/out.ipc"
               template="text")"#,
    );
    let mut feeder = sender.feeder();
    let both = Peer::new(kind::SUB);
    let [one, two] = [Peer::new(kind::SUB), Peer::new(kind::SUB)];
    for (peer, topics) in [(&both, &["one", "two"][..]), (&one, &["one"]), (&two, &["two"])] {
        for topic in topics {
            peer.subscribe(topic);
        }
        peer.connect_now(&sender.ipc("out"));
        peer.await_subscription(&mut feeder, Record::number(0));
    }
    sender.feed(3, 0);
    assert_eq!(one.receive_texts(3), ["one| 00000000", "one| 00000001", "one| 00000002"]);
    assert_eq!(two.receive_texts(3), ["two| 00000000", "two| 00000001", "two| 00000002"]);
    let texts = both.receive_texts(6);
    let order = ["one| 00000000", "two| 00000000", "one| 00000001", "two| 00000001", "one| 00000002", "two| 00000002"];
    assert_eq!(texts, order);
    sender.stop();
}

/// A sender with three hosts' three programs, interleaved.
fn feed_fleet(feeder: &mut Feeder, count: usize) {
    for number in 0..count {
        for host in ["alpha", "beta", "gamma"] {
            for program in ["cron", "sshd", "nginx"] {
                feeder.record(&Record::number(number).from(host, program));
            }
        }
    }
    feeder.flush();
}

#[test]
fn a_dynamic_topic_lets_each_reader_choose_hosts_and_programs() {
    const COUNT: usize = 300;
    let mut sender = Daemon::start(
        r#"{feed}
        module(load="omczmq")
        action(type="omczmq" socktype="PUB" dynatopic="on" topics="host-program" topicframe="on"
               endpoints="@ipc://{dir}/out.ipc")"#,
    );
    // All of beta, and gamma's sshd.
    let mut receiver = Config::new(
        r#"module(load="imczmq")
        input(type="imczmq" socktype="SUB" topics="beta.,gamma.sshd" endpoints=">{endpoint}")
        if $msg startswith " 99999999" then { action(type="omfile" file="{dir}/probes" template="sequence") stop }
        template(name="line" type="string" string="%hostname%.%programname% %msg:2:9%\n")
        action(type="omfile" file="{dir}/lines" template="line")"#,
    )
    .with("endpoint", sender.ipc("out"))
    .start();
    let mut feeder = sender.feeder();
    // Both subscriptions travel before either takes effect here, the one of gamma last.
    receiver.await_subscription(&mut feeder, Record::number(0).from("gamma", "sshd"));
    feed_fleet(&mut feeder, COUNT);
    let wanted = ["beta.cron", "beta.nginx", "beta.sshd", "gamma.sshd"];
    wait_until("all chosen lines", LONG, || {
        support::daemon::read(&receiver.file("lines")).lines().count() >= COUNT * wanted.len()
    });
    assert_sequences(&receiver.file("lines"), &wanted, COUNT);
    sender.stop();
    receiver.stop();
}

#[test]
fn a_dynamic_topic_without_a_frame_of_its_own_stands_in_front_of_the_record() {
    let mut sender = Daemon::start(
        r#"{feed}
        module(load="omczmq")
        action(type="omczmq" socktype="PUB" dynatopic="on" topics="host-program" template="text"
               endpoints="@ipc://{dir}/out.ipc")"#,
    );
    let mut feeder = sender.feeder();
    let peer = Peer::new(kind::SUB);
    peer.subscribe("beta.");
    peer.connect_now(&sender.ipc("out"));
    peer.await_subscription(&mut feeder, Record::number(0).from("beta", "cron"));
    feed_fleet(&mut feeder, 2);
    let first = ["beta.cron 00000000", "beta.sshd 00000000", "beta.nginx 00000000"];
    let second = ["beta.cron 00000001", "beta.sshd 00000001", "beta.nginx 00000001"];
    assert_eq!(peer.receive_texts(6), [first, second].concat());
    sender.stop();
}

#[test]
fn several_dynamic_topics_publish_the_record_under_each() {
    let mut sender = Daemon::start(
        r#"{feed}
        module(load="omczmq")
        action(type="omczmq" socktype="PUB" dynatopic="on" topics="host-program,program" topicframe="on" template="text"
               endpoints="@ipc://{dir}/out.ipc")"#,
    );
    let mut feeder = sender.feeder();
    let peer = Peer::new(kind::SUB);
    peer.subscribe("");
    peer.connect_now(&sender.ipc("out"));
    peer.await_subscription(&mut feeder, Record::number(0));
    sender.feed(2, 0);
    let texts = peer.receive_texts(4);
    assert_eq!(texts, ["host1.app| 00000000", "app| 00000000", "host1.app| 00000001", "app| 00000001"]);
    sender.stop();
}

#[test]
fn both_modules_work_in_one_daemon() {
    let mut daemon = Daemon::start(
        r#"{feed}
        module(load="imczmq")
        module(load="omczmq")
        ruleset(name="back") { {receive} }
        input(type="imczmq" socktype="PULL" endpoints="@ipc://{dir}/loop.ipc" ruleset="back")
        action(type="omczmq" socktype="PUSH" endpoints=">ipc://{dir}/loop.ipc")"#,
    );
    daemon.feed(COUNT, 200);
    daemon.assert_received(COUNT);
    daemon.stop();
}

#[test]
fn curve_works_with_the_receiver_as_the_server() {
    let certificates = Certificates::new();
    let certs = certificates.directory().display();
    assert_all_arrive(receiver_listens(
        &format!(
            r#"socktype="PULL" endpoints="@tcp://127.0.0.1:*" listenportfilename="{{dir}}/in.port" authtype="CURVESERVER"
            servercertpath="{certs}/server" clientcertpath="{certs}/clients""#
        ),
        &format!(
            r#"socktype="PUSH" endpoints=">{{endpoint}}" authtype="CURVECLIENT"
            servercertpath="{certs}/server" clientcertpath="{certs}/client""#
        ),
    ));
}

#[test]
fn curve_works_with_the_sender_as_the_server() {
    let certificates = Certificates::new();
    let certs = certificates.directory().display();
    let (mut receiver, mut sender) = sender_listens(
        &format!(
            r#"socktype="SUB" topics="news" endpoints=">{{endpoint}}" authtype="CURVECLIENT"
            servercertpath="{certs}/server" clientcertpath="{certs}/client""#
        ),
        &format!(
            r#"socktype="PUB" topics="news" topicframe="on" endpoints="@tcp://127.0.0.1:*"
            listenportfilename="{{dir}}/out.port" authtype="CURVESERVER"
            servercertpath="{certs}/server" clientcertpath="{certs}/clients""#
        ),
    );
    publish_and_assert(&mut receiver, &mut sender);
}

#[test]
fn curve_works_with_fresh_client_keys_where_every_key_is_admitted() {
    let certificates = Certificates::new();
    let certs = certificates.directory().display();
    assert_all_arrive(receiver_listens(
        &format!(
            r#"socktype="ROUTER" endpoints="@ipc://{{dir}}/in.ipc" authtype="CURVESERVER"
            servercertpath="{certs}/server" clientcertpath="*""#
        ),
        &format!(
            r#"socktype="DEALER" endpoints=">{{endpoint}}" authtype="CURVECLIENT"
            servercertpath="{certs}/server" clientcertpath="*""#
        ),
    ));
}
