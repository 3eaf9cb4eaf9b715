//! Anna walks out of the Wi-Fi's reach while she writes: her address changes and her session does not notice (RFC 9000 section 9).
use anyhow::{Context as _, Result, ensure};
use std::time::Duration;
use wardline_client::core::{Body, Event};
use wardline_protocol::ConversationId;
use wardline_tests::call::STEP_MAX;
use wardline_tests::hospital::{Device, Hospital};

/// How often everybody's address changes, and how many messages go each way between two changes.
const MOVES: usize = 3;
const MESSAGES: usize = 20;

/// After a move with nothing to send a client is only found again by its next keep-alive, 5 s later at most.
const FOUND_MAX: Duration = Duration::from_secs(20);

async fn send(device: &Device, conversation: ConversationId, from: usize) -> Result<()> {
    for number in from..from + MESSAGES {
        device.send(conversation, &number.to_string()).await?;
    }
    Ok(())
}

/// Reads exactly these messages, in their order. A new sign-in on the way is an error.
async fn read(device: &mut Device, from: usize) -> Result<()> {
    for number in from..from + MESSAGES {
        let next = |event| match event {
            Event::MessageReceived(message) => match message.body {
                Body::Text(text) => Some(Ok(text)),
                _ => None,
            },
            Event::Ready => Some(Err(anyhow::anyhow!("the session was begun anew"))),
            _ => None,
        };
        let text = device.until(FOUND_MAX, next).await.with_context(|| format!("message {number}"))??;
        ensure!(text == number.to_string(), "{text} instead of {number}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_address_is_no_new_session() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (hospital, networks) = Hospital::start(folder.path(), "127.0.0.1:0", None)?.serve_behind().await?;
    let (mut anna, mut boris) = tokio::try_join!(hospital.device("anna"), hospital.device("boris"))?;
    tokio::try_join!(anna.ready(STEP_MAX), boris.ready(STEP_MAX))?;
    let conversation = anna.direct(boris.account).await?;
    let joined = |event| matches!(event, Event::ConversationJoined { .. }).then_some(());
    boris.until(STEP_MAX, joined).await.context("Boris joins the conversation")?;
    let connections = networks.line.clients().len();
    for part in 0..=MOVES {
        let from = part * MESSAGES;
        if part > 0 {
            // In the middle of it: some messages are on their way, and their answers go to where nobody is any more.
            let moving = async { networks.line.move_clients().await };
            let first = from - MESSAGES + 1_000;
            tokio::try_join!(send(&anna, conversation, first), moving, send(&boris, conversation, first))?;
            tokio::try_join!(read(&mut boris, first), read(&mut anna, first))?;
        }
        tokio::try_join!(send(&anna, conversation, from), send(&boris, conversation, from))?;
        tokio::try_join!(read(&mut boris, from), read(&mut anna, from))?;
    }
    // A move while nobody sends: the node does not know where Boris is until he says something.
    networks.line.move_clients().await?;
    send(&anna, conversation, 5_000).await?;
    read(&mut boris, 5_000).await.context("after a silent move")?;
    let (to_node, to_clients) = networks.line.counts();
    eprintln!("{} moves: to the node {to_node:?}, to clients {to_clients:?}", MOVES + 1);
    ensure!(networks.line.clients().len() == connections, "somebody connected anew");
    anna.close().await;
    boris.close().await;
    Ok(())
}
