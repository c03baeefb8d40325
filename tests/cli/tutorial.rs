//! The tutorial: its commands do what the page says.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::text;

/// The insides of the page's blocks in that language.
fn blocks<'p>(page: &'p str, language: &str) -> Vec<&'p str> {
    let fence = format!("```{language}\n");
    page.split(&fence)
        .skip(1)
        .map(|rest| rest.split("```").next().expect("a split has a first part"))
        .collect()
}

#[test]
fn the_commands_of_the_tutorial_print_what_it_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/tutorial.md")).expect("the page is there");
    let folder = tempfile::tempdir().expect("a folder");
    let scenario = blocks(&page, "toml");
    fs::write(folder.path().join("exports.toml"), scenario[0]).expect("writable");

    let consoles = blocks(&page, "console");
    assert_eq!(consoles.len(), 4);
    for console in consoles {
        let (command, expected) = console.split_once('\n').expect("a command and its output");
        let words: Vec<&str> = command.split_whitespace().collect();
        assert_eq!(words[..2], ["$", "racegate"], "{command}");
        let output = Command::new(env!("CARGO_BIN_EXE_racegate"))
            .args(&words[2..])
            .current_dir(folder.path())
            .env("NO_COLOR", "1")
            .output()
            .expect("the program can be started");
        let printed = text(&output.stdout) + &text(&output.stderr);
        assert!(output.status.success(), "{command}: {printed}");
        for line in expected.lines() {
            assert!(
                printed.contains(line),
                "{command}: no {line:?} in:\n{printed}"
            );
        }
    }
}
