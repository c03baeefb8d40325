//! Where an export's objects lie, and how the platform writes instants.
//!
//! `{organization}/year=2026/month=3/day=7/hour=9/conversation_id={id}/{recording}.opus`, the
//! sidecar beside it with `_metadata.json` appended: the layout of the real bulk-action
//! integration. Numbers are not padded, as real consumers of the month have found; for day and
//! hour that is assumed.

use std::fmt;

use jiff::civil::DateTime;
use jiff::tz::Offset;
use racegate_model::ids::{ConversationId, RecordingId};
use racegate_model::time::Timestamp;

/// Wall-clock time of the run's start, by which the model's instants become dates.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RunEpoch {
    unix_millis: i64,
}

/// A wall-clock instant, exact to the millisecond, as the platform's documents have it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct WallTime {
    unix_millis: i64,
}

/// The last millisecond of the year 9999, beyond which dates have more digits.
const LATEST: i64 = 253_402_300_799_999;

impl RunEpoch {
    /// A run that started so many milliseconds after 1970 (UTC).
    #[must_use]
    pub const fn from_unix_millis(unix_millis: i64) -> Self {
        Self { unix_millis }
    }

    /// A run that starts now.
    #[must_use]
    pub fn now() -> Self {
        Self::from_unix_millis(jiff::Timestamp::now().as_millisecond())
    }

    /// The wall-clock instant of `at`, rounded down to milliseconds.
    #[must_use]
    pub fn wall_time(self, at: Timestamp) -> WallTime {
        let since = i64::try_from(at.as_nanos() / 1_000_000).unwrap_or(i64::MAX);
        WallTime::from_unix_millis(self.unix_millis.saturating_add(since))
    }
}

impl WallTime {
    /// The instant so many milliseconds after 1970 (UTC); what lies outside the years 1970 to
    /// 9999 is moved to their bounds.
    #[must_use]
    pub fn from_unix_millis(unix_millis: i64) -> Self {
        Self {
            unix_millis: unix_millis.clamp(0, LATEST),
        }
    }

    /// Milliseconds after 1970 (UTC).
    #[must_use]
    pub const fn unix_millis(self) -> i64 {
        self.unix_millis
    }

    pub(super) fn civil(self) -> DateTime {
        let instant = jiff::Timestamp::from_millisecond(self.unix_millis);
        Offset::UTC.to_datetime(instant.expect("a wall time lies in the years 1970 to 9999"))
    }
}

/// ISO 8601 as the real sidecars have it: `2023-08-29T23:19:04.873+0000`.
impl fmt::Display for WallTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let civil = self.civil();
        let (date, time) = (civil.date(), civil.time());
        write!(
            f,
            "{:04}-{:02}-{:02}",
            date.year(),
            date.month(),
            date.day()
        )?;
        write!(
            f,
            "T{:02}:{:02}:{:02}",
            time.hour(),
            time.minute(),
            time.second()
        )?;
        write!(f, ".{:03}+0000", time.millisecond())
    }
}

/// The key of a recording's audio. `started_at` is the start of the conversation.
#[must_use]
pub fn media_key(
    organization: &str,
    started_at: WallTime,
    conversation: ConversationId,
    recording: RecordingId,
) -> String {
    let at = started_at.civil();
    let (year, month, day, hour) = (at.year(), at.month(), at.day(), at.hour());
    let folder = format!("{organization}/year={year}/month={month}/day={day}/hour={hour}");
    format!("{folder}/conversation_id={conversation}/{recording}.opus")
}

/// The key of the sidecar of the audio under `media_key`.
#[must_use]
pub fn sidecar_key(media_key: &str) -> String {
    format!("{media_key}_metadata.json")
}

/// The key of a job's manifest: an extension, since the real integration writes none.
#[must_use]
pub fn manifest_key(organization: &str, job: &str) -> String {
    format!("{organization}/jobs/{job}/manifest.json")
}

#[cfg(test)]
mod tests {
    use racegate_model::draws::Seed;
    use racegate_model::ids::RecordingIndex;

    use super::*;

    #[test]
    fn instants_are_written_as_the_platform_does() {
        let epoch = RunEpoch::from_unix_millis(1_693_351_144_000);
        let at = epoch.wall_time(Timestamp::from_nanos(873_999_999));
        assert_eq!(at.to_string(), "2023-08-29T23:19:04.873+0000");
        let never = epoch.wall_time(Timestamp::NEVER);
        assert_eq!(never.to_string(), "2608-03-19T22:53:37.709+0000");
    }

    #[test]
    fn keys_are_those_of_the_bulk_action_integration() {
        let index = RecordingIndex(7);
        let conversation = ConversationId::of(Seed(1), index);
        let recording = RecordingId::of(Seed(1), index);
        let started_at = WallTime::from_unix_millis(1_772_874_000_000);
        let media = media_key("org-1", started_at, conversation, recording);
        let folder = format!("org-1/year=2026/month=3/day=7/hour=9/conversation_id={conversation}");
        assert_eq!(media, format!("{folder}/{recording}.opus"));
        assert_eq!(
            sidecar_key(&media),
            format!("{folder}/{recording}.opus_metadata.json")
        );
        assert_eq!(manifest_key("org-1", "j"), "org-1/jobs/j/manifest.json");
    }
}
