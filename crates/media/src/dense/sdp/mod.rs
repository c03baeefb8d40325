//! Session descriptions, as much as one Opus stream over BUNDLE and rtcp-mux needs (RFC 8866, RFC 8829).

use std::net::SocketAddr;

use is::Candidate;

use super::identity::HandshakeRole;
use crate::peer::{Flow, PeerError};

mod write;

pub(super) use write::{answer, answer_as_server, invitation, offer, offer_again};

/// Bytes of a description that are read; a browser's with everything on has a tenth of it.
const DESCRIPTION_MAX: usize = 64 << 10;

/// Why a description of a peer that only answers checks is of no use to another one.
pub(super) const NOBODY_CHECKS: &str = "neither side would check the path";

/// Candidates that are read; each costs a pair to check.
const CANDIDATES_MAX: usize = 16;

/// Sections that are read; a meeting in a browser has a few dozen.
const SECTIONS_MAX: usize = 128;

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

impl Setup {
    /// What the one who reads it is; `fallback` if that is left to it.
    pub(super) const fn answered_by(self, fallback: HandshakeRole) -> HandshakeRole {
        match self {
            Self::Active => HandshakeRole::Server,
            Self::Passive => HandshakeRole::Client,
            Self::Either => fallback,
        }
    }
}

/// Where reports come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rtcp {
    /// On the port of the audio.
    Muxed,
    /// On another one.
    Apart,
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
    rtcp: Rtcp,
    /// All sections; an answer must name each.
    sections: Vec<Outline>,
    /// The section whose path the audio takes: its own, or the bundle's first one if it has none.
    carrier: usize,
    /// The identifiers of the sections that share the audio's path, if they are bundled.
    bundle: Option<Vec<String>>,
}

/// As much of a section as an answer repeats.
#[derive(Debug, Clone)]
struct Outline {
    media: String,
    protocol: String,
    mid: Option<String>,
    /// The first format, and what it stands for.
    format: String,
    rtpmap: Option<String>,
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

    fn mid(&self) -> Option<&'a str> {
        self.get("mid")
    }

    /// Whether it has no path of its own and takes that of its bundle (RFC 9143, section 6).
    fn is_bundle_only(&self) -> bool {
        let port = self.line.map(|(_, port, _, _)| port);
        port == Some("0") && self.get("bundle-only").is_some()
    }

    /// The payload type of Opus, if the section is accepted audio that has it. Between 64 and 95 it would look like RTCP on the same
    /// port (RFC 5761, section 4).
    fn opus(&self) -> Option<u8> {
        let (media, port, protocol, formats) = self.line?;
        let there = port != "0" || self.is_bundle_only();
        if media != "audio" || !there || !protocol.contains("RTP/") {
            return None;
        }
        formats.split_ascii_whitespace().find_map(|number| {
            let codec = self.rtpmap(number)?;
            let name = codec.get(..11)?;
            let kind = number.parse().ok()?;
            let usable = matches!(kind, 0..64 | 96..128);
            (usable && name.eq_ignore_ascii_case("opus/48000/")).then_some(kind)
        })
    }

    /// What a format stands for.
    fn rtpmap(&self, number: &str) -> Option<&'a str> {
        self.all("rtpmap").find_map(|map| {
            let (kind, codec) = map.split_once(' ')?;
            (kind == number).then_some(codec)
        })
    }
}

/// Reads a description.
///
/// # Errors
/// When it cannot be read, lacks what a session needs, or has no audio for us.
pub(super) fn parse(text: &str) -> Result<Remote, PeerError> {
    read(text, |_, _| true)
}

/// Reads an offer from outside, of whatever kind.
///
/// # Errors
/// As [`parse`], and when nothing of it could be recorded.
pub(super) fn parse_offer(text: &str) -> Result<Remote, PeerError> {
    let remote = read(text, |session, section| {
        flow(session, section) == Flow::Flowing
    })?;
    let refused = |text: &str| Err(PeerError::Refused(text.to_owned()));
    if remote.ice_lite {
        return refused(NOBODY_CHECKS);
    }
    if remote.flow == Flow::Held {
        return refused("it sends no audio (a=sendonly or a=sendrecv)");
    }
    if remote.rtcp == Rtcp::Apart {
        return refused("it has no a=rtcp-mux");
    }
    Ok(remote)
}

/// Reads a description; of several sections with Opus, the first that is `preferred`.
fn read(
    text: &str,
    preferred: impl Fn(&Section<'_>, &Section<'_>) -> bool,
) -> Result<Remote, PeerError> {
    let sections = split(text)?;
    let (session, media) = sections
        .split_first()
        .ok_or_else(|| PeerError::Parse("it is empty".to_owned()))?;
    let usable = || {
        let sections = media.iter().enumerate();
        sections.filter_map(|(at, section)| Some((at, section.opus()?)))
    };
    let (section, payload_type) = usable()
        .find(|(at, _)| preferred(session, &media[*at]))
        .or_else(|| usable().next())
        .ok_or(PeerError::NoAudio)?;
    let audio = &media[section];
    let bundle = bundle(session, audio);
    let carrier = carrier(media, section, bundle.as_deref())?;
    let path = &media[carrier];
    let get = |name: &'static str| {
        let value = path.get(name).or_else(|| session.get(name));
        value.ok_or_else(|| PeerError::Refused(format!("it has no a={name}")))
    };
    let setup = match get("setup")? {
        "active" => Setup::Active,
        "passive" => Setup::Passive,
        "actpass" => Setup::Either,
        other => return Err(PeerError::Refused(format!("a={other} is no set-up role"))),
    };
    let fingerprint = path
        .all("fingerprint")
        .chain(session.all("fingerprint"))
        .find_map(sha256)
        .ok_or_else(|| PeerError::Refused("it has no SHA-256 fingerprint".to_owned()))?;
    let candidates = path.all("candidate").take(CANDIDATES_MAX);
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
            mid: audio.mid().map(str::to_owned),
            payload_type,
        },
        flow: flow(session, audio),
        rtcp: rtcp(path),
        sections: media.iter().filter_map(outline).collect(),
        carrier,
        bundle: bundle.map(|mids| mids.into_iter().map(str::to_owned).collect()),
    })
}

/// The bundle that the section is in.
fn bundle<'a>(session: &Section<'a>, section: &Section<'_>) -> Option<Vec<&'a str>> {
    let mid = section.mid()?;
    session.all("group").find_map(|group| {
        let mut words = group.split_ascii_whitespace();
        let bundled = words.next()? == "BUNDLE";
        let mids: Vec<_> = words.collect();
        (bundled && mids.contains(&mid)).then_some(mids)
    })
}

/// The section whose path the audio takes.
fn carrier(
    media: &[Section<'_>],
    audio: usize,
    bundle: Option<&[&str]>,
) -> Result<usize, PeerError> {
    if !media[audio].is_bundle_only() {
        return Ok(audio);
    }
    let first = bundle.unwrap_or_default().first();
    let tagged = media.iter().position(|section| {
        let path = section
            .line
            .is_some_and(|(_, port, protocol, _)| port != "0" && protocol.contains("RTP/"));
        path && section.mid().is_some() && section.mid().as_ref() == first
    });
    tagged.ok_or_else(|| {
        let text = "its audio is bundle-only, and its bundle has no path that we could take";
        PeerError::Refused(text.to_owned())
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

/// On hold the offerer sends nothing (RFC 3264, section 8.4). What the session says counts where the section says nothing.
fn flow(session: &Section<'_>, audio: &Section<'_>) -> Flow {
    const DIRECTIONS: [&str; 4] = ["inactive", "recvonly", "sendonly", "sendrecv"];
    let of = |section: &Section<'_>| {
        DIRECTIONS
            .iter()
            .position(|name| section.get(name).is_some())
    };
    match of(audio).or_else(|| of(session)) {
        Some(0 | 1) => Flow::Held,
        Some(_) | None => Flow::Flowing,
    }
}

fn rtcp(section: &Section<'_>) -> Rtcp {
    let muxed = ["rtcp-mux", "rtcp-mux-only"];
    match muxed.iter().any(|name| section.get(name).is_some()) {
        true => Rtcp::Muxed,
        false => Rtcp::Apart,
    }
}

fn outline(section: &Section<'_>) -> Option<Outline> {
    let (media, _, protocol, formats) = section.line?;
    let format = formats.split_ascii_whitespace().next().unwrap_or("0");
    Some(Outline {
        media: media.to_owned(),
        protocol: protocol.to_owned(),
        mid: section.mid().map(str::to_owned),
        format: format.to_owned(),
        rtpmap: section.rtpmap(format).map(str::to_owned),
    })
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
        if line.contains(|c: char| c.is_control() && c != '\t') {
            let text = format!("line {number} has control characters");
            return Err(PeerError::Parse(text));
        }
        let Some((kind, value)) = line.split_once('=') else {
            return Err(PeerError::Parse(format!("line {number} is not type=value")));
        };
        match kind {
            "m" => {
                let parts = media_line(value)
                    .ok_or_else(|| PeerError::Parse(format!("line {number} is not media")))?;
                if sections.len() > SECTIONS_MAX {
                    let text = format!("it has more than {SECTIONS_MAX} sections");
                    return Err(PeerError::Parse(text));
                }
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

#[cfg(test)]
mod tests;
