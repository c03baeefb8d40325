//! The sending half of a session's media: numbers frames and seals them.

use super::identity::random_bytes;
use super::rtp::{HEADER, Header, MARKER, extend_header};
use super::srtp::Transform;
use crate::FRAME_SAMPLES;
use crate::peer::Form;

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

impl Origin {
    /// One that nobody can guess.
    pub(super) fn random() -> Self {
        let [a, b, c, d, e, f, g, h, i, j] = random_bytes();
        Self {
            ssrc: u32::from_be_bytes([a, b, c, d]),
            // Half the range, so that no call wraps because it began high (RFC 3711, section 3.3.1).
            sequence: u16::from_be_bytes([e & 0x7f, f]),
            time: u32::from_be_bytes([g, h, i, j]),
        }
    }
}

/// Seals the frames of one source.
#[derive(Debug)]
pub struct MediaSender {
    transform: Transform,
    origin: Origin,
    payload_type: u8,
    sent: Sent,
    /// The first frame of this source, and its time.
    base: (u64, u64),
    /// Where the next frame's source begins, if it is to be another.
    next_source: Option<Origin>,
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
            base: (0, 0),
            next_source: None,
        }
    }

    /// From the next frame on, packets come from another source, whose first one that frame is.
    pub(super) fn change_source(&mut self, origin: Origin) {
        self.next_source = Some(origin);
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
        self.seal_formed(index, time, payload, Form::default(), out);
    }

    /// The same in another form.
    pub fn seal_formed(
        &mut self,
        index: u64,
        time: u64,
        payload: &[u8],
        form: Form,
        out: &mut Vec<u8>,
    ) {
        if let Some(origin) = self.next_source.take() {
            self.origin = origin;
            self.base = (index, time);
        }
        let (index, time) = (
            index.wrapping_sub(self.base.0),
            time.wrapping_sub(self.base.1),
        );
        let start = out.len();
        let srtp_index = u64::from(self.origin.sequence) + index;
        let [.., high, low] = srtp_index.to_be_bytes();
        let [.., a, b, c, d] = time.to_be_bytes();
        let payload_type = form.payload_type.unwrap_or(self.payload_type);
        let header = Header {
            len: HEADER,
            padded: false,
            kind: payload_type | if index == 0 { MARKER } else { 0 },
            sequence: u16::from_be_bytes([high, low]),
            time: self
                .origin
                .time
                .wrapping_add(u32::from_be_bytes([a, b, c, d])),
            ssrc: self.origin.ssrc,
        };
        header.write(out);
        if let Some((profile, words)) = form.extension {
            extend_header(out, start, profile, words);
        }
        let clear = out.len() - start;
        out.extend_from_slice(payload);
        self.transform
            .seal_rtp(out, start, clear, self.origin.ssrc, srtp_index);
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
    use crate::dense::receive::{Drop, MediaReceiver, Opened};
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

    #[test]
    fn a_packet_of_another_form_opens_and_another_source_goes_on_where_the_last_one_was() {
        let (master, _) = Master::from_material(Profile::AesGcm128, &[3; 56]).unwrap();
        let origin = |ssrc| Origin {
            ssrc,
            sequence: 400 * u16::try_from(ssrc).unwrap(),
            time: 1 << (8 * ssrc),
        };
        let mut sender = MediaSender::new(master.rtp(), 111, origin(1));
        let mut receiver = MediaReceiver::new(master.rtp(), 111, Instant::now());
        let mut open = |sender: &mut MediaSender, index: u64, form| {
            let (mut wire, mut heard) = (Vec::new(), Vec::new());
            sender.seal_formed(index, index * 960, b"abc", form, &mut wire);
            (receiver.open(Instant::now(), &wire, &mut heard), heard)
        };
        let extension = Some((0xbede, &[0x10, 7, 0, 0][..]));
        let extended = Form {
            extension,
            ..Form::default()
        };
        let (first, heard) = open(&mut sender, 0, extended);
        assert_eq!(heard, b"abc");
        let Opened::Payload { sequence, time, .. } = first else {
            panic!("{first:?}");
        };
        sender.change_source(origin(2));
        let (second, _) = open(&mut sender, 1, Form::default());
        let len = 3;
        let expected = Opened::Payload {
            sequence: sequence + 1,
            time: time + 960,
            len,
        };
        assert_eq!(second, expected);
        let unknown = Form {
            payload_type: Some(100),
            ..Form::default()
        };
        let (third, heard) = open(&mut sender, 2, unknown);
        assert_eq!(third, Opened::Dropped(Drop::PayloadType));
        assert!(heard.is_empty());
    }
}
