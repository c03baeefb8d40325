//! Reads a history, whole, cut off or damaged.

use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, Read as _, Seek as _, SeekFrom};
use std::path::Path;

use racegate_model::history::Entry;

use super::seal::{Digest, verify};
use super::writer::FRAME_BYTES;

/// A frame decodes to this much at most: the writer closes it at 4 MiB, plus one line.
const FRAME_BYTES_MAX: u64 = 16 * FRAME_BYTES as u64;
/// The first bytes of a zstd frame (RFC 8878, 3.1.1).
const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// Bytes that are searched for the next frame at a time.
const SEARCHED: usize = 64 << 10;
/// Flaws that are kept; a file with more has no use.
const FLAWS_MAX: usize = 100;

/// What is wrong with a history, and where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Flaw {
    /// The file stops within a frame: the run was killed.
    Cut {
        /// Where the frame begins, in bytes.
        from: u64,
        /// Where the file ends.
        to: u64,
    },
    /// Bytes of the file that cannot be read; what follows them is.
    Damaged {
        /// The first of them.
        from: u64,
        /// One after the last of them.
        to: u64,
        /// Entries that were read before them.
        after: u64,
        /// What was found.
        reason: String,
    },
    /// Every frame is in order, and the lines are not those that were written.
    Altered {
        /// What was found.
        reason: String,
    },
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cut { from, to } => {
                write!(f, "it stops within a frame (bytes {from} to {to})")
            }
            Self::Damaged {
                from,
                to,
                after,
                reason,
            } => write!(
                f,
                "bytes {from} to {to} are damaged, after {after} entries ({reason})"
            ),
            Self::Altered { reason } => f.write_str(reason),
        }
    }
}

/// The entries of a history, frame by frame. Once it has ended, [`HistoryReader::flaws`] says what
/// is wrong with it. What cannot be read is passed over.
#[derive(Debug)]
pub struct HistoryReader {
    /// None once ended.
    file: Option<File>,
    /// Where the next frame begins.
    at: u64,
    entries: std::vec::IntoIter<Entry>,
    read: u64,
    digest: Digest,
    end: End,
    flaws: Vec<Flaw>,
}

/// Whether the end line was read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    NotYet,
    Read,
}

impl HistoryReader {
    pub(in crate::store) fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        Ok(Self {
            file: Some(file),
            ..Self::empty()
        })
    }

    /// A history without entries.
    pub(in crate::store) fn empty() -> Self {
        Self {
            file: None,
            at: 0,
            entries: Vec::new().into_iter(),
            read: 0,
            digest: Digest::default(),
            end: End::NotYet,
            flaws: Vec::new(),
        }
    }

    /// What is wrong with the part that was read.
    #[must_use]
    pub fn flaws(&self) -> &[Flaw] {
        &self.flaws
    }

    /// Whether there is all of it: its end was read, and nothing is wrong.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.end == End::Read && self.flaws.is_empty()
    }

    /// Reads the next frame; false at the end.
    fn next_frame(&mut self) -> bool {
        let Some(mut file) = self.file.take() else {
            return false;
        };
        match self.take_frame(&mut file) {
            Ok(true) => {
                self.file = Some(file);
                true
            }
            Ok(false) => false,
            Err(error) => {
                let (from, to) = (self.at, self.at);
                self.note_damage(from, to, error.to_string());
                false
            }
        }
    }

    /// Reads the frame at the place reached, or the next one that can be read; false at the end.
    fn take_frame(&mut self, file: &mut File) -> io::Result<bool> {
        let length = file.metadata()?.len();
        if self.at >= length {
            return Ok(false);
        }
        let (from, failure) = match decode(file, self.at)? {
            Ok((lines, next)) => {
                let from = std::mem::replace(&mut self.at, next);
                self.parse(&lines, from);
                return Ok(true);
            }
            Err(failure) => (self.at, failure),
        };
        let mut candidate = from + 1;
        while let Some(start) = find_magic(file, candidate)? {
            if let Ok((lines, next)) = decode(file, start)? {
                self.note_damage(from, start, failure.reason());
                self.at = next;
                self.parse(&lines, start);
                return Ok(true);
            }
            candidate = start + 1;
        }
        self.at = length;
        match failure {
            Failure::Short => self.note(Flaw::Cut { from, to: length }),
            Failure::Bad(reason) => self.note_damage(from, length, reason),
        }
        Ok(false)
    }

    fn parse(&mut self, lines: &[u8], from: u64) {
        let mut entries = Vec::new();
        for line in lines
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
        {
            match serde_json::from_slice(line) {
                Ok(entry) => entries.push(self.check(line, entry)),
                Err(error) => {
                    self.note_damage(from, self.at, error.to_string());
                    break;
                }
            }
        }
        self.read += entries.len() as u64;
        self.entries = entries.into_iter();
    }

    /// Adds a line to the digest; the end line is held against it.
    fn check(&mut self, line: &[u8], entry: Entry) -> Entry {
        if self.end == End::Read {
            let reason = "there are lines after the end line: two runs are mixed".to_owned();
            self.note(Flaw::Altered { reason });
        } else if matches!(entry, Entry::End(_)) {
            self.end = End::Read;
            if let (true, Err(reason)) = (self.flaws.is_empty(), verify(line, &self.digest)) {
                self.note(Flaw::Altered { reason });
            }
        }
        self.digest.add(line);
        entry
    }

    fn note_damage(&mut self, from: u64, to: u64, reason: String) {
        let after = self.read;
        self.note(Flaw::Damaged {
            from,
            to,
            after,
            reason,
        });
    }

    fn note(&mut self, flaw: Flaw) {
        if self.flaws.len() < FLAWS_MAX && self.flaws.last() != Some(&flaw) {
            self.flaws.push(flaw);
        }
    }
}

impl Iterator for HistoryReader {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        loop {
            if let Some(entry) = self.entries.next() {
                return Some(entry);
            }
            if !self.next_frame() {
                return None;
            }
        }
    }
}

/// Why a frame cannot be read.
enum Failure {
    /// The file ends within it.
    Short,
    /// It is no frame, or not the one that was written.
    Bad(String),
}

impl Failure {
    fn reason(&self) -> String {
        match self {
            Self::Short => "a frame that goes on beyond the next".to_owned(),
            Self::Bad(reason) => reason.clone(),
        }
    }
}

/// The lines of the frame at `from`, and where it ends.
fn decode(file: &mut File, from: u64) -> io::Result<Result<(Vec<u8>, u64), Failure>> {
    file.seek(SeekFrom::Start(from))?;
    let bad = |error: &io::Error| Failure::Bad(error.to_string());
    let mut decoder = match zstd::Decoder::with_buffer(BufReader::new(file)) {
        Ok(decoder) => decoder.single_frame(),
        Err(error) => return Ok(Err(bad(&error))),
    };
    let mut lines = Vec::new();
    let read = decoder
        .by_ref()
        .take(FRAME_BYTES_MAX + 1)
        .read_to_end(&mut lines);
    Ok(match read {
        Ok(_) if lines.len() as u64 > FRAME_BYTES_MAX => {
            Err(Failure::Bad("a frame is too large".to_owned()))
        }
        Ok(_) => Ok((lines, decoder.finish().stream_position()?)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(Failure::Short),
        Err(error) => Err(bad(&error)),
    })
}

/// Where a frame may begin, from `from` on.
fn find_magic(file: &mut File, mut from: u64) -> io::Result<Option<u64>> {
    let mut bytes = Vec::with_capacity(SEARCHED);
    loop {
        bytes.clear();
        file.seek(SeekFrom::Start(from))?;
        file.by_ref()
            .take(SEARCHED as u64)
            .read_to_end(&mut bytes)?;
        if let Some(at) = bytes
            .windows(MAGIC.len())
            .position(|window| window == MAGIC)
        {
            return Ok(Some(from + at as u64));
        }
        if bytes.len() < SEARCHED {
            return Ok(None);
        }
        // A frame may begin within the last bytes and go on.
        from += (SEARCHED - MAGIC.len() + 1) as u64;
    }
}
