//! A data directory on the storage layer that forgets what was not synced (`tests/faults/unsynced`, which states the model).
use crate::workspace;
use anyhow::{Context as _, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// One such directory and its shadow.
pub struct Disk {
    root: PathBuf,
    shadow: PathBuf,
    library: PathBuf,
}

impl Disk {
    /// A disk whose files are in `folder/data` and whose shadow is in `folder/shadow`. Builds the layer when it is not built.
    pub fn new(folder: &Path) -> Result<Self> {
        let root = folder.join("data");
        fs::create_dir_all(&root).context("the data directory")?;
        Ok(Self { root: root.canonicalize()?, shadow: folder.join("shadow"), library: library()? })
    }

    /// Where the program under test keeps its files.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Makes a command run on this disk.
    pub fn mount<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command.env("LD_PRELOAD", &self.library).env("UNSYNCED_ROOT", &self.root).env("UNSYNCED_SHADOW", &self.shadow)
    }

    /// What a power cut leaves: the synced files take the place of the data directory. The program must be dead.
    pub fn lose_power(&self) -> Result<()> {
        fs::remove_dir_all(&self.root).context("removing what was not synced")?;
        copy(&self.shadow.join("tree"), &self.root)
    }

    /// A copy of what is durable now, for [`Disk::go_back_to`].
    pub fn remember(&self, folder: &Path) -> Result<PathBuf> {
        copy(&self.shadow.join("tree"), folder)?;
        Ok(folder.to_owned())
    }

    /// A disk that lies: what it held earlier takes the place of what it had confirmed since. The program must be dead.
    pub fn go_back_to(&self, earlier: &Path) -> Result<()> {
        fs::remove_dir_all(&self.shadow)?;
        fs::remove_dir_all(&self.root)?;
        copy(earlier, &self.root)
    }
}

fn library() -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = workspace::built()?;
    let target = built.parent().context("a profile is a folder of the target directory")?;
    let output = Command::new(cargo)
        .args(["build", "--quiet", "-p", "wardline-unsynced", "--target-dir"])
        .arg(target)
        .current_dir(workspace::root())
        .output()
        .context("cargo build -p wardline-unsynced")?;
    anyhow::ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(target.join("debug").join("libwardline_unsynced.so"))
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).with_context(|| format!("reading {}", from.display()))? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target).with_context(|| format!("copying to {}", target.display()))?;
        }
    }
    Ok(())
}
