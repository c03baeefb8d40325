//! Hostile input never panics, and overriding a value by itself changes nothing.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use racegate_scenario::{Color, Override, SOURCE_BYTES_MAX, Source, parse};

use crate::files;

/// Text in which the parser finds something to do.
const TOML_LIKE: &str = "([a-z\"'.=,\\[\\]{}#0-9µ€\n\r\t -]|gate|name|\\[\\[){0,200}";
/// What takes the place of a piece that was cut out.
const DAMAGE: &str = "[a-z0-9\"{}\\[\\]=.%/µ\n -]{0,12}";

/// Paths into `everything.toml` and the values that stand there.
const VALUES: [(&str, &str); 14] = [
    ("seed", "7"),
    ("engine", "sim"),
    ("engine", "\"sim\""),
    ("workload.warmup", "2s"),
    ("workload.stages.up.rate", "50/s"),
    (
        "workload.call_duration",
        "{ lognormal = { median = \"5s\", p99 = \"15s\" } }",
    ),
    ("workload.call_duration.lognormal.p99", "15s"),
    ("workload.media.sip", "20%"),
    ("platform.metadata.stage.inject.workers", "6"),
    ("platform.webrtc.metadata.stage.write.service", "5ms"),
    (
        "platform.export.schema",
        "[\"legal_hold_flag\", \"media_type\", \"start_time\"]",
    ),
    ("gate.forum.attempts", "7"),
    ("arm.more-workers.gates", "[\"ungated\", \"forum\"]"),
    ("expect.\"regret_mean{gate=fixed}\"", "< 10s"),
];

fn everything() -> Source {
    let found = files::good()
        .into_iter()
        .find(|(name, _)| name == "everything");
    found.expect("it exists").1
}

/// Parses, renders, and forgets.
fn survive(text: &str, overrides: &[Override]) {
    if let Err(mistakes) = parse(&Source::new("hostile.toml", text), overrides) {
        assert!(mistakes.count() > 0);
        assert!(mistakes.render(Color::Always).len() < 10 << 20);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        survive(&String::from_utf8_lossy(&bytes), &[]);
    }

    #[test]
    fn any_toml_like_text_is_survived(text in TOML_LIKE) {
        survive(&text, &[]);
    }

    #[test]
    fn any_damage_to_a_good_file_is_survived(
        cuts in proptest::collection::vec((0_usize..1_000, 0_usize..40, DAMAGE), 1..6),
    ) {
        let mut text = everything().text;
        for (place, length, with) in cuts {
            let at = |wanted: usize| (0..=wanted.min(text.len())).rev()
                .find(|at| text.is_char_boundary(*at)).unwrap_or(0);
            let start = at(text.len() * place / 1_000);
            let end = at(start + length).max(start);
            text.replace_range(start..end, &with);
        }
        survive(&text, &[]);
    }

    #[test]
    fn any_override_is_survived(
        text in "\\PC{0,80}",
        key in "[a-z.\"]{0,30}",
        value in "\\PC{0,30}",
    ) {
        let good = everything().text;
        survive(&good, &[Override::set(text), Override::of_flag("--x", &key, &value)]);
    }

    #[test]
    fn overriding_a_value_by_itself_changes_nothing(
        chosen in proptest::collection::vec(proptest::sample::select(VALUES.to_vec()), 0..6),
    ) {
        let source = everything();
        let overrides: Vec<Override> =
            chosen.iter().map(|(key, value)| Override::of_flag("--set", key, value)).collect();
        let plain = parse(&source, &[]).expect("it is good");
        match parse(&source, &overrides) {
            Ok(overridden) => prop_assert_eq!(overridden, plain),
            Err(mistakes) => panic!("{mistakes}"),
        }
    }
}

/// Texts of the largest size that strain one part each.
fn strains() -> Vec<(&'static str, String)> {
    let fill = |piece: &str| piece.repeat(SOURCE_BYTES_MAX / piece.len());
    let numbered = |form: fn(usize) -> String| {
        let mut text = String::new();
        let mut index = 0;
        while text.len() < SOURCE_BYTES_MAX - 200 {
            text.push_str(&form(index));
            index += 1;
        }
        text
    };
    let arms = "[[arm]]\nname = \"a\"\nset = { \"platform.index.lag\" = \"1s\" }\n";
    let samples = fill("\"1s\",\n");
    let good = everything().text;
    let room = SOURCE_BYTES_MAX - good.len() - 200;
    vec![
        ("nested arrays", format!("a = {}", fill("["))),
        ("nested tables", format!("a = {}", fill("{a="))),
        ("a long header", format!("[{}a]", fill("a."))),
        ("a long dotted key", format!("{}a = 1", fill("a."))),
        (
            "many headers",
            numbered(|index| format!("[a.b.c.d.e{index}]\n")),
        ),
        ("many keys", numbered(|index| format!("k{index} = 1\n"))),
        (
            "many gates",
            fill("[[gate]]\nname = \"a\"\nstrategy = \"none\"\n"),
        ),
        (
            "many arms",
            format!("{good}\n{}", arms.repeat(room / arms.len())),
        ),
        ("many stages", fill("[[workload.stages]]\nname = \"a\"\n")),
        ("broken lines", fill("a b\n")),
        ("quotes", fill("\"")),
        (
            "one long line",
            format!("name = \"{}\"", "x".repeat(SOURCE_BYTES_MAX - 10)),
        ),
        (
            "many samples",
            format!("[platform.index]\nlag = {{ empirical = {{ samples = [{samples}"),
        ),
        (
            "many expectations",
            format!(
                "[expect]\n{}",
                numbered(|i| format!("\"m{i}{{a=b}}\" = 1\n"))
            ),
        ),
        (
            "a long selector",
            format!("[expect]\n\"x{{{}}}\" = \"< 1\"", fill("a=b,")),
        ),
        ("too large", "#".repeat(SOURCE_BYTES_MAX + 1)),
    ]
}

#[test]
fn the_largest_files_are_rejected_in_bounded_time() {
    for (what, mut text) in strains() {
        if what != "too large" {
            text.truncate(SOURCE_BYTES_MAX);
        }
        let start = Instant::now();
        survive(&text, &[]);
        assert!(
            start.elapsed() < Duration::from_secs(20),
            "{what}: {:?}",
            start.elapsed()
        );
    }
}
