//! The program that the storage layer is tried on: writes as told by its input, says when it is done, waits to be killed.
use anyhow::{Context as _, Result, bail};
use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead as _, Write as _};
use std::path::PathBuf;

/// One command a line: `write FILE TEXT` (appends), `cut FILE BYTES`, `sync FILE`, `syncdir`, `rename FROM TO`, `remove FILE`,
/// `sql MODE ROWS` (MODE is FULL or OFF). Files are below the folder given as argument. Each is answered by `done`.
fn main() -> Result<()> {
    let folder = PathBuf::from(std::env::args_os().nth(1).context("usage: unsynced-writer FOLDER")?);
    let mut open: HashMap<String, File> = HashMap::new();
    let mut output = std::io::stdout();
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        match line.split(' ').collect::<Vec<_>>().as_slice() {
            ["write", name, text] => file(&mut open, &folder, name)?.write_all(text.as_bytes())?,
            ["cut", name, bytes] => file(&mut open, &folder, name)?.set_len(bytes.parse()?)?,
            ["sync", name] => file(&mut open, &folder, name)?.sync_data()?,
            ["syncdir"] => File::open(&folder)?.sync_all()?,
            ["rename", from, to] => fs::rename(folder.join(from), folder.join(to))?,
            ["remove", name] => fs::remove_file(folder.join(name))?,
            ["copy", from, to] => fs::copy(folder.join(from), folder.join(to)).map(|_| ())?,
            ["sql", mode, rows] => insert(&folder, mode, rows.parse()?)?,
            _ => bail!("no such command: {line}"),
        }
        writeln!(output, "done")?;
        output.flush()?;
    }
    Ok(())
}

fn file<'a>(open: &'a mut HashMap<String, File>, folder: &std::path::Path, name: &str) -> Result<&'a mut File> {
    if !open.contains_key(name) {
        let file = OpenOptions::new().create(true).append(true).open(folder.join(name))?;
        open.insert(name.to_owned(), file);
    }
    open.get_mut(name).context("just inserted")
}

/// Commits `rows` transactions of one row each, and leaves the database open in the end, as a killed node does.
fn insert(folder: &std::path::Path, mode: &str, rows: u32) -> Result<()> {
    let synchronous = if mode == "FULL" { SqliteSynchronous::Full } else { SqliteSynchronous::Off };
    let options = SqliteConnectOptions::new()
        .filename(folder.join("test.sqlite"))
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(synchronous);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut connection = SqliteConnection::connect_with(&options).await?;
        sqlx::query("CREATE TABLE IF NOT EXISTS entry (seq INTEGER PRIMARY KEY)").execute(&mut connection).await?;
        for _ in 0..rows {
            sqlx::query("INSERT INTO entry DEFAULT VALUES").execute(&mut connection).await?;
        }
        std::mem::forget(connection); // closing would make a checkpoint
        anyhow::Ok(())
    })?;
    std::mem::forget(runtime);
    Ok(())
}
