//! One commit's frames: what an action's worker makes of the records that rsyslog hands it, before the queue.
#![forbid(unsafe_code)]
#![allow(missing_docs, reason = "a program, not a library")]

use std::hint::black_box;
use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use rsyslog_zmq::sys::blocks::Arena;
use rsyslog_zmq::sys::zmq::Result;
use rsyslog_zmq::transport::send::batch::Batch;

/// Records in one commit.
const RECORDS: usize = 1024;
const TOPIC: &[u8] = b"web1.nginx";

/// PUSH: a frame each.
fn plain(arena: &mut Arena, record: &[u8]) -> Result<Batch> {
    let mut batch = Batch::with_capacity(RECORDS);
    for _ in 0..RECORDS {
        batch.push(arena.message(&[black_box(record)])?, false, 1);
    }
    Ok(batch)
}

/// PUB with the topic in front of the record.
fn with_topic(arena: &mut Arena, record: &[u8]) -> Result<Batch> {
    let mut batch = Batch::with_capacity(RECORDS);
    for _ in 0..RECORDS {
        batch.push(arena.message(&[TOPIC, black_box(record)])?, false, 1);
    }
    Ok(batch)
}

/// PUB under two topics, each in a frame of its own; the copies share their content.
fn with_two_topic_frames(arena: &mut Arena, record: &[u8]) -> Result<Batch> {
    let mut batch = Batch::with_capacity(RECORDS * 4);
    for _ in 0..RECORDS {
        let mut first = arena.message(&[black_box(record)])?;
        let second = first.share()?;
        batch.push(arena.message(&[TOPIC])?, true, 0);
        batch.push(first, false, 0);
        batch.push(arena.message(&[TOPIC])?, true, 0);
        batch.push(second, false, 1);
    }
    Ok(batch)
}

fn commit(criterion: &mut Criterion) {
    type Make = fn(&mut Arena, &[u8]) -> Result<Batch>;
    let shapes: [(&str, Make); 3] =
        [("a frame each", plain), ("topic in front", with_topic), ("two topic frames", with_two_topic_frames)];
    let mut arena = Arena::default();
    for size in [60, 200, 2000] {
        let record = vec![b'x'; size];
        let mut group = criterion.benchmark_group(format!("commit of {RECORDS} records of {size} bytes"));
        group.throughput(Throughput::Elements(RECORDS as u64));
        for (name, make) in shapes {
            // What is made is dropped outside of the measurement: in the daemon that is the sender's work.
            group.bench_function(name, |bencher| {
                bencher.iter_batched(|| (), |()| make(&mut arena, &record), BatchSize::LargeInput);
            });
        }
        group.finish();
    }
}

/// Short: `make bench` runs this beside longer ones.
fn settings() -> Criterion {
    let criterion = Criterion::default().warm_up_time(Duration::from_millis(500));
    criterion.measurement_time(Duration::from_secs(2)).sample_size(30)
}

criterion_group! { name = benches; config = settings(); targets = commit }
criterion_main!(benches);
