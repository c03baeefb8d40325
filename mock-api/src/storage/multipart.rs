//! Uploads in parts: what was begun and is not complete. Parts are charged to the store.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use bytes::Bytes;
use parking_lot::Mutex;

use super::checksum::{Algorithm, Checksum, Scope};
use super::object::{Attributes, Content, Object, Part, etag_of_parts};
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
    #[error("the upload's checksums are {expected}, this one is {actual}")]
    Algorithm {
        expected: &'static str,
        actual: &'static str,
    },
    #[error("the list has no {algorithm} of part {number}, which a composite checksum needs")]
    ChecksumMissing {
        algorithm: &'static str,
        number: i32,
    },
    #[error("the {algorithm} of the request is not that of the object")]
    Checksum { algorithm: &'static str },
    #[error("the upload has {actual} bytes and not {expected}, as the request says")]
    Size { expected: u64, actual: u64 },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The checksums of an upload: of which algorithm, and what the object's is computed from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Checksums {
    pub(super) algorithm: Algorithm,
    pub(super) scope: Scope,
    /// Who chose them.
    pub(super) chosen: Chosen,
}

/// Whether a request named the checksums of its upload.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Chosen {
    /// It did; its answers name them.
    ByClient,
    /// S3's own.
    ByDefault,
}

/// A part as a list of parts has it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct ListedPart {
    pub(super) number: i32,
    pub(super) etag: Option<String>,
    /// Its checksum, of the algorithm that it names.
    pub(super) checksum: Option<(Algorithm, String)>,
}

/// What the request that completes an upload says beside the list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Expected {
    pub(super) condition: Condition,
    pub(super) checksum: Option<(Algorithm, String)>,
    pub(super) scope: Option<Scope>,
    pub(super) size: Option<u64>,
}

/// A part that was uploaded.
#[derive(Debug)]
pub(super) struct UploadedPart {
    content: Content,
    checksum: String,
    uploaded_at: SystemTime,
}

/// A part as it is shown.
#[derive(Clone, Debug)]
pub(super) struct ShownPart {
    pub(super) number: i32,
    pub(super) etag: String,
    pub(super) size: u64,
    pub(super) checksum: String,
    pub(super) uploaded_at: SystemTime,
}

/// An upload as it is shown.
#[derive(Clone, Debug)]
pub(super) struct ShownUpload {
    pub(super) id: String,
    pub(super) key: String,
    pub(super) begun_at: SystemTime,
    pub(super) checksums: Checksums,
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
    checksums: Checksums,
    begun_at: SystemTime,
    parts: BTreeMap<i32, UploadedPart>,
}

impl Upload {
    fn is(&self, target: Target<'_>) -> bool {
        self.bucket == target.bucket && self.key == target.key
    }

    /// Whether the listed parts are those that were uploaded.
    fn check_parts(&self, listed: &[ListedPart]) -> Result<(), UploadError> {
        let ascending = listed.windows(2).all(|pair| match pair {
            [first, second] => first.number < second.number,
            _ => true,
        });
        let Some(last) = listed.last().filter(|_| ascending) else {
            return Err(UploadError::PartOrder);
        };
        for part in listed {
            let number = part.number;
            let uploaded = self.parts.get(&number);
            let uploaded = uploaded.filter(|uploaded| {
                let etag = part.etag.as_deref();
                etag.is_none_or(|etag| etag == uploaded.content.etag())
            });
            let uploaded = uploaded.ok_or(UploadError::InvalidPart { number })?;
            self.check_checksum(part, uploaded)?;
            let size = uploaded.content.body().len();
            if size < PART_SIZE_MIN && number != last.number {
                return Err(UploadError::PartTooSmall { number, size });
            }
        }
        Ok(())
    }

    fn check_checksum(
        &self,
        part: &ListedPart,
        uploaded: &UploadedPart,
    ) -> Result<(), UploadError> {
        let Checksums {
            algorithm,
            scope,
            chosen,
        } = self.checksums;
        let number = part.number;
        match &part.checksum {
            Some((named, value)) if *named != algorithm || *value != uploaded.checksum => {
                Err(UploadError::InvalidPart { number })
            }
            None if scope == Scope::Composite && chosen == Chosen::ByClient => {
                let algorithm = algorithm.name();
                Err(UploadError::ChecksumMissing { algorithm, number })
            }
            _ => Ok(()),
        }
    }

    /// The checksum of the object that the listed parts make, if it is what is expected; none if
    /// that is S3's own, which is computed when it is asked for.
    fn checksum(
        &self,
        listed: &[ListedPart],
        expected: &Expected,
    ) -> Result<Option<Checksum>, UploadError> {
        let Checksums {
            algorithm,
            scope,
            chosen,
        } = self.checksums;
        let parts = || {
            listed
                .iter()
                .filter_map(|part| self.parts.get(&part.number))
        };
        let actual = parts().map(|part| part.content.body().len()).sum();
        if let Some(expected) = expected.size.filter(|expected| *expected != actual) {
            return Err(UploadError::Size { expected, actual });
        }
        let unasked = expected.checksum.is_none() && expected.scope.is_none();
        if chosen == Chosen::ByDefault && unasked {
            return Ok(None);
        }
        let checksum = match scope {
            Scope::FullObject => {
                let pieces = parts().flat_map(|part| part.content.body().as_slice());
                let value = algorithm.of(pieces.map(Bytes::as_ref));
                Checksum {
                    algorithm,
                    scope,
                    value,
                }
            }
            Scope::Composite => {
                let values = parts().map(|part| part.checksum.as_str());
                Checksum::composite(algorithm, values)
            }
        };
        let named = expected.scope.is_none_or(|expected| expected == scope);
        let same = expected.checksum.as_ref();
        let same = same.is_none_or(|(named, value)| *named == algorithm && checksum.is(value));
        if named && same {
            Ok(Some(checksum))
        } else {
            let algorithm = algorithm.name();
            Err(UploadError::Checksum { algorithm })
        }
    }
}

impl Uploads {
    /// Begins an upload and returns its id.
    pub(super) fn create(
        &self,
        bucket: &str,
        key: &str,
        attributes: Attributes,
        checksums: Checksums,
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
            checksums,
            begun_at: SystemTime::now(),
            parts: BTreeMap::new(),
        };
        open.insert(id.clone(), upload);
        Ok(id)
    }

    /// The checksums of the upload, if `number` may be a part of it.
    pub(super) fn expect_part(
        &self,
        target: Target<'_>,
        number: i32,
    ) -> Result<Checksums, UploadError> {
        if !(1..=PARTS_MAX).contains(&number) {
            return Err(UploadError::PartNumber { number });
        }
        self.with(target, |upload| upload.checksums)
    }

    /// Keeps a part; a later one of the same number replaces it.
    pub(super) fn put_part(
        &self,
        target: Target<'_>,
        number: i32,
        (content, checksum): (Content, String),
    ) -> Result<(), UploadError> {
        self.expect_part(target, number)?;
        let part = UploadedPart {
            content,
            checksum,
            uploaded_at: SystemTime::now(),
        };
        let mut open = self.open.lock();
        let upload = open
            .get_mut(target.upload)
            .ok_or(UploadError::NoSuchUpload)?;
        upload.parts.insert(number, part);
        Ok(())
    }

    /// The parts of an upload, in order, and its checksums.
    pub(super) fn parts(
        &self,
        target: Target<'_>,
    ) -> Result<(Checksums, Vec<ShownPart>), UploadError> {
        self.with(target, |upload| {
            let shown = |(number, part): (&i32, &UploadedPart)| ShownPart {
                number: *number,
                etag: part.content.etag().to_owned(),
                size: part.content.body().len(),
                checksum: part.checksum.clone(),
                uploaded_at: part.uploaded_at,
            };
            (upload.checksums, upload.parts.iter().map(shown).collect())
        })
    }

    /// The uploads under way in a bucket, by key and then by id, which is the order of beginning.
    pub(super) fn in_bucket(&self, bucket: &str) -> Vec<ShownUpload> {
        let open = self.open.lock();
        let of_bucket = open.iter().filter(|(_, upload)| upload.bucket == bucket);
        let shown = of_bucket.map(|(id, upload)| ShownUpload {
            id: id.clone(),
            key: upload.key.clone(),
            begun_at: upload.begun_at,
            checksums: upload.checksums,
        });
        let mut shown: Vec<_> = shown.collect();
        shown.sort_by(|a, b| (&a.key, &a.id).cmp(&(&b.key, &b.id)));
        shown
    }

    /// Joins the listed parts to an object. The upload is over, unless the list is refused.
    pub(super) fn complete(
        &self,
        store: &Store,
        target: Target<'_>,
        listed: &[ListedPart],
        expected: &Expected,
    ) -> Result<Object, UploadError> {
        let (mut upload, checksum) = {
            let mut open = self.open.lock();
            let upload = open.get(target.upload).filter(|upload| upload.is(target));
            let upload = upload.ok_or(UploadError::NoSuchUpload)?;
            upload.check_parts(listed)?;
            let checksum = upload.checksum(listed, expected)?;
            let upload = open.remove(target.upload);
            (upload.ok_or(UploadError::NoSuchUpload)?, checksum)
        };
        let parts = listed.iter().filter_map(|listed| {
            let part = upload.parts.remove(&listed.number)?;
            Some((listed.number, part))
        });
        let content = joined(store, parts.collect());
        let attributes = Attributes {
            checksum,
            ..upload.attributes
        };
        let object = store.put_content(
            target.bucket,
            target.key,
            Arc::new(content),
            attributes,
            &expected.condition,
        )?;
        Ok(object)
    }

    /// Forgets an upload and its parts.
    pub(super) fn abort(&self, target: Target<'_>) -> Result<(), UploadError> {
        self.with(target, |_| ())?;
        self.open.lock().remove(target.upload);
        Ok(())
    }

    fn with<T>(
        &self,
        target: Target<'_>,
        read: impl FnOnce(&Upload) -> T,
    ) -> Result<T, UploadError> {
        let open = self.open.lock();
        let upload = open.get(target.upload).filter(|upload| upload.is(target));
        upload.map(read).ok_or(UploadError::NoSuchUpload)
    }
}

/// One content of many. Their charge is taken over, so that joining needs no room in the store.
fn joined(store: &Store, parts: Vec<(i32, UploadedPart)>) -> Content {
    let etag = etag_of_parts(parts.iter().map(|(_, part)| part.content.etag()));
    let mut reservation = store.reservation();
    let mut body = Pieces::default();
    let mut remembered = Vec::with_capacity(parts.len());
    for (number, part) in parts {
        let (pieces, charge) = part.content.into_parts();
        remembered.push(Part {
            number,
            size: pieces.len(),
            checksum: part.checksum,
        });
        body.extend(pieces);
        reservation.absorb(charge);
    }
    Content::in_parts(body, reservation, etag, remembered)
}
