//! The draft socket types between two rsyslogd, with a libzmq that has them.
//!
//! The library is found by `LD_LIBRARY_PATH`, as an administrator would do it; the modules are the same files as everywhere.

// There is no `#[test]` in a file that lists its tests itself.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

#[path = "support/draft_library.rs"]
mod draft_library;
mod support;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Trial};
use support::{Certificates, Config, Daemon, Record, assert_sequence, check_config};

/// Far more than the high-water marks.
const COUNT: usize = 20_000;

type Check = fn(&Path);

const CHECKS: &[(&str, Check)] = &[
    ("every draft type passes -N1", every_type_passes_the_configuration_check),
    ("CLIENT reaches SERVER", |library| shared_out(library, "CLIENT", "SERVER", None)),
    ("CLIENT reaches SERVER over CURVE", |library| shared_out(library, "CLIENT", "SERVER", Some(&Certificates::new()))),
    ("SCATTER reaches GATHER", |library| shared_out(library, "SCATTER", "GATHER", None)),
    ("SCATTER reaches GATHER over CURVE", |library| {
        shared_out(library, "SCATTER", "GATHER", Some(&Certificates::new()))
    }),
    ("RADIO reaches DISH", |library| published(library, None)),
    ("RADIO reaches DISH over CURVE", |library| published(library, Some(&Certificates::new()))),
    ("a SCATTER without a peer keeps everything until one comes", a_scatter_without_a_peer_keeps_everything),
];

fn main() -> ExitCode {
    draft_library::compile_if_asked();
    let arguments = Arguments::from_args();
    let library = if arguments.list { Err("only listed".to_owned()) } else { draft_library::directory() };
    let trials = CHECKS.iter().map(|&(name, check)| trial(name, check, library.as_ref().ok())).collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    match &library {
        Err(reason) if !arguments.list => eprintln!("ignored: no libzmq with drafts can be built here: {reason}"),
        _ => {}
    }
    conclusion.exit_code()
}

fn trial(name: &str, check: Check, library: Option<&PathBuf>) -> Trial {
    let at = library.cloned().map(Arc::new);
    Trial::test(name, move || {
        check(at.as_deref().ok_or("no library")?);
        Ok(())
    })
    .with_ignored_flag(library.is_none())
}

fn config(library: &Path, text: &str) -> Config {
    Config::new(text).environment("LD_LIBRARY_PATH", library.display())
}

fn every_type_passes_the_configuration_check(library: &Path) {
    for (socktype, topics) in [("RADIO", r#"topics="news""#), ("CLIENT", ""), ("SCATTER", "")] {
        let action = r#"module(load="omczmq")
            action(type="omczmq" socktype="{socktype}" endpoints="tcp://127.0.0.1:9" {topics})"#;
        let config = config(library, action).with("socktype", socktype).with("topics", topics);
        let check = check_config(config);
        assert_eq!(check.status.code(), Some(0), "{socktype}: {}", check.output);
    }
    for (socktype, topics) in [("DISH", r#"topics="news""#), ("SERVER", ""), ("GATHER", "")] {
        let input = r#"module(load="imczmq")
            input(type="imczmq" socktype="{socktype}" endpoints="tcp://127.0.0.1:9" {topics})"#;
        let config = config(library, input).with("socktype", socktype).with("topics", topics);
        let check = check_config(config);
        assert_eq!(check.status.code(), Some(0), "{socktype}: {}", check.output);
    }
}

/// Security parameters of one side: the listener is the CURVE server.
fn curve(certificates: Option<&Certificates>, is_server: bool) -> String {
    let Some(certificates) = certificates else { return String::new() };
    let certs = certificates.directory().display();
    let (kind, other) = if is_server { ("CURVESERVER", "clients") } else { ("CURVECLIENT", "client") };
    format!(r#"authtype="{kind}" servercertpath="{certs}/server" clientcertpath="{certs}/{other}""#)
}

fn finish(mut receiver: Daemon, mut sender: Daemon) {
    sender.stop();
    receiver.stop();
    assert_sequence(&receiver.file("received"), COUNT);
}

fn shared_out(library: &Path, sending: &str, receiving: &str, certificates: Option<&Certificates>) {
    let receiver = config(
        library,
        r#"module(load="imczmq")
        input(type="imczmq" socktype="{socktype}" endpoints="@tcp://127.0.0.1:*" listenportfilename="{dir}/in.port" {curve})
        {receive}"#,
    )
    .with("socktype", receiving)
    .with("curve", curve(certificates, true))
    .start();
    let sender = config(
        library,
        r#"{feed}
        module(load="omczmq")
        action(type="omczmq" socktype="{socktype}" endpoints=">{endpoint}" {curve})"#,
    )
    .with("socktype", sending)
    .with("endpoint", receiver.tcp("in"))
    .with("curve", curve(certificates, false))
    .start();
    sender.feed(COUNT, 200);
    receiver.assert_received(COUNT);
    finish(receiver, sender);
}

fn published(library: &Path, certificates: Option<&Certificates>) {
    let sender = config(
        library,
        r#"{feed}
        module(load="omczmq")
        action(type="omczmq" socktype="RADIO" topics="news" endpoints="@tcp://127.0.0.1:*"
               listenportfilename="{dir}/out.port" {curve})"#,
    )
    .with("curve", curve(certificates, true))
    .start();
    let receiver = config(
        library,
        r#"module(load="imczmq")
        input(type="imczmq" socktype="DISH" topics="news" endpoints=">{endpoint}" {curve})
        {receive}"#,
    )
    .with("endpoint", sender.tcp("out"))
    .with("curve", curve(certificates, false))
    .start();
    receiver.await_subscription(&mut sender.feeder(), Record::number(0));
    sender.feed(COUNT, 200);
    receiver.assert_received(COUNT);
    finish(receiver, sender);
}

fn a_scatter_without_a_peer_keeps_everything(library: &Path) {
    let sender = config(
        library,
        r#"{feed}
        {stats}
        module(load="omczmq")
        action(name="out" type="omczmq" socktype="SCATTER" endpoints="@tcp://127.0.0.1:*"
               listenportfilename="{dir}/out.port" queue.type="LinkedList" queue.size="50000")"#,
    )
    .start();
    sender.feed(COUNT, 0);
    sender.wait_for_counter("out queue", "size", |size| size > COUNT as u64 / 2);
    let receiver = config(
        library,
        r#"module(load="imczmq")
        input(type="imczmq" socktype="GATHER" endpoints=">{endpoint}")
        {receive}"#,
    )
    .with("endpoint", sender.tcp("out"))
    .start();
    receiver.assert_received(COUNT);
    finish(receiver, sender);
}
