//! Topics: what can be subscribed to, and by whom.

use racegate_model::draws::Seed;
use racegate_model::ids::{ConversationId, RecordingId, RecordingIndex};

use crate::http::ids::Uuid;
use crate::http::permissions::{ANALYTICS, VIEW};

/// What a topic is about. Of topics of one conversation: none stands for every one, which is an
/// extension here, written `{id}`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(in crate::http) enum Topic {
    CustomerEnd(Option<RecordingIndex>),
    UserEnd(Option<RecordingIndex>),
    AfterCallWork(Option<RecordingIndex>),
    WrapUp(Option<RecordingIndex>),
    Conversations,
    Calls,
    Recordings(Option<RecordingIndex>),
    Recording(Option<RecordingIndex>),
    Restored,
    OwnRecordings,
    Availability,
    Heartbeat,
    MetadataReady,
}

/// A topic as the API describes it.
#[derive(Clone, Copy, Debug)]
pub(in crate::http) struct Template {
    pub(in crate::http) text: &'static str,
    pub(in crate::http) about: &'static str,
    /// Any of them will do.
    pub(in crate::http) permissions: &'static [&'static str],
    kind: Topic,
}

const fn template(
    text: &'static str,
    about: &'static str,
    permissions: &'static [&'static str],
    kind: Topic,
) -> Template {
    Template {
        text,
        about,
        permissions,
        kind,
    }
}

/// All of them; the last is of the forum's dialect.
pub(in crate::http) const TEMPLATES: [Template; 13] = [
    template(
        "v2.detail.events.conversation.{id}.customer.end",
        "The customer has left",
        ANALYTICS,
        Topic::CustomerEnd(None),
    ),
    template(
        "v2.detail.events.conversation.{id}.user.end",
        "The agent has left",
        ANALYTICS,
        Topic::UserEnd(None),
    ),
    template(
        "v2.detail.events.conversation.{id}.acw",
        "After-call work is done",
        ANALYTICS,
        Topic::AfterCallWork(None),
    ),
    template(
        "v2.detail.events.conversation.{id}.wrapup",
        "The conversation was wrapped up",
        ANALYTICS,
        Topic::WrapUp(None),
    ),
    template(
        "v2.users.{id}.conversations",
        "A conversation of the user has ended",
        &[],
        Topic::Conversations,
    ),
    template(
        "v2.users.{id}.conversations.calls",
        "A call of the user has ended",
        &[],
        Topic::Calls,
    ),
    template(
        "v2.users.{id}.conversations.{id}.recordings",
        "A recording of the conversation is there",
        VIEW,
        Topic::Recordings(None),
    ),
    template(
        "v2.users.{id}.conversations.{id}.recordings.{id}",
        "The recording is there",
        VIEW,
        Topic::Recording(None),
    ),
    template(
        "v2.users.{id}.recordings",
        "A recording was taken back from the archive",
        VIEW,
        Topic::Restored,
    ),
    template(
        "v2.users.{id}.userrecordings",
        "Recordings that a user makes by hand: there are none here",
        VIEW,
        Topic::OwnRecordings,
    ),
    template(
        "v2.analytics.conversations.details.jobs.availability",
        "The data lake's watermark has moved",
        ANALYTICS,
        Topic::Availability,
    ),
    template("channel.metadata", "Heartbeats", &[], Topic::Heartbeat),
    template(
        "conversation:recordings:metadata:ready",
        "Forum dialect: a recording's metadata is complete",
        VIEW,
        Topic::MetadataReady,
    ),
];

/// Why there is no such topic.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::http) enum TopicError {
    Unknown,
    /// It is another user's.
    NotYours,
}

/// The topic of that name, for the user `me`.
pub(in crate::http) fn parse(
    text: &str,
    me: &str,
    seed: Seed,
) -> Result<(Topic, &'static Template), TopicError> {
    let (template, ids) = TEMPLATES
        .iter()
        .find_map(|template| Some((template, matched(template.text, text)?)))
        .ok_or(TopicError::Unknown)?;
    let mut ids = ids.into_iter();
    if template.text.starts_with("v2.users.") && !ids.next().is_some_and(|id| is(id, me)) {
        return Err(TopicError::NotYours);
    }
    let one = match ids.next() {
        None | Some("{id}") => None,
        Some(id) => {
            let id = ConversationId::parse(id).ok_or(TopicError::Unknown)?;
            Some(id.index(seed).ok_or(TopicError::Unknown)?)
        }
    };
    let recording = ids.next().filter(|id| *id != "{id}");
    let fits = |id| {
        RecordingId::parse(id)
            .and_then(|id| id.index(seed))
            .is_some_and(|at| Some(at) == one)
    };
    if recording.is_some_and(|id| !fits(id)) {
        return Err(TopicError::Unknown);
    }
    Ok((template.kind.of(one), template))
}

fn is(id: &str, me: &str) -> bool {
    id == "{id}" || id.eq_ignore_ascii_case(me)
}

/// The ids of a text that fits a template.
fn matched<'a>(template: &str, text: &'a str) -> Option<Vec<&'a str>> {
    let mut ids = Vec::new();
    let mut parts = text.split('.');
    for wanted in template.split('.') {
        let part = parts.next()?;
        if wanted == "{id}" {
            if part != "{id}" && Uuid::parse(part).is_none() {
                return None;
            }
            ids.push(part);
        } else if part != wanted {
            return None;
        }
    }
    parts.next().is_none().then_some(ids)
}

impl Topic {
    /// The same of one conversation, or of every one.
    pub(in crate::http) const fn of(self, one: Option<RecordingIndex>) -> Self {
        match self {
            Self::CustomerEnd(_) => Self::CustomerEnd(one),
            Self::UserEnd(_) => Self::UserEnd(one),
            Self::AfterCallWork(_) => Self::AfterCallWork(one),
            Self::WrapUp(_) => Self::WrapUp(one),
            Self::Recordings(_) => Self::Recordings(one),
            Self::Recording(_) => Self::Recording(one),
            Self::Conversations
            | Self::Calls
            | Self::Restored
            | Self::OwnRecordings
            | Self::Availability
            | Self::Heartbeat
            | Self::MetadataReady => self,
        }
    }

    /// Its name in a message about `recording` to the user `me`.
    pub(in crate::http) fn name(self, me: &str, recording: RecordingIndex, seed: Seed) -> String {
        let conversation = ConversationId::of(seed, recording);
        let detail = |what| format!("v2.detail.events.conversation.{conversation}.{what}");
        match self {
            Self::CustomerEnd(_) => detail("customer.end"),
            Self::UserEnd(_) => detail("user.end"),
            Self::AfterCallWork(_) => detail("acw"),
            Self::WrapUp(_) => detail("wrapup"),
            Self::Conversations => format!("v2.users.{me}.conversations"),
            Self::Calls => format!("v2.users.{me}.conversations.calls"),
            Self::Recordings(_) => {
                format!("v2.users.{me}.conversations.{conversation}.recordings")
            }
            Self::Recording(_) => {
                let recording = RecordingId::of(seed, recording);
                format!("v2.users.{me}.conversations.{conversation}.recordings.{recording}")
            }
            Self::Restored => format!("v2.users.{me}.recordings"),
            Self::OwnRecordings => format!("v2.users.{me}.userrecordings"),
            Self::Availability => "v2.analytics.conversations.details.jobs.availability".into(),
            Self::Heartbeat => "channel.metadata".into(),
            Self::MetadataReady => "conversation:recordings:metadata:ready".into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEED: Seed = Seed(1);
    const ME: &str = "01234567-89ab-4def-8123-456789abcdef";

    #[test]
    fn a_topics_name_leads_back_to_it() {
        let index = RecordingIndex(7);
        for template in TEMPLATES {
            for one in [None, Some(index)] {
                let topic = template.kind.of(one);
                let name = match one {
                    None => template.text.to_owned(),
                    Some(_) => topic.name(ME, index, SEED),
                };
                let parsed = parse(&name, ME, SEED).map(|(topic, _)| topic);
                assert_eq!(parsed, Ok(topic), "{name}");
            }
        }
    }

    #[test]
    fn what_is_no_topic_or_anothers_is_refused() {
        let other = "11234567-89ab-4def-8123-456789abcdef";
        let (conversation, recording) = (
            ConversationId::of(SEED, RecordingIndex(1)),
            RecordingId::of(SEED, RecordingIndex(2)),
        );
        let mixed = format!("v2.users.{ME}.conversations.{conversation}.recordings.{recording}");
        for (text, error) in [
            ("", TopicError::Unknown),
            ("v2.users", TopicError::Unknown),
            ("v2.users.x.conversations", TopicError::Unknown),
            (
                &format!("v2.users.{ME}.conversations.more"),
                TopicError::Unknown,
            ),
            (
                &format!("v2.users.{other}.conversations"),
                TopicError::NotYours,
            ),
            (
                &format!("v2.detail.events.conversation.{other}.acw"),
                TopicError::Unknown,
            ),
            (&mixed, TopicError::Unknown),
        ] {
            assert_eq!(
                parse(text, ME, SEED).map(|(topic, _)| topic),
                Err(error),
                "{text}"
            );
        }
    }
}
