//! Our errors as S3's.

use hyper::StatusCode;
use s3s::{S3Error, S3ErrorCode, s3_error};

use super::multipart::UploadError;
use super::store::StoreError;
use super::usage::StorageFull;

/// 403 `QuotaExceeded`, as Ceph has it: a 5xx would make clients try again for minutes.
pub(super) fn full(full: &StorageFull) -> S3Error {
    let code = S3ErrorCode::Custom("QuotaExceeded".into());
    let mut error = S3Error::with_message(code, full.to_string());
    error.set_status_code(StatusCode::FORBIDDEN);
    error
}

/// 416, as for a range that the object does not have.
pub(super) fn no_such_part() -> S3Error {
    let code = S3ErrorCode::Custom("InvalidPartNumber".into());
    let mut error = S3Error::with_message(code, "The requested partnumber is not satisfiable");
    error.set_status_code(StatusCode::RANGE_NOT_SATISFIABLE);
    error
}

pub(super) fn put(error: &StoreError) -> S3Error {
    match error {
        StoreError::Full(error) => full(error),
        StoreError::NoSuchBucket { .. } => s3_error!(NoSuchBucket, "{error}"),
        StoreError::KeyLength { .. } => s3_error!(KeyTooLongError, "{error}"),
        StoreError::ExternalFull => s3_error!(SlowDown, "{error}"),
        StoreError::Disk { .. } => s3_error!(InternalError, "{error}"),
        StoreError::ConditionFailed => s3_error!(PreconditionFailed, "{error}"),
    }
}

pub(super) fn upload(error: &UploadError) -> S3Error {
    match error {
        UploadError::NoSuchUpload => s3_error!(NoSuchUpload, "{error}"),
        UploadError::TooManyUploads => s3_error!(InvalidRequest, "{error}"),
        UploadError::PartNumber { .. } => s3_error!(InvalidArgument, "{error}"),
        UploadError::InvalidPart { .. } => s3_error!(InvalidPart, "{error}"),
        UploadError::PartOrder => s3_error!(InvalidPartOrder, "{error}"),
        UploadError::PartTooSmall { .. } => s3_error!(EntityTooSmall, "{error}"),
        UploadError::Algorithm { expected, actual } => s3_error!(
            InvalidRequest,
            "Checksum Type mismatch occurred, expected checksum Type: {}, actual checksum Type: {}",
            expected.to_lowercase(),
            actual.to_lowercase()
        ),
        UploadError::ChecksumMissing { .. } | UploadError::Size { .. } => {
            s3_error!(InvalidRequest, "{error}")
        }
        UploadError::Checksum { .. } => s3_error!(BadDigest, "{error}"),
        UploadError::Store(error) => put(error),
    }
}
