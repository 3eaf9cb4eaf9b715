//! The committed seeds, and damage to each of them, through the functions that cargo-fuzz calls.
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use wardline_fuzzing::TARGETS;

/// Damaged copies of each seed in a plain test run; cargo-fuzz makes millions.
const DAMAGED_PER_SEED: u32 = 40;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz")
}

fn seeds(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = folder().join("seeds").join(target);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut seeds: Vec<_> =
        entries.map(|entry| entry.unwrap().path()).map(|path| (path.clone(), fs::read(path).unwrap())).collect();
    seeds.sort();
    seeds
}

/// A linear congruential generator (Numerical Recipes): the same damage in every run.
struct Damage(u32);

impl Damage {
    fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        self.0 >> 8
    }

    fn below(&mut self, bound: usize) -> usize {
        self.next() as usize % bound.max(1)
    }

    fn apply(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        for _ in 0..=self.below(3) {
            let at = self.below(bytes.len());
            match self.next() % 4 {
                0 => bytes.truncate(at),
                1 => bytes.insert(at, self.next() as u8),
                2 if at < bytes.len() => drop(bytes.remove(at)),
                _ => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= (self.0 >> 16) as u8 | 1),
            }
        }
        bytes
    }
}

#[test]
fn every_target_takes_its_seeds_and_damage_to_them() {
    for target in TARGETS {
        let seeds = seeds(target.name);
        assert!(!seeds.is_empty(), "{} has no seeds: make fuzz-seeds", target.name);
        let mut damage = Damage(1);
        for (_, bytes) in &seeds {
            (target.run)(bytes);
            for _ in 0..DAMAGED_PER_SEED {
                (target.run)(&damage.apply(bytes));
            }
        }
    }
}

/// The seeds made by the real codecs must get behind the first check, or the targets would only fuzz the decoder.
#[test]
fn committed_seeds_are_those_of_the_present_format() {
    let same_always = ["client_frames", "server_frames", "content", "codes", "statements", "device_chain"];
    for (target, name, bytes) in wardline_fuzzing::seeds::all() {
        if same_always.contains(&target) {
            assert!(
                seeds(target).iter().any(|(_, seed)| *seed == bytes),
                "{target}/{name} is out of date: make fuzz-seeds"
            );
        }
    }
}

/// cargo-fuzz has a program for each target, and none besides.
#[test]
fn every_target_has_its_program() {
    let programs: BTreeSet<String> = fs::read_dir(folder().join("fuzz_targets"))
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    assert_eq!(programs, TARGETS.iter().map(|target| target.name.to_owned()).collect());
    let manifest = fs::read_to_string(folder().join("Cargo.toml")).unwrap();
    for program in programs {
        assert!(manifest.contains(&format!("name = \"{program}\"")), "{program} is not in fuzz/Cargo.toml");
    }
}

/// The seed of a commit is a good one in the present format: damage to it reaches the checks behind the decoder.
#[test]
fn the_committed_commit_still_verifies() {
    let whole =
        seeds("public_view").into_iter().find(|(path, _)| path.to_string_lossy().ends_with("-commit")).unwrap().1;
    let parts = wardline_fuzzing::parts::split(&whole);
    let [group_info, tree, next, commit, proposals @ ..] = parts.as_slice() else { panic!("{} parts", parts.len()) };
    let id = wardline_fuzzing::world::CONVERSATION;
    let mut view = wardline_e2ee::public::PublicView::open(id, group_info, tree).unwrap();
    assert_eq!(view.check(proposals, commit, next).unwrap().added.len(), 1);
}
