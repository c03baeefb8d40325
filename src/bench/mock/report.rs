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
    /// By server, a number per quiet round at half of its load.
    p50_us: BTreeMap<&'static str, Vec<f64>>,
    p99_us: BTreeMap<&'static str, Vec<f64>>,
    /// Quiet rounds without which nothing is told.
    pub(super) quiet_min: usize,
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

    /// A quiet round at half load: its median and its 99th percentile in microseconds.
    pub(super) fn add_tail(&mut self, server: &'static str, p50: f64, p99: f64) {
        self.p50_us.entry(server).or_default().push(p50);
        self.p99_us.entry(server).or_default().push(p99);
    }

    /// Quiet rounds so far.
    pub(super) fn quiet(&self, server: &str) -> usize {
        self.p50_us.get(server).map_or(0, Vec::len)
    }

    /// The medians of p99 over p50, of p99 and of p50; none if others kept the machine too busy to
    /// tell.
    fn tail(&self, server: &str) -> Option<(f64, f64, f64)> {
        let (p50, p99) = (self.p50_us.get(server)?, self.p99_us.get(server)?);
        if p50.len() < self.quiet_min {
            return None;
        }
        let ratios: Vec<f64> = p99.iter().zip(p50).map(|(p99, p50)| p99 / p50).collect();
        Some((median(&ratios), median(p99), median(p50)))
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
        let tail = numbers.tail("ours");
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
            "p50_us_at_half_load": rounded(tail.map(|(_, _, p50)| p50)),
            "p99_us_at_half_load": rounded(tail.map(|(_, p99, _)| p99)),
            "p99_over_p50": rounded(tail.map(|(ratio, _, _)| ratio)),
            "p99_over_p50_axum": rounded(numbers.tail("axum").map(|(ratio, _, _)| ratio)),
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
        for (about, server) in [
            ("half load, p99 over p50", "ours"),
            ("the same of axum at half of its load", "axum"),
        ] {
            let told = numbers.tail(server).map_or_else(
                || {
                    let others = numbers.others * 100.0;
                    format!("not told: others took up to {others:.0} % of the processors")
                },
                |(ratio, p99, p50)| format!("{ratio:.2} ({p99:.0} µs over {p50:.0} µs)"),
            );
            line(about, told);
        }
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

    #[test]
    fn a_tail_is_told_of_each_server_once_enough_rounds_were_quiet() {
        let mut numbers = Numbers {
            quiet_min: 2,
            ..Numbers::default()
        };
        numbers.add_tail("ours", 100.0, 300.0);
        assert_eq!(numbers.tail("ours"), None);
        numbers.add_tail("ours", 100.0, 200.0);
        numbers.add_tail("ours", 50.0, 500.0);
        assert_eq!(numbers.tail("ours"), Some((3.0, 300.0, 100.0)));
        assert_eq!((numbers.tail("axum"), numbers.quiet("axum")), (None, 0));
        numbers.add_tail("axum", 10.0, 20.0);
        numbers.add_tail("axum", 10.0, 20.0);
        let shown: Value = serde_json::from_str(&Report { numbers }.json()).unwrap();
        assert_eq!(shown["p99_over_p50"], 3.0);
        assert_eq!(shown["p99_over_p50_axum"], 2.0);
        assert_eq!(shown["p99_us_at_half_load"], 300.0);
    }
}
