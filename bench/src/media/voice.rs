//! What the bench's callers say: the checked-in speech, each frame filled up to 120 bytes.
//!
//! Speech at 24 kbit/s has 53 bytes a frame on average; 120 is a softphone at 48 kbit/s, and the size that the peers' published figures
//! and our own limits are for. The filling is Opus's own padding, so what is recorded still decodes.

use std::sync::{Arc, OnceLock};

use racegate_media::clips;

/// Bytes of a frame; the few that are longer stay as they are.
pub(super) const FRAME_BYTES: usize = 120;

/// Frames of 20 ms, repeated without end.
pub(super) type Clip = Vec<Arc<[u8]>>;

/// All clips, filled up.
pub(super) fn voices() -> &'static [Clip] {
    static VOICES: OnceLock<Vec<Clip>> = OnceLock::new();
    VOICES.get_or_init(|| {
        let fill = |frame: &Arc<[u8]>| Arc::from(padded(frame, FRAME_BYTES));
        clips()
            .iter()
            .map(|clip| clip.frames().iter().map(fill).collect())
            .collect()
    })
}

/// A packet of one frame as one of `len` bytes with padding (RFC 6716, section 3.2.5): frame count byte, padding length, frame,
/// zeros. What has another form or is long enough is left alone.
fn padded(packet: &[u8], len: usize) -> Vec<u8> {
    let Some((toc, frame)) = packet.split_first().filter(|(toc, _)| *toc & 3 == 0) else {
        return packet.to_vec();
    };
    // One byte says how much padding there is, up to 254.
    let Some(padding) = len
        .checked_sub(frame.len() + 3)
        .and_then(|padding| u8::try_from(padding).ok())
        .filter(|padding| *padding < 255)
    else {
        return packet.to_vec();
    };
    const PADDED: u8 = 0x40;
    let mut out = vec![toc | 3, PADDED | 1, padding];
    out.extend_from_slice(frame);
    out.resize(len, 0);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filled_frame_keeps_its_audio_and_its_time() {
        let frame: &[u8] = &[9 << 3, 1, 2, 3];
        let filled = padded(frame, 120);
        assert_eq!(filled.len(), 120);
        assert_eq!(filled[..6], [9 << 3 | 3, 0x41, 114, 1, 2, 3]);
        assert_eq!(racegate_media::duration_of(&filled), Some(960));
        assert_eq!(padded(&[9 << 3; 130], 120).len(), 130);
        assert_eq!(padded(&[9 << 3 | 1, 1, 1], 120).len(), 3);
    }

    #[test]
    fn nearly_every_frame_has_the_size_that_the_bench_tells() {
        let frames = voices().iter().flatten();
        let sizes: Vec<_> = frames.map(|frame| frame.len()).collect();
        let exact = sizes.iter().filter(|len| **len == FRAME_BYTES).count();
        assert!(exact * 100 > sizes.len() * 97, "{exact} of {}", sizes.len());
    }
}
