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
