//! For scripts: makes speech, and says how much of it arrived.
//!
//! `wardline-speech say FILE.wav TEXT` writes 48 kHz mono speech. `wardline-speech compare SAID.wav HEARD.wav` prints one JSON object:
//! `stoi`, `correlation`, `offset_ms` (how much later the copy is) and `first_speech_ms` (in the copy; null when it is silent).
use std::error::Error;
use std::io::Write as _;
use std::path::Path;
use wardline_speech::{SAMPLE_RATE, align, aligned, first_speech_ms, speak, stoi};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["say", file, text] => say(Path::new(file), text),
        ["compare", said, heard] => compare(Path::new(said), Path::new(heard)),
        _ => Err("usage: wardline-speech say FILE.wav TEXT | wardline-speech compare SAID.wav HEARD.wav".into()),
    }
}

/// The recording begins with the first speech, so that what is measured up to "speech is heard" holds no silence of the voice's own.
fn say(file: &Path, text: &str) -> Result<(), Box<dyn Error>> {
    let spoken = speak(text)?;
    let silent_ms = first_speech_ms(&spoken, SAMPLE_RATE).ok_or("the voice said nothing")?;
    let silent = (silent_ms * f64::from(SAMPLE_RATE) / 1_000.0) as usize;
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: SAMPLE_RATE,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(file, spec)?;
    for sample in spoken.iter().skip(silent) {
        writer.write_sample((sample.clamp(-1.0, 1.0) * f32::from(i16::MAX)) as i16)?;
    }
    Ok(writer.finalize()?)
}

fn compare(said: &Path, heard: &Path) -> Result<(), Box<dyn Error>> {
    let (said, heard) = (read(said)?, read(heard)?);
    let alignment = align(&said, &heard, SAMPLE_RATE);
    let (clean, degraded) = aligned(&said, &heard, alignment.offset_samples);
    let stoi = stoi(clean, degraded, SAMPLE_RATE);
    let (correlation, offset_ms) = (alignment.correlation, alignment.offset_ms);
    let first = first_speech_ms(&heard, SAMPLE_RATE).map_or("null".to_owned(), |at_ms| format!("{at_ms:.0}"));
    writeln!(
        std::io::stdout(),
        r#"{{"stoi":{stoi:.4},"correlation":{correlation:.4},"offset_ms":{offset_ms:.1},"first_speech_ms":{first},"heard_seconds":{:.2}}}"#,
        heard.len() as f64 / f64::from(SAMPLE_RATE),
    )?;
    Ok(())
}

fn read(file: &Path) -> Result<Vec<f32>, Box<dyn Error>> {
    let mut reader = hound::WavReader::open(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let spec = reader.spec();
    if spec.sample_rate != SAMPLE_RATE || spec.channels != 1 || spec.bits_per_sample != 16 {
        return Err(format!("{}: 48 kHz mono with 16 bits is expected", file.display()).into());
    }
    let samples: Result<Vec<i16>, _> = reader.samples::<i16>().collect();
    Ok(samples?.into_iter().map(|sample| f32::from(sample) / f32::from(i16::MAX)).collect())
}
