//! Every interleaving of push, pop, done and close, by loom's model checker.

use super::*;
use loom::sync::Arc;
use loom::thread;

#[derive(Debug)]
struct One(u8);

impl Weighed for One {
    fn messages(&self) -> usize {
        1
    }
    fn bytes(&self) -> usize {
        1
    }
}

const SMALL: Limits = Limits { messages: 1, bytes: 1 };

/// Takes out everything until the queue is finished. The waker is a flag here: a receiver that found nothing is only
/// right to sleep if somebody is going to tell it.
fn drain(queue: &SendQueue<One>) -> Vec<u8> {
    let mut seen = Vec::new();
    loop {
        match queue.pop() {
            Popped::Batch(One(number)) => {
                seen.push(number);
                queue.done(1, 1);
            }
            Popped::Empty => thread::yield_now(),
            Popped::Finished => return seen,
        }
    }
}

#[test]
fn what_was_taken_before_a_close_is_drained_and_nothing_after_it() {
    loom::model(|| {
        let queue = Arc::new(SendQueue::new(Limits { messages: 2, bytes: 2 }));
        let writer = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || u8::from(queue.push(One(1)).is_ok()) + u8::from(queue.push(One(2)).is_ok()))
        };
        let closer = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || queue.close())
        };
        let taken = writer.join().unwrap();
        closer.join().unwrap();
        let seen = drain(&queue);
        assert_eq!(seen, (1..=taken).collect::<Vec<u8>>());
    });
}

#[test]
fn a_receiver_that_found_nothing_is_told_of_the_next_batch() {
    loom::model(|| {
        let queue = Arc::new(SendQueue::new(SMALL));
        let writer = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || queue.push(One(1)).unwrap())
        };
        let found = matches!(queue.pop(), Popped::Batch(_));
        let must_wake = writer.join().unwrap();
        assert!(found != must_wake, "found {found}, told {must_wake}");
    });
}

#[test]
fn what_is_left_of_a_batch_that_entered_comes_first_and_somebody_is_told() {
    loom::model(|| {
        let queue = Arc::new(SendQueue::new(Limits { messages: 2, bytes: 2 }));
        let found = queue.pop();
        let writer = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || queue.push(One(2)).unwrap())
        };
        let is_in = queue.enter(1, 1);
        let told = is_in && queue.leave(One(1));
        let also_told = writer.join().unwrap();
        assert!(matches!(found, Popped::Empty) && (told != also_told), "the sleeping receiver is told once");
        queue.close();
        assert_eq!(drain(&queue), if is_in { vec![1, 2] } else { vec![2] });
    });
}

#[test]
fn a_writer_that_waits_for_room_gets_it_or_learns_of_the_close() {
    loom::model(|| {
        let queue = Arc::new(SendQueue::new(SMALL));
        queue.push(One(1)).unwrap();
        let writer = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || {
                if queue.wait_for_room(1, 1, Duration::from_secs(3600)) { queue.push(One(2)).is_ok() } else { false }
            })
        };
        let first = matches!(queue.pop(), Popped::Batch(One(1)));
        queue.done(1, 1);
        queue.close();
        let has_second = writer.join().unwrap();
        assert!(first);
        assert_eq!(drain(&queue), if has_second { vec![2] } else { vec![] });
    });
}
