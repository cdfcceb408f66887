//! What an action's sender tells, as lines for rsyslog's log.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::topic_summary::TopicSummary;
use crate::host::log;
use crate::modules::log_lines::SocketLog;
use crate::transport::send::{SenderEvent, SenderEvents};

/// Writes through the thread for log lines: the socket's lock is held.
pub(super) struct Events {
    log: Arc<SocketLog>,
    topics: Mutex<TopicSummary>,
}

impl Events {
    pub(super) fn new(log: Arc<SocketLog>) -> Self {
        Self { log, topics: Mutex::default() }
    }

    fn topics(&self) -> MutexGuard<'_, TopicSummary> {
        self.topics.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn topics_changed(&self, line: Option<String>) {
        if let Some(line) = line {
            self.log.log().info(format!("{}: {line}", self.log.name()));
        }
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        let rest = self.topics().rest(Instant::now());
        self.topics_changed(rest);
    }
}

impl SenderEvents for Events {
    fn tell(&self, event: SenderEvent<'_>) {
        let name = self.log.name();
        let lines = self.log.log();
        match event {
            SenderEvent::OpenFailed(error) => self.log.open_failed(error),
            SenderEvent::Recovered => self.log.recovered(),
            SenderEvent::Subscribed(topic) => log::debug(&format!("{name}: {}", self.topics().gained(topic))),
            SenderEvent::Unsubscribed(topic) => log::debug(&format!("{name}: {}", self.topics().lost(topic))),
            SenderEvent::CutOff { address } => lines.warning(format!(
                "{name}: the subscriber at {address} took nothing for the send timeout and was cut off; it may come back"
            )),
            SenderEvent::Relapsed { address } => {
                log::debug(&format!("{name}: the subscriber at {address} took nothing again and was cut off"));
            }
            SenderEvent::Lossy => lines.warning(format!(
                "{name}: a subscriber takes nothing and cannot be cut off; until it recovers, full subscribers lose messages"
            )),
            SenderEvent::SubscribersRecovered => lines.notice(format!("{name}: all subscribers take messages again")),
            SenderEvent::SendFailed(error) => lines.error(format!("{name}: libzmq refused a message: {error}")),
            SenderEvent::Undelivered(count) => {
                lines.error(format!("{name}: {count} messages could not be delivered before the stop"));
            }
        }
        let due = self.topics().due(Instant::now());
        self.topics_changed(due);
    }
}
