//! What is broadcast: up to three layers of one video, and a sound.

use std::path::PathBuf;
use std::time::Duration;

use super::super::MediaError;
use super::super::file::{SoundFile, VideoFile};

/// A simulcast layer: the same video in one of several sizes, of which the node forwards to each viewer the one that fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layer {
    /// The largest.
    High,
    /// Between the two.
    Middle,
    /// The smallest.
    Low,
}

impl Layer {
    /// All, the largest first.
    pub const ALL: [Self; 3] = [Self::High, Self::Middle, Self::Low];

    /// Its name in the offer (RFC 8851): the node knows the layers by it.
    pub fn rid(self) -> &'static str {
        match self {
            Self::High => "h",
            Self::Middle => "m",
            Self::Low => "l",
        }
    }
}

/// Where a programme's parts are. A WebM file with both may be named twice: as a layer and as the sound.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProgrammeFiles {
    /// Video of the high layer: VP8 in IVF or WebM.
    pub high: Option<PathBuf>,
    /// Of the middle one.
    pub middle: Option<PathBuf>,
    /// Of the low one.
    pub low: Option<PathBuf>,
    /// Sound: Opus in Ogg or WebM.
    pub sound: Option<PathBuf>,
    /// At the end it begins again, without end. The parts begin together, when the longest of them is over.
    pub looping: bool,
}

/// A programme that can be played: its files were read and checked.
#[derive(Clone)]
pub struct Programme {
    layers: Vec<(Layer, VideoFile)>,
    sound: Option<SoundFile>,
    looping: bool,
}

impl Programme {
    /// Reads and checks all files. Takes as long as reading them: call it where one may wait.
    ///
    /// # Errors
    /// [`MediaError::NothingToPlay`] without a file, [`MediaError::File`] with the name of the file and what is wrong with it.
    pub fn open(files: &ProgrammeFiles) -> Result<Self, MediaError> {
        let named = [(Layer::High, &files.high), (Layer::Middle, &files.middle), (Layer::Low, &files.low)];
        let named = named.into_iter().filter_map(|(layer, path)| Some((layer, path.as_ref()?)));
        let layers = named.map(|(layer, path)| Ok((layer, VideoFile::open(path)?)));
        let layers = layers.collect::<Result<Vec<_>, MediaError>>()?;
        let sound = files.sound.as_deref().map(SoundFile::open).transpose()?;
        if layers.is_empty() && sound.is_none() {
            return Err(MediaError::NothingToPlay);
        }
        Ok(Self { layers, sound, looping: files.looping })
    }

    /// The layers of its video, the largest first; none for sound alone. A single one is sent without simulcast.
    pub fn layers(&self) -> impl Iterator<Item = Layer> + '_ {
        self.layers.iter().map(|(layer, _)| *layer)
    }

    /// Whether it has sound.
    pub fn has_sound(&self) -> bool {
        self.sound.is_some()
    }

    /// How many context ids [`super::Publisher::start`] needs: one for the sound, and one for each layer.
    pub fn context_ids_count(&self) -> usize {
        usize::from(self.has_sound()) + self.layers.len()
    }

    /// How long it plays, once.
    pub fn length(&self) -> Duration {
        let videos = self.layers.iter().map(|(_, file)| file.length());
        videos.chain(self.sound.iter().map(SoundFile::length)).max().unwrap_or_default()
    }

    /// Whether it begins again at its end.
    pub fn is_looping(&self) -> bool {
        self.looping
    }

    pub(super) fn videos(&self) -> &[(Layer, VideoFile)] {
        &self.layers
    }

    pub(super) fn sound(&self) -> Option<&SoundFile> {
        self.sound.as_ref()
    }
}
