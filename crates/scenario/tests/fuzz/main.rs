//! Fuzz target of scenario files.

use std::path::PathBuf;

use bolero::check;
use racegate_scenario::{Color, Source, parse};

#[path = "../../../../fuzz/replay.rs"]
mod replay;
use replay::replay;

fn read(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Err(mistakes) = parse(&Source::new("hostile.toml", text), &[]) {
        assert!(mistakes.count() > 0);
        assert!(!mistakes.render(Color::Never).is_empty());
    }
}

#[test]
fn any_file_is_a_scenario_or_a_list_of_mistakes() {
    check!(name = "scenario").with_iterations(0).for_each(read);
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    replay(
        &folder.join("tests/fuzz/__fuzz__/scenario/corpus"),
        150,
        read,
    );
}
