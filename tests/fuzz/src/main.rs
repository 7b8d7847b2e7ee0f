//! Feeds bytes in pieces to the parsers of the library, and compares with a model that sees the whole stream at once.
//!
//! ```text
//! cargo run --release -p netloop-fuzz -- --seeds 100000     random inputs; a failure names its seed
//! cargo run --release -p netloop-fuzz -- --seed 42          one of them again
//! cargo run --release -p netloop-fuzz -- FILE..             inputs of a fuzzer that hands over files, such as AFL
//! ```

mod input;
mod targets;

use std::error::Error;
use std::path::PathBuf;

use input::Input;
use lexopt::prelude::*;

/// The number of random inputs that a run without arguments tries.
const DEFAULT_SEEDS: u64 = 10_000;

fn main() -> Result<(), Box<dyn Error>> {
    let mut seeds = 0..DEFAULT_SEEDS;
    let mut files: Vec<PathBuf> = Vec::new();
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("seeds") => seeds = 0..parser.value()?.parse()?,
            Long("seed") => {
                let seed = parser.value()?.parse()?;
                seeds = seed..seed + 1;
            }
            Value(file) => files.push(file.into()),
            _ => return Err(argument.unexpected().into()),
        }
    }
    if !files.is_empty() {
        for file in &files {
            targets::check(&Input::from_bytes(&std::fs::read(file)?));
        }
        println!("{} files: no difference", files.len());
        return Ok(());
    }
    for seed in seeds.clone() {
        let input = Input::random(&mut fastrand::Rng::with_seed(seed));
        // The parser under test panics where it is wrong; the hook below the panic prints the message, this the seed.
        if let Err(panic) = std::panic::catch_unwind(|| targets::check(&input)) {
            eprintln!("seed {seed}: {input:?}");
            std::panic::resume_unwind(panic);
        }
    }
    println!("{} seeds: no difference", seeds.end - seeds.start);
    Ok(())
}
