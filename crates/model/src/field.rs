//! What a recording's metadata consists of: fields, groups of fields, and sets of them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The medium of a call.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A browser softphone: signalling over WebSocket, media over DTLS-SRTP.
    Webrtc,
    /// An ordinary telephone leg.
    Sip,
}

impl Kind {
    /// Every kind, in the order used everywhere.
    pub const ALL: [Self; 2] = [Self::Webrtc, Self::Sip];

    /// The name used in scenarios, summaries and on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Webrtc => "webrtc",
            Self::Sip => "sip",
        }
    }

    /// Position in [`Kind::ALL`].
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// One value per [`Kind`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PerKind<T> {
    /// The value for WebRTC calls.
    pub webrtc: T,
    /// The value for SIP calls.
    pub sip: T,
}

impl<T> PerKind<T> {
    /// What `of` gives for each kind.
    #[must_use]
    pub fn of(of: impl Fn(Kind) -> T) -> Self {
        Self {
            webrtc: of(Kind::Webrtc),
            sip: of(Kind::Sip),
        }
    }

    /// The value for `kind`.
    #[must_use]
    pub const fn get(&self, kind: Kind) -> &T {
        match kind {
            Kind::Webrtc => &self.webrtc,
            Kind::Sip => &self.sip,
        }
    }

    /// The value for `kind`, to be changed.
    pub const fn get_mut(&mut self, kind: Kind) -> &mut T {
        match kind {
            Kind::Webrtc => &mut self.webrtc,
            Kind::Sip => &mut self.sip,
        }
    }
}

/// A field of a manifest. `Media` is not metadata, but a manifest without its audio is as broken
/// as one without its hold flag, so it is counted among what may be missing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Field {
    /// Whether the recording is under legal hold; never null, `false` when it is not.
    LegalHoldFlag,
    /// The medium, as the platform classified it.
    MediaType,
    /// When the call began.
    StartTime,
    /// When the call ended.
    EndTime,
    /// The softphone's session id; of WebRTC recordings only.
    WebrtcSessionId,
    /// The softphone's address; of WebRTC recordings only.
    ClientIp,
    /// The audio itself.
    Media,
}

impl Field {
    /// Number of metadata fields (all but `Media`).
    pub const METADATA_COUNT: usize = 6;
    /// The metadata fields, in wire order.
    pub const METADATA: [Self; Self::METADATA_COUNT] = [
        Self::LegalHoldFlag,
        Self::MediaType,
        Self::StartTime,
        Self::EndTime,
        Self::WebrtcSessionId,
        Self::ClientIp,
    ];

    /// The name used in scenarios, manifests and summaries.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::LegalHoldFlag => "legal_hold_flag",
            Self::MediaType => "media_type",
            Self::StartTime => "start_time",
            Self::EndTime => "end_time",
            Self::WebrtcSessionId => "webrtc_session_id",
            Self::ClientIp => "client_ip",
            Self::Media => "media",
        }
    }

    /// The field of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::METADATA
            .into_iter()
            .chain([Self::Media])
            .find(|field| field.name() == name)
    }

    /// The group whose clock the field follows; `None` for the media.
    #[must_use]
    pub const fn group(self) -> Option<FieldGroup> {
        match self {
            Self::LegalHoldFlag => Some(FieldGroup::Hold),
            Self::MediaType | Self::StartTime | Self::EndTime => Some(FieldGroup::Identity),
            Self::WebrtcSessionId | Self::ClientIp => Some(FieldGroup::Webrtc),
            Self::Media => None,
        }
    }
}

/// Fields that are written together.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum FieldGroup {
    /// `media_type`, `start_time`, `end_time`.
    Identity,
    /// `webrtc_session_id`, `client_ip`.
    Webrtc,
    /// `legal_hold_flag`.
    Hold,
}

impl FieldGroup {
    /// Number of groups.
    pub const COUNT: usize = 3;
    /// Every group.
    pub const ALL: [Self; Self::COUNT] = [Self::Identity, Self::Webrtc, Self::Hold];

    /// The name used in scenarios.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Webrtc => "webrtc",
            Self::Hold => "hold",
        }
    }

    /// Position in [`FieldGroup::ALL`].
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// Its fields.
    #[must_use]
    pub const fn fields(self) -> FieldSet {
        match self {
            Self::Identity => FieldSet::EMPTY
                .with(Field::MediaType)
                .with(Field::StartTime)
                .with(Field::EndTime),
            Self::Webrtc => FieldSet::EMPTY
                .with(Field::WebrtcSessionId)
                .with(Field::ClientIp),
            Self::Hold => FieldSet::EMPTY.with(Field::LegalHoldFlag),
        }
    }
}

/// A set of fields.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct FieldSet(u8);

impl FieldSet {
    /// No field.
    pub const EMPTY: Self = Self(0);
    /// Every metadata field.
    pub const METADATA: Self = Self(0b11_1111);

    /// The set with `field` added.
    #[must_use]
    pub const fn with(self, field: Field) -> Self {
        Self(self.0 | (1 << field as u8))
    }

    /// The set without `field`.
    #[must_use]
    pub const fn without(self, field: Field) -> Self {
        Self(self.0 & !(1 << field as u8))
    }

    /// Adds `field`.
    pub const fn insert(&mut self, field: Field) {
        self.0 |= 1 << field as u8;
    }

    /// Whether `field` is in the set.
    #[must_use]
    pub const fn contains(self, field: Field) -> bool {
        self.0 & (1 << field as u8) != 0
    }

    /// Fields in both sets.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Fields in either set.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Fields of `self` that are not in `other`.
    #[must_use]
    pub const fn difference(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether there is no field in the set.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0 == 0
    }

    /// The fields in wire order.
    pub fn iter(self) -> impl Iterator<Item = Field> {
        Field::METADATA
            .into_iter()
            .chain([Field::Media])
            .filter(move |field| self.contains(*field))
    }

    /// The set as bits, for hashing.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.0
    }
}

impl FromIterator<Field> for FieldSet {
    fn from_iter<I: IntoIterator<Item = Field>>(fields: I) -> Self {
        fields.into_iter().fold(Self::EMPTY, Self::with)
    }
}

impl fmt::Debug for FieldSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(Field::name)).finish()
    }
}

impl Serialize for FieldSet {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for FieldSet {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::<Field>::deserialize(deserializer).map(|fields| fields.into_iter().collect())
    }
}
