//! Uploads in parts: what was begun and is not complete. Parts are charged to the store.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use super::object::{Attributes, Content, Object, etag_of_parts};
use super::pieces::Pieces;
use super::store::{Condition, Store, StoreError};

/// Uploads under way at most.
pub const UPLOADS_MAX: usize = 1000;
/// The highest number of a part, as in S3.
pub const PARTS_MAX: i32 = 10_000;
/// Length of a part at least, but for the last, as in S3.
pub const PART_SIZE_MIN: u64 = 5 << 20;

/// Why an upload in parts was refused.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(super) enum UploadError {
    #[error("there is no such upload")]
    NoSuchUpload,
    #[error("{UPLOADS_MAX} uploads are under way already; complete or abort some")]
    TooManyUploads,
    #[error("a part number is 1 to {PARTS_MAX}, this one is {number}")]
    PartNumber { number: i32 },
    #[error("part {number} was not uploaded, or its etag is another")]
    InvalidPart { number: i32 },
    #[error("parts must be listed in ascending order, each once, and there must be one")]
    PartOrder,
    #[error("part {number} has {size} bytes; all but the last have at least {PART_SIZE_MIN}")]
    PartTooSmall { number: i32, size: u64 },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What an upload will be, and which upload is meant.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target<'a> {
    pub(super) bucket: &'a str,
    pub(super) key: &'a str,
    pub(super) upload: &'a str,
}

#[derive(Debug, Default)]
pub(super) struct Uploads {
    next: AtomicU64,
    open: Mutex<BTreeMap<String, Upload>>,
}

#[derive(Debug)]
struct Upload {
    bucket: String,
    key: String,
    attributes: Attributes,
    parts: BTreeMap<i32, Content>,
}

impl Upload {
    fn is(&self, target: Target<'_>) -> bool {
        self.bucket == target.bucket && self.key == target.key
    }

    fn check(&self, listed: &[(i32, Option<String>)]) -> Result<(), UploadError> {
        let ascending = listed.windows(2).all(|pair| match pair {
            [(first, _), (second, _)] => first < second,
            _ => true,
        });
        let Some((last, _)) = listed.last().filter(|_| ascending) else {
            return Err(UploadError::PartOrder);
        };
        for (number, etag) in listed {
            let number = *number;
            let part = self.parts.get(&number);
            let part = part.filter(|part| etag.as_deref().is_none_or(|etag| etag == part.etag()));
            let size = part
                .ok_or(UploadError::InvalidPart { number })?
                .body()
                .len();
            if size < PART_SIZE_MIN && number != *last {
                return Err(UploadError::PartTooSmall { number, size });
            }
        }
        Ok(())
    }
}

impl Uploads {
    /// Begins an upload and returns its id.
    pub(super) fn create(
        &self,
        bucket: &str,
        key: &str,
        attributes: Attributes,
    ) -> Result<String, UploadError> {
        let mut open = self.open.lock();
        if open.len() >= UPLOADS_MAX {
            return Err(UploadError::TooManyUploads);
        }
        let id = format!("upload-{:016x}", self.next.fetch_add(1, Ordering::Relaxed));
        let upload = Upload {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            attributes,
            parts: BTreeMap::new(),
        };
        open.insert(id.clone(), upload);
        Ok(id)
    }

    /// Whether `number` may be a part of the upload.
    pub(super) fn expect_part(&self, target: Target<'_>, number: i32) -> Result<(), UploadError> {
        if !(1..=PARTS_MAX).contains(&number) {
            return Err(UploadError::PartNumber { number });
        }
        let open = self.open.lock();
        let known = open
            .get(target.upload)
            .is_some_and(|upload| upload.is(target));
        if known {
            Ok(())
        } else {
            Err(UploadError::NoSuchUpload)
        }
    }

    /// Keeps a part; a later one of the same number replaces it.
    pub(super) fn put_part(
        &self,
        target: Target<'_>,
        number: i32,
        part: Content,
    ) -> Result<(), UploadError> {
        self.expect_part(target, number)?;
        let mut open = self.open.lock();
        let upload = open
            .get_mut(target.upload)
            .ok_or(UploadError::NoSuchUpload)?;
        upload.parts.insert(number, part);
        Ok(())
    }

    /// Joins the listed parts to an object. The upload is over, unless the list is refused.
    pub(super) fn complete(
        &self,
        store: &Store,
        target: Target<'_>,
        listed: &[(i32, Option<String>)],
        condition: &Condition,
    ) -> Result<Object, UploadError> {
        let mut upload = {
            let mut open = self.open.lock();
            let upload = open.get(target.upload).filter(|upload| upload.is(target));
            upload.ok_or(UploadError::NoSuchUpload)?.check(listed)?;
            open.remove(target.upload)
                .ok_or(UploadError::NoSuchUpload)?
        };
        let parts = listed
            .iter()
            .filter_map(|(number, _)| upload.parts.remove(number));
        let content = joined(store, parts.collect());
        let attributes = upload.attributes;
        let object = store.put_content(
            target.bucket,
            target.key,
            Arc::new(content),
            attributes,
            condition,
        )?;
        Ok(object)
    }

    /// Forgets an upload and its parts.
    pub(super) fn abort(&self, target: Target<'_>) -> Result<(), UploadError> {
        let mut open = self.open.lock();
        if !open
            .get(target.upload)
            .is_some_and(|upload| upload.is(target))
        {
            return Err(UploadError::NoSuchUpload);
        }
        open.remove(target.upload);
        Ok(())
    }
}

/// One content of many. Their charge is taken over, so that joining needs no room in the store.
fn joined(store: &Store, parts: Vec<Content>) -> Content {
    let etag = etag_of_parts(parts.iter().map(Content::etag));
    let mut reservation = store.reservation();
    let mut body = Pieces::default();
    for part in parts {
        let (pieces, charge) = part.into_parts();
        body.extend(pieces);
        reservation.absorb(charge);
    }
    Content::with_etag(body, reservation, etag)
}
