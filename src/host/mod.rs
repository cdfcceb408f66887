//! rsyslogd seen from Rust: entry points, parameters, messages, counters, logging. It knows nothing of ZeroMQ.
//!
//! [`Host`] is found once, in `modInit`, and never changes after that; everything here works through it and quietly does
//! nothing where there is none, as in unit tests.

pub mod commit;
mod entry_points;
pub mod guard;
mod interfaces;
pub mod load;
mod loaded;
pub mod log;
pub mod message;
pub mod module;
pub mod parameters;
pub mod phase;
pub mod role;
pub mod rulesets;
mod standard_error;
pub mod statistics;
pub mod status;
pub mod stop_signal;
mod symbols;
pub mod template_request;

use std::ffi::{CStr, c_void};
use std::sync::OnceLock;

use crate::abi;
use role::Role;

/// The host as `modInit` found it.
pub struct Host {
    /// The name this copy of the module goes by: its file's base name.
    name: &'static str,
    role: Role,
    symbols: symbols::Symbols,
    interfaces: interfaces::Interfaces,
    /// Where `msgFlags` is in a message; `None`: submit through `parseAndSubmitMessage`.
    message_flags_offset: Option<usize>,
    /// The host's global variable `runConf`; null where it exports none.
    running_configuration: *const *mut abi::rsconf_t,
}

// SAFETY: the function pointers may be called from any thread (they are what any of the host's modules calls from its
// threads), and the one data pointer is a global of the host's that is written before any of our threads starts.
unsafe impl Send for Host {}
// SAFETY: as above.
unsafe impl Sync for Host {}

/// Why this rsyslogd cannot be worked with.
#[derive(Debug, thiserror::Error)]
enum UnknownHost {
    /// An interface is missing.
    #[error(transparent)]
    Interface(#[from] interfaces::InterfaceError),
    /// No known way to hand a message over that will be parsed.
    #[error(
        "this rsyslogd's message layout is not known, and there is no parseAndSubmitMessage that could do without it: \
         an input cannot hand over messages here"
    )]
    NoRoute,
}

static HOST: OnceLock<Host> = OnceLock::new();

impl Host {
    fn get() -> Option<&'static Self> {
        HOST.get()
    }

    /// Looks up everything the module needs of the host.
    ///
    /// # Safety
    /// `host_query` is the host's hostQuery function.
    unsafe fn find(
        name: &'static str,
        role: Role,
        symbols: symbols::Symbols,
        host_query: abi::abi_host_query_t,
    ) -> Result<Self, UnknownHost> {
        let message_flags_offset = match role {
            Role::Input => message::probe_flags_offset(&symbols),
            Role::Output => None,
        };
        if role == Role::Input && !message::has_a_route(&symbols, message_flags_offset) {
            return Err(UnknownHost::NoRoute);
        }
        Ok(Self {
            name,
            role,
            symbols,
            // SAFETY: the caller's promise.
            interfaces: unsafe { interfaces::Interfaces::find(host_query) }?,
            message_flags_offset,
            running_configuration: symbols::lookup_in_process(c"runConf").cast_const().cast(),
        })
    }

    fn running_configuration(&self) -> *mut abi::rsconf_t {
        if self.running_configuration.is_null() {
            return std::ptr::null_mut();
        }
        // SAFETY: the host's global pointer variable, which it sets before it starts any input.
        unsafe { self.running_configuration.read() }
    }
}

/// This copy's name, as it stands in `input(type=..)`, `action(type=..)`, log lines and counters.
#[must_use]
pub fn module_name() -> &'static str {
    Host::get().map_or("rsyslog-zmq", |host| host.name)
}

/// The name this machine goes by in the host's messages.
#[must_use]
pub fn local_host_name() -> String {
    let get = Host::get().and_then(|host| host.interfaces.local_host_name);
    // SAFETY: glbl.GetLocalHostName takes nothing and returns a NUL-terminated string of the host's, or null.
    let name = get.map_or(std::ptr::null_mut(), |get| unsafe { get() });
    if name.is_null() {
        return "localhost".to_owned();
    }
    // SAFETY: as above; the host keeps the old string for a while after a HUP, and it is copied at once.
    unsafe { CStr::from_ptr(name.cast_const().cast()) }.to_string_lossy().into_owned()
}

/// The configuration that is being loaded; only good for the host's own functions.
#[derive(Clone, Copy, Debug)]
pub struct ConfigurationHandle(*mut abi::rsconf_t);

// SAFETY: only handed back to the host, from its own main thread.
unsafe impl Send for ConfigurationHandle {}
// SAFETY: as above.
unsafe impl Sync for ConfigurationHandle {}

impl ConfigurationHandle {
    fn new(pointer: *mut c_void) -> Self {
        Self(pointer.cast())
    }
}
