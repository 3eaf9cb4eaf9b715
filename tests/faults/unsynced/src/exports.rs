//! The C library's file calls, replaced by name.
use crate::real;
use crate::watch::{
    is_watched, map_watched, open_watched, refuse, rename_watched, resize_watched, sync_everything, sync_watched,
    unlink_watched, write_watched,
};
use libc::{c_char, c_int, c_uint, c_void, iovec, mode_t, off64_t, size_t, ssize_t};
use std::io;

// Each export has the C library's signature. `open` and `openat` are variadic there; on Linux's 64-bit ABIs a third or fourth
// argument arrives in the same register either way, and the kernel looks at `mode` only when a file may be created.
// SAFETY of all: the arguments are the program's own and are passed on as they are; the names replace the C library's because
// this library is loaded before it. In this crate's own tests they are not exported, so that the test program is not watched.
macro_rules! export {
    ($($name:ident $(, $twin:ident)?: $args:tt -> $result:ty = $body:expr;)+) => {$(
        export!(@one $name $args -> $result = $body);
        $(export!(@one $twin $args -> $result = $body);)?
    )+};
    (@one $name:ident ($($arg:ident: $kind:ty),*) -> $result:ty = $body:expr) => {
        #[cfg_attr(not(test), unsafe(no_mangle))]
        #[allow(clippy::missing_safety_doc, missing_docs, dead_code)]
        pub unsafe extern "C" fn $name($($arg: $kind),*) -> $result {
            #[allow(unused_unsafe)]
            // SAFETY: see above.
            unsafe { $body }
        }
    };
}

export! {
    open, open64: (path: *const c_char, flags: c_int, mode: mode_t) -> c_int = open_watched(libc::AT_FDCWD, path, flags, mode);
    openat, openat64: (directory: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int =
        open_watched(directory, path, flags, mode);
    creat, creat64: (path: *const c_char, mode: mode_t) -> c_int =
        open_watched(libc::AT_FDCWD, path, libc::O_CREAT | libc::O_WRONLY | libc::O_TRUNC, mode);
    write: (fd: c_int, buffer: *const c_void, count: size_t) -> ssize_t =
        write_watched(fd, None, || real::write(fd, buffer, count));
    writev: (fd: c_int, vectors: *const iovec, count: c_int) -> ssize_t =
        write_watched(fd, None, || real::writev(fd, vectors, count));
    pwrite, pwrite64: (fd: c_int, buffer: *const c_void, count: size_t, offset: off64_t) -> ssize_t =
        write_watched(fd, Some(offset), || real::pwrite(fd, buffer, count, offset));
    pwritev, pwritev64: (fd: c_int, vectors: *const iovec, count: c_int, offset: off64_t) -> ssize_t =
        write_watched(fd, Some(offset), || real::pwritev(fd, vectors, count, offset));
    ftruncate, ftruncate64: (fd: c_int, length: off64_t) -> c_int = resize_watched(fd, length);
    fsync: (fd: c_int) -> c_int = sync_watched(fd, false);
    fdatasync: (fd: c_int) -> c_int = sync_watched(fd, true);
    syncfs: (fd: c_int) -> c_int = {
        sync_everything();
        real::syncfs(fd)
    };
    sync: () -> () = {
        sync_everything();
        real::sync_all()
    };
    rename: (from: *const c_char, to: *const c_char) -> c_int =
        rename_watched(libc::AT_FDCWD, from, libc::AT_FDCWD, to, 0);
    renameat: (from_directory: c_int, from: *const c_char, to_directory: c_int, to: *const c_char) -> c_int =
        rename_watched(from_directory, from, to_directory, to, 0);
    renameat2: (from_directory: c_int, from: *const c_char, to_directory: c_int, to: *const c_char, flags: c_uint) -> c_int =
        rename_watched(from_directory, from, to_directory, to, flags);
    unlink: (path: *const c_char) -> c_int = unlink_watched(libc::AT_FDCWD, path, 0);
    unlinkat: (directory: c_int, path: *const c_char, flags: c_int) -> c_int = unlink_watched(directory, path, flags);
    link: (from: *const c_char, to: *const c_char) -> c_int = {
        refuse(libc::AT_FDCWD, to, "hard links are not modelled");
        real::linkat(libc::AT_FDCWD, from, libc::AT_FDCWD, to, 0)
    };
    linkat: (from_directory: c_int, from: *const c_char, to_directory: c_int, to: *const c_char, flags: c_int) -> c_int = {
        refuse(to_directory, to, "hard links are not modelled");
        real::linkat(from_directory, from, to_directory, to, flags)
    };
    truncate, truncate64: (path: *const c_char, length: off64_t) -> c_int = {
        refuse(libc::AT_FDCWD, path, "truncate by path is not modelled");
        libc::syscall(libc::SYS_truncate, path, length) as c_int
    };
    mmap, mmap64: (address: *mut c_void, length: size_t, protection: c_int, flags: c_int, fd: c_int, offset: off64_t) -> *mut c_void =
        map_watched(address, length, protection, flags, fd, offset);
    copy_file_range: (from: c_int, from_at: *mut off64_t, to: c_int, to_at: *mut off64_t, count: size_t, flags: c_uint) -> ssize_t =
        if is_watched(to) {
            real::fail(libc::ENOSYS) as ssize_t
        } else {
            libc::syscall(libc::SYS_copy_file_range, from, from_at, to, to_at, count, flags) as ssize_t
        };
    sendfile, sendfile64: (to: c_int, from: c_int, offset: *mut off64_t, count: size_t) -> ssize_t =
        if is_watched(to) {
            real::fail(libc::ENOSYS) as ssize_t
        } else {
            libc::syscall(libc::SYS_sendfile, to, from, offset, count) as ssize_t
        };
    fallocate, fallocate64: (fd: c_int, mode: c_int, offset: off64_t, length: off64_t) -> c_int =
        if is_watched(fd) {
            real::fail(libc::EOPNOTSUPP)
        } else {
            libc::syscall(libc::SYS_fallocate, fd, mode, offset, length) as c_int
        };
    posix_fallocate, posix_fallocate64: (fd: c_int, offset: off64_t, length: off64_t) -> c_int =
        if is_watched(fd) {
            libc::EOPNOTSUPP
        } else if libc::syscall(libc::SYS_fallocate, fd, 0, offset, length) == 0 {
            0
        } else {
            io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO)
        };
}
