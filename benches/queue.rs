//! The bounded send queue: what one batch costs, whatever its size, from push to done.
#![forbid(unsafe_code)]
#![allow(missing_docs, reason = "a program, not a library")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rsyslog_zmq::transport::send::queue::{Limits, Popped, PushError, SendQueue, Weighed};

/// A batch of log messages that is nothing but its weight, so that only the queue is measured.
struct Weight(usize);

impl Weighed for Weight {
    fn messages(&self) -> usize {
        self.0
    }

    fn bytes(&self) -> usize {
        self.0 * 200
    }
}

const LIMITS: Limits = Limits { messages: 10_000, bytes: 64 << 20 };

fn same_thread(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("queue, one thread");
    for messages in [1, 256, 1024] {
        let queue = SendQueue::new(LIMITS);
        group.throughput(Throughput::Elements(messages as u64));
        group.bench_function(format!("push, pop, done of {messages} messages"), |bencher| {
            bencher.iter(|| {
                let is_in = queue.push(black_box(Weight(messages))).is_ok();
                if let Popped::Batch(batch) = queue.pop() {
                    queue.done(batch.messages(), batch.bytes());
                }
                is_in
            });
        });
    }
    group.finish();
}

/// Takes batches out until the queue is closed and empty.
fn take_all(queue: &SendQueue<Weight>) {
    loop {
        match queue.pop() {
            Popped::Batch(batch) => queue.done(batch.messages(), batch.bytes()),
            Popped::Empty => std::thread::yield_now(),
            Popped::Finished => return,
        }
    }
}

fn put_all(queue: &SendQueue<Weight>, batches: u64, messages: usize) {
    for _ in 0..batches {
        let mut batch = Weight(messages);
        while let Err(PushError::Full(back)) = queue.push(batch) {
            queue.wait_for_room(back.messages(), back.bytes(), Duration::from_secs(1));
            batch = back;
        }
    }
}

fn two_threads(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("queue, a writer and the sender");
    for messages in [1_usize, 256] {
        group.throughput(Throughput::Elements(messages as u64));
        group.bench_function(format!("batches of {messages} messages"), |bencher| {
            bencher.iter_custom(|batches| {
                let queue = Arc::new(SendQueue::new(LIMITS));
                let taker = {
                    let queue = Arc::clone(&queue);
                    std::thread::spawn(move || take_all(&queue))
                };
                let began = Instant::now();
                put_all(&queue, batches, messages);
                queue.close();
                let _ = taker.join();
                began.elapsed()
            });
        });
    }
    group.finish();
}

/// Short: `make bench` runs this beside longer ones.
fn settings() -> Criterion {
    let criterion = Criterion::default().warm_up_time(Duration::from_millis(500));
    criterion.measurement_time(Duration::from_secs(2)).sample_size(30)
}

criterion_group! { name = benches; config = settings(); targets = same_thread, two_threads }
criterion_main!(benches);
