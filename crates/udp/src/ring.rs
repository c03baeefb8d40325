//! Two endpoints that talk through memory: everything is real but the kernel.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Instant;

use crate::batch::{Datagram, SendBatch, SendCount};
use crate::shard::{Endpoint, Station};
use crate::socket::{BatchSocket, BindError};

/// Answers and their answers within one turn; what is left waits for the next tick.
const ROUNDS: usize = 16;

/// One end of a ring.
struct End {
    endpoint: Box<dyn Endpoint>,
    address: SocketAddrV4,
    out: SendBatch,
}

/// Two endpoints as one: what one sends, the other receives in the same tick, in order and whole.
///
/// A datagram costs no system call and no copy but the one into the batch. Only the ends' own addresses lead anywhere.
pub struct Ring {
    ends: [End; 2],
}

impl std::fmt::Debug for Ring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = self.ends.each_ref().map(|end| end.endpoint.name());
        f.debug_struct("Ring").field("ends", &names).finish()
    }
}

impl Ring {
    /// Joins two endpoints; an address is what the other end sees of one that names no source.
    #[must_use]
    pub fn new(
        one: (Box<dyn Endpoint>, SocketAddrV4),
        other: (Box<dyn Endpoint>, SocketAddrV4),
    ) -> Self {
        let end = |(endpoint, address)| End {
            endpoint,
            address,
            out: SendBatch::new(),
        };
        Self {
            ends: [end(one), end(other)],
        }
    }

    /// The ring as a shard's station. Its socket stays silent.
    ///
    /// # Errors
    /// When the system gives no socket.
    pub fn into_station(self) -> Result<Station, BindError> {
        Ok(Station {
            socket: BatchSocket::bind(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0))?,
            endpoint: Box::new(self),
        })
    }

    /// Carries datagrams to and fro until there are none, or for as long as a tick may take.
    fn exchange(&mut self, now: Instant) {
        for _ in 0..ROUNDS {
            let [one, other] = &mut self.ends;
            deliver(now, one, other);
            deliver(now, other, one);
            if one.out.is_empty() {
                break;
            }
        }
    }
}

fn deliver(now: Instant, from: &mut End, to: &mut End) {
    if from.out.is_empty() {
        return;
    }
    for (source, destination, bytes) in from.out.iter() {
        let ip = source.unwrap_or(*from.address.ip());
        let datagram = Datagram {
            source: SocketAddrV4::new(ip, from.address.port()),
            destination,
            bytes,
        };
        to.endpoint.handle_datagram(now, &datagram, &mut to.out);
    }
    let count = SendCount {
        sent: from.out.len() as u64,
        refused: 0,
    };
    from.out.clear();
    from.endpoint.handle_sent(Instant::now(), count);
}

impl Endpoint for Ring {
    fn name(&self) -> &'static str {
        "ring"
    }

    fn handle_datagram(&mut self, _: Instant, _: &Datagram<'_>, _: &mut SendBatch) {}

    fn handle_control(&mut self, now: Instant, _: &mut SendBatch) {
        for end in &mut self.ends {
            end.endpoint.handle_control(now, &mut end.out);
        }
        self.exchange(now);
    }

    fn handle_timeout(&mut self, now: Instant, _: &mut SendBatch) {
        for end in &mut self.ends {
            end.endpoint.handle_timeout(now, &mut end.out);
        }
        self.exchange(now);
    }

    fn handle_stop(&mut self, now: Instant, _: &mut SendBatch) {
        for nth in 0..self.ends.len() {
            let end = &mut self.ends[nth];
            end.endpoint.handle_control(now, &mut end.out);
            end.endpoint.handle_stop(now, &mut end.out);
            self.exchange(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    /// Sends a number back less one, until it is zero.
    struct Countdown {
        begin: Option<u8>,
        peer: SocketAddrV4,
        source: Option<Ipv4Addr>,
        seen: mpsc::Sender<(SocketAddrV4, u8)>,
    }

    impl Endpoint for Countdown {
        fn name(&self) -> &'static str {
            "countdown"
        }

        fn handle_datagram(&mut self, _: Instant, datagram: &Datagram<'_>, out: &mut SendBatch) {
            let number = datagram.bytes[0];
            self.seen.send((datagram.source, number)).unwrap();
            if let Some(next) = number.checked_sub(1) {
                out.push(self.source, datagram.source, &[next]);
            }
        }

        fn handle_control(&mut self, _: Instant, out: &mut SendBatch) {
            if let Some(begin) = self.begin.take() {
                out.push(self.source, self.peer, &[begin]);
            }
        }

        fn handle_timeout(&mut self, _: Instant, _: &mut SendBatch) {}
        fn handle_stop(&mut self, _: Instant, _: &mut SendBatch) {}
    }

    fn ring(begin: u8, source: Option<Ipv4Addr>) -> (Ring, mpsc::Receiver<(SocketAddrV4, u8)>) {
        let (seen, told) = mpsc::channel();
        let addresses = [4000, 5000].map(|port| SocketAddrV4::new(Ipv4Addr::LOCALHOST, port));
        let end = |begin, peer, source| {
            let seen = seen.clone();
            Box::new(Countdown {
                begin,
                peer,
                source,
                seen,
            })
        };
        let one = (
            end(Some(begin), addresses[1], source) as Box<dyn Endpoint>,
            addresses[0],
        );
        let other = (
            end(None, addresses[0], None) as Box<dyn Endpoint>,
            addresses[1],
        );
        (Ring::new(one, other), told)
    }

    #[test]
    fn what_one_end_sends_the_other_receives_in_the_same_tick_and_in_order() {
        let (mut ring, told) = ring(9, Some(Ipv4Addr::new(127, 64, 0, 7)));
        let mut out = SendBatch::new();
        ring.handle_control(Instant::now(), &mut out);
        let seen: Vec<_> = told.try_iter().collect();
        let numbers: Vec<u8> = seen.iter().map(|(_, number)| *number).collect();
        assert_eq!(numbers, [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]);
        assert_eq!(seen[0].0, "127.64.0.7:4000".parse().unwrap());
        assert_eq!(seen[1].0, "127.0.0.1:5000".parse().unwrap());
        assert!(out.is_empty(), "nothing goes through the socket");
    }

    #[test]
    fn an_endless_conversation_does_not_hold_up_the_tick() {
        let (mut ring, told) = ring(200, None);
        ring.handle_control(Instant::now(), &mut SendBatch::new());
        assert_eq!(told.try_iter().count(), 2 * ROUNDS);
        ring.handle_timeout(Instant::now(), &mut SendBatch::new());
        assert_eq!(
            told.try_iter().count(),
            2 * ROUNDS,
            "it goes on in the next"
        );
    }
}
