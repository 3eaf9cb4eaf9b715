//! The fast Fourier transform (radix 2, in place), as much of it as the measures need.

use std::f64::consts::TAU;

/// A complex number.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Complex {
    pub re: f64,
    pub im: f64,
}

impl Complex {
    pub fn times(self, other: Self) -> Self {
        Self { re: self.re * other.re - self.im * other.im, im: self.re * other.im + self.im * other.re }
    }

    pub fn conjugate(self) -> Self {
        Self { re: self.re, im: -self.im }
    }

    pub fn power(self) -> f64 {
        self.re * self.re + self.im * self.im
    }
}

/// Transforms `data` in place; its length is a power of two.
pub fn transform(data: &mut [Complex]) {
    let count = data.len();
    assert!(count.is_power_of_two(), "a transform's length is a power of two");
    let bits = count.trailing_zeros();
    for at in 0..count {
        let mirrored = if bits == 0 { at } else { at.reverse_bits() >> (usize::BITS - bits) };
        if at < mirrored {
            data.swap(at, mirrored);
        }
    }
    let mut width = 2;
    while width <= count {
        let turns: Vec<Complex> = (0..width / 2)
            .map(|at| {
                let angle = -TAU * at as f64 / width as f64;
                Complex { re: angle.cos(), im: angle.sin() }
            })
            .collect();
        for block in data.chunks_exact_mut(width) {
            let (low, high) = block.split_at_mut(width / 2);
            for ((a, b), turn) in low.iter_mut().zip(high).zip(&turns) {
                let turned = b.times(*turn);
                *b = Complex { re: a.re - turned.re, im: a.im - turned.im };
                *a = Complex { re: a.re + turned.re, im: a.im + turned.im };
            }
        }
        width *= 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_definition() {
        let data: Vec<Complex> =
            (0..16).map(|at| Complex { re: f64::from(at * at % 7), im: f64::from(at % 3) }).collect();
        let mut fast = data.clone();
        transform(&mut fast);
        for (bin, value) in fast.iter().enumerate() {
            let mut sum = Complex::default();
            for (at, sample) in data.iter().enumerate() {
                let angle = -TAU * (bin * at) as f64 / 16.0;
                let term = sample.times(Complex { re: angle.cos(), im: angle.sin() });
                sum = Complex { re: sum.re + term.re, im: sum.im + term.im };
            }
            assert!((sum.re - value.re).abs() < 1e-9 && (sum.im - value.im).abs() < 1e-9, "bin {bin}");
        }
    }
}
