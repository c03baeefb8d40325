//! Answers of the S3 endpoint: objects and pages as S3 shows them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::Stream;
use s3s::dto::{self, CommonPrefix, ETag, GetObjectOutput, HeadObjectOutput, Range, StreamingBlob};
use s3s::stream::{ByteStream, RemainingLength};
use s3s::{Body, S3Result, StdError, s3_error};

use super::checksum::{Checksum, Scope, show_checksum};
use super::failure;
use super::listing::{ListQuery, PAGE_MAX, Page};
use super::object::{Attributes, Object, SystemHeader};
use super::pieces::Pieces;
use super::store::Store;

/// Bytes of an object's user metadata at most, names and values together, as in S3.
const USER_METADATA_MAX: usize = 2048;

pub(super) fn etag(object: &Object) -> ETag {
    ETag::Strong(object.etag().to_owned())
}

pub(super) fn size(length: u64) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}

/// What a put, a copy or a new upload says beside the bytes.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) content_type: Option<String>,
    pub(super) expires: Option<dto::Timestamp>,
    pub(super) headers: [(SystemHeader, Option<String>); 5],
    pub(super) metadata: Option<dto::Metadata>,
}

/// Takes what is said out of the input of one of these operations.
macro_rules! take_said {
    ($input:expr) => {
        $crate::storage::answers::Said {
            content_type: $input.content_type.take(),
            expires: $input.expires.take(),
            headers: [
                (SystemHeader::CacheControl, $input.cache_control.take()),
                (
                    SystemHeader::ContentDisposition,
                    $input.content_disposition.take(),
                ),
                (
                    SystemHeader::ContentEncoding,
                    $input.content_encoding.take(),
                ),
                (
                    SystemHeader::ContentLanguage,
                    $input.content_language.take(),
                ),
                (
                    SystemHeader::WebsiteRedirectLocation,
                    $input.website_redirect_location.take(),
                ),
            ],
            metadata: $input.metadata.take(),
        }
    };
}

pub(super) use take_said;

impl Said {
    /// As attributes of an object.
    ///
    /// # Errors
    /// `MetadataTooLarge`
    pub(super) fn attributes(self) -> S3Result<Attributes> {
        let user_metadata: BTreeMap<_, _> = self.metadata.into_iter().flatten().collect();
        let lengths = user_metadata
            .iter()
            .map(|(name, value)| name.len() + value.len());
        let length: usize = lengths.sum();
        if length > USER_METADATA_MAX {
            return Err(s3_error!(
                MetadataTooLarge,
                "Your metadata headers exceed the maximum allowed metadata size: {length} of \
                 {USER_METADATA_MAX} bytes, names included."
            ));
        }
        let mut headers: BTreeMap<_, _> = self
            .headers
            .into_iter()
            .filter_map(|(header, value)| Some((header, kept(header, value?)?)))
            .collect();
        if let Some(expires) = self.expires.as_ref().and_then(http_date) {
            headers.insert(SystemHeader::Expires, expires);
        }
        Ok(Attributes {
            content_type: self
                .content_type
                .map_or(Attributes::BINARY.content_type, Into::into),
            headers,
            user_metadata,
            checksum: None,
        })
    }
}

/// What is kept of a header: of an encoding what is not that of the transfer alone.
fn kept(header: SystemHeader, value: String) -> Option<String> {
    if header != SystemHeader::ContentEncoding {
        return Some(value);
    }
    let codings = value.split(',').map(str::trim);
    let codings: Vec<_> = codings
        .filter(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case("aws-chunked"))
        .collect();
    (!codings.is_empty()).then(|| codings.join(","))
}

fn http_date(at: &dto::Timestamp) -> Option<String> {
    let mut text = Vec::new();
    at.format(dto::TimestampFormat::HttpDate, &mut text).ok()?;
    String::from_utf8(text).ok()
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

/// What a read asks for of an object.
#[derive(Clone, Debug, Default)]
pub(super) struct Wanted {
    pub(super) range: Option<Range>,
    pub(super) part: Option<i32>,
    pub(super) checksum_mode: Option<dto::ChecksumMode>,
}

/// What of an object answers a read.
#[derive(Debug)]
struct Shown {
    bytes: std::ops::Range<u64>,
    content_range: Option<String>,
    parts_count: Option<i32>,
    checksum: dto::Checksum,
}

impl Wanted {
    fn of(self, object: &Object) -> S3Result<Shown> {
        let part = match (&self.range, self.part) {
            (Some(_), Some(_)) => {
                return Err(s3_error!(
                    InvalidRequest,
                    "Cannot specify both Range header and partNumber query parameter"
                ));
            }
            (None, Some(number)) => Some(object.part(number).ok_or_else(failure::no_such_part)?),
            (_, None) => None,
        };
        let asked =
            match self.range {
                None => part,
                Some(range) => Some(range.check(object.size()).map_err(|_| {
                    s3_error!(InvalidRange, "The object has {} bytes.", object.size())
                })?),
            };
        let bytes = asked.clone().unwrap_or(0..object.size());
        // An empty part of an empty object is no range that can be written.
        let partial = asked.filter(|asked| !asked.is_empty());
        let content_range = partial.map(|part| {
            let last = part.end - 1;
            format!("bytes {}-{last}/{}", part.start, object.size())
        });
        let parts = object.content().parts();
        let counted = self.part.filter(|_| !parts.is_empty());
        let checksums = self.checksum_mode.as_ref();
        let checksums = checksums.is_some_and(|mode| mode.as_str() == dto::ChecksumMode::ENABLED);
        Ok(Shown {
            checksum: match self.part {
                _ if !checksums => dto::Checksum::default(),
                Some(number) if !parts.is_empty() => part_checksum(object, number),
                _ if bytes == (0..object.size()) => object.checksum().shown(),
                _ => dto::Checksum::default(),
            },
            bytes,
            content_range,
            parts_count: counted.and_then(|_| i32::try_from(parts.len()).ok()),
        })
    }
}

/// That of a part, where the object's is made of its parts'.
fn part_checksum(object: &Object, number: i32) -> dto::Checksum {
    let whole = object.checksum();
    let part = object
        .content()
        .parts()
        .iter()
        .find(|part| part.number == number);
    match part.filter(|_| whole.scope == Scope::Composite) {
        Some(part) => Checksum {
            value: part.checksum.clone(),
            ..whole
        }
        .shown(),
        None => dto::Checksum::default(),
    }
}

/// Fills in what reads of both kinds say of an object.
macro_rules! show_object {
    ($output:expr, $object:expr, $shown:expr) => {{
        let (object, shown): (&Object, &mut Shown) = ($object, $shown);
        let header = |header: SystemHeader| object.attributes().headers.get(&header).cloned();
        $output.accept_ranges = Some("bytes".to_owned());
        $output.cache_control = header(SystemHeader::CacheControl);
        $output.content_disposition = header(SystemHeader::ContentDisposition);
        $output.content_encoding = header(SystemHeader::ContentEncoding);
        $output.content_language = header(SystemHeader::ContentLanguage);
        $output.website_redirect_location = header(SystemHeader::WebsiteRedirectLocation);
        $output.expires = header(SystemHeader::Expires)
            .and_then(|at| dto::Timestamp::parse(dto::TimestampFormat::HttpDate, &at).ok());
        $output.content_length = Some(size(shown.bytes.end - shown.bytes.start));
        $output.content_range = shown.content_range.take();
        $output.content_type = Some(object.attributes().content_type.clone().into_owned());
        $output.e_tag = Some(etag(object));
        $output.last_modified = Some(object.last_modified().into());
        $output.metadata = user_metadata(object);
        $output.parts_count = shown.parts_count;
        $output.checksum_type = shown.checksum.checksum_type.take();
        show_checksum!($output, std::mem::take(&mut shown.checksum));
    }};
}

pub(super) fn object(object: &Object, wanted: Wanted) -> S3Result<GetObjectOutput> {
    let mut shown = wanted.of(object)?;
    let body = object.content().body().slice(shown.bytes.clone());
    let mut output = GetObjectOutput {
        body: Some(blob(body)),
        ..GetObjectOutput::default()
    };
    show_object!(output, object, &mut shown);
    Ok(output)
}

pub(super) fn head(object: &Object, wanted: Wanted) -> S3Result<HeadObjectOutput> {
    let mut shown = wanted.of(object)?;
    let mut output = HeadObjectOutput::default();
    show_object!(output, object, &mut shown);
    Ok(output)
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
        self.encoding.encoded(text)
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

    pub(super) fn encoded(self, text: &str) -> String {
        match self {
            Self::Plain => text.to_owned(),
            Self::Percent => percent_encoded(text),
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
