//! Storage: objects, the S3 endpoint that serves them, and what an export writes there.
//!
//! [`Store`] is the memory that platform and endpoint share. [`S3Endpoint`] shows it to S3
//! clients, to each access key one bucket. [`sidecar`], [`manifest`] and [`layout`] say what a
//! job writes and where. [`client`] reads it back.

mod access;
mod answers;
mod body;
mod checksum;
pub mod client;
mod conditions;
mod disk;
mod endpoint;
mod external;
mod failure;
mod flow;
mod framing;
mod front;
pub mod layout;
mod listing;
pub mod manifest;
mod media;
mod multipart;
mod object;
mod operations;
mod parts;
mod parts_shown;
mod pieces;
mod presigned;
mod record;
mod refusal;
pub mod sidecar;
mod store;
mod turns;
mod uploading;
mod uploads;
mod usage;
mod writes;

pub use access::AccessKey;
pub use endpoint::{EndpointError, EndpointLimits, S3Endpoint};
pub use external::{BucketError, ExternalBucket};
pub use flow::MediaFlow;
pub use front::REGION;
pub use listing::{ListQuery, PAGE_MAX, Page};
pub use multipart::{PART_SIZE_MIN, PARTS_MAX, UPLOADS_MAX};
pub use object::{Attributes, Object, SystemHeader};
pub use parts::MediaUpload;
pub use refusal::Refused;
pub use store::{
    BUCKETS_MAX, KEY_LENGTH_MAX, STORE_LIMIT_DEFAULT, Store, StoreError, StoreUsage, TooManyBuckets,
};
pub use usage::StorageFull;
pub use writes::{JobWrites, Write};
