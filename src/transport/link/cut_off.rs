//! Whose a connection is, for the two reasons to end one: a subscriber that takes nothing, and a key that is not allowed any
//! more.
//!
//! libzmq has no call to close one peer, and closing its descriptor aborts the process. What works is shutdown(2) on a
//! duplicate. The authenticator is asked about a key and an address while the connection's handshake goes on, so the key
//! belongs to one of the connections from that address that are not ready yet; mostly there is one. Messages and (with
//! XPUB_VERBOSE) subscriptions carry the descriptor as `__fd` beside the `User-Id`, and prove it.

use std::time::{Duration, Instant};

use crate::curve::keys::PublicKey;
use crate::sys::descriptors::{Connection, PeerAddress};

/// More keys than that from one address, while one of its connections stays silent, are not told apart any more.
const MOST_CANDIDATES: usize = 16;

/// The key of a connection's peer, as far as it is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Owner {
    /// The authenticator has not been asked.
    #[default]
    Unknown,
    /// The authenticator admitted one of these keys on this connection.
    OneOf(Vec<PublicKey>),
    /// Its messages carry this key.
    Key(PublicKey),
    /// Too many keys are possible.
    Ambiguous,
}

impl Owner {
    /// The authenticator admitted a key that may be this connection's.
    pub(super) fn may_be(&mut self, key: PublicKey) {
        match self {
            Self::Unknown => *self = Self::OneOf(vec![key]),
            Self::OneOf(keys) if keys.contains(&key) => {}
            Self::OneOf(keys) if keys.len() < MOST_CANDIDATES => keys.push(key),
            Self::OneOf(_) => *self = Self::Ambiguous,
            Self::Key(_) | Self::Ambiguous => {}
        }
    }

    /// A message with this key came by this descriptor. One with another key than those that the authenticator admitted here
    /// is left over from an earlier connection with the same descriptor.
    pub(super) fn is_proved(&mut self, key: PublicKey) {
        if matches!(self, Self::OneOf(keys) if keys.contains(&key)) {
            *self = Self::Key(key);
        }
    }

    /// Whether revoking a key ends this connection. One whose handshake goes on is refused by the authenticator.
    pub(super) fn is_meant_by(&self, key: &PublicKey) -> bool {
        match self {
            Self::Unknown => false,
            Self::OneOf(keys) => keys.contains(key),
            Self::Key(own) => own == key,
            Self::Ambiguous => true,
        }
    }

    pub(super) fn proven(&self) -> Option<PublicKey> {
        match self {
            Self::Key(key) => Some(*key),
            Self::OneOf(keys) => keys.first().copied().filter(|_| keys.len() == 1),
            Self::Unknown | Self::Ambiguous => None,
        }
    }
}

/// What came of an attempt to end a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// It was ended.
    Done,
    /// The descriptor is not a connection to that address any more.
    Gone,
    /// No descriptor was to be had for the duplicate: try again.
    Short,
}

/// Ends a connection, if the descriptor is still one to that address.
pub(super) fn cut(descriptor: i32, address: PeerAddress) -> Cut {
    match Connection::find(descriptor, address) {
        Some(connection) => {
            connection.cut_off();
            Cut::Done
        }
        None if Connection::peer_address(descriptor) == Some(address) => Cut::Short,
        None => Cut::Gone,
    }
}

/// Where peers were cut off for taking nothing: the next time they are cut off at once.
#[derive(Debug, Default)]
pub(super) struct Probation {
    terms: Vec<Term>,
}

#[derive(Clone, Copy, Debug)]
struct Term {
    address: PeerAddress,
    /// Its key, where it was known: then only that key is meant.
    key: Option<PublicKey>,
    until: Instant,
}

/// How long a peer that was cut off is remembered.
const TERM: Duration = Duration::from_secs(60);
/// So many are remembered; the oldest is forgotten first.
const MOST_TERMS: usize = 1024;

impl Probation {
    pub(super) fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// Whether a new connection from this address is on probation.
    pub(super) fn covers(&mut self, address: PeerAddress, now: Instant) -> bool {
        self.terms.retain(|term| term.until > now);
        self.terms.iter().any(|term| term.address == address)
    }

    /// Whether a connection from this address still is, now that its key is known.
    pub(super) fn covers_key(&self, address: PeerAddress, key: PublicKey) -> bool {
        self.terms.iter().any(|term| term.address == address && term.key.is_none_or(|known| known == key))
    }

    pub(super) fn begin(&mut self, address: PeerAddress, key: Option<PublicKey>, now: Instant) {
        self.terms.retain(|term| (term.address, term.key) != (address, key));
        if self.terms.len() >= MOST_TERMS {
            self.terms.remove(0);
        }
        self.terms.push(Term { address, key, until: now + TERM });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: PublicKey = PublicKey::from_bytes([1; 32]);
    const BOB: PublicKey = PublicKey::from_bytes([2; 32]);

    #[test]
    fn a_key_is_possible_and_then_certain() {
        let mut owner = Owner::default();
        assert!(!owner.is_meant_by(&ALICE));
        owner.may_be(ALICE);
        assert!(owner.is_meant_by(&ALICE) && !owner.is_meant_by(&BOB) && owner.proven() == Some(ALICE));
        owner.may_be(BOB);
        assert!(owner.is_meant_by(&ALICE) && owner.is_meant_by(&BOB) && owner.proven().is_none());
        owner.is_proved(BOB);
        assert!(!owner.is_meant_by(&ALICE) && owner.is_meant_by(&BOB));
        owner.is_proved(ALICE);
        assert_eq!(owner, Owner::Key(BOB), "Alice's message came by an earlier connection");
    }

    #[test]
    fn the_candidates_of_a_silent_connection_are_bounded() {
        let mut owner = Owner::default();
        for number in 0..100 {
            owner.may_be(PublicKey::from_bytes([number; 32]));
        }
        assert_eq!(owner, Owner::Ambiguous);
    }

    #[test]
    fn probation_is_for_an_address_and_where_known_a_key_and_ends() {
        let address = PeerAddress::parse("192.0.2.1").unwrap();
        let mut probation = Probation::default();
        let now = Instant::now();
        assert!(probation.is_empty() && !probation.covers(address, now));
        probation.begin(address, Some(ALICE), now);
        assert!(probation.covers(address, now));
        assert!(probation.covers_key(address, ALICE) && !probation.covers_key(address, BOB));
        assert!(!probation.covers(address, now + TERM));
    }
}
