//! Any bytes as a key in Z85: refused, or the very text that the key is written as.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rsyslog_zmq::curve::z85;

fuzz_target!(|text: &[u8]| {
    let mut key = [0; z85::KEY_LENGTH];
    if z85::decode(text, &mut key).is_ok() {
        assert_eq!(z85::encode(&key), text);
    }
    if let Some(bytes) = text.first_chunk::<{ z85::KEY_LENGTH }>() {
        z85::decode(&z85::encode(bytes), &mut key).expect("every key has a text");
        assert_eq!(&key, bytes);
    }
});
