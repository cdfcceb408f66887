//! Senders that flood an input: ZeroMQ sockets, or TCP connections into imptcp for comparison. A thread each.

use std::thread::JoinHandle;

use rsyslog_zmq::sys::zmq::{Context, Message, Socket, kind, option};

use crate::failure::{Failure, Result};
use crate::feeder::{Feeder, PRIMER, message, put_number};
use crate::keys::Keys;
use crate::packed;

/// How long rsyslogd may hold up a sender before the measurement is given up, in milliseconds.
const STUCK: i32 = 30_000;

/// What a packed frame is filled up to: the default of packing.maxbytes.
const PACKED_BYTES: usize = 65_536;

const TOPIC: &[u8] = b"web1.bench";

/// What a sender is.
pub enum Sender {
    Zmq { socket: Socket, has_topic: bool, is_packed: bool, record: Vec<u8> },
    Tcp(Feeder),
}

impl Sender {
    /// PUSH, connected to rsyslogd.
    pub fn push(endpoint: &str, keys: Option<&Keys>, is_packed: bool, size: usize) -> Result<Self> {
        let socket = socket(kind::PUSH)?;
        if let Some(keys) = keys {
            keys.make_client(&socket)?;
        }
        socket.connect(endpoint)?;
        Ok(Self::Zmq { socket, has_topic: false, is_packed, record: message(size)? })
    }

    /// A publisher that waits for its subscriber, and where it is.
    pub fn publisher(size: usize) -> Result<(Self, String)> {
        let socket = socket(kind::XPUB)?;
        socket.set_int(option::XPUB_NODROP, 1)?;
        socket.set_int(option::RCVTIMEO, STUCK)?;
        socket.bind("tcp://127.0.0.1:*")?;
        let endpoint = socket.last_endpoint()?;
        Ok((Self::Zmq { socket, has_topic: true, is_packed: false, record: message(size)? }, endpoint))
    }

    pub fn tcp(port: u16, size: usize) -> Result<Self> {
        Ok(Self::Tcp(Feeder::connect(port, size)?))
    }

    /// Sends one message that is not counted.
    pub fn prime(&mut self) -> Result<()> {
        match self {
            Self::Zmq { socket, has_topic, is_packed, record } => {
                if *has_topic {
                    // Its subscription.
                    socket.receive(&mut Message::new(), 0)?;
                    socket.send_bytes(TOPIC, rsyslog_zmq::sys::zmq::SNDMORE)?;
                }
                put_number(record, PRIMER);
                let frame = if *is_packed { packed::frame_of(record, 0).0 } else { record.clone() };
                Ok(socket.send_bytes(&frame, 0)?)
            }
            Self::Tcp(feeder) => feeder.feed(PRIMER, 1),
        }
    }

    fn flood(&mut self, count: u64) -> Result<()> {
        match self {
            Self::Tcp(feeder) => feeder.feed(0, count),
            Self::Zmq { socket, record, is_packed: true, .. } => flood_packed(socket, record, count),
            Self::Zmq { socket, record, has_topic, .. } => {
                for number in 0..count {
                    if *has_topic {
                        socket.send_bytes(TOPIC, rsyslog_zmq::sys::zmq::SNDMORE)?;
                    }
                    put_number(record, number);
                    socket.send_bytes(record, 0)?;
                }
                Ok(())
            }
        }
    }
}

fn flood_packed(socket: &Socket, record: &[u8], count: u64) -> Result<()> {
    let (mut frame, per_frame) = packed::frame_of(record, PACKED_BYTES);
    let stride = frame.len() / per_frame;
    let mut number = 0;
    while number < count {
        let records = (per_frame as u64).min(count - number) as usize;
        let Some(part) = frame.get_mut(..records * stride) else { break };
        for record in part.chunks_exact_mut(stride) {
            put_number(record, number);
            number += 1;
        }
        socket.send_bytes(part, 0)?;
    }
    Ok(())
}

fn socket(kind: i32) -> Result<Socket> {
    // A context, and so an I/O thread, each.
    let socket = Context::new()?.socket(kind)?;
    socket.set_int(option::LINGER, 5000)?;
    socket.set_int(option::SNDTIMEO, STUCK)?;
    Ok(socket)
}

/// Senders at work. They keep their connections until they are dropped.
pub struct Flood {
    threads: Vec<JoinHandle<Result<Sender>>>,
}

impl Flood {
    /// Starts them all, `messages` in total.
    pub fn start(senders: Vec<Sender>, messages: u64) -> Result<Self> {
        let count = senders.len() as u64;
        let threads = senders.into_iter().zip(0..).map(|(mut sender, index)| {
            let share = messages / count + u64::from(index < messages % count);
            let flood = move || sender.flood(share).map(|()| sender);
            std::thread::Builder::new().name("flooder".to_owned()).spawn(flood)
        });
        Ok(Self { threads: threads.collect::<std::io::Result<_>>()? })
    }

    /// Waits until all have handed over everything.
    pub fn wait(self) -> Result<Vec<Sender>> {
        let results = self.threads.into_iter().map(|thread| {
            thread.join().unwrap_or_else(|_| Err(Failure::Other("a sender's thread has died".to_owned())))
        });
        results.collect()
    }
}
