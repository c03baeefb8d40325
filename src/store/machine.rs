//! The machine that a run ran on, as far as it explains the numbers.

/// What kind of machine; nothing that names it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Machine {
    /// Operating system.
    pub os: String,
    /// Instruction set.
    pub arch: String,
    /// Model of the processor, where the system tells.
    pub cpu: String,
    /// Cores that the process may use.
    pub cores: u64,
    /// Memory in bytes, where the system tells; else zero.
    pub memory_bytes: u64,
}

impl Machine {
    /// This machine.
    #[must_use]
    pub fn here() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let cpu = first_value("/proc/cpuinfo", "model name");
        let memory = first_value("/proc/meminfo", "MemTotal");
        let kibibytes = memory
            .as_deref()
            .and_then(|text| text.split(' ').next()?.parse().ok());
        Self {
            os: std::env::consts::OS.to_owned(),
            arch: std::env::consts::ARCH.to_owned(),
            cpu: cpu.unwrap_or_else(|| "unknown".to_owned()),
            cores: cores as u64,
            memory_bytes: kibibytes.unwrap_or(0_u64).saturating_mul(1024),
        }
    }
}

/// The first value of `key` in a file of `key: value` lines, such as Linux has under `/proc`.
fn first_value(path: &str, key: &str) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    let mut lines = text.lines().filter_map(|line| line.split_once(':'));
    lines
        .find(|(name, _)| name.trim() == key)
        .map(|(_, value)| value.trim().to_owned())
}
