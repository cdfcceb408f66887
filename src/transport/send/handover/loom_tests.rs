//! Interleavings of workers, the thread and a peer, by loom's model checker: the queue and the handover are the real ones, the
//! socket and the waker are models. A lost wake-up shows as a deadlock, because the queue is closed with the last frame.

use super::*;
use crate::transport::send::queue::Limits;
use loom::sync::atomic::{AtomicBool, Ordering};
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;
use std::sync::atomic::AtomicUsize as Statistic;

/// Frames of each batch.
const FRAMES: u8 = 2;

/// A worker's batch.
#[derive(Debug)]
struct Numbered {
    worker: u8,
    number: u8,
    next: u8,
}

impl Weighed for Numbered {
    fn messages(&self) -> usize {
        1
    }
    fn bytes(&self) -> usize {
        1
    }
}

/// Worker, batch, frame.
type SentFrame = (u8, u8, u8);

/// What the thread polls.
#[derive(Default)]
struct Descriptors {
    /// An eventfd: readable until it is cleared.
    is_woken: bool,
    /// The socket's descriptor: readable until somebody looks at the socket (zmq_getsockopt(3), `ZMQ_FD`).
    is_socket_readable: bool,
    /// What has arrived on the socket.
    arrived: u8,
    /// Commands that nobody has taken.
    commands: u8,
}

struct Shared {
    queue: SendQueue<Numbered>,
    descriptors: Mutex<Descriptors>,
    changed: Condvar,
    is_closing: AtomicBool,
}

impl Shared {
    /// The peer sends something.
    fn arrive(&self) {
        let mut descriptors = self.descriptors.lock().unwrap();
        descriptors.arrived += 1;
        descriptors.is_socket_readable = true;
        self.changed.notify_all();
    }

    /// Gives a command, as `Commands::give` does: first the command, then the wake.
    fn command(&self) {
        self.descriptors.lock().unwrap().commands += 1;
        self.wake();
    }

    fn close(&self) {
        self.is_closing.store(true, Ordering::SeqCst);
        close(self);
    }
}

impl Channel for Shared {
    type Batch = Numbered;

    fn queue(&self) -> &SendQueue<Numbered> {
        &self.queue
    }

    fn wake(&self) {
        self.descriptors.lock().unwrap().is_woken = true;
        self.changed.notify_all();
    }

    fn clear(&self) {
        self.descriptors.lock().unwrap().is_woken = false;
    }

    fn is_closing(&self) -> bool {
        self.is_closing.load(Ordering::SeqCst)
    }

    fn note_accepted(&self, _messages: usize) {}
}

/// What happened in all executions of a model together; it shows that the model reaches what it is about.
#[derive(Default)]
struct Reachings {
    in_place: Statistic,
    left: Statistic,
    by_the_thread: Statistic,
}

impl Reachings {
    fn all(&self) -> [usize; 3] {
        [&self.in_place, &self.left, &self.by_the_thread].map(|count| count.load(Ordering::Relaxed))
    }
}

/// A socket that is full after `room` frames, until the thread waits.
struct ModelSocket {
    shared: Arc<Shared>,
    room: u8,
    /// The frames, the arrivals and the commands of the whole model; the queue is closed after them.
    expected: (usize, u8, u8),
    taken_in: u8,
    obeyed: u8,
    sent: Vec<SentFrame>,
    is_finished: Arc<Mutex<Option<(Vec<SentFrame>, u8)>>>,
    reachings: &'static Reachings,
}

impl ModelSocket {
    fn close_when_all_is_done(&self) {
        if (self.sent.len(), self.taken_in, self.obeyed) == self.expected {
            self.shared.close();
        }
    }
}

fn count(statistic: &Statistic) {
    statistic.fetch_add(1, Ordering::Relaxed);
}

impl Transmitter for ModelSocket {
    type Channel = Shared;
    type Sleep = ();
    const MOST_IN_PLACE: usize = 1;

    fn turn(&mut self) {
        let commands = std::mem::take(&mut self.shared.descriptors.lock().unwrap().commands);
        self.obeyed += commands;
        if !self.take_in() && commands > 0 {
            self.close_when_all_is_done();
        }
    }

    fn is_open(&self) -> bool {
        true
    }

    fn is_unhindered(&self) -> bool {
        self.shared.descriptors.lock().unwrap().commands == 0
    }

    /// One arrival in each call.
    fn take_in(&mut self) -> bool {
        let mut descriptors = self.shared.descriptors.lock().unwrap();
        descriptors.is_socket_readable = false;
        if descriptors.arrived == 0 {
            return false;
        }
        descriptors.arrived -= 1;
        drop(descriptors);
        self.taken_in += 1;
        self.close_when_all_is_done();
        true
    }

    fn send(&mut self, batch: &mut Numbered, may_wait: bool) -> Reached {
        count(if may_wait { &self.reachings.by_the_thread } else { &self.reachings.in_place });
        while batch.next < FRAMES {
            if self.room == 0 {
                if !may_wait {
                    count(&self.reachings.left);
                    return Reached::Full;
                }
                // As the thread does while it waits for room.
                self.shared.clear();
                self.turn();
                self.room = FRAMES;
            }
            self.room -= 1;
            self.sent.push((batch.worker, batch.number, batch.next));
            batch.next += 1;
        }
        self.shared.queue.done(1, 1);
        self.close_when_all_is_done();
        Reached::End
    }

    fn prepare_sleep(&self) -> Option<()> {
        let mut descriptors = self.shared.descriptors.lock().unwrap();
        descriptors.is_socket_readable = false;
        (descriptors.arrived == 0).then_some(())
    }

    fn sleep(shared: &Shared, (): ()) {
        let mut descriptors = shared.descriptors.lock().unwrap();
        while !descriptors.is_woken && !descriptors.is_socket_readable {
            descriptors = shared.changed.wait(descriptors).unwrap();
        }
    }

    fn finish(self, unsent: Option<Numbered>) {
        assert!(unsent.is_none(), "{unsent:?}");
        *self.is_finished.lock().unwrap() = Some((self.sent, self.taken_in));
    }
}

/// How a model is set up.
#[derive(Clone, Copy)]
struct Plan {
    /// The batches of each worker.
    workers: &'static [u8],
    arrivals: u8,
    commands: u8,
    room: u8,
    is_admitting: bool,
    /// Whether somebody closes the queue at any time.
    is_closed_early: bool,
    /// Preemptions in one execution; loom's authors find two or three enough for most faults (`loom::model::Builder`).
    preemptions: usize,
}

/// Runs the model; what happened in all executions together.
fn check(plan: Plan) -> [usize; 3] {
    let reachings: &'static Reachings = Box::leak(Box::default());
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(plan.preemptions);
    builder.check(move || execute(plan, reachings));
    reachings.all()
}

fn execute(plan: Plan, reachings: &'static Reachings) {
    let shared = Arc::new(Shared {
        queue: SendQueue::new(Limits { messages: 10, bytes: 10 }),
        descriptors: Mutex::new(Descriptors::default()),
        changed: Condvar::new(),
        is_closing: AtomicBool::new(false),
    });
    shared.queue.set_admitting(plan.is_admitting);
    let is_finished = Arc::new(Mutex::new(None));
    let batches = if plan.is_admitting { plan.workers.iter().sum() } else { 0 };
    let handover = Arc::new(Handover::new(ModelSocket {
        shared: Arc::clone(&shared),
        room: plan.room,
        expected: (usize::from(batches * FRAMES), plan.arrivals, plan.commands),
        taken_in: 0,
        obeyed: 0,
        sent: Vec::new(),
        is_finished: Arc::clone(&is_finished),
        reachings,
    }));
    let workers: Vec<_> = (0..)
        .zip(plan.workers)
        .map(|(worker, &batches)| {
            let (shared, handover) = (Arc::clone(&shared), Arc::clone(&handover));
            thread::spawn(move || {
                let offer = |number| offer(&*shared, Some(&*handover), Numbered { worker, number, next: 0 }).is_ok();
                (0..batches).filter(|&number| offer(number)).count()
            })
        })
        .collect();
    let other = (plan.arrivals + plan.commands > 0 || plan.is_closed_early).then(|| {
        let shared = Arc::clone(&shared);
        thread::spawn(move || {
            (0..plan.arrivals).for_each(|_| shared.arrive());
            (0..plan.commands).for_each(|_| shared.command());
            if plan.is_closed_early {
                shared.close();
            }
        })
    });
    handover.serve(&shared);
    let accepted: Vec<usize> = workers.into_iter().map(|worker| worker.join().unwrap()).collect();
    other.into_iter().for_each(|other| other.join().unwrap());
    let (sent, taken_in) = is_finished.lock().unwrap().take().unwrap();
    // The frames of a batch follow each other, and each worker's batches are sent once and in order.
    let whole: Vec<(u8, u8)> = sent
        .chunks(usize::from(FRAMES))
        .map(|frames| {
            let (worker, number, _) = frames[0];
            let expected: Vec<SentFrame> = (0..FRAMES).map(|frame| (worker, number, frame)).collect();
            assert_eq!(frames, expected, "{sent:?}");
            (worker, number)
        })
        .collect();
    for (worker, &accepted) in (0..).zip(&accepted) {
        let of_worker = whole.iter().filter(|batch| batch.0 == worker).map(|batch| usize::from(batch.1));
        assert_eq!(of_worker.collect::<Vec<_>>(), (0..accepted).collect::<Vec<_>>(), "of worker {worker}: {sent:?}");
    }
    if !plan.is_closed_early {
        assert_eq!((accepted.iter().sum::<usize>(), taken_in), (usize::from(batches), plan.arrivals));
    }
}

#[test]
fn what_two_workers_offer_is_sent_once_and_the_thread_does_not_sleep_over_it() {
    let plan = Plan {
        workers: &[1, 1],
        arrivals: 0,
        commands: 0,
        room: 4,
        is_admitting: true,
        is_closed_early: false,
        preemptions: 3,
    };
    let [in_place, left, by_the_thread] = check(plan);
    assert!(in_place > 0 && left == 0 && by_the_thread > 0, "{in_place} {left} {by_the_thread}");
}

#[test]
fn what_does_not_fit_is_left_to_the_thread_and_stays_before_all_others() {
    let plan = Plan {
        workers: &[1, 1],
        arrivals: 0,
        commands: 0,
        room: 1,
        is_admitting: true,
        is_closed_early: false,
        preemptions: 3,
    };
    let [in_place, left, by_the_thread] = check(plan);
    assert!(in_place > 0 && left > 0 && by_the_thread > 0, "{in_place} {left} {by_the_thread}");
}

#[test]
fn each_workers_batches_stay_in_order() {
    let plan = Plan {
        workers: &[2, 2],
        arrivals: 0,
        commands: 0,
        room: 1,
        is_admitting: true,
        is_closed_early: false,
        preemptions: 2,
    };
    let [in_place, left, by_the_thread] = check(plan);
    assert!(in_place > 0 && left > 0 && by_the_thread > 0, "{in_place} {left} {by_the_thread}");
}

#[test]
fn what_arrives_while_a_worker_looks_at_the_socket_is_taken_in() {
    let plan = Plan {
        workers: &[1],
        arrivals: 2,
        commands: 0,
        room: 4,
        is_admitting: true,
        is_closed_early: false,
        preemptions: 2,
    };
    let [in_place, ..] = check(plan);
    assert!(in_place > 0);
}

#[test]
fn what_arrives_is_taken_in_although_nothing_is_accepted() {
    let plan = Plan {
        workers: &[1],
        arrivals: 2,
        commands: 0,
        room: 4,
        is_admitting: false,
        is_closed_early: false,
        preemptions: 2,
    };
    assert_eq!(check(plan), [0, 0, 0]);
}

#[test]
fn a_command_is_obeyed_whatever_the_workers_do() {
    let plan = Plan {
        workers: &[1],
        arrivals: 0,
        commands: 2,
        room: 1,
        is_admitting: true,
        is_closed_early: false,
        preemptions: 3,
    };
    let [in_place, left, by_the_thread] = check(plan);
    assert!(in_place > 0 && left > 0 && by_the_thread > 0, "{in_place} {left} {by_the_thread}");
}

#[test]
fn a_close_at_any_time_sends_what_was_accepted_and_ends_the_thread() {
    let plan = Plan {
        workers: &[1, 1],
        arrivals: 0,
        commands: 0,
        room: 1,
        is_admitting: true,
        is_closed_early: true,
        preemptions: 2,
    };
    let [in_place, left, by_the_thread] = check(plan);
    assert!(in_place > 0 && left > 0 && by_the_thread > 0, "{in_place} {left} {by_the_thread}");
}
