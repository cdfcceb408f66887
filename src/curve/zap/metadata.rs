//! Metadata of a reply: ZMTP properties (RFC 23), which libzmq attaches to every message of the peer.

use thiserror::Error;

/// The most that is sent along with an admission, in bytes: more than a certificate of 64 KiB can hold is cut at a
/// property's border. CZMQ has 512 here, unchecked.
const SIZE_LIMIT: usize = 64 * 1024;

/// Names that libzmq acts upon or sets itself: a certificate must not choose its own routing id or user id.
const RESERVED: [&str; 6] = ["Identity", "Routing-Id", "Socket-Type", "Resource", "User-Id", "Peer-Address"];

fn is_reserved(name: &str) -> bool {
    name.starts_with("__") || RESERVED.iter().any(|reserved| name.eq_ignore_ascii_case(reserved))
}

/// Encodes properties. Reserved names, names of no or more than 255 bytes, and what does not fit any more are left out.
pub fn encode_metadata<'a>(properties: impl IntoIterator<Item = (&'a str, &'a str)>) -> Vec<u8> {
    let mut encoded = Vec::new();
    for (name, value) in properties {
        let (Ok(name_length), Ok(value_length)) = (u8::try_from(name.len()), u32::try_from(value.len())) else {
            continue;
        };
        if name_length == 0 || is_reserved(name) || encoded.len() + name.len() + value.len() + 5 > SIZE_LIMIT {
            continue;
        }
        encoded.push(name_length);
        encoded.extend_from_slice(name.as_bytes());
        encoded.extend_from_slice(&value_length.to_be_bytes());
        encoded.extend_from_slice(value.as_bytes());
    }
    encoded
}

/// The bytes end within a property, or a name is empty or no text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("malformed ZMTP metadata at byte {offset}")]
pub struct MetadataError {
    /// Where the broken property begins.
    pub offset: usize,
}

/// Decodes properties.
pub fn decode_metadata(encoded: &[u8]) -> Result<Vec<(String, Vec<u8>)>, MetadataError> {
    let mut properties = Vec::new();
    let mut rest = encoded;
    while !rest.is_empty() {
        let broken = MetadataError { offset: encoded.len() - rest.len() };
        let (name, value, after) = split_property(rest).ok_or(broken)?;
        properties.push((name.to_owned(), value.to_owned()));
        rest = after;
    }
    Ok(properties)
}

fn split_property(bytes: &[u8]) -> Option<(&str, &[u8], &[u8])> {
    let (length, rest) = bytes.split_first()?;
    let (name, rest) = rest.split_at_checked(usize::from(*length))?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let (value, rest) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
    let name = std::str::from_utf8(name).ok().filter(|name| !name.is_empty())?;
    Some((name, value, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_survive_the_round_trip() {
        let properties = [("name", "Alice"), ("e-mail", ""), ("note", "ü # \"x\"")];
        let decoded = decode_metadata(&encode_metadata(properties)).unwrap();
        let expected: Vec<_> = properties.map(|(name, value)| (name.to_owned(), value.as_bytes().to_owned())).into();
        assert_eq!(decoded, expected);
        assert!(decode_metadata(b"").unwrap().is_empty());
    }

    #[test]
    fn c1_metadata_beyond_512_bytes_is_whole_and_beyond_the_limit_is_left_out() {
        let long = "x".repeat(4096);
        assert_eq!(decode_metadata(&encode_metadata([("long", long.as_str())])).unwrap()[0].1, long.as_bytes());
        let huge = "x".repeat(SIZE_LIMIT);
        let decoded = decode_metadata(&encode_metadata([("huge", huge.as_str()), ("name", "Alice")])).unwrap();
        assert_eq!(decoded, [("name".to_owned(), b"Alice".to_vec())]);
    }

    #[test]
    fn a_certificate_cannot_set_what_libzmq_decides() {
        let long = "n".repeat(256);
        let names = ["Identity", "identity", "SOCKET-TYPE", "User-Id", "peer-address", "__fd", "", &long];
        assert!(encode_metadata(names.map(|name| (name, "mine"))).is_empty());
    }

    #[test]
    fn what_ends_within_a_property_is_an_error() {
        let encoded = encode_metadata([("a", "1"), ("b", "22")]);
        for length in 1..encoded.len() {
            let whole = length == 7;
            assert_eq!(decode_metadata(&encoded[..length]).is_ok(), whole, "{length}");
        }
        assert_eq!(decode_metadata(b"\x01a\xff\xff\xff\xff1").unwrap_err(), MetadataError { offset: 0 });
        assert_eq!(decode_metadata(b"\0\0\0\0\0").unwrap_err(), MetadataError { offset: 0 });
    }
}
