//! The socket where there is no `sendmmsg`: the same contract with one plain socket per source address.
//!
//! A source address becomes a port of its own on the bound address, so the far side still tells callers apart; it is slower and needs
//! a descriptor per caller, which is enough for tests and small runs.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};

use crate::batch::{BATCH, RecvBatch, SendBatch, SendCount};
use crate::socket::SocketBuffers;

/// A caller's own socket costs a descriptor; more of them than this is a job for Linux.
const SOURCES_MAX: usize = 4096;

#[derive(Debug)]
pub(crate) struct Native {
    socket: UdpSocket,
    local: SocketAddrV4,
    sources: BTreeMap<Ipv4Addr, UdpSocket>,
    /// Where the next receive begins, so that a busy caller cannot starve the others.
    turn: usize,
}

impl Native {
    /// The other addresses of 127/8 need not exist here; each becomes a port of this one.
    pub(crate) fn bind_callers() -> io::Result<Self> {
        Self::bind(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0))
    }

    pub(crate) fn bind(address: SocketAddrV4) -> io::Result<Self> {
        let socket = open(address)?;
        let local = v4(socket.local_addr()?)?;
        Ok(Self {
            socket,
            local,
            sources: BTreeMap::new(),
            turn: 0,
        })
    }

    pub(crate) fn local_addr(&self) -> SocketAddrV4 {
        self.local
    }

    pub(crate) fn buffers(&self) -> SocketBuffers {
        SocketBuffers { receive: 0 }
    }

    pub(crate) fn dropped(&self) -> Option<u64> {
        None
    }

    pub(crate) fn recv(&mut self, batch: &mut RecvBatch) -> io::Result<usize> {
        batch.clear();
        let mut received = 0;
        let own = (*self.local.ip(), &self.socket);
        let callers = self
            .sources
            .iter()
            .map(|(address, socket)| (*address, socket));
        let sockets: Vec<_> = std::iter::once(own).chain(callers).collect();
        for step in 0..sockets.len() {
            let (address, socket) = sockets[(self.turn + step) % sockets.len()];
            while received < BATCH {
                let buffer = batch
                    .buffers()
                    .nth(received)
                    .expect("a buffer for each datagram of a batch");
                match socket.recv_from(buffer) {
                    Ok((len, source)) => {
                        batch.push(
                            received,
                            len,
                            v4(source)?,
                            SocketAddrV4::new(address, self.local.port()),
                        );
                        received += 1;
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => break,
                    Err(error) => return Err(error),
                }
            }
        }
        self.turn = (self.turn + 1) % sockets.len();
        Ok(received)
    }

    pub(crate) fn send(&mut self, batch: &SendBatch) -> SendCount {
        let mut count = SendCount::default();
        for (source, destination, contents) in batch.iter() {
            match self.send_one(source, destination, contents) {
                Ok(_) => count.sent += 1,
                Err(_) => count.refused += 1,
            }
        }
        count
    }

    fn send_one(
        &mut self,
        source: Option<Ipv4Addr>,
        destination: SocketAddrV4,
        contents: &[u8],
    ) -> io::Result<usize> {
        let Some(source) = source.filter(|source| source != self.local.ip()) else {
            return self.socket.send_to(contents, destination);
        };
        if !self.sources.contains_key(&source) {
            // Callers take addresses in turn, so the lowest is the one that has been silent longest.
            if self.sources.len() >= SOURCES_MAX {
                self.sources.pop_first();
            }
            self.sources
                .insert(source, open(SocketAddrV4::new(*self.local.ip(), 0))?);
        }
        self.sources[&source].send_to(contents, destination)
    }
}

fn open(address: SocketAddrV4) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind(address)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn v4(address: SocketAddr) -> io::Result<SocketAddrV4> {
    match address {
        SocketAddr::V4(address) => Ok(address),
        SocketAddr::V6(_) => Err(io::Error::from(io::ErrorKind::AddrNotAvailable)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callers_keep_their_addresses_without_kernel_help() {
        let mut server = Native::bind(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)).unwrap();
        let mut callers = Native::bind_callers().unwrap();
        let addresses = [Ipv4Addr::new(127, 64, 0, 1), Ipv4Addr::new(127, 64, 0, 2)];
        let mut out = SendBatch::new();
        for address in addresses {
            out.push(Some(address), server.local_addr(), b"hello");
        }
        assert_eq!(callers.send(&out).sent, 2);
        let mut batch = RecvBatch::new();
        assert_eq!(server.recv(&mut batch).unwrap(), 2);
        assert_eq!(server.dropped(), None, "it is not told");
        let mut back = SendBatch::new();
        let mut sources: Vec<_> = batch.iter().map(|d| d.source).collect();
        sources.dedup();
        assert_eq!(sources.len(), 2, "each caller has a port of its own");
        for source in sources {
            back.push(None, source, b"back");
        }
        server.send(&back);
        assert_eq!(callers.recv(&mut batch).unwrap(), 2);
        let mut to: Vec<_> = batch.iter().map(|d| *d.destination.ip()).collect();
        to.sort();
        assert_eq!(to, addresses);
        assert_eq!(
            (callers.buffers().receive, server.local_addr().ip()),
            (0, &Ipv4Addr::LOCALHOST)
        );
    }
}
