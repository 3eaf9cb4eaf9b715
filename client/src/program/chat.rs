//! Writing, reading, groups.
use super::{Device, ProgramError, files};
use crate::core::{Body, Command, Event, Failure, Membership, Message, Reply};
use crate::session::is_final;
use clap::{Args, Subcommand};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;
use wardline_protocol::wire::ConversationKind;
use wardline_protocol::{AccountId, ConversationId};

#[derive(Subcommand)]
pub(super) enum Action {
    /// Send a message and wait until the node has stored it.
    Send {
        #[command(flatten)]
        to: To,
        text: String,
    },
    /// Send a photo, video or other file, encrypted, and wait until the node has stored it.
    SendFile(files::SendFile),
    /// Send a place, in words or coordinates.
    SendLocation(files::SendLocation),
    /// Fetch a file that somebody sent, check it, and save it.
    Save(files::Save),
    /// Show messages as they come.
    Listen {
        /// End after so many messages.
        #[arg(long)]
        count: Option<u64>,
        /// End after so many seconds.
        #[arg(long = "for")]
        seconds: Option<u64>,
        /// Save files that come into this directory.
        #[arg(long)]
        save_to: Option<PathBuf>,
    },
    /// Say that you have taken note of a message in a channel.
    Confirm {
        /// The channel's name.
        channel: String,
        /// The message's place, as `seq` in `listen` and `history`.
        seq: u64,
    },
    /// Show who has taken note of a message in a channel.
    Confirmations {
        /// The channel's name.
        channel: String,
        /// The message's place, as `seq` in `sent`, `listen` and `history`.
        seq: u64,
    },
    /// Show the newest stored messages, oldest first.
    History {
        #[command(flatten)]
        to: To,
        #[arg(long, default_value_t = 50)]
        count: u32,
    },
}

#[derive(Args)]
#[group(required = true, multiple = false)]
pub(super) struct To {
    /// A person's handle.
    #[arg(long)]
    to: Option<String>,
    /// A group's title.
    #[arg(long)]
    group: Option<String>,
}

#[derive(Subcommand)]
pub(super) enum GroupAction {
    /// Found a group.
    Create { title: String, handles: Vec<String> },
    /// Take people in.
    Add { title: String, handles: Vec<String> },
    /// Take people out.
    Remove { title: String, handles: Vec<String> },
}

pub(super) async fn run(mut device: Device, action: Action) -> Result<(), ProgramError> {
    match action {
        Action::Send { to, text } => send(&mut device, &to, text).await?,
        Action::SendFile(action) => files::send_file(&mut device, action).await?,
        Action::SendLocation(action) => files::send_location(&mut device, action).await?,
        Action::Save(action) => files::save(&device, action).await?,
        Action::Listen { count, seconds, save_to } => {
            let shown = Shown { left: count, save_to, ..Shown::default() };
            listen(&mut device, shown, count, seconds).await?;
        }
        Action::Confirm { channel, seq } => {
            let conversation = titled(&device, &channel).await?;
            device.command(Command::Confirm { conversation, seq }).await?;
            device.say.event("confirmed", &[("seq", seq.into())], "The channel knows that you have taken note.")?;
        }
        Action::Confirmations { channel, seq } => confirmations(&device, &channel, seq).await?,
        Action::History { to, count } => history(&device, &to, count).await?,
    }
    device.close().await
}

async fn send(device: &mut Device, to: &To, text: String) -> Result<(), ProgramError> {
    let conversation = find(device, to).await?;
    let Reply::Message(sent) = device.command(Command::Send { conversation, text }).await? else {
        return Err(ProgramError::Use("the message was not taken".into()));
    };
    files::sent(device, sent, super::ANSWER_MAX).await
}

async fn confirmations(device: &Device, channel: &str, seq: u64) -> Result<(), ProgramError> {
    let conversation = titled(device, channel).await?;
    let Reply::Confirmations(found) = device.command(Command::FetchConfirmations { conversation, seq }).await? else {
        return Err(ProgramError::Use("the node has not said who".into()));
    };
    for (account, confirmed_at_ms) in found {
        let handle = device.handle(account).await?;
        let fields = [("from", handle.clone().into()), ("confirmed_at_ms", confirmed_at_ms.into())];
        device.say.event("confirmation", &fields, &handle)?;
    }
    Ok(())
}

/// What was shown of each conversation, so that nothing is shown twice and everything once.
#[derive(Default)]
struct Shown {
    up_to: BTreeMap<ConversationId, u64>,
    unmarked: BTreeSet<ConversationId>,
    left: Option<u64>,
    save_to: Option<PathBuf>,
}

impl Shown {
    /// What came while nobody listened, by what history holds beyond the newest read.
    async fn catch_up(&mut self, device: &Device) -> Result<(), ProgramError> {
        let own = device.client.look(|core| core.device()).await?;
        let known = device
            .client
            .look(|core| core.conversations().map(|(id, record)| (*id, record.read_seq)).collect::<Vec<_>>());
        for (conversation, read_seq) in known.await? {
            let after = self.up_to.get(&conversation).copied().unwrap_or(read_seq);
            for message in device.client.store().history_after(conversation, after).await? {
                if message.device != own {
                    self.show(device, &message).await?;
                }
            }
        }
        Ok(())
    }

    async fn show(&mut self, device: &Device, message: &Message) -> Result<(), ProgramError> {
        let up_to = self.up_to.entry(message.conversation).or_default();
        if message.seq <= *up_to || self.left == Some(0) {
            return Ok(());
        }
        *up_to = message.seq;
        self.unmarked.insert(message.conversation);
        if show(device, message).await? {
            self.left = self.left.map(|left| left - 1);
        }
        if let (Some(dir), Body::File(file)) = (&self.save_to, &message.body) {
            files::save_into(device, message.conversation, message.message, file, dir).await?;
        }
        Ok(())
    }

    /// Shown is read: told to the node when there is nothing else to show.
    async fn mark_read(&mut self, device: &Device) -> Result<(), ProgramError> {
        for conversation in std::mem::take(&mut self.unmarked) {
            let seq = self.up_to.get(&conversation).copied().unwrap_or(0);
            device.command(Command::MarkRead { conversation, seq }).await?;
        }
        Ok(())
    }
}

async fn listen(
    device: &mut Device,
    mut shown: Shown,
    count: Option<u64>,
    seconds: Option<u64>,
) -> Result<(), ProgramError> {
    device.say.event("ready", &[], "Listening. Ctrl-C ends it.")?;
    let listening = async {
        shown.catch_up(device).await?;
        while shown.left != Some(0) {
            if device.is_idle() {
                shown.mark_read(device).await?;
            }
            let event = device.next().await?;
            if std::mem::take(&mut device.missed) {
                // Before the event, which is newer than what was missed.
                shown.catch_up(device).await?;
            }
            match event {
                Event::MessageReceived(message) => shown.show(device, &message).await?,
                Event::Unreadable { count, .. } => device.say.event("unreadable", &[("count", count.into())], "")?,
                Event::ConversationJoined { conversation, .. } => {
                    let title = device.client.look(move |core| core.title(&conversation)).await?;
                    let words = title.as_ref().map_or_else(String::new, |title| format!("You are in {title} now."));
                    device.say.event("joined", &conversation_fields(conversation, title), &words)?;
                }
                Event::ConversationLeft { conversation } => {
                    device.say.event("left", &conversation_fields(conversation, None), "")?;
                }
                Event::Goodbye(error) if is_final(&error) => return Err(Failure::Refused(error).into()),
                _ => {}
            }
        }
        shown.mark_read(device).await
    };
    match seconds {
        None => listening.await,
        // The time is over: that is what was asked for, unless so many messages were.
        Some(seconds) => match tokio::time::timeout(Duration::from_secs(seconds), listening).await {
            Ok(outcome) => outcome,
            Err(_) if count.is_none() => Ok(()),
            Err(_) => Err(ProgramError::Use("fewer messages came than asked for".into())),
        },
    }
}

fn conversation_fields(conversation: ConversationId, title: Option<String>) -> Vec<(&'static str, serde_json::Value)> {
    let id = ("conversation", conversation.to_string().into());
    [Some(id), title.map(|title| ("title", title.into()))].into_iter().flatten().collect()
}

/// Shows what somebody wrote or sent; gives whether it was that.
async fn show(device: &Device, message: &Message) -> Result<bool, ProgramError> {
    let Body::Text(text) = &message.body else { return files::show(device, message).await };
    let from = device.handle(message.sender).await?;
    let mut fields = vec![("text", text.clone().into())];
    fields.extend(common_fields(&from, message));
    device.say.event("message", &fields, &format!("{from}: {text}"))?;
    Ok(true)
}

/// What `--json` says of every message.
pub(super) fn common_fields(from: &str, message: &Message) -> [(&'static str, serde_json::Value); 5] {
    [
        ("from", from.into()),
        ("conversation", message.conversation.to_string().into()),
        ("message", message.message.to_string().into()),
        ("seq", message.seq.into()),
        ("sent_at_ms", message.sent_at_ms.into()),
    ]
}

async fn history(device: &Device, to: &To, count: u32) -> Result<(), ProgramError> {
    let conversation = find(device, to).await?;
    for message in device.client.store().history(conversation, count).await? {
        show(device, &message).await?;
    }
    Ok(())
}

pub(super) async fn group(device: Device, action: GroupAction) -> Result<(), ProgramError> {
    match action {
        GroupAction::Create { title, handles } => {
            let accounts = accounts(&device, &handles).await?;
            let reply = device.command(Command::CreateGroup { title: title.clone(), accounts }).await?;
            let Reply::Conversation(id) = reply else { return Err(ProgramError::Use("no group came of it".into())) };
            let fields = [("conversation", id.to_string().into()), ("title", title.clone().into())];
            device.say.event("group", &fields, &format!("{title} is there."))?;
        }
        GroupAction::Add { title, handles } => {
            let (conversation, accounts) = (titled(&device, &title).await?, accounts(&device, &handles).await?);
            device.command(Command::AddAccounts { conversation, accounts }).await?;
            device.say.event("group", &[("title", title.into())], "done")?;
        }
        GroupAction::Remove { title, handles } => {
            let (conversation, accounts) = (titled(&device, &title).await?, accounts(&device, &handles).await?);
            device.command(Command::RemoveAccounts { conversation, accounts }).await?;
            device.say.event("group", &[("title", title.into())], "done")?;
        }
    }
    device.close().await
}

async fn accounts(device: &Device, handles: &[String]) -> Result<Vec<AccountId>, ProgramError> {
    let mut accounts = Vec::with_capacity(handles.len());
    for handle in handles {
        accounts.push(device.account(handle).await?);
    }
    Ok(accounts)
}

pub(super) async fn find(device: &Device, to: &To) -> Result<ConversationId, ProgramError> {
    match (&to.to, &to.group) {
        (Some(handle), _) => device.direct(handle).await,
        (None, Some(title)) => titled(device, title).await,
        (None, None) => Err(ProgramError::Use("say --to HANDLE or --group TITLE".into())),
    }
}

pub(super) async fn titled(device: &Device, title: &str) -> Result<ConversationId, ProgramError> {
    let wanted = title.to_owned();
    let look = move |core: &crate::core::Core| {
        let titled = |(id, record): &(&ConversationId, &crate::core::ConversationRecord)| {
            let opening = record.kind == ConversationKind::Channel && record.state != Membership::Left;
            (record.state == Membership::Joined || opening) && core.title(id).as_deref() == Some(wanted.as_str())
        };
        core.conversations().filter(titled).map(|(id, _)| *id).collect::<Vec<_>>()
    };
    match device.client.look(look).await?.as_slice() {
        [one] => Ok(*one),
        [] => Err(ProgramError::Use(format!("this device is in no group called {title}"))),
        _ => Err(ProgramError::Use(format!("there are several groups called {title}: rename one"))),
    }
}
