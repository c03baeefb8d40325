//! What a client may do: permissions as the real API has them. Scopes limit logins of users only; a
//! client that logs in by itself may do what its roles allow.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::error::ApiError;

/// The permissions of a client, `domain:entity:action` each.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Permissions {
    /// Every one.
    #[default]
    All,
    /// These; `*` stands for anything from there on.
    Only(BTreeSet<String>),
}

impl Permissions {
    /// Those of a list.
    pub fn only<T: Into<String>>(names: impl IntoIterator<Item = T>) -> Self {
        Self::Only(names.into_iter().map(Into::into).collect())
    }

    /// Whether `name` is among them.
    #[must_use]
    pub fn hold(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(held) => held.iter().any(|held| covers(held, name)),
        }
    }

    /// Refuses unless one of `names` is held.
    pub(super) fn any(&self, names: &[&'static str]) -> Result<(), ApiError> {
        if names.is_empty() || names.iter().any(|name| self.hold(name)) {
            Ok(())
        } else {
            Err(missing(names))
        }
    }

    /// Refuses unless each of `names` is held.
    pub(super) fn all(&self, names: &[&'static str]) -> Result<(), ApiError> {
        let lacking: Vec<&'static str> = names
            .iter()
            .copied()
            .filter(|name| !self.hold(name))
            .collect();
        if lacking.is_empty() {
            Ok(())
        } else {
            Err(missing(&lacking))
        }
    }
}

fn missing(names: &[&'static str]) -> ApiError {
    match names {
        [one] => ApiError::MissingPermissions(Cow::Borrowed(one)),
        several => ApiError::MissingPermissions(Cow::Owned(several.join(", "))),
    }
}

fn covers(held: &str, name: &str) -> bool {
    held == name
        || held.strip_suffix('*').is_some_and(|start| {
            start.is_empty() || start.ends_with(':') && name.starts_with(start)
        })
}

/// Any of these lets a client see recordings.
pub(super) const VIEW: &[&str] = &[
    "recording:recording:view",
    "recording:recordingSegment:view",
    "recording:snippetRecording:view",
    "recording:screenRecording:view",
];
/// All of these let a client start a job.
pub(super) const EXECUTE: &[&str] = &[
    "recording:job:edit",
    "recording:recording:editRetention",
    "recording:screenRecording:editRetention",
    "recording:snippetRecording:editRetention",
];
/// Any of these lets a client change how long a recording is kept.
pub(super) const RETAIN: &[&str] = &[
    "recording:recording:editRetention",
    "recording:screenRecording:editRetention",
    "recording:snippetRecording:editRetention",
];
/// Any of these lets a client find conversations.
pub(super) const ANALYTICS: &[&str] = &[
    "analytics:conversationDetail:view",
    "analytics:agentConversationDetail:view",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_covers_what_follows_it() {
        let held = Permissions::only(["recording:job:*", "recording:recording:view"]);
        assert!(held.hold("recording:job:add") && held.hold("recording:recording:view"));
        assert!(!held.hold("recording:recording:editRetention"));
        assert!(!held.hold("recording:jobs:add"));
        assert!(Permissions::only(["*"]).hold("analytics:conversationDetail:view"));
        assert!(!Permissions::only(["record*"]).hold("recording:job:add"));
    }

    #[test]
    fn a_refusal_names_what_is_missing() {
        let held = Permissions::only(["recording:job:edit"]);
        let Err(ApiError::MissingPermissions(named)) = held.all(EXECUTE) else {
            panic!("it is not allowed");
        };
        assert!(
            named.starts_with("recording:recording:editRetention, "),
            "{named}"
        );
        assert!(held.any(VIEW).is_err() && held.any(&[]).is_ok());
    }
}
