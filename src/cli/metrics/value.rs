//! Numbers as log messages write them: with units, or without.
#![forbid(unsafe_code)]

use crate::cli::metrics::configuration::Unit;

/// Seconds, by what is written behind a number.
const SECONDS: [(&str, f64); 14] = [
    ("ns", 1e-9),
    ("us", 1e-6),
    ("µs", 1e-6),
    ("ms", 1e-3),
    ("msec", 1e-3),
    ("s", 1.0),
    ("sec", 1.0),
    ("secs", 1.0),
    ("second", 1.0),
    ("seconds", 1.0),
    ("m", 60.0),
    ("min", 60.0),
    ("h", 3600.0),
    ("d", 86400.0),
];

/// Bytes, likewise. `k` alone is 1000 and `K` alone 1024, as most programs mean them.
const BYTES: [(&str, f64); 19] = [
    ("B", 1.0),
    ("byte", 1.0),
    ("bytes", 1.0),
    ("k", 1e3),
    ("kB", 1e3),
    ("MB", 1e6),
    ("GB", 1e9),
    ("TB", 1e12),
    ("PB", 1e15),
    ("K", 1024.0),
    ("KB", 1024.0),
    ("KiB", 1024.0),
    ("M", 1048576.0),
    ("MiB", 1048576.0),
    ("G", 1073741824.0),
    ("GiB", 1073741824.0),
    ("T", 1099511627776.0),
    ("TiB", 1099511627776.0),
    ("PiB", 1125899906842624.0),
];

/// The number that a text is, in seconds, bytes or as a ratio where it has a unit. `None`: it is none, or has a unit that
/// is not `wanted`. Several parts (`1h2m3s`) are added up.
#[must_use]
pub fn parse_value(text: &[u8], wanted: Option<Unit>) -> Option<f64> {
    let mut rest = std::str::from_utf8(text).ok()?.trim();
    let mut sum = 0.0;
    let mut parts = 0;
    while !rest.is_empty() {
        let length = number_length(rest);
        let (number, after) = rest.split_at_checked(length)?;
        let number: f64 = number.parse().ok()?;
        let after = after.trim_start();
        let end = after.find(|c: char| c.is_ascii_digit() || c.is_whitespace()).unwrap_or(after.len());
        let (unit, after) = after.split_at_checked(end)?;
        let (unit, factor) = match unit {
            // A bare number is taken for what is wanted, but only by itself.
            "" if parts == 0 && after.is_empty() => (wanted, 1.0),
            "%" => (Some(Unit::Ratio), 0.01),
            unit => find(unit, wanted)?,
        };
        if parts > 0 && unit != Some(Unit::Seconds) || wanted.is_some() && unit != wanted {
            return None;
        }
        sum += number * factor;
        parts += 1;
        rest = after.trim_start();
    }
    (parts > 0 && sum.is_finite()).then_some(sum)
}

fn find(unit: &str, wanted: Option<Unit>) -> Option<(Option<Unit>, f64)> {
    let factor = |table: &[(&str, f64)]| table.iter().find(|(name, _)| *name == unit).map(|(_, factor)| *factor);
    let seconds = factor(&SECONDS).filter(|_| wanted != Some(Unit::Bytes)).map(|factor| (Some(Unit::Seconds), factor));
    seconds.or_else(|| factor(&BYTES).map(|factor| (Some(Unit::Bytes), factor)))
}

/// The length of a leading number. Not what `f64` alone takes: neither `inf` nor `nan`, which are no measurements.
fn number_length(text: &str) -> usize {
    let bytes = text.as_bytes();
    let digits = |from: usize| bytes.iter().skip(from).take_while(|byte| byte.is_ascii_digit()).count();
    let mut at = usize::from(matches!(bytes.first(), Some(b'+' | b'-')));
    at += digits(at);
    if bytes.get(at) == Some(&b'.') {
        at += 1 + digits(at + 1);
    }
    if matches!(bytes.get(at), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
        let exponent = digits(at + 1 + sign);
        if exponent > 0 {
            at += 1 + sign + exponent;
        }
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_with_and_without_units_are_read() {
        for (text, value) in [
            ("42", 42.0),
            ("-1.5e3", -1500.0),
            (" .5 ", 0.5),
            ("12ms", 0.012),
            ("250 µs", 0.00025),
            ("1h2m3.5s", 3723.5),
            ("1m 30s", 90.0),
            ("3.4 KiB", 3481.6),
            ("2kB", 2000.0),
            ("10M", 10485760.0),
            ("1 GB", 1e9),
            ("85%", 0.85),
            ("7 bytes", 7.0),
        ] {
            let found = parse_value(text.as_bytes(), None).unwrap_or(f64::NAN);
            assert!((found - value).abs() <= 1e-9 * value.abs(), "{text}: {found}");
        }
    }

    #[test]
    fn what_is_no_number_or_has_another_unit_is_refused() {
        for text in
            ["", "-", "x", "nan", "inf", "1e999", "1.2.3", "12 parsecs", "1 2", "1KiB 2KiB", "0x10", "1,5", "\u{0}"]
        {
            assert_eq!(parse_value(text.as_bytes(), None), None, "{text}");
        }
        assert_eq!(parse_value(b"\xff1", None), None);
        assert_eq!(parse_value(b"12ms", Some(Unit::Bytes)), None);
        assert_eq!(parse_value(b"1KiB", Some(Unit::Seconds)), None);
        assert_eq!(parse_value(b"12", Some(Unit::Seconds)), Some(12.0));
        assert_eq!(parse_value(b"5m", Some(Unit::Seconds)), Some(300.0));
        assert_eq!(parse_value(b"85%", Some(Unit::Ratio)), Some(0.85));
    }
}
