//! rsyslog's ZeroMQ modules `imczmq` and `omczmq`, and the core of the `rsyslog-zmq` program.
//!
//! As a cdylib this crate exports one symbol, `modInit`; the copy's file name decides which module it is. As an rlib it
//! serves the program, the tests and the benches. `ARCHITECTURE.md` has the map of the layers.

mod abi;
pub mod curve;
pub mod host;
pub mod modules;
pub mod sys;
pub mod transport;

#[cfg(feature = "program")]
pub mod cli;

/// rsyslogd's way in (runtime/modules.c:584).
///
/// # Safety
/// Only for rsyslogd: the arguments are those of its module interface, version 6.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn modInit(
    _requested: std::ffi::c_int,
    provided: *mut std::ffi::c_int,
    query: *mut abi::abi_query_entry_point_t,
    host_query: abi::abi_host_query_t,
    _module: *mut std::ffi::c_void,
) -> std::ffi::c_int {
    let own_address = (modInit as *const ()).cast();
    // SAFETY: rsyslogd's arguments, passed on as they came; this function is inside this library.
    unsafe {
        host::load::initialise::<modules::imczmq::Imczmq, modules::omczmq::Omczmq>(
            provided,
            query,
            host_query,
            own_address,
        )
    }
}
