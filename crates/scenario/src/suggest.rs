//! "Did you mean": the nearest of the names that would have been right.

/// Longer names are not compared: nobody mistypes them, and the comparison is quadratic.
const LENGTH_MAX: usize = 64;

/// The candidate nearest to `name`, if it is near enough to be a slip of the finger.
pub(crate) fn nearest<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    if name.len() > LENGTH_MAX {
        return None;
    }
    let plain = |text: &str| text.to_ascii_lowercase().replace(['_', ' '], "-");
    let wanted = plain(name);
    candidates
        .into_iter()
        .filter(|candidate| candidate.len() <= LENGTH_MAX)
        .map(|candidate| {
            (
                strsim::damerau_levenshtein(&wanted, &plain(candidate)),
                candidate,
            )
        })
        .filter(|(distance, candidate)| *distance <= candidate.len().max(name.len()) / 3)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// `help` text for a wrong name: the nearest one, or all there are.
pub(crate) fn help_for(name: &str, candidates: &[&str], what: &str) -> String {
    match nearest(name, candidates.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if candidates.is_empty() => format!("there is no {what}"),
        None => format!("{what}: {}", list(candidates)),
    }
}

/// `a`, `b`, `c`; cut off where it gets long.
pub(crate) fn list(names: &[&str]) -> String {
    const SHOWN: usize = 24;
    let mut quoted: Vec<String> = names
        .iter()
        .take(SHOWN)
        .map(|name| format!("`{name}`"))
        .collect();
    if names.len() > SHOWN {
        quoted.push(format!("and {} more", names.len() - SHOWN));
    }
    quoted.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_recognised_and_strangers_are_not() {
        assert_eq!(nearest("worker", ["workers", "service"]), Some("workers"));
        assert_eq!(
            nearest("max-attempts", ["max_attempts", "cap"]),
            Some("max_attempts")
        );
        assert_eq!(nearest("colour", ["workers", "service"]), None);
    }
}
