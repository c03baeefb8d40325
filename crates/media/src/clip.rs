//! The audio that the softphones speak: real speech in real Opus frames of 20 ms, encoded once and checked in.

use std::sync::{Arc, OnceLock};

use crate::FRAME_SAMPLES;
use crate::ogg::{OggError, read};
use crate::toc::duration_of;

static FILES: [(&str, &[u8]); 6] = [
    (
        "agent-greeting",
        include_bytes!("../clips/agent-greeting.opus"),
    ),
    (
        "customer-order",
        include_bytes!("../clips/customer-order.opus"),
    ),
    ("agent-hold", include_bytes!("../clips/agent-hold.opus")),
    (
        "customer-dispute",
        include_bytes!("../clips/customer-dispute.opus"),
    ),
    ("numbers", include_bytes!("../clips/numbers.opus")),
    (
        "agent-closing",
        include_bytes!("../clips/agent-closing.opus"),
    ),
];

/// Why a file cannot be a clip.
#[derive(Debug, thiserror::Error)]
pub enum ClipError {
    /// It is not an Ogg/Opus file.
    #[error("the clip cannot be read")]
    Ogg(#[from] OggError),
    /// A packet is not one frame of 20 ms.
    #[error("packet {packet} does not last 20 ms")]
    Duration {
        /// Number of the packet.
        packet: usize,
    },
    /// It has no audio.
    #[error("the clip is empty")]
    Empty,
}

/// A piece of speech, 20 ms a frame, that can be repeated without end.
#[derive(Debug, Clone)]
pub struct Clip {
    name: String,
    frames: Vec<Arc<[u8]>>,
}

impl Clip {
    /// Takes the frames out of an Ogg/Opus file.
    ///
    /// # Errors
    /// When the file is damaged, empty, or not of 20 ms frames.
    pub fn parse(name: &str, file: &[u8]) -> Result<Self, ClipError> {
        let packets = read(file)?.packets;
        if packets.is_empty() {
            return Err(ClipError::Empty);
        }
        if let Some(packet) = packets
            .iter()
            .position(|packet| duration_of(packet) != Some(FRAME_SAMPLES))
        {
            return Err(ClipError::Duration { packet });
        }
        Ok(Self {
            name: name.to_owned(),
            frames: packets.into_iter().map(Arc::from).collect(),
        })
    }

    /// What the clip is called.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its frames.
    #[must_use]
    pub fn frames(&self) -> &[Arc<[u8]>] {
        &self.frames
    }
}

/// The clips that are checked in.
#[must_use]
pub fn clips() -> &'static [Clip] {
    static CLIPS: OnceLock<Vec<Clip>> = OnceLock::new();
    CLIPS.get_or_init(|| {
        let parse = |(name, file): &(&str, &[u8])| {
            Clip::parse(name, file).expect("the checked-in clips are valid, as a test shows")
        };
        FILES.iter().map(parse).collect()
    })
}

/// What one call says: a clip, begun at a frame that follows from the conversation, over and over.
///
/// Clip and phase mark the recording: whoever knows the conversation knows every frame that must be in it.
#[derive(Debug, Clone, Copy)]
pub struct Speech {
    clip: &'static Clip,
    phase: usize,
}

impl Speech {
    /// The speech of a conversation with the clip of that number, counted round.
    #[must_use]
    pub fn of(conversation_id: &str, clip: usize) -> Self {
        let clips = clips();
        let clip = &clips[clip % clips.len()];
        let frames = clip.frames.len() as u64;
        Self {
            clip,
            phase: usize::try_from(fnv1a(conversation_id.as_bytes()) % frames).unwrap_or(0),
        }
    }

    /// The clip's name.
    #[must_use]
    pub fn clip(&self) -> &'static str {
        &self.clip.name
    }

    /// The frame of that number from the start of the call.
    #[must_use]
    pub fn frame(&self, index: u64) -> Arc<[u8]> {
        let frames = self.clip.frames.len();
        let step = usize::try_from(index % frames as u64).unwrap_or(0);
        Arc::clone(&self.clip.frames[(self.phase + step) % frames])
    }
}

fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_checked_in_clip_is_speech_of_varying_size() {
        for clip in clips() {
            let sizes = clip.frames().iter().map(|frame| frame.len());
            let (min, max) = (sizes.clone().min().unwrap(), sizes.max().unwrap());
            assert!(clip.frames().len() >= 250, "{} lasts 5 s", clip.name());
            assert!(
                min * 3 < max && max < 200,
                "{}: {min}..{max} bytes",
                clip.name()
            );
        }
    }

    #[test]
    fn a_conversation_always_says_the_same_and_another_says_otherwise() {
        let say = |id: &str| {
            (0..20)
                .map(|n| Speech::of(id, 8).frame(n))
                .collect::<Vec<_>>()
        };
        assert_eq!(say("a"), say("a"));
        assert_ne!(say("a"), say("b"));
        let speech = Speech::of("a", 2);
        let round = clips()[2].frames().len() as u64;
        assert_eq!(speech.frame(5), speech.frame(5 + round));
        assert_eq!(speech.clip(), "agent-hold");
    }

    #[test]
    fn what_is_no_clip_is_an_error() {
        assert!(matches!(
            Clip::parse("x", b"not ogg"),
            Err(ClipError::Ogg(_))
        ));
        let empty = crate::ogg::OpusMuxer::new(1, &[]).finish();
        assert!(matches!(Clip::parse("x", &empty), Err(ClipError::Empty)));
        let mut long = crate::ogg::OpusMuxer::new(1, &[]);
        long.push(0, &[3 << 3, 1]);
        assert!(matches!(
            Clip::parse("x", &long.finish()),
            Err(ClipError::Duration { packet: 0 })
        ));
    }
}
