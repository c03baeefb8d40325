//! The audio that the softphones speak: real speech in real Opus frames of 20 ms, encoded once and checked in.

use std::collections::BTreeMap;
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

/// The same speech in frames of other lengths, in samples.
static OTHER_FRAMES: [(u32, &[u8]); 3] = [
    (480, include_bytes!("../clips/frames-10ms.opus")),
    (1920, include_bytes!("../clips/frames-40ms.opus")),
    (2880, include_bytes!("../clips/frames-60ms.opus")),
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
    /// The frame with the least in it: background noise.
    quietest: usize,
}

impl Clip {
    /// Takes the frames out of an Ogg/Opus file.
    ///
    /// # Errors
    /// When the file is damaged, empty, or not of 20 ms frames.
    pub fn parse(name: &str, file: &[u8]) -> Result<Self, ClipError> {
        let packets = read(file)?.packets;
        // Concealment is a packet of one byte, and what an empty recording has.
        if packets.iter().all(|packet| packet.len() <= 1) {
            return Err(ClipError::Empty);
        }
        if let Some(packet) = packets
            .iter()
            .position(|packet| duration_of(packet) != Some(FRAME_SAMPLES))
        {
            return Err(ClipError::Duration { packet });
        }
        let quietest = (0..packets.len()).min_by_key(|at| packets[*at].len());
        Ok(Self {
            name: name.to_owned(),
            frames: packets.into_iter().map(Arc::from).collect(),
            quietest: quietest.unwrap_or(0),
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

/// A speaker and the other side take turns: so many frames for both.
const ROUND: u64 = 400;
/// The speaker's turn at least; it may be up to twice as long.
const TURN: u64 = 150;
/// Quiet frames after which an Opus encoder stops sending.
const HANGOVER: u64 = 10;
/// While it does, it sends a frame of comfort noise so often: every 400 ms.
const COMFORT: u64 = 20;

/// Frames of a marker: seven bits each, for 64 bits.
const MARKER: usize = 10;
/// Different frames that a marker is written with.
const SYMBOLS: usize = 128;
/// The marker comes again after so many frames: ten seconds.
const MARKER_EVERY: u64 = 500;

/// What one call says: its marker, and then a clip, begun at a frame that follows from the conversation, over and over.
///
/// The marker is the hash of the conversation, spelled in frames of real speech: a recording can be traced to its session by its audio
/// alone. Whoever knows the conversation knows every frame that must be in it.
#[derive(Debug, Clone, Copy)]
pub struct Speech {
    clip: &'static Clip,
    phase: usize,
    mark: u64,
}

impl Speech {
    /// The speech of a conversation with the clip of that number, counted round.
    #[must_use]
    pub fn of(conversation_id: &str, clip: usize) -> Self {
        let clips = clips();
        let clip = &clips[clip % clips.len()];
        let frames = clip.frames.len() as u64;
        let mark = Self::mark_of(conversation_id);
        Self {
            clip,
            phase: usize::try_from(mark % frames).unwrap_or(0),
            mark,
        }
    }

    /// What the marker of a conversation says.
    #[must_use]
    pub fn mark_of(conversation_id: &str) -> u64 {
        fnv1a(conversation_id.as_bytes())
    }

    /// What the first whole marker among a recording's packets says.
    #[must_use]
    pub fn mark_in<T: AsRef<[u8]>>(packets: &[T]) -> Option<u64> {
        let symbols = symbols();
        let value = |packet: &T| {
            let packet = packet.as_ref();
            symbols.iter().position(|symbol| symbol[..] == *packet)
        };
        packets.windows(MARKER).find_map(|window| {
            let mut mark = 0_u128;
            for packet in window {
                mark = mark << 7 | value(packet)? as u128;
            }
            // Six bits are left over, and zero in a marker.
            u64::try_from(mark).ok()
        })
    }

    /// The clip's name.
    #[must_use]
    pub fn clip(&self) -> &'static str {
        &self.clip.name
    }

    /// Packet `index` of a caller whose packets last so many samples each: 480, 1,920 and 2,880 are to
    /// be had besides the usual 960. These carry no marker.
    #[must_use]
    pub fn packet(&self, index: u64, samples: u32) -> Arc<[u8]> {
        let Some((_, packets)) = other_frames().iter().find(|(other, _)| *other == samples) else {
            return self.frame(index);
        };
        let count = packets.len() as u64;
        let at = (self.mark % count + index % count) % count;
        Arc::clone(&packets[usize::try_from(at).unwrap_or(0)])
    }

    /// The frame of that number if silence is not sent (RFC 6716, section 2.1.9); none if nothing is.
    ///
    /// The speaker talks for three to six seconds of eight and then listens. Ten quiet frames later Opus stops sending but for a frame
    /// of comfort noise every 400 ms. Markers are always sent.
    #[must_use]
    pub fn discontinuous(&self, index: u64) -> Option<Arc<[u8]>> {
        if index % MARKER_EVERY < MARKER as u64 {
            return Some(self.frame(index));
        }
        let (round, within) = (index / ROUND, index % ROUND);
        let chance = fnv1a(&(self.mark ^ round).to_be_bytes());
        let Some(quiet) = within.checked_sub(TURN + chance % TURN) else {
            return Some(self.frame(index));
        };
        let sent = quiet < HANGOVER || (quiet - HANGOVER) % COMFORT == COMFORT - 1;
        sent.then(|| Arc::clone(&self.clip.frames[self.clip.quietest]))
    }

    /// The frame of that number from the start of the call.
    #[must_use]
    pub fn frame(&self, index: u64) -> Arc<[u8]> {
        let within = usize::try_from(index % MARKER_EVERY).unwrap_or(MARKER);
        if within < MARKER {
            let shift = 7 * (MARKER - 1 - within);
            let symbol = u128::from(self.mark) >> shift & (SYMBOLS as u128 - 1);
            return Arc::clone(symbols()[usize::try_from(symbol).unwrap_or(0)]);
        }
        let frames = self.clip.frames.len();
        let step = usize::try_from(index % frames as u64).unwrap_or(0);
        Arc::clone(&self.clip.frames[(self.phase + step) % frames])
    }
}

type Packets = Vec<Arc<[u8]>>;

/// The packets of [`OTHER_FRAMES`] that have the length that they should; an encoder's last one may
/// be shorter.
fn other_frames() -> &'static [(u32, Packets)] {
    static PACKETS: OnceLock<Vec<(u32, Packets)>> = OnceLock::new();
    PACKETS.get_or_init(|| {
        let packets = |(samples, file): &(u32, &[u8])| {
            let recording = read(file).expect("the checked-in clips are valid, as a test shows");
            let whole = recording.packets.into_iter().map(Arc::from);
            let whole = whole.filter(|packet: &Arc<[u8]>| duration_of(packet) == Some(*samples));
            (*samples, whole.collect())
        };
        OTHER_FRAMES.iter().map(packets).collect()
    })
}

/// The frames that markers are written with: of all clips those that occur once, and of these each eleventh, so that no two of them
/// follow each other in speech.
fn symbols() -> &'static [&'static Arc<[u8]>] {
    static SYMBOL_FRAMES: OnceLock<Vec<&'static Arc<[u8]>>> = OnceLock::new();
    SYMBOL_FRAMES.get_or_init(|| {
        let all = || clips().iter().flat_map(|clip| clip.frames.iter());
        let mut counts = BTreeMap::new();
        all().for_each(|frame| *counts.entry(&frame[..]).or_insert(0) += 1);
        all()
            .filter(|frame| counts.get(&frame[..]) == Some(&1))
            .step_by(11)
            .take(SYMBOLS)
            .collect()
    })
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
        assert_eq!(speech.frame(15), speech.frame(15 + round));
        assert_eq!(speech.clip(), "agent-hold");
    }

    #[test]
    fn a_recording_is_traced_to_its_conversation_by_its_audio_alone() {
        assert_eq!(symbols().len(), SYMBOLS);
        for nth in 0..150_u64 {
            let id = format!("conversation-{nth}");
            let clip = usize::try_from(nth % 6).unwrap();
            let mut muxer = crate::ogg::OpusMuxer::new(1, &[]);
            // Some begin late and have the marker from further on.
            for frame in nth % 3 * 7..540 {
                muxer.push(frame * 960, &Speech::of(&id, clip).frame(frame));
            }
            let recording = read(&muxer.finish()).unwrap();
            assert_eq!(
                Speech::mark_in(&recording.packets),
                Some(Speech::mark_of(&id)),
                "{id}"
            );
        }
    }

    #[test]
    fn packets_of_other_lengths_are_speech_of_that_length() {
        let speech = Speech::of("a", 0);
        for (samples, least) in [(480, 290), (1920, 70), (2880, 45)] {
            let packets = &other_frames()
                .iter()
                .find(|(n, _)| *n == samples)
                .unwrap()
                .1;
            assert!(packets.len() >= least, "{samples}: {}", packets.len());
            for index in 0..400 {
                let packet = speech.packet(index, samples);
                assert_eq!(duration_of(&packet), Some(samples));
            }
            assert_ne!(speech.packet(3, samples), speech.packet(4, samples));
        }
        assert_eq!(speech.packet(20, 960), speech.frame(20));
    }

    #[test]
    fn where_silence_is_not_sent_a_recording_keeps_its_time_and_its_marker() {
        for nth in 0..20_u64 {
            let id = format!("conversation-{nth}");
            let speech = Speech::of(&id, usize::try_from(nth).unwrap());
            let mut muxer = crate::ogg::OpusMuxer::new(1, &[]);
            let (mut sent, mut pause, mut longest, mut last) = (0, 0, 0, 0);
            for frame in 0..3000 {
                pause += 1;
                if let Some(packet) = speech.discontinuous(frame) {
                    muxer.push(frame * 960, &packet);
                    (sent, longest, last) = (sent + 1, longest.max(pause), frame);
                    pause = 0;
                }
            }
            // Of each eight seconds three to six are speech, and of the rest a twentieth.
            assert!((1300..2300).contains(&sent), "{sent} of 3000 frames sent");
            assert_eq!(longest, COMFORT, "frames to the next one, at most");
            assert_eq!(muxer.samples(), (last + 1) * 960);
            assert!(last > 3000 - COMFORT);
            assert_eq!(muxer.concealed(), (last + 1 - sent) * 960);
            let recording = read(&muxer.finish()).unwrap();
            let mark = Speech::mark_in(&recording.packets);
            assert_eq!(mark, Some(Speech::mark_of(&id)), "{id}");
        }
    }

    #[test]
    fn audio_without_a_marker_has_none() {
        for clip in clips() {
            assert_eq!(
                Speech::mark_in(&clip.frames()[200..]),
                None,
                "{}",
                clip.name()
            );
        }
        assert_eq!(Speech::mark_in::<Vec<u8>>(&[]), None);
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
