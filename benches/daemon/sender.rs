//! The sender alone, without a daemon: queue, thread and socket, beside libzmq's own figure for the same records.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rsyslog_zmq::curve::security::Security;
use rsyslog_zmq::sys::blocks::Arena;
use rsyslog_zmq::sys::zmq::{Context, Message, option};
use rsyslog_zmq::transport::address::endpoint::Endpoint;
use rsyslog_zmq::transport::link::driver::Driver;
use rsyslog_zmq::transport::send::batch::Batch;
use rsyslog_zmq::transport::send::queue::{Limits, PushError, SendQueue, Weighed};
use rsyslog_zmq::transport::send::{Feed, OnFull, Sender, SenderEvent, SenderEvents, SenderSettings};
use rsyslog_zmq::transport::socket::listening::SocketFile;
use rsyslog_zmq::transport::socket::open::{SocketPlan, Surroundings};
use rsyslog_zmq::transport::socket::options::SocketOptions;
use rsyslog_zmq::transport::socket::reopening::ReopeningSocket;
use rsyslog_zmq::transport::socket::socket_type::SocketType;

use crate::failure::{Failure, Result};
use crate::feeder::{PRIMER, message, put_number};
use crate::keys::Keys;
use crate::options::Options;
use crate::packed;
use crate::sink::{Plan, Sink};

/// Records a second, round by round.
pub type Figures = Vec<f64>;

#[derive(Clone, Copy, Debug)]
pub struct Case {
    pub name: &'static str,
    has_curve: bool,
}

pub fn cases(options: &Options) -> Vec<Case> {
    let all = [Case { name: "sender", has_curve: false }, Case { name: "sender-curve", has_curve: true }];
    all.into_iter().filter(|case| options.wants(case.name)).collect()
}

const SIZE: usize = 200;
/// Records of one commit: what rsyslog's queues give a worker at once.
const BATCH: u64 = 1024;
const PACKED_BYTES: usize = 65_536;

#[derive(Clone, Copy, Debug)]
struct Setup {
    has_curve: bool,
    is_packed: bool,
    /// Our sender, or a plain loop around `zmq_msg_send`.
    is_ours: bool,
}

/// Measures libzmq's own loop, our sender, and our sender with packed frames, in turn.
pub fn measure(case: Case, options: &Options) -> Result<Vec<(&'static str, Figures)>> {
    let setups = [
        ("zmq_msg_send", Setup { has_curve: case.has_curve, is_packed: false, is_ours: false }),
        ("ours", Setup { has_curve: case.has_curve, is_packed: false, is_ours: true }),
        ("ours, packed", Setup { has_curve: case.has_curve, is_packed: true, is_ours: true }),
    ];
    let mut figures: Vec<(&'static str, Figures)> = setups.iter().map(|(who, _)| (*who, Vec::new())).collect();
    for _ in 0..options.pairs {
        for ((_, setup), (_, rates)) in setups.iter().zip(&mut figures) {
            rates.push(run(*setup, options.messages)?);
        }
    }
    Ok(figures)
}

fn run(setup: Setup, messages: u64) -> Result<f64> {
    let directory = tempfile::tempdir()?;
    let keys = if setup.has_curve { Some(Keys::generate(directory.path())?) } else { None };
    let sink = Sink::start(&Plan {
        connects_to: None,
        keys: keys.as_ref(),
        is_packed: setup.is_packed,
        messages,
        fed_at: None,
        started: Instant::now(),
    })?;
    let deadline = Instant::now() + Duration::from_secs(60 + messages / 10_000);
    let elapsed = if setup.is_ours {
        with_sender(setup, &sink, keys.as_ref(), messages, deadline)?
    } else {
        with_libzmq(&sink, keys.as_ref(), messages, deadline)?
    };
    let counts = sink.finish()?;
    let (lost, extra) = (counts.lost(1), counts.duplicates(1));
    if lost + extra + counts.malformed > 0 {
        return Err(Failure::Other(format!("the sender lost {lost} records and sent {extra} too many")));
    }
    Ok(messages as f64 / elapsed.as_secs_f64())
}

fn wait_for(what: &'static str, deadline: Instant, is_done: impl Fn() -> bool) -> Result<()> {
    while !is_done() {
        if Instant::now() >= deadline {
            return Err(Failure::TimedOut(what));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}

/// From the first record to the last one's arrival.
fn elapsed(sink: &Sink, began: Instant, messages: u64, deadline: Instant) -> Result<Duration> {
    wait_for("the records to arrive", deadline, || sink.received() >= messages)?;
    // The count may be published before the time.
    std::thread::sleep(Duration::from_millis(50));
    Ok(sink.last_arrival().saturating_duration_since(began))
}

fn with_libzmq(sink: &Sink, keys: Option<&Keys>, messages: u64, deadline: Instant) -> Result<Duration> {
    let socket = Context::new()?.socket(rsyslog_zmq::sys::zmq::kind::PUSH)?;
    socket.set_int(option::LINGER, 0)?;
    socket.set_int(option::SNDTIMEO, 30_000)?;
    if let Some(keys) = keys {
        keys.make_client(&socket)?;
    }
    socket.connect(&sink.endpoint)?;
    let mut record = message(SIZE)?;
    put_number(&mut record, PRIMER);
    socket.send_bytes(&record, 0)?;
    wait_for("the first record to arrive", deadline, || sink.primers() > 0)?;
    let began = Instant::now();
    for number in 0..messages {
        put_number(&mut record, number);
        socket.send(&mut Message::from_parts(&[&record])?, 0)?;
    }
    elapsed(sink, began, messages, deadline)
}

struct Deaf;

impl SenderEvents for Deaf {
    fn tell(&self, _event: SenderEvent<'_>) {}
}

fn with_sender(setup: Setup, sink: &Sink, keys: Option<&Keys>, messages: u64, deadline: Instant) -> Result<Duration> {
    let feed = Arc::new(Feed::new(SendQueue::new(Limits { messages: 10_000, bytes: 64 << 20 }), Box::new(|_| {})));
    feed.commands.open()?;
    let other = |text: String| Failure::Other(text);
    let surroundings = Surroundings {
        driver: Arc::new(Driver::start().map_err(|error| Failure::Other(error.to_string()))?),
        context: Context::new()?,
    };
    let plan = SocketPlan {
        socket_type: SocketType::Push,
        endpoints: Endpoint::parse_list(&sink.endpoint).map_err(|error| other(error.to_string()))?,
        options: SocketOptions::default(),
        security: Arc::new(keys.map_or(Ok(Security::None), Keys::client_security)?),
        zap_domain: "bench".to_owned(),
        socket_file: SocketFile::default(),
        topics: Vec::new(),
    };
    let sender = Sender {
        socket: ReopeningSocket::new(surroundings, plan, vec![None], Arc::clone(&feed) as _),
        settings: SenderSettings { send_timeout: None, on_full: OnFull::Wait, linger: Some(Duration::ZERO) },
        feed: Arc::clone(&feed),
        events: Deaf,
    };
    let thread = std::thread::Builder::new().name("sender".to_owned()).spawn(move || sender.run())?;
    let result = feed_sender(&feed, setup, sink, messages, deadline);
    feed.close(Instant::now());
    thread.join().map_err(|_| other("the sender's thread has died".to_owned()))?;
    result
}

fn feed_sender(feed: &Feed, setup: Setup, sink: &Sink, messages: u64, deadline: Instant) -> Result<Duration> {
    let mut commits = Commits::new(setup.is_packed)?;
    push(feed, commits.next(PRIMER, 1)?, deadline)?;
    wait_for("the first record to arrive", deadline, || sink.primers() > 0)?;
    let began = Instant::now();
    let mut number = 0;
    while number < messages {
        let count = BATCH.min(messages - number);
        push(feed, commits.next(number, count)?, deadline)?;
        number += count;
    }
    elapsed(sink, began, messages, deadline)
}

/// Makes what an action's worker makes of its commits.
struct Commits {
    /// One record, or a packed frame full of them; only the numbers change.
    frame: Vec<u8>,
    /// Records in it.
    per_frame: usize,
    arena: Arena,
}

impl Commits {
    fn new(is_packed: bool) -> Result<Self> {
        let record = message(SIZE)?;
        let (frame, per_frame) = if is_packed { packed::frame_of(&record, PACKED_BYTES) } else { (record, 1) };
        Ok(Self { frame, per_frame, arena: Arena::default() })
    }

    fn next(&mut self, from: u64, count: u64) -> Result<Batch> {
        let mut batch = Batch::with_capacity(count as usize / self.per_frame + 1);
        let stride = self.frame.len() / self.per_frame;
        let (mut number, end) = (from, from + count);
        while number < end {
            let records = (self.per_frame as u64).min(end - number);
            let Some(part) = self.frame.get_mut(..records as usize * stride) else { break };
            for record in part.chunks_exact_mut(stride) {
                put_number(record, number);
                number += 1;
            }
            batch.push(self.arena.message(&[part])?, false, records as u32);
        }
        Ok(batch)
    }
}

fn push(feed: &Feed, mut batch: Batch, deadline: Instant) -> Result<()> {
    let (messages, bytes) = (batch.messages(), batch.bytes());
    loop {
        match feed.offer(batch) {
            Ok(()) => return Ok(()),
            Err(PushError::Closed(_)) => return Err(Failure::Other("the sender has ended".to_owned())),
            Err(PushError::Full(back)) => batch = back,
        }
        feed.queue.wait_for_room(messages, bytes, Duration::from_millis(200));
        if Instant::now() >= deadline {
            return Err(Failure::TimedOut("room in the send queue"));
        }
    }
}
