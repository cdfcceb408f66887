//! The documentation's parameter tables are the code's. `UPDATE_README=1 cargo test --test readme` writes them anew.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

mod readme_support;

use std::collections::BTreeMap;
use std::path::Path;

use readme_support::{example, markdown, tables};
use rsyslog_zmq::host::parameters::Scope;

const HINT: &str = "is out of step with the code: run UPDATE_README=1 cargo test --test readme";

/// Replaces what stands between the markers of a table.
fn with_table(document: &str, text: &str, scope: &Scope) -> String {
    let begin = format!("<!-- parameters: {} -->\n", scope.name);
    let (before, rest) = text.split_once(&begin).unwrap_or_else(|| panic!("{document} lacks {begin}"));
    let (_, after) = rest.split_once("<!-- end -->").unwrap_or_else(|| panic!("{document}: {begin} has no end"));
    format!("{before}{begin}{}<!-- end -->{after}", markdown(scope))
}

#[test]
fn the_parameter_tables_are_in_step_with_the_code() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut documents: BTreeMap<&str, String> = BTreeMap::new();
    for (document, scope) in tables() {
        let text = documents.entry(document).or_insert_with(|| {
            std::fs::read_to_string(top.join(document)).unwrap_or_else(|e| panic!("{document}: {e}"))
        });
        *text = with_table(document, text, scope);
    }
    for (document, expected) in documents {
        let path = top.join(document);
        if std::env::var_os("UPDATE_README").is_some() {
            std::fs::write(path, &expected).unwrap();
        } else {
            assert!(std::fs::read_to_string(path).unwrap() == expected, "{document} {HINT}");
        }
    }
}

#[test]
fn every_parameter_has_a_name_a_meaning_and_an_example_that_is_accepted() {
    for (_, scope) in tables() {
        let mut names: Vec<&str> = scope.all().map(|parameter| parameter.name).collect();
        let required: Vec<(&str, &str)> = scope
            .all()
            .filter(|parameter| parameter.is_required)
            .map(|parameter| (parameter.name, example(scope, parameter).unwrap_or_default()))
            .collect();
        for parameter in scope.all() {
            let place = format!("{} of {}", parameter.name, scope.name);
            assert_eq!(parameter.name, parameter.name.to_lowercase(), "{place}");
            assert!(!parameter.help.is_empty(), "{place} has no help");
            let value = example(scope, parameter)
                .unwrap_or_else(|| panic!("{place} has no example: tests/readme_support/examples.rs takes one"));
            let others = required.iter().filter(|(name, _)| *name != parameter.name).copied();
            let checked = scope.check(others.chain([(parameter.name, value)]));
            assert!(checked.is_ok(), "{place}: {checked:?}");
        }
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), scope.all().count(), "a name stands twice in {}", scope.name);
    }
}
