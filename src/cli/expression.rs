//! Regular expressions that people write, with errors on one line.
#![forbid(unsafe_code)]

use regex::bytes::{Regex, RegexSet};

/// An expression that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{pattern:?} is not a regular expression: {reason}")]
pub struct ExpressionError {
    pattern: String,
    reason: String,
}

/// Compiles one.
pub fn compile(pattern: &str) -> Result<Regex, ExpressionError> {
    Regex::new(pattern).map_err(|error| {
        let text = error.to_string();
        // The parser draws where the mistake is, over several lines; the last one says what it is.
        let last = text.lines().last().unwrap_or_default();
        let reason = last.strip_prefix("error: ").unwrap_or(last).to_owned();
        ExpressionError { pattern: pattern.to_owned(), reason }
    })
}

/// Compiles several, which match where any of them does; none is `None`.
pub fn compile_set(patterns: &[String]) -> Result<Option<RegexSet>, ExpressionError> {
    for pattern in patterns {
        compile(pattern)?;
    }
    if patterns.is_empty() {
        return Ok(None);
    }
    let too_large = |error: regex::Error| ExpressionError { pattern: patterns.join("|"), reason: error.to_string() };
    RegexSet::new(patterns).map(Some).map_err(too_large)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_an_expression_is_one_line() {
        let error = compile("(a").unwrap_err().to_string();
        assert_eq!(error, "\"(a\" is not a regular expression: unclosed group");
        let error = compile("a{999999999}").unwrap_err().to_string();
        assert!(!error.contains('\n') && error.len() > 40, "{error}");
        let error = compile_set(&["ok".to_owned(), "[".to_owned()]).unwrap_err().to_string();
        assert!(error.starts_with("\"[\" is not"), "{error}");
        assert!(compile_set(&[]).unwrap().is_none());
    }
}
