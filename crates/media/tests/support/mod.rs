//! Two peers in memory and in virtual time: no sockets, no sleeps.

#![allow(dead_code, reason = "each test binary uses its part")]

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use racegate_media::ogg::{OpusMuxer, Recording, read};
use racegate_media::{
    Caller, DenseStack, Departure, DtlsVersion, Frame, PayloadDigest, PeerEvent, PeerOutput,
    Received, Recorder, RtcStack, Speech, Stack,
};

pub(crate) const FRAME: Duration = Duration::from_millis(20);

/// A server's end and a softphone's end with a wire between them.
pub(crate) struct Pair {
    pub(crate) now: Instant,
    pub(crate) server: Box<dyn Recorder>,
    pub(crate) client: Box<dyn Caller>,
    pub(crate) wire: VecDeque<(bool, SocketAddr, SocketAddr, Vec<u8>)>,
    pub(crate) received: Vec<Received>,
    pub(crate) server_events: Vec<PeerEvent>,
    pub(crate) client_events: Vec<PeerEvent>,
    /// Whether the datagram of this number from the client is lost.
    pub(crate) lose: fn(usize) -> bool,
    pub(crate) from_client: usize,
}

impl Pair {
    pub(crate) fn new(stacks: &Stacks) -> Self {
        let now = Instant::now();
        let (mut server, offer) = stacks
            .server
            .offer(now, "127.0.0.1:4000".parse().unwrap())
            .unwrap();
        assert!(
            offer.contains("a=ice-lite") && offer.contains("127.0.0.1"),
            "{offer}"
        );
        assert!(offer.contains(server.ufrag()));
        let (client, answer) = stacks
            .client
            .answer(now, "127.64.0.1:5000".parse().unwrap(), &offer)
            .unwrap();
        server.accept_answer(now, &answer).unwrap();
        Self::between(now, server, client)
    }

    /// Two ends that have each other's descriptions.
    pub(crate) fn between(
        now: Instant,
        server: Box<dyn Recorder>,
        client: Box<dyn Caller>,
    ) -> Self {
        Self {
            now,
            server,
            client,
            wire: VecDeque::new(),
            received: Vec::new(),
            server_events: Vec::new(),
            client_events: Vec::new(),
            lose: |_| false,
            from_client: 0,
        }
    }

    /// Polls both ends and delivers until nothing moves.
    pub(crate) fn settle(&mut self) {
        loop {
            while let Some(output) = self.server.poll_output() {
                match output {
                    PeerOutput::Transmit {
                        source,
                        destination,
                        bytes,
                    } => {
                        self.wire.push_back((true, source, destination, bytes));
                    }
                    PeerOutput::Event(PeerEvent::Received(packet)) => self.received.push(packet),
                    PeerOutput::Event(event) => self.server_events.push(event),
                }
            }
            while let Some(output) = self.client.poll_output() {
                match output {
                    PeerOutput::Transmit {
                        source,
                        destination,
                        bytes,
                    } => {
                        self.from_client += 1;
                        if !(self.lose)(self.from_client) {
                            self.wire.push_back((false, source, destination, bytes));
                        }
                    }
                    PeerOutput::Event(event) => self.client_events.push(event),
                }
            }
            let Some((to_client, source, destination, bytes)) = self.wire.pop_front() else {
                return;
            };
            if to_client {
                self.client
                    .handle_datagram(self.now, source, destination, &bytes);
            } else {
                self.server
                    .handle_datagram(self.now, source, destination, &bytes);
            }
        }
    }

    pub(crate) fn tick(&mut self, step: Duration) {
        self.now += step;
        self.server.handle_timeout(self.now);
        self.settle();
        self.client.handle_timeout(self.now);
        self.settle();
    }

    pub(crate) fn establish(&mut self) -> Duration {
        let start = self.now;
        self.settle();
        while !has_established(&self.client_events) || !has_established(&self.server_events) {
            assert!(
                self.now - start < Duration::from_secs(5),
                "no set-up: {:?} {:?}",
                self.client_events,
                self.server_events
            );
            self.tick(Duration::from_millis(1));
        }
        self.now - start
    }

    pub(crate) fn speak(&mut self, speech: Speech, frames: std::ops::Range<u64>) -> PayloadDigest {
        let mut sent = PayloadDigest::new();
        for index in frames {
            let payload = speech.frame(index);
            sent.update(&payload);
            self.client.send(self.now, Frame { index, payload });
            self.settle();
            self.tick(FRAME);
        }
        sent
    }
}

pub(crate) fn has_established(events: &[PeerEvent]) -> bool {
    events
        .iter()
        .any(|event| matches!(event, PeerEvent::Established))
}

pub(crate) fn departure(events: &[PeerEvent]) -> Option<Departure> {
    events.iter().find_map(|event| match event {
        PeerEvent::Departed(departure) => Some(*departure),
        PeerEvent::PathFound | PeerEvent::Established | PeerEvent::Received(_) => None,
    })
}

pub(crate) fn record(received: &[Received]) -> (Recording, PayloadDigest) {
    let mut muxer = OpusMuxer::new(1, &[("CONVERSATION_ID", "c")]);
    let mut digest = PayloadDigest::new();
    for packet in received {
        digest.update(&packet.payload);
        muxer.push(packet.time, &packet.payload);
    }
    (read(&muxer.finish()).unwrap(), digest)
}

/// Which stack each end is made of.
pub(crate) struct Stacks {
    pub(crate) name: &'static str,
    pub(crate) server: Box<dyn Stack>,
    pub(crate) client: Box<dyn Stack>,
}

/// Every pairing of the two stacks, on that version of DTLS; for each test to go through.
pub(crate) fn pairings(version: DtlsVersion) -> [Stacks; 4] {
    let dense = || Box::new(DenseStack::with_dtls(version).unwrap());
    let str0m = || Box::new(RtcStack::with_dtls(version).unwrap());
    [
        Stacks {
            name: "dense records dense",
            server: dense(),
            client: dense(),
        },
        Stacks {
            name: "dense records str0m",
            server: dense(),
            client: str0m(),
        },
        Stacks {
            name: "str0m records dense",
            server: str0m(),
            client: dense(),
        },
        Stacks {
            name: "str0m records str0m",
            server: str0m(),
            client: str0m(),
        },
    ]
}
