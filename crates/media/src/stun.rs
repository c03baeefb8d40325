//! As much STUN as the demultiplexer needs: what a datagram is, and for whom a binding request is meant.

/// What a datagram on a WebRTC port is, by its first byte (RFC 7983).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DatagramKind {
    /// Connectivity checks and consent.
    Stun,
    /// The handshake, and the goodbye.
    Dtls,
    /// RTP and RTCP, encrypted.
    Srtp,
    /// Nothing that belongs here.
    Other,
}

impl DatagramKind {
    /// Classifies a datagram.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        match bytes.first() {
            Some(0..=3) => Self::Stun,
            Some(20..=63) => Self::Dtls,
            Some(128..=191) => Self::Srtp,
            _ => Self::Other,
        }
    }
}

const HEADER: usize = 20;
const BINDING_REQUEST: [u8; 2] = [0x00, 0x01];
const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
const USERNAME: u16 = 0x0006;

/// The receiver's ufrag in a binding request: what stands before the colon of USERNAME.
///
/// It only routes. Whether the request is genuine is the addressed session's to check.
#[must_use]
pub fn binding_ufrag(bytes: &[u8]) -> Option<&str> {
    let header = bytes.get(..HEADER)?;
    if header[..2] != BINDING_REQUEST || header[4..8] != COOKIE {
        return None;
    }
    let mut rest = &bytes[HEADER..];
    while let [k1, k2, l1, l2, tail @ ..] = rest {
        let kind = u16::from_be_bytes([*k1, *k2]);
        let len = usize::from(u16::from_be_bytes([*l1, *l2]));
        let value = tail.get(..len)?;
        if kind == USERNAME {
            let name = std::str::from_utf8(value).ok()?;
            return name.split_once(':').map(|(receiver, _)| receiver);
        }
        rest = tail.get(len.next_multiple_of(4)..)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(attributes: &[(u16, &[u8])]) -> Vec<u8> {
        let mut bytes = vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
        bytes.extend([7; 12]);
        for (kind, value) in attributes {
            bytes.extend(kind.to_be_bytes());
            bytes.extend(u16::try_from(value.len()).unwrap().to_be_bytes());
            bytes.extend(*value);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        }
        bytes
    }

    #[test]
    fn the_receiver_is_named_before_the_colon_after_other_attributes() {
        let bytes = request(&[(0x8022, b"abcde"), (USERNAME, b"server:client")]);
        assert_eq!(binding_ufrag(&bytes), Some("server"));
        assert_eq!(DatagramKind::of(&bytes), DatagramKind::Stun);
    }

    #[test]
    fn every_prefix_and_every_flipped_byte_is_handled() {
        let good = request(&[(0x8022, b"abcde"), (USERNAME, b"server:client")]);
        for len in 0..good.len() {
            assert!(binding_ufrag(&good[..len]).is_none_or(|name| name == "server"));
            let mut bad = good.clone();
            bad[len] ^= 0xff;
            let _ = binding_ufrag(&bad);
        }
        assert_eq!(binding_ufrag(&request(&[(USERNAME, b"no colon")])), None);
        assert_eq!(binding_ufrag(&request(&[(USERNAME, &[0xff, b':'])])), None);
    }
}
