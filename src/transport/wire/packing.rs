//! Several log records in one frame: syslog's octet counting (RFC 5425 section 4.3, RFC 6587 section 3.4.1), `MSG-LEN SP MSG`
//! repeated, nothing between or after; MSG-LEN is decimal without leading zeros and never 0.
//!
//! Pure: bytes to records and back. A frame whose counts do not tile it exactly is no packed frame.
#![forbid(unsafe_code)]

use crate::sys::blocks::Arena;
use crate::sys::zmq::{Message, Result};

/// What a record of this length takes in a packed frame.
#[must_use]
pub fn packed_length(record: usize) -> usize {
    digits(record) + 1 + record
}

fn digits(number: usize) -> usize {
    number.checked_ilog10().unwrap_or(0) as usize + 1
}

/// One frame of these records, in order; `prefix` goes in front of the first count. Empty records are left out: there is
/// no such thing as an empty log message. The only error is that memory has run out.
pub fn pack(arena: &mut Arena, prefix: &[u8], records: &[&[u8]]) -> Result<Message> {
    let records = records.iter().filter(|record| !record.is_empty());
    let length = prefix.len() + records.clone().map(|record| packed_length(record.len())).sum::<usize>();
    arena.written(length, |writer| {
        writer.put(prefix);
        for record in records {
            let mut text = [b' '; 21];
            let from = text.len() - 1 - digits(record.len());
            let mut left = record.len();
            for digit in text[from..20].iter_mut().rev() {
                *digit = b'0' + (left % 10) as u8;
                left /= 10;
            }
            writer.put(&text[from..]);
            writer.put(record);
        }
    })
}

/// The records of a packed frame; `None` where its counts do not tile it exactly.
#[must_use]
pub fn unpack(frame: &[u8]) -> Option<Unpacked<'_>> {
    let mut rest = frame;
    while !rest.is_empty() {
        rest = split(rest)?.1;
    }
    (!frame.is_empty()).then_some(Unpacked { rest: frame })
}

/// See [`unpack`].
#[derive(Clone, Debug)]
pub struct Unpacked<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Unpacked<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (record, rest) = split(self.rest)?;
        self.rest = rest;
        Some(record)
    }
}

/// The first record and what follows it.
fn split(frame: &[u8]) -> Option<(&[u8], &[u8])> {
    // Nineteen digits are more than any frame has bytes, and do not overflow.
    let space = frame.iter().take(20).position(|&byte| byte == b' ')?;
    let count = frame.get(..space)?;
    let is_count = matches!(count, [b'1'..=b'9', rest @ ..] if rest.iter().all(u8::is_ascii_digit));
    if !is_count {
        return None;
    }
    let length = count.iter().fold(0_u64, |length, digit| length * 10 + u64::from(digit - b'0'));
    frame.get(space + 1..)?.split_at_checked(usize::try_from(length).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(frame: &[u8]) -> Option<Vec<Vec<u8>>> {
        unpack(frame).map(|records| records.map(<[u8]>::to_vec).collect())
    }

    #[test]
    fn a_packed_frame_is_plain_octet_counting() {
        let frame = pack(&mut Arena::default(), b"", &[b"<13>one", b"", b"<13>second"]).unwrap();
        assert_eq!(frame.as_slice(), b"7 <13>one10 <13>second");
        let frame = pack(&mut Arena::default(), b"topic", &[b"x"]).unwrap();
        assert_eq!(frame.as_slice(), b"topic1 x");
    }

    #[test]
    fn packing_and_unpacking_is_identity_for_any_bytes() {
        // A small generator instead of a dependency: lengths around every change of digits, and every byte value.
        let mut state = 0x2545_F491_4F6C_DD1D_u64;
        let mut next = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        let mut arena = Arena::default();
        for _ in 0..300 {
            let count = next() % 20 + 1;
            let made: Vec<Vec<u8>> = (0..count)
                .map(|_| {
                    let length = [1, 2, 9, 10, 11, 99, 100, 101, 999, 1000][(next() % 10) as usize];
                    (0..length).map(|_| (next() & 0xff) as u8).collect()
                })
                .collect();
            let slices: Vec<&[u8]> = made.iter().map(Vec::as_slice).collect();
            let frame = pack(&mut arena, b"", &slices).unwrap();
            assert_eq!(frame.as_slice().len(), made.iter().map(|r| packed_length(r.len())).sum::<usize>());
            assert_eq!(records(frame.as_slice()), Some(made));
        }
    }

    #[test]
    fn a_frame_that_its_counts_do_not_tile_is_refused_whole() {
        for frame in [
            &b""[..],
            b"5",
            b"5 ",
            b"5 hell",
            b"5 hello!",
            b"05 hello",
            b"0 ",
            b"+5 hello",
            b"-5 hello",
            b" 5 hello",
            b"5  hello",
            b"5\thello",
            b"5 hello5 hell",
            b"99999999999999999999999 x",
            b"18446744073709551615 x",
            b"<13>plain text",
        ] {
            assert_eq!(records(frame), None, "{:?}", String::from_utf8_lossy(frame));
        }
        assert_eq!(records(b"5 hello5 hello").unwrap().len(), 2);
    }
}
