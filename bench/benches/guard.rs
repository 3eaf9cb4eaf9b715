//! Compares what the hot paths cost with what was committed: instructions, as `benches/instructions.rs` has counted them, and allocations, counted here.
//!
//! Neither depends on how busy the machine is. Instructions depend on the compiler, whose version is kept with them. Allocations are compared as well because one more of
//! them in each packet is about a hundredth of its instructions, and would pass below any sensible limit.
#![allow(clippy::unwrap_used)]
use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::ExitCode;
use wardline_bench::media::{self, Room, VIDEO_BYTES, VOICE_BYTES};
use wardline_bench::messages::{self, Group};

/// What a path may grow by before the guard fails.
const GROWTH_MAX: f64 = 0.05;

/// Packets of one count, as in `benches/instructions.rs`.
const PACKETS: usize = 50;

type Counts = BTreeMap<String, u64>;

/// What is committed as `baseline.json`.
#[derive(Serialize, Deserialize)]
struct Baseline {
    /// The compiler that the instructions were counted with.
    rustc: String,
    instructions: Counts,
    allocations: Counts,
}

fn main() -> ExitCode {
    // cargo adds its own.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let done = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["check", baseline, counted, rustc] => check(Path::new(baseline), Path::new(counted), rustc),
        ["record", baseline, counted, rustc] => record(Path::new(baseline), Path::new(counted), rustc).map(|()| true),
        _ => Err(anyhow::anyhow!("guard check|record BASELINE.json COUNTED.json \"$(rustc --version)\"")),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("guard: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn record(baseline: &Path, counted: &Path, rustc: &str) -> Result<()> {
    let now = Baseline { rustc: rustc.into(), instructions: instructions(counted)?, allocations: allocations() };
    std::fs::write(baseline, serde_json::to_string_pretty(&now)? + "\n")?;
    println!("recorded {} paths in {}", now.instructions.len(), baseline.display());
    Ok(())
}

/// Whether nothing has grown.
fn check(baseline: &Path, counted: &Path, rustc: &str) -> Result<bool> {
    let text = std::fs::read_to_string(baseline).with_context(|| baseline.display().to_string())?;
    let baseline: Baseline = serde_json::from_str(&text)?;
    let same_compiler = baseline.rustc == rustc;
    if !same_compiler {
        println!("The baseline was counted with {}, this is {rustc}.", baseline.rustc);
        println!(
            "Instructions of two compilers do not compare: they are shown and do not fail. Record anew with `scripts/bench --record` at a commit that is known to be good."
        );
    }
    let instructions = compare("instructions", &baseline.instructions, &instructions(counted)?);
    let allocations = compare("allocations", &baseline.allocations, &allocations());
    Ok((instructions || !same_compiler) && allocations)
}

fn compare(what: &str, before: &Counts, now: &Counts) -> bool {
    println!("\n{what:<28} {:>14} {:>14} {:>9}", "baseline", "now", "change");
    let mut grown = Vec::new();
    for path in before.keys().chain(now.keys()).collect::<BTreeSet<_>>() {
        match (before.get(path), now.get(path)) {
            (Some(before), Some(now)) => {
                let change = *now as f64 / (*before).max(1) as f64 - 1.0;
                // From none to one is growth of any share.
                let too_much = change > GROWTH_MAX && now > before;
                println!(
                    "{path:<28} {before:>14} {now:>14} {:>8.2}%{}",
                    change * 100.0,
                    if too_much { "  GROWN" } else { "" }
                );
                if too_much {
                    grown.push(format!("{path}: {what} grew by {:.1} %, from {before} to {now}", change * 100.0));
                }
            }
            (Some(_), None) => grown.push(format!("{path}: {what} are not counted any more; record the baseline anew")),
            (None, _) => grown.push(format!("{path}: {what} have no baseline; record it anew")),
        }
    }
    for line in &grown {
        eprintln!("GUARD: {line} (limit {:.0} %)", GROWTH_MAX * 100.0);
    }
    grown.is_empty()
}

/// From gungraun's summaries, one JSON object a line.
fn instructions(counted: &Path) -> Result<Counts> {
    let text = std::fs::read_to_string(counted).with_context(|| counted.display().to_string())?;
    let mut counts = Counts::new();
    for line in text.lines().filter(|line| line.starts_with('{')) {
        let summary: Value = serde_json::from_str(line)?;
        let name = |key: &str| summary[key].as_str().map(str::to_owned);
        let (function, id) = (name("function_name").context("function_name")?, name("id").context("id")?);
        // Of this run: beside it, under "old", stands the run before, which is nobody's baseline.
        let count = summary.pointer("/profiles/0/data/total/metrics/Ir/values/new").and_then(Value::as_u64);
        let count = count.with_context(|| format!("no instructions of {function}"))?;
        counts.insert(format!("{function} {id}"), count);
    }
    if counts.is_empty() {
        bail!("{}: nothing was counted", counted.display());
    }
    Ok(counts)
}

fn allocations() -> Counts {
    let mut counts = Counts::new();
    let mut count = |path: &str, run: &mut dyn FnMut()| {
        counts.insert(path.into(), allocation_counter::measure(run).count_total);
    };
    let frame = messages::entry_frame();
    let bytes = messages::encode(&frame);
    count("frame_encode entry", &mut || drop(messages::encode(&frame)));
    count("frame_decode entry", &mut || drop(messages::decode(&bytes)));

    for members in [10, 40] {
        let mut group = Group::of(members);
        let first = group.message();
        group.deliver(first);
        let mut message = Some(group.message());
        count(&format!("plane_deliver to_{members}"), &mut || {
            message.take().map(|message| group.deliver(message));
        });
        let sealed = group.encrypt();
        group.decrypt(&sealed);
        count(&format!("mls_encrypt of_{members}"), &mut || drop(group.encrypt()));
        let sealed = group.encrypt();
        count(&format!("mls_decrypt of_{members}"), &mut || group.decrypt(&sealed));
        count(&format!("plane_sign_in of_{members}"), &mut || group.sign_in());
    }

    let (mut sealer, piece) = messages::sealer();
    count("attachment_seal piece", &mut || drop(messages::seal_piece(&mut sealer, &piece)));
    for (name, bytes) in [("voice", VOICE_BYTES), ("video", VIDEO_BYTES)] {
        let (mut sender, mut receiver) = media::sframe();
        let payload = vec![1; bytes];
        let first = media::seal(&mut sender, &payload);
        media::open(&mut receiver, &first);
        count(&format!("sframe_seal {name}"), &mut || drop(media::seal(&mut sender, &payload)));
        let sealed = media::seal(&mut sender, &payload);
        count(&format!("sframe_open {name}"), &mut || media::open(&mut receiver, &sealed));
    }
    for (name, listeners, bytes) in
        [("voice_to_1", 1, VOICE_BYTES), ("voice_to_7", 7, VOICE_BYTES), ("large_to_7", 7, VIDEO_BYTES)]
    {
        let mut room = Room::of(listeners);
        let packets = room.packets(PACKETS, bytes);
        count(&format!("forward_50 {name}"), &mut || {
            room.forward(&packets);
        });
    }
    counts
}
