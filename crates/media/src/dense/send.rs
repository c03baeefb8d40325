//! The sending half of a session's media: numbers frames and seals them.

use super::rtp::{HEADER, Header, MARKER};
use super::srtp::Transform;
use crate::FRAME_SAMPLES;

/// What a sender report says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sent {
    /// Packets sent.
    pub packets: u32,
    /// Bytes of payload in them.
    pub octets: u32,
    /// RTP time of the last.
    pub time: u32,
}

/// Where a stream's numbers begin. RFC 3550 wants them random; a fault may want them just before a wrap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    /// Source.
    pub ssrc: u32,
    /// Sequence number of frame 0.
    pub sequence: u16,
    /// RTP time of frame 0.
    pub time: u32,
}

/// Seals the frames of one source.
#[derive(Debug)]
pub struct MediaSender {
    transform: Transform,
    origin: Origin,
    payload_type: u8,
    sent: Sent,
}

impl MediaSender {
    /// A sender whose frame 0 has the numbers of `origin`.
    #[must_use]
    pub(super) fn new(transform: Transform, payload_type: u8, origin: Origin) -> Self {
        Self {
            transform,
            origin,
            payload_type,
            sent: Sent::default(),
        }
    }

    /// Appends frame `index` of the call to `out` as an SRTP packet. Its sequence number and RTP time follow from the index, so a frame
    /// left out is a gap.
    pub fn seal(&mut self, index: u64, payload: &[u8], out: &mut Vec<u8>) {
        self.seal_at(
            index,
            index.wrapping_mul(u64::from(FRAME_SAMPLES)),
            payload,
            out,
        );
    }

    /// The same with an RTP time of its own, in samples from the call's start.
    pub fn seal_at(&mut self, index: u64, time: u64, payload: &[u8], out: &mut Vec<u8>) {
        let start = out.len();
        let srtp_index = u64::from(self.origin.sequence) + index;
        let [.., high, low] = srtp_index.to_be_bytes();
        let [.., a, b, c, d] = time.to_be_bytes();
        let header = Header {
            len: HEADER,
            padded: false,
            kind: self.payload_type | if index == 0 { MARKER } else { 0 },
            sequence: u16::from_be_bytes([high, low]),
            time: self
                .origin
                .time
                .wrapping_add(u32::from_be_bytes([a, b, c, d])),
            ssrc: self.origin.ssrc,
        };
        header.write(out);
        out.extend_from_slice(payload);
        self.transform
            .seal_rtp(out, start, HEADER, self.origin.ssrc, srtp_index);
        self.sent.packets = self.sent.packets.wrapping_add(1);
        let octets = u32::try_from(payload.len()).unwrap_or(0);
        self.sent.octets = self.sent.octets.wrapping_add(octets);
        self.sent.time = header.time;
    }

    /// What has been sent so far.
    #[must_use]
    pub fn sent(&self) -> Sent {
        self.sent
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::dense::receive::{MediaReceiver, Opened};
    use crate::dense::srtp::{Master, Profile};

    #[test]
    fn frames_are_numbered_from_the_origin_across_both_wraps() {
        for profile in [Profile::AesGcm128, Profile::AesCm128] {
            let material = vec![3; profile.material_len()];
            let (master, _) = Master::from_material(profile, &material).unwrap();
            let origin = Origin {
                ssrc: 77,
                sequence: 65_534,
                time: u32::MAX - 960,
            };
            let mut sender = MediaSender::new(master.rtp(), 111, origin);
            let mut receiver = MediaReceiver::new(master.rtp(), 111, Instant::now());
            let (mut wire, mut heard) = (Vec::new(), Vec::new());
            for index in 0..5 {
                let start = wire.len();
                sender.seal(index, &[u8::try_from(index).unwrap()], &mut wire);
                let opened = receiver.open(Instant::now(), &wire[start..], &mut heard);
                let expected = Opened::Payload {
                    sequence: 65_534 + index,
                    time: u64::from(u32::MAX) - 960 + index * 960,
                    len: 1,
                };
                assert_eq!(opened, expected, "{profile:?}");
            }
            assert_eq!(heard, [0, 1, 2, 3, 4]);
            assert_eq!(sender.sent().packets, 5);
            assert_eq!(sender.sent().octets, 5);
        }
    }
}
