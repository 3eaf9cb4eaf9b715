//! Files and places in the forms that the page stores and gives; and the sealing and moving of ciphertexts, piece by piece.
#![allow(missing_docs, reason = "each field is the one of the same name in client::core, in the page's words")]
use crate::{Failed, ask};
use data_encoding::{BASE64, HEXLOWER};
use serde::{Deserialize, Serialize};
use wardline_client::bulk;
use wardline_client::core::{About, File, Location, Position};
use wardline_e2ee::attachment::{self, AttachmentError, AttachmentKey};
use wardline_protocol::{AttachmentId, WireError};

/// Degrees times this are whole numbers in a message.
const E7: f64 = 1e7;

/// A file's message as stored. Holds what opens the file.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoredFile {
    pub attachment: String,
    /// Hexadecimal.
    pub key: String,
    /// Hexadecimal.
    pub sealed_sha256: String,
    pub bytes: u64,
    pub name: String,
    pub mime: String,
    pub width: u32,
    pub height: u32,
    pub duration_ms: u64,
    /// Base64; empty: none.
    pub thumbnail: String,
    pub caption: String,
}

impl StoredFile {
    pub fn of(file: &File) -> Self {
        let about = file.about.clone();
        Self {
            attachment: file.attachment.to_string(),
            key: HEXLOWER.encode(file.key.as_bytes()),
            sealed_sha256: HEXLOWER.encode(&file.sealed_sha256),
            bytes: file.bytes,
            name: about.name,
            mime: about.media_type,
            width: about.width,
            height: about.height,
            duration_ms: about.duration_ms,
            thumbnail: BASE64.encode(&about.thumbnail),
            caption: about.caption,
        }
    }

    pub fn read(self) -> Option<File> {
        Some(File {
            attachment: AttachmentId::parse_hex(&self.attachment).ok()?,
            key: key(&self.key)?,
            sealed_sha256: hash(&self.sealed_sha256)?,
            bytes: self.bytes,
            about: About {
                name: self.name,
                media_type: self.mime,
                width: self.width,
                height: self.height,
                duration_ms: self.duration_ms,
                thumbnail: BASE64.decode(self.thumbnail.as_bytes()).ok()?,
                caption: self.caption,
            },
        })
    }
}

/// A place as stored and as the page gives it.
#[derive(Serialize, Deserialize)]
pub struct StoredPlace {
    pub words: String,
    pub position: Option<StoredPosition>,
}

/// Degrees.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoredPosition {
    pub latitude: f64,
    pub longitude: f64,
    pub accuracy_m: u32,
}

impl StoredPlace {
    pub fn of(place: &Location) -> Self {
        let position = place.position.map(|at| StoredPosition {
            latitude: f64::from(at.latitude_e7) / E7,
            longitude: f64::from(at.longitude_e7) / E7,
            accuracy_m: at.accuracy_m,
        });
        Self { words: place.words.clone(), position }
    }

    /// Coordinates that are not on Earth come out as such, and are refused by the core.
    pub fn read(self) -> Location {
        let e7 = |degrees: f64| if degrees.is_finite() { (degrees * E7).round() as i32 } else { i32::MAX };
        let position = self.position.map(|at| Position {
            latitude_e7: e7(at.latitude),
            longitude_e7: e7(at.longitude),
            accuracy_m: at.accuracy_m,
        });
        Location { words: self.words, position }
    }
}

/// Seals a file that is to be sent, piece by piece, under a fresh key.
pub struct FileSealer {
    sealer: attachment::Sealer,
    attachment: String,
    key: AttachmentKey,
}

/// What the file's message says of the ciphertext.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Sealed {
    pub attachment: String,
    pub key: String,
    pub sealed_sha256: String,
}

impl FileSealer {
    /// For a content of so many bytes.
    pub fn new(bytes: u64) -> Result<Self, Failed> {
        let key = AttachmentKey::random()?;
        let id = wardline_directory::key::random::<16>()
            .map_err(|_| Failed::new("engine", "the browser gives no randomness"))?;
        let attachment = AttachmentId::from_bytes(*id).to_string();
        Ok(Self { sealer: attachment::Sealer::new(&key, bytes)?, attachment, key })
    }

    /// What the ciphertext is called.
    pub fn attachment(&self) -> &str {
        &self.attachment
    }

    /// The next piece's ciphertext.
    pub fn seal(&mut self, piece: &[u8]) -> Result<Vec<u8>, Failed> {
        Ok(self.sealer.seal(piece)?)
    }

    /// After the last piece.
    pub fn finish(self) -> Result<Sealed, Failed> {
        let sealed_sha256 = HEXLOWER.encode(&self.sealer.finish()?);
        Ok(Sealed { attachment: self.attachment, key: HEXLOWER.encode(self.key.as_bytes()), sealed_sha256 })
    }
}

/// Opens a file's ciphertext, piece by piece.
pub struct FileOpener(attachment::Opener);

impl FileOpener {
    /// As the file's message says.
    pub fn new(key_hex: &str, bytes: u64, sealed_sha256_hex: &str) -> Result<Self, Failed> {
        let damaged = || Failed::new("storage", "the stored message of this file is damaged");
        let (key, hash) = (key(key_hex).ok_or_else(damaged)?, hash(sealed_sha256_hex).ok_or_else(damaged)?);
        Ok(Self(attachment::Opener::new(&key, bytes, hash)?))
    }

    /// The next piece's content.
    pub fn open(&mut self, sealed: &[u8]) -> Result<Vec<u8>, Failed> {
        Ok(self.0.open(sealed)?)
    }

    /// After the last piece: whether it was the whole file.
    pub fn finish(self) -> Result<(), Failed> {
        Ok(self.0.finish()?)
    }
}

/// Bytes of the ciphertext of so many bytes.
pub fn sealed_bytes(bytes: u64) -> u64 {
    attachment::sealed_bytes(bytes)
}

/// Sends a ciphertext over a bulk stream; the worker moves the bytes.
pub struct BulkSending(bulk::Sending, Vec<u8>);

impl BulkSending {
    pub fn new(ticket: &[u8], bytes: u64) -> Self {
        let (sending, first) = bulk::Sending::new(ticket, bytes);
        Self(sending, first.to_vec())
    }

    /// To be written first.
    pub fn first(&self) -> Vec<u8> {
        self.1.clone()
    }

    pub fn wants(&self) -> usize {
        self.0.wants()
    }

    pub fn chunk(&mut self, content: &[u8]) -> Result<Vec<u8>, Failed> {
        Ok(self.0.chunk(content).map_err(refused)?.to_vec())
    }

    pub fn heard(&mut self, bytes: &[u8]) -> Result<(), Failed> {
        self.0.heard(bytes).map_err(refused)
    }

    pub fn taken(&self) -> u64 {
        self.0.taken()
    }

    pub fn is_done(&self) -> bool {
        self.0.is_done()
    }
}

/// Fetches a ciphertext over a bulk stream.
pub struct BulkReceiving(bulk::Receiving, Vec<u8>);

impl BulkReceiving {
    pub fn new(ticket: &[u8], bytes: u64) -> Self {
        let (receiving, first) = bulk::Receiving::new(ticket, bytes);
        Self(receiving, first.to_vec())
    }

    /// To be written first.
    pub fn first(&self) -> Vec<u8> {
        self.1.clone()
    }

    /// The content in what was heard, joined.
    pub fn heard(&mut self, bytes: &[u8]) -> Result<Vec<u8>, Failed> {
        Ok(self.0.heard(bytes).map_err(refused)?.concat())
    }

    /// To be written once the content is kept.
    pub fn tell(&mut self) -> Option<Vec<u8>> {
        self.0.tell().map(|bytes| bytes.to_vec())
    }

    pub fn taken(&self) -> u64 {
        self.0.taken()
    }

    pub fn is_done(&self) -> bool {
        self.0.is_done()
    }
}

/// How an upload's stream ended, as the worker says it.
#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum UploadEnd {
    Taken,
    Refused { number: u32, message: String },
    Broken,
    Lost,
}

impl UploadEnd {
    pub fn read(self) -> wardline_client::core::UploadEnd {
        use wardline_client::core::UploadEnd as End;
        match self {
            Self::Taken => End::Taken,
            Self::Refused { number, message } => {
                End::Refused(WireError::new(wardline_protocol::Code::from_number(number), message))
            }
            Self::Broken => End::Broken,
            Self::Lost => End::Lost,
        }
    }
}

/// The node's refusal on a bulk stream; `number` goes back into [`UploadEnd::Refused`].
fn refused(error: WireError) -> Failed {
    let number = error.code.number();
    Failed { number: Some(number), ..Failed::from(error) }
}

impl From<AttachmentError> for Failed {
    fn from(error: AttachmentError) -> Self {
        let code = match error {
            AttachmentError::TooLarge => "toolarge",
            AttachmentError::Altered | AttachmentError::WrongLength => "altered",
            _ => "engine",
        };
        Self::new(code, error.to_string())
    }
}

/// An attachment's id, as the page has it.
pub fn attachment_id(text: &str) -> Result<AttachmentId, Failed> {
    ask::id(text, AttachmentId::parse_hex)
}

fn key(hex: &str) -> Option<AttachmentKey> {
    let mut bytes = HEXLOWER.decode(hex.as_bytes()).ok()?;
    let key = AttachmentKey::from_bytes(&bytes);
    zeroize::Zeroize::zeroize(&mut bytes);
    key
}

fn hash(hex: &str) -> Option<[u8; 32]> {
    HEXLOWER.decode(hex.as_bytes()).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_file_comes_back_and_its_key_opens_it() {
        let content = b"Befund";
        let mut sealer = FileSealer::new(6).unwrap();
        let piece = sealer.seal(content).unwrap();
        let sealed = sealer.finish().unwrap();
        let stored = StoredFile {
            attachment: sealed.attachment,
            key: sealed.key,
            sealed_sha256: sealed.sealed_sha256,
            bytes: 6,
            name: "b.pdf".into(),
            mime: "application/pdf".into(),
            width: 1,
            height: 2,
            duration_ms: 3,
            thumbnail: BASE64.encode(b"tiny"),
            caption: "links".into(),
        };
        let text = serde_json::to_string(&stored).unwrap();
        let file = serde_json::from_str::<StoredFile>(&text).unwrap().read().unwrap();
        assert_eq!((file.about.thumbnail.as_slice(), file.about.caption.as_str()), (b"tiny".as_slice(), "links"));
        let again = StoredFile::of(&file);
        assert_eq!(serde_json::to_string(&again).unwrap(), text);
        let mut opener = FileOpener::new(&again.key, 6, &again.sealed_sha256).unwrap();
        assert_eq!(opener.open(&piece).unwrap(), content);
        opener.finish().unwrap();
        assert!(FileOpener::new("00", 6, &again.sealed_sha256).is_err());
    }

    #[test]
    fn a_place_keeps_its_seventh_digit() {
        let place = StoredPlace {
            words: "OP 3".into(),
            position: Some(StoredPosition { latitude: 48.1371541, longitude: -11.5761247, accuracy_m: 9 }),
        };
        let back = StoredPlace::of(&place.read()).position.unwrap();
        assert_eq!((back.latitude, back.longitude, back.accuracy_m), (48.1371541, -11.5761247, 9));
        let nowhere = |latitude| {
            let position = Some(StoredPosition { latitude, longitude: 0.0, accuracy_m: 0 });
            StoredPlace { words: String::new(), position }.read().is_sound()
        };
        assert!(nowhere(89.9) && !nowhere(f64::NAN) && !nowhere(90.1) && !nowhere(1e300));
    }
}
