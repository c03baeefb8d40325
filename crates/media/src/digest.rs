//! SHA-256 over a call's audio, so that what was recorded can be held against what was said.

use std::fmt;

use aws_lc_rs::digest::{Context, SHA256};

/// A finished digest; it shows as hexadecimal.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sha256(pub [u8; 32]);

impl Sha256 {
    /// Reads 64 hexadecimal digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        let mut bytes = [0; 32];
        if digits.len() != 64 {
            return None;
        }
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let high = char::from(pair[0]).to_digit(16)?;
            let low = char::from(pair[1]).to_digit(16)?;
            *byte = u8::try_from(high * 16 + low).ok()?;
        }
        Some(Self(bytes))
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A digest over the Opus payloads of one call, concatenated in order.
///
/// Both ends leave empty payloads out. Sent and received digests are equal exactly when every packet came through, once and in order.
#[derive(Clone)]
pub struct PayloadDigest(Context);

impl PayloadDigest {
    /// The digest of a call in which nothing was said.
    #[must_use]
    pub fn new() -> Self {
        Self(Context::new(&SHA256))
    }

    /// Adds one packet's payload.
    pub fn update(&mut self, payload: &[u8]) {
        self.0.update(payload);
    }

    /// The digest of all so far.
    #[must_use]
    pub fn finish(&self) -> Sha256 {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(self.0.clone().finish().as_ref());
        Sha256(bytes)
    }
}

impl Default for PayloadDigest {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for PayloadDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PayloadDigest({})", self.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_that_of_the_concatenated_payloads() {
        let mut digest = PayloadDigest::new();
        digest.update(b"a");
        digest.update(b"bc");
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(digest.finish().to_string(), abc);
        assert_eq!(format!("{digest:?}"), format!("PayloadDigest({abc})"));
        assert_eq!(Sha256::parse(abc), Some(digest.finish()));
        for wrong in [
            "",
            "ba78",
            &abc[1..],
            &abc.replace('b', "g"),
            &"é".repeat(32),
        ] {
            assert_eq!(Sha256::parse(wrong), None, "{wrong}");
        }
        digest.update(b"d");
        assert_ne!(digest.finish().to_string(), abc);
    }
}
