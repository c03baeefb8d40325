//! Audio that lies in the socket, or behind others' handshakes, when its call is hung up.

use std::net::SocketAddr;
use std::time::Duration;

use racegate_media::{Frame, PayloadDigest, PeerOutput, Speech};
use racegate_udp::Endpoint;

use super::IngestSettings;
use super::tests::{Bench, hung_up};

/// A call of a second, with three packets more that lie in the socket when it is hung up.
async fn hung_up_with_packets_on_the_way(bench: &mut Bench) -> (PayloadDigest, Vec<Vec<u8>>) {
    let session = bench.call("a").await;
    bench.establish(1);
    let mut sent = PayloadDigest::new();
    bench.speak("a", 0..50, &mut sent);
    let mut on_the_way = Vec::new();
    for index in 50..53 {
        let payload = Speech::of("a", 0).frame(index);
        sent.update(&payload);
        let caller = &mut bench.callers[0].1;
        caller.send(bench.now, Frame { index, payload });
        while let Some(output) = caller.poll_output() {
            if let PeerOutput::Transmit { bytes, .. } = output {
                on_the_way.push(bytes.to_vec());
            }
        }
    }
    let end = hung_up(bench.now);
    bench.ingest.end(&session, end).await.unwrap();
    (sent, on_the_way)
}

#[tokio::test]
async fn a_hang_up_waits_for_the_audio_that_was_sent_before_it() {
    let mut bench = Bench::new(&IngestSettings::default());
    let (sent, on_the_way) = hung_up_with_packets_on_the_way(&mut bench).await;
    for _ in 0..100 {
        bench.endpoint.handle_backlog();
        bench.tick(Duration::from_millis(1));
    }
    assert!(bench.ended().is_empty(), "the socket is not empty yet");
    let SocketAddr::V4(caller) = bench.callers[0].0 else {
        unreachable!("callers have IPv4 addresses")
    };
    for bytes in on_the_way {
        bench.throw(caller, &bytes);
    }
    bench.tick(Duration::from_millis(1));
    let media = &bench.ended()[0];
    assert_eq!((media.packets_received, media.packets_lost), (53, 0));
    assert_eq!(media.digest_received, sent.finish());
    assert_eq!(bench.ingest.counters().stray_datagrams, 0);
}

#[tokio::test]
async fn a_socket_that_is_never_empty_keeps_no_call_for_ever_and_what_comes_late_is_counted() {
    let mut bench = Bench::new(&IngestSettings::default());
    let (_, on_the_way) = hung_up_with_packets_on_the_way(&mut bench).await;
    let asked = bench.now;
    while bench.ended().is_empty() {
        bench.endpoint.handle_backlog();
        bench.tick(Duration::from_millis(10));
        assert!(bench.now - asked < Duration::from_secs(3));
    }
    assert!(bench.now - asked > Duration::from_secs(1));
    assert_eq!(bench.ended()[0].packets_received, 50);
    let SocketAddr::V4(caller) = bench.callers[0].0 else {
        unreachable!("callers have IPv4 addresses")
    };
    for bytes in on_the_way {
        bench.throw(caller, &bytes);
    }
    assert_eq!(bench.ingest.counters().stray_datagrams, 3);
}

#[tokio::test]
async fn a_hang_up_waits_for_what_waits_behind_handshakes() {
    let settings = IngestSettings {
        handshakes_per_tick: 1,
        ..IngestSettings::default()
    };
    let mut bench = Bench::new(&settings);
    let session = bench.call("a").await;
    bench.establish(1);
    let SocketAddr::V4(caller) = bench.callers[0].0 else {
        unreachable!("callers have IPv4 addresses")
    };
    for _ in 0..5 {
        bench.throw(caller, &[22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0]);
    }
    let end = hung_up(bench.now);
    bench.ingest.end(&session, end).await.unwrap();
    let mut ticks = 0;
    while bench.ended().is_empty() {
        bench.tick(Duration::from_millis(1));
        ticks += 1;
    }
    assert_eq!((ticks, bench.endpoint.waiting()), (5, 0));
}
