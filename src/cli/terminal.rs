//! What may reach a terminal: printable text and our own colours, nothing a log record brings along.
#![forbid(unsafe_code)]

use std::fmt::Write;
use std::io::IsTerminal;

/// When to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Colour {
    /// On a terminal, unless `NO_COLOR` is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl Colour {
    /// Whether to colour what goes to `stream`.
    pub fn applies_to(self, stream: &impl IsTerminal) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            // https://no-color.org: set and not empty.
            Self::Auto => stream.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
        }
    }
}

/// Appends `bytes` with control characters, direction marks and invalid UTF-8 written as escapes. Tabs stay.
pub fn push_escaped(out: &mut Vec<u8>, bytes: &[u8]) {
    if bytes.iter().all(|byte| (b' '..=b'~').contains(byte) || *byte == b'\t') {
        out.extend_from_slice(bytes);
        return;
    }
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            if is_harmless(character) {
                out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            } else {
                out.extend(character.escape_default().map(|character| character as u8));
            }
        }
        for byte in chunk.invalid() {
            out.extend_from_slice(format!("\\x{byte:02x}").as_bytes());
        }
    }
}

/// The same as a `String`, for messages about things that came from elsewhere.
#[must_use]
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if is_harmless(character) {
            out.push(character);
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "{}", character.escape_default());
        }
    }
    out
}

/// Whether a character may be shown: control characters drive the terminal; direction marks make a text look like another one.
#[must_use]
pub fn is_harmless(character: char) -> bool {
    let drives = character.is_control() && character != '\t';
    let misleads =
        matches!(character, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
    !drives && !misleads
}

#[cfg(test)]
mod tests {
    use super::*;

    fn escape(bytes: &[u8]) -> String {
        let mut out = Vec::new();
        push_escaped(&mut out, bytes);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn printable_text_stays_as_it_is() {
        for text in ["plain", "tab\there", "grüße 日本語 🦀", ""] {
            assert_eq!(escape(text.as_bytes()), text);
            assert_eq!(escaped(text), text);
        }
    }

    #[test]
    fn what_could_drive_a_terminal_is_written_out() {
        assert_eq!(escape(b"\x1b[31mred\x07\r\n\x00\x7f"), "\\u{1b}[31mred\\u{7}\\r\\n\\u{0}\\u{7f}");
        assert_eq!(escape("\u{9b}31m\u{202e}abc\u{2066}".as_bytes()), "\\u{9b}31m\\u{202e}abc\\u{2066}");
        assert_eq!(escape(b"bad \xff\xc3 utf"), "bad \\xff\\xc3 utf");
        assert_eq!(escaped("\u{1b}x"), "\\u{1b}x");
    }
}
