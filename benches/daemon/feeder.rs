//! Syslog messages, made faster than rsyslogd reads them, and the TCP connection they go in by.
//!
//! All messages are alike but for their number, ten digits at the very end: whatever template rsyslogd puts them
//! through, the number is still there.

use std::io::{ErrorKind, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::failure::{Failure, Result};

/// Digits of a message's number.
pub const DIGITS: usize = 10;

/// Messages from this number on open the way and are not counted.
pub const PRIMER: u64 = 9_000_000_000;

/// RFC 3164, so that rsyslogd parses what the field sends.
const HEADER: &[u8] = b"<13>Jan  2 03:04:05 web1 bench: ";

/// How long rsyslogd may hold up the feeder before the measurement is given up.
const STUCK: Duration = Duration::from_secs(30);

/// One message of `size` bytes, with number 0.
pub fn message(size: usize) -> Result<Vec<u8>> {
    let filler = size
        .checked_sub(HEADER.len() + DIGITS)
        .ok_or_else(|| Failure::Other(format!("a message has at least {} bytes, not {size}", HEADER.len() + DIGITS)))?;
    let mut message = HEADER.to_vec();
    message.extend((0..filler).map(|at| if at % 8 == 7 { b' ' } else { b'a' + (at % 26) as u8 }));
    message.extend([b'0'; DIGITS]);
    Ok(message)
}

/// Writes the number into the end of a message.
pub fn put_number(message: &mut [u8], number: u64) {
    let mut rest = number;
    for digit in message.iter_mut().rev().take(DIGITS) {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
}

/// The number at the end of a message; `None` where there is none.
pub fn number_of(message: &[u8]) -> Option<u64> {
    let digits = message.get(message.len().checked_sub(DIGITS)?..)?;
    digits
        .iter()
        .try_fold(0_u64, |number, &digit| digit.is_ascii_digit().then(|| number * 10 + u64::from(digit - b'0')))
}

/// Feeds one imptcp connection.
pub struct Feeder {
    stream: TcpStream,
    /// Many messages, one a line; only their numbers change.
    block: Vec<u8>,
    /// Bytes of a message and its newline.
    stride: usize,
}

/// imptcp writes its port to the file a moment before it listens.
fn connect(port: u16) -> Result<TcpStream> {
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        match TcpStream::connect(("127.0.0.1", port)) {
            Err(error) if error.kind() == ErrorKind::ConnectionRefused && Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(5));
            }
            result => return Ok(result?),
        }
    }
}

impl Feeder {
    pub fn connect(port: u16, size: usize) -> Result<Self> {
        let mut line = message(size)?;
        line.push(b'\n');
        let stream = connect(port)?;
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(STUCK))?;
        let count = (256 * 1024 / line.len()).max(1);
        Ok(Self { stream, stride: line.len(), block: line.repeat(count) })
    }

    /// Feeds the messages with these numbers.
    pub fn feed(&mut self, mut from: u64, count: u64) -> Result<()> {
        let end = from + count;
        let per_block = (self.block.len() / self.stride) as u64;
        while from < end {
            let lines = per_block.min(end - from);
            let bytes = self.stride * lines as usize;
            let Some(block) = self.block.get_mut(..bytes) else { break };
            for line in block.chunks_exact_mut(self.stride) {
                if let Some((_newline, message)) = line.split_last_mut() {
                    put_number(message, from);
                }
                from += 1;
            }
            self.stream.write_all(block)?;
        }
        Ok(())
    }
}
