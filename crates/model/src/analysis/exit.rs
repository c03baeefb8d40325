//! What the process is to exit with, and why.

use std::fmt;

use crate::summary::{ExpectationResult, Summary, Verdict};

/// Exit codes; where k6 has one for the same thing, it is that one.
pub mod code {
    /// All expectations met.
    pub const MET: u8 = 0;
    /// An internal failure.
    pub const INTERNAL: u8 = 1;
    /// An expectation is inconclusive.
    pub const INCONCLUSIVE: u8 = 91;
    /// The run is invalid.
    pub const INVALID: u8 = 92;
    /// An expectation had no samples.
    pub const NO_SAMPLES: u8 = 93;
    /// An expectation failed.
    pub const FAILED: u8 = 99;
    /// The run was cut short.
    pub const INTERRUPTED: u8 = 105;
}

/// The codes that can hold at once, worst first.
const ORDER: [u8; 7] = [
    code::INTERNAL,
    code::INTERRUPTED,
    code::INVALID,
    code::FAILED,
    code::NO_SAMPLES,
    code::INCONCLUSIVE,
    code::MET,
];

/// An exit code and its reason, in one line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Exit {
    /// The code.
    pub code: u8,
    /// Why.
    pub reason: String,
}

impl Exit {
    /// What the summary's own fields say; its `exit_code` is not read.
    #[must_use]
    pub fn of(summary: &Summary) -> Self {
        let mut exit = Self::of_verdicts(&summary.expect);
        if !summary.valid {
            exit = exit.worse(Self::new(
                code::INVALID,
                invalid_reason(&summary.invalid_reasons),
            ));
        }
        if summary.interrupted {
            exit = exit.worse(Self::new(
                code::INTERRUPTED,
                "the run was interrupted".to_owned(),
            ));
        }
        exit
    }

    /// An internal failure.
    #[must_use]
    pub fn internal(reason: impl fmt::Display) -> Self {
        Self::new(code::INTERNAL, format!("internal failure: {reason}"))
    }

    /// The one that counts when both hold; the first on a tie.
    #[must_use]
    pub fn worse(self, other: Self) -> Self {
        // A code outside the order is as bad as an internal failure.
        let rank = |exit: &Self| {
            ORDER
                .iter()
                .position(|code| *code == exit.code)
                .unwrap_or(0)
        };
        if rank(&other) < rank(&self) {
            other
        } else {
            self
        }
    }

    const fn new(code: u8, reason: String) -> Self {
        Self { code, reason }
    }

    fn of_verdicts(results: &[ExpectationResult]) -> Self {
        let judged = results
            .iter()
            .filter(|result| result.verdict != Verdict::NotRun)
            .count();
        let met = match judged {
            0 if results.is_empty() => "the run is valid; nothing was expected".to_owned(),
            0 => "the run is valid; no expectation is about what was run".to_owned(),
            1 => "the expectation was met".to_owned(),
            count => format!("all {count} expectations were met"),
        };
        let unmet = [
            (Verdict::Fail, code::FAILED, "failed"),
            (Verdict::NoSamples, code::NO_SAMPLES, "had no samples"),
            (Verdict::Inconclusive, code::INCONCLUSIVE, "inconclusive"),
        ];
        let found = unmet.into_iter().find_map(|(verdict, code, word)| {
            let mut lines = results.iter().filter(|result| result.verdict == verdict);
            let first = &lines.next()?.expression;
            let count = 1 + lines.count();
            Some(Self::new(
                code,
                format!("{count} of {judged} expectations {word}: {first}"),
            ))
        });
        found.unwrap_or(Self::new(code::MET, met))
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "exit {}: {}", self.code, self.reason)
    }
}

fn invalid_reason(reasons: &[String]) -> String {
    match reasons {
        [] => "the run is invalid".to_owned(),
        [only] => format!("the run is invalid: {only}"),
        [first, rest @ ..] => format!("the run is invalid: {first} (and {} more)", rest.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(verdict: Verdict) -> ExpectationResult {
        let expression = format!("{verdict:?}");
        ExpectationResult {
            expression,
            verdict,
            observed: None,
            note: None,
        }
    }

    #[test]
    fn the_worst_verdict_decides_and_what_was_not_run_does_not_count() {
        let rows: [(&[Verdict], u8); 6] = [
            (&[], code::MET),
            (&[Verdict::Pass, Verdict::NotRun], code::MET),
            (&[Verdict::NotRun], code::MET),
            (&[Verdict::Pass, Verdict::Inconclusive], code::INCONCLUSIVE),
            (
                &[Verdict::Inconclusive, Verdict::NoSamples],
                code::NO_SAMPLES,
            ),
            (
                &[Verdict::NoSamples, Verdict::Fail, Verdict::Pass],
                code::FAILED,
            ),
        ];
        for (verdicts, code) in rows {
            let results: Vec<ExpectationResult> = verdicts.iter().copied().map(result).collect();
            assert_eq!(Exit::of_verdicts(&results).code, code, "{verdicts:?}");
        }
    }

    #[test]
    fn the_order_of_codes_is_that_of_the_manual() {
        let exits = [0, 91, 93, 99, 92, 105, 1].map(|code| Exit::new(code, String::new()));
        for pair in exits.windows(2) {
            let (mild, bad) = (pair[0].clone(), pair[1].clone());
            assert_eq!(mild.clone().worse(bad.clone()).code, bad.code);
            assert_eq!(bad.clone().worse(mild).code, bad.code);
        }
    }
}
