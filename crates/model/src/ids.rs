//! Ids: internal ones are indices; public ones are UUIDs that lead back to them.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::draws::{Draws, Purpose, Seed, mix64};

/// Position of a call, and so of its recording, in the order of arrival.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct RecordingIndex(pub u64);

/// Position of an export job among those of its tenant.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct JobOrdinal(pub u64);

/// Position of a tenant, an (arm, gate) pair: arms in the scenario's order, then gates.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct TenantIndex(pub u32);

/// Position of an arm in the scenario.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct ArmIndex(pub u32);

/// Which public id of a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
enum IdKind {
    Conversation = 1,
    Recording = 2,
    Session = 3,
}

macro_rules! public_id {
    ($(#[$doc:meta])* $name:ident, $kind:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u128);

        impl $name {
            /// The id of call `index` in a run with `seed`.
            #[must_use]
            pub fn of(seed: Seed, index: RecordingIndex) -> Self {
                Self(encode(seed, index, $kind))
            }

            /// The call that the id belongs to; `None` if the run with `seed` made no such id.
            #[must_use]
            pub fn index(self, seed: Seed) -> Option<RecordingIndex> {
                decode(seed, self.0, $kind)
            }

            /// The hyphenated form.
            #[must_use]
            pub const fn text(self) -> [u8; 36] {
                uuid_text(self.0)
            }

            /// Parses the hyphenated form.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                parse_uuid(text).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                format_uuid(self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                format_uuid(self.0, f)
            }
        }
    };
}

public_id!(
    /// Public id of a conversation.
    ConversationId,
    IdKind::Conversation
);
public_id!(
    /// Public id of a recording.
    RecordingId,
    IdKind::Recording
);
public_id!(
    /// Public id of a softphone session.
    SessionId,
    IdKind::Session
);

// Layout, high to low: 48 bits of masked index, the version nibble 4, 12 bits of check, the
// variant bits 10, 62 bits of check. 48 bits hold 2.8e14 calls.
const INDEX_BITS: u32 = 48;

fn encode(seed: Seed, index: RecordingIndex, kind: IdKind) -> u128 {
    let mask = mix64(seed.0 ^ u64::from(kind as u8)) >> (64 - INDEX_BITS);
    let masked = (index.0 ^ mask) & ((1 << INDEX_BITS) - 1);
    let check = Draws::of_call(seed, index.0).draw_nth(Purpose::Identity, u32::from(kind as u8));
    let second = mix64(check);
    (u128::from(masked) << 80)
        | (0x4 << 76)
        | (u128::from(check & 0xFFF) << 64)
        | (0b10 << 62)
        | u128::from(second >> 2)
}

fn decode(seed: Seed, id: u128, kind: IdKind) -> Option<RecordingIndex> {
    let mask = mix64(seed.0 ^ u64::from(kind as u8)) >> (64 - INDEX_BITS);
    let masked = u64::try_from(id >> 80).ok()?;
    let index = RecordingIndex(masked ^ mask);
    (encode(seed, index, kind) == id).then_some(index)
}

/// What a byte that is no digit counts as.
const NO_DIGIT: u8 = 0xFF;

/// By byte, its value as a hexadecimal digit.
const DIGITS: [u8; 256] = {
    let mut digits = [NO_DIGIT; 256];
    let (lower, upper) = (b"0123456789abcdef", b"0123456789ABCDEF");
    let mut value: u8 = 0;
    while value < 16 {
        digits[lower[value as usize] as usize] = value;
        digits[upper[value as usize] as usize] = value;
        value += 1;
    }
    digits
};

/// By byte, its two hexadecimal digits.
const PAIRS: [[u8; 2]; 256] = {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut pairs = [[0; 2]; 256];
    let mut byte = 0;
    while byte < 256 {
        pairs[byte] = [HEX[byte >> 4], HEX[byte & 0xF]];
        byte += 1;
    }
    pairs
};

/// The bits of a UUID in hyphenated form, lower case or upper.
#[must_use]
pub fn parse_uuid(text: &str) -> Option<u128> {
    let bytes: &[u8; 36] = text.as_bytes().try_into().ok()?;
    if [8, 13, 18, 23].iter().any(|at| bytes[*at] != b'-') {
        return None;
    }
    // No early end: every request names two ids, and they are good.
    let mut seen = 0;
    let mut digits = |from: usize, to: usize| {
        bytes[from..to].iter().fold(0_u64, |id, byte| {
            let digit = DIGITS[usize::from(*byte)];
            seen |= digit;
            (id << 4) | u64::from(digit & 0xF)
        })
    };
    let high = (digits(0, 8) << 32) | (digits(9, 13) << 16) | digits(14, 18);
    let low = (digits(19, 23) << 48) | digits(24, 36);
    (seen <= 0xF).then_some((u128::from(high) << 64) | u128::from(low))
}

/// The hyphenated form of a UUID, lower case.
#[must_use]
pub const fn uuid_text(id: u128) -> [u8; 36] {
    let bytes = id.to_be_bytes();
    let mut text = [b'-'; 36];
    let (mut nth, mut at) = (0, 0);
    while nth < bytes.len() {
        if matches!(nth, 4 | 6 | 8 | 10) {
            at += 1;
        }
        let [first, second] = PAIRS[bytes[nth] as usize];
        text[at] = first;
        text[at + 1] = second;
        nth += 1;
        at += 2;
    }
    text
}

fn format_uuid(id: u128, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str(std::str::from_utf8(&uuid_text(id)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conversation_id_leads_back_to_its_call() {
        for index in [0, 1, 77, 1 << 40] {
            let id = ConversationId::of(Seed(42), RecordingIndex(index));
            let parsed = ConversationId::parse(&id.to_string()).expect("own format parses");
            assert_eq!(parsed.index(Seed(42)), Some(RecordingIndex(index)));
            assert_eq!(parsed.index(Seed(43)), None);
        }
    }

    #[test]
    fn an_id_is_printed_as_groups_of_hexadecimal_digits() {
        let id = ConversationId(0x0123_4567_89AB_CDEF_0123_4567_89AB_CDEF);
        assert_eq!(id.to_string(), "01234567-89ab-cdef-0123-456789abcdef");
        assert_eq!(ConversationId::parse(&id.to_string()), Some(id));
    }

    #[test]
    fn ids_look_like_random_uuids_and_others_are_refused() {
        let id = RecordingId::of(Seed(1), RecordingIndex(5)).to_string();
        assert_eq!(&id[14..15], "4");
        assert!("89ab".contains(&id[19..20]));
        assert_eq!(RecordingId::parse("nonsense"), None);
        assert_eq!(
            RecordingId::parse(&id.to_uppercase()),
            RecordingId::parse(&id)
        );
        for at in (0..36).filter(|at| ![8, 13, 18, 23].contains(at)) {
            for wrong in ["g", "-", "/", ":", "@", "`"] {
                let mut text = id.clone();
                text.replace_range(at..=at, wrong);
                assert_eq!(RecordingId::parse(&text), None, "{text}");
            }
        }
        assert_eq!(RecordingId::parse(&id.replace('-', "0")), None);
        assert_eq!(
            RecordingId::parse("zzzzzzzz-zzzz-4zzz-8zzz-zzzzzzzzzzzz"),
            None
        );
    }
}
