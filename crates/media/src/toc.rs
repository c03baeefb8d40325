//! The first byte of an Opus packet, which says how long it lasts (RFC 6716, section 3.1).

/// Opus time stamps count at this rate, whatever was encoded.
pub const SAMPLE_RATE: u32 = 48_000;

/// Samples that a packet lasts, or `None` when it is not an Opus packet.
#[must_use]
pub fn duration_of(packet: &[u8]) -> Option<u32> {
    let toc = *packet.first()?;
    let config = toc >> 3;
    let frame = match config {
        // SILK: 10, 20, 40, 60 ms.
        0..=11 => [480, 960, 1920, 2880][usize::from(config % 4)],
        // Hybrid: 10, 20 ms.
        12..=15 => [480, 960][usize::from(config % 2)],
        // CELT: 2.5, 5, 10, 20 ms.
        _ => [120, 240, 480, 960][usize::from(config % 4)],
    };
    let frames = match toc & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => u32::from(packet.get(1)? & 0x3f),
    };
    let total = frame * frames;
    // An Opus packet lasts at most 120 ms.
    (1..=5760).contains(&total).then_some(total)
}

/// A packet that asks the decoder to conceal one lost frame of the kind that `toc` begins: the same kind, and empty.
pub(crate) fn concealment(toc: u8) -> u8 {
    toc & !3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_follow_the_table_of_configurations() {
        assert_eq!(duration_of(&[1 << 3]), Some(960));
        assert_eq!(duration_of(&[3 << 3 | 1]), Some(5760));
        assert_eq!(duration_of(&[16 << 3]), Some(120));
        assert_eq!(duration_of(&[31 << 3 | 3, 2]), Some(1920));
        assert_eq!(duration_of(&[13 << 3, 9, 9]), Some(960));
    }

    #[test]
    fn what_is_not_a_packet_has_no_duration() {
        for bytes in [&[][..], &[3], &[3, 0], &[3 << 3 | 3, 63]] {
            assert_eq!(duration_of(bytes), None, "{bytes:?}");
        }
    }
}
