//! A JSON key that is absent, null or has a value: the three are different things here.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A key of an object. Use with `default` and `skip_serializing_if = "Maybe::is_absent"`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Maybe<T> {
    /// The key is not there.
    #[default]
    Absent,
    /// The key is there, with null.
    Null,
    /// The key is there, with a value.
    Value(T),
}

impl<T> Maybe<T> {
    /// Whether the key is not there.
    #[must_use]
    pub const fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }

    /// `self` unless the key is absent, else `other`.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        if self.is_absent() { other } else { self }
    }
}

impl<T> From<Option<T>> for Maybe<T> {
    /// None is null: whoever wants the key left out says so.
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Self::Value)
    }
}

impl<T: Serialize> Serialize for Maybe<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Absent | Self::Null => serializer.serialize_none(),
            Self::Value(value) => value.serialize(serializer),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Maybe<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Option::<T>::deserialize(deserializer).map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    struct Keys {
        #[serde(default, skip_serializing_if = "Maybe::is_absent")]
        a: Maybe<bool>,
        #[serde(default, skip_serializing_if = "Maybe::is_absent")]
        b: Maybe<bool>,
        #[serde(default, skip_serializing_if = "Maybe::is_absent")]
        c: Maybe<bool>,
    }

    #[test]
    fn absent_null_and_value_survive_the_round_trip() {
        let keys = Keys {
            a: Maybe::Absent,
            b: Maybe::Null,
            c: Maybe::Value(false),
        };
        let text = serde_json::to_string(&keys).unwrap();
        assert_eq!(text, r#"{"b":null,"c":false}"#);
        assert_eq!(serde_json::from_str::<Keys>(&text).unwrap(), keys);
    }
}
