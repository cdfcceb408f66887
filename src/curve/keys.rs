//! CURVE keys as types that cannot be mixed up: a public key may be shown, a secret one cannot even be printed.

use crate::curve::z85::{self, KEY_LENGTH, Z85Error};
use crate::sys::{curve_keys, zmq};
use std::fmt;
use thiserror::Error;
use zeroize::Zeroizing;

/// A public key. `Display` and `Debug` are its 40 characters of Z85.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PublicKey([u8; KEY_LENGTH]);

impl PublicKey {
    /// Reads 40 characters of Z85.
    pub fn from_z85(text: &str) -> Result<Self, Z85Error> {
        let mut bytes = [0; KEY_LENGTH];
        z85::decode(text.as_bytes(), &mut bytes)?;
        Ok(Self(bytes))
    }

    /// The key with these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; KEY_LENGTH]) -> Self {
        Self(bytes)
    }

    /// The key's bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; KEY_LENGTH] {
        &self.0
    }

    /// All bytes zero: what CZMQ writes where it has no key. No client can own it.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        self.0 == [0; KEY_LENGTH]
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The alphabet is ASCII.
        f.pad(&String::from_utf8_lossy(&z85::encode(&self.0)))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

/// A secret key: wiped when dropped, never copied, never shown.
pub struct SecretKey {
    // On the heap, so that moving the value leaves no bytes behind.
    bytes: Box<Zeroizing<[u8; KEY_LENGTH]>>,
}

impl SecretKey {
    /// Reads 40 characters of Z85.
    pub fn from_z85(text: &str) -> Result<Self, Z85Error> {
        let mut bytes = Box::new(Zeroizing::new([0; KEY_LENGTH]));
        z85::decode(text.as_bytes(), &mut bytes)?;
        Ok(Self { bytes })
    }

    /// The key's bytes, for libzmq.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; KEY_LENGTH] {
        &self.bytes
    }

    /// The key's 40 characters of Z85, for a secret file and nothing else.
    #[must_use]
    pub fn to_z85(&self) -> Zeroizing<String> {
        let text = Zeroizing::new(z85::encode(&self.bytes));
        let mut owned = Zeroizing::new(String::with_capacity(text.len()));
        owned.extend(text.iter().map(|character| char::from(*character)));
        owned
    }

    /// All bytes zero: what CZMQ writes where it has no secret.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        self.bytes.iter().all(|byte| *byte == 0)
    }

    /// The public key that belongs to it.
    pub fn derive_public(&self) -> Result<PublicKey, KeyError> {
        let text = Zeroizing::new(z85::encode(&self.bytes));
        let public = curve_keys::public_of(&text)?;
        let mut bytes = [0; KEY_LENGTH];
        z85::decode(&public, &mut bytes)?;
        Ok(PublicKey(bytes))
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(..)")
    }
}

/// libzmq could not make or derive a key.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum KeyError {
    /// libzmq was built without CURVE, or had no random numbers.
    #[error("libzmq made no CURVE key: {0}")]
    Libzmq(#[from] zmq::Error),
    /// libzmq's answer was no key.
    #[error("libzmq's answer was no key: {0}")]
    Answer(#[from] Z85Error),
}

/// A public key and the secret that belongs to it.
#[derive(Debug)]
pub struct KeyPair {
    /// The half to give away.
    pub public: PublicKey,
    /// The half to keep.
    pub secret: SecretKey,
}

impl KeyPair {
    /// A fresh pair.
    pub fn generate() -> Result<Self, KeyError> {
        let (public, secret_text) = curve_keys::generate()?;
        let mut bytes = [0; KEY_LENGTH];
        z85::decode(&public, &mut bytes)?;
        let mut secret = Box::new(Zeroizing::new([0; KEY_LENGTH]));
        z85::decode(secret_text.as_slice(), &mut secret)?;
        Ok(Self { public: PublicKey(bytes), secret: SecretKey { bytes: secret } })
    }

    /// The pair of a secret key.
    pub fn from_secret(secret: SecretKey) -> Result<Self, KeyError> {
        Ok(Self { public: secret.derive_public()?, secret })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_can_be_made_again_from_its_secret() {
        let pair = KeyPair::generate().unwrap();
        let copy = SecretKey::from_z85(&pair.secret.to_z85()).unwrap();
        assert_eq!(KeyPair::from_secret(copy).unwrap().public, pair.public);
        assert_eq!(PublicKey::from_z85(&pair.public.to_string()).unwrap(), pair.public);
    }

    #[test]
    fn no_secret_is_ever_printed() {
        let pair = KeyPair::generate().unwrap();
        let shown = format!("{pair:?} {:?}", pair.secret);
        assert!(!shown.contains(pair.secret.to_z85().as_str()), "{shown}");
        assert!(shown.contains("SecretKey(..)"), "{shown}");
        let error = SecretKey::from_z85("rather~secret").unwrap_err();
        assert!(!format!("{error} {error:?}").contains("secret"), "{error}");
    }
}
