//! The bytes of an object in the pieces in which they came. Storage never joins them: what is as long as a recording is held once.

use std::ops::Range;

use bytes::{Bytes, BytesMut};

/// Length of a piece of a recording at most.
pub(super) const PIECE: usize = 16 << 10;

/// Bytes in pieces, in order, none of them empty.
#[derive(Clone, Default, Debug)]
pub(super) struct Pieces {
    pieces: Vec<Bytes>,
    length: u64,
}

impl Pieces {
    pub(super) fn push(&mut self, piece: Bytes) {
        if !piece.is_empty() {
            self.length += piece.len() as u64;
            self.pieces.push(piece);
        }
    }

    pub(super) const fn len(&self) -> u64 {
        self.length
    }

    pub(super) fn as_slice(&self) -> &[Bytes] {
        &self.pieces
    }

    /// The bytes of `range`, which is within; nothing is copied.
    pub(super) fn slice(&self, range: Range<u64>) -> Self {
        let mut slice = Self::default();
        let mut from = 0;
        for piece in &self.pieces {
            let to = from + piece.len() as u64;
            let (first, last) = (range.start.max(from), range.end.min(to));
            if first < last {
                slice.push(piece.slice(within(first - from)..within(last - from)));
            }
            from = to;
        }
        slice
    }

    /// All in one; a copy if there are several.
    pub(super) fn joined(&self) -> Bytes {
        match self.pieces.as_slice() {
            [] => Bytes::new(),
            [whole] => whole.clone(),
            pieces => pieces.concat().into(),
        }
    }
}

impl From<Bytes> for Pieces {
    fn from(whole: Bytes) -> Self {
        let mut pieces = Self::default();
        pieces.push(whole);
        pieces
    }
}

impl Extend<Bytes> for Pieces {
    fn extend<T: IntoIterator<Item = Bytes>>(&mut self, pieces: T) {
        for piece in pieces {
            self.push(piece);
        }
    }
}

impl IntoIterator for Pieces {
    type Item = Bytes;
    type IntoIter = std::vec::IntoIter<Bytes>;

    fn into_iter(self) -> Self::IntoIter {
        self.pieces.into_iter()
    }
}

fn within(position: u64) -> usize {
    usize::try_from(position).expect("a position within a piece is one in memory")
}

/// Bytes that grew by doubling would hold up to twice what they are charged.
pub(super) fn trimmed(bytes: BytesMut) -> Bytes {
    if bytes.capacity() - bytes.len() > bytes.len() / 4 {
        Bytes::copy_from_slice(&bytes)
    } else {
        bytes.freeze()
    }
}

/// Makes pieces of one size of what comes in parts of any: a part may hold room that nobody pays for, a piece holds none.
#[derive(Default, Debug)]
pub(super) struct Cutter {
    cut: Pieces,
    growing: BytesMut,
}

impl Cutter {
    pub(super) fn push(&mut self, mut part: &[u8]) {
        while !part.is_empty() {
            let room = PIECE - self.growing.len();
            let (now, later) = part.split_at(room.min(part.len()));
            self.growing.extend_from_slice(now);
            part = later;
            if self.growing.len() == PIECE {
                self.close();
            }
        }
    }

    pub(super) fn len(&self) -> u64 {
        self.cut.len() + self.growing.len() as u64
    }

    /// Bytes in pieces that have been cut.
    pub(super) const fn cut(&self) -> u64 {
        self.cut.len()
    }

    /// Takes out what has been cut; what is still growing stays.
    pub(super) fn take(&mut self) -> Pieces {
        std::mem::take(&mut self.cut)
    }

    pub(super) fn finish(mut self) -> Pieces {
        self.close();
        self.cut
    }

    fn close(&mut self) {
        self.cut.push(trimmed(std::mem::take(&mut self.growing)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slice_of_pieces_is_that_of_the_whole() {
        let mut pieces = Pieces::default();
        pieces.extend(["Ogg", "", "S", " and more"].map(Bytes::from));
        let whole = pieces.joined();
        assert_eq!((whole.as_ref(), pieces.len()), (&b"OggS and more"[..], 13));
        assert_eq!(pieces.as_slice().len(), 3);
        for first in 0..=13 {
            for last in first..=13 {
                let slice = pieces.slice(first..last);
                assert_eq!(slice.len(), last - first);
                assert_eq!(slice.joined(), whole.slice(within(first)..within(last)));
            }
        }
    }

    #[test]
    fn parts_of_any_size_are_cut_to_pieces_of_one() {
        let bytes: Vec<u8> = (0..=u8::MAX).cycle().take(3 * PIECE + 5).collect();
        for size in [1_000, PIECE - 1, PIECE, PIECE + 1, bytes.len()] {
            let mut cutter = Cutter::default();
            bytes.chunks(size).for_each(|part| cutter.push(part));
            assert_eq!(cutter.len(), bytes.len() as u64);
            let pieces = cutter.finish();
            let lengths: Vec<_> = pieces.as_slice().iter().map(Bytes::len).collect();
            assert_eq!(lengths, [PIECE, PIECE, PIECE, 5]);
            assert_eq!(pieces.joined(), bytes);
        }
    }
}
