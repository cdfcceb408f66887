//! The messages of one `commitTransaction`, as the host rendered them.

use crate::abi;

/// A view of the host's parameter array; lives as long as the entry point.
#[derive(Clone, Copy)]
pub struct Commit<'a> {
    parameters: &'a [abi::actWrkrIParams_t],
    templates: usize,
}

impl<'a> Commit<'a> {
    /// # Safety
    /// `parameters` is the host's array of `messages` times `templates` elements (runtime/rsyslog.h:740), not changed
    /// during `'a`.
    pub(super) unsafe fn new(parameters: *const abi::actWrkrIParams_t, messages: usize, templates: usize) -> Self {
        let parameters = if parameters.is_null() || messages == 0 {
            &[][..]
        } else {
            // SAFETY: the caller's promise; the host zeroes new elements before it fills them (runtime/wti.c
            // wtiNewIParam).
            unsafe { std::slice::from_raw_parts(parameters, messages * templates) }
        };
        Self { parameters, templates: templates.max(1) }
    }

    /// How many messages there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.parameters.len() / self.templates
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.parameters.is_empty()
    }

    /// The messages, in order.
    pub fn messages(&self) -> impl Iterator<Item = Rendered<'a>> + use<'a> {
        self.parameters.chunks_exact(self.templates).map(|parameters| Rendered { parameters })
    }
}

/// One message's rendered templates.
#[derive(Clone, Copy)]
pub struct Rendered<'a> {
    parameters: &'a [abi::actWrkrIParams_t],
}

impl<'a> Rendered<'a> {
    /// What template `index` of the request rendered to; empty where there is no such template. Any byte may be in it.
    #[must_use]
    pub fn template(&self, index: usize) -> &'a [u8] {
        let Some(parameter) = self.parameters.get(index) else { return &[] };
        if parameter.param.is_null() {
            return &[];
        }
        let start = parameter.param.cast_const();
        let (room, claimed) = (parameter.lenBuf as usize, parameter.lenStr as usize);
        // SAFETY: the host gives lenBuf bytes at param and ends a rendering in a NUL; what is behind it is not read.
        let to_nul = unsafe { libc::strnlen(start.cast(), room) };
        // SAFETY: `written` of the lenBuf bytes are initialised.
        rendered(unsafe { std::slice::from_raw_parts(start, written(to_nul, claimed, room)) }, to_nul, claimed)
    }
}

/// How many of a buffer's `room` bytes are known to be initialised: the host allocates it with realloc(3) and renders
/// into its start only (template.c:136 ExtendBuf). That is what the present rendering wrote up to its NUL, and what the
/// rendering wrote from whose time the claimed length is, with its NUL.
fn written(to_nul: usize, claimed: usize, room: usize) -> usize {
    let claimed = if claimed < room { claimed } else { 0 };
    to_nul.max(claimed).saturating_add(1).min(room)
}

/// The rendering at the start of `bytes`, which has its first NUL at `to_nul` and of which the host says that it is
/// `claimed` bytes long.
///
/// That is true for every kind of template but "subtree" before 8.2508 (template.c:176), where it is left from an
/// earlier message. A rendering ends in a NUL; one that has another NUL inside is a stale claim if it looks like the JSON
/// a subtree renders to (which has no NUL), and otherwise a record with a NUL byte.
fn rendered(bytes: &[u8], to_nul: usize, claimed: usize) -> &[u8] {
    let may_be_json = matches!(bytes.first(), Some(b'{' | b'[' | b'"'));
    let length = match bytes.get(claimed) {
        Some(0) if claimed > to_nul && may_be_json => to_nul,
        Some(0) if claimed >= to_nul && to_nul > 0 => claimed,
        _ => to_nul,
    };
    bytes.get(..length).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameter(bytes: &[u8], length: u32) -> abi::actWrkrIParams_t {
        abi::actWrkrIParams_t { param: bytes.as_ptr().cast_mut(), lenBuf: bytes.len() as u32, lenStr: length }
    }

    /// What a message with one template rendered to, out of a buffer that is `bytes`.
    fn template(bytes: &[u8], length: u32) -> &[u8] {
        let array = [parameter(bytes, length)];
        // SAFETY: one message with one template, whose text outlives the array.
        let commit = unsafe { Commit::new(array.as_ptr(), 1, 1) };
        commit.messages().next().unwrap().template(0)
    }

    #[test]
    fn a_stale_length_is_not_believed() {
        for stale in [0, 3, 9, 4096] {
            let array = [parameter(b"{\"a\":1}\0\0\0", stale), parameter(b"topic\0", 5)];
            // SAFETY: one message with two templates.
            let commit = unsafe { Commit::new(array.as_ptr(), 1, 2) };
            let message = commit.messages().next().unwrap();
            assert_eq!(message.template(0), b"{\"a\":1}", "lenStr {stale}");
            assert_eq!(message.template(1), b"topic");
            assert_eq!(message.template(2), b"");
        }
    }

    #[test]
    fn o26_a_nul_byte_inside_a_record_is_kept() {
        assert_eq!(template(b"a\0b\0junk", 3), b"a\0b");
        assert_eq!(template(b"\0old text\0", 0), b"");
        assert_eq!(template(b"", 0), b"");
        assert_eq!(template(b"unterminated", 12), b"unterminated");
    }

    #[test]
    fn only_what_the_host_has_written_is_looked_at() {
        assert_eq!(written(3, 3, 128), 4, "a rendering and its NUL");
        assert_eq!(written(1, 3, 128), 4, "a record with a NUL byte, or an earlier rendering");
        assert_eq!(written(3, 0, 128), 4, "a subtree's length is not set");
        assert_eq!(written(3, 128, 128), 4, "a claim that the buffer cannot hold");
        assert_eq!(written(128, 0, 128), 128, "no NUL at all");
        assert_eq!(written(0, 0, 0), 0);
    }

    #[test]
    fn null_and_empty_commits_have_no_messages() {
        // SAFETY: nothing is read.
        let commit = unsafe { Commit::new(std::ptr::null(), 7, 2) };
        assert!(commit.is_empty() && commit.messages().next().is_none());
        let array = [abi::actWrkrIParams_t { param: std::ptr::null_mut(), lenBuf: 9, lenStr: 9 }];
        // SAFETY: one message with one template.
        let commit = unsafe { Commit::new(array.as_ptr(), 1, 1) };
        assert_eq!(commit.messages().next().unwrap().template(0), b"");
    }
}
