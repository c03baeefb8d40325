//! Numbers as people read them: `64.1 %`, `[60.9, 67.2]`, `2.93 s`, `1,945`.

use racegate_model::stats::Interval;

/// Below this a share counts as nothing: what is left of rounding.
const NOTHING: f64 = 1e-9;

/// `1945` as `1,945`.
pub(super) fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 recording`, `2 recordings`.
pub(super) fn counted(value: u64, noun: &str) -> String {
    format!(
        "{} {noun}{}",
        count(value),
        if value == 1 { "" } else { "s" }
    )
}

/// A share in per cent without the sign: one decimal, more only very near 0 and 100.
pub(super) fn percent_number(share: f64) -> String {
    if !share.is_finite() {
        return "–".to_owned();
    }
    let percent = share * 100.0;
    let edge = (100.0 - percent).abs().min(percent.abs());
    if edge < NOTHING * 100.0 {
        return format!("{percent:.0}").replace("-0", "0");
    }
    let decimals = if edge < 0.0095 {
        4
    } else if edge < 0.095 {
        2
    } else {
        1
    };
    format!("{percent:.decimals$}")
}

/// `64.1 %`.
pub(super) fn percent(share: f64) -> String {
    format!("{} %", percent_number(share))
}

/// `[60.9, 67.2]`: an interval of shares, in per cent.
pub(super) fn percent_interval(interval: Interval) -> String {
    format!(
        "[{}, {}]",
        percent_number(interval.low),
        percent_number(interval.high)
    )
}

/// A plain number with about three significant digits.
pub(super) fn number(value: f64) -> String {
    if !value.is_finite() {
        return "–".to_owned();
    }
    let size = value.abs();
    if size >= 1e15 {
        return format!("{value:.1e}");
    }
    if size >= 1000.0 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "rounded"
        )]
        let whole = count(size.round() as u64);
        return if value < 0.0 {
            format!("-{whole}")
        } else {
            whole
        };
    }
    let decimals = if size >= 100.0 {
        0
    } else if size >= 10.0 {
        1
    } else if !(NOTHING..0.1).contains(&size) {
        2
    } else {
        4
    };
    let text = format!("{value:.decimals$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// A length of time: `0 s`, `120 ms`, `2.93 s`, `1 min 45 s`, `1 h 02 min`.
pub(super) fn seconds(value: f64) -> String {
    if !value.is_finite() {
        return "–".to_owned();
    }
    let size = value.abs();
    if size < 1e-6 {
        "0 s".to_owned()
    } else if size < 0.001 {
        format!("{:.2} ms", value * 1e3)
    } else if size < 0.9995 {
        format!("{:.0} ms", value * 1e3)
    } else if size < 99.95 {
        format!("{} s", three_digits(value))
    } else if size < 3599.5 {
        let whole = value.round();
        format!("{:.0} min {:02.0} s", (whole / 60.0).floor(), whole % 60.0)
    } else {
        let minutes = (value / 60.0).round();
        format!(
            "{} h {:02.0} min",
            number((minutes / 60.0).floor()),
            minutes % 60.0
        )
    }
}

/// An instant of a run's clock: `20 s`, and as [`seconds`] after some minutes.
pub(super) fn moment(value: f64) -> String {
    if (0.0..600.0).contains(&value) {
        format!("{} s", number(value))
    } else {
        seconds(value)
    }
}

/// A unit of time: how many of it make a second, and its name.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Unit {
    per_second: f64,
    /// `ms`, `s`, `min` or `h`.
    pub(super) name: &'static str,
}

/// The unit in which the longest of several times is best said.
pub(super) fn unit(longest_s: f64) -> Unit {
    let (per_second, name) = if longest_s < 0.9995 {
        (1e3, "ms")
    } else if longest_s < 600.0 {
        (1.0, "s")
    } else if longest_s < 36_000.0 {
        (1.0 / 60.0, "min")
    } else {
        (1.0 / 3600.0, "h")
    };
    Unit { per_second, name }
}

/// Times without their unit: `2.93/4.04/4.12`.
pub(super) fn times(values: &[f64], unit: Unit) -> String {
    let parts: Vec<String> = values
        .iter()
        .map(|value| three_digits(value * unit.per_second))
        .collect();
    parts.join("/")
}

/// A mean and its standard error in one unit: `8.10 s` and `± 0.31`.
pub(super) fn mean(mean_s: f64, error_s: f64) -> (String, String) {
    let unit = unit(mean_s);
    let text = |value: f64| three_digits(value * unit.per_second);
    (
        format!("{} {}", text(mean_s), unit.name),
        format!("± {}", text(error_s)),
    )
}

fn three_digits(value: f64) -> String {
    let size = value.abs();
    if !value.is_finite() {
        "–".to_owned()
    } else if size < 1e-9 {
        "0".to_owned()
    } else if size < 9.995 {
        format!("{value:.2}")
    } else if size < 99.95 {
        format!("{value:.1}")
    } else {
        format!("{value:.0}")
    }
}

/// What an expectation observed, in the unit that its metric's name tells.
pub(super) fn observed(expression: &str, interval: Interval) -> String {
    let metric = expression.split('{').next().unwrap_or_default();
    let Interval {
        estimate,
        low,
        high,
    } = interval;
    let exact = (high - low).abs() < NOTHING;
    if metric.contains("_rate") || metric.contains("_probability") {
        let value = percent(estimate);
        return if exact {
            value
        } else {
            format!("{value} {}", percent_interval(interval))
        };
    }
    let is_time = ["delay", "regret", "_lag", "wait_mean"]
        .iter()
        .any(|part| metric.contains(part));
    let unit = if is_time { " s" } else { "" };
    if exact {
        return format!("{}{unit}", number(estimate));
    }
    format!(
        "{}{unit} [{}, {}]",
        number(estimate),
        number(low),
        number(high)
    )
}

/// Bytes: `12.3 MB`.
pub(super) fn bytes(value: u64) -> String {
    let mut size = value as f64;
    for unit in ["B", "kB", "MB", "GB"] {
        if size < 999.5 {
            return format!("{} {unit}", number(size));
        }
        size /= 1000.0;
    }
    format!("{} TB", number(size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_lose_nothing_near_the_edges() {
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(count(12), "12");
        for (share, text) in [
            (0.641_2, "64.1"),
            (0.0, "0"),
            (1e-17, "0"),
            (1.0, "100"),
            (0.000_4, "0.04"),
            (0.999_97, "99.9970"),
            (f64::NAN, "–"),
        ] {
            assert_eq!(percent_number(share), text, "{share}");
        }
    }

    #[test]
    fn times_are_shown_in_the_unit_a_person_would_use() {
        for (value, text) in [
            (0.0, "0 s"),
            (0.000_25, "0.25 ms"),
            (0.12, "120 ms"),
            (2.93, "2.93 s"),
            (25.0, "25.0 s"),
            (105.0, "1 min 45 s"),
            (3720.0, "1 h 02 min"),
            (f64::INFINITY, "–"),
        ] {
            assert_eq!(seconds(value), text, "{value}");
        }
        assert_eq!(times(&[0.0, 4.04, 12.1], unit(12.1)), "0/4.04/12.1");
        assert_eq!(times(&[0.1, 0.2, 0.25], unit(0.25)), "100/200/250");
        assert_eq!(
            mean(0.028, 0.003_1),
            ("28.0 ms".to_owned(), "± 3.10".to_owned())
        );
    }

    #[test]
    fn an_observation_is_in_the_unit_of_its_metric() {
        let exact = Interval {
            estimate: 1945.0,
            low: 1945.0,
            high: 1945.0,
        };
        assert_eq!(observed("recordings > 1900", exact), "1,945");
        let doubt = Interval {
            estimate: 0.641,
            low: 0.609,
            high: 0.672,
        };
        assert_eq!(
            observed("incomplete_rate{gate=a} < 1%", doubt),
            "64.1 % [60.9, 67.2]"
        );
        assert_eq!(
            observed("added_delay_p95{gate=a} < 1s", doubt),
            "0.64 s [0.61, 0.67]"
        );
    }
}
