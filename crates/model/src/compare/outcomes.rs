//! What became of each recording under a gate, as one short string.

use std::fmt::Write as _;

use crate::outcome::OutcomeKind;
use crate::stats::{Pair, PairedCounts};

/// A letter per outcome, in the order of [`OutcomeKind::ALL`].
const LETTERS: [char; OutcomeKind::COUNT] = ['c', 'i', 'x', 'r', 's', 'a', 'e'];
/// The recording was not counted, or not settled.
const NONE: char = '-';
/// Recordings in one string; beyond, a baseline is no small file any more.
const LENGTH_MAX: usize = 10_000_000;

/// Outcomes by recording, from the first.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Outcomes(Vec<Option<OutcomeKind>>);

impl Outcomes {
    /// Notes what became of recording `index`.
    pub fn set(&mut self, index: usize, outcome: OutcomeKind) {
        if self.0.len() <= index {
            self.0.resize(index + 1, None);
        }
        self.0[index] = Some(outcome);
    }

    /// Recordings, counted or not.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no recording.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How often `outcome` befell one side only, over recordings that both counted.
    #[must_use]
    pub fn paired(&self, other: &Self, outcome: OutcomeKind) -> PairedCounts {
        let mut counts = PairedCounts::default();
        for (first, second) in self.0.iter().zip(&other.0) {
            let (Some(first), Some(second)) = (first, second) else {
                continue;
            };
            counts.record(match (*first == outcome, *second == outcome) {
                (true, false) => Pair::FirstOnly,
                (false, true) => Pair::SecondOnly,
                (true, true) | (false, false) => Pair::Alike,
            });
        }
        counts
    }

    /// Runs of equal outcomes: `120c2i31c` is 120 complete, 2 incomplete, 31 complete.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        for run in self.0.chunk_by(|a, b| a == b) {
            let letter = run[0].map_or(NONE, |outcome| LETTERS[outcome.index()]);
            // A string takes any write.
            let _ = write!(text, "{}{letter}", run.len());
        }
        text
    }

    /// Reads [`Outcomes::to_text`]; the error is what is wrong with it.
    ///
    /// # Errors
    /// If a count or letter is not understood, or there are too many recordings.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut outcomes = Vec::new();
        let mut count: usize = 0;
        for letter in text.chars() {
            if let Some(digit) = letter.to_digit(10) {
                count = count.saturating_mul(10).saturating_add(digit as usize);
                continue;
            }
            let outcome = match LETTERS.iter().position(|known| *known == letter) {
                Some(at) => Some(OutcomeKind::ALL[at]),
                None if letter == NONE => None,
                None => return Err(format!("`{letter}` stands for no outcome")),
            };
            if count == 0 {
                return Err(format!("there is no count before `{letter}`"));
            }
            if count > LENGTH_MAX - outcomes.len() {
                return Err(format!("there are more than {LENGTH_MAX} recordings"));
            }
            outcomes.resize(outcomes.len() + count, outcome);
            count = 0;
        }
        if count > 0 {
            return Err(format!("there is no outcome after {count}"));
        }
        Ok(Self(outcomes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn runs_of_equal_outcomes_are_written_once() {
        let mut outcomes = Outcomes::default();
        for index in [0, 1, 2, 5] {
            outcomes.set(index, OutcomeKind::Complete);
        }
        outcomes.set(4, OutcomeKind::Incomplete);
        assert_eq!(outcomes.to_text(), "3c1-1i1c");
    }

    #[test]
    fn a_damaged_string_is_refused_with_a_reason() {
        for (text, reason) in [
            ("3c2", "no outcome after 2"),
            ("c", "no count before"),
            ("2q", "no outcome"),
            ("99999999999999999999999c", "more than"),
            ("9999999c9999999c", "more than"),
        ] {
            let error = Outcomes::parse(text).unwrap_err();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }

    #[test]
    fn only_recordings_that_both_counted_are_paired() {
        let first = Outcomes::parse("2c1i1-1i").unwrap();
        let second = Outcomes::parse("1i2c2i9c").unwrap();
        let counts = first.paired(&second, OutcomeKind::Incomplete);
        assert_eq!(
            (counts.first_only, counts.second_only, counts.pairs),
            (1, 1, 4)
        );
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(letters in "[cixrsae-]{0,60}") {
            let text: String = letters.chars().map(|letter| format!("1{letter}")).collect();
            let outcomes = Outcomes::parse(&text).unwrap();
            prop_assert_eq!(Outcomes::parse(&outcomes.to_text()).unwrap(), outcomes);
        }
    }
}
