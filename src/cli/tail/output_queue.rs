//! The bounded hand-over between the thread that receives and the one that writes.
//!
//! The receiving thread never waits: a publisher must not be held up because somebody paused a terminal. What does not
//! fit is dropped and counted. One thread pushes, one takes.
#![forbid(unsafe_code)]

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::transport::subscribe::{Received, SubscriberEvent};

/// Records that may wait for a slow output.
const MAX_RECORDS: usize = 100_000;
/// Bytes of records that may wait for a slow output.
const MAX_BYTES: usize = 16 << 20;

/// What the writing thread is told.
#[derive(Debug)]
pub enum Item {
    /// From the subscriber.
    Event(SubscriberEvent),
    /// A signal asked us to end.
    Interrupted,
    /// Nobody reads the output any more.
    OutputClosed,
    /// The receiving thread failed, and nothing more comes.
    Failed(String),
}

#[derive(Debug, Default)]
struct Waiting {
    items: Vec<Item>,
    records: usize,
    bytes: usize,
    dropped: u64,
}

/// The hand-over itself.
#[derive(Debug, Default)]
pub struct OutputQueue {
    waiting: Mutex<Waiting>,
    more: Condvar,
}

impl OutputQueue {
    /// Hands over everything in `items`, dropping the records that do not fit.
    pub fn push(&self, items: &mut Vec<Item>) {
        if items.is_empty() {
            return;
        }
        let mut waiting = self.lock();
        for item in items.drain(..) {
            if let Item::Event(SubscriberEvent::Received(record)) = &item {
                let bytes = waiting.bytes + size(record);
                if waiting.records >= MAX_RECORDS || bytes > MAX_BYTES {
                    waiting.dropped += 1;
                    continue;
                }
                waiting.records += 1;
                waiting.bytes = bytes;
            }
            waiting.items.push(item);
        }
        drop(waiting);
        self.more.notify_one();
    }

    /// Waits until there is something or `until` has come, and moves it to `items` (which becomes the next buffer).
    /// Returns how many records were dropped since the last call.
    pub fn take(&self, items: &mut Vec<Item>, until: Option<Instant>) -> u64 {
        items.clear();
        let mut waiting = self.lock();
        while waiting.items.is_empty() {
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                break;
            }
            waiting = match left {
                Some(left) => self.more.wait_timeout(waiting, left).unwrap_or_else(PoisonError::into_inner).0,
                None => self.more.wait(waiting).unwrap_or_else(PoisonError::into_inner),
            };
        }
        std::mem::swap(items, &mut waiting.items);
        waiting.records = 0;
        waiting.bytes = 0;
        std::mem::take(&mut waiting.dropped)
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // The guarded values are plain counters and a list: valid whatever a panicking thread was doing.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn size(record: &Received) -> usize {
    record.body.as_slice().len() + record.topic.as_ref().map_or(0, |topic| topic.as_slice().len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::zmq::Message;
    use crate::transport::subscribe::State;

    fn record(bytes: usize) -> Item {
        let body = Message::from_parts(&[&vec![b'x'; bytes]]).unwrap();
        Item::Event(SubscriberEvent::Received(Received { source: 0, topic: None, body }))
    }

    #[test]
    fn what_does_not_fit_is_dropped_and_counted_but_never_a_change_of_state() {
        let queue = OutputQueue::default();
        let mut items: Vec<Item> = (0..MAX_RECORDS + 7).map(|_| record(1)).collect();
        items.push(Item::Event(SubscriberEvent::Changed(0, State::Lost)));
        queue.push(&mut items);
        assert_eq!(queue.take(&mut items, None), 7);
        assert_eq!(items.len(), MAX_RECORDS + 1);
        assert!(matches!(items.last(), Some(Item::Event(SubscriberEvent::Changed(0, State::Lost)))));
        // Taking makes room again.
        queue.push(&mut vec![record(1)]);
        assert_eq!((queue.take(&mut items, None), items.len()), (0, 1));
    }

    #[test]
    fn bytes_are_bounded_too() {
        let queue = OutputQueue::default();
        let mut items = vec![record(MAX_BYTES), record(1)];
        queue.push(&mut items);
        assert_eq!((queue.take(&mut items, None), items.len()), (1, 1));
    }

    #[test]
    fn taking_ends_at_its_time_and_wakes_for_what_comes() {
        let queue = OutputQueue::default();
        let mut items = Vec::new();
        assert_eq!(queue.take(&mut items, Some(Instant::now())), 0);
        assert!(items.is_empty());
        std::thread::scope(|scope| {
            scope.spawn(|| queue.push(&mut vec![Item::Interrupted]));
            queue.take(&mut items, None);
        });
        assert!(matches!(items.as_slice(), [Item::Interrupted]));
    }
}
