//! Reads a history, whole or cut off.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::path::Path;

use racegate_model::history::Entry;

use super::writer::FRAME_BYTES;

/// A frame decodes to this much at most: the writer closes it at 4 MiB, plus one line.
const FRAME_BYTES_MAX: u64 = 16 * FRAME_BYTES as u64;

/// How a history ends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Tail {
    /// After a whole frame.
    Whole,
    /// Within a frame, which is left out: the run was killed.
    Cut,
    /// What follows is no history; it is left out.
    Damaged {
        /// What was found.
        reason: String,
    },
}

/// The entries of a history, frame by frame. Once it has ended, [`HistoryReader::tail`] says how.
#[derive(Debug)]
pub struct HistoryReader {
    /// None once ended.
    file: Option<BufReader<File>>,
    entries: std::vec::IntoIter<Entry>,
    tail: Tail,
}

impl HistoryReader {
    pub(in crate::store) fn open(path: &Path) -> io::Result<Self> {
        let file = BufReader::new(File::open(path)?);
        Ok(Self {
            file: Some(file),
            entries: Vec::new().into_iter(),
            tail: Tail::Whole,
        })
    }

    /// A history without entries.
    pub(in crate::store) fn empty() -> Self {
        Self {
            file: None,
            entries: Vec::new().into_iter(),
            tail: Tail::Whole,
        }
    }

    /// How the history ended; [`Tail::Whole`] while there is more to read.
    #[must_use]
    pub const fn tail(&self) -> &Tail {
        &self.tail
    }

    /// Reads the next frame; false at the end.
    fn next_frame(&mut self) -> bool {
        let Some(mut file) = self.file.take() else {
            return false;
        };
        match file.fill_buf() {
            Ok([]) => return false,
            Ok(_) => {}
            Err(error) => {
                self.tail = damaged(error);
                return false;
            }
        }
        match decode(file) {
            Ok((lines, rest)) => {
                self.file = Some(rest);
                self.parse(&lines);
                true
            }
            Err(tail) => {
                self.tail = tail;
                false
            }
        }
    }

    fn parse(&mut self, lines: &[u8]) {
        let mut entries = Vec::new();
        for line in lines
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
        {
            match serde_json::from_slice(line) {
                Ok(entry) => entries.push(entry),
                Err(error) => {
                    self.tail = damaged(error);
                    self.file = None;
                    break;
                }
            }
        }
        self.entries = entries.into_iter();
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

/// The lines of one frame, and the file after it.
fn decode(file: BufReader<File>) -> Result<(Vec<u8>, BufReader<File>), Tail> {
    let mut decoder = zstd::Decoder::with_buffer(file)
        .map_err(damaged)?
        .single_frame();
    let mut lines = Vec::new();
    let read = decoder
        .by_ref()
        .take(FRAME_BYTES_MAX + 1)
        .read_to_end(&mut lines);
    match read {
        Ok(_) if lines.len() as u64 > FRAME_BYTES_MAX => Err(Tail::Damaged {
            reason: "a frame is too large".to_owned(),
        }),
        Ok(_) => Ok((lines, decoder.finish())),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(Tail::Cut),
        Err(error) => Err(damaged(error)),
    }
}

fn damaged(error: impl ToString) -> Tail {
    Tail::Damaged {
        reason: error.to_string(),
    }
}
