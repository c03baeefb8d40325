//! One UDP socket that speaks for many local addresses.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};

use crate::batch::{RecvBatch, SendBatch, SendCount};
use crate::ring::{self, RingEnd};

#[cfg(target_os = "linux")]
use crate::linux::Native;
#[cfg(not(target_os = "linux"))]
use crate::plain::Native;

/// Receive buffer asked of the kernel, in bytes: it holds about 50 ms of 2,500 sessions.
#[cfg(target_os = "linux")]
pub(crate) const RECEIVE_BUFFER: usize = 4 << 20;

/// What is asked for with privilege: a stall of 200 ms by the neighbours then loses nothing at 2,500 sessions.
#[cfg(target_os = "linux")]
pub(crate) const RECEIVE_BUFFER_FORCED: usize = 32 << 20;

/// Why a socket could not be made.
#[derive(Debug, thiserror::Error)]
#[error("cannot bind UDP {address}")]
pub struct BindError {
    /// The address that was asked for.
    pub address: SocketAddrV4,
    /// What the system said.
    #[source]
    pub source: io::Error,
}

/// The buffers that the kernel granted, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SocketBuffers {
    /// Receive buffer (`SO_RCVBUF`; Linux reports twice what was set). 0 where the platform does not tell.
    pub receive: usize,
}

/// A non-blocking UDP socket with batched receive and send.
///
/// [`BatchSocket::bind_callers`] makes one that sends from any loopback address, chosen per datagram, and says of each received
/// datagram to which address it was sent: one socket is then thousands of callers. Elsewhere than on Linux the same is emulated
/// with a socket per address.
#[derive(Debug)]
pub struct BatchSocket {
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Native(Native),
    Ring(RingEnd),
}

impl BatchSocket {
    /// Binds to `address`; port 0 lets the system choose.
    ///
    /// # Errors
    /// When the system refuses the address or an option that the live engine cannot do without.
    pub fn bind(address: SocketAddrV4) -> Result<Self, BindError> {
        Native::bind(address)
            .map(|native| Self {
                kind: Kind::Native(native),
            })
            .map_err(|source| BindError { address, source })
    }

    /// Binds a socket that speaks for any loopback address, on a port that the system chooses.
    ///
    /// No other machine reaches it, nor is reached by it, whatever address a datagram names: on Linux
    /// it is bound to the loopback device.
    ///
    /// # Errors
    /// As [`BatchSocket::bind`].
    pub fn bind_callers() -> Result<Self, BindError> {
        let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0);
        Native::bind_callers()
            .map(|native| Self {
                kind: Kind::Native(native),
            })
            .map_err(|source| BindError { address, source })
    }

    /// Two sockets with these addresses that are each other's network, in memory: what one sends to whatever address the other receives.
    #[must_use]
    pub fn pair(first: SocketAddrV4, second: SocketAddrV4) -> (Self, Self) {
        let (first, second) = ring::pair(first, second);
        let socket = |end| Self {
            kind: Kind::Ring(end),
        };
        (socket(first), socket(second))
    }

    /// The bound address with the port that the system chose.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddrV4 {
        match &self.kind {
            Kind::Native(native) => native.local_addr(),
            Kind::Ring(end) => end.local_addr(),
        }
    }

    /// What the kernel granted.
    #[must_use]
    pub fn buffers(&self) -> SocketBuffers {
        match &self.kind {
            Kind::Native(native) => native.buffers(),
            Kind::Ring(_) => SocketBuffers { receive: 0 },
        }
    }

    /// Datagrams that were lost because the receive buffer was full. Each is a fault of this machine,
    /// not of the platform under test. None where the system does not tell.
    #[must_use]
    pub fn dropped(&self) -> Option<u64> {
        match &self.kind {
            Kind::Native(native) => native.dropped(),
            // What is too much for a ring is refused.
            Kind::Ring(_) => Some(0),
        }
    }

    /// Receives what is there, up to [`crate::BATCH`] datagrams, and never waits. Returns how many messages the kernel handed over.
    ///
    /// # Errors
    /// What the system says, except that nothing is there.
    pub fn recv(&mut self, batch: &mut RecvBatch) -> io::Result<usize> {
        match &mut self.kind {
            Kind::Native(native) => native.recv(batch),
            Kind::Ring(end) => Ok(end.recv(batch)),
        }
    }

    /// Sends all datagrams of the batch, in order, and empties it. A datagram that the kernel refuses is counted and skipped.
    pub fn send(&mut self, batch: &mut SendBatch) -> SendCount {
        let count = if batch.is_empty() {
            SendCount::default()
        } else {
            match &mut self.kind {
                Kind::Native(native) => native.send(batch),
                Kind::Ring(end) => end.send(batch),
            }
        };
        batch.clear();
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Loopback delivers within the send call, so one receive sees what was sent before it.
    fn receive_all(socket: &mut BatchSocket) -> Vec<(SocketAddrV4, SocketAddrV4, Vec<u8>)> {
        let mut batch = RecvBatch::new();
        let mut all = Vec::new();
        while socket.recv(&mut batch).unwrap() > 0 {
            all.extend(
                batch
                    .iter()
                    .map(|d| (d.source, d.destination, d.bytes.to_vec())),
            );
        }
        all
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn what_finds_the_buffer_full_is_counted_of_that_socket_and_no_other() {
        let any = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0);
        let mut stalled = BatchSocket::bind(any).unwrap();
        let mut sender = BatchSocket::bind(any).unwrap();
        // Far more than its buffer: a datagram takes more room than it has bytes.
        let (mut sent, mut out) = (0, SendBatch::new());
        let least = 2 * stalled.buffers().receive as u64 / 1400 + 1000;
        while sent < least {
            for _ in 0..64 {
                out.push(None, stalled.local_addr(), &[7; 1400]);
            }
            sent += sender.send(&mut out).sent;
        }
        let received = receive_all(&mut stalled).len() as u64;
        assert!(received < sent, "{received} of {sent} received");
        assert_eq!(stalled.dropped(), Some(sent - received));
        assert_eq!(sender.dropped(), Some(0));
    }

    #[test]
    fn a_batch_larger_than_one_call_arrives_in_order() {
        let mut server = BatchSocket::bind(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)).unwrap();
        let mut client = BatchSocket::bind(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)).unwrap();
        let mut out = SendBatch::new();
        for n in 0..150_u8 {
            out.push(None, server.local_addr(), &[n; 3]);
        }
        assert_eq!(
            client.send(&mut out),
            SendCount {
                sent: 150,
                refused: 0
            }
        );
        assert!(out.is_empty());
        let got = receive_all(&mut server);
        assert_eq!(got.len(), 150);
        assert!(
            got.iter()
                .zip(0..)
                .all(|((_, _, bytes), n)| *bytes == [n; 3])
        );
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn one_socket_speaks_for_many_source_addresses() {
        let mut server = BatchSocket::bind(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)).unwrap();
        let mut callers = BatchSocket::bind_callers().unwrap();
        let addresses = [Ipv4Addr::new(127, 64, 0, 1), Ipv4Addr::new(127, 99, 8, 7)];
        let mut out = SendBatch::new();
        for address in addresses {
            out.push(
                Some(address),
                server.local_addr(),
                address.to_string().as_bytes(),
            );
        }
        callers.send(&mut out);
        for ((source, destination, bytes), address) in
            receive_all(&mut server).into_iter().zip(addresses)
        {
            assert_eq!(*source.ip(), address);
            assert_eq!(destination, server.local_addr());
            out.push(None, source, &bytes);
        }
        assert_eq!(server.send(&mut out).sent, 2);
        let back = receive_all(&mut callers);
        let to: Vec<_> = back
            .iter()
            .map(|(_, destination, _)| *destination.ip())
            .collect();
        assert_eq!(to, addresses);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn what_the_path_cannot_carry_is_refused_and_the_rest_is_sent() {
        let server = BatchSocket::bind(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)).unwrap();
        let mut client = BatchSocket::bind(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)).unwrap();
        let mut out = SendBatch::new();
        out.push(None, server.local_addr(), b"a");
        out.push(None, server.local_addr(), &vec![0; 70_000]);
        out.push(None, server.local_addr(), b"b");
        assert_eq!(
            client.send(&mut out),
            SendCount {
                sent: 2,
                refused: 1
            }
        );
    }

    #[test]
    fn an_empty_socket_brings_nothing_and_does_not_wait() {
        let mut socket = BatchSocket::bind(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)).unwrap();
        assert_eq!(socket.recv(&mut RecvBatch::new()).unwrap(), 0);
        assert_eq!(socket.send(&mut SendBatch::new()), SendCount::default());
    }

    #[test]
    fn an_address_that_is_not_ours_is_a_bind_error() {
        let error =
            BatchSocket::bind(SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 77), 0)).unwrap_err();
        assert!(error.to_string().contains("192.0.2.77"));
    }
}
