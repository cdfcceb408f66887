//! ZPL, the ZeroMQ Property Language (RFC 4), as CZMQ writes it (zconfig.c): pure, bytes in and a tree out.
//!
//! Four spaces to a level, `name`, `name = value`, `name = "value"`, `name = 'value'`, `#` comments. One thing differs
//! from CZMQ on purpose: in an unquoted value a `#` begins a comment only after white space. CZMQ cuts there always,
//! although `#` is a legal character of a key in Z85, and then works on with half a key.

use thiserror::Error;
use zeroize::Zeroizing;

/// The longest text that is read or written: 64 KiB. Certificates take less than one.
pub const SIZE_LIMIT: usize = 64 * 1024;

const INDENT: usize = 4;

/// Why a text is no ZPL. Lines and columns (in bytes) count from 1; the text itself is never quoted, it may be a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ZplError {
    /// Longer than [`SIZE_LIMIT`].
    #[error("longer than {SIZE_LIMIT} bytes")]
    TooLarge,
    /// A line that cannot be read.
    #[error("line {line}, column {column}: {problem}")]
    Syntax {
        /// Counted from 1.
        line: usize,
        /// In bytes, counted from 1.
        column: usize,
        /// What is wrong there.
        problem: Problem,
    },
}

/// What is wrong with a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[allow(missing_docs)] // Each is its message.
#[non_exhaustive]
pub enum Problem {
    #[error("the indentation is not a multiple of {INDENT} spaces")]
    Indentation,
    #[error("indented with a tab; expected {INDENT} spaces to a level")]
    Tab,
    #[error("indented deeper than one level below the line above")]
    NoParent,
    #[error("expected a name made of letters, digits and $ - _ @ . & + /")]
    Name,
    #[error("a name neither begins nor ends with /")]
    Slash,
    #[error("expected =, # or the end of the line after the name")]
    AfterName,
    #[error("the quote opened here is not closed on this line")]
    OpenQuote,
    #[error("expected # or the end of the line after the closing quote")]
    AfterQuote,
    #[error("a control character, which no certificate has")]
    Control,
}

/// A name, what was given as its value, and what is indented below it.
#[derive(Debug)]
pub struct Item {
    /// Letters, digits and `$-_@.&+/`.
    pub name: String,
    /// `None` for a line that is only a name.
    pub value: Option<Value>,
    /// The items one level deeper.
    pub children: Vec<Item>,
    /// The line it stands on, counted from 1.
    pub line: usize,
}

/// A value; wiped when dropped, because it may be a secret key.
pub struct Value {
    text: Zeroizing<String>,
    first_word: Option<Zeroizing<String>>,
}

impl Value {
    /// The value without its quotes, or an unquoted value up to its comment. Bytes that are no UTF-8 are replaced.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What to read where a key is expected: a quoted value as it is; of an unquoted one everything up to the first
    /// white space, with any `#`, so that a key is whole or has a wrong length, but is never cut.
    #[must_use]
    pub fn as_key_text(&self) -> &str {
        self.first_word.as_ref().unwrap_or(&self.text)
    }
}

impl std::fmt::Debug for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Value(..)")
    }
}

/// Reads a text into its top-level items.
pub fn parse(text: &[u8]) -> Result<Vec<Item>, ZplError> {
    if text.len() > SIZE_LIMIT {
        return Err(ZplError::TooLarge);
    }
    let mut items = Vec::new();
    for (index, raw) in text.split(|byte| *byte == b'\n').enumerate() {
        let line = index + 1;
        let failed = |(offset, problem)| ZplError::Syntax { line, column: offset + 1, problem };
        if let Some((level, item)) = parse_line(raw.trim_ascii_end(), line).map_err(failed)? {
            let siblings = children_at(&mut items, level).ok_or_else(|| failed((0, Problem::NoParent)))?;
            siblings.push(item);
        }
    }
    Ok(items)
}

/// The list that an item of this level belongs to: below the last item of each level above it.
fn children_at(items: &mut Vec<Item>, level: usize) -> Option<&mut Vec<Item>> {
    let mut list = items;
    for _ in 0..level {
        list = &mut list.last_mut()?.children;
    }
    Some(list)
}

type LineError = (usize, Problem);

fn parse_line(line: &[u8], number: usize) -> Result<Option<(usize, Item)>, LineError> {
    if let Some(offset) = line.iter().position(|byte| byte.is_ascii_control() && *byte != b'\t') {
        return Err((offset, Problem::Control));
    }
    let start = line.iter().take_while(|byte| **byte == b' ').count();
    match line.get(start) {
        None => return Ok(None),
        // A comment may stand anywhere, also after tabs.
        Some(_) if line.trim_ascii_start().starts_with(b"#") => return Ok(None),
        Some(b'\t') => return Err((start, Problem::Tab)),
        Some(_) if start % INDENT != 0 => return Err((start, Problem::Indentation)),
        Some(_) => {}
    }
    let length = line[start..].iter().take_while(|byte| is_name_byte(**byte)).count();
    let after = start + length;
    let name = &line[start..after];
    if name.is_empty() {
        return Err((start, Problem::Name));
    }
    if name.starts_with(b"/") || name.ends_with(b"/") {
        return Err((start, Problem::Slash));
    }
    let sign = after + leading_white_space(&line[after..]);
    let value = match line.get(sign) {
        None | Some(b'#') => None,
        Some(b'=') => Some(parse_value(line, sign + 1)?),
        Some(_) => return Err((sign, Problem::AfterName)),
    };
    let name = String::from_utf8_lossy(name).into_owned();
    Ok(Some((start / INDENT, Item { name, value, children: Vec::new(), line: number })))
}

fn parse_value(line: &[u8], after_sign: usize) -> Result<Value, LineError> {
    let start = after_sign + leading_white_space(&line[after_sign..]);
    let rest = &line[start..];
    if let Some(quote @ (b'"' | b'\'')) = rest.first() {
        let length = rest[1..].iter().position(|byte| byte == quote).ok_or((start, Problem::OpenQuote))?;
        let end = start + length + 2;
        let next = end + leading_white_space(&line[end..]);
        return match line.get(next) {
            None | Some(b'#') => Ok(Value { text: owned(&rest[1..=length]), first_word: None }),
            Some(_) => Err((next, Problem::AfterQuote)),
        };
    }
    let comment = (0..rest.len()).find(|at| rest[*at] == b'#' && (*at == 0 || rest[at - 1].is_ascii_whitespace()));
    let text = rest[..comment.unwrap_or(rest.len())].trim_ascii_end();
    let word = rest.split(u8::is_ascii_whitespace).next().unwrap_or_default();
    Ok(Value { text: owned(text), first_word: Some(owned(word)) })
}

fn owned(bytes: &[u8]) -> Zeroizing<String> {
    Zeroizing::new(String::from_utf8_lossy(bytes).into_owned())
}

fn leading_white_space(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| byte.is_ascii_whitespace()).count()
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"$-_@.&+/".contains(&byte)
}

/// Whether [`Writer`] can write this as a name.
#[must_use]
pub fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(is_name_byte) && !name.starts_with('/') && !name.ends_with('/')
}

/// Why something cannot be written as ZPL.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum WriteError {
    /// A name with other characters.
    #[error("{0:?} is not a name made of letters, digits and $ - _ @ . & + /")]
    Name(String),
    /// ZPL knows no escapes.
    #[error("the value of {0:?} has a control character or both kinds of quotes, which ZPL cannot hold")]
    Value(String),
    /// The whole would not be read again.
    #[error("longer than {SIZE_LIMIT} bytes")]
    TooLarge,
}

/// Writes ZPL as CZMQ does. The text is wiped when dropped.
#[derive(Default)]
pub struct Writer {
    text: Zeroizing<String>,
}

impl Writer {
    /// An empty text.
    #[must_use]
    pub fn new() -> Self {
        // All the room there may ever be: a growing string would leave copies of a secret behind.
        Self { text: Zeroizing::new(String::with_capacity(SIZE_LIMIT)) }
    }

    fn push_line(&mut self, parts: &[&str]) -> Result<(), WriteError> {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        if self.text.len() + length + 1 > SIZE_LIMIT {
            return Err(WriteError::TooLarge);
        }
        parts.iter().for_each(|part| self.text.push_str(part));
        self.text.push('\n');
        Ok(())
    }

    /// A comment line, or an empty line for an empty comment.
    pub fn comment(&mut self, comment: &str) -> Result<(), WriteError> {
        let sign = if comment.is_empty() { "" } else { "#   " };
        self.push_line(&[sign, comment])
    }

    /// A name on the top level, for what is indented below it.
    pub fn section(&mut self, name: &str) -> Result<(), WriteError> {
        if !is_name(name) {
            return Err(WriteError::Name(name.to_owned()));
        }
        self.push_line(&[name])
    }

    /// A property one level below the last section, always quoted.
    pub fn property(&mut self, name: &str, value: &str) -> Result<(), WriteError> {
        if !is_name(name) {
            return Err(WriteError::Name(name.to_owned()));
        }
        let quote = if value.contains('"') { "'" } else { "\"" };
        if value.contains(quote) || value.contains(|c: char| c.is_control()) {
            return Err(WriteError::Value(name.to_owned()));
        }
        self.push_line(&["    ", name, " = ", quote, value, quote])
    }

    /// The text so far.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Writer({} bytes)", self.text.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only_value(text: &str) -> String {
        parse(text.as_bytes()).unwrap()[0].value.as_ref().unwrap().as_str().to_owned()
    }

    fn error_of(text: &str) -> (usize, usize, Problem) {
        match parse(text.as_bytes()).unwrap_err() {
            ZplError::Syntax { line, column, problem } => (line, column, problem),
            ZplError::TooLarge => panic!("too large"),
        }
    }

    #[test]
    fn the_tree_follows_the_indentation() {
        let text = "#  head\n\nmetadata\n    name = \"Alice\" # me\n    empty = \"\"\r\ncurve\n    public-key = 'k'\n\
                    deep = 1\n    a\n        b = c d  \n    e\n   # odd comment";
        let items = parse(text.as_bytes()).unwrap();
        let names: Vec<_> = items.iter().map(|item| (item.name.as_str(), item.line, item.children.len())).collect();
        assert_eq!(names, [("metadata", 3, 2), ("curve", 6, 1), ("deep", 8, 2)]);
        assert_eq!(items[0].children[0].value.as_ref().unwrap().as_str(), "Alice");
        assert_eq!(items[0].children[1].value.as_ref().unwrap().as_str(), "");
        assert_eq!(items[2].children[0].children[0].value.as_ref().unwrap().as_str(), "c d");
        assert!(items[2].children[1].value.is_none());
        assert!(parse(b"").unwrap().is_empty());
    }

    #[test]
    fn c9_a_hash_never_cuts_a_word() {
        assert_eq!(only_value("a = b#c # d"), "b#c");
        assert_eq!(only_value("a = # d"), "");
        assert_eq!(only_value("a = \"b # c\" # d"), "b # c");
        let items = parse(b"a = #b=c# # d\nb = 'x # y'").unwrap();
        assert_eq!(items[0].value.as_ref().unwrap().as_key_text(), "#b=c#");
        assert_eq!(items[1].value.as_ref().unwrap().as_key_text(), "x # y");
    }

    #[test]
    fn errors_name_their_line_and_column() {
        assert_eq!(error_of("a\n   b"), (2, 4, Problem::Indentation));
        assert_eq!(error_of("a\n\tb"), (2, 1, Problem::Tab));
        assert_eq!(error_of("a\n        b"), (2, 1, Problem::NoParent));
        assert_eq!(error_of("    b"), (1, 1, Problem::NoParent));
        assert_eq!(error_of("\u{feff}a"), (1, 1, Problem::Name));
        assert_eq!(error_of("= b"), (1, 1, Problem::Name));
        assert_eq!(error_of("/a = b"), (1, 1, Problem::Slash));
        assert_eq!(error_of("a/ = b"), (1, 1, Problem::Slash));
        assert_eq!(error_of("a b"), (1, 3, Problem::AfterName));
        assert_eq!(error_of("a = \"b"), (1, 5, Problem::OpenQuote));
        assert_eq!(error_of("a = \"b' c"), (1, 5, Problem::OpenQuote));
        assert_eq!(error_of("a = \"b\" c"), (1, 9, Problem::AfterQuote));
        assert_eq!(error_of("a = b\0c"), (1, 6, Problem::Control));
        assert_eq!(error_of("a = b\rc = d"), (1, 6, Problem::Control));
        assert_eq!(error_of("a\n   b").2.to_string(), "the indentation is not a multiple of 4 spaces");
    }

    #[test]
    fn more_than_64_kib_are_refused() {
        assert_eq!(parse(&vec![b'#'; SIZE_LIMIT + 1]).unwrap_err(), ZplError::TooLarge);
        assert!(parse(&vec![b'#'; SIZE_LIMIT]).unwrap().is_empty());
    }

    #[test]
    fn bytes_that_are_no_utf8_do_not_lock_anybody_out() {
        let items = parse(b"# \xff\nname = \"M\xfcller\"").unwrap();
        assert_eq!(items[0].value.as_ref().unwrap().as_str(), "M\u{fffd}ller");
    }

    #[test]
    fn what_the_writer_writes_the_reader_reads() {
        let mut writer = Writer::new();
        writer.comment("head").unwrap();
        writer.comment("").unwrap();
        writer.section("metadata").unwrap();
        writer.property("name", "O'Neill # 1").unwrap();
        writer.property("motto", "say \"hi\"").unwrap();
        assert_eq!(writer.as_str(), "#   head\n\nmetadata\n    name = \"O'Neill # 1\"\n    motto = 'say \"hi\"'\n");
        let items = parse(writer.as_str().as_bytes()).unwrap();
        let values: Vec<_> =
            items[0].children.iter().filter_map(|item| item.value.as_ref()).map(Value::as_str).collect();
        assert_eq!(values, ["O'Neill # 1", "say \"hi\""]);
    }

    #[test]
    fn what_cannot_be_read_again_is_not_written() {
        let mut writer = Writer::new();
        assert_eq!(writer.property("a b", "c").unwrap_err(), WriteError::Name("a b".into()));
        assert_eq!(writer.section("").unwrap_err(), WriteError::Name(String::new()));
        assert_eq!(writer.property("a", "'\"").unwrap_err(), WriteError::Value("a".into()));
        assert_eq!(writer.property("a", "b\nsecret-key = c").unwrap_err(), WriteError::Value("a".into()));
        assert_eq!(writer.property("a", &"x".repeat(SIZE_LIMIT)).unwrap_err(), WriteError::TooLarge);
        assert_eq!(writer.as_str(), "");
    }

    #[test]
    fn values_are_never_debugged() {
        let shown = format!("{:?}", parse(b"secret-key = \"hush\"").unwrap());
        assert!(!shown.contains("hush"), "{shown}");
    }
}
