//! Values as TOML text.

use racegate_model::distribution::{Distribution, Empirical};
use racegate_model::gate::keys::Value;
use racegate_model::time::{Duration, Fixed, Rate};

use crate::gate::LEARNED;

/// `"none"`, where a key has no limit.
const NONE: &str = "\"none\"";

/// A duration in the largest unit that leaves a whole number.
pub(super) fn duration(value: Duration) -> String {
    let nanos = value.as_nanos();
    let units = [("s", 1_000_000_000), ("ms", 1_000_000), ("us", 1_000)];
    let whole = units
        .into_iter()
        .find(|(_, size)| nanos.is_multiple_of(*size));
    let (unit, size) = whole.unwrap_or(("ns", 1));
    format!("\"{}{unit}\"", nanos / size)
}

/// A rate per second, to the nanohertz.
fn rate(value: Rate) -> String {
    let nanohertz = value.as_nanohertz();
    let decimals = format!("{:09}", nanohertz % 1_000_000_000);
    let decimals = decimals.trim_end_matches('0');
    let point = if decimals.is_empty() { "" } else { "." };
    format!("\"{}{point}{decimals}/s\"", nanohertz / 1_000_000_000)
}

/// A distribution: a duration, or a table that names its family.
pub(super) fn distribution(law: &Distribution) -> String {
    if let Distribution::Constant(value) = law {
        duration(*value)
    } else {
        format!("{{ {} }}", family(law))
    }
}

/// The family of a distribution, with its parameters.
fn family(law: &Distribution) -> String {
    let shaped = |name, shape: &f64, scale: &Duration| {
        let scale = duration(*scale);
        format!("{name} = {{ shape = {shape:?}, scale = {scale} }}")
    };
    match law {
        Distribution::Constant(value) => format!("constant = {}", duration(*value)),
        Distribution::Uniform { min, max, .. } => {
            let (min, max) = (duration(*min), duration(*max));
            format!("uniform = {{ min = {min}, max = {max} }}")
        }
        Distribution::Exponential { mean, .. } => {
            format!("exponential = {{ mean = {} }}", duration(*mean))
        }
        Distribution::Lognormal { mu, sigma, .. } => {
            format!("lognormal = {{ mu = {mu:?}, sigma = {sigma:?} }}")
        }
        Distribution::Weibull { shape, scale, .. } => shaped("weibull", shape, scale),
        Distribution::Pareto { shape, scale, .. } => shaped("pareto", shape, scale),
        Distribution::Gamma { shape, scale, .. } => shaped("gamma", shape, scale),
        Distribution::Empirical(observed) => {
            format!("empirical = {{ {} }}", empirical(observed))
        }
        Distribution::Mixture { 0: parts, .. } => {
            let part = |(weight, part): &(f64, Distribution)| {
                format!("{{ weight = {weight:?}, {} }}", family(part))
            };
            let parts: Vec<String> = parts.iter().map(part).collect();
            format!("mixture = [{}]", parts.join(", "))
        }
    }
}

/// The samples of an empirical distribution, or its quantiles.
fn empirical(observed: &Empirical) -> String {
    let pieces: Vec<_> = observed.pieces().collect();
    let is_step = pieces.iter().all(|[from, to]| from.1 == to.1);
    if is_step {
        // The fewest samples of which each piece is a whole number.
        let whole = |count: &u32| {
            let count = f64::from(*count);
            let off = |to: f64| ((to * count).round() / count - to).abs();
            pieces.iter().all(|[_, to]| off(to.0) < 1e-12)
        };
        let count = (1..=100_000_u32).find(whole).unwrap_or(1);
        let mut ends = pieces.iter().peekable();
        let samples = (0..count).filter_map(|sample| {
            let middle = (f64::from(sample) + 0.5) / f64::from(count);
            while ends.next_if(|[_, to]| to.0 < middle).is_some() {}
            ends.peek().map(|[from, _]| duration(from.1))
        });
        return format!("samples = [{}]", samples.collect::<Vec<_>>().join(", "));
    }
    let starts = pieces.iter().map(|[from, _]| from);
    let ends = pieces.last().map(|[_, to]| to);
    let pairs = starts.chain(ends);
    let pairs = pairs.map(|(share, value)| format!("[{share:?}, {}]", duration(*value)));
    format!("quantiles = [{}]", pairs.collect::<Vec<_>>().join(", "))
}

/// The shortest decimal that is read as the same factor.
fn number(value: Fixed) -> String {
    let exact = value.as_f64();
    let texts = (0..=9).map(|digits| format!("{exact:.digits$}"));
    let same = |text: &String| text.parse().ok().and_then(Fixed::new) == Some(value);
    texts
        .into_iter()
        .find(same)
        .unwrap_or_else(|| exact.to_string())
}

/// A list of words.
pub(super) fn list<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let words: Vec<String> = words
        .into_iter()
        .map(|word| format!("\"{word}\""))
        .collect();
    format!("[{}]", words.join(", "))
}

/// What stands in a key's place.
pub(super) fn text(place: &Value<'_>) -> String {
    match place {
        Value::Duration(value) | Value::Interval(value) => duration(**value),
        Value::Limit(value) => value.map_or_else(|| NONE.to_owned(), duration),
        Value::Count(value, ..) => value.to_string(),
        Value::CountLimit(value, ..) => value.map_or_else(|| NONE.to_owned(), |n| n.to_string()),
        Value::Number(value, ..) => number(**value),
        Value::Pace(value) => value.map_or_else(|| NONE.to_owned(), rate),
        Value::Law(value) => {
            let learned = || format!("\"{LEARNED}\"");
            value.as_ref().map_or_else(learned, distribution)
        }
        Value::Word(choice) => format!("\"{}\"", choice.word()),
        Value::Checks(ready) => list(ready.set()),
    }
}
