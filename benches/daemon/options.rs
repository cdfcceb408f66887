//! The command line.

use std::str::FromStr;

use crate::failure::{Failure, Result};

pub const HELP: &str = "\
cargo bench --bench daemon -- [options]

  --pairs N          rounds; in each, everybody of a group is measured once (5)
  --messages N       log messages per measurement (1000000)
  --only A,B         cases (all): push push-packed push-curve push-curve-packed pub pub3 pub3-stuck
                     pub-dynatopic2 pub-dynatopic2-packed latency pull pull-packed pull-curve pull-curve-packed sub
                     sender sender-curve
  --senders A,B      senders of the input cases
  --sizes A,B        message sizes of the input cases, in bytes; without either: 1, 4 and 16 senders of 200 bytes,
                     and 60 and 2000 bytes from one
  --latency-seconds N  length of one latency measurement (5)
  --keep             keep the private directories, and say where they are
";

/// Every case that `--only` knows.
const CASES: [&str; 17] = [
    "push",
    "push-packed",
    "push-curve",
    "push-curve-packed",
    "pub",
    "pub3",
    "pub3-stuck",
    "pub-dynatopic2",
    "pub-dynatopic2-packed",
    "latency",
    "pull",
    "pull-packed",
    "pull-curve",
    "pull-curve-packed",
    "sub",
    "sender",
    "sender-curve",
];

#[derive(Clone, Debug)]
pub struct Options {
    pub pairs: usize,
    pub messages: u64,
    pub only: Vec<String>,
    /// Senders and size of each input case.
    pub shapes: Vec<(usize, usize)>,
    pub latency_seconds: u64,
    pub keeps_directories: bool,
}

impl Options {
    /// `None`: help was asked for.
    pub fn from_arguments(arguments: impl Iterator<Item = String>) -> Result<Option<Self>> {
        let mut options = Self {
            pairs: 5,
            messages: 1_000_000,
            only: Vec::new(),
            shapes: Vec::new(),
            latency_seconds: 5,
            keeps_directories: false,
        };
        let (mut senders, mut sizes) = (Vec::new(), Vec::new());
        let mut arguments = arguments;
        while let Some(name) = arguments.next() {
            match name.as_str() {
                // Cargo's own.
                "--bench" => continue,
                "--help" | "-h" => return Ok(None),
                "--keep" => {
                    options.keeps_directories = true;
                    continue;
                }
                _ => {}
            }
            let value = arguments.next().ok_or_else(|| Failure::Other(format!("{name} needs a value")))?;
            match name.as_str() {
                "--pairs" => options.pairs = number(&name, &value)?,
                "--messages" => options.messages = number(&name, &value)?,
                "--latency-seconds" => options.latency_seconds = number(&name, &value)?,
                "--only" => options.only.extend(cases(&value)?),
                "--senders" => senders = numbers(&name, &value)?,
                "--sizes" => sizes = numbers(&name, &value)?,
                _ => return Err(Failure::Other(format!("there is no option {name}; see --help"))),
            }
        }
        options.shapes = shapes(&senders, &sizes);
        Ok(Some(options))
    }

    /// Whether a case is to be measured.
    pub fn wants(&self, case: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|word| word == case)
    }
}

fn words(list: &str) -> Vec<String> {
    list.split(',').map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

fn cases(list: &str) -> Result<Vec<String>> {
    let words = words(list);
    match words.iter().find(|word| !CASES.contains(&word.as_str())) {
        Some(word) => Err(Failure::Other(format!("--only \"{word}\" is not one of {}", CASES.join(", ")))),
        None => Ok(words),
    }
}

fn number<T: FromStr + PartialEq + Default>(name: &str, value: &str) -> Result<T> {
    let parsed = value.parse().ok().filter(|number| *number != T::default());
    parsed.ok_or_else(|| Failure::Other(format!("{name} \"{value}\" is not a number above 0")))
}

fn numbers(name: &str, list: &str) -> Result<Vec<usize>> {
    words(list).iter().map(|word| number(name, word)).collect()
}

fn shapes(senders: &[usize], sizes: &[usize]) -> Vec<(usize, usize)> {
    if senders.is_empty() && sizes.is_empty() {
        return vec![(1, 200), (4, 200), (16, 200), (1, 60), (1, 2000)];
    }
    let senders = if senders.is_empty() { &[1] } else { senders };
    let sizes = if sizes.is_empty() { &[200] } else { sizes };
    sizes.iter().flat_map(|&size| senders.iter().map(move |&senders| (senders, size))).collect()
}
