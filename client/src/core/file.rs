//! What messages say of files and places. Both hold what identifies people, so neither has a `Debug` in clear.
use wardline_e2ee::attachment::{AttachmentKey, sealed_bytes};
use wardline_protocol::limit::{
    ATTACHMENT_BYTES_MAX, CAPTION_BYTES_MAX, FILE_NAME_BYTES_MAX, MEDIA_TYPE_BYTES_MAX, PLACE_WORDS_BYTES_MAX,
    THUMBNAIL_BYTES_MAX,
};
use wardline_protocol::{AttachmentId, wire};

/// A file that was sent: where its ciphertext is, what opens it, and what to show before it is here.
#[derive(Clone, PartialEq, Eq)]
pub struct File {
    /// What the node calls the ciphertext.
    pub attachment: AttachmentId,
    /// Opens it.
    pub key: AttachmentKey,
    /// SHA-256 of the ciphertext.
    pub sealed_sha256: [u8; 32],
    /// Of the content.
    pub bytes: u64,
    /// What the person who sent it says of it.
    pub about: About,
}

/// What its sender says of a file. Written by another person's program: nothing of it is to be trusted.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct About {
    /// Without a path.
    pub name: String,
    /// RFC 6838, lower case; may be empty.
    pub media_type: String,
    /// Pixels of a picture or video; 0: not known.
    pub width: u32,
    /// As `width`.
    pub height: u32,
    /// Of a video or sound; 0: not known.
    pub duration_ms: u64,
    /// JPEG or WebP; may be empty.
    pub thumbnail: Vec<u8>,
    /// What is written below it; may be empty.
    pub caption: String,
}

/// A place in words, coordinates, or both.
#[derive(Clone, PartialEq, Eq)]
pub struct Location {
    /// E.g. "Haus B / 2 / OP 3"; may be empty.
    pub words: String,
    /// If it is known.
    pub position: Option<Position>,
}

/// WGS 84.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Degrees times 10^7.
    pub latitude_e7: i32,
    /// Degrees times 10^7.
    pub longitude_e7: i32,
    /// Radius in metres; 0: not known.
    pub accuracy_m: u32,
}

/// Degrees times 10^7 of a right angle.
const RIGHT_ANGLE_E7: i32 = 900_000_000;

impl File {
    /// Bytes of the ciphertext.
    pub fn sealed_bytes(&self) -> u64 {
        sealed_bytes(self.bytes)
    }

    pub(super) fn from_wire(file: wire::File) -> Option<Self> {
        Some(Self {
            attachment: AttachmentId::parse(&file.attachment_id).ok()?,
            key: AttachmentKey::from_bytes(&file.key)?,
            sealed_sha256: file.sealed_sha256.as_ref().try_into().ok()?,
            bytes: Some(file.bytes).filter(|bytes| *bytes <= ATTACHMENT_BYTES_MAX)?,
            about: About {
                name: file.name,
                media_type: file.media_type,
                width: file.width,
                height: file.height,
                duration_ms: file.duration_ms,
                thumbnail: file.thumbnail.to_vec(),
                caption: file.caption,
            }
            .bounded(),
        })
    }

    pub(super) fn to_wire(&self) -> wire::File {
        let about = self.about.clone().bounded();
        wire::File {
            attachment_id: self.attachment.to_bytes(),
            key: bytes::Bytes::copy_from_slice(self.key.as_bytes()),
            sealed_sha256: bytes::Bytes::copy_from_slice(&self.sealed_sha256),
            bytes: self.bytes,
            name: about.name,
            media_type: about.media_type,
            width: about.width,
            height: about.height,
            duration_ms: about.duration_ms,
            thumbnail: about.thumbnail.into(),
            caption: about.caption,
        }
    }
}

impl About {
    /// A name to save it under: no path, nothing invisible, nothing that reverses the reading direction, no leading dot.
    pub fn safe_name(&self) -> String {
        let last = self.name.rsplit(['/', '\\']).next().unwrap_or_default();
        let visible = |c: &char| {
            !c.is_control()
                && !matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | ':')
        };
        let name: String = last.chars().filter(visible).collect();
        let name = name.trim_start_matches(['.', ' ']).trim_end();
        if name.is_empty() { "file".to_owned() } else { name.to_owned() }
    }

    /// Within the limits of the protocol: what is longer is cut, and a thumbnail that is too large is left out.
    fn bounded(mut self) -> Self {
        cut(&mut self.name, FILE_NAME_BYTES_MAX);
        cut(&mut self.media_type, MEDIA_TYPE_BYTES_MAX);
        cut(&mut self.caption, CAPTION_BYTES_MAX);
        if self.thumbnail.len() > THUMBNAIL_BYTES_MAX {
            self.thumbnail = Vec::new();
        }
        self
    }
}

impl Location {
    pub(super) fn from_wire(location: wire::Location) -> Option<Self> {
        let position = location.position.map(|at| Position {
            latitude_e7: at.latitude_e7,
            longitude_e7: at.longitude_e7,
            accuracy_m: at.accuracy_m,
        });
        let mut words = location.words;
        cut(&mut words, PLACE_WORDS_BYTES_MAX);
        Some(Self { words, position }).filter(Self::is_sound)
    }

    pub(super) fn to_wire(&self) -> wire::Location {
        let position = self.position.map(|at| wire::Position {
            latitude_e7: at.latitude_e7,
            longitude_e7: at.longitude_e7,
            accuracy_m: at.accuracy_m,
        });
        let mut words = self.words.clone();
        cut(&mut words, PLACE_WORDS_BYTES_MAX);
        wire::Location { words, position }
    }

    /// Says something, and nothing that is not on Earth.
    pub fn is_sound(&self) -> bool {
        let on_earth = |at: Position| {
            at.latitude_e7.unsigned_abs() <= RIGHT_ANGLE_E7.unsigned_abs()
                && at.longitude_e7.unsigned_abs() <= 2 * RIGHT_ANGLE_E7.unsigned_abs()
        };
        self.position.map_or(!self.words.trim().is_empty(), on_earth)
    }
}

fn cut(text: &mut String, bytes_max: usize) {
    text.truncate(text.floor_char_boundary(bytes_max));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> File {
        File {
            attachment: AttachmentId::from_bytes([1; 16]),
            key: AttachmentKey::from_bytes(&[2; 32]).unwrap(),
            sealed_sha256: [3; 32],
            bytes: 4,
            about: About { name: "ä".repeat(200), thumbnail: vec![5; THUMBNAIL_BYTES_MAX], ..About::default() },
        }
    }

    #[test]
    fn what_is_too_long_is_cut_and_the_rest_comes_back() {
        let back = File::from_wire(file().to_wire()).unwrap();
        assert_eq!((back.about.name.len(), back.about.thumbnail.len()), (254, THUMBNAIL_BYTES_MAX));
        assert_eq!((back.bytes, back.key == file().key, back.sealed_sha256), (4, true, [3; 32]));
        let mut large = file().to_wire();
        large.thumbnail = vec![0; THUMBNAIL_BYTES_MAX + 1].into();
        large.name = "x".repeat(10_000);
        let back = File::from_wire(large).unwrap();
        assert_eq!((back.about.name.len(), back.about.thumbnail.len()), (FILE_NAME_BYTES_MAX, 0));
    }

    #[test]
    fn what_cannot_be_opened_is_no_file() {
        let broken: [fn(&mut wire::File); 4] = [
            |file| file.key = vec![0; 31].into(),
            |file| file.attachment_id = vec![0; 15].into(),
            |file| file.sealed_sha256 = bytes::Bytes::new(),
            |file| file.bytes = ATTACHMENT_BYTES_MAX + 1,
        ];
        for damage in broken {
            let mut wire = file().to_wire();
            damage(&mut wire);
            assert!(File::from_wire(wire).is_none());
        }
    }

    #[test]
    fn a_name_to_save_under_leads_nowhere_else() {
        let safe = |name: &str| About { name: name.into(), ..About::default() }.safe_name();
        assert_eq!(safe("Befund 3.pdf"), "Befund 3.pdf");
        assert_eq!(safe("../../etc/passwd"), "passwd");
        assert_eq!(safe("C:\\temp\\x.exe"), "x.exe");
        assert_eq!(safe("..."), "file");
        assert_eq!(safe("photo\u{202e}gpj.exe"), "photogpj.exe");
        assert_eq!(safe("a\0b\n"), "ab");
    }

    #[test]
    fn a_place_is_somewhere() {
        let at = |latitude_e7, longitude_e7| Some(Position { latitude_e7, longitude_e7, accuracy_m: 0 });
        let place = |words: &str, position| Location { words: words.into(), position };
        assert!(place("OP 3", None).is_sound());
        assert!(place("", at(-RIGHT_ANGLE_E7, 2 * RIGHT_ANGLE_E7)).is_sound());
        for nowhere in [place(" ", None), place("x", at(RIGHT_ANGLE_E7 + 1, 0)), place("x", at(0, i32::MIN))] {
            assert!(Location::from_wire(nowhere.to_wire()).is_none());
        }
    }
}
