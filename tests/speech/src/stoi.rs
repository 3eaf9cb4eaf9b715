//! Short-time objective intelligibility: C. H. Taal, R. C. Hendriks, R. Heusdens, J. Jensen, "An Algorithm for Intelligibility
//! Prediction of Time-Frequency Weighted Noisy Speech", IEEE TASLP 2011. Equation numbers are those of that paper.

use crate::fft::{Complex, transform};
use crate::resample::resample;

/// All of the measure happens at this rate, in hertz.
const RATE: u32 = 10_000;
/// Samples of a frame, of the step between frames, of a transform.
const FRAME: usize = 256;
const STEP: usize = FRAME / 2;
const TRANSFORM: usize = 512;
/// One-third octave bands, and the centre of the lowest in hertz.
const BANDS: usize = 15;
const LOWEST_HZ: f64 = 150.0;
/// Frames that are compared together: 384 ms.
const SEGMENT: usize = 30;
/// Lower bound of the signal-to-distortion ratio, in dB.
const BETA_DB: f64 = -15.0;
/// Frames this much weaker than the strongest are silence, in dB.
const RANGE_DB: f64 = 40.0;
const EPSILON: f64 = f64::EPSILON;

/// How well `degraded` can be understood, from about 0 to 1. Both are mono at `rate` hertz, aligned; the longer one is cut.
/// Above 0.9 nearly every word is understood, below 0.6 few are. 0 when there is less than 0.4 s of speech.
pub fn stoi(clean: &[f32], degraded: &[f32], rate: u32) -> f64 {
    let count = clean.len().min(degraded.len());
    let [clean, degraded] = [clean, degraded].map(|samples| {
        let samples: Vec<f64> = samples[..count].iter().map(|sample| f64::from(*sample)).collect();
        resample(&samples, rate, RATE)
    });
    let (clean, degraded) = without_silence(&clean, &degraded);
    let (clean, degraded) = (bands(&clean), bands(&degraded));
    if clean.len() < SEGMENT {
        return 0.0;
    }
    let mut sum = 0.0;
    let segments = clean.len() - SEGMENT + 1;
    for start in 0..segments {
        for band in 0..BANDS {
            let row =
                |frames: &[[f64; BANDS]]| -> [f64; SEGMENT] { std::array::from_fn(|at| frames[start + at][band]) };
            sum += intermediate(row(&clean), row(&degraded));
        }
    }
    sum / (segments * BANDS) as f64
}

/// Equations 3 to 5: the degraded band is scaled and clipped, then correlated.
fn intermediate(mut clean: [f64; SEGMENT], degraded: [f64; SEGMENT]) -> f64 {
    let scale = norm(&clean) / (norm(&degraded) + EPSILON);
    let clip = 1.0 + 10_f64.powf(-BETA_DB / 20.0);
    let mut clipped: [f64; SEGMENT] = std::array::from_fn(|at| (degraded[at] * scale).min(clean[at] * clip));
    for row in [&mut clean, &mut clipped] {
        let mean = row.iter().sum::<f64>() / SEGMENT as f64;
        row.iter_mut().for_each(|value| *value -= mean);
    }
    let product: f64 = clean.iter().zip(&clipped).map(|(a, b)| a * b).sum();
    product / ((norm(&clean) + EPSILON) * (norm(&clipped) + EPSILON))
}

fn norm(values: &[f64]) -> f64 {
    values.iter().map(|value| value * value).sum::<f64>().sqrt()
}

/// Hann window without its zeros, as Matlab's `hanning`.
fn window() -> [f64; FRAME] {
    std::array::from_fn(|at| 0.5 - 0.5 * (std::f64::consts::TAU * (at + 1) as f64 / (FRAME + 1) as f64).cos())
}

fn frames(samples: &[f64]) -> impl Iterator<Item = [f64; FRAME]> {
    let window = window();
    (0..samples.len().saturating_sub(FRAME))
        .step_by(STEP)
        .map(move |start| std::array::from_fn(|at| samples[start + at] * window[at]))
}

/// Takes out of both what is silence in the clean one.
fn without_silence(clean: &[f64], degraded: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let energy_db = |frame: &[f64; FRAME]| 20.0 * (norm(frame) + EPSILON).log10();
    let loudest = frames(clean).map(|frame| energy_db(&frame)).fold(f64::MIN, f64::max);
    let kept: Vec<bool> = frames(clean).map(|frame| energy_db(&frame) > loudest - RANGE_DB).collect();
    let join = |samples: &[f64]| {
        let mut joined = Vec::new();
        for (place, (frame, _)) in frames(samples).zip(&kept).filter(|(_, kept)| **kept).enumerate() {
            joined.resize(place * STEP + FRAME, 0.0);
            joined[place * STEP..].iter_mut().zip(frame).for_each(|(to, from)| *to += from);
        }
        joined
    };
    (join(clean), join(degraded))
}

/// Equation 1: the magnitude of each band in each frame.
fn bands(samples: &[f64]) -> Vec<[f64; BANDS]> {
    let bin = |hertz: f64| (hertz * TRANSFORM as f64 / f64::from(RATE)).round() as usize;
    let edges: [(usize, usize); BANDS] = std::array::from_fn(|band| {
        let edge = |sixths: f64| bin(LOWEST_HZ * 2_f64.powf(sixths / 6.0));
        (edge(2.0 * band as f64 - 1.0), edge(2.0 * band as f64 + 1.0))
    });
    frames(samples)
        .map(|frame| {
            let mut spectrum = [Complex::default(); TRANSFORM];
            spectrum.iter_mut().zip(frame).for_each(|(to, from)| to.re = from);
            transform(&mut spectrum);
            std::array::from_fn(|band| {
                let (low, high) = edges[band];
                spectrum[low..high].iter().map(|bin| bin.power()).sum::<f64>().sqrt()
            })
        })
        .collect()
}
