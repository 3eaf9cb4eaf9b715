//! The node is killed in the middle of ten thousand messages, and the disk forgets what was not synced. What the node had acknowledged is
//! there afterwards: each message once, in order, readable.
use anyhow::{Context as _, Result};
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;
use wardline_client::core::{Body, Event};
use wardline_protocol::ConversationId;
use wardline_tests::hospital::{Device, Hospital};
use wardline_tests::unsynced::Disk;

/// Messages in all.
const MESSAGES: usize = 10_000;
/// The node dies after so many were acknowledged. Not at round numbers: in the middle of batches.
const KILLS_AFTER: [usize; 8] = [371, 1_498, 2_877, 3_998, 5_203, 6_614, 7_759, 9_101];
/// Messages in the outbox at once, so that every kill meets some on their way.
const IN_FLIGHT: usize = 200;
/// One acknowledgement, a restart of the node in between included.
const STEP_MAX: Duration = Duration::from_secs(60);

fn runtime() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?)
}

/// Anna and Boris in a conversation. Boris' program ends again, so that later nothing but the node's disk can tell him.
async fn conversation(hospital: &Hospital) -> Result<(Device, wardline_tests::hospital::Closed, ConversationId)> {
    let (anna, mut boris) = (hospital.device("anna").await?, hospital.device("boris").await?);
    let mut anna = anna;
    anna.until(STEP_MAX, |event| matches!(event, Event::Ready).then_some(())).await.context("Anna signs in")?;
    boris.until(STEP_MAX, |event| matches!(event, Event::Ready).then_some(())).await.context("Boris signs in")?;
    let conversation = anna.direct(boris.account).await?;
    boris
        .until(STEP_MAX, |event| {
            matches!(event, Event::ConversationJoined { conversation: c, .. } if c == conversation).then_some(())
        })
        .await
        .context("Boris joins")?;
    Ok((anna, boris.close().await, conversation))
}

/// Sends message `number`.
async fn send(anna: &Device, conversation: ConversationId, number: usize) -> Result<()> {
    anna.send(conversation, &format!("message {number}")).await
}

/// Waits for the next acknowledgement and gives its place in the log.
async fn acknowledged(anna: &mut Device) -> Result<u64> {
    anna.until(STEP_MAX, |event| match event {
        Event::MessageSent { seq, .. } => Some(Ok(seq)),
        Event::MessageFailed { error, .. } => Some(Err(anyhow::anyhow!("a message was given up: {error}"))),
        Event::NodeRefused(what) => Some(Err(anyhow::anyhow!("the client refuses its node: {what:?}"))),
        _ => None,
    })
    .await?
}

/// What Boris reads, until he has `count` texts: each with its place.
async fn read(boris: &mut Device, count: usize) -> Result<Vec<(u64, String)>> {
    let mut texts = Vec::new();
    while texts.len() < count {
        let next = boris.until(STEP_MAX, |event| match event {
            Event::MessageReceived(message) => match message.body {
                Body::Text(text) => Some(Ok((message.seq, text))),
                _ => None,
            },
            Event::Unreadable { count, .. } => Some(Err(anyhow::anyhow!("{count} entries cannot be read"))),
            Event::NodeRefused(what) => Some(Err(anyhow::anyhow!("the client refuses its node: {what:?}"))),
            _ => None,
        });
        texts.push(next.await.with_context(|| format!("after {} texts", texts.len()))??);
    }
    Ok(texts)
}

async fn ten_thousand(folder: &Path) -> Result<()> {
    let disk = Disk::new(folder)?;
    let mut hospital = Hospital::start(folder, "127.0.0.1:0", Some(&disk))?;
    let address = hospital.address()?.to_string();
    let (mut anna, boris, conversation) = conversation(&hospital).await?;
    let (mut sent, mut places) = (0, BTreeSet::new());
    while places.len() < MESSAGES {
        while sent < MESSAGES && sent - places.len() < IN_FLIGHT {
            send(&anna, conversation, sent).await?;
            sent += 1;
        }
        let place =
            acknowledged(&mut anna).await.with_context(|| format!("after {} acknowledgements", places.len()))?;
        assert!(places.insert(place), "two messages were given the place {place}");
        if KILLS_AFTER.contains(&places.len()) {
            assert!(sent > places.len() || sent == MESSAGES, "the kill must meet messages on their way");
            hospital.kill()?;
            disk.lose_power()?;
            hospital = Hospital::start(folder, &address, Some(&disk))?;
        }
    }
    // Once more, so that Boris gets nothing that was only in the node's memory.
    hospital.kill()?;
    disk.lose_power()?;
    let hospital = Hospital::start(folder, &address, Some(&disk))?;
    let mut boris = boris.open().await?;
    let texts = read(&mut boris, MESSAGES).await?;
    let expected: Vec<String> = (0..MESSAGES).map(|number| format!("message {number}")).collect();
    let once: BTreeSet<&String> = texts.iter().map(|(_, text)| text).collect();
    assert_eq!(once.len(), MESSAGES, "a message was read twice, another one never");
    let other: Vec<_> = (0..).zip(&texts).zip(&expected).filter(|((_, (_, text)), wanted)| text != *wanted).collect();
    assert!(other.is_empty(), "{} messages in another order than they were written: {:?}", other.len(), other.get(..8));
    let read_at: Vec<u64> = texts.iter().map(|(seq, _)| *seq).collect();
    assert!(read_at.iter().eq(&places), "Boris reads them at other places than those that were acknowledged");
    boris.close().await;
    anna.close().await;
    hospital.kill()
}

#[test]
fn nothing_acknowledged_is_lost() -> Result<()> {
    let folder = tempfile::tempdir()?;
    runtime()?.block_on(ten_thousand(folder.path()))
}

/// The counter-test: a disk that goes back behind what it had confirmed. The story above must not pass on it.
#[test]
fn a_disk_that_lies_is_found_out() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let outcome = runtime()?.block_on(async {
        let disk = Disk::new(folder.path())?;
        let hospital = Hospital::start(folder.path(), "127.0.0.1:0", Some(&disk))?;
        let address = hospital.address()?.to_string();
        let (mut anna, boris, conversation) = conversation(&hospital).await?;
        let earlier = disk.remember(&folder.path().join("earlier"))?;
        for number in 0..50 {
            send(&anna, conversation, number).await?;
            acknowledged(&mut anna).await?;
        }
        anna.close().await; // Anna's device alone could send again what the node lost
        hospital.kill()?;
        disk.go_back_to(&earlier)?;
        let _hospital = Hospital::start(folder.path(), &address, Some(&disk))?;
        let mut boris = boris.open().await?;
        let reading = tokio::time::timeout(Duration::from_secs(10), read(&mut boris, 50)).await;
        anyhow::Ok(reading.is_ok_and(|texts| texts.is_ok_and(|texts| texts.len() == 50)))
    })?;
    assert!(!outcome, "fifty messages that the disk has forgotten were read all the same");
    Ok(())
}
