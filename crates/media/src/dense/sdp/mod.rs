//! Session descriptions, as much as one Opus stream over BUNDLE and rtcp-mux needs (RFC 8866, RFC 8829).

use std::fmt::Write as _;
use std::net::SocketAddr;

use is::Candidate;

use crate::peer::{Flow, PeerError};

mod again;

pub(super) use again::{answer_again, invitation, offer_again};

/// Bytes of a description that are read; a browser's with everything on has a tenth of it.
const DESCRIPTION_MAX: usize = 64 << 10;

/// Candidates that are read; each costs a pair to check.
const CANDIDATES_MAX: usize = 16;

/// The payload type that our offers give Opus: what browsers use too.
pub(super) const OPUS: u8 = 111;

/// Who begins the handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Setup {
    /// The one who wrote it.
    Active,
    /// The one who reads it.
    Passive,
    /// An offer that leaves it to the answer.
    Either,
}

/// What we say of ourselves, in an offer or an answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Local<'a> {
    /// ICE user name fragment.
    pub(super) ufrag: &'a str,
    /// ICE password.
    pub(super) password: &'a str,
    /// SHA-256 of our certificate, as `AB:CD:…`.
    pub(super) fingerprint: &'a str,
    /// Our one candidate.
    pub(super) address: SocketAddr,
    /// Our source.
    pub(super) ssrc: u32,
    /// Distinguishes our sessions.
    pub(super) session: u64,
}

/// The audio section of the other side's description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Audio {
    /// Number of the section.
    pub(super) section: usize,
    /// Its `mid`, if it has one.
    pub(super) mid: Option<String>,
    /// Payload type of Opus.
    pub(super) payload_type: u8,
}

/// The other side's description.
#[derive(Debug, Clone)]
pub(super) struct Remote {
    /// ICE user name fragment.
    pub(super) ufrag: String,
    /// ICE password.
    pub(super) password: String,
    /// SHA-256 of its certificate.
    pub(super) fingerprint: [u8; 32],
    /// Whether it only answers checks.
    pub(super) ice_lite: bool,
    /// Who begins the handshake.
    pub(super) setup: Setup,
    /// Its candidates that can be used.
    pub(super) candidates: Vec<Candidate>,
    /// The audio that we take part in.
    pub(super) audio: Audio,
    /// Whether it is to flow.
    pub(super) flow: Flow,
    /// All sections: media and transport as in the `m=` line, and `mid`. An answer must name each.
    sections: Vec<(String, String, Option<String>)>,
}

/// Attributes of a section, or of the session before the first one.
#[derive(Debug, Default)]
struct Section<'a> {
    /// Media, port and transport, formats.
    line: Option<(&'a str, &'a str, &'a str, &'a str)>,
    attributes: Vec<(&'a str, &'a str)>,
}

impl<'a> Section<'a> {
    fn get(&self, name: &str) -> Option<&'a str> {
        self.all(name).next()
    }

    fn all(&self, name: &str) -> impl Iterator<Item = &'a str> {
        self.attributes
            .iter()
            .filter(move |(key, _)| *key == name)
            .map(|(_, value)| *value)
    }

    /// The payload type of Opus, if the section is accepted audio that has it.
    fn opus(&self) -> Option<u8> {
        let (media, port, _, formats) = self.line?;
        if media != "audio" || port == "0" {
            return None;
        }
        let offered = |number: &str| formats.split_ascii_whitespace().any(|one| one == number);
        self.all("rtpmap").find_map(|map| {
            let (number, codec) = map.split_once(' ')?;
            let opus = codec
                .get(..11)
                .is_some_and(|name| name.eq_ignore_ascii_case("opus/48000/"));
            (opus && offered(number)).then(|| number.parse().ok())?
        })
    }
}

/// Reads a description.
///
/// # Errors
/// When it cannot be read, lacks what a session needs, or has no audio for us.
pub(super) fn parse(text: &str) -> Result<Remote, PeerError> {
    let sections = split(text)?;
    let (session, media) = sections
        .split_first()
        .ok_or_else(|| PeerError::Parse("it is empty".to_owned()))?;
    let (section, payload_type) = media
        .iter()
        .enumerate()
        .find_map(|(at, section)| Some((at, section.opus().filter(|kind| *kind < 128)?)))
        .ok_or(PeerError::NoAudio)?;
    let audio = &media[section];
    let get = |name: &'static str| {
        let value = audio.get(name).or_else(|| session.get(name));
        value.ok_or_else(|| PeerError::Refused(format!("it has no a={name}")))
    };
    let setup = match get("setup")? {
        "active" => Setup::Active,
        "passive" => Setup::Passive,
        "actpass" => Setup::Either,
        other => return Err(PeerError::Refused(format!("a={other} is no set-up role"))),
    };
    let fingerprint = audio
        .all("fingerprint")
        .chain(session.all("fingerprint"))
        .find_map(sha256)
        .ok_or_else(|| PeerError::Refused("it has no SHA-256 fingerprint".to_owned()))?;
    let candidates = audio.all("candidate").take(CANDIDATES_MAX);
    Ok(Remote {
        ufrag: bounded("ice-ufrag", get("ice-ufrag")?, 4)?,
        password: bounded("ice-pwd", get("ice-pwd")?, 22)?,
        fingerprint,
        ice_lite: session.get("ice-lite").is_some(),
        setup,
        // What cannot be used (TCP, a `.local` name) is left out: the other side's checks tell its address anyway.
        candidates: candidates
            .filter_map(|value| Candidate::from_sdp_string(&format!("candidate:{value}")).ok())
            .collect(),
        audio: Audio {
            section,
            mid: audio.get("mid").map(str::to_owned),
            payload_type,
        },
        flow: flow(audio),
        sections: media.iter().filter_map(outline).collect(),
    })
}

/// Reads an answer to an offer of ours.
///
/// # Errors
/// As [`parse`], and when it is none.
pub(super) fn parse_answer(text: &str) -> Result<Remote, PeerError> {
    let remote = parse(text)?;
    if remote.audio.payload_type != OPUS {
        return Err(PeerError::NoAudio);
    }
    if remote.setup == Setup::Either {
        let text = "an answer must say who begins the handshake";
        return Err(PeerError::Refused(text.to_owned()));
    }
    Ok(remote)
}

/// On hold the offerer sends nothing (RFC 3264, section 8.4).
fn flow(audio: &Section<'_>) -> Flow {
    let held = ["inactive", "recvonly"];
    match held.iter().any(|held| audio.get(held).is_some()) {
        true => Flow::Held,
        false => Flow::Flowing,
    }
}

fn outline(section: &Section<'_>) -> Option<(String, String, Option<String>)> {
    let (media, _, transport, _) = section.line?;
    let mid = section.get("mid").map(str::to_owned);
    Some((media.to_owned(), transport.to_owned(), mid))
}

/// RFC 8445, section 5.3: at least so many characters, at most 256.
fn bounded(name: &str, value: &str, min: usize) -> Result<String, PeerError> {
    if (min..=256).contains(&value.len()) {
        Ok(value.to_owned())
    } else {
        let len = value.len();
        Err(PeerError::Refused(format!("a={name} has {len} characters")))
    }
}

fn split(text: &str) -> Result<Vec<Section<'_>>, PeerError> {
    if text.len() > DESCRIPTION_MAX {
        return Err(PeerError::Parse(format!("it has {} bytes", text.len())));
    }
    if !text.starts_with("v=0") {
        return Err(PeerError::Parse("it does not begin with v=0".to_owned()));
    }
    let mut sections = vec![Section::default()];
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim_end();
        if line.is_empty() {
            continue;
        }
        let Some((kind, value)) = line.split_once('=') else {
            return Err(PeerError::Parse(format!("line {number} is not type=value")));
        };
        match kind {
            "m" => {
                let parts = media_line(value)
                    .ok_or_else(|| PeerError::Parse(format!("line {number} is not media")))?;
                sections.push(Section {
                    line: Some(parts),
                    attributes: Vec::new(),
                });
            }
            "a" => {
                let attribute = value.split_once(':').unwrap_or((value, ""));
                if let Some(section) = sections.last_mut() {
                    section.attributes.push(attribute);
                }
            }
            _ => {}
        }
    }
    Ok(sections)
}

fn media_line(value: &str) -> Option<(&str, &str, &str, &str)> {
    let (media, rest) = value.split_once(' ')?;
    let (port, rest) = rest.split_once(' ')?;
    let (transport, formats) = rest.split_once(' ').unwrap_or((rest, ""));
    Some((media, port, transport, formats))
}

/// A fingerprint attribute's bytes, if it is SHA-256.
fn sha256(value: &str) -> Option<[u8; 32]> {
    let (hash, digits) = value.split_once(' ')?;
    if !hash.eq_ignore_ascii_case("sha-256") {
        return None;
    }
    let mut bytes = [0; 32];
    let mut pairs = digits.trim().split(':');
    for byte in &mut bytes {
        *byte = u8::from_str_radix(pairs.next().filter(|pair| pair.len() == 2)?, 16).ok()?;
    }
    pairs.next().is_none().then_some(bytes)
}

/// Our offer as a server: ICE-lite, receives audio, leaves the handshake's direction to the answer.
#[must_use]
pub(super) fn offer(local: &Local<'_>) -> String {
    let mut text = head(local, "0");
    text.push_str("a=ice-lite\r\n");
    let _infallible = write!(
        text,
        "m=audio 9 UDP/TLS/RTP/SAVPF {OPUS}\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=recvonly\r\n"
    );
    transport(&mut text, local, "actpass");
    opus(&mut text, OPUS);
    candidate(&mut text, local.address);
    text
}

/// Our answer as a softphone: it begins the handshake unless the offer insists, sends audio, and takes part in nothing else.
#[must_use]
pub(super) fn answer(local: &Local<'_>, remote: &Remote) -> String {
    let mid = remote.audio.mid.as_deref();
    let mut text = head(local, mid.unwrap_or("0"));
    for (at, (media, protocol, mid)) in remote.sections.iter().enumerate() {
        let accepted = at == remote.audio.section;
        let port = if accepted { 9 } else { 0 };
        let format = if accepted {
            remote.audio.payload_type
        } else {
            0
        };
        let _infallible = write!(
            text,
            "m={media} {port} {protocol} {format}\r\nc=IN IP4 0.0.0.0\r\n"
        );
        if let Some(mid) = mid {
            let _infallible = write!(text, "a=mid:{mid}\r\n");
        }
        if !accepted {
            text.push_str("a=inactive\r\n");
            continue;
        }
        text.push_str("a=sendonly\r\na=msid:- audio\r\n");
        let setup = match remote.setup {
            Setup::Active => "passive",
            Setup::Passive | Setup::Either => "active",
        };
        transport(&mut text, local, setup);
        opus(&mut text, remote.audio.payload_type);
        let _infallible = write!(text, "a=ssrc:{} cname:racegate\r\n", local.ssrc);
        candidate(&mut text, local.address);
    }
    text
}

fn head(local: &Local<'_>, bundled: &str) -> String {
    format!(
        "v=0\r\no=- {} 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE {bundled}\r\n\
         a=msid-semantic:WMS *\r\n",
        local.session
    )
}

fn transport(text: &mut String, local: &Local<'_>, setup: &str) {
    let _infallible = write!(
        text,
        "a=rtcp-mux\r\na=ice-ufrag:{}\r\na=ice-pwd:{}\r\na=ice-options:trickle\r\n\
         a=fingerprint:sha-256 {}\r\na=setup:{setup}\r\n",
        local.ufrag, local.password, local.fingerprint
    );
}

fn opus(text: &mut String, kind: u8) {
    let _infallible = write!(
        text,
        "a=rtpmap:{kind} opus/48000/2\r\na=fmtp:{kind} minptime=10;useinbandfec=1;usedtx=1\r\n\
         a=ptime:20\r\n"
    );
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

#[cfg(test)]
mod tests;
