//! The RTP header (RFC 3550, section 5.1), as much as sealing, opening and recording need.

/// Bytes of a header without contributing sources and extension.
pub(super) const HEADER: usize = 12;

/// Version 2, no padding, no extension, no contributing sources.
const PLAIN: u8 = 0x80;

/// First packet of a talk spurt.
pub(super) const MARKER: u8 = 0x80;

/// A parsed header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    /// Its length in bytes, extension included: what stays in the clear.
    pub(super) len: usize,
    /// The payload ends in padding, whose last byte says how much.
    pub(super) padded: bool,
    /// Payload type, and [`MARKER`] on the first packet of a talk spurt.
    pub(super) kind: u8,
    /// Sequence number.
    pub(super) sequence: u16,
    /// RTP time.
    pub(super) time: u32,
    /// Source.
    pub(super) ssrc: u32,
}

impl Header {
    /// Reads the header of an RTP packet; `None` when it is not one.
    #[must_use]
    pub(super) fn parse(packet: &[u8]) -> Option<Self> {
        let fixed: &[u8; HEADER] = packet.first_chunk()?;
        let [flags, kind, s1, s2, t1, t2, t3, t4, i1, i2, i3, i4] = *fixed;
        if flags >> 6 != 2 {
            return None;
        }
        let mut len = HEADER + 4 * usize::from(flags & 0x0f);
        if flags & 0x10 != 0 {
            let words = packet.get(len + 2..len + 4)?;
            len += 4 + 4 * usize::from(u16::from_be_bytes(words.try_into().ok()?));
        }
        (len <= packet.len()).then_some(Self {
            len,
            padded: flags & 0x20 != 0,
            kind,
            sequence: u16::from_be_bytes([s1, s2]),
            time: u32::from_be_bytes([t1, t2, t3, t4]),
            ssrc: u32::from_be_bytes([i1, i2, i3, i4]),
        })
    }

    /// Payload type alone.
    pub(super) fn payload_type(&self) -> u8 {
        self.kind & !MARKER
    }

    /// Appends a plain header of these values; `len` and `padded` are not looked at.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let mut header = [0; HEADER];
        header[0] = PLAIN;
        header[1] = self.kind;
        header[2..4].copy_from_slice(&self.sequence.to_be_bytes());
        header[4..8].copy_from_slice(&self.time.to_be_bytes());
        header[8..].copy_from_slice(&self.ssrc.to_be_bytes());
        out.extend_from_slice(&header);
    }
}

/// Appends a header extension (RFC 3550, section 5.3.1) to the plain header that begins at `start`; what is beyond whole words is cut.
pub(super) fn extend_header(out: &mut Vec<u8>, start: usize, profile: u16, words: &[u8]) {
    let count = u16::try_from(words.len() / 4).unwrap_or(u16::MAX);
    if let Some(flags) = out.get_mut(start) {
        *flags |= 0x10;
    }
    out.extend_from_slice(&profile.to_be_bytes());
    out.extend_from_slice(&count.to_be_bytes());
    out.extend_from_slice(&words[..usize::from(count) * 4]);
}

/// Whether an SRTP datagram is RTCP: payload types 64 to 95 are kept free for it (RFC 5761, section 4).
#[must_use]
pub fn is_rtcp(packet: &[u8]) -> bool {
    packet.get(1).is_some_and(|kind| (192..=223).contains(kind))
}

/// Length of a payload without its padding; `None` when the padding is longer than the payload.
#[must_use]
pub(super) fn unpadded_len(payload: &[u8]) -> Option<usize> {
    let padding = usize::from(*payload.last()?);
    if padding == 0 {
        return None;
    }
    payload.len().checked_sub(padding)
}

/// Extends a 16-bit counter to the value nearest to `last`; `None` when that would be before the start.
#[must_use]
pub(super) fn extend16(last: u64, value: u16) -> Option<u64> {
    let [.., high, low] = last.to_be_bytes();
    let step = value
        .wrapping_sub(u16::from_be_bytes([high, low]))
        .cast_signed();
    last.checked_add_signed(i64::from(step))
}

/// Extends 32-bit RTP time to the value nearest to `last`; before the start it wraps, as RTP time does.
#[must_use]
pub(super) fn extend32(last: u64, value: u32) -> u64 {
    let [.., a, b, c, d] = last.to_be_bytes();
    let step = value
        .wrapping_sub(u32::from_be_bytes([a, b, c, d]))
        .cast_signed();
    last.wrapping_add_signed(i64::from(step))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN_HEADER: Header = Header {
        len: HEADER,
        padded: false,
        kind: 111 | MARKER,
        sequence: 0xfffe,
        time: 0xdead_beef,
        ssrc: 7,
    };

    #[test]
    fn what_was_written_is_read_back() {
        let mut packet = Vec::new();
        PLAIN_HEADER.write(&mut packet);
        packet.push(1);
        assert_eq!(Header::parse(&packet), Some(PLAIN_HEADER));
    }

    #[test]
    fn sources_and_extension_count_as_header_and_must_be_there() {
        let mut packet = Vec::new();
        PLAIN_HEADER.write(&mut packet);
        packet[0] |= 0x10 | 2;
        packet.extend([0; 8]);
        packet.extend([0xbe, 0xde, 0, 1, 0x10, 5, 0, 0]);
        assert_eq!(Header::parse(&packet).map(|header| header.len), Some(28));
        for len in 0..28 {
            assert_eq!(Header::parse(&packet[..len]), None, "{len} bytes");
        }
        packet[0] = 0x40;
        assert_eq!(Header::parse(&packet), None, "version 1");
    }

    #[test]
    fn counters_extend_to_the_nearest_value_across_wraps() {
        assert_eq!(extend16(65_535, 0), Some(65_536));
        assert_eq!(extend16(65_536, 65_535), Some(65_535));
        assert_eq!(extend16(3, 65_535), None);
        assert_eq!(extend32(u64::from(u32::MAX), 959), (1 << 32) + 959);
        assert_eq!(extend32(1 << 32, u32::MAX), (1 << 32) - 1);
    }

    #[test]
    fn padding_counts_itself_and_cannot_be_longer_than_the_payload() {
        assert_eq!(unpadded_len(&[1, 2, 0, 2]), Some(2));
        assert_eq!(unpadded_len(&[0, 0, 3]), Some(0));
        assert_eq!(unpadded_len(&[9, 4]), None);
        assert_eq!(unpadded_len(&[9, 0]), None);
        assert_eq!(unpadded_len(&[]), None);
    }

    #[test]
    fn rtcp_is_told_from_rtp_by_its_second_byte() {
        assert!(is_rtcp(&[0x80, 200]) && is_rtcp(&[0x81, 201]));
        assert!(!is_rtcp(&[0x80, 111]) && !is_rtcp(&[0x80, 111 | 0x80]) && !is_rtcp(&[0x80]));
    }
}
