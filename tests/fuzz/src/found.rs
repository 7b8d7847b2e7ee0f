//! The seeds that have found something, which are tests from then on.

use std::error::Error;

/// One seed a line: the target, the seed, and behind a `#` what it had found.
#[cfg(test)]
const FOUND: &str = include_str!("../found.txt");

/// Parses a seed as arbtest prints it.
pub(crate) fn seed(text: &str) -> Result<u64, Box<dyn Error + Send + Sync>> {
    let digits = text.strip_prefix("0x").ok_or("a seed begins with 0x")?;
    Ok(u64::from_str_radix(&digits.replace('_', ""), 16)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Inputs, play, targets};

    #[test]
    fn a_seed_that_found_something_finds_nothing_any_more() {
        let lines = FOUND.lines().map(|line| line.split('#').next());
        for line in lines.flatten().filter(|line| !line.trim().is_empty()) {
            let mut words = line.split_whitespace();
            let (name, text) = (words.next().unwrap(), words.next().unwrap());
            let target = targets::named(name).unwrap();
            play(&target, &Inputs::Seed(seed(text).unwrap())).unwrap();
        }
    }

    #[test]
    fn a_run_from_fixed_seeds_is_the_same_each_time() {
        let target = targets::named("lines").unwrap();
        assert_eq!(play(&target, &Inputs::Runs(8)).unwrap(), 8);
        assert_eq!(crate::fixed_seed(5), crate::fixed_seed(5));
        assert_ne!(crate::fixed_seed(4), crate::fixed_seed(8));
    }
}
