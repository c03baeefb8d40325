//! Recordings that come in parts while their call goes on. Parts are charged to the store.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use racegate_model::ids::RecordingIndex;

use super::media::media_key;
use super::object::{Attributes, Content};
use super::store::{Condition, MEDIA_BUCKET, Store, StoreError};
use super::usage::Reservation;

/// A recording as far as it has come; given up when it is dropped.
#[derive(Debug)]
pub struct MediaUpload {
    parts: Vec<Bytes>,
    reservation: Reservation,
}

impl Store {
    /// Begins a recording.
    #[must_use]
    pub fn begin_media(&self) -> MediaUpload {
        MediaUpload {
            parts: Vec::new(),
            reservation: self.reservation(),
        }
    }

    /// Joins a recording's parts to an object, as [`Store::put_media`] makes one. The parts' charge is taken over, so that joining
    /// needs no room.
    ///
    /// # Errors
    /// [`StoreError::Full`].
    pub fn complete_media(
        &self,
        recording: RecordingIndex,
        upload: MediaUpload,
    ) -> Result<(), StoreError> {
        let MediaUpload { parts, reservation } = upload;
        let mut body = BytesMut::with_capacity(parts.iter().map(Bytes::len).sum());
        for part in parts {
            body.extend_from_slice(&part);
        }
        if self.inner.external.is_some() {
            // Elsewhere it is not charged here.
            drop(reservation);
            return self.put_media(recording, body.freeze());
        }
        let content = Arc::new(Content::new(body.freeze(), reservation));
        let key = media_key(recording);
        self.put_content(
            MEDIA_BUCKET,
            &key,
            content,
            Attributes::AUDIO,
            &Condition::Always,
        )
        .map(drop)
    }
}

impl MediaUpload {
    /// Bytes that have come so far.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.parts.iter().map(|part| part.len() as u64).sum()
    }

    /// Adds the next part.
    ///
    /// # Errors
    /// [`StoreError::Full`].
    pub fn append(&mut self, part: Bytes) -> Result<(), StoreError> {
        self.reservation.grow(part.len() as u64)?;
        self.parts.push(part);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recording_in_parts_is_the_object_and_is_charged_once() {
        let store = Store::new(10_000);
        let mut upload = store.begin_media();
        for part in ["Ogg", "S", " and more"] {
            upload.append(Bytes::from(part)).unwrap();
        }
        assert_eq!(store.usage().bytes, 13);
        assert!(store.media(RecordingIndex(3)).is_none());
        store.complete_media(RecordingIndex(3), upload).unwrap();
        let body = store.media(RecordingIndex(3)).unwrap().body().clone();
        assert_eq!(body, "OggS and more");
        let whole = Store::new(10_000);
        whole.put_media(RecordingIndex(3), body).unwrap();
        assert_eq!(whole.usage(), store.usage());
    }

    #[test]
    fn a_recording_that_is_given_up_is_free_again_and_a_full_store_takes_no_part() {
        let store = Store::new(1_000);
        let mut upload = store.begin_media();
        upload.append(vec![0; 600].into()).unwrap();
        assert!(matches!(
            upload.append(vec![0; 600].into()),
            Err(StoreError::Full(_))
        ));
        assert_eq!(store.usage().bytes, 600);
        drop(upload);
        assert_eq!(store.usage().bytes, 0);
    }
}
