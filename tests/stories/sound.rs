//! What is said in the stories, and how well it is understood.
use anyhow::Result;
use wardline_speech::{SAMPLE_RATE, align, aligned, stoi, ten_seconds};

/// Ten seconds of speech for each of two people, who do not say the same.
pub fn two_voices() -> Result<[Vec<f32>; 2]> {
    let one = ten_seconds()?;
    let (first, second) = one.split_at(one.len() / 2);
    let other = [second, first].concat();
    Ok([one, other])
}

/// How well `heard` can be understood by whoever knows `said` (STOI), and how much later it is, in milliseconds.
pub fn understood(said: &[f32], heard: &[f32]) -> (f64, f64) {
    let found = align(said, heard, SAMPLE_RATE);
    let (clean, degraded) = aligned(said, heard, found.offset_samples);
    (stoi(clean, degraded, SAMPLE_RATE), found.offset_ms)
}
