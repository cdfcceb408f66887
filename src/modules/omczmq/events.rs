//! What an action's sender tells, in words for rsyslog's log.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::topic_summary::TopicSummary;
use crate::host::log;
use crate::modules::words::Said;
use crate::transport::send::{SenderEvent, SenderEvents};

/// See the module's text.
pub(super) struct Events {
    name: String,
    said: Mutex<Said>,
    topics: Mutex<TopicSummary>,
}

impl Events {
    pub(super) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), said: Mutex::default(), topics: Mutex::default() }
    }

    fn topics(&self) -> MutexGuard<'_, TopicSummary> {
        self.topics.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn topics_changed(&self, line: Option<String>) {
        if let Some(line) = line {
            log::info(&format!("{}: {line}", self.name));
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
        let name = &self.name;
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            SenderEvent::OpenFailed(error) => said.open_failed(name, error),
            SenderEvent::Recovered => said.recovered(name),
            SenderEvent::Peer(event) => said.peer(name, &event),
            SenderEvent::Subscribed(topic) => log::debug(&format!("{name}: {}", self.topics().gained(topic))),
            SenderEvent::Unsubscribed(topic) => log::debug(&format!("{name}: {}", self.topics().lost(topic))),
            SenderEvent::CutOff { address } => log::warning(&format!(
                "{name}: the subscriber at {address} took nothing for the send timeout and was cut off; it may come back"
            )),
            SenderEvent::Relapsed { address } => {
                log::debug(&format!("{name}: the subscriber at {address} took nothing again and was cut off"));
            }
            SenderEvent::Lossy => log::warning(&format!(
                "{name}: a subscriber takes nothing and cannot be cut off; until it recovers, full subscribers lose messages"
            )),
            SenderEvent::Patient => log::notice(&format!("{name}: all subscribers take messages again")),
            SenderEvent::SendFailed(error) => log::error(&format!("{name}: libzmq refused a message: {error}")),
            SenderEvent::Undelivered(count) => {
                log::error(&format!("{name}: {count} messages could not be delivered before the stop"));
            }
        }
        let due = self.topics().due(Instant::now());
        self.topics_changed(due);
    }
}
