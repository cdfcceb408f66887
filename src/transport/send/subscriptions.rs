//! Which topics somebody has subscribed to, from the messages an XPUB socket receives.

use std::collections::{BTreeMap, HashSet};

/// What one message of an XPUB socket changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The first subscriber of this prefix.
    Added,
    /// The last subscriber of this prefix has gone.
    Removed,
    /// Another subscriber of a known prefix, or no subscription message at all.
    None,
}

/// The distinct prefixes. libzmq reports the last unsubscription of a prefix only, so a set is exact.
#[derive(Debug, Default)]
pub struct Subscriptions {
    prefixes: HashSet<Vec<u8>>,
    /// How many prefixes have each length.
    lengths: BTreeMap<usize, usize>,
    /// The prefixes once more while they are few: comparing is quicker than hashing then.
    few: Vec<Vec<u8>>,
}

/// Up to so many prefixes are compared one by one.
const FEW: usize = 16;

impl Subscriptions {
    /// Takes in a subscription message: 1 or 0, then the prefix (RFC 23, XPUB of zmq_socket(3)).
    pub fn apply(&mut self, message: &[u8]) -> Change {
        let change = match message {
            [1, prefix @ ..] if self.prefixes.insert(prefix.to_vec()) => {
                *self.lengths.entry(prefix.len()).or_default() += 1;
                Change::Added
            }
            [0, prefix @ ..] if self.prefixes.remove(prefix) => {
                if let Some(count) = self.lengths.get_mut(&prefix.len()) {
                    *count -= 1;
                    if *count == 0 {
                        self.lengths.remove(&prefix.len());
                    }
                }
                Change::Removed
            }
            _ => return Change::None,
        };
        self.few.clear();
        if self.prefixes.len() <= FEW {
            self.few.extend(self.prefixes.iter().cloned());
        }
        change
    }

    /// How many distinct prefixes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.prefixes.len()
    }

    /// Whether nobody listens at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.prefixes.is_empty()
    }

    /// Whether somebody listens to everything, so that no frame needs to be looked at.
    #[must_use]
    pub fn match_everything(&self) -> bool {
        self.lengths.contains_key(&0)
    }

    /// Whether somebody gets a message whose first frame is this.
    #[must_use]
    pub fn match_frame(&self, frame: &[u8]) -> bool {
        if self.prefixes.len() <= FEW {
            return self.few.iter().any(|prefix| frame.starts_with(prefix));
        }
        self.lengths
            .keys()
            .take_while(|&&length| length <= frame.len())
            .any(|&length| frame.get(..length).is_some_and(|start| self.prefixes.contains(start)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_match_until_the_last_subscriber_has_gone() {
        let mut subscriptions = Subscriptions::default();
        assert!(!subscriptions.match_frame(b"web1.nginx"));
        assert_eq!(subscriptions.apply(b"\x01web1"), Change::Added);
        assert_eq!(subscriptions.apply(b"\x01web1"), Change::None);
        assert_eq!(subscriptions.apply(b"\x01db"), Change::Added);
        assert!(subscriptions.match_frame(b"web1.nginx") && subscriptions.match_frame(b"web1"));
        assert!(!subscriptions.match_frame(b"web") && !subscriptions.match_frame(b"mail"));
        assert_eq!(subscriptions.apply(b"\x00web1"), Change::Removed);
        assert!(!subscriptions.match_frame(b"web1.nginx") && subscriptions.match_frame(b"db2"));
        assert_eq!(subscriptions.apply(b"\x01"), Change::Added);
        assert!(subscriptions.match_frame(b"") && subscriptions.match_everything());
        assert_eq!(subscriptions.len(), 2);
    }

    #[test]
    fn many_prefixes_match_as_few_do() {
        let mut subscriptions = Subscriptions::default();
        for number in 0..FEW as u8 * 2 {
            subscriptions.apply(&[1, b'a', number]);
        }
        assert!(!subscriptions.match_everything());
        for count in (0..FEW as u8 * 2).rev() {
            for number in 0..FEW as u8 * 2 {
                assert_eq!(subscriptions.match_frame(&[b'a', number, b'x']), number <= count, "{number} of {count}");
            }
            assert!(!subscriptions.match_frame(b"a") && !subscriptions.match_frame(b"b"));
            subscriptions.apply(&[0, b'a', count]);
        }
        assert!(subscriptions.is_empty());
    }

    #[test]
    fn messages_that_are_no_subscription_change_nothing() {
        let mut subscriptions = Subscriptions::default();
        for junk in [&b""[..], b"\x02a", b"\x00never", b"hello"] {
            assert_eq!(subscriptions.apply(junk), Change::None);
        }
        assert!(subscriptions.is_empty());
    }
}
