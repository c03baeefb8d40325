//! An object in storage: shared bytes with the attributes under which one key shows them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::Range;
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use bytes::Bytes;
use md5::{Digest, Md5};

use super::checksum::{Algorithm, Checksum, Scope};
use super::flow::MediaFlow;
use super::pieces::Pieces;
use super::usage::Reservation;

/// What a key says of its object beside the bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Attributes {
    /// MIME type.
    pub content_type: Cow<'static, str>,
    /// Further headers that reads repeat, as the request had them.
    pub headers: BTreeMap<SystemHeader, String>,
    /// The caller's own metadata (`x-amz-meta-*`).
    pub user_metadata: BTreeMap<String, String>,
    /// The checksum that the caller asked to keep; none for CRC64NVME, which can be computed again.
    pub(super) checksum: Option<Checksum>,
}

/// A header of a put that S3 keeps and repeats in reads, beside `Content-Type`.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum SystemHeader {
    /// How long it may be cached.
    CacheControl,
    /// The name under which it is saved.
    ContentDisposition,
    /// How it is packed.
    ContentEncoding,
    /// The language that it is in.
    ContentLanguage,
    /// When it is no longer fresh, as an HTTP date.
    Expires,
    /// The address that a website sends readers to instead.
    WebsiteRedirectLocation,
}

impl Attributes {
    /// Audio of a recording.
    pub const AUDIO: Self = Self::of_type("audio/ogg; codecs=opus");
    /// A sidecar or a manifest.
    pub const JSON: Self = Self::of_type("application/json");
    /// What S3 assumes when it is told nothing.
    pub const BINARY: Self = Self::of_type("binary/octet-stream");

    /// Attributes of that MIME type.
    #[must_use]
    pub const fn of_type(content_type: &'static str) -> Self {
        Self {
            content_type: Cow::Borrowed(content_type),
            headers: BTreeMap::new(),
            user_metadata: BTreeMap::new(),
            checksum: None,
        }
    }
}

/// A stored object. Cheap to clone; what was read stays as it was, whatever is put later.
#[derive(Clone, Debug)]
pub struct Object {
    content: Arc<Content>,
    entry: Arc<Entry>,
}

/// Bytes, shared by all keys that they were copied to, and charged once.
#[derive(Debug)]
pub(super) struct Content {
    body: Pieces,
    etag: OnceLock<Box<str>>,
    /// Its CRC64NVME in base64.
    crc64nvme: OnceLock<Box<str>>,
    /// The parts in which it was put; none if it was put whole.
    parts: Box<[Part]>,
    reservation: Reservation,
}

/// A part of an object, as it is remembered.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub(super) struct Part {
    pub(super) number: i32,
    pub(super) size: u64,
    /// Its checksum, of the object's algorithm.
    pub(super) checksum: String,
}

#[derive(Debug)]
struct Entry {
    attributes: Attributes,
    last_modified: SystemTime,
    _overhead: Reservation,
}

impl Content {
    /// `reservation` is what the body was charged with.
    pub(super) fn new(body: Pieces, reservation: Reservation) -> Self {
        Self {
            body,
            etag: OnceLock::new(),
            crc64nvme: OnceLock::new(),
            parts: Box::default(),
            reservation,
        }
    }

    /// Content whose etag is known.
    pub(super) fn with_etag(body: Pieces, reservation: Reservation, etag: String) -> Self {
        Self {
            etag: OnceLock::from(etag.into_boxed_str()),
            ..Self::new(body, reservation)
        }
    }

    /// Content put whole by a request, whose digests are known.
    pub(super) fn received(
        body: Pieces,
        reservation: Reservation,
        (etag, checksum): (String, &Checksum),
    ) -> Self {
        let content = Self::with_etag(body, reservation, etag);
        if checksum.algorithm == Algorithm::Crc64nvme {
            content
                .crc64nvme
                .get_or_init(|| checksum.value.as_str().into());
        }
        content
    }

    /// Content put in parts, whose etag is not the digest of its body.
    pub(super) fn in_parts(
        body: Pieces,
        reservation: Reservation,
        etag: String,
        parts: Vec<Part>,
    ) -> Self {
        Self {
            parts: parts.into_boxed_slice(),
            ..Self::with_etag(body, reservation, etag)
        }
    }

    pub(super) const fn body(&self) -> &Pieces {
        &self.body
    }

    /// Computed when it is first asked for: most media objects are written and never listed.
    pub(super) fn etag(&self) -> &str {
        self.etag.get_or_init(|| {
            let mut digest = Md5::new();
            for piece in self.body.as_slice() {
                digest.update(piece);
            }
            hex(&digest.finalize()).into_boxed_str()
        })
    }

    /// Computed when it is first asked for, like the etag.
    pub(super) fn crc64nvme(&self) -> &str {
        self.crc64nvme.get_or_init(|| {
            let pieces = self.body.as_slice().iter();
            Algorithm::Crc64nvme
                .of(pieces.map(Bytes::as_ref))
                .into_boxed_str()
        })
    }

    pub(super) const fn parts(&self) -> &[Part] {
        &self.parts
    }

    pub(super) fn into_parts(self) -> (Pieces, Reservation) {
        (self.body, self.reservation)
    }
}

impl Object {
    pub(super) fn new(
        content: Arc<Content>,
        attributes: Attributes,
        last_modified: SystemTime,
        charge: Reservation,
    ) -> Self {
        let entry = Entry {
            attributes,
            last_modified,
            _overhead: charge,
        };
        Self {
            content,
            entry: Arc::new(entry),
        }
    }

    pub(super) const fn content(&self) -> &Arc<Content> {
        &self.content
    }

    /// Its bytes, all in one: a copy, if they came in several pieces.
    #[must_use]
    pub fn body(&self) -> Bytes {
        self.content.body().joined()
    }

    /// Its bytes in the pieces in which they are held, none longer than what was put at once.
    #[must_use]
    pub fn pieces(&self) -> &[Bytes] {
        self.content.body().as_slice()
    }

    /// The bytes of `range` as an answer's body.
    #[must_use]
    pub fn flow(&self, range: Range<u64>) -> MediaFlow {
        MediaFlow::here(self.clone(), range)
    }

    /// Its length in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.content.body().len()
    }

    /// Its etag as S3 has it, without quotes: MD5 in hex; `…-N` for an object put in N parts.
    #[must_use]
    pub fn etag(&self) -> &str {
        self.content.etag()
    }

    /// The checksum that it was put with, or its CRC64NVME.
    pub(super) fn checksum(&self) -> Checksum {
        let kept = self.entry.attributes.checksum.clone();
        kept.unwrap_or_else(|| Checksum {
            algorithm: Algorithm::Crc64nvme,
            scope: Scope::FullObject,
            value: self.content.crc64nvme().to_owned(),
        })
    }

    /// The bytes of the part of that number; an object that was put whole is its own first part.
    pub(super) fn part(&self, number: i32) -> Option<Range<u64>> {
        let parts = self.content.parts();
        if parts.is_empty() {
            return (number == 1).then_some(0..self.size());
        }
        let mut from = 0;
        for part in parts {
            if part.number == number {
                return Some(from..from + part.size);
            }
            from += part.size;
        }
        None
    }

    /// Its attributes.
    #[must_use]
    pub fn attributes(&self) -> &Attributes {
        &self.entry.attributes
    }

    /// When it was put.
    #[must_use]
    pub fn last_modified(&self) -> SystemTime {
        self.entry.last_modified
    }
}

/// The etag of an object put in parts with these etags: the digest of their digests.
pub(super) fn etag_of_parts<'a>(parts: impl Iterator<Item = &'a str>) -> String {
    let mut digest = Md5::new();
    let mut count = 0_usize;
    for part in parts {
        for digits in part.as_bytes().chunks_exact(2) {
            let byte = std::str::from_utf8(digits).ok();
            let byte = byte.and_then(|digits| u8::from_str_radix(digits, 16).ok());
            digest.update([byte.expect("a part's etag is hex")]);
        }
        count += 1;
    }
    format!("{}-{count}", hex(&digest.finalize()))
}

pub(super) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        write!(text, "{byte:02x}").expect("writing to a string succeeds");
    }
    text
}
