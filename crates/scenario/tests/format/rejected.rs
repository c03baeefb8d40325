//! Files with mistakes, and how the mistakes are shown.

use racegate_scenario::{Color, Override, Source, parse};

use crate::files;

fn rejected(source: &Source, overrides: &[Override]) -> String {
    parse(source, overrides)
        .expect_err("the file has mistakes")
        .render(Color::Never)
}

#[test]
fn every_mistake_of_a_file_is_shown_with_its_place_and_a_way_out() {
    let files = files::folder("tests/bad");
    assert!(files.len() >= 15, "{} files", files.len());
    for (name, source) in files {
        insta::assert_snapshot!(name, rejected(&source, &[]));
    }
}

fn spike() -> Source {
    let (_, source) = files::good()
        .into_iter()
        .find(|(name, _)| name == "webrtc-spike")
        .expect("it exists");
    source
}

#[test]
fn mistakes_in_overrides_name_the_flag() {
    let overrides = [
        "gate.forum.atempts=7",
        "gate.form.attempts=7",
        "gate.forum.attempts=many",
        "workload.stages.spike.rate=80",
        "nonsense",
        "platform.index.refresh",
        "seed=-1",
        "expect.\"incomplete_rate{gate=nobody}\"=< 5%",
    ];
    let overrides: Vec<Override> = overrides.into_iter().map(Override::set).collect();
    insta::assert_snapshot!("overrides", rejected(&spike(), &overrides));
    let seed = [Override::of_flag("--seed", "seed", "today")];
    insta::assert_snapshot!("seed-flag", rejected(&spike(), &seed));
}

#[test]
fn colours_change_nothing_but_the_colours() {
    let source = Source::new("a.toml", "name = 7\n");
    let mistakes = parse(&source, &[]).unwrap_err();
    let colored = mistakes.render(Color::Always);
    assert!(colored.contains("\u{1b}["));
    let mut plain = String::new();
    let mut rest = colored.as_str();
    while let Some((before, after)) = rest.split_once('\u{1b}') {
        plain.push_str(before);
        rest = after.split_once('m').unwrap().1;
    }
    plain.push_str(rest);
    assert_eq!(plain, mistakes.render(Color::Never));
}

#[test]
fn places_are_lines_and_columns_of_characters() {
    let source = Source::new("a.toml", "description = \"ü\" \"\n# x\n  nöme = 1\n");
    let mistakes = parse(&source, &[]).unwrap_err();
    let places: Vec<_> = mistakes
        .iter()
        .map(|found| mistakes.line_column(found.span))
        .collect();
    assert!(
        places
            .iter()
            .all(|(line, column)| (1..=4).contains(line) && *column >= 1)
    );
    let unknown = Source::new("a.toml", "description = \"ü\"\nx = 1; é = 2\n'ü' = 1\n");
    let mistakes = parse(&unknown, &[]).unwrap_err();
    let found = mistakes
        .iter()
        .find(|found| found.message.contains("`ü`"))
        .expect("unknown key");
    assert_eq!(mistakes.line_column(found.span), (3, 1));
}
