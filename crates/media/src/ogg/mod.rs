//! Ogg/Opus recordings: writing them as a call goes on, and reading them back (RFC 3533, RFC 7845).

mod crc;
mod mux;
mod read;

pub use mux::{Muxed, OpusMuxer, OpusPages, PageSink};
pub use read::{Headers, OggError, Reader, Recording, read};

/// Samples that a decoder drops at the start; what libopus encoders look ahead by at 48 kHz.
pub const PRE_SKIP: u16 = 312;

/// Bytes of a page's header before its segment table.
const PAGE_HEADER: usize = 27;

/// Segments in a page at most.
const SEGMENTS_MAX: usize = 255;

/// Page flags: the packet goes on from the page before; first page; last page.
const CONTINUED: u8 = 1;
const BEGIN: u8 = 2;
const END: u8 = 4;

/// The comments by which every recording names its conversation and the session that carried it.
#[must_use]
pub const fn identity<'a>(conversation: &'a str, session: &'a str) -> [(&'static str, &'a str); 2] {
    [("CONVERSATION_ID", conversation), ("SESSION_ID", session)]
}
