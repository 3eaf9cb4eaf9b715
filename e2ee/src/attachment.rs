//! A file's content as the node keeps it: pieces of [`PIECE_BYTES`], each sealed with AES-256-GCM in the STREAM construction (Hoang, Reyhanitabar,
//! Rogaway, Vizár 2015), so that no piece can be altered, moved, repeated or left out, and the end not cut off.
//!
//! The key is made for one content and travels inside the message, so the nonce needs no random part: seven zero bytes, the piece's number in four
//! bytes, and one byte that is 1 for the last piece. The same content under the same key gives the same ciphertext.
use aes_gcm::aead::stream::{NewStream, StreamBE32, StreamPrimitive};
use aes_gcm::{Aes256Gcm, KeyInit};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use wardline_protocol::limit::ATTACHMENT_BYTES_MAX;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Bytes of content in each piece but the last, which has what is left.
pub const PIECE_BYTES: usize = 64 * 1024;

/// Bytes by which a sealed piece is longer.
pub const TAG_BYTES: usize = 16;

/// Opens one content. Shows nothing in `Debug`.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct AttachmentKey([u8; 32]);

/// Why a content is not sealed or opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AttachmentError {
    /// More than [`ATTACHMENT_BYTES_MAX`].
    #[error("a file may have {ATTACHMENT_BYTES_MAX} bytes at most")]
    TooLarge,
    /// A piece is shorter or longer than it has to be, or there are too few or too many.
    #[error("the content has another length than was said")]
    WrongLength,
    /// A piece does not open: damaged, of another file, or somebody altered it.
    #[error("the file is damaged, or somebody altered it")]
    Altered,
    /// No randomness.
    #[error("the operating system gives no randomness")]
    Random,
}

impl AttachmentKey {
    /// A fresh one.
    ///
    /// # Errors
    /// [`AttachmentError::Random`].
    pub fn random() -> Result<Self, AttachmentError> {
        let key = wardline_directory::key::random::<32>().map_err(|_| AttachmentError::Random)?;
        Ok(Self(*key))
    }

    /// As it came in a message; `None` unless it has 32 bytes.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// As it goes into a message.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl std::fmt::Debug for AttachmentKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AttachmentKey(redacted)")
    }
}

/// Bytes of the ciphertext of so many bytes.
pub const fn sealed_bytes(bytes: u64) -> u64 {
    bytes + pieces(bytes) * TAG_BYTES as u64
}

/// An empty content has one empty piece.
const fn pieces(bytes: u64) -> u64 {
    let whole = bytes.div_ceil(PIECE_BYTES as u64);
    if whole == 0 { 1 } else { whole }
}

/// Where in its content a stream of pieces is.
struct Place {
    stream: StreamBE32<Aes256Gcm>,
    bytes_left: u64,
    next: u32,
    over: bool,
}

impl Place {
    fn new(key: &AttachmentKey, bytes: u64) -> Result<Self, AttachmentError> {
        if bytes > ATTACHMENT_BYTES_MAX {
            return Err(AttachmentError::TooLarge);
        }
        let cipher = Aes256Gcm::new((&key.0).into());
        let stream = StreamBE32::from_aead(cipher, &Default::default());
        Ok(Self { stream, bytes_left: bytes, next: 0, over: false })
    }

    /// Number of the next piece and whether it is the last, if it may have this many bytes of content.
    fn step(&mut self, length: usize) -> Result<(u32, bool), AttachmentError> {
        let wanted = self.bytes_left.min(PIECE_BYTES as u64);
        if self.over || length as u64 != wanted {
            return Err(AttachmentError::WrongLength);
        }
        self.bytes_left -= wanted;
        self.over = self.bytes_left == 0;
        let number = self.next;
        self.next += 1; // ATTACHMENT_BYTES_MAX is far below 2^32 pieces
        Ok((number, self.over))
    }
}

/// Seals one content, piece by piece in order.
pub struct Sealer {
    place: Place,
    hash: Sha256,
}

impl Sealer {
    /// For a content of `bytes` bytes. The key must not have sealed any other content.
    ///
    /// # Errors
    /// [`AttachmentError::TooLarge`].
    pub fn new(key: &AttachmentKey, bytes: u64) -> Result<Self, AttachmentError> {
        Ok(Self { place: Place::new(key, bytes)?, hash: Sha256::new() })
    }

    /// The ciphertext of the next piece, which has [`PIECE_BYTES`] bytes unless it is the last.
    ///
    /// # Errors
    /// [`AttachmentError::WrongLength`].
    pub fn seal(&mut self, piece: &[u8]) -> Result<Vec<u8>, AttachmentError> {
        let (number, last) = self.place.step(piece.len())?;
        let sealed = self.place.stream.encrypt(number, last, piece).map_err(|_| AttachmentError::Altered)?;
        self.hash.update(&sealed);
        Ok(sealed)
    }

    /// SHA-256 of the whole ciphertext.
    ///
    /// # Errors
    /// [`AttachmentError::WrongLength`] before the last piece.
    pub fn finish(self) -> Result<[u8; 32], AttachmentError> {
        if self.place.over { Ok(self.hash.finalize().into()) } else { Err(AttachmentError::WrongLength) }
    }
}

/// Opens one ciphertext, piece by piece in order. What it gives is authentic piece by piece; only after [`finish`](Self::finish) is it whole.
pub struct Opener {
    place: Place,
    hash: Sha256,
    sealed_sha256: [u8; 32],
}

impl Opener {
    /// For a content of `bytes` bytes whose ciphertext has this hash.
    ///
    /// # Errors
    /// [`AttachmentError::TooLarge`].
    pub fn new(key: &AttachmentKey, bytes: u64, sealed_sha256: [u8; 32]) -> Result<Self, AttachmentError> {
        Ok(Self { place: Place::new(key, bytes)?, hash: Sha256::new(), sealed_sha256 })
    }

    /// The content of the next sealed piece, which has [`PIECE_BYTES`] + [`TAG_BYTES`] bytes unless it is the last.
    ///
    /// # Errors
    /// [`AttachmentError::WrongLength`]; [`AttachmentError::Altered`].
    pub fn open(&mut self, sealed: &[u8]) -> Result<Vec<u8>, AttachmentError> {
        let length = sealed.len().checked_sub(TAG_BYTES).ok_or(AttachmentError::WrongLength)?;
        let (number, last) = self.place.step(length)?;
        self.hash.update(sealed);
        self.place.stream.decrypt(number, last, sealed).map_err(|_| AttachmentError::Altered)
    }

    /// Says that everything was there.
    ///
    /// # Errors
    /// [`AttachmentError::WrongLength`] before the last piece; [`AttachmentError::Altered`] for another ciphertext that opens under the key.
    pub fn finish(self) -> Result<(), AttachmentError> {
        if !self.place.over {
            return Err(AttachmentError::WrongLength);
        }
        let same: bool = self.hash.finalize().as_slice().ct_eq(&self.sealed_sha256).into();
        if same { Ok(()) } else { Err(AttachmentError::Altered) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn seal(key: &AttachmentKey, content: &[u8]) -> (Vec<Vec<u8>>, [u8; 32]) {
        let mut sealer = Sealer::new(key, content.len() as u64).unwrap();
        let mut pieces: Vec<&[u8]> = content.chunks(PIECE_BYTES).collect();
        if pieces.is_empty() {
            pieces.push(&[]);
        }
        let sealed = pieces.into_iter().map(|piece| sealer.seal(piece).unwrap()).collect();
        (sealed, sealer.finish().unwrap())
    }

    fn open(key: &AttachmentKey, bytes: usize, hash: [u8; 32], sealed: &[Vec<u8>]) -> Result<Vec<u8>, AttachmentError> {
        let mut opener = Opener::new(key, bytes as u64, hash)?;
        let mut content = Vec::new();
        for piece in sealed {
            content.extend(opener.open(piece)?);
        }
        opener.finish().map(|()| content)
    }

    #[test]
    fn every_length_around_a_piece_comes_back_whole() {
        let key = AttachmentKey::random().unwrap();
        for bytes in [0, 1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 3 * PIECE_BYTES] {
            let content: Vec<u8> = (0..bytes).map(|i| (i % 251) as u8).collect();
            let (sealed, hash) = seal(&key, &content);
            assert_eq!(sealed.iter().map(Vec::len).sum::<usize>() as u64, sealed_bytes(bytes as u64));
            assert_eq!(open(&key, bytes, hash, &sealed).unwrap(), content);
        }
        assert_eq!(Sealer::new(&key, ATTACHMENT_BYTES_MAX + 1).err(), Some(AttachmentError::TooLarge));
    }

    #[test]
    fn pieces_cannot_be_moved_left_out_or_repeated() {
        let key = AttachmentKey::random().unwrap();
        let bytes = 3 * PIECE_BYTES;
        let (sealed, hash) = seal(&key, &vec![7; bytes]);
        let swapped = [sealed[1].clone(), sealed[0].clone(), sealed[2].clone()];
        assert_eq!(open(&key, bytes, hash, &swapped), Err(AttachmentError::Altered));
        assert_eq!(open(&key, bytes, hash, &sealed[..2]), Err(AttachmentError::WrongLength));
        // One who says that it is shorter does not get a whole file either: the last piece is marked.
        assert_eq!(open(&key, 2 * PIECE_BYTES, hash, &sealed[..2]), Err(AttachmentError::Altered));
        let more = [sealed.clone(), vec![sealed[2].clone()]].concat();
        assert_eq!(open(&key, bytes, hash, &more), Err(AttachmentError::WrongLength));
        assert_eq!(open(&AttachmentKey::random().unwrap(), bytes, hash, &sealed), Err(AttachmentError::Altered));
        // AES-GCM does not bind a ciphertext to one key; the hash in the message does.
        assert_eq!(open(&key, bytes, [0; 32], &sealed), Err(AttachmentError::Altered));
    }

    proptest! {
        #[test]
        fn one_changed_bit_anywhere_is_found(content in proptest::collection::vec(any::<u8>(), 0..200), at in any::<proptest::sample::Index>(), bit in 0u8..8) {
            let key = AttachmentKey::random().unwrap();
            let (mut sealed, hash) = seal(&key, &content);
            let place = at.index(sealed[0].len());
            sealed[0][place] ^= 1 << bit;
            prop_assert_eq!(open(&key, content.len(), hash, &sealed), Err(AttachmentError::Altered));
        }
    }
}
