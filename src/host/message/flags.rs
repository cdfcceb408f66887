//! Where a message's flags are. The host exports no setter for them, so the member is found by a structural probe: its
//! neighbours are set through accessors to values that occur nowhere else.

use std::ffi::{c_int, c_short};
use std::mem::MaybeUninit;

use crate::abi;
use crate::host::symbols::Symbols;

/// Sets a message's flags.
///
/// # Safety
/// `message` is live and ours alone, and `offset` is what [`probe_flags_offset`] found.
pub(super) unsafe fn write_flags(message: *mut abi::smsg_t, offset: usize, flags: c_int) {
    // SAFETY: the caller's promise: an aligned int inside the message.
    unsafe { message.cast::<u8>().add(offset).cast::<c_int>().write(flags) };
}

/// Where `msgFlags` is in this host's `smsg_t` (host layout, runtime/msg.h): behind offAfterPRI, offMSG and
/// iProtocolVersion, before iLenRawMsg and iLenMSG. `None` where there is no unique place.
pub(in crate::host) fn probe_flags_offset(symbols: &Symbols) -> Option<usize> {
    const LENGTH: usize = 37;
    const AFTER_PRI: c_int = 0x13;
    const TEXT: c_int = 0x17;
    const SCANNED: usize = 200 + 12;

    let mut message = std::ptr::null_mut();
    // SAFETY: a live pointer slot.
    if unsafe { symbols.msgConstruct?(&raw mut message) } != abi::ABI_RET_OK {
        return None;
    }
    let raw = [b'x'; LENGTH];
    // SAFETY: the message is live and ours; the raw text is copied.
    unsafe {
        symbols.MsgSetRawMsg?(message, raw.as_ptr().cast(), raw.len());
        symbols.MsgSetAfterPRIOffs?(message, AFTER_PRI);
        symbols.MsgSetMSGoffs?(message, TEXT);
        symbols.setProtocolVersion?(message, 1);
    }
    // SAFETY: every release's smsg_t is several hundred bytes (the smallest measured is over 400), so this stays inside.
    let bytes = unsafe { frozen::<SCANNED>(message.cast::<u8>().cast_const()) };
    let found = unique_place(&bytes, LENGTH as c_int, AFTER_PRI, TEXT).filter(|&offset| {
        // SAFETY: inside the message, as above, and the message is ours.
        unsafe { write_flags(message, offset, 0x30) };
        survives_a_copy(symbols, message, offset, 0x30)
    });
    // SAFETY: live, and not used after this.
    unsafe { symbols.msgDestruct?(&raw mut message) };
    found
}

/// The host copies the flags with a message (msg.c MsgDup): a place that the copy does not have is not theirs.
fn survives_a_copy(symbols: &Symbols, message: *mut abi::smsg_t, offset: usize, expected: c_int) -> bool {
    let (Some(copy), Some(destruct)) = (symbols.MsgDup, symbols.msgDestruct) else { return false };
    // SAFETY: the message is live.
    let mut copied = unsafe { copy(message) };
    if copied.is_null() {
        return false;
    }
    // SAFETY: a live message of the same size; the offset is inside it.
    let found = c_int::from_ne_bytes(unsafe { frozen(copied.cast::<u8>().add(offset).cast_const()) });
    // SAFETY: ours, not used after this.
    unsafe { destruct(&raw mut copied) };
    found == expected
}

/// The `N` bytes at `from`, where those that the host has never written (padding, members it sets later) are whatever lies
/// there: reading them in place would be undefined.
///
/// # Safety
/// `N` bytes at `from` can be read, and no other thread writes them meanwhile.
unsafe fn frozen<const N: usize>(from: *const u8) -> [u8; N] {
    let mut bytes = MaybeUninit::<[u8; N]>::uninit();
    // SAFETY: the caller's promise; a copy without a type keeps uninitialised bytes as they are.
    unsafe { std::ptr::copy_nonoverlapping(from, bytes.as_mut_ptr().cast::<u8>(), N) };
    initialise(&mut bytes);
    // SAFETY: `initialise` has given every byte a value.
    unsafe { bytes.assume_init() }
}

/// Gives every byte a value: the one it has in memory. Assembly code may write any value through a pointer it gets, and
/// this code stands for one that happens to write what is there.
#[cfg(any(
    target_arch = "x86_64",
    target_arch = "x86",
    target_arch = "aarch64",
    target_arch = "arm",
    target_arch = "riscv64",
    target_arch = "loongarch64",
    target_arch = "s390x"
))]
fn initialise<const N: usize>(bytes: &mut MaybeUninit<[u8; N]>) {
    // SAFETY: the code is a comment: it changes no memory, register or flag.
    unsafe { std::arch::asm!("/* {0} */", in(reg) bytes.as_mut_ptr(), options(nostack, preserves_flags)) };
}

/// As above, as far as the compiler lets itself be told so, where there is no stable inline assembly.
#[cfg(not(any(
    target_arch = "x86_64",
    target_arch = "x86",
    target_arch = "aarch64",
    target_arch = "arm",
    target_arch = "riscv64",
    target_arch = "loongarch64",
    target_arch = "s390x"
)))]
fn initialise<const N: usize>(bytes: &mut MaybeUninit<[u8; N]>) {
    std::hint::black_box(bytes);
}

/// The only offset in `bytes` that holds 0 and is followed by the raw length and the length of the text, and preceded by
/// the two offsets and the protocol version.
fn unique_place(bytes: &[u8], length: c_int, after_pri: c_int, text: c_int) -> Option<usize> {
    let int = |at: usize| bytes.get(at..at + 4).and_then(|b| b.try_into().ok()).map_or(-1, c_int::from_ne_bytes);
    let short = |at: usize| {
        bytes.get(at..at + 2).and_then(|b| b.try_into().ok()).map_or(-1, |b| c_int::from(c_short::from_ne_bytes(b)))
    };
    // The host leaves padding uninitialised, so a place is judged by all its members at once: a single wrong bit that is
    // defined decides, and no branch depends on one that is not.
    let mut places = (16..=200).step_by(4).filter(|&at| {
        let followed = int(at) | (int(at + 4) ^ length) | (int(at + 8) ^ (length - text));
        // Since 8.1903 the offsets are ints and the version a short with two bytes of padding; before, all are shorts.
        let ints = followed | (int(at - 12) ^ after_pri) | (int(at - 8) ^ text) | (short(at - 4) ^ 1);
        let shorts = followed | (short(at - 6) ^ after_pri) | (short(at - 4) ^ text) | (short(at - 2) ^ 1);
        (ints == 0) | (shorts == 0)
    });
    let place = places.next()?;
    places.next().is_none().then_some(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(offset: usize, with_ints: bool) -> Vec<u8> {
        let mut bytes = vec![0_u8; 212];
        let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
        if with_ints {
            put(offset - 12, &0x13_i32.to_ne_bytes());
            put(offset - 8, &0x17_i32.to_ne_bytes());
            put(offset - 4, &1_i16.to_ne_bytes());
        } else {
            put(offset - 6, &0x13_i16.to_ne_bytes());
            put(offset - 4, &0x17_i16.to_ne_bytes());
            put(offset - 2, &1_i16.to_ne_bytes());
        }
        put(offset + 4, &37_i32.to_ne_bytes());
        put(offset + 8, &(37_i32 - 0x17).to_ne_bytes());
        bytes
    }

    #[test]
    fn the_probe_finds_every_measured_layout() {
        for (offset, with_ints) in [(80, false), (88, false), (88, true), (96, true), (104, true)] {
            assert_eq!(unique_place(&layout(offset, with_ints), 37, 0x13, 0x17), Some(offset));
        }
    }

    #[test]
    fn two_places_or_none_are_refused() {
        let mut twice = layout(88, true);
        let other = layout(152, true);
        twice[120..].copy_from_slice(&other[120..]);
        assert_eq!(unique_place(&twice, 37, 0x13, 0x17), None);
        assert_eq!(unique_place(&[0; 212], 37, 0x13, 0x17), None);
    }
}
