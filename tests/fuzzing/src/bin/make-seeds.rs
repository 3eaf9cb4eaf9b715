//! Writes the seeds: `make fuzz-seeds`. Those of groups differ each time, because MLS draws its own randomness.
use std::path::PathBuf;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let folder = PathBuf::from(env::args_os().nth(1).unwrap_or_else(|| "fuzz/seeds".into()));
    for (number, (target, name, bytes)) in wardline_fuzzing::seeds::all().into_iter().enumerate() {
        let place = folder.join(target);
        fs::create_dir_all(&place)?;
        fs::write(place.join(format!("{number:02}-{name}")), bytes)?;
    }
    Ok(())
}
