//! The harness itself: a check that finds nothing would make every other test worthless.

mod support;

use std::panic::catch_unwind;
use std::path::Path;

use support::sequence::check;
use support::statistics::{all, last};
use support::{Certificates, Config, Daemon, Record, assert_sequences, check_config};

fn fails(lines: &[&str]) -> bool {
    catch_unwind(|| check("lines", lines, 3)).is_err()
}

#[test]
fn a_gap_a_duplicate_a_swap_and_a_short_end_are_found() {
    check("lines", &["00000000", "00000001", "00000002"], 3);
    assert!(fails(&["00000000", "00000002"]));
    assert!(fails(&["00000000", "00000001", "00000001", "00000002"]));
    assert!(fails(&["00000000", "00000002", "00000001"]));
    assert!(fails(&["00000000", "00000001"]));
    assert!(fails(&["00000000", "00000001", "00000002", "00000003"]));
    assert!(fails(&["00000000", "", "00000002"]));
}

#[test]
fn a_key_too_many_or_too_few_is_found() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("lines");
    std::fs::write(&file, "a 00000000\nb 00000000\na 00000001\nb 00000001\n").unwrap();
    let fails = |keys: &[&str]| catch_unwind(|| assert_sequences(&file, keys, 2)).is_err();
    assert!(!fails(&["b", "a"]));
    assert!(fails(&["a"]));
    assert!(fails(&["a", "b", "c"]));
    assert!(catch_unwind(|| assert_sequences(Path::new("/nonexistent"), &["a"], 2)).is_err());
}

#[test]
fn counters_are_found_by_object_and_whole_name() {
    let text = "Sun Nov 22 13:00:00 2026: omczmq(out): origin=omczmq sent=3 sent.all=9 \n\
                Sun Nov 22 13:00:01 2026: omczmq(out): origin=omczmq sent=4 sent.all=9 \n\
                Sun Nov 22 13:00:02 2026: omczmq(out): origin=omczmq sent=5";
    assert_eq!(all(text, "omczmq(out)", "sent"), [3, 4]);
    assert_eq!(last(text, "omczmq(out)", "sent.all"), Some(9));
    assert_eq!(last(text, "omczmq", "sent"), None);
}

#[test]
fn a_daemon_takes_what_it_is_fed_counts_it_and_ends() {
    let mut daemon = Daemon::start("{feed}\n{stats}\n{receive}");
    daemon.feeder().probe(Record::number(0));
    daemon.wait_for_text("probes", "99999999\n");
    daemon.feed(1000, 200);
    daemon.assert_received(1000);
    assert_eq!(daemon.wait_for_counter("main Q", "enqueued", |count| count > 1000) / 1000, 1);
    daemon.stop();
}

#[test]
fn a_bad_and_a_good_configuration_are_told_apart() {
    let bad = check_config(Config::new(r#"action(type="omfile" file="{dir}/received" nosuch="parameter")"#));
    assert_eq!(bad.status.code(), Some(1), "{}", bad.output);
    assert!(bad.output.contains("nosuch"), "{}", bad.output);
    let good = check_config(Config::new("{receive}"));
    assert_eq!(good.status.code(), Some(0), "{}", good.output);
}

#[test]
fn certificates_have_a_private_secret_half() {
    use std::os::unix::fs::PermissionsExt;
    let certificates = Certificates::new();
    let mode = |name: &str| std::fs::metadata(certificates.path(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("server_secret"), 0o600);
    let (public, secret) = certificates.keys("server");
    assert_eq!((public.len(), secret.len()), (40, 40));
    assert!(!std::fs::read_to_string(certificates.path("server")).unwrap().contains(&secret));
}
