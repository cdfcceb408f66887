//! What is known about a record's origin, whichever shape it came in.
//!
//! Most shapes say it in their header ([`Record`]). LogTalez's template has no header: there it is inside the JSON.
#![forbid(unsafe_code)]

use std::borrow::Cow;

use serde::Deserialize;

use crate::cli::priority::{facility_number, severity_number};
use crate::cli::record::Record;

/// Where a record came from and how grave it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HeaderFields<'a> {
    /// The timestamp as written.
    pub timestamp: Option<Cow<'a, [u8]>>,
    /// The host name.
    pub host: Option<Cow<'a, [u8]>>,
    /// The program, without a process id.
    pub program: Option<Cow<'a, [u8]>>,
    /// The process id.
    pub process: Option<Cow<'a, [u8]>>,
    /// 0 (emerg) to 7 (debug).
    pub severity: Option<u8>,
    /// 0 (kern) to 23 (local7).
    pub facility: Option<u8>,
}

/// The members that LogTalez's template writes in front of the record's own ones.
#[derive(Deserialize)]
struct LogTalez {
    #[serde(rename = "@timestamp")]
    timestamp: Option<String>,
    host: Option<String>,
    severity: Option<String>,
    facility: Option<String>,
    syslogtag: Option<String>,
}

impl<'a> HeaderFields<'a> {
    /// The fields of a record. JSON is only read where there is no header.
    #[must_use]
    pub fn of(record: &Record<'a>) -> Self {
        if record.priority.is_none() && record.host.is_none() {
            if let Some(found) = record.cee.and_then(|cee| serde_json::from_slice(trimmed(cee)).ok()) {
                return Self::of_logtalez(found);
            }
        }
        Self {
            timestamp: record.timestamp.map(Cow::Borrowed),
            host: record.host.map(Cow::Borrowed),
            program: record.program.map(Cow::Borrowed),
            process: record.process.map(Cow::Borrowed),
            severity: record.priority.map(|priority| priority & 7),
            facility: record.priority.map(|priority| priority >> 3),
        }
    }

    fn of_logtalez(found: LogTalez) -> Self {
        let (mut program, mut process) = (None, None);
        if let Some(tag) = &found.syslogtag {
            let tag = tag.trim_end_matches([':', ' ']);
            match tag.strip_suffix(']').and_then(|tag| tag.split_once('[')) {
                Some((name, id)) => (program, process) = (Some(name), Some(id)),
                None => program = Some(tag),
            }
        }
        let owned =
            |text: Option<&str>| text.filter(|text| !text.is_empty()).map(|text| text.as_bytes().to_vec().into());
        Self {
            timestamp: owned(found.timestamp.as_deref()),
            host: owned(found.host.as_deref()),
            program: owned(program),
            process: owned(process),
            severity: found.severity.as_deref().and_then(severity_number),
            facility: found.facility.as_deref().and_then(facility_number),
        }
    }
}

/// JSON without the bytes that senders leave behind it.
fn trimmed(text: &[u8]) -> &[u8] {
    let end = text.iter().rposition(|byte| !b"\0\r\n\t ".contains(byte)).map_or(0, |last| last + 1);
    text.get(..end).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_tells_everything() {
        let body = b"<34>Oct 11 22:14:15 web1 sshd[7]: hello @cee:{\"host\":\"fake\"}";
        let header = HeaderFields::of(&Record::parse(None, body));
        assert_eq!(header.host.as_deref(), Some(&b"web1"[..]), "not what somebody wrote into the message");
        assert_eq!((header.program.as_deref(), header.process.as_deref()), (Some(&b"sshd"[..]), Some(&b"7"[..])));
        assert_eq!((header.facility, header.severity), (Some(4), Some(2)));
    }

    #[test]
    fn logtalez_json_tells_it_where_there_is_no_header() {
        let body = br#"web1.postfix\/smtpd[12]:@cee:{"@timestamp":"2026-01-02T03:04:05Z","host":"web1","severity":"err","facility":"mail","syslogtag":"postfix\/smtpd[12]:","msg":"x"}"#;
        let header = HeaderFields::of(&Record::parse(None, body));
        assert_eq!(header.host.as_deref(), Some(&b"web1"[..]));
        assert_eq!(header.program.as_deref(), Some(&b"postfix/smtpd"[..]));
        assert_eq!(header.process.as_deref(), Some(&b"12"[..]));
        assert_eq!((header.facility, header.severity), (Some(2), Some(3)));
        for body in [&b"t@cee:{"[..], b"t@cee:[]", b"t@cee:{\"host\":1}", b"plain"] {
            assert_eq!(HeaderFields::of(&Record::parse(None, body)), HeaderFields::default());
        }
    }
}
