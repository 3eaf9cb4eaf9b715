//! The programs as people and scripts use them: arguments in, JSON lines out.
use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use wardline_tests::program::{self, Program};

/// Bound of one command, a slow machine and a key derivation included.
pub const COMMAND_MAX: Duration = Duration::from_secs(60);

/// A device that is used by `wardline-client`, in a directory of its own.
pub struct Client {
    directory: PathBuf,
}

impl Client {
    /// Its state will be in `folder/name`.
    pub fn new(folder: &Path, name: &str) -> Self {
        Self { directory: folder.join(name) }
    }

    /// Runs a command to its end, which is good, and gives what it said.
    pub fn run(&self, words: &[&str]) -> Result<Vec<Value>> {
        let (good, said) = finish(self.start(words)?)?;
        ensure!(good, "wardline-client {words:?}: {said:?}");
        Ok(said)
    }

    /// Runs a command that must fail, and gives the last thing it said: why.
    pub fn refused(&self, words: &[&str]) -> Result<String> {
        let (good, said) = finish(self.start(words)?)?;
        ensure!(!good, "wardline-client {words:?} was allowed: {said:?}");
        Ok(said.last().context("no word of why")?["message"].as_str().context("an error's message")?.to_owned())
    }

    /// Starts a command that goes on.
    pub fn start(&self, words: &[&str]) -> Result<Program> {
        let mut command = Command::new(program::path("wardline-client")?);
        command.arg("--dir").arg(&self.directory).arg("--json").args(words).stdin(Stdio::null());
        Program::start(&mut command)
    }

    /// Starts to listen for messages, and gives the program once it is level with the node.
    pub fn listen(&self, words: &[&str]) -> Result<Program> {
        let listening = self.start(&[&["chat", "listen"], words].concat())?;
        wait_for(&listening, "ready")?;
        Ok(listening)
    }
}

/// Waits for a program's end. Gives whether it was good, and everything it said.
pub fn finish(program: Program) -> Result<(bool, Vec<Value>)> {
    let (status, said) = program.wait(COMMAND_MAX)?;
    let said = said.iter().map(|line| serde_json::from_str(line).with_context(|| format!("not JSON: {line}")));
    Ok((status.success(), said.collect::<Result<_>>()?))
}

/// Waits until a running program tells of an event.
pub fn wait_for(program: &Program, event: &str) -> Result<Value> {
    let wanted = |line: &str| serde_json::from_str::<Value>(line).ok().filter(|said| said["event"] == event);
    program.line_with(COMMAND_MAX, wanted).with_context(|| format!("waiting for {event}"))
}

/// Waits for the good end of a listening program, and gives the texts it showed, each with who wrote it.
pub fn texts(listening: Program) -> Result<Vec<(String, String)>> {
    let (good, said) = finish(listening)?;
    ensure!(good, "listening failed: {said:?}");
    let messages = said.iter().filter(|said| said["event"] == "message");
    messages.map(|message| Ok((field(message, "from")?, field(message, "text")?))).collect()
}

/// A text in what a program said.
pub fn field(said: &Value, key: &str) -> Result<String> {
    Ok(said[key].as_str().with_context(|| format!("no {key} in {said}"))?.to_owned())
}

/// The one event of this kind.
pub fn one<'s>(said: &'s [Value], event: &str) -> Result<&'s Value> {
    let mut found = said.iter().filter(|said| said["event"] == event);
    let one = found.next().with_context(|| format!("no {event} in {said:?}"))?;
    ensure!(found.next().is_none(), "{event} was said twice: {said:?}");
    Ok(one)
}
