//! Log messages on their way out: a batch is one rsyslog commit, taken over whole or not at all.

use crate::sys::zmq::Message;
use crate::transport::send::queue::Weighed;

/// One ZeroMQ frame.
#[derive(Debug)]
pub struct Frame {
    /// The content; empty again once it is sent.
    pub message: Message,
    /// The content's length in bytes.
    pub length: usize,
    /// Whether the next frame belongs to the same ZeroMQ message.
    pub has_more: bool,
    /// How many log messages are complete with this frame. A log message under several topics is so with its last copy.
    pub records: u32,
}

/// The frames of one commit, in order.
#[derive(Debug, Default)]
pub struct Batch {
    /// The frames.
    pub frames: Vec<Frame>,
    /// How many log messages they are.
    pub records: usize,
    /// The frame to be dealt with next; all before it are done with.
    pub next: usize,
    /// Log messages that are not done with.
    pub left: usize,
    /// Bytes of all frames.
    pub bytes: usize,
}

impl Batch {
    /// An empty batch with room for this many frames.
    #[must_use]
    pub fn with_capacity(frames: usize) -> Self {
        Self { frames: Vec::with_capacity(frames), ..Self::default() }
    }

    /// Adds a frame.
    pub fn push(&mut self, message: Message, has_more: bool, records: u32) {
        let length = message.len();
        self.bytes += length;
        self.records += records as usize;
        self.left += records as usize;
        self.frames.push(Frame { message, length, has_more, records });
    }
}

impl Weighed for Batch {
    fn messages(&self) -> usize {
        self.records
    }

    fn bytes(&self) -> usize {
        self.bytes
    }
}
