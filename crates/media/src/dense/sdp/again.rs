//! A caller's offers, the first to a server that waits to be called and new ones of a session that is up, and the answer to these.

use std::fmt::Write as _;

use super::{Local, OPUS, Remote, candidate, head, opus, transport};
use crate::peer::Flow;

/// A caller's first offer, to a server that waits to be called.
#[must_use]
pub(in crate::dense) fn invitation(local: &Local<'_>) -> String {
    offer_again(local, OPUS, Flow::Flowing)
}

/// A caller's new offer: the same path and keys, and whether audio is to flow.
#[must_use]
pub(in crate::dense) fn offer_again(local: &Local<'_>, payload_type: u8, flow: Flow) -> String {
    let direction = match flow {
        Flow::Flowing => "sendonly",
        Flow::Held => "inactive",
    };
    let mut text = head(local, "0");
    section(&mut text, payload_type, "0", direction);
    transport(&mut text, local, "actpass");
    opus(&mut text, payload_type);
    let _infallible = write!(text, "a=ssrc:{} cname:racegate\r\n", local.ssrc);
    candidate(&mut text, local.address);
    text
}

/// The server's answer to it. The roles of the handshake stay (RFC 8842, section 5.3): the server was passive.
#[must_use]
pub(in crate::dense) fn answer_again(local: &Local<'_>, remote: &Remote) -> String {
    let direction = match remote.flow {
        Flow::Flowing => "recvonly",
        Flow::Held => "inactive",
    };
    let mid = remote.audio.mid.as_deref().unwrap_or("0");
    let mut text = head(local, mid);
    text.push_str("a=ice-lite\r\n");
    section(&mut text, remote.audio.payload_type, mid, direction);
    transport(&mut text, local, "passive");
    opus(&mut text, remote.audio.payload_type);
    candidate(&mut text, local.address);
    text
}

fn section(text: &mut String, payload_type: u8, mid: &str, direction: &str) {
    let _infallible = write!(
        text,
        "m=audio 9 UDP/TLS/RTP/SAVPF {payload_type}\r\nc=IN IP4 0.0.0.0\r\n\
         a=mid:{mid}\r\na={direction}\r\n"
    );
}
