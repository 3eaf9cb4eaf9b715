//! `wardline-loadtest-sfu ADDRESS`: the product's media plane alone, for measuring it. See `wardline_loadtest::video::process`.
use anyhow::{Context as _, Result};

fn main() -> Result<()> {
    let address = std::env::args().nth(1).context("say at which address to listen")?;
    wardline_loadtest::video::process::serve(address.parse()?)
}
