//! `{gate=ungated, phase=spike}`: labels, checked against what the scenario has.

use std::collections::BTreeSet;

use racegate_model::field::{Field, Kind};
use racegate_model::outcome::Cause;
use racegate_model::scenario::{Arm, BASE_ARM, Executor, Labels, Metric, StageSpec, Workload};

use super::metric::{Name, labels as allowed, of_platform};
use super::{Key, Part, World};
use crate::suggest;
use crate::workload::ONLY_STAGE;

/// Reads what stands between the braces.
pub(super) fn read(
    key: &Key<'_>,
    inner: Option<Part<'_>>,
    metric: Option<Metric>,
    world: &World<'_>,
) -> Option<Labels> {
    let mut labels = Labels::default();
    let (mut sound, mut seen) = (true, Vec::new());
    let mut rest = inner.filter(|part| !part.text.trim().is_empty());
    let mut pairs = Vec::new();
    while let Some(part) = rest {
        let (pair, tail) = part
            .split(',')
            .map_or((part, None), |(pair, tail)| (pair, Some(tail)));
        pairs.push(pair.trim());
        rest = tail;
    }
    for pair in pairs {
        match read_pair(key, pair, metric) {
            Some((name, _)) if seen.contains(&name) => {
                let message = format!("the label `{}` is given twice", name.text());
                key.wrong(pair, message, "give it once");
                sound = false;
            }
            Some((name, value)) => {
                seen.push(name);
                sound &= set(&mut labels, key, name, value, world);
            }
            None => sound = false,
        }
    }
    sound.then_some(labels)
}

/// `label=value`.
fn read_pair<'t>(
    key: &Key<'_>,
    pair: Part<'t>,
    metric: Option<Metric>,
) -> Option<(Name, Part<'t>)> {
    let Some((label, value)) = pair.split('=') else {
        let message = format!("`{}` is no label", pair.text);
        key.wrong(pair, message, "write label=value, separated by commas");
        return None;
    };
    let (label, mut value) = (label.trim(), value.trim());
    if value.text.len() >= 2 && value.text.starts_with('"') && value.text.ends_with('"') {
        value = value.slice(1, value.text.len() - 1);
    }
    let known: &[Name] = metric.map_or(&[], allowed);
    let found = Name::ALL
        .iter()
        .find(|(text, _)| *text == label.text)
        .map(|(_, name)| *name);
    let taken: Vec<&str> = known.iter().map(|name| name.text()).collect();
    match found {
        Some(name) if metric.is_none() || known.contains(&name) => Some((name, value)),
        Some(name) => {
            let message = format!("this metric takes no label `{}`", name.text());
            let help = match taken.as_slice() {
                [] => "it has no labels".to_owned(),
                taken => format!("its labels: {}", suggest::list(taken)),
            };
            key.wrong(label, message, help);
            None
        }
        None => {
            let all = Name::ALL.map(|(text, _)| text);
            let help = suggest::help_for(label.text, &all, "labels");
            key.wrong(label, format!("unknown label `{}`", label.text), help);
            None
        }
    }
}

/// Puts a label's value in; whether it is one of the closed sets it may come from. Gates and
/// stages depend on the arm and are checked later.
fn set(labels: &mut Labels, key: &Key<'_>, name: Name, value: Part<'_>, world: &World<'_>) -> bool {
    let text = || Some(value.text.to_owned());
    let candidates: Vec<&str> = match name {
        Name::Gate => {
            labels.gate = text();
            return true;
        }
        Name::Stage => {
            labels.stage = text();
            return true;
        }
        Name::Arm => {
            labels.arm = text();
            world.arms.iter().map(|arm| arm.name.as_str()).collect()
        }
        Name::Phase => {
            labels.phase = text();
            phases(world.workload)
        }
        Name::Kind => {
            labels.kind = Kind::ALL.into_iter().find(|kind| kind.name() == value.text);
            Kind::ALL.map(Kind::name).to_vec()
        }
        Name::Field => {
            labels.field = Field::from_name(value.text);
            Field::METADATA
                .into_iter()
                .chain([Field::Media])
                .map(Field::name)
                .collect()
        }
        Name::Cause => {
            labels.cause = Cause::ALL
                .into_iter()
                .find(|cause| cause.name() == value.text);
            Cause::ALL.map(Cause::name).to_vec()
        }
    };
    candidates.contains(&value.text) || unknown(key, name, value, &candidates)
}

/// Notes an unknown value; never true.
fn unknown(key: &Key<'_>, name: Name, value: Part<'_>, candidates: &[&str]) -> bool {
    // What is missing may be in the part of the file that could not be read; where there is none at
    // all, that is a mistake of its own.
    let closed = matches!(name, Name::Kind | Name::Field | Name::Cause);
    if closed || (key.context.whole() && !candidates.is_empty()) {
        let help = suggest::help_for(value.text, candidates, &format!("{}s", name.text()));
        key.wrong(
            value,
            format!("there is no {} `{}`", name.text(), value.text),
            help,
        );
    }
    false
}

/// The phases of a workload.
fn phases(workload: &Workload) -> Vec<&str> {
    match &workload.executor {
        Executor::ArrivalRate(stages) => {
            let names = stages.iter().map(|stage| stage.name.as_str());
            names.filter(|name| !name.is_empty()).collect()
        }
        Executor::ConstantVus { .. } => vec![ONLY_STAGE],
    }
}

/// Checks that exactly one series is meant.
pub(super) fn check(
    key: &Key<'_>,
    part: Part<'_>,
    metric: Metric,
    labels: &Labels,
    world: &World<'_>,
) -> Option<()> {
    if labels.cause.is_some() && labels.field.is_some() {
        let message = "`cause` and `field` are not counted together".to_owned();
        key.wrong(part, message, "give one of the two");
        return None;
    }
    let name = labels.arm.as_deref().unwrap_or(BASE_ARM);
    let arm = world.arms.iter().find(|arm| arm.name == name)?;
    if of_platform(metric) && !arm.is_coupled() {
        shared(key, part, labels, arm)?;
    } else if allowed(metric).contains(&Name::Gate) {
        gate(key, part, labels, arm)?;
    }
    if allowed(metric).contains(&Name::Stage) {
        stage(key, part, labels, arm)?;
    }
    Some(())
}

/// Checks that no gate is named where all of them share one platform.
fn shared(key: &Key<'_>, part: Part<'_>, labels: &Labels, arm: &Arm) -> Option<()> {
    let Some(name) = &labels.gate else {
        return Some(());
    };
    let message = format!("the gates of arm `{}` share one platform", arm.name);
    let help = "leave `gate` out, or set `platform.api.coupled = true`";
    key.wrong(find_in(part, name), message, help);
    None
}

fn gate(key: &Key<'_>, part: Part<'_>, labels: &Labels, arm: &Arm) -> Option<()> {
    let names: Vec<&str> = arm.gates.iter().map(|gate| gate.name.as_str()).collect();
    match &labels.gate {
        Some(name) if names.contains(&name.as_str()) => Some(()),
        Some(name) => {
            let found = find_in(part, name);
            unknown(key, Name::Gate, found, &names);
            None
        }
        None if names.len() == 1 => Some(()),
        None => ambiguous(key, part, "gate", &names),
    }
}

fn stage(key: &Key<'_>, part: Part<'_>, labels: &Labels, arm: &Arm) -> Option<()> {
    let platform = &arm.platform;
    let used = |index: usize| match labels.kind {
        Some(kind) => {
            platform.kinds.get(kind).pipeline == index
                || platform.regional_pipeline() == Some(index)
        }
        None => true,
    };
    let pipelines = platform.pipelines.iter().enumerate();
    let stages: Vec<&StageSpec> = pipelines
        .filter(|(index, _)| used(*index))
        .flat_map(|(_, line)| &line.stages)
        .collect();
    let names: Vec<&str> = stages.iter().map(|stage| stage.name.as_str()).collect();
    let distinct: Vec<&str> = BTreeSet::from_iter(names.iter().copied())
        .into_iter()
        .collect();
    match &labels.stage {
        Some(name) => match names.iter().filter(|other| *other == name).count() {
            1 => Some(()),
            0 => {
                unknown(key, Name::Stage, find_in(part, name), &distinct);
                None
            }
            _ => ambiguous(key, part, "kind", &Kind::ALL.map(Kind::name)),
        },
        None if names.len() == 1 => Some(()),
        None if names.is_empty() => {
            let message = format!("the platform of arm `{}` has no stage", arm.name);
            key.wrong(
                part,
                message,
                "add `[[platform.metadata.stage]]`, or drop the line",
            );
            None
        }
        None if distinct.len() == 1 => ambiguous(key, part, "kind", &Kind::ALL.map(Kind::name)),
        None => ambiguous(key, part, "stage", &distinct),
    }
}

fn ambiguous(key: &Key<'_>, part: Part<'_>, label: &str, values: &[&str]) -> Option<()> {
    if key.context.whole() {
        let message = format!("`{}` does not say which {label}", part.text);
        let help = format!("add the label `{label}`: {}", suggest::list(values));
        key.wrong(part, message, help);
    }
    None
}

/// Where a label's value stands in a series.
fn find_in<'t>(part: Part<'t>, value: &str) -> Part<'t> {
    let at = part.text.match_indices(value).map(|(at, _)| at).find(|at| {
        part.text[..*at]
            .trim_end()
            .trim_end_matches('"')
            .ends_with('=')
    });
    at.map_or(part, |at| part.slice(at, at + value.len()))
}
