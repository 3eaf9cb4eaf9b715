//! How long each hot path takes on this machine now. For people who optimise; what must not grow is counted, not timed (`instructions.rs`).
#![allow(clippy::unwrap_used)]
use divan::{Bencher, counter::BytesCount};
use std::cell::RefCell;
use wardline_bench::media::{self, Room, VIDEO_BYTES, VOICE_BYTES};
use wardline_bench::messages::{self, Group};

fn main() {
    divan::main();
}

#[divan::bench]
fn frame_encode(bencher: Bencher<'_, '_>) {
    let frame = messages::entry_frame();
    bencher.bench_local(|| messages::encode(&frame));
}

#[divan::bench]
fn frame_decode(bencher: Bencher<'_, '_>) {
    let bytes = messages::encode(&messages::entry_frame());
    bencher.bench_local(|| messages::decode(&bytes));
}

#[divan::bench(args = [10, 100, 500], sample_count = 20)]
fn plane_deliver(bencher: Bencher<'_, '_>, members: usize) {
    let group = RefCell::new(Group::of(members));
    bencher
        .with_inputs(|| group.borrow_mut().message())
        .bench_local_values(|message| group.borrow_mut().deliver(message));
}

#[divan::bench(args = [10, 100, 500], sample_count = 20)]
fn plane_sign_in(bencher: Bencher<'_, '_>, members: usize) {
    let mut group = Group::of(members);
    bencher.bench_local(|| group.sign_in());
}

#[divan::bench(args = [10, 100], sample_count = 50)]
fn mls_encrypt(bencher: Bencher<'_, '_>, members: usize) {
    let mut group = Group::of(members);
    bencher.bench_local(|| group.encrypt());
}

#[divan::bench(args = [10, 100], sample_count = 50)]
fn mls_decrypt(bencher: Bencher<'_, '_>, members: usize) {
    let group = RefCell::new(Group::of(members));
    bencher
        .with_inputs(|| group.borrow_mut().encrypt())
        .bench_local_values(|sealed| group.borrow_mut().decrypt(&sealed));
}

#[divan::bench]
fn attachment_piece(bencher: Bencher<'_, '_>) {
    let (_, piece) = messages::sealer();
    bencher
        .counter(BytesCount::new(piece.len()))
        .with_inputs(|| messages::sealer().0)
        .bench_local_values(|mut sealer| messages::seal_piece(&mut sealer, &piece));
}

#[divan::bench(args = [VOICE_BYTES, VIDEO_BYTES])]
fn sframe_seal(bencher: Bencher<'_, '_>, bytes: usize) {
    let (mut sender, _) = media::sframe();
    let payload = vec![1; bytes];
    bencher.counter(BytesCount::new(bytes)).bench_local(|| media::seal(&mut sender, &payload));
}

#[divan::bench(args = [VOICE_BYTES, VIDEO_BYTES])]
fn sframe_open(bencher: Bencher<'_, '_>, bytes: usize) {
    let (sender, mut receiver) = media::sframe();
    let (sender, payload) = (RefCell::new(sender), vec![1; bytes]);
    bencher
        .counter(BytesCount::new(bytes))
        .with_inputs(|| media::seal(&mut sender.borrow_mut(), &payload))
        .bench_local_values(|sealed| media::open(&mut receiver, &sealed));
}

/// One packet to so many listeners.
#[divan::bench(args = [1, 7], sample_count = 200)]
fn forward(bencher: Bencher<'_, '_>, listeners: u8) {
    let room = RefCell::new(Room::of(listeners));
    bencher
        .with_inputs(|| room.borrow_mut().packets(1, VOICE_BYTES))
        .bench_local_values(|packets| room.borrow_mut().forward(&packets));
}
