//! The descriptions that we write.

use std::fmt::Write as _;
use std::net::SocketAddr;

use super::{Local, OPUS, Outline, Remote};
use crate::dense::identity::HandshakeRole;
use crate::peer::Flow;

/// What we say of Opus where we send it: silence may be left out.
const SENT: &str = "minptime=10;useinbandfec=1;usedtx=1";

/// What we say of it where it comes from outside: how the other side speaks is its own affair.
const HEARD: &str = "minptime=10;useinbandfec=1";

/// Our offer as a server: ICE-lite, receives audio, leaves the handshake's direction to the answer.
#[must_use]
pub(in crate::dense) fn offer(local: &Local<'_>) -> String {
    let mut text = head(local, Some("0"));
    text.push_str("a=ice-lite\r\n");
    section(&mut text, OPUS, "recvonly");
    transport(&mut text, local, "actpass");
    opus(&mut text, OPUS, SENT);
    candidate(&mut text, local.address);
    text
}

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
    let mut text = head(local, Some("0"));
    section(&mut text, payload_type, direction);
    transport(&mut text, local, "actpass");
    opus(&mut text, payload_type, SENT);
    source(&mut text, local);
    candidate(&mut text, local.address);
    text
}

/// Our answer as a softphone: it begins the handshake unless the offer insists, sends audio, and takes part in nothing else.
#[must_use]
pub(in crate::dense) fn answer(local: &Local<'_>, remote: &Remote) -> String {
    let setup = setup(remote.setup.answered_by(HandshakeRole::Client));
    let mut text = head(local, bundled(remote).as_deref());
    respond(&mut text, local, remote, setup, |text| {
        text.push_str("a=sendonly\r\na=msid:- audio\r\n");
        transport(text, local, setup);
        opus(text, remote.audio.payload_type, SENT);
        source(text, local);
    });
    text
}

/// Our answer as a server, to a caller's first offer or to a new one. In a session that is up the roles of the handshake stay
/// (RFC 8842, section 5.3).
#[must_use]
pub(in crate::dense) fn answer_as_server(
    local: &Local<'_>,
    remote: &Remote,
    role: HandshakeRole,
) -> String {
    let setup = setup(role);
    let direction = match remote.flow {
        Flow::Flowing => "recvonly",
        Flow::Held => "inactive",
    };
    let mut text = head(local, bundled(remote).as_deref());
    text.push_str("a=ice-lite\r\n");
    respond(&mut text, local, remote, setup, |text| {
        let _infallible = write!(text, "a={direction}\r\n");
        transport(text, local, setup);
        opus(text, remote.audio.payload_type, HEARD);
    });
    text
}

/// Answers every section: `audio` writes what is said of the one that we take part in.
fn respond(
    text: &mut String,
    local: &Local<'_>,
    remote: &Remote,
    setup: &str,
    audio: impl Fn(&mut String),
) {
    for (at, outline) in remote.sections.iter().enumerate() {
        let ours = at == remote.audio.section;
        let carries = at == remote.carrier;
        let payload_type = remote.audio.payload_type.to_string();
        let format = if ours { &payload_type } else { &outline.format };
        let port = if ours || carries { 9 } else { 0 };
        let Outline {
            media, protocol, ..
        } = outline;
        let _infallible = write!(
            text,
            "m={media} {port} {protocol} {format}\r\nc=IN IP4 0.0.0.0\r\n"
        );
        if let Some(mid) = &outline.mid {
            let _infallible = write!(text, "a=mid:{mid}\r\n");
        }
        if ours {
            audio(text);
        } else {
            text.push_str("a=inactive\r\n");
        }
        if carries && !ours {
            transport(text, local, setup);
            if let Some(codec) = &outline.rtpmap {
                let _infallible = write!(text, "a=rtpmap:{format} {codec}\r\n");
            }
        }
        if carries {
            candidate(text, local.address);
        }
    }
}

/// The sections that are bundled in our answer: those of the offer's bundle that we do not refuse, the one with the path first.
fn bundled(remote: &Remote) -> Option<String> {
    remote.bundle.as_ref()?;
    let mid = |at: usize| remote.sections.get(at)?.mid.as_deref();
    let (audio, carrier) = (remote.audio.section, remote.carrier);
    if audio == carrier {
        return mid(audio).map(str::to_owned);
    }
    Some(format!("{} {}", mid(carrier)?, mid(audio)?))
}

fn head(local: &Local<'_>, bundled: Option<&str>) -> String {
    let mut text = format!(
        "v=0\r\no=- {} 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n",
        local.session
    );
    if let Some(bundled) = bundled {
        let _infallible = write!(text, "a=group:BUNDLE {bundled}\r\n");
    }
    text.push_str("a=msid-semantic:WMS *\r\n");
    text
}

/// The one section of our own offers.
fn section(text: &mut String, payload_type: u8, direction: &str) {
    let _infallible = write!(
        text,
        "m=audio 9 UDP/TLS/RTP/SAVPF {payload_type}\r\nc=IN IP4 0.0.0.0\r\n\
         a=mid:0\r\na={direction}\r\n"
    );
}

const fn setup(role: HandshakeRole) -> &'static str {
    match role {
        HandshakeRole::Client => "active",
        HandshakeRole::Server => "passive",
    }
}

fn transport(text: &mut String, local: &Local<'_>, setup: &str) {
    let _infallible = write!(
        text,
        "a=rtcp-mux\r\na=ice-ufrag:{}\r\na=ice-pwd:{}\r\na=ice-options:trickle\r\n\
         a=fingerprint:sha-256 {}\r\na=setup:{setup}\r\n",
        local.ufrag, local.password, local.fingerprint
    );
}

fn opus(text: &mut String, kind: u8, format: &str) {
    let _infallible = write!(
        text,
        "a=rtpmap:{kind} opus/48000/2\r\na=fmtp:{kind} {format}\r\na=ptime:20\r\n"
    );
}

fn source(text: &mut String, local: &Local<'_>) {
    let _infallible = write!(text, "a=ssrc:{} cname:racegate\r\n", local.ssrc);
}

fn candidate(text: &mut String, address: SocketAddr) {
    // One candidate has nothing to be weighed against; the priority is RFC 8445's for a host.
    let _infallible = write!(
        text,
        "a=candidate:1 1 udp 2130706431 {} {} typ host\r\na=end-of-candidates\r\n",
        address.ip(),
        address.port()
    );
}
