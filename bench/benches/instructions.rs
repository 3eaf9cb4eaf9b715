//! How many instructions each hot path takes: the same on a busy machine and an idle one, so that it may be compared with a committed figure.
//! `benches/guard.rs` compares; `scripts/bench` runs both. Groups have 10 and 40 members: a larger one costs nothing in the count, but minutes under valgrind to set up.
#![allow(clippy::unwrap_used)]
use gungraun::Callgrind;
use gungraun::prelude::*;
use std::hint::black_box;
use wardline_bench::media::{self, Packet, Room, VIDEO_BYTES, VOICE_BYTES};
use wardline_bench::messages::{self, Group};
use wardline_e2ee::attachment::Sealer;
use wardline_e2ee::media::{Receiver, Sender};
use wardline_protocol::wire::{ClientFrame, ServerFrame};
use wardline_signaling::SessionId;

/// Packets that are forwarded in one count: timers and reports of a second are in it.
const PACKETS: usize = 50;

type Message = (SessionId, ClientFrame);

fn group_and_message(members: usize) -> (Group, Message) {
    let mut group = Group::of(members);
    // What the first one allocates for good is not what a message costs.
    let first = group.message();
    group.deliver(first);
    let message = group.message();
    (group, message)
}

fn group_and_ciphertext(members: usize) -> (Group, Vec<u8>) {
    let mut group = Group::of(members);
    let first = group.encrypt();
    group.decrypt(&first);
    let ciphertext = group.encrypt();
    (group, ciphertext)
}

fn sealed(bytes: usize) -> (Receiver, Vec<u8>) {
    let (mut sender, mut receiver) = media::sframe();
    let first = media::seal(&mut sender, &vec![1; bytes]);
    media::open(&mut receiver, &first);
    (receiver, media::seal(&mut sender, &vec![1; bytes]))
}

fn to_seal(bytes: usize) -> (Sender, Vec<u8>) {
    let (mut sender, _) = media::sframe();
    media::seal(&mut sender, &vec![1; bytes]);
    (sender, vec![1; bytes])
}

fn room_and_packets(listeners: u8, bytes: usize) -> (Room, Vec<Packet>) {
    let mut room = Room::of(listeners);
    let packets = room.packets(PACKETS, bytes);
    (room, packets)
}

#[library_benchmark]
#[bench::entry(args = (), setup = messages::entry_frame)]
fn frame_encode(frame: ServerFrame) -> usize {
    black_box(messages::encode(&frame)).len()
}

#[library_benchmark]
#[bench::entry(messages::encode(&messages::entry_frame()))]
fn frame_decode(bytes: bytes::Bytes) -> ServerFrame {
    black_box(messages::decode(&bytes))
}

#[library_benchmark]
#[bench::to_10(args = (10), setup = group_and_message)]
#[bench::to_40(args = (40), setup = group_and_message)]
fn plane_deliver((mut group, message): (Group, Message)) -> Group {
    group.deliver(message);
    group
}

#[library_benchmark]
#[bench::of_10(args = (10), setup = Group::of)]
#[bench::of_40(args = (40), setup = Group::of)]
fn plane_sign_in(mut group: Group) -> Group {
    group.sign_in();
    group
}

#[library_benchmark]
#[bench::of_10(args = (10), setup = group_and_ciphertext)]
#[bench::of_40(args = (40), setup = group_and_ciphertext)]
fn mls_encrypt((mut group, _): (Group, Vec<u8>)) -> Group {
    black_box(group.encrypt());
    group
}

#[library_benchmark]
#[bench::of_10(args = (10), setup = group_and_ciphertext)]
#[bench::of_40(args = (40), setup = group_and_ciphertext)]
fn mls_decrypt((mut group, ciphertext): (Group, Vec<u8>)) -> Group {
    group.decrypt(&ciphertext);
    group
}

#[library_benchmark]
#[bench::piece(args = (), setup = messages::sealer)]
fn attachment_seal((mut sealer, piece): (Sealer, Vec<u8>)) -> Vec<u8> {
    black_box(messages::seal_piece(&mut sealer, &piece))
}

#[library_benchmark]
#[bench::voice(args = (VOICE_BYTES), setup = to_seal)]
#[bench::video(args = (VIDEO_BYTES), setup = to_seal)]
fn sframe_seal((mut sender, payload): (Sender, Vec<u8>)) -> Vec<u8> {
    black_box(media::seal(&mut sender, &payload))
}

#[library_benchmark]
#[bench::voice(args = (VOICE_BYTES), setup = sealed)]
#[bench::video(args = (VIDEO_BYTES), setup = sealed)]
fn sframe_open((mut receiver, sealed): (Receiver, Vec<u8>)) -> Receiver {
    media::open(&mut receiver, &sealed);
    receiver
}

#[library_benchmark]
#[bench::voice_to_1(args = (1, VOICE_BYTES), setup = room_and_packets)]
#[bench::voice_to_7(args = (7, VOICE_BYTES), setup = room_and_packets)]
#[bench::large_to_7(args = (7, VIDEO_BYTES), setup = room_and_packets)]
fn forward_50((mut room, packets): (Room, Vec<Packet>)) -> Room {
    room.forward(&packets);
    room
}

library_benchmark_group!(
    name = messages_paths,
    benchmarks = [frame_encode, frame_decode, plane_deliver, plane_sign_in, mls_encrypt, mls_decrypt, attachment_seal]
);
library_benchmark_group!(name = media_paths, benchmarks = [sframe_seal, sframe_open, forward_50]);

// Instructions only: simulating caches as well takes twice as long, and their misses are not what is guarded.
main!(
    config = LibraryBenchmarkConfig::default().tool(Callgrind::with_args(["--cache-sim=no"])),
    library_benchmark_groups = [messages_paths, media_paths]
);
