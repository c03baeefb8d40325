//! Arms: the platform and gates of the file, and variants of them.

use racegate_model::field::{Field as ManifestField, FieldGroup, FieldSet, PerKind};
use racegate_model::scenario::{Arm, BASE_ARM, RequiredFields};

use crate::diagnostics::Diagnostic;
use crate::document::{Entry, Node, Value};
use crate::edit;
use crate::reader::{Context, Field, Table, unique};
use crate::source::Span;
use crate::suggest;
use crate::{gate, platform};

/// Arms of a scenario, base included.
const ARMS_MAX: usize = 64;
/// Values that an arm may set.
const SETS_MAX: usize = 100;
/// What an arm can differ in.
const PARTS: [&str; 3] = ["platform", "gate", "required_fields"];

/// Reads the arm that a document's own tables describe.
pub(crate) fn base(root: &mut Table<'_>) -> Arm {
    Arm {
        name: BASE_ARM.to_owned(),
        required: required(root.table("required_fields")),
        platform: platform::read(root.table("platform")),
        gates: gate::read_all(root),
    }
}

/// Fields that must be there: `all` is added to each kind's.
fn required(mut table: Table<'_>) -> RequiredFields {
    use ManifestField::{ClientIp, EndTime, LegalHoldFlag, MediaType, StartTime, WebrtcSessionId};
    let set = |fields: &[ManifestField]| fields.iter().copied().collect::<FieldSet>();
    let of_both = |field: &Field<'_>| Some(required_of_sip(field));
    let all = [LegalHoldFlag, MediaType, StartTime, EndTime];
    let all = table.or("all", set(&all), of_both);
    let webrtc = table.or("webrtc", set(&[WebrtcSessionId, ClientIp]), |field| {
        Some(platform::fields(field))
    });
    let sip = table.or("sip", FieldSet::EMPTY, of_both);
    let fields = PerKind {
        webrtc: all.union(webrtc),
        sip: all.union(sip),
    };
    let named = fields.webrtc.union(fields.sip);
    let nullable = table.or("nullable", FieldSet::EMPTY, |field| {
        Some(nullable(field, named))
    });
    table.finish();
    RequiredFields { fields, nullable }
}

/// Fields required of SIP recordings, which have no softphone.
fn required_of_sip(field: &Field<'_>) -> FieldSet {
    let mut fields = FieldSet::EMPTY;
    for item in field.items(32) {
        match item.manifest_field() {
            Some(name) if name.group() == Some(FieldGroup::Webrtc) => item.wrong(
                format!(
                    "requires `{}` of SIP recordings, which have none",
                    name.name()
                ),
                "require it under `webrtc`",
            ),
            Some(name) => fields.insert(name),
            None => {}
        }
    }
    fields
}

/// Fields of the `required` ones that may stay null.
fn nullable(field: &Field<'_>, required: FieldSet) -> FieldSet {
    let mut fields = FieldSet::EMPTY;
    for item in field.items(32) {
        match item.manifest_field() {
            Some(name) if required.contains(name) => fields.insert(name),
            Some(name) => item.wrong(
                format!("names `{}`, which is not required", name.name()),
                "name required fields only: the others may be null anyway",
            ),
            None => {}
        }
    }
    fields
}

/// Reads the arms beside base. `document` is the whole file, overrides included.
pub(crate) fn variants(root: &mut Table<'_>, document: &Node) -> Vec<Arm> {
    let context = root.context;
    let (mut arms, mut spans) = (Vec::new(), Vec::new());
    for mut table in root.tables("arm", ARMS_MAX - 1) {
        let name = table.need("name", "\"enough-workers\"");
        spans.push(name.as_ref().map_or(table.span, |name| name.node.span));
        if let Some(field) = &name
            && field.node.value == Value::String(BASE_ARM.to_owned())
        {
            field.wrong("is taken by the file as it stands", "choose another name");
        }
        let name = name.and_then(|name| name.name()).unwrap_or_default();
        let set = table.get("set");
        let gates = table.get("gates");
        table.finish();
        let changed = variant(document, set.as_ref(), context);
        let mut arm = read_variant(context, &changed, name, set.as_ref());
        if let Some(field) = gates {
            select(&field, &mut arm);
        }
        arms.push(arm);
    }
    unique(
        context,
        "arm",
        arms.iter().map(|arm| arm.name.as_str()).zip(spans),
    );
    arms
}

/// The document's parts that an arm consists of, with its changes.
fn variant(document: &Node, set: Option<&Field<'_>>, context: &Context<'_>) -> Node {
    let parts = PARTS
        .iter()
        .filter_map(|part| document.entry(part).cloned())
        .collect();
    let mut changed = Node {
        span: document.span,
        value: Value::Table(parts),
    };
    let Some(set) = set else { return changed };
    let entries = set.table().entries();
    if entries.len() > SETS_MAX {
        set.wrong(
            format!("has {} keys", entries.len()),
            format!("use at most {SETS_MAX}"),
        );
        return changed;
    }
    for entry in entries {
        if let Err(mistake) = change(&mut changed, entry, context) {
            context.report(*mistake);
        }
    }
    changed
}

fn change(
    document: &mut Node,
    entry: &Entry,
    context: &Context<'_>,
) -> Result<(), Box<Diagnostic>> {
    let span = entry.key_span;
    let path = edit::path(&entry.key, |from, to| {
        context.inside(span, &entry.key, from, to)
    })?;
    let Some(first) = path.first() else {
        return Ok(());
    };
    let whole = path.len() == 1;
    if whole && matches!(entry.node.value, Value::Table(_)) {
        let message = format!("`{}` would replace all of it", entry.key);
        let help = format!(
            "quote the whole path, as in \"{}.….key\" = value",
            entry.key
        );
        return Err(Box::new(Diagnostic::new(span, message).help(help)));
    }
    match first.text.as_str() {
        "seed" | "workload" | "name" => {
            let message = format!("an arm cannot set `{}`", entry.key);
            let help = "arms see the same recordings: seed, workload and name are the scenario's";
            Err(Box::new(Diagnostic::new(span, message).help(help)))
        }
        part if PARTS.contains(&part) => edit::assign(document, &path, entry.node.clone()),
        other => {
            let message = format!("an arm has no `{other}`");
            let help = suggest::help_for(other, &PARTS, "what an arm can set");
            Err(Box::new(Diagnostic::new(first.span, message).help(help)))
        }
    }
}

/// Reads a changed document. What is wrong in the file itself is found again here; it is the same
/// mistake, so only what is new says which arm it belongs to.
fn read_variant(
    context: &Context<'_>,
    changed: &Node,
    name: String,
    set: Option<&Field<'_>>,
) -> Arm {
    let own = Context::new(context.sources, context.read_file, context.readable);
    let mut arm = base(&mut Table::root(changed, &own));
    arm.name = name;
    let found = own.into_found();
    for mistake in found.list {
        if !context.has(&mistake) {
            context.report(of_arm(mistake, &arm.name, set));
        }
    }
    context.drop_more(found.dropped);
    arm
}

/// A mistake that only an arm has: it points at the arm's `set`, wherever it shows.
fn of_arm(mistake: Diagnostic, arm: &str, set: Option<&Field<'_>>) -> Diagnostic {
    let note = format!("in arm `{arm}`");
    let own = set.map(|set| set.node.span).filter(|own| {
        own.source != mistake.span.source
            || mistake.span.start < own.start
            || mistake.span.end > own.end
    });
    let Some(own) = own else {
        return mistake.note(note);
    };
    let shown = mistake.span;
    Diagnostic {
        span: own,
        ..mistake
    }
    .label("once this is set")
    .also(shown, "here")
    .note(note)
}

/// Keeps the gates that an arm names.
fn select(field: &Field<'_>, arm: &mut Arm) {
    let items = field.items(arm.gates.len().max(1));
    let names: Vec<&str> = arm.gates.iter().map(|gate| gate.name.as_str()).collect();
    let mut chosen: Vec<(&str, Span)> = Vec::new();
    for item in &items {
        let Some(name) = item.string("a gate's name in quotes") else {
            continue;
        };
        if names.contains(&name) {
            chosen.push((name, item.node.span));
        } else if field.context.whole() {
            item.wrong(
                format!("names the unknown gate `{name}`"),
                suggest::help_for(name, &names, "gates"),
            );
        }
    }
    if field.node.array().is_some_and(<[_]>::is_empty) {
        field.wrong(
            "is empty",
            "name at least one gate, or leave it out for all",
        );
    }
    if !chosen.is_empty() {
        arm.gates
            .retain(|gate| chosen.iter().any(|(name, _)| *name == gate.name));
    }
}
