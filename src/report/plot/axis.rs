//! Scales and human ticks: from values to places on the page.

use super::super::human;

/// From values to places, linear or logarithmic.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    from: f64,
    to: f64,
    start: f64,
    end: f64,
    logarithmic: bool,
}

impl Scale {
    /// Values `from..to` on places `start..end`.
    pub(super) fn linear((from, to): (f64, f64), (start, end): (f64, f64)) -> Self {
        let (from, to) = (finite(from), finite(to));
        let to = if to > from { to } else { from + 1.0 };
        Self {
            from,
            to,
            start,
            end,
            logarithmic: false,
        }
    }

    /// The same in decades; `from` must be above zero.
    pub(super) fn logarithmic((from, to): (f64, f64), (start, end): (f64, f64)) -> Self {
        let from = finite(from).max(1e-9);
        let to = finite(to).max(from * 10.0);
        Self {
            from,
            to,
            start,
            end,
            logarithmic: true,
        }
    }

    /// The place of a value; values beyond the ends are put at the ends.
    pub(super) fn at(&self, value: f64) -> f64 {
        let value = if value.is_nan() {
            self.from
        } else {
            value.clamp(self.from, self.to)
        };
        let share = if self.logarithmic {
            (value / self.from).ln() / (self.to / self.from).ln()
        } else {
            (value - self.from) / (self.to - self.from)
        };
        self.start + share * (self.end - self.start)
    }

    /// The lowest and the highest value.
    pub(super) const fn ends(&self) -> (f64, f64) {
        (self.from, self.to)
    }
}

/// The value, or zero if it is none; at most a billion years in seconds.
pub(super) fn finite(value: f64) -> f64 {
    if value.is_finite() {
        value.clamp(-3e16, 3e16)
    } else {
        0.0
    }
}

/// Round numbers (1, 2, 5 times a power of ten) from 0 to at least `max`, about `wanted` of them.
pub(super) fn round_ticks(max: f64, wanted: u32) -> Vec<f64> {
    let max = finite(max).max(1e-6);
    let rough = max / f64::from(wanted.max(1));
    let decade = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|factor| factor * decade)
        .find(|step| *step >= rough * 0.999)
        .unwrap_or(rough);
    multiples(step, max)
}

/// Round times from 0 to at least `max` seconds, about `wanted` of them.
pub(super) fn time_ticks(max: f64, wanted: u32) -> Vec<f64> {
    let max = finite(max).max(1e-6);
    let rough = max / f64::from(wanted.max(1));
    if rough <= 1.0 {
        return round_ticks(max, wanted);
    }
    let days = 86_400.0;
    let step = HUMAN_STEPS
        .into_iter()
        .find(|step| *step >= rough * 0.999)
        .unwrap_or_else(|| days * round_ticks(rough / days, 1).last().copied().unwrap_or(1.0));
    multiples(step, max)
}

const HUMAN_STEPS: [f64; 16] = [
    1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1_200.0, 1_800.0, 3_600.0, 7_200.0,
    21_600.0, 86_400.0,
];

fn multiples(step: f64, max: f64) -> Vec<f64> {
    let mut ticks = vec![0.0];
    for factor in 1_u32..=40 {
        if ticks.last().is_some_and(|last| *last >= max * 0.999) {
            break;
        }
        ticks.push(step * f64::from(factor));
    }
    ticks
}

/// Ticks of a logarithmic time axis within `from..to`: decades, with what people say instead of
/// 100 s or 1,000 s, and steps between if there are few.
pub(super) fn log_time_ticks((from, to): (f64, f64)) -> Vec<f64> {
    const COARSE: [f64; 14] = [
        1e-6, 1e-5, 1e-4, 0.001, 0.01, 0.1, 1.0, 10.0, 60.0, 600.0, 3_600.0, 36_000.0, 86_400.0,
        864_000.0,
    ];
    const FINE: [f64; 26] = [
        0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0,
        60.0, 120.0, 300.0, 600.0, 1_800.0, 3_600.0, 7_200.0, 21_600.0, 43_200.0, 86_400.0,
        864_000.0,
    ];
    let within = |ticks: &[f64]| -> Vec<f64> {
        ticks
            .iter()
            .copied()
            .filter(|t| *t >= from * 0.999 && *t <= to * 1.001)
            .collect()
    };
    let fine = within(&FINE);
    if fine.len() <= 12 {
        fine
    } else {
        within(&COARSE)
    }
}

/// A number that is short whatever it is: `80`, `20 k`, `1e16`.
pub(super) fn compact(value: f64) -> String {
    if value >= 1e12 {
        return format!("{value:.0e}");
    }
    let units = [(1e9, " G"), (1e6, " M"), (1e4, " k")];
    match units.into_iter().find(|(size, _)| value >= *size) {
        Some((_, " k")) => format!("{} k", human::number(value / 1e3)),
        Some((size, unit)) => format!("{}{unit}", human::number(value / size)),
        None => human::number(value),
    }
}

/// `100 ms`, `1 s`, `1 min`: the shortest way to say a tick.
pub(super) fn time_label(value: f64) -> String {
    let (size, unit) = if value <= 0.0 {
        return "0".to_owned();
    } else if value < 0.001 {
        (1e-6, "µs")
    } else if value < 1.0 {
        (0.001, "ms")
    } else if value < 60.0 {
        (1.0, "s")
    } else if value < 3_600.0 {
        (60.0, "min")
    } else if value < 86_400.0 {
        (3_600.0, "h")
    } else {
        (86_400.0, "d")
    };
    format!("{} {unit}", compact(value / size))
}

/// Labels of a linear time axis: seconds while they are short, else minutes and seconds.
pub(super) fn clock_label(value: f64, max: f64) -> String {
    if max <= 180.0 || value < 0.5 {
        return format!("{} s", human::number(value));
    }
    if max < 10_800.0 {
        return format!("{:.0}:{:02.0} min", (value / 60.0).floor(), value % 60.0);
    }
    format!("{} h", compact(value / 3_600.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_reach_the_largest_value() {
        assert_eq!(round_ticks(83.0, 4), [0.0, 50.0, 100.0]);
        assert_eq!(round_ticks(1.0, 4), [0.0, 0.5, 1.0]);
        assert_eq!(time_ticks(25.3, 3), [0.0, 10.0, 20.0, 30.0]);
        assert_eq!(
            time_ticks(110.0, 8),
            [0.0, 20.0, 40.0, 60.0, 80.0, 100.0, 120.0]
        );
    }

    #[test]
    fn a_long_log_axis_says_minutes_and_hours() {
        let labels: Vec<String> = log_time_ticks((0.1, 3_600.0))
            .into_iter()
            .map(time_label)
            .collect();
        assert_eq!(labels, ["100 ms", "1 s", "10 s", "1 min", "10 min", "1 h"]);
    }

    #[test]
    fn odd_values_stay_on_the_page() {
        let scale = Scale::logarithmic((0.1, f64::INFINITY), (0.0, 100.0));
        for value in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e300] {
            assert!((0.0..=100.0).contains(&scale.at(value)), "{value}");
        }
        assert!(!round_ticks(f64::NAN, 4).is_empty());
        assert!(time_ticks(f64::INFINITY, 4).len() > 1);
    }
}
