//! What a fuzz target does under `cargo test`: it takes its corpus, and the same bytes damaged, the same way every time. A fuzzer
//! (`cargo bolero test NAME`) goes on from there for as long as it is let.

use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

/// Names a number of milliseconds: each target goes on with damaged bytes for so long, and says how many it has taken.
const LONGER: &str = "RACEGATE_FUZZ_MS";

/// Hands every file of a corpus to `target`, and each of them `rounds` times damaged.
///
/// # Panics
/// When there is no corpus: a target without one would show nothing.
pub(crate) fn replay(corpus: &Path, rounds: u64, target: impl Fn(&[u8])) {
    let files = std::fs::read_dir(corpus).expect("a target has a corpus");
    let mut seeds: Vec<_> = files
        .map(|file| std::fs::read(file.expect("it can be listed").path()).expect("it can be read"))
        .collect();
    seeds.sort();
    assert!(!seeds.is_empty(), "{} is empty", corpus.display());
    for (nth, seed) in seeds.iter().enumerate() {
        target(seed);
        let mut chance = Chance(nth as u64 + 1);
        for _ in 0..rounds {
            target(&damage(seed, &mut chance));
        }
    }
    let longer = std::env::var(LONGER).ok();
    if let Some(longer) = longer.and_then(|text| text.parse().ok()) {
        go_on(corpus, &seeds, Duration::from_millis(longer), target);
    }
}

/// Damage upon damage, and pieces of one file in another, for a time.
fn go_on(corpus: &Path, seeds: &[Vec<u8>], time: Duration, target: impl Fn(&[u8])) {
    let began = Instant::now();
    let mut chance = Chance(0x5eed);
    let mut taken = 0_u64;
    while began.elapsed() < time {
        let mut bytes = seeds[chance.below(seeds.len())].clone();
        if chance.below(4) == 0 {
            let other = &seeds[chance.below(seeds.len())];
            let cut = chance.below(bytes.len().max(1));
            bytes.truncate(cut);
            bytes.extend_from_slice(&other[chance.below(other.len().max(1))..]);
        }
        for _ in 0..=chance.below(4) {
            bytes = damage(&bytes, &mut chance);
        }
        target(&bytes);
        taken += 1;
    }
    let said = format!("{}: {taken} more inputs\n", corpus.display());
    // Whoever asked for more may not want to know how much.
    drop(std::io::stderr().write_all(said.as_bytes()));
}

/// Some bytes overwritten, and now and then a piece cut out, doubled, or cut off.
fn damage(seed: &[u8], chance: &mut Chance) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..chance.below(4) {
        let at = chance.below(bytes.len().max(1));
        let value = match chance.below(4) {
            0 => 0,
            1 => 0xff,
            _ => u8::try_from(chance.below(256)).unwrap_or(0),
        };
        if let Some(byte) = bytes.get_mut(at) {
            *byte = value;
        }
    }
    let from = chance.below(bytes.len().max(1));
    let to = (from + chance.below(40)).min(bytes.len());
    match chance.below(6) {
        0 => drop(bytes.drain(from..to)),
        1 => {
            let piece = bytes[from..to].to_vec();
            bytes.splice(from..from, piece);
        }
        2 => bytes.truncate(from),
        _ => {}
    }
    bytes
}

/// Numbers that look random and are the same every time.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap_or(0) % bound
    }
}
