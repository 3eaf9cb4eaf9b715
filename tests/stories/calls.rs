//! How calls go, and how they end.
use crate::sound::two_voices;
use anyhow::{Context as _, Result, ensure};
use std::time::{Duration, Instant};
use wardline_client::call::{CallError, Change};
use wardline_client::core::{Body, Command, Event, Failure};
use wardline_protocol::wire::call_state::{EndReason, State};
use wardline_tests::call::{STEP_MAX, Side, incoming};
use wardline_tests::hospital::{Device, Hospital};

/// A call rings for 45 s; a busy machine may tell a little later.
const UNANSWERED: std::ops::RangeInclusive<u64> = 44..=50;

/// The next end of a call that this device hears of.
async fn end(device: &mut Device) -> Result<EndReason> {
    let ended = |event| match event {
        Event::CallState { state: State::Ended, reason, .. } => Some(reason),
        _ => None,
    };
    device.until(STEP_MAX, ended).await.context("the end of a call")
}

/// Anna calls while Boris has only one device; he wants no call, then she thinks better of it.
async fn declined_and_cancelled(anna: &Device, boris: &mut Device) -> Result<()> {
    let mut call = Side::place(anna, boris.account, Vec::new()).await?;
    let (id, caller) = incoming(boris).await?;
    ensure!(id == call.id() && caller == anna.account, "another call rings");
    boris.command(Command::DeclineCall { call: id }).await?;
    ensure!(call.end(STEP_MAX).await? == (EndReason::Declined, Duration::ZERO));
    ensure!(end(boris).await? == EndReason::Declined);
    call.close().await;

    let mut call = Side::place(anna, boris.account, Vec::new()).await?;
    let told = incoming(boris).await?;
    let mut rings = Side::ring(boris, told, Vec::new()).await?;
    call.until(STEP_MAX, Change::Ringing).await?;
    call.hang_up().await?;
    ensure!(call.end(STEP_MAX).await? == (EndReason::Cancelled, Duration::ZERO));
    ensure!(rings.end(STEP_MAX).await? == (EndReason::Cancelled, Duration::ZERO));
    let late = rings.accept().await;
    ensure!(late.is_err(), "a cancelled call cannot be accepted");
    call.close().await;
    rings.close().await;
    Ok(())
}

/// Boris answers on his phone: his laptop is told so and is not in the call. Whoever else calls either of them finds them busy.
async fn accepted_elsewhere_and_busy(
    anna: &Device,
    phone: &mut Device,
    laptop: &mut Device,
    carla: &Device,
) -> Result<()> {
    let [anna_says, boris_says] = two_voices()?;
    let mut call = Side::place(anna, phone.account, anna_says).await?;
    let (told_phone, told_laptop) = tokio::try_join!(incoming(phone), incoming(laptop))?;
    let (mut on_phone, mut on_laptop) = tokio::try_join!(
        Side::ring(phone, told_phone, boris_says.clone()),
        Side::ring(laptop, told_laptop, boris_says)
    )?;
    on_phone.accept().await?;
    let elsewhere = on_laptop.end(STEP_MAX).await?;
    ensure!(elsewhere.0 == EndReason::AcceptedElsewhere, "{elsewhere:?}");
    tokio::try_join!(call.until(STEP_MAX, Change::Accepted), on_phone.until(STEP_MAX, Change::Accepted))?;
    tokio::try_join!(call.first_speech(), on_phone.first_speech())?;

    for peer in [phone.account, anna.account] {
        let mut third = Side::place(carla, peer, Vec::new()).await?;
        ensure!(third.end(STEP_MAX).await? == (EndReason::Busy, Duration::ZERO));
        third.close().await;
    }
    let late = on_laptop.accept().await.err().context("the call is over for the laptop")?;
    let late = late.downcast_ref::<CallError>().context("a call's error")?;
    ensure!(matches!(late, CallError::Failure(Failure::UnknownCall)), "{late}");
    ensure!(on_laptop.statistics().received == 0 && on_laptop.heard_seconds() == 0.0, "the laptop heard the call");

    on_phone.hang_up().await?;
    let ends = tokio::try_join!(call.end(STEP_MAX), on_phone.end(STEP_MAX))?;
    ensure!(ends.0 == ends.1 && ends.0.0 == EndReason::HungUp && !ends.0.1.is_zero(), "{ends:?}");
    call.close().await;
    on_phone.close().await;
    on_laptop.close().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_end_as_people_want() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let hospital = Hospital::start(folder.path(), "127.0.0.1:0", None)?.serve_only()?;
    let (mut anna, mut boris, mut carla) =
        tokio::try_join!(hospital.device("anna"), hospital.device("boris"), hospital.device("carla"))?;
    tokio::try_join!(anna.ready(STEP_MAX), boris.ready(STEP_MAX), carla.ready(STEP_MAX))?;
    declined_and_cancelled(&anna, &mut boris).await.context("declined and cancelled")?;

    let mut laptop = hospital.further_device("laptop", &boris).await?;
    let conversation = anna.direct(boris.account).await?;
    let joined =
        |event| matches!(event, Event::ConversationJoined { conversation: id, .. } if id == conversation).then_some(());
    laptop.until(STEP_MAX, joined).await.context("the laptop joins the conversation")?;
    accepted_elsewhere_and_busy(&anna, &mut boris, &mut laptop, &carla)
        .await
        .context("accepted elsewhere, and busy")?;

    let deniz = carla.client.look(|core| core.directory().account_by_handle("deniz").map(|found| found.account_id));
    let mut call = Side::place(&carla, deniz.await?.context("Deniz")?, Vec::new()).await?;
    assert_eq!(call.end(STEP_MAX).await?, (EndReason::Unreachable, Duration::ZERO), "Deniz has no device yet");
    call.close().await;
    for device in [anna, boris, laptop, carla] {
        device.close().await;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_nobody_answers_is_missed() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let hospital = Hospital::start(folder.path(), "127.0.0.1:0", None)?.serve_only()?;
    let (mut anna, mut boris) = tokio::try_join!(hospital.device("anna"), hospital.device("boris"))?;
    tokio::try_join!(anna.ready(STEP_MAX), boris.ready(STEP_MAX))?;
    let began = Instant::now();
    let mut call = Side::place(&anna, boris.account, Vec::new()).await?;
    let told = incoming(&mut boris).await?;
    let mut rings = Side::ring(&boris, told, Vec::new()).await?;
    let bound = Duration::from_secs(*UNANSWERED.end());
    let ends = tokio::try_join!(call.end(bound), rings.end(bound))?;
    assert_eq!(ends.0, (EndReason::NoAnswer, Duration::ZERO));
    assert_eq!(ends.0, ends.1);
    let rang = began.elapsed();
    println!("nobody answered for {:.1} s", rang.as_secs_f64());
    assert!(UNANSWERED.contains(&rang.as_secs()), "{rang:?}");
    assert_eq!(rings.statistics().received, 0, "nothing of the caller is heard before the answer");
    call.close().await;
    rings.close().await;
    // The caller's device writes down that it was missed, where both see it.
    let missed = |event| match event {
        Event::MessageReceived(message) => match message.body {
            Body::Call { call, answered, .. } => Some((call, answered)),
            _ => None,
        },
        _ => None,
    };
    assert_eq!(boris.until(STEP_MAX, missed).await?, (told.0, false));
    anna.close().await;
    boris.close().await;
    Ok(())
}
