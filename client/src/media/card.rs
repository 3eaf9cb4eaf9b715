//! The machine's microphone and speaker.
//!
//! The card has a clock of its own and calls from a thread of its own; the call asks every 20 ms by the machine's clock. A [`Cushion`]
//! between the two takes up the difference: bounded, and when the clocks have drifted apart it lets go of the oldest sound.

use super::{AudioSink, AudioSource, FRAME_SAMPLES, MediaError, SAMPLE_RATE};
use cpal::traits::{DeviceTrait, HostTrait, StreamTrait};
use cpal::{
    BufferSize, FromSample, Sample as _, SampleFormat, SizedSample, Stream, StreamConfig, SupportedBufferSize,
    SupportedStreamConfigRange,
};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Sound that waits in a cushion before the first sample is taken: the two clocks' callbacks do not meet.
const PREFILL: usize = FRAME_SAMPLES + FRAME_SAMPLES / 2;
/// Most sound that waits, 160 ms: sound servers deliver in bursts. Above it the oldest goes until [`PREFILL`] is left.
const CUSHION_MAX: usize = 8 * FRAME_SAMPLES;
/// Samples a microphone is asked to bring at a time, 10 ms; its own choice may be half a second.
const MICROPHONE_FRAMES: u32 = 480;
/// Samples a speaker is asked to take at a time, 40 ms: what comes too late here is heard.
const SPEAKER_FRAMES: u32 = 1_920;
/// Channels of a card that can be used; the microphone's are mixed, the speaker's all get the same.
const CHANNELS_MAX: u16 = 8;
/// How long opening a card may wait for it.
const OPEN_MAX: Duration = Duration::from_secs(5);

/// Samples on their way between two clocks.
#[derive(Default)]
struct Cushion {
    samples: VecDeque<f32>,
    flowing: bool,
}

impl Cushion {
    fn push(&mut self, samples: impl Iterator<Item = f32>) {
        self.samples.extend(samples);
        if self.samples.len() > CUSHION_MAX {
            self.samples.drain(..self.samples.len() - PREFILL);
        }
    }

    /// Fills `to` as far as there is sound, and gives how far. Once dry it waits until it is soft again, so that a gap is heard once and not as a
    /// crackle.
    fn pull(&mut self, to: &mut [f32]) -> usize {
        let soft = (to.len() + FRAME_SAMPLES / 2).clamp(PREFILL, CUSHION_MAX);
        self.flowing |= self.samples.len() >= soft;
        if !self.flowing {
            return 0;
        }
        let count = to.len().min(self.samples.len());
        self.flowing = count == to.len();
        to.iter_mut().zip(self.samples.drain(..count)).for_each(|(to, from)| *to = from);
        count
    }
}

type Shared = Arc<Mutex<Cushion>>;

/// A panic elsewhere leaves samples whole enough to go on with.
fn lock(cushion: &Shared) -> MutexGuard<'_, Cushion> {
    cushion.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The default microphone. Opened while it rings; takes no sample before [`AudioSource::start`].
pub struct Microphone {
    stream: Stream,
    cushion: Shared,
}

impl Microphone {
    /// Opens the machine's default microphone.
    ///
    /// # Errors
    /// [`MediaError::Source`] without one, or when it does not offer 48 kHz.
    pub fn open() -> Result<Self, MediaError> {
        let fail = |why: String| MediaError::Source(format!("microphone: {why}"));
        let device = cpal::default_host().default_input_device().ok_or_else(|| fail(missing("--audio-in FILE.wav")))?;
        let offers = device.supported_input_configs().map_err(|error| fail(error.to_string()))?;
        let (config, format) = choose(offers, MICROPHONE_FRAMES).map_err(fail)?;
        let cushion = Shared::default();
        let stream = match format {
            SampleFormat::F32 => listen::<f32>(&device, config, cushion.clone()),
            SampleFormat::I16 => listen::<i16>(&device, config, cushion.clone()),
            SampleFormat::I32 => listen::<i32>(&device, config, cushion.clone()),
            other => return Err(fail(format!("it offers only samples of the kind {other}"))),
        };
        Ok(Self { stream: stream.map_err(|error| fail(error.to_string()))?, cushion })
    }
}

impl AudioSource for Microphone {
    fn start(&mut self) -> Result<(), MediaError> {
        self.stream.play().map_err(|error| MediaError::Source(format!("microphone: {error}")))
    }

    fn read(&mut self, frame: &mut [f32; FRAME_SAMPLES]) -> usize {
        lock(&self.cushion).pull(frame)
    }
}

/// The default speaker or headset.
pub struct Speaker {
    stream: Stream,
    cushion: Shared,
    playing: bool,
}

impl Speaker {
    /// Opens the machine's default speaker.
    ///
    /// # Errors
    /// [`MediaError::Sink`] without one, or when it does not offer 48 kHz.
    pub fn open() -> Result<Self, MediaError> {
        let fail = |why: String| MediaError::Sink(format!("speaker: {why}"));
        let device =
            cpal::default_host().default_output_device().ok_or_else(|| fail(missing("--audio-out FILE.wav")))?;
        let offers = device.supported_output_configs().map_err(|error| fail(error.to_string()))?;
        let (config, format) = choose(offers, SPEAKER_FRAMES).map_err(fail)?;
        let cushion = Shared::default();
        let stream = match format {
            SampleFormat::F32 => sound::<f32>(&device, config, cushion.clone()),
            SampleFormat::I16 => sound::<i16>(&device, config, cushion.clone()),
            SampleFormat::I32 => sound::<i32>(&device, config, cushion.clone()),
            other => return Err(fail(format!("it offers only samples of the kind {other}"))),
        };
        Ok(Self { stream: stream.map_err(|error| fail(error.to_string()))?, cushion, playing: false })
    }
}

impl AudioSink for Speaker {
    fn write(&mut self, samples: &[f32]) -> Result<(), MediaError> {
        lock(&self.cushion).push(samples.iter().copied());
        if !std::mem::replace(&mut self.playing, true) {
            self.stream.play().map_err(|error| MediaError::Sink(format!("speaker: {error}")))?;
        }
        Ok(())
    }
}

fn missing(instead: &str) -> String {
    format!("this machine has none, or it is in use: connect one, or use {instead}")
}

/// 48 kHz, the fewest channels, and the kind of samples that says most.
fn choose(
    offers: impl Iterator<Item = SupportedStreamConfigRange>,
    frames: u32,
) -> Result<(StreamConfig, SampleFormat), String> {
    let rank = |format: SampleFormat| match format {
        SampleFormat::F32 => Some(0),
        SampleFormat::I32 => Some(1),
        SampleFormat::I16 => Some(2),
        _ => None,
    };
    offers
        .filter(|offer| (1..=CHANNELS_MAX).contains(&offer.channels()))
        .filter(|offer| rank(offer.sample_format()).is_some())
        .filter_map(|offer| offer.try_with_sample_rate(SAMPLE_RATE))
        .min_by_key(|offer| (offer.channels(), rank(offer.sample_format())))
        .map(|offer| {
            let mut config = offer.config();
            if let SupportedBufferSize::Range { min, max } = offer.buffer_size()
                && (*min..=*max).contains(&frames)
            {
                config.buffer_size = BufferSize::Fixed(frames);
            }
            (config, offer.sample_format())
        })
        .ok_or_else(|| "it does not offer 48 kHz".to_owned())
}

fn listen<T: SizedSample>(device: &cpal::Device, config: StreamConfig, cushion: Shared) -> Result<Stream, cpal::Error>
where
    f32: FromSample<T>,
{
    let channels = usize::from(config.channels);
    let taken = move |data: &[T], _: &cpal::InputCallbackInfo| {
        let mixed = data
            .chunks_exact(channels)
            .map(|all| all.iter().map(|sample| f32::from_sample(*sample)).sum::<f32>() / channels as f32);
        lock(&cushion).push(mixed);
    };
    device.build_input_stream(config, taken, complain(), Some(OPEN_MAX))
}

fn sound<T: SizedSample + FromSample<f32>>(
    device: &cpal::Device,
    config: StreamConfig,
    cushion: Shared,
) -> Result<Stream, cpal::Error> {
    let channels = usize::from(config.channels);
    let mut mono = Vec::new();
    let wanted = move |data: &mut [T], _: &cpal::OutputCallbackInfo| {
        mono.resize(data.len() / channels, 0.0);
        let count = lock(&cushion).pull(&mut mono);
        mono.iter_mut().skip(count).for_each(|sample| *sample = 0.0);
        for (all, sample) in data.chunks_exact_mut(channels).zip(&mono) {
            all.fill(T::from_sample(*sample));
        }
    };
    device.build_output_stream(config, wanted, complain(), Some(OPEN_MAX))
}

/// The first error of a stream gets a line; a card that was pulled out reports thousands.
fn complain() -> impl FnMut(cpal::Error) + Send + 'static {
    let mut told = false;
    move |error| {
        if !std::mem::replace(&mut told, true) {
            tracing::warn!(%error, "sound card");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pull(cushion: &mut Cushion) -> Option<f32> {
        let mut frame = [0.0; FRAME_SAMPLES];
        (cushion.pull(&mut frame) > 0).then(|| frame[0])
    }

    fn push(cushion: &mut Cushion, from: usize, count: usize) {
        cushion.push((from..from + count).map(|n| n as f32));
    }

    #[test]
    fn a_cushion_waits_until_it_is_soft_and_again_after_it_ran_dry() {
        let mut cushion = Cushion::default();
        push(&mut cushion, 0, FRAME_SAMPLES);
        assert_eq!(pull(&mut cushion), None, "the next frame would come too late");
        push(&mut cushion, FRAME_SAMPLES, FRAME_SAMPLES);
        assert_eq!(pull(&mut cushion), Some(0.0));
        assert_eq!(pull(&mut cushion), Some(960.0));
        assert_eq!(pull(&mut cushion), None);
        push(&mut cushion, 0, FRAME_SAMPLES);
        assert_eq!(pull(&mut cushion), None);
        push(&mut cushion, FRAME_SAMPLES, FRAME_SAMPLES);
        assert_eq!(pull(&mut cushion), Some(0.0));
    }

    #[test]
    fn a_fast_clock_lets_the_oldest_go_and_keeps_the_delay_short() {
        let mut cushion = Cushion::default();
        for n in 0..10 {
            push(&mut cushion, n * FRAME_SAMPLES, FRAME_SAMPLES);
            assert!(cushion.samples.len() <= CUSHION_MAX);
        }
        let newest = cushion.samples.back().copied();
        assert_eq!(newest, Some((10 * FRAME_SAMPLES - 1) as f32));
    }
}
