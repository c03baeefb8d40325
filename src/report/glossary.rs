//! Every word of a report, defined once: for `docs/results.md` and the tooltips of `report.html`.

/// What kind of word a term is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Group {
    /// What became of a recording under a gate.
    Outcome,
    /// Whether waiting longer would have helped.
    Fate,
    /// What held the last missing field.
    Cause,
    /// The head of a column of the report's tables.
    Column,
    /// What an expectation can be about.
    Metric,
    /// The head of a column of `gates.csv`, `recordings.csv` or `dead-letters.csv`.
    File,
}

/// A word and its definition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Term {
    /// What kind of word it is.
    pub(super) group: Group,
    /// The word, as it stands in reports.
    pub(super) name: &'static str,
    /// What it means, in one or two sentences of plain text.
    pub(super) text: &'static str,
}

impl Group {
    /// Every group, in the order of the page.
    pub(super) const ALL: [Self; 6] = [
        Self::Outcome,
        Self::Fate,
        Self::Cause,
        Self::Column,
        Self::Metric,
        Self::File,
    ];

    /// The name of its section.
    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::Outcome => "Outcomes",
            Self::Fate => "Fates",
            Self::Cause => "Causes",
            Self::Column => "Columns of the report",
            Self::Metric => "Metrics of [expect]",
            Self::File => "Columns of the CSV files",
        }
    }

    /// What its terms' anchors begin with.
    const fn prefix(self) -> &'static str {
        match self {
            Self::Outcome => "outcome",
            Self::Fate => "fate",
            Self::Cause => "cause",
            Self::Column => "column",
            Self::Metric => "metric",
            Self::File => "file",
        }
    }
}

impl Term {
    /// The name of its place in a page.
    pub(super) fn anchor(&self) -> String {
        let word: String = self
            .name
            .chars()
            .map(|letter| {
                if letter.is_alphanumeric() {
                    letter
                } else {
                    '-'
                }
            })
            .collect();
        format!("{}-{word}", self.group.prefix())
    }
}

/// The term of that name in that group.
pub(super) fn find(group: Group, name: &str) -> Option<&'static Term> {
    TERMS
        .iter()
        .find(|term| term.group == group && term.name == name)
}

const fn outcome(name: &'static str, text: &'static str) -> Term {
    term(Group::Outcome, name, text)
}

const fn cause(name: &'static str, text: &'static str) -> Term {
    term(Group::Cause, name, text)
}

const fn column(name: &'static str, text: &'static str) -> Term {
    term(Group::Column, name, text)
}

const fn metric(name: &'static str, text: &'static str) -> Term {
    term(Group::Metric, name, text)
}

const fn file(name: &'static str, text: &'static str) -> Term {
    term(Group::File, name, text)
}

const fn term(group: Group, name: &'static str, text: &'static str) -> Term {
    Term { group, name, text }
}

/// Every word, in the order of the page.
#[rustfmt::skip]
pub(super) const TERMS: &[Term] = &[
    outcome("complete", "Exported with its media and every required field, all of them true."),
    outcome("incomplete", "Exported with its media or a required field missing, and never repaired."),
    outcome("inconsistent", "Exported with everything present and at least one value false."),
    outcome("rejected", "Refused by a strict export, with no retry left."),
    outcome("skipped", "The export job's query did not find the recording."),
    outcome("abandoned", "The gate gave up waiting, so the recording was never exported."),
    outcome("errored", "The export failed with a permanent error."),
    outcome("in_flight", "The session had ended and the recording was not settled when the run ended. Rates do not count it."),

    term(Group::Fate, "late", "An export made later would have been complete: waiting longer would have helped."),
    term(Group::Fate, "lost", "No export would ever have been complete: waiting would not have helped."),

    cause("queue_wait", "The metadata waited in the queue of a pipeline stage."),
    cause("service", "A pipeline stage was working on the metadata."),
    cause("rate_limit", "The service that writes metadata refused updates beyond its rate limit."),
    cause("field_lag", "The field has a further lag of its own after the pipeline."),
    cause("index", "The search index had not caught up with the recording."),
    cause("hold_window", "The legal hold missed the window in which the recording is tagged."),
    cause("hold_propagation", "The legal hold had not reached the recording."),
    cause("after_call_work", "The agent's after-call work had not ended."),
    cause("outage", "A pipeline stage was down."),
    cause("partial_write", "Signalling was cut, so the WebRTC fields were never written."),
    cause("not_written", "The platform never writes the field for such a recording."),
    cause("schema", "The export's schema leaves the field out."),
    cause("filter", "A filter leaves the field, or the recording, out."),
    cause("media_late", "The audio was not there."),
    cause("permission", "The client lacks a permission."),
    cause("job_failure", "The export job failed for this recording."),
    cause("wrong_id", "The recording was requested under another id."),
    cause("misclassified", "The platform took the call for one of another kind."),
    cause("notification_lost", "The notification never arrived."),
    cause("notification_early", "\"Metadata ready\" was sent at the end of the session, and the gate trusted it."),
    cause("gave_up", "The gate gave up before the fields were there."),
    cause("watermark", "The data lake's watermark had not passed the end of the session."),
    cause("wrong_suffix", "The client looked for the sidecar under another name."),
    cause("audio_altered", "The stored audio differs from what was said."),
    cause("media_lost", "The audio never reached storage."),
    cause("stale_version", "The export copied a first version whose value was false."),
    cause("expired", "The value had been there and was removed before the export."),
    cause("read_early", "The client took its job for finished before it was."),
    cause("stays_null", "The field stays null, and null does not count as a value."),

    column("gate", "The rule that decides when a recording may be exported."),
    column("strategy", "The gate's kind; docs/gates.md describes each."),
    column("outcome", "What became of the recordings, in per cent of those that were settled."),
    column("whole run", "All recordings but those of the warm-up."),
    column("mean delay", "Mean time from the end of the session to the export, ± its standard error; recordings with a sidecar only."),
    column("mean regret", "Mean time from the first instant at which an export would have been complete to the export, ± its standard error; complete recordings only."),
    column("jobs", "Export jobs that the gate's client created."),
    column("job calls", "API calls per recording that create export jobs or ask for their state."),
    column("429s", "Calls that the API refused because its rate limit was reached, and their share of all calls."),
    column("wasted", "Checks that found a recording not ready."),
    column("re-exports", "Exports of a recording beyond its first."),
    column("late", "Recordings that were not exported complete and would have been later."),
    column("lost", "Recordings that no export could ever have had complete."),
    column("what held the last field", "The causes of what was not exported complete, and the number of recordings of each."),
    column("missing fields", "The required fields that incomplete exports lack, and the number of exports that lack each."),
    column("phase", "A stage of the load. A recording belongs to the phase in which its session ends."),
    column("from", "When the phase begins, from the start of the run."),
    column("to", "When the phase ends, from the start of the run."),
    column("arrivals", "New calls per second; from first to last where the rate changes."),
    column("recordings ended", "Recordings whose session ended in the phase."),
    column("kind", "The kind of call."),
    column("media", "Time from the end of the session until the audio can be read."),
    column("required fields", "Time from the end of the session until all required fields can be read."),
    column("same on index", "Time from the end of the session until the search index has all required fields."),
    column("slowest field", "The required field with the greatest 0.99 quantile of its lag."),
    column("never complete", "Recordings whose required fields never all arrive."),
    column("stage", "A stage of the metadata pipeline."),
    column("workers", "How many recordings the stage handles at once."),
    column("entered", "Recordings that entered the stage."),
    column("service", "Mean time that the stage works on a recording."),
    column("mean wait", "Mean time in the stage's queue, ± its standard error; recordings that reached a worker only."),
    column("waited", "Share of recordings that had to wait for a worker."),
    column("max wait", "The longest time in the stage's queue."),
    column("utilisation", "Share of the workers' time that was spent working."),
    column("fault", "A fault that the scenario injects into sessions."),
    column("sessions", "Sessions that met the fault."),
    column("predicted", "What the model says becomes of those sessions."),
    column("seen", "What became of those sessions in the live run."),
    column("compared", "Recordings that both engines settled under the gate."),
    column("agreed", "Recordings with the same outcome in both engines."),
    column("share", "Share of the compared recordings that agree."),
    column("recording", "The recording's number in the run."),
    column("sim", "Its outcome in the simulation."),
    column("live", "Its outcome in the live run."),
    column("explained by", "Why the two engines differ: lateness, another job, or nothing known."),
    column("margin", "How far the simulated decision was from the nearest instant that would have changed it."),
    column("lateness", "How late the live run was with this recording."),
    column("measure", "What is measured."),
    column("value", "What was measured."),

    metric("complete_rate", "Share of recordings with the outcome complete."),
    metric("incomplete_rate", "Share of recordings with the outcome incomplete."),
    metric("inconsistent_rate", "Share of recordings with the outcome inconsistent."),
    metric("rejected_rate", "Share of recordings with the outcome rejected."),
    metric("skipped_rate", "Share of recordings with the outcome skipped."),
    metric("abandoned_rate", "Share of recordings with the outcome abandoned."),
    metric("errored_rate", "Share of recordings with the outcome errored."),
    metric("added_delay_*", "Time from the end of the session to the export, of recordings with a sidecar; mean, p50, p95, p99 or max."),
    metric("regret_*", "Time from the first instant at which an export would have been complete to the export, of complete recordings; mean, p50, p95, p99 or max."),
    metric("calls_per_recording", "API calls that the gate makes per recording before its export."),
    metric("job_calls_per_recording", "API calls per recording that create export jobs or ask for their state."),
    metric("throttled_rate", "Share of all API calls that got 429."),
    metric("metadata_lag_*", "Time from the end of the session until the required fields can be read on the primary read path; mean, p50, p95, p99 or max."),
    metric("queue_wait_mean", "Mean time in a stage's queue, of recordings that reached a worker."),
    metric("queue_wait_probability", "Share of recordings that had to wait in a stage's queue."),
    metric("recordings", "Recordings counted: an exact count of the run."),
    metric("not_established", "Sessions that never came up: an exact count of the run."),

    file("arm", "The variant of the scenario; base is the file as it stands."),
    file("gate", "The gate's name."),
    file("strategy", "The gate's kind."),
    file("phase", "The phase in which the session ended; all is the whole run."),
    file("recordings", "Recordings of the gate and the phase."),
    file("OUTCOME", "In gates.csv: the number of recordings with that outcome."),
    file("OUTCOME_rate", "In gates.csv: their share of settled recordings; _low and _high are its 95 % interval."),
    file("exported", "Recordings with a sidecar."),
    file("added_delay_s", "Time from the end of the session to the export, in seconds; in gates.csv its mean, quantiles and maximum."),
    file("regret_s", "Time from complete_s to the export, in seconds."),
    file("calls_per_recording", "API calls of the gate per recording."),
    file("recording", "The recording's number in the run."),
    file("conversation_id", "The conversation's id, as the API has it."),
    file("recording_id", "The recording's id, as the API has it."),
    file("kind", "The kind of call."),
    file("legal_hold", "Whether the recording is under a legal hold."),
    file("started_s", "When the session began, in seconds from the start of the run; so are the instants below."),
    file("ended_s", "When the session ended."),
    file("media_s", "When the audio could first be read."),
    file("get_s", "When all required fields could first be read."),
    file("complete_s", "When an export would first have been complete."),
    file("outcome", "What became of the recording."),
    file("first_outcome", "What its first export was, before any repair."),
    file("missing", "The required fields that the export lacks."),
    file("cause", "What held the last missing field."),
    file("fate", "late or lost: whether waiting longer would have helped."),
    file("late_s", "How much later an export would have been complete, in seconds."),
    file("approved_s", "When the gate approved the export."),
    file("snapshot_s", "When the export job copied the recording."),
    file("settled_s", "When nothing more could become of the recording."),
    file("gate_calls", "API calls that the gate made for the recording."),
    file("wasted_checks", "Checks that found it not ready."),
    file("throttled", "Calls for it that got 429."),
    file("exports", "How often it was exported."),
    file("lateness_s", "How late a live run was with it, in seconds; 0 in the simulator."),
    file("reason", "Why the recording was given up."),
    file("attempts", "How often the gate had looked at it."),
    file("last_look_s", "When the gate last looked at it."),
    file("given_up_s", "When it was given up."),
];

/// The page `docs/results.md`.
#[cfg(test)]
pub(super) fn page() -> String {
    let mut text = String::from(
        "# Results: what each word means\n\n\
         Written from the table that also fills the tooltips of `report.html`; a test compares the two. \
         How intervals and verdicts are made: [`semantics.md`](semantics.md).\n",
    );
    for group in Group::ALL {
        text.push_str(&format!(
            "\n## {}\n\n| word | meaning |\n| --- | --- |\n",
            group.title()
        ));
        for term in TERMS.iter().filter(|term| term.group == group) {
            text.push_str(&format!(
                "| <a id=\"{}\"></a>`{}` | {} |\n",
                term.anchor(),
                term.name,
                term.text
            ));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use racegate_model::outcome::{Cause, OutcomeKind};

    use super::super::content;
    use super::super::document::Block;
    use super::super::sample;
    use super::*;

    #[test]
    fn every_outcome_cause_and_column_of_a_report_is_defined() {
        for outcome in OutcomeKind::ALL {
            assert!(
                find(Group::Outcome, outcome.name()).is_some(),
                "{outcome:?}"
            );
        }
        for cause in Cause::ALL {
            assert!(find(Group::Cause, cause.name()).is_some(), "{cause:?}");
        }
        let summary = sample::summary();
        for block in content::document(&summary).blocks {
            let Block::Table(table) = block else { continue };
            for column in table.columns {
                let phase = summary.phases.iter().any(|phase| phase.name == column.name);
                let known = phase || find(Group::Column, &column.name).is_some();
                assert!(known, "{}", column.name);
            }
        }
    }

    #[test]
    fn a_word_is_defined_once_and_has_an_anchor_of_its_own() {
        let mut anchors = BTreeSet::new();
        for term in TERMS {
            assert!(anchors.insert(term.anchor()), "{}", term.anchor());
            assert!(term.text.ends_with('.'), "{}", term.text);
        }
    }

    #[test]
    fn the_page_of_results_is_written_from_the_glossary() {
        let page = page();
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
        let written = std::env::temp_dir().join("racegate-results.md");
        std::fs::write(&written, &page).unwrap();
        let known = std::fs::read_to_string(folder.join("docs/results.md")).unwrap_or_default();
        assert!(
            page == known,
            "copy {} to docs/results.md",
            written.display()
        );
    }

    #[test]
    fn every_metric_of_the_scenario_format_is_defined() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
        let format = std::fs::read_to_string(folder.join("docs/scenario-format.md")).unwrap();
        let rows = format
            .lines()
            .skip_while(|line| !line.starts_with("| metric | unit"));
        let mut found = 0;
        for row in rows.skip(2).take_while(|line| line.starts_with('|')) {
            let cell = row.split('|').nth(1).unwrap().split('(').next().unwrap();
            for name in cell.split(',').map(|name| name.trim().trim_matches('`')) {
                found += 1;
                assert!(find(Group::Metric, name).is_some(), "{name}");
            }
        }
        assert_eq!(
            found,
            TERMS
                .iter()
                .filter(|term| term.group == Group::Metric)
                .count()
        );
    }
}
