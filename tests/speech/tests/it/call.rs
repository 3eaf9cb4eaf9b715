//! A call's sound between two clients through the node's real media plane on loopback, in real time.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::support::{LOOPBACK, PATIENCE, Pair, participant};
use wardline_client::media::{
    AudioSink, AudioSource, FRAME_SAMPLES, MediaConfig, MediaError, MediaSession, MediaStatistics, WavSource,
};
use wardline_protocol::CallId;
use wardline_sfu::{Config, DropCause, RoomId, Sfu};
use wardline_speech::{SAMPLE_RATE, align, aligned, first_speech_ms, stoi, ten_seconds};

/// A sink whose sound the test reads.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<f32>>>);

impl AudioSink for Heard {
    fn write(&mut self, samples: &[f32]) -> Result<(), MediaError> {
        self.0.lock().unwrap().extend_from_slice(samples);
        Ok(())
    }
}

impl Heard {
    fn sound(&self) -> Vec<f32> {
        self.0.lock().unwrap().clone()
    }

    /// Waits until so much was heard, silence included.
    async fn wait_for(&self, seconds: f64) {
        let samples = (seconds * f64::from(SAMPLE_RATE)) as usize;
        let deadline = Instant::now() + Duration::from_secs_f64(seconds) + PATIENCE;
        while self.0.lock().unwrap().len() < samples {
            assert!(Instant::now() < deadline, "nothing is played");
            tokio::time::sleep(Duration::from_millis(5)).await; // bounded: by the deadline
        }
    }
}

/// A node's media plane with one room.
struct Node {
    sfu: Sfu,
    room: RoomId,
}

impl Node {
    fn start() -> Self {
        let bind = vec![SocketAddr::new(LOOPBACK, 0)];
        let sfu = Sfu::start(Config { bind, ..Config::default() }, |_| {}).unwrap();
        Self { sfu, room: RoomId::from(CallId::from_bytes([1; 16])) }
    }

    /// Hands an offer to the media plane, as the node does, and waits for its answer.
    async fn answer(&self, who: u8, offer: String) -> String {
        let (reply, answer) = tokio::sync::oneshot::channel();
        let replied = self.sfu.connect(self.room, participant(who), offer, move |answer| drop(reply.send(answer)));
        assert!(replied.is_ok());
        tokio::time::timeout(PATIENCE, answer).await.unwrap().unwrap().unwrap()
    }

    fn allow(&self, who: u8) {
        self.sfu.set_sending(self.room, participant(who), true);
    }
}

/// A client that is connected, as while it rings; and how long that took.
async fn connected(node: &Node, who: u8) -> (MediaSession, Duration) {
    let begin = Instant::now();
    let (session, offer) = MediaSession::offer(MediaConfig::on(LOOPBACK)).await.unwrap();
    session.answer(&node.answer(who, offer).await).await.unwrap();
    wait_connected(&session).await;
    (session, begin.elapsed())
}

async fn wait_connected(session: &MediaSession) {
    let mut connected = session.connected();
    tokio::time::timeout(PATIENCE, connected.wait_for(|connected| *connected)).await.unwrap().unwrap();
}

/// Alice and Bob, both accepted and talking.
struct Call {
    node: Node,
    pair: Pair,
    sessions: [MediaSession; 2],
    heard: [Heard; 2],
    started: Instant,
}

impl Call {
    async fn start(node: Node, sounds: [Vec<f32>; 2]) -> (Self, [Duration; 2]) {
        let ((alice, alice_took), (bob, bob_took)) = tokio::join!(connected(&node, 1), connected(&node, 2));
        let pair = Pair::new();
        let heard = [Heard::default(), Heard::default()];
        let [alice_account, bob_account] = pair.accounts();
        let [alice_keys, bob_keys] = pair.keys(1);
        let [alice_sound, bob_sound] = sounds.map(|sound| Box::new(WavSource::from_samples(sound)));
        node.allow(1);
        node.allow(2);
        let started = Instant::now();
        alice.start(alice_sound, Box::new(heard[0].clone()), alice_keys, 1, bob_account).unwrap();
        bob.start(bob_sound, Box::new(heard[1].clone()), bob_keys, 1, alice_account).unwrap();
        (Self { node, pair, sessions: [alice, bob], heard, started }, [alice_took, bob_took])
    }

    fn statistics(&self) -> [MediaStatistics; 2] {
        self.sessions.each_ref().map(MediaSession::statistics)
    }

    async fn first_speech(&self) -> [Duration; 2] {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let [Some(alice), Some(bob)] = self.statistics().map(|counts| counts.first_speech_at) {
                return [alice - self.started, bob - self.started];
            }
            assert!(Instant::now() < deadline, "no speech: {:?}", self.statistics());
            tokio::time::sleep(Duration::from_millis(5)).await; // bounded: by the deadline
        }
    }

    async fn end(self) {
        let [alice, bob] = self.sessions;
        tokio::join!(alice.close(), bob.close());
        self.node.sfu.shutdown();
    }
}

/// Speech that begins with its first sample.
fn speech() -> Vec<f32> {
    let samples = ten_seconds().unwrap();
    let begin = first_speech_ms(&samples, SAMPLE_RATE).unwrap() * f64::from(SAMPLE_RATE) / 1_000.0;
    samples[begin as usize..].to_vec()
}

fn understood(speech: &[f32], heard: &[f32]) -> (f64, f64) {
    let found = align(speech, heard, SAMPLE_RATE);
    let (clean, degraded) = aligned(speech, heard, found.offset_samples);
    (stoi(clean, degraded, SAMPLE_RATE), found.offset_ms)
}

fn percentile(values: &mut [Duration], part: f64) -> Duration {
    values.sort();
    values[((values.len() - 1) as f64 * part).round() as usize]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn alice_and_bob_hear_each_other() {
    let alice_says = speech();
    // The other half first, so that each says something else.
    let bob_says = [&alice_says[200_000..], &alice_says[..200_000]].concat();
    let (call, connect) = Call::start(Node::start(), [alice_says.clone(), bob_says.clone()]).await;
    call.heard[0].wait_for(8.0).await;
    call.heard[1].wait_for(8.0).await;
    let [alice, bob] = call.statistics();
    println!("connected in {connect:?}\nalice {alice:?}\nbob {bob:?}");
    for (says, heard) in [(&alice_says, &call.heard[1]), (&bob_says, &call.heard[0])] {
        let (intelligibility, offset_ms) = understood(&says[..7 * 48_000], &heard.sound());
        println!("STOI {intelligibility:.4}, heard {offset_ms:.1} ms after it was said");
        assert!(intelligibility >= 0.95 && offset_ms < 500.0);
    }
    assert_eq!((alice.undecryptable, bob.undecryptable), (0, 0));
    call.end().await;
}

/// From accepting to hearing, over 20 calls.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_word_is_heard_at_once() {
    let says = speech();
    let (mut connect, mut first) = (Vec::new(), Vec::new());
    for _ in 0..20 {
        let (call, took) = Call::start(Node::start(), [says.clone(), says.clone()]).await;
        connect.extend(took);
        first.extend(call.first_speech().await);
        call.end().await;
    }
    let [c50, c99] = [0.5, 0.99].map(|part| percentile(&mut connect, part));
    let [f50, f99] = [0.5, 0.99].map(|part| percentile(&mut first, part));
    println!("40 connections: p50 {c50:?}, p99 {c99:?}; start to first decoded speech: p50 {f50:?}, p99 {f99:?}");
    assert!(f50 < Duration::from_millis(100), "{f50:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_keys_in_mid_call_make_no_gap() {
    let says = speech();
    let (mut call, _) = Call::start(Node::start(), [says.clone(), says.clone()]).await;
    call.first_speech().await;
    for second in 1..4 {
        call.heard[1].wait_for(f64::from(second)).await;
        call.pair.next_epoch();
        let [alice_keys, bob_keys] = call.pair.keys(1);
        // Whoever of them sees the commit first.
        if second == 2 {
            call.sessions[1].update_keys(bob_keys);
            call.sessions[0].update_keys(alice_keys);
        } else {
            call.sessions[0].update_keys(alice_keys);
            call.sessions[1].update_keys(bob_keys);
        }
    }
    call.heard[1].wait_for(5.0).await;
    let [alice, bob] = call.statistics();
    println!("alice {alice:?}\nbob {bob:?}");
    assert_eq!(bob.undecryptable, 0);
    let (intelligibility, _) = understood(&says[..4 * 48_000], &call.heard[1].sound());
    assert!(intelligibility >= 0.95, "{intelligibility}");
    call.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_keys_there_is_silence() {
    let node = Node::start();
    let ((alice, _), (eve, _)) = tokio::join!(connected(&node, 1), connected(&node, 2));
    let pair = Pair::new();
    let [alice_account, bob_account] = pair.accounts();
    let [alice_keys, _] = pair.keys(1);
    // The keys of another call of the same two.
    let [_, other_keys] = pair.keys(2);
    let heard = Heard::default();
    node.allow(1);
    node.allow(2);
    let sound = || Box::new(WavSource::from_samples(vec![0.5; 96_000]));
    alice.start(sound(), Box::new(Heard::default()), alice_keys, 1, bob_account).unwrap();
    eve.start(sound(), Box::new(heard.clone()), other_keys, 1, alice_account).unwrap();
    heard.wait_for(1.0).await;
    let counts = eve.statistics();
    assert!(counts.received > 20 && counts.undecryptable == counts.received, "{counts:?}");
    assert!(heard.sound().iter().all(|sample| *sample == 0.0));
    tokio::join!(alice.close(), eve.close());
    node.sfu.shutdown();
}

/// A microphone that counts what is taken from it.
#[derive(Clone, Default)]
struct Microphone {
    starts: Arc<AtomicUsize>,
    reads: Arc<AtomicUsize>,
}

impl AudioSource for Microphone {
    fn start(&mut self) -> Result<(), MediaError> {
        self.starts.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    fn read(&mut self, frame: &mut [f32; FRAME_SAMPLES]) -> usize {
        self.reads.fetch_add(1, Ordering::SeqCst);
        frame.fill(0.25);
        FRAME_SAMPLES
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_taken_from_the_microphone_before_the_start_nor_after_the_end() {
    let node = Node::start();
    let (session, _) = connected(&node, 1).await;
    let microphone = Microphone::default();
    let pair = Pair::new();
    let [keys, _] = pair.keys(1);
    let [_, bob] = pair.accounts();
    let not_allowed = || node.sfu.stats().dropped_by(DropCause::NotAllowed);
    let ringing_until = Instant::now() + Duration::from_millis(200);
    while Instant::now() < ringing_until {
        assert_eq!((session.statistics().sent, not_allowed()), (0, 0), "no sound is sent while it rings");
        tokio::time::sleep(Duration::from_millis(5)).await; // bounded: by ringing_until
    }
    session.start(Box::new(microphone.clone()), Box::new(Heard::default()), keys.clone(), 1, bob).unwrap();
    let again = session.start(Box::new(microphone.clone()), Box::new(Heard::default()), keys, 2, bob);
    assert!(matches!(again, Err(MediaError::AlreadyStarted)));
    let deadline = Instant::now() + PATIENCE;
    while not_allowed() < 5 {
        assert!(Instant::now() < deadline, "the node sees what is sent");
        tokio::time::sleep(Duration::from_millis(5)).await; // bounded: by the deadline
    }
    session.close().await;
    assert_eq!(microphone.starts.load(Ordering::SeqCst), 1);
    let taken = microphone.reads.load(Ordering::SeqCst);
    let ended_until = Instant::now() + Duration::from_millis(100);
    while Instant::now() < ended_until {
        assert_eq!(microphone.reads.load(Ordering::SeqCst), taken);
        tokio::time::sleep(Duration::from_millis(5)).await; // bounded: by ended_until
    }
    node.sfu.shutdown();
}

/// Alice's laptop changes from one network to another in mid-call.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_survives_a_change_of_network() {
    let says = speech();
    let (call, _) = Call::start(Node::start(), [says.clone(), says.clone()]).await;
    call.first_speech().await;
    call.heard[1].wait_for(2.0).await;
    let begin = Instant::now();
    let offer = call.sessions[0].restart(MediaConfig::on(LOOPBACK)).await.unwrap();
    call.sessions[0].answer(&call.node.answer(1, offer).await).await.unwrap();
    wait_connected(&call.sessions[0]).await;
    let took = begin.elapsed();
    call.heard[0].wait_for(6.0).await;
    call.heard[1].wait_for(6.0).await;
    println!("reconnected in {took:?}: {:?}", call.statistics());
    for heard in &call.heard {
        let sound = heard.sound();
        let found = align(&says[3 * 48_000..5 * 48_000], &sound, SAMPLE_RATE);
        let later_ms = found.offset_ms - 3_000.0;
        println!("after it: correlation {:.3}, {later_ms:.0} ms after it was said", found.correlation);
        assert!(found.correlation > 0.8 && later_ms < 1_000.0);
    }
    call.end().await;
}
