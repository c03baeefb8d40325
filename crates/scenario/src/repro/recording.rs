//! `[[recording]]`: the instants of one recording, and what its exports meet.

use std::fmt::Write as _;

use racegate_model::field::{Field as ManifestField, FieldSet, Kind};
use racegate_model::ids::RecordingIndex;
use racegate_model::org::{JobChance, JobTimes};
use racegate_model::scenario::Arm;
use racegate_model::sim::GivenRecording;
use racegate_model::time::{Duration, Timestamp};
use racegate_model::timeline::{FieldClock, Hold, Later, Region, STAGES_MAX, StageTimes, Timeline};

use super::words::{fields, instant, read_cause, read_fields, read_instant, read_moment, seconds};
use crate::reader::{Field, Table};

/// The largest number of a recording: ids have 48 bits for it.
pub(super) const NUMBER_MAX: u64 = (1 << 48) - 1;
/// Exports or notifications of one recording.
const REPEATS_MAX: usize = 10_000;

/// Writes one.
pub(super) fn write(out: &mut String, given: &GivenRecording) {
    let timeline = &given.timeline;
    let mut line = |key: &str, value: String| {
        // Writing to a string does not fail.
        _ = writeln!(out, "{key} = {value}");
    };
    line("number", timeline.recording.0.to_string());
    line("kind", format!("\"{}\"", timeline.kind.name()));
    if timeline.hold == Hold::Held {
        line("hold", "true".to_owned());
    }
    if timeline.region == Region::Second {
        line("region", "\"second\"".to_owned());
    }
    line("started", instant(timeline.started_at));
    line("ended", instant(timeline.ended_at));
    line("media", instant(timeline.media_at));
    line("state", instant(timeline.state_at));
    if timeline.submitted_at != timeline.ended_at {
        line("submitted", instant(timeline.submitted_at));
    }
    line("written", instant(timeline.written_at));
    let stages = timeline.stages.iter().filter(|it| **it != StageTimes::NONE);
    let stages: Vec<String> = stages.map(stage).collect();
    if !stages.is_empty() {
        line("stages", format!("[{}]", stages.join(", ")));
    }
    if !timeline.false_fields.is_empty() {
        line("false", fields(timeline.false_fields));
    }
    if !timeline.null_fields.is_empty() {
        line("nulls", fields(timeline.null_fields));
    }
    let causes = [
        ("lost_cause", timeline.lost_cause),
        ("hold_cause", timeline.hold_cause),
        ("index_cause", timeline.index_cause),
    ];
    for (key, cause) in causes {
        if let Some(cause) = cause {
            line(key, format!("\"{}\"", cause.name()));
        }
    }
    if let Some(later) = &timeline.later {
        line("later", later_table(later));
    }
    if !given.jobs.is_empty() {
        let jobs: Vec<String> = given.jobs.iter().map(job).collect();
        line("jobs", format!("[{}]", jobs.join(", ")));
    }
    if !given.told.is_empty() {
        let told: Vec<String> = given.told.iter().map(|at| instant(*at)).collect();
        line("told", format!("[{}]", told.join(", ")));
    }
    for field in ManifestField::METADATA {
        let clock = timeline.fields[field as usize];
        if clock != FieldClock::NEVER {
            line(&format!("fields.{}", field.name()), clock_table(clock));
        }
    }
}

fn stage(times: &StageTimes) -> String {
    let (queued, taken) = (instant(times.queued_at), instant(times.started_at));
    let done = instant(times.done_at);
    format!("{{ queued = {queued}, taken = {taken}, done = {done} }}")
}

fn job(chance: &JobChance) -> String {
    let times = chance.times;
    let mut parts = vec![
        format!("query = {}", seconds(times.query)),
        format!("latency = {}", seconds(times.latency)),
    ];
    if times.between > Duration::ZERO {
        parts.push(format!("between = {}", seconds(times.between)));
    }
    if chance.fails {
        parts.push("fails = true".to_owned());
    }
    format!("{{ {} }}", parts.join(", "))
}

fn clock_table(clock: FieldClock) -> String {
    let mut parts = Vec::new();
    if clock.null_at != clock.value_at {
        parts.push(format!("null = {}", instant(clock.null_at)));
    }
    parts.push(format!("get = {}", instant(clock.value_at)));
    if clock.index_at != clock.value_at {
        parts.push(format!("index = {}", instant(clock.index_at)));
    }
    format!("{{ {} }}", parts.join(", "))
}

fn later_table(later: &Later) -> String {
    format!(
        "{{ provisional = {}, final = {}, final_index = {}, ephemeral = {}, gone = {} }}",
        fields(later.provisional),
        instant(later.final_at),
        instant(later.final_index_at),
        fields(later.ephemeral),
        instant(later.gone_at)
    )
}

/// Reads one; how many stages it may have is the arm's to say.
pub(super) fn read(mut table: Table<'_>, arm: &Arm) -> GivenRecording {
    let number = table.need("number", "0");
    let number = number.and_then(|field| field.integer(0, NUMBER_MAX));
    let kinds = Kind::ALL.map(|kind| (kind.name(), kind));
    let kind = table.need("kind", "\"webrtc\"");
    let kind = kind.and_then(|field| field.choice(&kinds));
    let hold = table.or("hold", Hold::Free, |field| {
        let held = field.boolean()?;
        Some(if held { Hold::Held } else { Hold::Free })
    });
    let regions = [("first", Region::First), ("second", Region::Second)];
    let region = table.or("region", Region::First, |field| field.choice(&regions));
    let started_at = moment(&mut table, "started");
    let ended = table.need("ended", "\"1s\"");
    let ended_at = ended.as_ref().and_then(read_moment).unwrap_or_default();
    if let Some(field) = ended.filter(|_| ended_at < started_at) {
        field.wrong("is before `started`", "a session ends after it has begun");
    }
    let media_at = needed(&mut table, "media", ended_at);
    let state_at = table.or("state", Timestamp::NEVER, read_instant);
    let submitted_at = table.or("submitted", ended_at, read_moment);
    let written_at = needed(&mut table, "written", submitted_at);
    let false_fields = table.or("false", FieldSet::EMPTY, read_fields);
    let mut timeline = Timeline {
        recording: RecordingIndex(number.unwrap_or_default()),
        tenant: None,
        kind: kind.unwrap_or(Kind::Sip),
        region,
        hold,
        started_at,
        ended_at,
        media_at,
        state_at,
        submitted_at,
        written_at,
        fields: [FieldClock::NEVER; ManifestField::METADATA_COUNT],
        stages: [StageTimes::NONE; STAGES_MAX],
        false_fields,
        null_fields: table.or("nulls", FieldSet::EMPTY, read_fields),
        lost_cause: read_cause(&mut table, "lost_cause"),
        hold_cause: read_cause(&mut table, "hold_cause"),
        index_cause: read_cause(&mut table, "index_cause"),
        later: None,
        revisions: Vec::new(),
    };
    if let Some(field) = table.get("later") {
        timeline.later = Some(Box::new(read_later(field.table())));
    }
    if let Some(field) = table.get("stages") {
        read_stages(&field, &mut timeline, arm);
    }
    read_clocks(table.table("fields"), &mut timeline);
    let jobs = table.get("jobs").map_or_else(Vec::new, |field| {
        let items = field.items(REPEATS_MAX);
        items.iter().map(|item| read_job(item.table())).collect()
    });
    let told = table.get("told").map_or_else(Vec::new, |field| {
        let items = field.items(REPEATS_MAX);
        items.iter().filter_map(read_moment).collect()
    });
    table.finish();
    GivenRecording {
        timeline,
        told,
        jobs,
    }
}

fn moment(table: &mut Table<'_>, key: &'static str) -> Timestamp {
    let field = table.need(key, "\"1s\"");
    field.as_ref().and_then(read_moment).unwrap_or_default()
}

/// An instant that must be given, and that is not before the session's end.
fn needed(table: &mut Table<'_>, key: &'static str, least: Timestamp) -> Timestamp {
    let field = table.need(key, "\"1s\"");
    let at = field.as_ref().and_then(read_instant).unwrap_or(least);
    if let Some(field) = field.filter(|_| at < least) {
        field.wrong(
            "is before the session's end",
            "a recording has neither media nor metadata before that",
        );
    }
    at
}

fn read_stages(field: &Field<'_>, timeline: &mut Timeline, arm: &Arm) {
    let platform = &arm.platform;
    let pipeline = platform.pipeline_of(timeline.taken_for(), timeline.region);
    let stages = platform
        .pipelines
        .get(pipeline)
        .map_or(0, |it| it.stages.len());
    let items = field.items(STAGES_MAX);
    if items.len() > stages {
        field.wrong(
            format!("has {} stages and its pipeline {stages}", items.len()),
            "give one for each `[[platform.metadata.stage]]` at most",
        );
    }
    for (item, place) in items.iter().zip(&mut timeline.stages) {
        let mut table = item.table();
        let times = StageTimes {
            queued_at: moment(&mut table, "queued"),
            started_at: moment(&mut table, "taken"),
            done_at: moment(&mut table, "done"),
        };
        table.finish();
        if times.started_at < times.queued_at || times.done_at < times.started_at {
            item.wrong(
                "is out of order",
                "a recording is queued, then taken, then done",
            );
        }
        *place = times;
    }
}

fn read_clocks(mut table: Table<'_>, timeline: &mut Timeline) {
    for field in ManifestField::METADATA {
        let Some(own) = table.get(field.name()) else {
            continue;
        };
        let mut own = own.table();
        let get = own.need("get", "\"1s\"");
        let value_at = get.as_ref().and_then(read_instant);
        let value_at = value_at.unwrap_or(Timestamp::NEVER);
        timeline.fields[field as usize] = FieldClock {
            null_at: own.or("null", value_at, read_instant),
            value_at,
            index_at: own.or("index", value_at, read_instant),
        };
        own.finish();
    }
    table.finish();
}

fn read_job(mut table: Table<'_>) -> JobChance {
    let length = |table: &mut Table<'_>, key| table.or(key, Duration::ZERO, Field::duration);
    let chance = JobChance {
        times: JobTimes {
            query: length(&mut table, "query"),
            latency: length(&mut table, "latency"),
            between: length(&mut table, "between"),
        },
        fails: table.or("fails", false, Field::boolean),
    };
    table.finish();
    chance
}

fn read_later(mut table: Table<'_>) -> Later {
    let never = Timestamp::NEVER;
    let later = Later {
        provisional: table.or("provisional", FieldSet::EMPTY, read_fields),
        final_at: table.or("final", never, read_instant),
        final_index_at: table.or("final_index", never, read_instant),
        ephemeral: table.or("ephemeral", FieldSet::EMPTY, read_fields),
        gone_at: table.or("gone", never, read_instant),
    };
    table.finish();
    later
}
