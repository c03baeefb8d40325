//! Audio on its way out: an answer's body that gives the next piece when there is room for it, so
//! that a slow reader of a long recording costs what is being written to it, not the recording.

use std::fmt;
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use hyper::body::{Body, Frame, SizeHint};

use super::object::Object;

/// The bytes of a recording, or of a range of them, in pieces; how many they are is known.
#[derive(Debug)]
pub struct MediaFlow {
    source: Source,
    left: u64,
}

enum Source {
    /// What is held here goes out as it is held.
    Here {
        object: Object,
        piece: usize,
        /// Bytes of that piece that are passed over.
        skip: u64,
    },
    /// What is in somebody else's bucket passes through.
    Elsewhere(BoxStream<'static, Result<Bytes, object_store::Error>>),
}

impl MediaFlow {
    /// The bytes of `range`; what is beyond the object's end is not there.
    pub(super) fn here(object: Object, range: Range<u64>) -> Self {
        let range = range.start..range.end.min(object.size());
        let (mut piece, mut skip) = (0, range.start);
        for bytes in object.pieces() {
            let length = bytes.len() as u64;
            if skip < length {
                break;
            }
            skip -= length;
            piece += 1;
        }
        Self {
            left: range.end.saturating_sub(range.start),
            source: Source::Here {
                object,
                piece,
                skip,
            },
        }
    }

    pub(super) fn elsewhere(found: object_store::GetResult) -> Self {
        Self {
            left: found.range.end - found.range.start,
            source: Source::Elsewhere(found.into_stream()),
        }
    }

    /// Bytes that have not gone out.
    #[must_use]
    pub const fn remaining(&self) -> u64 {
        self.left
    }

    /// All of it in one.
    ///
    /// # Errors
    /// When the bucket breaks off.
    pub async fn joined(self) -> Result<Bytes, object_store::Error> {
        use http_body_util::BodyExt as _;
        Ok(self.collect().await?.to_bytes())
    }
}

impl Source {
    fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, object_store::Error>>> {
        match self {
            Self::Here {
                object,
                piece,
                skip,
            } => {
                let bytes = object.pieces().get(*piece).cloned();
                *piece += 1;
                let skipped = usize::try_from(std::mem::take(skip)).unwrap_or(usize::MAX);
                let bytes = bytes.map(|bytes| bytes.slice(skipped.min(bytes.len())..));
                Poll::Ready(bytes.map(Ok))
            }
            Self::Elsewhere(stream) => stream.poll_next_unpin(cx),
        }
    }
}

impl Body for MediaFlow {
    type Data = Bytes;
    type Error = object_store::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, object_store::Error>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let next = ready!(self.source.poll_next(cx)).transpose()?;
        let next = next.map(|mut bytes| {
            bytes.truncate(usize::try_from(self.left).unwrap_or(usize::MAX));
            self.left -= bytes.len() as u64;
            Ok(Frame::data(bytes))
        });
        Poll::Ready(next)
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Here { .. } => "Here",
            Self::Elsewhere(_) => "Elsewhere",
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::storage::{Attributes, Store};

    use super::*;

    #[tokio::test]
    async fn every_range_of_an_object_in_pieces_is_that_of_the_whole() {
        let store = Store::default();
        let mut upload = store.begin_media();
        let bytes: Bytes = (0..=u8::MAX).cycle().take(40_000).collect();
        upload.append(&bytes).unwrap();
        let recording = racegate_model::ids::RecordingIndex(1);
        store.complete_media(recording, upload).unwrap();
        let object = store.media(recording).unwrap();
        assert!(object.pieces().len() > 2);
        for edge in [0, 1, 16_383, 16_384, 16_385, 32_768, 39_999, 40_000] {
            for (first, last) in [(0, edge), (edge, 40_000), (edge, edge + 1), (edge, 99_999)] {
                let flow = MediaFlow::here(object.clone(), first..last);
                let expected = &bytes[usize::try_from(first).unwrap()..]
                    [..usize::try_from(last.min(40_000).saturating_sub(first)).unwrap()];
                assert_eq!(flow.remaining(), expected.len() as u64);
                assert_eq!(flow.joined().await.unwrap(), expected, "{first}..{last}");
            }
        }
        store.create_bucket("org").unwrap();
        let empty = store
            .put("org", "k", Bytes::new(), Attributes::JSON)
            .unwrap();
        assert_eq!(MediaFlow::here(empty, 0..0).joined().await.unwrap(), "");
    }
}
