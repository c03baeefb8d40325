//! The bench's numbers, as a table and as JSON.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde_json::{Value, json};

use super::load::{self, Done};

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
    /// By server, the nanoseconds of all quiet rounds together.
    pooled: BTreeMap<&'static str, Histogram<u64>>,
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

    /// The latencies of a quiet round at half load, in nanoseconds.
    pub(super) fn add_tail(&mut self, server: &'static str, latencies: &Histogram<u64>) {
        let [p50, p99] = [0.5, 0.99].map(|quantile| latencies.value_at_quantile(quantile));
        let [p50, p99] = [p50.max(1), p99].map(|nanos| nanos as f64 / 1e3);
        self.p50_us.entry(server).or_default().push(p50);
        self.p99_us.entry(server).or_default().push(p99);
        let pooled = self.pooled.entry(server).or_insert_with(load::histogram);
        // Both have the bounds of `load::histogram`.
        let _ = pooled.add(latencies);
    }

    /// Quiet rounds so far.
    pub(super) fn quiet(&self, server: &str) -> usize {
        self.p50_us.get(server).map_or(0, Vec::len)
    }

    /// What its quiet rounds say; none if others kept the machine too busy to tell.
    fn tail(&self, server: &str) -> Option<Tail> {
        let (p50, p99) = (self.p50_us.get(server)?, self.p99_us.get(server)?);
        if p50.len() < self.quiet_min {
            return None;
        }
        let ratios: Vec<f64> = p99.iter().zip(p50).map(|(p99, p50)| p99 / p50).collect();
        let disturbed = ratios.iter().filter(|ratio| **ratio >= TAIL_MAX).count();
        let pooled = self.pooled.get(server)?;
        Some(Tail {
            ratio: median(&ratios),
            p50_us: median(p50),
            p99_us: median(p99),
            disturbed: disturbed as f64 / ratios.len() as f64,
            pooled_p99_us: pooled.value_at_quantile(0.99) as f64 / 1e3,
        })
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

/// Latency at half load.
#[derive(Clone, Copy, Debug)]
struct Tail {
    /// Medians over rounds: of p99 over p50, and of each in microseconds.
    ratio: f64,
    p50_us: f64,
    p99_us: f64,
    /// Share of the rounds whose p99 was [`TAIL_MAX`] medians or more.
    disturbed: f64,
    /// p99 of all rounds' requests together, in microseconds.
    pooled_p99_us: f64,
}

impl Tail {
    fn line(self) -> String {
        format!(
            "{:.2} ({:.0} µs over {:.0} µs; {:.0} % of the rounds over {TAIL_MAX}; all together {:.0} µs)",
            self.ratio,
            self.p99_us,
            self.p50_us,
            self.disturbed * 100.0,
            self.pooled_p99_us,
        )
    }
}

/// p99 over p50 that a server should stay under.
const TAIL_MAX: f64 = 4.0;

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
        let (tail, axum) = (numbers.tail("ours"), numbers.tail("axum"));
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
            "p50_us_at_half_load": rounded(tail.map(|tail| tail.p50_us)),
            "p99_us_at_half_load": rounded(tail.map(|tail| tail.p99_us)),
            "p99_over_p50": rounded(tail.map(|tail| tail.ratio)),
            "p99_over_p50_axum": rounded(axum.map(|tail| tail.ratio)),
            "disturbed_rounds": rounded(tail.map(|tail| tail.disturbed)),
            "disturbed_rounds_axum": rounded(axum.map(|tail| tail.disturbed)),
            "p99_us_of_all_rounds": rounded(tail.map(|tail| tail.pooled_p99_us)),
            "p99_us_of_all_rounds_axum": rounded(axum.map(|tail| tail.pooled_p99_us)),
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
                Tail::line,
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

    /// 98 requests in a hundred take `p50` microseconds, the others `p99`.
    fn round(p50: u64, p99: u64) -> Histogram<u64> {
        let mut latencies = load::histogram();
        latencies.record_n(p50 * 1_000, 98).unwrap();
        latencies.record_n(p99 * 1_000, 2).unwrap();
        latencies
    }

    #[test]
    fn a_tail_is_told_of_each_server_once_enough_rounds_were_quiet() {
        let mut numbers = Numbers {
            quiet_min: 2,
            ..Numbers::default()
        };
        numbers.add_tail("ours", &round(100, 300));
        assert!(numbers.tail("ours").is_none());
        numbers.add_tail("ours", &round(100, 200));
        numbers.add_tail("ours", &round(50, 500));
        assert!(numbers.tail("axum").is_none() && numbers.quiet("axum") == 0);
        numbers.add_tail("axum", &round(10, 20));
        numbers.add_tail("axum", &round(10, 20));
        let shown: Value = serde_json::from_str(&Report { numbers }.json()).unwrap();
        let about = |key: &str, expected: f64| {
            let shown = shown[key].as_f64().unwrap();
            // The histogram keeps three digits.
            assert!((shown / expected - 1.0).abs() < 2e-3, "{key}: {shown}");
        };
        about("p99_over_p50", 3.0);
        about("p99_over_p50_axum", 2.0);
        about("p99_us_at_half_load", 300.0);
        about("disturbed_rounds", 0.333);
        about("p99_us_of_all_rounds", 300.0);
        assert_eq!(shown["disturbed_rounds_axum"], 0.0);
    }
}
