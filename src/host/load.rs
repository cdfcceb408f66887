//! `modInit`: finding the host, the copy's role, and the reasons to refuse.

use std::ffi::{CString, c_int, c_void};

use super::entry_points::{put, query};
use super::guard::guard_or;
use super::module::{InputModule, OutputModule};
use super::role::{self, Role};
use super::status::Status;
use super::symbols::{Symbols, lookup_in_process};
use super::{HOST, Host, interfaces, loaded, message, standard_error};
use crate::abi;

/// The body of `modInit` for this pair of modules.
///
/// # Safety
/// The arguments are those that rsyslogd passes to `modInit` (modules.c:584), and `own_address` is inside this library.
pub unsafe fn initialise<I: InputModule, O: OutputModule>(
    provided: *mut c_int,
    query_function: *mut abi::abi_query_entry_point_t,
    host_query: abi::abi_host_query_t,
    own_address: *const c_void,
) -> c_int {
    guard_or("modInit", Status::CannotLoad, || {
        // SAFETY: the process is rsyslogd, which exports its functions under these names; anything else exports none.
        let symbols = match unsafe { Symbols::find(lookup_in_process) } {
            Ok(symbols) => symbols,
            Err(error) => return complain(&error.to_string()),
        };
        let role = role::path_of(own_address).and_then(|path| role::of_path(&path));
        let (role, name) = match role {
            Ok(found) => found,
            Err(error) => return complain_with(&symbols, &error.to_string()),
        };
        if !loaded::claim() {
            return complain_with(
                &symbols,
                &format!(
                    "{name}.so is loaded already under another name; install a copy of the file, not a link to it"
                ),
            );
        }
        standard_error::remember();
        if HOST.get().is_none() {
            // SAFETY: the caller's promise.
            match unsafe { Host::find(Box::leak(name.into_boxed_str()), role, symbols, host_query) } {
                Ok(host) => {
                    let _ = HOST.set(host);
                }
                Err(error) => {
                    loaded::release();
                    return complain_with(&symbols, &error.to_string());
                }
            }
        }
        if let Some(host) = Host::get() {
            interfaces::report_statistics(&host.interfaces);
            if host.role == Role::Input {
                message::report_route(host);
            }
        }
        put(provided, abi::ABI_MODULE_INTERFACE_VERSION as c_int);
        let function: extern "C" fn(*mut abi::uchar, *mut abi::abi_slot_t) -> abi::rsRetVal = query::<I, O>;
        put(query_function, Some(function as _))
    })
}

/// A complaint while there is no host to log through: rsyslogd still has its standard error at load.
#[allow(clippy::print_stderr)]
fn complain(text: &str) -> Status {
    eprintln!("rsyslog-zmq: {text}");
    Status::CannotLoad
}

/// A complaint before the host is installed.
fn complain_with(symbols: &Symbols, text: &str) -> Status {
    if let (Some(log_error), Ok(text)) = (symbols.LogError, CString::new(text)) {
        // SAFETY: the host's LogError; "%s" takes the one string that follows.
        unsafe { log_error(0, abi::ABI_RET_NO_ERRCODE, c"%s".as_ptr(), text.as_ptr()) };
    }
    Status::CannotLoad
}
