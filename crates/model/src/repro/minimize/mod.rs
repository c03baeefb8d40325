//! Makes a case small: fewer recordings, shorter and rounder lengths, then a simpler configuration.
//!
//! A step is kept only if the same thing still fails ([`Fingerprint`]), so the shrinker cannot slip
//! to another bug. Every pass is deterministic, and one that found nothing finds nothing when it is
//! repeated. Removing sessions is ddmin (Zeller and Hildebrandt 2002); where congestion consists of
//! many small services, recordings are first given the longest service of the run, and as a last
//! resort one that lasts until the failing recording's turn came.

mod essence;

use std::collections::BTreeSet;

use super::numbers::{Answer, least};
use super::values::{Number, Values, is_measured, queued};
use super::{Captured, Case, Fingerprint};
use crate::ids::RecordingIndex;
use crate::sim::GivenRecording;
use crate::time::{Duration, Timestamp};

/// A case that holds at most this many recordings needs no donors.
const FEW: usize = 12;
/// Recordings of an exact case at most; beyond it only those are kept that its export depends on.
const EXACT_MAX: usize = 400;
/// The shortest call that is left: a recording has audio.
const CALL_LEAST: Duration = Duration::from_secs(1);

/// How far a case is shrunk.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Level {
    /// The instants of the run.
    Exact,
    /// The user's own configuration, as little as fails under it.
    Minimal,
    /// A simpler configuration too.
    Essence,
}

impl Level {
    /// Every level, the least shrunk first.
    pub const ALL: [Self; 3] = [Self::Exact, Self::Minimal, Self::Essence];

    /// Its name in files and on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Minimal => "minimal",
            Self::Essence => "essence",
        }
    }
}

/// What a pass left.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pass {
    /// What it did.
    pub name: &'static str,
    /// Recordings that are left.
    pub recordings: usize,
    /// The sum of all lengths of time that are left.
    pub lengths: Duration,
    /// Cases run so far.
    pub probes: u64,
}

/// A case made small, and how.
#[derive(Clone, PartialEq, Debug)]
pub struct Shrunk {
    /// The case.
    pub case: Case,
    /// Its passes, in order.
    pub passes: Vec<Pass>,
    /// Whether it ended before its passes did.
    pub rest: Rest,
}

/// Whether a shrinker had time for everything.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rest {
    /// Nothing is left to try.
    Done,
    /// It was told to stop.
    Stopped,
}

/// Watches a shrinker and may end it: it has no clock of its own.
pub trait Watch {
    /// Whether there is time for another probe.
    fn goes_on(&mut self) -> bool;
    /// Is told what a pass left.
    fn passed(&mut self, pass: &Pass);
}

/// Takes all the time there is and looks at nothing.
#[derive(Clone, Copy, Debug)]
pub struct Unwatched;

impl Watch for Unwatched {
    fn goes_on(&mut self) -> bool {
        true
    }

    fn passed(&mut self, _: &Pass) {}
}

/// Makes a captured case small.
pub struct Shrinker<'a> {
    captured: &'a Captured,
    mode: Mode,
    probes: u64,
    passes: Vec<Pass>,
    watch: &'a mut dyn Watch,
    rest: Rest,
}

/// What removing recordings does to the others.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Mode {
    /// They wait in shorter queues.
    Queued,
    /// Their instants stay: values change later, or reads load the platform.
    Fixed,
}

/// A case on its way.
#[derive(Clone)]
struct Draft {
    case: Case,
    values: Vec<Values>,
}

impl<'a> Shrinker<'a> {
    /// A shrinker that goes on while `watch` says so.
    pub fn new(captured: &'a Captured, watch: &'a mut dyn Watch) -> Self {
        Self {
            captured,
            mode: Mode::Fixed,
            probes: 0,
            passes: Vec::new(),
            watch,
            rest: Rest::Done,
        }
    }

    /// Shrinks to `level`.
    #[must_use]
    pub fn run(mut self, level: Level) -> Shrunk {
        let whole = self.whole();
        self.note("as captured", &whole);
        let draft = match level {
            Level::Exact => self.exact(whole),
            Level::Minimal => self.minimal(whole),
            Level::Essence => {
                let minimal = self.minimal(whole);
                self.essence(minimal)
            }
        };
        let case = match level {
            Level::Exact => draft.case,
            Level::Minimal | Level::Essence => self.realized(&draft),
        };
        Shrunk {
            case,
            passes: self.passes,
            rest: self.rest,
        }
    }

    fn whole(&mut self) -> Draft {
        let case = self.captured.case.clone();
        let of = |one| Values::of(one, &case.arm);
        let values: Vec<Values> = case.recordings.iter().map(of).collect();
        let measured = case.recordings.iter().all(|it| is_measured(&it.timeline));
        let draft = Draft { case, values };
        if measured && queued(&draft.values, &draft.case.arm) == draft.case.recordings {
            self.mode = Mode::Queued;
        } else if measured {
            // Workers that a captured stretch found busy make the beginning of it differ.
            let failing = draft.case.timeline();
            let again = queued(&draft.values, &draft.case.arm);
            let again = again.iter().map(|it| &it.timeline);
            let mut again = again.filter(|it| it.recording == draft.case.failing);
            let found = again.next_back();
            if failing == found {
                self.mode = Mode::Queued;
            }
        }
        draft
    }

    /// The case that a draft stands for.
    fn realized(&self, draft: &Draft) -> Case {
        let mut case = draft.case.clone();
        case.recordings = self.recordings(draft);
        case.recordings
            .sort_by_key(|it| (it.timeline.ended_at, it.timeline.recording));
        case
    }

    fn recordings(&self, draft: &Draft) -> Vec<GivenRecording> {
        match self.mode {
            Mode::Queued => queued(&draft.values, &draft.case.arm),
            Mode::Fixed => {
                let left: BTreeSet<_> = draft.values.iter().map(Values::recording).collect();
                let all = self.captured.case.recordings.iter();
                let kept = all.filter(|one| left.contains(&one.timeline.recording));
                kept.cloned().collect()
            }
        }
    }

    /// Whether the draft fails in the same way.
    fn probe(&mut self, draft: &Draft) -> Answer {
        if !self.watch.goes_on() {
            self.rest = Rest::Stopped;
            return Answer::Other;
        }
        self.probes += 1;
        let mut case = Case {
            recordings: Vec::new(),
            ..draft.case.clone()
        };
        case.recordings = self.recordings(draft);
        let fingerprint: &Fingerprint = &self.captured.fingerprint;
        match case.probe().and_then(|played| played.fingerprint) {
            Some(found) if found == *fingerprint => Answer::Fails,
            _ => Answer::Other,
        }
    }

    fn note(&mut self, name: &'static str, draft: &Draft) {
        let mut lengths = Duration::ZERO;
        for one in &mut draft.values.clone() {
            lengths = lengths.saturating_add(one.total());
        }
        let pass = Pass {
            name,
            recordings: draft.values.len(),
            lengths,
            probes: self.probes,
        };
        self.watch.passed(&pass);
        self.passes.push(pass);
    }

    /// The instants of the run: the shortest stretch of it after which the export is the same.
    fn exact(&mut self, whole: Draft) -> Draft {
        let original = whole.case.probe().map(|played| played.failing);
        let timeline = whole.case.timeline().cloned();
        let at = position(&whole);
        for mode in [self.mode, Mode::Fixed] {
            self.mode = mode;
            for size in sizes(at) {
                let draft = stretch(&whole, at, size);
                let case = self.realized(&draft);
                self.probes += 1;
                let same = case.timeline() == timeline.as_ref()
                    && case.probe().map(|played| played.failing) == original;
                if same && (draft.values.len() <= EXACT_MAX || mode == Mode::Fixed) {
                    let left: BTreeSet<_> = draft.values.iter().map(Values::recording).collect();
                    let recordings = whole.case.recordings.iter();
                    let recordings = recordings
                        .filter(|one| left.contains(&one.timeline.recording))
                        .cloned();
                    let case = Case {
                        recordings: recordings.collect(),
                        ..whole.case.clone()
                    };
                    let exact = Draft { case, ..draft };
                    self.note("shortest stretch that changes nothing", &exact);
                    return exact;
                }
            }
        }
        whole
    }

    fn minimal(&mut self, whole: Draft) -> Draft {
        let mut draft = self.window(&whole, "window before the failing recording");
        if draft.values.len() > FEW && self.mode == Mode::Queued {
            let donated = self.donate(&whole);
            let donated = self.window(&donated, "longest services, window again");
            if donated.values.len() < draft.values.len() {
                draft = donated;
            }
        }
        draft = self.ddmin(draft, "ddmin over recordings");
        if draft.values.len() > FEW && self.mode == Mode::Queued {
            draft = self.merge(draft);
        }
        draft = self.shorten(draft, "lengths down, rounded");
        draft = self.ddmin(draft, "ddmin again");
        self.shorten(draft, "lengths again")
    }

    /// The shortest stretch that ends with the failing recording and still fails.
    fn window(&mut self, whole: &Draft, name: &'static str) -> Draft {
        let at = position(whole);
        for size in sizes(at) {
            let draft = stretch(whole, at, size);
            if self.probe(&draft) == Answer::Fails {
                self.note(name, &draft);
                return draft;
            }
        }
        // What ended later shares a job with it.
        whole.clone()
    }

    /// Every other recording gets the longest service that its stage ever took.
    fn donate(&mut self, whole: &Draft) -> Draft {
        let mut donated = whole.clone();
        for (one, given) in donated.values.iter_mut().zip(&whole.case.recordings) {
            let timeline = &given.timeline;
            if timeline.recording == whole.case.failing {
                continue;
            }
            let platform = &whole.case.arm.platform;
            let pipeline = platform.pipeline_of(timeline.taken_for(), timeline.region);
            let longest = self.captured.longest.get(pipeline);
            for (service, longest) in one.services.iter_mut().zip(longest.into_iter().flatten()) {
                *service = *longest;
            }
        }
        donated
    }

    /// Each worker that the failing recording waited for gets one long piece of work instead of a
    /// queue of short ones.
    fn merge(&mut self, draft: Draft) -> Draft {
        let Some(timeline) = self.captured.case.timeline() else {
            return draft;
        };
        let stages = timeline.stages.iter().enumerate();
        let mut waits = stages.filter(|(_, stage)| stage.started_at > stage.queued_at);
        let waited = waits.rfind(|(_, it)| !it.started_at.is_never());
        let Some((stage, times)) = waited else {
            return draft;
        };
        let platform = &draft.case.arm.platform;
        let pipeline = platform.pipeline_of(timeline.taken_for(), timeline.region);
        let specs = platform.pipelines.get(pipeline).map(|it| &it.stages);
        let Some(spec) = specs.and_then(|stages| stages.get(stage)) else {
            return draft;
        };
        let workers = usize::try_from(spec.workers).unwrap_or(usize::MAX);
        if workers.saturating_add(1) >= draft.values.len() {
            return draft;
        }
        let failing = draft.case.failing;
        let mut merged = draft.clone();
        let others = merged.values.iter().filter(|it| it.recording() != failing);
        let kept: Vec<RecordingIndex> = others.rev().take(workers).map(Values::recording).collect();
        merged
            .values
            .retain(|it| it.recording() == failing || kept.contains(&it.recording()));
        for one in &mut merged.values {
            if one.recording() != failing {
                one.keep_busy(stage, times.started_at);
            }
        }
        if self.probe(&merged) == Answer::Fails {
            self.note("a worker's queue as one piece of work", &merged);
            return merged;
        }
        draft
    }

    /// Removes recordings as long as the same fails.
    fn ddmin(&mut self, mut draft: Draft, name: &'static str) -> Draft {
        let mut parts = 2;
        while draft.values.len() > 1 {
            let others = draft.values.len() - 1;
            let size = others.div_ceil(parts);
            let mut removed = false;
            let mut from = 0;
            while from < draft.values.len() {
                let shorter = without(&draft, from, size);
                if shorter.values.len() < draft.values.len()
                    && self.probe(&shorter) == Answer::Fails
                {
                    draft = shorter;
                    removed = true;
                } else {
                    from += size;
                }
            }
            match (removed, size) {
                (false, 1) => break,
                (false, _) => parts = (parts * 2).min(others),
                (true, _) => parts = parts.min(draft.values.len().max(2) - 1).max(1),
            }
        }
        self.note(name, &draft);
        draft
    }

    /// Makes lengths shorter and rounder: those of all others at once first, then one by one.
    fn shorten(&mut self, mut draft: Draft, name: &'static str) -> Draft {
        if self.mode == Mode::Queued {
            self.shorten_calls(&mut draft);
            self.begin_at_zero(&mut draft);
            self.shorten_all(&mut draft);
            for at in 0..draft.values.len() {
                for number in draft.values[at].numbers() {
                    self.shorten_one(&mut draft, at, number);
                }
            }
        }
        self.note(name, &draft);
        draft
    }

    /// Calls of a second, all of them or each.
    fn shorten_calls(&mut self, draft: &mut Draft) {
        for at in 0..draft.values.len() {
            let mut changed = draft.clone();
            if changed.values[at].get(Number::Length) > CALL_LEAST {
                changed.values[at].set(Number::Length, CALL_LEAST);
                if self.probe(&changed) == Answer::Fails {
                    *draft = changed;
                }
            }
        }
    }

    /// The first call begins at the run's start.
    fn begin_at_zero(&mut self, draft: &mut Draft) {
        let first = draft.values.iter().map(Values::started_at).min();
        let by = first.unwrap_or_default().since(Timestamp::ZERO);
        let mut changed = draft.clone();
        for one in &mut changed.values {
            let ended = one.get(Number::Ended).saturating_sub(by);
            one.set(Number::Ended, ended);
        }
        if by > Duration::ZERO && self.probe(&changed) == Answer::Fails {
            *draft = changed;
        }
    }

    /// One kind of length of all recordings but the failing one at once.
    fn shorten_all(&mut self, draft: &mut Draft) {
        let failing = draft.case.failing;
        let of_first = draft.values.first().map(Values::numbers);
        for number in of_first.into_iter().flatten() {
            if matches!(number, Number::Length | Number::Ended) {
                continue;
            }
            let mut changed = draft.clone();
            for one in &mut changed.values {
                if one.recording() != failing {
                    one.set(number, Duration::ZERO);
                }
            }
            if changed.values != draft.values && self.probe(&changed) == Answer::Fails {
                *draft = changed;
            }
        }
    }

    fn shorten_one(&mut self, draft: &mut Draft, at: usize, number: Number) {
        let value = draft.values[at].get(number);
        let floor = match number {
            Number::Length => CALL_LEAST,
            Number::Ended => draft.values[at].get(Number::Length),
            Number::Media
            | Number::Work
            | Number::Service(_)
            | Number::Update
            | Number::Value(_)
            | Number::Null(_)
            | Number::Index(_)
            | Number::State
            | Number::Told(_)
            | Number::Query(_)
            | Number::Latency(_)
            | Number::Between(_) => Duration::ZERO,
        };
        let with = |length: Duration| {
            let mut changed = draft.clone();
            changed.values[at].set(number, floor.saturating_add(length));
            changed
        };
        let above = value.saturating_sub(floor);
        if let Some(length) = least(above, |length| self.probe(&with(length))) {
            *draft = with(length);
        }
    }
}

fn position(draft: &Draft) -> usize {
    let failing = draft.case.failing;
    let found = draft.values.iter().position(|it| it.recording() == failing);
    found.unwrap_or(0)
}

/// How many recordings before the failing one are tried: none, 1, 3, 7, … all.
fn sizes(at: usize) -> impl Iterator<Item = usize> {
    let growing = std::iter::successors(Some(0_usize), |size| Some(size * 2 + 1));
    growing.take_while(move |size| *size < at).chain([at])
}

/// The failing recording at `at` with the `size` recordings before it.
fn stretch(whole: &Draft, at: usize, size: usize) -> Draft {
    Draft {
        case: Case {
            recordings: Vec::new(),
            ..whole.case.clone()
        },
        values: whole.values[at.saturating_sub(size)..=at].to_vec(),
    }
}

/// The draft without `size` recordings from `from` on, but with the failing one.
fn without(draft: &Draft, from: usize, size: usize) -> Draft {
    let failing = draft.case.failing;
    let kept = draft.values.iter().enumerate();
    let kept = kept.filter(|(at, one)| {
        !(from..from.saturating_add(size)).contains(at) || one.recording() == failing
    });
    Draft {
        case: draft.case.clone(),
        values: kept.map(|(_, one)| one.clone()).collect(),
    }
}
