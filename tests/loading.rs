//! Which file names are modules, and living beside the distribution's pair.

mod support;

use support::{Config, Daemon, Host, check_config, modules};

const COUNT: usize = 1000;

#[test]
fn ours_works_under_other_names_beside_the_distributions_pair() {
    let directory = tempfile::tempdir().unwrap();
    modules::copy("imczmq.so", &directory.path().join("imzmq.so"));
    modules::copy("omczmq.so", &directory.path().join("omzmq.so"));
    // The C pair's end is not looked at: it crashes there.
    let daemon = Config::on(
        &Host::of_system(),
        r#"{feed}
        module(load="{distro}/imczmq.so")
        module(load="{distro}/omczmq.so")
        module(load="{ours}/imzmq.so")
        module(load="{ours}/omzmq.so")
        ruleset(name="c-to-ours") { action(type="omfile" file="{dir}/c-to-ours" template="sequence") }
        ruleset(name="ours-to-c") { action(type="omfile" file="{dir}/ours-to-c" template="sequence") }
        input(type="imzmq" socktype="PULL" endpoints="@ipc://{dir}/one.ipc" ruleset="c-to-ours")
        input(type="imczmq" socktype="PULL" endpoints="@ipc://{dir}/two.ipc" ruleset="ours-to-c")
        action(type="omczmq" socktype="PUSH" endpoints=">ipc://{dir}/one.ipc" template="RSYSLOG_ForwardFormat")
        action(type="omzmq" socktype="PUSH" endpoints=">ipc://{dir}/two.ipc" template="RSYSLOG_ForwardFormat")"#,
    )
    .with("ours", directory.path().display())
    .start();
    daemon.feed(COUNT, 200);
    for file in ["c-to-ours", "ours-to-c"] {
        daemon.wait_for_lines(file, COUNT, 9);
        support::assert_sequence(&daemon.file(file), COUNT);
    }
}

#[test]
fn ours_ends_well_under_other_names() {
    let directory = tempfile::tempdir().unwrap();
    modules::copy("imczmq.so", &directory.path().join("imzmq.so"));
    modules::copy("omczmq.so", &directory.path().join("omzmq.so"));
    let mut daemon = Config::new(
        r#"{feed}
        module(load="{ours}/imzmq.so")
        module(load="{ours}/omzmq.so")
        ruleset(name="back") { {receive} }
        input(type="imzmq" socktype="PULL" endpoints="@ipc://{dir}/loop.ipc" ruleset="back")
        action(type="omzmq" socktype="PUSH" endpoints=">ipc://{dir}/loop.ipc")"#,
    )
    .with("ours", directory.path().display())
    .start();
    daemon.feed(COUNT, 200);
    daemon.assert_received(COUNT);
    daemon.stop();
}

#[test]
fn a_name_that_tells_no_role_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("zmq.so");
    modules::copy("imczmq.so", &file);
    let check = check_config(Config::new(r#"module(load="{file}")"#).with("file", file.display()));
    assert_eq!(check.status.code(), Some(1), "{}", check.output);
    assert!(check.output.contains("\"zmq") || check.output.contains("zmq.so\""), "{}", check.output);
    assert!(check.output.contains("im") && check.output.contains("om"), "{}", check.output);
}

#[test]
fn one_file_loaded_twice_through_a_link_is_refused_and_the_first_works_on() {
    let directory = tempfile::tempdir().unwrap();
    modules::copy("imczmq.so", &directory.path().join("imczmq.so"));
    std::fs::hard_link(directory.path().join("imczmq.so"), directory.path().join("imzmq.so")).unwrap();
    let text = r#"{feed}
        module(load="{ours}/imczmq.so")
        module(load="{ours}/imzmq.so")
        input(type="imczmq" socktype="PULL" endpoints="@ipc://{dir}/in.ipc")
        {receive}"#;
    let config = || Config::new(text).with("ours", directory.path().display());
    let check = check_config(config());
    assert_eq!(check.status.code(), Some(1), "{}", check.output);
    let mut daemon: Daemon = config().start();
    daemon.feed(COUNT, 200);
    daemon.assert_received(COUNT);
    assert!(daemon.file("in.ipc").exists(), "the module loaded first does not listen");
    daemon.stop();
}
