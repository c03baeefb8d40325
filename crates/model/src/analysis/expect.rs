//! `[expect]`: whether the results show what they must.

use super::observe::{Unseen, select};
use super::pairs::{Observation, Pair, Side, Value};
use super::{Accumulator, Sharing, Tenant};
use crate::outcome::OutcomeKind;
use crate::scenario::{Comparison, Condition, Expectation, Metric, Scenario, Series};
use crate::stats::Interval;
use crate::summary::{ExpectationResult, Verdict};
use crate::workload::Phase;

/// What must be counted during the run to compare the two series of `line` on the same
/// recordings; none where there is nothing to compare, or no way to.
pub(crate) fn pair_of(
    line: &Expectation,
    scenario: &Scenario,
    tenants: &[Tenant],
    phases: &[Phase],
) -> Option<Pair> {
    let side = |series: &Series| {
        let selection = select(series, scenario, tenants, phases).ok()?;
        Some((selection, Value::of_series(series)?))
    };
    let (first, first_value) = side(&line.series)?;
    let (second, second_value) = side(line.minus.as_ref()?)?;
    let same_unit = same_unit(line.series.metric, line.minus.as_ref()?.metric);
    let same_recordings = first.phase == second.phase && first.kind == second.kind;
    let sides = [
        Side {
            tenant: first.tenant?,
            value: first_value,
        },
        Side {
            tenant: second.tenant?,
            value: second_value,
        },
    ];
    (same_unit && same_recordings).then(|| Pair::new(sides, first.phase, first.kind))
}

/// Whether the difference of two metrics per recording means anything.
const fn same_unit(first: Metric, second: Metric) -> bool {
    matches!(
        (first, second),
        (Metric::OutcomeRate(_), Metric::OutcomeRate(_))
            | (Metric::CallsPerRecording, Metric::CallsPerRecording)
            | (Metric::AddedDelay(_), Metric::AddedDelay(_))
            | (Metric::Regret(_), Metric::Regret(_))
    )
}

impl Accumulator {
    /// The verdict on every line of `[expect]`, in order.
    pub(crate) fn verdicts(&self) -> Vec<ExpectationResult> {
        let lines = self.scenario.expect.iter().zip(&self.pairs);
        lines
            .map(|(line, pair)| self.verdict(line, pair.as_ref()))
            .collect()
    }

    fn verdict(&self, line: &Expectation, pair: Option<&Pair>) -> ExpectationResult {
        let expression = line.expression.clone();
        let result = self.verdict_of_run(expression, line, pair);
        if line.certainty.is_none() || result.observed.is_none() {
            return result;
        }
        ExpectationResult {
            verdict: Verdict::Inconclusive,
            note: Some("the run ended before this was looked at".to_owned()),
            ..result
        }
    }

    fn verdict_of_run(
        &self,
        expression: String,
        line: &Expectation,
        pair: Option<&Pair>,
    ) -> ExpectationResult {
        match self.observe_line(line, pair) {
            Ok(observation) => {
                let verdict = judge(observation.interval, &line.conditions);
                let shown = finite(observation.interval);
                let note = self.hidden(line, observation.note);
                ExpectationResult {
                    expression,
                    verdict,
                    observed: Some(shown),
                    note,
                }
            }
            Err(Unseen::NotRun(why)) => {
                let verdict = Verdict::NotRun;
                ExpectationResult {
                    expression,
                    verdict,
                    observed: None,
                    note: Some(why),
                }
            }
            Err(Unseen::NoSamples(why)) => {
                let verdict = Verdict::NoSamples;
                ExpectationResult {
                    expression,
                    verdict,
                    observed: None,
                    note: Some(why),
                }
            }
        }
    }

    pub(crate) fn observe_line(
        &self,
        line: &Expectation,
        pair: Option<&Pair>,
    ) -> Result<Observation, Unseen> {
        let first = self.observe(&line.series);
        let Some(minus) = &line.minus else {
            return first;
        };
        let second = self.observe(minus);
        // An arm or gate that was not run is told before a series without samples.
        let (first, second) = match (first, second) {
            (Err(Unseen::NotRun(why)), _) | (_, Err(Unseen::NotRun(why))) => {
                return Err(Unseen::NotRun(why));
            }
            (first, second) => (first?, second?),
        };
        match pair {
            Some(pair) => {
                let none = || Unseen::NoSamples("no recording is in both series".to_owned());
                let difference = pair
                    .difference(Sharing::of(&self.scenario))
                    .ok_or_else(none)?;
                let note = format!("paired on {} recordings", pair.pairs());
                Ok(Observation {
                    note: difference.note.clone().or(Some(note)),
                    ..difference.behind(pair.pairs(), pair.blocks())
                })
            }
            None => Ok(unpaired(&first, &second)),
        }
    }

    /// Says what a rate or a delay cannot show of the recordings of a gate that never exports.
    fn hidden(&self, line: &Expectation, note: Option<String>) -> Option<String> {
        let of_exports = matches!(
            line.series.metric,
            Metric::OutcomeRate(OutcomeKind::Incomplete | OutcomeKind::Inconsistent)
                | Metric::AddedDelay(_)
                | Metric::Regret(_)
        );
        let tenants = &self.context.tenants;
        let at = select(&line.series, &self.scenario, tenants, &self.phases).ok()?;
        let cell = self.gate_slice(at);
        let lost: Vec<String> = [
            OutcomeKind::Abandoned,
            OutcomeKind::Rejected,
            OutcomeKind::Skipped,
            OutcomeKind::Errored,
        ]
        .into_iter()
        .filter(|outcome| cell.outcomes[outcome.index()] > 0)
        .map(|outcome| {
            let count = cell.outcomes[outcome.index()] as f64;
            let share = 100.0 * count / cell.settled() as f64;
            format!("{share:.1} % were {}", outcome.name())
        })
        .collect();
        if !of_exports || lost.is_empty() {
            return note;
        }
        let counted = if let Metric::OutcomeRate(outcome) = line.series.metric {
            format!("never {}", outcome.name())
        } else {
            "not counted here".to_owned()
        };
        let hidden = format!("{} and so {counted}", lost.join(", "));
        Some(note.map_or_else(|| hidden.clone(), |note| format!("{note}; {hidden}")))
    }
}

/// First minus second as if they were independent: the errors add up in squares, each side's by
/// itself (Zou & Donner, *Statistics in Medicine* 27, 2008). For two rates it is Newcombe's.
fn unpaired(first: &Observation, second: &Observation) -> Observation {
    let (a, b) = (first.interval, second.interval);
    let root = |x: f64, y: f64| (x * x + y * y).sqrt();
    let estimate = a.estimate - b.estimate;
    let interval = Interval {
        estimate,
        low: estimate - root(a.estimate - a.low, b.high - b.estimate),
        high: estimate + root(a.high - a.estimate, b.estimate - b.low),
    };
    Observation {
        note: Some("not paired: taken as independent".to_owned()),
        ..Observation::known(interval)
    }
}

/// The whole interval satisfies every condition, or none of it some condition, or neither.
pub(crate) fn judge(interval: Interval, conditions: &[Condition]) -> Verdict {
    let verdicts = conditions
        .iter()
        .map(|condition| judge_one(interval, *condition));
    verdicts.fold(Verdict::Pass, |worst, verdict| match (worst, verdict) {
        (Verdict::Fail, _) | (_, Verdict::Fail) => Verdict::Fail,
        (Verdict::Pass, Verdict::Pass) => Verdict::Pass,
        _ => Verdict::Inconclusive,
    })
}

fn judge_one(interval: Interval, Condition { comparison, bound }: Condition) -> Verdict {
    let Interval { low, high, .. } = interval;
    let (low_holds, high_holds) = (comparison.holds(low, bound), comparison.holds(high, bound));
    let verdict = |all: bool, none: bool| match (all, none) {
        (true, _) => Verdict::Pass,
        (false, true) => Verdict::Fail,
        (false, false) => Verdict::Inconclusive,
    };
    match comparison {
        Comparison::Less
        | Comparison::LessOrEqual
        | Comparison::Greater
        | Comparison::GreaterOrEqual => verdict(low_holds && high_holds, !low_holds && !high_holds),
        Comparison::Equal => verdict(low_holds && high_holds, bound < low || high < bound),
    }
}

/// What JSON can hold: a bound that is not known is shown as the estimate, and a note says so.
fn finite(interval: Interval) -> Interval {
    let known = |bound: f64| {
        if bound.is_finite() {
            bound
        } else {
            interval.estimate
        }
    };
    Interval {
        low: known(interval.low),
        high: known(interval.high),
        ..interval
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seen(low: f64, high: f64) -> Interval {
        Interval {
            estimate: (low + high) / 2.0,
            low,
            high,
        }
    }

    fn verdict(interval: Interval, comparison: Comparison, bound: f64) -> Verdict {
        judge(interval, &[Condition { comparison, bound }])
    }

    #[test]
    fn the_whole_interval_decides() {
        use Comparison::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual};
        use Verdict::{Fail, Inconclusive, Pass};
        for (low, high, comparison, bound, expected) in [
            (0.1, 0.2, Less, 0.3, Pass),
            (0.1, 0.2, Less, 0.2, Inconclusive),
            (0.1, 0.2, LessOrEqual, 0.2, Pass),
            (0.1, 0.2, Less, 0.1, Fail),
            (0.1, 0.2, LessOrEqual, 0.1, Inconclusive),
            (0.1, 0.2, Greater, 0.05, Pass),
            (0.1, 0.2, Greater, 0.15, Inconclusive),
            (0.1, 0.2, Greater, 0.2, Fail),
            (0.1, 0.2, GreaterOrEqual, 0.1, Pass),
            (7.0, 7.0, Equal, 7.0, Pass),
            (7.0, 7.0, Equal, 8.0, Fail),
            (6.0, 8.0, Equal, 7.0, Inconclusive),
            (f64::NEG_INFINITY, f64::INFINITY, Less, 5.0, Inconclusive),
        ] {
            let case = (low, high, comparison, bound);
            assert_eq!(
                verdict(seen(low, high), comparison, bound),
                expected,
                "{case:?}"
            );
        }
    }

    #[test]
    fn every_condition_of_a_line_must_hold() {
        let between = [
            Condition {
                comparison: Comparison::Greater,
                bound: 0.1,
            },
            Condition {
                comparison: Comparison::Less,
                bound: 0.5,
            },
        ];
        assert_eq!(judge(seen(0.2, 0.3), &between), Verdict::Pass);
        assert_eq!(judge(seen(0.2, 0.6), &between), Verdict::Inconclusive);
        assert_eq!(judge(seen(0.6, 0.7), &between), Verdict::Fail);
    }

    #[test]
    fn independent_rates_differ_by_newcombe() {
        // 56/70 − 48/80 (Newcombe 1998, method 10).
        let rate =
            |events, trials| Observation::known(Interval::wilson(events, trials).expect("trials"));
        let difference = unpaired(&rate(56, 70), &rate(48, 80)).interval;
        assert!(
            (difference.low - 0.052_431_472_4).abs() < 1e-9,
            "{difference:?}"
        );
        assert!(
            (difference.high - 0.333_872_654_0).abs() < 1e-9,
            "{difference:?}"
        );
    }
}
