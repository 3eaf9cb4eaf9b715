//! Where the passphrase and the printed recovery come from: a file, the environment, or the terminal without echo.
use crate::admin::AdminError;
use crate::admin::vault::Passphrase;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The environment's name for it, for unattended use.
pub const PASSPHRASE_VARIABLE: &str = "WARDLINE_PASSPHRASE";

const TERMINAL: &str = "/dev/tty";

/// The passphrase; `new` asks twice at a terminal.
pub fn passphrase(file: Option<&Path>, new: bool) -> Result<Passphrase, AdminError> {
    if let Some(path) = file {
        return Ok(Passphrase::new(first_line(path)?.as_str()));
    }
    if let Ok(text) = std::env::var(PASSPHRASE_VARIABLE) {
        return Ok(Passphrase::new(text));
    }
    let mut terminal = Terminal::open()?;
    let passphrase = Passphrase::new(terminal.ask("Passphrase of the hospital's keys: ")?.as_str());
    if new && passphrase != Passphrase::new(terminal.ask("The same again: ")?.as_str()) {
        return Err(AdminError::Input("the two passphrases are different: start again".into()));
    }
    Ok(passphrase)
}

/// The printed recovery.
pub fn recovery(file: Option<&Path>) -> Result<Zeroizing<String>, AdminError> {
    match file {
        Some(path) => std::fs::read_to_string(path).map(Zeroizing::new).map_err(AdminError::file(path)),
        None => Terminal::open()?.ask("The 14 groups of the printed recovery: "),
    }
}

fn first_line(path: &Path) -> Result<Zeroizing<String>, AdminError> {
    let text = std::fs::read_to_string(path).map(Zeroizing::new).map_err(AdminError::file(path))?;
    Ok(Zeroizing::new(text.lines().next().unwrap_or_default().to_owned()))
}

/// The terminal, whatever standard input and output are.
struct Terminal {
    reader: BufReader<File>,
    writer: File,
}

impl Terminal {
    fn open() -> Result<Self, AdminError> {
        let opened = || {
            let writer = OpenOptions::new().read(true).write(true).open(TERMINAL)?;
            Ok(Self { reader: BufReader::new(writer.try_clone()?), writer })
        };
        opened().map_err(|_: io::Error| {
            AdminError::Input(format!("no terminal to ask at: give --passphrase-file or {PASSPHRASE_VARIABLE}"))
        })
    }

    fn ask(&mut self, question: &str) -> Result<Zeroizing<String>, AdminError> {
        let failed = |source: io::Error| AdminError::File { path: PathBuf::from(TERMINAL), source };
        let mut answer = Zeroizing::new(String::new());
        write!(self.writer, "{question}").map_err(failed)?;
        let silence = Silence::begin(&self.writer).map_err(failed)?;
        let read = self.reader.read_line(&mut answer);
        drop(silence);
        writeln!(self.writer).map_err(failed)?;
        match read {
            Ok(0) => Err(AdminError::Input("nothing was typed".into())),
            Ok(_) => Ok(answer),
            Err(error) => Err(failed(error)),
        }
    }
}

/// No echo until it is dropped.
struct Silence {
    terminal: File,
    before: Termios,
}

impl Silence {
    fn begin(terminal: &File) -> io::Result<Self> {
        let terminal = terminal.try_clone()?;
        let before = tcgetattr(&terminal)?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        tcsetattr(&terminal, OptionalActions::Flush, &silent)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        // Nothing better can be done when the terminal has gone away.
        let _ = tcsetattr(&self.terminal, OptionalActions::Flush, &self.before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_files_first_line_is_the_passphrase() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "correct horse battery\nsecond line\n").unwrap();
        assert!(passphrase(Some(file.path()), true).unwrap() == Passphrase::new("correct horse battery"));
        assert!(passphrase(Some(Path::new("/nonexistent")), false).is_err());
    }
}
