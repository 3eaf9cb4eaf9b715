//! `channel ...`
use super::arguments::{Channel, SetChannel};
use super::output::table;
use super::{Desk, Outcome, now_ms};
use crate::admin::{self, AdminError};
use serde_json::json;
use wardline_directory::hospital::{ChannelPlan, Hospital};
use wardline_directory::{ChannelRecord, Directory};

pub(super) async fn run(desk: &Desk<'_>, command: &Channel) -> Result<Outcome, AdminError> {
    match command {
        Channel::Set(set) => self::set(desk, set).await,
        Channel::Remove { name } => {
            let remove = |hospital: &mut Hospital| {
                let id = admin::channel(hospital.directory(), name)?.channel_id;
                Ok(hospital.delete_channel(id, now_ms())?)
            };
            let ((), _, publication) = desk.sign(remove).await?;
            let text = format!(
                "Channel \"{name}\" was deleted: nobody writes in it any more. Its readers keep what they have."
            );
            Ok(Outcome::signed(text, json!({"name": name}), &publication))
        }
        Channel::List => list(desk),
    }
}

async fn set(desk: &Desk<'_>, set: &SetChannel) -> Result<Outcome, AdminError> {
    let SetChannel { name, everyone, groups, operators } = set;
    let act = |hospital: &mut Hospital| {
        let directory = hospital.directory();
        let group = |name: &String| Ok(admin::group(directory, name)?.group_id);
        let account = |handle: &String| Ok(admin::account(directory, handle)?.account_id);
        let plan = ChannelPlan {
            name: name.clone(),
            everyone: *everyone,
            groups: groups.iter().map(group).collect::<Result<_, AdminError>>()?,
            operators: operators.iter().map(account).collect::<Result<_, AdminError>>()?,
        };
        let id = match directory.channel_by_name(name).map(|known| known.channel_id) {
            Some(id) => {
                hospital.change_channel(id, &plan, now_ms())?;
                id
            }
            None => hospital.add_channel(&plan, now_ms())?,
        };
        let directory = hospital.directory();
        Ok((id, directory.channel(&id).map_or(0, |channel| directory.audience(channel).len())))
    };
    let ((id, audience), _, publication) = desk.sign(act).await?;
    let text =
        format!("Channel \"{name}\" reaches {audience} accounts. It appears when one of its operators is connected.");
    Ok(Outcome::signed(text, json!({"channel_id": id.to_string(), "name": name, "audience": audience}), &publication))
}

fn list(desk: &Desk<'_>) -> Result<Outcome, AdminError> {
    let directory = desk.directory()?;
    let channels: Vec<_> = directory.channels().filter(|channel| !channel.deleted).collect();
    let rows: Vec<_> = channels
        .iter()
        .map(|channel| {
            let audience = directory.audience(channel).len().to_string();
            vec![
                channel.name.clone(),
                groups(&directory, channel).join(", "),
                audience,
                operators(&directory, channel).join(" "),
            ]
        })
        .collect();
    let describe = |channel: &&ChannelRecord| {
        json!({
            "channel_id": channel.channel_id.to_string(),
            "name": channel.name,
            "everyone": channel.everyone,
            "groups": channel.groups.iter().filter_map(|id| Some(&directory.group(id)?.name)).collect::<Vec<_>>(),
            "operators": operators(&directory, channel),
            "audience": directory.audience(channel).len(),
        })
    };
    let json = json!({"channels": channels.iter().map(describe).collect::<Vec<_>>()});
    Ok(Outcome::done(table(&["channel", "for", "accounts", "operators"], &rows), json))
}

fn operators(directory: &Directory, channel: &ChannelRecord) -> Vec<String> {
    channel.operators.iter().filter_map(|id| Some(directory.account(id)?.handle.clone())).collect()
}

fn groups(directory: &Directory, channel: &ChannelRecord) -> Vec<String> {
    let named = channel.groups.iter().filter_map(|id| Some(directory.group(id)?.name.clone()));
    channel.everyone.then(|| "everyone".to_owned()).into_iter().chain(named).collect()
}
