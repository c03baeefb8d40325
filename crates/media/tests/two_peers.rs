//! Two peers in memory and in virtual time: no sockets, no sleeps.

#![expect(
    clippy::unwrap_used,
    reason = "a test may panic; clippy knows that only of test functions"
)]

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use racegate_media::ogg::{OpusMuxer, read};
use racegate_media::{
    Caller, Demux, Departure, FRAME_SAMPLES, Frame, PayloadDigest, PeerError, PeerEvent,
    PeerOutput, Received, Recorder, Route, RtcStack, Speech, Stack,
};

const FRAME: Duration = Duration::from_millis(20);

struct Pair {
    now: Instant,
    server: Box<dyn Recorder>,
    client: Box<dyn Caller>,
    wire: VecDeque<(bool, SocketAddr, SocketAddr, Vec<u8>)>,
    received: Vec<Received>,
    server_events: Vec<PeerEvent>,
    client_events: Vec<PeerEvent>,
    /// Whether the datagram of this number from the client is lost.
    lose: fn(usize) -> bool,
    from_client: usize,
}

impl Pair {
    fn new() -> Self {
        let now = Instant::now();
        let stack = RtcStack::new().unwrap();
        let (mut server, offer) = stack.offer(now, "127.0.0.1:4000".parse().unwrap()).unwrap();
        assert!(
            offer.contains("a=ice-lite") && offer.contains("127.0.0.1"),
            "{offer}"
        );
        assert!(offer.contains(server.ufrag()));
        let (client, answer) = stack
            .answer(now, "127.64.0.1:5000".parse().unwrap(), &offer)
            .unwrap();
        server.accept_answer(now, &answer).unwrap();
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
    fn settle(&mut self) {
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

    fn tick(&mut self, step: Duration) {
        self.now += step;
        self.server.handle_timeout(self.now);
        self.settle();
        self.client.handle_timeout(self.now);
        self.settle();
    }

    fn establish(&mut self) -> Duration {
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

    fn speak(&mut self, speech: Speech, frames: std::ops::Range<u64>) -> PayloadDigest {
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

fn has_established(events: &[PeerEvent]) -> bool {
    events
        .iter()
        .any(|event| matches!(event, PeerEvent::Established))
}

fn departure(events: &[PeerEvent]) -> Option<Departure> {
    events.iter().find_map(|event| match event {
        PeerEvent::Departed(departure) => Some(*departure),
        PeerEvent::PathFound | PeerEvent::Established | PeerEvent::Received(_) => None,
    })
}

fn record(received: &[Received]) -> (racegate_media::ogg::Recording, PayloadDigest) {
    let mut muxer = OpusMuxer::new(1, &[("CONVERSATION_ID", "c")]);
    let mut digest = PayloadDigest::new();
    for packet in received {
        digest.update(&packet.payload);
        muxer.push(packet.time, &packet.payload);
    }
    (read(&muxer.finish()).unwrap(), digest)
}

#[test]
fn a_call_is_set_up_and_every_frame_arrives_in_order() {
    let mut pair = Pair::new();
    let took = pair.establish();
    assert!(took < Duration::from_millis(500), "{took:?}");
    let speech = Speech::of("conversation", 1);
    let sent = pair.speak(speech, 0..250);
    assert_eq!(pair.received.len(), 250);
    assert!(
        pair.received
            .iter()
            .zip(0..)
            .all(|(packet, n)| packet.sequence == n && packet.payload == speech.frame(n))
    );
    let (recording, received) = record(&pair.received);
    assert_eq!(received.finish(), sent.finish());
    assert_eq!(
        recording.samples,
        250 * u64::from(FRAME_SAMPLES),
        "five seconds"
    );
}

#[test]
fn lost_packets_leave_a_gap_of_their_own_length() {
    let mut pair = Pair::new();
    pair.establish();
    pair.speak(Speech::of("c", 0), 0..50);
    pair.lose = |_| true;
    pair.speak(Speech::of("c", 0), 50..75);
    pair.lose = |_| false;
    let sent = pair.speak(Speech::of("c", 0), 75..100);
    assert_eq!(pair.received.len(), 75);
    let (recording, received) = record(&pair.received);
    assert_eq!(
        recording.samples,
        100 * u64::from(FRAME_SAMPLES),
        "the time of the call is kept"
    );
    assert_eq!(
        recording
            .packets
            .iter()
            .filter(|packet| packet.len() == 1)
            .count(),
        25
    );
    assert_ne!(received.finish(), sent.finish());
}

#[test]
fn set_up_survives_the_loss_of_every_third_datagram() {
    let mut pair = Pair::new();
    pair.lose = |n| n % 3 == 1;
    pair.establish();
    pair.lose = |_| false;
    pair.speak(Speech::of("c", 0), 0..5);
    assert_eq!(pair.received.len(), 5);
}

#[test]
fn a_goodbye_is_seen_by_the_other_side_after_all_audio() {
    let mut pair = Pair::new();
    pair.establish();
    pair.speak(Speech::of("c", 0), 0..10);
    pair.client.close(pair.now);
    pair.settle();
    pair.tick(Duration::from_millis(1));
    assert_eq!(departure(&pair.server_events), Some(Departure::Goodbye));
    assert_eq!(
        departure(&pair.client_events),
        None,
        "the one who leaves gets no news of it"
    );
    assert_eq!(pair.received.len(), 10);
}

#[test]
fn a_silent_caller_loses_consent() {
    let mut pair = Pair::new();
    pair.establish();
    pair.lose = |_| true;
    let start = pair.now;
    while departure(&pair.server_events).is_none() {
        pair.tick(Duration::from_millis(100));
        assert!(pair.now - start < Duration::from_secs(40), "never noticed");
    }
    assert_eq!(departure(&pair.server_events), Some(Departure::ConsentLost));
}

#[test]
fn an_idle_call_keeps_its_consent() {
    let mut pair = Pair::new();
    pair.establish();
    for _ in 0..600 {
        pair.tick(Duration::from_millis(100));
    }
    assert_eq!(departure(&pair.server_events), None);
    assert_eq!(departure(&pair.client_events), None);
}

#[test]
fn garbage_and_mutated_datagrams_neither_panic_nor_end_the_call() {
    let mut pair = Pair::new();
    pair.settle();
    let mut draw = 1_u64;
    let mut next = move || {
        draw = draw
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(draw >> 33).unwrap()
    };
    let mut tamper = |pair: &mut Pair, rounds: usize| {
        let (local, remote): (SocketAddr, SocketAddr) = (
            "127.0.0.1:4000".parse().unwrap(),
            "127.64.0.1:5000".parse().unwrap(),
        );
        for _ in 0..rounds {
            let mut bytes: Vec<u8> = (0..next() % 300)
                .map(|_| u8::try_from(next() % 256).unwrap())
                .collect();
            if let Some(first) = bytes.first_mut() {
                *first = [0, 1, 128, 144, *first][next() % 5];
            }
            pair.server.handle_datagram(pair.now, remote, local, &bytes);
            pair.client.handle_datagram(pair.now, local, remote, &bytes);
            for (to_client, source, destination, bytes) in pair.wire.clone() {
                let mut bad = bytes;
                let at = next() % bad.len();
                bad[at] ^= 1 << (next() % 8);
                bad.truncate(bad.len() - next() % 3);
                // Handshake records are not protected until keys are agreed: flipping those may rightly end a handshake.
                if (20..=63).contains(&bad[0]) {
                    continue;
                }
                if to_client {
                    pair.client
                        .handle_datagram(pair.now, source, destination, &bad);
                } else {
                    pair.server
                        .handle_datagram(pair.now, source, destination, &bad);
                }
            }
        }
    };
    tamper(&mut pair, 200);
    pair.establish();
    let speech = Speech::of("c", 0);
    for n in 0..100 {
        pair.client.send(
            pair.now,
            Frame {
                index: n,
                payload: speech.frame(n),
            },
        );
        while let Some(PeerOutput::Transmit {
            source,
            destination,
            bytes,
        }) = pair.client.poll_output()
        {
            pair.wire.push_back((false, source, destination, bytes));
        }
        tamper(&mut pair, 3);
        pair.settle();
        pair.tick(FRAME);
    }
    assert_eq!(pair.received.len(), 100);
    assert_eq!(departure(&pair.server_events), None);
}

#[test]
fn one_port_serves_many_callers() {
    let stack = RtcStack::new().unwrap();
    let now = Instant::now();
    let local: SocketAddr = "127.0.0.1:4000".parse().unwrap();
    let mut demux = Demux::new();
    let mut ends = Vec::new();
    for key in 0..5_u8 {
        let (mut server, offer) = stack.offer(now, local).unwrap();
        let address = SocketAddr::from(([127, 64, 0, key], 5000));
        let (mut client, answer) = stack.answer(now, address, &offer).unwrap();
        server.accept_answer(now, &answer).unwrap();
        demux.insert(server.ufrag(), usize::from(key));
        client.handle_timeout(now + Duration::from_millis(100));
        ends.push((server, client, address));
    }
    for (key, (_, client, address)) in ends.iter_mut().enumerate() {
        let mut checks = 0;
        while let Some(output) = client.poll_output() {
            if let PeerOutput::Transmit { bytes, .. } = output {
                assert_eq!(demux.route(*address, &bytes), Route::Session(key));
                checks += 1;
            }
        }
        assert!(checks > 0, "caller {key} began its checks");
    }
}

#[test]
fn bad_descriptions_are_errors() {
    let stack = RtcStack::new().unwrap();
    let now = Instant::now();
    let local: SocketAddr = "127.0.0.1:4000".parse().unwrap();
    assert!(matches!(
        stack.answer(now, local, "nonsense"),
        Err(PeerError::Parse(_))
    ));
    let (mut server, offer) = stack.offer(now, local).unwrap();
    assert!(server.accept_answer(now, "v=0").is_err());
    let no_audio = offer.split("m=audio").next().unwrap();
    assert!(stack.answer(now, local, no_audio).is_err());
    for len in (0..offer.len()).step_by(7) {
        drop(stack.answer(now, local, &offer[..len]));
    }
}
