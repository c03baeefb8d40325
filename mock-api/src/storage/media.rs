//! The audio of recordings, before a job exports it: in memory, or in a bucket of somebody else's.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use racegate_model::ids::RecordingIndex;

use super::client::ReaderError;
use super::external::{External, ExternalBucket};
use super::flow::MediaFlow;
use super::object::{Attributes, Object};
use super::refusal::Refused;
use super::store::{MEDIA_BUCKET, Store, StoreError};
use super::writes::Write;

impl Store {
    /// A store that keeps nothing itself: what is put goes to `bucket`, under the same keys, and is
    /// found there alone. Needs a tokio runtime.
    ///
    /// # Errors
    /// [`ReaderError`]
    pub fn elsewhere(bucket: &ExternalBucket) -> Result<Self, ReaderError> {
        let external = External::open(bucket)?;
        let mut store = Self::default();
        if let Some(inner) = Arc::get_mut(&mut store.inner) {
            inner.external = Some(external);
        }
        Ok(store)
    }

    /// Tells `told` of every write that somebody else's bucket refuses from now on. The first to
    /// ask is told, and where storage is our own there is nothing to tell.
    pub fn on_refusal(&self, told: impl Fn(Refused) + Send + Sync + 'static) {
        if let Some(external) = &self.inner.external {
            external.on_refusal(Box::new(told));
        }
    }

    /// Waits until everything is where it is put to.
    pub async fn settled(&self) {
        if let Some(external) = &self.inner.external {
            external.idle().await;
        }
    }

    /// Keeps the audio of a recording as it was received, out of reach of S3 clients.
    ///
    /// # Errors
    /// [`StoreError::Full`].
    pub fn put_media(&self, recording: RecordingIndex, media: Bytes) -> Result<(), StoreError> {
        if let Some(external) = &self.inner.external {
            let taken =
                external.put_audio(recording, &media.into(), &Attributes::AUDIO.content_type);
            return if taken {
                Ok(())
            } else {
                Err(StoreError::ExternalFull)
            };
        }
        let key = media_key(recording);
        self.put(MEDIA_BUCKET, &key, media, Attributes::AUDIO)
            .map(drop)
    }

    /// Puts the audio of a recording into an organization's bucket, as a part of a job; false if
    /// there is none.
    ///
    /// # Errors
    /// [`StoreError`]
    pub fn export_media(
        &self,
        recording: RecordingIndex,
        bucket: &str,
        key: &str,
        of: Write,
    ) -> Result<bool, StoreError> {
        if let Some(external) = &self.inner.external {
            let known = external.audio_length(recording).is_some();
            return if !known || external.copy_audio(recording, (bucket, key), of) {
                Ok(known)
            } else {
                Err(StoreError::ExternalFull)
            };
        }
        let media = self.media(recording);
        let copied = media.map(|media| self.copy(&media, bucket, key, Attributes::AUDIO));
        Ok(copied.transpose()?.is_some())
    }

    /// Puts a JSON document of a job into an organization's bucket.
    ///
    /// # Errors
    /// [`StoreError`]
    pub(crate) fn export(
        &self,
        bucket: &str,
        key: &str,
        body: Bytes,
        of: Write,
    ) -> Result<(), StoreError> {
        let Some(external) = &self.inner.external else {
            return self.put(bucket, key, body, Attributes::JSON).map(drop);
        };
        let taken = external.put_of((bucket, key), body, of);
        taken.then_some(()).ok_or(StoreError::ExternalFull)
    }

    /// The same for its last one, which is put together when it is known what became of the others.
    ///
    /// # Errors
    /// [`StoreError`]
    pub(crate) fn export_last(
        &self,
        bucket: &str,
        key: &str,
        body: impl FnOnce() -> Bytes + Send + 'static,
        of: Write,
    ) -> Result<(), StoreError> {
        let Some(external) = &self.inner.external else {
            return self.put(bucket, key, body(), Attributes::JSON).map(drop);
        };
        let taken = external.put_last((bucket, key), body, of);
        taken.then_some(()).ok_or(StoreError::ExternalFull)
    }

    /// Bytes of a recording's audio, if there is any.
    #[must_use]
    pub fn media_length(&self, recording: RecordingIndex) -> Option<u64> {
        match &self.inner.external {
            Some(external) => external.audio_length(recording),
            None => self.media(recording).map(|media| media.size()),
        }
    }

    /// The audio of a recording, wherever it is, piece by piece.
    pub async fn read_media(&self, recording: RecordingIndex) -> Option<MediaFlow> {
        match &self.inner.external {
            Some(external) => external.read_audio(recording).await,
            None => {
                let media = self.media(recording)?;
                Some(media.flow(0..media.size()))
            }
        }
    }

    /// Whether others' addresses lead to audio, not ours.
    #[must_use]
    pub fn is_elsewhere(&self) -> bool {
        self.inner.external.is_some()
    }

    /// The address of a recording's audio in somebody else's bucket, signed for `life` of real
    /// time; none if the audio is here.
    #[must_use]
    pub fn media_url(
        &self,
        recording: RecordingIndex,
        life: Duration,
        name: Option<&str>,
    ) -> Option<String> {
        let external = self.inner.external.as_ref()?;
        external.audio_url(recording, life, name)
    }

    /// The audio of a recording that is held in memory; [`Store::export_media`] puts it into an
    /// organization's bucket.
    #[must_use]
    pub fn media(&self, recording: RecordingIndex) -> Option<Object> {
        self.get(MEDIA_BUCKET, &media_key(recording))
    }

    /// The audio of a recording is gone; what a job has copied is not.
    pub(crate) fn forget_media(&self, recording: RecordingIndex) {
        match &self.inner.external {
            Some(external) => external.delete_audio(recording),
            None => drop(self.delete(MEDIA_BUCKET, &media_key(recording))),
        }
    }
}

pub(super) fn media_key(recording: RecordingIndex) -> String {
    recording.0.to_string()
}
