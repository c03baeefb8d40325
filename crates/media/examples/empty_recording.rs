//! Writes the recording of a call without audio to standard output, for decoders to be tried on.

use std::io::Write as _;

use racegate_media::ogg::{OpusMuxer, identity};

fn main() -> std::io::Result<()> {
    let recording = OpusMuxer::new(1, &identity("conversation", "session")).finish();
    std::io::stdout().write_all(&recording)
}
