//! The essence of a failure: under a configuration as simple as it still fails under.

use super::super::config::{Simpler, requiring, shorter_waits};
use super::super::numbers::Answer;
use super::{Draft, Mode, Shrinker};
use crate::scenario::Arm;

impl Shrinker<'_> {
    /// The failure under a simpler configuration.
    pub(super) fn essence(&mut self, minimal: Draft) -> Draft {
        let mut draft = minimal;
        for simpler in Simpler::ALL {
            if let Some(arm) = simpler.apply(&draft.case.arm) {
                self.take_arm(&mut draft, arm);
            }
        }
        let missing = self.captured.fingerprint.missing;
        let arm = requiring(&draft.case.arm, missing);
        self.take_arm(&mut draft, arm);
        self.note("limits and options that do not matter", &draft);
        self.fewer_stages(&mut draft);
        self.fewer_workers(&mut draft);
        self.note("fewer stages and workers", &draft);
        draft = self.ddmin(draft, "ddmin under the simpler configuration");
        let strategy = draft.case.arm.gates[0].strategy.clone();
        let shorter = shorter_waits(&strategy, |strategy| {
            let mut changed = draft.clone();
            changed.case.arm.gates[0].strategy = strategy.clone();
            self.probe(&changed)
        });
        if let Some(strategy) = shorter {
            draft.case.arm.gates[0].strategy = strategy;
        }
        self.note("shorter waits of the gate", &draft);
        draft = self.shorten(draft, "lengths under the simpler configuration");
        self.ddmin(draft, "ddmin at last")
    }

    fn take_arm(&mut self, draft: &mut Draft, arm: Arm) {
        let before = std::mem::replace(&mut draft.case.arm, arm);
        if self.probe(draft) == Answer::Other {
            draft.case.arm = before;
        }
    }

    /// Stages that the failure does not need.
    fn fewer_stages(&mut self, draft: &mut Draft) {
        let wanted = &self.captured.fingerprint.stage;
        let pipelines = draft.case.arm.platform.pipelines.len();
        if pipelines != 1 || self.mode == Mode::Fixed {
            return;
        }
        let mut nth = 0;
        while let Some(stage) = draft.case.arm.platform.pipelines[0].stages.get(nth) {
            let mut changed = draft.clone();
            changed.case.arm.platform.pipelines[0].stages.remove(nth);
            changed.values.iter_mut().for_each(|it| it.drop_stage(nth));
            if wanted.as_ref() != Some(&stage.name) && self.probe(&changed) == Answer::Fails {
                *draft = changed;
            } else {
                nth += 1;
            }
        }
    }

    /// As few workers as still make it wait.
    fn fewer_workers(&mut self, draft: &mut Draft) {
        if self.mode == Mode::Fixed {
            return;
        }
        for pipeline in 0..draft.case.arm.platform.pipelines.len() {
            for stage in 0..draft.case.arm.platform.pipelines[pipeline].stages.len() {
                let mut workers = 1;
                let before = draft.case.arm.platform.pipelines[pipeline].stages[stage].workers;
                while workers < before {
                    let mut changed = draft.clone();
                    let stages = &mut changed.case.arm.platform.pipelines[pipeline].stages;
                    stages[stage].workers = workers;
                    if self.probe(&changed) == Answer::Fails {
                        *draft = changed;
                        break;
                    }
                    workers *= 2;
                }
            }
        }
    }
}
