//! What all sessions of a stack share: one certificate, one DTLS configuration, the counters; and the random names of a session.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use aws_lc_rs::{hmac, rand};
use dimpl::crypto::{
    Buf, CryptoProvider, HashAlgorithm, KeyProvider, SignatureAlgorithm, SigningKey,
    aws_lc_rs as backend,
};
use dimpl::{Config, CryptoError, CryptoOperation, Dtls, DtlsCertificate};
use is::{IceCreds, Sha1HmacProvider};
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P384_SHA384};

use super::receive::Drop;
use crate::DtlsVersion;
use crate::peer::PeerError;

/// First wait for a lost flight. The protocol's usual second would outlast [`super::LINGER`] at the second loss.
const FLIGHT_WAIT: Duration = Duration::from_millis(400);

/// What a stack's sessions dropped, and why, since the stack was made. All of it is the sender's doing and harmed no session.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Drops {
    /// Datagrams that are no packet of their kind.
    pub malformed: u64,
    /// SRTP and SRTCP packets with a wrong tag.
    pub forged: u64,
    /// SRTP and SRTCP packets that came before, or too late to tell.
    pub replayed: u64,
    /// Genuine packets that nobody asked for: another payload type, or a source too many.
    pub unwanted: u64,
    /// Checks that name no user of ours or fail their integrity.
    pub stun: u64,
    /// Handshake packets from where no check came, or after the handshake's time.
    pub dtls: u64,
    /// Packets that came before there were keys for them.
    pub early: u64,
}

#[derive(Debug, Default)]
pub(super) struct DropCounters {
    malformed: AtomicU64,
    forged: AtomicU64,
    replayed: AtomicU64,
    unwanted: AtomicU64,
    pub(super) stun: AtomicU64,
    pub(super) dtls: AtomicU64,
    pub(super) early: AtomicU64,
}

impl DropCounters {
    pub(super) fn count(&self, drop: Drop) {
        one(match drop {
            Drop::Malformed => &self.malformed,
            Drop::Forged => &self.forged,
            Drop::Replayed | Drop::Stale => &self.replayed,
            Drop::PayloadType | Drop::Source => &self.unwanted,
        });
    }

    pub(super) fn read(&self) -> Drops {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Drops {
            malformed: read(&self.malformed),
            forged: read(&self.forged),
            replayed: read(&self.replayed),
            unwanted: read(&self.unwanted),
            stun: read(&self.stun),
            dtls: read(&self.dtls),
            early: read(&self.early),
        }
    }
}

/// Counts one; the counters are only read for reports, so order between them does not matter.
pub(super) fn one(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// The curve of a certificate's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Curve {
    /// NIST P-256, what everybody has.
    #[default]
    P256,
    /// NIST P-384.
    P384,
}

impl Curve {
    fn certificate(self) -> Option<DtlsCertificate> {
        match self {
            Self::P256 => dimpl::certificate::generate_self_signed_certificate().ok(),
            Self::P384 => {
                let key = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).ok()?;
                let mut parameters = CertificateParams::new([]).ok()?;
                parameters.serial_number = Some(random_bytes::<16>().to_vec().into());
                let certificate = parameters.self_signed(&key).ok()?;
                Some(DtlsCertificate {
                    certificate: certificate.der().to_vec(),
                    private_key: key.serialize_der(),
                })
            }
        }
    }
}

/// What sessions share.
pub(super) struct Identity {
    certificate: DtlsCertificate,
    config: Arc<Config>,
    version: DtlsVersion,
    pub(super) fingerprint: String,
    pub(super) drops: DropCounters,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("version", &self.version)
            .field("fingerprint", &self.fingerprint)
            .finish_non_exhaustive()
    }
}

impl Identity {
    pub(super) fn new(version: DtlsVersion, curve: Curve) -> Result<Self, PeerError> {
        let certificate = curve.certificate().ok_or(PeerError::Certificate)?;
        let provider = CryptoProvider {
            key_provider: &KEYS,
            ..backend::default_provider()
        };
        // ICE has proved the return path before DTLS begins, so the server's cookie would only cost a round trip.
        let config = Config::builder()
            .with_crypto_provider(provider)
            .use_server_cookie(false)
            .flight_start_rto(FLIGHT_WAIT)
            .build()
            .map_err(|error| PeerError::Refused(format!("DTLS configuration: {error}")))?;
        Ok(Self {
            fingerprint: certificate.fingerprint_str(),
            certificate,
            config: Arc::new(config),
            version,
            drops: DropCounters::default(),
        })
    }

    /// A handshake that has seen the time: dimpl fails on a packet that comes before.
    pub(super) fn handshake(
        &self,
        now: Instant,
        role: HandshakeRole,
    ) -> Result<Box<Dtls>, dimpl::Error> {
        let (config, certificate) = (Arc::clone(&self.config), self.certificate.clone());
        let mut dtls = match self.version {
            DtlsVersion::V12 => Dtls::new_12(config, certificate, now),
            DtlsVersion::V13 => Dtls::new_13(config, certificate, now),
            DtlsVersion::Either => Dtls::new_auto(config, certificate, now),
        };
        dtls.set_active(role == HandshakeRole::Client);
        dtls.handle_timeout(now)?;
        Ok(Box::new(dtls))
    }
}

/// Which side of the handshake a session is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HandshakeRole {
    Client,
    Server,
}

/// HMAC-SHA1 for STUN.
#[derive(Debug)]
pub(super) struct Sha1;

impl Sha1HmacProvider for Sha1 {
    fn sha1_hmac(&self, key: &[u8], payloads: &[&[u8]]) -> [u8; 20] {
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key);
        let mut context = hmac::Context::with_key(&key);
        for payload in payloads {
            context.update(payload);
        }
        let mut tag = [0; 20];
        tag.copy_from_slice(context.sign().as_ref());
        tag
    }
}

/// Loads private keys, and remembers the first: every session of a process has the same, and parsing it is 5 % of a set-up.
#[derive(Debug)]
struct Keys;

static KEYS: Keys = Keys;

#[derive(Debug, Clone)]
struct P256(Arc<EcdsaKeyPair>);

impl KeyProvider for Keys {
    fn load_private_key(&self, der: &[u8]) -> Result<Box<dyn SigningKey>, CryptoError> {
        static FIRST: OnceLock<(Vec<u8>, P256)> = OnceLock::new();
        if let Some((known, key)) = FIRST.get()
            && known == der
        {
            return Ok(Box::new(key.clone()));
        }
        let Ok(pair) = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, der) else {
            return backend::default_provider()
                .key_provider
                .load_private_key(der);
        };
        let key = P256(Arc::new(pair));
        // When another key was first, this one is parsed each time.
        let _first = FIRST.set((der.to_vec(), key.clone()));
        Ok(Box::new(key))
    }
}

impl SigningKey for P256 {
    fn sign(&mut self, data: &[u8], hash: HashAlgorithm, out: &mut Buf) -> Result<(), CryptoError> {
        if hash != HashAlgorithm::SHA256 {
            return Err(CryptoError::SigningKeyHashMismatch {
                key_hash: HashAlgorithm::SHA256,
                requested: hash,
            });
        }
        let signature = self
            .0
            .sign(&rand::SystemRandom::new(), data)
            .map_err(|_| CryptoError::OperationFailed(CryptoOperation::Sign))?;
        out.clear();
        out.extend_from_slice(signature.as_ref());
        Ok(())
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::ECDSA
    }

    fn hash_algorithm(&self) -> HashAlgorithm {
        HashAlgorithm::SHA256
    }

    fn supported_hash_algorithms(&self) -> &[HashAlgorithm] {
        &[HashAlgorithm::SHA256]
    }
}

/// Fresh ICE names: 48 random bits for the user, 144 for the password (RFC 8445, section 5.3, asks for 24 and 128).
pub(super) fn credentials() -> IceCreds {
    IceCreds {
        ufrag: random_text::<8>(),
        pass: random_text::<24>(),
    }
}

fn random_text<const N: usize>() -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bytes: [u8; N] = random_bytes();
    bytes
        .iter()
        .map(|byte| char::from(ALPHABET[usize::from(byte & 63)]))
        .collect()
}

/// Random bytes from the system.
pub(super) fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).expect("the system's random source does not fail once it has worked");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_long_enough_and_never_the_same() {
        let (a, b) = (credentials(), credentials());
        assert_eq!((a.ufrag.len(), a.pass.len()), (8, 24));
        assert!(a.ufrag != b.ufrag && a.pass != b.pass);
    }

    #[test]
    fn the_hmac_is_that_of_rfc_2202() {
        let tag = Sha1.sha1_hmac(&[0x0b; 20], &[b"Hi ", b"There"]);
        let hex: String = tag.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "b617318655057264e28bc0b6fb378c8ef146be00");
    }

    #[test]
    fn a_key_signs_whether_it_was_remembered_or_not() {
        for _ in 0..3 {
            let certificate = dimpl::certificate::generate_self_signed_certificate().unwrap();
            for _ in 0..2 {
                let mut key = KEYS.load_private_key(&certificate.private_key).unwrap();
                let mut signature = Buf::new();
                key.sign(b"data", HashAlgorithm::SHA256, &mut signature)
                    .unwrap();
                backend::default_provider()
                    .signature_verification
                    .verify_signature(
                        &certificate.certificate,
                        b"data",
                        &signature,
                        HashAlgorithm::SHA256,
                        SignatureAlgorithm::ECDSA,
                    )
                    .unwrap();
                assert!(
                    key.sign(b"x", HashAlgorithm::SHA384, &mut signature)
                        .is_err()
                );
            }
        }
        assert!(KEYS.load_private_key(b"no key").is_err());
    }
}
