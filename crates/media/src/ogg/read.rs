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

/// Reads a whole file.
///
/// # Errors
/// When it is damaged or not Ogg/Opus.
pub fn read(file: &[u8]) -> Result<Recording, OggError> {
    let mut packets: Vec<Vec<u8>> = Vec::new();
    let mut open: Option<Vec<u8>> = None;
    let (mut offset, mut number, mut serial, mut samples, mut complete) = (0, 0, 0, 0, false);
    while offset < file.len() {
        let page = page_at(file, offset)?;
        if offset == 0 {
            serial = page.serial;
        }
        let begins = page.flags & BEGIN != 0;
        let continues = page.flags & CONTINUED != 0;
        if page.serial != serial
            || page.number != number
            || begins != (offset == 0)
            || continues != open.is_some()
            || complete
        {
            return Err(OggError::Sequence { offset });
        }
        let mut body = page.body;
        for segment in page.segments {
            let (bytes, rest) = body.split_at(usize::from(*segment));
            body = rest;
            open.get_or_insert_default().extend_from_slice(bytes);
            if *segment < 255 {
                packets.extend(open.take());
            }
        }
        // A granule position of -1 stands on a page on which no packet ends.
        if page.granule != u64::MAX {
            samples = page.granule;
        }
        complete = page.flags & END != 0;
        number += 1;
        offset += page.len;
    }
    let mut packets = packets.into_iter();
    let (head, tags) = packets
        .next()
        .zip(packets.next())
        .ok_or(OggError::NotOpus)?;
    Ok(Recording {
        serial,
        comments: comments_of(&tags).ok_or(OggError::NotOpus)?,
        pre_skip: pre_skip_of(&head).ok_or(OggError::NotOpus)?,
        samples,
        complete,
        packets: packets.collect(),
    })
}

fn page_at(file: &[u8], offset: usize) -> Result<Page<'_>, OggError> {
    let short = OggError::Short { offset };
    let bytes = &file[offset..];
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
}
