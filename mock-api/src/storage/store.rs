//! The object store that the platform writes to and the S3 endpoint serves from: in memory, with
//! a bound, and without a clock of its own.
//!
//! Each bucket has its own lock, and each tenant its own bucket, so tenants do not wait for each
//! other; a reader holds a lock only to clone a handle.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use bytes::Bytes;
use parking_lot::RwLock;

use super::disk::{self, Disk, Found};
use super::external::External;
use super::listing::{self, ListQuery, Page};
use super::object::{Attributes, Content, Object};
use super::usage::{Reservation, StorageFull, Usage};

/// Bytes a store holds unless told otherwise: 4 GiB.
pub const STORE_LIMIT_DEFAULT: u64 = 4 << 30;
/// Length of a key at most, as in S3.
pub const KEY_LENGTH_MAX: usize = 1024;
/// Buckets at most; a run has one per tenant.
pub const BUCKETS_MAX: usize = 4096;

/// What each key is charged beside its body, so that empty objects are bounded too: key, map
/// node, attributes and two shared headers come to about 500 bytes.
const KEY_CHARGE: u64 = 512;
/// Not a valid bucket name in S3, so that no S3 client can reach it.
pub(super) const MEDIA_BUCKET: &str = "_media";

/// Why a put was refused.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum StoreError {
    /// The byte bound is reached.
    #[error(transparent)]
    Full(#[from] StorageFull),
    /// There is no such bucket.
    #[error("no bucket is named {bucket:?}")]
    NoSuchBucket {
        /// The name.
        bucket: String,
    },
    /// The key is empty or longer than [`KEY_LENGTH_MAX`].
    #[error("a key has 1 to {KEY_LENGTH_MAX} bytes, this one {length}")]
    KeyLength {
        /// Its length.
        length: usize,
    },
    /// Too much is on its way to the external S3.
    #[error("too many objects are on their way to the external S3")]
    ExternalFull,
    /// The file cannot be written.
    #[error("the object cannot be written to disk: {reason}")]
    Disk {
        /// Why.
        reason: String,
    },
    /// The condition of a conditional put does not hold.
    #[error("what is stored under the key is not what the caller expects")]
    ConditionFailed,
}

/// As many buckets as allowed exist.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a store has at most {BUCKETS_MAX} buckets")]
pub struct TooManyBuckets;

/// When a put may happen.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Condition {
    /// Whatever is there.
    Always,
    /// If nothing is there.
    Absent,
    /// If an object is there.
    Exists,
    /// If an object with that etag is there.
    Matches(String),
}

/// How full a store is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StoreUsage {
    /// Keys, in all buckets.
    pub objects: u64,
    /// Bytes charged: bodies (one that was copied counts once), 512 for each key, and uploads
    /// under way.
    pub bytes: u64,
    /// Bytes allowed.
    pub limit: u64,
}

/// An object store. Cheap to clone; clones are the same store.
#[derive(Clone, Debug)]
pub struct Store {
    pub(super) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(super) struct Inner {
    buckets: RwLock<BTreeMap<String, Arc<Bucket>>>,
    usage: Arc<Usage>,
    objects: AtomicU64,
    disk: Option<Disk>,
    pub(super) external: Option<External>,
}

#[derive(Debug)]
struct Bucket {
    created_at: SystemTime,
    objects: RwLock<BTreeMap<Arc<str>, Object>>,
}

impl Bucket {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            created_at: SystemTime::now(),
            objects: RwLock::default(),
        })
    }
}

impl Default for Store {
    fn default() -> Self {
        Self::new(STORE_LIMIT_DEFAULT)
    }
}

impl Store {
    /// An empty store that holds at most `limit` bytes.
    #[must_use]
    pub fn new(limit: u64) -> Self {
        let buckets = BTreeMap::from([(MEDIA_BUCKET.to_owned(), Bucket::new())]);
        Self {
            inner: Arc::new(Inner {
                buckets: RwLock::new(buckets),
                usage: Arc::new(Usage::new(limit)),
                objects: AtomicU64::new(0),
                disk: None,
                external: None,
            }),
        }
    }

    /// A store that holds at most `limit` bytes, writes everything that is put to files under
    /// `folder`, and finds there what an earlier one wrote. Recordings that no job has exported are
    /// in memory only.
    ///
    /// # Errors
    /// When the folder cannot be made. What is in it is read when its bucket is made.
    pub fn in_folder(limit: u64, folder: &Path) -> io::Result<Self> {
        let disk = Disk::open(folder)?;
        let mut store = Self::new(limit);
        if let Some(inner) = Arc::get_mut(&mut store.inner) {
            inner.disk = Some(disk);
        }
        Ok(store)
    }

    /// How full it is.
    #[must_use]
    pub fn usage(&self) -> StoreUsage {
        StoreUsage {
            objects: self.inner.objects.load(Ordering::Relaxed),
            bytes: self.inner.usage.bytes(),
            limit: self.inner.usage.limit(),
        }
    }

    /// Makes a bucket, unless there is one of that name.
    ///
    /// # Errors
    /// [`TooManyBuckets`].
    pub fn create_bucket(&self, name: &str) -> Result<(), TooManyBuckets> {
        let mut buckets = self.inner.buckets.write();
        if !buckets.contains_key(name) {
            if buckets.len() > BUCKETS_MAX {
                return Err(TooManyBuckets);
            }
            buckets.insert(name.to_owned(), Bucket::new());
            drop(buckets);
            self.read_folder(name);
        }
        Ok(())
    }

    /// What cannot be read again is reported and left where it is.
    fn read_folder(&self, bucket: &str) {
        let Some(disk) = &self.inner.disk else {
            return;
        };
        let read = disk.create_bucket(bucket).and_then(|()| {
            disk.each(bucket, |found| {
                let taken = found
                    .map_err(|damage| damage.to_string())
                    .and_then(|found| {
                        self.take_found(bucket, found)
                            .map_err(|full| full.to_string())
                    });
                if let Err(error) = taken {
                    tracing::error!(error, bucket, "an object is left out");
                }
            })
        });
        if let Err(error) = read {
            tracing::error!(%error, bucket, "a bucket's folder cannot be read");
        }
    }

    fn take_found(&self, bucket: &str, found: Found) -> Result<(), StoreError> {
        let Some(bucket) = self.bucket(bucket) else {
            return Ok(());
        };
        let mut charge = Reservation::of(&self.inner.usage, KEY_CHARGE + found.body.len() as u64)?;
        let body_charge = charge.split(found.body.len() as u64);
        let pieces = Bytes::from(found.body).into();
        let (attributes, content) = match found.record {
            None => (disk::implied(&found.key), Content::new(pieces, body_charge)),
            Some(mut record) => {
                let content = match record.etag.take() {
                    None => Content::new(pieces, body_charge),
                    Some(etag) => {
                        let parts = std::mem::take(&mut record.parts);
                        Content::in_parts(pieces, body_charge, etag, parts)
                    }
                };
                (record.attributes(), content)
            }
        };
        let object = Object::new(Arc::new(content), attributes, found.modified_at, charge);
        let mut objects = bucket.objects.write();
        // What was put meanwhile is newer.
        if let Entry::Vacant(place) = objects.entry(Arc::from(found.key)) {
            place.insert(object);
            self.inner.objects.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    /// When a bucket was made; none if there is no such bucket.
    #[must_use]
    pub fn bucket_created_at(&self, name: &str) -> Option<SystemTime> {
        Some(self.bucket(name)?.created_at)
    }

    /// Stores a body under a key and returns the object.
    ///
    /// # Errors
    /// [`StoreError`]; what was there stays.
    pub fn put(
        &self,
        bucket: &str,
        key: &str,
        body: Bytes,
        attributes: Attributes,
    ) -> Result<Object, StoreError> {
        let reservation = Reservation::of(&self.inner.usage, body.len() as u64)?;
        let content = Arc::new(Content::new(body.into(), reservation));
        self.put_content(bucket, key, content, attributes, &Condition::Always)
    }

    /// Stores the bytes of `source`, which may be in any bucket, under a further key. They are
    /// shared.
    ///
    /// # Errors
    /// [`StoreError`]; what was there stays.
    pub fn copy(
        &self,
        source: &Object,
        bucket: &str,
        key: &str,
        attributes: Attributes,
    ) -> Result<Object, StoreError> {
        let content = Arc::clone(source.content());
        self.put_content(bucket, key, content, attributes, &Condition::Always)
    }

    pub(super) fn put_content(
        &self,
        bucket: &str,
        key: &str,
        content: Arc<Content>,
        attributes: Attributes,
        condition: &Condition,
    ) -> Result<Object, StoreError> {
        if key.is_empty() || key.len() > KEY_LENGTH_MAX {
            return Err(StoreError::KeyLength { length: key.len() });
        }
        let missing = || StoreError::NoSuchBucket {
            bucket: bucket.to_owned(),
        };
        let name = bucket;
        let bucket = self.bucket(name).ok_or_else(missing)?;
        let charge = Reservation::of(&self.inner.usage, KEY_CHARGE)?;
        let object = Object::new(content, attributes, SystemTime::now(), charge);
        if let Some(external) = &self.inner.external {
            let content_type = &object.attributes().content_type;
            let taken = external.put(name, key, object.content().body(), content_type);
            return if taken {
                Ok(object)
            } else {
                Err(StoreError::ExternalFull)
            };
        }
        let mut objects = bucket.objects.write();
        if !condition.holds(objects.get(key)) {
            return Err(StoreError::ConditionFailed);
        }
        if let Some(disk) = self.inner.disk.as_ref().filter(|_| name != MEDIA_BUCKET) {
            disk.put(name, key, &object)
                .map_err(|error| StoreError::Disk {
                    reason: error.to_string(),
                })?;
        }
        let replaced = objects.insert(Arc::from(key), object.clone());
        drop(objects);
        self.inner
            .objects
            .fetch_add(u64::from(replaced.is_none()), Ordering::Relaxed);
        Ok(object)
    }

    pub(super) fn reservation(&self) -> Reservation {
        Reservation::empty(&self.inner.usage)
    }

    /// The object under a key.
    #[must_use]
    pub fn get(&self, bucket: &str, key: &str) -> Option<Object> {
        self.bucket(bucket)?.objects.read().get(key).cloned()
    }

    /// The length of the object under a key.
    #[must_use]
    pub fn head(&self, bucket: &str, key: &str) -> Option<u64> {
        self.bucket(bucket)?
            .objects
            .read()
            .get(key)
            .map(Object::size)
    }

    /// Removes the object under a key and returns it.
    pub fn delete(&self, bucket: &str, key: &str) -> Option<Object> {
        let held = self.bucket(bucket)?;
        let mut objects = held.objects.write();
        let removed = objects.remove(key)?;
        if let Some(disk) = self.inner.disk.as_ref().filter(|_| bucket != MEDIA_BUCKET)
            && let Err(error) = disk.delete(bucket, key)
        {
            tracing::error!(%error, key, "an object's file cannot be removed");
        }
        drop(objects);
        self.inner.objects.fetch_sub(1, Ordering::Relaxed);
        Some(removed)
    }

    /// A page of a bucket's keys in order; none if there is no such bucket.
    #[must_use]
    pub fn list(&self, bucket: &str, query: &ListQuery<'_>) -> Option<Page> {
        Some(listing::page(&self.bucket(bucket)?.objects.read(), query))
    }

    fn bucket(&self, name: &str) -> Option<Arc<Bucket>> {
        self.inner.buckets.read().get(name).cloned()
    }
}

impl Condition {
    fn holds(&self, stored: Option<&Object>) -> bool {
        match (self, stored) {
            (Self::Always, _) | (Self::Absent, None) | (Self::Exists, Some(_)) => true,
            (Self::Matches(etag), Some(object)) => object.etag() == etag,
            (Self::Absent, Some(_)) | (Self::Exists | Self::Matches(_), None) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use racegate_model::ids::RecordingIndex;

    use super::*;

    fn store(limit: u64) -> Store {
        let store = Store::new(limit);
        store.create_bucket("org").unwrap();
        store
    }

    fn put(store: &Store, key: &str, length: usize) -> Result<Object, StoreError> {
        store.put("org", key, vec![0; length].into(), Attributes::JSON)
    }

    #[test]
    fn a_put_over_the_bound_is_refused_with_numbers_and_changes_nothing() {
        let store = store(2_000);
        put(&store, "a", 1_000).unwrap();
        let full = put(&store, "b", 1_000).unwrap_err();
        let expected = StorageFull {
            used: 1_512,
            limit: 2_000,
            wanted: 1_000,
        };
        assert_eq!(full, StoreError::Full(expected));
        let told = "storage full: 1512 of 2000 bytes are in use, 1000 more were wanted";
        assert_eq!(full.to_string(), told);
        assert_eq!(
            store.usage(),
            StoreUsage {
                objects: 1,
                bytes: 1_512,
                limit: 2_000
            }
        );
        assert!(store.get("org", "b").is_none());
    }

    #[test]
    fn what_is_replaced_or_deleted_is_free_again() {
        let store = store(1 << 20);
        for length in [10, 1_000, 5] {
            put(&store, "a", length).unwrap();
        }
        assert_eq!(store.usage().bytes, 5 + KEY_CHARGE);
        assert_eq!(store.head("org", "a"), Some(5));
        store.delete("org", "a").unwrap();
        assert_eq!(
            store.usage(),
            StoreUsage {
                objects: 0,
                bytes: 0,
                limit: 1 << 20
            }
        );
        assert!(store.delete("org", "a").is_none());
    }

    #[test]
    fn copies_share_their_bytes() {
        let store = store(1 << 20);
        store
            .put_media(RecordingIndex(7), vec![1; 1_000].into())
            .unwrap();
        let media = store.media(RecordingIndex(7)).unwrap();
        for key in ["x", "y"] {
            store.copy(&media, "org", key, Attributes::AUDIO).unwrap();
        }
        drop(media);
        assert_eq!(store.usage().bytes, 1_000 + 3 * KEY_CHARGE);
        store.delete("org", "x").unwrap();
        assert_eq!(store.get("org", "y").unwrap().body().len(), 1_000);
        assert!(store.media(RecordingIndex(8)).is_none());
    }

    #[test]
    fn bad_keys_and_buckets_are_refused() {
        let store = store(1 << 20);
        assert_eq!(
            put(&store, "", 1).unwrap_err(),
            StoreError::KeyLength { length: 0 }
        );
        let long = "k".repeat(KEY_LENGTH_MAX + 1);
        assert_eq!(
            put(&store, &long, 1).unwrap_err(),
            StoreError::KeyLength { length: 1025 }
        );
        let missing = store
            .put("no", "k", "x".into(), Attributes::JSON)
            .unwrap_err();
        assert_eq!(
            missing,
            StoreError::NoSuchBucket {
                bucket: "no".to_owned()
            }
        );
        assert_eq!(store.usage().bytes, 0);
    }

    #[test]
    fn what_is_in_a_folder_is_there_again_for_the_next_store() {
        let folder = tempfile::tempdir().unwrap();
        let open = || {
            let store = Store::in_folder(1 << 20, folder.path()).unwrap();
            store.create_bucket("org").unwrap();
            store
        };
        let first = open();
        let keys = ["a.json", "a", "a/b", "a//b", "../../c", "d.opus", "e.txt"];
        for key in keys {
            let attributes = Attributes {
                user_metadata: BTreeMap::from([("k".to_owned(), key.to_owned())]),
                ..Attributes::JSON
            };
            first
                .put("org", key, key.to_owned().into(), attributes)
                .unwrap();
        }
        first
            .put("org", "plain.json", "{}".into(), Attributes::JSON)
            .unwrap();
        first
            .put("org", "gone", "x".into(), Attributes::JSON)
            .unwrap();
        first.delete("org", "gone").unwrap();
        first.put_media(RecordingIndex(1), "audio".into()).unwrap();
        drop(first);
        let second = open();
        for key in keys {
            let object = second.get("org", key).expect(key);
            assert_eq!(object.body(), key);
            assert_eq!(object.attributes().user_metadata["k"], key);
            assert_eq!(object.attributes().content_type, "application/json");
        }
        let plain = second.get("org", "plain.json").unwrap();
        assert_eq!(plain.attributes(), &Attributes::JSON);
        assert!(second.get("org", "gone").is_none());
        assert!(second.media(RecordingIndex(1)).is_none());
        assert_eq!(second.usage().objects, 8);
        let kept = std::fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(kept, 2, "the bucket and the lock");
    }

    #[test]
    fn etags_are_those_of_s3() {
        let store = store(1 << 20);
        let object = store
            .put("org", "k", "hello".into(), Attributes::JSON)
            .unwrap();
        assert_eq!(object.etag(), "5d41402abc4b2a76b9719d911017c592");
    }

    #[test]
    fn many_writers_leave_the_count_right() {
        let store = store(1 << 30);
        std::thread::scope(|scope| {
            for writer in 0..4 {
                let store = store.clone();
                scope.spawn(move || {
                    for number in 0..500 {
                        put(&store, &format!("{}", number % 100 + writer * 50), 10).unwrap();
                    }
                });
            }
        });
        let usage = store.usage();
        assert_eq!((usage.objects, usage.bytes), (250, 250 * (10 + KEY_CHARGE)));
    }
}
