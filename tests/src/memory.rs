//! The memory of another process, as whoever took over the machine would read it.
use anyhow::{Context as _, Result};
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};

/// Bytes read at a time.
const PART_BYTES: usize = 4 << 20;

/// One readable area of a process.
struct Area {
    start: u64,
    end: u64,
    name: String,
}

/// Reads every readable, writable or private area of the process and hands it over in parts: the area's name, the address, the bytes. Parts of
/// one area overlap by `overlap` bytes, so that nothing is cut in two. Needs root, or to be the parent under a permissive
/// `ptrace_scope`. Gives how many bytes it read.
pub fn walk(pid: u32, overlap: usize, mut each: impl FnMut(&str, u64, &[u8])) -> Result<u64> {
    let maps =
        std::fs::read_to_string(format!("/proc/{pid}/maps")).with_context(|| format!("maps of process {pid}"))?;
    let mut memory = File::open(format!("/proc/{pid}/mem")).with_context(|| format!("memory of process {pid}"))?;
    let mut buffer = vec![0; PART_BYTES];
    let mut read_bytes = 0;
    for area in maps.lines().filter_map(area) {
        let mut at = area.start;
        while at < area.end {
            let want = usize::try_from(area.end - at).unwrap_or(PART_BYTES).min(PART_BYTES);
            let part = buffer.get_mut(..want).unwrap_or_default();
            // Areas vanish while the process runs, and guard pages cannot be read: neither holds anything to find.
            if memory.seek(SeekFrom::Start(at)).and_then(|_| memory.read_exact(part)).is_err() {
                break;
            }
            each(&area.name, at, part);
            read_bytes += want as u64;
            if at + want as u64 >= area.end {
                break;
            }
            at += (want - overlap.min(want / 2)) as u64;
        }
    }
    Ok(read_bytes)
}

fn area(line: &str) -> Option<Area> {
    let mut fields = line.split_whitespace();
    let (start, end) = fields.next()?.split_once('-')?;
    let permissions = fields.next()?;
    let name = fields.nth(3).unwrap_or("anonymous").to_owned();
    // The kernel's own pages are neither the program's nor readable.
    let readable = permissions.starts_with('r') && !matches!(name.as_str(), "[vvar]" | "[vsyscall]" | "[vvar_vclock]");
    let (start, end) = (u64::from_str_radix(start, 16).ok()?, u64::from_str_radix(end, 16).ok()?);
    readable.then_some(Area { start, end, name })
}
