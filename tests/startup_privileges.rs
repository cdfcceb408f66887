//! What is done while rsyslogd is still root, and what still works after it has given that up.

// Helpers outside `#[test]` functions fail a test by panicking too; figures and omissions are told on standard error.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

mod support;

use std::fs::{self, Permissions};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::ExitCode;

use rsyslog_zmq::sys::zmq::{event, kind};
use support::seccomp::without_netlink;
use support::trials;
use support::{Certificates, Config, Daemon, Peer, Record};

fn main() -> ExitCode {
    let root = trials::root();
    trials::run(vec![
        trial!(i14_a_port_below_1024_and_a_secret_of_roots_work_after_the_privilege_drop, root),
        trial!(i14_a_unix_socket_has_the_owner_group_and_mode_that_are_asked_for, root),
        trial!(an_allow_list_that_is_unreadable_after_the_privilege_drop_is_reported_and_admits_nobody, root),
        trial!(x1_an_explicit_address_is_bound_where_netlink_sockets_are_forbidden),
        trial!(x1_what_needs_the_interfaces_is_an_error_in_words_where_netlink_sockets_are_forbidden),
    ])
}

/// The numbers of the user and of the group that rsyslogd becomes here, and their lines of configuration.
fn nobody() -> (u32, u32, &'static str) {
    let id = |arguments: [&str; 2]| -> u32 {
        let output = std::process::Command::new("id").args(arguments).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
    };
    (id(["-u", "nobody"]), id(["-g", "nobody"]), "$PrivDropToGroup nogroup\n$PrivDropToUser nobody")
}

/// A free port below 1024.
fn privileged_port() -> u16 {
    let free = |port: &u16| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
    (512..1024).rev().find(free).expect("no free port below 1024")
}

/// Certificates whose secrets only root can read, while everybody reads the allow list.
fn certificates() -> Certificates {
    let certificates = Certificates::new();
    fs::set_permissions(certificates.directory(), Permissions::from_mode(0o711)).unwrap();
    fs::set_permissions(certificates.path("clients"), Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(certificates.path("clients/client"), Permissions::from_mode(0o644)).unwrap();
    certificates
}

/// A daemon that drops its privileges; its directory is everybody's.
fn dropped(config: Config, certificates: &Certificates) -> Daemon {
    let (user, _, drop) = nobody();
    let daemon = config
        .with("drop", drop)
        .with("certs", certificates.directory().display())
        .launched_by(&["sh", "-c", "chmod 0777 \"$0\"; exec \"$@\"", "{dir}"])
        .start();
    assert_eq!(fs::metadata(format!("/proc/{}", daemon.id())).unwrap().uid(), user, "the privileges are dropped");
    daemon
}

fn push(certificates: &Certificates, endpoint: &str, number: usize, daemon: &Daemon) {
    let peer = Peer::new(kind::PUSH);
    peer.curve_client(certificates, "client", "server");
    peer.connect_now(endpoint);
    peer.send(&[&Record::number(number).bytes()]);
    daemon.assert_received(number + 1);
}

fn i14_a_port_below_1024_and_a_secret_of_roots_work_after_the_privilege_drop() {
    let certificates = certificates();
    let port = privileged_port();
    let mut daemon = dropped(
        Config::new(
            r#"{drop}
            {feed}
            module(load="imczmq")
            module(load="omczmq")
            input(type="imczmq" socktype="PULL" endpoints="@tcp://127.0.0.1:{port}" ruleset="in" authtype="CURVESERVER"
                  servercertpath="{certs}/server" clientcertpath="{certs}/clients")
            ruleset(name="in") { {receive} }
            action(type="omczmq" socktype="PUSH" endpoints="@ipc://{dir}/out.ipc" template="text" authtype="CURVESERVER"
                   servercertpath="{certs}/server" clientcertpath="{certs}/clients" queue.type="LinkedList")"#,
        )
        .with("port", port),
        &certificates,
    );
    push(&certificates, &format!("tcp://127.0.0.1:{port}"), 0, &daemon);

    let reader = Peer::new(kind::PULL);
    reader.curve_client(&certificates, "client", "server");
    reader.connect(&daemon.ipc("out"));
    daemon.feed(1, 0);
    assert_eq!(reader.receive_texts(1), support::texts(1, ""));

    // The list is read anew, the root's secret cannot be: that is said, and the one in use stays.
    daemon.signal(libc::SIGHUP);
    daemon.wait_for_log("the keys in use are kept: servercertpath:");
    push(&certificates, &format!("tcp://127.0.0.1:{port}"), 1, &daemon);
    fs::remove_file(certificates.path("clients/client")).unwrap();
    daemon.wait_for_log("was removed from the list of allowed certificates");
    let refused = Peer::new(kind::PUSH);
    refused.curve_client(&certificates, "client", "server");
    refused.connect(&format!("tcp://127.0.0.1:{port}"));
    refused.assert_refused();
    daemon.stop();
}

fn i14_a_unix_socket_has_the_owner_group_and_mode_that_are_asked_for() {
    let certificates = certificates();
    let (user, group, _) = nobody();
    let mut daemon = dropped(
        Config::new(
            r#"{drop}
            {feed}
            module(load="imczmq")
            module(load="omczmq")
            input(type="imczmq" socktype="PULL" endpoints="@ipc://{dir}/in.ipc" ruleset="in"
                  fileowner="nobody" filegroup="nogroup" filecreatemode="0620")
            ruleset(name="in") { {receive} }
            action(type="omczmq" socktype="PUB" endpoints="@ipc://{dir}/out.ipc" filecreatemode="0600")"#,
        ),
        &certificates,
    );
    let found = |name: &str| {
        let data = fs::metadata(daemon.file(name)).unwrap();
        (data.uid(), data.gid(), data.mode() & 0o777)
    };
    assert_eq!(found("in.ipc"), (user, group, 0o620));
    assert_eq!(found("out.ipc"), (0, 0, 0o600));
    let peer = Peer::new(kind::PUSH);
    peer.connect_now(&daemon.ipc("in"));
    peer.send(&[&Record::number(0).bytes()]);
    daemon.assert_received(1);
    daemon.stop();
    assert!(!daemon.file("in.ipc").exists(), "the socket's file stays behind");
}

fn an_allow_list_that_is_unreadable_after_the_privilege_drop_is_reported_and_admits_nobody() {
    let certificates = certificates();
    fs::set_permissions(certificates.path("clients"), Permissions::from_mode(0o700)).unwrap();
    let mut daemon = dropped(
        Config::new(
            r#"{drop}
            module(load="imczmq")
            input(type="imczmq" socktype="PULL" endpoints="@tcp://127.0.0.1:*" listenportfilename="{dir}/in.port"
                  authtype="CURVESERVER" servercertpath="{certs}/server" clientcertpath="{certs}/clients")
            {receive}"#,
        ),
        &certificates,
    );
    daemon.wait_for_log("nobody is admitted while the allowed certificates in");
    daemon.wait_for_log("Permission denied");
    let refused = Peer::new(kind::PUSH);
    refused.curve_client(&certificates, "client", "server");
    refused.connect(&daemon.tcp("in"));
    assert_eq!(
        refused.await_event(event::HANDSHAKE_FAILED_AUTH | event::HANDSHAKE_SUCCEEDED),
        event::HANDSHAKE_FAILED_AUTH
    );
    fs::set_permissions(certificates.path("clients"), Permissions::from_mode(0o755)).unwrap();
    daemon.wait_for_log("are available again");
    push(&certificates, &daemon.tcp("in"), 0, &daemon);
    daemon.stop();
}

fn x1_an_explicit_address_is_bound_where_netlink_sockets_are_forbidden() {
    let certificates = Certificates::new();
    let launcher = without_netlink(certificates.directory());
    let mut daemon = Config::new(
        r#"{feed}
        module(load="imczmq")
        module(load="omczmq")
        input(type="imczmq" socktype="PULL" endpoints="@tcp://127.0.0.1:*" listenportfilename="{dir}/in.port" ruleset="in"
              authtype="CURVESERVER" servercertpath="{certs}/server" clientcertpath="{certs}/clients")
        ruleset(name="in") { {receive} }
        action(type="omczmq" socktype="PUSH" endpoints="@tcp://127.0.0.1:*" listenportfilename="{dir}/out.port"
               template="text" queue.type="LinkedList")
        action(type="omczmq" socktype="PUB" endpoints="@tcp://*:*" template="text")"#,
    )
    .with("certs", certificates.directory().display())
    .launched_by(&[launcher.to_str().unwrap()])
    .start();
    push(&certificates, &daemon.tcp("in"), 0, &daemon);
    let reader = Peer::new(kind::PULL);
    reader.connect_now(&daemon.tcp("out"));
    daemon.feed(10, 0);
    assert_eq!(reader.receive_texts(10), support::texts(10, ""));
    // Keys that change open the sockets anew, without libzmq's own way to bind either.
    for suffix in ["", "_secret"] {
        fs::rename(certificates.path(&format!("stranger{suffix}")), certificates.path(&format!("server{suffix}")))
            .unwrap();
    }
    daemon.signal(libc::SIGHUP);
    daemon.wait_for_log("opened anew");
    push(&certificates, &daemon.tcp("in"), 1, &daemon);
    daemon.stop();
}

fn x1_what_needs_the_interfaces_is_an_error_in_words_where_netlink_sockets_are_forbidden() {
    let certificates = Certificates::new();
    let launcher = without_netlink(certificates.directory());
    let mut daemon = Config::new(
        r#"{feed}
        {receive}
        module(load="imczmq")
        input(type="imczmq" socktype="PULL" endpoints="@tcp://lo:*")
        input(type="imczmq" socktype="PULL" endpoints=">tcp://127.0.0.1:*;127.0.0.1:9")"#,
    )
    .launched_by(&[launcher.to_str().unwrap()])
    .start();
    daemon.wait_for_log("cannot listen on tcp://lo:*: Address family not supported");
    daemon.wait_for_log("cannot reach tcp://127.0.0.1:*;127.0.0.1:9: Address family not supported");
    daemon.feed(10, 0);
    daemon.assert_received(10);
    daemon.stop();
}
