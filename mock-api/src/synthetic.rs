//! Recordings of calls that use no network: a clip, muxed as if it had been received.

use bytes::Bytes;
use racegate_media::Speech;
use racegate_media::ogg::{OpusMuxer, identity};
use racegate_model::draws::Seed;
use racegate_model::ids::{ConversationId, SessionId};
use racegate_model::time::Duration;
use racegate_model::workload::Call;

/// An Opus frame lasts 20 ms: 960 samples at 48 kHz.
const FRAME: Duration = Duration::from_millis(20);
const FRAME_SAMPLES: u64 = 960;

/// The Ogg/Opus recording of a synthetic call.
#[must_use]
pub fn recording(seed: Seed, call: &Call) -> Bytes {
    let conversation = ConversationId::of(seed, call.index).to_string();
    let session = SessionId::of(seed, call.index).to_string();
    let clip = usize::try_from(call.clip(seed) >> 32).unwrap_or(0);
    let speech = Speech::of(&conversation, clip);
    let serial = u32::try_from(call.index.0 & 0xFFFF_FFFF).unwrap_or(0);
    let mut muxer = OpusMuxer::new(serial, &identity(&conversation, &session));
    let frames = call.duration.as_nanos() / FRAME.as_nanos();
    for frame in 0..frames {
        muxer.push(frame * FRAME_SAMPLES, &speech.frame(frame));
    }
    Bytes::from(muxer.finish())
}
