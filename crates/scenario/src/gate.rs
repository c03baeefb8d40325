//! `[[gate]]`: strategies, each with exactly its own keys.

use racegate_model::field::Field as ManifestField;
use racegate_model::scenario::{
    Backoff, ExportRequest, ForumCheck, GateSpec, GateStart, Jitter, Looked, OnFailure, Polling,
    Readiness, Repair, Strategy, WebhookEvent,
};
use racegate_model::time::{Duration, Fixed};

use crate::diagnostics::Diagnostic;
use crate::reader::{Field, Table, unique};
use crate::request;

/// Gates of one arm.
const GATES_MAX: usize = 64;
/// Checks of one recording.
const ATTEMPTS_MAX: u32 = 1_000_000;
/// Checks of the forum's gate: its sleeps double, and 2^19 s is six days.
const FORUM_ATTEMPTS_MAX: u32 = 20;
/// Exports of one recording.
const EXPORTS_MAX: u32 = 1_000;

const STRATEGIES: [(&str, Form); 10] = [
    ("none", Form::None),
    ("fixed-delay", Form::FixedDelay),
    ("fixed-interval", Form::FixedInterval),
    ("exponential-backoff", Form::ExponentialBackoff),
    ("forum-backoff", Form::ForumBackoff),
    ("webhook", Form::Webhook),
    ("webhook-confirm", Form::WebhookConfirm),
    ("webhook-fallback", Form::WebhookFallback),
    ("watermark", Form::Watermark),
    ("verify-repair", Form::VerifyRepair),
];

/// Every key of any strategy, for gates whose strategy is unknown.
const ALL_KEYS: [&str; 25] = [
    "delay",
    "interval",
    "initial_delay",
    "base",
    "multiplier",
    "cap",
    "jitter",
    "max_attempts",
    "deadline",
    "ready",
    "attempts",
    "on_failure",
    "check",
    "event",
    "after",
    "patience",
    "inner",
    "max_exports",
    "repair_delay",
    "start",
    "filters",
    "scopes",
    "sidecar_suffix",
    "done_when",
    "jobs_at_once",
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    None,
    FixedDelay,
    FixedInterval,
    ExponentialBackoff,
    ForumBackoff,
    Webhook,
    WebhookConfirm,
    WebhookFallback,
    Watermark,
    VerifyRepair,
}

/// Reads the gates of a file.
pub(crate) fn read_all(root: &mut Table<'_>) -> Vec<GateSpec> {
    let context = root.context;
    if root.get("gate").is_none() {
        let mistake = Diagnostic::new(root.span, "there is no gate")
            .help("add `[[gate]]` with `name = \"ungated\"` and `strategy = \"none\"`");
        context.report_missing(mistake);
    }
    let (mut gates, mut spans) = (Vec::new(), Vec::new());
    for mut table in root.tables("gate", GATES_MAX) {
        let name = table.need("name", "\"ungated\"");
        spans.push(name.as_ref().map_or(table.span, |name| name.node.span));
        gates.push(read(
            &mut table,
            name.and_then(|name| name.name()).unwrap_or_default(),
        ));
        table.finish();
    }
    if let Some(field) = root.get("gate")
        && field.node.array().is_some_and(<[_]>::is_empty)
    {
        field.wrong("is empty", "give at least one gate");
    }
    unique(
        context,
        "gate",
        gates.iter().map(|gate| gate.name.as_str()).zip(spans),
    );
    gates
}

fn read(table: &mut Table<'_>, name: String) -> GateSpec {
    let form = table
        .need("strategy", "\"none\"")
        .and_then(|field| field.choice(&STRATEGIES));
    let start = |field: &Field<'_>| {
        field.choice(&[
            ("session-end", GateStart::SessionEnd),
            ("media", GateStart::Media),
        ])
    };
    let Some(form) = form else {
        for key in ALL_KEYS {
            table.get(key);
        }
        return GateSpec {
            name,
            strategy: Strategy::None,
            start: GateStart::SessionEnd,
            repair: None,
            request: ExportRequest::default(),
        };
    };
    let (strategy, repair) = if form == Form::VerifyRepair {
        let inner = table.or("inner", Form::None, |field| field.choice(&STRATEGIES[..9]));
        (strategy(inner, table), Some(repair(table)))
    } else {
        let strategy = strategy(form, table);
        let given = table.get("max_exports").is_some() | table.get("repair_delay").is_some();
        (strategy, given.then(|| repair(table)))
    };
    GateSpec {
        name,
        strategy,
        start: table.or("start", GateStart::SessionEnd, start),
        repair,
        request: request::read(table),
    }
}

fn repair(table: &mut Table<'_>) -> Repair {
    Repair {
        max_exports: table.or("max_exports", 3, |field| field.count(2, EXPORTS_MAX)),
        delay: table.or("repair_delay", Duration::from_secs(5), Field::duration),
    }
}

fn strategy(form: Form, table: &mut Table<'_>) -> Strategy {
    match form {
        Form::None | Form::VerifyRepair => Strategy::None,
        Form::FixedDelay => {
            let delay = table
                .need("delay", "\"5s\"")
                .and_then(|field| field.duration());
            Strategy::FixedDelay {
                delay: delay.unwrap_or_default(),
            }
        }
        Form::FixedInterval => {
            let interval = table.or(
                "interval",
                Duration::from_secs(1),
                Field::duration_above_zero,
            );
            let jitter = table.or("jitter", Jitter::None, jitter);
            let multiplier = Fixed::ONE;
            let backoff = Backoff {
                base: interval,
                multiplier,
                cap: interval,
                jitter,
            };
            Strategy::FixedInterval(polling(table, Duration::ZERO, backoff))
        }
        Form::ExponentialBackoff => {
            let backoff = exponential(table);
            Strategy::ExponentialBackoff(polling(table, Duration::from_secs(1), backoff))
        }
        Form::ForumBackoff => Strategy::ForumBackoff {
            attempts: table.or("attempts", 5, |field| field.count(1, FORUM_ATTEMPTS_MAX)),
            on_failure: table.or("on_failure", OnFailure::Skip, |field| {
                field.choice(&[
                    ("skip", OnFailure::Skip),
                    ("export-anyway", OnFailure::ExportAnyway),
                ])
            }),
            check: table.or("check", ForumCheck::StateAndFlag, |field| {
                field.choice(&[
                    ("state-and-flag", ForumCheck::StateAndFlag),
                    ("state-only", ForumCheck::StateOnly),
                ])
            }),
        },
        Form::Webhook => webhook(table),
        Form::WebhookConfirm => {
            let event = event(table);
            let backoff = exponential(table);
            Strategy::WebhookConfirm {
                event,
                polling: polling(table, Duration::ZERO, backoff),
            }
        }
        Form::WebhookFallback => fallback(table),
        Form::Watermark => watermark(table),
    }
}

fn webhook(table: &mut Table<'_>) -> Strategy {
    Strategy::Webhook {
        event: event(table),
        delay: table.or("delay", Duration::ZERO, Field::duration),
        patience: table.or("patience", None, |field| {
            unless_none(field, Field::duration_above_zero)
        }),
    }
}

fn fallback(table: &mut Table<'_>) -> Strategy {
    let event = event(table);
    let after = table.or("after", Duration::from_secs(30), Field::duration);
    let backoff = exponential(table);
    let polling = polling(table, Duration::ZERO, backoff);
    Strategy::WebhookFallback {
        event,
        after,
        polling,
    }
}

fn watermark(table: &mut Table<'_>) -> Strategy {
    Strategy::Watermark {
        interval: table.or(
            "interval",
            Duration::from_secs(10),
            Field::duration_above_zero,
        ),
        deadline: table.or("deadline", Some(Duration::from_secs(300)), |field| {
            unless_none(field, Field::duration_above_zero)
        }),
    }
}

fn event(table: &mut Table<'_>) -> WebhookEvent {
    table.or("event", WebhookEvent::SessionEnded, |field| {
        field.choice(&[
            ("session-ended", WebhookEvent::SessionEnded),
            ("metadata-ready", WebhookEvent::MetadataReady),
        ])
    })
}

fn jitter(field: &Field<'_>) -> Option<Jitter> {
    field.choice(&[
        ("none", Jitter::None),
        ("equal", Jitter::Equal),
        ("full", Jitter::Full),
    ])
}

pub(crate) fn exponential(table: &mut Table<'_>) -> Backoff {
    let base = table.or("base", Duration::from_secs(1), Field::duration_above_zero);
    let two = Fixed::new(2.0).unwrap_or(Fixed::ONE);
    let multiplier = table.or("multiplier", two, |field| {
        field.number_in(1.0, 1000.0).and_then(Fixed::new)
    });
    let given = table.get("cap");
    let cap = given.as_ref().and_then(Field::duration_above_zero);
    if let (Some(field), Some(cap)) = (&given, cap)
        && cap < base
    {
        field.wrong(
            format!("is {cap}, below `base` ({base})"),
            format!("use at least \"{base}\""),
        );
    }
    // A base above the default cap is its own cap.
    let cap = cap.unwrap_or_else(|| Duration::from_secs(30).max(base));
    Backoff {
        base,
        multiplier,
        cap,
        jitter: table.or("jitter", Jitter::Full, jitter),
    }
}

fn polling(table: &mut Table<'_>, initial_delay: Duration, backoff: Backoff) -> Polling {
    let polling = Polling {
        initial_delay: table.or("initial_delay", initial_delay, Field::duration),
        backoff,
        max_attempts: table.or("max_attempts", None, |field| {
            unless_none(field, |field| field.count(1, ATTEMPTS_MAX))
        }),
        deadline: table.or("deadline", Some(Duration::from_secs(300)), |field| {
            unless_none(field, Field::duration_above_zero)
        }),
        ready: table.or(
            "ready",
            Readiness {
                required_fields: Looked::Needed,
                ..Readiness::default()
            },
            ready,
        ),
    };
    if let (None, None, Some(deadline)) = (
        polling.max_attempts,
        polling.deadline,
        table.get("deadline"),
    ) {
        deadline.wrong(
            "is \"none\" and there is no `max_attempts`: the gate would never give up",
            "give one of the two",
        );
    }
    polling
}

/// `"none"`, or what `read` reads.
pub(crate) fn unless_none<'d, T>(
    field: &Field<'d>,
    read: impl FnOnce(&Field<'d>) -> Option<T>,
) -> Option<Option<T>> {
    if field.node.text() == Some("none") {
        return Some(None);
    }
    read(field).map(Some)
}

/// What a ready check is called.
#[derive(Clone, Copy)]
enum Check {
    StateCompleted,
    RequiredFields,
    IndexVisible,
    MediaAvailable,
    Field(ManifestField),
}

fn ready(field: &Field<'_>) -> Option<Readiness> {
    let mut words = vec![
        ("state-completed", Check::StateCompleted),
        ("required-fields", Check::RequiredFields),
        ("index-visible", Check::IndexVisible),
        ("media-available", Check::MediaAvailable),
    ];
    words.extend(ManifestField::METADATA.map(|field| (field.name(), Check::Field(field))));
    if field.node.array().is_some_and(<[_]>::is_empty) {
        field.wrong(
            "is empty, so nothing would be checked",
            "name at least one check, or use the strategy \"fixed-delay\"",
        );
        return None;
    }
    let mut ready = Readiness::default();
    for item in field.items(words.len()) {
        match item.choice(&words) {
            Some(Check::StateCompleted) => ready.state_completed = Looked::Needed,
            Some(Check::RequiredFields) => ready.required_fields = Looked::Needed,
            Some(Check::IndexVisible) => ready.index_visible = Looked::Needed,
            Some(Check::MediaAvailable) => ready.media_available = Looked::Needed,
            Some(Check::Field(field)) => ready.fields.insert(field),
            None => {}
        }
    }
    Some(ready)
}
