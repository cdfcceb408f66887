//! Round trips under memcheck: no error and no lost memory that has a frame of a module under test.

mod support;

use support::{Certificates, Config, Record};

const COUNT: usize = 10_000;

#[test]
fn o16_i15_certificates_are_not_used_after_they_are_freed_nor_is_anything_else_from_push_to_pull() {
    let certificates = Certificates::new();
    let certs = certificates.directory().display();
    let mut receiver = Config::new(
        r#"module(load="imczmq" authtype="CURVESERVER" servercertpath="{certs}/server" clientcertpath="{certs}/clients")
        ruleset(name="remote") { {receive} }
        input(type="imczmq" socktype="PULL" endpoints="@ipc://{dir}/in.ipc" ruleset="remote")"#,
    )
    .with("certs", &certs)
    .under_memcheck()
    .start();
    let mut sender = Config::new(
        r#"{feed}
        module(load="omczmq" authtype="CURVECLIENT" servercertpath="{certs}/server" clientcertpath="{certs}/client")
        action(type="omczmq" socktype="PUSH" endpoints=">{endpoint}" template="RSYSLOG_ForwardFormat")"#,
    )
    .with("certs", &certs)
    .with("endpoint", receiver.ipc("in"))
    .under_memcheck()
    .start();
    sender.feed(COUNT, 200);
    receiver.assert_received(COUNT);
    for daemon in [&mut sender, &mut receiver] {
        daemon.stop();
        let findings = daemon.memcheck_findings();
        assert!(findings.is_empty(), "{}", findings.join("\n"));
    }
}

#[test]
fn o28_topics_are_freed_and_nothing_is_misused_from_pub_to_sub() {
    let certificates = Certificates::new();
    let certs = certificates.directory().display();
    let mut sender = Config::new(
        r#"{feed}
        {stats}
        module(load="omczmq")
        action(name="out" type="omczmq" socktype="PUB" endpoints="@ipc://{dir}/out.ipc"
               dynatopic="on" topics="host-program,program" topicframe="on" sendtimeout="100000"
               authtype="CURVESERVER" servercertpath="{certs}/server" clientcertpath="{certs}/clients")"#,
    )
    .with("certs", &certs)
    .under_memcheck()
    .start();
    let mut receiver = Config::new(
        r#"{stats}
        module(load="imczmq")
        input(name="in" type="imczmq" socktype="SUB" endpoints=">{endpoint}" topics="host1.,other"
              authtype="CURVECLIENT" servercertpath="{certs}/server" clientcertpath="{certs}/client")
        {receive}"#,
    )
    .with("certs", &certs)
    .with("endpoint", sender.ipc("out"))
    .under_memcheck()
    .start();
    receiver.await_subscription(&mut sender.feeder(), Record::number(0));
    sender.feed(COUNT, 200);
    receiver.assert_received(COUNT);
    for daemon in [&mut sender, &mut receiver] {
        daemon.stop();
        let findings = daemon.memcheck_findings();
        assert!(findings.is_empty(), "{}", findings.join("\n"));
    }
}
