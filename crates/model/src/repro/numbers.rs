//! Lengths of time made shorter and rounder, as long as the same thing fails.

use crate::time::Duration;

/// Units in which a length is rounded, the coarsest first.
const UNITS: [u64; 6] = [
    10_000_000_000,
    1_000_000_000,
    100_000_000,
    10_000_000,
    1_000_000,
    1,
];
/// No finer than this is a least length looked for.
const FINEST: u64 = 1_000_000;

/// The roundest among the shortest lengths up to `value` of which `fails` holds; none if nothing
/// shorter or rounder does. What fails at a length is taken to fail at longer ones.
pub(super) fn least(
    value: Duration,
    mut fails: impl FnMut(Duration) -> Answer,
) -> Option<Duration> {
    if value == Duration::ZERO {
        return None;
    }
    if fails(Duration::ZERO) == Answer::Fails {
        return Some(Duration::ZERO);
    }
    let (mut low, mut high) = (0, value.as_nanos());
    while high - low > FINEST {
        let middle = low + (high - low) / 2;
        if fails(Duration::from_nanos(middle)) == Answer::Fails {
            high = middle;
        } else {
            low = middle;
        }
    }
    for unit in UNITS {
        let round = high.div_ceil(unit).saturating_mul(unit);
        if round > value.as_nanos() {
            continue;
        }
        let round = Duration::from_nanos(round);
        if round == value {
            return None;
        }
        if fails(round) == Answer::Fails {
            return Some(round);
        }
    }
    None
}

/// What a probe says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Answer {
    /// The same failure.
    Fails,
    /// Another one, or none.
    Other,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn least_of(value: u64, from: u64) -> Option<u64> {
        let fails = |length: Duration| {
            if length.as_nanos() >= from {
                Answer::Fails
            } else {
                Answer::Other
            }
        };
        least(Duration::from_nanos(value), fails).map(Duration::as_nanos)
    }

    #[test]
    fn a_length_becomes_the_roundest_near_the_shortest_that_fails() {
        assert_eq!(least_of(7_312_456_789, 0), Some(0));
        assert_eq!(least_of(7_312_456_789, 5_000_000_001), Some(6_000_000_000));
        assert_eq!(least_of(7_312_456_789, 7_100_000_000), Some(7_200_000_000));
        assert_eq!(least_of(2_000_000_000, 1_999_999_999), None);
        assert_eq!(least_of(0, 0), None);
    }
}
