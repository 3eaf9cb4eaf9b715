//! The node's shell against real SQLite files and real QUIC on loopback.
mod backup;
mod client;
mod frames;
mod group_commit;
mod lifecycle;
mod monitoring;
mod reference;
mod storage_failure;
