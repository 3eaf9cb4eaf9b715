//! Canaries: secrets planted on purpose, searched wherever a server operator could look, in every form they could have taken.
use crate::memory;
use anyhow::{Context as _, Result};
use data_encoding::{BASE64, BASE64URL, HEXLOWER, HEXUPPER};
use memchr::memmem::Finder;
use std::collections::BTreeSet;
use std::path::Path;

/// The shortest secret that can be told from chance: 8 bytes turn up by accident once in 2^64 places.
pub const SECRET_BYTES_MIN: usize = 8;

/// A secret found where it must not be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hit {
    /// The name under which it was planted.
    pub secret: String,
    /// In which form.
    pub form: &'static str,
    /// Where: a file and offset, or an area and address.
    pub place: String,
}

/// Looks for a set of secrets.
#[derive(Default)]
pub struct Searcher {
    needles: Vec<(String, &'static str, Finder<'static>)>,
    longest: usize,
}

impl Searcher {
    /// Adds bytes to look for: as they are, reversed, in hexadecimal, and in base64 at each of the three places it can be cut.
    ///
    /// # Panics
    /// When the secret is shorter than [`SECRET_BYTES_MIN`]: it would be found by chance.
    pub fn plant(&mut self, name: &str, secret: &[u8]) {
        assert!(secret.len() >= SECRET_BYTES_MIN, "{name} is too short to be searched for");
        let reversed: Vec<u8> = secret.iter().rev().copied().collect();
        self.needle(name, "raw", secret.to_vec());
        self.needle(name, "reversed", reversed);
        self.needle(name, "hex", HEXLOWER.encode(secret).into_bytes());
        self.needle(name, "HEX", HEXUPPER.encode(secret).into_bytes());
        for shift in 0..3 {
            self.needle(name, "base64", shifted_base64(&BASE64, secret, shift));
            self.needle(name, "base64url", shifted_base64(&BASE64URL, secret, shift));
        }
    }

    /// Adds text to look for: the forms of [`Searcher::plant`], and UTF-16 in both byte orders.
    pub fn plant_text(&mut self, name: &str, secret: &str) {
        self.plant(name, secret.as_bytes());
        self.needle(name, "UTF-16LE", secret.encode_utf16().flat_map(u16::to_le_bytes).collect());
        self.needle(name, "UTF-16BE", secret.encode_utf16().flat_map(u16::to_be_bytes).collect());
    }

    /// Adds sound to look for: pieces of `piece_samples` taken all over it, as 16-bit and 32-bit float samples. Silence is passed over.
    pub fn plant_sound(&mut self, name: &str, samples: &[i16], piece_samples: usize, pieces: usize) {
        let step = (samples.len() / pieces.max(1)).max(1);
        let loud = samples
            .chunks(step)
            .filter_map(|part| part.chunks_exact(piece_samples).max_by_key(|piece| loudness(piece)));
        for piece in loud.filter(|piece| loudness(piece) > 100 * piece.len() as u64) {
            self.needle(name, "16-bit sound", piece.iter().flat_map(|sample| sample.to_le_bytes()).collect());
            let floats = piece.iter().map(|sample| f32::from(*sample) / 32_768.0);
            self.needle(name, "float sound", floats.flat_map(f32::to_le_bytes).collect());
        }
    }

    fn needle(&mut self, name: &str, form: &'static str, bytes: Vec<u8>) {
        self.longest = self.longest.max(bytes.len());
        self.needles.push((name.to_owned(), form, Finder::new(&bytes).into_owned()));
    }

    /// How many byte strings are looked for.
    pub fn needle_count(&self) -> usize {
        self.needles.len()
    }

    /// Every secret in these bytes, each once.
    pub fn search_bytes(&self, place: &str, bytes: &[u8]) -> BTreeSet<Hit> {
        let hit = |(name, form, finder): &(String, &'static str, Finder<'static>)| {
            let at = finder.find(bytes)?;
            Some(Hit { secret: name.clone(), form, place: format!("{place} at {at:#x}") })
        };
        self.needles.iter().filter_map(hit).collect()
    }

    /// Every secret in the files below a folder, names of files included.
    pub fn search_files(&self, folder: &Path) -> Result<BTreeSet<Hit>> {
        let mut hits = BTreeSet::new();
        for entry in std::fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
            let path = entry?.path();
            let shown = path.display().to_string();
            hits.append(&mut self.search_bytes("the name of a file", shown.as_bytes()));
            if path.is_dir() {
                hits.append(&mut self.search_files(&path)?);
            } else if path.is_file() {
                hits.append(&mut self.search_bytes(&shown, &std::fs::read(&path)?));
            }
        }
        Ok(hits)
    }

    /// Every secret in a process's memory, and how many bytes of it were read.
    pub fn search_memory(&self, pid: u32) -> Result<(BTreeSet<Hit>, u64)> {
        let mut hits = BTreeSet::new();
        let read_bytes = memory::walk(pid, self.longest, |area, address, bytes| {
            hits.append(&mut self.search_bytes(&format!("{area} from {address:#x}"), bytes));
        })?;
        Ok((hits, read_bytes))
    }
}

fn loudness(piece: &[i16]) -> u64 {
    piece.iter().map(|sample| u64::from(sample.unsigned_abs())).sum()
}

/// The characters that stand for `secret` alone when it begins `shift` bytes into a group of three.
fn shifted_base64(encoding: &data_encoding::Encoding, secret: &[u8], shift: usize) -> Vec<u8> {
    let padded: Vec<u8> = std::iter::repeat_n(0, shift).chain(secret.iter().copied()).collect();
    let text = encoding.encode(&padded).into_bytes();
    let first = (shift * 8).div_ceil(6); // characters that carry bits of what stands before
    let last = padded.len() * 8 / 6; // characters that carry nothing of what follows
    text.get(first..last).unwrap_or_default().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "the canary sings at 4:35";

    fn forms_found(bytes: &[u8]) -> BTreeSet<&'static str> {
        let mut searcher = Searcher::default();
        searcher.plant_text("note", SECRET);
        searcher.search_bytes("here", bytes).into_iter().map(|hit| hit.form).collect()
    }

    #[test]
    fn every_form_is_found_wherever_it_is_cut() {
        for before in 0..7 {
            let mut inside = vec![b'x'; before];
            inside.extend_from_slice(SECRET.as_bytes());
            inside.extend_from_slice(b"-and more");
            assert_eq!(forms_found(&inside), BTreeSet::from(["raw"]));
            assert!(forms_found(BASE64.encode(&inside).as_bytes()).contains("base64"), "{before}");
            assert!(forms_found(BASE64URL.encode(&inside).as_bytes()).contains("base64url"), "{before}");
            assert_eq!(forms_found(HEXLOWER.encode(&inside).as_bytes()), BTreeSet::from(["hex"]));
            assert_eq!(forms_found(HEXUPPER.encode(&inside).as_bytes()), BTreeSet::from(["HEX"]));
        }
        let wide: Vec<u8> = SECRET.encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert!(forms_found(&wide).contains("UTF-16LE"));
        let wide: Vec<u8> = SECRET.encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert!(forms_found(&wide).contains("UTF-16BE"));
    }

    #[test]
    fn what_is_not_there_is_not_found() {
        let mut close = SECRET.as_bytes().to_vec();
        close[5] ^= 1;
        assert_eq!(forms_found(&close), BTreeSet::new());
    }

    #[test]
    fn sound_is_found_and_silence_is_not_looked_for() {
        let tone: Vec<i16> = (0..4800).map(|i| ((f64::from(i) * 0.05).sin() * 9000.0) as i16).collect();
        let mut searcher = Searcher::default();
        searcher.plant_sound("tone", &tone, 32, 5);
        let bytes: Vec<u8> = tone.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        assert!(!searcher.search_bytes("here", &bytes).is_empty());
        let mut silent = Searcher::default();
        silent.plant_sound("silence", &vec![0; 4800], 32, 5);
        assert_eq!(silent.needle_count(), 0);
    }

    #[test]
    fn files_and_their_names_are_searched() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("a").join("b");
        std::fs::create_dir_all(&inner).unwrap();
        std::fs::write(inner.join("log"), HEXLOWER.encode(SECRET.as_bytes())).unwrap();
        std::fs::write(folder.path().join(SECRET), "").unwrap();
        let mut searcher = Searcher::default();
        searcher.plant_text("note", SECRET);
        let forms: Vec<_> = searcher.search_files(folder.path()).unwrap().into_iter().map(|hit| hit.form).collect();
        assert!(forms.contains(&"hex") && forms.contains(&"raw"), "{forms:?}");
    }
}
