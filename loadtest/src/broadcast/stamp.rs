//! A number drawn into a picture, so that whoever decodes the picture can say which one it is.
//!
//! A row of 32 squares at the top, black or white: 16 bits of the number, the highest first, and the same bits the other way round, so that a
//! damaged or missing stamp reads as none rather than as another.

/// Squares of a stamp.
pub const SQUARES: usize = 32;

/// Squares that are the number itself.
const BITS: usize = 16;

/// Brightness from which a square is white.
const WHITE_MIN: u32 = 128;

/// A stamp, a byte of brightness for each square.
pub fn draw(number: u16) -> [u8; SQUARES] {
    std::array::from_fn(|square| {
        let bit = number >> (BITS - 1 - square % BITS) & 1 == 1;
        if bit == (square < BITS) { 235 } else { 16 }
    })
}

/// The number in a strip of brightness, `width` pixels wide, as high as a square; `None` when there is no stamp.
pub fn read(strip: &[u8], width: usize) -> Option<u16> {
    let side = width / SQUARES;
    let height = strip.len().checked_div(width)?;
    if side == 0 || height == 0 {
        return None;
    }
    let is_white = |square: usize| {
        // The middle of the square: its edges are blurred.
        let columns = square * side + side / 4..square * side + side - side / 4;
        let rows = height / 4..height - height / 4;
        let pixels = rows.flat_map(|row| columns.clone().map(move |column| row * width + column));
        let (sum, count) = pixels
            .filter_map(|at| strip.get(at))
            .fold((0, 0), |(sum, count), pixel| (sum + u32::from(*pixel), count + 1));
        count > 0 && sum / count >= WHITE_MIN
    };
    let half =
        |from: usize| (from..from + BITS).fold(0_u16, |number, square| number << 1 | u16::from(is_white(square)));
    let number = half(0);
    (number == !half(BITS)).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A strip with squares of 8 by 8 pixels.
    fn strip(number: u16) -> Vec<u8> {
        let row: Vec<u8> = draw(number).iter().flat_map(|square| [*square; 8]).collect();
        row.repeat(8)
    }

    #[test]
    fn what_is_drawn_is_read() {
        for number in [0, 1, 599, 0x5555, u16::MAX] {
            assert_eq!(read(&strip(number), 256), Some(number));
        }
    }

    #[test]
    fn a_damaged_stamp_is_none() {
        let mut damaged = strip(77);
        damaged.chunks_mut(256).for_each(|row| row[..8].fill(235));
        assert_eq!(read(&damaged, 256), None, "a square is the wrong way round");
        assert_eq!(read(&[128; 256 * 8], 256), None, "no stamp at all");
        assert_eq!(read(&[], 256), None);
    }
}
