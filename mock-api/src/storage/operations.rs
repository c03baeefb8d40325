//! The operations of the S3 endpoint on the store. What is not here answers `NotImplemented`.

use std::sync::Arc;

use s3s::dto::*;
use s3s::{S3, S3Request, S3Response, S3Result, s3_error};

use super::access::Keyring;
use super::answers::{self, KeyEncoding, Listing};
use super::body::{self, BodyLimits};
use super::conditions::{self, ReadConditions};
use super::failure;
use super::multipart::{Target, Uploads};
use super::object::Object;
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
    fn object(&self, bucket: &str, key: &str) -> S3Result<Object> {
        let missing = || match self.store.bucket_created_at(bucket) {
            Some(_) => s3_error!(NoSuchKey, "There is no object under this key."),
            None => s3_error!(NoSuchBucket, "There is no bucket of this name."),
        };
        self.store.get(bucket, key).ok_or_else(missing)
    }

    fn expect_bucket(&self, bucket: &str) -> S3Result<()> {
        let missing = || s3_error!(NoSuchBucket, "There is no bucket of this name.");
        self.store
            .bucket_created_at(bucket)
            .map(drop)
            .ok_or_else(missing)
    }

    /// The source of a copy. It is checked here because the path names only the target.
    fn copy_source(&self, request: &S3Request<CopyObjectInput>) -> S3Result<Object> {
        let CopySource::Bucket { bucket, key, .. } = &request.input.copy_source else {
            return Err(s3_error!(
                NotImplemented,
                "Objects are copied from buckets only."
            ));
        };
        if self.keyring.bucket_of(request.credentials.as_ref()) != Some(bucket) {
            return Err(s3_error!(
                AccessDenied,
                "The source is in a bucket of someone else."
            ));
        }
        let source = self.object(bucket, key)?;
        let conditions = ReadConditions {
            if_match: request.input.copy_source_if_match.as_ref(),
            if_none_match: request.input.copy_source_if_none_match.as_ref(),
            if_modified_since: request.input.copy_source_if_modified_since.as_ref(),
            if_unmodified_since: request.input.copy_source_if_unmodified_since.as_ref(),
        };
        // A copy's failed condition is 412 whichever it is.
        conditions
            .check(&source)
            .map_err(|_| s3_error!(PreconditionFailed))?;
        Ok(source)
    }
}

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
        Ok(S3Response::new(HeadBucketOutput::default()))
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
        Ok(S3Response::new(answers::object(&object, input.range)?))
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
        Ok(S3Response::new(answers::head(&object)))
    }

    async fn put_object(
        &self,
        request: S3Request<PutObjectInput>,
    ) -> S3Result<S3Response<PutObjectOutput>> {
        let input = request.input;
        self.expect_bucket(&input.bucket)?;
        let condition = conditions::of_write(input.if_match, input.if_none_match)?;
        let md5 = input.content_md5.as_deref();
        let content = body::read(
            &self.store,
            self.limits,
            input.body,
            input.content_length,
            md5,
        )
        .await?;
        let attributes = answers::attributes(input.content_type, input.metadata);
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
        let e_tag = Some(answers::etag(&object));
        Ok(S3Response::new(PutObjectOutput {
            e_tag,
            ..PutObjectOutput::default()
        }))
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
        let source = self.copy_source(&request)?;
        let input = request.input;
        let replace = input
            .metadata_directive
            .is_some_and(|directive| directive.as_str() == MetadataDirective::REPLACE);
        let attributes = if replace {
            answers::attributes(input.content_type, input.metadata)
        } else {
            source.attributes().clone()
        };
        let object = self
            .store
            .copy(&source, &input.bucket, &input.key, attributes)
            .map_err(|error| failure::put(&error))?;
        let result = CopyObjectResult {
            e_tag: Some(answers::etag(&object)),
            last_modified: Some(object.last_modified().into()),
            ..CopyObjectResult::default()
        };
        let copy_object_result = Some(result);
        Ok(S3Response::new(CopyObjectOutput {
            copy_object_result,
            ..CopyObjectOutput::default()
        }))
    }

    async fn create_multipart_upload(
        &self,
        request: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        let input = request.input;
        self.expect_bucket(&input.bucket)?;
        let attributes = answers::attributes(input.content_type, input.metadata);
        let upload = self
            .uploads
            .create(&input.bucket, &input.key, attributes)
            .map_err(|error| failure::upload(&error))?;
        Ok(S3Response::new(CreateMultipartUploadOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id: Some(upload),
            ..CreateMultipartUploadOutput::default()
        }))
    }

    async fn upload_part(
        &self,
        request: S3Request<UploadPartInput>,
    ) -> S3Result<S3Response<UploadPartOutput>> {
        let input = request.input;
        let target = Target {
            bucket: &input.bucket,
            key: &input.key,
            upload: &input.upload_id,
        };
        self.uploads
            .expect_part(target, input.part_number)
            .map_err(|error| failure::upload(&error))?;
        let md5 = input.content_md5.as_deref();
        let part = body::read(
            &self.store,
            self.limits,
            input.body,
            input.content_length,
            md5,
        )
        .await?;
        let e_tag = Some(ETag::Strong(part.etag().to_owned()));
        self.uploads
            .put_part(target, input.part_number, part)
            .map_err(|error| failure::upload(&error))?;
        Ok(S3Response::new(UploadPartOutput {
            e_tag,
            ..UploadPartOutput::default()
        }))
    }

    async fn complete_multipart_upload(
        &self,
        request: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        let input = request.input;
        let condition = conditions::of_write(input.if_match, input.if_none_match)?;
        let parts = input
            .multipart_upload
            .and_then(|upload| upload.parts)
            .unwrap_or_default();
        let listed = |part: CompletedPart| {
            (
                part.part_number.unwrap_or_default(),
                part.e_tag.map(ETag::into_value),
            )
        };
        let parts: Vec<_> = parts.into_iter().map(listed).collect();
        let target = Target {
            bucket: &input.bucket,
            key: &input.key,
            upload: &input.upload_id,
        };
        let object = self
            .uploads
            .complete(&self.store, target, &parts, &condition)
            .map_err(|error| failure::upload(&error))?;
        Ok(S3Response::new(CompleteMultipartUploadOutput {
            e_tag: Some(answers::etag(&object)),
            location: Some(format!("/{}/{}", input.bucket, input.key)),
            bucket: Some(input.bucket),
            key: Some(input.key),
            ..CompleteMultipartUploadOutput::default()
        }))
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
