//! What is minimised, and what must hold: `--minimise` and `--subject-to` as text.

use racegate_model::schedule::{Cost, Price};

/// A number of a schedule that can be minimised or bounded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Measure {
    /// Session end → the check that finds it ready, on average.
    AddedDelayMean,
    /// Readiness → the check that finds it, on average.
    RegretMean,
    /// Calls per recording.
    Calls,
    /// Share that the last check does not find.
    Abandoned,
    /// Share that is exported with fields missing; a schedule of checks exports none.
    Incomplete,
}

const MEASURES: [(&str, Measure); 5] = [
    ("added_delay_mean", Measure::AddedDelayMean),
    ("regret_mean", Measure::RegretMean),
    ("calls_per_recording", Measure::Calls),
    ("abandoned_rate", Measure::Abandoned),
    ("incomplete_rate", Measure::Incomplete),
];

/// A sum of measures that must stay below a bound.
#[derive(Clone, PartialEq, Debug)]
pub struct Constraint {
    /// What is summed.
    pub measures: Vec<Measure>,
    /// The bound; seconds for delays.
    pub bound: f64,
    /// The constraint as it was written.
    pub text: String,
}

/// What is wanted.
#[derive(Clone, PartialEq, Debug)]
pub struct Objective {
    /// What a call is worth.
    pub price: Option<Price>,
    /// What is minimised instead of delay plus calls at their price.
    pub minimise: Option<Measure>,
    /// What must hold.
    pub constraints: Vec<Constraint>,
}

impl Measure {
    /// Reads a name.
    ///
    /// # Errors
    /// The names that there are.
    pub fn parse(text: &str) -> Result<Self, String> {
        let known = MEASURES.iter().find(|(name, _)| *name == text.trim());
        known.map(|(_, measure)| *measure).ok_or_else(|| {
            let names = MEASURES.map(|(name, _)| name).join(", ");
            format!("there is no measure `{}`; there are {names}", text.trim())
        })
    }

    /// Its value.
    #[must_use]
    pub fn of(self, cost: &Cost) -> f64 {
        match self {
            Self::AddedDelayMean => cost.elapsed / (1.0 - cost.abandoned).max(1e-12),
            Self::RegretMean => cost.delay_when_found(),
            Self::Calls => cost.calls,
            Self::Abandoned => cost.abandoned,
            Self::Incomplete => 0.0,
        }
    }

    /// Whether it is a share of recordings, which only counting can certify.
    #[must_use]
    pub const fn is_rate(self) -> bool {
        matches!(self, Self::Abandoned | Self::Incomplete)
    }
}

impl Constraint {
    /// Reads `MEASURE [+ MEASURE] < BOUND [at 95%]`.
    ///
    /// # Errors
    /// What is wrong with it, and how it is written.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = |reason: String| {
            format!(
                "--subject-to \"{text}\": {reason}; write e.g. \
                 \"abandoned_rate + incomplete_rate < 0.1%\" or \"calls_per_recording < 4\""
            )
        };
        let bare = text.trim();
        let bare = bare.strip_suffix("at 95%").unwrap_or(bare).trim();
        let Some((left, right)) = bare.split_once('<') else {
            return Err(wrong("there is no `<`".to_owned()));
        };
        let right = right.trim_start_matches('=').trim();
        let measures: Result<Vec<Measure>, String> = left.split('+').map(Measure::parse).collect();
        let measures = measures.map_err(wrong)?;
        let rates = measures.iter().filter(|measure| measure.is_rate()).count();
        if rates != 0 && rates != measures.len() {
            return Err(wrong("rates and other measures cannot be added".to_owned()));
        }
        let bound = number(right)
            .filter(|bound| *bound > 0.0)
            .ok_or_else(|| wrong(format!("`{right}` is no bound above zero")))?;
        Ok(Self {
            measures,
            bound,
            text: text.trim().to_owned(),
        })
    }

    /// Whether it bounds a share of recordings.
    #[must_use]
    pub fn is_rate(&self) -> bool {
        self.measures.iter().all(|measure| measure.is_rate())
    }

    /// Whether a schedule's exact numbers satisfy it.
    #[must_use]
    pub fn holds(&self, cost: &Cost) -> bool {
        self.measures.iter().map(|m| m.of(cost)).sum::<f64>() < self.bound
    }
}

impl Objective {
    /// The smallest bound on abandoned recordings, if there is one.
    #[must_use]
    pub fn abandoned_bound(&self) -> Option<f64> {
        let bounds = self.constraints.iter().filter(|constraint| {
            constraint.is_rate() && constraint.measures.contains(&Measure::Abandoned)
        });
        bounds.map(|constraint| constraint.bound).reduce(f64::min)
    }
}

/// `1e-3`, `0.1%`, `2s`, `500ms`.
fn number(text: &str) -> Option<f64> {
    if let Some(percent) = text.strip_suffix('%') {
        return percent
            .trim()
            .parse::<f64>()
            .ok()
            .map(|value| value / 100.0);
    }
    if let Ok(value) = text.parse() {
        return Some(value);
    }
    let duration = racegate_scenario::parse_duration(text).ok()?;
    Some(duration.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constraints_are_read_with_their_units() {
        for (text, bound, rate) in [
            ("abandoned_rate + incomplete_rate < 1e-3 at 95%", 1e-3, true),
            ("calls_per_recording < 4", 4.0, false),
            ("added_delay_mean <= 2500ms", 2.5, false),
            ("abandoned_rate < 0.5%", 0.005, true),
        ] {
            let read = Constraint::parse(text).unwrap();
            assert!((read.bound - bound).abs() < 1e-12, "{text}");
            assert_eq!(read.is_rate(), rate, "{text}");
        }
    }

    #[test]
    fn a_wrong_constraint_says_how_it_is_written() {
        for text in [
            "calls < 4",
            "calls_per_recording 4",
            "abandoned_rate < -1",
            "abandoned_rate + calls_per_recording < 1",
        ] {
            let refused = Constraint::parse(text).unwrap_err();
            assert!(refused.contains("write e.g."), "{refused}");
        }
    }
}
