//! A live broadcast through the real node: signed directory, channel with its MLS group, signaling, media plane.
//!
//! The operator and a sample of the viewers are full members with the shipped client: real keys, every frame opened, and of some every picture decoded
//! and its number compared with what was sent. The other viewers are members by key packages of their own; they sign in, ask to watch, and receive over
//! DTLS-SRTP, compare every packet with what was sent, to the last byte, and open none: hundreds of MLS states and decoders would measure
//! themselves.
pub mod audience;
pub mod footage;
pub mod house;
pub mod ledger;
pub mod narrow;
pub mod operator;
pub mod pictures;
mod rekey;
mod show;
pub mod stage;
pub mod stamp;
pub mod watcher;

use crate::device::Roads;
use crate::live::Live;
use crate::node::Node;
use crate::run::Figures;
use crate::workload::Broadcast;
use anyhow::{Context as _, Result};
use footage::Footage;
use house::House;
use show::Show;
use std::sync::Arc;

/// Runs the workload.
///
/// # Errors
/// What kept the broadcast from being made. What goes wrong in it is counted.
pub async fn run(settings: &Broadcast, node: &mut Node, live: &Arc<Live>) -> Result<Figures> {
    live.phase("making picture and speech");
    let wanted = settings.clone();
    let footage = tokio::task::spawn_blocking(move || Footage::make(&wanted)).await??;
    let (roads, switch) = Roads::new(node.access().clone(), live.clone());
    let house = House::gather(settings, node, &roads, live).await?;
    let mut figures = Figures::default();
    let mut show = Show::begin(settings, node, live, house, footage).await.context("going live")?;
    for viewers in &settings.steps {
        show.fill(*viewers).await?;
        show.step(settings.step_seconds, node, &mut figures).await?;
    }
    show.fill(settings.viewers).await?;
    show.measure(node, &mut figures).await?;
    show.lossy(&mut figures).await?;
    show.narrow(&mut figures).await?;
    show.rekey(node, &mut figures).await?;
    show.end(&mut figures).await?;
    figures.errors("lines_broken", roads.lines().broken.load(std::sync::atomic::Ordering::Relaxed));
    drop(switch);
    Ok(figures)
}
