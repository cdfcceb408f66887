//! Reading the documentation and the sources' texts.

use std::path::{Path, PathBuf};

/// The documents whose links are checked.
pub fn documents(top: &Path) -> Vec<PathBuf> {
    let markdown = |directory: PathBuf| {
        let entries = std::fs::read_dir(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
        entries.map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_some_and(|end| end == "md"))
    };
    let mut documents: Vec<PathBuf> =
        ["", "docs", "packaging"].iter().flat_map(|directory| markdown(top.join(directory))).collect();
    documents.sort();
    documents
}

/// The targets of a document's links, `[text](target)`, outside of fenced blocks.
pub fn links(text: &str) -> impl Iterator<Item = String> {
    let mut is_fenced = false;
    let prose: Vec<&str> = text
        .lines()
        .filter(|line| {
            let is_fence = line.starts_with("```");
            is_fenced ^= is_fence;
            !is_fenced && !is_fence
        })
        .collect();
    let targets: Vec<String> = prose
        .join("\n")
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split_once(')').map(|(target, _)| target.to_owned()))
        .collect();
    targets.into_iter()
}

/// The name by which a heading is linked to.
pub fn slug(heading: &str) -> String {
    let kept = heading.trim_start_matches('#').trim().to_lowercase();
    kept.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c)).map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// What shows that a quoted line is really said.
pub enum Proof {
    /// `rsyslogd -N1` on this configuration.
    Configuration(String),
    /// The program with these arguments.
    Program(String),
    /// A running rsyslogd, in the situation that the test brings about.
    Daemon,
    /// It is put together from texts in the sources.
    Sources,
}

/// A quoted line.
pub struct Entry {
    /// How it is proved.
    pub proof: Proof,
    /// The line.
    pub line: String,
}

/// Every fenced block of a page; each has a comment in front that says how it is proved.
pub fn entries(page: &str) -> Vec<Entry> {
    let lines: Vec<&str> = page.lines().collect();
    let fences: Vec<usize> = (0..lines.len()).filter(|&at| lines[at].starts_with("```")).collect();
    fences
        .chunks(2)
        .map(|fence| {
            let (from, to) = (fence[0], fence[1]);
            let comment = lines[from - 1].strip_prefix("<!-- ").and_then(|rest| rest.strip_suffix(" -->"));
            let comment = comment.unwrap_or_else(|| panic!("line {from}: no comment in front of {}", lines[from + 1]));
            let proof = match comment.split_once(": ") {
                Some(("config", text)) => Proof::Configuration(text.to_owned()),
                Some(("program", arguments)) => Proof::Program(arguments.to_owned()),
                _ if comment == "daemon" => Proof::Daemon,
                _ if comment == "source" => Proof::Sources,
                _ => panic!("line {from}: {comment:?} is no proof"),
            };
            assert_eq!(to - from, 2, "line {from}: one line a block");
            Entry { proof, line: lines[from + 1].to_owned() }
        })
        .collect()
}

/// The text of every source file.
pub fn sources(directory: &Path) -> String {
    let mut text = String::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            text += &sources(&path);
        } else if path.extension().is_some_and(|end| end == "rs") {
            text += &std::fs::read_to_string(&path).unwrap();
        }
    }
    text
}

/// The parts of a format string that are the same in everything made with it.
pub struct FixedParts(Vec<String>);

impl FixedParts {
    /// How many characters of the line are these parts, if it has all of them in this order.
    pub fn within(&self, line: &str) -> Option<usize> {
        let mut rest = line;
        for part in &self.0 {
            rest = rest.split_once(part.as_str())?.1;
        }
        Some(self.0.iter().map(|part| part.chars().count()).sum())
    }
}

/// Every string literal of Rust sources, without its holes.
pub fn fixed_parts_of_literals(text: &str) -> Vec<FixedParts> {
    let mut literals = Vec::new();
    let mut characters = text.chars().peekable();
    let mut previous = ' ';
    while let Some(character) = characters.next() {
        // Comments may have a single quotation mark, and '"' is one.
        if character == '/' && characters.peek() == Some(&'/') {
            characters.by_ref().find(|c| *c == '\n');
        } else if character == '"' && previous != '\'' {
            let mut literal = String::new();
            while let Some(inside) = characters.next() {
                match inside {
                    '"' => break,
                    '\\' => match characters.next() {
                        Some('\n') => while characters.next_if(|c| c.is_whitespace()).is_some() {},
                        Some(escaped) => literal.push(escaped),
                        None => {}
                    },
                    other => literal.push(other),
                }
            }
            literals.push(without_holes(&literal));
        }
        previous = character;
    }
    literals
}

fn without_holes(literal: &str) -> FixedParts {
    let mut parts = Vec::new();
    let mut rest = literal;
    while let Some((before, hole)) = rest.split_once('{') {
        parts.push(before.to_owned());
        rest = hole.split_once('}').map_or("", |(_, after)| after);
    }
    parts.push(rest.to_owned());
    parts.retain(|part| !part.is_empty());
    FixedParts(parts)
}

#[test]
fn literals_are_found_with_their_holes_escapes_and_continued_lines() {
    let source =
        "// it's \"nothing\"\nlet a = format!(\"{name}: \\\"{x:?}\\\" is \\\n    not\"); b('\"'); c(\"second one\");";
    let literals = fixed_parts_of_literals(source);
    let parts: Vec<&[String]> = literals.iter().map(|literal| literal.0.as_slice()).collect();
    assert_eq!(parts, [&[": \"".to_owned(), "\" is not".to_owned()][..], &["second one".to_owned()]]);
    assert_eq!(literals[0].within("me: \"that\" is not it"), Some(11));
    assert_eq!(literals[0].within("me: \"that\" is"), None);
}
