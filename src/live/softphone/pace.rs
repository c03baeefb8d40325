//! How long a phone's packets last, and how RED wraps them.

use std::sync::Arc;
use std::time::Duration;

use racegate_media::FRAME_SAMPLES;
use racegate_model::fault::Fault;

/// The payload type of Opus inside RED.
const OPUS: u8 = 111;

/// How long each packet lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pace {
    pub(super) length: Duration,
    pub(super) samples: u32,
}

impl Pace {
    /// Opus at 50 packets a second, unless the fault is that it is not.
    pub(super) fn of(fault: Option<Fault>) -> Self {
        let samples = match fault {
            Some(Fault::Frames10) => 480,
            Some(Fault::Frames40) => 1920,
            Some(Fault::Frames60) => 2880,
            _ => FRAME_SAMPLES,
        };
        let length = Duration::from_micros(u64::from(samples) * 1_000 / 48);
        Self { length, samples }
    }
}

/// A packet with the one before it as redundancy (RFC 2198): a header of four bytes and the earlier packet, one of one byte and this
/// packet.
pub(super) fn redundant(payload: &[u8], before: &[u8]) -> Arc<[u8]> {
    // 14 bits of time, 10 of length: an Opus packet of 20 ms has a tenth of that.
    let length = u32::try_from(before.len()).unwrap_or(0) & 0x3ff;
    let word = u32::from(0x80 | OPUS) << 24 | FRAME_SAMPLES << 10 | length;
    let mut bytes = word.to_be_bytes().to_vec();
    bytes.push(OPUS);
    bytes.extend_from_slice(&before[..usize::try_from(length).unwrap_or(0).min(before.len())]);
    bytes.extend_from_slice(payload);
    Arc::from(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pace_says_a_second_in_a_second() {
        let faults = [
            Fault::Frames10,
            Fault::Frames40,
            Fault::Frames60,
            Fault::Loss,
        ];
        for fault in faults {
            let pace = Pace::of(Some(fault));
            let samples = pace.length.as_secs_f64() * 48_000.0;
            assert!((samples - f64::from(pace.samples)).abs() < 1e-6, "{pace:?}");
        }
    }

    #[test]
    fn redundancy_comes_first_and_says_how_long_it_is() {
        let packet = redundant(b"now", b"before");
        let [a, b, c, d, e, rest @ ..] = &packet[..] else {
            panic!("{packet:?}");
        };
        assert_eq!((*a, *e), (0xef, 111));
        let word = u32::from_be_bytes([*a, *b, *c, *d]);
        assert_eq!((word >> 10 & 0x3fff, word & 0x3ff), (960, 6));
        assert_eq!(rest, b"beforenow");
    }
}
