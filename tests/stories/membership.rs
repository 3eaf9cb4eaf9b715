//! The members' keys change in mid-call, and nobody hears it.
use crate::sound::{two_voices, understood};
use anyhow::{Context as _, Result, ensure};
use wardline_client::call::Change;
use wardline_client::core::Event;
use wardline_tests::call::{STEP_MAX, Side, incoming};
use wardline_tests::hospital::Hospital;

/// When Boris takes out his laptop: in the middle of a sentence, and so early that the former keys, which are good for 5 s more, are of no
/// use any more before the end.
const LINK_AT_SECONDS: f64 = 1.5;
const LISTEN_SECONDS: f64 = 11.0;

/// 100 ms of the 10 s: what a busy machine may hold back, and less than two words.
const CONCEALED_MAX: u64 = 5;
const STOI_MIN: f64 = 0.95;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_device_in_mid_call_makes_no_gap() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let hospital = Hospital::start(folder.path(), "127.0.0.1:0", None)?.serve_only()?;
    let (mut anna, mut boris) = tokio::try_join!(hospital.device("anna"), hospital.device("boris"))?;
    tokio::try_join!(anna.ready(STEP_MAX), boris.ready(STEP_MAX))?;
    let conversation = anna.direct(boris.account).await?;
    let [anna_says, boris_says] = two_voices()?;
    let (mut caller, call) =
        tokio::try_join!(Side::place(&anna, boris.account, anna_says.clone()), incoming(&mut boris))?;
    let mut callee = Side::ring(&boris, call, boris_says.clone()).await?;
    tokio::try_join!(caller.connect(), callee.connect())?;
    callee.accept().await?;
    tokio::try_join!(caller.until(STEP_MAX, Change::Accepted), callee.until(STEP_MAX, Change::Accepted))?;
    tokio::try_join!(caller.listen(LINK_AT_SECONDS), callee.listen(LINK_AT_SECONDS))?;

    let epoch = async || anna.client.look(move |core| core.epoch(&conversation).map(|(epoch, _)| epoch)).await;
    let before = epoch().await?.context("an epoch")?;
    let linking = async {
        let mut laptop = hospital.further_device("laptop", &boris).await?;
        let joined = |event| match event {
            Event::ConversationJoined { conversation: id, .. } if id == conversation => Some(()),
            _ => None,
        };
        laptop.until(STEP_MAX, joined).await.context("the laptop joins the conversation")?;
        Ok(laptop)
    };
    // Both go on talking, and taking in what happens, while the laptop comes.
    let (laptop, (), ()) = tokio::try_join!(linking, caller.listen(LISTEN_SECONDS), callee.listen(LISTEN_SECONDS))?;
    let after = epoch().await?.context("an epoch")?;
    ensure!(after > before, "the membership did not change: epoch {before}, then {after}");

    for (side, said) in [(&caller, &boris_says), (&callee, &anna_says)] {
        let (counts, (stoi, later_ms)) = (side.statistics(), understood(said, &side.heard()));
        eprintln!("epoch {before} to {after}: STOI {stoi:.4}, {later_ms:.0} ms later; {counts:?}");
        assert_eq!(counts.undecryptable, 0, "{counts:?}");
        assert!(counts.concealed <= CONCEALED_MAX, "{counts:?}");
        assert!(stoi >= STOI_MIN, "{stoi}");
    }
    caller.hang_up().await?;
    tokio::try_join!(caller.end(STEP_MAX), callee.end(STEP_MAX))?;
    caller.close().await;
    callee.close().await;
    for device in [anna, boris, laptop] {
        device.close().await;
    }
    Ok(())
}
