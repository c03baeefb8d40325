//! What the process is to exit with, and why.

use std::fmt;

use crate::summary::{ExpectationResult, Summary, Verdict};

/// How a command ends, with its reason in one line; the code is k6's where k6 has the same ending.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Exit {
    /// Code 0: the command did its work, which is no verdict.
    Done,
    /// Code 0: all expectations were met.
    Met(String),
    /// Code 91: an expectation or a comparison is undecided.
    Inconclusive(String),
    /// Code 90: a comparison found something worse.
    Regression(String),
    /// Code 93: an expectation had no samples.
    NoSamples(String),
    /// Code 99: an expectation failed.
    Failed(String),
    /// Code 92: the run is invalid.
    Invalid(String),
    /// Code 105: the run was cut short.
    Interrupted(String),
    /// Code 104: the scenario has mistakes.
    Scenario(String),
    /// Code 2: the command line has mistakes.
    Usage(String),
    /// Code 1: an internal failure, or one of the machine.
    Internal(String),
}

impl Exit {
    /// What the summary's own fields say; its `exit_code` is not read.
    #[must_use]
    pub fn of(summary: &Summary) -> Self {
        let mut exit = Self::of_verdicts(&summary.expect);
        if !summary.valid {
            exit = exit.worse(Self::Invalid(invalid_reason(&summary.invalid_reasons)));
        }
        if summary.interrupted {
            exit = exit.worse(Self::Interrupted("the run was interrupted".to_owned()));
        }
        exit
    }

    /// An internal failure, or one of the machine.
    #[must_use]
    pub fn internal(error: impl fmt::Display) -> Self {
        Self::Internal(error.to_string())
    }

    /// The code that the process exits with.
    #[must_use]
    pub const fn code(&self) -> u8 {
        match self {
            Self::Done | Self::Met(_) => 0,
            Self::Internal(_) => 1,
            Self::Usage(_) => 2,
            Self::Regression(_) => 90,
            Self::Inconclusive(_) => 91,
            Self::Invalid(_) => 92,
            Self::NoSamples(_) => 93,
            Self::Failed(_) => 99,
            Self::Scenario(_) => 104,
            Self::Interrupted(_) => 105,
        }
    }

    /// Why the command ends so; empty where there is nothing to say.
    #[must_use]
    pub fn reason(&self) -> &str {
        match self {
            Self::Done => "",
            Self::Met(reason)
            | Self::Inconclusive(reason)
            | Self::Regression(reason)
            | Self::NoSamples(reason)
            | Self::Failed(reason)
            | Self::Invalid(reason)
            | Self::Interrupted(reason)
            | Self::Scenario(reason)
            | Self::Usage(reason)
            | Self::Internal(reason) => reason,
        }
    }

    /// Whether the command could not be carried out, as against a verdict of what it did.
    #[must_use]
    pub const fn is_error(&self) -> bool {
        matches!(self, Self::Internal(_) | Self::Usage(_) | Self::Scenario(_))
    }

    /// The one that counts when both hold; the first on a tie.
    #[must_use]
    pub fn worse(self, other: Self) -> Self {
        if other.rank() > self.rank() {
            other
        } else {
            self
        }
    }

    /// How bad it is beside the others.
    const fn rank(&self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Met(_) => 1,
            Self::Inconclusive(_) => 2,
            Self::Regression(_) => 3,
            Self::NoSamples(_) => 4,
            Self::Failed(_) => 5,
            Self::Invalid(_) => 6,
            Self::Interrupted(_) => 7,
            Self::Scenario(_) => 8,
            Self::Usage(_) => 9,
            Self::Internal(_) => 10,
        }
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
        let unmet = |verdict, word| {
            let mut lines = results.iter().filter(|result| result.verdict == verdict);
            let first = &lines.next()?.expression;
            let count = 1 + lines.count();
            Some(format!("{count} of {judged} expectations {word}: {first}"))
        };
        unmet(Verdict::Fail, "failed")
            .map(Self::Failed)
            .or_else(|| unmet(Verdict::NoSamples, "had no samples").map(Self::NoSamples))
            .or_else(|| unmet(Verdict::Inconclusive, "inconclusive").map(Self::Inconclusive))
            .unwrap_or(Self::Met(met))
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "exit {}: {}", self.code(), self.reason())
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
            (&[], 0),
            (&[Verdict::Pass, Verdict::NotRun], 0),
            (&[Verdict::NotRun], 0),
            (&[Verdict::Pass, Verdict::Inconclusive], 91),
            (&[Verdict::Inconclusive, Verdict::NoSamples], 93),
            (&[Verdict::NoSamples, Verdict::Fail, Verdict::Pass], 99),
        ];
        for (verdicts, code) in rows {
            let results: Vec<ExpectationResult> = verdicts.iter().copied().map(result).collect();
            assert_eq!(Exit::of_verdicts(&results).code(), code, "{verdicts:?}");
        }
    }

    #[test]
    fn the_order_of_exits_is_that_of_the_manual() {
        let exits = [
            Exit::Met,
            Exit::Inconclusive,
            Exit::NoSamples,
            Exit::Failed,
            Exit::Invalid,
            Exit::Interrupted,
            Exit::Internal,
        ]
        .map(|exit| exit(String::new()));
        for pair in exits.windows(2) {
            let (mild, bad) = (pair[0].clone(), pair[1].clone());
            assert_eq!(mild.clone().worse(bad.clone()), bad);
            assert_eq!(bad.clone().worse(mild), bad);
        }
    }
}
