//! The bench's numbers, as a table and as JSON.

use std::fmt::Write as _;

use serde::Serialize;

use super::ladder::{Climbed, Verdict};
use super::rung::Rung;
use super::voice::FRAME_BYTES;

/// What other stacks did on two cores elsewhere, for orientation: same traffic, other machine.
const ELSEWHERE: &str = "pion 3.1.56: 300 to 600 sessions on time, 37 to 52 us per packet; aiortc 1.16: 60 \
     per core, 290 us (two 2.5 GHz Skylake cores)";

/// What was measured. Names are the contract of `--json`; a value that was not measured is absent.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Numbers {
    pub(super) bench: &'static str,
    pub(super) optimised: bool,
    /// Sessions that held for `seconds`, with 50 packets a second each.
    pub(super) sessions: usize,
    pub(super) seconds: f64,
    pub(super) payload_bytes: usize,
    pub(super) loss: Option<f64>,
    pub(super) send_p99_ms: Option<f64>,
    pub(super) us_per_packet: Option<f64>,
    pub(super) caller_us_per_packet: Option<f64>,
    pub(super) recorder_us_per_packet: Option<f64>,
    pub(super) core_share: Option<f64>,
    pub(super) setups_per_s: Option<f64>,
    pub(super) setup_us: Option<f64>,
    pub(super) bytes_per_session: Option<f64>,
    pub(super) udp_limit_us: f64,
    pub(super) str0m_us_per_packet: Option<f64>,
    pub(super) aiortc_us_per_packet: Option<f64>,
    pub(super) aiortc_setups_per_s: Option<f64>,
    pub(super) aiortc_skipped: Option<String>,
    pub(super) wire_sessions: Option<usize>,
    pub(super) wire_us_per_packet: Option<f64>,
    pub(super) transport_sessions: Option<usize>,
    pub(super) transport_core_share: Option<f64>,
    /// Sessions with audio, and those without beside them in the same process.
    pub(super) mixed_media_sessions: Option<usize>,
    pub(super) mixed_transport_sessions: Option<usize>,
    pub(super) signalling_sockets: Option<usize>,
    pub(super) signalling_setup_p99_ms: Option<f64>,
    pub(super) signalling_skipped: Option<String>,
    pub(super) cores: usize,
    pub(super) class: &'static str,
    /// The largest share of all processors that others took during a rung that counts.
    pub(super) others: f64,
    pub(super) receive_buffer_errors: Option<u64>,
    /// Why the media threads did not run where or how they should, if they did not.
    pub(super) unplaced: Option<String>,
    pub(super) rungs: Vec<Step>,
}

/// One rung of a ladder.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Step {
    pub(super) mode: &'static str,
    pub(super) sessions: usize,
    pub(super) verdict: &'static str,
    pub(super) loss: f64,
    pub(super) send_p99_ms: f64,
    pub(super) us_per_packet: f64,
    pub(super) core_share: f64,
    pub(super) others: f64,
}

impl Step {
    pub(super) fn of(mode: &'static str, rung: &Rung, verdict: Verdict) -> Self {
        Self {
            mode,
            sessions: rung.sessions,
            verdict: match verdict {
                Verdict::Held => "held",
                Verdict::Fell => "fell",
                Verdict::Disturbed => "disturbed",
            },
            loss: rung.loss(),
            send_p99_ms: rounded(rung.send_p99_ms()),
            us_per_packet: rounded(rung.packet_us()),
            core_share: rounded(rung.core_share),
            others: rounded(rung.others),
        }
    }

    pub(super) fn all(mode: &'static str, climbed: &Climbed) -> Vec<Self> {
        let step = |(rung, verdict): &(Rung, Verdict)| Self::of(mode, rung, *verdict);
        climbed.rungs.iter().map(step).collect()
    }
}

/// To three places.
pub(super) fn rounded(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

impl Numbers {
    pub(super) fn json(&self) -> String {
        serde_json::to_string_pretty(self)
            .unwrap_or_else(|error| format!("{{\"error\":\"{error}\"}}"))
    }

    pub(super) fn table(&self) -> String {
        let mut text = String::new();
        self.head(&mut text);
        for (name, value, unit) in self.media_rows().into_iter().chain(self.other_rows()) {
            let _infallible = writeln!(text, "{name:32} {value:>12}  {unit}");
        }
        let _infallible = writeln!(text, "\nelsewhere: {ELSEWHERE}");
        text
    }

    /// Name, value, and unit with what it should be.
    fn media_rows(&self) -> Vec<(&'static str, String, String)> {
        let must = |unit: &str, must: &str| format!("{unit}, must {must}");
        let seconds = format!("for {:.0} s", self.seconds);
        let cpu = number(self.us_per_packet, 2);
        let cpu_must = format!("us, must <= 8; {}", self.times_limit(self.us_per_packet));
        let heap = number(self.bytes_per_session, 0);
        vec![
            (
                "media sessions",
                self.sessions.to_string(),
                must(&seconds, "4000"),
            ),
            (
                "  loss",
                number(self.loss.map(|loss| loss * 100.0), 4),
                must("%", "< 0.01"),
            ),
            (
                "  send p99",
                number(self.send_p99_ms, 2),
                must("ms", "<= 5"),
            ),
            ("  CPU per packet, both ends", cpu, cpu_must),
            (
                "    callers",
                number(self.caller_us_per_packet, 2),
                "us".to_owned(),
            ),
            (
                "    recorders",
                number(self.recorder_us_per_packet, 2),
                "us".to_owned(),
            ),
            (
                "  share of a core",
                number(self.core_share, 2),
                String::new(),
            ),
            (
                "  heap per session, both ends",
                heap,
                must("bytes", "<= 32768"),
            ),
        ]
    }

    fn other_rows(&self) -> Vec<(&'static str, String, String)> {
        let both = number(self.setup_us, 0);
        let str0m = self.times_limit(self.str0m_us_per_packet);
        let wire = number(self.wire_us_per_packet, 2);
        let transport = number(self.transport_core_share, 2);
        vec![
            (
                "set-ups per second",
                number(self.setups_per_s, 0),
                format!("must 1500; {both} us both ends"),
            ),
            (
                "raw UDP, nothing else",
                format!("{:.2}", self.udp_limit_us),
                "us per packet".to_owned(),
            ),
            (
                "str0m at both ends",
                number(self.str0m_us_per_packet, 2),
                format!("us per packet; {str0m}"),
            ),
            (
                "aiortc at both ends",
                number(self.aiortc_us_per_packet, 0),
                self.aiortc_note(),
            ),
            (
                "wire sessions (no kernel)",
                count(self.wire_sessions),
                format!("must 15000; {wire} us per packet"),
            ),
            (
                "transport sessions (no audio)",
                count(self.transport_sessions),
                format!("must 20000; {transport} of a core"),
            ),
            (
                "transport beside media",
                count(self.mixed_transport_sessions),
                format!("beside {} with audio", count(self.mixed_media_sessions)),
            ),
            (
                "signalling sockets",
                count(self.signalling_sockets),
                self.signalling_note(),
            ),
        ]
    }

    fn aiortc_note(&self) -> String {
        match (&self.aiortc_skipped, self.aiortc_setups_per_s) {
            (Some(why), _) => format!("skipped: {why}"),
            (None, Some(setups)) => format!("us per packet; {setups:.0} set-ups per second"),
            (None, None) => "not tried".to_owned(),
        }
    }

    fn signalling_note(&self) -> String {
        match &self.signalling_skipped {
            Some(why) => format!("skipped: {why}"),
            None => format!(
                "must 8000, server in another process; set-up p99 {} ms",
                number(self.signalling_setup_p99_ms, 1)
            ),
        }
    }

    fn times_limit(&self, value: Option<f64>) -> String {
        let times = |value: f64| format!("{:.2} x the limit", value / self.udp_limit_us);
        value.map_or_else(String::new, times)
    }

    fn head(&self, text: &mut String) {
        let others = self.others * 100.0;
        let _infallible = writeln!(
            text,
            "{} cores, {} class; others took up to {others:.0} % of the machine; {} datagrams dropped for want of buffer",
            self.cores,
            self.class,
            self.receive_buffer_errors.unwrap_or(0),
        );
        if let Some(why) = &self.unplaced {
            let _infallible = writeln!(text, "the system refused core or class: {why}");
        }
        if !self.optimised {
            text.push_str("this is a debug build: no number of it counts\n");
        }
        let _infallible = writeln!(
            text,
            "{FRAME_BYTES} bytes of Opus every 20 ms, recorded to Ogg; callers and the server they call share a core\n"
        );
        for step in &self.rungs {
            let _infallible = writeln!(
                text,
                "{:9} {:6} sessions {:9}  p99 {:7.2} ms  loss {:7.4} %  {:5.2} us  {:3.0} % of a core  others {:3.0} %",
                step.mode,
                step.sessions,
                step.verdict,
                step.send_p99_ms,
                step.loss * 100.0,
                step.us_per_packet,
                step.core_share * 100.0,
                step.others * 100.0,
            );
        }
        text.push('\n');
    }
}

fn number(value: Option<f64>, digits: usize) -> String {
    match value {
        Some(value) => format!("{value:.digits$}"),
        None => UNMEASURED.to_owned(),
    }
}

fn count(value: Option<usize>) -> String {
    value.map_or_else(|| UNMEASURED.to_owned(), |value| value.to_string())
}

const UNMEASURED: &str = "unmeasured";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::rung::tests::rung;

    #[test]
    fn a_step_says_what_its_rung_showed() {
        let step = Step::of("media", &rung(4000), Verdict::Held);
        assert_eq!((step.sessions, step.verdict), (4000, "held"));
        assert!((step.us_per_packet - 5.0).abs() < 1e-9 && step.loss.abs() < 1e-9);
        assert_eq!(
            (number(None, 2), number(Some(1.239), 2)),
            (UNMEASURED.to_owned(), "1.24".to_owned())
        );
        assert!((rounded(1.23456) - 1.235).abs() < 1e-9);
    }
}
