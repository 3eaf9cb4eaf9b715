//! The repository as the tests see it.
use anyhow::{Context as _, Result};
use std::path::{Path, PathBuf};

/// The folder that holds the workspace.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."))
}

/// Where cargo puts programs of this profile: beside the folder of the running test.
pub fn built() -> Result<PathBuf> {
    let own = std::env::current_exe().context("the path of the running test")?;
    let folder = own.ancestors().nth(2).context("a test runs from a target directory")?;
    Ok(folder.to_owned())
}

/// Every file that is in the repository or could be added to it, as paths from the root: what git tracks and does not ignore.
pub fn files() -> Result<Vec<PathBuf>> {
    let listed = std::process::Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard", "-z"])
        .current_dir(root())
        .output()
        .context("git ls-files")?;
    anyhow::ensure!(listed.status.success(), "git ls-files: {}", String::from_utf8_lossy(&listed.stderr));
    let text = String::from_utf8(listed.stdout).context("file names in UTF-8")?;
    let mut files: Vec<PathBuf> = text
        .split('\0')
        .filter(|name| !name.is_empty())
        .map(PathBuf::from)
        .filter(|f| root().join(f).is_file())
        .collect();
    files.sort();
    files.dedup();
    Ok(files)
}

/// The text of a file, or `None` when it is not UTF-8.
pub fn text(file: &Path) -> Option<String> {
    std::fs::read_to_string(root().join(file)).ok()
}
