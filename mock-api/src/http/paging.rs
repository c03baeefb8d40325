//! Listings: which part of a list was asked for, and how it is shown.

use super::error::ApiError;
use super::params::{Params, invalid};
use super::wire::paging::{Listing, Page};

/// The part of a list that was asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Paging {
    size: usize,
    offset: usize,
    style: Style,
}

/// A part of a list, and where the next one begins if there is one.
#[derive(Debug)]
pub(super) struct Part<T> {
    pub(super) entities: Vec<T>,
    pub(super) next: Option<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Style {
    Page,
    Cursor,
}

const SIZE_DEFAULT: usize = 25;
/// The API's whole numbers have 32 bits.
pub(super) const NUMBER_MAX: u64 = 2_147_483_647;

/// How many entities a page may have.
#[derive(Clone, Copy, Debug)]
pub(super) struct PageSize(u64);

impl PageSize {
    /// Most listings.
    pub(super) const USUAL: Self = Self(100);
    /// Retention records.
    pub(super) const RETENTION: Self = Self(500);
    /// Results of an analytics job.
    pub(super) const RESULTS: Self = Self(1000);
}

impl Paging {
    /// What `params` ask for; a page has at most `max` entities.
    pub(super) fn of(params: &Params, max: PageSize) -> Result<Self, ApiError> {
        let size = params
            .number("pageSize", 1..=max.0)?
            .map_or(SIZE_DEFAULT, to_usize);
        let cursor = params.text("cursor")?;
        let style = match (params.flag("includeTotal")?, cursor) {
            (Some(false), _) | (_, Some(_)) => Style::Cursor,
            (None | Some(true), None) => Style::Page,
        };
        let page = params.number("pageNumber", 1..=NUMBER_MAX)?;
        let offset = match style {
            Style::Cursor => offset_of(cursor)?,
            Style::Page => to_usize(page.unwrap_or(1) - 1).saturating_mul(size),
        };
        Ok(Self {
            size,
            offset,
            style,
        })
    }

    /// Likewise, of a listing that has cursors only.
    pub(super) fn by_cursor(params: &Params, max: PageSize) -> Result<Self, ApiError> {
        Ok(Self {
            style: Style::Cursor,
            offset: offset_of(params.text("cursor")?)?,
            ..Self::of(params, max)?
        })
    }

    pub(super) const fn size(self) -> usize {
        self.size
    }

    pub(super) const fn offset(self) -> usize {
        self.offset
    }

    /// What was asked for of `all`, shown by `show`.
    pub(super) fn part<'a, T, U>(
        self,
        all: &'a [T],
        show: impl FnMut(&'a T) -> Option<U>,
    ) -> Part<U> {
        let rest = all.get(self.offset..).unwrap_or_default();
        let next = self.offset.saturating_add(self.size);
        Part {
            entities: rest.iter().take(self.size).filter_map(show).collect(),
            next: (next < all.len()).then_some(next),
        }
    }

    /// Likewise, as a listing; `base` is [`Params::address_of`] it.
    pub(super) fn listing<'a, T, U>(
        self,
        base: &str,
        all: &'a [T],
        show: impl FnMut(&'a T) -> Option<U>,
    ) -> Listing<U> {
        let Part { entities, next } = self.part(all, show);
        match self.style {
            Style::Cursor => {
                let cursor = next.map(cursor_of);
                let next_uri = cursor.as_ref().map(|cursor| {
                    format!(
                        "{base}pageSize={}&includeTotal=false&cursor={cursor}",
                        self.size
                    )
                });
                let self_uri = format!("{base}pageSize={}&includeTotal=false", self.size);
                Listing {
                    entities,
                    page: Page::default(),
                    cursor,
                    self_uri,
                    next_uri,
                    previous_uri: None,
                }
            }
            Style::Page => {
                let number = self.offset / self.size + 1;
                let count = all.len().div_ceil(self.size);
                let uri = |page| format!("{base}pageSize={}&pageNumber={page}", self.size);
                Listing {
                    entities,
                    page: Page {
                        page_size: Some(self.size),
                        page_number: Some(number),
                        total: Some(all.len()),
                        page_count: Some(count),
                        first_uri: Some(uri(1)),
                        last_uri: Some(uri(count.max(1))),
                    },
                    cursor: None,
                    self_uri: uri(number),
                    next_uri: next.map(|_| uri(number + 1)),
                    previous_uri: (number > 1).then(|| uri(number - 1)),
                }
            }
        }
    }
}

/// A cursor is a `c` and the number of entities that came before.
pub(super) fn cursor_of(offset: usize) -> String {
    format!("c{offset}")
}

fn offset_of(cursor: Option<&str>) -> Result<usize, ApiError> {
    let Some(cursor) = cursor.filter(|cursor| !cursor.is_empty()) else {
        return Ok(0);
    };
    let digits = cursor.strip_prefix('c').filter(|digits| {
        (1..=15).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_digit())
    });
    digits
        .and_then(|digits| digits.parse().ok())
        .ok_or_else(|| invalid("cursor", Some(cursor), "cursors of this listing"))
}

fn to_usize(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(style: &str) -> Vec<u32> {
        let all: Vec<u32> = (0..7).collect();
        let mut query = format!("state=A%26B&pageSize=3&includeTotal={style}&expand=a&expand=b");
        let mut seen = Vec::new();
        loop {
            let params = Params::parse(&query).unwrap();
            let paging = Paging::of(&params, PageSize::USUAL).unwrap();
            let listing = paging.listing(&params.address_of("/x"), &all, |n| Some(*n));
            assert_eq!(params.text("state").unwrap(), Some("A&B"), "{query}");
            assert_eq!(params.all("expand"), ["a", "b"], "{query}");
            assert!(listing.self_uri.contains("state=A%26B"));
            seen.extend(&listing.entities);
            let Some(next) = listing.next_uri else {
                return seen;
            };
            query = next.strip_prefix("/x?").unwrap().to_owned();
        }
    }

    #[test]
    fn pages_and_cursors_show_everything_once() {
        assert_eq!(walk("true"), (0..7).collect::<Vec<u32>>());
        assert_eq!(walk("false"), (0..7).collect::<Vec<u32>>());
    }

    #[test]
    fn nonsense_is_refused_and_too_far_is_empty() {
        for query in [
            "pageSize=0",
            "pageSize=101",
            "pageSize=x",
            "pageSize=-1",
            "pageNumber=0",
            "pageNumber=2147483648",
            "cursor=zz",
            "cursor=c",
            "cursor=c-1",
            "cursor=c9999999999999999",
            "includeTotal=maybe",
        ] {
            let params = Params::parse(query).unwrap();
            assert!(Paging::of(&params, PageSize::USUAL).is_err(), "{query}");
        }
        let far = Params::parse("pageNumber=2147483647").unwrap();
        let listing = Paging::of(&far, PageSize::USUAL)
            .unwrap()
            .listing("/x?", &[1, 2], |n| Some(*n));
        assert!(listing.entities.is_empty());
    }
}
