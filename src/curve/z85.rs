//! Z85 (ZeroMQ RFC 32) for CURVE keys, strictly: libzmq's own decoder accepted overlong groups until 4.3.

use thiserror::Error;

/// A key's length in bytes.
pub const KEY_LENGTH: usize = 32;
/// A key's length in Z85 characters.
pub const TEXT_LENGTH: usize = 40;

const ALPHABET: &[u8; 85] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";
const NOT_A_DIGIT: u8 = u8::MAX;
const DIGITS: [u8; 256] = digits();

const fn digits() -> [u8; 256] {
    let mut table = [NOT_A_DIGIT; 256];
    let mut digit = 0;
    while digit < 85_u8 {
        table[ALPHABET[digit as usize] as usize] = digit;
        digit += 1;
    }
    table
}

/// Why a text is no key. Says where, never what: the text may be a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Z85Error {
    /// Not 40 characters.
    #[error("a key is {TEXT_LENGTH} characters of Z85, this is {found} bytes")]
    Length {
        /// Its length in bytes.
        found: usize,
    },
    /// A character outside the alphabet.
    #[error("character {position} of the key is not in the Z85 alphabet")]
    Character {
        /// Counted from 1.
        position: usize,
    },
    /// Five characters that stand for more than 32 bits.
    #[error("the five characters of the key from {position} on are more than 32 bits")]
    Overflow {
        /// Counted from 1.
        position: usize,
    },
}

/// The 40 characters of a key.
#[must_use]
pub fn encode(key: &[u8; KEY_LENGTH]) -> [u8; TEXT_LENGTH] {
    let mut text = [0; TEXT_LENGTH];
    for (bytes, group) in key.chunks_exact(4).zip(text.chunks_exact_mut(5)) {
        let mut value = bytes.iter().fold(0_u32, |value, byte| value << 8 | u32::from(*byte));
        for character in group.iter_mut().rev() {
            *character = ALPHABET[(value % 85) as usize];
            value /= 85;
        }
    }
    text
}

/// Writes the 32 bytes of a key to `key`, so that a secret leaves no copies on the way. `key` is meaningless after an
/// error.
pub fn decode(text: &[u8], key: &mut [u8; KEY_LENGTH]) -> Result<(), Z85Error> {
    if text.len() != TEXT_LENGTH {
        return Err(Z85Error::Length { found: text.len() });
    }
    for (index, (group, bytes)) in text.chunks_exact(5).zip(key.chunks_exact_mut(4)).enumerate() {
        let mut value = 0_u64;
        for (offset, character) in group.iter().enumerate() {
            let digit = DIGITS[usize::from(*character)];
            if digit == NOT_A_DIGIT {
                return Err(Z85Error::Character { position: index * 5 + offset + 1 });
            }
            value = value * 85 + u64::from(digit);
        }
        let value = u32::try_from(value).map_err(|_| Z85Error::Overflow { position: index * 5 + 1 })?;
        bytes.copy_from_slice(&value.to_be_bytes());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(text: &str) -> Result<[u8; KEY_LENGTH], Z85Error> {
        let mut key = [0; KEY_LENGTH];
        decode(text.as_bytes(), &mut key).map(|()| key)
    }

    #[test]
    fn the_vectors_of_rfc_32_and_of_curvezmq_hold() {
        // RFC 32's own example, four times over, and a key from libzmq's documentation (zmq_curve(7)).
        let hello = [0x86, 0x4F, 0xD2, 0x6F, 0xB5, 0x59, 0xF7, 0x5B].repeat(4);
        assert_eq!(decoded(&"HelloWorld".repeat(4)).unwrap().as_slice(), hello);
        let key = [
            0xBB, 0x88, 0x47, 0x1D, 0x65, 0xE2, 0x65, 0x9B, 0x30, 0xC5, 0x5A, 0x53, 0x21, 0xCE, 0xBB, 0x5A, 0xAB, 0x2B,
            0x70, 0xA3, 0x98, 0x64, 0x5C, 0x26, 0xDC, 0xA2, 0xB2, 0xFC, 0xB4, 0x3F, 0xC5, 0x18,
        ];
        assert_eq!(&encode(&key), b"Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID");
        assert_eq!(decoded("Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID").unwrap(), key);
    }

    #[test]
    fn every_key_survives_the_round_trip() {
        for seed in 0..=255_u8 {
            let key: [u8; KEY_LENGTH] =
                std::array::from_fn(|index| seed.wrapping_mul(31).wrapping_add(index as u8 * 7));
            let mut back = [0; KEY_LENGTH];
            decode(&encode(&key), &mut back).unwrap();
            assert_eq!(back, key);
        }
        assert_eq!(decoded(&"%nSc0".repeat(8)).unwrap(), [0xFF; KEY_LENGTH]);
    }

    #[test]
    fn length_alphabet_and_overflow_are_checked() {
        assert_eq!(decoded(""), Err(Z85Error::Length { found: 0 }));
        assert_eq!(decoded(&"0".repeat(39)), Err(Z85Error::Length { found: 39 }));
        assert_eq!(decoded(&"0".repeat(45)), Err(Z85Error::Length { found: 45 }));
        for wrong in [" ", "\"", "'", "~", "_", ",", ";", "|", "\\", "`", "\0", "\n"] {
            let text = format!("{}{wrong}{}", "0".repeat(7), "0".repeat(32));
            assert_eq!(decoded(&text), Err(Z85Error::Character { position: 8 }), "{wrong:?}");
        }
        assert_eq!(decoded(&format!("{}é", "0".repeat(38))), Err(Z85Error::Character { position: 39 }));
        // 2^32 and 85^5 - 1.
        assert_eq!(decoded(&format!("{}%nSc1", "0".repeat(35))), Err(Z85Error::Overflow { position: 36 }));
        assert_eq!(decoded(&format!("#####{}", "0".repeat(35))), Err(Z85Error::Overflow { position: 1 }));
    }
}
