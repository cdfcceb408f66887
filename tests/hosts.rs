//! The modules in every rsyslogd that is named in `RSYSLOGD_UNDER_TEST`, and always in the system's own: what has to work
//! in each release, with one and the same pair of files.
//!
//! Each check runs once for each daemon, under the name `RELEASE (PATH): check`. What was run is said at the end.

// There is no `#[test]` in a file that lists its tests itself.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

mod support;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use libtest_mimic::{Arguments, Failed, Trial};
use rsyslog_zmq::sys::zmq::kind;
use support::{Certificates, Config, Daemon, Host, Peer, Record, assert_sequence, check_config};

const COUNT: usize = 2000;

/// Far beyond every time limit in the configurations here, and far below what hanging costs.
const SOON: Duration = Duration::from_secs(25);

type Check = fn(&Host);

const CHECKS: &[(&str, Check)] = &[
    ("both modules load and a good configuration passes -N1", passes_the_configuration_check),
    ("a wrong configuration is refused by -N1 in our words", is_refused_in_words),
    ("everything in this release that we look for is found", everything_is_found),
    ("push reaches pull over CURVE, each record once and in order", push_reaches_pull_over_curve),
    ("pub reaches sub over CURVE, each record once and in order", pub_reaches_sub_over_curve),
    ("a record arrives as it was written, with its metadata", a_record_arrives_as_written),
    ("a record over maxMessageSize is truncated by the host", an_oversized_record_is_truncated),
    ("both modules' counters are in impstats", counters_are_in_impstats),
    ("connections that come and go leave room in rsyslog's own log", a_crowd_leaves_room_in_the_log),
    ("a hangup changes nothing for the messages", a_hangup_changes_nothing),
    ("an absent peer suspends the action, and nothing is lost or twice when it comes", an_absent_peer_suspends),
    ("several workers deliver everything once", several_workers_deliver_once),
    ("an idle daemon ends with status 0", an_idle_daemon_ends),
    ("SIGTERM ends an action that waits for a peer", sigterm_ends_a_waiting_action),
    ("SIGTERM ends an action that retries", sigterm_ends_a_retrying_action),
    ("a worker on the input's own thread may be freed after its action", a_late_worker_is_freed),
    ("a disk-assisted queue delivers after a restart", a_queue_on_disk_survives_a_restart),
];

/// What became of one daemon's checks.
struct Tally {
    host: Host,
    passed: usize,
    failed: Vec<&'static str>,
}

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let tallies: Vec<_> = Host::all()
        .into_iter()
        .map(|host| Arc::new(Mutex::new(Tally { host, passed: 0, failed: Vec::new() })))
        .collect();
    let trials =
        tallies.iter().flat_map(|tally| CHECKS.iter().map(|(name, check)| trial(tally, name, *check))).collect();
    let is_list = arguments.list;
    let conclusion = libtest_mimic::run(&arguments, trials);
    if !is_list {
        report(&tallies);
    }
    conclusion.exit_code()
}

fn trial(tally: &Arc<Mutex<Tally>>, name: &'static str, check: Check) -> Trial {
    let (tally, host) = (Arc::clone(tally), tally.lock().unwrap().host.clone());
    Trial::test(format!("{host}: {name}"), move || {
        let outcome = catch_unwind(AssertUnwindSafe(|| check(&host)));
        let mut tally = tally.lock().unwrap();
        if outcome.is_ok() {
            tally.passed += 1;
            return Ok(());
        }
        tally.failed.push(name);
        Err(Failed::without_message())
    })
}

fn report(tallies: &[Arc<Mutex<Tally>>]) {
    eprintln!("daemons under test:");
    for tally in tallies {
        let Tally { host, passed, failed } = &*tally.lock().unwrap();
        let skipped = CHECKS.len() - passed - failed.len();
        eprintln!("  rsyslogd {host}: {passed} passed, {} failed, {skipped} skipped", failed.len());
        for name in failed {
            eprintln!("    failed: {name}");
        }
        if *passed > 0 && !host.release.keeps_a_refused_batch_at_the_end() {
            eprintln!("    known of this release: a batch that is being retried at the end is lost (fixed in 8.2606)");
        }
    }
    if std::env::var_os("RSYSLOGD_UNDER_TEST").is_none() {
        eprintln!("  no others: RSYSLOGD_UNDER_TEST=/path[:/path..] names further daemons");
    }
}

fn passes_the_configuration_check(host: &Host) {
    let certificates = Certificates::new();
    let check = check_config(
        Config::on(
            host,
            r#"module(load="imczmq" authtype="CURVESERVER" servercertpath="{certs}/server" clientcertpath="{certs}/clients")
            module(load="omczmq")
            ruleset(name="in") { {receive} }
            input(name="in" type="imczmq" socktype="PULL" endpoints="@tcp://127.0.0.1:*" ruleset="in")
            action(name="out" type="omczmq" socktype="PUB" endpoints="@tcp://127.0.0.1:*" topics="host-program"
                   dynatopic="on" topicframe="on" queue.type="LinkedList")"#,
        )
        .with("certs", certificates.directory().display()),
    );
    assert_eq!(check.status.code(), Some(0), "{}", check.output);
}

fn is_refused_in_words(host: &Host) {
    for (config, text) in [
        (r#"module(load="imczmq") input(type="imczmq" socktype="BOGUS" endpoints="@tcp://127.0.0.1:*")"#, "BOGUS"),
        (r#"module(load="omczmq") action(type="omczmq" socktype="PUSH" endpoints="nonsense")"#, "nonsense"),
        (r#"module(load="omczmq") action(type="omczmq" socktype="PUSH" endpoint="tcp://127.0.0.1:9")"#, "endpoint"),
    ] {
        let check = check_config(Config::on(host, config));
        assert_eq!(check.status.code(), Some(1), "{}", check.output);
        assert!(check.output.contains(text), "{text}: {}", check.output);
    }
}

fn everything_is_found(host: &Host) {
    let mut daemon = Config::on(
        host,
        r#"module(load="imczmq")
        module(load="omczmq")
        input(type="imczmq" socktype="PULL" endpoints="@ipc://{dir}/in.ipc")
        action(type="omczmq" socktype="PUB" endpoints="@ipc://{dir}/out.ipc")"#,
    )
    .start();
    daemon.stop();
    // The lines that tell of a host that is not known whole.
    let log = daemon.log();
    for complaint in ["not known", "has none of the versions", "error"] {
        assert!(!log.contains(complaint), "{complaint:?} in the log");
    }
}

/// Security parameters of the server's and of the client's side.
fn curve(certificates: &Certificates) -> [String; 2] {
    let certs = certificates.directory().display();
    [("CURVESERVER", "clients"), ("CURVECLIENT", "client")].map(|(kind, other)| {
        format!(r#"authtype="{kind}" servercertpath="{certs}/server" clientcertpath="{certs}/{other}""#)
    })
}

fn push_reaches_pull_over_curve(host: &Host) {
    let certificates = Certificates::new();
    let [server, client] = curve(&certificates);
    let mut receiver = Config::on(
        host,
        r#"module(load="imczmq")
        input(type="imczmq" socktype="PULL" endpoints="@tcp://127.0.0.1:*" listenportfilename="{dir}/in.port" {curve})
        {receive}"#,
    )
    .with("curve", server)
    .start();
    let mut sender = Config::on(
        host,
        r#"{feed}
        module(load="omczmq")
        action(type="omczmq" socktype="PUSH" endpoints=">{endpoint}" {curve})"#,
    )
    .with("endpoint", receiver.tcp("in"))
    .with("curve", client)
    .start();
    sender.feed(COUNT, 200);
    receiver.assert_received(COUNT);
    sender.stop();
    receiver.stop();
    assert_sequence(&receiver.file("received"), COUNT);
}

fn pub_reaches_sub_over_curve(host: &Host) {
    let certificates = Certificates::new();
    let [server, client] = curve(&certificates);
    let mut sender = Config::on(
        host,
        r#"{feed}
        module(load="omczmq")
        action(type="omczmq" socktype="PUB" topics="news" topicframe="on" endpoints="@tcp://127.0.0.1:*"
               listenportfilename="{dir}/out.port" {curve})"#,
    )
    .with("curve", server)
    .start();
    let mut receiver = Config::on(
        host,
        r#"module(load="imczmq")
        input(type="imczmq" socktype="SUB" topics="news" endpoints=">{endpoint}" {curve})
        {receive}"#,
    )
    .with("endpoint", sender.tcp("out"))
    .with("curve", client)
    .start();
    receiver.await_subscription(&mut sender.feeder(), Record::number(0));
    sender.feed(COUNT, 200);
    receiver.assert_received(COUNT);
    sender.stop();
    receiver.stop();
    assert_sequence(&receiver.file("received"), COUNT);
}

fn a_record_arrives_as_written(host: &Host) {
    let mut daemon = Config::on(
        host,
        r#"module(load="imczmq")
        input(name="in" type="imczmq" socktype="PULL" endpoints="@tcp://127.0.0.1:*" listenportfilename="{dir}/in.port"
              addmetadata="on")
        template(name="whole" type="string"
                 string="%pri%|%hostname%|%syslogtag%|%msg%|%inputname%|%fromhost-ip%|%$!metadata!imczmq!input%|\n")
        action(type="omfile" file="{dir}/whole" template="whole")"#,
    )
    .start();
    let peer = Peer::new(kind::PUSH);
    peer.connect_now(&daemon.tcp("in"));
    peer.send(&[b"<30>1 2026-11-22T13:00:00.5+01:00 web1 nginx 77 - - it works"]);
    peer.send(&[b"<13>Nov 22 13:00:00 db1 app[5]: so does this"]);
    daemon.wait_for_text("whole", "so does this");
    daemon.stop();
    let text = support::daemon::read(&daemon.file("whole"));
    let wanted = "30|web1|nginx[77]|it works|imczmq|127.0.0.1|in|\n13|db1|app[5]:| so does this|imczmq|127.0.0.1|in|\n";
    assert_eq!(text, wanted);
}

fn an_oversized_record_is_truncated(host: &Host) {
    let mut daemon = Config::on(
        host,
        r#"module(load="imczmq")
        input(type="imczmq" socktype="PULL" endpoints="@ipc://{dir}/in.ipc")
        action(type="omfile" file="{dir}/raw" template="raw")"#,
    )
    .with("maxmessagesize", "1k")
    .start();
    let peer = Peer::new(kind::PUSH);
    peer.connect_now(&daemon.ipc("in"));
    let long = Record { size: 3000, ..Record::number(0) }.bytes();
    peer.send(&[&long]);
    peer.send(&[&Record::number(1).bytes()]);
    daemon.wait_for_text("raw", "00000001");
    daemon.stop();
    let text = support::daemon::read(&daemon.file("raw"));
    assert_eq!(text.lines().next().unwrap().as_bytes(), &long[..1024]);
}

fn counters_are_in_impstats(host: &Host) {
    let mut receiver = Config::on(
        host,
        r#"{stats}
        module(load="imczmq")
        input(name="in" type="imczmq" socktype="PULL" endpoints="@ipc://{dir}/in.ipc")
        {receive}"#,
    )
    .start();
    let mut sender = Config::on(
        host,
        r#"{feed}
        {stats}
        module(load="omczmq")
        action(name="out" type="omczmq" socktype="PUSH" endpoints=">{endpoint}" template="raw")"#,
    )
    .with("endpoint", receiver.ipc("in"))
    .start();
    sender.feed(COUNT, 200);
    receiver.assert_received(COUNT);
    let count = COUNT as u64;
    // The template puts a newline behind each record of 200 bytes.
    for (counter, value) in [("accepted", count), ("sent", count), ("bytes", count * 201), ("connections_active", 1)] {
        sender.wait_for_counter("omczmq(out)", counter, |seen| seen == value);
    }
    for (counter, value) in [("received", count), ("submitted", count), ("bytes", count * 201), ("frames_rejected", 0)]
    {
        receiver.wait_for_counter("imczmq(in)", counter, |seen| seen == value);
    }
    sender.stop();
    receiver.wait_for_counter("imczmq(in)", "connections_active", |seen| seen == 0);
    receiver.stop();
}

fn a_crowd_leaves_room_in_the_log(host: &Host) {
    let certificates = Certificates::new();
    let [server, _] = curve(&certificates);
    let mut daemon = Config::on(
        host,
        r#"module(load="imczmq")
        input(type="imczmq" socktype="PULL" endpoints="@tcp://127.0.0.1:*" listenportfilename="{dir}/in.port" {curve})"#,
    )
    .with("curve", server)
    .start();
    // More than the host lets through in a minute (100 lines since 8.2606), if each were worth a line.
    for _ in 0..120 {
        let peer = Peer::new(kind::PUSH);
        peer.curve_client(&certificates, "client", "server");
        peer.connect_now(&daemon.tcp("in"));
    }
    let stranger = Peer::new(kind::PUSH);
    stranger.curve_client(&certificates, "stranger", "server");
    stranger.connect(&daemon.tcp("in"));
    daemon.wait_for_log(&format!("with key {}", certificates.keys("stranger").0));
    daemon.stop();
}

/// Both modules in one daemon: what is fed goes out and comes back in.
fn round_in_one_daemon(host: &Host) -> Daemon {
    Config::on(
        host,
        r#"{feed}
        module(load="imczmq")
        module(load="omczmq")
        ruleset(name="back") { {receive} }
        input(type="imczmq" socktype="PULL" endpoints="@ipc://{dir}/loop.ipc" ruleset="back")
        action(type="omczmq" socktype="PUSH" endpoints=">ipc://{dir}/loop.ipc")"#,
    )
    .start()
}

fn a_hangup_changes_nothing(host: &Host) {
    let mut daemon = round_in_one_daemon(host);
    let mut feeder = daemon.feeder();
    for number in 0..COUNT {
        if number % 200 == 50 {
            feeder.flush();
            daemon.signal(libc::SIGHUP);
        }
        feeder.record(&Record::number(number));
    }
    feeder.flush();
    daemon.assert_received(COUNT);
    daemon.stop();
}

/// An action with a queue of its own and nobody at its endpoint yet.
fn push_without_a_peer(host: &Host, parameters: &str) -> Daemon {
    Config::on(
        host,
        r#"{feed}
        {stats}
        {receive}
        module(load="omczmq")
        action(name="out" type="omczmq" socktype="PUSH" endpoints="@ipc://{dir}/push.ipc" template="text" closetimeout="500"
               queue.type="LinkedList" queue.size="5000" {parameters})"#,
    )
    .with("parameters", parameters)
    .start()
}

/// The number in a received record (template `text`).
fn number(frames: &[Vec<u8>]) -> usize {
    let text = String::from_utf8_lossy(frames.last().unwrap());
    text.trim().parse().unwrap_or_else(|_| panic!("no number in {text:?}"))
}

fn an_absent_peer_suspends(host: &Host) {
    let mut daemon =
        push_without_a_peer(host, r#"sendtimeout="100" action.resumeRetryCount="-1" action.resumeInterval="1""#);
    daemon.feed(COUNT, 0);
    daemon.wait_for_counter("omczmq(out)", "suspended", |suspended| suspended > 0);
    let peer = Peer::new(kind::PULL);
    peer.connect_now(&daemon.ipc("push"));
    for expected in 0..COUNT {
        assert_eq!(number(&peer.receive()), expected);
    }
    daemon.wait_for_counter("omczmq(out)", "accepted", |accepted| accepted == COUNT as u64);
    daemon.stop();
    assert_eq!(peer.receive_within(Duration::from_millis(100)), None, "something came twice");
}

fn several_workers_deliver_once(host: &Host) {
    const COUNT: usize = 10_000;
    let mut daemon = push_without_a_peer(
        host,
        r#"sendqueue.size="500" queue.workerThreads="4" queue.workerThreadMinimumMessages="10""#,
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

fn an_idle_daemon_ends(host: &Host) {
    let mut daemon = Config::on(
        host,
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

fn ends_while_it_waits(host: &Host, parameters: &str) {
    let mut daemon = push_without_a_peer(host, parameters);
    daemon.feed(COUNT, 200);
    // The last record is through the rule in front, so the action's worker has had the first ones for a while.
    daemon.wait_for_text("received", &format!("{:08}\n", COUNT - 1));
    assert!(daemon.stop() < SOON);
}

fn sigterm_ends_a_waiting_action(host: &Host) {
    ends_while_it_waits(host, "");
}

fn sigterm_ends_a_retrying_action(host: &Host) {
    ends_while_it_waits(host, r#"sendtimeout="100" action.resumeRetryCount="-1" action.resumeInterval="1""#);
}

fn a_late_worker_is_freed(host: &Host) {
    // With direct queues all the way the input's thread is the worker; from 8.2208 to 8.2510 the host frees what such a
    // thread has of an action after the action itself.
    let mut daemon = Config::on(
        host,
        r#"module(load="imczmq")
        module(load="omczmq")
        ruleset(name="through" queue.type="Direct") {
            action(type="omczmq" socktype="PUSH" endpoints="@ipc://{dir}/push.ipc" template="text")
        }
        input(type="imczmq" socktype="PULL" endpoints="@ipc://{dir}/pull.ipc" ruleset="through")"#,
    )
    .start();
    let reader = Peer::new(kind::PULL);
    reader.connect_now(&daemon.ipc("push"));
    let writer = Peer::new(kind::PUSH);
    writer.connect_now(&daemon.ipc("pull"));
    for expected in 0..COUNT {
        writer.send(&[&Record::number(expected).bytes()]);
    }
    for expected in 0..COUNT {
        assert_eq!(number(&reader.receive()), expected);
    }
    daemon.stop();
}

fn a_queue_on_disk_survives_a_restart(host: &Host) {
    const BATCH: usize = 32;
    let spool = tempfile::tempdir().unwrap();
    let endpoint = format!("ipc://{}/push.ipc", spool.path().display());
    let start = || {
        Config::on(
            host,
            r#"{feed}
            {stats}
            {receive}
            module(load="omczmq")
            action(name="out" type="omczmq" socktype="PUSH" endpoints="@{endpoint}" template="text" sendtimeout="100"
                   closetimeout="500" action.resumeRetryCount="-1" action.resumeInterval="1"
                   queue.type="LinkedList" queue.size="1000" queue.dequeueBatchSize="{batch}" queue.filename="out"
                   queue.spoolDirectory="{spool}" queue.saveOnShutdown="on")"#,
        )
        .with("endpoint", &endpoint)
        .with("batch", BATCH)
        .with("spool", spool.path().display())
        .start()
    };
    let mut daemon = start();
    daemon.feed(COUNT, 0);
    // More than the queue holds in memory: the rest is on disk already.
    daemon.wait_for_counter("out queue[DA]", "enqueued", |enqueued| enqueued > 0);
    daemon.wait_for_counter("omczmq(out)", "suspended", |suspended| suspended > 0);
    // The rule in front writes a batch when it is through: all records are in the action's queue then.
    daemon.wait_for_lines("received", COUNT, 9);
    daemon.stop();
    let mut daemon = start();
    let peer = Peer::new(kind::PULL);
    peer.connect_now(&endpoint);
    let mut missing: Vec<usize> = (0..COUNT).collect();
    // One worker reads the queue in memory and one the queue on disk, and each has a batch in its hands.
    let lost = if host.release.keeps_a_refused_batch_at_the_end() { 0 } else { 2 * BATCH };
    loop {
        let limit = if missing.len() > lost { support::SHORT } else { Duration::from_secs(1) };
        let Some(frames) = peer.receive_within(limit) else { break };
        let number = number(&frames);
        let place = missing.binary_search(&number).unwrap_or_else(|_| panic!("{number} came twice"));
        missing.remove(place);
    }
    assert!(missing.len() <= lost, "{} of {COUNT} records did not come back: {missing:?}", missing.len());
    daemon.stop();
}
