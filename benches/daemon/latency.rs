//! Measuring how long a message takes from imptcp's sender to a subscriber, at a steady 10,000 messages a second.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::failure::Result;
use crate::host::{Installation, Pair};
use crate::options::Options;
use crate::output::{Course, Route, Setup};
use crate::report::{Latency, Outcome};
use crate::sink::Plan;

const PER_SECOND: u64 = 10_000;

fn percentile(sorted: &[u64], percent: usize) -> Duration {
    let at = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    Duration::from_nanos(sorted.get(at).copied().unwrap_or(0))
}

/// Measures one pair once.
pub fn measure(pair: Pair, options: &Options, installation: &Installation) -> Result<Outcome> {
    let messages = PER_SECOND * options.latency_seconds;
    let fed_at: Arc<Vec<AtomicU64>> = Arc::new((0..messages).map(|_| AtomicU64::new(0)).collect());
    let started = Instant::now();
    let plan =
        Plan { connects_to: None, keys: None, is_packed: false, messages, fed_at: Some(Arc::clone(&fed_at)), started };
    let setup = Setup { pair, route: Route::Pub { subscribers: 1 }, has_curve: false, is_packed: false };
    let mut course = Course::open(setup, installation, plan)?;

    let cpu_before = course.daemon.cpu()?;
    let began = Instant::now();
    for (number, fed_at) in fed_at.iter().enumerate() {
        let due = began + Duration::from_micros(1_000_000 / PER_SECOND * number as u64);
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        fed_at.store(started.elapsed().as_nanos() as u64, Ordering::Relaxed);
        course.feeder.feed(number as u64, 1)?;
    }
    let ended = course.wait_for_arrival(messages, Instant::now() + Duration::from_secs(60))?;
    let cpu = course.daemon.cpu()?.saturating_sub(cpu_before);
    let peak_rss = course.daemon.peak_rss()?;
    let complaint = course.daemon.stop();
    let (mut latencies, mut lost, mut extra) = (Vec::new(), 0, 0);
    for sink in course.sinks {
        let counts = sink.finish()?;
        lost += counts.lost(1);
        extra += counts.duplicates(1);
        latencies = counts.latencies;
    }
    latencies.sort_unstable();
    Ok(Outcome {
        messages,
        copies: 1,
        delivered: messages - lost,
        lost,
        extra,
        elapsed: ended.saturating_duration_since(began),
        cpu,
        peak_rss,
        latency: Some(Latency { p50: percentile(&latencies, 50), p99: percentile(&latencies, 99) }),
        notes: complaint.into_iter().collect(),
    })
}
