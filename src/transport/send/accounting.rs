//! What became of the frames of a batch, added up here and put into the counters in one go: at the end of the batch, and
//! whenever the sender is about to wait.

use super::Feed;
use crate::transport::send::batch::Frame;

/// What became of one frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// libzmq has it.
    Sent,
    /// libzmq has it for those who had room; the rest of the message must follow.
    Lossy,
    /// Nobody wants it.
    NoSubscriber,
    /// Nobody had room.
    Dropped,
    /// libzmq does not take it, now or later.
    Refused,
    /// The deadline passed: it is not dealt with.
    TooLate,
    /// There is no room, and no waiting for it: it is not dealt with.
    Full,
}

impl Outcome {
    /// Whether the frame went out, so that the next ones of the same ZeroMQ message must follow.
    pub(super) fn went_out(self) -> bool {
        matches!(self, Self::Sent | Self::Lossy)
    }
}

/// The sums of the batch in hand, not yet in the counters.
#[derive(Debug, Default)]
pub(super) struct Accounting {
    bytes: u64,
    copies: u64,
    sent: u64,
    unwanted: u64,
    slow: u64,
    failed: u64,
    /// What the queue may forget.
    done_records: usize,
    done_bytes: usize,
    /// What became of the log message in hand, over all its copies.
    any_sent: bool,
    any_dropped: bool,
    any_refused: bool,
}

impl Accounting {
    /// A frame was dealt with. A log message that somebody lost is not counted as sent.
    pub(super) fn add(&mut self, frame: &Frame, outcome: Outcome) {
        let length = frame.length;
        match outcome {
            Outcome::Sent | Outcome::Lossy => {
                self.bytes += length as u64;
                self.any_dropped |= outcome == Outcome::Lossy;
                if !frame.has_more {
                    self.copies += 1;
                    self.any_sent = true;
                }
            }
            Outcome::NoSubscriber | Outcome::TooLate | Outcome::Full => {}
            Outcome::Dropped => self.any_dropped = true,
            Outcome::Refused => self.any_refused = true,
        }
        self.done_bytes += length;
        if frame.records > 0 {
            let to = match (self.any_dropped, self.any_refused, self.any_sent) {
                (true, _, _) => &mut self.slow,
                (_, true, _) => &mut self.failed,
                (_, _, true) => &mut self.sent,
                _ => &mut self.unwanted,
            };
            *to += u64::from(frame.records);
            self.done_records += frame.records as usize;
            (self.any_sent, self.any_dropped, self.any_refused) = (false, false, false);
        }
    }

    /// Puts everything into the counters, and gives the queue its room back.
    pub(super) fn flush(&mut self, feed: &Feed) {
        let counters = &feed.counters;
        counters.bytes.add(std::mem::take(&mut self.bytes));
        counters.copies.add(std::mem::take(&mut self.copies));
        counters.sent.add(std::mem::take(&mut self.sent));
        counters.dropped_no_subscriber.add(std::mem::take(&mut self.unwanted));
        counters.dropped_slow_subscriber.add(std::mem::take(&mut self.slow));
        counters.send_failures.add(std::mem::take(&mut self.failed));
        if self.done_records > 0 || self.done_bytes > 0 {
            feed.queue.done(std::mem::take(&mut self.done_records), std::mem::take(&mut self.done_bytes));
            counters.queue_depth.set(feed.queue.depth() as u64);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::zmq::Message;
    use crate::transport::send::queue::{Limits, SendQueue};

    fn frame(has_more: bool, records: u32, length: usize) -> Frame {
        Frame { message: Message::new(), length, has_more, records }
    }

    #[test]
    fn every_log_message_is_counted_once_whatever_became_of_its_copies() {
        let feed = Feed::new(SendQueue::new(Limits { messages: 10, bytes: 10 }), Box::new(|_| {}));
        let mut accounting = Accounting::default();
        // Two topics with a frame of their own: nobody wants the first, the second goes out.
        accounting.add(&frame(true, 0, 3), Outcome::NoSubscriber);
        accounting.add(&frame(false, 0, 9), Outcome::NoSubscriber);
        accounting.add(&frame(true, 0, 3), Outcome::Sent);
        accounting.add(&frame(false, 1, 9), Outcome::Sent);
        // Somebody loses the first copy.
        accounting.add(&frame(false, 0, 9), Outcome::Lossy);
        accounting.add(&frame(false, 1, 9), Outcome::Sent);
        // Nobody wants either; libzmq refuses one; nobody has room; a packed frame.
        accounting.add(&frame(false, 1, 9), Outcome::NoSubscriber);
        accounting.add(&frame(false, 1, 9), Outcome::Refused);
        accounting.add(&frame(false, 1, 9), Outcome::Dropped);
        accounting.add(&frame(false, 7, 90), Outcome::Sent);
        accounting.flush(&feed);
        accounting.flush(&feed);
        let counters = &feed.counters;
        assert_eq!((counters.sent.get(), counters.copies.get(), counters.bytes.get()), (8, 4, 120));
        assert_eq!((counters.dropped_no_subscriber.get(), counters.dropped_slow_subscriber.get()), (1, 2));
        assert_eq!(counters.send_failures.get(), 1);
    }
}
