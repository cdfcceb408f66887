//! Until when a certificate is meant to be used: a line of metadata, `expires`, which `cert verify` looks at.
//!
//! CurveZMQ has no notion of it, and neither has any authenticator: an expired key is admitted until its file is removed.
#![forbid(unsafe_code)]

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::cli::duration::parse_duration;
use crate::curve::certificate::Certificate;

/// The name of the metadata.
pub const NAME: &str = "expires";

/// `YYYY-MM-DD`, or a time from now (`365d`), as the day until whose end the certificate is good, in UTC.
pub fn parse(text: &str) -> Result<String, String> {
    let expected = |_| "expected a day (2027-01-31) or a time from now (365d)".to_owned();
    if day(text).is_some() {
        return Ok(text.to_owned());
    }
    let from_now = parse_duration(text).map_err(expected)?;
    match Timestamp::now().checked_add(from_now) {
        Ok(time) => Ok(day_of(time).to_string()),
        Err(error) => Err(expected(error.to_string())),
    }
}

/// What is reported about a certificate's expiry: nothing, or why it is over.
#[must_use]
pub fn complaint(certificate: &Certificate) -> Option<String> {
    let text = certificate.metadata(NAME)?;
    match day(text) {
        Some(last) if last >= day_of(Timestamp::now()) => None,
        Some(_) => Some(format!("expired on {text}")),
        None => Some(format!("has {NAME} = {text:?}, which is no day like 2027-01-31")),
    }
}

fn day_of(time: Timestamp) -> Date {
    TimeZone::UTC.to_datetime(time).date()
}

/// A day in the one notation that others who read the file know, too.
fn day(text: &str) -> Option<Date> {
    text.parse::<Date>().ok().filter(|day| day.to_string() == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_has_one_notation() {
        for text in ["1970-01-01", "2000-02-29", "2026-12-02", "2100-03-01", "9999-12-31"] {
            assert_eq!(day(text).unwrap().to_string(), text);
        }
        for text in [
            "2026-02-29",
            "2026-13-01",
            "2026-00-01",
            "2026-1-1",
            "2026-01-00",
            "20260101",
            "2026-01-01T00:00",
            "+002026-01-01",
            "2026-W01-1",
            "",
            "2026/01/01",
        ] {
            assert_eq!(day(text), None, "{text}");
        }
    }

    #[test]
    fn an_expiry_is_a_day_or_a_time_from_now() {
        assert_eq!(parse("2027-01-31").as_deref(), Ok("2027-01-31"));
        let before = day_of(Timestamp::now()).to_string();
        let parsed = parse("0d").unwrap();
        assert!(before <= parsed && parsed <= day_of(Timestamp::now()).to_string(), "{parsed}");
        assert!(parse("365d").unwrap() > before);
        for text in ["soon", "2026-02-30", "-1d", "99999999999999d", "3000000d"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
