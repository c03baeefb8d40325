//! Ways that lose packets by rules of their own.

use std::time::Duration;

/// Bits a second of a narrow way.
const RATE: u64 = 12_000;
/// Bytes of IP and UDP around a datagram.
const HEADERS: usize = 28;

/// Of a hundred: packets that a bad channel loses, and how often it changes its state after one.
const LOST_WHEN_BAD: u64 = 80;
const BAD_TO_GOOD: u64 = 30;
const GOOD_TO_BAD: u64 = 5;

/// A Gilbert-Elliott channel: it loses most packets while it is bad, and none while it is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Channel {
    /// Bad, and about to lose its first packet for certain.
    Fresh,
    Bad,
    Good,
}

impl Channel {
    /// One that begins bad.
    pub(super) const fn bad() -> Self {
        Self::Fresh
    }

    /// Whether the next packet is lost; `draw` is its chance.
    pub(super) fn loses(&mut self, draw: u64) -> bool {
        let (fate, change) = (draw % 100, (draw >> 32) % 100);
        let lost = match self {
            Self::Fresh => true,
            Self::Bad => fate < LOST_WHEN_BAD,
            Self::Good => false,
        };
        *self = match self {
            Self::Fresh | Self::Bad if change < BAD_TO_GOOD => Self::Good,
            Self::Good if change < GOOD_TO_BAD => Self::Bad,
            Self::Fresh | Self::Bad => Self::Bad,
            Self::Good => Self::Good,
        };
        lost
    }
}

/// How long a datagram of so many bytes takes on a narrow way.
pub(super) fn transmission(len: usize) -> Duration {
    let bits = (len + HEADERS) as u64 * 8;
    Duration::from_nanos(bits * 1_000_000_000 / RATE)
}

#[cfg(test)]
mod tests {
    use racegate_model::draws::{Draws, Purpose, Seed};

    use super::*;

    #[test]
    fn losses_come_in_bursts_of_the_length_that_the_chain_has() {
        let draws = Draws::of_call(Seed(7), 1);
        let mut channel = Channel::bad();
        let lost: Vec<bool> = (0..100_000)
            .map(|nth| channel.loses(draws.draw_nth(Purpose::FaultDatagram, nth)))
            .collect();
        assert!(lost[0]);
        // It is bad for 0.05 / (0.05 + 0.3) of the time.
        let share = lost.iter().filter(|lost| **lost).count() as f64 / 100_000.0;
        let expected = 0.05 / 0.35 * 0.8;
        assert!((share - expected).abs() < 0.01, "{share}, not {expected}");
        let runs = lost.windows(2).filter(|pair| pair[0] && !pair[1]).count();
        // After a loss it stays bad with 0.7, and then loses the next with 0.8.
        let length = share * 100_000.0 / runs as f64;
        assert!((length - 1.0 / (1.0 - 0.56)).abs() < 0.15, "{length}");
    }

    #[test]
    fn headers_alone_are_more_than_a_narrow_way_takes() {
        // 50 packets a second, each of an RTP header and a tag at least.
        assert!(transmission(28) * 50 > Duration::from_secs(1));
        assert_eq!(transmission(122), Duration::from_millis(100));
    }
}
