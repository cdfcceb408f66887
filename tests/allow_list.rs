//! A change of the directory of allowed certificates counts for the very next handshake: a libzmq client that is refused never
//! tries again.

// Helpers outside `#[test]` functions fail a test by panicking too; figures and omissions are told on standard error.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

mod support;

use std::fs;
use std::time::Duration;
use std::time::Instant;

use rsyslog_zmq::sys::zmq::{event, kind};
use support::{Certificates, Config, Daemon, Peer};

const ROUNDS: usize = 50;

fn daemon(certificates: &Certificates) -> Daemon {
    Config::new(
        r#"{stats}
        module(load="imczmq")
        input(name="in" type="imczmq" socktype="PULL" endpoints="@tcp://127.0.0.1:*" listenportfilename="{dir}/in.port"
              authtype="CURVESERVER" servercertpath="{certs}/server" clientcertpath="{certs}/clients")
        {receive}"#,
    )
    .with("certs", certificates.directory().display())
    .start()
}

/// Whether the first handshake of a new client with these keys succeeds. Each client has an address of its own: connections
/// from a removed key's address that have said nothing yet are ended with it.
fn is_admitted(certificates: &Certificates, own: &str, daemon: &Daemon, client: usize) -> bool {
    let peer = Peer::new(kind::PUSH);
    peer.curve_client(certificates, own, "server");
    peer.connect(&format!("tcp://127.1.{}.{}:0;127.0.0.1:{}", client / 250, client % 250 + 1, daemon.port("in")));
    let failed = event::HANDSHAKE_FAILED_AUTH | event::HANDSHAKE_FAILED_PROTOCOL | event::HANDSHAKE_FAILED_NO_DETAIL;
    peer.await_event(event::HANDSHAKE_SUCCEEDED | failed) == event::HANDSHAKE_SUCCEEDED
}

/// Many certificates of others.
fn crowd(certificates: &Certificates, count: u32) {
    for number in 1..=count {
        let mut key = [0; 32];
        key[..4].copy_from_slice(&number.to_be_bytes());
        let text = format!("curve\n    public-key = \"{}\"\n", zmq::z85_encode(&key).unwrap());
        fs::write(certificates.path(&format!("clients/other-{number}")), text).unwrap();
    }
}

fn assert_changes_count_at_once(others: u32) {
    let certificates = Certificates::new();
    crowd(&certificates, others);
    let mut daemon = daemon(&certificates);
    let mut clients = 0..;
    let mut is_admitted = |own: &str| is_admitted(&certificates, own, &daemon, clients.next().unwrap());
    let begin = Instant::now();
    let (mut refused, mut admitted, mut kept_out) = (0, 0, 0);
    for round in 0..ROUNDS {
        let name = format!("client-{round}");
        certificates.create(&name);
        certificates.admit(&name);
        refused += usize::from(!is_admitted(&name));
        fs::remove_file(certificates.path(&format!("clients/{name}"))).unwrap();
        admitted += usize::from(is_admitted(&name));
        // Written over in place by another key, and there again.
        fs::copy(certificates.path(&name), certificates.path("clients/client")).unwrap();
        kept_out += usize::from(!is_admitted(&name));
        admitted += usize::from(is_admitted("client"));
        certificates.admit("client");
    }
    eprintln!("{others} other certificates: {ROUNDS} rounds in {:?}", begin.elapsed());
    assert_eq!(
        (refused, kept_out, admitted),
        (0, 0, 0),
        "added and refused, written in place and refused, removed and admitted"
    );
    daemon.wait_for_counter("imczmq(in)", "auth_denied", |count| count == 2 * ROUNDS as u64);
    daemon.stop();
}

#[test]
fn a_certificate_counts_for_the_next_handshake_when_it_is_added_written_or_removed() {
    assert_changes_count_at_once(0);
}

#[test]
fn a_certificate_among_five_thousand_counts_for_the_next_handshake_too() {
    assert_changes_count_at_once(5000);
}

#[test]
fn a_client_with_a_renewed_certificate_gets_in_from_where_the_old_one_was_without_a_restart() {
    let certificates = Certificates::new();
    let mut daemon = daemon(&certificates);
    let connect = |own: &str| {
        let peer = Peer::new(kind::PUSH);
        peer.curve_client(&certificates, own, "server");
        peer.connect(&daemon.tcp("in"));
        // Ending the old key's connections does not interrupt this handshake, which comes from the same address.
        let seen = peer.await_event(event::HANDSHAKE_SUCCEEDED | event::HANDSHAKE_FAILED_AUTH | event::DISCONNECTED);
        assert_eq!(seen, event::HANDSHAKE_SUCCEEDED, "{own} was refused, or cut off");
        peer
    };
    let mut old = connect("client");
    for round in 0..10 {
        let name = format!("renewed-{round}");
        certificates.create(&name);
        fs::copy(certificates.path(&name), certificates.path("clients/client")).unwrap();
        let new = connect(&name);
        old.await_event(event::HANDSHAKE_FAILED_AUTH);
        assert_eq!(new.event_within(Duration::from_millis(100), event::DISCONNECTED), None, "{name} was cut off");
        old = new;
    }
    daemon.stop();
}
