//! Answers of the S3 endpoint: objects and pages as S3 shows them.

use std::fmt::Write as _;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::Stream;
use s3s::dto::{self, CommonPrefix, ETag, GetObjectOutput, HeadObjectOutput, Range, StreamingBlob};
use s3s::stream::{ByteStream, RemainingLength};
use s3s::{Body, S3Result, StdError, s3_error};

use super::listing::{ListQuery, PAGE_MAX, Page};
use super::object::{Attributes, Object};
use super::pieces::Pieces;
use super::store::Store;

pub(super) fn etag(object: &Object) -> ETag {
    ETag::Strong(object.etag().to_owned())
}

pub(super) fn size(length: u64) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}

/// Attributes as a request gives them.
pub(super) fn attributes(
    content_type: Option<String>,
    metadata: Option<dto::Metadata>,
) -> Attributes {
    Attributes {
        content_type: content_type.map_or(Attributes::BINARY.content_type, Into::into),
        user_metadata: metadata.into_iter().flatten().collect(),
    }
}

fn user_metadata(object: &Object) -> Option<dto::Metadata> {
    let metadata = &object.attributes().user_metadata;
    let shown = || {
        metadata
            .iter()
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    };
    (!metadata.is_empty()).then(shown)
}

pub(super) fn object(object: &Object, range: Option<Range>) -> S3Result<GetObjectOutput> {
    let (body, content_range) = match range {
        None => (object.content().body().clone(), None),
        Some(range) => {
            let part = range
                .check(object.size())
                .map_err(|_| s3_error!(InvalidRange, "The object has {} bytes.", object.size()))?;
            let shown = format!("bytes {}-{}/{}", part.start, part.end - 1, object.size());
            let slice = object.content().body().slice(part.start..part.end);
            (slice, Some(shown))
        }
    };
    Ok(GetObjectOutput {
        accept_ranges: Some("bytes".to_owned()),
        content_length: Some(size(body.len())),
        content_range,
        content_type: Some(object.attributes().content_type.clone().into_owned()),
        e_tag: Some(etag(object)),
        last_modified: Some(object.last_modified().into()),
        metadata: user_metadata(object),
        body: Some(blob(body)),
        ..GetObjectOutput::default()
    })
}

/// Goes out piece by piece.
fn blob(body: Pieces) -> StreamingBlob {
    match body.as_slice() {
        [] | [_] => StreamingBlob::from(Body::from(body.joined())),
        _ => StreamingBlob::new(Flow(body.into_iter())),
    }
}

/// Pieces as a stream that knows how much is left.
struct Flow(std::vec::IntoIter<Bytes>);

impl Stream for Flow {
    type Item = Result<Bytes, StdError>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(self.0.next().map(Ok))
    }
}

impl ByteStream for Flow {
    fn remaining_length(&self) -> RemainingLength {
        let left = self.0.as_slice().iter().map(Bytes::len).sum();
        RemainingLength::new_exact(left)
    }
}

pub(super) fn head(object: &Object) -> HeadObjectOutput {
    HeadObjectOutput {
        accept_ranges: Some("bytes".to_owned()),
        content_length: Some(size(object.size())),
        content_type: Some(object.attributes().content_type.clone().into_owned()),
        e_tag: Some(etag(object)),
        last_modified: Some(object.last_modified().into()),
        metadata: user_metadata(object),
        ..HeadObjectOutput::default()
    }
}

/// What both versions of `ListObjects` ask for.
#[derive(Clone, Debug)]
pub(super) struct Listing {
    pub(super) bucket: String,
    pub(super) prefix: Option<String>,
    pub(super) delimiter: Option<String>,
    pub(super) after: Option<String>,
    pub(super) max_keys: Option<i32>,
    pub(super) encoding: KeyEncoding,
}

/// How keys are written into XML, which cannot hold all of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum KeyEncoding {
    Plain,
    Percent,
}

impl Listing {
    /// Keys of a page at most, as the answer repeats it.
    pub(super) fn max_keys(&self) -> S3Result<usize> {
        let max = self.max_keys.unwrap_or(1000);
        let max = usize::try_from(max);
        let max = max.map_err(|_| s3_error!(InvalidArgument, "max-keys must not be negative."))?;
        Ok(max.min(PAGE_MAX))
    }

    pub(super) fn page(&self, store: &Store) -> S3Result<Page> {
        let query = ListQuery {
            prefix: self.prefix.as_deref().unwrap_or_default(),
            delimiter: self.delimiter.as_deref(),
            after: self.after.as_deref().filter(|after| !after.is_empty()),
            max: self.max_keys()?,
        };
        store
            .list(&self.bucket, &query)
            .ok_or_else(|| s3_error!(NoSuchBucket))
    }

    pub(super) fn encoded(&self, text: &str) -> String {
        match self.encoding {
            KeyEncoding::Plain => text.to_owned(),
            KeyEncoding::Percent => percent_encoded(text),
        }
    }

    pub(super) fn contents(&self, page: &Page) -> Vec<dto::Object> {
        let shown = |key: &str, object: &Object| dto::Object {
            e_tag: Some(etag(object)),
            key: Some(self.encoded(key)),
            last_modified: Some(object.last_modified().into()),
            size: Some(size(object.size())),
            storage_class: Some(dto::ObjectStorageClass::from_static("STANDARD")),
            ..dto::Object::default()
        };
        page.objects
            .iter()
            .map(|(key, object)| shown(key, object))
            .collect()
    }

    pub(super) fn common_prefixes(&self, page: &Page) -> Vec<CommonPrefix> {
        let shown = |prefix: &String| CommonPrefix {
            prefix: Some(self.encoded(prefix)),
        };
        page.common_prefixes.iter().map(shown).collect()
    }
}

impl KeyEncoding {
    pub(super) fn of(asked: Option<&dto::EncodingType>) -> Self {
        match asked {
            Some(asked) if asked.as_str() == dto::EncodingType::URL => Self::Percent,
            _ => Self::Plain,
        }
    }

    pub(super) fn shown(self) -> Option<dto::EncodingType> {
        (self == Self::Percent).then(|| dto::EncodingType::from_static(dto::EncodingType::URL))
    }
}

/// Every byte but unreserved ones and the slash as `%XX`.
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~/".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            write!(encoded, "%{byte:02X}").expect("writing to a string succeeds");
        }
    }
    encoded
}

/// A continuation token: where the next page begins, in hex, so that XML and URLs leave it alone.
pub(super) fn token(after: &str) -> String {
    super::object::hex(after.as_bytes())
}

/// The place that a continuation token stands for.
pub(super) fn token_place(token: &str) -> S3Result<String> {
    let digits = token.as_bytes();
    let pairs = digits.chunks_exact(2);
    let whole = pairs.remainder().is_empty();
    let byte = |pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let bytes: Option<Vec<u8>> = pairs.map(byte).collect();
    let place = bytes
        .filter(|_| whole)
        .and_then(|bytes| String::from_utf8(bytes).ok());
    place.ok_or_else(|| {
        s3_error!(
            InvalidArgument,
            "The continuation token is not one of ours."
        )
    })
}
