//! Feeds the channels with what happens on the platform.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use racegate_model::field::Field;
use racegate_model::ids::{
    ArmIndex, ConversationId, RecordingId, RecordingIndex, SessionId, TenantIndex,
};
use racegate_model::scenario::{ReadPath, WebhookEvent};
use racegate_model::time::{Duration, Timestamp};
use racegate_model::timeline::Timeline;
use serde::Serialize;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use super::restores::{Restore, Restores};
use super::topics::Topic;
use crate::http::ids::Uuid;
use crate::http::seen::look_as;
use crate::http::state::{ApiState, WeakState};
use crate::http::wire::ApiDate;
use crate::http::wire::notification::{
    AvailabilityEvent, ConversationEvent, Frame, FrameMetadata, RecordingEvent,
    UserConversationEvent,
};
use crate::http::wire::recording::FileState;
use crate::service::{Due, Notice};

/// How often the data lake's watermark is looked at.
const LAKE_POLL: Duration = Duration::from_secs(1);
/// Recordings whose media is not there yet, at most; further ones are not told of.
const AWAITED_MAX: usize = 1 << 20;

/// Something that will happen to a recording, in order of time.
type Awaited = Reverse<(Timestamp, RecordingIndex, ArmIndex, Happening)>;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Happening {
    WrappedUp,
    MediaStored,
}

/// Runs until the API is gone.
pub(super) async fn feed(
    state: WeakState,
    mut notices: broadcast::Receiver<Notice>,
    restores: Arc<Restores>,
) {
    let mut pump = Pump::default();
    loop {
        let Some((clock, now)) = state.upgrade().map(|state| (state.clock(), state.now())) else {
            return;
        };
        let next = restores
            .next_at()
            .into_iter()
            .fold(pump.next_at(now), Timestamp::min);
        tokio::select! {
            notice = notices.recv() => match notice {
                Ok(notice) => {
                    let Some(state) = state.upgrade() else { return };
                    pump.hear(&state, notice);
                }
                // Delivered at most once: what was missed is missed.
                Err(RecvError::Lagged(missed)) => {
                    tracing::debug!(missed, "notification channels fell behind");
                }
                Err(RecvError::Closed) => return,
            },
            () = restores.changed() => {}
            () = clock.sleep_until(next) => {
                let Some(state) = state.upgrade() else { return };
                pump.happen(&state);
                for restore in restores.take_due(state.now()) {
                    restored(&state, restore);
                }
            }
        }
    }
}

#[derive(Debug, Default)]
struct Pump {
    awaited: BinaryHeap<Awaited>,
    /// Each tenant's watermark as it was last told.
    watermarks: Vec<Timestamp>,
}

impl Pump {
    fn next_at(&self, now: Timestamp) -> Timestamp {
        let lake = now + LAKE_POLL;
        self.awaited
            .peek()
            .map_or(lake, |Reverse((at, ..))| (*at).min(lake))
    }

    fn hear(&mut self, state: &ApiState, notice: Notice) {
        match notice {
            Notice::Ended(arm, timeline) => self.await_media(arm, &timeline),
            Notice::Due(due) => told(state, due),
        }
    }

    fn await_media(&mut self, arm: ArmIndex, timeline: &Arc<Timeline>) {
        for (at, what) in [
            (timeline.submitted_at, Happening::WrappedUp),
            (timeline.media_at, Happening::MediaStored),
        ] {
            if !at.is_never() && self.awaited.len() < AWAITED_MAX {
                self.awaited
                    .push(Reverse((at, timeline.recording, arm, what)));
            }
        }
    }

    fn happen(&mut self, state: &ApiState) {
        let now = state.now();
        while let Some(Reverse((at, recording, arm, what))) = self.awaited.peek().copied() {
            if at > now {
                break;
            }
            self.awaited.pop();
            for tenant in tenants_of(state, arm) {
                match what {
                    Happening::WrappedUp => {
                        let topics = [Topic::AfterCallWork(None), Topic::WrapUp(None)];
                        conversation_event(state, tenant, &topics, recording, at);
                    }
                    Happening::MediaStored => recording_event(state, tenant, recording, at),
                }
            }
        }
        self.tell_watermarks(state, now);
    }

    fn tell_watermarks(&mut self, state: &ApiState, now: Timestamp) {
        let tenants = state.service().tenants();
        self.watermarks.resize(tenants.len(), Timestamp::ZERO);
        for (tenant, told) in tenants.iter().zip(&mut self.watermarks) {
            let watermark = tenant.watermark(now);
            let index = tenant.config().index;
            if watermark <= *told || !state.hub().is_heard(index, Topic::Availability) {
                continue;
            }
            *told = watermark;
            let body = AvailabilityEvent {
                data_availability_date: ApiDate::of(state.config().epoch, watermark),
            };
            publish(state, index, Topic::Availability, RecordingIndex(0), &body);
        }
    }
}

fn tenants_of(state: &ApiState, arm: ArmIndex) -> impl Iterator<Item = TenantIndex> {
    let tenants = state.service().tenants().iter();
    let of_arm = tenants.filter(move |tenant| tenant.config().arm == arm);
    of_arm.map(|tenant| tenant.config().index)
}

/// A notification is due, after what the platform has done to it.
fn told(state: &ApiState, due: Due) {
    let epoch = state.config().epoch;
    let service = state.service();
    let Some(timeline) = service.timelines(due.arm).get(due.recording) else {
        return;
    };
    for tenant in tenants_of(state, due.arm) {
        match due.event {
            WebhookEvent::SessionEnded => {
                let topics = [Topic::CustomerEnd(None), Topic::UserEnd(None)];
                conversation_event(state, tenant, &topics, due.recording, timeline.ended_at);
                let body = UserConversationEvent {
                    id: ConversationId::of(service.seed(), due.recording).to_string(),
                    start_time: ApiDate::of(epoch, timeline.started_at),
                    end_time: ApiDate::of(epoch, timeline.ended_at),
                    recording_state: "NONE",
                };
                for topic in [Topic::Conversations, Topic::Calls] {
                    publish(state, tenant, topic, due.recording, &body);
                }
            }
            WebhookEvent::MetadataReady => {
                let topics = [Topic::MetadataReady];
                conversation_event(state, tenant, &topics, due.recording, state.now());
            }
        }
    }
}

fn conversation_event(
    state: &ApiState,
    tenant: TenantIndex,
    topics: &[Topic],
    recording: RecordingIndex,
    at: Timestamp,
) {
    let seed = state.service().seed();
    let body = ConversationEvent {
        event_time: state.config().epoch.wall_time(at).unix_millis(),
        conversation_id: ConversationId::of(seed, recording).to_string(),
        participant_id: super::participant_id(seed, recording, "customer").to_string(),
        session_id: SessionId::of(seed, recording).to_string(),
        recording_id: RecordingId::of(seed, recording).to_string(),
        media_type: "VOICE",
        provider: "Edge",
        direction: "INBOUND",
    };
    for topic in topics {
        let one = topic.of(Some(recording));
        publish(state, tenant, *topic, recording, &body);
        if one != *topic {
            publish(state, tenant, one, recording, &body);
        }
    }
}

/// The recording's media is there.
fn recording_event(
    state: &ApiState,
    tenant: TenantIndex,
    recording: RecordingIndex,
    at: Timestamp,
) {
    let service = state.service();
    let Some(tenant_of) = service.tenant(tenant) else {
        return;
    };
    let view = tenant_of.view(service, at, recording, ReadPath::Primary);
    if !view.is_some_and(|view| view.present.contains(Field::Media)) {
        return;
    }
    let body = recording_body(state, recording, "AVAILABLE");
    for topic in [Topic::Recordings(None), Topic::Recording(None)] {
        for one in [topic.of(Some(recording)), topic] {
            publish(state, tenant, one, recording, &body);
        }
    }
}

/// A recording is back from the archive, unless it went elsewhere on its way.
fn restored(state: &ApiState, (at, recording, tenant): Restore) {
    let seen = look_as(state, tenant, at, recording, ReadPath::Primary);
    let back = seen.is_some_and(|seen| {
        let waited_for = seen.kept.restored.is_some_and(|by| by.at == seen.seen_at);
        waited_for && seen.file_state() == FileState::Restored
    });
    if back {
        let body = recording_body(state, recording, "RESTORED");
        publish(state, tenant, Topic::Restored, recording, &body);
    }
}

fn recording_body(
    state: &ApiState,
    recording: RecordingIndex,
    file_state: &'static str,
) -> RecordingEvent {
    let seed = state.service().seed();
    RecordingEvent {
        id: RecordingId::of(seed, recording).to_string(),
        conversation_id: ConversationId::of(seed, recording).to_string(),
        file_state,
        media_uris: [],
        estimated_transcode_time_ms: 0,
        actual_transcode_time_ms: 0,
    }
}

/// Sends an event to everybody of the tenant who listens to the topic.
pub(super) fn publish(
    state: &ApiState,
    tenant: TenantIndex,
    topic: Topic,
    recording: RecordingIndex,
    body: &impl Serialize,
) {
    if !state.hub().is_heard(tenant, topic) {
        return;
    }
    let seed = state.service().seed();
    let correlation: Uuid = state.next_correlation();
    let times = state
        .control()
        .map_or(1, |control| control.deliveries("/channels", tenant));
    for _ in 0..times {
        state.hub().publish(tenant, topic, |client| {
            let me = &state.clients().get(client).user.id;
            frame(&topic.name(me, recording, seed), body, correlation)
        });
    }
}

/// What goes over the wire.
pub(super) fn frame(topic: &str, body: &impl Serialize, correlation: Uuid) -> String {
    let frame = Frame {
        topic_name: topic,
        version: "2",
        event_body: body,
        metadata: FrameMetadata {
            correlation_id: correlation.to_string(),
        },
    };
    // Strings and numbers only: there is nothing in it that JSON could not say.
    serde_json::to_string(&frame).unwrap_or_default()
}
