//! What a peer says first: whether it speaks ZMTP, which version, and which mechanism it wants (RFC 37, section 4.1).

use std::io::{ErrorKind, Read, Write};

/// A greeting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Greeting {
    /// The version of the protocol.
    pub version: (u8, u8),
    /// `NULL`, `PLAIN`, `CURVE` or another mechanism.
    pub mechanism: String,
}

/// Why there is no greeting.
#[derive(Debug, thiserror::Error)]
pub enum GreetingError {
    /// Something else was sent.
    #[error("what answers there does not speak ZeroMQ")]
    NotZeroMq,
    /// An old libzmq.
    #[error("it speaks a version of ZMTP from before 3.0, which has no mechanisms")]
    TooOld,
    /// Nothing was sent.
    #[error("it accepts the connection and says nothing")]
    Silent,
    /// The connection ended.
    #[error("it closes the connection at once")]
    Closed,
    /// The text of the system.
    #[error("{0}")]
    Io(std::io::Error),
}

/// The signature, and version 3.1. With that much the peer tells all; the connection then ends, which it counts as a failed
/// handshake.
const OURS: [u8; 12] = [0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3, 1];

/// Exchanges greetings. Timeouts are the stream's.
pub fn exchange(stream: &mut (impl Read + Write)) -> Result<Greeting, GreetingError> {
    stream.write_all(&OURS).map_err(explain)?;
    let mut theirs = [0; 64];
    let (start, rest) = theirs.split_at_mut(11);
    stream.read_exact(start).map_err(explain)?;
    if start.first() != Some(&0xff) || start.get(9) != Some(&0x7f) {
        return Err(GreetingError::NotZeroMq);
    }
    let major = start.get(10).copied().unwrap_or_default();
    if major < 3 {
        return Err(GreetingError::TooOld);
    }
    stream.read_exact(rest).map_err(explain)?;
    parse(&theirs).ok_or(GreetingError::NotZeroMq)
}

fn parse(greeting: &[u8; 64]) -> Option<Greeting> {
    let version = (*greeting.get(10)?, *greeting.get(11)?);
    let name: Vec<u8> = greeting.get(12..32)?.iter().copied().take_while(|byte| *byte != 0).collect();
    let is_name = !name.is_empty() && name.iter().all(|byte| byte.is_ascii_uppercase() || b"-_.+".contains(byte));
    let mechanism = String::from_utf8(name).ok().filter(|_| is_name)?;
    Some(Greeting { version, mechanism })
}

fn explain(error: std::io::Error) -> GreetingError {
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => GreetingError::Silent,
        ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => GreetingError::Closed,
        _ => GreetingError::Io(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    struct Peer(Cursor<Vec<u8>>);

    impl Read for Peer {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            self.0.read(buffer)
        }
    }

    impl Write for Peer {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn answer(bytes: &[u8]) -> Result<Greeting, GreetingError> {
        exchange(&mut Peer(Cursor::new(bytes.to_vec())))
    }

    fn greeting(version: [u8; 2], mechanism: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f];
        bytes.extend(version);
        bytes.extend(mechanism);
        bytes.resize(64, 0);
        bytes
    }

    #[test]
    fn a_greeting_tells_version_and_mechanism() {
        let found = answer(&greeting([3, 1], b"CURVE")).unwrap();
        assert_eq!(found, Greeting { version: (3, 1), mechanism: "CURVE".to_owned() });
    }

    #[test]
    fn anything_else_is_told_apart() {
        assert!(matches!(answer(b"SSH-2.0-OpenSSH_9.2"), Err(GreetingError::NotZeroMq)));
        assert!(matches!(answer(b"HTTP/1.1 400 Bad Request\r\n"), Err(GreetingError::NotZeroMq)));
        assert!(matches!(answer(&greeting([1, 0], b"")), Err(GreetingError::TooOld)));
        assert!(matches!(answer(&greeting([3, 0], b"\x1b[2J")), Err(GreetingError::NotZeroMq)));
        assert!(matches!(answer(b""), Err(GreetingError::Closed)));
        assert!(matches!(answer(&greeting([3, 0], b"NULL")[..40]), Err(GreetingError::Closed)));
    }
}
