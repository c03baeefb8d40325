//! The end of an `aws-chunked` body: its last chunk is empty, and a body that ends before it is cut
//! short. The S3 library takes the end of the stream for the end of the body.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use s3s::StdError;

/// A body that is watched on its way through.
pub(super) struct Framed {
    body: Incoming,
    place: Place,
}

/// What the next byte of an `aws-chunked` body belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Place {
    /// A chunk's length in hex, as far as it was read.
    Length(u64),
    /// What a chunk's head says behind its length.
    Extension(u64),
    /// A chunk's bytes, so many of them.
    Data(u64),
    /// The line end behind them.
    LineEnd,
    /// What comes behind the last chunk's head.
    Behind,
    /// What is not framed so; the library refuses it.
    Unknown,
}

/// The body ended before its last chunk.
#[derive(Debug, thiserror::Error)]
#[error("the last chunk, which is empty, is missing")]
struct LastChunkMissing;

impl Framed {
    pub(super) const fn new(body: Incoming) -> Self {
        let place = Place::Length(0);
        Self { body, place }
    }
}

impl Place {
    fn after(self, mut bytes: &[u8]) -> Self {
        let mut place = self;
        while let Some((byte, rest)) = bytes.split_first() {
            if let Self::Data(left) = place {
                let here = left.min(bytes.len() as u64);
                let taken = usize::try_from(here).unwrap_or(bytes.len());
                bytes = bytes.get(taken..).unwrap_or_default();
                place = match left - here {
                    0 => Self::LineEnd,
                    left => Self::Data(left),
                };
                continue;
            }
            bytes = rest;
            place = place.step(*byte);
        }
        place
    }

    fn step(self, byte: u8) -> Self {
        match (self, byte) {
            (Self::Length(0) | Self::Extension(0), b'\n') => Self::Behind,
            (Self::Length(length) | Self::Extension(length), b'\n') => Self::Data(length),
            (Self::Length(length), b';') => Self::Extension(length),
            (Self::Length(length), b'\r') => Self::Length(length),
            (Self::Length(length), digit) => match char::from(digit).to_digit(16) {
                Some(digit) => length.checked_mul(16).map_or(Self::Unknown, |length| {
                    Self::Length(length + u64::from(digit))
                }),
                None => Self::Unknown,
            },
            (Self::LineEnd, b'\n') => Self::Length(0),
            (place, _) => place,
        }
    }
}

impl Body for Framed {
    type Data = Bytes;
    type Error = StdError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, StdError>>> {
        let frame = std::task::ready!(Pin::new(&mut self.body).poll_frame(cx));
        Poll::Ready(match frame {
            Some(Ok(frame)) => {
                if let Some(bytes) = frame.data_ref() {
                    self.place = self.place.after(bytes);
                }
                Some(Ok(frame))
            }
            Some(Err(error)) => Some(Err(error.into())),
            None if matches!(self.place, Place::Behind | Place::Unknown) => None,
            None => {
                self.place = Place::Behind;
                Some(Err(LastChunkMissing.into()))
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        // The end has to be seen, to be judged.
        false
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_whole_once_its_empty_chunk_has_come() {
        let whole =
            "3;chunk-signature=0\r\n0\r\n\r\n10\r\n0123456789abcdef\r\n0\r\nx-amz-a:b\r\n\r\n";
        let head = whole.find("0\r\nx-amz").unwrap() + "0\r\n".len();
        for cut in 0..=whole.len() {
            for size in [1, 7, whole.len()] {
                let mut place = Place::Length(0);
                for part in whole.as_bytes()[..cut].chunks(size) {
                    place = place.after(part);
                }
                assert_eq!(place == Place::Behind, cut >= head, "{:?}", &whole[..cut]);
            }
        }
        assert_eq!(Place::Length(0).after(b"zz\r\n"), Place::Unknown);
        assert_eq!(Place::Length(0).after(&[b'f'; 17]), Place::Unknown);
    }
}
