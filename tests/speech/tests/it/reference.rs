//! [`stoi`] against the values of the reference implementation (PyPI `pystoi`) on the same samples.
//!
//! How the expected numbers were made: `WARDLINE_SPEECH_DUMP=DIR cargo test -p wardline-speech reference` writes the
//! samples of every case, then `reference.py DIR` beside this file prints a line for each.
use wardline_speech::{stoi, ten_seconds};

/// Noise that is the same on every machine, between -0.5 and 0.5.
fn noise(count: usize) -> impl Iterator<Item = f32> {
    let mut state: u32 = 20_110_901;
    (0..count).map(move |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (f64::from(state >> 8) / f64::from(1 << 24) - 0.5) as f32
    })
}

/// Harmonics of a gliding voice in syllables: the same on every machine, unlike a speech synthesiser's output.
fn babble(rate: u32, seconds: u32) -> Vec<f32> {
    let mut phase = 0.0_f64;
    (0..rate * seconds)
        .map(|at| {
            let time = f64::from(at) / f64::from(rate);
            phase += (120.0 + 30.0 * (2.3 * time).sin()) / f64::from(rate);
            let syllable = (3.7 * std::f64::consts::PI * time).sin().powi(2) * (0.6 + 0.4 * (1.1 * time).sin());
            let formant = 4.0 + 3.0 * (5.1 * time).sin();
            let voice: f64 = (1..25)
                .map(|harmonic| {
                    let distance = (f64::from(harmonic) - formant) / 3.0;
                    (std::f64::consts::TAU * phase * f64::from(harmonic)).sin() * (-distance * distance).exp()
                })
                .sum();
            (voice * syllable * 0.1) as f32
        })
        .collect()
}

fn at_snr(clean: &[f32], snr_db: f64) -> Vec<f32> {
    let energy = |samples: &[f32]| samples.iter().map(|sample| f64::from(sample * sample)).sum::<f64>();
    let noise: Vec<f32> = noise(clean.len()).collect();
    let gain = (energy(clean) / energy(&noise) / 10_f64.powf(snr_db / 10.0)).sqrt() as f32;
    clean.iter().zip(noise).map(|(sample, noise)| sample + noise * gain).collect()
}

/// Every fifth stretch of 20 ms is missing, as at 20 % loss without any concealment.
fn with_holes(clean: &[f32], rate: u32) -> Vec<f32> {
    let frame = rate as usize / 50;
    clean.iter().enumerate().map(|(at, sample)| if at / frame % 5 == 2 { 0.0 } else { *sample }).collect()
}

fn check(name: &str, clean: &[f32], degraded: &[f32], rate: u32, expected: f64) {
    if let Some(folder) = std::env::var_os("WARDLINE_SPEECH_DUMP") {
        let bytes: Vec<u8> = clean.iter().chain(degraded).flat_map(|sample| sample.to_le_bytes()).collect();
        let written = std::fs::write(std::path::Path::new(&folder).join(format!("{name}-{rate}.f32")), bytes);
        assert!(written.is_ok(), "{written:?}");
    }
    let measured = stoi(clean, degraded, rate);
    assert!((measured - expected).abs() < 2e-4, "{name} at {rate} Hz: {measured}, reference {expected}");
}

#[test]
fn made_up_voice_agrees_with_the_reference() {
    for (rate, expected) in
        [(10_000, [1.0, 0.79415, 0.69325, 0.52446, 0.64992]), (48_000, [1.0, 0.80320, 0.74943, 0.61396, 0.65837])]
    {
        let clean = babble(rate, 5);
        check("babble-copy", &clean, &clean, rate, expected[0]);
        check("babble-plus10", &clean, &at_snr(&clean, 10.0), rate, expected[1]);
        check("babble-0", &clean, &at_snr(&clean, 0.0), rate, expected[2]);
        check("babble-minus10", &clean, &at_snr(&clean, -10.0), rate, expected[3]);
        check("babble-holes", &clean, &with_holes(&clean, rate), rate, expected[4]);
    }
}

#[test]
fn real_speech_agrees_with_the_reference() {
    let clean = ten_seconds().unwrap();
    // Another version of espeak-ng speaks a little differently; then only the order can be checked.
    let fingerprint = clean.iter().map(|sample| f64::from(sample.abs())).sum::<f64>();
    println!("fingerprint {fingerprint:.1}");
    if (fingerprint - FINGERPRINT).abs() < 1.0 {
        check("speech-copy", &clean, &clean, 48_000, 1.0);
        check("speech-plus10", &clean, &at_snr(&clean, 10.0), 48_000, 0.97578);
        check("speech-0", &clean, &at_snr(&clean, 0.0), 48_000, 0.89571);
        check("speech-minus10", &clean, &at_snr(&clean, -10.0), 48_000, 0.70981);
        check("speech-holes", &clean, &with_holes(&clean, 48_000), 48_000, 0.87547);
    } else {
        let values = [10.0, 0.0, -10.0].map(|snr_db| stoi(&clean, &at_snr(&clean, snr_db), 48_000));
        assert!(values[0] > values[1] && values[1] > values[2] && values[2] < 0.75, "{values:?}");
    }
}

/// Of espeak-ng 1.51, Debian 12.
const FINGERPRINT: f64 = 22_024.2;

#[test]
fn too_little_speech_is_not_understood() {
    assert_eq!(stoi(&[0.1; 100], &[0.1; 100], 48_000), 0.0);
    assert_eq!(stoi(&[], &[], 48_000), 0.0);
}
