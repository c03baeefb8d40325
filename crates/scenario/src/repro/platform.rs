//! What of an arm still decides something when every lag is a value: its tables, in the words of
//! scenarios.

use std::fmt::Write as _;

use racegate_model::field::{FieldSet, Kind};
use racegate_model::scenario::{
    Arm, Correlation, ExportPolicy, ExportSpec, Filters, HoldLevel, PipelineSpec, ReadPath,
    SidecarSource, Slots, SnapshotInstant, StageSpec, WriteOrder,
};
use racegate_model::time::Probability;

use super::words::{fields, seconds};

/// Writes `[required_fields]` and `[platform]`.
pub(super) fn write(out: &mut String, arm: &Arm) {
    let mut page = Page(out);
    page.header("[required_fields]");
    page.line("all", "[]");
    for kind in Kind::ALL {
        page.line(kind.name(), &fields(arm.required.of(kind)));
    }
    if !arm.required.nullable.is_empty() {
        page.line("nullable", &fields(arm.required.nullable));
    }
    let platform = &arm.platform;
    let [webrtc, sip] = Kind::ALL.map(|kind| platform.kinds.get(kind).pipeline);
    if webrtc == sip {
        page.pipeline("platform.metadata", platform.pipelines.get(webrtc));
    } else {
        page.pipeline("platform.webrtc.metadata", platform.pipelines.get(webrtc));
        page.pipeline("platform.sip.metadata", platform.pipelines.get(sip));
    }
    if let Some(region) = &platform.region {
        page.header("[platform.region]");
        page.line("share", "0.0");
        if let Some(pipeline) = region.pipeline {
            page.pipeline("platform.region", platform.pipelines.get(pipeline));
        }
    }
    if platform.hold.level == HoldLevel::Recording {
        page.header("[platform.hold]");
        page.line("level", "\"recording\"");
    }
    if platform.notification.early > Probability::ZERO {
        page.header("[platform.notification]");
        page.share("early", platform.notification.early);
    }
    page.export(&platform.export);
    page.header("[platform.api]");
    match platform.api.rate_limit {
        Some(limit) => page.line("rate_limit", &format!("\"{}/min\"", limit.calls)),
        None => page.line("rate_limit", "\"none\""),
    }
}

struct Page<'a>(&'a mut String);

impl Page<'_> {
    fn header(&mut self, header: &str) {
        // Writing to a string does not fail.
        _ = writeln!(self.0, "\n{header}");
    }

    fn line(&mut self, key: &str, value: &str) {
        _ = writeln!(self.0, "{key} = {value}");
    }

    fn share(&mut self, key: &str, share: Probability) {
        if share > Probability::ZERO {
            self.line(key, &format!("{:?}", share.as_f64()));
        }
    }

    /// A word where it is not the default.
    fn word<T: PartialEq>(&mut self, key: &str, value: &T, words: &[(T, &str)]) {
        if let Some((_, word)) = words.iter().find(|(it, _)| it == value) {
            self.line(key, &format!("\"{word}\""));
        }
    }

    fn pipeline(&mut self, path: &str, pipeline: Option<&PipelineSpec>) {
        let stages = pipeline.map_or(&[][..], |it| &it.stages);
        if stages.is_empty() && path != "platform.metadata" {
            self.header(&format!("[{path}]"));
            self.line("stage", "[]");
        }
        for stage in stages {
            self.header(&format!("[[{path}.stage]]"));
            self.stage(stage);
        }
    }

    fn stage(&mut self, stage: &StageSpec) {
        self.line("name", &format!("\"{}\"", stage.name));
        self.line("workers", &stage.workers.to_string());
        self.line("service", "\"0s\" # each recording has its own, below");
        if !stage.writes.is_empty() {
            let groups = stage.writes.iter().map(|it| format!("\"{}\"", it.name()));
            let groups: Vec<String> = groups.collect();
            self.line("writes", &format!("[{}]", groups.join(", ")));
        }
        if !stage.outages.is_empty() {
            let outages = stage.outages.iter().map(|outage| {
                let (from, lasts) = (seconds(outage.from), seconds(outage.duration));
                let workers = outage.workers;
                format!("{{ from = {from}, duration = {lasts}, workers = {workers} }}")
            });
            let outages: Vec<String> = outages.collect();
            self.line("outages", &format!("[{}]", outages.join(", ")));
        }
    }

    fn export(&mut self, export: &ExportSpec) {
        self.header("[platform.export]");
        self.word(
            "policy",
            &export.policy,
            &[(ExportPolicy::Strict, "strict")],
        );
        match export.slots {
            Slots::Limited(slots) => self.line("slots", &slots.to_string()),
            Slots::Unlimited => self.line("slots", "\"unlimited\""),
        }
        let snapshots = [(SnapshotInstant::Selection, "selection")];
        self.word("snapshot", &export.snapshot, &snapshots);
        let orders = [
            (WriteOrder::MediaFirst, "media-first"),
            (WriteOrder::SidecarFirst, "sidecar-first"),
        ];
        self.word("order", &export.order, &orders);
        let paths = [(ReadPath::Primary, "primary"), (ReadPath::Index, "index")];
        self.word("read", &export.read, &paths);
        if export.schema != FieldSet::METADATA {
            self.line("schema", &fields(export.schema));
        }
        let selection = &export.selection;
        if selection.filters != Filters::Ignored {
            self.line("forum_filters", "true");
        }
        let filters = [(Filters::MatchingNothing, "match-nothing")];
        self.word("unknown_filter", &selection.filters, &filters);
        let ids = [(Correlation::Session, "session")];
        self.word("correlation", &selection.correlation, &ids);
        self.share("other_id", selection.other_id);
        self.share("shared_session", selection.shared_session);
        self.word(
            "sidecar",
            &selection.sidecar,
            &[(SidecarSource::Own, "own")],
        );
        self.share("held_forbidden", selection.held_forbidden);
        if let Some(lake) = selection.lake {
            self.header("[platform.lake]");
            self.line("refresh", &seconds(lake.refresh));
            self.line("lag", &seconds(lake.lag));
        }
    }
}
