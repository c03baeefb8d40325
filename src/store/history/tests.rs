//! Histories that end well, and others.

use std::io;
use std::sync::{Arc, Mutex};

use racegate_model::history::{End, EndReason, Entry};
use racegate_model::ids::RecordingIndex;
use racegate_model::time::Timestamp;

use super::reader::{Flaw, HistoryReader};
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

fn read(bytes: &[u8]) -> (Vec<Entry>, Vec<Flaw>) {
    let reader = read_all(bytes);
    (reader.0, reader.1.flaws().to_vec())
}

/// The entries, and the reader that has given them.
fn read_all(bytes: &[u8]) -> (Vec<Entry>, HistoryReader) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history");
    std::fs::write(&path, bytes).unwrap();
    let mut reader = HistoryReader::open(&path).unwrap();
    let entries = reader.by_ref().collect();
    (entries, reader)
}

#[test]
fn what_was_written_is_read() {
    let memory = written(100);
    assert!(memory.frames.lock().unwrap().len() > 10);
    let (entries, flaws) = read(&memory.bytes());
    assert_eq!(entries, (0..100).map(entry).collect::<Vec<_>>());
    assert_eq!(flaws, []);
    assert_eq!(read(&[]), (Vec::new(), Vec::new()));
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
    let (entries, reader) = read_all(&memory.bytes());
    assert_eq!(entries, vec![end]);
    assert!(reader.is_whole(), "{reader:?}");
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
        let (entries, flaws) = read(&bytes[..length]);
        assert_eq!(entries, kept, "cut at {length}");
        let (from, to) = (whole as u64, length as u64);
        assert_eq!(flaws, [Flaw::Cut { from, to }], "cut at {length}");
    }
}

/// A history of some frames with an end line.
fn ended(entries: u64) -> (Memory, Vec<Entry>) {
    let memory = Memory::of(usize::MAX);
    let mut writer = HistoryWriter::spawn(Box::new(memory.clone()), WhenFull::Wait, 200).unwrap();
    let end = Entry::End(End {
        at: Timestamp::from_nanos(7),
        reason: EndReason::Finished,
        ended: vec![entries],
        invalid_reasons: Vec::new(),
    });
    let all: Vec<Entry> = (0..entries).map(entry).chain([end]).collect();
    all.iter().for_each(|entry| writer.write(entry.clone()));
    writer.finish().unwrap();
    (memory, all)
}

#[test]
fn every_bit_that_flips_is_noticed_or_harmless() {
    let (memory, all) = ended(20);
    let bytes = memory.bytes();
    assert!(memory.frames.lock().unwrap().len() >= 5);
    let (read_back, reader) = read_all(&bytes);
    assert!(reader.is_whole() && read_back == all, "{reader:?}");
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let (entries, reader) = read_all(&flipped);
        assert!(
            !reader.is_whole() || entries == all,
            "bit {bit}: {reader:?}"
        );
        let other = entries.iter().find(|entry| !all.contains(entry));
        assert_eq!(other, None, "bit {bit}: what cannot be trusted is left out");
    }
}

#[test]
fn a_damaged_frame_is_told_from_where_to_where_and_the_others_are_read() {
    let (memory, all) = ended(20);
    let frames: Vec<u64> = memory
        .frames
        .lock()
        .unwrap()
        .iter()
        .map(|at| *at as u64)
        .collect();
    let mut bytes = memory.bytes();
    // Within the third frame, and within the last one.
    let within = |frame: usize| usize::try_from(frames[frame - 1]).unwrap() + 20;
    bytes[within(2)] ^= 0x10;
    let (entries, reader) = read_all(&bytes);
    let [
        Flaw::Damaged {
            from, to, after, ..
        },
    ] = reader.flaws()
    else {
        panic!("{reader:?}");
    };
    assert_eq!((*from, *to), (frames[1], frames[2]));
    let kept = entries
        .iter()
        .zip(&all)
        .take_while(|(read, written)| read == written)
        .count();
    assert_eq!(*after, kept as u64);
    assert_eq!(entries.last(), all.last(), "what follows is read");
    bytes[within(frames.len() - 1)] ^= 0x10;
    let (_, reader) = read_all(&bytes);
    assert_eq!(reader.flaws().len(), 2, "{reader:?}");
    let text = reader.flaws()[0].to_string();
    let told = format!(
        "bytes {} to {} are damaged, after {kept} entries",
        frames[1], frames[2]
    );
    assert!(text.starts_with(&told), "{text}");
}

#[test]
fn a_frame_that_is_missing_doubled_or_moved_is_noticed() {
    let (memory, _) = ended(20);
    let ends = memory.frames.lock().unwrap().clone();
    let bytes = memory.bytes();
    let frame = |n: usize| &bytes[if n == 0 { 0 } else { ends[n - 1] }..ends[n]];
    let last = ends.len() - 1;
    let order =
        |order: &[usize]| -> Vec<u8> { order.iter().flat_map(|n| frame(*n)).copied().collect() };
    let whole: Vec<usize> = (0..=last).collect();
    let missing: Vec<usize> = whole.iter().copied().filter(|n| *n != 1).collect();
    let doubled = [&[0][..], &whole].concat();
    let moved = [&[1, 0][..], &whole[2..]].concat();
    let mixed = [&whole[..], &[0, 1]].concat();
    assert!(read_all(&order(&whole)).1.is_whole());
    for wrong in [missing, doubled, moved, mixed] {
        let (_, reader) = read_all(&order(&wrong));
        assert!(
            matches!(reader.flaws(), [Flaw::Altered { .. }, ..]),
            "{wrong:?}: {reader:?}"
        );
    }
}

#[test]
fn garbage_is_told_and_never_a_panic() {
    let damaged = |flaws: &[Flaw]| matches!(flaws, [Flaw::Damaged { .. }]);
    let (entries, flaws) = read(b"this is not a history");
    assert!(entries.is_empty() && damaged(&flaws), "{flaws:?}");
    let memory = written(40);
    let first = memory.frames.lock().unwrap()[0];
    let mut bytes = memory.bytes();
    bytes.truncate(first);
    let (whole, _) = read(&bytes);
    bytes.extend(b"garbage after a frame");
    let (entries, flaws) = read(&bytes);
    assert!(!whole.is_empty() && entries == whole && damaged(&flaws));
    // A frame of something else: readable as zstd, and no history.
    let (entries, flaws) = read(&zstd::bulk::compress(b"{\"type\":\"unheard\"}\n", 3).unwrap());
    assert!(entries.is_empty() && damaged(&flaws), "{flaws:?}");
    for position in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[position] ^= 0x55;
        read(&flipped);
    }
}

#[test]
fn a_frame_that_unpacks_to_too_much_is_refused() {
    let bomb = zstd::bulk::compress(&vec![b' '; 80 << 20], 3).unwrap();
    let (entries, flaws) = read(&bomb);
    assert!(entries.is_empty());
    let [Flaw::Damaged { reason, .. }] = flaws.as_slice() else {
        panic!("{flaws:?}");
    };
    assert_eq!(reason, "a frame is too large");
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
    let (entries, flaws) = read(&memory.bytes());
    assert_eq!((entries.len() as u64, flaws), (error.kept, Vec::new()));
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
