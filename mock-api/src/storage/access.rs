//! Who may do what: each access key sees one bucket, its organization's.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::{Credentials, S3Auth, SecretKey};
use s3s::path::S3Path;
use s3s::{S3Result, s3_error};

use super::store::Store;

/// An access key of the S3 endpoint.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessKey {
    /// Its public part.
    pub id: String,
    /// Its secret part.
    pub secret: String,
    /// The one bucket that it sees: the organization id.
    pub bucket: String,
}

impl fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("AccessKey");
        debug
            .field("id", &self.id)
            .field("bucket", &self.bucket)
            .finish_non_exhaustive()
    }
}

/// The access keys of an endpoint.
#[derive(Clone, Debug)]
pub(super) struct Keyring {
    keys: Arc<BTreeMap<String, (SecretKey, String)>>,
    store: Store,
}

impl Keyring {
    /// `store` knows which buckets there are.
    pub(super) fn new(keys: &[AccessKey], store: &Store) -> Self {
        let entry = |key: &AccessKey| {
            (
                key.id.clone(),
                (SecretKey::from(key.secret.as_str()), key.bucket.clone()),
            )
        };
        Self {
            keys: Arc::new(keys.iter().map(entry).collect()),
            store: store.clone(),
        }
    }

    /// The bucket of whoever signed a request.
    pub(super) fn bucket_of(&self, credentials: Option<&Credentials>) -> Option<&str> {
        let (_, bucket) = self.keys.get(&credentials?.access_key)?;
        Some(bucket)
    }
}

#[async_trait::async_trait]
impl S3Auth for Keyring {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        let unknown = || s3_error!(InvalidAccessKeyId, "The access key is not known here.");
        self.keys
            .get(access_key)
            .map(|(secret, _)| secret.clone())
            .ok_or_else(unknown)
    }
}

#[async_trait::async_trait]
impl S3Access for Keyring {
    async fn check(&self, cx: &mut S3AccessContext<'_>) -> S3Result<()> {
        let Some(granted) = self.bucket_of(cx.credentials()) else {
            return Err(s3_error!(AccessDenied, "The request is not signed."));
        };
        match cx.s3_path() {
            S3Path::Root => Ok(()),
            S3Path::Bucket { bucket } | S3Path::Object { bucket, .. } if **bucket == *granted => {
                Ok(())
            }
            S3Path::Bucket { bucket } | S3Path::Object { bucket, .. }
                if self.store.bucket_created_at(bucket).is_none()
                    && cx.s3_op().name() != "CreateBucket" =>
            {
                Err(s3_error!(
                    NoSuchBucket,
                    "The specified bucket does not exist"
                ))
            }
            S3Path::Bucket { .. } | S3Path::Object { .. } => Err(s3_error!(
                AccessDenied,
                "The access key sees the bucket {granted} only."
            )),
        }
    }
}
