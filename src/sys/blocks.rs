//! Memory that many outgoing messages share.
//!
//! libzmq frees each message in its I/O thread, and an allocator pays dearly for what one thread takes and another gives
//! back. So the contents of messages are put side by side into blocks: what libzmq allocates for each is one small
//! handle, and a block goes back to its pool as a whole with its last message.
//!
//! A block is small (16 KiB), because one message that is never fetched keeps the whole of its block.

use std::ffi::c_void;
use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering, fence};
use std::sync::{Arc, Mutex, PoisonError};

use super::zmq::{Message, Result, Writer};

/// Bytes of a block, unless one message is larger.
const BLOCK: usize = 16 << 10;
/// Larger messages are allocated on their own.
const LARGEST: usize = 1 << 20;
/// libzmq keeps contents up to this length in the handle itself (msg.hpp, `max_vsm_size`); less than it does not hurt.
const IN_HANDLE: usize = 33;
/// Bytes of free blocks that a pool keeps.
const KEPT: usize = 1 << 20;
/// Owners of a block that is being filled: more than it can ever have, so that the count cannot reach zero.
const FILLING: usize = usize::MAX / 2;

/// The free blocks of those who share it.
#[derive(Debug, Default)]
pub struct Pool {
    free: Mutex<Free>,
}

#[derive(Debug, Default)]
#[allow(clippy::vec_box, reason = "a block's address is what libzmq gives back")]
struct Free {
    blocks: Vec<Box<Block>>,
    bytes: usize,
}

#[derive(Debug)]
struct Block {
    memory: Box<[MaybeUninit<u8>]>,
    /// Messages that lie in it, and the arena that fills it.
    owners: AtomicUsize,
    /// Where it goes in the end; nothing while it is there, or the two would keep each other.
    pool: Option<Arc<Pool>>,
}

impl Pool {
    fn take(self: &Arc<Self>, at_least: usize) -> Box<Block> {
        let capacity = at_least.next_power_of_two().max(BLOCK);
        let kept = {
            let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
            let place = free.blocks.iter().rposition(|block| block.memory.len() == capacity);
            place.map(|place| {
                free.bytes -= capacity;
                free.blocks.swap_remove(place)
            })
        };
        let mut block = kept.unwrap_or_else(|| {
            Box::new(Block { memory: Box::new_uninit_slice(capacity), owners: AtomicUsize::new(0), pool: None })
        });
        *block.owners.get_mut() = FILLING;
        block.pool = Some(Arc::clone(self));
        block
    }

    fn give_back(&self, block: Box<Block>) {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        if free.bytes + block.memory.len() <= KEPT {
            free.bytes += block.memory.len();
            free.blocks.push(block);
        }
    }
}

/// `owners` of the block are no more; the last ones take it to its pool.
///
/// # Safety
/// `block` came from `Box::into_raw` and the caller gives up this many of its owners.
unsafe fn release(block: NonNull<Block>, owners: usize) {
    // SAFETY: the block lives while it has owners, and the caller's are still counted.
    let before = unsafe { &(*block.as_ptr()).owners }.fetch_sub(owners, Ordering::Release);
    if before == owners {
        // Everything that other threads did with the block is over before it is used again.
        fence(Ordering::Acquire);
        // SAFETY: these were the last owners; the block came from `Box::into_raw`.
        let mut block = unsafe { Box::from_raw(block.as_ptr()) };
        if let Some(pool) = block.pool.take() {
            pool.give_back(block);
        }
    }
}

/// What libzmq calls, in any of its threads, when a message in a block is no more.
unsafe extern "C" fn message_is_gone(_data: *mut c_void, block: *mut c_void) {
    if let Some(block) = NonNull::new(block.cast::<Block>()) {
        // SAFETY: the hint was given together with one of the block's owners, and libzmq calls this once.
        unsafe { release(block, 1) };
    }
}

/// Makes messages, side by side in blocks of one pool. For one thread at a time.
#[derive(Debug)]
pub struct Arena {
    pool: Arc<Pool>,
    filling: Option<Filling>,
}

/// The block that the next messages go into.
#[derive(Debug)]
struct Filling {
    block: NonNull<Block>,
    start: NonNull<u8>,
    capacity: usize,
    used: usize,
    /// Owners that have been handed out with messages.
    given: usize,
}

// SAFETY: while it is filled a block's free part belongs to the filler alone, and its count is atomic.
unsafe impl Send for Filling {}

impl Drop for Filling {
    fn drop(&mut self) {
        // SAFETY: the block came from `Box::into_raw`; these are the owners that no message has.
        unsafe { release(self.block, FILLING - self.given) };
    }
}

impl Filling {
    fn new(block: Box<Block>) -> Self {
        let capacity = block.memory.len();
        let block = NonNull::from(Box::leak(block));
        // SAFETY: the block is alive; the pointer is kept instead of a reference, because libzmq reads the written part
        // while the rest is filled.
        let start = unsafe { (*block.as_ptr()).memory.as_mut_ptr() };
        // SAFETY: a box's pointer is never null.
        let start = unsafe { NonNull::new_unchecked(start.cast::<u8>()) };
        Self { block, start, capacity, used: 0, given: 0 }
    }

    fn has_room(&self, length: usize) -> bool {
        self.capacity - self.used >= length
    }
}

impl Arena {
    /// An arena that takes its blocks from `pool`.
    #[must_use]
    pub fn new(pool: Arc<Pool>) -> Self {
        Self { pool, filling: None }
    }

    /// A message whose content is these parts, one after the other. `ENOMEM` is the only error.
    pub fn message(&mut self, parts: &[&[u8]]) -> Result<Message> {
        let length = parts.iter().map(|part| part.len()).sum();
        self.written(length, |writer| {
            for part in parts {
                writer.put(part);
            }
        })
    }

    /// A message of exactly `length` bytes that `write` puts in; what it leaves out is zero, what it puts in beyond is
    /// dropped. `ENOMEM` is the only error.
    pub fn written(&mut self, length: usize, write: impl for<'w> FnOnce(&mut Writer<'w>)) -> Result<Message> {
        if length <= IN_HANDLE || length > LARGEST {
            return Message::written(length, write);
        }
        let filling = match self.filling.take().filter(|filling| filling.has_room(length)) {
            Some(filling) => self.filling.insert(filling),
            None => self.filling.insert(Filling::new(self.pool.take(length))),
        };
        // SAFETY: `used + length` is within the block.
        let start = unsafe { filling.start.add(filling.used) };
        // SAFETY: `length` bytes of the block, initialised or not, that no message and nothing else refers to yet.
        let memory = unsafe { std::slice::from_raw_parts_mut(start.cast::<MaybeUninit<u8>>().as_ptr(), length) };
        Writer::fill(memory, write);
        // SAFETY: the bytes are initialised by now, and stay as they are while their block has owners, and this message is one of them now.
        let message = unsafe {
            Message::of(start, length, message_is_gone as unsafe extern "C" fn(_, _), filling.block.as_ptr().cast())
        }?;
        filling.used += length;
        filling.given += 1;
        Ok(message)
    }
}

impl Default for Arena {
    fn default() -> Self {
        Self::new(Arc::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::zmq::{Context, kind};

    fn free_blocks(pool: &Pool) -> usize {
        pool.free.lock().unwrap().blocks.len()
    }

    #[test]
    fn messages_of_every_length_keep_their_bytes() {
        let mut arena = Arena::default();
        let lengths = [0, 1, 33, 34, 200, BLOCK - 1, BLOCK, BLOCK + 1, LARGEST, LARGEST + 1];
        let messages: Vec<_> = lengths
            .iter()
            .map(|&length| {
                let (left, right) = (vec![b'a'; length / 2], vec![b'b'; length - length / 2]);
                (arena.message(&[&left, &right]).unwrap(), [left, right].concat())
            })
            .collect();
        for (message, expected) in &messages {
            assert!(message.as_slice() == expected, "{} bytes", expected.len());
        }
    }

    #[test]
    fn a_block_returns_with_its_last_message_and_is_used_again() {
        let pool = Arc::new(Pool::default());
        let mut arena = Arena::new(Arc::clone(&pool));
        let first = arena.message(&[&[1; 100]]).unwrap();
        let address = first.as_slice().as_ptr();
        let second = arena.message(&[&[2; 100]]).unwrap();
        drop(first);
        drop(arena);
        assert_eq!(free_blocks(&pool), 0, "the second message still lies in it");
        assert_eq!(second.as_slice(), [2; 100]);
        drop(second);
        assert_eq!(free_blocks(&pool), 1);
        let again = Arena::new(Arc::clone(&pool)).message(&[&[3; 100]]).unwrap();
        assert_eq!(again.as_slice().as_ptr(), address);
        assert_eq!(free_blocks(&pool), 0);
    }

    #[test]
    fn a_pool_keeps_no_more_than_its_share() {
        let pool = Arc::new(Pool::default());
        let mut arena = Arena::new(Arc::clone(&pool));
        let held: Vec<_> = (0..200).map(|_| arena.message(&[&[0; BLOCK]]).unwrap()).collect();
        drop((held, arena));
        assert_eq!(free_blocks(&pool), KEPT / BLOCK);
        assert_eq!(Arc::strong_count(&pool), 1, "a free block does not keep its pool");
    }

    #[test]
    fn shared_and_sent_messages_outlive_their_arena() {
        let pool = Arc::new(Pool::default());
        let context = Context::new().unwrap();
        let (push, pull) = (context.socket(kind::PUSH).unwrap(), context.socket(kind::PULL).unwrap());
        pull.bind("inproc://blocks").unwrap();
        push.connect("inproc://blocks").unwrap();
        {
            let mut arena = Arena::new(Arc::clone(&pool));
            for number in 0..300_u32 {
                let mut message = arena.message(&[&number.to_ne_bytes(), &[7; 200]]).unwrap();
                let mut copy = message.share().unwrap();
                push.send(&mut message, 0).unwrap();
                push.send(&mut copy, 0).unwrap();
            }
        }
        let mut received = Message::new();
        for number in 0..600_u32 {
            pull.receive(&mut received, 0).unwrap();
            assert_eq!(received.as_slice(), [&(number / 2).to_ne_bytes()[..], &[7; 200]].concat());
        }
        drop(received);
        assert_eq!(free_blocks(&pool), 300_usize.div_ceil(BLOCK / 204));
    }

    #[test]
    fn threads_may_drop_messages_while_others_are_made() {
        let pool = Arc::new(Pool::default());
        let mut arena = Arena::new(Arc::clone(&pool));
        let (give, take) = std::sync::mpsc::channel::<Message>();
        let reader = std::thread::spawn(move || take.iter().filter(|message| message.as_slice() == [9; 1000]).count());
        for _ in 0..2000 {
            give.send(arena.message(&[&[9; 1000]]).unwrap()).unwrap();
        }
        drop((give, arena));
        assert_eq!(reader.join().unwrap(), 2000);
        assert_eq!(Arc::strong_count(&pool), 1, "every block has come back");
    }
}
