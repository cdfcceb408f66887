//! Making messages and handing them over.

use std::ffi::{c_int, c_short};

use super::flags::write_flags;
use super::metadata::{Metadata, add_metadata};
use super::submission::{Refusal, Submission};
use super::{Origin, SubmitSettings};
use crate::abi;
use crate::host::rulesets::Ruleset;
use crate::host::status::check;
use crate::host::symbols::Symbols;
use crate::host::{Host, log};

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
/// queue waits for ever, for a worker that has not been woken (seen with queue.size=1000 and batches of 1024). Queues under a
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
    /// maxMessageSize, because only the host's single submit truncates or splits as configured. Returns what was handed
    /// over by that, earlier messages included. May wait in the host by the flow control.
    ///
    /// `metadata` becomes `$!metadata!MODULE!NAME`; names without a value are left out.
    pub fn add(&mut self, raw: &[u8], origin: &Origin, metadata: Option<&Metadata<'_>>) -> Submission {
        let no_memory = Submission::refused(1, Refusal::NoMemory);
        let Some(host) = Host::get() else { return no_memory };
        let Some(offset) = host.message_flags_offset else {
            return self.parse_and_submit(host, raw, origin);
        };
        let Some(message) = self.build(host, offset, raw, origin) else { return no_memory };
        if let Some(metadata) = metadata {
            add_metadata(host, message, metadata);
        }
        if raw.len() > longest_message(host) {
            let earlier = self.flush();
            let Some(submit) = host.symbols.submitMsg2 else { return earlier };
            // SAFETY: a complete message, which the host consumes.
            let answer = unsafe { submit(message) };
            return earlier.and(one(answer));
        }
        self.collected.push(message);
        self.held += raw.len();
        if self.collected.len() < BATCH {
            return Submission::default();
        }
        self.flush()
    }

    /// Hands everything collected over, and returns what became of it. May wait in the host by the flow control.
    ///
    /// What the host answers (tools/rsyslogd.c multiSubmitMsg2, runtime/queue.c qqueueMultiEnqObjNonDirect and
    /// qqueueMultiEnqObjDirect, alike from 8.1901 to 8.2608):
    /// - OK and an empty batch: the queue has them. It may have discarded some because it was full or nearly so; that is
    ///   no error to it, and its own `discarded.full` and `discarded.nf` count them.
    /// - An error and an empty batch: it stopped at one of them, as it does at the end with a full queue. Those before it
    ///   are in the queue; that one and those behind it are lost, and cannot be freed either, because the answer does
    ///   not say which they are.
    /// - OK and the batch as it was: there is no queue, and all of them are still ours.
    pub fn flush(&mut self) -> Submission {
        self.now = None;
        let count = self.collected.len();
        if count == 0 {
            return Submission::default();
        }
        let Some(host) = Host::get() else { return Submission::default() };
        let Some(submit) = host.symbols.multiSubmitMsg2 else { return Submission::default() };
        let elements = count as c_short;
        let mut batch = abi::multi_submit_t { maxElem: elements, nElem: elements, ppMsgs: self.collected.as_mut_ptr() };
        // SAFETY: an array of `elements` complete messages with one ruleset, none over the host's maximum.
        let answer = check(unsafe { submit(&raw mut batch) });
        let is_untouched = answer.is_ok() && batch.nElem == elements;
        if let Some(destruct) = host.symbols.msgDestruct.filter(|_| is_untouched) {
            for message in &mut self.collected {
                // SAFETY: the host has taken none of them, so the message is still ours alone; it is not used after this.
                unsafe { destruct(&raw mut *message) };
            }
        }
        self.collected.clear();
        self.held = 0;
        match answer {
            Ok(()) if is_untouched => Submission::refused(count as u64, Refusal::NoQueue),
            Ok(()) => Submission::taken(count as u64),
            Err(error) => Submission::refused(count as u64, error.into()),
        }
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

    fn parse_and_submit(&self, host: &Host, raw: &[u8], origin: &Origin) -> Submission {
        let (Some(submit), Ok(length)) = (one_by_one(&host.symbols), c_int::try_from(raw.len())) else {
            return Submission::refused(1, Refusal::NoMemory);
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
        one(answer)
    }
}

/// What became of a message that was submitted by itself.
fn one(answer: abi::rsRetVal) -> Submission {
    check(answer).map_or_else(|error| Submission::refused(1, error.into()), |()| Submission::taken(1))
}

impl Drop for Submitter<'_> {
    fn drop(&mut self) {
        let _ = self.flush();
    }
}

/// The host's maxMessageSize in bytes.
fn longest_message(host: &Host) -> usize {
    let Some(get) = host.symbols.glblGetMaxLine else { return usize::MAX };
    // SAFETY: up to 8.2112 the function takes nothing, later the running configuration; the extra argument does no harm.
    let longest = unsafe { get(host.running_configuration()) };
    usize::try_from(longest).unwrap_or(usize::MAX)
}

/// Whether the width of the host's `time_t` is known: on 32-bit systems it depends on how the host was built.
const KNOWS_TIME_T: bool = cfg!(target_pointer_width = "64");

/// The way that needs no layout, where this host has it. It takes a `time_t` by value, in front of the ruleset.
fn one_by_one(symbols: &Symbols) -> abi::abi_parseAndSubmitMessage_t {
    symbols.parseAndSubmitMessage.filter(|_| KNOWS_TIME_T)
}

/// Whether messages can be handed to this host at all, given what [`super::probe_flags_offset`] found.
pub(in crate::host) fn has_a_route(symbols: &Symbols, flags_offset: Option<usize>) -> bool {
    flags_offset.is_some() || one_by_one(symbols).is_some()
}

/// Says once at load which way messages are submitted, if it is the slow one.
pub(in crate::host) fn report_route(host: &Host) {
    if host.message_flags_offset.is_none() {
        log::warning("this rsyslogd's message layout is not known; messages are submitted one by one, which is slower");
    }
}
