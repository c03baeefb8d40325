//! The JSON Schema and the parser agree.

use racegate_model::fault::{CONSENT, Effect, Fault, FaultKind, RECONNECT, Strike, UNHEARD};
use racegate_model::time::Duration;
use racegate_scenario::{Source, json_schema, parse};
use serde_json::{Map, Value, json};
use toml_spanner::{Arena, Item, Value as Toml};

use crate::files;

/// Files whose mistakes depend on other parts of the file: the schema cannot see them.
const BEYOND_STRUCTURE: [&str; 4] = ["coupled", "expect-ambiguous-stage", "stacks", "syntax"];

fn to_json(item: &Item<'_>) -> Value {
    match item.value() {
        Toml::String(text) => json!(text),
        Toml::Integer(number) => json!(number.as_i64()),
        Toml::Float(number) => json!(number),
        Toml::Boolean(value) => json!(value),
        Toml::DateTime(_) => Value::Null,
        Toml::Array(array) => array.iter().map(to_json).collect(),
        Toml::Table(table) => {
            let entries = table
                .iter()
                .map(|(key, item)| (key.name.to_owned(), to_json(item)));
            Value::Object(Map::from_iter(entries))
        }
    }
}

fn document(source: &Source) -> Option<Value> {
    let arena = Arena::new();
    let document = toml_spanner::parse(&source.text, &arena).ok()?;
    Some(to_json(document.table().as_item()))
}

#[test]
fn the_schema_accepts_what_the_parser_accepts() {
    let validator = jsonschema::validator_for(&json_schema()).unwrap();
    for (name, source) in files::good() {
        if let Err(mistakes) = parse(&source, &[]) {
            panic!("{mistakes}");
        }
        let errors: Vec<String> = validator
            .iter_errors(&document(&source).unwrap())
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{name}: {errors:#?}");
    }
}

#[test]
fn the_schema_rejects_what_is_wrong_in_structure() {
    let validator = jsonschema::validator_for(&json_schema()).unwrap();
    for (name, source) in files::folder("tests/bad") {
        let Some(document) = document(&source) else {
            continue;
        };
        let structural = !BEYOND_STRUCTURE.contains(&name.as_str());
        assert_eq!(!validator.is_valid(&document), structural, "{name}");
    }
}

#[test]
fn the_checked_in_schema_is_the_one_that_the_tool_prints() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = folder.join("../../docs/scenario.schema.json");
    let known = std::fs::read_to_string(page).unwrap_or_default();
    let known: Value = serde_json::from_str(&known).unwrap_or_default();
    assert!(
        known == json_schema(),
        "write docs/scenario.schema.json with `racegate schema`"
    );
}

#[test]
fn every_fault_is_documented_as_the_catalogue_has_it_and_known_to_the_schema() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = folder.join("../../docs/scenario-format.md");
    let page = std::fs::read_to_string(page).unwrap();
    let rows: String = Fault::ALL.iter().map(row).collect();
    assert!(page.contains(&rows), "the table must be:\n{rows}");
    let schema = json_schema()["properties"]["fault"].to_string();
    for kind in Fault::ALL {
        let name = format!("\"{}\"", kind.name);
        assert!(schema.contains(&name), "{name}");
    }
}

/// A fault's row in the page's table.
fn row(kind: &FaultKind) -> String {
    let FaultKind { name, text, .. } = kind;
    let when = match (kind.strike, kind.lasts) {
        (Strike::SetUp, Duration::ZERO) => "set-up".to_owned(),
        (Strike::SetUp, lasts) => format!("set-up, `lasts` ({lasts})"),
        (Strike::At, _) => "`at`".to_owned(),
        (Strike::Over, lasts) => format!("`at`, for `lasts` ({lasts})"),
    };
    let outcome = match kind.effect {
        Effect::Unharmed => "unharmed".to_owned(),
        Effect::NoSession => "not-established".to_owned(),
        Effect::LateSetUp(after) => {
            format!("unharmed; not-established if the call is over within {after}")
        }
        Effect::Altered => "altered".to_owned(),
        Effect::Consent => {
            format!("consent-lost {CONSENT} later, if the call lasts so long")
        }
        Effect::Silence => format!("consent-lost {CONSENT} later"),
        Effect::Cut => "cut-short".to_owned(),
        Effect::CutLate => "cut-short, and the audio comes so much later".to_owned(),
        Effect::PartialWrite => "partial-write".to_owned(),
        Effect::Unheard => {
            format!("partial-write within {UNHEARD}, if the call lasts so long")
        }
        Effect::Reconnect => {
            format!("unharmed; partial-write {RECONNECT} later if it stays away for longer")
        }
        Effect::MediaLate => "media-late".to_owned(),
        Effect::MediaLost | Effect::NoRoom => "media-lost".to_owned(),
    };
    let group = kind.group.name();
    format!("| `{name}` | {group} | {when} | {text} | {outcome} |\n")
}

#[test]
fn every_scenario_names_the_schema_for_editors() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).expect("readable") {
        let path = entry.expect("readable").path();
        if path.extension().is_some_and(|end| end == "toml") {
            let text = std::fs::read_to_string(&path).expect("readable");
            let directive = "#:schema ../docs/scenario.schema.json\n";
            assert!(text.starts_with(directive), "{}", path.display());
            count += 1;
        }
    }
    assert!(count > 40, "{count}");
}
