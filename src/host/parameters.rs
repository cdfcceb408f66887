//! Parameters of `module()`, `input()` and `action()`: one declarative table per scope.
//!
//! From a table come the declaration the host wants, the typed and range-checked values, the error texts and the
//! documentation's tables (tests/readme.rs). The host is told that every parameter is a string: its own conversions
//! accept junk or say too little (`"5s"` became 5 in the C modules), so the checks are all here.

use std::ffi::{CString, c_int, c_ushort};

use super::Host;
use crate::abi;

/// What a parameter's value may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Any text without NUL.
    Text,
    /// One of these words, in any case.
    Word(&'static [&'static str]),
    /// `on` or `off`, in any case.
    Switch,
    /// A decimal number in this range, ends included.
    Integer {
        /// The least value.
        least: i64,
        /// The greatest value.
        most: i64,
    },
    /// Permission bits: three or four octal digits.
    FileMode,
    /// A number of bytes in this range, ends included; the suffixes k, m, g (1024) and K, M, G (1000) of rsyslog's sizes
    /// are understood.
    Size {
        /// The least value.
        least: i64,
        /// The greatest value.
        most: i64,
    },
}

impl Kind {
    /// What is accepted, for error texts and tables.
    #[must_use]
    pub fn accepted(&self) -> String {
        match self {
            Self::Text => "text".to_owned(),
            Self::Word(words) => words.join(", "),
            Self::Switch => "on, off".to_owned(),
            Self::Integer { least, most } => format!("a whole number from {least} to {most}"),
            Self::FileMode => "permission bits as three or four octal digits, as 0660".to_owned(),
            Self::Size { least, most } => {
                format!("a number of bytes from {least} to {most}, k, m or g may follow")
            }
        }
    }
}

/// One parameter.
#[derive(Clone, Copy, Debug)]
pub struct Parameter {
    /// As it is written in a configuration; lower case.
    pub name: &'static str,
    /// What its value may be.
    pub kind: Kind,
    /// The default as text, for the tables; empty where there is none.
    pub default: &'static str,
    /// The unit, for the tables and the error texts; empty where there is none.
    pub unit: &'static str,
    /// Whether it must be written.
    pub is_required: bool,
    /// One sentence for the tables.
    pub help: &'static str,
}

/// The parameters of one kind of configuration object.
#[derive(Debug)]
pub struct Scope {
    /// `module`, `input` or `action`.
    pub name: &'static str,
    /// The table. Slices, so that scopes can share rows.
    pub parameters: &'static [&'static [Parameter]],
}

/// Why a parameter is refused. The text names the parameter, the wrong value and the accepted ones.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParameterError {
    /// The value is not of the parameter's kind.
    #[error("parameter \"{name}\": \"{value}\" is not {article}{accepted}")]
    Value {
        /// The parameter.
        name: &'static str,
        /// What was written.
        value: String,
        /// `one of ` for words.
        article: &'static str,
        /// The accepted values.
        accepted: String,
    },
    /// The parameter is missing.
    #[error("parameter \"{name}\" is required; accepted: {accepted}")]
    Missing {
        /// The parameter.
        name: &'static str,
        /// The accepted values.
        accepted: String,
    },
    /// A name that looks like a slip of the pen in one of ours.
    #[error("parameter \"{written}\" is not known; did you mean \"{meant}\"?")]
    Typo {
        /// What was written.
        written: String,
        /// The parameter that is probably meant.
        meant: &'static str,
    },
    /// The host refused the list and has logged why.
    #[error("the parameters of this {scope} cannot be used")]
    Host {
        /// `module`, `input` or `action`.
        scope: &'static str,
    },
}

/// One typed value.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Value {
    Text(String),
    Word(&'static str),
    Switch(bool),
    Number(i64),
}

/// The checked values of one configuration object.
#[derive(Clone, Debug, Default)]
pub struct Values {
    set: Vec<(&'static str, Value)>,
}

impl Values {
    fn find(&self, name: &str) -> Option<&Value> {
        self.set.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// A text, if it was written.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.find(name)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A word in the spelling of the table, if it was written.
    #[must_use]
    pub fn word(&self, name: &str) -> Option<&'static str> {
        match self.find(name)? {
            Value::Word(word) => Some(word),
            _ => None,
        }
    }

    /// A switch, if it was written.
    #[must_use]
    pub fn switch(&self, name: &str) -> Option<bool> {
        match self.find(name)? {
            Value::Switch(is_on) => Some(*is_on),
            _ => None,
        }
    }

    /// A number, if it was written.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<i64> {
        match self.find(name)? {
            Value::Number(number) => Some(*number),
            _ => None,
        }
    }
}

impl Scope {
    /// Every parameter, in the table's order.
    pub fn all(&self) -> impl Iterator<Item = &'static Parameter> {
        self.parameters.iter().flat_map(|part| part.iter())
    }

    /// Checks `(name, value)` pairs against the table and reports everything that is wrong at once.
    pub fn check<'a>(
        &self,
        pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Values, Vec<ParameterError>> {
        let mut values = Values::default();
        let mut errors = Vec::new();
        for (name, text) in pairs {
            let Some(parameter) = self.all().find(|parameter| parameter.name.eq_ignore_ascii_case(name)) else {
                continue;
            };
            match parameter.parse(text) {
                Ok(value) => values.set.push((parameter.name, value)),
                Err(error) => errors.push(error),
            }
        }
        for parameter in self.all().filter(|parameter| parameter.is_required) {
            let is_wrong = errors
                .iter()
                .any(|error| matches!(error, ParameterError::Value { name, .. } if *name == parameter.name));
            if values.find(parameter.name).is_none() && !is_wrong {
                errors.push(ParameterError::Missing { name: parameter.name, accepted: parameter.kind.accepted() });
            }
        }
        if errors.is_empty() { Ok(values) } else { Err(errors) }
    }

    /// The names among `written` that the host would only warn about although one of ours is probably meant. A misspelt
    /// security parameter must not start a socket in clear.
    pub fn typos<'a>(&self, written: impl IntoIterator<Item = &'a str>) -> Vec<ParameterError> {
        written
            .into_iter()
            .filter(|name| !self.all().any(|parameter| parameter.name.eq_ignore_ascii_case(name)))
            // The host's own parameters: name and type, and everything with a dot (action.*, queue.*).
            .filter(|name| !name.contains('.') && !["name", "type"].contains(&name.to_ascii_lowercase().as_str()))
            .filter_map(|name| {
                let lower = name.to_ascii_lowercase();
                let near =
                    self.all().map(|parameter| (strsim::osa_distance(&lower, parameter.name), parameter.name)).min()?;
                let is_security = ["auth", "cert", "curve", "secret"].iter().any(|part| lower.contains(part));
                (near.0 <= 2 || is_security).then(|| ParameterError::Typo { written: name.to_owned(), meant: near.1 })
            })
            .collect()
    }
}

impl Parameter {
    fn parse(&self, text: &str) -> Result<Value, ParameterError> {
        let value = text.trim();
        let parsed = match self.kind {
            Kind::Text => (!value.contains('\0')).then(|| Value::Text(value.to_owned())),
            Kind::Word(words) => {
                words.iter().find(|word| word.eq_ignore_ascii_case(value)).map(|word| Value::Word(word))
            }
            Kind::Switch if value.eq_ignore_ascii_case("on") => Some(Value::Switch(true)),
            Kind::Switch if value.eq_ignore_ascii_case("off") => Some(Value::Switch(false)),
            Kind::Switch => None,
            Kind::Integer { least, most } => {
                decimal(value).filter(|number| (least..=most).contains(number)).map(Value::Number)
            }
            Kind::FileMode => file_mode(value).map(Value::Number),
            Kind::Size { least, most } => {
                size(value).filter(|number| (least..=most).contains(number)).map(Value::Number)
            }
        };
        parsed.ok_or_else(|| ParameterError::Value {
            name: self.name,
            value: text.to_owned(),
            article: if matches!(self.kind, Kind::Word(_) | Kind::Switch) { "one of " } else { "" },
            accepted: self.kind.accepted(),
        })
    }
}

/// A decimal number: an optional minus and digits, nothing else.
fn decimal(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    (!digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

/// Three or four octal digits.
fn file_mode(text: &str) -> Option<i64> {
    let is_mode = matches!(text.len(), 3 | 4) && text.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
    is_mode.then(|| i64::from_str_radix(text, 8).ok())?
}

/// rsyslog's sizes: k, m, g are powers of 1024, K, M, G of 1000 (grammar/rainerscript.c doGetSize).
fn size(text: &str) -> Option<i64> {
    let factor = match text.bytes().last()? {
        b'k' => 1 << 10,
        b'm' => 1 << 20,
        b'g' => 1 << 30,
        b'K' => 1_000,
        b'M' => 1_000_000,
        b'G' => 1_000_000_000,
        _ => return decimal(text),
    };
    decimal(&text[..text.len() - 1])?.checked_mul(factor)
}

/// The `name="value"` pairs that one configuration object was written with; the host's, valid during the entry point.
pub struct ParameterList {
    list: *mut abi::nvlst,
}

impl ParameterList {
    /// # Safety
    /// `list` is null or the host's list, and outlives the value.
    pub(super) unsafe fn new(list: *mut abi::nvlst) -> Self {
        Self { list }
    }

    /// Whether a parameter of this name was written, ours or the host's.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.names().iter().any(|written| written.eq_ignore_ascii_case(name))
    }

    /// The text that a parameter was written with, ours or the host's.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<String> {
        let node = self.nodes().find(|node| name_of(node).eq_ignore_ascii_case(name))?;
        // SAFETY: datatype 'S' says that the union holds a string of the host's.
        let bytes = (node.val.datatype as u8 == b'S').then(|| unsafe { estr(node.val.d.estr) })?;
        Some(String::from_utf8_lossy(bytes).into_owned())
    }

    fn names(&self) -> Vec<String> {
        self.nodes().map(name_of).collect()
    }

    fn nodes(&self) -> impl Iterator<Item = &abi::nvlst> {
        // SAFETY: null or the head of the host's list (layout asserted in abi), which outlives the value.
        let first = unsafe { self.list.as_ref() };
        // SAFETY: null or the next live node.
        std::iter::successors(first, |node| unsafe { node.next.as_ref() })
    }

    /// The values by `scope`'s table, or everything that is wrong with them.
    pub fn read(&self, scope: &Scope) -> Result<Values, Vec<ParameterError>> {
        let host = || vec![ParameterError::Host { scope: scope.name }];
        let symbols = Host::get().ok_or_else(host)?.symbols;
        let (Some(get), Some(destruct)) = (symbols.nvlstGetParams, symbols.cnfparamvalsDestruct) else {
            return Err(host());
        };
        let mut errors = scope.typos(self.names().iter().map(String::as_str));

        let names: Vec<CString> =
            scope.all().map(|parameter| CString::new(parameter.name).unwrap_or_default()).collect();
        let mut declared: Vec<abi::cnfparamdescr> = names
            .iter()
            .map(|name| abi::cnfparamdescr { name: name.as_ptr(), type_: abi::ABI_HANDLER_STRING as c_int, flags: 0 })
            .collect();
        let mut block = abi::cnfparamblk {
            version: abi::ABI_CNFPARAMBLK_VERSION as c_ushort,
            nParams: declared.len() as c_ushort,
            descr: declared.as_mut_ptr(),
        };
        // SAFETY: list and block are live during the call; the host marks what it took and copies the values.
        let found = unsafe { get(self.list, &raw mut block, std::ptr::null_mut()) };
        if found.is_null() {
            errors.extend(host());
            return Err(errors);
        }
        let mut pairs = Vec::new();
        for (index, parameter) in scope.all().enumerate() {
            // SAFETY: the host returns one element per declared parameter, in the same order.
            let value = unsafe { &*found.add(index) };
            if value.bUsed != 0 && value.val.datatype as u8 == b'S' {
                // SAFETY: datatype 'S' says that the union holds a string.
                let bytes = unsafe { estr(value.val.d.estr) };
                pairs.push((parameter.name, String::from_utf8_lossy(bytes).into_owned()));
            }
        }
        // SAFETY: `found` came from the host with this very block and is not used after this.
        unsafe { destruct(found, &raw const block) };

        match scope.check(pairs.iter().map(|(name, value)| (*name, value.as_str()))) {
            Ok(values) if errors.is_empty() => Ok(values),
            Ok(_) => Err(errors),
            Err(more) => {
                errors.extend(more);
                Err(errors)
            }
        }
    }
}

fn name_of(node: &abi::nvlst) -> String {
    // SAFETY: the host gives every node a name; estr checks for null.
    String::from_utf8_lossy(unsafe { estr(node.name) }).into_owned()
}

/// The bytes of a libestr string.
///
/// # Safety
/// `string` is null or a live string of the host's, and is not changed while the result is used.
unsafe fn estr<'a>(string: *const abi::es_str_t) -> &'a [u8] {
    if string.is_null() {
        return &[];
    }
    // SAFETY: live, by the caller's promise.
    let length = unsafe { (*string).lenStr } as usize;
    // SAFETY: the bytes follow the header (libestr.h es_getBufAddr), lenStr of them.
    unsafe { std::slice::from_raw_parts(string.add(1).cast(), length) }
}

#[cfg(test)]
mod tests;
