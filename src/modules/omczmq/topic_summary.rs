//! What is logged about topics that gain their first subscriber or lose their last one: at most one line a minute.
//!
//! The host lets only so many lines of its own through (100 a minute since 8.2606), and a subscriber may have thousands of
//! topics. A single change is named; several are counted. There is no timer: changes that are not logged yet wait for the
//! action's next event after the minute, or for its end.

use std::time::{Duration, Instant};

const MINUTE: Duration = Duration::from_secs(60);
/// Bytes of a topic that are shown.
const LONGEST: usize = 64;

/// The changes since the last line.
#[derive(Debug, Default)]
pub(super) struct TopicSummary {
    /// When the last line was made.
    last: Option<Instant>,
    gained: u64,
    lost: u64,
    /// The line about the latest change.
    latest: String,
}

impl TopicSummary {
    /// A topic has its first subscriber. Returns the line for the debug log.
    pub(super) fn gained(&mut self, topic: &[u8]) -> &str {
        self.gained += 1;
        self.latest = format!("first subscriber of {}", quoted(topic));
        &self.latest
    }

    /// A topic's last subscriber has gone. Returns the line for the debug log.
    pub(super) fn lost(&mut self, topic: &[u8]) -> &str {
        self.lost += 1;
        self.latest = format!("last subscriber of {} has gone", quoted(topic));
        &self.latest
    }

    /// The line that is due, if any.
    pub(super) fn due(&mut self, now: Instant) -> Option<String> {
        let since = self.last.map(|last| now.duration_since(last));
        if since.is_some_and(|since| since < MINUTE) {
            return None;
        }
        let line = self.rest(now)?;
        self.last = Some(now);
        Some(line)
    }

    /// The line about everything that has not been logged, whenever the last one was.
    pub(super) fn rest(&mut self, now: Instant) -> Option<String> {
        let (gained, lost) = (std::mem::take(&mut self.gained), std::mem::take(&mut self.lost));
        match gained + lost {
            0 => None,
            1 => Some(std::mem::take(&mut self.latest)),
            _ => {
                let seconds = self.last.map_or(0, |last| now.duration_since(last).as_secs());
                Some(format!(
                    "{gained} topics gained their first subscriber, {lost} lost their last one in the last {seconds} s"
                ))
            }
        }
    }
}

/// The topic in quotes, escaped and cut.
fn quoted(topic: &[u8]) -> String {
    let shown = String::from_utf8_lossy(topic.get(..LONGEST).unwrap_or(topic));
    let rest = if topic.len() > LONGEST { ".." } else { "" };
    format!("{shown:?}{rest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_of_changes_are_one_line_a_minute() {
        let start = Instant::now();
        let mut topics = TopicSummary::default();
        let mut lines = Vec::new();
        for number in 0..2000_u32 {
            let topic = number.to_string();
            topics.gained(topic.as_bytes());
            lines.extend(topics.due(start + Duration::from_millis(u64::from(number))));
        }
        assert_eq!(lines, ["first subscriber of \"0\""]);
        topics.lost(b"0");
        assert_eq!(topics.due(start + Duration::from_secs(59)), None);
        let line = topics.due(start + Duration::from_secs(75)).unwrap();
        assert_eq!(line, "1999 topics gained their first subscriber, 1 lost their last one in the last 75 s");
        assert_eq!(topics.due(start + Duration::from_secs(500)), None, "nothing has changed");
    }

    #[test]
    fn what_was_not_logged_is_logged_at_the_end() {
        let start = Instant::now();
        let mut topics = TopicSummary::default();
        topics.gained(b"a");
        assert!(topics.due(start).is_some());
        topics.lost(b"a");
        assert_eq!(topics.rest(start).unwrap(), "last subscriber of \"a\" has gone");
        assert_eq!(topics.rest(start), None);
    }

    #[test]
    fn a_topic_is_quoted_escaped_and_cut() {
        assert_eq!(quoted(b"a\"b\n\xff"), "\"a\\\"b\\n\u{fffd}\"");
        assert_eq!(quoted(&[b'x'; 1000]), format!("\"{}\"..", "x".repeat(64)));
    }
}
