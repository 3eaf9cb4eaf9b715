//! The node's shell against real SQLite files and real connections on loopback.
#[cfg(test)]
mod backup;
#[cfg(test)]
mod client;
#[cfg(test)]
mod frames;
#[cfg(test)]
mod group_commit;
#[cfg(test)]
mod lifecycle;
#[cfg(test)]
mod line;
#[cfg(test)]
mod monitoring;
#[cfg(test)]
mod program;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod storage_failure;
#[cfg(test)]
mod web_page;
#[cfg(test)]
mod web_sessions;
