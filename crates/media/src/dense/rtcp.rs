//! RTCP: sender and receiver reports, the description that must go with them, and BYE (RFC 3550, section 6).

use std::time::Duration;

use super::receive::Reception;
use super::send::Sent;

const VERSION: u8 = 0x80;
const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const DESCRIPTION: u8 = 202;
const BYE: u8 = 203;
const CNAME: u8 = 1;

/// Bytes of one packet's header.
const HEADER: usize = 4;

/// Bytes of a reception block.
const BLOCK: usize = 24;

/// What a compound packet of ours says.
#[derive(Debug, Clone, Copy)]
pub(super) struct Report<'a> {
    /// Who reports.
    pub(super) ssrc: u32,
    /// Its canonical name, at most 255 bytes.
    pub(super) cname: &'a str,
    /// What it has sent, if anything: then it is a sender report.
    pub(super) sent: Option<(Sent, Ntp)>,
    /// What it has received, if anything, and when the last sender report came.
    pub(super) received: Option<(Reception, LastReport)>,
    /// Whether it leaves.
    pub(super) parting: Parting,
}

/// Whether a report is the last one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Parting {
    /// More will follow.
    Stays,
    /// It ends with BYE.
    Leaves,
}

/// A time stamp in NTP's form: seconds and fractions of 2⁻³² s. Ours count from the session's start, as RFC 3550 (section 6.4.1) lets
/// those who read no wall clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Ntp(pub(super) u64);

impl Ntp {
    /// The stamp of the moment that long after the session's start.
    #[must_use]
    pub(super) fn after(passed: Duration) -> Self {
        let fraction = (u64::from(passed.subsec_nanos()) << 32) / 1_000_000_000;
        Self(passed.as_secs() << 32 | fraction)
    }

    #[cfg(test)]
    /// The middle 32 bits, by which a report refers to a stamp.
    #[must_use]
    pub(super) fn middle(self) -> u32 {
        let [_, _, a, b, c, d, _, _] = self.0.to_be_bytes();
        u32::from_be_bytes([a, b, c, d])
    }
}

/// The last sender report that came from the other side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct LastReport {
    /// The middle of its stamp; 0 when none has come.
    pub(super) stamp: u32,
    /// Time since it came.
    pub(super) since: Duration,
}

/// Writes a compound packet.
#[must_use]
pub(super) fn write(report: &Report<'_>) -> Vec<u8> {
    let mut out = Vec::with_capacity(128);
    let blocks = u8::from(report.received.is_some());
    let kind = match report.sent {
        Some(_) => SENDER_REPORT,
        None => RECEIVER_REPORT,
    };
    packet(&mut out, blocks, kind, |out| {
        out.extend(report.ssrc.to_be_bytes());
        if let Some((sent, ntp)) = report.sent {
            out.extend(ntp.0.to_be_bytes());
            for word in [sent.time, sent.packets, sent.octets] {
                out.extend(word.to_be_bytes());
            }
        }
        if let Some((reception, last)) = report.received {
            block(out, &reception, last);
        }
    });
    packet(&mut out, 1, DESCRIPTION, |out| {
        out.extend(report.ssrc.to_be_bytes());
        let name = &report.cname.as_bytes()[..report.cname.len().min(255)];
        out.extend([CNAME, u8::try_from(name.len()).unwrap_or(u8::MAX)]);
        out.extend(name);
        // A zero ends the list of items; the chunk is filled up to a whole word.
        out.push(0);
        out.resize(out.len().next_multiple_of(4), 0);
    });
    if report.parting == Parting::Leaves {
        packet(&mut out, 1, BYE, |out| {
            out.extend(report.ssrc.to_be_bytes())
        });
    }
    out
}

fn packet(out: &mut Vec<u8>, count: u8, kind: u8, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend([VERSION | count, kind, 0, 0]);
    body(out);
    let words = (out.len() - start) / 4 - 1;
    let words = u16::try_from(words).unwrap_or(u16::MAX);
    out[start + 2..start + HEADER].copy_from_slice(&words.to_be_bytes());
}

fn block(out: &mut Vec<u8>, reception: &Reception, last: LastReport) {
    out.extend(reception.ssrc.to_be_bytes());
    let [_, a, b, c] = reception.lost.to_be_bytes();
    out.extend([reception.fraction_lost, a, b, c]);
    // Delay since the last sender report, in 65,536ths of a second; 0 with a stamp of 0 when there was none.
    let delay = if last.stamp == 0 {
        0
    } else {
        (last.since.as_nanos() << 16) / 1_000_000_000
    };
    let delay = u32::try_from(delay).unwrap_or(u32::MAX);
    for word in [reception.highest, reception.jitter, last.stamp, delay] {
        out.extend(word.to_be_bytes());
    }
}

/// What a compound packet from the other side says, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Heard {
    /// The middle of the stamp of a sender report.
    pub(super) stamp: Option<u32>,
    /// Reception of the source that was asked for.
    pub(super) reception: Option<Reception>,
    /// Whether the other side leaves.
    pub(super) bye: bool,
}

/// Reads a compound packet; `ours` is the source whose reception is of interest. `None` when it is not well-formed.
#[must_use]
pub(super) fn parse(compound: &[u8], ours: u32) -> Option<Heard> {
    let mut heard = Heard::default();
    let mut rest = compound;
    while !rest.is_empty() {
        let [flags, kind, w1, w2] = *rest.first_chunk::<HEADER>()?;
        if flags >> 6 != 2 {
            return None;
        }
        let len = HEADER + 4 * usize::from(u16::from_be_bytes([w1, w2]));
        let body = rest.get(HEADER..len)?;
        let count = usize::from(flags & 0x1f);
        match kind {
            SENDER_REPORT => {
                heard.stamp = Some(word(body, 6)?);
                heard.reception = heard.reception.or(reception(body.get(24..)?, count, ours)?);
            }
            RECEIVER_REPORT => {
                heard.reception = heard.reception.or(reception(body.get(4..)?, count, ours)?);
            }
            // A BYE may name nobody; then it means nothing.
            BYE if count > 0 => heard.bye = true,
            _ => {}
        }
        rest = &rest[len..];
    }
    Some(heard)
}

/// The block about `ours`, if one is there. The outer `None` says that blocks are missing.
#[expect(
    clippy::option_option,
    reason = "damage and absence are different answers"
)]
fn reception(blocks: &[u8], count: usize, ours: u32) -> Option<Option<Reception>> {
    let mut found = None;
    for at in 0..count {
        let block = blocks.get(at * BLOCK..(at + 1) * BLOCK)?;
        if word(block, 0)? != ours {
            continue;
        }
        let loss = word(block, 4)?;
        let [fraction_lost, ..] = loss.to_be_bytes();
        found = Some(Reception {
            ssrc: ours,
            fraction_lost,
            lost: loss & 0x00ff_ffff,
            highest: word(block, 8)?,
            jitter: word(block, 12)?,
        });
    }
    Some(found)
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECEPTION: Reception = Reception {
        ssrc: 9,
        fraction_lost: 25,
        lost: 4711,
        highest: 70_000,
        jitter: 33,
    };

    fn report(parting: Parting) -> Report<'static> {
        Report {
            ssrc: 5,
            cname: "caller",
            sent: None,
            received: None,
            parting,
        }
    }

    #[test]
    fn what_was_reported_is_heard() {
        let ntp = Ntp::after(Duration::from_millis(3500));
        let sent = Sent {
            packets: 1,
            octets: 2,
            time: 3,
        };
        let last = LastReport {
            stamp: 8,
            since: Duration::from_millis(500),
        };
        let bytes = write(&Report {
            sent: Some((sent, ntp)),
            received: Some((RECEPTION, last)),
            ..report(Parting::Leaves)
        });
        assert_eq!(bytes.len() % 4, 0);
        let heard = parse(&bytes, 9).unwrap();
        let expected = Heard {
            stamp: Some(ntp.middle()),
            reception: Some(RECEPTION),
            bye: true,
        };
        assert_eq!(heard, expected);
        assert_eq!(ntp.middle(), 0x0003_8000);
        assert_eq!(word(&bytes, 48), Some(0x8000), "half a second of delay");
        assert_eq!(parse(&bytes, 10).unwrap().reception, None);
    }

    #[test]
    fn a_report_of_nothing_is_an_empty_receiver_report_with_a_name() {
        let bytes = write(&report(Parting::Stays));
        assert_eq!(bytes[..8], [0x80, 201, 0, 1, 0, 0, 0, 5]);
        assert_eq!(bytes[8..12], [0x81, 202, 0, 4]);
        assert_eq!(&bytes[16..], b"\x01\x06caller\0\0\0\0");
        assert_eq!(parse(&bytes, 1), Some(Heard::default()));
    }

    #[test]
    fn a_cut_or_mistold_packet_is_no_packet() {
        let bytes = write(&Report {
            received: Some((RECEPTION, LastReport::default())),
            ..report(Parting::Leaves)
        });
        // At these lengths whole packets remain.
        let whole = [0, 32, 52, 60];
        for len in 0..=bytes.len() {
            assert_eq!(
                parse(&bytes[..len], 9).is_some(),
                whole.contains(&len),
                "{len}"
            );
        }
        let mut many = bytes.clone();
        many[0] |= 0x1f;
        assert_eq!(parse(&many, 9), None, "31 blocks announced, one there");
        let mut version = bytes;
        version[0] = 0x41;
        assert_eq!(parse(&version, 9), None);
        assert_eq!(parse(&[0x80, 203, 0, 0], 9), Some(Heard::default()));
    }
}
