//! The queue alone: limits, closing, several writers, and a plain deque as its model.

use super::*;
use std::sync::Arc;

#[derive(Debug, PartialEq, Eq)]
struct Item(u32, usize, usize);

impl Weighed for Item {
    fn messages(&self) -> usize {
        self.1
    }
    fn bytes(&self) -> usize {
        self.2
    }
}

const LIMITS: Limits = Limits { messages: 10, bytes: 100 };

#[test]
fn a_batch_goes_in_whole_or_is_handed_back() {
    let queue = SendQueue::new(LIMITS);
    queue.push(Item(1, 6, 10)).unwrap();
    assert!(matches!(queue.push(Item(2, 5, 10)), Err(PushError::Full(Item(2, 5, 10)))));
    assert!(matches!(queue.push(Item(3, 1, 91)), Err(PushError::Full(_))));
    queue.push(Item(4, 4, 90)).unwrap();
    assert_eq!(queue.depth(), 10);
    assert_eq!(queue.pop(), Popped::Batch(Item(1, 6, 10)));
    assert!(matches!(queue.push(Item(5, 1, 1)), Err(PushError::Full(_))), "taken out is not done");
    queue.done(6, 10);
    queue.push(Item(5, 1, 1)).unwrap();
}

#[test]
fn an_oversize_batch_is_admitted_to_an_empty_queue_only() {
    let queue = SendQueue::new(LIMITS);
    queue.push(Item(1, 1000, 100_000)).unwrap();
    assert!(matches!(queue.push(Item(2, 1, 1)), Err(PushError::Full(_))));
    let _ = queue.pop();
    queue.done(1000, 100_000);
    queue.push(Item(2, 1, 1)).unwrap();
}

#[test]
fn closing_refuses_pushes_and_drains_first() {
    let queue = SendQueue::new(LIMITS);
    assert_eq!(queue.pop(), Popped::Empty);
    assert!(queue.push(Item(1, 1, 1)).unwrap(), "a sleeping receiver must be woken");
    assert!(!queue.push(Item(2, 1, 1)).unwrap(), "once is enough");
    queue.close();
    assert!(matches!(queue.push(Item(3, 1, 1)), Err(PushError::Closed(_))));
    assert_eq!(queue.pop(), Popped::Batch(Item(1, 1, 1)));
    assert_eq!(queue.pop(), Popped::Batch(Item(2, 1, 1)));
    assert_eq!(queue.pop(), Popped::Finished);
    assert!(!queue.wait_for_room(1, 1, Duration::ZERO));
}

#[test]
fn a_batch_enters_past_the_queue_only_when_nothing_is_inside() {
    let queue = SendQueue::new(LIMITS);
    assert_eq!(queue.pop(), Popped::Empty);
    assert!(queue.enter(1000, 100_000), "an oversize batch too");
    assert!(!queue.enter(1, 1), "one is inside");
    assert!(queue.leave(Item(1, 1000, 100_000)), "a sleeping receiver must be woken");
    assert_eq!(queue.pop(), Popped::Batch(Item(1, 1000, 100_000)));
    assert!(!queue.enter(1, 1), "taken out is not done");
    queue.done(1000, 100_000);
    queue.set_admitting(false);
    assert!(!queue.enter(1, 1));
    queue.set_admitting(true);
    assert!(queue.enter(1, 1));
    queue.push(Item(2, 1, 1)).unwrap();
    queue.leave(Item(1, 1, 1));
    queue.close();
    assert_eq!(queue.pop(), Popped::Batch(Item(1, 1, 1)), "it came first");
    assert_eq!(queue.pop(), Popped::Batch(Item(2, 1, 1)));
    assert_eq!(queue.pop(), Popped::Finished);
    queue.done(2, 2);
    assert!(!queue.enter(1, 1), "closed");
}

#[test]
fn waiting_for_room_ends_when_the_receiver_is_done() {
    let queue = Arc::new(SendQueue::new(LIMITS));
    queue.push(Item(1, 10, 10)).unwrap();
    assert!(!queue.wait_for_room(1, 1, Duration::from_millis(1)));
    let waiter = {
        let queue = Arc::clone(&queue);
        std::thread::spawn(move || queue.wait_for_room(1, 1, Duration::from_secs(60)))
    };
    queue.done(10, 10);
    assert!(waiter.join().unwrap());
}

#[test]
fn a_shut_queue_admits_nothing_and_keeps_what_it_has() {
    let queue = SendQueue::new(LIMITS);
    queue.push(Item(1, 1, 1)).unwrap();
    queue.set_admitting(false);
    assert!(matches!(queue.push(Item(2, 1, 1)), Err(PushError::Full(_))));
    assert_eq!(queue.pop(), Popped::Batch(Item(1, 1, 1)));
    queue.set_admitting(true);
    queue.push(Item(2, 1, 1)).unwrap();
}

#[test]
fn several_writers_lose_and_duplicate_nothing() {
    let queue = Arc::new(SendQueue::new(Limits { messages: 8, bytes: 1000 }));
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let queue = Arc::clone(&queue);
            std::thread::spawn(move || {
                for number in 0..500 {
                    let mut item = Item(writer * 1000 + number, 3, 1);
                    while let Err(PushError::Full(back)) = queue.push(item) {
                        queue.wait_for_room(3, 1, Duration::from_secs(60));
                        item = back;
                    }
                }
            })
        })
        .collect();
    let mut last = [None::<u32>; 4];
    let mut count = 0;
    while count < 2000 {
        match queue.pop() {
            Popped::Batch(Item(number, messages, bytes)) => {
                let (writer, number) = ((number / 1000) as usize, number % 1000);
                assert_eq!(number, last[writer].map_or(0, |last| last + 1), "each writer's order is kept");
                last[writer] = Some(number);
                queue.done(messages, bytes);
                count += 1;
            }
            Popped::Empty => std::thread::yield_now(),
            Popped::Finished => unreachable!("nobody closed it"),
        }
    }
    for writer in writers {
        writer.join().unwrap();
    }
    assert_eq!(queue.depth(), 0);
}

/// The queue as simply as it can be written.
#[derive(Default)]
struct Model {
    inside: VecDeque<Item>,
    taken: Vec<(usize, usize)>,
    is_closed: bool,
    is_shut: bool,
}

impl Model {
    fn weight(&self) -> (usize, usize) {
        let inside = self.inside.iter().map(|item| (item.1, item.2));
        inside.chain(self.taken.iter().copied()).fold((0, 0), |sum, item| (sum.0 + item.0, sum.1 + item.1))
    }

    fn would_take(&self, item: &Item) -> bool {
        let (messages, bytes) = self.weight();
        let fits = messages + item.1 <= LIMITS.messages && bytes + item.2 <= LIMITS.bytes;
        !self.is_closed && !self.is_shut && (messages == 0 || fits)
    }
}

#[test]
fn random_actions_do_what_a_plain_deque_does() {
    for seed in 1..=200_u64 {
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let mut next = |below: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 11) % below
        };
        let queue = SendQueue::new(LIMITS);
        let mut model = Model::default();
        for number in 0..300 {
            match next(100) {
                0..45 => {
                    let item = Item(number, next(5) as usize + 1, next(40) as usize);
                    let copy = Item(item.0, item.1, item.2);
                    if next(3) == 0 {
                        // The same batch past the queue, of which nothing could be delivered.
                        let expected = model.would_take(&item) && model.weight().0 == 0;
                        assert_eq!(queue.enter(item.1, item.2), expected, "seed {seed}, action {number}");
                        if expected {
                            queue.leave(item);
                            model.inside.push_front(copy);
                        }
                        continue;
                    }
                    let expected = model.would_take(&item);
                    assert_eq!(queue.push(item).is_ok(), expected, "seed {seed}, action {number}");
                    if expected {
                        model.inside.push_back(copy);
                    }
                }
                45..75 => match (queue.pop(), model.inside.pop_front()) {
                    (Popped::Batch(item), Some(expected)) => {
                        model.taken.push((item.1, item.2));
                        assert_eq!(item, expected, "seed {seed}, action {number}");
                    }
                    (Popped::Finished, None) => assert!(model.is_closed),
                    (Popped::Empty, None) => assert!(!model.is_closed),
                    (popped, expected) => panic!("{popped:?} instead of {expected:?}, seed {seed}, action {number}"),
                },
                75..95 if !model.taken.is_empty() => {
                    let (messages, bytes) = model.taken.remove(next(model.taken.len() as u64) as usize);
                    queue.done(messages, bytes);
                }
                95..99 => {
                    model.is_shut = !model.is_shut;
                    queue.set_admitting(!model.is_shut);
                }
                _ if number > 250 => {
                    model.is_closed = true;
                    queue.close();
                }
                _ => {}
            }
            assert_eq!(queue.depth(), model.weight().0, "seed {seed}, action {number}");
        }
    }
}
