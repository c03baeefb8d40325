//! Ids that the platform makes up itself: UUIDs that only the holder of a tenant's secret could
//! predict.

use std::fmt;

use aws_lc_rs::hmac;
use racegate_model::ids::{JobOrdinal, parse_uuid, uuid_text};

use super::TenantConfig;

/// A random-looking UUID.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uuid(u128);

impl Uuid {
    /// A version 4 UUID of these bits, less the six that say so.
    #[must_use]
    pub const fn of(bits: u128) -> Self {
        let cleared = bits & !(0xF << 76) & !(0b11 << 62);
        Self(cleared | (0x4 << 76) | (0b10 << 62))
    }

    /// The UUID of `name` among those that `key` makes.
    pub(crate) fn keyed(key: &hmac::Key, name: &str) -> Self {
        let tag = hmac::sign(key, name.as_bytes());
        let mut bits = [0_u8; 16];
        bits.copy_from_slice(&tag.as_ref()[..16]);
        Self::of(u128::from_be_bytes(bits))
    }

    /// Parses the hyphenated form, lower case or upper.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        parse_uuid(text).map(Self)
    }

    /// The hyphenated form.
    pub(crate) const fn text(self) -> [u8; 36] {
        uuid_text(self.0)
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.text()).unwrap_or_default())
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The id of a tenant's job, as the API shows it. Another tenant's is another, and neither can be
/// guessed without the secret.
#[must_use]
pub fn job_id(tenant: &TenantConfig, job: JobOrdinal) -> Uuid {
    Uuid::keyed(&tenant_key(tenant), &format!("job {}", job.0))
}

/// The key that a tenant's ids and signatures are made with.
pub(crate) fn tenant_key(tenant: &TenantConfig) -> hmac::Key {
    hmac::Key::new(
        hmac::HMAC_SHA256,
        tenant.credentials.client_secret.as_bytes(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_survives_its_text() {
        let id = Uuid::of(0x0123_4567_89AB_CDEF_0123_4567_89AB_CDEF);
        assert_eq!(id.to_string(), "01234567-89ab-4def-8123-456789abcdef");
        assert_eq!(Uuid::parse(&id.to_string()), Some(id));
        assert_eq!(Uuid::parse("01234567-89ab-4def-8123-456789abcde-"), None);
        assert_eq!(Uuid::parse("0123456789ab4def8123456789abcdef"), None);
        assert_eq!(Uuid::parse("0123456é-9ab-4def-8123-456789abcdef"), None);
    }
}
