//! What every WebSocket of the mock is bounded by.

use axum::extract::ws::WebSocketUpgrade;

/// Bytes that are read at once; it is allocated when a connection is made, and kept. Messages may be
/// longer. The library's own choice, 128 KiB, made an idle connection cost 136 kB.
const READ: usize = 4 << 10;
/// Bytes that may wait to be written to a peer that does not read.
const WRITE_MAX: usize = 1 << 20;

/// An upgrade to a WebSocket whose messages have `message_max` bytes at most, and which holds little
/// while nothing is said.
pub(crate) fn bounded(upgrade: WebSocketUpgrade, message_max: usize) -> WebSocketUpgrade {
    upgrade
        .max_message_size(message_max)
        .max_frame_size(message_max)
        .read_buffer_size(READ)
        .write_buffer_size(0)
        .max_write_buffer_size(WRITE_MAX)
}
