//! What people and machines get to see of a fixed run.

use racegate_model::outcome::OutcomeKind;
use racegate_model::summary::{ConformanceSummary, Disagreement, GeneratorSummary, Summary};

use super::plot::drawings;
use super::{Style, csv, html, junit, markdown, sample, terminal, write_all, xsd};

/// A live run that has everything to complain about.
fn live() -> Summary {
    let mut summary = sample::summary();
    summary.gates.retain(|gate| gate.arm == "base");
    summary.platform.retain(|platform| platform.arm == "base");
    summary.engine = "live".to_owned();
    summary.history_hash = None;
    summary.valid = false;
    summary.invalid_reasons = vec!["packets left late: the CPU ran out".to_owned()];
    summary.interrupted = true;
    summary.exit_code = 92;
    summary.generator = Some(GeneratorSummary {
        sessions: 1_556,
        sessions_peak: 341,
        packets_sent: 401_233,
        packets_received: 401_200,
        packets_lost: 33,
        send_lateness_p99_s: 0.081,
        call_lateness_p99_s: 0.004,
        dropped: 2,
        recordings_stored: 1_550,
        bytes_stored: 61_250_000,
        ..GeneratorSummary::default()
    });
    summary.conformance = Some(ConformanceSummary {
        pairs: 9_725,
        agreed: 9_701,
        explained: 20,
        moved: 3,
        unexplained: 1,
        gates: [
            ("forum".to_owned(), (1_945, 1_944)),
            ("ungated".to_owned(), (1_945, 1_922)),
        ]
        .into(),
        disagreements: vec![Disagreement {
            gate: "ungated".to_owned(),
            recording: 712,
            sim: OutcomeKind::Complete,
            live: OutcomeKind::Incomplete,
            why: racegate_model::summary::Explanation::None,
            margin_s: 0.031,
            lateness_s: 0.012,
        }],
    });
    summary
}

/// Snapshots are named for what they show, wherever this module is.
fn snapshot(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

#[test]
fn the_terminal_shows_the_whole_run() {
    snapshot(
        "terminal",
        &terminal::render(&sample::summary(), Style::Plain, 120),
    );
}

#[test]
fn a_narrow_ascii_terminal_shows_a_bad_live_run() {
    snapshot(
        "terminal_narrow_ascii",
        &terminal::render(&live(), Style::Ascii, 80),
    );
}

#[test]
fn markdown_says_the_same() {
    snapshot("markdown", &markdown::render(&sample::summary()));
}

#[test]
fn junit_turns_verdicts_into_test_results() {
    snapshot("junit", &junit::render(&live()).unwrap());
}

/// Summaries with every kind of verdict, ending and odd letter.
fn all_kinds() -> Vec<Summary> {
    let mut odd = live();
    odd.scenario = "a \u{1b}[31m & <b> \"c\" \u{202e}".to_owned();
    odd.invalid_reasons = vec!["a\u{0}b ]]> \u{9b}".to_owned()];
    odd.duration_s = 123_456.789;
    let mut interrupted = sample::summary();
    interrupted.interrupted = true;
    vec![sample::summary(), live(), sample::empty(), odd, interrupted]
}

#[test]
fn junit_is_valid_by_the_schema_of_jenkins() {
    let schema = include_str!("../../tests/junit-10.xsd");
    for summary in all_kinds() {
        let text = junit::render(&summary).unwrap();
        assert_eq!(xsd::mistakes(schema, &text), Vec::<String>::new(), "{text}");
    }
}

/// GitLab takes name and class from the attributes, and what it shows of a case that did not pass
/// from the text of the first of these elements.
#[test]
fn gitlab_finds_a_name_a_class_and_the_reason_of_every_case() {
    for summary in all_kinds() {
        let text = junit::render(&summary).unwrap();
        let document = roxmltree::Document::parse(&text).unwrap();
        let is_case = |node: &roxmltree::Node<'_, '_>| node.has_tag_name("testcase");
        let mut names = std::collections::BTreeSet::new();
        for case in document.descendants().filter(is_case) {
            let name = (case.attribute("classname"), case.attribute("name"));
            assert!(name.0.is_some() && name.1.is_some(), "{text}");
            assert!(
                names.insert(name),
                "cases are told apart by class and name: {text}"
            );
            let result = ["failure", "error", "skipped"]
                .into_iter()
                .find_map(|tag| case.children().find(|node| node.has_tag_name(tag)));
            if let Some(result) = result {
                assert_eq!(result.text(), result.attribute("message"), "{text}");
                assert!(
                    result.text().is_some_and(|text| text.contains("seed")),
                    "{text}"
                );
            }
        }
    }
}

#[test]
fn no_line_is_wider_than_the_terminal() {
    for summary in [sample::summary(), live(), sample::empty()] {
        for width in [80, 100, 120, 200] {
            let text = terminal::render(&summary, Style::Plain, width);
            assert!(text.lines().count() > 3, "{text}");
            for line in text.lines() {
                assert!(line.chars().count() <= width, "{width}: {line}");
            }
        }
    }
}

#[test]
fn plain_output_has_no_escapes_and_ascii_output_only_ascii() {
    let mut summary = live();
    summary.scenario = "evil\u{1b}[31m".to_owned();
    summary
        .invalid_reasons
        .push("\u{9b}2J \u{202e}evil".to_owned());
    let plain = terminal::render(&summary, Style::Plain, 100);
    let acted = |letter| letter != '\n' && racegate_scenario::is_unprintable(letter);
    assert!(!plain.contains(acted), "{plain:?}");
    let ascii = terminal::render(&summary, Style::Ascii, 100);
    assert!(ascii.is_ascii(), "{ascii}");
    assert!(terminal::render(&summary, Style::Ansi, 100).contains("\u{1b}[1;31m"));
}

#[test]
fn the_seed_is_on_the_first_line_and_on_the_last() {
    let text = terminal::render(&sample::summary(), Style::Plain, 100);
    assert!(text.lines().next().unwrap().contains("seed 42"));
    assert!(text.lines().last().unwrap().contains("seed 42"));
}

#[test]
fn html_fetches_nothing_and_escapes_names() {
    let mut summary = sample::summary();
    summary.description = "<script>alert(1)</script>".to_owned();
    for gate in &mut summary.gates {
        if gate.name == "webhook" {
            gate.name = "<b>&\"hook\"".to_owned();
        }
    }
    let pictures = drawings(&summary).unwrap();
    let page = html::render(&summary, None, &pictures);
    assert!(!page.contains("<script") && !page.contains("<b>"));
    for (at, _) in page.match_indices("http") {
        let from_here = &page[at..];
        let harmless = ["http://www.w3.org/2000/svg", "http-equiv"];
        assert!(
            harmless.iter().any(|start| from_here.starts_with(start)),
            "{}",
            &from_here[..60]
        );
    }
    assert_eq!(page.matches("<svg").count(), 4);
    assert!(
        pictures
            .iter()
            .any(|picture| picture.svg.contains("&lt;b&gt;"))
    );
}

#[test]
fn csv_has_a_row_per_gate_arm_and_phase() {
    let table = csv::render(&sample::summary());
    let columns = |line: &str| line.split(',').count();
    assert_eq!(table.lines().count(), 1 + 5 * 2 * 5);
    let header = columns(table.lines().next().unwrap());
    assert!(table.lines().all(|line| columns(line) == header));
}

#[test]
fn every_file_is_handed_over_once_and_a_failure_to_write_names_it() {
    let mut names = Vec::new();
    write_all(&sample::empty(), None, &mut |name, bytes| {
        assert!(!bytes.is_empty(), "{name}");
        names.push(name.to_owned());
        Ok(())
    })
    .unwrap();
    names.sort();
    assert_eq!(
        names,
        [
            "added-delay-cdf.png",
            "added-delay-cdf.svg",
            "gates.csv",
            "incomplete-rate.png",
            "incomplete-rate.svg",
            "junit.xml",
            "loss-and-delay.png",
            "loss-and-delay.svg",
            "race-over-time.png",
            "race-over-time.svg",
            "report.html",
            "report.md",
            "summary.md",
        ]
    );
    let full = |_: &str, _: &[u8]| Err(std::io::Error::from(std::io::ErrorKind::StorageFull));
    let error = write_all(&sample::empty(), None, &mut { full }).unwrap_err();
    assert_eq!(error.to_string(), "cannot write report.md");
}
