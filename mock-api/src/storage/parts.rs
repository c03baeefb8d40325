//! Recordings that come in parts while their call goes on. Parts are charged to the store, and never joined: a recording is held
//! once, in pieces, or where storage is somebody else's goes there as it comes, but for a part at most.

use std::mem;
use std::sync::Arc;

use bytes::Bytes;
use racegate_model::ids::RecordingIndex;

use super::external::Flow;
use super::media::media_key;
use super::multipart::PART_SIZE_MIN;
use super::object::{Attributes, Content};
use super::pieces::Cutter;
use super::store::{Condition, MEDIA_BUCKET, Store, StoreError};
use super::usage::Reservation;

/// A recording as far as it has come; given up when it is dropped.
#[derive(Debug)]
pub struct MediaUpload {
    store: Store,
    /// What is held here.
    held: Cutter,
    /// Its charge.
    reservation: Reservation,
    /// What has gone to the external S3 already.
    flow: Option<Flow>,
}

impl Store {
    /// Begins a recording.
    #[must_use]
    pub fn begin_media(&self) -> MediaUpload {
        MediaUpload {
            store: self.clone(),
            held: Cutter::default(),
            reservation: self.reservation(),
            flow: None,
        }
    }

    /// Makes a recording's parts an object, as [`Store::put_media`] makes one. The parts' charge is taken over, so that this needs no
    /// room.
    ///
    /// # Errors
    /// [`StoreError::Full`].
    pub fn complete_media(
        &self,
        recording: RecordingIndex,
        mut upload: MediaUpload,
    ) -> Result<(), StoreError> {
        let length = upload.bytes();
        let pieces = mem::take(&mut upload.held).finish();
        let reservation = upload.reservation.split(u64::MAX);
        if let Some(external) = &self.inner.external {
            let kind = &Attributes::AUDIO.content_type;
            let taken = match upload.flow.take() {
                Some(flow) => external.finish(&flow, recording, (pieces, length), reservation),
                // Elsewhere it is not charged here.
                None => external.put_audio(recording, &pieces, kind),
            };
            return if taken {
                Ok(())
            } else {
                Err(StoreError::ExternalFull)
            };
        }
        let content = Arc::new(Content::new(pieces, reservation));
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
        self.flow.as_ref().map_or(0, |flow| flow.bytes) + self.held.len()
    }

    /// Adds the next part.
    ///
    /// # Errors
    /// [`StoreError::Full`], [`StoreError::ExternalFull`].
    pub fn append(&mut self, part: &Bytes) -> Result<(), StoreError> {
        self.reservation.grow(part.len() as u64)?;
        self.held.push(part);
        let Some(external) = &self.store.inner.external else {
            return Ok(());
        };
        if self.held.cut() < PART_SIZE_MIN {
            return Ok(());
        }
        let pieces = self.held.take();
        let charge = self.reservation.split(pieces.len());
        let flow = self.flow.get_or_insert_with(|| external.begin());
        if external.part(flow, pieces, charge) {
            Ok(())
        } else {
            Err(StoreError::ExternalFull)
        }
    }
}

impl Drop for MediaUpload {
    fn drop(&mut self) {
        if let (Some(external), Some(flow)) = (&self.store.inner.external, self.flow.take()) {
            external.give_up(&flow);
        }
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
            upload.append(&Bytes::from(part)).unwrap();
        }
        assert_eq!(store.usage().bytes, 13);
        assert!(store.media(RecordingIndex(3)).is_none());
        store.complete_media(RecordingIndex(3), upload).unwrap();
        let body = store.media(RecordingIndex(3)).unwrap().body();
        assert_eq!(body, "OggS and more");
        let whole = Store::new(10_000);
        whole.put_media(RecordingIndex(3), body).unwrap();
        assert_eq!(whole.usage(), store.usage());
    }

    #[test]
    fn a_recording_that_is_given_up_is_free_again_and_a_full_store_takes_no_part() {
        let store = Store::new(1_000);
        let mut upload = store.begin_media();
        upload.append(&vec![0; 600].into()).unwrap();
        assert!(matches!(
            upload.append(&vec![0; 600].into()),
            Err(StoreError::Full(_))
        ));
        assert_eq!(store.usage().bytes, 600);
        drop(upload);
        assert_eq!(store.usage().bytes, 0);
    }
}
