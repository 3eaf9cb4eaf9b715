//! `group ...`
use super::arguments::Group;
use super::output::table;
use super::{Desk, Outcome, now_ms};
use crate::admin::{self, AdminError};
use serde_json::json;
use wardline_directory::hospital::Hospital;
use wardline_protocol::AccountId;

pub(super) async fn run(desk: &Desk<'_>, command: &Group) -> Result<Outcome, AdminError> {
    match command {
        Group::Add { name } => {
            let (id, _, publication) = desk.sign(|hospital| Ok(hospital.add_group(name, now_ms())?)).await?;
            let json = json!({"group_id": id.to_string(), "name": name});
            Ok(Outcome::signed(format!("Group \"{name}\" was created."), json, &publication))
        }
        Group::Remove { name } => {
            let remove = |hospital: &mut Hospital| {
                let id = admin::group(hospital.directory(), name)?.group_id;
                Ok(hospital.delete_group(id, now_ms())?)
            };
            let ((), _, publication) = desk.sign(remove).await?;
            Ok(Outcome::signed(format!("Group \"{name}\" was deleted."), json!({"name": name}), &publication))
        }
        Group::Join { name, handles } => change(desk, name, handles, true).await,
        Group::Leave { name, handles } => change(desk, name, handles, false).await,
        Group::List => list(desk),
    }
}

async fn change(desk: &Desk<'_>, name: &str, handles: &[String], join: bool) -> Result<Outcome, AdminError> {
    let act = |hospital: &mut Hospital| {
        let directory = hospital.directory();
        let id = admin::group(directory, name)?.group_id;
        let account = |handle: &String| Ok(admin::account(directory, handle)?.account_id);
        let accounts = handles.iter().map(account).collect::<Result<Vec<AccountId>, AdminError>>()?;
        let (added, removed): (&[_], &[_]) = if join { (&accounts, &[]) } else { (&[], &accounts) };
        hospital.change_members(id, added, removed, now_ms())?;
        Ok(hospital.directory().group(&id).map_or(0, |group| group.members.len()))
    };
    let (members, _, publication) = desk.sign(act).await?;
    let text = format!("Group \"{name}\" has {members} members now.");
    Ok(Outcome::signed(text, json!({"name": name, "members": members}), &publication))
}

fn list(desk: &Desk<'_>) -> Result<Outcome, AdminError> {
    let directory = desk.directory()?;
    let handles = |group: &wardline_directory::GroupRecord| {
        let members = group.members.iter().filter_map(|id| directory.account(id));
        members.map(|account| account.handle.clone()).collect::<Vec<_>>()
    };
    let groups: Vec<_> = directory.groups().filter(|group| !group.deleted).collect();
    let rows: Vec<_> = groups.iter().map(|group| vec![group.name.clone(), handles(group).join(" ")]).collect();
    let describe = |group: &&wardline_directory::GroupRecord| json!({"group_id": group.group_id.to_string(), "name": group.name, "members": handles(group)});
    let json = json!({"groups": groups.iter().map(describe).collect::<Vec<_>>()});
    Ok(Outcome::done(table(&["group", "members"], &rows), json))
}
