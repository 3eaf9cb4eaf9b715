//! Programs as children of a test: found where cargo built them, bounded in time, ended with the test.
use crate::workspace;
use anyhow::{Context as _, Result, bail};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// Where a built program of the workspace is. Errors with what to do when it is not built.
pub fn path(name: &str) -> Result<PathBuf> {
    let path = workspace::built()?.join(name);
    anyhow::ensure!(path.is_file(), "{} is not built: run `make build`", path.display());
    Ok(path)
}

/// A running child whose standard output is read line by line. Dropped, it is killed.
pub struct Program {
    child: Child,
    lines: Receiver<String>,
    name: String,
}

impl Program {
    /// Starts a command.
    pub fn start(command: &mut Command) -> Result<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        let mut child = command.stdout(Stdio::piped()).spawn().with_context(|| format!("starting {name}"))?;
        let output = child.stdout.take().context("a piped standard output")?;
        let (send, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if send.send(line).is_err() {
                    break;
                }
            }
        });
        Ok(Self { child, lines, name })
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The next line of its output. Errors when it ends or says nothing for `bound`.
    pub fn line(&self, bound: Duration) -> Result<String> {
        self.lines.recv_timeout(bound).map_err(|error| match error {
            RecvTimeoutError::Timeout => anyhow::anyhow!("{} said nothing for {bound:?}", self.name),
            RecvTimeoutError::Disconnected => anyhow::anyhow!("{} ended", self.name),
        })
    }

    /// Reads on until a line for which `wanted` gives something.
    pub fn line_with<T>(&self, bound: Duration, mut wanted: impl FnMut(&str) -> Option<T>) -> Result<T> {
        let until = Instant::now() + bound;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if let Some(found) = wanted(&self.line(left)?) {
                return Ok(found);
            }
        }
    }

    /// What it has said and nobody has read yet.
    pub fn lines_left(&self) -> Vec<String> {
        self.lines.try_iter().collect()
    }

    /// Ends it at once (SIGKILL), as a power cut does, and gives what it had still said.
    pub fn kill(mut self) -> Result<Vec<String>> {
        self.child.kill().with_context(|| format!("killing {}", self.name))?;
        self.child.wait().with_context(|| format!("waiting for {}", self.name))?;
        Ok(self.lines.iter().collect())
    }

    /// Asks it to end, as Ctrl-C does.
    pub fn interrupt(&self) -> Result<()> {
        let status = Command::new("kill").args(["-INT", &self.id().to_string()]).status().context("running kill")?;
        anyhow::ensure!(status.success(), "{} cannot be interrupted", self.name);
        Ok(())
    }

    /// Waits until it ends by itself.
    pub fn wait(mut self, bound: Duration) -> Result<(ExitStatus, Vec<String>)> {
        let until = Instant::now() + bound;
        let mut said = Vec::new();
        // Its output is closed when it ends, so waiting for lines is waiting for the end.
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => said.push(line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => bail!("{} was still running after {bound:?}", self.name),
            }
        }
        let status = self.child.wait().with_context(|| format!("waiting for {}", self.name))?;
        Ok((status, said))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until a file exists and holds whole JSON, as ready files do.
pub fn ready_file(path: &Path, bound: Duration) -> Result<serde_json::Value> {
    let until = Instant::now() + bound;
    loop {
        if let Some(value) = std::fs::read(path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()) {
            return Ok(value);
        }
        anyhow::ensure!(Instant::now() < until, "{} was not written within {bound:?}", path.display());
        std::thread::sleep(Duration::from_millis(10)); // bounded: by `until`
    }
}
