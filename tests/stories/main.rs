//! Stories of a hospital's day, end to end: the node is the program itself in its own process, people have real devices on it.
mod broadcasts;
mod calls;
mod channels;
mod devices;
mod files;
mod lost;
mod membership;
mod network;
mod office;
mod programs;
mod roaming;
mod sound;
