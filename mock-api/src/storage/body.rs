//! Request bodies: read with a bound on size and on time, charged to the store as they arrive.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use md5::{Digest, Md5};
use s3s::dto::StreamingBlob;
use s3s::{S3Result, s3_error};

use super::failure;
use super::object::{Content, hex};
use super::pieces::trimmed;
use super::store::Store;

/// What is allocated at once for a body that says how long it is.
const AHEAD_MAX: u64 = 16 << 20;

/// Bounds on a request body.
#[derive(Clone, Copy, Debug)]
pub(super) struct BodyLimits {
    pub(super) size: u64,
    pub(super) stall: Duration,
}

/// Reads a body whole.
///
/// `announced` is its length as the request says, and `md5` its digest in base64 as the request
/// says.
pub(super) async fn read(
    store: &Store,
    limits: BodyLimits,
    body: Option<StreamingBlob>,
    announced: Option<i64>,
    md5: Option<&str>,
) -> S3Result<Content> {
    let announced = announced.and_then(|length| u64::try_from(length).ok());
    if announced.is_some_and(|length| length > limits.size) {
        return Err(too_large(limits));
    }
    let ahead = announced.unwrap_or(0).min(AHEAD_MAX);
    let mut bytes = BytesMut::with_capacity(usize::try_from(ahead).unwrap_or(0));
    let mut reservation = store.reservation();
    let mut digest = Md5::new();
    if let Some(mut body) = body {
        while let Some(chunk) = next(&mut body, limits).await? {
            if (bytes.len() + chunk.len()) as u64 > limits.size {
                return Err(too_large(limits));
            }
            reservation
                .grow(chunk.len() as u64)
                .map_err(|full| failure::full(&full))?;
            digest.update(&chunk);
            bytes.extend_from_slice(&chunk);
        }
    }
    if announced.is_some_and(|length| length != bytes.len() as u64) {
        return Err(s3_error!(
            IncompleteBody,
            "The body is not as long as Content-Length says."
        ));
    }
    let digest = digest.finalize();
    if md5.is_some_and(|expected| STANDARD.encode(digest) != expected) {
        return Err(s3_error!(BadDigest, "The body does not match Content-MD5."));
    }
    Ok(Content::with_etag(
        trimmed(bytes).into(),
        reservation,
        hex(&digest),
    ))
}

async fn next(body: &mut StreamingBlob, limits: BodyLimits) -> S3Result<Option<Bytes>> {
    let chunk = tokio::time::timeout(limits.stall, body.next()).await;
    let chunk = chunk.map_err(|_| s3_error!(RequestTimeout, "The body did not arrive in time."))?;
    // Whatever breaks a body, be it the connection or a chunk's signature, is the client's.
    chunk
        .transpose()
        .map_err(|error| s3_error!(IncompleteBody, "The body broke off: {error}"))
}

fn too_large(limits: BodyLimits) -> s3s::S3Error {
    s3_error!(
        EntityTooLarge,
        "A body may have {} bytes; upload it in parts.",
        limits.size
    )
}
