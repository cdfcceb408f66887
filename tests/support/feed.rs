//! Feeding a daemon: numbered syslog records over one TCP connection.

use std::io::{BufWriter, Write};
use std::net::{Ipv4Addr, TcpStream};

use super::wait::LONG;

/// The number of a record that only finds out whether records arrive; `{receive}` keeps these apart.
pub const PROBE: usize = 99_999_999;
/// How a probe is recognised.
pub const PROBE_TEXT: &str = " 99999999";

/// One RFC 3164 record; its message begins with an eight-digit number.
#[derive(Clone, Copy)]
pub struct Record<'a> {
    /// HOSTNAME.
    pub host: &'a str,
    /// TAG, without the colon.
    pub program: &'a str,
    /// The number in the message.
    pub number: usize,
    /// Bytes of the whole record; shorter ones are filled up, longer ones stay.
    pub size: usize,
}

impl<'a> Record<'a> {
    /// A record of host1's program app, as short as it can be.
    pub fn number(number: usize) -> Self {
        Self { host: "host1", program: "app", number, size: 0 }
    }

    /// The same from another host and program.
    pub fn from(self, host: &'a str, program: &'a str) -> Self {
        Self { host, program, ..self }
    }

    /// The record's bytes, without a newline.
    pub fn bytes(&self) -> Vec<u8> {
        let Self { host, program, number, size } = self;
        let mut bytes = format!("<13>Nov 22 13:00:00 {host} {program}: {number:08}").into_bytes();
        if bytes.len() < *size {
            bytes.push(b' ');
            bytes.resize(*size, b'x');
        }
        bytes
    }
}

/// A connection to a daemon's `{feed}`. What was written is flushed at the latest when it is dropped.
pub struct Feeder {
    stream: BufWriter<TcpStream>,
}

impl Feeder {
    /// Connects.
    pub fn connect(port: u16) -> Self {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        // A daemon that stops reading must fail the test, not hang it.
        stream.set_write_timeout(Some(LONG)).unwrap();
        Self { stream: BufWriter::with_capacity(1 << 16, stream) }
    }

    /// Writes one line.
    pub fn line(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
        self.stream.write_all(b"\n").unwrap();
    }

    /// Writes one record.
    pub fn record(&mut self, record: &Record<'_>) {
        self.line(&record.bytes());
    }

    /// Writes one record to a daemon that may go away.
    pub fn try_record(&mut self, record: &Record<'_>) -> std::io::Result<()> {
        let mut bytes = record.bytes();
        bytes.push(b'\n');
        self.stream.write_all(&bytes)
    }

    /// Writes a record as a probe and hands it over.
    pub fn probe(&mut self, record: Record<'_>) {
        self.record(&Record { number: PROBE, ..record });
        self.flush();
    }

    /// Hands over what is buffered.
    pub fn flush(&mut self) {
        self.stream.flush().unwrap();
    }
}

/// Feeds the records 0..count of host1's program app, each of `size` bytes.
pub fn feed(port: u16, count: usize, size: usize) {
    let mut feeder = Feeder::connect(port);
    for number in 0..count {
        feeder.record(&Record { size, ..Record::number(number) });
    }
    feeder.flush();
}
