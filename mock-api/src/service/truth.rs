//! What is true of a recording: from the platform's own knowledge, or from the plan.

use std::net::{IpAddr, Ipv4Addr};

use racegate_model::draws::{Draws, Purpose, Seed};
use racegate_model::ids::{ConversationId, RecordingId, RecordingIndex, SessionId};
use racegate_model::timeline::Timeline;
use racegate_model::workload::Call;

use crate::storage::layout::RunEpoch;
use crate::storage::sidecar::Truth;

/// Position of the address among the draws of a call's identity; 1 to 3 are its public ids.
const IDENTITY_ADDRESS: u32 = 16;

/// The truth about a recording on the platform.
#[must_use]
pub fn truth_of_timeline(seed: Seed, epoch: RunEpoch, timeline: &Timeline) -> Truth {
    let index = timeline.recording;
    Truth {
        conversation: ConversationId::of(seed, index),
        recording: RecordingId::of(seed, index),
        kind: timeline.kind,
        hold: timeline.hold,
        start_time: epoch.wall_time(timeline.started_at),
        end_time: epoch.wall_time(timeline.ended_at),
        session: SessionId::of(seed, index),
        client_ip: client_ip(seed, index),
        media_digest: None,
    }
}

/// The truth about a planned call, as far as a plan can know it: the session may end a little
/// later than planned.
#[must_use]
pub fn truth_of_call(seed: Seed, epoch: RunEpoch, call: &Call) -> Truth {
    Truth {
        conversation: ConversationId::of(seed, call.index),
        recording: RecordingId::of(seed, call.index),
        kind: call.kind,
        hold: call.hold,
        start_time: epoch.wall_time(call.arrival),
        end_time: epoch.wall_time(call.ended_at()),
        session: SessionId::of(seed, call.index),
        client_ip: client_ip(seed, call.index),
        media_digest: None,
    }
}

/// The caller's address: derived, for most sessions have no network of their own.
#[must_use]
pub const fn client_ip(seed: Seed, index: RecordingIndex) -> IpAddr {
    let draw = Draws::of_call(seed, index.0)
        .draw_nth(Purpose::Identity, IDENTITY_ADDRESS)
        .to_le_bytes();
    IpAddr::V4(Ipv4Addr::new(10, draw[0], draw[1], draw[2]))
}
