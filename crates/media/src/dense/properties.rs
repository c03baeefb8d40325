//! Whatever comes over the network: every parser takes any bytes, and what was written is read back.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use proptest::collection::vec;
use proptest::prelude::*;

use super::receive::{Drop, MediaReceiver, Opened, Reception};
use super::rtcp::{self, LastReport, Ntp, Parting, Report};
use super::rtp::{self, Header};
use super::sdp::{self, Local};
use super::send::Sent;
use super::srtp::{Master, Profile};
use crate::ogg::{OpusMuxer, PRE_SKIP, read};
use crate::{Demux, Route, binding_ufrag};

fn profile() -> impl Strategy<Value = Profile> {
    prop_oneof![
        Just(Profile::AesGcm128),
        Just(Profile::AesGcm256),
        Just(Profile::AesCm128)
    ]
}

fn master(profile: Profile, fill: u8) -> Master {
    let material = vec![fill; profile.material_len()];
    let (client, _) = Master::from_material(profile, &material).expect("material of its length");
    client
}

/// An SRTP packet of that sequence number in the turn that its index says.
fn packet(master: &Master, index: u64, payload: &[u8]) -> Vec<u8> {
    let [.., high, low] = index.to_be_bytes();
    let header = Header {
        len: rtp::HEADER,
        padded: false,
        kind: 111,
        sequence: u16::from_be_bytes([high, low]),
        time: 0,
        ssrc: 5,
    };
    let mut out = Vec::new();
    header.write(&mut out);
    out.extend_from_slice(payload);
    master.rtp().seal_rtp(&mut out, 0, rtp::HEADER, 5, index);
    out
}

/// Damages well-formed bytes: a few of them overwritten, and cut or lengthened.
fn damage(bytes: &[u8], hits: &[(usize, u8)], len: usize) -> Vec<u8> {
    let mut bad = bytes.to_vec();
    for (at, value) in hits {
        let at = at % bad.len().max(1);
        if let Some(byte) = bad.get_mut(at) {
            *byte = *value;
        }
    }
    bad.resize(len % (bytes.len() + 8), 0xa5);
    bad
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_bytes_are_a_packet_or_none_and_no_panic(bytes in vec(any::<u8>(), 0..300)) {
        if let Some(header) = Header::parse(&bytes) {
            prop_assert!(header.len <= bytes.len() && header.len >= rtp::HEADER);
        }
        if let Some(len) = rtp::unpadded_len(&bytes) {
            prop_assert!(len < bytes.len());
        }
        let _parsed = rtcp::parse(&bytes, 1);
        let _ufrag = binding_ufrag(&bytes);
        let _kind = (rtp::is_rtcp(&bytes), read(&bytes).is_ok());
        let mut demux = Demux::new();
        demux.insert("abcd", 1);
        let route = demux.route(SocketAddr::from(([127, 0, 0, 1], 9)), &bytes);
        prop_assert!(route == Route::Unknown || binding_ufrag(&bytes) == Some("abcd"));
        prop_assert!(sdp::parse(&String::from_utf8_lossy(&bytes)).is_err());
    }

    #[test]
    fn a_binding_request_names_its_receiver_wherever_the_name_stands(
        before in vec((0x8000_u16.., vec(any::<u8>(), 0..20)), 0..6),
        user in "[A-Za-z0-9+/]{4,32}",
    ) {
        let mut bytes = vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
        bytes.extend([7; 12]);
        let name = format!("{user}:other").into_bytes();
        for (kind, value) in before.iter().cloned().chain([(6, name)]) {
            bytes.extend(kind.to_be_bytes());
            bytes.extend(u16::try_from(value.len()).unwrap().to_be_bytes());
            bytes.extend(&value);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        }
        prop_assert_eq!(binding_ufrag(&bytes), Some(user.as_str()));
    }

    #[test]
    fn what_was_sealed_opens_and_what_was_damaged_does_not(
        profile in profile(),
        index in 0..1_u64 << 47,
        payload in vec(any::<u8>(), 0..400),
        hits in vec((any::<usize>(), any::<u8>()), 1..4),
        len in any::<usize>(),
    ) {
        let master = master(profile, 3);
        let good = packet(&master, index, &payload);
        let mut out = Vec::new();
        prop_assert_eq!(
            master.rtp().open_rtp(&good, rtp::HEADER, 5, index, &mut out),
            Some(payload.len())
        );
        prop_assert_eq!(&out, &payload);
        let bad = damage(&good, &hits, len);
        if bad != good {
            let opened = master.rtp().open_rtp(&bad, rtp::HEADER.min(bad.len()), 5, index, &mut out);
            prop_assert_eq!(opened, None);
            prop_assert_eq!(&out, &payload, "nothing was added");
        }
    }

    #[test]
    fn reports_survive_the_way_and_damaged_ones_do_not(
        profile in profile(),
        index in 0..0x7fff_ffff_u32,
        words in any::<[u32; 6]>(),
        hits in vec((any::<usize>(), any::<u8>()), 1..4),
        len in any::<usize>(),
    ) {
        let reception = Reception {
            ssrc: words[0],
            fraction_lost: 9,
            lost: words[1] & 0x00ff_ffff,
            highest: words[2],
            jitter: words[3],
        };
        let sent = Sent { packets: words[4], octets: words[5], time: 1 };
        let last = LastReport { stamp: 4, since: Duration::from_millis(77) };
        let plain = rtcp::write(&Report {
            ssrc: 8,
            cname: "name",
            sent: Some((sent, Ntp::after(Duration::from_secs(9)))),
            received: Some((reception, last)),
            parting: Parting::Leaves,
        });
        let master = master(profile, 4);
        let good = master.rtcp().seal_rtcp(&plain, index);
        let opened = master.rtcp().open_rtcp(&good);
        prop_assert_eq!(opened.as_ref(), Some(&(plain.clone(), index)));
        let heard = rtcp::parse(&plain, words[0]).expect("what we write is well-formed");
        prop_assert_eq!((heard.reception, heard.bye), (Some(reception), true));
        let bad = damage(&good, &hits, len);
        if bad != good {
            prop_assert_eq!(master.rtcp().open_rtcp(&bad), None);
        }
        let _any = rtcp::parse(&damage(&plain, &hits, len), words[0]);
    }

    /// The window against a set that remembers everything.
    #[test]
    fn a_packet_is_heard_once_whatever_the_order(
        start in 0..40_000_u64,
        steps in vec((-90_i64..120, any::<bool>()), 1..200),
    ) {
        let master = master(Profile::AesGcm128, 6);
        let now = Instant::now();
        let mut receiver = MediaReceiver::new(master.rtp(), 111, now);
        let (mut heard, mut highest) = (BTreeSet::new(), start);
        for (step, forged) in steps {
            let Some(index) = highest.checked_add_signed(step) else {
                continue;
            };
            if heard.is_empty() && index >> 16 != 0 {
                // The first packet decides what the turn is.
                continue;
            }
            let mut bytes = packet(&master, index, b"x");
            if forged {
                *bytes.last_mut().unwrap() ^= 1;
            }
            let opened = receiver.open(now, &bytes, &mut Vec::new());
            let stale = !heard.is_empty() && index + 64 <= highest;
            let expected = if stale {
                Opened::Dropped(Drop::Stale)
            } else if heard.contains(&index) {
                Opened::Dropped(Drop::Replayed)
            } else if forged {
                Opened::Dropped(Drop::Forged)
            } else {
                heard.insert(index);
                highest = if heard.len() == 1 { index } else { highest.max(index) };
                Opened::Payload { sequence: index, time: 0, len: 1 }
            };
            prop_assert_eq!(opened, expected, "index {} after {}", index, highest);
        }
    }

    #[test]
    fn a_description_cut_or_changed_anywhere_is_read_or_refused(
        at in any::<prop::sample::Index>(),
        with in "[ -~\r\n]{0,6}",
        remove in 0..40_usize,
    ) {
        let print = vec!["AB"; 32].join(":");
        let text = sdp::offer(&Local {
            ufrag: "abcdefgh",
            password: "0123456789012345678901",
            fingerprint: &print,
            address: "127.0.0.1:4000".parse().unwrap(),
            ssrc: 1,
            session: 2,
        });
        let at = at.index(text.len());
        let rest = text.get(at + remove.min(text.len() - at)..).unwrap_or("");
        let changed = format!("{}{with}{rest}", &text[..at]);
        if let Ok(remote) = sdp::parse(&changed) {
            prop_assert!(remote.candidates.len() <= 16 && remote.audio.payload_type < 128);
        }
    }

    #[test]
    fn a_recording_of_any_packets_is_a_valid_file_that_keeps_time(
        packets in vec((0..6_000_u64, vec(any::<u8>(), 0..300)), 0..60),
    ) {
        let mut muxer = OpusMuxer::new(1, &[]);
        let mut time = 0;
        for (step, bytes) in &packets {
            time += step;
            muxer.push(time, bytes);
        }
        let samples = muxer.samples();
        let recording = read(&muxer.finish()).expect("what we write is a file");
        prop_assert!(recording.complete);
        prop_assert_eq!(recording.samples, samples.max(u64::from(PRE_SKIP)));
        prop_assert!(recording.packets.iter().all(|packet| !packet.is_empty()));
    }
}
