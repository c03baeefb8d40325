//! Parts and uploads as S3 shows them, page by page.

use s3s::dto::{
    self, CommonPrefix, GetObjectAttributesInput, GetObjectAttributesOutput,
    GetObjectAttributesParts, ListMultipartUploadsInput, ListMultipartUploadsOutput,
    ListPartsInput, ListPartsOutput, MultipartUpload, ObjectAttributes, ObjectPart,
};
use s3s::{S3Result, s3_error};

use super::answers::{self, KeyEncoding};
use super::checksum::{self, Scope, show_checksum};
use super::multipart::{Checksums, Chosen, ShownPart, ShownUpload};
use super::object::{Object, Part};

/// Parts, or uploads, of a page at most, as in S3.
const PAGE_MAX: usize = 1000;

/// How many a page has, of what is asked for.
fn page_length(asked: Option<i32>) -> S3Result<usize> {
    let asked = usize::try_from(asked.unwrap_or(1000));
    let asked = asked.map_err(|_| {
        s3_error!(
            InvalidArgument,
            "The length of a page must not be negative."
        )
    })?;
    Ok(asked.min(PAGE_MAX))
}

/// The marker of parts; none stands before the first.
fn marker(asked: Option<i32>) -> i32 {
    asked.unwrap_or(0)
}

fn count(length: usize) -> Option<i32> {
    i32::try_from(length).ok()
}

/// What was asked for of an object's attributes.
pub(super) fn attributes(
    object: &Object,
    input: &GetObjectAttributesInput,
) -> S3Result<GetObjectAttributesOutput> {
    // Clients send one header for all of them, or one for each.
    let asked = |name: &str| {
        let values = input.object_attributes.iter();
        let mut names = values.flat_map(|asked| asked.as_str().split(','));
        names.any(|asked| asked.trim() == name)
    };
    let parts = object.content().parts();
    let parts = (asked(ObjectAttributes::OBJECT_PARTS) && !parts.is_empty())
        .then(|| object_parts(object, parts, input))
        .transpose()?;
    Ok(GetObjectAttributesOutput {
        checksum: asked(ObjectAttributes::CHECKSUM).then(|| object.checksum().shown()),
        e_tag: asked(ObjectAttributes::ETAG).then(|| answers::etag(object)),
        last_modified: Some(object.last_modified().into()),
        object_parts: parts,
        object_size: asked(ObjectAttributes::OBJECT_SIZE).then(|| answers::size(object.size())),
        storage_class: asked(ObjectAttributes::STORAGE_CLASS)
            .then(|| dto::StorageClass::from_static(dto::StorageClass::STANDARD)),
        ..GetObjectAttributesOutput::default()
    })
}

fn object_parts(
    object: &Object,
    parts: &[Part],
    input: &GetObjectAttributesInput,
) -> S3Result<GetObjectAttributesParts> {
    let marker = marker(input.part_number_marker);
    let length = page_length(input.max_parts)?;
    let whole = object.checksum();
    let later: Vec<_> = parts.iter().filter(|part| part.number > marker).collect();
    let page = later.get(..length).unwrap_or(&later);
    let shown = page.iter().map(|part| {
        let mut shown = ObjectPart {
            part_number: Some(part.number),
            size: Some(answers::size(part.size)),
            ..ObjectPart::default()
        };
        if whole.scope == Scope::Composite {
            show_checksum!(
                shown,
                checksum::value_shown(whole.algorithm, &part.checksum)
            );
        }
        shown
    });
    Ok(GetObjectAttributesParts {
        is_truncated: Some(page.len() < later.len()),
        max_parts: count(length),
        part_number_marker: Some(marker),
        next_part_number_marker: page.last().map(|part| part.number),
        // S3 lists them where they have checksums of their own.
        parts: (whole.scope == Scope::Composite).then(|| shown.collect()),
        total_parts_count: count(parts.len()),
    })
}

/// A page of an upload's parts.
pub(super) fn parts(
    (checksums, parts): (Checksums, Vec<ShownPart>),
    input: ListPartsInput,
) -> S3Result<ListPartsOutput> {
    let marker = marker(input.part_number_marker);
    let length = page_length(input.max_parts)?;
    let later: Vec<_> = parts
        .into_iter()
        .filter(|part| part.number > marker)
        .collect();
    let page = later.get(..length).unwrap_or(&later);
    let chosen = checksums.chosen == Chosen::ByClient;
    let shown = page.iter().map(|part| {
        let mut shown = dto::Part {
            part_number: Some(part.number),
            size: Some(answers::size(part.size)),
            e_tag: Some(dto::ETag::Strong(part.etag.clone())),
            last_modified: Some(part.uploaded_at.into()),
            ..dto::Part::default()
        };
        if chosen {
            show_checksum!(
                shown,
                checksum::value_shown(checksums.algorithm, &part.checksum)
            );
        }
        shown
    });
    Ok(ListPartsOutput {
        parts: Some(shown.collect()),
        is_truncated: Some(page.len() < later.len()),
        max_parts: count(length),
        part_number_marker: Some(marker),
        next_part_number_marker: page.last().map(|part| part.number),
        checksum_algorithm: chosen.then(|| checksums.algorithm.shown()),
        checksum_type: chosen.then(|| checksums.scope.shown()),
        storage_class: Some(dto::StorageClass::from_static(dto::StorageClass::STANDARD)),
        bucket: Some(input.bucket),
        key: Some(input.key),
        upload_id: Some(input.upload_id),
        ..ListPartsOutput::default()
    })
}

/// What a page of uploads has: an upload, or what the keys of several have in common.
enum Line {
    Upload(ShownUpload),
    Common(String),
}

/// A page of the uploads under way in a bucket, which come by key and id.
pub(super) fn uploads(
    all: Vec<ShownUpload>,
    input: ListMultipartUploadsInput,
) -> S3Result<ListMultipartUploadsOutput> {
    let encoding = KeyEncoding::of(input.encoding_type.as_ref());
    let length = page_length(input.max_uploads)?;
    let prefix = input.prefix.unwrap_or_default();
    let delimiter = input.delimiter.filter(|delimiter| !delimiter.is_empty());
    let key_marker = input.key_marker.unwrap_or_default();
    let id_marker = input.upload_id_marker.unwrap_or_default();
    let common = |key: &str| {
        let rest = key.strip_prefix(&*prefix)?;
        let delimiter = delimiter.as_deref()?;
        let (folder, _) = rest.split_once(delimiter)?;
        Some(format!("{prefix}{folder}{delimiter}"))
    };
    let mut lines = Vec::new();
    for upload in all {
        let known = (&*upload.key, &*upload.id);
        // Without an id the marker's key itself is passed by.
        let passed = upload.key < key_marker
            || (upload.key == key_marker && (id_marker.is_empty() || known.1 <= &*id_marker));
        if !upload.key.starts_with(&prefix) || (!key_marker.is_empty() && passed) {
            continue;
        }
        match common(&upload.key) {
            None => lines.push(Line::Upload(upload)),
            Some(folder) if folder <= key_marker => {}
            Some(folder) => {
                let last = matches!(lines.last(), Some(Line::Common(last)) if *last == folder);
                if !last {
                    lines.push(Line::Common(folder));
                }
            }
        }
    }
    let truncated = lines.len() > length;
    lines.truncate(length);
    let next = lines.last().filter(|_| truncated).map(|line| match line {
        Line::Upload(upload) => (upload.key.clone(), Some(upload.id.clone())),
        Line::Common(folder) => (folder.clone(), None),
    });
    let mut output = ListMultipartUploadsOutput {
        is_truncated: Some(truncated),
        max_uploads: count(length),
        next_key_marker: next.as_ref().map(|(key, _)| encoding.encoded(key)),
        next_upload_id_marker: next.and_then(|(_, id)| id),
        prefix: Some(encoding.encoded(&prefix)),
        delimiter: delimiter.as_deref().map(|text| encoding.encoded(text)),
        key_marker: Some(encoding.encoded(&key_marker)),
        upload_id_marker: Some(id_marker),
        encoding_type: encoding.shown(),
        bucket: Some(input.bucket),
        ..ListMultipartUploadsOutput::default()
    };
    let (mut shown, mut folders) = (Vec::new(), Vec::new());
    for line in lines {
        match line {
            Line::Upload(upload) => shown.push(upload_shown(upload, encoding)),
            Line::Common(folder) => folders.push(CommonPrefix {
                prefix: Some(encoding.encoded(&folder)),
            }),
        }
    }
    output.uploads = Some(shown);
    output.common_prefixes = Some(folders);
    Ok(output)
}

fn upload_shown(upload: ShownUpload, encoding: KeyEncoding) -> MultipartUpload {
    let chosen = upload.checksums.chosen == Chosen::ByClient;
    MultipartUpload {
        key: Some(encoding.encoded(&upload.key)),
        upload_id: Some(upload.id),
        initiated: Some(upload.begun_at.into()),
        storage_class: Some(dto::StorageClass::from_static(dto::StorageClass::STANDARD)),
        checksum_algorithm: chosen.then(|| upload.checksums.algorithm.shown()),
        checksum_type: chosen.then(|| upload.checksums.scope.shown()),
        ..MultipartUpload::default()
    }
}
