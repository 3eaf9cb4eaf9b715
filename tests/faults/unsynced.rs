//! The storage layer itself: it keeps what was synced and forgets the rest, so that it can fail a program that forgets to sync.
use anyhow::Result;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;
use wardline_tests::program::Program;
use wardline_tests::unsynced::Disk;

/// Runs the commands, kills the writer, cuts the power.
fn after_power_cut(commands: &[&str]) -> Result<(tempfile::TempDir, Disk)> {
    let folder = tempfile::tempdir()?;
    let disk = Disk::new(folder.path())?;
    run(&disk, commands)?;
    disk.lose_power()?;
    Ok((folder, disk))
}

fn run(disk: &Disk, commands: &[&str]) -> Result<()> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_unsynced-writer"));
    let (reader, mut writer) = std::io::pipe()?;
    disk.mount(&mut command).arg(disk.root()).stdin(Stdio::from(reader));
    let program = Program::start(&mut command)?;
    for line in commands {
        writeln!(writer, "{line}")?;
        assert_eq!(program.line(Duration::from_secs(20))?, "done", "{line}");
    }
    program.kill()?;
    Ok(())
}

fn content(disk: &Disk, name: &str) -> Option<String> {
    std::fs::read_to_string(disk.root().join(name)).ok()
}

#[test]
fn what_was_synced_is_there_and_what_was_not_is_gone() -> Result<()> {
    let (_folder, disk) =
        after_power_cut(&["write log one", "sync log", "write log two", "write other three", "syncdir"])?;
    assert_eq!(content(&disk, "log").as_deref(), Some("one"));
    assert_eq!(
        content(&disk, "other").as_deref(),
        Some(""),
        "the name was synced with its directory, the content was not"
    );
    let (_folder, disk) = after_power_cut(&["write log one"])?;
    assert_eq!(content(&disk, "log"), None);
    Ok(())
}

#[test]
fn a_cut_file_comes_back_longer_unless_synced() -> Result<()> {
    let (_folder, disk) = after_power_cut(&["write log abcdef", "sync log", "cut log 2"])?;
    assert_eq!(content(&disk, "log").as_deref(), Some("abcdef"));
    let (_folder, disk) = after_power_cut(&["write log abcdef", "sync log", "cut log 2", "write log xy", "sync log"])?;
    assert_eq!(content(&disk, "log").as_deref(), Some("abxy"));
    // What lay behind the cut does not shine through when the file grows again without being written.
    let (_folder, disk) = after_power_cut(&["write log abcdef", "sync log", "cut log 2", "cut log 6", "sync log"])?;
    assert_eq!(content(&disk, "log").as_deref(), Some("ab\0\0\0\0"));
    Ok(())
}

#[test]
fn names_last_when_their_directory_is_synced() -> Result<()> {
    let replace = ["write key old", "sync key", "write key.new new", "sync key.new", "rename key.new key"];
    let (_folder, disk) = after_power_cut(&replace)?;
    assert_eq!((content(&disk, "key").as_deref(), content(&disk, "key.new").as_deref()), (Some("old"), Some("new")));
    let (_folder, disk) = after_power_cut(&[&replace[..], &["syncdir"]].concat())?;
    assert_eq!((content(&disk, "key").as_deref(), content(&disk, "key.new")), (Some("new"), None));
    let (_folder, disk) = after_power_cut(&["write a 1", "sync a", "remove a"])?;
    assert_eq!(content(&disk, "a").as_deref(), Some("1"));
    let (_folder, disk) = after_power_cut(&["write a 1", "sync a", "remove a", "syncdir"])?;
    assert_eq!(content(&disk, "a"), None);
    Ok(())
}

#[test]
fn a_copy_by_the_kernel_is_not_durable_by_itself() -> Result<()> {
    let (_folder, disk) = after_power_cut(&["write a 1", "sync a", "copy a b", "syncdir"])?;
    assert_eq!(content(&disk, "b").as_deref(), Some(""));
    let (_folder, disk) = after_power_cut(&["write a 1", "sync a", "copy a b", "sync b"])?;
    assert_eq!(content(&disk, "b").as_deref(), Some("1"));
    Ok(())
}

#[test]
fn a_second_run_goes_on_from_what_is_left() -> Result<()> {
    let (_folder, disk) = after_power_cut(&["write log one", "sync log", "write log lost"])?;
    run(&disk, &["write log two", "sync log", "write log lost"])?;
    disk.lose_power()?;
    assert_eq!(content(&disk, "log").as_deref(), Some("onetwo"));
    Ok(())
}

/// The layer must pass a database that syncs and fail one that does not: otherwise it proves nothing about the node.
#[test]
fn sqlite_keeps_its_commits_only_when_it_syncs() -> Result<()> {
    let (_folder, disk) = after_power_cut(&["sql FULL 300"])?;
    assert_eq!(rows(disk.root())?, Some(300));
    let (_folder, disk) = after_power_cut(&["sql OFF 300"])?;
    assert_ne!(rows(disk.root())?, Some(300));
    let (_folder, disk) = after_power_cut(&["sql FULL 100", "sql OFF 200"])?;
    let left = rows(disk.root())?;
    assert!(matches!(left, Some(100..300)), "what was synced first survives, later commits do not all: {left:?}");
    Ok(())
}

/// Rows in the database, `None` when there is no such table.
fn rows(folder: &Path) -> Result<Option<i64>> {
    use sqlx::Connection as _;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(folder.join("test.sqlite"));
        let Ok(mut connection) = sqlx::SqliteConnection::connect_with(&options).await else { return Ok(None) };
        let check: String = sqlx::query_scalar("PRAGMA integrity_check").fetch_one(&mut connection).await?;
        anyhow::ensure!(check == "ok", "{check}");
        Ok(sqlx::query_scalar("SELECT count(*) FROM entry").fetch_one(&mut connection).await.ok())
    })
}
