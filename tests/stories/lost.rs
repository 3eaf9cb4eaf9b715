//! A line breaks in mid-call: it comes back in time, or it does not.
use crate::sound::two_voices;
use anyhow::{Context as _, Result, ensure};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use wardline_client::call::Change;
use wardline_protocol::wire::call_state::EndReason;
use wardline_tests::call::{STEP_MAX, Side, incoming};
use wardline_tests::hospital::{Device, Hospital, Networks};

/// The media plane misses a silent client after 5 s.
const MISSED_MAX: Duration = Duration::from_secs(8);

/// A lost side is waited for 30 s, from when it is missed.
const HOLD_MAX: Duration = Duration::from_secs(36);

/// How long nothing is carried when the signaling breaks too: longer than QUIC's 15 s of silence, so that Boris must sign in anew.
const SILENCE: Duration = Duration::from_secs(18);

/// Two people who talk, and what is carried for Anna alone.
struct Talk<'d> {
    anna: Side<'d>,
    boris: Side<'d>,
    only_anna: [Vec<SocketAddr>; 2],
}

impl<'d> Talk<'d> {
    /// `line` is what the signaling carries for Anna.
    async fn begin(
        anna: &'d Device,
        boris: &'d mut Device,
        networks: &Networks,
        line: Vec<SocketAddr>,
    ) -> Result<Self> {
        let [anna_says, boris_says] = two_voices()?;
        let others = networks.media.clients();
        let mut caller = Side::place(anna, boris.account, anna_says.repeat(6)).await?;
        caller.connect().await?;
        // Boris' media has not sent anything yet: what is new is Anna's.
        let media = networks.media.clients().into_iter().filter(|client| !others.contains(client)).collect();
        let call = incoming(boris).await?;
        let mut callee = Side::ring(boris, call, boris_says.repeat(6)).await?;
        callee.accept().await?;
        tokio::try_join!(caller.first_speech(), callee.first_speech())?;
        Ok(Self { anna: caller, boris: callee, only_anna: [line, media] })
    }

    /// Carries nothing of Boris's: his media, and his signaling too if so wished.
    fn cut(&self, networks: &Networks, with_line: bool) {
        let [line, media] = &self.only_anna;
        networks.media.cut_all_but(media);
        if with_line {
            networks.line.cut_all_but(line);
        }
    }

    /// Lives both sides until this happens to Anna's.
    async fn anna_hears(&mut self, bound: Duration, wanted: Change) -> Result<()> {
        let Self { anna, boris, .. } = self;
        tokio::select! {
            heard = anna.until(bound, wanted) => heard,
            ended = boris.end(bound) => anyhow::bail!("the call ended for Boris: {:?}", ended?),
        }
    }

    /// Lives both sides until each has played so much more and heard the other speak in it.
    async fn speaks_again(&mut self) -> Result<()> {
        let before = [&self.anna, &self.boris].map(|side| (side.heard_seconds(), side.statistics().received));
        let Self { anna, boris, .. } = self;
        tokio::try_join!(anna.listen(before[0].0 + 2.0), boris.listen(before[1].0 + 2.0))?;
        for (side, (seconds, received)) in [(anna, before[0]), (boris, before[1])] {
            let counts = side.statistics();
            let from = (seconds * 48_000.0) as usize;
            let loud = side.heard().iter().skip(from).filter(|sample| sample.abs() > 0.05).count();
            ensure!(counts.received > received + 50 && loud > 1_000, "{loud} loud samples, {counts:?}");
        }
        Ok(())
    }
}

/// What one hospital needs for such a call.
async fn hospital(folder: &std::path::Path) -> Result<(Hospital, Networks, Device, Device, Vec<SocketAddr>)> {
    let (hospital, networks) = Hospital::start(folder, "127.0.0.1:0", None)?.serve_behind().await?;
    let mut boris = hospital.device("boris").await?;
    boris.ready(STEP_MAX).await?;
    let others = networks.line.clients();
    let mut anna = hospital.device("anna").await?;
    anna.ready(STEP_MAX).await?;
    let line = networks.line.clients().into_iter().filter(|client| !others.contains(client)).collect();
    Ok((hospital, networks, anna, boris, line))
}

/// Boris walks through a lift: first only his sound is gone, then everything, for so long that he has to sign in anew.
async fn back_in_time() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (_hospital, networks, anna, mut boris, line) = hospital(folder.path()).await?;
    let mut talk = Talk::begin(&anna, &mut boris, &networks, line).await?;
    for with_line in [false, true] {
        let cut = Instant::now();
        talk.cut(&networks, with_line);
        talk.anna_hears(MISSED_MAX, Change::PeerLost).await.context("Anna is told that Boris is lost")?;
        let missed = cut.elapsed();
        if with_line {
            let rest = SILENCE.saturating_sub(missed);
            let Talk { anna, boris, .. } = &mut talk;
            let quiet = |side: &Side<'_>, change: Option<Change>| match change {
                Some(change) => Some(Err(anyhow::anyhow!("{change:?} while the line is cut"))),
                None => (cut.elapsed() >= SILENCE).then_some(Ok(side.id())),
            };
            let bound = rest + STEP_MAX;
            let (one, other) = tokio::try_join!(anna.live(bound, quiet), boris.live(bound, quiet))?;
            ensure!(one? == other?);
        }
        networks.line.mend();
        networks.media.mend();
        let mended = Instant::now();
        talk.anna_hears(STEP_MAX, Change::PeerResumed).await.context("Anna is told that Boris is back")?;
        eprintln!(
            "signaling cut: {with_line}; missed after {missed:?}, back {:?} after the line was",
            mended.elapsed()
        );
        talk.speaks_again().await.context("they hear each other again")?;
    }
    talk.anna.hang_up().await?;
    let ends = tokio::try_join!(talk.anna.end(STEP_MAX), talk.boris.end(STEP_MAX))?;
    ensure!(ends.0.0 == EndReason::HungUp && ends.1.0 == EndReason::HungUp, "{ends:?}");
    talk.anna.close().await;
    talk.boris.close().await;
    Ok(())
}

/// Boris does not come back. Anna is not left in a dead call; when he is back he learns of its end as well.
async fn gone() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (_hospital, networks, anna, mut boris, line) = hospital(folder.path()).await?;
    let mut talk = Talk::begin(&anna, &mut boris, &networks, line).await?;
    let cut = Instant::now();
    talk.cut(&networks, true);
    talk.anna_hears(MISSED_MAX, Change::PeerLost).await.context("Anna is told that Boris is lost")?;
    let (reason, talked) = talk.anna.end(HOLD_MAX).await?;
    ensure!(reason == EndReason::PeerLost && !talked.is_zero(), "{reason:?} after {talked:?}");
    eprintln!("lost for good: ended {:?} after the line was cut", cut.elapsed());
    ensure!(cut.elapsed() > Duration::from_secs(30), "he was given 30 s");
    networks.line.mend();
    networks.media.mend();
    let (reason, _) = talk.boris.end(STEP_MAX).await.context("Boris learns that the call is over")?;
    ensure!(reason == EndReason::PeerLost, "{reason:?}");
    talk.anna.close().await;
    talk.boris.close().await;
    Ok(())
}

/// Both at the same time, each in a hospital of its own: they are long because the system's own times are.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_side_is_waited_for_and_not_forever() -> Result<()> {
    tokio::try_join!(back_in_time(), gone()).map(drop)
}
