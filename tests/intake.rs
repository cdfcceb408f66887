//! What the input makes of what arrives, and where it says it came from.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::time::Duration;

use rsyslog_zmq::sys::blocks::Arena;
use rsyslog_zmq::sys::zmq::kind;
use rsyslog_zmq::transport::wire::packing::pack;
use support::{Certificates, Config, Daemon, Peer, Publisher, Record, raw_zmtp};

#[test]
fn i6_a_topic_in_front_of_the_text_is_stripped_when_asked_for() {
    let publisher = Publisher::new();
    let mut daemon = Config::new(
        r#"{stats}
        module(load="imczmq")
        input(name="in" type="imczmq" socktype="SUB" endpoints=">{endpoint}" topics="host1." topicprefix="strip")
        {receive}"#,
    )
    .with("endpoint", &publisher.endpoint)
    .start();
    publisher.subscriptions(1);
    for number in 0..100 {
        let record = [b"host1.app".as_slice(), &Record::number(number).bytes()].concat();
        publisher.peer.send(&[&record]);
    }
    // Nothing to strip: no log message, and counted.
    publisher.peer.send(&[b"host1.app without a priority"]);
    daemon.assert_received(100);
    daemon.wait_for_counter("imczmq(in)", "frames_rejected", |rejected| rejected == 1);
    daemon.stop();
}

#[test]
fn i6_a_prefix_topic_over_ipc_stays_where_it_is_unless_asked() {
    let publisher = Publisher::new();
    let mut daemon = Config::new(
        r#"module(load="imczmq")
        input(type="imczmq" socktype="SUB" endpoints=">{endpoint}" topics="<")
        {receive}"#,
    )
    .with("endpoint", &publisher.endpoint)
    .start();
    assert_eq!(publisher.subscriptions(1), ["<"]);
    for number in 0..100 {
        publisher.peer.send(&[&Record::number(number).bytes()]);
    }
    daemon.assert_received(100);
    daemon.stop();
}

#[test]
fn i9_a_full_queue_pushes_back_and_loses_nothing() {
    const COUNT: usize = 20_000;
    let mut daemon = Config::new(
        r#"module(load="imczmq")
        input(type="imczmq" socktype="PULL" endpoints="@ipc://{dir}/in.ipc" recvhwm="100")
        {receive}"#,
    )
    .with("mainqueue", r#"queue.size="500""#)
    .start();
    let endpoint = daemon.ipc("in");
    let sender = std::thread::spawn(move || {
        let peer = Peer::new(kind::PUSH);
        peer.connect_now(&endpoint);
        for number in 0..COUNT {
            peer.send(&[&Record::number(number).bytes()]);
        }
        peer
    });
    daemon.assert_received(COUNT);
    drop(sender.join().unwrap());
    daemon.stop();
}

#[test]
fn i10_a_rate_limit_drops_counts_and_says_so() {
    let mut daemon = Daemon::start(
        r#"{stats}
        module(load="imczmq")
        input(name="in" type="imczmq" socktype="PULL" endpoints="@ipc://{dir}/in.ipc" ratelimit.interval="3600"
              ratelimit.burst="50")
        {receive}"#,
    );
    let peer = Peer::new(kind::PUSH);
    peer.connect_now(&daemon.ipc("in"));
    for number in 0..200 {
        peer.send(&[&Record::number(number).bytes()]);
    }
    daemon.wait_for_counter("imczmq(in)", "ratelimited", |limited| limited == 150);
    daemon.wait_for_log("begin to drop messages due to rate-limiting");
    daemon.assert_received(50);
    daemon.stop();
}

/// Resident memory in KiB, at its highest.
fn peak_memory(daemon: &Daemon) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn i11_a_frame_over_maxmsgsize_ends_its_connection_and_costs_no_memory() {
    let mut daemon = Daemon::start(
        r#"{stats}
        module(load="imczmq")
        input(name="in" type="imczmq" socktype="PULL" endpoints="@tcp://127.0.0.1:*" listenportfilename="{dir}/in.port")
        {receive}"#,
    );
    let endpoint = daemon.tcp("in");
    let before = peak_memory(&daemon);
    let giant = Peer::new(kind::PUSH);
    giant.connect_now(&endpoint);
    daemon.wait_for_counter("imczmq(in)", "connections_active", |active| active == 1);
    giant.send(&[&vec![b'x'; 64 << 20]]);
    daemon.wait_for_counter("imczmq(in)", "connections_closed", |closed| closed > 0);
    let good = Peer::new(kind::PUSH);
    good.connect_now(&endpoint);
    for number in 0..100 {
        good.send(&[&Record::number(number).bytes()]);
    }
    daemon.assert_received(100);
    let grown = peak_memory(&daemon) - before;
    assert!(grown < 20 << 10, "{grown} KiB more than before");
    assert_eq!(daemon.wait_for_counter("imczmq(in)", "oversize", |count| count > 0), 1);
    daemon.wait_for_log("a peer sent a frame over maxmsgsize, and its connection was ended");
    daemon.stop();
}

#[test]
fn only_a_frame_over_maxmsgsize_counts_as_one() {
    for heartbeats in ["", r#"heartbeativl="200""#] {
        let mut daemon = Config::new(
            r#"{stats}
            module(load="imczmq")
            input(name="in" type="imczmq" socktype="PULL" endpoints="@tcp://127.0.0.1:*,@ipc://{dir}/in.ipc"
                  listenportfilename="{dir}/in.port" maxmsgsize="2000" {heartbeats})
            {receive}"#,
        )
        .with("heartbeats", heartbeats)
        .start();
        let endpoints = [daemon.tcp("in"), daemon.ipc("in")];
        // Peers that go away in the middle of everything, a peer that is silent, strangers.
        for number in 0..60_u64 {
            let peer = Peer::new(kind::PUSH);
            peer.connect_now(&endpoints[number as usize % 2]);
            for _ in 0..50 {
                peer.send(&[&Record::number(0).bytes()]);
            }
        }
        drop(std::net::TcpStream::connect(("127.0.0.1", daemon.port("in"))).unwrap());
        let silent = raw_zmtp::connect(daemon.port("in"));
        raw_zmtp::say(
            &silent,
            &[raw_zmtp::greeting("NULL"), b"\x04\x1a\x05READY\x0bSocket-Type\0\0\0\x04PUSH".to_vec()].concat(),
        );
        if !heartbeats.is_empty() {
            assert!(raw_zmtp::is_ended(&silent, Duration::from_secs(20)), "it answers no heartbeat");
        }
        drop(silent);
        daemon.wait_for_counter("imczmq(in)", "connections_closed", |closed| closed == 62);
        assert_eq!(daemon.wait_for_counter("imczmq(in)", "oversize", |_| true), 0, "{heartbeats}");
        for (number, endpoint) in endpoints.iter().enumerate() {
            daemon.wait_for_counter("imczmq(in)", "connections_active", |active| active == 0);
            let giant = Peer::new(kind::PUSH);
            giant.connect_now(endpoint);
            // A connection that ends in its first moment is not looked at in time.
            daemon.wait_for_counter("imczmq(in)", "connections_active", |active| active == 1);
            giant.send(&[&vec![b'x'; 3000]]);
            if heartbeats.is_empty() {
                daemon.wait_for_counter("imczmq(in)", "oversize", |count| count == number as u64 + 1);
            }
        }
        daemon.stop();
    }
}

#[test]
fn i21_an_input_that_cannot_listen_leaves_no_socket_behind() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut daemon = Config::new(
        r#"module(load="imczmq")
        input(name="bad" type="imczmq" socktype="PULL" endpoints="@tcp://127.0.0.1:{port}")
        input(name="good" type="imczmq" socktype="PULL" endpoints="@ipc://{dir}/in.ipc")
        {receive}"#,
    )
    .with("port", taken.local_addr().unwrap().port())
    .start();
    daemon.wait_for_log("Address already in use");
    let peer = Peer::new(kind::PUSH);
    peer.connect_now(&daemon.ipc("in"));
    peer.send(&[&Record::number(0).bytes()]);
    daemon.assert_received(1);
    let path = daemon.file("in.ipc");
    // A socket that is left open would keep the context, and with it the daemon, from ending.
    daemon.stop();
    assert!(!path.exists(), "the Unix socket is still there");
    assert!(!daemon.log().contains("dangling"));
}

#[test]
fn i23_topic_input_and_certificate_are_properties_of_the_message() {
    let certificates = Certificates::new();
    let mut daemon = Config::new(
        r#"module(load="imczmq")
        template(name="from" type="string"
                 string="%$!metadata!imczmq!input% %$!metadata!imczmq!address% %$!metadata!imczmq!userid% %fromhost-ip%\n")
        template(name="of" type="string" string="%$!metadata!imczmq!topic%%msg%\n")
        input(name="mine" type="imczmq" socktype="PULL" endpoints="@tcp://127.0.0.1:*" listenportfilename="{dir}/in.port"
              authtype="CURVESERVER" servercertpath="{certs}/server" clientcertpath="{certs}/clients" addmetadata="on")
        input(name="other" type="imczmq" socktype="PULL" endpoints="@ipc://{dir}/other.ipc" addmetadata="on" topicframe="on")
        if $!metadata!imczmq!input == "mine" then { action(type="omfile" file="{dir}/mine" template="from") stop }
        action(type="omfile" file="{dir}/others" template="of")"#,
    )
    .with("certs", certificates.directory().display())
    .start();
    let client = Peer::new(kind::PUSH);
    client.curve_client(&certificates, "client", "server");
    client.connect_now(&daemon.tcp("in"));
    client.send(&[&Record::number(0).bytes()]);
    let (key, _) = certificates.keys("client");
    daemon.wait_for_text("mine", &format!("mine 127.0.0.1 {key} 127.0.0.1\n"));
    let peer = Peer::new(kind::PUSH);
    peer.connect_now(&daemon.ipc("other"));
    peer.send(&[b"news", &Record::number(1).bytes()]);
    daemon.wait_for_text("others", "news 00000001\n");
    daemon.stop();
}

#[test]
fn i23_the_filters_of_the_ready_configuration_tell_an_impostor_by_his_certificate() {
    let ready = concat!(env!("CARGO_MANIFEST_DIR"), "/rsyslog-conf/provenance.conf");
    let text = std::fs::read_to_string(ready).unwrap();
    for part in [r#"endpoints="@tcp://*:24447""#, "/etc/rsyslog/curve.d/", "/var/log/"] {
        assert!(text.contains(part), "{ready} has no {part}");
    }
    let certificates = Certificates::new();
    certificates.create("web1");
    certificates.admit("web1");
    let text = text
        .replace(
            r#"endpoints="@tcp://*:24447""#,
            r#"endpoints="@tcp://127.0.0.1:*" listenportfilename="{dir}/in.port""#,
        )
        .replace("/etc/rsyslog/curve.d", &certificates.directory().display().to_string())
        .replace("/var/log", "{dir}");
    let mut daemon = Daemon::start(&text);
    let endpoint = daemon.tcp("in");
    let [honest, impostor] = ["web1", "client"].map(|name| {
        let publisher = Peer::new(kind::XPUB);
        publisher.curve_client(&certificates, name, "server");
        publisher.connect_now(&endpoint);
        // The subscription to everything.
        assert_eq!(publisher.receive(), [b"\x01"]);
        publisher
    });
    let web1 = |number| Record::number(number).from("web1", "app").bytes();
    honest.send(&[b"web1.app", &web1(0)]);
    honest.send(&[b"audit.app", &web1(1)]);
    impostor.send(&[b"audit.app", &web1(2)]);

    let line = |certificate: &str, topic: &str, number: usize| {
        let (key, _) = certificates.keys(certificate);
        format!(
            " certificate={certificate} address=127.0.0.1 key={key} input=calling-in topic={topic} host=web1 {number:08}\n"
        )
    };
    daemon.wait_for_text("zeromq/web1.log", &line("web1", "web1.app", 0));
    daemon.wait_for_text("zeromq/web1.log", &line("web1", "audit.app", 1));
    daemon.wait_for_text("zeromq-audit.log", &line("web1", "audit.app", 1));
    daemon.wait_for_text("zeromq-impostors.log", &line("client", "audit.app", 2));
    daemon.stop();
    for (file, lines) in [("zeromq/web1.log", 2), ("zeromq-audit.log", 1), ("zeromq-impostors.log", 1)] {
        assert_eq!(std::fs::read_to_string(daemon.file(file)).unwrap().lines().count(), lines, "{file}");
    }
    assert!(!daemon.file("zeromq/client.log").exists());
}

#[test]
fn i24_a_stalled_ruleset_stalls_its_own_input_only() {
    const COUNT: usize = 1000;
    let mut daemon = Daemon::start(
        r#"module(load="imczmq")
        module(load="omczmq")
        ruleset(name="stalled" queue.type="direct") {
          action(type="omczmq" socktype="PUSH" endpoints=">ipc://{dir}/nobody.ipc" closetimeout="300")
        }
        ruleset(name="flowing" queue.type="direct") { action(type="omfile" file="{dir}/received" template="sequence") }
        input(name="one" type="imczmq" socktype="PULL" endpoints="@ipc://{dir}/one.ipc" ruleset="stalled")
        input(name="two" type="imczmq" socktype="PULL" endpoints="@ipc://{dir}/two.ipc" ruleset="flowing")"#,
    );
    let [one, two] = ["one", "two"].map(|name| {
        let peer = Peer::new(kind::PUSH);
        peer.connect_now(&daemon.ipc(name));
        peer
    });
    for number in 0..COUNT {
        one.send(&[&Record::number(number).bytes()]);
    }
    for number in 0..COUNT {
        two.send(&[&Record::number(number).bytes()]);
    }
    daemon.assert_received(COUNT);
    daemon.stop();
}

#[test]
fn packed_frames_become_single_log_messages_and_hostile_ones_nothing() {
    let mut daemon = Daemon::start(
        r#"{stats}
        module(load="imczmq")
        input(name="in" type="imczmq" socktype="PULL" endpoints="@ipc://{dir}/in.ipc" unpack="on")
        {receive}"#,
    );
    let peer = Peer::new(kind::PUSH);
    peer.connect_now(&daemon.ipc("in"));
    let hostile: [&[u8]; 6] = [b"", b"5 hell", b"05 hello", b"0 ", b"5 hello6 hell", b"99999999999999999999 x"];
    let mut number = 0;
    for frame in hostile {
        peer.send(&[frame]);
        let records: Vec<Vec<u8>> = (number..number + 50).map(|number| Record::number(number).bytes()).collect();
        number += 50;
        let records: Vec<&[u8]> = records.iter().map(Vec::as_slice).collect();
        peer.send(&[pack(&mut Arena::default(), b"", &records).unwrap().as_slice()]);
    }
    daemon.assert_received(300);
    daemon.wait_for_counter("imczmq(in)", "frames_rejected", |rejected| rejected == 6);
    daemon.wait_for_counter("imczmq(in)", "submitted", |submitted| submitted == 300);
    daemon.stop();
}

#[test]
fn hostile_multipart_messages_are_counted_and_never_a_log_message() {
    let mut daemon = Daemon::start(
        r#"{stats}
        module(load="imczmq")
        input(name="in" type="imczmq" socktype="ROUTER" endpoints="@ipc://{dir}/in.ipc")
        input(name="on" type="imczmq" socktype="PULL" endpoints="@ipc://{dir}/on.ipc" topicframe="on")
        {receive}"#,
    );
    let dealer = Peer::new(kind::DEALER);
    dealer.set_routing_id(&[b'r'; 255]);
    dealer.connect_now(&daemon.ipc("in"));
    let many: Vec<&[u8]> = vec![b"<13>x"; 10_000];
    dealer.send(&many);
    dealer.send(&[b""]);
    dealer.send(&[b"", b""]);
    dealer.send(&[b"", &Record::number(0).bytes()]);
    let push = Peer::new(kind::PUSH);
    push.connect_now(&daemon.ipc("on"));
    push.send(&[b"a topic alone"]);
    push.send(&[b"topic", b""]);
    push.send(&[b"topic", &Record::number(1).bytes()]);
    daemon.wait_for_counter("imczmq(in)", "frames_rejected", |rejected| rejected == 3);
    daemon.wait_for_counter("imczmq(on)", "frames_rejected", |rejected| rejected == 2);
    daemon.wait_for_lines("received", 2, 9);
    daemon.stop();
}

#[test]
fn a_million_from_sixteen_senders_at_once_is_whole_and_each_in_its_order() {
    const SENDERS: usize = 16;
    const EACH: usize = 62_500;
    let mut daemon = Config::new(
        r#"module(load="imczmq")
        input(type="imczmq" socktype="PULL" endpoints="@ipc://{dir}/in.ipc")
        action(type="omfile" file="{dir}/received" template="host-sequence")"#,
    )
    .with("mainqueue", r#"queue.size="10000""#)
    .start();
    let endpoint = daemon.ipc("in");
    let names: Vec<String> = (0..SENDERS).map(|sender| format!("host{sender:02}")).collect();
    let senders: Vec<_> = names
        .iter()
        .map(|name| {
            let (name, endpoint) = (name.clone(), endpoint.clone());
            std::thread::spawn(move || {
                let peer = Peer::new(kind::PUSH);
                peer.connect_now(&endpoint);
                for number in 0..EACH {
                    peer.send(&[&Record::number(number).from(&name, "app").bytes()]);
                }
                peer
            })
        })
        .collect();
    daemon.wait_for_lines("received", SENDERS * EACH, "host00 00000000\n".len());
    let keys: Vec<&str> = names.iter().map(String::as_str).collect();
    support::assert_sequences(&daemon.file("received"), &keys, EACH);
    for sender in senders {
        drop(sender.join().unwrap());
    }
    daemon.stop();
}

#[test]
fn a_stop_in_a_flood_loses_nothing_that_libzmq_had_handed_over() {
    /// `queue.dequeueBatchSize` below.
    const HOST_BATCH: usize = 16;
    let spool = tempfile::tempdir().unwrap();
    let ruleset = r#"
        ruleset(name="store" queue.type="LinkedList" queue.size="2000000" queue.filename="store"
                queue.spoolDirectory="{spool}" queue.saveOnShutdown="on" queue.timeoutShutdown="1"
                queue.timeoutActionCompletion="1000" queue.workerThreads="1" queue.dequeueBatchSize="16") {
          action(type="omfile" file="{dir}/received" template="sequence")
        }"#;
    let input = r#"{stats}
        module(load="imczmq")
        input(name="in" type="imczmq" socktype="PULL" endpoints="@tcp://127.0.0.1:*" listenportfilename="{dir}/in.port"
              ruleset="store")"#;
    let spool_text = spool.path().display().to_string();
    let mut first = Config::new(&format!("{ruleset}{input}")).with("spool", &spool_text).start();
    let endpoint = first.tcp("in");
    let flood = std::thread::spawn(move || Peer::flood(&endpoint));
    first.wait_for_counter("imczmq(in)", "received", |received| received > 50_000);
    let elapsed = first.stop();
    // The host itself takes up to a second to stop and save.
    assert!(elapsed < Duration::from_secs(10), "{elapsed:?}");
    let sent = flood.join().unwrap();
    let kept = std::fs::read_to_string(first.file("received")).unwrap();

    let mut second = Config::new(ruleset).with("spool", &spool_text).start();
    let both = || kept.clone() + &std::fs::read_to_string(second.file("received")).unwrap_or_default();
    let (mut before, mut text) = (0, String::new());
    // The queue is empty when nothing has come for a while.
    support::wait_until("the saved queue to be written", Duration::from_secs(60), || {
        text = both();
        let is_still = text.len() == before && !text.is_empty();
        before = text.len();
        std::thread::sleep(Duration::from_millis(300));
        is_still
    });
    // A queue that spills to disk and is saved comes back in another order, so each number is looked for.
    let mut seen = vec![false; sent];
    for number in text.lines().map(|line| line.parse::<usize>().unwrap()) {
        assert!(!std::mem::replace(&mut seen[number], true), "{number} came twice");
    }
    let end = seen.iter().rposition(|&seen| seen).unwrap() + 1;
    assert!(end > 50_000, "{end} of {sent}");
    // Hosts before 8.2606 drop what is left of the batch that their own worker has in hand at the stop.
    let missing = seen[..end].iter().filter(|&&seen| !seen).count();
    assert!(missing < HOST_BATCH, "{missing} of {end} messages are gone");
    second.stop();
}
