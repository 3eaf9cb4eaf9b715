//! Sound files: a source in place of a microphone, and a recording of what was heard.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use super::resample::Resampler;
use super::{AudioSink, AudioSource, FRAME_SAMPLES, MediaError, SAMPLE_RATE};

/// Sample rates that a source may have, in hertz. Others are no speech.
const SOURCE_RATES: std::ops::RangeInclusive<u32> = 8_000..=192_000;
/// Longest file that is read, in seconds: the source holds it in memory, at 192 kB a second.
const SOURCE_SECONDS_MAX: u32 = 3_600;
/// How often a recording's header is brought up to date, in samples: a program that is killed loses at most this much.
const FLUSH_SAMPLES: usize = SAMPLE_RATE as usize;

/// A WAV file in place of a microphone. Any sample rate from 8 to 192 kHz and any number of channels (they are mixed);
/// 8 to 32 bit integers or 32 bit floats.
pub struct WavSource {
    samples: Vec<f32>,
    position: usize,
    repeat: bool,
}

impl WavSource {
    /// Reads the whole file and converts it to 48 kHz mono.
    ///
    /// # Errors
    /// [`MediaError::Source`] says which file and what about it is not supported.
    pub fn open(path: &Path) -> Result<Self, MediaError> {
        let fail = |why: String| MediaError::Source(format!("{}: {why}", path.display()));
        let mut reader = hound::WavReader::open(path).map_err(|error| fail(error.to_string()))?;
        let spec = reader.spec();
        if !SOURCE_RATES.contains(&spec.sample_rate) {
            return Err(fail(format!("{} Hz; use a sample rate from 8 to 192 kHz", spec.sample_rate)));
        }
        if spec.channels == 0 || reader.duration() / spec.sample_rate > SOURCE_SECONDS_MAX {
            return Err(fail(format!("use at least one channel and at most {SOURCE_SECONDS_MAX} seconds")));
        }
        let interleaved: Vec<f32> = match spec.sample_format {
            hound::SampleFormat::Float => reader.samples::<f32>().collect::<Result<_, _>>(),
            hound::SampleFormat::Int => {
                let scale = 1.0 / (1u64 << (spec.bits_per_sample - 1)) as f32;
                reader.samples::<i32>().map(|sample| sample.map(|value| value as f32 * scale)).collect()
            }
        }
        .map_err(|error| fail(error.to_string()))?;
        let channels = usize::from(spec.channels);
        let mono: Vec<f32> =
            interleaved.chunks_exact(channels).map(|all| all.iter().sum::<f32>() / channels as f32).collect();
        let samples = Resampler::new(spec.sample_rate, SAMPLE_RATE).convert(&mono);
        Ok(Self::from_samples(samples))
    }

    /// A source from samples at 48 kHz.
    pub fn from_samples(samples: Vec<f32>) -> Self {
        Self { samples, position: 0, repeat: false }
    }

    /// Starts again at the end instead of going silent.
    pub fn repeating(mut self) -> Self {
        self.repeat = true;
        self
    }
}

impl AudioSource for WavSource {
    fn read(&mut self, frame: &mut [f32; FRAME_SAMPLES]) -> usize {
        if self.repeat && self.position >= self.samples.len() {
            self.position = 0;
        }
        let rest = self.samples.get(self.position..).unwrap_or_default();
        let count = rest.len().min(FRAME_SAMPLES);
        frame.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
        self.position += count;
        count
    }
}

/// A recording: 48 kHz mono, 16 bit. A valid file at every moment, so that a killed program leaves its sound.
pub struct WavSink {
    writer: hound::WavWriter<BufWriter<File>>,
    unflushed_samples: usize,
}

impl WavSink {
    /// Makes the file, or empties the one that is there.
    ///
    /// # Errors
    /// [`MediaError::Sink`] when it cannot be made.
    pub fn create(path: &Path) -> Result<Self, MediaError> {
        let spec = hound::WavSpec {
            channels: 1,
            sample_rate: SAMPLE_RATE,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut writer = hound::WavWriter::create(path, spec)
            .map_err(|error| MediaError::Sink(format!("{}: {error}", path.display())))?;
        writer.flush().map_err(failed)?;
        Ok(Self { writer, unflushed_samples: 0 })
    }
}

fn failed(error: hound::Error) -> MediaError {
    MediaError::Sink(error.to_string())
}

impl AudioSink for WavSink {
    fn write(&mut self, samples: &[f32]) -> Result<(), MediaError> {
        for sample in samples {
            let value = (sample.clamp(-1.0, 1.0) * f32::from(i16::MAX)).round();
            self.writer.write_sample(value as i16).map_err(failed)?;
        }
        self.unflushed_samples += samples.len();
        if self.unflushed_samples >= FLUSH_SAMPLES {
            self.unflushed_samples = 0;
            self.writer.flush().map_err(failed)?;
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<(), MediaError> {
        self.writer.flush().map_err(failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hound::{SampleFormat, WavSpec, WavWriter};

    fn tone(rate: u32, at: u32) -> f64 {
        (std::f64::consts::TAU * 500.0 * f64::from(at) / f64::from(rate)).sin() * 0.5
    }

    /// A file with one second of a tone in every channel.
    fn file(folder: &Path, rate: u32, channels: u16, bits: u16, format: SampleFormat) -> std::path::PathBuf {
        let path = folder.join(format!("{rate}-{channels}-{bits}.wav"));
        let spec = WavSpec { channels, sample_rate: rate, bits_per_sample: bits, sample_format: format };
        let mut writer = WavWriter::create(&path, spec).unwrap();
        for at in 0..rate {
            for _ in 0..channels {
                match format {
                    SampleFormat::Float => writer.write_sample(tone(rate, at) as f32).unwrap(),
                    SampleFormat::Int => {
                        let full = f64::from(1_u32 << (bits - 1));
                        writer.write_sample((tone(rate, at) * full) as i32).unwrap();
                    }
                }
            }
        }
        writer.finalize().unwrap();
        path
    }

    fn read_all(source: &mut WavSource) -> Vec<f32> {
        let mut samples = Vec::new();
        let mut frame = [0.0; FRAME_SAMPLES];
        loop {
            let count = source.read(&mut frame);
            samples.extend_from_slice(&frame[..count]);
            if count == 0 {
                return samples;
            }
        }
    }

    #[test]
    fn every_usual_kind_of_file_is_read() {
        let folder = tempfile::tempdir().unwrap();
        for (rate, channels, bits, format) in [
            (48_000, 1, 16, SampleFormat::Int),
            (44_100, 2, 16, SampleFormat::Int),
            (22_050, 1, 24, SampleFormat::Int),
            (16_000, 6, 32, SampleFormat::Int),
            (8_000, 1, 8, SampleFormat::Int),
            (96_000, 2, 32, SampleFormat::Float),
        ] {
            let path = file(folder.path(), rate, channels, bits, format);
            let samples = read_all(&mut WavSource::open(&path).unwrap());
            assert_eq!(samples.len(), 48_000, "{}", path.display());
            for at in 2_000..46_000_u32 {
                let error = (f64::from(samples[at as usize]) - tone(48_000, at)).abs();
                assert!(error < 0.02, "{}: {error} at {at}", path.display());
            }
        }
    }

    #[test]
    fn what_cannot_be_used_is_refused_with_the_reason() {
        let folder = tempfile::tempdir().unwrap();
        let slow = file(folder.path(), 4_000, 1, 16, SampleFormat::Int);
        let message = WavSource::open(&slow).err().unwrap().to_string();
        assert!(message.contains("4000 Hz") && message.contains("8 to 192 kHz"), "{message}");
        let text = folder.path().join("text.wav");
        std::fs::write(&text, "no sound at all").unwrap();
        assert!(matches!(WavSource::open(&text), Err(MediaError::Source(_))));
        let missing = WavSource::open(&folder.path().join("missing.wav")).err().unwrap();
        assert!(missing.to_string().contains("missing.wav"));
        assert!(matches!(WavSink::create(folder.path()), Err(MediaError::Sink(_))));
    }

    #[test]
    fn a_repeating_source_goes_on() {
        let mut source = WavSource::from_samples(vec![0.5; 1_000]).repeating();
        let mut frame = [0.0; FRAME_SAMPLES];
        let counts: Vec<usize> = (0..4).map(|_| source.read(&mut frame)).collect();
        assert_eq!(counts, [960, 40, 960, 40]);
    }

    #[test]
    fn a_recording_is_whole_and_survives_a_kill() {
        let folder = tempfile::tempdir().unwrap();
        for (name, killed) in [("ended.wav", false), ("killed.wav", true)] {
            let path = folder.path().join(name);
            let mut sink = WavSink::create(&path).unwrap();
            for at in 0..125_u32 {
                let level = if at < 100 { 0.25 } else { 7.0 };
                sink.write(&[level; FRAME_SAMPLES]).unwrap();
            }
            if killed {
                // Nothing of it is dropped, as when the process is gone.
                std::mem::forget(sink);
            } else {
                sink.finish().unwrap();
            }
            let samples: Vec<i16> =
                hound::WavReader::open(&path).unwrap().into_samples().collect::<Result<_, _>>().unwrap();
            assert_eq!(samples.len(), if killed { 96_000 } else { 120_000 }, "{name}");
            assert_eq!(samples[50_000], 8_192);
            assert!(killed || samples[119_000] == i16::MAX, "too loud is clipped, not wrapped");
        }
    }
}
