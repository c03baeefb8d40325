//! Two sockets without a network: what one sends the other receives, in the same process.

use std::collections::VecDeque;
use std::net::SocketAddrV4;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::batch::{BATCH, DATAGRAM_MAX, RecvBatch, SendBatch, SendCount};

/// Datagrams on their way, at most; beyond that they are refused, as a full socket buffer would.
const DATAGRAMS_MAX: usize = 65_536;

/// One direction.
#[derive(Debug, Default)]
struct Ring {
    bytes: VecDeque<u8>,
    datagrams: VecDeque<(usize, SocketAddrV4, SocketAddrV4)>,
}

/// One end of a pair.
#[derive(Debug)]
pub(crate) struct RingEnd {
    local: SocketAddrV4,
    inbound: Arc<Mutex<Ring>>,
    outbound: Arc<Mutex<Ring>>,
}

/// Two ends with these addresses.
pub(crate) fn pair(first: SocketAddrV4, second: SocketAddrV4) -> (RingEnd, RingEnd) {
    let (there, back) = (Arc::default(), Arc::default());
    let one = RingEnd {
        local: first,
        inbound: Arc::clone(&back),
        outbound: Arc::clone(&there),
    };
    let other = RingEnd {
        local: second,
        inbound: there,
        outbound: back,
    };
    (one, other)
}

fn lock(ring: &Mutex<Ring>) -> MutexGuard<'_, Ring> {
    // A panicking end leaves whole datagrams or, at worst, a lost one.
    ring.lock().unwrap_or_else(PoisonError::into_inner)
}

impl RingEnd {
    pub(crate) fn local_addr(&self) -> SocketAddrV4 {
        self.local
    }

    pub(crate) fn recv(&mut self, batch: &mut RecvBatch) -> usize {
        batch.clear();
        let mut ring = lock(&self.inbound);
        let count = ring.datagrams.len().min(BATCH);
        for buffer in 0..count {
            let Some((len, source, destination)) = ring.datagrams.pop_front() else {
                break;
            };
            if let Some(target) = batch.buffers().nth(buffer) {
                copy_out(&ring.bytes, &mut target[..len]);
            }
            ring.bytes.drain(..len);
            batch.push(buffer, len, source, destination);
        }
        count
    }

    pub(crate) fn send(&mut self, batch: &SendBatch) -> SendCount {
        let mut ring = lock(&self.outbound);
        let mut count = SendCount::default();
        for (source, destination, contents) in batch.iter() {
            if ring.datagrams.len() >= DATAGRAMS_MAX || contents.len() > DATAGRAM_MAX {
                count.refused += 1;
                continue;
            }
            let source = source.map_or(self.local, |ip| SocketAddrV4::new(ip, self.local.port()));
            ring.bytes.extend(contents);
            ring.datagrams
                .push_back((contents.len(), source, destination));
            count.sent += 1;
        }
        count
    }
}

/// Copies the first bytes of a queue, which may lie in two pieces.
fn copy_out(bytes: &VecDeque<u8>, target: &mut [u8]) {
    let (front, rest) = bytes.as_slices();
    let cut = front.len().min(target.len());
    let (first, second) = target.split_at_mut(cut);
    first.copy_from_slice(&front[..cut]);
    let len = second.len();
    second.copy_from_slice(&rest[..len]);
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn address(port: u16) -> SocketAddrV4 {
        SocketAddrV4::new(Ipv4Addr::LOCALHOST, port)
    }

    #[test]
    fn what_one_end_sends_the_other_receives_in_order_from_any_source() {
        let (mut one, mut other) = pair(address(1), address(2));
        let caller = Ipv4Addr::new(127, 64, 0, 9);
        let (mut out, mut batch) = (SendBatch::new(), RecvBatch::new());
        let mut expected = Vec::new();
        let mut got = Vec::new();
        for round in 0..50_u8 {
            for n in 0..150_u8 {
                let bytes = vec![n ^ round; usize::from(n)];
                out.push(Some(caller), address(2), &bytes);
                expected.push(bytes);
            }
            assert_eq!(one.send(&out).sent, 150);
            out.clear();
            while other.recv(&mut batch) > 0 {
                got.extend(batch.iter().map(|datagram| {
                    assert_eq!(datagram.source, SocketAddrV4::new(caller, 1));
                    assert_eq!(datagram.destination, address(2));
                    datagram.bytes.to_vec()
                }));
            }
        }
        assert_eq!(got, expected);
        out.push(None, address(1), b"back");
        assert_eq!(other.send(&out).sent, 1);
        assert_eq!(one.recv(&mut batch), 1);
        assert_eq!(
            batch.get(0).map(|datagram| datagram.source),
            Some(address(2))
        );
    }

    #[test]
    fn a_full_ring_refuses_and_delivers_what_it_took() {
        let (mut one, mut other) = pair(address(1), address(2));
        let mut out = SendBatch::new();
        for _ in 0..DATAGRAMS_MAX + 10 {
            out.push(None, address(2), b"x");
        }
        out.push(None, address(2), &[0; DATAGRAM_MAX + 1]);
        let count = one.send(&out);
        assert_eq!((count.sent, count.refused), (DATAGRAMS_MAX as u64, 11));
        let mut batch = RecvBatch::new();
        let mut got = 0;
        while other.recv(&mut batch) > 0 {
            got += batch.len();
        }
        assert_eq!(got, DATAGRAMS_MAX);
    }
}
