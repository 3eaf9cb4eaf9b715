//! Accounts from a spreadsheet: every row is checked against the directory as the rows before it leave it, and all or none are signed.
//!
//! A dry run is the same work, thrown away at the end; so it cannot promise what the import would not do.
use crate::admin::AdminError;
use std::collections::{BTreeMap, BTreeSet};
use wardline_directory::Refusal;
use wardline_directory::hospital::{Hospital, Person};
use wardline_directory::invitation::Invitation;
use wardline_protocol::{AccountId, GroupId};

/// The columns, in any order.
pub const COLUMNS: [&str; 4] = ["handle", "name", "role", "groups"];

/// Rows of one file.
pub const ROWS_MAX: usize = 10_000;

/// What happens with names that are not there yet, and with what is signed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Nothing is signed; the outcome says what would be.
    pub dry_run: bool,
    /// Groups that do not exist are created; otherwise their row is bad, since most are misspelt.
    pub create_groups: bool,
}

/// One person of the file.
#[derive(Clone, PartialEq, Eq)]
pub struct Row {
    /// Where it stands; the heading is line 1.
    pub line: u64,
    /// The short unique name.
    pub handle: String,
    /// The name people read.
    pub name: String,
    /// What the person does, and where.
    pub role: String,
    /// Groups that the account joins. It leaves none.
    pub groups: Vec<String>,
}

/// A row that cannot be signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRow {
    /// Where it stands.
    pub line: u64,
    /// What is wrong with it.
    pub reason: String,
}

/// What a row does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// A new account, with a code.
    Created,
    /// The account is there; its name or role is another.
    Changed,
    /// The account is there and the same.
    Unchanged,
}

/// What became of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowOutcome {
    /// Where it stands.
    pub line: u64,
    /// Whose row.
    pub account_id: AccountId,
    /// What happened.
    pub action: Action,
    /// How many groups the account joined.
    pub joined: usize,
}

/// What an import did, or a dry run would do.
#[derive(Debug, Default)]
pub struct Imported {
    /// Row by row.
    pub rows: Vec<RowOutcome>,
    /// The codes of new accounts; none after a dry run.
    pub invitations: Vec<Invitation>,
    /// Groups that were created.
    pub created_groups: Vec<String>,
    /// Statements that were signed, or would be.
    pub statements: usize,
}

impl Imported {
    /// How many rows did this.
    pub fn count(&self, action: Action) -> usize {
        self.rows.iter().filter(|row| row.action == action).count()
    }
}

/// Reads a CSV file: UTF-8, with a heading, separated by commas or, as spreadsheets in German write it, semicolons. Groups
/// in their field are separated by `|`, or by whichever of `;` and `,` does not separate the columns.
pub fn parse(file: &[u8]) -> Result<Vec<Row>, AdminError> {
    let file = file.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file);
    let heading = file.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let (delimiter, other) = if heading.contains(&b';') { (b';', ',') } else { (b',', ';') };
    let mut reader =
        csv::ReaderBuilder::new().delimiter(delimiter).flexible(true).trim(csv::Trim::All).from_reader(file);
    let unreadable = |error: csv::Error| AdminError::Input(format!("the file does not read as CSV in UTF-8: {error}"));
    let headings = reader.headers().map_err(unreadable)?.clone();
    let column = |name: &str| headings.iter().position(|heading| heading.eq_ignore_ascii_case(name));
    let [Some(handle), Some(name), Some(role), Some(groups)] = COLUMNS.map(column) else {
        return Err(AdminError::Input(format!("the first line must name the columns: {}", COLUMNS.join(","))));
    };
    let mut rows = Vec::new();
    let mut lines = Lines { file, at: 0, line: 1 };
    for record in reader.records() {
        let record = record.map_err(unreadable)?;
        if record.iter().all(str::is_empty) {
            continue;
        }
        if rows.len() == ROWS_MAX {
            return Err(AdminError::Input(format!("more than {ROWS_MAX} rows: split the file")));
        }
        let field = |at: usize| record.get(at).unwrap_or_default().to_owned();
        let line = lines.at(record.position().map_or(0, csv::Position::byte));
        let in_groups = field(groups);
        let in_groups = in_groups.split(['|', other]).map(str::trim).filter(|group| !group.is_empty());
        let in_groups = in_groups.map(str::to_owned).collect();
        rows.push(Row { line, handle: field(handle), name: field(name), role: field(role), groups: in_groups });
    }
    if rows.is_empty() { Err(AdminError::Input("the file has no rows below its heading".into())) } else { Ok(rows) }
}

/// Counts lines as an editor does. The reader's own count stops before the line ends that it is about to skip.
struct Lines<'a> {
    file: &'a [u8],
    at: usize,
    line: u64,
}

impl Lines<'_> {
    /// The line of the record whose reading began at this byte; bytes must not go back.
    fn at(&mut self, byte: u64) -> u64 {
        let begun = usize::try_from(byte).unwrap_or(usize::MAX);
        for (at, byte) in self.file.iter().enumerate().skip(self.at) {
            if at >= begun && !matches!(byte, b'\r' | b'\n') {
                break;
            }
            self.line += u64::from(*byte == b'\n');
            self.at = at + 1;
        }
        self.line
    }
}

enum Stop {
    DryRun(Imported),
    Failed(AdminError),
}

/// Signs what the rows say, or nothing: then the error names every bad row.
pub fn run(hospital: &mut Hospital, rows: &[Row], options: Options, now_ms: u64) -> Result<Imported, AdminError> {
    let outcome = hospital.all_or_none(|hospital| {
        let imported = sign(hospital, rows, options, now_ms).map_err(Stop::Failed)?;
        if options.dry_run { Err(Stop::DryRun(imported)) } else { Ok(imported) }
    });
    match outcome {
        Err(Stop::DryRun(imported)) => Ok(Imported { invitations: Vec::new(), ..imported }),
        Err(Stop::Failed(error)) => Err(error),
        Ok(imported) => Ok(imported),
    }
}

fn sign(hospital: &mut Hospital, rows: &[Row], options: Options, now_ms: u64) -> Result<Imported, AdminError> {
    let before = hospital.statements().len();
    let mut imported = Imported::default();
    let mut bad = Vec::new();
    let mut seen = BTreeMap::new();
    let mut joins: BTreeMap<GroupId, BTreeSet<AccountId>> = BTreeMap::new();
    for row in rows {
        if let Some(line) = seen.insert(&row.handle, row.line) {
            bad.push(BadRow { line: row.line, reason: format!("the handle stands in line {line} already") });
            continue;
        }
        match sign_row(hospital, row, options, now_ms, &mut imported, &mut joins) {
            Ok(()) => {}
            Err(reason) => bad.push(BadRow { line: row.line, reason }),
        }
    }
    if !bad.is_empty() {
        return Err(AdminError::BadRows(bad));
    }
    for (group, accounts) in joins {
        hospital.change_members(group, &accounts.into_iter().collect::<Vec<_>>(), &[], now_ms)?;
    }
    imported.statements = hospital.statements().len() - before;
    Ok(imported)
}

fn sign_row(
    hospital: &mut Hospital,
    row: &Row,
    options: Options,
    now_ms: u64,
    imported: &mut Imported,
    joins: &mut BTreeMap<GroupId, BTreeSet<AccountId>>,
) -> Result<(), String> {
    let say = |refusal: Refusal| refusal.to_string();
    let groups = groups(hospital, row, options, now_ms, imported)?;
    let known = hospital.directory().account_by_handle(&row.handle);
    let person = match known {
        Some(record) => Person { display_name: row.name.clone(), role: row.role.clone(), ..Person::from(record) },
        None => Person::internal(&row.handle, &row.name, &row.role),
    };
    let (account_id, action) = match known.map(|record| (record.account_id, Person::from(record) == person)) {
        Some((account_id, true)) => (account_id, Action::Unchanged),
        Some((account_id, false)) => {
            hospital.change_account(account_id, &person, now_ms).map_err(say)?;
            (account_id, Action::Changed)
        }
        None => {
            let invitation = hospital.add_account(&person, now_ms).map_err(say)?;
            let account_id = invitation.account_id;
            imported.invitations.push(invitation);
            (account_id, Action::Created)
        }
    };
    let mut joined = 0;
    for group_id in groups {
        let is_in = hospital.directory().group(&group_id).is_some_and(|group| group.members.contains(&account_id));
        if !is_in && joins.entry(group_id).or_default().insert(account_id) {
            joined += 1;
        }
    }
    imported.rows.push(RowOutcome { line: row.line, account_id, action, joined });
    Ok(())
}

/// The ids of a row's groups; every name that is not there is told at once.
fn groups(
    hospital: &mut Hospital,
    row: &Row,
    options: Options,
    now_ms: u64,
    imported: &mut Imported,
) -> Result<Vec<GroupId>, String> {
    let (mut ids, mut missing) = (Vec::new(), Vec::new());
    for name in &row.groups {
        match hospital.directory().group_by_name(name).map(|group| group.group_id) {
            Some(id) => ids.push(id),
            None if options.create_groups => {
                ids.push(hospital.add_group(name, now_ms).map_err(|refusal| refusal.to_string())?);
                imported.created_groups.push(name.clone());
            }
            None => missing.push(format!("\"{name}\"")),
        }
    }
    if missing.is_empty() { Ok(ids) } else { Err(format!("no such group: {}", missing.join(", "))) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wardline_directory::key::{OperationalKey, RootKey};

    const NOW_MS: u64 = 1_790_000_000_000;

    fn hospital() -> Hospital {
        let mut hospital =
            Hospital::found(&RootKey::from_seed([1; 32]), OperationalKey::from_seed([2; 32]), NOW_MS).unwrap();
        hospital.add_group("Station 1", NOW_MS).unwrap();
        hospital
    }

    fn import(hospital: &mut Hospital, text: &str, options: Options) -> Result<Imported, AdminError> {
        run(hospital, &parse(text.as_bytes())?, options, NOW_MS)
    }

    fn bad_rows(outcome: Result<Imported, AdminError>) -> Vec<BadRow> {
        match outcome {
            Err(AdminError::BadRows(rows)) => rows,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn people_come_in_with_codes_and_groups() {
        let mut hospital = hospital();
        let text = "handle,name,role,groups\nanna,Anna Ärztin,Oberärztin,Station 1\nboris,\"Boris, Dr.\",Nurse,\n\ncarla,Carla,,Station 1\n";
        let imported = import(&mut hospital, text, Options::default()).unwrap();
        assert_eq!((imported.count(Action::Created), imported.invitations.len()), (3, 3));
        assert_eq!(imported.rows.iter().map(|row| row.line).collect::<Vec<_>>(), [2, 3, 5]);
        assert_eq!(imported.statements, 4, "three accounts and one membership");
        let directory = hospital.directory();
        assert_eq!(directory.account_by_handle("boris").unwrap().display_name, "Boris, Dr.");
        assert_eq!(directory.group_by_name("Station 1").unwrap().members.len(), 2);
        let again = import(&mut hospital, text, Options::default()).unwrap();
        assert_eq!((again.count(Action::Unchanged), again.statements), (3, 0), "a second import changes nothing");
    }

    #[test]
    fn every_bad_row_is_named_and_nothing_is_done() {
        let mut hospital = hospital();
        let text = "handle,name,role,groups\nanna,Anna,,Station 1\nBoris,Boris,,\ncarla,,,\nanna,Anna again,,\ndora,Dora,,Station 9|Keller\n";
        for dry_run in [false, true] {
            let bad = bad_rows(import(&mut hospital, text, Options { dry_run, ..Options::default() }));
            assert_eq!(bad.iter().map(|row| row.line).collect::<Vec<_>>(), [3, 4, 5, 6]);
            assert!(bad[0].reason.contains("a handle is"), "{}", bad[0].reason);
            assert!(bad[1].reason.contains("a name is missing"));
            assert!(bad[2].reason.contains("line 2"));
            assert!(bad[3].reason.contains("\"Station 9\", \"Keller\""));
            assert_eq!(hospital.statements().len(), 2);
            assert!(hospital.directory().account_by_handle("anna").is_none());
        }
    }

    #[test]
    fn a_dry_run_says_the_same_and_signs_nothing() {
        let mut hospital = hospital();
        hospital.add_account(&Person::internal("anna", "Anna Alt", "Nurse"), NOW_MS).unwrap();
        let before = hospital.directory().head_hash();
        let text = "handle,name,role,groups\nanna,Anna Neu,Nurse,Station 1|Station 2\nboris,Boris,,\n";
        let options = Options { dry_run: true, create_groups: true };
        let dry = import(&mut hospital, text, options).unwrap();
        assert_eq!((dry.count(Action::Changed), dry.count(Action::Created)), (1, 1));
        assert_eq!((dry.rows[0].joined, dry.created_groups.as_slice()), (2, &["Station 2".to_owned()][..]));
        assert!(dry.invitations.is_empty(), "a code that opens nothing is not handed out");
        assert_eq!(hospital.directory().head_hash(), before);
        let done = import(&mut hospital, text, Options { dry_run: false, ..options }).unwrap();
        assert_eq!(done.statements, dry.statements);
        let directory = hospital.directory();
        let anna = directory.account_by_handle("anna").unwrap();
        assert_eq!((anna.display_name.as_str(), anna.enrolment_keys.len()), ("Anna Neu", 1), "no second code");
        assert!(directory.group_by_name("Station 2").unwrap().members.contains(&anna.account_id));
    }

    #[test]
    fn spreadsheets_in_german_read_too() {
        let text = "\u{feff}Handle;Name;Role;Groups\r\nanna;Anna, Dr.;Ärztin;Station 1,Station 2\r\n";
        let rows = parse(text.as_bytes()).unwrap();
        assert_eq!((rows[0].line, rows[0].name.as_str()), (2, "Anna, Dr."));
        assert_eq!(rows[0].groups, ["Station 1", "Station 2"]);
    }

    #[test]
    fn lines_are_counted_as_an_editor_does() {
        let text = "handle,name,role,groups\r\n\r\n\r\na,A,,\r\nb,\"B\r\nB\",,\r\n ,,,\r\nc,C,,";
        let rows = parse(text.as_bytes()).unwrap();
        assert_eq!(rows.iter().map(|row| row.line).collect::<Vec<_>>(), [4, 5, 8]);
    }

    #[test]
    fn what_does_not_read_is_said() {
        let says = |bytes: &[u8]| match parse(bytes) {
            Err(error) => error.to_string(),
            Ok(_) => panic!("it read"),
        };
        assert!(says(b"name,role\nAnna,x\n").contains("handle,name,role,groups"));
        assert!(says(b"handle,name,role,groups\n").contains("no rows"));
        assert!(says(b"").contains("columns"));
        assert!(says(b"handle,name,role,groups\nanna,\xc4rztin,,\n").contains("UTF-8"));
        let many = format!("handle,name,role,groups\n{}", "a,b,c,\n".repeat(ROWS_MAX + 1));
        assert!(says(many.as_bytes()).contains("split"));
    }

    #[test]
    fn a_hundred_people_take_one_membership_statement_a_group() {
        let mut hospital = hospital();
        let rows: String = (0..100).map(|n| format!("u{n},User {n},,Station 1\n")).collect();
        let imported = import(&mut hospital, &format!("handle,name,role,groups\n{rows}"), Options::default()).unwrap();
        assert_eq!((imported.count(Action::Created), imported.statements), (100, 101));
    }
}
