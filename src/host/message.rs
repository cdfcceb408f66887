//! Log messages made for the host and handed over in batches.
//!
//! A message needs its flags set to be parsed, and the host exports no setter: the member is found once by a structural
//! probe (its neighbours are set through accessors to values that occur nowhere else). Where the probe finds no unique
//! place, each message goes through `parseAndSubmitMessage`, which is slower but needs no layout. Where that cannot be had
//! either, the input is refused at load.

use std::ffi::{CString, c_int, c_short};

use super::rulesets::Ruleset;
use super::{Host, log};
use crate::abi;

/// How far a full queue may hold up the submitter (runtime/rsyslog.h flowControl_t).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlowControl {
    /// A full queue discards at once.
    None,
    /// A full queue waits about a second, then discards.
    Light,
    /// A full queue waits until there is room.
    Full,
}

impl FlowControl {
    const fn code(self) -> c_int {
        (match self {
            Self::None => abi::ABI_FLOW_NO_DELAY,
            Self::Light => abi::ABI_FLOW_LIGHT_DELAY,
            Self::Full => abi::ABI_FLOW_FULL_DELAY,
        }) as c_int
    }
}

/// A shared string of the host's.
#[derive(Debug)]
pub struct SharedText {
    prop: *mut abi::prop_t,
    text: CString,
}

// SAFETY: the host counts a prop's references atomically (runtime/prop.c) and never changes its text; we only hand it over.
unsafe impl Send for SharedText {}
// SAFETY: as above.
unsafe impl Sync for SharedText {}

impl SharedText {
    /// A shared string; NUL bytes are dropped. `None` where the host has no memory.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let text = CString::new(text.replace('\0', "")).ok()?;
        let create = Host::get()?.interfaces.prop_create_string?;
        let mut prop = std::ptr::null_mut();
        let length = c_int::try_from(text.as_bytes().len()).ok()?;
        // SAFETY: a live pointer slot and a string of this length, which the host copies.
        let answer = unsafe { create(&raw mut prop, text.as_ptr().cast(), length) };
        (answer == abi::ABI_RET_OK && !prop.is_null()).then_some(Self { prop, text })
    }
}

impl Drop for SharedText {
    fn drop(&mut self) {
        if let Some(destruct) = Host::get().and_then(|host| host.interfaces.prop_destruct) {
            // SAFETY: our own reference, given up once; messages hold theirs.
            unsafe { destruct(&raw mut self.prop) };
        }
    }
}

/// Where a message came from: `$fromhost` and `$fromhost-ip`.
#[derive(Debug)]
pub struct Origin {
    /// The name.
    pub host: SharedText,
    /// The address.
    pub ip: SharedText,
}

impl Origin {
    /// An origin whose name is its address.
    #[must_use]
    pub fn new(host: &str, ip: &str) -> Option<Self> {
        Some(Self { host: SharedText::new(host)?, ip: SharedText::new(ip)? })
    }
}

/// What all messages of one input have in common.
#[derive(Debug)]
pub struct SubmitSettings {
    /// `$inputname`.
    pub input_name: SharedText,
    /// The bound ruleset; the default one where there is none.
    pub ruleset: Option<Ruleset>,
    /// What a full queue does.
    pub flow_control: FlowControl,
}

/// Names and values of a message's metadata.
pub type Metadata<'m> = [(&'m str, Option<&'m [u8]>)];

/// Collects messages and hands them over; belongs to one thread. What is collected when it is dropped is handed over.
pub struct Submitter<'a> {
    settings: &'a SubmitSettings,
    collected: Vec<*mut abi::smsg_t>,
    /// Bytes of raw text in what is collected.
    held: usize,
    /// The time of reception of the messages collected: asked for once a batch, as the host's own inputs do (imptcp.c).
    now: Option<(abi::abi_time_t, abi::abi_seconds_t)>,
}

/// Messages handed over at once. The host wakes the queue's worker only after it has put in the whole batch, and waits in the
/// middle of one as soon as the queue is full (queue.c qqueueMultiEnqObjNonDirect): a batch that is larger than an empty
/// queue waits for ever, for a worker that nobody has woken (seen with queue.size=1000 and batches of 1024). Queues under a
/// hundred messages are what rsyslog itself warns of.
const BATCH: usize = 64;

impl<'a> Submitter<'a> {
    /// A submitter with nothing collected.
    #[must_use]
    pub fn new(settings: &'a SubmitSettings) -> Self {
        Self { settings, collected: Vec::with_capacity(BATCH), held: 0, now: None }
    }

    /// Bytes of raw text that are collected and not yet handed over.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.held
    }

    /// Makes a message of these raw bytes. It is handed over with the batch, or at once when it is longer than the host's
    /// maxMessageSize, because only the host's single submit truncates or splits as configured. `false` where the host has
    /// no memory for it. May wait in the host by the flow control.
    ///
    /// `metadata` becomes `$!metadata!MODULE!NAME`; names without a value are left out.
    pub fn add(&mut self, raw: &[u8], origin: &Origin, metadata: Option<&Metadata<'_>>) -> bool {
        let Some(host) = Host::get() else { return false };
        let Some(offset) = host.message_flags_offset else {
            return self.parse_and_submit(host, raw, origin);
        };
        let Some(message) = self.build(host, offset, raw, origin) else { return false };
        if let Some(metadata) = metadata {
            add_metadata(host, message, metadata);
        }
        if raw.len() > longest_message(host) {
            self.flush();
            if let Some(submit) = host.symbols.submitMsg2 {
                // SAFETY: a complete message, which the host consumes.
                unsafe { submit(message) };
            }
            return true;
        }
        self.collected.push(message);
        self.held += raw.len();
        if self.collected.len() >= BATCH {
            self.flush();
        }
        true
    }

    /// Hands everything collected over. May wait in the host by the flow control.
    pub fn flush(&mut self) {
        self.now = None;
        if self.collected.is_empty() {
            return;
        }
        let Some(submit) = Host::get().and_then(|host| host.symbols.multiSubmitMsg2) else { return };
        let count = self.collected.len() as c_short;
        let mut batch = abi::multi_submit_t { maxElem: count, nElem: count, ppMsgs: self.collected.as_mut_ptr() };
        // SAFETY: an array of `count` complete messages with one ruleset, none over the host's maximum; the host consumes
        // them all, whatever it answers.
        unsafe { submit(&raw mut batch) };
        self.collected.clear();
        self.held = 0;
    }

    /// A message with the batch's time, or, where this host's clock is not known, with its own.
    fn construct(&mut self, host: &Host) -> Option<*mut abi::smsg_t> {
        let mut message = std::ptr::null_mut();
        let answer = match (host.symbols.msgConstructWithTime, host.interfaces.get_current_time) {
            (Some(construct), Some(get_current_time)) if KNOWS_TIME_T => {
                let (time, seconds) = self.now.get_or_insert_with(|| {
                    let (mut time, mut seconds) = (abi::abi_time_t { opaque: [0; 16] }, 0);
                    // SAFETY: a structure larger than any release's, and its time_t; 0 asks for local time.
                    unsafe { get_current_time(&raw mut time, &raw mut seconds, 0) };
                    (time, seconds)
                });
                // SAFETY: a live pointer slot and the structure that the host itself filled, which it copies.
                unsafe { construct(&raw mut message, time, *seconds) }
            }
            // SAFETY: a live pointer slot.
            _ => unsafe { host.symbols.msgConstruct?(&raw mut message) },
        };
        (answer == abi::ABI_RET_OK && !message.is_null()).then_some(message)
    }

    fn build(&mut self, host: &Host, flags_offset: usize, raw: &[u8], origin: &Origin) -> Option<*mut abi::smsg_t> {
        let symbols = &host.symbols;
        let message = self.construct(host)?;
        // SAFETY: the message is live and ours alone until it is submitted; raw text is copied; each prop is live and gets
        // its own reference; the ruleset is the configuration's; the flags are at the probed offset.
        unsafe {
            symbols.MsgSetRawMsg?(message, raw.as_ptr().cast(), raw.len());
            symbols.MsgSetInputName?(message, self.settings.input_name.prop);
            symbols.MsgSetRcvFrom?(message, origin.host.prop);
            symbols.MsgSetRcvFromIP?(message, origin.ip.prop);
            symbols.MsgSetFlowControlType?(message, self.settings.flow_control.code());
            if let Some(ruleset) = self.settings.ruleset {
                symbols.MsgSetRuleset?(message, ruleset.pointer());
            }
            write_flags(message, flags_offset, (abi::ABI_NEEDS_PARSING | abi::ABI_PARSE_HOSTNAME) as c_int);
        }
        Some(message)
    }

    fn parse_and_submit(&self, host: &Host, raw: &[u8], origin: &Origin) -> bool {
        let (Some(submit), Ok(length)) = (one_by_one(&host.symbols), c_int::try_from(raw.len())) else {
            return false;
        };
        let ruleset = self.settings.ruleset.map_or(std::ptr::null_mut(), Ruleset::pointer);
        // SAFETY: the texts are NUL-terminated, raw is `length` bytes; a null time means now (tools/rsyslogd.c).
        let answer = unsafe {
            submit(
                origin.host.text.as_ptr().cast(),
                origin.ip.text.as_ptr().cast(),
                raw.as_ptr(),
                length,
                abi::ABI_PARSE_HOSTNAME as c_int,
                self.settings.flow_control.code(),
                self.settings.input_name.prop,
                std::ptr::null(),
                0,
                ruleset,
            )
        };
        answer == abi::ABI_RET_OK
    }
}

/// Whether this host can attach metadata to a message at all.
#[must_use]
pub fn can_add_metadata() -> bool {
    Host::get().is_some_and(|host| {
        let symbols = &host.symbols;
        host.message_flags_offset.is_some()
            && symbols.msgAddJSON.is_some()
            && symbols.fjson_object_new_object.is_some()
            && symbols.fjson_object_new_string_len.is_some()
            && symbols.fjson_object_object_add.is_some()
    })
}

/// Attaches one JSON object. Bytes that are not UTF-8 become replacement characters: the host's JSON is text.
fn add_metadata(host: &Host, message: *mut abi::smsg_t, metadata: &Metadata<'_>) -> Option<()> {
    let symbols = &host.symbols;
    let (new_string, insert) = (symbols.fjson_object_new_string_len?, symbols.fjson_object_object_add?);
    let add = symbols.msgAddJSON?;
    let path = CString::new(format!("!metadata!{}", host.name)).ok()?;
    // SAFETY: takes nothing; null where memory has run out.
    let object = unsafe { symbols.fjson_object_new_object?() };
    if object.is_null() {
        return None;
    }
    for (name, value) in metadata {
        let Some(value) = value else { continue };
        let (Ok(name), text) = (CString::new(*name), String::from_utf8_lossy(value)) else { continue };
        let length = c_int::try_from(text.len()).unwrap_or(0);
        // SAFETY: a text of this length, which is copied.
        let text = unsafe { new_string(text.as_ptr().cast(), length) };
        // SAFETY: a live object and a NUL-terminated key, which is copied; the object takes the value over.
        unsafe { insert(object, name.as_ptr(), text) };
    }
    // SAFETY: the message is live and ours; it takes the object over; the path is NUL-terminated and only read.
    unsafe { add(message, path.as_ptr().cast_mut().cast(), object, 0, 0) };
    Some(())
}

impl Drop for Submitter<'_> {
    fn drop(&mut self) {
        self.flush();
    }
}

/// The host's maxMessageSize in bytes.
fn longest_message(host: &Host) -> usize {
    let Some(get) = host.symbols.glblGetMaxLine else { return usize::MAX };
    // SAFETY: up to 8.2112 the function takes nothing, later the running configuration; the extra argument does no harm.
    let longest = unsafe { get(host.running_configuration()) };
    usize::try_from(longest).unwrap_or(usize::MAX)
}

/// # Safety
/// `message` is live and ours alone, and `offset` is what [`probe_flags_offset`] found.
unsafe fn write_flags(message: *mut abi::smsg_t, offset: usize, flags: c_int) {
    // SAFETY: the caller's promise: an aligned int inside the message.
    unsafe { message.cast::<u8>().add(offset).cast::<c_int>().write(flags) };
}

/// Where `msgFlags` is in this host's `smsg_t` (host layout, runtime/msg.h): behind offAfterPRI, offMSG and
/// iProtocolVersion, before iLenRawMsg and iLenMSG. `None` where there is no unique place.
pub(super) fn probe_flags_offset(symbols: &super::symbols::Symbols) -> Option<usize> {
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
    let bytes = unsafe { std::slice::from_raw_parts(message.cast::<u8>().cast_const(), SCANNED) };
    let found = unique_place(bytes, LENGTH as c_int, AFTER_PRI, TEXT).filter(|&offset| {
        // SAFETY: inside the message, as above, and the message is ours.
        unsafe { write_flags(message, offset, 0x30) };
        survives_a_copy(symbols, message, offset, 0x30)
    });
    // SAFETY: live, and not used after this.
    unsafe { symbols.msgDestruct?(&raw mut message) };
    found
}

/// The host copies the flags with a message (msg.c MsgDup): a place that the copy does not have is not theirs.
fn survives_a_copy(
    symbols: &super::symbols::Symbols,
    message: *mut abi::smsg_t,
    offset: usize,
    expected: c_int,
) -> bool {
    let (Some(copy), Some(destruct)) = (symbols.MsgDup, symbols.msgDestruct) else { return false };
    // SAFETY: the message is live.
    let mut copied = unsafe { copy(message) };
    if copied.is_null() {
        return false;
    }
    // SAFETY: a live message of the same size; the offset is inside it.
    let found = unsafe { copied.cast::<u8>().add(offset).cast::<c_int>().read() };
    // SAFETY: ours, not used after this.
    unsafe { destruct(&raw mut copied) };
    found == expected
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

/// Whether the width of the host's `time_t` is known: on 32-bit systems it depends on how the host was built.
const KNOWS_TIME_T: bool = cfg!(target_pointer_width = "64");

/// The way that needs no layout, where this host has it. It takes a `time_t` by value, in front of the ruleset.
fn one_by_one(symbols: &super::symbols::Symbols) -> abi::abi_parseAndSubmitMessage_t {
    symbols.parseAndSubmitMessage.filter(|_| KNOWS_TIME_T)
}

/// Whether messages can be handed to this host at all, given what [`probe_flags_offset`] found.
pub(super) fn has_a_route(symbols: &super::symbols::Symbols, flags_offset: Option<usize>) -> bool {
    flags_offset.is_some() || one_by_one(symbols).is_some()
}

/// Says once at load which way messages are submitted, if it is the slow one.
pub(super) fn report_route(host: &Host) {
    if host.message_flags_offset.is_none() {
        log::warning("this rsyslogd's message layout is not known; messages are submitted one by one, which is slower");
    }
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
