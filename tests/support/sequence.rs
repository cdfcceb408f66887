//! Whether everything arrived, once and in order.

use std::collections::BTreeMap;
use std::path::Path;

use super::daemon::read;

/// Digits of a record's number.
pub const WIDTH: usize = 8;

/// Fails unless `file` holds the numbers 0..count, one a line, each once and in order.
pub fn assert_sequence(file: &Path, count: usize) {
    let text = read(file);
    check(&file.display().to_string(), &text.lines().collect::<Vec<_>>(), count);
}

/// Fails unless `file` holds, for each of `keys` and no other, the lines `KEY NUMBER` with the numbers 0..count, each once
/// and in order.
pub fn assert_sequences(file: &Path, keys: &[&str], count: usize) {
    let text = read(file);
    let mut found: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for line in text.lines() {
        let (key, number) = line.split_once(' ').unwrap_or((line, ""));
        found.entry(key).or_default().push(number);
    }
    let mut wanted = keys.to_vec();
    wanted.sort_unstable();
    assert_eq!(found.keys().copied().collect::<Vec<_>>(), wanted, "{}", file.display());
    for (key, numbers) in found {
        check(&format!("{key} in {}", file.display()), &numbers, count);
    }
}

/// Fails unless `lines` are the numbers 0..count in order.
pub fn check(what: &str, lines: &[&str], count: usize) {
    let wrong = lines.iter().enumerate().find(|(index, line)| line.parse() != Ok(*index));
    if let Some((index, line)) = wrong {
        panic!("{what}: {line:?} stands where {index:08} belongs ({} of {count} lines)", lines.len());
    }
    assert_eq!(lines.len(), count, "{what}: lines");
}

/// The texts (template `text`) of the records 0..count, with something in front.
pub fn texts(count: usize, prefix: &str) -> Vec<String> {
    (0..count).map(|number| format!("{prefix} {number:08}")).collect()
}
