//! Files as they should be, as they should not be, and as an enemy would make them.
use super::*;
use proptest::prelude::*;
use std::io::Cursor;

/// A key frame of 64 x 48 pixels, or another frame; not decodable, but all that is read of it is there.
fn vp8_frame(key: bool, bytes: usize) -> Vec<u8> {
    let mut frame = vec![0x5a; bytes.max(10)];
    let head = [if key { 0x10 } else { 0x11 }, 0, 0, 0x9d, 0x01, 0x2a, 64, 0, 48, 0];
    frame[..10].copy_from_slice(&head);
    frame
}

/// Opus of 20 ms, mono: the table of contents says so, and one frame of CELT follows.
fn opus_packet(bytes: usize) -> Vec<u8> {
    let mut packet = vec![0x33; bytes.max(1)];
    packet[0] = 31 << 3;
    packet
}

fn written(write: impl FnOnce(&Path)) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    write(&path);
    std::fs::read(path).unwrap()
}

/// 25 frames a second, of which each `key_every`th is a key frame.
fn ivf(frames: u64, key_every: u64) -> Vec<u8> {
    written(|path| {
        let mut file = IvfWriter::create(path, 64, 48).unwrap();
        for n in 0..frames {
            let frame = vp8_frame(n % key_every == 0, 20 + n as usize);
            file.write(Duration::from_millis(40 * n), &frame).unwrap();
        }
        file.finish().unwrap();
    })
}

fn ogg(packets: usize) -> Vec<u8> {
    written(|path| {
        let mut file = OggWriter::create(path, 1).unwrap();
        for n in 0..packets {
            // Lengths around the segments' 255 too.
            file.write(&opus_packet(1 + n * 51), 960).unwrap();
        }
        file.finish().unwrap();
    })
}

fn element(id: &[u8], value: &[u8]) -> Vec<u8> {
    [id, &(0x1000_0000_u32 | value.len() as u32).to_be_bytes(), value].concat()
}

/// A track of video and one of sound. `unknown`: of no known length, as live writers make it.
fn webm(frames: u8, unknown: bool) -> Vec<u8> {
    let master = |id: &[u8], value: Vec<u8>| {
        if unknown {
            [id, &[0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], &value].concat()
        } else {
            element(id, &value)
        }
    };
    let track = |number: u8, kind: u8, codec: &[u8], private: &[u8]| {
        let parts = [(&[0xd7][..], &[number][..]), (&[0x83], &[kind]), (&[0x86], codec), (&[0x63, 0xa2], private)];
        let entry: Vec<u8> = parts.iter().flat_map(|(id, value)| element(id, value)).collect();
        element(&[0xae], &entry)
    };
    let tracks = [track(1, 1, b"V_VP8", b""), track(2, 2, b"A_OPUS", &opus_head::make(2))].concat();
    let clusters = (0..frames).flat_map(|n| {
        let at = element(&[0xe7], &(u32::from(n) * 40).to_be_bytes());
        let picture = element(&[0xa3], &[&[0x81, 0, 0, 0x80][..], &vp8_frame(n == 0, 30)].concat());
        // The second sound of each cluster in a group, as ffmpeg does with the last one.
        let first = element(&[0xa3], &[&[0x82, 0, 1, 0x80][..], &opus_packet(40)].concat());
        let second = element(&[0xa1], &[&[0x82, 0, 21, 0][..], &opus_packet(50)].concat());
        master(&[0x1f, 0x43, 0xb6, 0x75], [at, picture, first, element(&[0xa0], &second)].concat())
    });
    let info = element(&[0x15, 0x49, 0xa9, 0x66], &element(&[0x2a, 0xd7, 0xb1], &1_000_000_u32.to_be_bytes()));
    let content = [info, element(&[0x16, 0x54, 0xae, 0x6b], &tracks), clusters.collect()].concat();
    let head = element(MAGIC_WEBM, &element(&[0x42, 0x82], b"webm"));
    [head, master(&[0x18, 0x53, 0x80, 0x67], content)].concat()
}

const MAGIC_WEBM: &[u8] = webm::MAGIC;

fn all(frames: Result<Frames, FileError>) -> Result<Vec<Frame>, FileError> {
    let (mut frames, mut all) = (frames?, Vec::new());
    while let Some(frame) = frames.next_frame()? {
        all.push(frame);
    }
    Ok(all)
}

fn pictures(bytes: &[u8]) -> Result<Vec<Frame>, FileError> {
    all(video_of(Cursor::new(bytes.to_vec())))
}

fn sounds(bytes: &[u8]) -> Result<Vec<Frame>, FileError> {
    all(sound_of(Cursor::new(bytes.to_vec())))
}

#[test]
fn what_is_written_as_ivf_is_read_again() {
    let frames = pictures(&ivf(30, 25)).unwrap();
    assert_eq!(frames.len(), 30);
    for (n, frame) in frames.iter().enumerate() {
        assert_eq!(frame.time.as_micros(), 40_000 * n as u128);
        assert!(frame.data == vp8_frame(n % 25 == 0, 20 + n));
    }
    assert_eq!(ivf(30, 25)[24..28], 30_u32.to_le_bytes(), "the header knows how many");
}

#[test]
fn what_is_written_as_ogg_is_read_again() {
    let packets = sounds(&ogg(12)).unwrap();
    assert_eq!(packets.len(), 12);
    for (n, packet) in packets.iter().enumerate() {
        assert_eq!(packet.time, Duration::from_millis(20 * n as u64));
        assert!(packet.data == opus_packet(1 + n * 51));
    }
}

#[test]
fn webm_gives_video_and_sound() {
    for unknown in [false, true] {
        let file = webm(5, unknown);
        let (pictures, sounds) = (pictures(&file).unwrap(), sounds(&file).unwrap());
        let times: Vec<_> = pictures.iter().map(|frame| frame.time.as_millis()).collect();
        assert_eq!(times, [0, 40, 80, 120, 160]);
        assert!(vp8::is_key(&pictures[0].data) && !vp8::is_key(&pictures[1].data));
        let times: Vec<_> = sounds.iter().map(|frame| frame.time.as_millis()).collect();
        assert_eq!(times, [0, 20, 40, 60, 80, 100, 120, 140, 160, 180], "not the rounded times of the file");
        assert_eq!((sounds[0].data.len(), sounds[1].data.len()), (40, 50));
    }
}

#[test]
fn a_file_on_disk_tells_its_length() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("news.webm");
    std::fs::write(&path, webm(5, false)).unwrap();
    let (video, sound) = (VideoFile::open(&path).unwrap(), SoundFile::open(&path).unwrap());
    assert_eq!((video.length(), video.frames_count(), video.size()), (Duration::from_millis(200), 5, (64, 48)));
    assert_eq!((sound.length(), sound.frames_count()), (Duration::from_millis(200), 10));
    assert!(video.play().unwrap().next_frame().unwrap().is_some_and(|frame| frame.time.is_zero()));
    let said = VideoFile::open(&folder.path().join("absent.ivf")).err().unwrap().to_string();
    assert!(said.contains("absent.ivf cannot be read"), "{said}");
}

#[test]
fn what_cannot_be_played_is_named() {
    let said = |result: Result<Vec<Frame>, FileError>| result.err().map(|error| error.to_string()).unwrap_or_default();
    assert!(said(pictures(b"")).contains("neither IVF"));
    assert!(said(pictures(b"RIFF....WAVE")).contains("neither IVF"));
    let mut vp9 = ivf(3, 1);
    vp9[8..12].copy_from_slice(b"VP90");
    assert!(said(pictures(&vp9)).contains("has VP90;"));
    assert!(said(sounds(&ivf(3, 1))).contains("no sound"));
    assert!(said(pictures(&ogg(3))).contains("no video"));
    let vorbis = String::from_utf8_lossy(&webm(3, false)).into_owned();
    assert!(vorbis.contains("A_OPUS"));
    let mut vorbis = webm(3, false);
    let at = vorbis.windows(6).position(|bytes| bytes == b"A_OPUS").unwrap();
    vorbis[at..at + 6].copy_from_slice(b"A_VORB");
    assert!(said(sounds(&vorbis)).contains("has A_VORB;"));
    assert!(pictures(&vorbis).is_ok(), "its video is good");
}

#[test]
fn video_must_begin_with_a_key_frame_and_have_them_often() {
    let mut late = ivf(20, 5);
    // Without the first frame: header, frame header, 20 bytes.
    late.drain(32..32 + 12 + 20);
    assert!(matches!(pictures(&late), Err(FileError::NoKeyFrameFirst)));
    assert!(pictures(&ivf(600, 250)).is_ok(), "10 seconds");
    let error = pictures(&ivf(600, 252)).err().unwrap();
    assert!(matches!(error, FileError::KeyFramesTooFar { after_s: 0, seconds_max: 10 }), "{error}");
    assert!(error.to_string().contains("-g"));
    let mut times = ivf(3, 5);
    times[32 + 32 + 4..][..8].fill(0);
    let hidden = pictures(&times).unwrap();
    assert_eq!(hidden[1].time, HIDDEN_LATER, "a frame that is not shown");
    times[32 + 32 + 33 + 4..][..8].fill(0);
    assert!(matches!(pictures(&times), Err(FileError::TimesGoBack { at_ms: 0 })));
}

#[test]
fn a_file_that_ends_early_is_truncated_wherever_it_ends() {
    let whole = webm(3, false);
    let head = element(MAGIC_WEBM, &element(&[0x42, 0x82], b"webm")).len();
    assert!(matches!(pictures(&whole[..head]), Err(FileError::NoTrack("video"))));
    for length in (5..whole.len()).filter(|length| *length != head) {
        let error = pictures(&whole[..length]).err();
        assert!(matches!(error, Some(FileError::Truncated { .. })), "{length}: {error:?}");
    }
    let whole = ogg(4);
    for length in 5..whole.len() {
        let error = sounds(&whole[..length]).err();
        assert!(matches!(error, Some(FileError::Truncated { .. })), "{length}: {error:?}");
    }
    // IVF does not say how long it is: an end between two frames is an end.
    let whole = ivf(3, 3);
    let ends = [32 + 32, 32 + 32 + 33];
    for length in 33..whole.len() {
        assert_eq!(pictures(&whole[..length]).is_ok(), ends.contains(&length), "{length}");
    }
}

#[test]
fn a_length_beyond_the_bound_is_refused_before_memory_is_taken() {
    let mut huge = ivf(2, 2);
    huge[32..36].copy_from_slice(&u32::MAX.to_le_bytes());
    assert!(matches!(pictures(&huge), Err(FileError::FrameTooLarge { bytes: 4_294_967_295, .. })));
    let block = [&[0xa3, 0x01, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xf0][..], &[0x81, 0, 0, 0]].concat();
    let huge = [webm(1, true), block].concat();
    assert!(matches!(pictures(&huge), Err(FileError::FrameTooLarge { .. })));
    let tracks = [&[0x16, 0x54, 0xae, 0x6b][..], &0x1fff_fff0_u32.to_be_bytes()].concat();
    let huge = [element(MAGIC_WEBM, b""), tracks].concat();
    assert!(matches!(pictures(&huge), Err(FileError::FrameTooLarge { .. })));
    let long = written(|path| {
        let mut file = OggWriter::create(path, 1).unwrap();
        file.write(&opus_packet(SOUND_PACKET_BYTES_MAX + 1), 960).unwrap();
        file.finish().unwrap();
    });
    assert!(matches!(sounds(&long), Err(FileError::FrameTooLarge { bytes: 1_118, .. })));
}

#[test]
fn a_damaged_page_is_seen() {
    let mut damaged = ogg(4);
    let last = damaged.len() - 1;
    damaged[last] ^= 1;
    assert!(matches!(sounds(&damaged), Err(FileError::Malformed { .. })));
}

/// Valid bytes with some of them changed: gets further into the readers than noise does.
fn spoiled() -> impl Strategy<Value = Vec<u8>> {
    let whole = prop_oneof![Just(ivf(6, 3)), Just(ogg(5)), Just(webm(3, false)), Just(webm(3, true))];
    let changes = proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6);
    (whole, changes, any::<prop::sample::Index>()).prop_map(|(mut bytes, changes, end)| {
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes.truncate(end.index(bytes.len() + 1));
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn nothing_in_a_file_breaks_a_reader(bytes in prop_oneof![spoiled(), proptest::collection::vec(any::<u8>(), 0..200)]) {
        for read in [pictures(&bytes), sounds(&bytes)].into_iter().flatten() {
            // Nothing is made up: what was read was in the file.
            prop_assert!(read.iter().map(|frame| frame.data.len()).sum::<usize>() <= bytes.len());
            prop_assert!(read.iter().all(|frame| frame.time <= TIME_MAX));
            prop_assert!(read.windows(2).all(|pair| pair[0].time < pair[1].time));
        }
    }
}
