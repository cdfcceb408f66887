//! The delivery contract of the action: what was accepted arrives, once and in order, or is counted under its name.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

mod support;

use std::time::Duration;

use rsyslog_zmq::sys::zmq::kind;
use support::{Config, Daemon, Peer, Record, check_config, most_in_flight};

/// The number in a received record (template `text`, with or without something in front).
fn number(frames: &[Vec<u8>]) -> usize {
    let last = String::from_utf8_lossy(frames.last().unwrap());
    let digits = last.split_whitespace().find(|word| word.len() == 8 && word.bytes().all(|byte| byte.is_ascii_digit()));
    digits.unwrap_or_else(|| panic!("no number in {last:?}")).parse().unwrap()
}

#[track_caller]
fn assert_numbers(peer: &Peer, count: usize) {
    for expected in 0..count {
        let frames =
            peer.receive_within(support::SHORT).unwrap_or_else(|| panic!("{expected} of {count} did not come"));
        assert_eq!(number(&frames), expected);
    }
}

#[test]
fn o5_an_action_without_a_peer_keeps_everything_until_one_comes() {
    const COUNT: usize = 3000;
    let mut daemon = Daemon::start(
        r#"{feed}
        {stats}
        module(load="omczmq")
        action(name="out" type="omczmq" socktype="PUSH" endpoints="@ipc://{dir}/push.ipc" template="text"
               queue.type="LinkedList" queue.size="5000")"#,
    );
    daemon.feed(COUNT, 0);
    daemon.wait_for_counter("out queue", "size", |size| size > 1000);
    assert_eq!(daemon.wait_for_counter("omczmq(out)", "accepted", |_| true), 0, "nothing is taken without a peer");
    let peer = Peer::new(kind::PULL);
    peer.connect_now(&daemon.ipc("push"));
    assert_numbers(&peer, COUNT);
    for (counter, value) in [("accepted", COUNT as u64), ("sent", COUNT as u64), ("suspended", 0)] {
        daemon.wait_for_counter("omczmq(out)", counter, |seen| seen == value);
    }
    daemon.stop();
}

#[test]
fn a_finite_sendtimeout_suspends_and_resumes_without_loss_or_duplicate() {
    const COUNT: usize = 500;
    let mut daemon = Daemon::start(
        r#"{feed}
        {stats}
        module(load="omczmq")
        action(name="out" type="omczmq" socktype="PUSH" endpoints="@ipc://{dir}/push.ipc" template="text" sendtimeout="100"
               queue.type="LinkedList" action.resumeRetryCount="-1" action.resumeInterval="1")"#,
    );
    daemon.feed(COUNT, 0);
    daemon.wait_for_counter("omczmq(out)", "suspended", |suspended| suspended > 0);
    let peer = Peer::new(kind::PULL);
    peer.connect_now(&daemon.ipc("push"));
    assert_numbers(&peer, COUNT);
    daemon.wait_for_counter("omczmq(out)", "accepted", |accepted| accepted == COUNT as u64);
    assert_eq!(peer.receive_within(Duration::from_millis(200)), None, "something came twice");
    daemon.stop();
}

#[test]
fn o20_a_peer_that_comes_and_goes_gets_everything_in_order_and_nothing_twice() {
    const COUNT: usize = 30_000;
    const ROUNDS: usize = 20;
    const LEAST_FRAME: usize = 3900;
    let directory = tempfile::tempdir().unwrap();
    let endpoint = format!("ipc://{}/pull.ipc", directory.path().display());
    let mut daemon = Config::new(
        r#"{feed}
        {stats}
        module(load="omczmq")
        action(name="out" type="omczmq" socktype="PUSH" endpoints=">{endpoint}" template="text" reconnectivl="1"
               reconnectivlmax="20" sendhwm="10" queue.type="LinkedList" queue.size="50000")"#,
    )
    .with("endpoint", &endpoint)
    .start();
    // Large records, so that few of them fit into what the kernel holds for a peer that goes away.
    daemon.feed(COUNT, 4000);
    // What the module owns is never lost; what had left it for a peer that went away is, and only where peers change.
    let most_lost = most_in_flight(10 + 1, LEAST_FRAME);
    let mut next = 0;
    for round in 0..ROUNDS {
        let peer = Peer::new(kind::PULL);
        peer.keep_little();
        peer.bind(&endpoint);
        let most = if round + 1 == ROUNDS { COUNT } else { 200 };
        for place in 0..most {
            let frames = peer.receive();
            assert!(frames[0].len() >= LEAST_FRAME);
            let number = number(&frames);
            assert!(number >= next, "{number} came again after {}", next - 1);
            let lost = number - next;
            let may_lose = if place == 0 && round > 0 { most_lost } else { 0 };
            assert!(
                lost <= may_lose,
                "{lost} messages lost before place {place} of round {round}, not {may_lose} at most"
            );
            next = number + 1;
            if next == COUNT {
                break;
            }
        }
    }
    assert_eq!(next, COUNT);
    daemon.wait_for_counter("omczmq(out)", "sent", |sent| sent == COUNT as u64);
    assert!(daemon.wait_for_counter("omczmq(out)", "queue_depth_max", |_| true) <= 10_000);
    daemon.stop();
}

#[test]
fn a_stopped_peer_that_goes_on_loses_nothing() {
    const COUNT: usize = 100_000;
    let mut receiver = Daemon::start(
        r#"module(load="imczmq")
        input(type="imczmq" socktype="PULL" endpoints="@tcp://127.0.0.1:*" listenportfilename="{dir}/in.port")
        {receive}"#,
    );
    let mut sender = Config::new(
        r#"{feed}
        {stats}
        module(load="omczmq")
        action(name="out" type="omczmq" socktype="PUSH" endpoints=">{endpoint}" template="raw" queue.type="LinkedList"
               queue.size="200000")"#,
    )
    .with("endpoint", receiver.tcp("in"))
    .start();
    sender.wait_for_counter("omczmq(out)", "connections_active", |active| active == 1);
    receiver.signal(libc::SIGSTOP);
    sender.feed(COUNT, 200);
    sender.wait_for_halt("omczmq(out)", "sent");
    receiver.signal(libc::SIGCONT);
    receiver.assert_received(COUNT);
    sender.stop();
    receiver.stop();
}

#[test]
fn o21_a_clean_stop_delivers_to_a_slow_peer() {
    const COUNT: usize = 1000;
    let mut daemon = Config::new(
        r#"{feed}
        {stats}
        module(load="omczmq")
        action(name="out" type="omczmq" socktype="PUSH" endpoints="@ipc://{dir}/push.ipc" template="text" closetimeout="60000")"#,
    )
    .with("maxmessagesize", "64k")
    .start();
    let peer = Peer::new(kind::PULL);
    // Not fewer: a libzmq peer that has no room at the moment its connection ends forgets what the kernel still has for it.
    peer.keep(200);
    peer.connect_now(&daemon.ipc("push"));
    daemon.feed(COUNT, 10_000);
    daemon.wait_for_counter("omczmq(out)", "accepted", |accepted| accepted == COUNT as u64);
    let reader = std::thread::spawn(move || assert_numbers(&peer, COUNT));
    daemon.stop();
    reader.join().unwrap();
}

#[test]
fn several_workers_deliver_everything_once() {
    const COUNT: usize = 20_000;
    let mut daemon = Daemon::start(
        r#"{feed}
        module(load="omczmq")
        action(type="omczmq" socktype="PUSH" endpoints="@ipc://{dir}/push.ipc" template="text" sendqueue.size="500"
               queue.type="LinkedList" queue.workerThreads="4" queue.workerThreadMinimumMessages="10")"#,
    );
    let peer = Peer::new(kind::PULL);
    peer.connect_now(&daemon.ipc("push"));
    daemon.feed(COUNT, 0);
    let mut seen = vec![false; COUNT];
    for _ in 0..COUNT {
        let number = number(&peer.receive());
        assert!(!std::mem::replace(&mut seen[number], true), "{number} came twice");
    }
    daemon.stop();
}

#[test]
fn without_a_send_queue_a_commit_returns_when_libzmq_has_everything() {
    const COUNT: usize = 2000;
    let mut daemon = Daemon::start(
        r#"{feed}
        {stats}
        module(load="omczmq")
        action(name="out" type="omczmq" socktype="PUSH" endpoints="@ipc://{dir}/push.ipc" template="text" sendqueue.size="0")"#,
    );
    let peer = Peer::new(kind::PULL);
    peer.connect_now(&daemon.ipc("push"));
    daemon.feed(COUNT, 0);
    assert_numbers(&peer, COUNT);
    daemon.wait_for_counter("omczmq(out)", "queue_depth", |depth| depth == 0);
    daemon.stop();
}

#[test]
fn o25_topics_and_topic_frames_are_refused_where_they_mean_nothing() {
    for (parameters, text) in [
        (r#"socktype="PUSH" topics="a""#, "\"topics\" has no meaning on socktype PUSH"),
        (r#"socktype="DEALER" topics="a""#, "\"topics\" has no meaning on socktype DEALER"),
        (r#"socktype="DEALER" topicframe="on""#, "\"topicframe\" has no meaning on socktype DEALER"),
        (r#"socktype="RADIO" topics="a" topicframe="on""#, "\"topicframe\" has no meaning on socktype RADIO"),
    ] {
        let action = r#"module(load="omczmq")
            action(type="omczmq" endpoints="@tcp://127.0.0.1:*" {parameters})"#;
        let check = check_config(Config::new(action).with("parameters", parameters));
        assert_eq!(check.status.code(), Some(1), "{}", check.output);
        assert!(check.output.contains(text), "{}", check.output);
    }
}

#[test]
fn o27_a_draft_socket_type_is_refused_with_its_reason_where_libzmq_has_no_drafts() {
    let has_drafts = rsyslog_zmq::sys::zmq::has("draft");
    for (socktype, topics) in [("RADIO", r#"topics="a""#), ("CLIENT", ""), ("SCATTER", "")] {
        let action = r#"module(load="omczmq")
            action(type="omczmq" endpoints="tcp://127.0.0.1:9" socktype="{socktype}" {topics})"#;
        let check = check_config(Config::new(action).with("socktype", socktype).with("topics", topics));
        assert_eq!(check.status.code(), Some(i32::from(!has_drafts)), "{}", check.output);
        let text = format!("socktype \"{socktype}\" is a draft socket type, and the installed libzmq");
        assert_ne!(check.output.contains(&text), has_drafts, "{}", check.output);
    }
}

#[test]
fn o30_a_fifth_dynamic_topic_is_refused_with_the_limit() {
    let topics: String =
        (1..=5).map(|n| format!("template(name=\"t{n}\" type=\"string\" string=\"%hostname%\")\n")).collect();
    let action = r#"{templates}
        module(load="omczmq")
        action(type="omczmq" endpoints="@tcp://127.0.0.1:*" socktype="PUB" dynatopic="on" topics="{topics}")"#;
    let config = |list: &str| Config::new(action).with("templates", &topics).with("topics", list);
    let check = check_config(config("t1,t2,t3,t4,t5"));
    assert_eq!(check.status.code(), Some(1));
    assert!(check.output.contains("at most 4 topics; 5 are given"), "{}", check.output);
    assert_eq!(check_config(config("t1,t2,t3,t4")).status.code(), Some(0));
}

#[test]
fn o31_a_burst_is_committed_in_batches() {
    const COUNT: usize = 20_000;
    let mut daemon = Daemon::start(
        r#"{feed}
        {stats}
        module(load="omczmq")
        action(name="out" type="omczmq" socktype="PUSH" endpoints="@ipc://{dir}/push.ipc" template="text" packing="on"
               queue.type="LinkedList" queue.size="50000")"#,
    );
    daemon.feed(COUNT, 0);
    daemon.wait_for_counter("out queue", "enqueued", |enqueued| enqueued >= COUNT as u64);
    let peer = Peer::new(kind::PULL);
    peer.connect_now(&daemon.ipc("push"));
    let (mut records, mut frames) = (0, 0);
    while records < COUNT {
        let message = peer.receive();
        frames += 1;
        for record in rsyslog_zmq::transport::wire::packing::unpack(&message[0]).expect("a packed frame") {
            assert_eq!(number(&[record.to_vec()]), records);
            records += 1;
        }
    }
    // A packed frame never mixes batches, so as many records share a commit as a frame.
    assert!(COUNT / frames >= 50, "{COUNT} records came in {frames} frames");
    daemon.stop();
}

#[test]
fn a_packed_frame_keeps_to_its_maximum_and_to_its_topic() {
    const COUNT: usize = 3000;
    let mut daemon = Daemon::start(
        r#"{feed}
        module(load="omczmq")
        action(type="omczmq" socktype="PUB" endpoints="@ipc://{dir}/pub.ipc" template="text" packing="on"
               packing.maxbytes="1024" topics="host-program" dynatopic="on" topicframe="on")"#,
    );
    let mut feeder = daemon.feeder();
    let peer = Peer::new(kind::SUB);
    peer.subscribe("web");
    peer.connect_now(&daemon.ipc("pub"));
    peer.await_subscription(&mut feeder, Record::number(0).from("web1", "nginx"));
    for number in 0..COUNT {
        let host = ["web1", "db1", "web2"][number % 3];
        // One record in a hundred is larger than a frame may be, and goes alone.
        let size = if number % 100 == 0 { 3000 } else { 0 };
        feeder.record(&Record { size, ..Record::number(number).from(host, "nginx") });
    }
    feeder.flush();
    let mut next = [0, 2];
    while next.iter().any(|&next| next < COUNT) {
        let message = peer.receive();
        let place = usize::from(message[0] == b"web2.nginx");
        assert_eq!(message[0], [&b"web1.nginx"[..], b"web2.nginx"][place]);
        let records: Vec<&[u8]> = rsyslog_zmq::transport::wire::packing::unpack(&message[1]).expect("packed").collect();
        assert!(
            message[1].len() <= 1024 || records.len() == 1,
            "{} records, {} bytes",
            records.len(),
            message[1].len()
        );
        for record in records {
            assert_eq!(number(&[record.to_vec()]), next[place]);
            next[place] += 3;
        }
    }
    daemon.stop();
}

/// Reads from a subscription until told how many there are, and checks the sequence.
fn count_in_order(peer: Peer, count: usize, pause: Option<(usize, Duration)>) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        for expected in 0..count {
            let frames =
                peer.receive_within(support::SHORT).unwrap_or_else(|| panic!("{expected} of {count} did not come"));
            assert_eq!(number(&frames), expected);
            if let Some((every, pause)) = pause {
                if expected % every == 0 {
                    std::thread::sleep(pause);
                }
            }
        }
    })
}

fn publisher(parameters: &str) -> Daemon {
    Config::new(
        r#"{feed}
        {stats}
        module(load="omczmq")
        action(name="out" type="omczmq" socktype="PUB" endpoints="@tcp://127.0.0.1:*" listenportfilename="{dir}/pub.port"
               template="text" queue.type="LinkedList" queue.size="500000" {parameters})"#,
    )
    .with("parameters", parameters)
    .start()
}

fn subscriber(daemon: &Daemon) -> Peer {
    let peer = Peer::new(kind::SUB);
    peer.subscribe("");
    peer.connect_now(&daemon.tcp("pub"));
    peer.await_subscription(&mut daemon.feeder(), Record::number(0));
    peer
}

#[test]
fn a_burst_reaches_every_subscriber_that_keeps_up_on_average() {
    const COUNT: usize = 100_000;
    let mut daemon = publisher("");
    let fast = subscriber(&daemon);
    let slow = subscriber(&daemon);
    slow.keep(100);
    // About 20,000 records a second: the burst is far ahead of it.
    let readers =
        [count_in_order(fast, COUNT, None), count_in_order(slow, COUNT, Some((200, Duration::from_millis(10))))];
    daemon.feed(COUNT, 200);
    for reader in readers {
        reader.join().unwrap();
    }
    daemon.wait_for_counter("omczmq(out)", "sent", |sent| sent >= COUNT as u64);
    assert_eq!(daemon.wait_for_counter("omczmq(out)", "dropped_slow_subscriber", |_| true), 0);
    daemon.stop();
}

#[test]
fn a_subscriber_that_never_reads_is_cut_off_and_the_others_lose_nothing() {
    const COUNT: usize = 200_000;
    let mut daemon = publisher(r#"sendtimeout="1000""#);
    let good: Vec<Peer> = (0..3).map(|_| subscriber(&daemon)).collect();
    let stuck = subscriber(&daemon);
    let readers: Vec<_> = good.into_iter().map(|peer| count_in_order(peer, COUNT, None)).collect();
    daemon.feed(COUNT, 200);
    for reader in readers {
        reader.join().unwrap();
    }
    daemon.wait_for_log("took nothing for the send timeout and was cut off");
    let once = daemon.log().matches("was cut off; it may come back").count();
    assert_eq!(once, 1, "said more than once");
    assert_eq!(daemon.wait_for_counter("omczmq(out)", "dropped_slow_subscriber", |_| true), 0);
    drop(stuck);
    daemon.stop();
}

#[test]
fn o32_what_a_full_subscriber_loses_is_counted() {
    const COUNT: u64 = 100_000;
    let mut daemon = publisher(r#"onfull="drop" sendhwm="10""#);
    let stuck = subscriber(&daemon);
    daemon.feed(COUNT as usize, 200);
    let counter = |name| daemon.wait_for_counter("omczmq(out)", name, |_| true);
    let dropped = daemon.wait_for_counter("omczmq(out)", "dropped_slow_subscriber", |dropped| dropped > 0);
    assert!(dropped > 0);
    // Nothing is silent: whatever the queue refused, the subscriber lost or nobody wanted has its name.
    support::wait_until("the counters to add up", Duration::from_secs(20), || {
        let sum = ["sent", "dropped_slow_subscriber", "dropped_no_subscriber", "dropped_queue_full", "queue_depth"];
        let accepted = counter("accepted");
        accepted >= COUNT
            && counter("queue_depth") == 0
            && sum.iter().map(|name| counter(name)).sum::<u64>() == accepted
    });
    drop(stuck);
    daemon.stop();
}

#[test]
fn a_queue_on_disk_gives_a_later_daemon_what_rsyslog_still_owned() {
    const COUNT: usize = 2000;
    const BATCH: usize = 16;
    let spool = tempfile::tempdir().unwrap();
    let start = || {
        Config::new(
            r#"{feed}
            {stats}
            module(load="omczmq")
            action(name="out" type="omczmq" socktype="PUSH" endpoints="@ipc://{dir}/push.ipc" template="text"
                   queue.type="LinkedList" queue.size="10000" queue.filename="out" queue.spoolDirectory="{spool}"
                   queue.saveOnShutdown="on"
                   queue.dequeueBatchSize="{batch}" queue.timeoutShutdown="100" queue.timeoutActionCompletion="100")"#,
        )
        .with("spool", spool.path().display())
        .with("batch", BATCH)
        .start()
    };
    let mut first = start();
    first.feed(COUNT, 0);
    first.wait_for_counter("out queue", "enqueued", |enqueued| enqueued >= COUNT as u64);
    first.stop();
    let mut second = start();
    let peer = Peer::new(kind::PULL);
    peer.connect_now(&second.ipc("push"));
    // Hosts before 8.2606 drop the batch in flight themselves; after it everything is there, once and in order.
    let begin = number(&peer.receive());
    assert!(begin <= BATCH, "{begin} messages are gone, more than the batch in flight");
    for expected in begin + 1..COUNT {
        assert_eq!(number(&peer.receive()), expected);
    }
    second.stop();
}

#[test]
fn two_actions_share_one_deadline_at_the_stop() {
    let mut daemon = Daemon::start(
        r#"{feed}
        {stats}
        module(load="omczmq")
        action(name="one" type="omczmq" socktype="PUSH" endpoints="@ipc://{dir}/one.ipc" closetimeout="2000" sendhwm="1"
               queue.type="LinkedList")
        action(name="two" type="omczmq" socktype="PUSH" endpoints="@ipc://{dir}/two.ipc" closetimeout="2000" sendhwm="1"
               queue.type="LinkedList")"#,
    );
    let peers = ["one", "two"].map(|name| {
        let peer = Peer::new(kind::PULL);
        peer.keep_little();
        peer.connect_now(&daemon.ipc(name));
        peer
    });
    daemon.feed(5000, 2000);
    for name in ["omczmq(one)", "omczmq(two)"] {
        daemon.wait_for_halt(name, "sent");
    }
    let ended = daemon.stop();
    // Two deadlines in a row would be four seconds; the host itself takes some hundred milliseconds.
    assert!(ended < Duration::from_millis(3800), "{ended:?}");
    drop(peers);
}

#[test]
fn a_subscriber_that_reads_slowly_is_not_cut_off_for_one_beside_it_that_stands_still() {
    const COUNT: usize = 60_000;
    // Its backlog in the kernel takes longer to read than the one beside it is waited for.
    let mut daemon = publisher(r#"sendtimeout="1000""#);
    let slow = subscriber(&daemon);
    let still = subscriber(&daemon);
    let reader = count_in_order(slow, COUNT, Some((200, Duration::from_millis(40))));
    daemon.feed(COUNT, 200);
    reader.join().unwrap();
    let log = support::daemon::read(&daemon.file("rsyslogd.log"));
    assert_eq!(log.matches("was cut off").count(), 1, "{log}");
    drop(still);
    daemon.stop();
}
