//! Until when a certificate is meant to be used: a line of metadata, `expires`, which `cert verify` looks at.
//!
//! CurveZMQ has no notion of it, and neither has any authenticator: an expired key is admitted until its file is removed.
#![forbid(unsafe_code)]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::cli::duration::parse_duration;
use crate::curve::certificate::Certificate;

/// The name of the metadata.
pub const NAME: &str = "expires";

const SECONDS_A_DAY: u64 = 86_400;

/// `YYYY-MM-DD`, or a time from now (`365d`), as the day until whose end the certificate is good, in UTC.
pub fn parse(text: &str) -> Result<String, String> {
    let expected = || "expected a day (2027-01-31) or a time from now (365d)".to_owned();
    match days_of(text) {
        Some(_) => Ok(text.to_owned()),
        None => {
            let from_now = parse_duration(text).map_err(|_| expected())?;
            now().checked_add(from_now).and_then(|time| date_of(time.as_secs() / SECONDS_A_DAY)).ok_or_else(expected)
        }
    }
}

/// What is to be said about a certificate's expiry: nothing, or why it is over.
#[must_use]
pub fn complaint(certificate: &Certificate) -> Option<String> {
    let date = certificate.metadata(NAME)?;
    match days_of(date) {
        Some(last) if last >= now().as_secs() / SECONDS_A_DAY => None,
        Some(_) => Some(format!("expired on {date}")),
        None => Some(format!("has {NAME} = {date:?}, which is no day like 2027-01-31")),
    }
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

const fn is_leap_year(year: u64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

const fn days_in_year(year: u64) -> u64 {
    if is_leap_year(year) { 366 } else { 365 }
}

fn days_in_months(year: u64) -> [u64; 12] {
    [31, if is_leap_year(year) { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
}

/// Days since 1970-01-01 of a `YYYY-MM-DD`.
fn days_of(date: &str) -> Option<u64> {
    let shape =
        |(index, byte): (usize, u8)| if index == 4 || index == 7 { byte == b'-' } else { byte.is_ascii_digit() };
    if date.len() != 10 || !date.bytes().enumerate().all(shape) {
        return None;
    }
    let mut numbers = date.split('-').filter_map(|part| part.parse::<u64>().ok());
    let (year, month, day) = (numbers.next()?, numbers.next()?, numbers.next()?);
    let months = days_in_months(year);
    let length = *months.get(usize::try_from(month).ok()?.checked_sub(1)?)?;
    if year < 1970 || !(1..=length).contains(&day) {
        return None;
    }
    let years: u64 = (1970..year).map(days_in_year).sum();
    let before: u64 = months.iter().take(usize::try_from(month).ok()? - 1).sum();
    Some(years + before + day - 1)
}

/// The inverse of [`days_of`]; `None` after the year 9999.
fn date_of(mut days: u64) -> Option<String> {
    let mut year = 1970;
    while days >= days_in_year(year) {
        days -= days_in_year(year);
        year += 1;
        if year > 9999 {
            return None;
        }
    }
    let mut month = 1;
    for length in days_in_months(year) {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    Some(format!("{year:04}-{month:02}-{:02}", days + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_dates_belong_together() {
        for (days, date) in [
            (0, "1970-01-01"),
            (58, "1970-02-28"),
            (59, "1970-03-01"),
            (10_956, "1999-12-31"),
            (11_016, "2000-02-29"),
            (11_017, "2000-03-01"),
            (20_789, "2026-12-02"),
            (47_541, "2100-03-01"),
        ] {
            assert_eq!((days_of(date), date_of(days).as_deref()), (Some(days), Some(date)));
        }
        for days in (0..200_000).step_by(37) {
            assert_eq!(days_of(&date_of(days).unwrap()), Some(days));
        }
        assert_eq!(date_of(u64::MAX), None);
        for date in ["2026-02-29", "2026-13-01", "2026-00-01", "2026-1-1", "2026-01-00", "1969-12-31", "", "2026/01/01"]
        {
            assert_eq!(days_of(date), None, "{date}");
        }
    }

    #[test]
    fn an_expiry_is_a_day_or_a_time_from_now() {
        assert_eq!(parse("2027-01-31").as_deref(), Ok("2027-01-31"));
        let today = date_of(now().as_secs() / SECONDS_A_DAY).unwrap();
        assert_eq!(parse("0d").as_deref(), Ok(today.as_str()));
        assert!(parse("365d").unwrap() > today);
        for text in ["soon", "2026-02-30", "-1d", "99999999999999d"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
