//! Real speech for tests of sound, and measures of how much of it arrived.
