//! The checksum of an Ogg page: CRC-32 with polynomial 0x04c11db7, neither reflected nor inverted, eight bytes at a time.

const TABLES: [[u32; 256]; 8] = tables();

#[expect(
    clippy::cast_possible_truncation,
    reason = "a table index below 256 fits u32; const code has no try_from"
)]
const fn tables() -> [[u32; 256]; 8] {
    let mut tables = [[0; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = (byte as u32) << 24;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x8000_0000 == 0 {
                crc << 1
            } else {
                (crc << 1) ^ 0x04c1_1db7
            };
            bit += 1;
        }
        tables[0][byte] = crc;
        byte += 1;
    }
    let mut table = 1;
    while table < 8 {
        let mut byte = 0;
        while byte < 256 {
            let before = tables[table - 1][byte];
            tables[table][byte] = (before << 8) ^ tables[0][(before >> 24) as usize];
            byte += 1;
        }
        table += 1;
    }
    tables
}

fn at(table: usize, word: u32, shift: u32) -> u32 {
    TABLES[table][(word >> shift & 0xff) as usize]
}

/// The checksum of `bytes` after `crc`; a page starts from 0, with zeros where the checksum goes.
pub(super) fn update(crc: u32, bytes: &[u8]) -> u32 {
    let (eights, rest) = bytes.as_chunks::<8>();
    let crc = eights.iter().fold(crc, |crc, [a, b, c, d, e, f, g, h]| {
        let high = crc ^ u32::from_be_bytes([*a, *b, *c, *d]);
        let low = u32::from_be_bytes([*e, *f, *g, *h]);
        at(7, high, 24)
            ^ at(6, high, 16)
            ^ at(5, high, 8)
            ^ at(4, high, 0)
            ^ at(3, low, 24)
            ^ at(2, low, 16)
            ^ at(1, low, 8)
            ^ at(0, low, 0)
    });
    rest.iter().fold(crc, |crc, byte| {
        (crc << 8) ^ at(0, (crc >> 24) ^ u32::from(*byte), 0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_value_of_the_algorithm_is_met() {
        // CRC-32/MPEG-2 without its initial value has this check value.
        assert_eq!(update(0, b"123456789"), 0x89a1_897f);
    }

    #[test]
    fn eight_at_a_time_gives_what_one_at_a_time_gives() {
        let bytes: Vec<u8> = (0..=255).cycle().take(1000).collect();
        for len in [0, 1, 7, 8, 9, 63, 1000] {
            let slow = bytes[..len]
                .iter()
                .fold(0, |crc, byte| update(crc, &[*byte]));
            assert_eq!(update(0, &bytes[..len]), slow, "{len} bytes");
        }
    }
}
