//! The checksum of an Ogg page: CRC-32 with polynomial 0x04c11db7, most significant bit first, no start or final value
//! (RFC 3533 section 6). No crate: those that are here know other kinds only.

const TABLE: [u32; 256] = table();

const fn table() -> [u32; 256] {
    let (mut table, mut index) = ([0; 256], 0);
    while index < 256 {
        let (mut crc, mut bit) = ((index as u32) << 24, 0);
        while bit < 8 {
            crc = if crc & 0x8000_0000 != 0 { crc << 1 ^ 0x04c1_1db7 } else { crc << 1 };
            bit += 1;
        }
        table[index] = crc;
        index += 1;
    }
    table
}

/// The checksum of what `crc` is the checksum of, and then `bytes`.
pub(super) fn update(crc: u32, bytes: &[u8]) -> u32 {
    bytes.iter().fold(crc, |crc, byte| {
        let row = TABLE.get(usize::from((crc >> 24) as u8 ^ byte)).copied().unwrap_or_default();
        crc << 8 ^ row
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_published_check_value() {
        // CRC-32/MPEG-2 without its start value; "123456789" as everywhere.
        assert_eq!(super::update(0, b"123456789"), 0x89a1_897f);
    }
}
