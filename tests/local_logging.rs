//! Local logging goes on while an action's peer is away: a configuration as Debian installs it, with its main queue and its
//! syntax, and an action beside the local file.

#![allow(clippy::unwrap_used)]

mod support;

use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use support::daemon::read;
use support::wait::becomes_true;
use support::{Config, Daemon, Record, SHORT, check_config, wait_until};

const COUNT: usize = 10_000;
/// The wait of an action without a queue of its own (`sendtimeout` in docs/omczmq.md).
const PATIENCE: Duration = Duration::from_secs(10);

/// /etc/rsyslog.conf of Debian 12 with a private socket and private files, and with rsyslogd's own messages in its main
/// queue, where other distributions have them; Debian's go to /dev/log. The port of the action's peer is one that nothing
/// listens on: port 1 is tcpmux.
const DEBIAN: &str = r#"global(processInternalMessages="on")
module(load="imuxsock" SysSock.Use="off")
input(type="imuxsock" Socket="{dir}/log" RateLimit.Interval="0")
module(load="omczmq")
$FileCreateMode 0640
$WorkDirectory {dir}
{before}
*.*;auth,authpriv.none		-{dir}/syslog
auth,authpriv.*			{dir}/auth.log
{after}
"#;

fn debian(before: &str, after: &str) -> Config {
    Config::new(DEBIAN).verbatim().with("before", before).with("after", after)
}

fn action(parameters: &str) -> String {
    format!(r#"action(type="omczmq" name="ship" socktype="PUSH" endpoints=">tcp://127.0.0.1:1" {parameters})"#)
}

/// Starts the daemon and logs through its socket, as a program does with syslog(3).
fn log_locally(config: Config) -> Daemon {
    let daemon = config.spawn();
    let socket = UnixDatagram::unbound().unwrap();
    wait_until("rsyslogd's socket", SHORT, || socket.connect(daemon.file("log")).is_ok());
    socket.set_write_timeout(Some(SHORT)).unwrap();
    for number in 0..COUNT {
        socket.send(&Record::number(number).bytes()).unwrap();
    }
    daemon
}

/// How many of the records are in the local file.
fn written(daemon: &Daemon) -> usize {
    read(&daemon.file("syslog")).lines().filter(|line| line.contains(" app: 0")).count()
}

fn assert_all_reach_the_local_file(daemon: &Daemon) {
    let all = becomes_true(PATIENCE + SHORT, || written(daemon) == COUNT);
    assert!(all, "{} of {COUNT} records are in the local file", written(daemon));
}

fn assert_local_logging_survives(config: Config) {
    let mut daemon = log_locally(config);
    daemon.wait_for_log("ship: no peer took anything for 10 s; suspended");
    // rsyslog offers a refused batch again and again (action.c actionCommit); none of these waits.
    let all = becomes_true(PATIENCE / 2, || written(&daemon) == COUNT);
    assert!(all, "{} of {COUNT} records are in the local file", written(&daemon));
    daemon.wait_for_text("syslog", "ship: no peer took anything for 10 s; suspended");
    let log = daemon.log();
    assert_eq!(log.matches("ship: no peer took anything").count(), 1, "once on standard error: {log}");
    assert_eq!(read(&daemon.file("syslog")).matches("ship: no peer took anything").count(), 1);
    daemon.stop();
}

#[test]
fn records_reach_a_local_file_behind_an_action_whose_peer_is_away() {
    assert_local_logging_survives(debian(&action(""), ""));
}

#[test]
fn records_reach_a_local_file_in_front_of_an_action_whose_peer_is_away() {
    assert_local_logging_survives(debian("", &action(r#"queue.type="direct""#)));
}

#[test]
fn records_reach_a_local_file_beside_an_action_without_a_send_queue() {
    assert_local_logging_survives(debian(&action(r#"sendqueue.size="0""#), ""));
}

#[test]
fn an_action_with_a_queue_of_its_own_is_not_suspended() {
    // Its queue holds 1000; for room in a full one rsyslog itself lets the main queue wait two seconds a message.
    let mut daemon = log_locally(debian(&action(r#"queue.type="LinkedList" queue.timeoutEnqueue="0""#), ""));
    assert_all_reach_the_local_file(&daemon);
    let is_suspended = || daemon.log().contains("suspended") || read(&daemon.file("syslog")).contains("suspended");
    assert!(!becomes_true(PATIENCE + Duration::from_secs(3), is_suspended), "suspended: {}", daemon.log());
    daemon.stop();
}

#[test]
fn an_action_that_is_told_to_wait_for_ever_waits() {
    let mut daemon = log_locally(debian(&action(r#"sendtimeout="-1" closetimeout="500""#), ""));
    let moves = || written(&daemon) > 0 || daemon.log().contains("suspended");
    assert!(!becomes_true(PATIENCE + Duration::from_secs(3), moves), "it does not wait");
    daemon.stop();
}

#[test]
fn an_action_says_that_it_works_again() {
    let mut daemon = log_locally(debian(
        r#"action(type="omczmq" name="ship" socktype="PUSH" endpoints="@ipc://{dir}/push.ipc" action.resumeInterval="1")"#,
        "",
    ));
    daemon.wait_for_log("ship: no peer took anything");
    let peer = support::Peer::new(rsyslog_zmq::sys::zmq::kind::PULL);
    peer.connect_now(&daemon.ipc("push"));
    let socket = UnixDatagram::unbound().unwrap();
    socket.connect(daemon.file("log")).unwrap();
    wait_until("a record at the peer", SHORT, || {
        socket.send(b"<13>Nov 22 13:00:00 app: again").unwrap();
        peer.receive_within(Duration::from_millis(100)).is_some()
    });
    daemon.wait_for_log("ship: messages are taken again");
    daemon.wait_for_text("syslog", "ship: messages are taken again");
    daemon.stop();
}

#[test]
fn what_would_stop_local_logging_is_said_where_it_can_be_seen() {
    let warning = "ship: without a queue of its own";
    for (parameters, wanted) in [
        ("", Some("for 10 s when its peer is away")),
        (r#"queue.type="DIRECT""#, Some("for 10 s when its peer is away")),
        (r#"sendtimeout="-1""#, Some("stops rsyslog's main queue, and local logging with it")),
        (r#"sendtimeout="500""#, Some("for 500 ms when its peer is away")),
        (r#"action.resumeRetryCount="0""#, Some("for 10 s when its peer is away")),
        (r#"action.resumeRetryCount="-1""#, Some("for as long as its action.resumeRetryCount lasts")),
        (r#"onfull="drop""#, None),
        (r#"queue.type="LinkedList""#, None),
    ] {
        let check = check_config(debian(&action(parameters), ""));
        assert_eq!(check.status.code(), Some(0), "{}", check.output);
        let said = check.output.lines().find(|line| line.contains(warning));
        assert_eq!(said.is_some(), wanted.is_some(), "{parameters}: {}", check.output);
        assert!(said.unwrap_or_default().contains(wanted.unwrap_or_default()), "{parameters}: {said:?}");
    }
}
