//! `rsyslog-zmq tail`: records from publishers, as they arrive.
//!
//! One thread receives ([`Subscriber`]) and this one filters, renders and writes, with a bounded [`output_queue::OutputQueue`] in
//! between, so that a paused terminal holds up neither the publisher nor the connection.
#![forbid(unsafe_code)]

use std::io::{ErrorKind, IsTerminal, Write};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use regex::bytes::Regex;

use crate::cli::client_keys;
use crate::cli::connection_report::MOST_FRAME_BYTES;
use crate::cli::exit::{Failure, Outcome};
use crate::cli::expression::compile;
use crate::cli::frame_decoding::{FrameDecoding, NotPacked};
use crate::cli::interrupts::{Asked, Interrupts, catch};
use crate::sys::signals::spawn_without_signals;
use crate::sys::zmq::{Context, PollItem, poll};
use crate::transport::subscribe::{Options, Received, State, Subscriber, SubscriberError, SubscriberEvent};

pub mod arguments;
pub mod fields;
mod filter;
pub mod format;
pub mod logtalez;
pub mod output_queue;
mod progress;
pub mod render;
pub mod template;

pub use arguments::TailCommand;
use filter::Filter;
use output_queue::{Item, OutputQueue};
use progress::Progress;
use render::{NoJson, Renderer};

/// Bytes that are written at once at most.
const WRITE_SIZE: usize = 64 << 10;

/// How often a silent run looks whether somebody still reads its output.
const OUTPUT_CHECK: Duration = Duration::from_secs(1);

/// Runs `rsyslog-zmq tail`.
pub fn run(command: &TailCommand) -> Result<Outcome, Failure> {
    let filter = Filter::new(command)?;
    let highlight = highlight(&command.highlight)?;
    let endpoints = command.endpoints()?;
    if endpoints.is_empty() {
        return Err(Failure::usage("no endpoint: neither the command line nor the profile has one"));
    }
    let keys = client_keys::load(command.server_cert(), command.client_cert())?;
    let options = Options {
        endpoints,
        topics: command.topics(),
        security: keys.security,
        heartbeat: command.heartbeat,
        receive_high_water_mark: 10_000,
        max_message_bytes: MOST_FRAME_BYTES,
    };
    let began = Instant::now();
    let until = command.duration.and_then(|duration| began.checked_add(duration));
    let (waker, interrupts) = catch(false).map_err(Failure::failed)?;
    let context = Context::new().map_err(Failure::failed)?;
    let subscriber = Subscriber::open(&context, options).map_err(|error| match error {
        SubscriberError::Endpoint(error) => Failure::usage(error),
        error => Failure::failed(error),
    })?;
    let addresses: Vec<String> = (0..subscriber.sources()).map(|source| subscriber.address(source)).collect();
    let mut progress = Progress::new(command, addresses, keys.origin);
    for source in 0..subscriber.sources() {
        if subscriber.state(source) == Some(&State::Listening) {
            progress.changed(source, State::Listening);
        }
    }
    let queue = Arc::new(OutputQueue::default());
    let receiver = start_receiving(subscriber, interrupts, Arc::clone(&queue)).map_err(Failure::failed)?;
    let stdout = std::io::stdout();
    let renderer = Renderer {
        format: command.format(),
        is_terminal: stdout.is_terminal(),
        colour: command.color.applies_to(&stdout),
        highlight,
    };
    let mut output = Output {
        out: stdout.lock(),
        buffer: Vec::with_capacity(2 * WRITE_SIZE),
        renderer,
        filter,
        decoding: command.decoding(),
        count: command.count,
    };
    let result = show(&queue, &mut progress, &mut output, until);
    // Ends the receiving thread, which closes its sockets.
    waker.end();
    let _ = receiver.join();
    match result {
        Ok(end) => {
            progress.say_dropped();
            if matches!(end, End::TimeIsUp | End::Interrupted) {
                progress.summary(began.elapsed());
            }
            Ok(progress.outcome(end == End::Hopeless))
        }
        Err(ShowError::Output(error)) if error.kind() == ErrorKind::BrokenPipe => Ok(Outcome::Done),
        Err(ShowError::Output(error)) => Err(Failure::failed(format_args!("cannot write the output: {error}"))),
        Err(ShowError::Receiving(text)) => Err(Failure::failed(text)),
    }
}

/// Why showing came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// `--count` records were shown.
    Counted,
    /// `--duration` is over.
    TimeIsUp,
    /// SIGINT or SIGTERM.
    Interrupted,
    /// `--fail-fast`, and no endpoint is left.
    Hopeless,
}

enum ShowError {
    Output(std::io::Error),
    Receiving(String),
}

impl From<std::io::Error> for ShowError {
    fn from(error: std::io::Error) -> Self {
        Self::Output(error)
    }
}

fn show(
    queue: &OutputQueue,
    progress: &mut Progress,
    output: &mut Output<'_>,
    until: Option<Instant>,
) -> Result<End, ShowError> {
    let mut items = Vec::new();
    loop {
        let dropped = queue.take(&mut items, until);
        for item in items.drain(..) {
            match item {
                Item::Event(SubscriberEvent::Received(record)) => {
                    output.show(&record, progress)?;
                    if output.is_count_reached(progress) {
                        output.flush()?;
                        return Ok(End::Counted);
                    }
                }
                Item::Event(SubscriberEvent::Changed(source, state)) => {
                    // What arrived before a loss is shown before the loss is.
                    output.flush()?;
                    progress.changed(source, state);
                    if progress.is_hopeless() {
                        return Ok(End::Hopeless);
                    }
                }
                Item::Interrupted => {
                    output.flush()?;
                    return Ok(End::Interrupted);
                }
                Item::OutputClosed => return Err(ShowError::Output(ErrorKind::BrokenPipe.into())),
                Item::Failed(text) => return Err(ShowError::Receiving(text)),
            }
        }
        output.flush()?;
        progress.dropped(dropped);
        if until.is_some_and(|until| until <= Instant::now()) {
            return Ok(End::TimeIsUp);
        }
    }
}

struct Output<'a> {
    out: std::io::StdoutLock<'a>,
    buffer: Vec<u8>,
    renderer: Renderer,
    filter: Filter,
    decoding: FrameDecoding,
    count: Option<u64>,
}

impl Output<'_> {
    fn show(&mut self, record: &Received, progress: &mut Progress) -> std::io::Result<()> {
        let Self { buffer, renderer, filter, count, .. } = self;
        let (topic, body) = (record.topic.as_ref().map(|topic| topic.as_slice()), record.body.as_slice());
        let result = self.decoding.records(topic, body, &mut |topic, body| {
            if count.is_some_and(|count| progress.shown() >= count) || !filter.admits(topic, body) {
                return;
            }
            match renderer.line(buffer, progress.address(record.source), topic, body) {
                Ok(()) => progress.count_shown(),
                Err(NoJson) => progress.no_json(),
            }
        });
        if result == Err(NotPacked) {
            progress.not_packed();
        }
        if self.buffer.len() >= WRITE_SIZE { self.flush() } else { Ok(()) }
    }

    fn is_count_reached(&self, progress: &Progress) -> bool {
        self.count.is_some_and(|count| progress.shown() >= count)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        if !self.buffer.is_empty() {
            self.out.write_all(&self.buffer)?;
            self.buffer.clear();
            self.out.flush()?;
        }
        Ok(())
    }
}

/// One expression for all that `--highlight` was given.
fn highlight(patterns: &[String]) -> Result<Option<Regex>, Failure> {
    let usage = |error| Failure::usage(format_args!("--highlight: {error}"));
    for pattern in patterns {
        compile(pattern).map_err(usage)?;
    }
    let all = patterns.iter().map(|pattern| format!("(?:{pattern})")).collect::<Vec<_>>().join("|");
    (!patterns.is_empty()).then(|| compile(&all)).transpose().map_err(usage)
}

fn start_receiving(
    mut subscriber: Subscriber,
    mut interrupts: Interrupts,
    queue: Arc<OutputQueue>,
) -> std::io::Result<JoinHandle<()>> {
    spawn_without_signals("zmq-receive", move || {
        let mut items = Vec::new();
        loop {
            let mut report = |what| items.push(Item::Event(what));
            let end = match subscriber.wait(interrupts.descriptor(), Some(OUTPUT_CHECK), &mut report) {
                Ok(true) if interrupts.take() == Asked::End => Some(Item::Interrupted),
                Ok(_) if items.is_empty() && is_output_closed() => Some(Item::OutputClosed),
                Ok(_) => None,
                Err(error) => Some(Item::Failed(error.to_string())),
            };
            let goes_on = end.is_none();
            items.extend(end);
            queue.push(&mut items);
            if !goes_on {
                return;
            }
        }
    })
}

/// Whether the reader of our output has gone. A write would tell, but there may be nothing to write for hours.
fn is_output_closed() -> bool {
    // Without a wanted event, only errors and hang-ups count.
    poll(&mut [PollItem::descriptor(std::io::stdout().as_raw_fd(), 0)], 0).is_ok_and(|ready| ready > 0)
}
