//! Batches of datagrams: what one `recvmmsg` brings and one `sendmmsg` takes.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::ops::Range;

/// Datagrams per system call. 32 already has the whole gain and 512 is worse (cache), measured on loopback.
pub const BATCH: usize = 64;

/// The largest datagram that is received, in bytes; a longer one is counted as truncated and dropped.
pub const DATAGRAM_MAX: usize = 2048;

/// From one receive buffer to the next, in bytes. An odd number of cache lines: at a power of two all
/// buffers would begin in the same two sets of the first-level cache, which hold sixteen of them.
const STRIDE: usize = DATAGRAM_MAX + 64;

/// One received datagram.
#[derive(Debug, Clone, Copy)]
pub struct Datagram<'a> {
    /// Who sent it.
    pub source: SocketAddrV4,
    /// To which of our addresses it was sent; many addresses share one socket.
    pub destination: SocketAddrV4,
    /// Its contents.
    pub bytes: &'a [u8],
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    buffer: usize,
    len: usize,
    source: SocketAddrV4,
    destination: SocketAddrV4,
}

/// Receive buffers for up to [`BATCH`] datagrams, reused from call to call.
#[derive(Debug)]
pub struct RecvBatch {
    bytes: Box<[u8]>,
    slots: Vec<Slot>,
    truncated: u64,
}

impl RecvBatch {
    /// Empty buffers.
    #[must_use]
    pub fn new() -> Self {
        Self {
            bytes: vec![0; BATCH * STRIDE].into_boxed_slice(),
            slots: Vec::with_capacity(BATCH),
            truncated: 0,
        }
    }

    /// Number of datagrams from the last receive.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether the last receive brought nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Datagrams dropped so far because they were longer than [`DATAGRAM_MAX`].
    #[must_use]
    pub fn truncated(&self) -> u64 {
        self.truncated
    }

    /// The datagram of that number in the last receive.
    #[must_use]
    pub fn get(&self, number: usize) -> Option<Datagram<'_>> {
        let slot = self.slots.get(number)?;
        let start = slot.buffer * STRIDE;
        Some(Datagram {
            source: slot.source,
            destination: slot.destination,
            bytes: &self.bytes[start..start + slot.len],
        })
    }

    /// The datagrams of the last receive, in order of arrival.
    pub fn iter(&self) -> impl Iterator<Item = Datagram<'_>> {
        self.slots.iter().map(|slot| {
            let start = slot.buffer * STRIDE;
            Datagram {
                source: slot.source,
                destination: slot.destination,
                bytes: &self.bytes[start..start + slot.len],
            }
        })
    }

    pub(crate) fn clear(&mut self) {
        self.slots.clear();
    }

    pub(crate) fn buffers(&mut self) -> std::slice::ChunksExactMut<'_, u8> {
        self.bytes.chunks_exact_mut(STRIDE)
    }

    pub(crate) fn push(
        &mut self,
        buffer: usize,
        len: usize,
        source: SocketAddrV4,
        destination: SocketAddrV4,
    ) {
        debug_assert!(len <= DATAGRAM_MAX && buffer < BATCH);
        self.slots.push(Slot {
            buffer,
            len,
            source,
            destination,
        });
    }

    pub(crate) fn count_truncated(&mut self) {
        self.truncated += 1;
    }
}

impl Default for RecvBatch {
    fn default() -> Self {
        Self::new()
    }
}

/// One datagram to be sent, as an index into its batch.
#[derive(Debug, Clone)]
pub(crate) struct Outgoing {
    pub(crate) bytes: Range<usize>,
    pub(crate) destination: SocketAddrV4,
    pub(crate) source: Option<Ipv4Addr>,
}

/// What became of the datagrams of one flush.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SendCount {
    /// Datagrams that the kernel took.
    pub sent: u64,
    /// Datagrams that it refused (buffer full, too long for the path, no route).
    pub refused: u64,
}

impl SendCount {
    pub(crate) fn add(&mut self, other: Self) {
        self.sent += other.sent;
        self.refused += other.refused;
    }
}

/// Datagrams waiting to be sent together, in one growing buffer that is reused.
#[derive(Debug, Default)]
pub struct SendBatch {
    bytes: Vec<u8>,
    entries: Vec<Outgoing>,
}

impl SendBatch {
    /// An empty batch.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a datagram; `source` chooses which of the socket's addresses it leaves from, `None` leaves that to the kernel.
    pub fn push(&mut self, source: Option<Ipv4Addr>, destination: SocketAddrV4, bytes: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        self.entries.push(Outgoing {
            bytes: start..self.bytes.len(),
            destination,
            source,
        });
    }

    /// Adds the datagram that `write` appends to the buffer it is given; nothing is added when it appends nothing.
    pub fn push_with(
        &mut self,
        source: Option<Ipv4Addr>,
        destination: SocketAddrV4,
        write: impl FnOnce(&mut Vec<u8>),
    ) {
        let start = self.bytes.len();
        write(&mut self.bytes);
        if self.bytes.len() > start {
            self.entries.push(Outgoing {
                bytes: start..self.bytes.len(),
                destination,
                source,
            });
        }
    }

    /// Number of datagrams waiting.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The waiting datagrams: source, destination, contents. Tests route them in memory.
    pub fn iter(&self) -> impl Iterator<Item = (Option<Ipv4Addr>, SocketAddrV4, &[u8])> {
        self.entries.iter().map(|entry| {
            (
                entry.source,
                entry.destination,
                &self.bytes[entry.bytes.clone()],
            )
        })
    }

    /// Forgets all waiting datagrams and keeps the memory.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.bytes.clear();
    }

    #[cfg(target_os = "linux")]
    pub(crate) fn entries(&self) -> &[Outgoing] {
        &self.entries
    }

    #[cfg(target_os = "linux")]
    pub(crate) fn contents(&self, entry: &Outgoing) -> &[u8] {
        &self.bytes[entry.bytes.clone()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_datagram_written_in_place_is_one_and_nothing_written_is_none() {
        let mut batch = SendBatch::new();
        let to = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 9);
        batch.push(None, to, b"a");
        batch.push_with(Some(Ipv4Addr::LOCALHOST), to, |out| {
            out.extend_from_slice(b"bc")
        });
        batch.push_with(None, to, |_| {});
        let contents: Vec<_> = batch.iter().map(|(_, _, bytes)| bytes).collect();
        assert_eq!(contents, [&b"a"[..], b"bc"]);
    }
}
