//! What a webhook tells.

use super::keys::{Key, Keys, Value, Word};

/// What a webhook tells.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum WebhookEvent {
    /// The session has ended.
    SessionEnded,
    /// All fields are on the primary read path.
    MetadataReady,
}

impl Word for WebhookEvent {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("session-ended", Self::SessionEnded),
        ("metadata-ready", Self::MetadataReady),
    ];
}

impl WebhookEvent {
    pub(super) fn key(&mut self, keys: &mut dyn Keys) {
        let key = Key::new("event", "which webhook it listens to");
        keys.key(key, Value::Word(self));
    }
}
