//! Expectations as JUnit XML, for the test tabs of CI systems.

use quick_junit::{NonSuccessKind, Report, SerializeError, TestCase, TestCaseStatus, TestSuite};
use racegate_model::summary::{Summary, Verdict};

use super::content::verdict_line;
use super::document::{Severity, VerdictLine, verdict_word};
use super::doubt;

/// The report as `junit.xml`: one test case per expectation, and one for the run if it is invalid
/// or was cut short.
///
/// What does not turn the exit code is `skipped` (the arm or gate was not run), a failed
/// expectation is a `failure`, and what could not be judged is an `error`.
///
/// # Errors
///
/// Fails if the XML cannot be written.
pub fn render(summary: &Summary) -> Result<String, SerializeError> {
    let mut suite = TestSuite::new(summary.scenario.as_str());
    suite.add_property(("seed", summary.seed.to_string().as_str()));
    suite.add_property(("engine", summary.engine.as_str()));
    suite.add_property(("tool", summary.tool.as_str()));
    suite.add_property(("plan_hash", summary.plan_hash.as_str()));
    if let Some(hash) = &summary.history_hash {
        suite.add_property(("history_hash", hash.as_str()));
    }
    if let Ok(duration) = std::time::Duration::try_from_secs_f64(summary.duration_s) {
        suite.set_time(duration);
    }
    let class = format!("racegate.{}", summary.scenario);
    for mut case in run_case(summary)
        .into_iter()
        .chain(summary.expect.iter().map(|result| {
            let line = verdict_line(result);
            TestCase::new(
                result.expression.as_str(),
                status(&line, result.verdict, summary.seed),
            )
        }))
    {
        case.set_classname(class.as_str());
        suite.add_test_case(case);
    }
    let mut report = Report::new("racegate");
    report.add_test_suite(suite);
    report.to_string().map(|text| without_skipped(&text))
}

/// The report without the number of skipped cases of all suites: the schemas of Jenkins have it
/// for each suite only, and refuse the file otherwise.
fn without_skipped(text: &str) -> String {
    let bounds = || {
        let root = text.find("<testsuites")?;
        let end = root + text[root..].find('>')?;
        let start = root + text[root..end].find(" skipped=\"")?;
        let value = start + " skipped=\"".len();
        Some((start, value + text[value..end].find('"')? + 1))
    };
    match bounds() {
        Some((start, end)) => format!("{}{}", &text[..start], &text[end..]),
        None => text.to_owned(),
    }
}

fn status(line: &VerdictLine, verdict: Verdict, seed: u64) -> TestCaseStatus {
    let mut status = match verdict {
        Verdict::Pass => return TestCaseStatus::success(),
        Verdict::Fail => TestCaseStatus::non_success(NonSuccessKind::Failure),
        Verdict::Inconclusive | Verdict::NoSamples => {
            TestCaseStatus::non_success(NonSuccessKind::Error)
        }
        Verdict::NotRun => TestCaseStatus::skipped(),
    };
    let note = if line.note.is_empty() {
        String::new()
    } else {
        format!(" ({})", line.note)
    };
    status.set_type(verdict_word(verdict));
    let observed = match line.observed.as_str() {
        "" => "nothing observed".to_owned(),
        observed => format!("observed {observed}"),
    };
    say(&mut status, format!("{observed}{note}; seed {seed}"));
    status
}

/// Says why a case did not pass: Jenkins shows the attribute, GitLab the text.
fn say(status: &mut TestCaseStatus, message: String) {
    status.set_description(message.as_str());
    status.set_message(message);
}

/// A test case that fails because the numbers cannot be trusted.
fn run_case(summary: &Summary) -> Option<TestCase> {
    if summary.valid && !summary.interrupted {
        return None;
    }
    let reasons: Vec<String> = doubt::doubts(summary)
        .into_iter()
        .filter(|doubt| doubt.severity == Severity::Invalid)
        .map(|doubt| doubt.reason)
        .collect();
    let (kind, message) = if summary.valid {
        ("interrupted", "the run was cut short".to_owned())
    } else {
        ("invalid", reasons.join("; "))
    };
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
    status.set_type(kind);
    say(&mut status, format!("{message}; seed {}", summary.seed));
    Some(TestCase::new("the run is valid", status))
}
