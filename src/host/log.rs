//! Lines in rsyslog's own log, under this module's name.
//!
//! An error at configuration load makes `rsyslogd -N1` fail; a warning does not, because it goes through `LogMsg`
//! (measured: the exit status follows `LogError` alone). Never a payload, never a key.

use std::ffi::{CString, c_int};

use super::{Host, standard_error};
use crate::abi;

/// Bytes of text that fit on one line of the host's, with room for its own prefix and suffix (runtime/errmsg.c).
const LONGEST: usize = abi::ABI_LOG_LINE_MAX as usize - 256;

/// Something was refused or lost. At configuration load: `-N1` fails.
pub fn error(text: &str) {
    let Some(host) = Host::get() else { return };
    let Some(log_error) = host.symbols.LogError else { return };
    let line = line(host.name, text);
    // SAFETY: the host's LogError takes errno, code and a printf format; "%s" takes the one string that follows, which
    // lives until the call returns. Code -1 suppresses the host's "try http.." suffix.
    unsafe { log_error(0, abi::ABI_RET_NO_ERRCODE, c"%s".as_ptr(), line.as_ptr()) };
}

/// Something works, but perhaps not as expected.
pub fn warning(text: &str) {
    message(abi::ABI_SEVERITY_WARNING as c_int, text);
}

/// A warning that has to be seen although the main queue is blocked, or is not there (`-N1`): on standard error as well.
/// (From 8.2606 on the host itself brings warnings there under `-N1`, so there they come twice.)
pub fn urgent_warning(text: &str) {
    warning(text);
    on_standard_error(text);
}

/// The end of what an urgent warning was about, in the same places.
pub fn urgent_notice(text: &str) {
    notice(text);
    on_standard_error(text);
}

fn on_standard_error(text: &str) {
    if let Some(host) = Host::get() {
        standard_error::write_line(&line(host.name, text));
    }
}

/// A change of state that an administrator wants to know of.
pub fn notice(text: &str) {
    message(abi::ABI_SEVERITY_NOTICE as c_int, text);
}

/// A change of state that is part of normal work.
pub fn info(text: &str) {
    message(abi::ABI_SEVERITY_INFO as c_int, text);
}

/// Of use only while looking for a fault: a line of rsyslogd's debug log (`-d`, `RSYSLOG_DEBUG`), never of its own messages.
/// The host counts those against its rate limit before it looks at their severity (tools/rsyslogd.c processImInternal),
/// and since 8.2606 that is 100 a minute: a crowd that comes and goes would leave no room for what matters.
pub fn debug(text: &str) {
    let Some(host) = Host::get() else { return };
    let Some(print) = host.symbols.r_dbgprintf else { return };
    let line = line(host.name, text);
    // SAFETY: the host's r_dbgprintf takes the name of a source file and a printf format; "%s\n" takes the one string that
    // follows, which lives until the call returns. It does nothing unless the host is being debugged.
    unsafe { print(c"rsyslog-zmq.c".as_ptr(), c"%s\n".as_ptr(), line.as_ptr()) };
}

fn message(severity: c_int, text: &str) {
    let Some(host) = Host::get() else { return };
    let Some(log_message) = host.symbols.LogMsg else { return };
    let line = line(host.name, text);
    // SAFETY: as in `error`; LogMsg takes the severity after the code.
    unsafe { log_message(0, abi::ABI_RET_NO_ERRCODE, severity, c"%s".as_ptr(), line.as_ptr()) };
}

/// The module's name, a colon and the text on one line: control characters escaped, cut to what the host can write.
fn line(module: &str, text: &str) -> CString {
    let mut line = String::with_capacity(module.len() + 2 + text.len());
    line.push_str(module);
    line.push_str(": ");
    for character in text.chars() {
        if character.is_control() {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
        if line.len() > LONGEST {
            line.push_str("..");
            break;
        }
    }
    // No NUL is left: it is a control character.
    CString::new(line).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_line_and_bounded() {
        assert_eq!(line("imczmq", "a\nb\0c\x1b[31m").as_bytes(), b"imczmq: a\\nb\\u{0}c\\u{1b}[31m");
        assert!(line("imczmq", &"x".repeat(100_000)).as_bytes().len() < abi::ABI_LOG_LINE_MAX as usize);
    }
}
