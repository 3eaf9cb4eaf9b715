//! The root key on paper: 14 groups of four letters and digits, with a checksum.
//!
//! Crockford's base32 (no I, L, O, U): what people confuse reads the same. A mistyped group is named.
use crate::admin::AdminError;
use sha2::{Digest, Sha256};
use wardline_directory::key::RootKey;
use zeroize::Zeroizing;

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const SEED_BYTES: usize = 32;
const CHECKSUM_BYTES: usize = 3;
const SYMBOLS: usize = (SEED_BYTES + CHECKSUM_BYTES) * 8 / 5; // 56, without a remainder
const GROUP: usize = 4;

/// The recovery of a root key, as it is printed: groups separated by spaces.
pub fn print(root: &RootKey) -> Zeroizing<String> {
    let seed = root.seed();
    let mut bytes = Zeroizing::new(seed.to_vec());
    bytes.extend_from_slice(&checksum(&seed));
    let mut text = Zeroizing::new(String::with_capacity(SYMBOLS * 5 / 4));
    for (i, symbol) in symbols(&bytes).iter().enumerate() {
        if i > 0 && i % GROUP == 0 {
            text.push(' ');
        }
        text.push(char::from(ALPHABET[usize::from(*symbol)]));
    }
    text
}

/// Reads what [`print`] wrote, whatever its case and separators. Errors name the group to look at, where that can be told.
pub fn read(text: &str) -> Result<RootKey, AdminError> {
    let mut values = Zeroizing::new(Vec::with_capacity(SYMBOLS));
    for c in text.chars().filter(|c| !c.is_whitespace() && !matches!(c, '-' | '.' | ',')) {
        let value = value(c).ok_or_else(|| {
            AdminError::Recovery(format!("group {} has a character that never occurs", values.len() / GROUP + 1))
        })?;
        values.push(value);
    }
    if values.len() != SYMBOLS {
        let groups = SYMBOLS / GROUP;
        let found = format!("{} characters where {SYMBOLS} belong ({groups} groups of {GROUP})", values.len());
        return Err(AdminError::Recovery(found));
    }
    if let Some(seed) = seed(&values) {
        return Ok(RootKey::from_seed(*seed));
    }
    Err(AdminError::Recovery(match mistyped_group(&mut values) {
        Some(group) => format!("look at group {group} again"),
        None => "the checksum does not fit: compare every group with the paper".into(),
    }))
}

/// The group in which changing one character makes the checksum fit, if there is exactly one such change. It is named, not made:
/// with a 24-bit checksum one in ten thousand hopeless inputs has a change that fits by chance.
fn mistyped_group(values: &mut [u8]) -> Option<usize> {
    let mut found = Vec::new();
    for at in 0..values.len() {
        let typed = values[at];
        for other in (0..32).filter(|other| *other != typed) {
            values[at] = other;
            if seed(values).is_some() {
                found.push(at / GROUP + 1);
            }
        }
        values[at] = typed;
    }
    match found.as_slice() {
        [one] => Some(*one),
        _ => None,
    }
}

fn value(c: char) -> Option<u8> {
    let c = match c.to_ascii_uppercase() {
        'O' => '0',
        'I' | 'L' => '1',
        c => c,
    };
    ALPHABET.iter().position(|known| char::from(*known) == c).map(|value| value as u8) // below 32
}

fn symbols(bytes: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut symbols = Zeroizing::new(Vec::with_capacity(SYMBOLS));
    for five in bytes.chunks(5) {
        let word = five.iter().fold(0u64, |word, byte| word << 8 | u64::from(*byte));
        symbols.extend((0..8).rev().map(|i| (word >> (5 * i) & 31) as u8));
    }
    symbols
}

fn seed(values: &[u8]) -> Option<Zeroizing<[u8; SEED_BYTES]>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(SEED_BYTES + CHECKSUM_BYTES));
    for eight in values.chunks(8) {
        let word = eight.iter().fold(0u64, |word, value| word << 5 | u64::from(*value));
        bytes.extend_from_slice(&word.to_be_bytes()[3..]);
    }
    let (seed, sum) = bytes.split_first_chunk::<SEED_BYTES>()?;
    (sum == checksum(seed)).then(|| Zeroizing::new(*seed))
}

fn checksum(seed: &[u8; SEED_BYTES]) -> [u8; CHECKSUM_BYTES] {
    let digest = Sha256::new().chain_update(b"wardline recovery v1\0").chain_update(seed).finalize();
    [digest[0], digest[1], digest[2]]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_paper_of_today_reads_in_ten_years() {
        let text = print(&RootKey::from_seed([1; 32]));
        assert_eq!(text.as_str(), GOLDEN);
        assert_eq!(read(GOLDEN).unwrap().public(), RootKey::from_seed([1; 32]).public());
    }

    const GOLDEN: &str = "040G 2081 040G 2081 040G 2081 040G 2081 040G 2081 040G 2081 040M TEBZ";

    #[test]
    fn what_people_confuse_reads_the_same() {
        let root = RootKey::from_seed([9; 32]);
        let text = print(&root).to_lowercase().replace('0', "o").replace('1', "l").replace(' ', "-\n");
        assert_eq!(read(&text).unwrap().public(), root.public());
    }

    #[test]
    fn mistakes_are_located() {
        let text = print(&RootKey::from_seed([9; 32]));
        let groups: Vec<&str> = text.split(' ').collect();
        assert_eq!(groups.len(), 14);
        let with = |at: usize, group: &str| {
            let mut changed = groups.clone();
            changed[at] = group;
            read(&changed.join(" ")).unwrap_err().to_string()
        };
        let other = if groups[4].starts_with('7') { "8" } else { "7" };
        let bent = format!("{other}{}", &groups[4][1..]);
        assert!(with(4, &bent).contains("group 5"), "{}", with(4, &bent));
        assert!(with(2, "AU2B").contains("group 3"));
        assert!(with(2, "A2B").contains("55 characters"));
        assert!(with(2, groups[3]).contains("checksum") || groups[2] == groups[3]);
    }

    proptest! {
        #[test]
        fn any_root_survives_the_paper(seed in any::<[u8; 32]>()) {
            let root = RootKey::from_seed(seed);
            prop_assert_eq!(read(&print(&root)).unwrap().public(), root.public());
        }

        #[test]
        fn any_single_mistake_is_noticed(seed in any::<[u8; 32]>(), at in 0usize..56, by in 1u8..32) {
            let text: String = print(&RootKey::from_seed(seed)).split(' ').collect();
            let mut symbols: Vec<char> = text.chars().collect();
            symbols[at] = char::from(ALPHABET[usize::from((value(symbols[at]).unwrap() + by) % 32)]);
            prop_assert!(read(&symbols.into_iter().collect::<String>()).is_err());
        }

        #[test]
        fn no_text_makes_it_panic(text in ".{0,80}") {
            prop_assert!(read(&text).is_err());
        }
    }
}
