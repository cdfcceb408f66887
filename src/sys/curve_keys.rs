//! libzmq's two functions for CURVE keys, in Z85 text as libzmq speaks it (zmq_curve_keypair(3), zmq_curve_public(3)).

use crate::sys::zmq::{self, Error, Result, check};
use std::ffi::{c_char, c_int, c_void};
use zeroize::Zeroizing;

/// zmq_curve_public, which libzmq has since 4.2: looked up, because an older one could not be loaded with otherwise.
type CurvePublic = unsafe extern "C" fn(z85_public_key: *mut c_char, z85_secret_key: *const c_char) -> c_int;

fn curve_public() -> Option<CurvePublic> {
    // SAFETY: a null pointer becomes None; otherwise it is libzmq's function of this name, with zmq.h's signature.
    unsafe { std::mem::transmute::<*mut c_void, Option<CurvePublic>>(zmq::optional_function(c"zmq_curve_public")) }
}

/// A key in Z85 (RFC 32): 32 bytes as 40 characters.
pub const TEXT_LENGTH: usize = 40;

/// libzmq ends its texts with a NUL.
const BUFFER_LENGTH: usize = TEXT_LENGTH + 1;

fn without_nul(buffer: &[u8; BUFFER_LENGTH]) -> [u8; TEXT_LENGTH] {
    std::array::from_fn(|index| buffer[index])
}

/// A fresh pair, public half first. `ENOTSUP` where libzmq was built without CURVE.
pub fn generate() -> Result<([u8; TEXT_LENGTH], Zeroizing<[u8; TEXT_LENGTH]>)> {
    let mut public = [0_u8; BUFFER_LENGTH];
    let mut secret = Zeroizing::new([0_u8; BUFFER_LENGTH]);
    // SAFETY: both buffers hold the 41 bytes that zmq_curve_keypair(3) asks for.
    check(unsafe { zmq_sys::zmq_curve_keypair(public.as_mut_ptr().cast(), secret.as_mut_ptr().cast()) })?;
    Ok((without_nul(&public), Zeroizing::new(without_nul(&secret))))
}

/// The public half that belongs to a secret key. `EINVAL` for a text that is no key, `ENOTSUP` without CURVE or with a
/// libzmq older than 4.2.
pub fn public_of(secret: &[u8; TEXT_LENGTH]) -> Result<[u8; TEXT_LENGTH]> {
    let Some(curve_public) = curve_public() else { return Err(Error::from_errno(libc::ENOTSUP)) };
    let mut text = Zeroizing::new([0_u8; BUFFER_LENGTH]);
    text[..TEXT_LENGTH].copy_from_slice(secret);
    let mut public = [0_u8; BUFFER_LENGTH];
    // SAFETY: both buffers hold 41 bytes, and the secret ends with a NUL as zmq_curve_public(3) asks.
    check(unsafe { curve_public(public.as_mut_ptr().cast(), text.as_ptr().cast()) })?;
    Ok(without_nul(&public))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_public_half_is_derived_from_the_secret_one() {
        let (public, secret) = generate().unwrap();
        assert_eq!(public_of(&secret).unwrap(), public);
        assert_ne!(generate().unwrap().0, public);
    }

    #[test]
    fn a_text_that_is_no_key_is_an_error() {
        assert_eq!(public_of(&[b'~'; TEXT_LENGTH]).unwrap_err().errno(), libc::EINVAL);
    }
}
