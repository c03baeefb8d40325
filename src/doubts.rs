//! Why a live run cannot be trusted, as far as the generator knows: each reason names the resource
//! that ran out. All of them are faults of the generator, not of the platform under test.

use racegate_model::scenario::Scenario;
use racegate_model::summary::GeneratorSummary;

/// A thread that works this share of the time has no room left.
const SATURATED: f64 = 0.9;

/// The reasons; none if the run can be trusted.
pub(crate) fn invalid_reasons(scenario: &Scenario, generator: &GeneratorSummary) -> Vec<String> {
    let mut reasons = Vec::new();
    let limit = scenario.limits.send_lateness.as_secs_f64();
    if generator.stopped_s > 0.0 {
        // What was late because of that is no shortage of anything.
        reasons.push(format!(
            "stopped: the process stood still for {:.1} s in all (SIGSTOP, Ctrl-Z or a debugger): {} \
             of {} packets and {} calls were late; run it again undisturbed",
            generator.stopped_s,
            generator.packets_late,
            generator.packets_sent,
            generator.dropped
        ));
    } else {
        reasons.extend(lateness(generator, limit));
    }
    if generator.socket_drops > 0 {
        reasons.push(format!(
            "socket buffers: the kernel dropped {} datagrams for want of buffer, on the run's own sockets; \
             raise net.core.rmem_max",
            generator.socket_drops
        ));
    }
    if generator.sends_refused > 0 {
        reasons.push(format!(
            "socket buffers: the kernel refused to send {} datagrams; raise net.core.wmem_max",
            generator.sends_refused
        ));
    }
    if generator.files_short > 0 {
        reasons.push(format!(
            "file descriptors: {} calls found none left; raise the limit (`ulimit -n`)",
            generator.files_short
        ));
    }
    if generator.handshakes_dropped > 0 {
        reasons.push(format!(
            "CPU: {} handshake datagrams were dropped because too many waited; lower the rates",
            generator.handshakes_dropped
        ));
    }
    if generator.lines_dropped > 0 {
        reasons.push(format!(
            "memory: {} sessions ended because too many waited for their softphones to come back",
            generator.lines_dropped
        ));
    }
    if generator.recordings_cut > 0 {
        reasons.push(format!(
            "storage: {} recordings were cut short because it could not keep up",
            generator.recordings_cut
        ));
    }
    if generator.digest_mismatches_unexpected > 0 {
        reasons.push(format!(
            "media: {} recordings differ from what was sent",
            generator.digest_mismatches_unexpected
        ));
    }
    reasons
}

/// What kept the generator from its schedule, by what was nearest to its end.
/// What was late, and the resource that ran out.
fn lateness(generator: &GeneratorSummary, limit: f64) -> Vec<String> {
    let mut reasons = Vec::new();
    if generator.send_lateness_p99_s > limit {
        reasons.push(format!(
            "{}: 1 % of audio packets were sent more than {:.1} ms after their time (limit {} ms), \
             {} of {} packets over the limit; {}",
            exhausted(generator),
            generator.send_lateness_p99_s * 1000.0,
            limit * 1000.0,
            generator.packets_late,
            generator.packets_sent,
            "run fewer calls, a lower fidelity or more cores",
        ));
    }
    if generator.dropped > 0 {
        reasons.push(format!(
            "{}: {} calls were begun more than a second late; lower the rates",
            exhausted(generator),
            generator.dropped
        ));
    }
    reasons
}

/// The resource for want of which something was late.
fn exhausted(generator: &GeneratorSummary) -> String {
    let cpu = &generator.cpu;
    if cpu.elapsed_s <= 0.0 {
        return "CPU".to_owned();
    }
    let media = (cpu.softphones_s + cpu.ingest_s) / cpu.elapsed_s;
    let share = |seconds: f64| format!("{:.0} %", 100.0 * seconds / cpu.elapsed_s);
    if media > SATURATED {
        return format!(
            "CPU of the media thread ({} of a core for the softphones, {} for the ingest)",
            share(cpu.softphones_s),
            share(cpu.ingest_s)
        );
    }
    if cpu.machine_busy > SATURATED {
        let ours = cpu.process_s / cpu.elapsed_s / cpu.cores.max(1) as f64;
        return format!(
            "CPU of the machine ({:.0} % busy, of which this run {:.0} %)",
            100.0 * cpu.machine_busy,
            100.0 * ours
        );
    }
    format!(
        "scheduling (the media thread used {} of a core and {} turns were left out: it was not run \
         in time)",
        share(cpu.softphones_s + cpu.ingest_s),
        generator.ticks_skipped
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use racegate_model::summary::CpuSummary;
    use racegate_scenario::{Source, parse};

    fn scenario() -> Scenario {
        let text = "name = 'x'\n[workload]\nexecutor = 'constant-vus'\nvus = 1\nduration = '1s'\n\
                    call_duration = '1s'\n[[gate]]\nname = 'g'\nstrategy = 'none'\n";
        parse(&Source::new("x.toml", text), &[]).expect("it is a scenario")
    }

    fn late(cpu: CpuSummary) -> GeneratorSummary {
        GeneratorSummary {
            send_lateness_p99_s: 0.08,
            packets_sent: 1000,
            packets_late: 17,
            cpu,
            ..GeneratorSummary::default()
        }
    }

    #[test]
    fn a_generator_in_time_gives_no_reason() {
        let generator = GeneratorSummary {
            send_lateness_p99_s: 0.05,
            packets_lost: 3,
            digest_mismatches: 3,
            ..GeneratorSummary::default()
        };
        assert_eq!(invalid_reasons(&scenario(), &generator), [""; 0]);
    }

    #[test]
    fn a_process_that_was_stopped_is_told_from_an_overloaded_machine() {
        let busy = CpuSummary {
            cores: 2,
            elapsed_s: 10.0,
            machine_busy: 0.99,
            ..CpuSummary::default()
        };
        let generator = GeneratorSummary {
            stopped_s: 3.04,
            dropped: 12,
            ..late(busy)
        };
        let reasons = invalid_reasons(&scenario(), &generator);
        let [reason] = reasons.as_slice() else {
            panic!("{reasons:?}");
        };
        assert!(reason.contains("stood still for 3.0 s"), "{reason}");
        assert!(
            reason.contains("17 of 1000 packets and 12 calls"),
            "{reason}"
        );
        assert!(!reason.contains("CPU"), "{reason}");
    }

    #[test]
    fn lateness_names_what_ran_out() {
        let cpu = |media: f64, busy: f64| CpuSummary {
            cores: 2,
            elapsed_s: 10.0,
            softphones_s: media * 6.0,
            ingest_s: media * 4.0,
            process_s: 12.0,
            machine_busy: busy,
        };
        for (cpu, beginning) in [
            (
                cpu(0.95, 0.5),
                "CPU of the media thread (57 % of a core for the softphones, 38 %",
            ),
            (
                cpu(0.5, 0.97),
                "CPU of the machine (97 % busy, of which this run 60 %)",
            ),
            (
                cpu(0.2, 0.3),
                "scheduling (the media thread used 20 % of a core",
            ),
        ] {
            let reasons = invalid_reasons(&scenario(), &late(cpu));
            assert_eq!(reasons.len(), 1);
            assert!(reasons[0].starts_with(beginning), "{}", reasons[0]);
            assert!(reasons[0].contains("80.0 ms") && reasons[0].contains("17 of 1000"));
        }
    }

    #[test]
    fn every_other_shortage_has_its_own_name() {
        let none = GeneratorSummary::default;
        for (generator, word) in [
            (
                GeneratorSummary {
                    socket_drops: 1,
                    ..none()
                },
                "own sockets",
            ),
            (
                GeneratorSummary {
                    sends_refused: 1,
                    ..none()
                },
                "refused to send",
            ),
            (
                GeneratorSummary {
                    files_short: 1,
                    ..none()
                },
                "file descriptors",
            ),
            (
                GeneratorSummary {
                    handshakes_dropped: 1,
                    ..none()
                },
                "handshake",
            ),
            (
                GeneratorSummary {
                    lines_dropped: 1,
                    ..none()
                },
                "come back",
            ),
            (
                GeneratorSummary {
                    recordings_cut: 1,
                    ..none()
                },
                "cut short",
            ),
            (
                GeneratorSummary {
                    digest_mismatches_unexpected: 1,
                    ..none()
                },
                "differ",
            ),
            (
                GeneratorSummary {
                    dropped: 1,
                    ..none()
                },
                "begun more than a second late",
            ),
        ] {
            let reasons = invalid_reasons(&scenario(), &generator);
            assert!(
                reasons.len() == 1 && reasons[0].contains(word),
                "{reasons:?}"
            );
        }
    }
}
