//! Speech through the client's whole sound path without a network: Opus, SFrame with a conversation's keys, jitter buffer, decoder.

use std::time::{Duration, Instant};

use crate::support::Pair;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use wardline_client::media::codec::{Decoder, Encoder};
use wardline_client::media::listener::{Listener, SealedPacket, duration_of};
use wardline_client::media::talker::Talker;
use wardline_client::media::{FRAME_SAMPLES, MediaStatistics};
use wardline_speech::{SAMPLE_RATE, align, aligned, stoi, ten_seconds};

/// Made-up network: what happens to the packet of a frame.
enum Fate {
    Lost,
    After(Duration),
}

/// Plays `speech` from Alice to Bob. `meanwhile` is called before each frame.
fn call(
    speech: &[f32],
    mut fate: impl FnMut(usize) -> Fate,
    mut meanwhile: impl FnMut(usize, Instant, &mut Talker, &mut Listener),
    pair: &Pair,
) -> (Vec<f32>, MediaStatistics) {
    let start = Instant::now();
    let [alice_keys, bob_keys] = pair.keys(1);
    let [alice, _] = pair.accounts();
    let (Ok(mut talker), Ok(mut listener)) = (Talker::new(alice_keys, 7), Listener::new(bob_keys, alice, start)) else {
        panic!("the codec or the keys were refused");
    };
    let mut on_the_way = Vec::new();
    let mut heard = Vec::new();
    let mut frame = [0.0; FRAME_SAMPLES];
    for (index, sound) in speech.chunks(FRAME_SAMPLES).enumerate() {
        let now = start + Duration::from_millis(20) * index as u32;
        meanwhile(index, now, &mut talker, &mut listener);
        frame.fill(0.0);
        frame[..sound.len()].copy_from_slice(sound);
        let Ok(packet) = talker.packet(&frame) else { panic!("not sealed") };
        if let Fate::After(delay) = fate(index) {
            on_the_way.push((now + delay, packet));
        }
        on_the_way.sort_by_key(|(arrival, _)| *arrival);
        while start + duration_of(heard.len() as u64) < now + Duration::from_millis(20) {
            let playing = start + duration_of(heard.len() as u64);
            let arrived = on_the_way.partition_point(|(arrival, _)| *arrival <= playing);
            for (arrival, packet) in on_the_way.drain(..arrived) {
                let (header, payload) = (packet.header, packet.payload.to_vec());
                let (number, timestamp) = (header.sequence_number, header.timestamp);
                listener.receive(arrival, SealedPacket { source: 1, number, timestamp, payload });
            }
            let mut sound = [0.0; FRAME_SAMPLES];
            heard.extend_from_slice(listener.play(playing, &mut sound));
        }
    }
    (heard, listener.statistics())
}

fn undisturbed(_: usize) -> Fate {
    Fate::After(Duration::from_millis(5))
}

fn nothing(_: usize, _: Instant, _: &mut Talker, _: &mut Listener) {}

/// STOI of what was heard, after alignment; and how much later it is, in milliseconds.
fn understood(speech: &[f32], heard: &[f32]) -> (f64, f64) {
    let found = align(speech, heard, SAMPLE_RATE);
    let (clean, degraded) = aligned(speech, heard, found.offset_samples);
    (stoi(clean, degraded, SAMPLE_RATE), found.offset_ms)
}

#[test]
fn speech_arrives_intelligible_and_soon() {
    let speech = ten_seconds().unwrap();
    let (heard, counts) = call(&speech, undisturbed, nothing, &Pair::new());
    let (intelligibility, offset_ms) = understood(&speech, &heard);
    println!("0 % loss: STOI {intelligibility:.4}, {offset_ms:.1} ms later, {counts:?}");
    assert!(intelligibility >= 0.97);
    // 5 ms network, 30 ms buffer, 6.5 ms look-ahead of Opus.
    assert!((30.0..60.0).contains(&offset_ms));
    assert_eq!((counts.lost, counts.concealed, counts.late, counts.undecryptable), (0, 0, 0, 0));
    assert!(counts.first_speech_at.is_some());
}

#[test]
fn five_percent_loss_leaves_speech_intelligible() {
    let speech = ten_seconds().unwrap();
    for seed in 1..=5 {
        let mut random = StdRng::seed_from_u64(seed);
        let mut lost = 0;
        let lossy = |_| {
            if random.random_bool(0.05) {
                lost += 1;
                return Fate::Lost;
            }
            Fate::After(Duration::from_micros(random.random_range(2_000..12_000)))
        };
        let (heard, counts) = call(&speech, lossy, nothing, &Pair::new());
        let (intelligibility, offset_ms) = understood(&speech, &heard);
        println!("5 % loss, seed {seed}: STOI {intelligibility:.4}, {offset_ms:.1} ms later, {counts:?}");
        assert!(intelligibility >= 0.93, "seed {seed}");
        assert!(counts.lost.abs_diff(lost) <= 1, "the last packet's loss cannot be seen");
        assert!(counts.recovered > 0 && counts.recovered + counts.concealed >= counts.lost);
    }
}

/// The packets carry real FEC: a frame recovered from the next packet is understood better than a guessed one.
#[test]
fn a_lost_frame_is_recovered_rather_than_guessed() {
    let speech = ten_seconds().unwrap();
    let mut encoder = Encoder::new().unwrap();
    let packets: Vec<Vec<u8>> = speech
        .chunks_exact(FRAME_SAMPLES)
        .map(|frame| encoder.encode(frame.try_into().unwrap()).unwrap().to_vec())
        .collect();
    let [with_fec, without_fec] = [true, false].map(|fec| {
        let mut decoder = Decoder::new().unwrap();
        let mut heard = Vec::new();
        for (index, packet) in packets.iter().enumerate() {
            let frame = match packets.get(index + 1) {
                Some(after) if index % 4 == 3 && fec => decoder.recover(after),
                Some(_) if index % 4 == 3 => decoder.conceal(),
                _ => decoder.decode(packet),
            };
            heard.extend_from_slice(&frame.unwrap());
        }
        understood(&speech, &heard).0
    });
    println!("25 % loss: STOI {with_fec:.4} with FEC, {without_fec:.4} without");
    assert!(with_fec > 0.93 && with_fec > without_fec + 0.02, "{with_fec} {without_fec}");
}

/// At a loss of one packet in five, every one is recovered: the buffer waits long enough for the packet after it.
#[test]
fn single_losses_are_all_recovered() {
    let speech = ten_seconds().unwrap();
    let every_fifth = |index| if index % 5 == 4 { Fate::Lost } else { undisturbed(index) };
    let (heard, counts) = call(&speech, every_fifth, nothing, &Pair::new());
    let (intelligibility, _) = understood(&speech, &heard);
    println!("20 % single losses: STOI {intelligibility:.4}, {counts:?}");
    assert_eq!(counts.concealed, 0);
    assert!(counts.recovered >= 98 && intelligibility > 0.93);
}

#[test]
fn new_keys_in_mid_call_are_not_heard() {
    let speech = ten_seconds().unwrap();
    let mut pair = Pair::new();
    let mut later = Pair::new();
    std::mem::swap(&mut pair, &mut later);
    let (heard_without, _) = call(&speech, undisturbed, nothing, &pair);

    let mut epochs = Vec::new();
    let first_keys = later.keys(1);
    for _ in 0..2 {
        later.next_epoch();
        epochs.push(later.keys(1));
    }
    let [alice, _] = later.accounts();
    let start_keys = first_keys.clone();
    // The listener learns of the first commit before the talker, of the second a frame after it; packets are on their way.
    let change = |index: usize, now: Instant, talker: &mut Talker, listener: &mut Listener| match index {
        0 => {
            *talker = Talker::new(start_keys[0].clone(), 7).unwrap();
            *listener = Listener::new(start_keys[1].clone(), alice, now).unwrap();
        }
        100 => listener.update_keys(epochs[0][1].clone(), now),
        105 => talker.update_keys(epochs[0][0].clone()).unwrap(),
        200 => talker.update_keys(epochs[1][0].clone()).unwrap(),
        201 => listener.update_keys(epochs[1][1].clone(), now),
        _ => {}
    };
    let (heard, counts) = call(&speech, undisturbed, change, &later);
    assert_eq!((counts.concealed, counts.undecryptable, counts.lost), (0, 0, 0), "{counts:?}");
    assert_eq!(heard, heard_without, "sample for sample as without");
}

#[test]
fn keys_of_another_call_give_silence() {
    let speech = ten_seconds().unwrap();
    let pair = Pair::new();
    let [_, wrong] = pair.keys(2);
    let [alice, bob] = pair.accounts();
    let (heard, counts) = call(
        &speech,
        undisturbed,
        |index, now, _, listener| {
            if index == 0 {
                *listener = Listener::new(wrong.clone(), alice, now).unwrap();
            }
        },
        &pair,
    );
    assert!(heard.iter().all(|sample| *sample == 0.0));
    assert_eq!((counts.received, counts.undecryptable), (499, 499));
    assert!(counts.first_speech_at.is_none() && counts.first_packet_at.is_none());

    // The right keys, but another person speaks.
    let [_, right] = pair.keys(1);
    let (heard, counts) = call(
        &speech[..96_000],
        undisturbed,
        |index, now, _, listener| {
            if index == 0 {
                *listener = Listener::new(right.clone(), bob, now).unwrap();
            }
        },
        &pair,
    );
    assert!(heard.iter().all(|sample| *sample == 0.0));
    assert_eq!(counts.undecryptable, counts.received);
}

#[test]
fn sizes_and_times_do_not_tell_speech_from_silence() {
    let speech = ten_seconds().unwrap();
    let pair = Pair::new();
    let [keys, _] = pair.keys(1);
    let mut talker = Talker::new(keys, 1).unwrap();
    let mut sizes = std::collections::BTreeSet::new();
    let mut last_timestamp = None;
    for index in 0..250 {
        // Half a second of speech, half a second of silence.
        let mut frame = [0.0; FRAME_SAMPLES];
        if index / 25 % 2 == 0 {
            frame.copy_from_slice(&speech[index * FRAME_SAMPLES..][..FRAME_SAMPLES]);
        }
        let packet = talker.packet(&frame).unwrap();
        // The SFrame counter takes a byte more once in a while, whatever is said.
        if index >= 8 {
            sizes.insert(packet.payload.len());
        }
        assert_eq!(packet.header.marker, index == 0, "a marker would tell when somebody begins to speak");
        let timestamp = packet.header.timestamp;
        assert!(last_timestamp.is_none_or(|last: u32| timestamp == last.wrapping_add(960)));
        last_timestamp = Some(timestamp);
    }
    assert_eq!(sizes.len(), 1, "{sizes:?}");
}

#[test]
fn frames_left_out_take_their_time_and_no_number() {
    let [keys, _] = Pair::new().keys(1);
    let mut talker = Talker::new(keys, 1).unwrap();
    let headers = [0, 0, 3, 0].map(|skipped| {
        talker.skip(skipped);
        talker.packet(&[0.0; FRAME_SAMPLES]).unwrap().header
    });
    let first = &headers[0];
    let steps = headers.iter().map(|header| header.timestamp.wrapping_sub(first.timestamp) / 960);
    assert_eq!(steps.collect::<Vec<_>>(), [0, 1, 5, 6]);
    let numbers = headers.iter().map(|header| header.sequence_number.wrapping_sub(first.sequence_number));
    assert_eq!(numbers.collect::<Vec<_>>(), [0, 1, 2, 3]);
    assert_eq!(headers.each_ref().map(|header| header.marker), [true, false, true, false]);
}

#[test]
fn replayed_and_damaged_packets_change_nothing() {
    let speech = ten_seconds().unwrap();
    let pair = Pair::new();
    let (clean, _) = call(&speech, undisturbed, nothing, &pair);
    let mut random = StdRng::seed_from_u64(3);
    // A stranger's packets between the right ones: of random bytes, numbers and times.
    let (heard, counts) = call(
        &speech,
        undisturbed,
        |_, now, _, listener| {
            let payload = (0..random.random_range(0..200)).map(|_| random.random()).collect();
            let packet = SealedPacket { source: 1, number: random.random(), timestamp: random.random(), payload };
            listener.receive(now, packet);
        },
        &pair,
    );
    // Up to 10 could still be of an epoch that is not known yet.
    assert!((490..=500).contains(&counts.undecryptable), "{counts:?}");
    assert_eq!(heard.len(), clean.len());
    assert_eq!(heard, clean, "sample for sample as without");
}
