//! `media`, `metadata` and `state`: for all kinds under `[platform]`, for one under
//! `[platform.webrtc]` or `[platform.sip]`.

use racegate_model::distribution::Distribution;
use racegate_model::field::FieldGroup;
use racegate_model::scenario::{
    GroupSource, GroupSpec, KindSpec, StageSpec, StateSpec, UpdateLimit,
};

use super::{at_once, intake};
use crate::diagnostics::Diagnostic;
use crate::distribution;
use crate::reader::{Table, unique};

/// Workers of one stage.
const WORKERS_MAX: u32 = 100_000;
/// Stages of one pipeline.
const STAGES_MAX: usize = racegate_model::timeline::STAGES_MAX;

/// What the tables say.
pub(super) struct KindRead {
    /// The clocks; `pipeline` is not yet known.
    pub(super) spec: KindSpec,
    /// The pipeline's stages, if the tables have any of their own.
    pub(super) stages: Option<Vec<StageSpec>>,
    /// The limit of updates, if the tables have one of their own.
    pub(super) updates: Option<UpdateLimit>,
}

impl KindRead {
    /// Whether the kind shares nothing with the others.
    pub(super) const fn has_own_pipeline(&self) -> bool {
        self.stages.is_some() || self.updates.is_some()
    }
}

/// Everything at once.
pub(super) fn defaults() -> KindSpec {
    let group = || GroupSpec {
        lag: at_once(),
        source: GroupSource::Pipeline,
    };
    KindSpec {
        pipeline: 0,
        media_lag: at_once(),
        metadata_lag: at_once(),
        groups: FieldGroup::ALL.map(|_| group()),
        null_phase: at_once(),
        after_call_work: at_once(),
        state: StateSpec::AfterFields(at_once()),
    }
}

/// Reads the three tables out of `table`.
pub(super) fn read(table: &mut Table<'_>, defaults: &KindSpec) -> KindRead {
    let mut media = table.table("media");
    let media_lag = lag(&mut media, "lag", &defaults.media_lag);
    media.finish();
    let mut metadata = table.table("metadata");
    let spec = KindSpec {
        pipeline: 0,
        media_lag,
        metadata_lag: lag(&mut metadata, "lag", &defaults.metadata_lag),
        groups: FieldGroup::ALL
            .map(|id| group(metadata.table(id.name()), &defaults.groups[id.index()])),
        null_phase: lag(&mut metadata, "null_phase", &defaults.null_phase),
        after_call_work: lag(&mut metadata, "after_call_work", &defaults.after_call_work),
        state: state(table.table("state"), &defaults.state),
    };
    let stages = metadata
        .get("stage")
        .is_some()
        .then(|| stages(&mut metadata));
    let updates = intake::updates(&mut metadata);
    metadata.finish();
    KindRead {
        spec,
        stages,
        updates,
    }
}

fn lag(table: &mut Table<'_>, key: &'static str, default: &Distribution) -> Distribution {
    table.or(key, default.clone(), distribution::read)
}

fn group(mut table: Table<'_>, default: &GroupSpec) -> GroupSpec {
    let group = GroupSpec {
        lag: lag(&mut table, "lag", &default.lag),
        source: table.or("source", default.source, |field| {
            field.choice(&[
                ("pipeline", GroupSource::Pipeline),
                ("ingress", GroupSource::Ingress),
                ("nobody", GroupSource::Nobody),
            ])
        }),
    };
    table.finish();
    group
}

fn state(mut table: Table<'_>, default: &StateSpec) -> StateSpec {
    let (fields, session) = (table.get("after_fields"), table.get("after_session"));
    let read = match (fields, session) {
        (Some(fields), None) => distribution::read(&fields).map(StateSpec::AfterFields),
        (None, Some(session)) => distribution::read(&session).map(StateSpec::AfterSession),
        (None, None) => None,
        (Some(_), Some(session)) => {
            session.wrong("stands beside `after_fields`", "give one of the two");
            None
        }
    };
    table.finish();
    read.unwrap_or_else(|| default.clone())
}

pub(super) fn stages(metadata: &mut Table<'_>) -> Vec<StageSpec> {
    let context = metadata.context;
    let (mut stages, mut names, mut written) = (Vec::new(), Vec::new(), Vec::new());
    for mut table in metadata.tables("stage", STAGES_MAX) {
        let name = table.need("name", "\"inject\"");
        names.push(name.as_ref().map_or(table.span, |name| name.node.span));
        let workers = table
            .need("workers", "6")
            .and_then(|field| field.count(1, WORKERS_MAX));
        let service = table.need("service", "\"150ms\"");
        let service = service.and_then(|field| distribution::read(&field));
        let writes =
            table.get("writes").map_or_else(Vec::new, |field| {
                let groups = FieldGroup::ALL.map(|group| (group.name(), group));
                let items = field.items(FieldGroup::COUNT);
                written.extend(items.iter().filter_map(|item| {
                    Some((item.choice(&groups)?, item.node.span, stages.len()))
                }));
                let own = written
                    .iter()
                    .filter(|(_, _, stage)| *stage == stages.len());
                own.map(|(group, _, _)| *group).collect()
            });
        stages.push(StageSpec {
            name: name.and_then(|name| name.name()).unwrap_or_default(),
            workers: workers.unwrap_or(1),
            service: service.unwrap_or_else(at_once),
            writes,
            outages: intake::outages(&mut table),
        });
        table.finish();
    }
    unique(
        context,
        "stage",
        stages.iter().map(|stage| stage.name.as_str()).zip(names),
    );
    for (at, (group, span, _)) in written.iter().enumerate() {
        if let Some((_, first, _)) = written[..at].iter().find(|(other, _, _)| other == group) {
            let message = format!("`{}` is written twice", group.name());
            let mistake = Diagnostic::new(*span, message)
                .also(*first, "first written here")
                .help("name each group in one stage only");
            context.report(mistake);
        }
    }
    stages
}
