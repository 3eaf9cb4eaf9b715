//! `account ...` and `enrol`.
use super::arguments::Account;
use super::output::table;
use super::{Desk, Outcome, now_ms};
use crate::admin::import::{self, Action, Imported};
use crate::admin::sheet::{self, Sheet};
use crate::admin::{self, AdminError, NodeSession, date, files, sign_and_publish};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use wardline_directory::hospital::{Hospital, Person};
use wardline_directory::invitation::Invitation;
use wardline_directory::{AccountRecord, Directory};
use wardline_protocol::AccountId;
use wardline_protocol::wire::{AccountReport, Level};

const HOUR_MS: u64 = 60 * 60 * 1000;

pub(super) async fn run(desk: &Desk<'_>, command: &Account) -> Result<Outcome, AdminError> {
    match command {
        Account::Add { handle, name, role, guest, expires } => {
            let person = Person {
                level: if *guest { Level::Guest } else { Level::Internal },
                expires_at_ms: expires.as_deref().map(date::parse_end).transpose()?,
                ..Person::internal(handle, name, role)
            };
            add(desk, &person).await
        }
        Account::List => list(desk).await,
        Account::Lock { handle } => lock(desk, handle, true).await,
        Account::Unlock { handle } => lock(desk, handle, false).await,
        Account::Delete { handle } => {
            let delete = |hospital: &mut Hospital| {
                let id = admin::account(hospital.directory(), handle)?.account_id;
                hospital.delete_account(id, now_ms())?;
                Ok(id)
            };
            let (id, _, publication) = desk.sign(delete).await?;
            let json = json!({"handle": handle, "account_id": id.to_string()});
            Ok(Outcome::signed(format!("Account \"{handle}\" was deleted."), json, &publication))
        }
        Account::Import { file, dry_run, create_groups, sheets } => {
            let options = import::Options { dry_run: *dry_run, create_groups: *create_groups };
            import_file(desk, file, options, sheets.as_deref()).await
        }
    }
}

async fn add(desk: &Desk<'_>, person: &Person) -> Result<Outcome, AdminError> {
    let (invitation, office, publication) = desk.sign(|hospital| Ok(hospital.add_account(person, now_ms())?)).await?;
    let directory = office.directory();
    let mut text = format!("Account \"{}\" was created.\n", person.handle);
    let mut json = json!({"handle": person.handle, "account_id": invitation.account_id.to_string()});
    if admin::node(directory).is_ok() {
        let sheet = sheet_of(directory, &invitation)?;
        text += &terminal(&sheet)?;
        add_code(&mut json, &sheet);
    } else {
        text += &format!("No node is known yet: when one is, `wardline-admin enrol {}` makes a code.", person.handle);
        json["link"] = Value::Null;
    }
    Ok(Outcome::signed(text, json, &publication))
}

pub(super) async fn enrol(desk: &Desk<'_>, handle: &str, hours: u64) -> Result<Outcome, AdminError> {
    let act = |hospital: &mut Hospital| {
        admin::node(hospital.directory())?;
        let id = admin::account(hospital.directory(), handle)?.account_id;
        let now_ms = now_ms();
        Ok(hospital.invite(id, now_ms.saturating_add(hours * HOUR_MS), now_ms)?)
    };
    let (invitation, office, publication) = desk.sign(act).await?;
    let sheet = sheet_of(office.directory(), &invitation)?;
    let mut json = json!({"handle": handle, "account_id": invitation.account_id.to_string()});
    add_code(&mut json, &sheet);
    Ok(Outcome::signed(terminal(&sheet)?.as_str(), json, &publication))
}

/// A lock is the node's to keep, not a statement: when the node cannot be asked, nothing is locked and this fails.
async fn lock(desk: &Desk<'_>, handle: &str, locked: bool) -> Result<Outcome, AdminError> {
    let office = desk.open()?;
    let id = admin::account(office.directory(), handle)?.account_id;
    let mut session = NodeSession::open(&office).await?;
    // An account that the node has not heard of yet could not be locked.
    session.publish(&office).await?;
    session.lock(id, locked).await?;
    session.close().await;
    let text = match locked {
        true => format!("Account \"{handle}\" is locked: its connections are closed."),
        false => format!("Account \"{handle}\" is unlocked."),
    };
    Ok(Outcome::done(text, json!({"handle": handle, "account_id": id.to_string(), "locked": locked})))
}

async fn list(desk: &Desk<'_>) -> Result<Outcome, AdminError> {
    let (directory, reports, missing) = if desk.arguments.offline {
        (desk.directory()?, BTreeMap::new(), None)
    } else {
        let office = desk.open()?;
        match reports(&office).await {
            Ok(reports) => (office.directory().clone(), reports, None),
            Err(error) => (office.directory().clone(), BTreeMap::new(), Some(error.to_string())),
        }
    };
    let now_ms = now_ms();
    let accounts: Vec<_> = directory.accounts().filter(|account| !account.deleted).collect();
    let row = |account: &&AccountRecord| {
        let report = reports.get(&account.account_id);
        let known = |say: &dyn Fn(&AccountReport) -> String| report.map_or("-".into(), say);
        vec![
            account.handle.clone(),
            account.display_name.clone(),
            account.role.clone(),
            level(account.level).into(),
            state(account, report, now_ms).into(),
            known(&|report| report.devices.to_string()),
            known(&|report| match (report.online, report.last_seen_ms) {
                (true, _) => "online".into(),
                (false, 0) => "never".into(),
                (false, ms) => date::show(ms),
            }),
        ]
    };
    let mut rows: Vec<_> = accounts.iter().map(row).collect();
    rows.sort();
    let mut text = table(&["handle", "name", "role", "level", "state", "devices", "last seen"], &rows);
    for account in &accounts {
        if let Some(refused) =
            reports.get(&account.account_id).map(|r| r.refused_second_uses).filter(|count| *count > 0)
        {
            text += &format!("\n! a code of {} was used a second time and refused ({refused} times)", account.handle);
        }
    }
    if let Some(reason) = &missing {
        text += &format!("\nThe node was not asked: {reason}");
    }
    let accounts: Vec<_> = accounts.iter().map(|one| describe(one, reports.get(&one.account_id), now_ms)).collect();
    Ok(Outcome::done(
        text,
        json!({"accounts": accounts, "node_asked": missing.is_none() && !desk.arguments.offline, "reason": missing}),
    ))
}

async fn reports(office: &admin::Office) -> Result<BTreeMap<AccountId, AccountReport>, AdminError> {
    let mut session = NodeSession::open(office).await?;
    let reports = session.reports().await?;
    session.close().await;
    Ok(reports)
}

fn describe(account: &AccountRecord, report: Option<&AccountReport>, now_ms: u64) -> Value {
    json!({
        "account_id": account.account_id.to_string(),
        "handle": account.handle,
        "name": account.display_name,
        "role": account.role,
        "level": level(account.level),
        "state": state(account, report, now_ms),
        "expires_at_ms": account.expires_at_ms,
        "locked": report.map(|report| report.locked),
        "devices": report.map(|report| report.devices),
        "online": report.map(|report| report.online),
        "last_seen_ms": report.map(|report| report.last_seen_ms),
        "refused_second_uses": report.map(|report| report.refused_second_uses),
    })
}

fn level(level: Level) -> &'static str {
    match level {
        Level::Guest => "guest",
        Level::Archive => "archive",
        Level::Internal | Level::Unspecified => "internal",
    }
}

fn state(account: &AccountRecord, report: Option<&AccountReport>, now_ms: u64) -> &'static str {
    match report {
        _ if account.is_expired(now_ms) => "expired",
        Some(report) if report.locked => "locked",
        Some(_) => "active",
        None => "signed",
    }
}

async fn import_file(
    desk: &Desk<'_>,
    file: &Path,
    options: import::Options,
    sheets: Option<&Path>,
) -> Result<Outcome, AdminError> {
    let rows = import::parse(&fs::read(file).map_err(AdminError::file(file))?)?;
    let into = sheets.filter(|path| *path != Path::new("-"));
    if let Some(dir) = into {
        files::create_dir(dir)?;
    }
    let act = |hospital: &mut Hospital| {
        let imported = import::run(hospital, &rows, options, now_ms())?;
        let mut made = Vec::new();
        if sheets.is_some() || admin::node(hospital.directory()).is_ok() {
            let make = |invitation| sheet_of(hospital.directory(), invitation);
            made = imported.invitations.iter().map(make).collect::<Result<_, _>>()?;
        }
        // Before anything is stored: codes that could not be handed out would be lost.
        let page = into.filter(|_| !made.is_empty()).map(|dir| write_sheets(dir, &made)).transpose()?;
        Ok((imported, made, page))
    };
    // A dry run leaves the node alone as well.
    let offline = desk.arguments.offline || options.dry_run;
    let ((imported, made, page), publication) = sign_and_publish(&mut desk.open()?, offline, act).await?;
    let mut text = summary(&imported, &rows, options.dry_run);
    if let Some(page) = &page {
        text += &format!("Enrolment sheets: {} (secret: print, hand out, destroy)\n", page.display());
    } else if sheets.is_some() {
        for sheet in &made {
            text += &format!("\n{}", terminal(sheet)?.as_str());
        }
    } else if !options.dry_run && imported.count(Action::Created) > 0 {
        text += "No sheets were asked for (--sheets): `wardline-admin enrol HANDLE` makes a code for one person.\n";
    }
    let json = json!({
        "dry_run": options.dry_run,
        "created": imported.count(Action::Created),
        "changed": imported.count(Action::Changed),
        "unchanged": imported.count(Action::Unchanged),
        "created_groups": imported.created_groups,
        "statements": imported.statements,
        "rows": rows.iter().zip(&imported.rows).map(|(row, outcome)| json!({
            "line": outcome.line, "handle": row.handle, "action": action(outcome.action), "joined": outcome.joined,
        })).collect::<Vec<_>>(),
        "codes": made.iter().map(|sheet| {
            let mut code = json!({"handle": sheet.handle});
            add_code(&mut code, sheet);
            code
        }).collect::<Vec<_>>(),
        "sheets": page,
    });
    Ok(if options.dry_run { Outcome::done(text, json) } else { Outcome::signed(text, json, &publication) })
}

fn summary(imported: &Imported, rows: &[import::Row], dry_run: bool) -> String {
    let mut lines: Vec<Vec<String>> = Vec::new();
    for (row, outcome) in rows.iter().zip(&imported.rows) {
        if outcome.action != Action::Unchanged || outcome.joined > 0 {
            let joined = if outcome.joined > 0 { format!("joins {}", outcome.joined) } else { String::new() };
            lines.push(vec![outcome.line.to_string(), row.handle.clone(), action(outcome.action).into(), joined]);
        }
    }
    let mut text = String::new();
    if !lines.is_empty() {
        text += &table(&["line", "handle", "account", "groups"], &lines);
        text.push('\n');
    }
    for group in &imported.created_groups {
        text += &format!("new group \"{group}\"\n");
    }
    let [created, changed, same] = [Action::Created, Action::Changed, Action::Unchanged].map(|one| imported.count(one));
    let would = if dry_run { "Dry run, nothing was changed: " } else { "" };
    text + &format!("{would}{created} created, {changed} changed, {same} unchanged.\n")
}

fn action(action: Action) -> &'static str {
    match action {
        Action::Created => "created",
        Action::Changed => "changed",
        Action::Unchanged => "unchanged",
    }
}

/// A new file each time: sheets that were not printed yet are not overwritten.
fn write_sheets(dir: &Path, sheets: &[Sheet]) -> Result<PathBuf, AdminError> {
    let path = dir.join(format!("enrolment-{}.html", now_ms()));
    files::create(&path, sheet::html(sheets).map_err(no_qr)?.as_bytes())?;
    Ok(path)
}

fn sheet_of(directory: &Directory, invitation: &Invitation) -> Result<Sheet, AdminError> {
    let account = directory.account(&invitation.account_id).ok_or(wardline_directory::Refusal::UnknownAccount)?;
    Ok(Sheet::new(account, invitation, directory.root(), admin::node(directory)?))
}

fn terminal(sheet: &Sheet) -> Result<zeroize::Zeroizing<String>, AdminError> {
    sheet.terminal().map_err(no_qr)
}

fn add_code(json: &mut Value, sheet: &Sheet) {
    json["link"] = sheet.link.as_str().into();
    json["code_expires_at_ms"] = sheet.expires_at_ms.into();
}

fn no_qr(_: qrcode::types::QrError) -> AdminError {
    AdminError::Input("the enrolment link is too long for a QR code: give the node a shorter address".into())
}
