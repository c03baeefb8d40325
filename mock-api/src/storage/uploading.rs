//! The operations of an upload in parts, as requests of the S3 endpoint.

use s3s::dto::{
    ChecksumType, CompleteMultipartUploadInput, CompleteMultipartUploadOutput, CompletedPart,
    CopyPartResult, CreateMultipartUploadInput, CreateMultipartUploadOutput, ETag,
    ListMultipartUploadsInput, ListMultipartUploadsOutput, ListPartsInput, ListPartsOutput, Range,
    UploadPartCopyInput, UploadPartCopyOutput, UploadPartInput, UploadPartOutput,
};
use s3s::{S3Request, S3Result, s3_error};

use super::answers::{self, take_said};
use super::body::{self, take_body};
use super::checksum::{self, Algorithm, Claim, Scope, show_checksum, take_checksums};
use super::conditions;
use super::failure;
use super::multipart::{Checksums, Chosen, Expected, ListedPart, Target, UploadError};
use super::object::{Content, SystemHeader};
use super::operations::{Operations, check_source};
use super::parts_shown;

/// The upload that an input means.
macro_rules! target {
    ($input:expr) => {
        Target {
            bucket: &$input.bucket,
            key: &$input.key,
            upload: &$input.upload_id,
        }
    };
}

impl Operations {
    pub(super) fn begin_upload(
        &self,
        mut input: CreateMultipartUploadInput,
    ) -> S3Result<CreateMultipartUploadOutput> {
        self.expect_bucket(&input.bucket)?;
        let attributes = take_said!(input).attributes()?;
        let algorithm = input.checksum_algorithm.as_ref();
        let algorithm = algorithm.map(|named| Algorithm::named(named.as_str()));
        let checksums = chosen(algorithm.transpose()?, input.checksum_type.as_ref())?;
        let upload = self
            .uploads
            .create(&input.bucket, &input.key, attributes, checksums)
            .map_err(|error| failure::upload(&error))?;
        let named = checksums.chosen == Chosen::ByClient;
        Ok(CreateMultipartUploadOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id: Some(upload),
            checksum_algorithm: named.then(|| checksums.algorithm.shown()),
            checksum_type: named.then(|| checksums.scope.shown()),
            ..CreateMultipartUploadOutput::default()
        })
    }

    pub(super) async fn take_part(
        &self,
        mut request: S3Request<UploadPartInput>,
    ) -> S3Result<UploadPartOutput> {
        let body = take_body!(request);
        let input = request.input;
        let target = target!(input);
        let refused = |error: UploadError| failure::upload(&error);
        let checksums = self
            .uploads
            .expect_part(target, input.part_number)
            .map_err(refused)?;
        if let Some(claim) = &body.1.checksum
            && checksums.chosen == Chosen::ByClient
            && claim.algorithm != checksums.algorithm
        {
            return Err(refused(UploadError::Algorithm {
                expected: checksums.algorithm.name(),
                actual: claim.algorithm.name(),
            }));
        }
        let (part, checksum) =
            body::read(&self.store, self.limits, body, checksums.algorithm).await?;
        let mut output = UploadPartOutput {
            e_tag: Some(ETag::Strong(part.etag().to_owned())),
            ..UploadPartOutput::default()
        };
        show_checksum!(output, checksum.shown());
        let value = if checksum.algorithm == checksums.algorithm {
            checksum.value
        } else {
            of_content(checksums.algorithm, &part)
        };
        self.uploads
            .put_part(target, input.part_number, (part, value))
            .map_err(refused)?;
        Ok(output)
    }

    pub(super) fn copy_part(
        &self,
        request: &S3Request<UploadPartCopyInput>,
    ) -> S3Result<UploadPartCopyOutput> {
        let input = &request.input;
        let source = self.copy_source(request.credentials.as_ref(), &input.copy_source)?;
        check_source!(input, &source)?;
        let target = target!(input);
        let checksums = self
            .uploads
            .expect_part(target, input.part_number)
            .map_err(|error| failure::upload(&error))?;
        let range = match input.copy_source_range.as_deref() {
            None => 0..source.size(),
            Some(range) => copied_range(range, source.size())?,
        };
        let mut reservation = self.store.reservation();
        reservation
            .grow(range.end - range.start)
            .map_err(|full| failure::full(&full))?;
        let part = Content::new(source.content().body().slice(range), reservation);
        let value = of_content(checksums.algorithm, &part);
        let mut result = CopyPartResult {
            e_tag: Some(ETag::Strong(part.etag().to_owned())),
            last_modified: Some(std::time::SystemTime::now().into()),
            ..CopyPartResult::default()
        };
        if checksums.chosen == Chosen::ByClient {
            show_checksum!(result, checksum::value_shown(checksums.algorithm, &value));
        }
        self.uploads
            .put_part(target, input.part_number, (part, value))
            .map_err(|error| failure::upload(&error))?;
        Ok(UploadPartCopyOutput {
            copy_part_result: Some(result),
            ..UploadPartCopyOutput::default()
        })
    }

    pub(super) fn parts_of(&self, input: ListPartsInput) -> S3Result<ListPartsOutput> {
        self.expect_bucket(&input.bucket)?;
        let parts = self.uploads.parts(target!(input));
        let parts = parts.map_err(|error| failure::upload(&error))?;
        parts_shown::parts(parts, input)
    }

    pub(super) fn uploads_of(
        &self,
        input: ListMultipartUploadsInput,
    ) -> S3Result<ListMultipartUploadsOutput> {
        self.expect_bucket(&input.bucket)?;
        parts_shown::uploads(self.uploads.in_bucket(&input.bucket), input)
    }

    pub(super) fn complete_upload(
        &self,
        mut input: CompleteMultipartUploadInput,
    ) -> S3Result<CompleteMultipartUploadOutput> {
        let claim = Claim::of_values(take_checksums!(input))?;
        let expected = Expected {
            condition: conditions::of_write(input.if_match, input.if_none_match)?,
            checksum: claim.and_then(|claim| Some((claim.algorithm, claim.value?))),
            scope: input.checksum_type.as_ref().map(scope_named).transpose()?,
            size: input
                .mpu_object_size
                .and_then(|size| u64::try_from(size).ok()),
        };
        let listed = input.multipart_upload.and_then(|upload| upload.parts);
        let listed = listed.unwrap_or_default().into_iter().map(listed_part);
        let listed = listed.collect::<S3Result<Vec<_>>>()?;
        let object = self
            .uploads
            .complete(&self.store, target!(input), &listed, &expected)
            .map_err(|error| failure::upload(&error))?;
        let mut shown = object.checksum().shown();
        let mut output = CompleteMultipartUploadOutput {
            e_tag: Some(answers::etag(&object)),
            location: Some(format!("/{}/{}", input.bucket, input.key)),
            bucket: Some(input.bucket),
            key: Some(input.key),
            checksum_type: shown.checksum_type.take(),
            ..CompleteMultipartUploadOutput::default()
        };
        show_checksum!(output, shown);
        Ok(output)
    }
}

fn of_content(algorithm: Algorithm, content: &Content) -> String {
    algorithm.of(content.body().as_slice().iter().map(AsRef::as_ref))
}

fn listed_part(mut part: CompletedPart) -> S3Result<ListedPart> {
    let claim = Claim::of_values(take_checksums!(part))?;
    Ok(ListedPart {
        number: part.part_number.unwrap_or_default(),
        etag: part.e_tag.map(ETag::into_value),
        checksum: claim.and_then(|claim| Some((claim.algorithm, claim.value?))),
    })
}

/// The bytes of `bytes=first-last`, both of them in the object: S3 takes no other range here.
fn copied_range(range: &str, size: u64) -> S3Result<std::ops::Range<u64>> {
    let invalid = || {
        s3_error!(
            InvalidArgument,
            "The x-amz-copy-source-range value must be of the form bytes=first-last where first \
             and last are the zero-based offsets of the first and last bytes to copy"
        )
    };
    match Range::parse(range).map_err(|_| invalid())? {
        Range::Int {
            first,
            last: Some(last),
        } if first <= last && last < size => Ok(first..last + 1),
        Range::Int { last: Some(_), .. } => Err(s3_error!(
            InvalidArgument,
            "Range specified is not valid for source object of size: {size}"
        )),
        Range::Int { last: None, .. } | Range::Suffix { .. } => Err(invalid()),
    }
}

fn scope_named(named: &ChecksumType) -> S3Result<Scope> {
    match named.as_str() {
        ChecksumType::FULL_OBJECT => Ok(Scope::FullObject),
        ChecksumType::COMPOSITE => Ok(Scope::Composite),
        _ => Err(s3_error!(
            InvalidRequest,
            "The checksum type is COMPOSITE or FULL_OBJECT."
        )),
    }
}

/// The checksums of a new upload: without a type those of SHA, CRC32 and CRC32C are composite, and
/// SHA cannot be anything else.
fn chosen(algorithm: Option<Algorithm>, named: Option<&ChecksumType>) -> S3Result<Checksums> {
    let scope = named.map(scope_named).transpose()?;
    let Some(algorithm) = algorithm else {
        if scope.is_some() {
            return Err(s3_error!(
                InvalidRequest,
                "The x-amz-checksum-type header can only be used with the \
                 x-amz-checksum-algorithm header."
            ));
        }
        return Ok(Checksums {
            algorithm: Algorithm::Crc64nvme,
            scope: Scope::FullObject,
            chosen: Chosen::ByDefault,
        });
    };
    let (usual, possible) = match algorithm {
        Algorithm::Crc64nvme => (Scope::FullObject, [Scope::FullObject; 2]),
        Algorithm::Sha1 | Algorithm::Sha256 => (Scope::Composite, [Scope::Composite; 2]),
        Algorithm::Crc32 | Algorithm::Crc32c => {
            (Scope::Composite, [Scope::Composite, Scope::FullObject])
        }
    };
    let scope = scope.unwrap_or(usual);
    if !possible.contains(&scope) {
        return Err(s3_error!(
            InvalidRequest,
            "The {} checksum type cannot be used with the {} checksum algorithm.",
            scope.shown().as_str(),
            algorithm.name().to_lowercase()
        ));
    }
    Ok(Checksums {
        algorithm,
        scope,
        chosen: Chosen::ByClient,
    })
}
