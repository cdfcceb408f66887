//! The modules in an rsyslogd that may do no more than the units of Debian 13 and Ubuntu 24.04 allow: a system call outside
//! of their filter ends the daemon, and so the test.

// Helpers outside `#[test]` functions fail a test by panicking too; figures and omissions are told on standard error.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

mod support;

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitCode, Output};

use rsyslog_zmq::sys::zmq::{event, kind};
use support::hardened::{Hardened, Unit};
use support::trials;
use support::{Certificates, Config, Daemon, Peer, Record};

fn main() -> ExitCode {
    // The units' filters can always be had, their capabilities and mounts not.
    let root = trials::root();
    trials::run(vec![
        trial!(the_launcher_forbids_what_the_units_forbid),
        trial!(the_launcher_takes_the_capabilities_and_files_that_the_units_take, root),
        trial!(records_go_from_daemon_to_daemon_over_tcp_and_ipc_with_curve),
        trial!(a_publisher_and_a_subscriber_meet_with_curve),
        trial!(a_removed_key_is_thrown_out_and_a_hangup_brings_new_keys),
        trial!(a_unix_socket_can_be_given_to_another_user, root),
        trial!(after_a_privilege_drop_the_allow_list_is_still_looked_at, root),
    ])
}

/// A daemon under a unit that sees the certificates as `{certs}`.
fn start(hardened: &Hardened, unit: Unit, certificates: &Certificates, config: Config) -> Daemon {
    let directory = certificates.directory();
    hardened.around(config.with("certs", directory.display()), unit, &[directory]).start()
}

/// A listener over TCP and ipc with CURVE.
fn receiver() -> Config {
    Config::new(
        r#"{stats}
        module(load="imczmq")
        input(name="in" type="imczmq" socktype="PULL" endpoints="@tcp://127.0.0.1:*,@tcp://*:*,@ipc://{dir}/in.ipc"
              listenportfilename="{dir}/in.port" filecreatemode="0660"
              authtype="CURVESERVER" servercertpath="{certs}/server" clientcertpath="{certs}/clients")
        {receive}"#,
    )
}

fn client(certificates: &Certificates, own: &str, endpoint: &str) -> Peer {
    let peer = Peer::new(kind::PUSH);
    peer.curve_client(certificates, own, "server");
    peer.connect(endpoint);
    peer
}

fn push(daemon: &Daemon, certificates: &Certificates, endpoint: &str, number: usize) {
    let peer = client(certificates, "client", endpoint);
    assert_eq!(peer.await_event(event::HANDSHAKE_SUCCEEDED | event::HANDSHAKE_FAILED_AUTH), event::HANDSHAKE_SUCCEEDED);
    peer.send(&[&Record::number(number).bytes()]);
    daemon.assert_received(number + 1);
}

/// Runs a command under a unit's restrictions.
fn run(hardened: &Hardened, unit: Unit, words: &[&str]) -> Output {
    Command::new(hardened.launcher()).args([unit.name(), "--"]).args(words).output().unwrap()
}

fn the_launcher_forbids_what_the_units_forbid() {
    let hardened = Hardened::new();
    let run = |unit: Unit, words: &[&str]| run(&hardened, unit, words);
    for unit in Unit::ALL {
        // chroot(2) is not in @system-service.
        let output = run(unit, &["/usr/sbin/chroot", "/", "true"]);
        assert_eq!(output.status.signal(), Some(libc::SIGSYS), "{unit:?}: {output:?}");
    }
}

fn the_launcher_takes_the_capabilities_and_files_that_the_units_take() {
    let hardened = Hardened::new();
    let run = |unit: Unit, words: &[&str]| run(&hardened, unit, words);
    let has_mounts = !String::from_utf8_lossy(&run(Unit::Debian13, &["/bin/true"]).stderr).contains("private files");
    if has_mounts {
        let can_write = |unit| run(unit, &["/bin/sh", "-c", "test -w /usr"]).status.success();
        assert_eq!(Unit::ALL.map(can_write), [false, true], "ProtectSystem is Debian's");
    } else {
        eprintln!("mounting is not allowed here: what the units do to files is not tested");
    }
    let capabilities = |unit| {
        let output = run(unit, &["/bin/sed", "-n", "s/^CapEff:[[:space:]]*//p", "/proc/self/status"]);
        u64::from_str_radix(String::from_utf8(output.stdout).unwrap().trim(), 16).unwrap()
    };
    let (setuid, kill) = (1 << 7, 1 << 5);
    assert_eq!(Unit::ALL.map(|unit| capabilities(unit) & setuid != 0), [false, true], "CAP_SETUID is Ubuntu's");
    assert_eq!(Unit::ALL.map(|unit| capabilities(unit) & kill != 0), [false, false], "CAP_KILL is nobody's");
}

fn records_go_from_daemon_to_daemon_over_tcp_and_ipc_with_curve() {
    let hardened = Hardened::new();
    for unit in Unit::ALL {
        let certificates = Certificates::new();
        let mut receiver = start(&hardened, unit, &certificates, receiver());
        for (number, endpoint) in [receiver.tcp("in"), receiver.ipc("in")].into_iter().enumerate() {
            let config = Config::new(
                r#"{feed}
                module(load="omczmq")
                action(type="omczmq" socktype="PUSH" endpoints=">{endpoint}" template="text" queue.type="LinkedList"
                       authtype="CURVECLIENT" servercertpath="{certs}/server" clientcertpath="{certs}/client")"#,
            );
            let config = config.with("endpoint", endpoint);
            let config = config.with("certs", certificates.directory().display());
            let sockets = receiver.file("");
            let mut sender = hardened.around(config, unit, &[certificates.directory(), &sockets]).start();
            let mut feeder = sender.feeder();
            for sequence in number * 1000..(number + 1) * 1000 {
                feeder.record(&Record::number(sequence));
            }
            feeder.flush();
            receiver.assert_received((number + 1) * 1000);
            sender.stop();
        }
        receiver.stop();
        assert!(!receiver.file("in.ipc").exists(), "{unit:?}: the socket's file stays behind");
    }
}

fn a_publisher_and_a_subscriber_meet_with_curve() {
    let hardened = Hardened::new();
    for unit in Unit::ALL {
        let certificates = Certificates::new();
        let mut publisher = start(
            &hardened,
            unit,
            &certificates,
            Config::new(
                r#"{feed}
                module(load="omczmq")
                action(type="omczmq" socktype="PUB" endpoints="@tcp://127.0.0.1:*" listenportfilename="{dir}/out.port"
                       template="text" topics="host-program" dynatopic="on" topicframe="on"
                       authtype="CURVESERVER" servercertpath="{certs}/server" clientcertpath="{certs}/clients")"#,
            ),
        );
        let mut subscriber = start(
            &hardened,
            unit,
            &certificates,
            Config::new(
                r#"module(load="imczmq")
                input(type="imczmq" socktype="SUB" endpoints=">{endpoint}" topics="" addmetadata="on"
                      authtype="CURVECLIENT" servercertpath="{certs}/server" clientcertpath="{certs}/client")
                {receive}"#,
            )
            .with("endpoint", publisher.tcp("out")),
        );
        let mut feeder = publisher.feeder();
        subscriber.await_subscription(&mut feeder, Record::number(0));
        for number in 0..1000 {
            feeder.record(&Record::number(number));
        }
        feeder.flush();
        subscriber.assert_received(1000);
        subscriber.stop();
        publisher.stop();
    }
}

fn a_removed_key_is_thrown_out_and_a_hangup_brings_new_keys() {
    let hardened = Hardened::new();
    for unit in Unit::ALL {
        let certificates = Certificates::new();
        certificates.create("alice");
        certificates.admit("alice");
        let mut daemon = start(&hardened, unit, &certificates, receiver());
        let endpoint = daemon.tcp("in");
        push(&daemon, &certificates, &endpoint, 0);

        let alice = client(&certificates, "alice", &endpoint);
        alice.await_event(event::HANDSHAKE_SUCCEEDED);
        alice.send(&[&Record::number(1).bytes()]);
        daemon.assert_received(2);
        std::fs::remove_file(certificates.path("clients/alice")).unwrap();
        alice.await_event(event::DISCONNECTED);
        daemon.wait_for_log("was removed from the list of allowed certificates");
        daemon.wait_for_counter("imczmq(in)", "connections_revoked", |count| count >= 1);
        client(&certificates, "alice", &endpoint).assert_refused();

        for suffix in ["", "_secret"] {
            let [from, to] = ["stranger", "server"].map(|name| certificates.path(&format!("{name}{suffix}")));
            std::fs::rename(from, to).unwrap();
        }
        daemon.signal(libc::SIGHUP);
        daemon.wait_for_log("opened anew");
        push(&daemon, &certificates, &daemon.tcp("in"), 2);
        push(&daemon, &certificates, &daemon.ipc("in"), 3);
        daemon.stop();
    }
}

fn a_unix_socket_can_be_given_to_another_user() {
    let hardened = Hardened::new();
    for unit in Unit::ALL {
        let certificates = Certificates::new();
        let mut daemon = start(
            &hardened,
            unit,
            &certificates,
            Config::new(
                r#"module(load="imczmq")
                input(type="imczmq" socktype="PULL" endpoints="@ipc://{dir}/in.ipc" fileowner="nobody"
                      filegroup="nogroup" filecreatemode="0620")
                {receive}"#,
            ),
        );
        let found = std::fs::metadata(daemon.file("in.ipc")).unwrap();
        assert_ne!((found.uid(), found.gid()), (0, 0), "{unit:?}");
        assert_eq!(found.mode() & 0o777, 0o620, "{unit:?}");
        let peer = Peer::new(kind::PUSH);
        peer.connect_now(&daemon.ipc("in"));
        peer.send(&[&Record::number(0).bytes()]);
        daemon.assert_received(1);
        daemon.stop();
        assert!(!daemon.file("in.ipc").exists(), "{unit:?}: the socket's file stays behind");
    }
}

/// Debian's unit leaves no way to become another user: rsyslogd itself ends then, which is not a matter of the modules.
fn after_a_privilege_drop_the_allow_list_is_still_looked_at() {
    let hardened = Hardened::new();
    let certificates = Certificates::new();
    for (name, mode) in [(".", 0o755), ("clients", 0o755), ("clients/client", 0o644)] {
        std::fs::set_permissions(certificates.path(name), std::fs::Permissions::from_mode(mode)).unwrap();
    }
    let config = Config::new(
        r#"$PrivDropToGroup nogroup
        $PrivDropToUser nobody
        module(load="imczmq")
        input(type="imczmq" socktype="PULL" endpoints="@tcp://127.0.0.1:*" listenportfilename="{dir}/in.port"
              authtype="CURVESERVER" servercertpath="{certs}/server" clientcertpath="{certs}/clients")
        {receive}"#,
    )
    .with("certs", certificates.directory().display());
    let directory = tempfile::tempdir().unwrap();
    // The daemon's directory belongs to everybody before the launcher is run.
    let launcher = directory.path().join("launcher");
    let script = format!("#!/bin/sh\nchmod 0777 \"$2\"\nexec '{}' \"$@\"\n", hardened.launcher().display());
    std::fs::write(&launcher, script).unwrap();
    std::fs::set_permissions(&launcher, std::fs::Permissions::from_mode(0o755)).unwrap();
    let launcher = launcher.display().to_string();
    let mut daemon = config.launched_by(&[&launcher, Unit::Ubuntu2404.name(), "{dir}", "--"]).start();
    assert_ne!(std::fs::metadata(format!("/proc/{}", daemon.id())).unwrap().uid(), 0, "the privileges are dropped");
    push(&daemon, &certificates, &daemon.tcp("in"), 0);
    std::fs::remove_file(certificates.path("clients/client")).unwrap();
    daemon.wait_for_log("was removed from the list of allowed certificates");
    client(&certificates, "client", &daemon.tcp("in")).assert_refused();
    daemon.stop();
}
