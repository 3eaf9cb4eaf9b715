//! The rules every commit must keep.
