//! What comes from the network and is no caller: none of it harms a session, and the counters tell.

use std::net::{SocketAddr, SocketAddrV4};
use std::time::Duration;

use racegate_media::{Frame, PayloadDigest, PeerOutput, Speech};
use racegate_udp::{Datagram, Endpoint, SendBatch};

use super::tests::{Bench, hung_up};
use super::{EndReason, IngestError, IngestSettings};

/// Numbers that look random and are the same every time.
struct Noise(u64);

impl Noise {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound
    }

    fn bytes(&mut self, most: usize) -> Vec<u8> {
        let len = self.below(most);
        (0..len)
            .map(|_| u8::try_from(self.below(256)).unwrap())
            .collect()
    }
}

fn v4(address: SocketAddr) -> SocketAddrV4 {
    match address {
        SocketAddr::V4(address) => address,
        SocketAddr::V6(_) => unreachable!("callers have IPv4 addresses"),
    }
}

fn stranger(nth: usize) -> SocketAddrV4 {
    let [.., a, b] = nth.to_be_bytes();
    SocketAddrV4::new([127, 99, a, b].into(), 4444)
}

impl Bench {
    pub(super) fn throw(&mut self, source: SocketAddrV4, bytes: &[u8]) {
        let datagram = Datagram {
            source,
            destination: "127.0.0.1:4000".parse().unwrap(),
            bytes,
        };
        let mut out = SendBatch::new();
        self.endpoint.handle_datagram(self.now, &datagram, &mut out);
    }

    /// The caller says a frame; what it sends is delivered, and returned.
    fn say(&mut self, caller: usize, index: u64, digest: &mut PayloadDigest) -> Vec<Vec<u8>> {
        let payload = Speech::of("a", 0).frame(index);
        digest.update(&payload);
        let (address, peer) = &mut self.callers[caller];
        let address = v4(*address);
        peer.send(self.now, Frame { index, payload });
        let mut sent = Vec::new();
        while let Some(output) = peer.poll_output() {
            if let PeerOutput::Transmit { bytes, .. } = output {
                sent.push(bytes);
            }
        }
        for bytes in &sent {
            self.throw(address, bytes);
        }
        sent
    }

    async fn hang_up(&mut self, session: &str) {
        let at = self.now;
        self.ingest.end(session, hung_up(at)).await.unwrap();
        self.tick(Duration::from_millis(1));
        self.tick(Duration::from_millis(1));
    }
}

#[tokio::test]
async fn random_and_mutated_datagrams_harm_no_call() {
    let mut bench = Bench::new(&IngestSettings::default());
    let session = bench.call("a").await;
    bench.establish(1);
    let mut noise = Noise(1);
    let mut digest = PayloadDigest::new();
    let caller = v4(bench.callers[0].0);
    for index in 0..100 {
        let sent = bench.say(0, index, &mut digest);
        for nth in 0..20 {
            let mut bytes = noise.bytes(300);
            if let Some(first) = bytes.first_mut() {
                // Every kind of datagram that there is, and those that there are not.
                *first = [0, 1, 22, 23, 128, 144, 200, *first][noise.below(8)];
            }
            let source = if nth % 2 == 0 { caller } else { stranger(nth) };
            bench.throw(source, &bytes);
        }
        for bytes in sent {
            let mut bad = bytes;
            let at = noise.below(bad.len());
            bad[at] ^= 1 << noise.below(8);
            bad.truncate(bad.len() - noise.below(3));
            bench.throw(caller, &bad);
        }
        bench.tick(Duration::from_millis(20));
    }
    bench.hang_up(&session).await;
    let ended = bench.ended();
    assert_eq!((ended.len(), ended[0].reason), (1, EndReason::HungUp));
    assert_eq!((ended[0].packets_received, ended[0].packets_lost), (100, 0));
    assert_eq!(ended[0].digest_received, digest.finish());
    assert!(bench.ingest.counters().stray_datagrams >= 900);
}

#[tokio::test]
async fn replayed_and_forged_audio_is_recorded_once_and_not_at_all() {
    let mut bench = Bench::new(&IngestSettings::default());
    let session = bench.call("a").await;
    bench.establish(1);
    let caller = v4(bench.callers[0].0);
    let mut noise = Noise(2);
    let mut digest = PayloadDigest::new();
    let mut heard: Vec<Vec<u8>> = Vec::new();
    for index in 0..100 {
        heard.extend(bench.say(0, index, &mut digest));
        let replay = heard[noise.below(heard.len())].clone();
        bench.throw(caller, &replay);
        // The genuine header of a packet to come, and a tag that is made up.
        let mut forged = heard[heard.len() - 1].clone();
        forged[3] = forged[3].wrapping_add(1);
        let tag = forged.len() - 8..;
        forged[tag]
            .iter_mut()
            .for_each(|byte| *byte = byte.wrapping_add(91));
        bench.throw(caller, &forged);
        bench.tick(Duration::from_millis(20));
    }
    bench.hang_up(&session).await;
    let ended = bench.ended();
    assert_eq!(ended[0].packets_received, 100);
    assert_eq!(ended[0].digest_received, digest.finish());
}

#[tokio::test]
async fn checks_with_a_wrong_integrity_teach_no_address() {
    let mut bench = Bench::new(&IngestSettings::default());
    let session = bench.call("a").await;
    let (own, peer) = &mut bench.callers[0];
    let own = v4(*own);
    peer.handle_timeout(bench.now + Duration::from_millis(50));
    let mut genuine = Vec::new();
    while let Some(output) = peer.poll_output() {
        if let PeerOutput::Transmit { bytes, .. } = output {
            genuine.push(bytes);
        }
    }
    let check = genuine.first().expect("the caller checks its path").clone();
    // As many strangers as a session has room for addresses, each with the right name and a wrong integrity.
    for nth in 0..64 {
        let mut bad = check.clone();
        let middle = bad.len() - 12;
        bad[middle] ^= 1 + u8::try_from(nth).unwrap();
        bench.throw(stranger(nth), &bad);
        bench.throw(
            stranger(nth),
            &[0x80, 111, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3],
        );
    }
    assert_eq!(
        bench.ingest.counters().stray_datagrams,
        64,
        "their audio belongs to nobody"
    );
    bench.throw(own, &check);
    bench.establish(1);
    let mut digest = PayloadDigest::new();
    for index in 0..50 {
        bench.say(0, index, &mut digest);
        bench.tick(Duration::from_millis(20));
    }
    bench.hang_up(&session).await;
    let ended = bench.ended();
    assert_eq!(ended[0].client_address, Some(SocketAddr::V4(own)));
    assert_eq!(ended[0].digest_received, digest.finish());
}

#[tokio::test]
async fn garbage_handshakes_are_bounded_and_counted() {
    let mut bench = Bench::new(&IngestSettings::default());
    let session = bench.call("a").await;
    bench.establish(1);
    let caller = v4(bench.callers[0].0);
    let mut noise = Noise(3);
    // No tick between: the media thread is busy, and all of it has to wait somewhere.
    for _ in 0..20_000 {
        let mut bytes = vec![22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 1, 0, 40];
        bytes.extend(noise.bytes(60));
        bench.throw(caller, &bytes);
    }
    assert!(bench.ingest.counters().handshakes_dropped > 10_000);
    let mut digest = PayloadDigest::new();
    for index in 0..50 {
        bench.say(0, index, &mut digest);
        bench.tick(Duration::from_millis(20));
    }
    while bench.endpoint.waiting() > 0 {
        bench.tick(Duration::from_millis(1));
    }
    bench.hang_up(&session).await;
    let ended = bench.ended();
    assert_eq!(ended[0].reason, EndReason::HungUp);
    assert_eq!(ended[0].digest_received, digest.finish());
}

#[tokio::test]
async fn a_storm_of_set_ups_is_refused_beyond_the_limit_and_leaves_nothing() {
    let settings = IngestSettings {
        sessions_max: 64,
        ..IngestSettings::default()
    };
    let mut bench = Bench::new(&settings);
    let session = bench.call("a").await;
    bench.establish(1);
    let ingest = bench.ingest.clone();
    let notify = bench.notify.clone();
    let mut refused = 0;
    for nth in 0..300 {
        let id = format!("storm-{nth}");
        let made = bench.drive(ingest.create(&id, &id, notify.clone())).await;
        refused += u64::from(matches!(made, Err(IngestError::Full { .. })));
    }
    assert_eq!((refused, bench.endpoint.sessions()), (237, 64));
    assert_eq!(bench.ingest.counters().refused, 237);
    let mut digest = PayloadDigest::new();
    // Longer than a set-up may take: none of the storm is left, and the call is.
    for index in 0..900 {
        bench.say(0, index, &mut digest);
        bench.tick(Duration::from_millis(20));
    }
    assert_eq!(bench.endpoint.sessions(), 1);
    bench.hang_up(&session).await;
    let ended = bench.ended();
    let last = ended.last().unwrap();
    assert_eq!(
        (last.session_id.as_str(), last.packets_received),
        (session.as_str(), 900)
    );
    assert_eq!(last.digest_received, digest.finish());
    let timed_out = ended
        .iter()
        .filter(|media| media.reason == EndReason::SetupTimeout);
    assert_eq!(timed_out.count(), 63);
}
