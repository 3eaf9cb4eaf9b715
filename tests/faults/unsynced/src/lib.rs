//! A storage layer that forgets what was not synced, for tests that kill a program and ask what it had promised.
//!
//! Loaded with `LD_PRELOAD`, it watches the file calls of a program on everything below `$UNSYNCED_ROOT`. The program sees
//! its files as usual. Beside them, `$UNSYNCED_SHADOW/tree` holds what a disk that loses power may be left with: only what
//! was synced. After `kill -9` the test puts the tree in the place of the data directory.
//!
//! # The model
//!
//! - What a file held when the program started is durable.
//! - Bytes written, and a changed length, become durable when a sync of that file (`fsync`, `fdatasync`) returns; a sync that was
//!   cut off may have stored any part of it. With `O_SYNC` or `O_DSYNC` every write syncs.
//! - A created, renamed or removed name becomes durable at a sync of the file itself or of the directory it is in, together
//!   with the earlier changes of the same names, in their order. (As ext4 and XFS do it; POSIX promises the directory sync only.)
//! - A directory is durable with the first durable file in it.
//! - Nothing else is ever durable: no write-back by itself, however long the program runs. So a missing sync always shows.
//!
//! # What it does not see
//!
//! C standard I/O (`fopen`), io_uring, and writes through a shared memory map. The first two are not used by the programs under
//! test; a writable shared map of a watched file ends the program with a message, but for SQLite's `-shm`, which is rebuilt
//! from the log when it is missing. Hard links below the root end the program as well. Calls that write without
//! telling where (`copy_file_range`, `sendfile`, `fallocate`) are refused, so that programs fall back to plain writes.
//!
//! Absent on purpose: everything of Wardline. The layer knows files, not messages.

// Replacing the C library's file calls is the whole purpose; each use says what it relies on.
#![allow(unsafe_code)]

mod exports;
mod layer;
mod names;
mod ranges;
mod real;
mod watch;
