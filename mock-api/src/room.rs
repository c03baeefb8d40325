//! How much memory there is, and how much of it calls take: what cannot fit is refused beforehand.

use std::fs::read_to_string;
use std::path::Path;

use racegate_model::workload::Estimate;

/// Bytes of audio that a second of a call leaves: an Opus frame and its share of the Ogg page, 50
/// times.
pub const AUDIO_BYTES_PER_SECOND: f64 = 50.0 * 90.0;
/// Bytes that a recording takes besides its audio: its timeline, its index entry, its metadata.
pub const BYTES_PER_RECORDING: f64 = 1_500.0;
/// The share of the memory that is planned with; the rest is for what an estimate leaves out.
const PLANNED_SHARE: f64 = 0.8;

/// Memory that this process may still take, and what sets the bound.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Room {
    /// In bytes.
    pub bytes: u64,
    /// What sets the bound, in words that follow "because of".
    pub bound: &'static str,
}

/// Memory that is needed and is not there.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "{what} needs about {needed}, and this process may take {left} more because of {bound}; {way_out}",
    needed = bytes(*needed), left = bytes(room.bytes), bound = room.bound
)]
pub struct NoRoom {
    /// What needs the memory.
    pub what: String,
    /// Bytes that it needs.
    pub needed: u64,
    /// What is there.
    pub room: Room,
    /// What to do about it.
    pub way_out: &'static str,
}

impl Room {
    /// The room at this moment; none where the system does not tell.
    #[must_use]
    pub fn left() -> Option<Self> {
        let machine = read_to_string("/proc/meminfo").ok();
        let machine = machine.as_deref().and_then(available).map(|bytes| Self {
            bytes,
            bound: "the machine's memory",
        });
        [machine, control_group(), address_space()]
            .into_iter()
            .flatten()
            .min_by_key(|room| room.bytes)
    }

    /// Refuses what needs more address space than a limit leaves (`ulimit -v`): stacks and pools
    /// take far more of it than of memory.
    ///
    /// # Errors
    /// [`NoRoom`]
    pub fn ensure_address_space(needed: f64, what: &str) -> Result<(), NoRoom> {
        match address_space() {
            Some(room) if needed > room.bytes as f64 => Err(NoRoom {
                what: what.to_owned(),
                needed: whole(needed),
                room,
                way_out: "raise it (`ulimit -v unlimited`)",
            }),
            _ => Ok(()),
        }
    }

    /// Refuses what needs more than four fifths of the room.
    ///
    /// # Errors
    /// [`NoRoom`]
    pub fn ensure(needed: f64, what: &str, way_out: &'static str) -> Result<(), NoRoom> {
        match Self::left() {
            Some(room) if needed > room.bytes as f64 * PLANNED_SHARE => Err(NoRoom {
                what: what.to_owned(),
                needed: whole(needed),
                room,
                way_out,
            }),
            _ => Ok(()),
        }
    }
}

/// Bytes that the recordings of a workload take in the mock's memory.
#[must_use]
pub fn of_recordings(estimate: &Estimate) -> f64 {
    estimate.call_seconds * AUDIO_BYTES_PER_SECOND + estimate.calls * BYTES_PER_RECORDING
}

/// A number that counts something; casts saturate.
#[must_use]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cast saturates, and a count is not negative"
)]
pub const fn whole(number: f64) -> u64 {
    number as u64
}

/// A number of bytes in the unit that suits it.
#[must_use]
pub fn bytes(count: u64) -> String {
    const UNITS: [(u64, &str); 3] = [
        (1_000_000_000_000, "TB"),
        (1_000_000_000, "GB"),
        (1_000_000, "MB"),
    ];
    match UNITS.into_iter().find(|(unit, _)| count >= *unit) {
        Some((unit, name)) if count >= 100 * unit || name == "MB" => {
            format!("{} {name}", count.div_ceil(unit))
        }
        Some((unit, name)) => format!("{}.{} {name}", count / unit, count / (unit / 10) % 10),
        None => format!("{} kB", count.div_ceil(1000)),
    }
}

/// `MemAvailable` of `/proc/meminfo`.
fn available(text: &str) -> Option<u64> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    kibibytes(line)
}

fn kibibytes(text: &str) -> Option<u64> {
    let number: u64 = text.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    number.checked_mul(1024)
}

/// What the control group leaves, of version 2 or 1. Files that it caches can be dropped, so they
/// are no use of memory.
fn control_group() -> Option<Room> {
    let groups = read_to_string("/proc/self/cgroup").ok()?;
    let of_memory = |line: &str| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, path) = (parts.next()?, parts.next()?);
        let files = match controllers {
            "" => [
                "/sys/fs/cgroup",
                "memory.max",
                "memory.current",
                "inactive_file",
            ],
            "memory" => [
                "/sys/fs/cgroup/memory",
                "memory.limit_in_bytes",
                "memory.usage_in_bytes",
                "total_inactive_file",
            ],
            _ => return None,
        };
        // In a container the group's own folder is often mounted in place of the whole tree.
        [path, ""]
            .iter()
            .find_map(|path| left_in_group(path, files))
    };
    let bytes = groups.lines().filter_map(of_memory).min()?;
    Some(Room {
        bytes,
        bound: "its control group's memory limit",
    })
}

fn left_in_group(path: &str, [root, limit, usage, cached]: [&str; 4]) -> Option<u64> {
    let folder = Path::new(root).join(path.trim_start_matches('/'));
    let number =
        |file: &str| -> Option<u64> { read_to_string(folder.join(file)).ok()?.trim().parse().ok() };
    let (limit, usage) = (number(limit)?, number(usage)?);
    let statistics = read_to_string(folder.join("memory.stat")).unwrap_or_default();
    let cached = statistics.lines().find_map(|line| {
        let (name, value) = line.split_once(' ')?;
        (name == cached).then(|| value.parse().ok())?
    });
    Some(limit.saturating_sub(usage.saturating_sub(cached.unwrap_or(0))))
}

/// What `ulimit -v` leaves.
fn address_space() -> Option<Room> {
    let limits = read_to_string("/proc/self/limits").ok()?;
    let status = read_to_string("/proc/self/status").ok()?;
    Some(Room {
        bytes: left_of_address_space(&limits, &status)?,
        bound: "its address-space limit (`ulimit -v`)",
    })
}

fn left_of_address_space(limits: &str, status: &str) -> Option<u64> {
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max address space"))?;
    let limit: u64 = line.split_ascii_whitespace().next()?.parse().ok()?;
    let used = status.lines().find_map(|line| line.strip_prefix("VmSize:"));
    Some(limit.saturating_sub(used.and_then(kibibytes).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_as_the_system_writes_them() {
        let memory = "MemTotal:       24684084 kB\nMemAvailable:   19958804 kB\n";
        assert_eq!(available(memory), Some(19_958_804 * 1024));
        let limits = "Limit                     Soft Limit           Hard Limit           Units\n\
                      Max address space         1073741824           unlimited            bytes\n";
        let status = "Name:\tracegate\nVmSize:\t  524288 kB\n";
        assert_eq!(left_of_address_space(limits, status), Some(512 << 20));
        let unlimited = limits.replace("1073741824", "unlimited ");
        assert_eq!(left_of_address_space(&unlimited, status), None);
    }

    #[test]
    fn what_cannot_fit_is_refused_with_the_numbers_and_a_way_out() {
        if Room::left().is_none() {
            return;
        }
        assert_eq!(Room::ensure(1e6, "a small run", "lower the rates"), Ok(()));
        let error = Room::ensure(5e15, "this run", "lower the rates").unwrap_err();
        let text = error.to_string();
        assert!(
            text.starts_with("this run needs about 5000 TB, and this process"),
            "{text}"
        );
        assert!(text.ends_with("; lower the rates"), "{text}");
    }

    #[test]
    fn bytes_are_shown_in_the_unit_that_suits_them() {
        for (count, text) in [
            (1, "1 kB"),
            (2_500_000, "3 MB"),
            (1_250_000_000, "1.2 GB"),
            (240_000_000_001, "241 GB"),
            (3_000_000_000_000, "3.0 TB"),
        ] {
            assert_eq!(bytes(count), text);
        }
    }
}
