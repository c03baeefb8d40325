//! Reads an Ogg/Opus file with one stream back into its packets, and checks it on the way.

use super::{BEGIN, CONTINUED, END, PAGE_HEADER, crc};

/// Why a file is not an Ogg/Opus recording. Offsets are bytes from its start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OggError {
    /// The file ends within a page.
    #[error("the page at byte {offset} is cut short")]
    Short {
        /// Start of the page.
        offset: usize,
    },
    /// No page begins where one must.
    #[error("there is no Ogg page at byte {offset}")]
    NoPage {
        /// Where it should begin.
        offset: usize,
    },
    /// A page's checksum is wrong.
    #[error("the page at byte {offset} has a wrong checksum")]
    Checksum {
        /// Start of the page.
        offset: usize,
    },
    /// Pages are missing, repeated, or of another stream.
    #[error("the page at byte {offset} does not follow the one before")]
    Sequence {
        /// Start of the page.
        offset: usize,
    },
    /// The headers are not those of Opus.
    #[error("the stream's headers are not those of Opus")]
    NotOpus,
}

/// A file's contents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recording {
    /// The stream's serial number.
    pub serial: u32,
    /// Comments of the OpusTags header: name and value.
    pub comments: Vec<(String, String)>,
    /// Samples at the start that a decoder drops.
    pub pre_skip: u16,
    /// The last granule position: samples, `pre_skip` included.
    pub samples: u64,
    /// Whether the last page says that it is the last.
    pub complete: bool,
    /// The Opus packets, without the headers.
    pub packets: Vec<Vec<u8>>,
}

struct Page<'a> {
    flags: u8,
    granule: u64,
    serial: u32,
    number: u32,
    segments: &'a [u8],
    body: &'a [u8],
    len: usize,
}

/// What a file says of itself beside its packets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Headers {
    /// The stream's serial number.
    pub serial: u32,
    /// Comments of the OpusTags header: name and value.
    pub comments: Vec<(String, String)>,
    /// Samples at the start that a decoder drops.
    pub pre_skip: u16,
    /// The last granule position: samples, `pre_skip` included.
    pub samples: u64,
    /// Whether the last page says that it is the last.
    pub complete: bool,
}

/// Reads a whole file.
///
/// # Errors
/// When it is damaged or not Ogg/Opus.
pub fn read(file: &[u8]) -> Result<Recording, OggError> {
    let mut packets: Vec<Vec<u8>> = Vec::new();
    let mut reader = Reader::default();
    reader.push(file, |packet| packets.push(packet.to_vec()))?;
    let headers = reader.finish()?;
    Ok(Recording {
        serial: headers.serial,
        comments: headers.comments,
        pre_skip: headers.pre_skip,
        samples: headers.samples,
        complete: headers.complete,
        packets,
    })
}

/// Reads a file that comes in pieces, cut anywhere. It holds a page at most, and a packet that goes
/// on in the next one.
#[derive(Debug, Default)]
pub struct Reader {
    /// The beginning of a page whose end has not come.
    partial: Vec<u8>,
    /// Bytes in the pages so far.
    offset: usize,
    pages: u32,
    serial: u32,
    samples: u64,
    complete: bool,
    /// A packet that goes on.
    open: Option<Vec<u8>>,
    /// The first packet, and the second.
    headers: Vec<Vec<u8>>,
}

impl Reader {
    /// Reads on; `packet` gets each Opus packet that is whole, without the headers.
    ///
    /// # Errors
    /// When the file is damaged. What follows cannot be read then.
    pub fn push(&mut self, piece: &[u8], mut packet: impl FnMut(&[u8])) -> Result<(), OggError> {
        if self.partial.is_empty() {
            let read = self.pages_of(piece, &mut packet)?;
            self.partial.extend_from_slice(&piece[read..]);
        } else {
            let mut partial = std::mem::take(&mut self.partial);
            partial.extend_from_slice(piece);
            let read = self.pages_of(&partial, &mut packet)?;
            partial.drain(..read);
            self.partial = partial;
        }
        Ok(())
    }

    /// That was all of it.
    ///
    /// # Errors
    /// When it ends within a page, or is not Opus.
    pub fn finish(self) -> Result<Headers, OggError> {
        if !self.partial.is_empty() {
            return Err(OggError::Short {
                offset: self.offset,
            });
        }
        let [head, tags] = self.headers.as_slice() else {
            return Err(OggError::NotOpus);
        };
        Ok(Headers {
            serial: self.serial,
            comments: comments_of(tags).ok_or(OggError::NotOpus)?,
            pre_skip: pre_skip_of(head).ok_or(OggError::NotOpus)?,
            samples: self.samples,
            complete: self.complete,
        })
    }

    /// Reads the pages that `bytes` holds whole. Returns how long they are.
    fn pages_of(
        &mut self,
        bytes: &[u8],
        packet: &mut impl FnMut(&[u8]),
    ) -> Result<usize, OggError> {
        let mut at = 0;
        while at < bytes.len() {
            match page_at(&bytes[at..], self.offset) {
                Ok(page) => {
                    self.page(&page, packet)?;
                    self.offset += page.len;
                    at += page.len;
                }
                Err(OggError::Short { .. }) => break,
                Err(error) => return Err(error),
            }
        }
        Ok(at)
    }

    fn page(&mut self, page: &Page<'_>, packet: &mut impl FnMut(&[u8])) -> Result<(), OggError> {
        let first = self.pages == 0;
        if first {
            self.serial = page.serial;
        }
        let begins = page.flags & BEGIN != 0;
        let continues = page.flags & CONTINUED != 0;
        if page.serial != self.serial
            || page.number != self.pages
            || begins != first
            || continues != self.open.is_some()
            || self.complete
        {
            return Err(OggError::Sequence {
                offset: self.offset,
            });
        }
        let mut body = page.body;
        for segment in page.segments {
            let (bytes, rest) = body.split_at(usize::from(*segment));
            body = rest;
            self.open.get_or_insert_default().extend_from_slice(bytes);
            if *segment < 255
                && let Some(whole) = self.open.take()
            {
                if self.headers.len() < 2 {
                    self.headers.push(whole);
                } else {
                    packet(&whole);
                }
            }
        }
        // A granule position of -1 stands on a page on which no packet ends.
        if page.granule != u64::MAX {
            self.samples = page.granule;
        }
        self.complete = page.flags & END != 0;
        self.pages += 1;
        Ok(())
    }
}

/// The page that `bytes` begin with; it is at `offset` of the file.
fn page_at(bytes: &[u8], offset: usize) -> Result<Page<'_>, OggError> {
    let short = OggError::Short { offset };
    let header = bytes.get(..PAGE_HEADER).ok_or(short.clone())?;
    if !header.starts_with(b"OggS\0") {
        return Err(OggError::NoPage { offset });
    }
    let body_at = PAGE_HEADER + usize::from(header[26]);
    let segments = bytes.get(PAGE_HEADER..body_at).ok_or(short.clone())?;
    let len = body_at
        + segments
            .iter()
            .map(|segment| usize::from(*segment))
            .sum::<usize>();
    let body = bytes.get(body_at..len).ok_or(short)?;
    let stored = u32_at(header, 22).unwrap_or(0);
    let crc = [&bytes[..22], &[0; 4], &bytes[26..len]]
        .into_iter()
        .fold(0, crc::update);
    if crc != stored {
        return Err(OggError::Checksum { offset });
    }
    Ok(Page {
        flags: header[5],
        granule: u64::from(u32_at(header, 6).unwrap_or(0))
            | u64::from(u32_at(header, 10).unwrap_or(0)) << 32,
        serial: u32_at(header, 14).unwrap_or(0),
        number: u32_at(header, 18).unwrap_or(0),
        segments,
        body,
        len,
    })
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn pre_skip_of(head: &[u8]) -> Option<u16> {
    let rest = head.strip_prefix(b"OpusHead")?;
    Some(u16::from_le_bytes(rest.get(2..4)?.try_into().ok()?))
}

fn comments_of(tags: &[u8]) -> Option<Vec<(String, String)>> {
    let mut rest = tags.strip_prefix(b"OpusTags")?;
    take_text(&mut rest)?;
    let count = u32_at(rest, 0)?;
    rest = &rest[4..];
    let mut comments = Vec::new();
    for _ in 0..count {
        let text = String::from_utf8_lossy(take_text(&mut rest)?).into_owned();
        let (name, value) = text.split_once('=')?;
        comments.push((name.to_owned(), value.to_owned()));
    }
    Some(comments)
}

fn take_text<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = usize::try_from(u32_at(rest, 0)?).ok()?;
    let text = rest.get(4..)?.get(..len)?;
    *rest = &rest[4 + len..];
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ogg::OpusMuxer;

    fn file() -> Vec<u8> {
        let mut muxer = OpusMuxer::new(3, &[("K", "v")]);
        for n in 0..120 {
            muxer.push(n * 960, &[9 << 3, 1, 2, 3]);
        }
        muxer.finish()
    }

    #[test]
    fn a_flipped_byte_anywhere_is_noticed() {
        let good = file();
        assert!(read(&good).unwrap().complete);
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 0x10;
            assert!(read(&bad).is_err(), "byte {at}");
        }
    }

    #[test]
    fn a_file_cut_anywhere_is_short_or_incomplete_and_no_panic() {
        let good = file();
        for len in 0..good.len() {
            assert!(
                read(&good[..len]).map_or(true, |recording| !recording.complete),
                "{len} bytes"
            );
        }
    }

    #[test]
    fn pieces_of_any_size_read_as_the_whole_does() {
        let good = file();
        let whole = read(&good).unwrap();
        for size in [1, 2, 26, 27, 28, 100, 1_000, good.len()] {
            let mut packets = Vec::new();
            let mut reader = Reader::default();
            for piece in good.chunks(size) {
                reader
                    .push(piece, |packet| packets.push(packet.to_vec()))
                    .unwrap();
            }
            assert_eq!(packets, whole.packets, "{size}");
            assert_eq!(reader.finish().unwrap().samples, whole.samples);
        }
    }

    #[test]
    fn damage_in_pieces_is_found_where_it_is_in_the_whole() {
        let good = file();
        for at in (0..good.len()).step_by(7) {
            let mut bad = good.clone();
            bad[at] ^= 0x10;
            let expected = read(&bad).unwrap_err();
            let mut reader = Reader::default();
            let mut pieces = bad.chunks(50);
            let pushed = pieces.try_for_each(|piece| reader.push(piece, |_| ()));
            let found = pushed.and_then(|()| reader.finish());
            assert_eq!(found.unwrap_err(), expected, "byte {at}");
        }
    }
}
