//! rsyslogd's module entry points: the table that `queryEtryPt` answers from, made of the traits of `module`.
//!
//! The host asks for each entry point by name when it loads the module (modules.c:590); names that are not here are
//! answered with "no such entry point", which every release takes for optional ones. Every function in here goes through
//! the guard.

mod common;
mod input;
mod output;

use std::ffi::CStr;

pub(super) use common::put;

use super::Host;
use super::guard::guard;
use super::module::{InputModule, OutputModule};
use super::role::Role;
use super::status::Status;
use crate::abi;

pub(super) extern "C" fn query<I: InputModule, O: OutputModule>(
    name: *mut abi::uchar,
    to: *mut abi::abi_slot_t,
) -> abi::rsRetVal {
    guard("queryEtryPt", || {
        if name.is_null() || to.is_null() {
            return Status::NoSuchEntryPoint;
        }
        // SAFETY: the host's names are NUL-terminated.
        let name = unsafe { CStr::from_ptr(name.cast_const().cast()) }.to_bytes();
        let found = match Host::get().map(|host| host.role) {
            Some(Role::Input) => input::table::<I>(name),
            Some(Role::Output) => output::table::<O>(name),
            None => None,
        };
        if found.is_none() { Status::NoSuchEntryPoint } else { put(to, found) }
    })
}

#[cfg(test)]
mod tests;
