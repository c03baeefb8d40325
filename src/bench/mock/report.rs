//! The bench's numbers, as a table and as JSON.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use super::load::Done;

/// What was measured.
#[derive(Clone, Debug, Default)]
pub(super) struct Numbers {
    pub(super) body_bytes: usize,
    /// By server, a number per round: requests a second, and processor time of the server per
    /// request in microseconds.
    per_second: BTreeMap<&'static str, Vec<f64>>,
    cpu_us: BTreeMap<&'static str, Vec<f64>>,
    pub(super) p50_us: Vec<f64>,
    pub(super) p99_us: Vec<f64>,
    /// None if others kept the machine too busy to tell.
    pub(super) p99_over_p50: Option<f64>,
    /// The largest share of the processors that others took at half load.
    pub(super) others: f64,
    pub(super) requests: u64,
    pub(super) rss_mb_after: Option<f64>,
    pub(super) journal_mb: f64,
    pub(super) mockoon_skipped: Option<String>,
}

impl Numbers {
    pub(super) fn add(&mut self, server: &'static str, done: Done, cpu: Option<Duration>) {
        let requests = done.requests as f64;
        let rates = self.per_second.entry(server).or_default();
        rates.push(requests / done.seconds);
        if let Some(cpu) = cpu {
            let costs = self.cpu_us.entry(server).or_default();
            costs.push(cpu.as_secs_f64() * 1e6 / requests);
        }
    }

    pub(super) fn per_second(&self, server: &str) -> f64 {
        self.per_second
            .get(server)
            .map_or(f64::NAN, |rates| median(rates))
    }

    fn cpu_us(&self, server: &str) -> Option<f64> {
        self.cpu_us.get(server).map(|costs| median(costs))
    }

    /// How much faster `one` is than `other`: the median of the rounds' ratios.
    fn ratio(&self, one: &str, other: &str) -> Option<f64> {
        let (one, other) = (self.per_second.get(one)?, self.per_second.get(other)?);
        let ratios: Vec<f64> = one
            .iter()
            .zip(other)
            .map(|(one, other)| one / other)
            .collect();
        Some(median(&ratios))
    }

    /// The same by the servers' processor time per request.
    fn cpu_ratio(&self, one: &str, other: &str) -> Option<f64> {
        let (one, other) = (self.cpu_us.get(one)?, self.cpu_us.get(other)?);
        let ratios: Vec<f64> = one
            .iter()
            .zip(other)
            .map(|(one, other)| other / one)
            .collect();
        Some(median(&ratios))
    }
}

/// The middle one; of an even number the lower of the two.
pub(super) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len().saturating_sub(1) / 2;
    sorted.get(middle).copied().unwrap_or(f64::NAN)
}

/// What is shown.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) numbers: Numbers,
}

const SERVERS: [&str; 4] = ["ours", "axum", "wiremock", "mockoon"];

impl Report {
    pub(super) fn json(&self) -> String {
        let numbers = &self.numbers;
        let rounded = |value: Option<f64>| -> Value {
            let value = value.filter(|value| value.is_finite());
            value.map_or(Value::Null, |value| json!((value * 1e3).round() / 1e3))
        };
        let servers = SERVERS.into_iter().filter(|name| {
            let measured = numbers.per_second.get(name);
            measured.is_some()
        });
        let servers: BTreeMap<_, _> = servers
            .map(|name| {
                let shown = json!({
                    "requests_per_second": rounded(Some(numbers.per_second(name))),
                    "cpu_us_per_request": rounded(numbers.cpu_us(name)),
                });
                (name, shown)
            })
            .collect();
        let value = json!({
            "bench": "mock",
            "optimised": !cfg!(debug_assertions),
            "body_bytes": numbers.body_bytes,
            "rounds": numbers.per_second.get("ours").map_or(0, Vec::len),
            "servers": servers,
            "vs_axum": rounded(numbers.ratio("ours", "axum")),
            "vs_wiremock": rounded(numbers.ratio("ours", "wiremock")),
            "vs_mockoon": rounded(numbers.ratio("ours", "mockoon")),
            "vs_axum_cpu": rounded(numbers.cpu_ratio("ours", "axum")),
            "vs_wiremock_cpu": rounded(numbers.cpu_ratio("ours", "wiremock")),
            "mockoon_skipped": numbers.mockoon_skipped,
            "p50_us_at_half_load": rounded(Some(median(&numbers.p50_us))),
            "p99_us_at_half_load": rounded(Some(median(&numbers.p99_us))),
            "p99_over_p50": rounded(numbers.p99_over_p50),
            "others_at_half_load": rounded(Some(numbers.others)),
            "requests": numbers.requests,
            "rss_mb_after_1m": rounded(numbers.rss_mb_after),
            "journal_mb": rounded(Some(numbers.journal_mb)),
            "reads_many_vs_few": rounded(numbers.ratio("many", "few")),
        });
        serde_json::to_string_pretty(&value).unwrap_or_default()
    }

    pub(super) fn table(&self) -> String {
        let numbers = &self.numbers;
        let mut text = format!(
            "GET of a recording, {} bytes, rate limit, journal and lag model on; medians\n\n\
             {:<10}{:>14}{:>16}{:>12}{:>14}\n",
            numbers.body_bytes, "", "requests/s", "CPU µs/request", "ours/it", "ours/it (CPU)"
        );
        let shown = |value: Option<f64>, digits: usize| {
            value.map_or("–".to_owned(), |value| format!("{value:.digits$}"))
        };
        for name in SERVERS {
            if !numbers.per_second.contains_key(name) {
                continue;
            }
            let line = format!(
                "{name:<10}{:>14.0}{:>16}{:>12}{:>14}\n",
                numbers.per_second(name),
                shown(numbers.cpu_us(name), 1),
                shown(numbers.ratio("ours", name), 2),
                shown(numbers.cpu_ratio("ours", name), 2),
            );
            text.push_str(&line);
        }
        let mut line = |about: &str, value: String| {
            // Writing to a string does not fail.
            let _ = write!(text, "\n{about:<44}{value}");
        };
        if let Some(why) = &numbers.mockoon_skipped {
            line("mockoon", format!("skipped: {why}"));
        }
        line(
            "half load, p99 over p50",
            match numbers.p99_over_p50 {
                Some(ratio) => format!(
                    "{ratio:.2} ({:.0} µs over {:.0} µs)",
                    median(&numbers.p99_us),
                    median(&numbers.p50_us)
                ),
                None => format!(
                    "not told: others took up to {:.0} % of the processors",
                    numbers.others * 100.0
                ),
            },
        );
        line(
            &format!("memory after {} requests", numbers.requests),
            format!(
                "{} MB, of them {:.1} MB journal at most",
                shown(numbers.rss_mb_after, 1),
                numbers.journal_mb
            ),
        );
        line(
            "reads with 1,000,000 held over 1,000 held",
            shown(numbers.ratio("many", "few"), 2),
        );
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_medians_of_rounds() {
        let mut numbers = Numbers::default();
        for (ours, axum) in [(90, 100), (50, 100), (80, 40)] {
            for (name, requests) in [("ours", ours), ("axum", axum)] {
                let seconds = 1.0;
                let cpu = Some(Duration::from_micros(1_000));
                numbers.add(name, Done { requests, seconds }, cpu);
            }
        }
        let near = |value: Option<f64>, expected: f64| {
            value.is_some_and(|value| (value - expected).abs() < 1e-9)
        };
        assert!(near(numbers.ratio("ours", "axum"), 0.9));
        assert!(near(numbers.cpu_ratio("ours", "axum"), 0.9));
        assert_eq!(numbers.ratio("ours", "mockoon"), None);
        assert!(near(Some(median(&[4.0, 1.0, 3.0, 2.0])), 2.0));
        assert!(median(&[]).is_nan());
    }
}
