//! An object in storage: shared bytes with the attributes under which one key shows them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::Range;
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use bytes::Bytes;
use md5::{Digest, Md5};

use super::flow::MediaFlow;
use super::pieces::Pieces;
use super::usage::Reservation;

/// What a key says of its object beside the bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Attributes {
    /// MIME type.
    pub content_type: Cow<'static, str>,
    /// The caller's own metadata (`x-amz-meta-*`).
    pub user_metadata: BTreeMap<String, String>,
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
            user_metadata: BTreeMap::new(),
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
    reservation: Reservation,
}

#[derive(Debug)]
struct Entry {
    attributes: Attributes,
    last_modified: SystemTime,
    _overhead: Reservation,
}

impl Content {
    /// `reservation` is what the body was charged with.
    pub(super) const fn new(body: Pieces, reservation: Reservation) -> Self {
        Self {
            body,
            etag: OnceLock::new(),
            reservation,
        }
    }

    /// Content put in parts, whose etag is not the digest of its body.
    pub(super) fn with_etag(body: Pieces, reservation: Reservation, etag: String) -> Self {
        Self {
            body,
            etag: OnceLock::from(etag.into_boxed_str()),
            reservation,
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

    pub(super) fn into_parts(self) -> (Pieces, Reservation) {
        (self.body, self.reservation)
    }
}

impl Object {
    pub(super) fn new(content: Arc<Content>, attributes: Attributes, charge: Reservation) -> Self {
        let last_modified = SystemTime::now();
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
