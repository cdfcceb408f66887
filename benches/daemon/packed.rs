//! Packed frames, made and read by octet counting (RFC 6587, section 3.4.1): `MSG-LEN SP MSG`, repeated.

/// The records of a packed frame. Ends early where the counts do not fit.
pub fn records(mut frame: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let space = frame.iter().position(|&byte| byte == b' ')?;
        let digits = frame.get(..space).filter(|digits| !digits.is_empty())?;
        let length = digits.iter().try_fold(0_usize, |length, &digit| {
            digit.is_ascii_digit().then(|| length * 10 + usize::from(digit - b'0')).filter(|&length| length < 1 << 30)
        })?;
        let record = frame.get(space + 1..space + 1 + length)?;
        frame = frame.get(space + 1 + length..)?;
        Some(record)
    })
}

/// As many copies of a record as fit into `most` bytes, at least one: the frame, and how many there are.
pub fn frame_of(record: &[u8], most: usize) -> (Vec<u8>, usize) {
    let mut one = format!("{} ", record.len()).into_bytes();
    one.extend_from_slice(record);
    let count = (most / one.len()).max(1);
    (one.repeat(count), count)
}
