//! The bench's numbers, as a table and as JSON.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::measure::Rate;
use super::peer::Peer;
use super::{DEEP, GATES, SMALL};

/// What was measured.
#[derive(Clone, Debug, Default)]
pub(super) struct Report {
    pub(super) long: Option<Rate>,
    pub(super) peak_rss_mb: Option<f64>,
    pub(super) fused: Option<Rate>,
    pub(super) eight_gates: Option<Rate>,
    pub(super) event: Option<Rate>,
    pub(super) deep: Option<Rate>,
    pub(super) throttled: Option<Rate>,
    pub(super) two_threads: Option<Rate>,
    prices: Vec<(&'static str, Rate)>,
    pub(super) simpy: Option<Peer>,
    pub(super) nexosim: Option<Peer>,
}

impl Report {
    pub(super) fn price(&mut self, what: &'static str, rate: Rate) {
        self.prices.push((what, rate));
    }

    fn rows(&self) -> [(&'static str, String, Option<Rate>); 7] {
        let of = |size: super::Size| format!("{}/s, {} workers", size.per_second, size.workers);
        [
            ("fused, long run", of(SMALL), self.long),
            ("fused", of(SMALL), self.fused),
            ("fused, 8 gates", of(SMALL), self.eight_gates),
            ("fused, two threads", of(SMALL), self.two_threads),
            ("events", of(SMALL), self.event),
            ("events, deep", of(DEEP), self.deep),
            ("events, throttled", of(SMALL), self.throttled),
        ]
    }

    pub(super) fn table(&self) -> String {
        let mut text = String::from(
            "Recordings per second of processor time on the reference model, best of the rounds\n\n",
        );
        for (name, size, rate) in self.rows() {
            let Some(rate) = rate else { continue };
            let _ = writeln!(
                text,
                "{name:<20} {size:<24} {:>7.2} M/s {:>8.1} ns  worst +{:.0} %  mean delay {:.4} s",
                rate.per_second() / 1e6,
                rate.nanos(),
                rate.spread * 100.0,
                rate.mean_delay,
            );
        }
        text.push('\n');
        if let (Some(long), Some(rss)) = (self.long, self.peak_rss_mb) {
            let _ = writeln!(
                text,
                "{} recordings in one run: {rss:.1} MB at most",
                long.recordings
            );
        }
        if let Some(share) = self.passes() {
            let _ = writeln!(
                text,
                "{GATES} gates in one pass cost {share:.2} single passes"
            );
        }
        if let Some(share) = self.per_core() {
            let _ = writeln!(text, "two threads keep {:.0} % of the rate", share * 100.0);
        }
        for (name, peer) in [("SimPy", self.simpy), ("nexosim", self.nexosim)] {
            let Some(peer) = peer else { continue };
            let (fused, events) = (ratio(self.fused, peer), ratio(self.event, peer));
            let _ = write!(
                text,
                "{name}: {:.0}/s, mean delay {:.4} s; ours is {:.0} times as fast",
                peer.per_second,
                peer.mean_delay,
                fused.unwrap_or_default(),
            );
            let _ = writeln!(text, ", by events {:.1} times", events.unwrap_or_default());
        }
        text.push_str("\nWhat a recording costs, in nanoseconds of this thread\n");
        for (what, rate) in &self.prices {
            let _ = writeln!(text, "{what:<48} {:>8.0}", rate.nanos());
        }
        text
    }

    pub(super) fn json(&self) -> String {
        let per_second = |rate: Option<Rate>| rate.map(|rate| rate.per_second());
        let prices: serde_json::Map<String, Value> = self
            .prices
            .iter()
            .map(|(what, rate)| ((*what).to_owned(), json!(rate.nanos())))
            .collect();
        let value = json!({
            "schema": 1,
            "fused_per_s": per_second(self.fused),
            "fused_long_per_s": per_second(self.long),
            "fused_8_gates_per_s": per_second(self.eight_gates),
            "event_per_s": per_second(self.event),
            "event_deep_per_s": per_second(self.deep),
            "coupled_per_s": per_second(self.throttled),
            "peak_rss_mb": self.peak_rss_mb,
            "long_recordings": self.long.map(|rate| rate.recordings),
            "gates_8_in_single_passes": self.passes(),
            "two_threads_per_core": self.per_core(),
            "simpy_per_s": self.simpy.map(|peer| peer.per_second),
            "vs_simpy": self.simpy.and_then(|peer| ratio(self.fused, peer)),
            "nexosim_per_s": self.nexosim.map(|peer| peer.per_second),
            "vs_nexosim": self.nexosim.and_then(|peer| ratio(self.fused, peer)),
            "event_vs_nexosim": self.nexosim.and_then(|peer| ratio(self.event, peer)),
            "spread": self.rows().map(|(name, _, rate)| {
                json!({ "run": name, "worst_over_best": rate.map(|rate| 1.0 + rate.spread) })
            }),
            "ns_per_recording": prices,
        });
        format!("{value:#}")
    }

    /// What a pass of all gates costs, in passes of one.
    fn passes(&self) -> Option<f64> {
        Some(self.eight_gates?.nanos() / self.fused?.nanos())
    }

    fn per_core(&self) -> Option<f64> {
        Some(self.two_threads?.per_second() / self.fused?.per_second())
    }
}

/// How many times as fast as `peer` ours is.
fn ratio(ours: Option<Rate>, peer: Peer) -> Option<f64> {
    Some(ours?.per_second() / peer.per_second)
}
