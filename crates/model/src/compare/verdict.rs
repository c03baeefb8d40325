//! From evidence to verdicts: several at once, with one false alarm in a hundred at most.

use serde::{Deserialize, Serialize};

use super::Line;
use super::evidence::{Evidence, Method, Pairing, more_units};
use super::metric::{Concern, Metric};
use crate::stats::holm;

/// The verdict on a metric, best first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Judgement {
    /// The difference is within the margin, with 95 %.
    NotWorse,
    /// Neither is shown.
    Inconclusive,
    /// It is worse, with all metrics judged at once.
    Worse,
}

impl Judgement {
    /// The verdict in words.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NotWorse => "not worse than the margin",
            Self::Inconclusive => "inconclusive",
            Self::Worse => "worse",
        }
    }
}

/// Error of all "worse" verdicts on losses together. Equal exporters on the same sessions are equal
/// in every number, so only a change can be accused wrongly; on other sessions every comparison
/// of equals can be, so there the error is a tenth. Four fifths of it go to what is lost, one
/// fifth to what it costs: an incomplete export cannot be mended, a slow one can.
const fn error_of(concern: Concern, paired: &Pairing) -> f64 {
    match (concern, paired.is_paired()) {
        (Concern::Loss(_), true) => 0.04,
        (Concern::Cost, true) => 0.01,
        (Concern::Loss(_), false) => 0.004,
        (Concern::Cost, false) => 0.001,
    }
}

/// A series, what is known of its metric and difference, and its margin.
type Judged = (String, Metric, Evidence, f64);

/// Judges all series at once.
pub(super) fn judge(judged: Vec<Judged>, pairing: &Pairing) -> Vec<Line> {
    let mut adjusted = vec![1.0; judged.len()];
    let mut tests = [0_u32; 2];
    for (family, count) in tests.iter_mut().enumerate() {
        let members: Vec<usize> = judged
            .iter()
            .enumerate()
            .filter(|(_, (_, metric, evidence, _))| {
                family_of(*metric) == family && evidence.informative
            })
            .map(|(at, _)| at)
            .collect();
        let p: Vec<f64> = members.iter().map(|at| judged[*at].2.p).collect();
        for (at, value) in members.iter().zip(holm(&p)) {
            adjusted[*at] = value;
        }
        *count = u32::try_from(members.len()).unwrap_or(u32::MAX);
    }
    judged
        .into_iter()
        .zip(adjusted)
        .map(|(judged, p)| {
            let tests = tests[family_of(judged.1)].max(1);
            line(judged, p, pairing, tests)
        })
        .collect()
}

const fn family_of(metric: Metric) -> usize {
    match metric.concern {
        Concern::Loss(_) => 0,
        Concern::Cost => 1,
    }
}

fn line(judged: Judged, p: f64, pairing: &Pairing, tests: u32) -> Line {
    let (series, metric, evidence, margin) = judged;
    let error = error_of(metric.concern, pairing);
    let verdict = if evidence.high <= margin {
        Judgement::NotWorse
    } else if p <= error {
        Judgement::Worse
    } else {
        Judgement::Inconclusive
    };
    let note = match verdict {
        Judgement::Worse => None,
        Judgement::NotWorse if evidence.high < 0.0 => Some("better".to_owned()),
        Judgement::NotWorse if evidence.low > 0.0 => Some("higher, within the margin".to_owned()),
        Judgement::NotWorse => None,
        Judgement::Inconclusive => Some(what_decides(&evidence, margin, error / f64::from(tests))),
    };
    let finite = |bound: f64| bound.is_finite().then_some(bound);
    Line {
        series,
        verdict,
        base: evidence.base,
        run: evidence.run,
        difference: evidence.difference,
        low: finite(evidence.low),
        high: finite(evidence.high),
        margin,
        p: (evidence.method != Method::Unbounded).then_some(p),
        method: evidence.method,
        units: evidence.units,
        note,
    }
}

/// What would decide an undecided line.
fn what_decides(evidence: &Evidence, margin: f64, error: f64) -> String {
    if evidence.base.is_none() || evidence.run.is_none() {
        let side = if evidence.run.is_none() {
            "run"
        } else {
            "base"
        };
        return format!("nothing to observe in the {side}");
    }
    let unit = match evidence.method {
        Method::PairedRecordings | Method::IndependentRecordings => "recordings",
        Method::PairedBlocks | Method::IndependentBlocks => "times as many recordings",
        Method::NoEvents => "independent blocks of recordings",
        Method::PairedSeeds | Method::IndependentSeeds => "seeds (--replications)",
        Method::SimulatedSpread => "runs of each side",
        Method::Unbounded | Method::Identical => {
            return "one run is one observation: more seeds (sim: --replications 20) or ten runs \
                    of each side would bound it"
                .to_owned();
        }
    };
    let Some(factor) = more_units(evidence, margin, error) else {
        return "more runs would decide".to_owned();
    };
    let blocks = matches!(
        evidence.method,
        Method::PairedBlocks | Method::IndependentBlocks
    );
    let needed = if blocks {
        factor.max(2.0)
    } else {
        factor * evidence.units as f64
    };
    if needed > 1e6 {
        return format!(
            "more than a million {unit} would be needed: the difference is about the margin"
        );
    }
    // It may be that a few more do by luck; fewer than there are never would.
    let least = if blocks {
        2.0
    } else {
        evidence.units as f64 + 1.0
    };
    format!("about {:.0} {unit} would decide", needed.max(least).ceil())
}

/// The worst verdict; a series of the base that is missing leaves it open.
pub(super) fn worst(lines: &[Line], missing: usize) -> Judgement {
    let floor = if lines.is_empty() || missing > 0 {
        Judgement::Inconclusive
    } else {
        Judgement::NotWorse
    };
    let worst = lines.iter().map(|line| line.verdict).max();
    worst.unwrap_or(floor).max(floor)
}
