//! What a message carries besides its text: `$!metadata!MODULE!NAME`.

use std::ffi::{CString, c_int};

use crate::abi;
use crate::host::Host;

/// Names and values of a message's metadata.
pub type Metadata<'m> = [(&'m str, Option<&'m [u8]>)];

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
pub(super) fn add_metadata(host: &Host, message: *mut abi::smsg_t, metadata: &Metadata<'_>) -> Option<()> {
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
