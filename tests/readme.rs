//! The README's parameter tables are the code's. `UPDATE_README=1 cargo test --test readme` writes them anew.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

use rsyslog_zmq::host::parameters::Scope;
use rsyslog_zmq::modules;

/// Replaces what stands between the markers of a table.
fn with_table(readme: &str, scope: &Scope) -> String {
    let begin = format!("<!-- parameters: {} -->\n", scope.name);
    let (before, rest) = readme.split_once(&begin).unwrap_or_else(|| panic!("README.md lacks {begin}"));
    let (_, after) = rest.split_once("<!-- end -->").unwrap();
    format!("{before}{begin}{}<!-- end -->{after}", scope.markdown())
}

#[test]
fn the_parameter_tables_are_in_step_with_the_code() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    let readme = std::fs::read_to_string(path).unwrap();
    let scopes =
        [&modules::settings::MODULE_SCOPE, &modules::imczmq::settings::SCOPE, &modules::omczmq::settings::SCOPE];
    let expected = scopes.iter().fold(readme.clone(), |text, scope| with_table(&text, scope));
    if std::env::var_os("UPDATE_README").is_some() {
        std::fs::write(path, &expected).unwrap();
        return;
    }
    assert!(readme == expected, "README.md is out of step: run UPDATE_README=1 cargo test --test readme");
}

#[test]
fn every_parameter_has_a_name_a_meaning_and_a_default() {
    for scope in
        [&modules::settings::MODULE_SCOPE, &modules::imczmq::settings::SCOPE, &modules::omczmq::settings::SCOPE]
    {
        let mut names: Vec<&str> = scope.all().map(|parameter| parameter.name).collect();
        for parameter in scope.all() {
            assert_eq!(parameter.name, parameter.name.to_lowercase(), "{}", scope.name);
            assert!(!parameter.help.is_empty(), "{} of {} has no help", parameter.name, scope.name);
        }
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), scope.all().count(), "a name stands twice in {}", scope.name);
    }
}
