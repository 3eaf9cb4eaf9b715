//! The calls as the kernel has them. They go through `syscall(2)`, so that they can never end in our own exports.
use libc::{c_char, c_int, c_long, c_void, iovec, mode_t, off64_t, size_t, ssize_t};
use std::mem::MaybeUninit;

/// What a descriptor is open on.
pub struct Status {
    /// Device and inode.
    pub key: (u64, u64),
    /// Whether it is a regular file.
    pub is_file: bool,
    /// Whether it is a directory.
    pub is_directory: bool,
    /// Length in bytes.
    pub length: u64,
}

/// `fstat`; `None` when the descriptor is not open.
pub fn status(fd: c_int) -> Option<Status> {
    let mut stat = MaybeUninit::<libc::stat64>::uninit();
    // SAFETY: the buffer has the type that fstat64 fills, and is read only when the call says that it filled it.
    let stat = unsafe {
        if libc::fstat64(fd, stat.as_mut_ptr()) != 0 {
            return None;
        }
        stat.assume_init()
    };
    Some(Status {
        key: (stat.st_dev, stat.st_ino),
        is_file: stat.st_mode & libc::S_IFMT == libc::S_IFREG,
        is_directory: stat.st_mode & libc::S_IFMT == libc::S_IFDIR,
        length: u64::try_from(stat.st_size).unwrap_or(0),
    })
}

/// The current position of a descriptor, in bytes.
pub fn position(fd: c_int) -> u64 {
    // SAFETY: lseek takes no pointers.
    let position = unsafe { libc::syscall(libc::SYS_lseek, fd, 0 as off64_t, libc::SEEK_CUR) };
    u64::try_from(position).unwrap_or(0)
}

/// # Safety
/// `path` is a NUL-terminated string.
pub unsafe fn openat(directory: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    // SAFETY: by the caller.
    unsafe { libc::syscall(libc::SYS_openat, directory, path, flags | libc::O_LARGEFILE, mode) as c_int }
}

/// # Safety
/// `buffer` holds `count` bytes.
pub unsafe fn write(fd: c_int, buffer: *const c_void, count: size_t) -> ssize_t {
    // SAFETY: by the caller.
    unsafe { libc::syscall(libc::SYS_write, fd, buffer, count) as ssize_t }
}

/// # Safety
/// `buffer` holds `count` bytes.
pub unsafe fn pwrite(fd: c_int, buffer: *const c_void, count: size_t, offset: off64_t) -> ssize_t {
    // SAFETY: by the caller.
    unsafe { libc::syscall(libc::SYS_pwrite64, fd, buffer, count, offset) as ssize_t }
}

/// # Safety
/// `vectors` points to `count` valid vectors.
pub unsafe fn writev(fd: c_int, vectors: *const iovec, count: c_int) -> ssize_t {
    // SAFETY: by the caller.
    unsafe { libc::syscall(libc::SYS_writev, fd, vectors, count) as ssize_t }
}

/// # Safety
/// `vectors` points to `count` valid vectors.
pub unsafe fn pwritev(fd: c_int, vectors: *const iovec, count: c_int, offset: off64_t) -> ssize_t {
    // SAFETY: by the caller. The kernel takes the offset in two halves and ignores the upper one on 64-bit machines.
    unsafe { libc::syscall(libc::SYS_pwritev, fd, vectors, count, offset, 0 as c_long) as ssize_t }
}

pub fn ftruncate(fd: c_int, length: off64_t) -> c_int {
    // SAFETY: no pointers.
    unsafe { libc::syscall(libc::SYS_ftruncate, fd, length) as c_int }
}

pub fn sync(fd: c_int, data_only: bool) -> c_int {
    let number = if data_only { libc::SYS_fdatasync } else { libc::SYS_fsync };
    // SAFETY: no pointers.
    unsafe { libc::syscall(number, fd) as c_int }
}

pub fn syncfs(fd: c_int) -> c_int {
    // SAFETY: no pointers.
    unsafe { libc::syscall(libc::SYS_syncfs, fd) as c_int }
}

pub fn sync_all() {
    // SAFETY: no arguments.
    unsafe { libc::syscall(libc::SYS_sync) };
}

/// # Safety
/// Both paths are NUL-terminated strings.
pub unsafe fn renameat2(
    from_directory: c_int,
    from: *const c_char,
    to_directory: c_int,
    to: *const c_char,
    flags: libc::c_uint,
) -> c_int {
    // SAFETY: by the caller.
    unsafe { libc::syscall(libc::SYS_renameat2, from_directory, from, to_directory, to, flags) as c_int }
}

/// # Safety
/// `path` is a NUL-terminated string.
pub unsafe fn unlinkat(directory: c_int, path: *const c_char, flags: c_int) -> c_int {
    // SAFETY: by the caller.
    unsafe { libc::syscall(libc::SYS_unlinkat, directory, path, flags) as c_int }
}

/// # Safety
/// Both paths are NUL-terminated strings.
pub unsafe fn linkat(
    from_directory: c_int,
    from: *const c_char,
    to_directory: c_int,
    to: *const c_char,
    flags: c_int,
) -> c_int {
    // SAFETY: by the caller.
    unsafe { libc::syscall(libc::SYS_linkat, from_directory, from, to_directory, to, flags) as c_int }
}

/// # Safety
/// As `mmap(2)`.
pub unsafe fn mmap(
    address: *mut c_void,
    length: size_t,
    protection: c_int,
    flags: c_int,
    fd: c_int,
    offset: off64_t,
) -> *mut c_void {
    // SAFETY: by the caller.
    unsafe { libc::syscall(libc::SYS_mmap, address, length, protection, flags, fd, offset) as *mut c_void }
}

/// Sets `errno` and returns what failing calls return.
pub fn fail(errno: c_int) -> c_int {
    // SAFETY: the C library gives a valid pointer to this thread's errno.
    unsafe { *libc::__errno_location() = errno };
    -1
}
