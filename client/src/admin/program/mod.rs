//! The program `wardline-admin`: arguments in, an outcome out. Its acts are the functions of [`crate::admin`].
mod accounts;
mod arguments;
mod channels;
mod groups;
mod nodes;
mod output;
mod secret;
mod setup;
#[cfg(test)]
mod story_tests;
mod web;

pub use arguments::Arguments;
pub use output::{DIFFERS, Outcome, UNPUBLISHED};
pub use secret::PASSPHRASE_VARIABLE;

use crate::admin::vault::Passphrase;
use crate::admin::{AdminError, Office, Publication, sign_and_publish};
use arguments::Command;
use serde_json::json;
use std::time::{SystemTime, UNIX_EPOCH};
use wardline_directory::Directory;
use wardline_directory::hospital::Hospital;

/// Does what the arguments say.
pub async fn run(arguments: Arguments) -> Result<Outcome, AdminError> {
    let desk = Desk { arguments: &arguments };
    match &arguments.command {
        Command::Init { recovery_file } => setup::init(&desk, recovery_file.as_deref()),
        Command::Recover(recover) => setup::recover(&desk, recover).await,
        Command::Node(node) => nodes::run(&desk, node).await,
        Command::Publish => publish(&desk).await,
        Command::Account(account) => accounts::run(&desk, account).await,
        Command::Group(group) => groups::run(&desk, group).await,
        Command::Channel(channel) => channels::run(&desk, channel).await,
        Command::Enrol { handle, hours } => accounts::enrol(&desk, handle, *hours).await,
        Command::VerifyWeb(asked) => web::verify(asked).await,
    }
}

/// What every command works with.
struct Desk<'a> {
    arguments: &'a Arguments,
}

impl Desk<'_> {
    fn passphrase(&self, new: bool) -> Result<Passphrase, AdminError> {
        secret::passphrase(self.arguments.passphrase_file.as_deref(), new)
    }

    /// Reads what is signed, without a key.
    fn directory(&self) -> Result<Directory, AdminError> {
        Office::read(&self.arguments.dir)
    }

    fn open(&self) -> Result<Office, AdminError> {
        Office::open(&self.arguments.dir, self.passphrase(false)?)
    }

    /// Signs, stores, and tells the node.
    async fn sign<T>(
        &self,
        act: impl FnOnce(&mut Hospital) -> Result<T, AdminError>,
    ) -> Result<(T, Office, Publication), AdminError> {
        let mut office = self.open()?;
        let (done, publication) = sign_and_publish(&mut office, self.arguments.offline, act).await?;
        Ok((done, office, publication))
    }
}

/// Unix time in milliseconds. A clock before 1970 reads as 1970: what is signed then is expired at once, and seen.
fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

async fn publish(desk: &Desk<'_>) -> Result<Outcome, AdminError> {
    let mut office = desk.open()?;
    let mut session = crate::admin::NodeSession::open(&office).await?;
    let pulled = session.pull(&mut office).await?;
    let published = session.publish(&office).await?;
    session.close().await;
    let mut text = String::new();
    if pulled > 0 {
        text = format!("Took in {pulled} statements that were signed on another machine.\n");
    }
    text += &match published.sent {
        0 => format!("Nothing to send: the node is at version {}.", published.version),
        sent => format!("Sent {sent} statements: the node is at version {}.", published.version),
    };
    Ok(Outcome::done(text, json!({"sent": published.sent, "pulled": pulled, "node_version": published.version})))
}
