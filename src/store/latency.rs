//! `latency.hlog`: added delays as an HdrHistogram interval log, for its plotting tools.

use std::time::{Duration, SystemTime};

use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};
use racegate_model::analysis::LatencyInterval;

/// Histograms hold nanoseconds; the log's column of maxima is in milliseconds, as usual.
const NANOS_PER_MILLI: f64 = 1e6;

/// The log of a run that started at `started`, one line per gate and phase.
pub(super) fn interval_log(started: SystemTime, intervals: &[LatencyInterval]) -> Vec<u8> {
    let mut log = Vec::new();
    let mut serializer = V2DeflateSerializer::new();
    let mut builder = IntervalLogWriterBuilder::new();
    builder
        .add_comment("Added delay: session end to export, in ns. Tag: arm/gate. Interval: phase.")
        .with_start_time(started)
        .with_base_time(started)
        .with_max_value_divisor(NANOS_PER_MILLI);
    let mut writer = builder
        .begin_log_with(&mut log, &mut serializer)
        .expect("a vector takes any write");
    for interval in intervals {
        let tag = tag_of(&interval.tag);
        let start = Duration::from_nanos(interval.start.as_nanos());
        let length = Duration::from_nanos(interval.length.as_nanos());
        let histogram = interval.added_delay.as_hdr();
        writer
            .write_histogram(histogram, start, length, Tag::new(&tag))
            .expect("a vector takes any write, and 48 hours of nanoseconds any line");
    }
    drop(writer);
    log
}

/// A name without what the format reserves: commas and white space.
fn tag_of(name: &str) -> String {
    let reserved = |c: char| c == ',' || c.is_whitespace() || c.is_control();
    name.chars()
        .map(|c| if reserved(c) { '_' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use hdrhistogram::Histogram as Hdr;
    use hdrhistogram::serialization::Deserializer;
    use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
    use racegate_model::stats::Histogram;
    use racegate_model::time::{Duration as Length, Timestamp};

    use super::*;

    #[test]
    fn the_log_is_read_back_by_the_format_s_own_reader() {
        let mut added_delay = Histogram::new();
        (1..=100).for_each(|ms| added_delay.record(Length::from_millis(ms)));
        let interval = LatencyInterval {
            tag: "base/forum, old".into(),
            start: Timestamp::ZERO + Length::from_secs(2),
            length: Length::from_secs(10),
            added_delay,
        };
        let log = interval_log(SystemTime::UNIX_EPOCH, &[interval]);
        let mut found = Vec::new();
        for entry in IntervalLogIterator::new(&log) {
            if let Ok(LogEntry::Interval(line)) = entry {
                let bytes = STANDARD.decode(line.encoded_histogram()).unwrap();
                let histogram: Hdr<u64> = Deserializer::new()
                    .deserialize(&mut bytes.as_slice())
                    .unwrap();
                let tag = line.tag().map(|tag| tag.as_str().to_owned());
                found.push((
                    tag,
                    line.start_timestamp(),
                    line.duration(),
                    histogram.len(),
                ));
            }
        }
        let tag = Some("base/forum__old".to_owned());
        assert_eq!(
            found,
            [(tag, Duration::from_secs(2), Duration::from_secs(10), 100)]
        );
    }
}
