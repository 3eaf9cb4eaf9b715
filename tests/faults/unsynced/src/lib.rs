//! A storage layer that forgets what was not synced.
