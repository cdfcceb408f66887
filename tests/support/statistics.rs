//! Reading what impstats writes: `DATE: OBJECT: origin=ORIGIN counter=value ..`, one line an object.

/// The last value of an object's counter.
pub fn last(text: &str, object: &str, counter: &str) -> Option<u64> {
    all(text, object, counter).pop()
}

/// Every value of an object's counter, the oldest first.
pub fn all(text: &str, object: &str, counter: &str) -> Vec<u64> {
    let start = format!(" {object}: origin=");
    // A line still being written has no newline yet.
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    whole
        .lines()
        .filter_map(|line| Some(line.split_once(&start)?.1))
        .filter_map(|counters| {
            counters.split_whitespace().find_map(|pair| pair.strip_prefix(counter)?.strip_prefix('='))
        })
        .map(|value| value.parse().unwrap())
        .collect()
}
