//! The receiving half of a session's media: replay windows, decryption, and what reception reports say.

use std::time::Instant;

use super::rtp::{Header, extend16, extend32, unpadded_len};
use super::srtp::Transform;
use crate::{FRAME_SAMPLES, SAMPLE_RATE};

/// Sources that one session may use in its life. A genuine peer changes its source once or twice; to forget old ones would open their
/// packets to replay.
const SOURCES_MAX: usize = 8;

/// Packets behind the newest that may still come (RFC 3711, section 3.3.2, asks for at least 64).
const WINDOW: u64 = 64;

/// The longest Opus packet, in samples.
const PACKET_MAX: u64 = 5760;

/// What became of a received packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opened {
    /// Its payload, of that many bytes, was appended.
    Payload {
        /// Sequence number, extended over wrap-arounds; a new source goes on where the last one was.
        sequence: u64,
        /// RTP time, the same.
        time: u64,
        /// Bytes of payload, without padding; 0 for a packet of padding alone.
        len: usize,
    },
    /// Left out, and why.
    Dropped(Drop),
}

/// Why a datagram did not become audio.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drop {
    /// Not a packet of its kind.
    Malformed,
    /// Its tag is wrong.
    Forged,
    /// It came before.
    Replayed,
    /// Too old to tell whether it came before.
    Stale,
    /// Genuine, and of a payload type that was not negotiated.
    PayloadType,
    /// Genuine, and from one source too many.
    Source,
}

/// One source's stream.
#[derive(Debug, Clone)]
struct Stream {
    ssrc: u32,
    /// The highest index, and a bit for each of the [`WINDOW`] indices up to it that has come.
    highest: u64,
    window: u64,
    first: u64,
    time: u64,
    /// Time of the last packet less that of the one before.
    step: u64,
    /// When the last packet came, in samples.
    arrival: u32,
    /// What its numbers and its times are put forward by, so that they go on where an earlier source's were.
    ahead: (u64, u64),
    received: u64,
    /// Expected and received as of the last report, for the fraction lost since.
    reported: (u64, u64),
    /// Transit time of the last packet and its jitter, in samples and sixteenths of a sample (RFC 3550, appendix A.8).
    transit: u32,
    jitter: u32,
}

/// What a reception report says of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reception {
    /// The source.
    pub ssrc: u32,
    /// Packets lost of those expected since the last report, in 256ths.
    pub fraction_lost: u8,
    /// Packets lost so far; duplicates do not arrive here, so it cannot be negative.
    pub lost: u32,
    /// Highest sequence number, extended, in 32 bits.
    pub highest: u32,
    /// Interarrival jitter in samples.
    pub jitter: u32,
}

/// Opens the packets of all sources of one peer.
#[derive(Debug)]
pub struct MediaReceiver {
    transform: Transform,
    /// The source that spoke last: nearly always the only one.
    current: Option<Stream>,
    others: Vec<Stream>,
    payload_type: u8,
    epoch: Instant,
}

impl MediaReceiver {
    /// A receiver of packets of that payload type. `epoch` is any fixed instant.
    #[must_use]
    pub(super) fn new(transform: Transform, payload_type: u8, epoch: Instant) -> Self {
        Self {
            transform,
            current: None,
            others: Vec::new(),
            payload_type,
            epoch,
        }
    }

    /// Opens a packet and appends its payload to `out`; what is dropped leaves `out` as it was.
    pub fn open(&mut self, now: Instant, packet: &[u8], out: &mut Vec<u8>) -> Opened {
        let Some(header) = Header::parse(packet) else {
            return Opened::Dropped(Drop::Malformed);
        };
        self.recall(header.ssrc);
        let known = self
            .current
            .as_ref()
            .filter(|stream| stream.ssrc == header.ssrc);
        let index = match known {
            Some(stream) => match stream.index_of(header.sequence) {
                Ok(index) => index,
                Err(drop) => return Opened::Dropped(drop),
            },
            None => u64::from(header.sequence),
        };
        let start = out.len();
        let opened = self
            .transform
            .open_rtp(packet, header.len, header.ssrc, index, out);
        let Some(mut len) = opened else {
            return Opened::Dropped(Drop::Forged);
        };
        // Genuine: only now may it change anything.
        let (sequence, time) = match self.note(now, &header, index) {
            Ok(numbers) => numbers,
            Err(drop) => {
                out.truncate(start);
                return Opened::Dropped(drop);
            }
        };
        if header.payload_type() != self.payload_type {
            out.truncate(start);
            return Opened::Dropped(Drop::PayloadType);
        }
        if header.padded {
            let Some(unpadded) = unpadded_len(&out[start..]) else {
                out.truncate(start);
                return Opened::Dropped(Drop::Malformed);
            };
            len = unpadded;
            out.truncate(start + len);
        }
        Opened::Payload {
            sequence,
            time,
            len,
        }
    }

    /// Whether any packet has come.
    #[must_use]
    pub fn has_heard(&self) -> bool {
        self.current.is_some()
    }

    /// A report on the source that spoke last; it starts the next reporting interval.
    pub fn report(&mut self) -> Option<Reception> {
        self.current.as_mut().map(Stream::report)
    }

    /// Makes the stream of `ssrc` the current one, if it is known.
    fn recall(&mut self, ssrc: u32) {
        if self
            .current
            .as_ref()
            .is_none_or(|stream| stream.ssrc == ssrc)
        {
            return;
        }
        if let Some(at) = self.others.iter().position(|stream| stream.ssrc == ssrc) {
            let stream = self.others.swap_remove(at);
            self.others.extend(self.current.replace(stream));
        }
    }

    /// Takes note of a genuine packet, and gives its number and its time.
    fn note(&mut self, now: Instant, header: &Header, index: u64) -> Result<(u64, u64), Drop> {
        let arrival = samples_between(self.epoch, now);
        if let Some(stream) = self
            .current
            .as_mut()
            .filter(|stream| stream.ssrc == header.ssrc)
        {
            let time = stream.note(header, index, arrival);
            return Ok(stream.put_forward(index, time));
        }
        if self.others.len() + 1 >= SOURCES_MAX {
            return Err(Drop::Source);
        }
        let mut stream = Stream::new(header, index, arrival);
        if let Some(last) = &self.current {
            stream.follow(last);
        }
        let numbers = stream.put_forward(index, stream.time);
        self.others.extend(self.current.replace(stream));
        Ok(numbers)
    }
}

impl Stream {
    fn new(header: &Header, index: u64, arrival: u32) -> Self {
        Self {
            ssrc: header.ssrc,
            highest: index,
            window: 1,
            first: index,
            time: u64::from(header.time),
            step: u64::from(FRAME_SAMPLES),
            arrival,
            ahead: (0, 0),
            received: 1,
            reported: (0, 0),
            transit: arrival.wrapping_sub(header.time),
            jitter: 0,
        }
    }

    /// Its first packet is the one after the last of `before`: a source's numbers begin anywhere, and a recording goes on. Time has
    /// passed as the arrivals say, in whole frames, and a packet's own length at least.
    fn follow(&mut self, before: &Self) {
        let (number, time) = before.put_forward(before.highest, before.time);
        let frame = u64::from(FRAME_SAMPLES);
        let passed = u64::from(self.arrival.wrapping_sub(before.arrival));
        let frames = (passed + frame / 2) / frame;
        let time = time.wrapping_add(before.step.max(frames * frame));
        self.ahead = (
            number.wrapping_add(1).wrapping_sub(self.highest),
            time.wrapping_sub(self.time),
        );
    }

    fn put_forward(&self, index: u64, time: u64) -> (u64, u64) {
        let (numbers, times) = self.ahead;
        (index.wrapping_add(numbers), time.wrapping_add(times))
    }

    /// The index of a sequence number, if it may still come.
    fn index_of(&self, sequence: u16) -> Result<u64, Drop> {
        let index = extend16(self.highest, sequence).ok_or(Drop::Stale)?;
        let Some(behind) = self.highest.checked_sub(index) else {
            return Ok(index);
        };
        if behind >= WINDOW {
            return Err(Drop::Stale);
        }
        if (self.window >> behind) & 1 == 1 {
            return Err(Drop::Replayed);
        }
        Ok(index)
    }

    fn note(&mut self, header: &Header, index: u64, arrival: u32) -> u64 {
        if let Some(ahead) = index.checked_sub(self.highest) {
            let shifted = u32::try_from(ahead)
                .ok()
                .and_then(|n| self.window.checked_shl(n));
            self.window = shifted.unwrap_or(0) | 1;
            self.highest = index;
        } else {
            self.window |= 1 << (self.highest - index);
            self.first = self.first.min(index);
        }
        self.received += 1;
        let transit = arrival.wrapping_sub(header.time);
        let change = transit
            .wrapping_sub(self.transit)
            .cast_signed()
            .unsigned_abs();
        self.transit = transit;
        // Beyond a minute it is a new time base and not jitter.
        if change < 60 * SAMPLE_RATE {
            self.jitter = self.jitter + change - (self.jitter + 8) / 16;
        }
        let time = extend32(self.time, header.time);
        // Longer than any packet is a pause.
        let step = time.wrapping_sub(self.time);
        if (1..=PACKET_MAX).contains(&step) {
            self.step = step;
        }
        (self.time, self.arrival) = (time, arrival);
        time
    }

    fn report(&mut self) -> Reception {
        let expected = self.highest - self.first + 1;
        let (expected_before, received_before) = self.reported;
        self.reported = (expected, self.received);
        let interval = expected.saturating_sub(expected_before);
        let lost = interval.saturating_sub(self.received - received_before);
        let fraction = (lost * 256).checked_div(interval).unwrap_or(0);
        let [.., a, b, c, d] = self.highest.to_be_bytes();
        Reception {
            ssrc: self.ssrc,
            fraction_lost: u8::try_from(fraction).unwrap_or(u8::MAX),
            // The field has 24 bits, signed.
            lost: u32::try_from(expected.saturating_sub(self.received))
                .unwrap_or(u32::MAX)
                .min(0x007f_ffff),
            highest: u32::from_be_bytes([a, b, c, d]),
            jitter: self.jitter >> 4,
        }
    }
}

/// RTP time from `start` to `end`, with its wrap-arounds.
pub(super) fn samples_between(start: Instant, end: Instant) -> u32 {
    let passed = end.saturating_duration_since(start).as_nanos() * u128::from(SAMPLE_RATE);
    u32::try_from((passed / 1_000_000_000) & u128::from(u32::MAX)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::dense::srtp::{Master, Profile};

    struct Wire {
        master: Master,
        receiver: MediaReceiver,
        now: Instant,
        out: Vec<u8>,
    }

    impl Wire {
        fn new() -> Self {
            let master = Master::new(Profile::AesGcm128, &[1; 16], &[2; 12]).unwrap();
            let now = Instant::now();
            let receiver = MediaReceiver::new(master.rtp(), 111, now);
            Self {
                master,
                receiver,
                now,
                out: Vec::new(),
            }
        }

        fn packet(&self, ssrc: u32, index: u64, flags: u8, payload: &[u8]) -> Vec<u8> {
            let mut packet = Vec::new();
            let header = Header {
                len: 12,
                padded: false,
                kind: 111,
                sequence: u16::try_from(index & 0xffff).unwrap(),
                time: u32::try_from((index * 960) & 0xffff_ffff).unwrap(),
                ssrc,
            };
            header.write(&mut packet);
            packet[0] |= flags;
            packet.extend_from_slice(payload);
            self.master.rtp().seal_rtp(&mut packet, 0, 12, ssrc, index);
            packet
        }

        fn open(&mut self, packet: &[u8]) -> Opened {
            self.receiver.open(self.now, packet, &mut self.out)
        }

        fn index(&mut self, ssrc: u32, index: u64) -> Opened {
            let packet = self.packet(ssrc, index, 0, b"x");
            self.open(&packet)
        }
    }

    fn sequence(opened: Opened) -> Option<u64> {
        match opened {
            Opened::Payload { sequence, .. } => Some(sequence),
            Opened::Dropped(_) => None,
        }
    }

    #[test]
    fn sequence_numbers_wrap_and_late_packets_find_their_index() {
        let mut wire = Wire::new();
        for index in [65_500, 65_535, 65_537, 65_534, 65_536, 131_000] {
            // The last step is farther than half a turn only from the first.
            if index < 131_000 {
                assert_eq!(sequence(wire.index(1, index)), Some(index));
            }
        }
        assert_eq!(wire.index(1, 65_536), Opened::Dropped(Drop::Replayed));
        assert_eq!(sequence(wire.index(1, 65_537 + 100)), Some(65_637));
        assert_eq!(wire.index(1, 65_538), Opened::Dropped(Drop::Stale));
    }

    #[test]
    fn every_packet_opens_once_whatever_the_order_within_the_window() {
        let mut wire = Wire::new();
        let packets: Vec<_> = (1000..1064).map(|n| wire.packet(1, n, 0, b"ab")).collect();
        let order = (0..64).map(|n| n * 37 % 64).collect::<Vec<usize>>();
        for at in order.iter().chain(&order) {
            wire.open(&packets[*at]);
        }
        assert_eq!(wire.out.len(), 64 * 2);
    }

    #[test]
    fn a_forged_packet_moves_no_window_and_leaves_no_payload() {
        let mut wire = Wire::new();
        wire.index(1, 10);
        let mut forged = wire.packet(1, 2000, 0, b"evil");
        *forged.last_mut().unwrap() ^= 1;
        let before = wire.out.clone();
        assert_eq!(wire.open(&forged), Opened::Dropped(Drop::Forged));
        assert_eq!(wire.out, before);
        assert_eq!(sequence(wire.index(1, 11)), Some(11));
        assert_eq!(wire.open(b"\x80"), Opened::Dropped(Drop::Malformed));
    }

    #[test]
    fn a_new_source_begins_a_stream_and_the_old_one_keeps_its_window() {
        let mut wire = Wire::new();
        assert_eq!(sequence(wire.index(1, 500)), Some(500));
        assert_eq!(sequence(wire.index(2, 3)), Some(501), "it goes on");
        assert_eq!(wire.index(1, 500), Opened::Dropped(Drop::Replayed));
        assert_eq!(sequence(wire.index(1, 501)), Some(501));
        for ssrc in 3..=8 {
            assert!(sequence(wire.index(ssrc, 1)).is_some());
        }
        assert_eq!(wire.index(9, 1), Opened::Dropped(Drop::Source));
        assert_eq!(sequence(wire.index(2, 4)), Some(502));
    }

    #[test]
    fn the_time_of_a_new_source_goes_on_in_whole_packets() {
        let time = |opened| match opened {
            Opened::Payload { time, .. } => time,
            Opened::Dropped(drop) => panic!("{drop:?}"),
        };
        let mut wire = Wire::new();
        for index in 0..3 {
            wire.now += Duration::from_millis(20);
            assert_eq!(time(wire.index(1, index)), index * 960);
        }
        // Sooner than its time, and later than the last one's all the same.
        wire.now += Duration::from_millis(5);
        assert_eq!(time(wire.index(2, 40_000)), 3 * 960);
        wire.now += Duration::from_millis(193);
        assert_eq!(time(wire.index(3, 7)), 3 * 960 + 10 * 960);
    }

    #[test]
    fn padding_is_taken_off_and_padding_alone_is_an_empty_payload() {
        let mut wire = Wire::new();
        let padded = wire.packet(1, 1, 0x20, b"ab\0\0\x03");
        assert!(matches!(wire.open(&padded), Opened::Payload { len: 2, .. }));
        assert_eq!(wire.out, b"ab");
        let empty = wire.packet(1, 2, 0x20, &[0, 2]);
        assert!(matches!(wire.open(&empty), Opened::Payload { len: 0, .. }));
        let wrong = wire.packet(1, 3, 0x20, &[9]);
        assert_eq!(wire.open(&wrong), Opened::Dropped(Drop::Malformed));
        assert_eq!(wire.out, b"ab");
    }

    #[test]
    fn a_report_tells_loss_since_the_last_one_and_jitter() {
        let mut wire = Wire::new();
        assert_eq!(wire.receiver.report(), None);
        for index in (100..200).filter(|index| index % 4 != 3) {
            wire.now += Duration::from_millis(20);
            wire.index(5, index);
        }
        let report = wire.receiver.report().unwrap();
        // The last of the hundred, 199, was lost too and is not expected yet.
        assert_eq!((report.ssrc, report.lost, report.highest), (5, 24, 198));
        assert_eq!(report.fraction_lost, u8::try_from(24 * 256 / 99).unwrap());
        for index in 199..300 {
            wire.now += Duration::from_millis(20);
            wire.index(5, index);
        }
        let report = wire.receiver.report().unwrap();
        assert_eq!((report.fraction_lost, report.lost), (0, 24));
    }
}
