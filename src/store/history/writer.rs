//! Writes a history without ever holding up the run.

use std::fmt;
use std::fs::File;
use std::io::{self, Write as _};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use racegate_model::history::Entry;
use zstd::zstd_safe::CParameter;

use super::seal::{Digest, Sealed};

/// Entries between the run and the disk: at 5,000 per second, a stall of thirteen seconds.
const QUEUE: usize = 65_536;
/// Entries that are handed over together where the clock is virtual: one by one, both threads wait
/// for the queue's lock.
const BATCH: usize = 256;
/// A crash loses at most this much.
const FRAME_TIME: Duration = Duration::from_secs(1);
/// A frame is closed early when it holds this much, so that a reader's memory is bounded.
pub(super) const FRAME_BYTES: usize = 4 << 20;
/// zstd's own default: a tenth of the size at a few hundred MB/s.
const LEVEL: i32 = 3;

/// What to do with an entry when the disk is far behind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::store) enum WhenFull {
    /// Wait for the disk: the clock is virtual.
    Wait,
    /// Lose it, and say so at the end: the load must not wait.
    Lose,
}

impl WhenFull {
    /// Entries that are handed over together: under load each at once.
    const fn batch(self) -> usize {
        match self {
            Self::Wait => BATCH,
            Self::Lose => 1,
        }
    }
}

/// What became of a history that could not be written whole.
#[derive(Debug, thiserror::Error)]
#[error("the history is incomplete: {reason}; {kept} entries are kept, {lost} are lost")]
pub struct HistoryError {
    /// Entries in the file.
    pub kept: u64,
    /// Entries that are not.
    pub lost: u64,
    /// Why.
    #[source]
    pub reason: HistoryLost,
}

/// Why entries were lost.
#[derive(Debug, thiserror::Error)]
pub enum HistoryLost {
    /// The disk refused.
    #[error("writing failed ({0})")]
    Disk(io::Error),
    /// The disk was too slow.
    #[error("the disk did not keep up")]
    Slow,
    /// The writer itself failed.
    #[error("the writer failed")]
    Writer,
}

/// Where frames go.
pub(super) trait Disk: Send {
    /// Writes a whole frame, past any crash of this process.
    fn append(&mut self, frame: &[u8]) -> io::Result<()>;
    /// Drops everything after the first `length` bytes.
    fn cut(&mut self, length: u64) -> io::Result<()>;
}

impl Disk for File {
    fn append(&mut self, frame: &[u8]) -> io::Result<()> {
        self.write_all(frame)?;
        self.sync_data()
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }
}

/// Writes a history from threads of its own: one makes lines of entries, one compresses them.
///
/// Dropped without [`HistoryWriter::finish`], it writes what it was given, as in a panic.
pub struct HistoryWriter {
    when_full: WhenFull,
    /// None once finished.
    sender: Option<SyncSender<Vec<Entry>>>,
    thread: Option<JoinHandle<Written>>,
    /// Not handed over yet.
    pending: Vec<Entry>,
    lost: u64,
}

impl fmt::Debug for HistoryWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HistoryWriter")
            .field("when_full", &self.when_full)
            .finish_non_exhaustive()
    }
}

impl HistoryWriter {
    /// Writes to an empty file.
    pub(in crate::store) fn start(file: File, when_full: WhenFull) -> io::Result<Self> {
        Self::spawn(Box::new(file), when_full, FRAME_BYTES)
    }

    /// Writes to an empty file; whoever hands over more than the disk takes waits for it.
    ///
    /// # Errors
    ///
    /// When no thread can be started.
    pub fn waiting(file: File) -> io::Result<Self> {
        Self::start(file, WhenFull::Wait)
    }

    pub(super) fn spawn(
        disk: Box<dyn Disk>,
        when_full: WhenFull,
        frame_bytes: usize,
    ) -> io::Result<Self> {
        let (sender, receiver) = sync_channel(QUEUE / when_full.batch());
        let frames = Frames::start(disk, frame_bytes)?;
        let thread = std::thread::Builder::new()
            .name("history".to_owned())
            .spawn(move || frames.run(&receiver))?;
        Ok(Self {
            when_full,
            sender: Some(sender),
            thread: Some(thread),
            pending: Vec::new(),
            lost: 0,
        })
    }

    /// Hands over an entry; a failure of the disk is told by [`HistoryWriter::finish`].
    pub fn write(&mut self, entry: Entry) {
        self.pending.push(entry);
        if self.pending.len() >= self.when_full.batch() {
            self.hand_over();
        }
    }

    fn hand_over(&mut self) {
        let next = Vec::with_capacity(self.when_full.batch());
        let batch = std::mem::replace(&mut self.pending, next);
        let count = batch.len() as u64;
        let Some(sender) = &self.sender else { return };
        let sent = match self.when_full {
            WhenFull::Wait => sender.send(batch).is_ok(),
            WhenFull::Lose => match sender.try_send(batch) {
                Ok(()) => true,
                Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => false,
            },
        };
        if !sent {
            self.lost += count;
        }
    }

    /// Writes what is left and returns how many entries the file holds.
    ///
    /// # Errors
    ///
    /// Says what was lost and why.
    pub fn finish(mut self) -> Result<u64, HistoryError> {
        let written = self.join();
        let lost_here = self.lost;
        let Some(Written { kept, lost, error }) = written else {
            return Err(HistoryError {
                kept: 0,
                lost: lost_here,
                reason: HistoryLost::Writer,
            });
        };
        let lost = lost + lost_here;
        match error {
            Some(error) => Err(HistoryError {
                kept,
                lost,
                reason: HistoryLost::Disk(error),
            }),
            None if lost > 0 => Err(HistoryError {
                kept,
                lost,
                reason: HistoryLost::Slow,
            }),
            None => Ok(kept),
        }
    }

    fn join(&mut self) -> Option<Written> {
        self.hand_over();
        drop(self.sender.take());
        self.thread.take()?.join().ok()
    }
}

impl Drop for HistoryWriter {
    fn drop(&mut self) {
        self.join();
    }
}

/// What became of entries.
#[derive(Default)]
struct Written {
    kept: u64,
    lost: u64,
    error: Option<io::Error>,
}

/// Lines that are compressed and written together.
struct Frame {
    lines: Vec<u8>,
    entries: u64,
}

/// The thread that turns entries into lines: the frame being filled.
struct Frames {
    /// To the thread that writes them.
    frames: SyncSender<Frame>,
    /// Buffers that it is done with.
    emptied: Receiver<Vec<u8>>,
    thread: JoinHandle<Written>,
    frame_bytes: usize,
    lines: Vec<u8>,
    entries: u64,
    /// Of all lines so far.
    digest: Digest,
    /// When the frame is due.
    due: Option<Instant>,
    /// What never became a line.
    unwritten: Written,
}

impl Frames {
    fn start(disk: Box<dyn Disk>, frame_bytes: usize) -> io::Result<Self> {
        // One frame is written while the next one is filled.
        let (frames, to_write) = sync_channel(1);
        let (done, emptied) = sync_channel(2);
        let disk = Writer {
            disk,
            length: 0,
            written: Written::default(),
        };
        let thread = std::thread::Builder::new()
            .name("history-disk".to_owned())
            .spawn(move || disk.run(&to_write, &done))?;
        Ok(Self {
            frames,
            emptied,
            thread,
            frame_bytes,
            lines: Vec::new(),
            entries: 0,
            digest: Digest::default(),
            due: None,
            unwritten: Written::default(),
        })
    }

    fn run(mut self, receiver: &Receiver<Vec<Entry>>) -> Written {
        loop {
            let wait = self
                .due
                .map(|due| due.saturating_duration_since(Instant::now()));
            let received = match wait {
                None => receiver.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(wait) => receiver.recv_timeout(wait),
            };
            match received {
                Ok(entries) => {
                    let now = Instant::now();
                    entries.iter().for_each(|entry| self.add(entry, now));
                }
                Err(RecvTimeoutError::Timeout) => self.close_frame(),
                Err(RecvTimeoutError::Disconnected) => return self.finish(),
            }
        }
    }

    fn add(&mut self, entry: &Entry, now: Instant) {
        let line_start = self.lines.len();
        let line = if matches!(entry, Entry::End(_)) {
            let sealed = Sealed::new(entry, &self.digest);
            serde_json::to_writer(&mut self.lines, &sealed)
        } else {
            serde_json::to_writer(&mut self.lines, entry)
        };
        match line {
            Ok(()) => {
                self.digest.add(&self.lines[line_start..]);
                self.lines.push(b'\n');
                self.entries += 1;
            }
            Err(error) => {
                self.lines.truncate(line_start);
                self.unwritten.lost += 1;
                self.unwritten.error.get_or_insert(error.into());
            }
        }
        let due = *self.due.get_or_insert(now + FRAME_TIME);
        if self.lines.len() >= self.frame_bytes || now >= due {
            self.close_frame();
        }
    }

    fn close_frame(&mut self) {
        self.due = None;
        if self.lines.is_empty() {
            return;
        }
        let next = self.emptied.try_recv().unwrap_or_default();
        let frame = Frame {
            lines: std::mem::replace(&mut self.lines, next),
            entries: std::mem::take(&mut self.entries),
        };
        let entries = frame.entries;
        // What would follow a hole could not be read.
        if self.unwritten.error.is_some() || self.frames.send(frame).is_err() {
            self.unwritten.lost += entries;
        }
    }

    fn finish(mut self) -> Written {
        self.close_frame();
        drop(self.frames);
        let mut written = self.thread.join().unwrap_or_else(|_| Written {
            error: Some(io::Error::other("the thread that writes frames failed")),
            ..Written::default()
        });
        written.lost += self.unwritten.lost;
        written.error = self.unwritten.error.or(written.error);
        written
    }
}

/// The thread that compresses frames and writes them: what is on disk.
struct Writer {
    disk: Box<dyn Disk>,
    /// Bytes of whole frames.
    length: u64,
    written: Written,
}

impl Writer {
    fn run(mut self, frames: &Receiver<Frame>, emptied: &SyncSender<Vec<u8>>) -> Written {
        while let Ok(mut frame) = frames.recv() {
            self.write(&frame);
            frame.lines.clear();
            // Full, or nothing more is filled: the buffer is dropped.
            drop(emptied.try_send(frame.lines));
        }
        self.written
    }

    fn write(&mut self, frame: &Frame) {
        // After a failure nothing is written: what would follow a hole could not be read.
        let result = match &self.written.error {
            Some(_) => Err(None),
            None => self.append(&frame.lines).map_err(Some),
        };
        match result {
            Ok(()) => self.written.kept += frame.entries,
            Err(error) => {
                self.written.lost += frame.entries;
                if error.is_some() {
                    self.written.error = error;
                    // What is left of the frame would be skipped by a reader anyway.
                    drop(self.disk.cut(self.length));
                }
            }
        }
    }

    fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        let mut compressor = zstd::bulk::Compressor::new(LEVEL)?;
        // Without a checksum a bit that flips gives other numbers without a word.
        compressor.set_parameter(CParameter::ChecksumFlag(true))?;
        let frame = compressor.compress(lines)?;
        self.disk.append(&frame)?;
        self.length += frame.len() as u64;
        Ok(())
    }
}
