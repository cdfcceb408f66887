//! The templates that an action asks the host to render for each message.

use std::ffi::{CString, c_int};

use super::Host;
use crate::abi;

/// Template names in the order in which the action gets them; the message's own first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateRequest {
    names: Vec<CString>,
}

/// Why a request cannot be made.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// More templates than the host renders for one action.
    #[error("rsyslog renders at most {most} templates for one action, so dynatopic can have at most {topics} topics; {asked} are given",
        most = abi::ABI_TEMPLATES_PER_ACTION, topics = abi::ABI_TEMPLATES_PER_ACTION - 1)]
    TooMany {
        /// Topics asked for.
        asked: usize,
    },
    /// A name that cannot be one.
    #[error("template name \"{0}\" has a NUL byte")]
    Nul(String),
}

impl TemplateRequest {
    /// The message's template, then one per dynamic topic.
    pub fn new(message: &str, topics: &[String]) -> Result<Self, TemplateError> {
        if topics.len() + 1 > abi::ABI_TEMPLATES_PER_ACTION as usize {
            return Err(TemplateError::TooMany { asked: topics.len() });
        }
        let name = |name: &str| CString::new(name).map_err(|_| TemplateError::Nul(name.replace('\0', "\\0")));
        let names = std::iter::once(message).chain(topics.iter().map(String::as_str)).map(name);
        Ok(Self { names: names.collect::<Result<_, _>>()? })
    }

    /// How many templates are asked for.
    #[must_use]
    pub fn count(&self) -> usize {
        self.names.len()
    }

    /// Makes the host's request object, which the host then owns. Null where memory has run out.
    pub(super) fn into_host(self) -> *mut abi::omodStringRequest_t {
        let mut request = std::ptr::null_mut();
        let Some(host) = Host::get() else { return request };
        let (Some(construct), Some(destruct), Some(set)) =
            (host.symbols.OMSRconstruct, host.symbols.OMSRdestruct, host.symbols.OMSRsetEntry)
        else {
            return request;
        };
        // SAFETY: `request` is a live pointer slot.
        if unsafe { construct(&raw mut request, self.names.len() as c_int) } != abi::ABI_RET_OK {
            return std::ptr::null_mut();
        }
        for (index, name) in self.names.iter().enumerate() {
            // The host frees the name with free(3): it must come from malloc, and it is not ours any more afterwards.
            // SAFETY: the name is NUL-terminated.
            let owned = unsafe { libc::strdup(name.as_ptr()) };
            // SAFETY: the request is live, the index below its size, and `owned` null or malloc'ed.
            if owned.is_null() || unsafe { set(request, index as c_int, owned.cast(), 0) } != abi::ABI_RET_OK {
                // SAFETY: made above, and not handed out yet.
                unsafe { destruct(request) };
                return std::ptr::null_mut();
            }
        }
        request
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hosts_limit_on_templates_is_said_in_topics() {
        let topics: Vec<String> = (0..5).map(|n| format!("t{n}")).collect();
        let error = TemplateRequest::new("m", &topics).unwrap_err();
        assert!(error.to_string().contains("at most 4 topics; 5 are given"), "{error}");
        assert_eq!(TemplateRequest::new("m", &topics[..4]).unwrap().count(), 5);
    }
}
