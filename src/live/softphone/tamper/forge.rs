//! Datagrams that are made up, and what must be known of genuine ones.

/// A binding request for a session that there is not.
pub(super) fn unknown_check(noise: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 1, 0, 12, 0x21, 0x12, 0xa4, 0x42];
    bytes.extend(&noise[..12]);
    bytes.extend([0, 6, 0, 8]);
    bytes.extend(noise[12..16].iter().map(|byte| b'A' + byte % 26));
    bytes.extend(b":abc");
    bytes
}

/// A handshake record of noise.
pub(super) fn garbage_record(noise: &[u8]) -> Vec<u8> {
    let mut bytes = vec![22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, noise[0], 0, 40];
    bytes.extend(&noise[..40]);
    bytes
}

/// A packet with a plausible header and nothing genuine behind it.
pub(super) fn forged_audio(pattern: &[u8], nth: u32, noise: &[u8]) -> Vec<u8> {
    let mut bytes = pattern.to_vec();
    if let [_, _, high, low, ..] = bytes.as_mut_slice() {
        let sequence = u16::from_be_bytes([*high, *low]);
        let next = sequence.wrapping_add(1 + u16::try_from(nth).unwrap_or(0));
        [*high, *low] = next.to_be_bytes();
    }
    for (byte, noise) in bytes.iter_mut().skip(12).zip(noise) {
        *byte ^= noise | 1;
    }
    bytes
}

/// A ClientHello of another handshake: the same but for its random, which follows the record's header, the message's header and the
/// version.
pub(super) fn another_hello(hello: &[u8], noise: &[u8]) -> Vec<u8> {
    const RANDOM: usize = 13 + 12 + 2;
    let mut bytes = hello.to_vec();
    for (byte, noise) in bytes.iter_mut().skip(RANDOM).zip(&noise[..32]) {
        *byte = *noise;
    }
    bytes
}

/// A fatal alert (handshake_failure) in the clear.
pub(super) fn alert(nth: u32) -> Vec<u8> {
    let [.., a, b] = nth.to_be_bytes();
    vec![21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 1, a, b, 0, 2, 2, 40]
}

/// An audio packet that was sealed with no keys of ours.
pub(super) fn keyless_audio(nth: u32, noise: &[u8]) -> Vec<u8> {
    let [.., a, b] = nth.to_be_bytes();
    let mut bytes = vec![0x80, 111, a, b];
    bytes.extend((nth * 960).to_be_bytes());
    bytes.extend([0, 0, 0, 7]);
    bytes.extend(noise);
    bytes
}

/// Whether a datagram has a record of that content type.
pub(super) fn has_record(mut bytes: &[u8], kind: u8) -> bool {
    while let [first, _, _, _, _, _, _, _, _, _, _, high, low, rest @ ..] = bytes {
        if *first == kind {
            return true;
        }
        let len = usize::from(u16::from_be_bytes([*high, *low]));
        bytes = rest.get(len..).unwrap_or_default();
    }
    false
}

/// Whether a check has that attribute.
pub(super) fn has_attribute(check: &[u8], kind: u16) -> bool {
    let mut rest = check.get(20..).unwrap_or_default();
    while let [a, b, high, low, value @ ..] = rest {
        if u16::from_be_bytes([*a, *b]) == kind {
            return true;
        }
        let len = usize::from(u16::from_be_bytes([*high, *low])).next_multiple_of(4);
        rest = value.get(len..).unwrap_or_default();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_and_attributes_are_found_wherever_they_stand() {
        let mut records = alert(1);
        records.extend([20, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 2, 0, 1, 1]);
        assert!(has_record(&records, 21) && has_record(&records, 20));
        assert!(!has_record(&records, 22) && !has_record(&records[..12], 21));
        let check = unknown_check(&[7; 64]);
        assert!(has_attribute(&check, 6) && !has_attribute(&check, 0x25));
        let mut nominating = check.clone();
        nominating.extend([0, 0x25, 0, 0]);
        assert!(has_attribute(&nominating, 0x25));
        assert!(!has_attribute(&nominating[..22], 6));
    }

    #[test]
    fn another_hello_is_as_long_and_differs_in_its_random_alone() {
        let hello: Vec<u8> = (0..120).collect();
        let other = another_hello(&hello, &[0xee; 64]);
        let differing = hello.iter().zip(&other).filter(|(a, b)| a != b).count();
        assert_eq!((other.len(), differing), (120, 32));
        assert_eq!((&other[..27], &other[59..]), (&hello[..27], &hello[59..]));
    }
}
