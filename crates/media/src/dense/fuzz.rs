//! Fuzz targets of everything that reads bytes from the network or from a file.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use bolero::check;

use super::receive::{MediaReceiver, Opened};
use super::rtp::{self, Header};
use super::srtp::{Master, Profile};
use super::{DenseCaller, DenseRecorder, DenseStack, rtcp, sdp};
use crate::ogg::{OpusMuxer, PRE_SKIP, read};
use crate::peer::{Peer, PeerOutput, Recorder, Stack};
use crate::{Clip, Demux, RtcStack, binding_ufrag, duration_of};

#[path = "../../../../fuzz/replay.rs"]
mod replay;
use replay::replay;

const SERVER: &str = "127.0.0.1:4000";
const CALLER: &str = "127.64.0.1:5000";

fn corpus(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    folder.join(format!("src/dense/__fuzz__/{name}/corpus"))
}

fn address(text: &str) -> SocketAddr {
    text.parse().expect("it is an address")
}

fn stack() -> &'static DenseStack {
    static STACK: OnceLock<DenseStack> = OnceLock::new();
    STACK.get_or_init(|| DenseStack::new().expect("a certificate can be made"))
}

/// Two ends that have each other's descriptions, as far as ICE has come after `steps` datagrams.
fn pair(steps: usize) -> (Instant, DenseRecorder, DenseCaller) {
    let now = Instant::now();
    let (mut server, offer) = stack().recorder(now, address(SERVER)).expect("an offer");
    let (mut caller, answer) = stack()
        .caller(now, address(CALLER), &offer)
        .expect("an answer");
    server
        .accept_answer(now, &answer)
        .expect("it is one to the offer");
    for step in 0..steps {
        if step % 2 == 0 {
            caller.handle_timeout(now + Duration::from_millis(50));
            for bytes in sent(&mut caller) {
                server.handle_datagram(now, address(CALLER), address(SERVER), &bytes);
            }
        } else {
            for bytes in sent(&mut server) {
                caller.handle_datagram(now, address(SERVER), address(CALLER), &bytes);
            }
        }
    }
    (now, server, caller)
}

fn sent(peer: &mut dyn Peer) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    while let Some(output) = peer.poll_output() {
        if let PeerOutput::Transmit { bytes, .. } = output {
            all.push(bytes);
        }
    }
    all
}

/// Bytes at both ends, as their first datagram from there.
fn at_both_ends(steps: usize, bytes: &[u8]) {
    let (now, mut server, mut caller) = pair(steps);
    server.handle_datagram(now, address(CALLER), address(SERVER), bytes);
    caller.handle_datagram(now, address(SERVER), address(CALLER), bytes);
    let (answers, more) = (sent(&mut server), sent(&mut caller));
    assert!(
        answers.len() + more.len() < 64,
        "one datagram gets a few at most"
    );
}

fn stun(bytes: &[u8]) {
    let mut demux = Demux::new();
    demux.insert("abcd", 1);
    let known = binding_ufrag(bytes) == Some("abcd");
    let found = demux.route(address(CALLER), bytes) != crate::Route::Unknown;
    assert!(known || !found);
    if bytes.first().is_none_or(|first| *first < 4) {
        at_both_ends(0, bytes);
    }
}

#[test]
fn any_stun_is_an_answerable_check_or_dropped() {
    check!(name = "stun").with_iterations(0).for_each(stun);
    replay(&corpus("stun"), 1000, stun);
}

/// A handshake's records, at both ends when each waits for the other's first flight.
fn dtls(bytes: &[u8]) {
    at_both_ends(1, bytes);
    at_both_ends(2, bytes);
}

#[test]
fn any_handshake_goes_on_or_ends_and_nothing_else() {
    check!(name = "dtls").with_iterations(0).for_each(dtls);
    replay(&corpus("dtls"), 600, dtls);
}

const PROFILES: [Profile; 3] = [Profile::AesGcm128, Profile::AesGcm256, Profile::AesCm128];

fn master(profile: Profile) -> Master {
    let material = vec![7; profile.material_len()];
    let (client, _) = Master::from_material(profile, &material).expect("material of its length");
    client
}

/// A packet as it comes, and the same with a tag of the right keys, so that what is behind them is reached.
fn srtp(bytes: &[u8]) {
    for profile in PROFILES {
        let master = master(profile);
        let now = Instant::now();
        let mut receiver = MediaReceiver::new(master.rtp(), 111, now);
        let mut out = b"before".to_vec();
        if let Opened::Dropped(_) = receiver.open(now, bytes, &mut out) {
            assert_eq!(out, b"before");
        }
        let Some(header) = Header::parse(bytes) else {
            continue;
        };
        let mut genuine = bytes.to_vec();
        let index = u64::from(header.sequence);
        master
            .rtp()
            .seal_rtp(&mut genuine, 0, header.len, header.ssrc, index);
        for _ in 0..2 {
            out.truncate(6);
            match receiver.open(now, &genuine, &mut out) {
                Opened::Payload { len, .. } => assert_eq!(out.len(), 6 + len),
                Opened::Dropped(_) => assert_eq!(out, b"before"),
            }
        }
        let _report = receiver.report();
    }
    let _lengths = (rtp::unpadded_len(bytes), rtp::is_rtcp(bytes));
}

#[test]
fn any_audio_packet_opens_once_or_leaves_no_trace() {
    check!(name = "srtp").with_iterations(0).for_each(srtp);
    replay(&corpus("srtp"), 600, srtp);
}

/// A compound packet in the clear, sealed as it is, and sealed with the right keys.
fn srtcp(bytes: &[u8]) {
    let _heard = rtcp::parse(bytes, 1);
    for profile in PROFILES {
        let master = master(profile);
        let _opened = master.rtcp().open_rtcp(bytes);
        if bytes.len() >= 8 {
            let sealed = master.rtcp().seal_rtcp(bytes, 5);
            assert_eq!(master.rtcp().open_rtcp(&sealed), Some((bytes.to_vec(), 5)));
        }
    }
}

#[test]
fn any_report_is_read_or_refused() {
    check!(name = "srtcp").with_iterations(0).for_each(srtcp);
    replay(&corpus("srtcp"), 600, srtcp);
}

/// A description as an answer, as an offer, and as one in a session that is up; at the door too, where every kind comes.
fn description(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let now = Instant::now();
    if let Ok(remote) = sdp::parse(&text) {
        assert!(remote.candidates.len() <= 16 && remote.audio.payload_type < 128);
        let (mut server, _) = stack().recorder(now, address(SERVER)).expect("an offer");
        let _accepted = server.accept_answer(now, &text);
        let _renewed = server.renegotiate(&text);
        if let Ok((_, answer)) = stack().caller(now, address(CALLER), &text) {
            sdp::parse(&answer).expect("what we write can be read");
        }
    }
    if let Ok((_, answer)) = stack().guest(now, address(SERVER), &text) {
        sdp::parse(&answer).expect("what we write can be read");
    }
    static DOOR: OnceLock<RtcStack> = OnceLock::new();
    let door = DOOR.get_or_init(|| RtcStack::new().expect("a certificate can be made"));
    let _accepted = door.accept(now, address(SERVER), &text);
}

#[test]
fn any_description_is_taken_or_refused() {
    check!(name = "sdp")
        .with_iterations(0)
        .for_each(description);
    replay(&corpus("sdp"), 200, description);
}

fn recording(bytes: &[u8]) {
    if let Ok(recording) = read(bytes) {
        assert!(recording.packets.iter().map(Vec::len).sum::<usize>() <= bytes.len());
    }
    let _clip = Clip::parse("x", bytes);
    // What a caller says: any packets at any times make a file that can be read.
    let mut muxer = OpusMuxer::new(1, &[]);
    let mut time = 0_u64;
    for packet in bytes.chunks(37) {
        let step = packet.first().map_or(0, |first| u64::from(*first) * 97);
        time = time.wrapping_add(step);
        muxer.push(time, packet);
        let _duration = duration_of(packet);
    }
    let samples = muxer.samples();
    let back = read(&muxer.finish()).expect("what we write is a file");
    assert_eq!(back.samples, samples.max(u64::from(PRE_SKIP)));
}

#[test]
fn any_file_is_a_recording_or_an_error() {
    check!(name = "ogg").with_iterations(0).for_each(recording);
    replay(&corpus("ogg"), 200, recording);
}

/// A corpus of noise would only ever reach the first refusal.
#[test]
fn each_corpus_has_something_genuine_in_it() {
    let genuine = |name: &str| {
        let mut files = std::fs::read_dir(corpus(name)).expect("a target has a corpus");
        files.any(|file| {
            let bytes = std::fs::read(file.expect("it can be listed").path()).expect("a file");
            match name {
                "stun" => binding_ufrag(&bytes).is_some(),
                "dtls" => bytes.first() == Some(&22),
                "srtp" => Header::parse(&bytes).is_some(),
                "srtcp" => rtcp::parse(&bytes, 1).is_some(),
                "sdp" => sdp::parse(&String::from_utf8_lossy(&bytes)).is_ok(),
                _ => read(&bytes).is_ok(),
            }
        })
    };
    for name in ["stun", "dtls", "srtp", "srtcp", "sdp", "ogg"] {
        assert!(genuine(name), "{name}");
    }
}
