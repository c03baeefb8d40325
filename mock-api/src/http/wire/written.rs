//! JSON written straight into a buffer, for the answer that clients poll for: a general serializer
//! takes longer for a recording than everything else does. What is written is what `Serialize`
//! says; tests hold the two against each other.

use std::io::Write as _;
use std::net::IpAddr;

use serde::Serialize;

use super::{ApiDate, Maybe};

/// Something that writes itself as a JSON value.
pub(in crate::http) trait Written {
    /// Appends itself.
    fn write(&self, out: &mut Vec<u8>);
}

/// An object that is being written. A key is made by [`key`]: it has a comma in front, of which the
/// first becomes the brace.
pub(super) struct Object<'a> {
    out: &'a mut Vec<u8>,
    from: usize,
}

/// A key as [`Object`] wants it; there is nothing in it that JSON would escape.
macro_rules! key {
    ($name:literal) => {
        concat!(",\"", $name, "\":")
    };
}
pub(super) use key;

impl<'a> Object<'a> {
    pub(super) const fn open(out: &'a mut Vec<u8>) -> Self {
        let from = out.len();
        Self { out, from }
    }

    pub(super) fn close(self) {
        match self.out.get_mut(self.from) {
            Some(comma) => *comma = b'{',
            None => self.out.push(b'{'),
        }
        self.out.push(b'}');
    }

    /// Text of any kind.
    pub(super) fn text(&mut self, key: &'static str, text: &str) {
        self.out.extend_from_slice(key.as_bytes());
        write_text(self.out, text);
    }

    /// Text in which there is nothing that JSON would escape.
    pub(super) fn plain(&mut self, key: &'static str, text: &[u8]) {
        self.out.extend_from_slice(key.as_bytes());
        self.out.push(b'"');
        self.out.extend_from_slice(text);
        self.out.push(b'"');
    }

    /// A value as it is.
    pub(super) fn raw(&mut self, key: &'static str, json: &'static str) {
        self.out.extend_from_slice(key.as_bytes());
        self.out.extend_from_slice(json.as_bytes());
    }

    pub(super) fn number(&mut self, key: &'static str, value: u64) {
        self.out.extend_from_slice(key.as_bytes());
        decimal(self.out, value);
    }

    pub(super) fn date(&mut self, key: &'static str, date: ApiDate) {
        self.plain(key, &date.text());
    }

    pub(super) fn address(&mut self, key: &'static str, address: IpAddr) {
        self.out.extend_from_slice(key.as_bytes());
        match address {
            IpAddr::V4(address) => {
                for (nth, octet) in address.octets().into_iter().enumerate() {
                    self.out.push(if nth == 0 { b'"' } else { b'.' });
                    decimal(self.out, octet.into());
                }
                self.out.push(b'"');
            }
            // Writing to memory does not fail.
            IpAddr::V6(_) => write!(self.out, "\"{address}\"").unwrap_or(()),
        }
    }

    /// What has no short way of its own.
    pub(super) fn value(&mut self, key: &'static str, value: &impl Serialize) {
        self.out.extend_from_slice(key.as_bytes());
        // Only a map with strange keys cannot be said in JSON.
        serde_json::to_writer(&mut *self.out, value).unwrap_or(());
    }

    pub(super) fn date_or_null(&mut self, key: &'static str, date: Option<ApiDate>) {
        match date {
            Some(date) => self.date(key, date),
            None => self.raw(key, "null"),
        }
    }

    /// A key that may be absent.
    pub(super) fn maybe<T: Copy>(
        &mut self,
        key: &'static str,
        value: Maybe<T>,
        write: impl FnOnce(&mut Self, &'static str, T),
    ) {
        match value {
            Maybe::Absent => {}
            Maybe::Null => self.raw(key, "null"),
            Maybe::Value(value) => write(self, key, value),
        }
    }

    /// An object under a key.
    pub(super) fn object(&mut self, key: &'static str, write: impl FnOnce(&mut Object<'_>)) {
        self.out.extend_from_slice(key.as_bytes());
        let mut inner = Object::open(self.out);
        write(&mut inner);
        inner.close();
    }
}

fn decimal(out: &mut Vec<u8>, value: u64) {
    let mut digits = [b'0'; 20];
    let (mut rest, mut at) = (value, digits.len());
    loop {
        at -= 1;
        digits[at] = b"0123456789"[usize::try_from(rest % 10).unwrap_or(0)];
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

fn write_text(out: &mut Vec<u8>, text: &str) {
    // Without an early end, so that many bytes are looked at in one step.
    let escaped = text.bytes().fold(false, |escaped, byte| {
        escaped | (byte < b' ') | (byte == b'"') | (byte == b'\\')
    });
    if escaped {
        // A string can always be said in JSON.
        serde_json::to_writer(out, text).unwrap_or(());
        return;
    }
    out.push(b'"');
    out.extend_from_slice(text.as_bytes());
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn values_are_written_as_a_serializer_writes_them(
            text in ".{0,40}|[\u{0}-\u{7f}]{0,40}",
            number: u64,
            address: [u8; 4],
        ) {
            let mut out = Vec::new();
            let mut object = Object::open(&mut out);
            object.text(key!("a"), &text);
            object.number(key!("b"), number);
            object.address(key!("c"), address.into());
            object.object(key!("d"), |_| {});
            object.close();
            let expected = serde_json::json!({
                "a": text, "b": number, "c": IpAddr::from(address), "d": {},
            });
            let expected = expected.to_string();
            prop_assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }
}
