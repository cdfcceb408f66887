//! Lengths of time on the command line and in configurations.
#![forbid(unsafe_code)]

use std::time::Duration;

use jiff::{Span, SpanRelativeTo};

/// `500ms`, `30s`, `1h 30m`, `365d` and the like (jiff's friendly format, and ISO 8601's), or seconds. A day has 24 hours.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().map(Duration::from_secs).map_err(|_| expected());
    }
    let span: Span = text.parse().map_err(|_| expected())?;
    let duration = span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|_| expected())?;
    Duration::try_from(duration).map_err(|_| expected())
}

fn expected() -> String {
    "expected a number with ms, s, m, h or d, for example 30s".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units() {
        for (text, milliseconds) in [
            ("500ms", 500),
            ("30s", 30_000),
            ("5m", 300_000),
            ("2h", 7_200_000),
            ("1d", 86_400_000),
            ("7", 7_000),
            ("0", 0),
            ("0s", 0),
            ("1w", 604_800_000),
            ("1.5s", 1_500),
            ("1 s", 1_000),
            ("1h30m", 5_400_000),
            ("1h 30m", 5_400_000),
            ("5 minutes", 300_000),
            ("365d", 31_536_000_000),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
        for text in
            ["", "s", "1x", "5M", "1mo", "1y", "-1s", "1s ago", "99999999999999999999s", "18446744073709551615h"]
        {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }
}
