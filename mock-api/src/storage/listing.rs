//! Pages of a bucket's keys, as S3 lists them: by prefix, rolled up at a delimiter.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use super::object::Object;

/// Keys a page holds at most, as in S3.
pub const PAGE_MAX: usize = 1000;

/// What to list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ListQuery<'a> {
    /// Keys that begin with this.
    pub prefix: &'a str,
    /// Keys that share what comes before this, behind the prefix, are shown as one.
    pub delimiter: Option<&'a str>,
    /// Only what comes after this key, or after this common prefix.
    pub after: Option<&'a str>,
    /// Keys and common prefixes at most; never more than [`PAGE_MAX`].
    pub max: usize,
}

impl<'a> ListQuery<'a> {
    /// The first page of all keys that begin with `prefix`.
    #[must_use]
    pub const fn of_prefix(prefix: &'a str) -> Self {
        Self {
            prefix,
            delimiter: None,
            after: None,
            max: PAGE_MAX,
        }
    }
}

/// A page of keys.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// Keys and their objects, in order.
    pub objects: Vec<(Arc<str>, Object)>,
    /// What keys with the delimiter have in common, in order.
    pub common_prefixes: Vec<String>,
    /// Where the next page begins, as its query's `after`; none on the last page.
    pub next_after: Option<String>,
}

pub(super) fn page(objects: &BTreeMap<Arc<str>, Object>, query: &ListQuery<'_>) -> Page {
    let mut page = Page::default();
    let max = query.max.min(PAGE_MAX);
    let mut last: Option<String> = None;
    let Some(start) = start(query) else {
        return page;
    };
    let mut range = objects.range::<str, _>(borrowed(&start));
    while let Some((key, object)) = range.next() {
        if !key.starts_with(query.prefix) {
            break;
        }
        if page.objects.len() + page.common_prefixes.len() == max {
            page.next_after = last;
            break;
        }
        let Some(common) = rolled_up(key, query) else {
            page.objects.push((Arc::clone(key), object.clone()));
            last = Some(String::from(&**key));
            continue;
        };
        page.common_prefixes.push(common.to_owned());
        last = Some(common.to_owned());
        // Skipped by a search, not key by key: there may be millions behind a common prefix.
        let Some(next) = after_prefix(common) else {
            break;
        };
        range = objects.range::<str, _>((Bound::Included(&*next), Bound::Unbounded));
    }
    page
}

/// Where the page begins; none if nothing can come.
fn start(query: &ListQuery<'_>) -> Option<Bound<String>> {
    match query.after.filter(|after| *after >= query.prefix) {
        None => Some(Bound::Included(query.prefix.to_owned())),
        Some(after) if rolled_up(after, query) == Some(after) => {
            after_prefix(after).map(Bound::Included)
        }
        Some(after) => Some(Bound::Excluded(after.to_owned())),
    }
}

fn borrowed(start: &Bound<String>) -> (Bound<&str>, Bound<&str>) {
    (start.as_ref().map(String::as_str), Bound::Unbounded)
}

/// The common prefix that stands for `key`, if one does.
fn rolled_up<'k>(key: &'k str, query: &ListQuery<'_>) -> Option<&'k str> {
    let delimiter = query.delimiter.filter(|delimiter| !delimiter.is_empty())?;
    let rest = key.strip_prefix(query.prefix)?;
    let at = rest.find(delimiter)?;
    key.get(..query.prefix.len() + at + delimiter.len())
}

/// The first string after all that begin with `prefix`.
fn after_prefix(prefix: &str) -> Option<String> {
    let mut next = prefix.to_owned();
    while let Some(last) = next.pop() {
        // The step over the surrogates keeps the order of UTF-8.
        let code = if last == '\u{D7FF}' {
            0xE000
        } else {
            u32::from(last) + 1
        };
        if let Some(char) = char::from_u32(code) {
            next.push(char);
            return Some(next);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::{Attributes, Store};
    use super::*;

    fn store(keys: &[&str]) -> Store {
        let store = Store::default();
        store.create_bucket("org").unwrap();
        for key in keys {
            store.put("org", key, "x".into(), Attributes::JSON).unwrap();
        }
        store
    }

    fn walk(store: &Store, query: ListQuery<'_>) -> (Vec<String>, usize) {
        let (mut seen, mut pages, mut after) = (Vec::new(), 0, None::<String>);
        loop {
            let query = ListQuery {
                after: after.as_deref().or(query.after),
                ..query
            };
            let page = store.list("org", &query).unwrap();
            seen.extend(page.objects.iter().map(|(key, _)| key.to_string()));
            seen.extend(page.common_prefixes);
            pages += 1;
            after = page.next_after;
            if after.is_none() {
                seen.sort();
                return (seen, pages);
            }
        }
    }

    #[test]
    fn pages_join_to_the_whole() {
        let keys: Vec<String> = (0..25).map(|n| format!("a/{n:02}")).collect();
        let mut all: Vec<&str> = keys.iter().map(String::as_str).collect();
        all.extend(["b", "a"]);
        let store = store(&all);
        for max in [1, 7, 25, 26, 1000] {
            let query = ListQuery {
                max,
                ..ListQuery::of_prefix("a/")
            };
            let (seen, pages) = walk(&store, query);
            assert_eq!(seen, keys);
            assert_eq!(pages, keys.len().div_ceil(max));
        }
    }

    #[test]
    fn common_prefixes_stand_for_their_keys_once() {
        let store = store(&[
            "x/a/1",
            "x/a/2",
            "x/b",
            "x/c/1",
            "x/c/2",
            "x/\u{10FFFF}/1",
            "y/1",
        ]);
        for max in 1..6 {
            let query = ListQuery {
                delimiter: Some("/"),
                max,
                ..ListQuery::of_prefix("x/")
            };
            let expected = ["x/a/", "x/b", "x/c/", "x/\u{10FFFF}/"];
            assert_eq!(walk(&store, query).0, expected, "{max} at a time");
        }
        let query = ListQuery {
            delimiter: Some("/"),
            ..ListQuery::of_prefix("")
        };
        assert_eq!(walk(&store, query).0, ["x/", "y/"]);
    }

    #[test]
    fn a_start_between_keys_and_an_empty_page_are_no_problem() {
        let store = store(&["k1", "k3"]);
        let query = ListQuery {
            after: Some("k2"),
            ..ListQuery::of_prefix("k")
        };
        assert_eq!(walk(&store, query).0, ["k3"]);
        let query = ListQuery {
            after: Some("a"),
            ..ListQuery::of_prefix("k")
        };
        assert_eq!(walk(&store, query).0, ["k1", "k3"]);
        let page = store
            .list(
                "org",
                &ListQuery {
                    max: 0,
                    ..ListQuery::of_prefix("")
                },
            )
            .unwrap();
        assert!(page.objects.is_empty() && page.next_after.is_none());
        assert!(store.list("other", &ListQuery::of_prefix("")).is_none());
    }
}
