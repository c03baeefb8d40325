//! Query parameters: each is asked for by name and refused in the API's own words. Parameters that
//! nobody asks for are passed over, as the real API does.

use std::borrow::Cow;
use std::ops::RangeInclusive;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use super::error::ApiError;
use super::mistakes::Mistakes;
use super::state::ApiState;

/// The parameters of a request.
#[derive(Debug, Default)]
pub(super) struct Params(Vec<(String, String)>);

impl FromRequestParts<ApiState> for Params {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &ApiState) -> Result<Self, ApiError> {
        parts
            .uri
            .query()
            .map_or_else(|| Ok(Self::default()), Self::parse)
    }
}

impl Params {
    pub(super) fn parse(query: &str) -> Result<Self, ApiError> {
        serde_urlencoded::from_str(query)
            .map(Self)
            .map_err(|_| ApiError::malformed())
    }

    /// The one value of a parameter.
    pub(super) fn text(&self, name: &'static str) -> Result<Option<&str>, ApiError> {
        let mut values = self.values(name);
        let first = values.next();
        match values.next() {
            None => Ok(first),
            Some(second) => Err(invalid(name, Some(second), "one value")),
        }
    }

    /// A whole number within `range`.
    pub(super) fn number(
        &self,
        name: &'static str,
        range: RangeInclusive<u64>,
    ) -> Result<Option<u64>, ApiError> {
        let Some(text) = self.text(name)? else {
            return Ok(None);
        };
        let number = text.parse().ok().filter(|number| range.contains(number));
        match number {
            Some(number) => Ok(Some(number)),
            None => {
                let allowed = format!("{} to {}", range.start(), range.end());
                Err(invalid(name, Some(text), allowed))
            }
        }
    }

    /// `true` or `false`, in any case: some clients print them as their language does.
    pub(super) fn flag(&self, name: &'static str) -> Result<Option<bool>, ApiError> {
        match self.text(name)? {
            None => Ok(None),
            Some(text) if text.eq_ignore_ascii_case("true") => Ok(Some(true)),
            Some(text) if text.eq_ignore_ascii_case("false") => Ok(Some(false)),
            other => Err(invalid(name, other, "true, false")),
        }
    }

    /// One of `known`.
    pub(super) fn word(
        &self,
        name: &'static str,
        known: &[&'static str],
    ) -> Result<Option<&'static str>, ApiError> {
        let Some(text) = self.text(name)? else {
            return Ok(None);
        };
        match known.iter().find(|word| **word == text) {
            Some(word) => Ok(Some(word)),
            None => Err(invalid(name, Some(text), known.join(", "))),
        }
    }

    /// Words of `known`, however a client writes a list: joined by commas, or one parameter each.
    pub(super) fn words(
        &self,
        name: &'static str,
        known: &[&'static str],
    ) -> Result<Vec<&'static str>, ApiError> {
        let words = self
            .values(name)
            .flat_map(|value| value.split(','))
            .filter(|word| !word.is_empty())
            .map(str::trim);
        words
            .map(|word| {
                let found = known.iter().find(|known| **known == word);
                found
                    .copied()
                    .ok_or_else(|| invalid(name, Some(word), known.join(", ")))
            })
            .collect()
    }

    /// The words of a list of which any are allowed.
    pub(super) fn all(&self, name: &'static str) -> Vec<&str> {
        let words = self.values(name).flat_map(|value| value.split(','));
        words.map(str::trim).collect()
    }

    /// The address of the listing at `path`, up to the part of it that is shown: with every parameter
    /// that says what is listed, and how.
    pub(super) fn address_of(&self, path: &str) -> String {
        let paging = ["pageSize", "pageNumber", "includeTotal", "cursor"];
        let others = self
            .0
            .iter()
            .filter(|(name, _)| !paging.contains(&name.as_str()));
        let others: Vec<_> = others.collect();
        match serde_urlencoded::to_string(&others) {
            Ok(query) if !query.is_empty() => format!("{path}?{query}&"),
            _ => format!("{path}?"),
        }
    }

    fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let of_name = self.0.iter().filter(move |(key, _)| key == name);
        of_name.map(|(_, value)| value.as_str())
    }
}

/// A refusal of a value.
pub(super) fn invalid(
    field: &'static str,
    value: Option<&str>,
    allowed: impl Into<Cow<'static, str>>,
) -> ApiError {
    let mut mistakes = Mistakes::default();
    mistakes.invalid(field, value.unwrap_or_default(), allowed);
    ApiError::Mistaken(mistakes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[&str] = &["WAV", "MP3"];

    #[test]
    fn a_list_may_be_written_in_any_way_that_clients_do() {
        for query in [
            "f=WAV,MP3",
            "f=WAV%2CMP3",
            "f=WAV&f=MP3",
            "f=WAV,%20MP3",
            "f=WAV,&f=,MP3",
        ] {
            let params = Params::parse(query).unwrap();
            assert_eq!(params.words("f", KNOWN).unwrap(), ["WAV", "MP3"], "{query}");
        }
        for query in ["f=WAV,OGG", "f=%09", "f=WAV,%20"] {
            let params = Params::parse(query).unwrap();
            assert!(params.words("f", KNOWN).is_err(), "{query}");
        }
        let params = Params::parse("").unwrap();
        assert!(params.words("g", KNOWN).unwrap().is_empty());
    }

    #[test]
    fn flags_and_numbers_are_what_they_say() {
        let params = Params::parse("a=true&b=False&c=0&d=12&e=1&e=2&f=%ff").unwrap();
        assert_eq!(params.flag("a").unwrap(), Some(true));
        assert_eq!(params.flag("b").unwrap(), Some(false));
        assert!(params.flag("c").is_err());
        assert_eq!(params.flag("x").unwrap(), None);
        assert_eq!(params.number("d", 0..=12).unwrap(), Some(12));
        assert_eq!(params.number("c", 0..=12).unwrap(), Some(0));
        assert!(params.number("d", 0..=11).is_err());
        assert!(params.number("e", 0..=11).is_err(), "said twice");
        assert!(params.number("f", 0..=11).is_err());
    }
}
