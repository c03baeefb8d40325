//! SRTP and SRTCP transforms: AES-GCM (RFC 7714) and AES counter mode with HMAC-SHA1 (RFC 3711), over one key derivation.
//!
//! Nothing here knows of streams, windows or time: a transform takes a packet and its index, and seals or opens it.

use std::fmt;

use aws_lc_rs::cipher::{AES_128, AES_256, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::{constant_time, hmac};
use ring::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, Tag, UnboundKey};

/// Bytes of a GCM tag.
const GCM_TAG: usize = 16;

/// Bytes of the truncated HMAC.
const CM_TAG: usize = 10;

/// Bytes of the longest tag.
pub(super) const TAG_MAX: usize = GCM_TAG;

/// Bytes of an SRTCP trailer: the E flag and the index.
const SRTCP_INDEX: usize = 4;

/// Bytes of an RTCP packet that stay in the clear: header and sender.
const RTCP_CLEAR: usize = 8;

/// The E flag of SRTCP: the packet is encrypted.
const ENCRYPTED: u32 = 0x8000_0000;

/// How packets are protected, as DTLS negotiates it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Profile {
    /// `SRTP_AEAD_AES_128_GCM`.
    AesGcm128,
    /// `SRTP_AEAD_AES_256_GCM`.
    AesGcm256,
    /// `SRTP_AES128_CM_HMAC_SHA1_80`: three times dearer, and what everybody has.
    AesCm128,
}

impl Profile {
    /// Bytes of a key.
    #[must_use]
    pub(super) fn key_len(self) -> usize {
        match self {
            Self::AesGcm128 | Self::AesCm128 => 16,
            Self::AesGcm256 => 32,
        }
    }

    /// Bytes of a salt.
    #[must_use]
    pub(super) fn salt_len(self) -> usize {
        match self {
            Self::AesGcm128 | Self::AesGcm256 => 12,
            Self::AesCm128 => 14,
        }
    }

    /// Bytes of DTLS keying material: two keys and two salts.
    #[cfg(test)]
    #[must_use]
    pub(super) fn material_len(self) -> usize {
        2 * (self.key_len() + self.salt_len())
    }
}

/// What session keys are for (RFC 3711, section 4.3.1).
#[derive(Debug, Clone, Copy)]
#[repr(u8)]
enum Label {
    RtpKey = 0,
    RtpAuth = 1,
    RtpSalt = 2,
    RtcpKey = 3,
    RtcpAuth = 4,
    RtcpSalt = 5,
}

/// The master key and salt of one direction.
#[derive(Clone)]
pub(super) struct Master {
    profile: Profile,
    key: [u8; 32],
    salt: [u8; 14],
}

impl fmt::Debug for Master {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Keys do not belong in logs.
        write!(f, "Master({:?})", self.profile)
    }
}

impl Master {
    /// The masters of the DTLS client and of the server, in this order (RFC 5764, section 4.2). `None` when the material is too
    /// short.
    #[must_use]
    pub(super) fn from_material(profile: Profile, material: &[u8]) -> Option<(Self, Self)> {
        let (key, salt) = (profile.key_len(), profile.salt_len());
        let keys = material.get(..2 * key)?;
        let salts = material.get(2 * key..2 * (key + salt))?;
        let client = Self::new(profile, &keys[..key], &salts[..salt])?;
        let server = Self::new(profile, &keys[key..], &salts[salt..])?;
        Some((client, server))
    }

    /// A master of that key and salt, whose lengths must be the profile's.
    #[must_use]
    pub(super) fn new(profile: Profile, key: &[u8], salt: &[u8]) -> Option<Self> {
        if key.len() != profile.key_len() || salt.len() != profile.salt_len() {
            return None;
        }
        let mut master = Self {
            profile,
            key: [0; 32],
            salt: [0; 14],
        };
        master.key[..key.len()].copy_from_slice(key);
        // RFC 7714, section 11: a salt of 12 bytes is filled up with zeros on the right.
        master.salt[..salt.len()].copy_from_slice(salt);
        Some(master)
    }

    /// The transform of the direction's RTP packets.
    #[must_use]
    pub(super) fn rtp(&self) -> Transform {
        self.transform(Label::RtpKey, Label::RtpAuth, Label::RtpSalt)
    }

    /// The transform of the direction's RTCP packets.
    #[must_use]
    pub(super) fn rtcp(&self) -> Transform {
        self.transform(Label::RtcpKey, Label::RtcpAuth, Label::RtcpSalt)
    }

    fn transform(&self, key: Label, auth: Label, salt: Label) -> Transform {
        let mut session_key = [0; 32];
        let session_key = &mut session_key[..self.profile.key_len()];
        self.derive(key, session_key);
        let mut session_salt = [0; 14];
        self.derive(salt, &mut session_salt[..self.profile.salt_len()]);
        let mut session_auth = [0; 20];
        if self.profile == Profile::AesCm128 {
            self.derive(auth, &mut session_auth);
        }
        Transform::new(self.profile, session_key, session_salt, &session_auth)
    }

    /// Derives a session key (RFC 3711, section 4.3): counter mode under the master key, from salt ⊕ label. WebRTC never uses a key
    /// derivation rate, so the index part is zero.
    fn derive(&self, label: Label, out: &mut [u8]) {
        let mut iv = [0; 16];
        iv[..14].copy_from_slice(&self.salt);
        iv[7] ^= label as u8;
        out.fill(0);
        counter_key(&self.key[..self.profile.key_len()])
            .less_safe_encrypt(out, EncryptionContext::Iv128(FixedLength::from(iv)))
            .expect("counter mode takes any length");
    }
}

fn counter_key(key: &[u8]) -> EncryptingKey {
    let algorithm = if key.len() == 16 { &AES_128 } else { &AES_256 };
    UnboundCipherKey::new(algorithm, key)
        .and_then(EncryptingKey::ctr)
        .expect("the key has its algorithm's length")
}

#[expect(
    clippy::large_enum_variant,
    reason = "the large one is nearly every one, and has to be in place"
)]
enum Cipher {
    /// Ring's and not AWS-LC's, because it holds the key schedule itself and not a pointer to it: where
    /// thousands of sessions take turns, a driver can ask for all of it before it is needed.
    Gcm(LessSafeKey),
    /// Boxed, because the common case is the other one and its size counts thousands of times.
    Counter(Box<Counter>),
}

struct Counter {
    key: EncryptingKey,
    auth: hmac::Key,
}

/// Session keys of one direction and kind of packet, ready for use.
pub(super) struct Transform {
    cipher: Cipher,
    salt: [u8; 14],
}

impl fmt::Debug for Transform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.cipher {
            Cipher::Gcm(_) => "Transform(AES-GCM)",
            Cipher::Counter(_) => "Transform(AES-CM)",
        })
    }
}

impl Transform {
    fn new(profile: Profile, key: &[u8], salt: [u8; 14], auth: &[u8; 20]) -> Self {
        let gcm = match profile {
            Profile::AesGcm128 => Some(&AES_128_GCM),
            Profile::AesGcm256 => Some(&AES_256_GCM),
            Profile::AesCm128 => None,
        };
        let cipher = match gcm {
            Some(algorithm) => {
                let key =
                    UnboundKey::new(algorithm, key).expect("the key has its profile's length");
                Cipher::Gcm(LessSafeKey::new(key))
            }
            None => Cipher::Counter(Box::new(Counter {
                key: counter_key(key),
                auth: hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, auth),
            })),
        };
        Self { cipher, salt }
    }

    /// Bytes by which [`Transform::seal_rtp`] makes a packet longer.
    #[must_use]
    pub(super) fn tag_len(&self) -> usize {
        match self.cipher {
            Cipher::Gcm(_) => GCM_TAG,
            Cipher::Counter(_) => CM_TAG,
        }
    }

    /// Seals the RTP packet that begins at `start` in `buffer` and ends with it; `header` is its length in the clear.
    pub(super) fn seal_rtp(
        &self,
        buffer: &mut Vec<u8>,
        start: usize,
        header: usize,
        ssrc: u32,
        index: u64,
    ) {
        match &self.cipher {
            Cipher::Gcm(key) => {
                let (clear, body) = buffer[start..].split_at_mut(header);
                let tag = key
                    .seal_in_place_separate_tag(
                        self.rtp_nonce(ssrc, index),
                        Aad::from(&*clear),
                        body,
                    )
                    .expect("a datagram is far shorter than what GCM can seal");
                buffer.extend_from_slice(tag.as_ref());
            }
            Cipher::Counter(counter) => {
                counter.apply(&mut buffer[start + header..], self.counter_iv(ssrc, index));
                let tag = counter.rtp_tag(&buffer[start..], index);
                buffer.extend_from_slice(&tag.as_ref()[..CM_TAG]);
            }
        }
    }

    /// Opens an RTP packet of that index, appends its payload to `out` and returns its length. `None`, with `out` as it was, when the
    /// packet is not genuine.
    pub(super) fn open_rtp(
        &self,
        packet: &[u8],
        header: usize,
        ssrc: u32,
        index: u64,
        out: &mut Vec<u8>,
    ) -> Option<usize> {
        let end = packet.len().checked_sub(self.tag_len())?;
        let body = packet.get(header..end)?;
        let (clear, tag) = (&packet[..header], &packet[end..]);
        match &self.cipher {
            Cipher::Gcm(key) => {
                let nonce = self.rtp_nonce(ssrc, index);
                open_gcm(key, nonce, clear, body, tag, out)
            }
            Cipher::Counter(counter) => {
                let expected = counter.rtp_tag(&packet[..end], index);
                constant_time::verify_slices_are_equal(&expected.as_ref()[..CM_TAG], tag).ok()?;
                Some(counter.append(body, self.counter_iv(ssrc, index), out))
            }
        }
    }

    /// Seals a compound RTCP packet, of at least a header and a sender, into an SRTCP packet of that index.
    #[must_use]
    pub(super) fn seal_rtcp(&self, packet: &[u8], index: u32) -> Vec<u8> {
        let mut sealed = Vec::with_capacity(packet.len() + TAG_MAX + SRTCP_INDEX);
        sealed.extend_from_slice(packet);
        let ssrc = sender_of(packet).unwrap_or(0);
        let trailer = (ENCRYPTED | index).to_be_bytes();
        match &self.cipher {
            Cipher::Gcm(key) => {
                let (clear, body) = sealed.split_at_mut(RTCP_CLEAR.min(packet.len()));
                let aad = rtcp_aad(clear, trailer);
                let tag = key
                    .seal_in_place_separate_tag(self.rtcp_nonce(ssrc, index), aad, body)
                    .expect("a datagram is far shorter than what GCM can seal");
                sealed.extend_from_slice(tag.as_ref());
                sealed.extend_from_slice(&trailer);
            }
            Cipher::Counter(counter) => {
                let body = RTCP_CLEAR.min(packet.len());
                counter.apply(&mut sealed[body..], self.counter_iv(ssrc, u64::from(index)));
                sealed.extend_from_slice(&trailer);
                let tag = hmac::sign(&counter.auth, &sealed);
                sealed.extend_from_slice(&tag.as_ref()[..CM_TAG]);
            }
        }
        sealed
    }

    /// Opens an SRTCP packet: the compound packet and its index. `None` when it is not genuine.
    #[must_use]
    pub(super) fn open_rtcp(&self, packet: &[u8]) -> Option<(Vec<u8>, u32)> {
        let ssrc = sender_of(packet)?;
        match &self.cipher {
            Cipher::Gcm(key) => {
                let (rest, trailer) = packet.split_last_chunk::<SRTCP_INDEX>()?;
                let word = u32::from_be_bytes(*trailer);
                let index = word & !ENCRYPTED;
                let (sealed, tag) = rest.split_last_chunk::<GCM_TAG>()?;
                let (clear, body) = sealed.split_at_checked(RTCP_CLEAR)?;
                let nonce = self.rtcp_nonce(ssrc, index);
                let mut out = clear.to_vec();
                if word & ENCRYPTED == 0 {
                    // Only authenticated: all of it is associated data, and nothing was encrypted.
                    let mut aad = sealed.to_vec();
                    aad.extend_from_slice(trailer);
                    open_gcm(key, nonce, &aad, &[], tag, &mut out)?;
                    out.extend_from_slice(body);
                } else {
                    let aad = rtcp_aad(clear, *trailer);
                    open_gcm(key, nonce, aad.as_ref(), body, tag, &mut out)?;
                }
                Some((out, index))
            }
            Cipher::Counter(counter) => {
                let (signed, tag) = packet.split_last_chunk::<CM_TAG>()?;
                let expected = hmac::sign(&counter.auth, signed);
                constant_time::verify_slices_are_equal(&expected.as_ref()[..CM_TAG], tag).ok()?;
                let (sealed, trailer) = signed.split_last_chunk::<SRTCP_INDEX>()?;
                let word = u32::from_be_bytes(*trailer);
                let index = word & !ENCRYPTED;
                let (clear, body) = sealed.split_at_checked(RTCP_CLEAR)?;
                let mut out = clear.to_vec();
                if word & ENCRYPTED == 0 {
                    out.extend_from_slice(body);
                } else {
                    counter.append(body, self.counter_iv(ssrc, u64::from(index)), &mut out);
                }
                Some((out, index))
            }
        }
    }

    /// RFC 7714, section 8.1: two zero bytes, SSRC, rollover counter and sequence number, ⊕ salt.
    fn rtp_nonce(&self, ssrc: u32, index: u64) -> Nonce {
        let mut nonce = self.gcm_salt();
        xor(&mut nonce[2..6], &ssrc.to_be_bytes());
        xor(&mut nonce[6..12], &index.to_be_bytes()[2..]);
        Nonce::assume_unique_for_key(nonce)
    }

    /// RFC 7714, section 9.1: two zero bytes, SSRC, two zero bytes and the index, ⊕ salt.
    fn rtcp_nonce(&self, ssrc: u32, index: u32) -> Nonce {
        let mut nonce = self.gcm_salt();
        xor(&mut nonce[2..6], &ssrc.to_be_bytes());
        xor(&mut nonce[8..12], &index.to_be_bytes());
        Nonce::assume_unique_for_key(nonce)
    }

    fn gcm_salt(&self) -> [u8; 12] {
        let mut salt = [0; 12];
        salt.copy_from_slice(&self.salt[..12]);
        salt
    }

    /// RFC 3711, section 4.1.1: (salt · 2¹⁶) ⊕ (SSRC · 2⁶⁴) ⊕ (index · 2¹⁶).
    fn counter_iv(&self, ssrc: u32, index: u64) -> [u8; 16] {
        let mut iv = [0; 16];
        iv[..14].copy_from_slice(&self.salt);
        xor(&mut iv[4..8], &ssrc.to_be_bytes());
        xor(&mut iv[8..14], &index.to_be_bytes()[2..]);
        iv
    }
}

impl Counter {
    fn apply(&self, body: &mut [u8], iv: [u8; 16]) {
        self.key
            .less_safe_encrypt(body, EncryptionContext::Iv128(FixedLength::from(iv)))
            .expect("counter mode takes any length");
    }

    fn append(&self, body: &[u8], iv: [u8; 16], out: &mut Vec<u8>) -> usize {
        let start = out.len();
        out.extend_from_slice(body);
        self.apply(&mut out[start..], iv);
        body.len()
    }

    /// Over the packet and the rollover counter.
    fn rtp_tag(&self, packet: &[u8], index: u64) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&self.auth);
        context.update(packet);
        context.update(&index.to_be_bytes()[2..6]);
        context.sign()
    }
}

fn open_gcm(
    key: &LessSafeKey,
    nonce: Nonce,
    aad: &[u8],
    body: &[u8],
    tag: &[u8],
    out: &mut Vec<u8>,
) -> Option<usize> {
    let tag = Tag::try_from(tag).ok()?;
    let start = out.len();
    out.extend_from_slice(body);
    let opened = key.open_in_place_separate_tag(nonce, Aad::from(aad), tag, &mut out[start..], 0..);
    if opened.is_err() {
        out.truncate(start);
        return None;
    }
    Some(body.len())
}

/// What GCM authenticates beside an encrypted RTCP packet: its clear part and the trailer.
fn rtcp_aad(clear: &[u8], trailer: [u8; SRTCP_INDEX]) -> Aad<[u8; RTCP_CLEAR + SRTCP_INDEX]> {
    let mut aad = [0; RTCP_CLEAR + SRTCP_INDEX];
    aad[..clear.len()].copy_from_slice(clear);
    aad[RTCP_CLEAR..].copy_from_slice(&trailer);
    Aad::from(aad)
}

fn sender_of(packet: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(packet.get(4..8)?.try_into().ok()?))
}

fn xor(target: &mut [u8], mask: &[u8]) {
    for (byte, mask) in target.iter_mut().zip(mask) {
        *byte ^= mask;
    }
}

#[cfg(test)]
mod tests;
