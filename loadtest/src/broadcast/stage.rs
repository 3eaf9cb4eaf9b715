//! The operator's device while it is live: starts the broadcast in the channel, gives its media the channel's keys, each new epoch's as well, and stops it.
use super::footage::Footage;
use super::house::Full;
use super::operator::{Live, Operator, Sending};
use super::watcher::over;
use crate::video::ADDRESS;
use crate::workload::Fault;
use anyhow::{Context as _, Result, bail};
use std::sync::Arc;
use tokio::sync::{broadcast, watch};
use tokio::task::JoinHandle;
use wardline_client::core::{Command, Event, Reply};
use wardline_protocol::{CallId, ConversationId};

/// What the broadcast is called.
const TITLE: &str = "Durchsage an das ganze Haus";

/// An operator that is live.
pub struct Stage {
    /// The broadcast.
    pub id: CallId,
    /// What its media tells of itself.
    pub sending: Arc<Sending>,
    task: JoinHandle<Result<Full>>,
    stop: watch::Sender<bool>,
}

impl Stage {
    /// Goes live.
    ///
    /// # Errors
    /// What the node or the device says.
    pub async fn go_live(full: Full, channel: ConversationId, footage: &Footage, fault: Option<Fault>) -> Result<Self> {
        let events = full.client.events();
        let (operator, offer_sdp) = Operator::offer(ADDRESS, footage.layers.len())?;
        let start = Command::StartBroadcast { conversation: channel, title: TITLE.into(), offer_sdp };
        let Reply::Call { call: id, answer_sdp: Some(answer) } = full.client.command(start).await?? else {
            bail!("the node answers the broadcast with something else");
        };
        let (mut context_ids, mut keys) = (Vec::new(), None);
        for _ in 0..=footage.layers.len() {
            let Reply::MediaKeys { epoch, context_id } = full.client.command(Command::MediaKeys { call: id }).await??
            else {
                bail!("no keys for the broadcast");
            };
            context_ids.push(context_id);
            keys = Some(epoch);
        }
        let live = operator.start(&answer, footage, &keys.context("keys")?, &context_ids, fault)?;
        let (stop, stopped) = watch::channel(false);
        let sending = live.sending.clone();
        let task = tokio::spawn(keep(full, live, events, stopped, (id, channel)));
        Ok(Self { id, sending, task, stop })
    }

    /// Stops it, and gives the device back.
    ///
    /// # Errors
    /// What ended it early.
    pub async fn end(self) -> Result<Full> {
        self.stop.send_replace(true);
        self.task.await?
    }
}

async fn keep(
    full: Full,
    live: Live,
    mut events: broadcast::Receiver<Event>,
    mut stopped: watch::Receiver<bool>,
    (id, channel): (CallId, ConversationId),
) -> Result<Full> {
    loop {
        tokio::select! {
            biased;
            () = over(&mut stopped) => break,
            event = events.recv() => match event.context("the operator's events")? {
                Event::MediaEpochChanged { call, .. } if call == id => {
                    let keys = full.client.look(move |core| core.media_epoch(&channel, &id)).await?;
                    live.update_keys(keys.context("the new epoch's keys")?);
                }
                _ => {}
            },
        }
    }
    full.client.command(Command::StopBroadcast { broadcast: id }).await??;
    tokio::task::spawn_blocking(move || live.end()).await??;
    Ok(full)
}
