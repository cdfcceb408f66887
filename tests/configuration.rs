//! What `rsyslogd -N1` says: status 1 and one line in words for everything that is wrong, status 0 for what is right.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test fails by panicking, in its helpers too"
)]

mod support;

use std::path::PathBuf;

use rsyslog_zmq::sys::zmq;
use support::{Certificates, Check, Config, check_config};

/// Parameters of an otherwise good action, and what one line of the output must hold.
const BAD_ACTIONS: &[(&str, &[&str])] = &[
    (r#"socktype="PUB""#, &["endpoints"]),
    (r#"endpoints="@tcp://127.0.0.1:*""#, &["socktype"]),
    (r#"socktype="PUB" endpoints="""#, &["endpoints"]),
    (r#"socktype="PUB" endpoints="bogus""#, &["endpoint", "bogus"]),
    (r#"socktype="PUB" endpoints="http://127.0.0.1:1""#, &["endpoint", "http", "tcp", "ipc", "inproc"]),
    (r#"socktype="PUB" endpoints="@tcp://127.0.0.1""#, &["endpoint", "tcp://127.0.0.1", "port"]),
    (r#"socktype="PUB" endpoints="@tcp://127.0.0.1:65536""#, &["endpoint", "65536"]),
    (r#"socktype="PUB" endpoints="@tcp://127.0.0.1:http""#, &["endpoint", "http"]),
    (r#"socktype="PUB" endpoints=">tcp://*:5555""#, &["endpoint", "tcp://*:5555"]),
    (r#"socktype="PUB" endpoints="@ipc://""#, &["endpoint", "ipc://"]),
    (r#"socktype="PUB" endpoints="@ipc://{long}""#, &["endpoint", "ipc://"]),
    (r#"socktype="PUB" endpoints="@tcp://127.0.0.1:1,,@tcp://127.0.0.1:2""#, &["endpoints", ",,"]),
    (r#"socktype="PUB" endpoints="@tcp://127.0.0.1:1 @tcp://127.0.0.1:2""#, &["endpoints", "comma"]),
    (r#"socktype="BOGUS" endpoints="{e}""#, &["socktype", r#""BOGUS""#, "PUB", "PUSH", "DEALER"]),
    (r#"socktype="PULL" endpoints="{e}""#, &["socktype", r#""PULL""#, "PUB", "PUSH", "DEALER"]),
    (r#"socktype="SUB" endpoints="{e}""#, &["socktype", r#""SUB""#, "PUB", "PUSH", "DEALER"]),
    (r#"socktype="REQ" endpoints="{e}""#, &["socktype", r#""REQ""#, "PUB", "PUSH", "DEALER"]),
    (r#"socktype="" endpoints="{e}""#, &["socktype", "PUB", "PUSH", "DEALER"]),
    (r#"socktype="PUSH" endpoints="{e}" sendhwm="5s""#, &["sendhwm", r#""5s""#]),
    (r#"socktype="PUSH" endpoints="{e}" sendhwm="-1""#, &["sendhwm", "-1"]),
    (r#"socktype="PUSH" endpoints="{e}" sendtimeout="abc""#, &["sendtimeout", r#""abc""#]),
    (r#"socktype="PUSH" endpoints="{e}" sendtimeout="-2""#, &["sendtimeout", "-2"]),
    (r#"socktype="PUSH" endpoints="{e}" heartbeativl="often""#, &["heartbeativl", r#""often""#]),
    (r#"socktype="PUSH" endpoints="{e}" heartbeattimeout="1000""#, &["heartbeattimeout", "heartbeativl"]),
    (r#"socktype="PUSH" endpoints="{e}" heartbeatttl="1000""#, &["heartbeatttl", "heartbeativl"]),
    (r#"socktype="PUSH" endpoints="{e}" connecttimeout="fast""#, &["connecttimeout", r#""fast""#]),
    (r#"socktype="PUSH" endpoints="{e}" handshaketimeout="-1""#, &["handshaketimeout", "-1"]),
    (r#"socktype="PUSH" endpoints="{e}" reconnectivl="soon""#, &["reconnectivl", r#""soon""#]),
    (r#"socktype="PUSH" endpoints="{e}" reconnectivlmax="-5""#, &["reconnectivlmax", "-5"]),
    (r#"socktype="PUSH" endpoints="{e}" keepalive.time="x""#, &["keepalive.time", r#""x""#]),
    (r#"socktype="PUSH" endpoints="{e}" keepalive="maybe""#, &["keepalive", "maybe"]),
    (r#"socktype="PUSH" endpoints="{e}" linger="-1""#, &["linger", "-1"]),
    (r#"socktype="PUSH" endpoints="{e}" tos="256""#, &["tos", "256"]),
    (r#"socktype="PUSH" endpoints="{e}" backlog="many""#, &["backlog", r#""many""#]),
    (r#"socktype="PUSH" endpoints="{e}" sendqueue.size="-1""#, &["sendqueue.size", "-1"]),
    (r#"socktype="PUSH" endpoints="{e}" sendqueue.maxbytes="lots""#, &["sendqueue.maxbytes", "lots"]),
    (r#"socktype="PUSH" endpoints="{e}" onfull="block""#, &["onfull", r#""block""#, "wait", "drop"]),
    (r#"socktype="PUSH" endpoints="{e}" closetimeout="-1""#, &["closetimeout", "-1"]),
    (r#"socktype="PUSH" endpoints="{e}" topics="news""#, &["topics", "PUSH", "PUB"]),
    (r#"socktype="DEALER" endpoints="{e}" topicframe="on""#, &["topicframe", "DEALER", "PUB"]),
    (r#"socktype="PUB" endpoints="{e}" dynatopic="on""#, &["dynatopic", "topics"]),
    (r#"socktype="PUB" endpoints="{e}" dynatopic="on" topics="a,b,c,d,e""#, &["topics", "4"]),
    (r#"socktype="PUB" endpoints="{e}" dynatopic="on" topics="no-such-template""#, &["no-such-template"]),
    (r#"socktype="PUB" endpoints="{e}" topics="a,,b""#, &["topics", r#""a,,b""#]),
    (r#"socktype="PUB" endpoints="{e}" topics=",a""#, &["topics", r#"",a""#]),
    (r#"socktype="PUB" endpoints="{e}" topics="{long}""#, &["topic exceeds maximum supported length of 255 bytes"]),
    (r#"socktype="PUB" endpoints="{e}" topicframe="perhaps""#, &["topicframe", "perhaps"]),
    (r#"socktype="PUB" endpoints="{e}" template="no-such-template""#, &["no-such-template"]),
    (r#"socktype="PUSH" endpoints="{e}" packing="maybe""#, &["packing", "maybe"]),
    (r#"socktype="PUSH" endpoints="{e}" packing="on" packing.maxbytes="0""#, &["packing.maxbytes", "0"]),
    (r#"socktype="PUB" endpoints="@ipc://{dir}/x" fileowner="no-such-user""#, &["no-such-user"]),
    (r#"socktype="PUB" endpoints="{e}" endpointz="x""#, &["endpointz"]),
];

/// The same for inputs.
const BAD_INPUTS: &[(&str, &[&str])] = &[
    (r#"socktype="PULL""#, &["endpoints"]),
    (r#"endpoints="{e}""#, &["socktype"]),
    (r#"socktype="PULL" endpoints="nonsense""#, &["endpoint", "nonsense"]),
    (r#"socktype="PUSH" endpoints="{e}""#, &["socktype", r#""PUSH""#, "PULL", "SUB", "ROUTER"]),
    (r#"socktype="BOGUS" endpoints="{e}""#, &["socktype", r#""BOGUS""#, "PULL", "SUB", "ROUTER"]),
    (r#"socktype="PULL" endpoints="{e}" ruleset="no-such-ruleset""#, &["ruleset", "no-such-ruleset"]),
    (r#"socktype="SUB" endpoints="{e}" topics="aa,,bb""#, &["topics", r#""aa,,bb""#]),
    (r#"socktype="SUB" endpoints="{e}" topics="aa,""#, &["topics", r#""aa,""#]),
    (r#"socktype="SUB" endpoints="{e}" topics="{long}""#, &["topic exceeds maximum supported length of 255 bytes"]),
    (r#"socktype="SUB" endpoints="{e}" topicframe="perhaps""#, &["topicframe", r#""perhaps""#, "auto", "on", "off"]),
    (r#"socktype="PULL" endpoints="{e}" flowcontrol="heavy""#, &["flowcontrol", r#""heavy""#, "none", "light", "full"]),
    (r#"socktype="PULL" endpoints="{e}" recvhwm="1k1""#, &["recvhwm", r#""1k1""#]),
    (r#"socktype="PULL" endpoints="{e}" maxmsgsize="100""#, &["maxmsgsize", "100", "1024"]),
    (r#"socktype="PULL" endpoints="{e}" maxframes="0""#, &["maxframes", "0"]),
    (r#"socktype="SUB" endpoints="{e}" topicprefix="drop""#, &["topicprefix", r#""drop""#, "keep", "strip"]),
    (r#"socktype="PULL" endpoints="{e}" ratelimit.interval="x""#, &["ratelimit.interval", r#""x""#]),
    (r#"socktype="PULL" endpoints="{e}" ratelimit.burst="-1""#, &["ratelimit.burst", "-1"]),
    (r#"socktype="PULL" endpoints="{e}" unpack="maybe""#, &["unpack", "maybe"]),
    (r#"socktype="PULL" endpoints="{e}" addmetadata="maybe""#, &["addmetadata", "maybe"]),
    (r#"socktype="PULL" endpoints="{e}" sendhwm="5""#, &["sendhwm"]),
];

/// Security parameters, wrong alike on module, input and action.
const BAD_SECURITY: &[(&str, &[&str])] = &[
    (r#"authtype="CURVE""#, &["authtype", r#""CURVE""#, "NONE", "CURVESERVER", "CURVECLIENT"]),
    (r#"authtype="""#, &["authtype", "NONE", "CURVESERVER", "CURVECLIENT"]),
    (r#"servercertpath="{c}/server" clientcertpath="{c}/clients""#, &["authtype", "servercertpath"]),
    (r#"authtype="CURVESERVER" clientcertpath="{c}/clients""#, &["servercertpath"]),
    (r#"authtype="CURVESERVER" servercertpath="{c}/server""#, &["clientcertpath"]),
    (r#"authtype="CURVESERVER" servercertpath="{c}/server" authenticator="on""#, &["clientcertpath"]),
    (r#"authtype="CURVESERVER" servercertpath="{c}/none" clientcertpath="*""#, &["servercertpath", "{c}/none"]),
    (r#"authtype="CURVESERVER" servercertpath="{c}/public-only" clientcertpath="*""#, &["{c}/public-only", "secret"]),
    (r#"authtype="CURVESERVER" servercertpath="{c}/readable" clientcertpath="*""#, &["{c}/readable_secret", "644"]),
    (r#"authtype="CURVESERVER" servercertpath="{c}/mismatched" clientcertpath="*""#, &["{c}/mismatched", "match"]),
    (
        r#"authtype="CURVESERVER" servercertpath="{c}/server" clientcertpath="{c}/none""#,
        &["clientcertpath", "{c}/none"],
    ),
    (r#"authtype="CURVECLIENT" clientcertpath="*""#, &["servercertpath"]),
    (r#"authtype="CURVECLIENT" servercertpath="{c}/server""#, &["clientcertpath"]),
    (r#"authtype="CURVECLIENT" servercertpath="{c}/none" clientcertpath="*""#, &["servercertpath", "{c}/none"]),
    (
        r#"authtype="CURVECLIENT" servercertpath="{c}/server" clientcertpath="{c}/none""#,
        &["clientcertpath", "{c}/none"],
    ),
    (r#"authtype="CURVECLIENT" servercertpath="{c}/broken" clientcertpath="*""#, &["{c}/broken"]),
];

/// Configurations that are right, unusual as some are.
const GOOD: &[&str] = &[
    r#"module(load="imczmq") module(load="omczmq")"#,
    r#"module(load="imczmq") input(type="imczmq" socktype="pull" endpoints="@tcp://*:*,>ipc://{dir}/x,@ipc://@abstract")"#,
    r#"module(load="imczmq") input(type="imczmq" socktype="SUB" endpoints=">tcp://localhost:5555" topics="")"#,
    r#"module(load="imczmq") input(type="imczmq" socktype="SUB" endpoints=">tcp://[::1]:5555" ipv6="on" topics="a,b"
        topicframe="on" topicprefix="strip" maxframes="5" flowcontrol="light" recvhwm="5" maxmsgsize="1m" name="sub"
        addmetadata="on" unpack="on" ratelimit.interval="5" ratelimit.burst="100")"#,
    r#"module(load="imczmq") input(type="imczmq" socktype="ROUTER" endpoints="@tcp://127.0.0.1:5555" heartbeativl="1000"
        reconnectivl="10" reconnectivlmax="1000" keepalive="on" keepalive.time="10" keepalive.interval="2"
        keepalive.probes="3" linger="0" tos="8" backlog="10" handshaketimeout="1000" ruleset="later")
        ruleset(name="later") { stop }"#,
    r#"module(load="omczmq") action(type="omczmq" socktype="Pub" endpoints="@tcp://127.0.0.1:5555" topics="a,b" topicframe="on"
        sendhwm="1" sendtimeout="-1" heartbeativl="1000" heartbeattimeout="60000" heartbeatttl="60000" connecttimeout="100")"#,
    r#"module(load="omczmq") action(type="omczmq" socktype="PUB" endpoints="@ipc:///run/nowhere/x" dynatopic="on"
        topics="program,host-program,text,raw" template="RSYSLOG_SyslogProtocol23Format" statsname="x"
        packing="on" packing.maxbytes="2k" fileowner="root" filegroup="root" filecreatemode="0600")"#,
    r#"module(load="omczmq") action(name="out" type="omczmq" socktype="PUSH" endpoints=">inproc://x" queue.type="LinkedList"
        sendqueue.size="1" sendqueue.maxbytes="1m" onfull="drop" closetimeout="0" listenportfilename="{dir}/port")"#,
    r#"module(load="omczmq" authtype="CURVESERVER" servercertpath="{c}/server" clientcertpath="{c}/clients" authenticator="on")
        action(type="omczmq" socktype="DEALER" endpoints="tcp://localhost:5555")
        action(type="omczmq" socktype="DEALER" endpoints="tcp://localhost:5556" authtype="NONE")
        action(type="omczmq" socktype="DEALER" endpoints="tcp://localhost:5557" authtype="curveclient" servercertpath="{c}/server"
               clientcertpath="*")"#,
    r#"module(load="imczmq" authtype="CURVESERVER" servercertpath="{c}/server" clientcertpath="*")
        input(type="imczmq" socktype="PULL" endpoints="tcp://*:5555")"#,
    // Suspicious, and said to be, but not wrong.
    r#"module(load="imczmq") input(type="imczmq" socktype="PULL" endpoints="@tcp://127.0.0.1:5555" topics="ignored")"#,
    r#"module(load="imczmq" authtype="CURVESERVER" servercertpath="{c}/server" authenticator="off")
        input(type="imczmq" socktype="PULL" endpoints="tcp://*:5555")"#,
];

fn certificates() -> Certificates {
    let certificates = Certificates::new();
    for name in ["aggregator", "public-only", "readable", "mismatched"] {
        certificates.create(name);
    }
    std::fs::remove_file(certificates.path("public-only_secret")).unwrap();
    let readable = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    std::fs::set_permissions(certificates.path("readable_secret"), readable).unwrap();
    std::fs::copy(certificates.path("server"), certificates.path("mismatched")).unwrap();
    std::fs::write(certificates.path("broken"), "curve\n    public-key = \"too short\"\n").unwrap();
    certificates
}

/// Checks each configuration and collects what is wrong with the answers.
fn assert_refused(certificates: &Certificates, cases: impl Iterator<Item = (String, Vec<&'static str>)>) {
    let directory = certificates.directory().display().to_string();
    let mut wrong = String::new();
    for (text, wanted) in cases {
        let wanted: Vec<_> = wanted.iter().map(|part| part.replace("{c}", &directory)).collect();
        let config = Config::new(&text).with("c", &directory).with("e", "@ipc://{dir}/e").with("long", "x".repeat(256));
        let Check { status, output } = check_config(config);
        let said = output.lines().any(|line| wanted.iter().all(|part| line.contains(part)));
        if status.code() != Some(1) || !said {
            wrong += &format!("{text}\n  ended with {status}; no line with all of {wanted:?} in\n{output}\n");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn every_bad_action_is_refused_in_words() {
    let cases = BAD_ACTIONS.iter().map(|(parameters, wanted)| {
        (format!(r#"module(load="omczmq") action(type="omczmq" {parameters})"#), wanted.to_vec())
    });
    assert_refused(&certificates(), cases);
}

#[test]
fn every_bad_input_is_refused_in_words() {
    let cases = BAD_INPUTS.iter().map(|(parameters, wanted)| {
        (format!(r#"module(load="imczmq") input(type="imczmq" {parameters})"#), wanted.to_vec())
    });
    assert_refused(&certificates(), cases);
}

#[test]
fn bad_security_is_refused_on_module_input_and_action_alike() {
    let places = [
        r#"module(load="imczmq") input(type="imczmq" socktype="PULL" endpoints="{e}" {security})"#,
        r#"module(load="omczmq") action(type="omczmq" socktype="PUSH" endpoints="{e}" {security})"#,
        r#"module(load="imczmq" {security}) input(type="imczmq" socktype="PULL" endpoints="{e}")"#,
        r#"module(load="omczmq" {security}) action(type="omczmq" socktype="PUSH" endpoints="{e}")"#,
    ];
    let cases = BAD_SECURITY
        .iter()
        .flat_map(|(security, wanted)| places.map(|place| (place.replace("{security}", security), wanted.to_vec())));
    assert_refused(&certificates(), cases);
}

#[test]
fn a_socket_with_its_own_authtype_inherits_nothing_else_from_the_module() {
    let module =
        r#"module(load="omczmq" authtype="CURVESERVER" servercertpath="{c}/server" clientcertpath="{c}/clients")"#;
    let action = r#"action(type="omczmq" socktype="PUSH" endpoints="{e}" authtype="CURVECLIENT" clientcertpath="*")"#;
    assert_refused(&certificates(), [(format!("{module} {action}"), vec!["servercertpath"])].into_iter());
}

#[test]
fn draft_socket_types_are_refused_where_libzmq_has_no_drafts_and_accepted_where_it_has() {
    for (kind, types) in [("action", ["RADIO", "CLIENT", "SCATTER"]), ("input", ["DISH", "SERVER", "GATHER"])] {
        let module = if kind == "action" { "omczmq" } else { "imczmq" };
        for socktype in types {
            let text = format!(
                r#"module(load="{module}") {kind}(type="{module}" socktype="{socktype}" endpoints="@tcp://127.0.0.1:5555")"#
            );
            let check = check_config(Config::new(&text));
            if zmq::has("draft") {
                assert_eq!(check.status.code(), Some(0), "{text}: {}", check.output);
            } else {
                assert_eq!(check.status.code(), Some(1), "{text}: {}", check.output);
                let said = check.output.lines().any(|line| line.contains(socktype) && line.contains("draft"));
                assert!(said, "{text}: {}", check.output);
            }
        }
    }
}

#[test]
fn good_configurations_are_accepted() {
    let certificates = certificates();
    for text in GOOD {
        let check = check_config(Config::new(text).with("c", certificates.directory().display()));
        assert_eq!(check.status.code(), Some(0), "{text}\n{}", check.output);
    }
}

#[test]
fn checking_neither_listens_nor_connects_nor_writes() {
    let directory = tempfile::tempdir().unwrap();
    let check = check_config(
        Config::new(
            r#"module(load="imczmq") module(load="omczmq")
            input(type="imczmq" socktype="PULL" endpoints="@ipc://{there}/in.ipc" listenportfilename="{there}/in.port")
            action(type="omczmq" socktype="PUSH" endpoints="@ipc://{there}/out.ipc" listenportfilename="{there}/out.port")"#,
        )
        .with("there", directory.path().display()),
    );
    assert_eq!(check.status.code(), Some(0), "{}", check.output);
    let left: Vec<PathBuf> = std::fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(left.is_empty(), "{left:?}");
}
