//! What went wrong with the security of the C module omczmq goes well here; each test bears the row of the list of its
//! defects.

mod support;

use rsyslog_zmq::sys::zmq::kind;
use support::{Certificates, Config, Peer, check_config, texts};

#[test]
fn o1_an_authenticator_leaves_sigterm_to_rsyslogd() {
    let certificates = Certificates::new();
    let mut daemon = Config::new(
        r#"{feed}
        module(load="omczmq" authtype="CURVESERVER" authenticator="on"
               servercertpath="{certs}/server" clientcertpath="{certs}/clients")
        action(type="omczmq" socktype="PUSH" endpoints="@ipc://{dir}/push.ipc" template="text")"#,
    )
    .with("certs", certificates.directory().display())
    .start();
    let peer = Peer::new(kind::PULL);
    peer.curve_client(&certificates, "client", "server");
    peer.connect(&daemon.ipc("push"));
    daemon.feed(1, 0);
    assert_eq!(peer.receive_texts(1), texts(1, ""));
    daemon.stop();
}

#[test]
fn o11_an_authenticator_without_an_allow_list_is_refused_and_the_daemon_lives() {
    let certificates = Certificates::new();
    let config = || {
        Config::new(
            r#"{feed}
            {receive}
            module(load="omczmq" authtype="CURVESERVER" servercertpath="{certs}/server" authenticator="on")
            action(type="omczmq" socktype="PUB" endpoints="@ipc://{dir}/pub.ipc")"#,
        )
        .with("certs", certificates.directory().display())
    };
    let check = check_config(config());
    assert_eq!(check.status.code(), Some(1), "{}", check.output);
    assert!(check.output.contains("clientcertpath"), "{}", check.output);
    let mut daemon = config().start();
    daemon.feed(10, 0);
    daemon.assert_received(10);
    assert!(!daemon.file("pub.ipc").exists(), "a refused action listens");
    daemon.stop();
}

#[test]
fn o13_an_authtype_that_is_not_understood_never_means_plaintext() {
    let certificates = Certificates::new();
    let config = |authtype: &str| {
        Config::new(
            r#"{feed}
            {receive}
            module(load="omczmq" {authtype} servercertpath="{certs}/server" clientcertpath="{certs}/clients")
            action(type="omczmq" socktype="PUSH" endpoints="@ipc://{dir}/push.ipc" template="text")"#,
        )
        .with("authtype", authtype)
        .with("certs", certificates.directory().display())
    };
    for authtype in [r#"authtype="CURVE""#, r#"authtype="CURVE SERVER""#, ""] {
        let check = check_config(config(authtype));
        assert_eq!(check.status.code(), Some(1), "{authtype}: {}", check.output);
        assert!(check.output.contains("authtype"), "{authtype}: {}", check.output);
        let mut daemon = config(authtype).start();
        daemon.feed(10, 0);
        daemon.assert_received(10);
        assert!(!daemon.file("push.ipc").exists(), "{authtype}: a refused action listens");
        daemon.stop();
    }

    let mut daemon = config(r#"authtype="CurveServer""#).start();
    let plain = Peer::new(kind::PULL);
    plain.connect(&daemon.ipc("push"));
    plain.assert_turned_away();
    let curve = Peer::new(kind::PULL);
    curve.curve_client(&certificates, "client", "server");
    curve.connect(&daemon.ipc("push"));
    daemon.feed(10, 0);
    assert_eq!(curve.receive_texts(10), texts(10, ""));
    daemon.stop();
}

#[test]
fn o15_security_parameters_on_the_action_are_in_force() {
    let certificates = Certificates::new();
    let mut daemon = Config::new(
        r#"{feed}
        module(load="omczmq")
        action(type="omczmq" socktype="PUSH" endpoints="@ipc://{dir}/push.ipc" template="text" authtype="CURVESERVER"
               servercertpath="{certs}/server" clientcertpath="{certs}/clients")"#,
    )
    .with("certs", certificates.directory().display())
    .start();
    let plain = Peer::new(kind::PULL);
    plain.connect(&daemon.ipc("push"));
    plain.assert_turned_away();
    let curve = Peer::new(kind::PULL);
    curve.curve_client(&certificates, "client", "server");
    curve.connect(&daemon.ipc("push"));
    daemon.feed(10, 0);
    assert_eq!(curve.receive_texts(10), texts(10, ""));
    daemon.stop();
}

#[test]
fn o17_a_certificate_that_cannot_be_read_refuses_the_action_instead_of_losing_its_messages() {
    let config = || {
        Config::new(
            r#"{feed}
            {stats}
            {receive}
            module(load="omczmq")
            action(name="out" type="omczmq" socktype="PUSH" endpoints="@ipc://{dir}/push.ipc" authtype="CURVESERVER"
                   servercertpath="{dir}/no-such-certificate" clientcertpath="*")"#,
        )
    };
    let check = check_config(config());
    assert_eq!(check.status.code(), Some(1), "{}", check.output);
    assert!(check.output.contains("no-such-certificate"), "{}", check.output);
    let mut daemon = config().start();
    daemon.feed(10, 0);
    daemon.assert_received(10);
    daemon.wait_for_counter("main Q", "enqueued", |count| count >= 10);
    let statistics = support::daemon::read(&daemon.file("stats"));
    assert!(!statistics.contains(" out: "), "the refused action runs: {statistics}");
    daemon.stop();
}
