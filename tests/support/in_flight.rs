//! How much can be lost with a connection: what had left the sender and had not been read.

/// libzmq writes and reads so many bytes at once (config.hpp `out_batch_size`, `in_batch_size`).
const BATCH: usize = 8192;

/// The most messages of at least `frame` bytes on the wire that one connection over ipc can have under way, where the two
/// high-water marks are `marks` in all.
///
/// A Unix socket's buffer is the sender's alone, has the size of net.core.wmem_default and does not grow (unix(7)); what a
/// write costs in it is at least its bytes, and the last one may go beyond it (net/core/sock.c sock_alloc_send_pskb). Beside it
/// there are the batch that the sender's libzmq is writing, the one that the reader's has read, and a message that each has
/// begun. Over TCP the kernel's share would be tcp_wmem and tcp_rmem: tens of megabytes.
pub fn most_in_flight(marks: usize, frame: usize) -> usize {
    let buffer = std::fs::read_to_string("/proc/sys/net/core/wmem_default").unwrap();
    let buffer: usize = buffer.trim().parse().unwrap();
    marks + (buffer + 3 * BATCH) / frame + 2
}
