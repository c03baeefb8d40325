//! The operations of the S3 endpoint on the store. What is not here answers `NotImplemented`.

use std::sync::Arc;

use s3s::auth::Credentials;
use s3s::dto::*;
use s3s::{S3, S3Request, S3Response, S3Result, s3_error};

use super::access::Keyring;
use super::answers::{self, KeyEncoding, Listing, Wanted, take_said};
use super::body::{self, BodyLimits, take_body};
use super::checksum::{Algorithm, Checksum, show_checksum};
use super::conditions::{self, ReadConditions};
use super::failure;
use super::front::REGION;
use super::multipart::{Target, Uploads};
use super::object::{Object, SystemHeader};
use super::parts_shown;
use super::store::Store;

/// Keys in one `DeleteObjects` at most, as in S3.
const DELETE_MAX: usize = 1000;

#[derive(Debug)]
pub(super) struct Operations {
    pub(super) store: Store,
    pub(super) keyring: Keyring,
    pub(super) uploads: Uploads,
    pub(super) limits: BodyLimits,
}

impl Operations {
    pub(super) fn object(&self, bucket: &str, key: &str) -> S3Result<Object> {
        self.expect_bucket(bucket)?;
        let missing = || s3_error!(NoSuchKey, "There is no object under this key.");
        self.store.get(bucket, key).ok_or_else(missing)
    }

    pub(super) fn expect_bucket(&self, bucket: &str) -> S3Result<()> {
        let missing = || s3_error!(NoSuchBucket, "There is no bucket of this name.");
        self.store
            .bucket_created_at(bucket)
            .map(drop)
            .ok_or_else(missing)
    }

    /// The source of a copy. It is checked here because the path names only the target.
    pub(super) fn copy_source(
        &self,
        credentials: Option<&Credentials>,
        source: &CopySource,
    ) -> S3Result<Object> {
        let CopySource::Bucket { bucket, key, .. } = source else {
            return Err(s3_error!(
                NotImplemented,
                "Objects are copied from buckets only."
            ));
        };
        self.expect_bucket(bucket)?;
        if self.keyring.bucket_of(credentials) != Some(bucket) {
            return Err(s3_error!(
                AccessDenied,
                "The source is in a bucket of someone else."
            ));
        }
        self.object(bucket, key)
    }
}

/// Holds the source of a copy against the request's conditions; either of them fails as 412.
macro_rules! check_source {
    ($input:expr, $source:expr) => {
        $crate::storage::conditions::ReadConditions {
            if_match: $input.copy_source_if_match.as_ref(),
            if_none_match: $input.copy_source_if_none_match.as_ref(),
            if_modified_since: $input.copy_source_if_modified_since.as_ref(),
            if_unmodified_since: $input.copy_source_if_unmodified_since.as_ref(),
        }
        .check($source)
        .map_err(|_| s3s::s3_error!(PreconditionFailed))
    };
}

pub(super) use check_source;

#[async_trait::async_trait]
impl S3 for Operations {
    async fn list_buckets(
        &self,
        request: S3Request<ListBucketsInput>,
    ) -> S3Result<S3Response<ListBucketsOutput>> {
        let granted = self.keyring.bucket_of(request.credentials.as_ref());
        let shown = |name: &str| {
            let created_at = self.store.bucket_created_at(name)?;
            Some(Bucket {
                name: Some(name.to_owned()),
                creation_date: Some(created_at.into()),
                ..Bucket::default()
            })
        };
        let buckets = granted.and_then(shown).into_iter().collect();
        Ok(S3Response::new(ListBucketsOutput {
            buckets: Some(buckets),
            ..ListBucketsOutput::default()
        }))
    }

    async fn head_bucket(
        &self,
        request: S3Request<HeadBucketInput>,
    ) -> S3Result<S3Response<HeadBucketOutput>> {
        self.expect_bucket(&request.input.bucket)?;
        Ok(S3Response::new(HeadBucketOutput {
            bucket_region: Some(REGION.to_owned()),
            ..HeadBucketOutput::default()
        }))
    }

    async fn create_bucket(
        &self,
        request: S3Request<CreateBucketInput>,
    ) -> S3Result<S3Response<CreateBucketOutput>> {
        let bucket = request.input.bucket;
        self.store
            .create_bucket(&bucket)
            .map_err(|error| s3_error!(TooManyBuckets, "{error}"))?;
        let location = Some(format!("/{bucket}"));
        Ok(S3Response::new(CreateBucketOutput { location }))
    }

    async fn get_bucket_location(
        &self,
        request: S3Request<GetBucketLocationInput>,
    ) -> S3Result<S3Response<GetBucketLocationOutput>> {
        self.expect_bucket(&request.input.bucket)?;
        Ok(S3Response::new(GetBucketLocationOutput::default()))
    }

    /// No bucket has versions, and none ever had.
    async fn get_bucket_versioning(
        &self,
        request: S3Request<GetBucketVersioningInput>,
    ) -> S3Result<S3Response<GetBucketVersioningOutput>> {
        self.expect_bucket(&request.input.bucket)?;
        Ok(S3Response::new(GetBucketVersioningOutput::default()))
    }

    async fn list_objects(
        &self,
        request: S3Request<ListObjectsInput>,
    ) -> S3Result<S3Response<ListObjectsOutput>> {
        let input = request.input;
        let listing = Listing {
            bucket: input.bucket,
            prefix: input.prefix,
            delimiter: input.delimiter,
            after: input.marker,
            max_keys: input.max_keys,
            encoding: KeyEncoding::of(input.encoding_type.as_ref()),
        };
        let page = listing.page(&self.store)?;
        Ok(S3Response::new(ListObjectsOutput {
            prefix: Some(listing.encoded(listing.prefix.as_deref().unwrap_or_default())),
            delimiter: listing
                .delimiter
                .as_deref()
                .map(|text| listing.encoded(text)),
            marker: Some(listing.encoded(listing.after.as_deref().unwrap_or_default())),
            max_keys: i32::try_from(listing.max_keys()?).ok(),
            is_truncated: Some(page.next_after.is_some()),
            next_marker: page.next_after.as_deref().map(|text| listing.encoded(text)),
            contents: Some(listing.contents(&page)),
            common_prefixes: Some(listing.common_prefixes(&page)),
            encoding_type: listing.encoding.shown(),
            name: Some(listing.bucket),
            ..ListObjectsOutput::default()
        }))
    }

    async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        let input = request.input;
        let resumed = input
            .continuation_token
            .as_deref()
            .map(answers::token_place)
            .transpose()?;
        let listing = Listing {
            bucket: input.bucket,
            prefix: input.prefix,
            delimiter: input.delimiter,
            after: resumed.or_else(|| input.start_after.clone()),
            max_keys: input.max_keys,
            encoding: KeyEncoding::of(input.encoding_type.as_ref()),
        };
        let page = listing.page(&self.store)?;
        let count = page.objects.len() + page.common_prefixes.len();
        Ok(S3Response::new(ListObjectsV2Output {
            prefix: Some(listing.encoded(listing.prefix.as_deref().unwrap_or_default())),
            delimiter: listing
                .delimiter
                .as_deref()
                .map(|text| listing.encoded(text)),
            start_after: input
                .start_after
                .as_deref()
                .map(|text| listing.encoded(text)),
            max_keys: i32::try_from(listing.max_keys()?).ok(),
            key_count: i32::try_from(count).ok(),
            is_truncated: Some(page.next_after.is_some()),
            continuation_token: input.continuation_token,
            next_continuation_token: page.next_after.as_deref().map(answers::token),
            contents: Some(listing.contents(&page)),
            common_prefixes: Some(listing.common_prefixes(&page)),
            encoding_type: listing.encoding.shown(),
            name: Some(listing.bucket),
            ..ListObjectsV2Output::default()
        }))
    }

    async fn get_object(
        &self,
        request: S3Request<GetObjectInput>,
    ) -> S3Result<S3Response<GetObjectOutput>> {
        let input = request.input;
        let object = self.object(&input.bucket, &input.key)?;
        let conditions = ReadConditions {
            if_match: input.if_match.as_ref(),
            if_none_match: input.if_none_match.as_ref(),
            if_modified_since: input.if_modified_since.as_ref(),
            if_unmodified_since: input.if_unmodified_since.as_ref(),
        };
        conditions.check(&object)?;
        let wanted = Wanted {
            range: input.range,
            part: input.part_number,
            checksum_mode: input.checksum_mode,
        };
        Ok(S3Response::new(answers::object(&object, wanted)?))
    }

    async fn head_object(
        &self,
        request: S3Request<HeadObjectInput>,
    ) -> S3Result<S3Response<HeadObjectOutput>> {
        let input = request.input;
        let object = self.object(&input.bucket, &input.key)?;
        let conditions = ReadConditions {
            if_match: input.if_match.as_ref(),
            if_none_match: input.if_none_match.as_ref(),
            if_modified_since: input.if_modified_since.as_ref(),
            if_unmodified_since: input.if_unmodified_since.as_ref(),
        };
        conditions.check(&object)?;
        let wanted = Wanted {
            range: input.range,
            part: input.part_number,
            checksum_mode: input.checksum_mode,
        };
        Ok(S3Response::new(answers::head(&object, wanted)?))
    }

    async fn get_object_attributes(
        &self,
        request: S3Request<GetObjectAttributesInput>,
    ) -> S3Result<S3Response<GetObjectAttributesOutput>> {
        let object = self.object(&request.input.bucket, &request.input.key)?;
        Ok(S3Response::new(parts_shown::attributes(
            &object,
            &request.input,
        )?))
    }

    async fn put_object(
        &self,
        mut request: S3Request<PutObjectInput>,
    ) -> S3Result<S3Response<PutObjectOutput>> {
        self.expect_bucket(&request.input.bucket)?;
        let body = take_body!(request);
        let mut input = request.input;
        let condition = conditions::of_write(input.if_match.take(), input.if_none_match.take())?;
        let mut attributes = take_said!(input).attributes()?;
        let read = body::read(&self.store, self.limits, body, Algorithm::Crc64nvme);
        let (content, checksum) = read.await?;
        attributes.checksum = Some(checksum).filter(Checksum::is_kept);
        let object = self
            .store
            .put_content(
                &input.bucket,
                &input.key,
                Arc::new(content),
                attributes,
                &condition,
            )
            .map_err(|error| failure::put(&error))?;
        let mut shown = object.checksum().shown();
        let mut output = PutObjectOutput {
            e_tag: Some(answers::etag(&object)),
            checksum_type: shown.checksum_type.take(),
            ..PutObjectOutput::default()
        };
        show_checksum!(output, shown);
        Ok(S3Response::new(output))
    }

    async fn delete_object(
        &self,
        request: S3Request<DeleteObjectInput>,
    ) -> S3Result<S3Response<DeleteObjectOutput>> {
        self.expect_bucket(&request.input.bucket)?;
        drop(self.store.delete(&request.input.bucket, &request.input.key));
        Ok(S3Response::new(DeleteObjectOutput::default()))
    }

    async fn delete_objects(
        &self,
        request: S3Request<DeleteObjectsInput>,
    ) -> S3Result<S3Response<DeleteObjectsOutput>> {
        let DeleteObjectsInput { bucket, delete, .. } = request.input;
        self.expect_bucket(&bucket)?;
        if delete.objects.len() > DELETE_MAX {
            return Err(s3_error!(
                MalformedXML,
                "At most {DELETE_MAX} keys are deleted at once."
            ));
        }
        let deleted = delete
            .objects
            .into_iter()
            .map(|ObjectIdentifier { key, .. }| {
                drop(self.store.delete(&bucket, &key));
                DeletedObject {
                    key: Some(key),
                    ..DeletedObject::default()
                }
            });
        let deleted: Vec<_> = deleted.collect();
        let deleted = Some(deleted).filter(|_| delete.quiet != Some(true));
        Ok(S3Response::new(DeleteObjectsOutput {
            deleted,
            ..DeleteObjectsOutput::default()
        }))
    }

    async fn copy_object(
        &self,
        request: S3Request<CopyObjectInput>,
    ) -> S3Result<S3Response<CopyObjectOutput>> {
        let credentials = request.credentials.as_ref();
        let source = self.copy_source(credentials, &request.input.copy_source)?;
        let mut input = request.input;
        check_source!(input, &source)?;
        let directive = input.metadata_directive.as_ref();
        let replace =
            directive.is_some_and(|directive| directive.as_str() == MetadataDirective::REPLACE);
        let mut attributes = source.attributes().clone();
        if replace {
            attributes = take_said!(input).attributes()?;
            attributes.checksum = source.attributes().checksum.clone();
        } else if is_itself(&input) {
            return Err(s3_error!(
                InvalidRequest,
                "This copy request is illegal because it is trying to copy an object to itself \
                 without changing the object's metadata."
            ));
        }
        if let Some(algorithm) = &input.checksum_algorithm {
            let checksum = Checksum::full(Algorithm::named(algorithm.as_str())?, source.pieces());
            attributes.checksum = Some(checksum).filter(Checksum::is_kept);
        }
        let object = self
            .store
            .copy(&source, &input.bucket, &input.key, attributes)
            .map_err(|error| failure::put(&error))?;
        let mut shown = object.checksum().shown();
        let mut result = CopyObjectResult {
            e_tag: Some(answers::etag(&object)),
            last_modified: Some(object.last_modified().into()),
            checksum_type: shown.checksum_type.take(),
            ..CopyObjectResult::default()
        };
        show_checksum!(result, shown);
        Ok(S3Response::new(CopyObjectOutput {
            copy_object_result: Some(result),
            ..CopyObjectOutput::default()
        }))
    }

    async fn create_multipart_upload(
        &self,
        request: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        self.begin_upload(request.input).map(S3Response::new)
    }

    async fn upload_part(
        &self,
        request: S3Request<UploadPartInput>,
    ) -> S3Result<S3Response<UploadPartOutput>> {
        self.take_part(request).await.map(S3Response::new)
    }

    async fn upload_part_copy(
        &self,
        request: S3Request<UploadPartCopyInput>,
    ) -> S3Result<S3Response<UploadPartCopyOutput>> {
        self.copy_part(&request).map(S3Response::new)
    }

    async fn list_parts(
        &self,
        request: S3Request<ListPartsInput>,
    ) -> S3Result<S3Response<ListPartsOutput>> {
        self.parts_of(request.input).map(S3Response::new)
    }

    async fn list_multipart_uploads(
        &self,
        request: S3Request<ListMultipartUploadsInput>,
    ) -> S3Result<S3Response<ListMultipartUploadsOutput>> {
        self.uploads_of(request.input).map(S3Response::new)
    }

    async fn complete_multipart_upload(
        &self,
        request: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        self.complete_upload(request.input).map(S3Response::new)
    }

    async fn abort_multipart_upload(
        &self,
        request: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        let input = request.input;
        let target = Target {
            bucket: &input.bucket,
            key: &input.key,
            upload: &input.upload_id,
        };
        self.uploads
            .abort(target)
            .map_err(|error| failure::upload(&error))?;
        Ok(S3Response::new(AbortMultipartUploadOutput::default()))
    }
}

fn is_itself(input: &CopyObjectInput) -> bool {
    let unchanged = input.checksum_algorithm.is_none();
    match &input.copy_source {
        CopySource::Bucket { bucket, key, .. } => {
            unchanged && **bucket == *input.bucket && **key == *input.key
        }
        CopySource::AccessPoint { .. } | CopySource::Outpost { .. } => false,
    }
}
