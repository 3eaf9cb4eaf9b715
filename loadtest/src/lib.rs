//! Named workloads against a real node, over the real protocol, with real encryption: what it costs and how long it takes.
//!
//! A workload is a TOML file that says why it exists; a run gives one [`report::Report`]. The node is a process of its own, so that its
//! CPU time and memory are its alone; the load's own CPU time is reported beside it, so that nobody takes the one for the other.
//!
//! Absent on purpose: shortcuts around the protocol. Whoever counts as a full member holds the group's MLS state and decrypts.
pub mod broadcast;
pub mod calls;
pub mod chat;
pub mod churn;
pub mod crowd;
pub mod device;
pub mod html;
pub mod idle;
pub mod live;
pub mod machine;
pub mod member;
pub mod node;
pub mod person;
pub mod ports;
pub mod report;
pub mod run;
pub mod sample;
pub mod storm;
pub mod video;
pub mod witness;
pub mod workload;
