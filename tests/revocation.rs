//! A key that is taken out of an allow list: refused from then on, its connections ended, everybody else served; and what
//! happens when it, or a client's own key, comes back.

// Helpers outside `#[test]` functions fail a test by panicking too; figures and omissions are told on standard error.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

mod support;

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rsyslog_zmq::sys::zmq::{event, kind};
use support::statistics;
use support::wait::becomes_true;
use support::{Certificates, Config, Daemon, Peer, Record, SHORT, most_in_flight, texts, wait_until};

/// How long a removed key may stay connected.
const FIVE_SECONDS: Duration = Duration::from_secs(5);
/// The same after a hangup, with room for a busy machine.
const AT_ONCE: Duration = Duration::from_secs(1);

/// Certificates where `client`, `alice` and `bob` are admitted.
fn certificates() -> Certificates {
    let certificates = Certificates::new();
    for name in ["alice", "bob"] {
        certificates.create(name);
        certificates.admit(name);
    }
    certificates
}

fn remove(certificates: &Certificates, name: &str) {
    std::fs::remove_file(certificates.path(&format!("clients/{name}"))).unwrap();
}

fn input(certificates: &Certificates, socktype: &str) -> Daemon {
    Config::new(
        r#"{stats}
        module(load="imczmq")
        input(name="in" type="imczmq" socktype="{socktype}" endpoints="{endpoint}" listenportfilename="{dir}/in.port"
              authtype="CURVESERVER" servercertpath="{certs}/server" clientcertpath="{certs}/clients")
        {receive}"#,
    )
    .with("endpoint", "@tcp://127.0.0.1:*,@ipc://{dir}/in.ipc")
    .with("socktype", socktype)
    .with("certs", certificates.directory().display())
    .start()
}

fn action(certificates: &Certificates, socktype: &str) -> Daemon {
    action_with(certificates, socktype, "")
}

fn action_with(certificates: &Certificates, socktype: &str, parameters: &str) -> Daemon {
    Config::new(
        r#"{feed}
        {stats}
        module(load="omczmq")
        action(name="out" type="omczmq" socktype="{socktype}" endpoints="{endpoint}" listenportfilename="{dir}/out.port"
               template="text" queue.type="LinkedList" closetimeout="500" {parameters}
               authtype="CURVESERVER" servercertpath="{certs}/server" clientcertpath="{certs}/clients")"#,
    )
    .with("endpoint", "@tcp://127.0.0.1:*,@ipc://{dir}/out.ipc")
    .with("parameters", parameters)
    .with("socktype", socktype)
    .with("certs", certificates.directory().display())
    .start()
}

fn client(certificates: &Certificates, own: &str, socket_kind: i32, endpoint: &str) -> Peer {
    let peer = Peer::new(socket_kind);
    peer.curve_client(certificates, own, "server");
    if socket_kind == kind::SUB {
        peer.subscribe("");
        // A libzmq reader that is full does not see that its connection has ended.
        peer.keep(100_000);
    }
    peer.connect_now(endpoint);
    peer
}

/// A client of a key that was admitted a moment ago. A refused libzmq client never tries again, so each try is a new one.
fn client_once_admitted(certificates: &Certificates, own: &str, socket_kind: i32, endpoint: &str) -> Peer {
    let mut admitted = None;
    wait_until("the key to be admitted", FIVE_SECONDS, || {
        let peer = Peer::new(socket_kind);
        peer.curve_client(certificates, own, "server");
        if socket_kind == kind::SUB {
            peer.subscribe("");
        }
        peer.connect(endpoint);
        let seen = peer.await_event(event::HANDSHAKE_SUCCEEDED | event::HANDSHAKE_FAILED_AUTH);
        admitted = Some(peer).filter(|_| seen == event::HANDSHAKE_SUCCEEDED);
        admitted.is_some()
    });
    admitted.unwrap()
}

/// Waits for the end of a connection and for the refusal of the next one, and says how long the first took.
fn assert_thrown_out(peer: &Peer, limit: Duration) -> Duration {
    let begin = Instant::now();
    peer.await_event(event::DISCONNECTED);
    let elapsed = begin.elapsed();
    assert!(elapsed < limit, "a removed key stayed for {elapsed:?}");
    peer.assert_refused();
    elapsed
}

/// Pushes the numbers of `range` and waits until the daemon has them all.
fn assert_pushed(daemon: &Daemon, peer: &Peer, range: std::ops::Range<usize>) {
    let end = range.end;
    for number in range {
        peer.send(&[&Record::number(number).bytes()]);
    }
    daemon.assert_received(end);
}

fn assert_input_revokes(socktype: &str, sender: i32, endpoint: impl Fn(&Daemon) -> String) {
    let certificates = certificates();
    let mut daemon = input(&certificates, socktype);
    let endpoint = endpoint(&daemon);
    let [alice, bob, client] = ["alice", "bob", "client"].map(|name| client(&certificates, name, sender, &endpoint));
    for (number, peer) in [&alice, &bob, &client].into_iter().enumerate() {
        assert_pushed(&daemon, peer, number..number + 1);
    }

    // Without anybody telling the daemon.
    remove(&certificates, "alice");
    assert_thrown_out(&alice, FIVE_SECONDS);
    daemon.wait_for_log("client \"alice\" with key");
    // With a hangup.
    remove(&certificates, "client");
    daemon.signal(libc::SIGHUP);
    assert_thrown_out(&client, AT_ONCE);
    assert_pushed(&daemon, &bob, 3..103);
    // At least: a refused client's next try from the same address may have been under way, and ends too.
    daemon.wait_for_counter("imczmq(in)", "connections_revoked", |count| count >= 2);
    daemon.wait_for_counter("imczmq(in)", "connections_active", |count| count == 1);
    // Nobody else was cut off.
    assert_eq!(daemon.wait_for_counter("imczmq(in)", "auth_allowed", |_| true), 3);

    certificates.admit("alice");
    let again = client_once_admitted(&certificates, "alice", sender, &endpoint);
    assert_pushed(&daemon, &again, 103..203);
    assert_pushed(&daemon, &bob, 203..204);
    daemon.stop();
}

#[test]
fn c5_a_pull_input_throws_a_removed_key_out_and_nobody_else() {
    assert_input_revokes("PULL", kind::PUSH, |daemon| daemon.tcp("in"));
}

#[test]
fn c5_a_pull_input_throws_a_removed_key_out_over_ipc_as_well() {
    assert_input_revokes("PULL", kind::PUSH, |daemon| daemon.ipc("in"));
}

#[test]
fn c5_a_router_input_throws_a_removed_key_out_and_nobody_else() {
    assert_input_revokes("ROUTER", kind::DEALER, |daemon| daemon.tcp("in"));
}

#[test]
fn c5_a_sub_input_throws_a_removed_key_out_and_nobody_else() {
    let certificates = certificates();
    let mut daemon = input(&certificates, "SUB");
    let [alice, bob] = ["alice", "bob"].map(|name| client(&certificates, name, kind::XPUB, &daemon.tcp("in")));
    for (number, peer) in [&alice, &bob].into_iter().enumerate() {
        assert_eq!(peer.receive_texts(1), ["\u{1}"], "its subscription");
        assert_pushed(&daemon, peer, number..number + 1);
    }
    remove(&certificates, "alice");
    daemon.signal(libc::SIGHUP);
    assert_thrown_out(&alice, AT_ONCE);
    assert_pushed(&daemon, &bob, 2..100);
    daemon.wait_for_counter("imczmq(in)", "connections_revoked", |count| count >= 1);
    daemon.stop();
}

#[test]
fn c5_a_removed_key_that_has_never_said_anything_is_thrown_out_too() {
    let certificates = certificates();
    let mut daemon = input(&certificates, "PULL");
    let endpoint = daemon.tcp("in");
    let talker = client(&certificates, "bob", kind::PUSH, &endpoint);
    assert_pushed(&daemon, &talker, 0..1);
    let [removed, silent] = ["alice", "client"].map(|name| client(&certificates, name, kind::PUSH, &endpoint));
    remove(&certificates, "alice");
    daemon.signal(libc::SIGHUP);
    assert_thrown_out(&removed, AT_ONCE);
    // Silent, and from the same address; the authenticator was asked about each while its handshake went on.
    assert_pushed(&daemon, &silent, 1..2);
    assert_pushed(&daemon, &talker, 2..3);
    assert_eq!(
        silent.event_within(Duration::ZERO, event::DISCONNECTED),
        None,
        "a silent peer was cut for another's key"
    );
    assert_eq!(daemon.wait_for_counter("imczmq(in)", "connections_revoked", |count| count >= 1), 1);
    daemon.stop();
}

fn assert_publisher_revokes(endpoint: impl Fn(&Daemon) -> String) {
    let certificates = certificates();
    let mut daemon = action(&certificates, "PUB");
    let endpoint = endpoint(&daemon);
    let mut feeder = daemon.feeder();
    let [alice, bob, client] = ["alice", "bob", "client"].map(|name| {
        let peer = client(&certificates, name, kind::SUB, &endpoint);
        peer.await_subscription(&mut feeder, Record::number(0));
        peer
    });
    remove(&certificates, "alice");
    // Nothing is lost for the others, whenever it happens.
    let count = 2000;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0..count {
                if number == count / 2 {
                    daemon.signal(libc::SIGHUP);
                }
                feeder.record(&Record::number(number));
            }
            feeder.flush();
        });
        // In turn: a reader that waits for the other one would hold the publisher up.
        for number in 0..count {
            for peer in [&bob, &client] {
                assert_eq!(peer.receive_texts(1), [format!(" {number:08}")]);
            }
        }
    });
    assert_thrown_out(&alice, AT_ONCE);
    daemon.wait_for_counter("omczmq(out)", "connections_revoked", |count| count >= 1);

    certificates.admit("alice");
    let again = client_once_admitted(&certificates, "alice", kind::SUB, &endpoint);
    again.await_subscription(&mut feeder, Record::number(0));
    daemon.stop();
}

#[test]
fn c5_a_publisher_throws_a_removed_key_out_and_loses_nothing_for_the_others() {
    assert_publisher_revokes(|daemon| daemon.tcp("out"));
}

#[test]
fn c5_a_publisher_throws_a_removed_key_out_over_ipc_as_well() {
    assert_publisher_revokes(|daemon| daemon.ipc("out"));
}

/// Reads until the daemon has sent everything and nothing more comes.
fn drain(peers: &[&Peer], daemon: &Daemon, count: usize) -> Vec<usize> {
    let mut received = Vec::new();
    let number = |frames: Vec<Vec<u8>>| String::from_utf8(frames.concat()).unwrap()[1..9].parse::<usize>().unwrap();
    wait_until("the action to have sent everything", SHORT * 3, || {
        for peer in peers {
            received.extend(std::iter::from_fn(|| peer.receive_within(Duration::ZERO)).map(number));
        }
        let sent = statistics::last(&support::daemon::read(&daemon.file("stats")), "omczmq(out)", "sent");
        sent >= Some(count as u64)
    });
    for peer in peers {
        received.extend(std::iter::from_fn(|| peer.receive_within(Duration::from_millis(500))).map(number));
    }
    received.sort_unstable();
    received
}

#[test]
fn c5_a_push_action_throws_a_removed_key_out_and_nobody_else() {
    let certificates = certificates();
    let mut daemon = action(&certificates, "PUSH");
    let endpoint = daemon.tcp("out");
    let [alice, bob, client] =
        ["alice", "bob", "client"].map(|name| client(&certificates, name, kind::PULL, &endpoint));
    remove(&certificates, "alice");
    daemon.signal(libc::SIGHUP);
    // Readers of a PUSH say nothing, and all come from this address: only the removed key's is cut off.
    assert_thrown_out(&alice, AT_ONCE);
    assert_eq!(daemon.wait_for_counter("omczmq(out)", "connections_revoked", |count| count >= 1), 1);
    daemon.wait_for_counter("omczmq(out)", "connections_active", |count| count == 2);
    for peer in [&bob, &client] {
        assert_eq!(peer.event_within(Duration::ZERO, event::DISCONNECTED), None, "cut off for another's key");
    }
    let count = 1000;
    daemon.feed(count, 0);
    assert_eq!(drain(&[&bob, &client], &daemon, count), (0..count).collect::<Vec<_>>(), "nothing was under way");
    assert_eq!(alice.receive_within(Duration::ZERO), None);
    daemon.stop();
}

#[test]
fn c5_a_push_action_loses_no_more_than_what_was_under_way_to_those_cut_off() {
    const MARK: usize = 100;
    const RECORD: usize = 1000;
    let certificates = certificates();
    let mut daemon = action_with(&certificates, "PUSH", &format!(r#"sendhwm="{MARK}""#));
    let endpoint = daemon.ipc("out");
    let [alice, bob] = ["alice", "bob"].map(|name| client(&certificates, name, kind::PULL, &endpoint));
    let count = 50_000;
    let received = std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut feeder = daemon.feeder();
            for number in 0..count {
                if number == count / 2 {
                    remove(&certificates, "alice");
                    daemon.signal(libc::SIGHUP);
                }
                feeder.record(&Record { size: RECORD, ..Record::number(number) });
            }
            feeder.flush();
        });
        drain(&[&alice, &bob], &daemon, count)
    });
    let lost = count - received.len();
    eprintln!("cut off in mid-stream, two readers of a PUSH lost {lost} of {count} records that were on their way");
    // Each is cut off once. What the readers' own pipes have is read, and the text is nearly all of a record.
    let most_lost = 2 * most_in_flight(MARK, RECORD - 50);
    assert!(lost <= most_lost, "{lost} records lost, not {most_lost} at most");
    assert!(received.windows(2).all(|pair| pair[0] != pair[1]), "none arrives twice");
    assert_eq!(received.last(), Some(&(count - 1)), "the one that stays is served to the end");
    daemon.stop();
}

#[test]
fn c4_when_the_directory_vanishes_everybody_is_thrown_out_until_it_is_back() {
    let certificates = certificates();
    let mut daemon = input(&certificates, "PULL");
    let endpoint = daemon.tcp("in");
    let [alice, bob] = ["alice", "bob"].map(|name| client(&certificates, name, kind::PUSH, &endpoint));
    assert_pushed(&daemon, &alice, 0..1);
    assert_pushed(&daemon, &bob, 1..2);
    std::fs::rename(certificates.path("clients"), certificates.path("elsewhere")).unwrap();
    for peer in [&alice, &bob] {
        assert_thrown_out(peer, FIVE_SECONDS);
    }
    daemon.wait_for_log("nobody is admitted while the allowed certificates in");
    daemon.wait_for_counter("imczmq(in)", "connections_active", |count| count == 0);
    std::fs::rename(certificates.path("elsewhere"), certificates.path("clients")).unwrap();
    daemon.wait_for_log("are available again");
    let again = client_once_admitted(&certificates, "alice", kind::PUSH, &endpoint);
    assert_pushed(&daemon, &again, 2..3);
    daemon.stop();
}

#[test]
fn c3_a_certificate_replaced_by_one_of_equal_size_and_time_revokes_the_old_key() {
    let certificates = certificates();
    let listed = certificates.path("clients/alice");
    let mut daemon = input(&certificates, "PULL");
    let endpoint = daemon.tcp("in");
    let old = client(&certificates, "alice", kind::PUSH, &endpoint);
    assert_pushed(&daemon, &old, 0..1);

    certificates.create("other");
    let text = std::fs::read_to_string(certificates.path("alice")).unwrap();
    let text = text.replace(&certificates.keys("alice").0, &certificates.keys("other").0);
    let before = std::fs::metadata(&listed).unwrap();
    std::fs::write(&listed, text).unwrap();
    let file = std::fs::File::options().write(true).open(&listed).unwrap();
    file.set_modified(before.modified().unwrap()).unwrap();
    let after = std::fs::metadata(&listed).unwrap();
    assert_eq!((before.len(), before.modified().unwrap()), (after.len(), after.modified().unwrap()));

    assert_thrown_out(&old, FIVE_SECONDS);
    let new = client_once_admitted(&certificates, "other", kind::PUSH, &endpoint);
    assert_pushed(&daemon, &new, 1..2);
    daemon.stop();
}

/// A libzmq server socket in a daemon of its own, whose allow list the test changes.
fn assert_client_comes_back(server: &Daemon, certificates: &Certificates, own: &str, arrives: impl FnOnce()) {
    server.wait_for_log("refused client at 127.0.0.1 with key");
    certificates.admit(own);
    let begin = Instant::now();
    arrives();
    assert!(begin.elapsed() < Duration::from_secs(15), "{:?}", begin.elapsed());
}

fn action_as_client(certificates: &Certificates, socktype: &str, endpoint: &str) -> Daemon {
    Config::new(
        r#"{feed}
        module(load="omczmq")
        action(name="out" type="omczmq" socktype="{socktype}" endpoints=">{endpoint}" template="raw" queue.type="LinkedList"
               authtype="CURVECLIENT" servercertpath="{certs}/server" clientcertpath="{certs}/stranger"
               reconnectivlmax="1000" closetimeout="500")"#,
    )
    .with("socktype", socktype)
    .with("endpoint", endpoint)
    .with("certs", certificates.directory().display())
    .start()
}

#[test]
fn a_refused_push_action_says_so_holds_its_records_and_delivers_them_once_admitted() {
    let certificates = certificates();
    let mut server = input(&certificates, "PULL");
    let mut sender = action_as_client(&certificates, "PUSH", &server.tcp("in"));
    sender.feed(100, 0);
    sender.wait_for_log("is our certificate in the server's list of allowed ones?");
    assert_client_comes_back(&server, &certificates, "stranger", || server.assert_received(100));

    // Removed while connected, it waits again, and loses nothing that it had not handed over.
    remove(&certificates, "stranger");
    server.signal(libc::SIGHUP);
    server.wait_for_log("its key was removed from the list of allowed certificates");
    server.wait_for_counter("imczmq(in)", "connections_active", |count| count == 0);
    let mut feeder = sender.feeder();
    for number in 100..200 {
        feeder.record(&Record::number(number));
    }
    feeder.flush();
    server.wait_for_counter("imczmq(in)", "auth_denied", |count| count >= 4);
    certificates.admit("stranger");
    server.assert_received(200);
    sender.stop();
    server.stop();
}

#[test]
fn a_refused_pub_action_comes_back_once_admitted() {
    let certificates = certificates();
    let mut server = input(&certificates, "SUB");
    let mut sender = action_as_client(&certificates, "PUB", &server.tcp("in"));
    sender.wait_for_log("is our certificate in the server's list of allowed ones?");
    let mut feeder = sender.feeder();
    assert_client_comes_back(&server, &certificates, "stranger", || {
        server.await_subscription(&mut feeder, Record::number(0));
    });
    sender.stop();
    server.stop();
}

#[test]
fn a_refused_sub_input_comes_back_once_admitted() {
    let certificates = certificates();
    let mut server = action(&certificates, "PUB");
    let mut reader = Config::new(
        r#"module(load="imczmq")
        input(name="in" type="imczmq" socktype="SUB" endpoints=">{endpoint}" topics="" reconnectivlmax="1000"
              authtype="CURVECLIENT" servercertpath="{certs}/server" clientcertpath="{certs}/stranger")
        action(type="omfile" file="{dir}/raw" template="raw")"#,
    )
    .with("endpoint", server.tcp("out"))
    .with("certs", certificates.directory().display())
    .start();
    reader.wait_for_log("is our certificate in the server's list of allowed ones?");
    let mut feeder = server.feeder();
    assert_client_comes_back(&server, &certificates, "stranger", || {
        wait_until("the subscription", SHORT, || {
            feeder.record(&Record::number(7));
            feeder.flush();
            becomes_true(Duration::from_millis(100), || support::daemon::read(&reader.file("raw")).contains("00000007"))
        });
    });
    reader.stop();
    server.stop();
}

#[test]
fn a_refused_tail_says_so_and_shows_records_once_admitted() {
    let certificates = certificates();
    let mut server = action(&certificates, "PUB");
    let path = |name: &str| certificates.path(name).display().to_string();
    let mut tail = Command::new(env!("CARGO_BIN_EXE_rsyslog-zmq"))
        .args(["tail", &server.tcp("out"), "--server-cert", &path("server"), "--client-cert", &path("stranger")])
        .args(["-n", "1", "-o", "raw"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stderr = BufReader::new(tail.stderr.take().unwrap()).lines();
    assert!(stderr.any(|line| line.unwrap().contains("the server refused our key")));
    let mut feeder = server.feeder();
    assert_client_comes_back(&server, &certificates, "stranger", || {
        wait_until("the end of tail", SHORT, || {
            feeder.record(&Record::number(7));
            feeder.flush();
            becomes_true(Duration::from_millis(100), || tail.try_wait().unwrap().is_some())
        });
    });
    let ended = tail.wait_with_output().unwrap();
    assert!(ended.status.success(), "{ended:?}");
    assert_eq!(String::from_utf8(ended.stdout).unwrap().trim(), "00000007");
    server.stop();
}

/// Puts another pair's files in place of `name`'s.
fn replace_pair(certificates: &Certificates, name: &str, by: &str) {
    for suffix in ["", "_secret"] {
        std::fs::rename(certificates.path(&format!("{by}{suffix}")), certificates.path(&format!("{name}{suffix}")))
            .unwrap();
    }
}

#[test]
fn a_hangup_with_a_new_certificate_of_its_own_opens_an_input_anew() {
    let certificates = certificates();
    let mut daemon = input(&certificates, "PULL");
    let endpoint = daemon.tcp("in");
    let before = client(&certificates, "bob", kind::PUSH, &endpoint);
    assert_pushed(&daemon, &before, 0..10);

    // A bad one changes nothing, and is named.
    let secret = certificates.path("server_secret");
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o644)).unwrap();
    daemon.signal(libc::SIGHUP);
    daemon.wait_for_log("in: the keys in use are kept: servercertpath:");
    assert_pushed(&daemon, &before, 10..20);
    let still = client(&certificates, "alice", kind::PUSH, &endpoint);
    assert_pushed(&daemon, &still, 20..21);

    // A good one is used from then on.
    replace_pair(&certificates, "server", "stranger");
    daemon.signal(libc::SIGHUP);
    daemon.wait_for_log("in: the certificates have changed; the socket is opened anew");
    for old in [&before, &still] {
        old.await_event(event::DISCONNECTED);
        old.assert_refused();
    }
    let after = client(&certificates, "bob", kind::PUSH, &endpoint);
    assert_pushed(&daemon, &after, 21..31);
    // Over ipc, too.
    let ipc = client(&certificates, "alice", kind::PUSH, &daemon.ipc("in"));
    assert_pushed(&daemon, &ipc, 31..32);
    // The same files again are no change.
    daemon.signal(libc::SIGHUP);
    assert_pushed(&daemon, &after, 32..42);
    assert_eq!(daemon.log().matches("opened anew").count(), 1);
    daemon.stop();
}

#[test]
fn new_certificates_while_clients_come_and_go_leave_the_input_at_work() {
    let certificates = certificates();
    let mut daemon = input(&certificates, "PULL");
    let endpoint = daemon.tcp("in");
    for round in 0..20 {
        // Connections that end while the socket is opened anew, and some that never get that far.
        let crowd: Vec<Peer> = (0..10)
            .map(|_| {
                let peer = Peer::new(kind::PUSH);
                peer.curve_client(&certificates, "bob", "server");
                peer.connect(&endpoint);
                peer
            })
            .collect();
        crowd[0].await_event(event::HANDSHAKE_SUCCEEDED);
        let name = format!("server-{round}");
        certificates.create(&name);
        replace_pair(&certificates, "server", &name);
        daemon.signal(libc::SIGHUP);
        drop(crowd);
        wait_until("the new certificate to be read", SHORT, || {
            daemon.log().matches("opened anew").count() == round + 1
        });
    }
    let peer = client(&certificates, "bob", kind::PUSH, &endpoint);
    assert_pushed(&daemon, &peer, 0..10);
    daemon.stop();
}

#[test]
fn a_hangup_with_a_new_certificate_of_its_own_opens_an_action_anew() {
    let certificates = certificates();
    let mut daemon = action(&certificates, "PUSH");
    let endpoint = daemon.tcp("out");
    let before = client(&certificates, "bob", kind::PULL, &endpoint);
    daemon.feed(10, 0);
    assert_eq!(before.receive_texts(10), texts(10, ""));
    replace_pair(&certificates, "server", "stranger");
    daemon.signal(libc::SIGHUP);
    before.await_event(event::DISCONNECTED);
    before.assert_refused();
    drop(before);
    // Nobody is there: records wait.
    daemon.feed(10, 0);
    let after = client(&certificates, "bob", kind::PULL, &endpoint);
    assert_eq!(after.receive_texts(10), texts(10, ""));
    daemon.stop();
}

#[test]
fn a_hangup_with_a_new_certificate_of_its_own_lets_a_client_connect_anew() {
    let certificates = certificates();
    let mut server = input(&certificates, "PULL");
    let mut sender = action_as_client(&certificates, "PUSH", &server.tcp("in"));
    sender.wait_for_log("is our certificate in the server's list of allowed ones?");
    sender.feed(10, 0);
    replace_pair(&certificates, "stranger", "alice");
    sender.signal(libc::SIGHUP);
    server.assert_received(10);
    sender.stop();
    server.stop();
}
