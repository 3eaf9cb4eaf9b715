//! Each watched call: does the real call, then tells the layer.
//!
//! One lock is held over both, so that what a sync finds written is what was written before it. Calls that the layer makes itself pass
//! straight through. A failure of the layer ends the program: a test on a broken layer would prove nothing.
use crate::layer::{How, Layer, path_of_descriptor};
use crate::real;
use libc::{c_char, c_int, c_uint, c_void, mode_t, off64_t, size_t, ssize_t};
use std::cell::Cell;
use std::ffi::{CStr, OsStr};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, PoisonError};

thread_local! {
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

static LAYER: LazyLock<Option<Mutex<Layer>>> = LazyLock::new(|| {
    let root = std::env::var_os("UNSYNCED_ROOT")?;
    let shadow = std::env::var_os("UNSYNCED_SHADOW")?;
    Some(Mutex::new(or_end("start", Layer::new(root.as_ref(), shadow.as_ref()))))
});

/// Runs `work` with the layer. `None` when there is no layer, the layer itself is calling, or the call is none of its business: then
/// the caller does the plain call, outside the lock, because it may block.
fn with_layer<T>(work: impl FnOnce(&mut Layer) -> Option<T>) -> Option<T> {
    if INSIDE.get() {
        return None;
    }
    INSIDE.set(true);
    let layer = LAYER.as_ref();
    let result = layer.and_then(|layer| work(&mut layer.lock().unwrap_or_else(PoisonError::into_inner)));
    INSIDE.set(false);
    result
}

fn or_end<T>(doing: &str, result: io::Result<T>) -> T {
    result.unwrap_or_else(|error| end(&format!("{doing}: {error}")))
}

fn end(why: &str) -> ! {
    eprintln!("unsynced: {why}");
    std::process::abort()
}

/// The absolute path of an argument. Its directory is resolved, its last part is not.
///
/// # Safety
/// `path` is a NUL-terminated string.
unsafe fn absolute(directory: c_int, path: *const c_char) -> Option<PathBuf> {
    if path.is_null() {
        return None;
    }
    // SAFETY: by the caller, and not null.
    let given = Path::new(OsStr::from_bytes(unsafe { CStr::from_ptr(path) }.to_bytes()));
    let base = match directory {
        _ if given.is_absolute() => PathBuf::new(),
        libc::AT_FDCWD => std::env::current_dir().ok()?,
        directory => path_of_descriptor(directory).ok()?,
    };
    let joined = base.join(given);
    Some(joined.parent()?.canonicalize().ok()?.join(joined.file_name()?))
}

/// # Safety
/// `path` is a NUL-terminated string.
pub unsafe fn open_watched(directory: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    // SAFETY: by the caller.
    let call = || unsafe { real::openat(directory, path, flags, mode) };
    let opened = with_layer(|layer| {
        // SAFETY: by the caller.
        let path = unsafe { absolute(directory, path) }.filter(|path| layer.covers(path))?;
        let existed = path.exists();
        let fd = call();
        if let (true, Some(status)) = (fd >= 0, real::status(fd))
            && status.is_file
        {
            let how = How {
                created: !existed,
                truncated: flags & libc::O_TRUNC != 0,
                sync_each_write: flags & libc::O_DSYNC != 0, // O_SYNC has this bit too
            };
            or_end("open", layer.opened(&path, status.key, how));
        }
        Some(fd)
    });
    opened.unwrap_or_else(call)
}

/// Does one write and tells the layer which bytes it wrote. `offset` is `None` for the descriptor's own position.
pub fn write_watched(fd: c_int, offset: Option<off64_t>, write: impl Fn() -> ssize_t) -> ssize_t {
    let written = with_layer(|layer| {
        let key = real::status(fd).filter(|status| layer.knows(status.key))?.key;
        let count = write();
        if let Ok(length) = u64::try_from(count) {
            let start = match offset {
                Some(offset) => u64::try_from(offset).unwrap_or(0),
                None => real::position(fd).saturating_sub(length),
            };
            if layer.wrote(key, start, start + length)
                && let Some(status) = real::status(fd)
            {
                or_end("write", layer.synced(fd, &status));
            }
        }
        Some(count)
    });
    written.unwrap_or_else(write)
}

pub fn resize_watched(fd: c_int, length: off64_t) -> c_int {
    let resized = with_layer(|layer| {
        let key = real::status(fd).filter(|status| layer.knows(status.key))?.key;
        let result = real::ftruncate(fd, length);
        if let (0, Ok(length)) = (result, u64::try_from(length)) {
            layer.resized(key, length);
        }
        Some(result)
    });
    resized.unwrap_or_else(|| real::ftruncate(fd, length))
}

pub fn sync_watched(fd: c_int, data_only: bool) -> c_int {
    let synced = with_layer(|layer| {
        let status = real::status(fd).filter(|status| status.is_directory || layer.knows(status.key))?;
        let result = real::sync(fd, data_only);
        if result == 0 {
            or_end("sync", layer.synced(fd, &status));
        }
        Some(result)
    });
    synced.unwrap_or_else(|| real::sync(fd, data_only))
}

pub fn sync_everything() {
    with_layer(|layer| {
        or_end("sync", layer.synced_all());
        Some(())
    });
}

/// # Safety
/// Both paths are NUL-terminated strings.
pub unsafe fn rename_watched(
    from_directory: c_int,
    from: *const c_char,
    to_directory: c_int,
    to: *const c_char,
    flags: c_uint,
) -> c_int {
    // SAFETY: by the caller.
    let call = || unsafe { real::renameat2(from_directory, from, to_directory, to, flags) };
    let renamed = with_layer(|layer| {
        // SAFETY: by the caller.
        let paths = unsafe { absolute(from_directory, from).zip(absolute(to_directory, to)) };
        let (source, target) = paths.filter(|(a, b)| layer.covers(a) || layer.covers(b))?;
        if !layer.covers(&source) || !layer.covers(&target) || source.is_dir() || flags & libc::RENAME_EXCHANGE != 0 {
            end("a rename into or out of the watched directory, of a directory, or an exchange is not modelled");
        }
        let key = or_end("rename", layer.about_to_change(&source));
        let result = call();
        if let (0, Some(key)) = (result, key) {
            layer.renamed(&source, &target, key);
        }
        Some(result)
    });
    renamed.unwrap_or_else(call)
}

/// # Safety
/// `path` is a NUL-terminated string.
pub unsafe fn unlink_watched(directory: c_int, path: *const c_char, flags: c_int) -> c_int {
    // SAFETY: by the caller.
    let call = || unsafe { real::unlinkat(directory, path, flags) };
    let removed = with_layer(|layer| {
        // SAFETY: by the caller.
        let named = unsafe { absolute(directory, path) }.filter(|path| layer.covers(path))?;
        if flags & libc::AT_REMOVEDIR != 0 {
            return None;
        }
        let key = or_end("unlink", layer.about_to_change(&named));
        let result = call();
        if let (0, Some(key)) = (result, key) {
            layer.removed(&named, key);
        }
        Some(result)
    });
    removed.unwrap_or_else(call)
}

/// Ends the program when a call that is not modelled concerns a watched path.
///
/// # Safety
/// `path` is a NUL-terminated string.
pub unsafe fn refuse(directory: c_int, path: *const c_char, what: &str) {
    with_layer(|layer| {
        // SAFETY: by the caller.
        let target = unsafe { absolute(directory, path) };
        target.filter(|path| layer.covers(path)).map(|_| end(what))
    });
}

pub fn is_watched(fd: c_int) -> bool {
    with_layer(|layer| real::status(fd).filter(|status| layer.knows(status.key))).is_some()
}

/// # Safety
/// As `mmap(2)`.
pub unsafe fn map_watched(
    address: *mut c_void,
    length: size_t,
    protection: c_int,
    flags: c_int,
    fd: c_int,
    offset: off64_t,
) -> *mut c_void {
    if fd >= 0 && protection & libc::PROT_WRITE != 0 && flags & libc::MAP_SHARED != 0 {
        with_layer(|layer| {
            let path = layer.path_of(real::status(fd)?.key)?;
            if !path.to_string_lossy().ends_with("-shm") {
                end("a writable shared map of a watched file is not modelled");
            }
            Some(())
        });
    }
    // SAFETY: by the caller.
    unsafe { real::mmap(address, length, protection, flags, fd, offset) }
}
