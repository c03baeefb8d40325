//! Request bodies: read with a bound on size and on time, charged to the store as they arrive.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use hyper::{HeaderMap, StatusCode};
use md5::{Digest, Md5};
use s3s::dto::StreamingBlob;
use s3s::{S3Error, S3ErrorCode, S3Result, TrailingHeaders, s3_error};

use super::checksum::{self, Algorithm, Checksum, Claim, Scope};
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

/// What a request says of its body, beside the body.
#[derive(Debug)]
pub(super) struct Announced {
    pub(super) length: Option<i64>,
    /// Its MD5 in base64.
    pub(super) md5: Option<String>,
    pub(super) checksum: Option<Claim>,
    pub(super) trailers: Option<TrailingHeaders>,
}

/// Takes a body and what is said of it out of the request of a put or of a part.
macro_rules! take_body {
    ($request:expr) => {{
        let header = |name: &str| $request.headers.get(name)?.to_str().ok();
        let announced = $crate::storage::body::Announced {
            checksum: $crate::storage::checksum::Claim::of_request(
                $crate::storage::checksum::take_checksums!($request.input),
                header("x-amz-trailer"),
                header("x-amz-sdk-checksum-algorithm"),
            )?,
            length: $request.input.content_length,
            md5: $request.input.content_md5.take(),
            trailers: $request.trailing_headers.take(),
        };
        ($request.input.body.take(), announced)
    }};
}

pub(super) use take_body;

/// Reads a body whole, and holds it against what is said of it.
///
/// `default` is the algorithm of its checksum where the request names none; the checksum is
/// returned beside the content.
pub(super) async fn read(
    store: &Store,
    limits: BodyLimits,
    (body, said): (Option<StreamingBlob>, Announced),
    default: Algorithm,
) -> S3Result<(Content, Checksum)> {
    expect_md5(said.md5.as_deref())?;
    let algorithm = said
        .checksum
        .as_ref()
        .map_or(default, |claim| claim.algorithm);
    let announced = said.length.and_then(|length| u64::try_from(length).ok());
    if announced.is_some_and(|length| length > limits.size) {
        return Err(too_large(limits));
    }
    let ahead = announced.unwrap_or(0).min(AHEAD_MAX);
    let mut bytes = BytesMut::with_capacity(usize::try_from(ahead).unwrap_or(0));
    let mut reservation = store.reservation();
    let mut digest = Md5::new();
    let mut hasher = algorithm.hasher();
    if let Some(mut body) = body {
        while let Some(chunk) = next(&mut body, limits).await? {
            if (bytes.len() + chunk.len()) as u64 > limits.size {
                return Err(too_large(limits));
            }
            reservation
                .grow(chunk.len() as u64)
                .map_err(|full| failure::full(&full))?;
            digest.update(&chunk);
            hasher.update(&chunk);
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
    if said
        .md5
        .is_some_and(|expected| STANDARD.encode(digest) != expected)
    {
        return Err(wrong_md5());
    }
    let checksum = Checksum {
        algorithm,
        scope: Scope::FullObject,
        value: algorithm.finished(hasher),
    };
    if let Some(claim) = said.checksum
        && claim.value(said.trailers.as_ref())? != checksum.value
    {
        return Err(checksum::mismatch(algorithm));
    }
    let digests = (hex(&digest), &checksum);
    let content = Content::received(trimmed(bytes).into(), reservation, digests);
    Ok((content, checksum))
}

/// Holds an XML body, which is there whole, against what its request says of it.
pub(super) fn check_whole(headers: &HeaderMap, body: &[u8]) -> S3Result<()> {
    let header = |name: &str| headers.get(name)?.to_str().ok();
    expect_md5(header("content-md5"))?;
    if header("content-md5").is_some_and(|md5| STANDARD.encode(Md5::digest(body)) != md5) {
        return Err(wrong_md5());
    }
    let named = header("x-amz-sdk-checksum-algorithm");
    if let Some(claim) = Claim::of_request(checksum::of_headers(headers), None, named)? {
        let algorithm = claim.algorithm;
        if claim.value(None)? != algorithm.of([body]) {
            return Err(checksum::mismatch(algorithm));
        }
    }
    Ok(())
}

fn expect_md5(md5: Option<&str>) -> S3Result<()> {
    match md5.map(|md5| STANDARD.decode(md5).map(|bytes| bytes.len())) {
        None | Some(Ok(16)) => Ok(()),
        Some(_) => Err(s3_error!(
            InvalidDigest,
            "The Content-MD5 you specified is not valid."
        )),
    }
}

fn wrong_md5() -> S3Error {
    s3_error!(BadDigest, "The body does not match Content-MD5.")
}

/// What `x-amz-content-sha256` says is not what came.
pub(super) fn wrong_sha256() -> S3Error {
    let code = S3ErrorCode::Custom("XAmzContentSHA256Mismatch".into());
    let text = "The provided 'x-amz-content-sha256' header does not match what was computed.";
    let mut error = S3Error::with_message(code, text);
    error.set_status_code(StatusCode::BAD_REQUEST);
    error
}

async fn next(body: &mut StreamingBlob, limits: BodyLimits) -> S3Result<Option<Bytes>> {
    let chunk = tokio::time::timeout(limits.stall, body.next()).await;
    let chunk = chunk.map_err(|_| s3_error!(RequestTimeout, "The body did not arrive in time."))?;
    chunk
        .transpose()
        .map_err(|error| broken(&error.to_string()))
}

/// Whatever breaks a body is the client's. The library's own errors are private: their words tell
/// which it is.
fn broken(words: &str) -> S3Error {
    if words.ends_with("Sha256Mismatch") {
        return wrong_sha256();
    }
    if words.ends_with("SignatureMismatch") {
        return s3_error!(SignatureDoesNotMatch, "A chunk's signature is wrong.");
    }
    s3_error!(IncompleteBody, "The body broke off: {words}")
}

fn too_large(limits: BodyLimits) -> S3Error {
    s3_error!(
        EntityTooLarge,
        "A body may have {} bytes; upload it in parts.",
        limits.size
    )
}
