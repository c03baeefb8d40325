//! Listings: which part of a list was asked for, and how it is shown.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::error::ApiError;
use super::wire::paging::{Listing, Page, PagingParams};

/// The part of a list that was asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Paging {
    size: usize,
    offset: usize,
    style: Style,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Style {
    Page,
    Cursor,
}

const SIZE_DEFAULT: usize = 25;
const SIZE_MAX: usize = 100;

impl Paging {
    /// What `params` ask for.
    pub(super) fn parse(params: &PagingParams) -> Result<Self, ApiError> {
        let size = number("pageSize", params.page_size.as_deref(), SIZE_DEFAULT)?;
        if !(1..=SIZE_MAX).contains(&size) {
            return Err(invalid("pageSize", params.page_size.as_deref(), "1 to 100"));
        }
        let total = match params.include_total.as_deref() {
            None | Some("true") => Style::Page,
            Some("false") => Style::Cursor,
            other => return Err(invalid("includeTotal", other, "true, false")),
        };
        let style = if params.cursor.is_some() {
            Style::Cursor
        } else {
            total
        };
        let offset = match style {
            Style::Cursor => match params.cursor.as_deref() {
                None | Some("") => 0,
                Some(cursor) => offset_of(cursor)
                    .ok_or_else(|| invalid("cursor", Some(cursor), "cursors of this listing"))?,
            },
            Style::Page => {
                let page = number("pageNumber", params.page_number.as_deref(), 1)?;
                if page == 0 {
                    return Err(invalid("pageNumber", Some("0"), "1 and up"));
                }
                (page - 1).saturating_mul(size)
            }
        };
        Ok(Self {
            size,
            offset,
            style,
        })
    }

    /// The part of `all`, shown by `show`; `base` is the listing's own path.
    pub(super) fn listing<'a, T, U>(
        self,
        base: &str,
        all: &'a [T],
        show: impl FnMut(&'a T) -> Option<U>,
    ) -> Listing<U> {
        let rest = all.get(self.offset..).unwrap_or_default();
        let entities = rest.iter().take(self.size).filter_map(show).collect();
        let next = self.offset.saturating_add(self.size);
        let more = next < all.len();
        match self.style {
            Style::Cursor => {
                let cursor = more.then(|| cursor_of(next));
                let next_uri = cursor.as_ref().map(|cursor| {
                    format!(
                        "{base}?pageSize={}&includeTotal=false&cursor={cursor}",
                        self.size
                    )
                });
                let self_uri = format!("{base}?pageSize={}&includeTotal=false", self.size);
                Listing {
                    entities,
                    page: None,
                    cursor,
                    self_uri,
                    next_uri,
                    previous_uri: None,
                }
            }
            Style::Page => {
                let number = self.offset / self.size + 1;
                let count = all.len().div_ceil(self.size);
                let uri = |page| format!("{base}?pageSize={}&pageNumber={page}", self.size);
                Listing {
                    entities,
                    page: Some(Page {
                        page_size: self.size,
                        page_number: number,
                        total: all.len(),
                        page_count: count,
                        first_uri: uri(1),
                        last_uri: uri(count.max(1)),
                    }),
                    cursor: None,
                    self_uri: uri(number),
                    next_uri: more.then(|| uri(number + 1)),
                    previous_uri: (number > 1).then(|| uri(number - 1)),
                }
            }
        }
    }
}

/// A refusal of a parameter's value.
pub(super) fn invalid(field: &'static str, value: Option<&str>, allowed: &'static str) -> ApiError {
    let value = value.unwrap_or_default().chars().take(100).collect();
    ApiError::InvalidValue {
        field,
        value,
        allowed,
    }
}

fn number(field: &'static str, text: Option<&str>, default: usize) -> Result<usize, ApiError> {
    match text {
        None => Ok(default),
        Some(text) => text
            .parse()
            .map_err(|_| invalid(field, Some(text), "whole numbers")),
    }
}

fn cursor_of(offset: usize) -> String {
    URL_SAFE_NO_PAD.encode(format!("from {offset}"))
}

fn offset_of(cursor: &str) -> Option<usize> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?;
    text.strip_prefix("from ")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(style: &str) -> Vec<u32> {
        let all: Vec<u32> = (0..7).collect();
        let mut params = PagingParams {
            page_size: Some("3".into()),
            ..PagingParams::default()
        };
        params.include_total = Some(style.into());
        let mut seen = Vec::new();
        for page in 1.. {
            let listing = Paging::parse(&params)
                .unwrap()
                .listing("/x", &all, |n| Some(*n));
            seen.extend(&listing.entities);
            if listing.next_uri.is_none() {
                break;
            }
            params.cursor.clone_from(&listing.cursor);
            params.page_number = Some((page + 1).to_string());
        }
        seen
    }

    #[test]
    fn pages_and_cursors_show_everything_once() {
        assert_eq!(walk("true"), (0..7).collect::<Vec<u32>>());
        assert_eq!(walk("false"), (0..7).collect::<Vec<u32>>());
    }

    #[test]
    fn nonsense_is_refused_and_too_far_is_empty() {
        for (size, page, cursor) in [
            ("0", "1", None),
            ("101", "1", None),
            ("x", "1", None),
            ("3", "0", None),
            ("3", "1", Some("zz")),
        ] {
            let params = PagingParams {
                page_size: Some(size.into()),
                page_number: Some(page.into()),
                cursor: cursor.map(str::to_owned),
                ..PagingParams::default()
            };
            assert!(Paging::parse(&params).is_err(), "{size} {page} {cursor:?}");
        }
        let far = PagingParams {
            page_number: Some(usize::MAX.to_string()),
            ..PagingParams::default()
        };
        let listing = Paging::parse(&far)
            .unwrap()
            .listing("/x", &[1, 2], |n| Some(*n));
        assert!(listing.entities.is_empty());
    }
}
