//! Checksums of objects: S3's five algorithms, what a request claims of its body, and what is kept
//! and shown.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use s3s::checksum::ChecksumHasher;
use s3s::crypto::Checksum as _;
use s3s::dto;
use s3s::{S3Error, S3ErrorCode, S3Result, TrailingHeaders, s3_error};
use serde::{Deserialize, Serialize};

/// A checksum algorithm of S3, by the name that S3 gives it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum Algorithm {
    Crc32,
    Crc32c,
    Crc64nvme,
    Sha1,
    Sha256,
}

/// What the checksum of an object that was put in parts is computed from.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum Scope {
    /// All bytes of the object.
    FullObject,
    /// The checksums of its parts, one after the other.
    Composite,
}

/// A checksum as S3 writes it: base64, with `-N` behind that of N parts' checksums.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Checksum {
    pub(super) algorithm: Algorithm,
    pub(super) scope: Scope,
    pub(super) value: String,
}

impl Algorithm {
    const ALL: [Self; 5] = [
        Self::Crc32,
        Self::Crc32c,
        Self::Crc64nvme,
        Self::Sha1,
        Self::Sha256,
    ];

    /// Its name in requests and answers.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Crc32 => "CRC32",
            Self::Crc32c => "CRC32C",
            Self::Crc64nvme => "CRC64NVME",
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
        }
    }

    /// The header, or trailer, that carries its value.
    const fn header(self) -> &'static str {
        match self {
            Self::Crc32 => "x-amz-checksum-crc32",
            Self::Crc32c => "x-amz-checksum-crc32c",
            Self::Crc64nvme => "x-amz-checksum-crc64nvme",
            Self::Sha1 => "x-amz-checksum-sha1",
            Self::Sha256 => "x-amz-checksum-sha256",
        }
    }

    /// Length of its digest in bytes.
    const fn length(self) -> usize {
        match self {
            Self::Crc32 | Self::Crc32c => 4,
            Self::Crc64nvme => 8,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }

    /// The algorithm that a request names.
    pub(super) fn named(name: &str) -> S3Result<Self> {
        let is = |known: &Self| known.name().eq_ignore_ascii_case(name);
        let unknown = || {
            s3_error!(
                InvalidRequest,
                "The checksum algorithm is one of CRC32, CRC32C, CRC64NVME, SHA1 and SHA256."
            )
        };
        Self::ALL.into_iter().find(is).ok_or_else(unknown)
    }

    pub(super) fn shown(self) -> dto::ChecksumAlgorithm {
        dto::ChecksumAlgorithm::from_static(self.name())
    }

    /// Its digest of pieces in base64.
    pub(super) fn of<'a>(self, pieces: impl IntoIterator<Item = &'a [u8]>) -> String {
        let mut hasher = self.hasher();
        for piece in pieces {
            hasher.update(piece);
        }
        self.finished(hasher)
    }

    pub(super) fn hasher(self) -> ChecksumHasher {
        let mut hasher = ChecksumHasher::default();
        match self {
            Self::Crc32 => hasher.crc32 = Some(s3s::crypto::Crc32::new()),
            Self::Crc32c => hasher.crc32c = Some(s3s::crypto::Crc32c::new()),
            Self::Crc64nvme => hasher.crc64nvme = Some(s3s::crypto::Crc64Nvme::new()),
            Self::Sha1 => hasher.sha1 = Some(s3s::crypto::Sha1::new()),
            Self::Sha256 => hasher.sha256 = Some(s3s::crypto::Sha256::new()),
        }
        hasher
    }

    pub(super) fn finished(self, hasher: ChecksumHasher) -> String {
        let mut values = hasher.finalize();
        let value = self.field(&mut values).take();
        value.expect("the hasher is of this algorithm")
    }

    const fn field(self, values: &mut dto::Checksum) -> &mut Option<String> {
        match self {
            Self::Crc32 => &mut values.checksum_crc32,
            Self::Crc32c => &mut values.checksum_crc32c,
            Self::Crc64nvme => &mut values.checksum_crc64nvme,
            Self::Sha1 => &mut values.checksum_sha1,
            Self::Sha256 => &mut values.checksum_sha256,
        }
    }

    fn decoded(self, value: &str) -> Option<Vec<u8>> {
        let bytes = STANDARD.decode(value).ok()?;
        (bytes.len() == self.length()).then_some(bytes)
    }
}

impl Scope {
    pub(super) fn shown(self) -> dto::ChecksumType {
        dto::ChecksumType::from_static(match self {
            Self::FullObject => dto::ChecksumType::FULL_OBJECT,
            Self::Composite => dto::ChecksumType::COMPOSITE,
        })
    }
}

impl Checksum {
    /// That of all of an object's bytes.
    pub(super) fn full(algorithm: Algorithm, pieces: &[Bytes]) -> Self {
        Self {
            algorithm,
            scope: Scope::FullObject,
            value: algorithm.of(pieces.iter().map(Bytes::as_ref)),
        }
    }

    /// That of parts' checksums of one algorithm.
    pub(super) fn composite<'a>(
        algorithm: Algorithm,
        parts: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let decoded = parts.into_iter().map(|part| algorithm.decoded(part));
        let decoded: Vec<_> = decoded
            .map(|part| part.expect("a part's checksum is our own"))
            .collect();
        let value = algorithm.of(decoded.iter().map(Vec::as_slice));
        Self {
            algorithm,
            scope: Scope::Composite,
            value: format!("{value}-{}", decoded.len()),
        }
    }

    /// Whether it has to be kept: S3's own is computed again when it is asked for.
    pub(super) fn is_kept(&self) -> bool {
        (self.algorithm, self.scope) != (Algorithm::Crc64nvme, Scope::FullObject)
    }

    /// Whether a request that claims `value` means this; it may leave the number of parts out.
    pub(super) fn is(&self, value: &str) -> bool {
        let bare = self.value.split('-').next();
        self.value == value || (self.scope == Scope::Composite && bare == Some(value))
    }

    /// As the members that answers have for it.
    pub(super) fn shown(&self) -> dto::Checksum {
        let mut values = value_shown(self.algorithm, &self.value);
        values.checksum_type = Some(self.scope.shown());
        values
    }
}

/// A value without a scope, as parts have it.
pub(super) fn value_shown(algorithm: Algorithm, value: &str) -> dto::Checksum {
    let mut values = dto::Checksum::default();
    *algorithm.field(&mut values) = Some(value.to_owned());
    values
}

/// The checksums that headers carry.
pub(super) fn of_headers(headers: &hyper::HeaderMap) -> dto::Checksum {
    let mut values = dto::Checksum::default();
    for algorithm in Algorithm::ALL {
        let value = headers.get(algorithm.header());
        *algorithm.field(&mut values) = value
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned);
    }
    values
}

/// Takes the five members of a request's checksum out of an input, or a listed part.
macro_rules! take_checksums {
    ($input:expr) => {
        s3s::dto::Checksum {
            checksum_crc32: $input.checksum_crc32.take(),
            checksum_crc32c: $input.checksum_crc32c.take(),
            checksum_crc64nvme: $input.checksum_crc64nvme.take(),
            checksum_sha1: $input.checksum_sha1.take(),
            checksum_sha256: $input.checksum_sha256.take(),
            checksum_type: None,
        }
    };
}

/// Puts a checksum into the five members that an output, or a listed part, has for it.
macro_rules! show_checksum {
    ($output:expr, $values:expr) => {{
        let values: s3s::dto::Checksum = $values;
        $output.checksum_crc32 = values.checksum_crc32;
        $output.checksum_crc32c = values.checksum_crc32c;
        $output.checksum_crc64nvme = values.checksum_crc64nvme;
        $output.checksum_sha1 = values.checksum_sha1;
        $output.checksum_sha256 = values.checksum_sha256;
    }};
}

pub(super) use {show_checksum, take_checksums};

/// What a request says of a body's checksum.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Claim {
    pub(super) algorithm: Algorithm,
    /// None if it comes behind the body.
    pub(super) value: Option<String>,
}

impl Claim {
    /// The claim of the one checksum that `values` has, if it has one.
    pub(super) fn of_values(mut values: dto::Checksum) -> S3Result<Option<Self>> {
        let mut claim = None;
        for algorithm in Algorithm::ALL {
            let Some(value) = algorithm.field(&mut values).take() else {
                continue;
            };
            if claim.is_some() {
                return Err(several());
            }
            let value = Some(value);
            claim = Some(Self { algorithm, value });
        }
        Ok(claim)
    }

    /// The claim of a request: of its headers `values`, of the trailers that it announces, and of
    /// the algorithm that it names beside them.
    pub(super) fn of_request(
        values: dto::Checksum,
        trailers: Option<&str>,
        named: Option<&str>,
    ) -> S3Result<Option<Self>> {
        let mut claim = Self::of_values(values)?;
        if let Some(Self { algorithm, value }) = &claim {
            let value = value.as_deref().unwrap_or_default();
            algorithm
                .decoded(value)
                .ok_or_else(|| invalid_value(*algorithm))?;
        }
        for trailer in trailers.into_iter().flat_map(|names| names.split(',')) {
            let name = trailer.trim();
            let is = |known: &Algorithm| known.header().eq_ignore_ascii_case(name);
            let unknown = || {
                s3_error!(
                    InvalidRequest,
                    "The value specified in the x-amz-trailer header is not supported"
                )
            };
            let algorithm = Algorithm::ALL.into_iter().find(is).ok_or_else(unknown)?;
            if claim.is_some() {
                return Err(several());
            }
            let value = None;
            claim = Some(Self { algorithm, value });
        }
        let Some(named) = named else {
            return Ok(claim);
        };
        let named = Algorithm::named(named)?;
        match &claim {
            None => Err(s3_error!(
                InvalidRequest,
                "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or \
                 x-amz-trailer headers were found."
            )),
            Some(claim) if claim.algorithm != named => Err(s3_error!(
                InvalidRequest,
                "Value for x-amz-sdk-checksum-algorithm header is invalid."
            )),
            Some(_) => Ok(claim),
        }
    }

    /// The value, from the body's trailers if the headers did not have it.
    pub(super) fn value(self, trailers: Option<&TrailingHeaders>) -> S3Result<String> {
        if let Some(value) = self.value {
            return Ok(value);
        }
        let header = self.algorithm.header();
        let found = trailers.and_then(|trailers| {
            let found =
                |found: &hyper::HeaderMap| found.get(header)?.to_str().ok().map(str::to_owned);
            trailers.read(found).flatten()
        });
        let found = found.ok_or_else(|| malformed_trailer(header))?;
        match self.algorithm.decoded(&found) {
            Some(_) => Ok(found),
            None => Err(invalid_value(self.algorithm)),
        }
    }
}

pub(super) fn mismatch(algorithm: Algorithm) -> S3Error {
    s3_error!(
        BadDigest,
        "The {} you specified did not match the calculated checksum.",
        algorithm.name()
    )
}

fn several() -> S3Error {
    s3_error!(
        InvalidRequest,
        "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed."
    )
}

fn invalid_value(algorithm: Algorithm) -> S3Error {
    s3_error!(
        InvalidRequest,
        "Value for {} header is invalid.",
        algorithm.header()
    )
}

fn malformed_trailer(header: &str) -> S3Error {
    let code = S3ErrorCode::Custom("MalformedTrailerError".into());
    let text = format!("The request announces the trailer {header} and does not send it.");
    let mut error = S3Error::with_message(code, text);
    error.set_status_code(hyper::StatusCode::BAD_REQUEST);
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Check values of the catalogue of CRCs (reveng) and of FIPS 180, in base64.
    const OF_123456789: [(Algorithm, &str); 5] = [
        (Algorithm::Crc32, "y/Q5Jg=="),
        (Algorithm::Crc32c, "4waSgw=="),
        (Algorithm::Crc64nvme, "rosUhgp5mIg="),
        (Algorithm::Sha1, "98O8HYCOBHMq32eZZczDTKeuNEE="),
        (
            Algorithm::Sha256,
            "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU=",
        ),
    ];

    #[test]
    fn checksums_of_pieces_are_those_of_the_standards() {
        let pieces = ["1234", "", "56789"].map(Bytes::from);
        for (algorithm, expected) in OF_123456789 {
            let checksum = Checksum::full(algorithm, &pieces);
            assert_eq!(checksum.value, expected, "{}", algorithm.name());
            assert_eq!(Algorithm::named(algorithm.name()).unwrap(), algorithm);
        }
    }

    #[test]
    fn a_request_claims_one_checksum_that_can_be_one() {
        let value = |value: &str| value_shown(Algorithm::Crc32, value);
        let code = |claim: S3Result<Option<Claim>>| claim.unwrap_err().code().as_str().to_owned();
        let crc32 = "CRC32";
        let claim = Claim::of_request(value("y/Q5Jg=="), None, Some(crc32));
        assert_eq!(claim.unwrap().unwrap().algorithm, Algorithm::Crc32);
        let none = Claim::of_request(dto::Checksum::default(), None, None);
        assert_eq!(none.unwrap(), None);
        for bad in ["", "y/Q5Jg", "####", "y/Q5JgAA", "rosUhgp5mIg="] {
            let claim = Claim::of_request(value(bad), None, None);
            assert_eq!(code(claim), "InvalidRequest", "{bad:?}");
        }
        let mut two = value("y/Q5Jg==");
        two.checksum_crc32c = Some("4waSgw==".to_owned());
        assert_eq!(code(Claim::of_request(two, None, None)), "InvalidRequest");
        for (trailers, named) in [
            (Some("x-amz-checksum-sha1"), Some(crc32)),
            (Some("x-amz-checksum-md5"), None),
            (Some("x-amz-checksum-sha1,x-amz-checksum-crc32"), None),
            (None, Some(crc32)),
        ] {
            let claim = Claim::of_request(dto::Checksum::default(), trailers, named);
            assert_eq!(code(claim), "InvalidRequest", "{trailers:?}");
        }
    }
}
