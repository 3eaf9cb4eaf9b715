//! Anna and Boris talk over a network that loses what it should carry.
use crate::sound::{two_voices, understood};
use anyhow::{Result, ensure};
use wardline_client::call::Change;
use wardline_client::media::MediaStatistics;
use wardline_protocol::wire::call_state::EndReason;
use wardline_tests::call::{STEP_MAX, Side, incoming};
use wardline_tests::hospital::Hospital;

/// Longer than what is said, by what a jitter buffer and a slow answer may hold back.
const LISTEN_SECONDS: f64 = 11.0;

/// The target with 5 % of all packets lost on each of the two hops, and without a loss.
const STOI_LOSSY_MIN: f64 = 0.85;
const STOI_WHOLE_MIN: f64 = 0.95;

/// Any; the same one loses the same packets by number.
const SEED: u64 = 20_260_817;

/// Ten seconds of speech each way. Gives what each understood of the other.
async fn talk(loss: f64) -> Result<[(f64, MediaStatistics); 2]> {
    let folder = tempfile::tempdir()?;
    let (hospital, networks) = Hospital::start(folder.path(), "127.0.0.1:0", None)?.serve_behind().await?;
    networks.media.lose(loss, SEED);
    let (mut anna, mut boris) = tokio::try_join!(hospital.device("anna"), hospital.device("boris"))?;
    tokio::try_join!(anna.ready(STEP_MAX), boris.ready(STEP_MAX))?;
    let [anna_says, boris_says] = two_voices()?;
    let peer = boris.account;
    let (mut caller, call) = tokio::try_join!(Side::place(&anna, peer, anna_says.clone()), incoming(&mut boris))?;
    let mut callee = Side::ring(&boris, call, boris_says.clone()).await?;
    tokio::try_join!(caller.connect(), callee.connect())?;
    callee.accept().await?;
    tokio::try_join!(caller.until(STEP_MAX, Change::Accepted), callee.until(STEP_MAX, Change::Accepted))?;
    tokio::try_join!(caller.listen(LISTEN_SECONDS), callee.listen(LISTEN_SECONDS))?;
    caller.hang_up().await?;
    let ends = tokio::try_join!(caller.end(STEP_MAX), callee.end(STEP_MAX))?;
    ensure!(ends.0.0 == EndReason::HungUp && ends.1.0 == EndReason::HungUp, "{ends:?}");
    let statistics = [caller.statistics(), callee.statistics()];
    let stoi = [understood(&boris_says, &caller.heard()).0, understood(&anna_says, &callee.heard()).0];
    let (to_node, to_client) = networks.media.counts();
    eprintln!("loss {loss}: STOI {stoi:.4?}; to the node {to_node:?}, to clients {to_client:?}");
    eprintln!("{statistics:?}");
    ensure!(to_node.carried > 900 && to_client.carried > 900, "the sound did not pass through the network");
    for way in [to_node, to_client] {
        let share = way.lost as f64 / (way.lost + way.carried) as f64;
        ensure!((share - loss).abs() < 0.02, "{share} was lost");
    }
    caller.close().await;
    callee.close().await;
    anna.close().await;
    boris.close().await;
    Ok([(stoi[0], statistics[0]), (stoi[1], statistics[1])])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_said_is_understood() -> Result<()> {
    for (stoi, statistics) in talk(0.0).await? {
        assert!(stoi >= STOI_WHOLE_MIN, "{stoi}");
        assert_eq!((statistics.undecryptable, statistics.lost), (0, 0), "{statistics:?}");
    }
    Ok(())
}

/// Both hops lose in both directions: of what Anna says 5 % is lost on the way to the node and 5 % of the rest on the way to Boris.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_percent_lost_on_every_hop_is_still_understood() -> Result<()> {
    for (stoi, statistics) in talk(0.05).await? {
        assert!(stoi >= STOI_LOSSY_MIN, "{stoi}");
        assert_eq!(statistics.undecryptable, 0, "{statistics:?}");
        assert!(statistics.lost > 20 && statistics.recovered > 0, "{statistics:?}");
    }
    Ok(())
}
