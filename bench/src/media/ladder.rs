//! Finds the highest number of sessions that holds: quick probes upwards, then the full time at the highest that held.

use std::time::{Duration, Instant};

use super::BenchError;
use super::rung::{Load, Rung, measure};
use racegate::output::note;

/// Share of the packets that may be lost.
pub(super) const LOSS_MAX: f64 = 1e-4;

/// How late the 99th packet of a hundred may be sent.
pub(super) const SEND_P99_MAX_MS: f64 = 5.0;

/// Share of the processors that others may take before a rung says nothing.
pub(super) const OTHERS_MAX: f64 = 0.10;

/// How long a probe lasts once it is set up.
const PROBE: Duration = Duration::from_secs(4);

/// Set-up, settling and draining around a rung.
const AROUND: Duration = Duration::from_secs(7);

/// The rungs of a ladder: a tenth apart, rounded to hundreds.
fn above(sessions: usize) -> usize {
    round(sessions * 11 / 10)
}

fn below(sessions: usize) -> usize {
    round(sessions * 9 / 10)
}

fn round(sessions: usize) -> usize {
    (sessions / 100).max(1) * 100
}

/// What a rung showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// All sessions stood, on time and without loss.
    Held,
    /// They did not.
    Fell,
    /// They did not, and others were at work: it says nothing.
    Disturbed,
}

pub(super) fn judge(rung: &Rung) -> Verdict {
    let whole = rung.standing == rung.sessions + rung.beside && rung.refused == 0;
    if whole && rung.loss() < LOSS_MAX && rung.send_p99_ms() <= SEND_P99_MAX_MS {
        // What held in spite of others held.
        Verdict::Held
    } else if rung.others > OTHERS_MAX {
        Verdict::Disturbed
    } else {
        Verdict::Fell
    }
}

/// What a ladder came to.
#[derive(Debug, Clone)]
pub(super) struct Climbed {
    /// The highest rung that held for the full time.
    pub(super) best: Option<Rung>,
    /// All rungs in order.
    pub(super) rungs: Vec<(Rung, Verdict)>,
    /// Whether any rung says nothing because of others.
    pub(super) disturbed: bool,
}

/// Climbs from `start` until a probe falls or the time is up, then stays for the full time on the highest that held, or lower.
pub(super) fn climb(load: &Load, start: usize, budget: Duration) -> Result<Climbed, BenchError> {
    let began = Instant::now();
    let mut climbed = Climbed {
        best: None,
        rungs: Vec::new(),
        disturbed: false,
    };
    let mut sessions = round(start);
    let mut highest = None;
    let left = |began: Instant| budget.saturating_sub(began.elapsed());
    while left(began) > load.steady + 2 * AROUND + PROBE {
        match step(load, sessions, PROBE, &mut climbed)? {
            Verdict::Held => {
                highest = Some(sessions);
                sessions = above(sessions);
            }
            Verdict::Fell | Verdict::Disturbed if highest.is_some() || sessions <= 100 => break,
            Verdict::Fell | Verdict::Disturbed => sessions = round(sessions * 7 / 10),
        }
    }
    let mut sessions = highest.unwrap_or(sessions);
    loop {
        if step(load, sessions, load.steady, &mut climbed)? == Verdict::Held {
            climbed.best = climbed.rungs.last().map(|(rung, _)| rung.clone());
            return Ok(climbed);
        }
        if sessions <= 100 || left(began) < load.steady + AROUND {
            return Ok(climbed);
        }
        sessions = below(sessions);
    }
}

fn step(
    load: &Load,
    sessions: usize,
    steady: Duration,
    climbed: &mut Climbed,
) -> Result<Verdict, BenchError> {
    let load = Load {
        sessions,
        steady,
        ..load.clone()
    };
    let rung = match measure(&load) {
        Ok(rung) => rung,
        // A rung that cannot even be set up is one that falls.
        Err(error @ BenchError::Setup { .. }) => {
            note(&error.to_string());
            return Ok(Verdict::Fell);
        }
        Err(error) => return Err(error),
    };
    let verdict = judge(&rung);
    climbed.disturbed |= verdict == Verdict::Disturbed;
    climbed.rungs.push((rung, verdict));
    Ok(verdict)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::rung::tests::rung;

    #[test]
    fn a_rung_holds_only_whole_on_time_and_without_loss() {
        let good = rung(4000);
        assert_eq!(judge(&good), Verdict::Held);
        let mut lost = good.clone();
        lost.lost = lost.sent / 5_000;
        assert_eq!(judge(&lost), Verdict::Fell);
        let mut late = good.clone();
        late.lateness_us.record_n(6_000, late.sent / 50).unwrap();
        assert_eq!(judge(&late), Verdict::Fell);
        late.others = 0.3;
        assert_eq!(judge(&late), Verdict::Disturbed);
        let mut cut = good.clone();
        cut.standing -= 1;
        assert_eq!(judge(&cut), Verdict::Fell);
        let mut noisy = good;
        noisy.others = 0.3;
        assert_eq!(judge(&noisy), Verdict::Held, "it held in spite of others");
    }

    #[test]
    fn rungs_are_a_tenth_apart_in_whole_hundreds() {
        assert_eq!((above(4000), below(4000)), (4400, 3600));
        assert_eq!((round(50), round(199)), (100, 100));
    }
}
