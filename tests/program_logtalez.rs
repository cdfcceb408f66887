//! LogTalez's own documentation, as it is: its rsyslog configurations in a real rsyslogd with our omczmq, its command line,
//! and what made it panic.
//!
//! With the C module these configurations publish in plaintext: it takes security parameters on module() only.
#![cfg(feature = "program")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod program_support;
mod support;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use program_support::{PATIENCE, Program, run};
use rsyslog_zmq::curve::certificate::Certificate;
use rsyslog_zmq::curve::keys::KeyPair;
use support::{Config, Daemon};

/// The template that both configurations share.
const TEMPLATE: &str = r#"
  property(name="hostname")
  constant(value=".")
  property(name="syslogtag" position.from="1" position.to="32")
  constant(value="@cee:")
  constant(value="{")
  constant(value="\"@timestamp\":\"")
  property(name="timereported" dateFormat="rfc3339" format="json")
  constant(value="\",\"host\":\"")
  property(name="hostname")
  constant(value="\",\"severity\":\"")
  property(name="syslogseverity-text")
  constant(value="\",\"facility\":\"")
  property(name="syslogfacility-text")
  constant(value="\",\"syslogtag\":\"")
  property(name="syslogtag" format="json")
  constant(value="\",")
  property(name="$!all-json" position.from="2")
"#;

/// README.md, "Configuring Your Rsyslog Server". Changed are "mmjsonprase", which no rsyslog can load, the directory
/// /etc/curve.d, and the port, which is any free one here.
const README: &str = r#"
module(load="mmjsonparse")
module(load="omczmq")

template(name="pubsub_host_tag" type="list") {{template}}

ruleset(name="zmq_pubsub_out") {
  action(
    name="zmq_pubsub"
    template="pubsub_host_tag"
    type="omczmq"
    endpoints="tcp://127.0.0.1:*" listenportfilename="{dir}/zmq.port"
    socktype="PUB"
    authtype="CURVESERVER"
    clientcertpath="{curve}/"
    servercertpath="{curve}/my_server_cert"
  )
}

action(type="mmjsonparse")
if $parsesuccess == "OK" then {
  call zmq_pubsub_out
}
"#;

/// rsyslog.d/example_rsyslog.conf, with the same changes of directory and port.
const EXAMPLE: &str = r#"
module(load="omczmq")
module(load="mmjsonparse")

template(name="logtalez_template" type="list") {{template}}

ruleset(name="logtalez_publisher") {
	action(
		name="curve_server_socket"
		template="logtalez_template"
		type="omczmq"
		endpoints="tcp://127.0.0.1:*" listenportfilename="{dir}/zmq.port"
		socktype="PUB"
		authtype="CURVESERVER"
		clientcertpath="{curve}/"
		servercertpath="{curve}/my_server_cert"
	)
}

action(name="json_parse" type="mmjsonparse")
if $parsesuccess == "OK" then {
	call logtalez_publisher
}
"#;

/// /etc/curve.d as LogTalez has it: the server's own certificate among those of its clients.
struct Curve(tempfile::TempDir);

impl Curve {
    fn new() -> Self {
        let curve = Self(tempfile::tempdir().unwrap());
        for name in ["my_server_cert", "client_cert"] {
            let certificate = Certificate::from_pair(KeyPair::generate().unwrap(), Vec::new());
            certificate.write_new(curve.0.path().join(name).as_path()).unwrap();
        }
        curve
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }

    fn start(&self, text: &str) -> Daemon {
        let text = format!("{{feed}}\n{text}").replace("{{template}}", &format!("{{{TEMPLATE}}}"));
        Config::new(&text).with("curve", self.0.path().display()).with("maxmessagesize", "128k").start()
    }

    /// LogTalez's command line.
    fn tail(&self, daemon: &Daemon, topics: &str, more: &[&str]) -> Program {
        let (endpoints, topics) = (format!("--endpoints={}", daemon.tcp("zmq")), format!("--topics={topics}"));
        let server = format!("--servercertpath={}", self.path("my_server_cert"));
        let client = format!("--clientcertpath={}", self.path("client_cert"));
        Program::start(&[&["tail", &endpoints, &topics, &server, &client], more].concat())
    }
}

/// Logs a line until the program has ended: there is no other way to know when its subscription is in force.
fn log_until_it_ends(daemon: &Daemon, program: Program, line: &str) -> program_support::Ended {
    let mut feeder = daemon.feeder();
    let has_ended = AtomicBool::new(false);
    let began = Instant::now();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !has_ended.load(Ordering::SeqCst) {
                if began.elapsed() > PATIENCE {
                    return;
                }
                feeder.line(line.as_bytes());
                feeder.flush();
                std::thread::sleep(Duration::from_millis(50));
            }
        });
        let ended = program.end();
        has_ended.store(true, Ordering::SeqCst);
        ended
    })
}

const LINE: &str = "<13>Oct 11 22:14:15 web1 app[7]: @cee: {\"msg\":\"hello\",\"n\":{\"a\":1}}";

#[test]
fn its_documented_configurations_and_command_line_work_and_are_encrypted() {
    for text in [README, EXAMPLE] {
        let curve = Curve::new();
        let daemon = curve.start(text);
        let ended = log_until_it_ends(
            &daemon,
            curve.tail(&daemon, "web1.app", &["--json", "-n", "1", "--duration", "20s"]),
            LINE,
        );
        assert_eq!(ended.status, 0, "{}", ended.stderr);
        let value: serde_json::Value = serde_json::from_str(ended.stdout.trim_end()).expect(&ended.stdout);
        assert_eq!((&value["host"], &value["severity"]), (&"web1".into(), &"notice".into()));
        assert_eq!(
            (&value["syslogtag"], &value["msg"], &value["n"]["a"]),
            (&"app[7]:".into(), &"hello".into(), &1.into())
        );

        // Without --json LogTalez prints the frame as it is.
        let ended = log_until_it_ends(&daemon, curve.tail(&daemon, "", &["-n", "1", "--duration", "20s"]), LINE);
        assert!(ended.stdout.starts_with("web1.app[7]:@cee:{\"@timestamp\":\""), "{}", ended.stdout);

        // What LogTalez cannot do: the parts of its records by name.
        let format = ["-o", "template={host}|{program}|{severity}|{cee.msg}", "-n", "1", "--duration", "20s"];
        let ended = log_until_it_ends(&daemon, curve.tail(&daemon, "", &format), LINE);
        assert_eq!(ended.stdout, "web1|app|notice|hello\n");

        // The C modules' mistake is not repeated: nobody gets in without a key.
        let ended = run(&["tail", &daemon.tcp("zmq"), "--fail-fast"]);
        assert_eq!(ended.status, 3, "{}", ended.stderr);
    }
}

#[test]
fn a_record_over_64_kib_over_which_logtalez_panics_is_shown_whole() {
    let curve = Curve::new();
    let daemon = curve.start(README);
    let line = format!("<13>Oct 11 22:14:15 web1 app: @cee: {{\"msg\":\"{}\"}}", "x".repeat(70_000));
    let ended =
        log_until_it_ends(&daemon, curve.tail(&daemon, "web1.", &["--json", "-n", "1", "--duration", "20s"]), &line);
    let value: serde_json::Value = serde_json::from_str(ended.stdout.trim_end()).expect("JSON");
    assert_eq!(value["msg"].as_str().map(str::len), Some(70_000));
}
