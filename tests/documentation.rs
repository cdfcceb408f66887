//! What the documentation says is so: links lead somewhere, quoted lines are really said, counters exist, and the README's
//! walk works as it is written.

#![cfg(feature = "program")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod documentation_support;
mod program_support;
mod support;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use documentation_support::{Proof, documents, entries, fixed_parts_of_literals, links, slug, sources};
use program_support::Program;
use rsyslog_zmq::sys::zmq::kind;
use support::{Certificates, Config, Daemon, Peer, Record, check_config, modules, statistics};

/// Where the documentation has its certificates.
const CERTIFICATES: &str = "/etc/rsyslog/curve.d";

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn every_relative_link_leads_to_a_file_and_to_a_heading_in_it() {
    let mut checked = 0;
    let mut wrong = Vec::new();
    for document in documents(top()) {
        let text = std::fs::read_to_string(&document).unwrap();
        for link in links(&text).filter(|link| !link.contains("://")) {
            let (path, heading) = link.split_once('#').unwrap_or((&link, ""));
            let target = match path {
                "" => document.clone(),
                path => document.parent().unwrap().join(path),
            };
            let has_heading = || {
                let text = std::fs::read_to_string(&target).unwrap_or_default();
                text.lines().filter(|line| line.starts_with('#')).any(|line| slug(line) == heading)
            };
            if !target.exists() || !(heading.is_empty() || has_heading()) {
                wrong.push(format!("{}: {link}", document.display()));
            }
            checked += 1;
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(checked > 20, "only {checked} links were found");
}

/// The certificates that the lines of the troubleshooting page are about.
fn certificates() -> Certificates {
    let certificates = Certificates::new();
    for name in ["public-only", "readable", "mismatched"] {
        certificates.create(name);
    }
    std::fs::remove_file(certificates.path("public-only_secret")).unwrap();
    let readable = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    std::fs::set_permissions(certificates.path("readable_secret"), readable).unwrap();
    std::fs::copy(certificates.path("server"), certificates.path("mismatched")).unwrap();
    std::fs::write(certificates.path("broken"), "curve\n    public-key = \"too short\"\n").unwrap();
    for name in ["zmq.so", "imczmq.so"] {
        modules::copy("imczmq.so", &certificates.path(name));
    }
    std::fs::hard_link(certificates.path("imczmq.so"), certificates.path("imzmq.so")).unwrap();
    certificates
}

#[test]
fn lines_are_said_about_these_configurations_and_arguments_or_are_in_the_sources() {
    let page = std::fs::read_to_string(top().join("docs/troubleshooting.md")).unwrap();
    let literals = fixed_parts_of_literals(&sources(&top().join("src")));
    let certificates = certificates();
    let directory = certificates.directory().display().to_string();
    let mut wrong = Vec::new();
    let (mut shown, mut read) = (0, 0);
    for entry in entries(&page) {
        let said = match &entry.proof {
            Proof::Configuration(text) => {
                shown += 1;
                let both = match text.contains("module(load=") {
                    true => text.clone(),
                    false => format!("module(load=\"imczmq\")\nmodule(load=\"omczmq\")\n{text}"),
                };
                let check = check_config(Config::new(&both.replace(CERTIFICATES, &directory)));
                assert_eq!(check.status.code(), Some(1), "{text}: {}", check.output);
                check.output.replace(&directory, CERTIFICATES)
            }
            Proof::Program(arguments) => {
                shown += 1;
                let output = Command::new(env!("CARGO_BIN_EXE_rsyslog-zmq"))
                    .args(arguments.split_whitespace())
                    .current_dir(&directory)
                    .output()
                    .unwrap();
                assert_ne!(output.status.code(), Some(0), "{arguments}");
                String::from_utf8(output.stderr).unwrap()
            }
            // `lines_about_connections_are_said_by_daemons_in_these_situations`.
            Proof::Daemon => continue,
            Proof::Sources => {
                read += 1;
                // The line is put together from several texts; the one that says most has to be most of what it says.
                let best = literals.iter().filter_map(|parts| parts.within(&entry.line)).max().unwrap_or(0);
                if best >= 25 { entry.line.clone() } else { format!("{best} characters of it in the sources") }
            }
        };
        if !said.contains(&entry.line) {
            wrong.push(format!("{}\n  but: {said}", entry.line));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(shown > 25 && read > 10, "{shown} lines were shown and {read} read");
}

#[test]
fn lines_about_connections_are_said_by_daemons_in_these_situations() {
    let page = std::fs::read_to_string(top().join("docs/troubleshooting.md")).unwrap();
    let mut lines: Vec<String> =
        entries(&page).into_iter().filter(|e| matches!(e.proof, Proof::Daemon)).map(|e| e.line).collect();
    assert!(lines.len() > 10, "only {} lines were found", lines.len());

    let certificates = Certificates::new();
    let directory = certificates.directory().display().to_string();
    std::fs::write(certificates.path("clients/broken"), "curve\n    public-key = \"too short\"\n").unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = format!("127.0.0.1:{}", taken.local_addr().unwrap().port());
    let mut server = Config::new(
        r#"module(load="imczmq")
        input(name="shippers" type="imczmq" socktype="PULL" endpoints="@tcp://{taken}")
        input(name="open" type="imczmq" socktype="PULL" endpoints="@ipc://{dir}/open.ipc" authtype="CURVESERVER"
              servercertpath="{certs}/server" authenticator="off")
        input(name="stream" type="imczmq" socktype="SUB" endpoints=">ipc://{dir}/nobody.ipc")
        input(name="limited" type="imczmq" socktype="PULL" endpoints="@ipc://{dir}/limited.ipc"
              ratelimit.interval="3600" ratelimit.burst="1")
        input(name="guarded" type="imczmq" socktype="PULL" endpoints="@tcp://127.0.0.1:*"
              listenportfilename="{dir}/guarded.port" authtype="CURVESERVER"
              servercertpath="{certs}/server" clientcertpath="{certs}/clients")
        {receive}"#,
    )
    .with("certs", &directory)
    .with("taken", &taken)
    .start();
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let away = format!("127.0.0.1:{}", closed.local_addr().unwrap().port());
    drop(closed);
    let guarded = server.tcp("guarded");
    let admitted = Peer::new(kind::PUSH);
    admitted.curve_client(&certificates, "client", "server");
    admitted.connect_now(&guarded);
    let mut client = Config::new(
        r#"module(load="omczmq")
        action(name="ship" type="omczmq" socktype="PUSH" endpoints=">{guarded}" authtype="CURVECLIENT"
               servercertpath="{certs}/server" clientcertpath="{certs}/stranger" sendtimeout="1000")
        action(name="queueless" type="omczmq" socktype="PUSH" endpoints=">ipc://{dir}/nobody.ipc")
        action(name="plain" type="omczmq" socktype="PUSH" endpoints=">{guarded}" queue.type="LinkedList" onfull="drop")
        action(name="mistaken" type="omczmq" socktype="PUSH" endpoints=">{guarded}" authtype="CURVECLIENT"
               servercertpath="{certs}/client" clientcertpath="{certs}/client" queue.type="LinkedList" onfull="drop")
        action(name="away" type="omczmq" socktype="PUSH" endpoints=">tcp://{away}" queue.type="LinkedList")
        action(name="live" type="omczmq" socktype="PUB" endpoints="@ipc://{dir}/live.ipc" heartbeativl="1000")"#,
    )
    .with("certs", &directory)
    .with("guarded", &guarded)
    .with("away", &away)
    .start();
    let hasty = Peer::new(kind::PUSH);
    hasty.connect_now(&server.ipc("limited"));
    for number in 0..2 {
        hasty.send(&[&Record::number(number).bytes()]);
    }

    // What is another one every time stands on the page with addresses and a key that are examples.
    let address = guarded.strip_prefix("tcp://").unwrap();
    let keys = ["client", "stranger"].map(|name| certificates.keys(name).0);
    let mut wait_for = |wanted: fn(&str) -> bool| {
        support::wait_until("the lines of docs/troubleshooting.md", support::SHORT, || {
            let mut said = (server.log() + &client.log())
                .replace(&taken, "192.0.2.1:24445")
                .replace(address, "192.0.2.1:24445")
                .replace(&away, "192.0.2.1:24446")
                .replace("127.0.0.1", "192.0.2.1")
                .replace(&directory, CERTIFICATES);
            for key in &keys {
                said = said.replace(key, "3#OUrJ6bUp#{0c7WWCFyZoqC9KR60/3)w-mu=-r3");
            }
            lines.retain(|line| !said.contains(line.as_str()));
            !lines.iter().any(|line| wanted(line))
        });
    };
    wait_for(|line| !line.contains("was removed from") && !line.contains("nobody is admitted"));
    std::fs::remove_file(certificates.path("clients/client")).unwrap();
    wait_for(|line| line.contains("was removed from"));
    std::fs::rename(certificates.path("clients"), certificates.path("elsewhere")).unwrap();
    wait_for(|_| true);
    client.stop();
    server.stop();
}

#[test]
fn the_counters_of_both_pages_are_those_of_impstats() {
    let mut daemon = Daemon::start(
        r#"{stats}
        module(load="imczmq")
        module(load="omczmq")
        input(name="in" type="imczmq" socktype="PULL" endpoints="@ipc://{dir}/in.ipc")
        action(name="out" type="omczmq" socktype="PUB" endpoints="@ipc://{dir}/out.ipc")"#,
    );
    daemon.wait_for_counter("imczmq(in)", "received", |_| true);
    daemon.wait_for_counter("omczmq(out)", "accepted", |_| true);
    daemon.stop();
    let stats = std::fs::read_to_string(daemon.file("stats")).unwrap();
    for (module, object) in [("imczmq", "imczmq(in)"), ("omczmq", "omczmq(out)")] {
        let page = std::fs::read_to_string(top().join(format!("docs/{module}.md"))).unwrap();
        let begin = format!("<!-- counters: {module} -->");
        let table = page.split_once(&begin).and_then(|(_, rest)| rest.split_once("<!-- end -->")).unwrap().0;
        let documented: BTreeSet<&str> =
            table.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
        let line = stats.lines().rfind(|line| line.contains(&format!("{object}:"))).expect("a line of impstats");
        let counted: BTreeSet<&str> = line
            .split_whitespace()
            .filter_map(|word| word.split_once('='))
            .map(|(name, _)| name)
            .filter(|name| *name != "origin")
            .collect();
        assert!(counted.len() > 10, "{line}");
        assert_eq!(documented, counted, "docs/{module}.md and impstats");
        assert!(documented.iter().all(|name| statistics::last(&stats, object, name).is_some()));
    }
}

#[test]
fn the_parameters_that_the_readme_calls_most_needed_exist() {
    use rsyslog_zmq::modules::{imczmq, omczmq};

    let readme = std::fs::read_to_string(top().join("README.md")).unwrap();
    let table =
        readme.split_once("<!-- most needed -->").and_then(|(_, rest)| rest.split_once("<!-- end -->")).unwrap().0;
    let names = table
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('|').next())
        .flat_map(|cell| cell.split(',').map(|name| name.trim().trim_matches('`')));
    let mut count = 0;
    for name in names {
        let is_one = [&imczmq::settings::SCOPE, &omczmq::settings::SCOPE]
            .iter()
            .any(|scope| scope.all().any(|parameter| parameter.name == name));
        assert!(is_one, "{name} is no parameter");
        count += 1;
    }
    assert!(count > 10, "only {count} names were found");
}

/// The commands (`$ ..`) or the text of the fenced block behind `<!-- walk: NAME -->`.
fn walk(readme: &str, name: &str) -> String {
    let (_, rest) = readme.split_once(&format!("<!-- walk: {name} -->\n```")).expect("the step of the walk");
    let (_, rest) = rest.split_once('\n').unwrap();
    let block = rest.split_once("\n```").unwrap().0;
    let commands: Vec<&str> = block.lines().filter_map(|line| line.strip_prefix("$ ")).collect();
    if commands.is_empty() { block.to_owned() } else { commands.join("\n") }
}

#[test]
fn the_readmes_walk_leads_from_nothing_to_encrypted_tailing() {
    let readme = std::fs::read_to_string(top().join("README.md")).unwrap();
    let root = tempfile::tempdir().unwrap();
    let etc = root.path().join("etc");
    let program = PathBuf::from(env!("CARGO_BIN_EXE_rsyslog-zmq"));
    // As it is written, but for sudo, and in directories of the test's own.
    let here = |text: &str| text.replace("/etc/rsyslog", &etc.display().to_string());
    let shell = |text: &str| -> Command {
        let path = format!("{}:{}", program.parent().unwrap().display(), std::env::var("PATH").unwrap());
        let mut command = Command::new("bash");
        command.arg("-euc").arg(format!("sudo() {{ \"$@\"; }}\n{}", here(text)));
        command.env("HOME", root.path()).env("PATH", path);
        command
    };
    let made = shell(&walk(&readme, "certificates")).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));

    let configuration = walk(&readme, "configuration");
    let endpoint = r#"endpoints="@tcp://*:24444""#;
    assert!(configuration.contains(endpoint));
    let configuration =
        here(&configuration).replace(endpoint, r#"endpoints="@tcp://127.0.0.1:*" listenportfilename="{dir}/out.port""#);
    let mut daemon = Config::new(&format!("{{feed}}\n{configuration}")).start();
    let tail = walk(&readme, "tail");
    let command = "rsyslog-zmq tail tcp://localhost:24444";
    assert!(tail.contains(command));
    let tail = tail.replace(command, &format!("exec rsyslog-zmq tail {} -n 1", daemon.tcp("out")));
    let mut watcher = Program::spawn(shell(&tail));
    watcher.wait_for("connected to");
    let mut feeder = daemon.feeder();
    support::wait_until("a record on the terminal", support::SHORT, || {
        feeder.record(&Record::number(0));
        feeder.flush();
        // It ends with the first record.
        watcher.has_ended()
    });
    let ended = watcher.end();
    assert_eq!(ended.status, 0, "{}", ended.stderr);
    assert!(ended.stdout.contains("host1 app") && ended.stdout.lines().count() == 1, "{}", ended.stdout);
    daemon.stop();
}
