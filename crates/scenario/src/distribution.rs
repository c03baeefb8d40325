//! Distributions: a bare duration, or an inline table with one family.

use racegate_model::distribution::{Distribution, DistributionError};
use racegate_model::time::Duration;

use crate::document::Value;
use crate::load::SAMPLES_BYTES_MAX;
use crate::reader::{Field, Table};
use crate::units;

/// Samples or quantiles of an empirical distribution.
const SAMPLES_MAX: usize = 100_000;
/// Components of a mixture.
const COMPONENTS_MAX: usize = 32;

const FAMILIES: [&str; 9] = [
    "constant",
    "uniform",
    "exponential",
    "lognormal",
    "weibull",
    "pareto",
    "gamma",
    "mixture",
    "empirical",
];

/// Reads a distribution.
pub(crate) fn read(field: &Field<'_>) -> Option<Distribution> {
    if field.node.text().is_some() {
        return field.duration().map(Distribution::constant);
    }
    if !matches!(field.node.value, Value::Table(_)) {
        field.wrong(
            format!("is {}; it must be a distribution", field.node.type_name()),
            "write a duration (\"250ms\") or a table such as \
             { lognormal = { median = \"200ms\", p99 = \"1s\" } }",
        );
        return None;
    }
    let mut table = field.table();
    let read = family(field, &mut table, Nesting::Outermost);
    table.finish();
    read
}

/// Whether a mixture may stand here.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Nesting {
    Outermost,
    InMixture,
}

/// Reads the one family that a table must name.
fn family(field: &Field<'_>, table: &mut Table<'_>, nesting: Nesting) -> Option<Distribution> {
    let mut named = FAMILIES
        .into_iter()
        .filter_map(|name| Some((name, table.get(name)?)));
    let found: Vec<_> = named.by_ref().collect();
    let [(name, inner)] = found.as_slice() else {
        if table
            .entries()
            .iter()
            .any(|entry| !FAMILIES.contains(&entry.key.as_str()) && entry.key != "weight")
            && found.is_empty()
        {
            return None; // The unknown key is reported, with the families.
        }
        let count = if found.is_empty() {
            "no"
        } else {
            "more than one"
        };
        field.wrong(
            format!("names {count} distribution"),
            format!("give exactly one of {}", crate::suggest::list(&FAMILIES)),
        );
        return None;
    };
    let made = match *name {
        "constant" => return inner.duration().map(Distribution::constant),
        "mixture" if nesting == Nesting::InMixture => {
            inner.wrong(
                "is a mixture in a mixture",
                "list its components in the outer one",
            );
            return None;
        }
        "mixture" => mixture(inner)?,
        "empirical" => empirical(inner)?,
        simple => parametric(simple, inner)?,
    };
    made.map_err(|error| refused(inner, &error)).ok()
}

/// The model's refusal, at the family it is about: the message already says the way out.
fn refused(field: &Field<'_>, error: &DistributionError) {
    let text = error.to_string();
    let (reason, help) = text
        .split_once(": ")
        .unwrap_or((&text, "choose other parameters"));
    field.wrong(format!("is impossible: {reason}"), help);
}

type Made = Option<Result<Distribution, DistributionError>>;

/// The families with two parameters or fewer.
fn parametric(name: &str, field: &Field<'_>) -> Made {
    let mut table = field.table();
    let made = match name {
        "uniform" => pair(&mut table, "min", "max", Distribution::uniform),
        "exponential" => time(&mut table, "mean").map(Distribution::exponential),
        "lognormal" => lognormal(&mut table),
        "weibull" => shaped(&mut table, Distribution::weibull),
        "pareto" => shaped(&mut table, Distribution::pareto),
        _ => shaped(&mut table, Distribution::gamma),
    };
    table.finish();
    made
}

fn time(table: &mut Table<'_>, key: &'static str) -> Option<Duration> {
    table.need(key, "\"1s\"")?.duration()
}

fn pair(
    table: &mut Table<'_>,
    low: &'static str,
    high: &'static str,
    make: impl FnOnce(Duration, Duration) -> Result<Distribution, DistributionError>,
) -> Made {
    let (low, high) = (time(table, low), time(table, high));
    Some(make(low?, high?))
}

fn shaped(
    table: &mut Table<'_>,
    make: impl FnOnce(f64, Duration) -> Result<Distribution, DistributionError>,
) -> Made {
    let shape = table
        .need("shape", "1.5")
        .and_then(|field| field.number("1.5"));
    let scale = time(table, "scale");
    Some(make(shape?, scale?))
}

fn lognormal(table: &mut Table<'_>) -> Made {
    let (mu, sigma) = (table.get("mu"), table.get("sigma"));
    if mu.is_none() && sigma.is_none() {
        return pair(table, "median", "p99", Distribution::lognormal_median_p99);
    }
    if let (Some(field), _) | (None, Some(field)) = (table.get("median"), table.get("p99")) {
        field.wrong(
            "stands beside `mu` and `sigma`",
            "give median and p99, or mu and sigma",
        );
        return None;
    }
    let mu = table
        .need("mu", "-1.6")
        .and_then(|field| field.number_in(-25.0, 15.0));
    let sigma = table
        .need("sigma", "0.7")
        .and_then(|field| field.number_in(0.0, 20.0));
    Some(Distribution::lognormal_mu_sigma(mu?, sigma?))
}

fn mixture(field: &Field<'_>) -> Made {
    let mut parts = Some(Vec::new());
    for item in field.items(COMPONENTS_MAX) {
        let mut table = item.table();
        let weight = table
            .need("weight", "0.5")
            .and_then(|weight| weight.share());
        let part = family(&item, &mut table, Nesting::InMixture);
        table.finish();
        match (&mut parts, weight, part) {
            (Some(parts), Some(weight), Some(part)) => parts.push((weight, part)),
            _ => parts = None,
        }
    }
    let readable = field
        .node
        .array()
        .is_some_and(|list| list.len() <= COMPONENTS_MAX);
    parts.filter(|_| readable).map(Distribution::mixture)
}

fn empirical(field: &Field<'_>) -> Made {
    let mut table = field.table();
    if !matches!(field.node.value, Value::Table(_)) {
        return None;
    }
    let (samples, quantiles) = (table.get("samples"), table.get("quantiles"));
    let file = table.get("file");
    let made = match (samples, quantiles, file) {
        (Some(samples), None, None) => {
            let items = samples.items(SAMPLES_MAX);
            let durations: Vec<_> = items.iter().map(Field::duration).collect();
            whole(&samples, durations).map(Distribution::empirical)
        }
        (None, Some(quantiles), None) => {
            let pairs = quantiles.items(SAMPLES_MAX).iter().map(quantile).collect();
            whole(&quantiles, pairs).map(|pairs| Distribution::quantiles(&pairs))
        }
        (None, None, Some(file)) => samples_of_file(&file),
        _ => {
            if table
                .entries()
                .iter()
                .all(|entry| ["samples", "quantiles", "file"].contains(&entry.key.as_str()))
            {
                field.wrong(
                    "needs exactly one source",
                    "give `samples`, `quantiles` or `file`",
                );
            }
            None
        }
    };
    table.finish();
    made
}

/// All elements, if the array and each of them could be read.
fn whole<T>(field: &Field<'_>, read: Vec<Option<T>>) -> Option<Vec<T>> {
    let readable = field
        .node
        .array()
        .is_some_and(|list| list.len() <= SAMPLES_MAX);
    read.into_iter()
        .collect::<Option<Vec<T>>>()
        .filter(|_| readable)
}

/// `[0.5, "1s"]`.
fn quantile(field: &Field<'_>) -> Option<(f64, Duration)> {
    let items = field.items(2);
    let [share, value] = items.as_slice() else {
        if field.node.array().is_some_and(|list| list.len() < 2) {
            field.wrong(
                "is no pair",
                "write [quantile, duration], as in [0.5, \"1s\"]",
            );
        }
        return None;
    };
    let (share, value) = (share.share(), value.duration());
    Some((share?, value?))
}

/// A file of one duration per line, or of `quantile,duration` per line. Blank lines, lines that
/// begin with `#` and a first line of column names are passed over.
fn samples_of_file(field: &Field<'_>) -> Made {
    let name = field.string("the name of a file in quotes")?;
    let text = match (field.context.read_file)(name) {
        Ok(text) if text.len() <= SAMPLES_BYTES_MAX => text,
        Ok(text) => {
            let reason = format!("names a file of {} bytes", text.len());
            field.wrong(reason, format!("use at most {SAMPLES_BYTES_MAX} bytes"));
            return None;
        }
        Err(reason) => {
            field.wrong(
                format!("names the file \"{name}\", which cannot be read: {reason}"),
                "the name is relative to the scenario",
            );
            return None;
        }
    };
    let (mut samples, mut pairs) = (Vec::new(), Vec::new());
    let lines = text
        .lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line.trim()));
    let mut filled = lines
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        .peekable();
    if filled
        .peek()
        .is_some_and(|(_, line)| line.starts_with(|c: char| c.is_ascii_alphabetic()))
    {
        filled.next();
    }
    for (number, line) in filled {
        let read = match line.split_once(',') {
            None => units::duration(line).map(|value| samples.push(value)).ok(),
            Some((share, value)) => units::finite_number(share.trim())
                .zip(units::duration(value).ok())
                .map(|pair| pairs.push(pair)),
        };
        if read.is_none() || samples.len() + pairs.len() > SAMPLES_MAX {
            field.wrong(
                format!("names the file \"{name}\", whose line {number} cannot be used"),
                format!(
                    "write one duration, or one quantile,duration, per line; at most {SAMPLES_MAX}"
                ),
            );
            return None;
        }
    }
    match (samples.is_empty(), pairs.is_empty()) {
        (_, true) => Some(Distribution::empirical(samples)),
        (true, false) => Some(Distribution::quantiles(&pairs)),
        (false, false) => {
            let reason = format!("names the file \"{name}\", which mixes samples and quantiles");
            field.wrong(reason, "use one form throughout");
            None
        }
    }
}
