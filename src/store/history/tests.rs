//! Histories that end well, and others.

use std::io;
use std::sync::{Arc, Mutex};

use racegate_model::history::{End, EndReason, Entry};
use racegate_model::ids::RecordingIndex;
use racegate_model::time::Timestamp;

use super::reader::{HistoryReader, Tail};
use super::writer::{Disk, HistoryLost, HistoryWriter, WhenFull};

fn entry(number: u64) -> Entry {
    Entry::NotEstablished {
        recording: RecordingIndex(number),
        stage: "ice".into(),
    }
}

/// A disk in memory that has room for that many bytes.
#[derive(Clone)]
struct Memory {
    bytes: Arc<Mutex<Vec<u8>>>,
    frames: Arc<Mutex<Vec<usize>>>,
    room: usize,
}

impl Memory {
    fn of(room: usize) -> Self {
        Self {
            bytes: Arc::default(),
            frames: Arc::default(),
            room,
        }
    }

    fn bytes(&self) -> Vec<u8> {
        self.bytes.lock().unwrap().clone()
    }
}

impl Disk for Memory {
    fn append(&mut self, frame: &[u8]) -> io::Result<()> {
        let mut bytes = self.bytes.lock().unwrap();
        let room = self.room - bytes.len();
        if frame.len() > room {
            bytes.extend(&frame[..room]);
            return Err(io::Error::new(io::ErrorKind::StorageFull, "no space left"));
        }
        bytes.extend(frame);
        self.frames.lock().unwrap().push(bytes.len());
        Ok(())
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.bytes
            .lock()
            .unwrap()
            .truncate(usize::try_from(length).unwrap());
        Ok(())
    }
}

/// A history of frames of three or four entries.
fn written(entries: u64) -> Memory {
    let memory = Memory::of(usize::MAX);
    let mut writer = HistoryWriter::spawn(Box::new(memory.clone()), WhenFull::Wait, 200).unwrap();
    (0..entries).for_each(|number| writer.write(entry(number)));
    assert_eq!(writer.finish().unwrap(), entries);
    memory
}

fn read(bytes: &[u8]) -> (Vec<Entry>, Tail) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history");
    std::fs::write(&path, bytes).unwrap();
    let mut reader = HistoryReader::open(&path).unwrap();
    let entries = reader.by_ref().collect();
    (entries, reader.tail().clone())
}

#[test]
fn what_was_written_is_read() {
    let memory = written(100);
    assert!(memory.frames.lock().unwrap().len() > 10);
    let (entries, tail) = read(&memory.bytes());
    assert_eq!(entries, (0..100).map(entry).collect::<Vec<_>>());
    assert_eq!(tail, Tail::Whole);
    assert_eq!(read(&[]), (Vec::new(), Tail::Whole));
}

#[test]
fn instants_that_never_come_survive() {
    let memory = Memory::of(usize::MAX);
    let mut writer =
        HistoryWriter::spawn(Box::new(memory.clone()), WhenFull::Lose, 1 << 20).unwrap();
    let end = Entry::End(End {
        at: Timestamp::NEVER,
        reason: EndReason::Interrupted,
        ended: vec![u64::MAX],
        invalid_reasons: vec!["a \"quoted\"\nline".into()],
    });
    writer.write(end.clone());
    drop(writer);
    assert_eq!(read(&memory.bytes()), (vec![end], Tail::Whole));
}

#[test]
fn a_file_cut_at_any_byte_of_its_last_frame_keeps_the_others() {
    let memory = written(40);
    let bytes = memory.bytes();
    let frames = memory.frames.lock().unwrap().clone();
    let whole = frames[frames.len() - 2];
    let (kept, _) = read(&bytes[..whole]);
    assert!(kept.len() >= 30 && kept.len() < 40);
    for length in whole + 1..bytes.len() {
        let (entries, tail) = read(&bytes[..length]);
        assert_eq!(entries, kept, "cut at {length}");
        assert_eq!(tail, Tail::Cut, "cut at {length}");
    }
}

#[test]
fn garbage_is_told_and_never_a_panic() {
    let (entries, tail) = read(b"this is not a history");
    assert!(
        entries.is_empty() && matches!(tail, Tail::Damaged { .. }),
        "{tail:?}"
    );
    let memory = written(40);
    let first = memory.frames.lock().unwrap()[0];
    let mut bytes = memory.bytes();
    bytes.truncate(first);
    let (whole, _) = read(&bytes);
    bytes.extend(b"garbage after a frame");
    let (entries, tail) = read(&bytes);
    assert!(!whole.is_empty() && entries == whole && matches!(tail, Tail::Damaged { .. }));
    // A frame of something else: readable as zstd, and no history.
    let (entries, tail) = read(&zstd::bulk::compress(b"{\"type\":\"unheard\"}\n", 3).unwrap());
    assert!(
        entries.is_empty() && matches!(tail, Tail::Damaged { .. }),
        "{tail:?}"
    );
    for position in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[position] ^= 0x55;
        read(&flipped);
    }
}

#[test]
fn a_frame_that_unpacks_to_too_much_is_refused() {
    let bomb = zstd::bulk::compress(&vec![b' '; 80 << 20], 3).unwrap();
    let (entries, tail) = read(&bomb);
    assert!(entries.is_empty());
    assert_eq!(
        tail,
        Tail::Damaged {
            reason: "a frame is too large".into()
        }
    );
}

#[test]
fn a_full_disk_keeps_whole_frames_and_says_what_is_lost() {
    let memory = Memory::of(500);
    let mut writer = HistoryWriter::spawn(Box::new(memory.clone()), WhenFull::Wait, 200).unwrap();
    (0..100).for_each(|number| writer.write(entry(number)));
    let error = writer.finish().unwrap_err();
    assert!(matches!(&error.reason, HistoryLost::Disk(disk)
        if disk.kind() == io::ErrorKind::StorageFull));
    assert_eq!(error.kept + error.lost, 100);
    let (entries, tail) = read(&memory.bytes());
    assert_eq!((entries.len() as u64, tail), (error.kept, Tail::Whole));
    assert!(
        error.kept > 0 && error.to_string().contains("no space left"),
        "{error}"
    );
}

#[test]
fn entries_that_a_stuck_disk_cannot_take_are_counted() {
    /// Holds the first frame until the test is done filling the queue.
    struct Stuck(Arc<Mutex<()>>);
    impl Disk for Stuck {
        fn append(&mut self, _: &[u8]) -> io::Result<()> {
            drop(self.0.lock().unwrap());
            Ok(())
        }
        fn cut(&mut self, _: u64) -> io::Result<()> {
            Ok(())
        }
    }
    let gate = Arc::new(Mutex::new(()));
    let held = gate.lock().unwrap();
    let disk = Box::new(Stuck(Arc::clone(&gate)));
    let mut writer = HistoryWriter::spawn(disk, WhenFull::Lose, 1).unwrap();
    let given = 2 * 65_536;
    (0..given).for_each(|number| writer.write(entry(number)));
    drop(held);
    let error = writer.finish().unwrap_err();
    assert!(matches!(error.reason, HistoryLost::Slow), "{error}");
    assert_eq!(error.kept + error.lost, given);
}
