//! What an action's sender tells, in words for rsyslog's log.

use std::sync::Arc;

use crate::host::log;
use crate::modules::log_lines::SocketLog;
use crate::transport::send::{SenderEvent, SenderEvents};

/// Writes through the thread for log lines: the socket's lock is held.
pub(super) struct Events {
    log: Arc<SocketLog>,
}

impl Events {
    pub(super) fn new(log: Arc<SocketLog>) -> Self {
        Self { log }
    }
}

impl SenderEvents for Events {
    fn tell(&self, event: SenderEvent<'_>) {
        let name = self.log.name();
        let lines = self.log.log();
        match event {
            SenderEvent::OpenFailed(error) => self.log.open_failed(error),
            SenderEvent::Recovered => self.log.recovered(),
            SenderEvent::Subscribed(topic) => {
                log::debug(&format!("{name}: first subscriber of \"{}\"", String::from_utf8_lossy(topic)));
            }
            SenderEvent::Unsubscribed(topic) => {
                log::debug(&format!("{name}: last subscriber of \"{}\" has gone", String::from_utf8_lossy(topic)));
            }
            SenderEvent::CutOff { address } => lines.warning(format!(
                "{name}: the subscriber at {address} took nothing for the send timeout and was cut off; it may come back"
            )),
            SenderEvent::Relapsed { address } => {
                log::debug(&format!("{name}: the subscriber at {address} took nothing again and was cut off"));
            }
            SenderEvent::Lossy => lines.warning(format!(
                "{name}: a subscriber takes nothing and cannot be cut off; until it recovers, full subscribers lose messages"
            )),
            SenderEvent::Patient => lines.notice(format!("{name}: all subscribers take messages again")),
            SenderEvent::SendFailed(error) => lines.error(format!("{name}: libzmq refused a message: {error}")),
            SenderEvent::Undelivered(count) => {
                lines.error(format!("{name}: {count} messages could not be delivered before the stop"));
            }
        }
    }
}
